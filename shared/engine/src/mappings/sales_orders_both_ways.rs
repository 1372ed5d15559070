//! SALESORDER-ORDER where orders travel both ways: released orders of Business Central and submitted ones of Dataverse are the
//! same order (S90 to S126, decision 0051).

mod freight;
mod from_dataverse;
mod to_dataverse;
mod writing_back;

use async_trait::async_trait;
use couplet_model::message::Direction;

use super::order_names::{OCCURRENCE, ORDER_NUMBER};
use super::rules::{BatchRules, Context, MappingRules, OnDeletion, Transferring};
use crate::error::EngineError;

pub(crate) struct SalesOrdersBothWays;

#[async_trait]
impl MappingRules for SalesOrdersBothWays {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[
                "customerNumber",
                "customerName",
                "documentStatus",
                "fullyShipped",
                "documentOccurrence",
                "pricesIncludeTax",
            ],
            Direction::FromDataverse => &[
                "customerid",
                "statecode",
                "statuscode",
                "name",
                "quoteid",
                "freightamount",
                "discountamount",
                "discountpercentage",
                "totallineitemamount",
                "totalamountlessfreight",
                "bcbi_companyid",
                ORDER_NUMBER,
                OCCURRENCE,
            ],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[
                "statecode",
                "statuscode",
                "customerid",
                "pricelevelid",
                "discountpercentage",
                "discountamount",
                OCCURRENCE,
            ],
            Direction::FromDataverse => {
                &["documentStatus", "prepaymentDue", "number", "documentOccurrence", "customerNumber", "discountAmount"]
            }
        }
    }

    /// An order that is open in Dataverse because an earlier attempt opened it goes on.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::FromDataverse && column == "statecode"
    }

    /// What was deleted or posted in Business Central stays coupled, marked, and is the archive's from then on (S128).
    fn on_deletion(&self, direction: Direction) -> OnDeletion {
        match direction {
            Direction::ToDataverse => OnDeletion::AsTheRulesDo,
            Direction::FromDataverse => OnDeletion::AsTheMappingSays,
        }
    }

    /// An order goes when it is posted to its end.
    fn leave_in_ordinary_work(&self, direction: Direction) -> bool {
        direction == Direction::ToDataverse
    }

    /// An order that is over in Business Central is no concern of its order in Dataverse any more (S124).
    fn may_leave(&self, direction: Direction) -> bool {
        direction == Direction::FromDataverse
    }

    fn opens_documents(&self) -> bool {
        true
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        orders: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(match context.direction {
            Direction::ToDataverse => Box::new(to_dataverse::Prepared::of(context, orders).await?),
            Direction::FromDataverse => Box::new(from_dataverse::Prepared::of(context, orders).await?),
        })
    }
}

#[cfg(test)]
mod tests;
