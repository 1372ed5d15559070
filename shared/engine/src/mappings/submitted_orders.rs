//! SALESORDER-ORDER in one-way mode: orders submitted in Sales become orders of Business Central, once, and what becomes of
//! these there is told to Sales (S46 to S89, decision 0050).

mod deleted;
mod states;
mod taking_over;
mod telling_sales;

use std::collections::HashSet;

use async_trait::async_trait;
use couplet_model::message::Direction;

pub(crate) use self::deleted::posted;
use self::states::TAKEN_OVER;
use super::order_standing::OrderLocks;
use super::rules::{BatchRules, Context, Locks, MappingRules, OnDeletion, SourceDeleted, Transferring};
use crate::error::EngineError;
use crate::installation::Installation;

pub(crate) struct SubmittedOrders;

#[async_trait]
impl MappingRules for SubmittedOrders {
    /// Orders that were submitted before are not made again: they are taken over one by one, by their job.
    fn belongs_to_full_synchronization(&self) -> bool {
        false
    }

    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            // The totals are kept with the pair, although Dataverse makes its own.
            Direction::ToDataverse => &["fullyInvoiced", "totalAmountExcludingTax", "totalAmountIncludingTax"],
            Direction::FromDataverse => &[
                "name",
                "ordernumber",
                "customerid",
                "statecode",
                "statuscode",
                TAKEN_OVER,
                "quoteid",
                "freightamount",
                "discountamount",
                "discountpercentage",
                "totallineitemamount",
                "totalamountlessfreight",
            ],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => {
                &["statecode", "statuscode", TAKEN_OVER, "discountpercentage", "totallineitemamount"]
            }
            Direction::FromDataverse => &["number"],
        }
    }

    /// An order that was posted left its documents behind.
    async fn left_behind_a_trace(
        &self,
        installation: &Installation,
        direction: Direction,
        numbers: &[String],
    ) -> Result<HashSet<String>, EngineError> {
        match direction {
            Direction::ToDataverse => posted(installation, numbers.iter().map(String::as_str)).await,
            Direction::FromDataverse => Ok(HashSet::new()),
        }
    }

    /// An order that an earlier attempt has begun to take over is finished, whatever state that attempt left it in. The feed
    /// shows only those that nobody has begun with.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::FromDataverse && ["statecode", TAKEN_OVER].contains(&column)
    }

    /// What becomes of an order whose order in Business Central is gone depends on whether that was invoiced.
    fn on_deletion(&self, direction: Direction) -> OnDeletion {
        match direction {
            Direction::ToDataverse => OnDeletion::AsTheRulesDo,
            Direction::FromDataverse => OnDeletion::Uncouple,
        }
    }

    /// An order goes when it is posted to its end.
    fn leave_in_ordinary_work(&self, direction: Direction) -> bool {
        direction == Direction::ToDataverse
    }

    async fn source_deleted(&self, context: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
        deleted::tell_sales(context, records).await
    }

    fn locks(&self) -> Option<&'static dyn Locks> {
        Some(&OrderLocks)
    }

    /// An order of Business Central goes on without the one it came from (C-160).
    fn forgets_deleted_partners(&self) -> bool {
        true
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(match context.direction {
            Direction::ToDataverse => Box::new(telling_sales::Prepared::of(sources)),
            Direction::FromDataverse => Box::new(taking_over::Prepared::of(context, sources).await?),
        })
    }
}

#[cfg(test)]
mod tests;
