//! PLHEADER-PRICE: price lists of Business Central become price lists of Dataverse (S240, S241, S243).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, Value};

use super::currency_rows::CurrencyRows;
use super::price_levels::{ACTIVE, INACTIVE, PriceLevels, keeps_currency, named_like};
use super::rules::{AfterWrite, BatchRules, Context, MappingRules, Match, Obstacle, Transferring, WrittenBeside, set};
use crate::bulk::write_all;
use crate::error::EngineError;

pub(crate) struct PriceLists;

/// State and status that a price list gets in Dataverse.
fn state_of(list: &Record) -> (i64, i64) {
    if list.get("status") == &Value::text("Active") { ACTIVE } else { INACTIVE }
}

async fn currencies(context: Context<'_>, lists: &[&Record]) -> Result<CurrencyRows, EngineError> {
    let codes = lists.iter().filter_map(|list| list.get("currencyCode").as_text().map(str::to_owned));
    CurrencyRows::read(context.installation, codes.collect()).await
}

#[async_trait]
impl MappingRules for PriceLists {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &["status"]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["statecode", "statuscode", "transactioncurrencyid"]
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same name")
    }

    fn unique_column(&self, _: Direction) -> Option<(&'static str, &'static str)> {
        Some(("code", "name"))
    }

    /// The price list of the same name and currency, if this one is active (C-200).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let currencies = currencies(context, sources).await?;
        let obstacle = |list: &Record, level: &Record| {
            let code = list.get("code");
            if state_of(list) != ACTIVE {
                return Some(DataFailure::of_field(
                    "Status",
                    format!(
                        "the price list {code} is {}, and only an active one is coupled with the price list of its name that is \
                         there in Dataverse; activate it, or rename one of the two",
                        list.get("status")
                    ),
                ));
            }
            keeps_currency(code, list.get("currencyCode").as_text(), level, &currencies).err()
        };
        named_like(context, sources, obstacle).await
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let lists: Vec<&Record> = sources.iter().map(|record| record.source).collect();
        Ok(Box::new(Prepared {
            levels: PriceLevels::of(context).await?,
            currencies: currencies(context, &lists).await?,
        }))
    }
}

struct Prepared {
    levels: PriceLevels,
    currencies: CurrencyRows,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let Some(level) = record.destination else { return Ok(()) };
        let currency = record.source.get("currencyCode").as_text();
        Ok(keeps_currency(record.source.get("code"), currency, level, &self.currencies)?)
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        self.levels.own(fields)?;
        // A new price list is active until it is told otherwise.
        if !record.creating && record.source.known("status").is_some() {
            let (state, status) = state_of(record.source);
            set(fields, &self.levels.table, "statecode", Value::Int(state))?;
            set(fields, &self.levels.table, "statuscode", Value::Int(status))?;
        }
        Ok(())
    }

    /// Takes new price lists out of use that are not active in Business Central (S241).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut new: Vec<&mut AfterWrite<'_>> = records.iter_mut().filter(|record| record.created).collect();
        let writes: HashMap<usize, Write> = (0..)
            .zip(&new)
            .filter(|(_, record)| state_of(record.source) == INACTIVE)
            .map(|(place, record)| {
                let values: Values = [
                    (Arc::from("statecode"), Value::Int(INACTIVE.0)),
                    (Arc::from("statuscode"), Value::Int(INACTIVE.1)),
                ]
                .into();
                (place, Write::update(record.destination, None, values))
            })
            .collect();
        let (places, writes): (Vec<usize>, Vec<Write>) = writes.into_iter().unzip();
        let results = write_all(context.installation.system(Side::Dataverse), &self.levels.table, &writes).await;
        for record in &mut new {
            let (state, status) = state_of(record.source);
            let values = vec![("statecode", Value::Int(state)), ("statuscode", Value::Int(status))];
            record.beside = Ok(WrittenBeside { values, ..WrittenBeside::default() });
        }
        // `write_all` gives one result per write.
        for (place, result) in places.into_iter().zip(results) {
            if let Err(error) = result {
                new[place].beside = Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
