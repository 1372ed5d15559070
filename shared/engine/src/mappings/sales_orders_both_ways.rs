//! SALESORDER-ORDER where orders travel both ways: released orders of Business Central and submitted ones of Dataverse are the
//! same order (S90 to S126, decision 0051).

mod applying_discounts;
mod discounts;
mod freight;
mod from_dataverse;
mod to_dataverse;
mod writing_back;

use std::collections::HashSet;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, Value};

use super::order_names::{OCCURRENCE, ORDER_NUMBER};
use super::order_releasing::is_open;
use super::order_standing::{OrderLocks, Standing};
use super::rules::{BatchRules, Context, Locks, MappingRules, OnDeletion, Transferring};
use super::submitted_orders::posted;
use crate::error::EngineError;
use crate::installation::Installation;

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
                "totallineitemamount",
                "totalamountlessfreight",
                OCCURRENCE,
            ],
            Direction::FromDataverse => &[
                "documentStatus",
                "prepaymentDue",
                "number",
                "documentOccurrence",
                "customerNumber",
                "discountAmount",
                "pricesIncludeTax",
            ],
        }
    }

    /// An order that is open in Dataverse because an earlier attempt opened it goes on.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::FromDataverse && column == "statecode"
    }

    /// An order that names its order in Business Central was uncoupled by a person (R207).
    fn was_there_before(&self, direction: Direction, source: &Record) -> bool {
        direction == Direction::FromDataverse && !source.get(ORDER_NUMBER).is_null()
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

    /// An order that was posted left its documents behind, and one that was deleted its last archive.
    async fn left_behind_a_trace(
        &self,
        installation: &Installation,
        direction: Direction,
        numbers: &[String],
    ) -> Result<HashSet<String>, EngineError> {
        if direction == Direction::FromDataverse || numbers.is_empty() {
            return Ok(HashSet::new());
        }
        let mut told = posted(installation, numbers.iter().map(String::as_str)).await?;
        let table = installation.table(Side::BusinessCentral, "Sales Header Archive")?;
        let untold: Vec<Value> = numbers
            .iter()
            .filter(|number| !told.contains(&folded(number)))
            .map(|number| Value::text(number.as_str()))
            .collect();
        if !untold.is_empty() {
            let (filter, columns) = (Filter::all(vec![Condition::one_of("number", untold)]), ["number".to_owned()]);
            let archives = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
            told.extend(archives.iter().filter_map(|archive| archive.get("number").as_text().map(folded)));
        }
        Ok(told)
    }

    /// An order that is over in Business Central is no concern of its order in Dataverse any more (S124).
    fn may_leave(&self, direction: Direction) -> bool {
        direction == Direction::FromDataverse
    }

    fn locks(&self) -> Option<&'static dyn Locks> {
        Some(&OrderLocks)
    }

    fn opens_documents(&self) -> bool {
        true
    }

    fn is_open_document(&self, direction: Direction, document: &Record) -> bool {
        match direction {
            Direction::ToDataverse => Standing::of(document).is_some_and(Standing::is_open),
            Direction::FromDataverse => is_open(document),
        }
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
