//! CURRENCY: ISO code, symbol, precision and exchange rate of a transaction currency (S273 to S279, R272).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::{folded, same};
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, Record, RetryClass, SystemError, Table, Value};
use uuid::Uuid;

use super::rules::{BatchRules, Context, MappingRules, Match, Obstacle, Transferring, set, set_on_create};
use crate::error::EngineError;
use crate::facts::Rates;
use crate::installation::Installation;

pub(crate) struct Currencies;

#[async_trait]
impl MappingRules for Currencies {
    /// The rate is in rows of its own.
    fn record_tells_all(&self, _: Direction, _: &Record, _: &Coupling) -> bool {
        false
    }

    /// The row of the company's own currency, for which there is no record in Business Central.
    async fn refresh(&self, installation: &Installation) -> Result<Option<String>, EngineError> {
        refresh_local_currency(installation).await
    }

    /// The base currency.
    fn rows_of_every_organization(&self) -> u64 {
        1
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["exchangerate"]
    }

    fn partner_key(&self, _: couplet_model::message::Direction) -> Option<&'static str> {
        Some("the same ISO code")
    }

    /// A currency with the same ISO code is adopted instead of duplicated (R50).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let codes: Vec<Value> = sources.iter().map(|source| source.get("code").clone()).collect();
        let filter = Filter::all(vec![Condition::one_of("isocurrencycode", codes)]);
        let rows = context.installation.find_rows("transactioncurrency", &filter, &["isocurrencycode"]).await?;
        let by_code: HashMap<String, _> =
            rows.iter().filter_map(|row| Some((folded(row.get("isocurrencycode").as_text()?), row.id))).collect();
        let found =
            |source: &&Record| source.get("code").as_text().and_then(|code| by_code.get(&folded(code)).copied());
        Ok(sources.iter().map(|source| Ok(found(source))).collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let base = installation.base_currency().await?;
        let codes = sources.iter().filter_map(|record| record.source.get("code").as_text());
        let rates = installation.exchange_rates(codes.map(str::to_owned).collect()).await?;
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            base_iso_code: base.iso_code,
            precision: base.precision,
            rates,
        }))
    }

    /// A blank code is the local currency, and so is the local currency's own code (R270).
    async fn standing_pairs(&self, installation: &Installation) -> Result<Vec<(String, Uuid)>, EngineError> {
        let row = installation.local_currency_row().await?;
        Ok(vec![(String::new(), row), (installation.local_currency().await?, row)])
    }
}

struct Prepared {
    table: Arc<Table>,
    base_iso_code: String,
    precision: i64,
    rates: Rates,
}

impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let code = record.source.get("code").as_text().unwrap_or_default();
        let rate = self.rates.between(&self.base_iso_code, code)?;
        // The rate of the base currency is fixed at 1 and refuses to be written.
        if !same(code, &self.base_iso_code) {
            set(fields, &self.table, "exchangerate", Value::Decimal(rate))?;
        }
        if record.source.known("symbol").is_some_and(Value::is_null) {
            set(fields, &self.table, "currencysymbol", Value::text(code))?;
        }
        set_on_create(fields, &self.table, "currencyprecision", Value::Int(self.precision))?;
        Ok(())
    }
}

/// Brings the rate of the company's own currency up to date where the organization's base currency is another one. A row
/// that is missing is made when something refers to it (S279), with its rate of then.
async fn refresh_local_currency(installation: &Installation) -> Result<Option<String>, EngineError> {
    let local = installation.local_currency().await?;
    let base = installation.base_currency().await?;
    if same(&local, &base.iso_code) {
        return Ok(None);
    }
    let filter = Filter::all(vec![Condition::equal("isocurrencycode", Value::text(local.as_str()))]);
    let rows = installation.find_rows("transactioncurrency", &filter, &["isocurrencycode", "exchangerate"]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let stale = |problem: &str| {
        format!("The exchange rate of the company's currency {local} in Dataverse is not up to date: {problem}.")
    };
    let rate = match installation.exchange_rates(BTreeSet::new()).await?.between(&base.iso_code, &local) {
        Ok(rate) => Value::Decimal(rate),
        Err(failure) => return Ok(Some(stale(&failure.message))),
    };
    if row.get("exchangerate") == &rate {
        return Ok(None);
    }
    let table = installation.table(Side::Dataverse, "transactioncurrency")?;
    let values: Values = [(Arc::from("exchangerate"), rate)].into();
    let written = installation.system(Side::Dataverse).write(&table, &[Write::update(row.id, None, values)]).await;
    match written.into_iter().find_map(Result::err) {
        None => Ok(None),
        Some(error) if is_refusal(&error) => Ok(Some(stale(&error.to_string()))),
        Some(error) => Err(error.into()),
    }
}

/// Whether the system will say the same again.
fn is_refusal(error: &SystemError) -> bool {
    matches!(error.retry_class(), RetryClass::Data)
}

#[cfg(test)]
mod tests;
