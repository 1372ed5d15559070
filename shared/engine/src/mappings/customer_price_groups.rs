//! CUSTPRCGRP-PRICE: customer price groups become price lists of Dataverse, in the currency of their prices (S232 to S234).

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, Value};

use super::currency_rows::CurrencyRows;
use super::price_levels::{PriceLevels, keeps_currency, named_like};
use super::rules::{BatchRules, Context, MappingRules, Match, Obstacle, Transferring, set_on_create};
use crate::error::EngineError;

/// The table of the prices of groups.
const PRICES: &str = "Sales Price";

pub(crate) struct CustomerPriceGroups;

/// The currencies of groups: that of the first price of each, by the order of Business Central; none where it has no prices
/// or the local currency (S233).
struct Currencies {
    by_group: HashMap<String, String>,
    rows: CurrencyRows,
}

impl Currencies {
    async fn read(context: Context<'_>, groups: &[&Record]) -> Result<Self, EngineError> {
        let codes: Vec<Value> = groups.iter().map(|group| group.get("code").clone()).collect();
        let filter = Filter::all(vec![
            Condition::equal("salesType", Value::text("Customer Price Group")),
            Condition::one_of("salesCode", codes),
        ]);
        let order = ["itemNo", "startingDate", "currencyCode", "variantCode", "unitOfMeasureCode", "minimumQuantity"];
        let columns: Vec<String> = order.into_iter().chain(["salesCode"]).map(str::to_owned).collect();
        let installation = context.installation;
        let table = installation.table(Side::BusinessCentral, PRICES)?;
        let prices = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
        let mut first: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
        for price in &prices {
            let key: Vec<String> = order.iter().map(|column| text(price.get(column))).collect();
            let currency = text(price.get("currencyCode"));
            let known =
                first.entry(folded(&text(price.get("salesCode")))).or_insert_with(|| (key.clone(), currency.clone()));
            if key < known.0 {
                *known = (key, currency);
            }
        }
        let by_group: HashMap<String, String> = first
            .into_iter()
            .filter(|(_, (_, currency))| !currency.is_empty())
            .map(|(group, (_, currency))| (group, currency))
            .collect();
        let rows = CurrencyRows::read(installation, by_group.values().cloned().collect()).await?;
        Ok(Self { by_group, rows })
    }

    fn of(&self, group: &Record) -> Option<&str> {
        self.by_group.get(&folded(&text(group.get("code")))).map(String::as_str)
    }
}

fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

#[async_trait]
impl MappingRules for CustomerPriceGroups {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &["displayName"]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["transactioncurrencyid"]
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same name")
    }

    fn unique_column(&self, _: Direction) -> Option<(&'static str, &'static str)> {
        Some(("code", "name"))
    }

    /// The price list of the same name and currency.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let currencies = Currencies::read(context, sources).await?;
        let obstacle = |group: &Record, level: &Record| {
            keeps_currency(group.get("code"), currencies.of(group), level, &currencies.rows).err()
        };
        named_like(context, sources, obstacle).await
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let groups: Vec<&Record> = sources.iter().map(|record| record.source).collect();
        Ok(Box::new(Prepared {
            levels: PriceLevels::of(context).await?,
            currencies: Currencies::read(context, &groups).await?,
        }))
    }
}

struct Prepared {
    levels: PriceLevels,
    currencies: Currencies,
}

impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let Some(level) = record.destination else { return Ok(()) };
        let currency = self.currencies.of(record.source);
        Ok(keeps_currency(record.source.get("code"), currency, level, &self.currencies.rows)?)
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        self.levels.own(fields)?;
        let code = self.currencies.of(record.source);
        if record.creating {
            let currency = self.currencies.rows.of(code).ok_or_else(|| CurrencyRows::waits(code))?;
            set_on_create(fields, &self.levels.table, "transactioncurrencyid", Value::Guid(currency))?;
        }
        if let Some(description) = record.source.known("displayName") {
            set_on_create(fields, &self.levels.table, "description", description.clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
