//! CURRENCY: ISO code, symbol, precision and exchange rate of a transaction currency (S273 to S279, R272).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Context, MappingRules, Match, Obstacle, PreparedRules, Transferring, set, set_on_create};
use crate::engine::Engine;
use crate::error::EngineError;

/// Decimals of an exchange rate in Dataverse.
const RATE_DECIMALS: u32 = 10;

pub(crate) struct Currencies;

#[async_trait]
impl MappingRules for Currencies {
    fn destination_columns(&self, _: couplet_model::message::Direction) -> &'static [&'static str] {
        &["exchangerate"]
    }

    /// A currency with the same ISO code is adopted instead of duplicated (R50).
    async fn match_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let codes: Vec<Value> = sources.iter().map(|source| source.get("code").clone()).collect();
        let filter = Filter::all(vec![Condition::one_of("isocurrencycode", codes)]);
        let rows = context.engine.find_rows("transactioncurrency", &filter, &["isocurrencycode"]).await?;
        let by_code: HashMap<String, _> = rows
            .iter()
            .filter_map(|row| Some((row.get("isocurrencycode").as_text()?.to_uppercase(), row.id)))
            .collect();
        let found = |source: &&Record| source.get("code").as_text().and_then(|code| by_code.get(code).copied());
        Ok(sources.iter().map(|source| Ok(found(source))).collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn PreparedRules>, EngineError> {
        let engine = context.engine;
        let base = engine.base_currency().await?.clone();
        let codes = sources.iter().filter_map(|record| record.source.get("code").as_text());
        let rates = Rates::read(engine, codes.map(str::to_owned).collect()).await?;
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            base_iso_code: base.iso_code,
            precision: base.precision,
            rates,
        }))
    }

    /// A blank code is the local currency, and so is the local currency's own code (R270).
    async fn standing_pairs(&self, engine: &Engine) -> Result<Vec<(String, Uuid)>, EngineError> {
        let row = engine.local_currency_row().await?;
        Ok(vec![(String::new(), row), (engine.local_currency().await?.to_owned(), row)])
    }
}

struct Prepared {
    table: Arc<Table>,
    base_iso_code: String,
    precision: i64,
    rates: Rates,
}

impl PreparedRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let code = record.source.get("code").as_text().unwrap_or_default();
        let rate = self.rates.between(&self.base_iso_code, code)?;
        // The rate of the base currency is fixed at 1 and refuses to be written.
        if !code.eq_ignore_ascii_case(&self.base_iso_code) {
            set(fields, &self.table, "exchangerate", Value::Decimal(rate))?;
        }
        if record.source.get("symbol").is_null() {
            set(fields, &self.table, "currencysymbol", Value::text(code))?;
        }
        set_on_create(fields, &self.table, "currencyprecision", Value::Int(self.precision))?;
        Ok(())
    }
}

/// The exchange rate from the organization's base currency to a currency, in units of it per one unit of the base.
pub(crate) async fn exchange_rate(engine: &Engine, code: &str) -> Result<Decimal, EngineError> {
    let base = engine.base_currency().await?.iso_code.clone();
    let rates = Rates::read(engine, vec![code.to_owned()]).await?;
    rates.between(&base, code).map_err(|failure| EngineError::SetUp(failure.message))
}

/// Rates of a company: how many units of a currency one unit of the local currency is worth.
#[derive(Debug, Default)]
struct Rates {
    local: String,
    per_local_unit: BTreeMap<String, Decimal>,
}

impl Rates {
    async fn read(engine: &Engine, mut codes: Vec<String>) -> Result<Self, EngineError> {
        let local = engine.local_currency().await?.to_owned();
        let base = engine.base_currency().await?.iso_code.clone();
        if !base.eq_ignore_ascii_case(&local) {
            codes.push(base);
        }
        let table = engine
            .catalogue()
            .business_central_table("Currency Exchange Rate")
            .ok_or_else(|| EngineError::SetUp("the catalogue has no table Currency Exchange Rate".to_owned()))?;
        let wanted = codes.into_iter().map(Value::Text).collect();
        let filter = Filter::all(vec![Condition::one_of("currencyCode", wanted)]);
        let columns =
            ["currencyCode", "startingDate", "exchangeRateAmount", "relationalExchangeRateAmount"].map(str::to_owned);
        let rows = engine.system(Side::BusinessCentral).find(table, &filter, &columns).await?;
        Ok(Self { local, per_local_unit: newest_rates(&rows) })
    }

    /// Units of `to` per one unit of `from`, rounded as Dataverse keeps it.
    fn between(&self, from: &str, to: &str) -> Result<Decimal, DataFailure> {
        for code in [from, to] {
            if code.trim().is_empty() {
                return Err(DataFailure::new("the currency with the blank ISO code cannot be found (EE25)"));
            }
        }
        if from.eq_ignore_ascii_case(to) {
            return Ok(Decimal::ONE);
        }
        let rate = self.factor(to)? / self.factor(from)?;
        Ok(rate.round_dp(RATE_DECIMALS).normalize())
    }

    /// Units of a currency per one unit of the local currency.
    fn factor(&self, code: &str) -> Result<Decimal, DataFailure> {
        if code.eq_ignore_ascii_case(&self.local) {
            return Ok(Decimal::ONE);
        }
        let factor = self.per_local_unit.get(&code.to_uppercase()).filter(|factor| !factor.is_zero());
        factor.copied().ok_or_else(|| {
            DataFailure::of_field(
                "Exchange Rate",
                format!("currency {code} has no exchange rate (EE24); add one to its Currency Exchange Rates in Business Central"),
            )
        })
    }
}

/// The newest rate of each currency, whatever its date (R272).
fn newest_rates(rows: &[Record]) -> BTreeMap<String, Decimal> {
    let mut newest: BTreeMap<String, (Option<jiff::civil::Date>, Decimal)> = BTreeMap::new();
    for row in rows {
        let Some(code) = row.get("currencyCode").as_text() else { continue };
        let (Some(amount), Some(relational)) =
            (row.get("exchangeRateAmount").as_decimal(), row.get("relationalExchangeRateAmount").as_decimal())
        else {
            continue;
        };
        if amount.is_zero() || relational.is_zero() {
            continue;
        }
        let starts = match row.get("startingDate") {
            Value::Date(date) => Some(*date),
            _ => None,
        };
        let entry = newest.entry(code.to_uppercase()).or_insert((starts, amount / relational));
        if starts > entry.0 {
            *entry = (starts, amount / relational);
        }
    }
    newest.into_iter().map(|(code, (_, factor))| (code, factor)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use couplet_model::RecordId;

    fn rate_row(code: &str, starts: &str, amount: i64, relational: i64) -> Record {
        let values = [
            ("currencyCode", Value::text(code)),
            ("startingDate", Value::Date(starts.parse().expect("a date"))),
            ("exchangeRateAmount", Value::Decimal(amount.into())),
            ("relationalExchangeRateAmount", Value::Decimal(relational.into())),
        ];
        let values = values.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Record { id: RecordId(Uuid::nil()), version: None, modified: None, values }
    }

    fn rates() -> Rates {
        // One unit is worth 12 (AAA) and 3 (BBB) units of the local currency.
        let rows = [
            rate_row("AAA", "2020-01-01", 1, 7),
            rate_row("AAA", "2026-01-01", 1, 12),
            rate_row("BBB", "2026-01-01", 1, 3),
        ];
        Rates { local: "USD".to_owned(), per_local_unit: newest_rates(&rows) }
    }

    #[test]
    fn c_206_the_rate_from_a_12_to_1_currency_to_a_3_to_1_currency_is_4() {
        assert_eq!(rates().between("AAA", "BBB"), Ok(Decimal::from(4)));
        assert_eq!(rates().between("AAA", "AAA"), Ok(Decimal::ONE));
        assert_eq!(rates().between("AAA", "USD"), Ok(Decimal::from(12)));
        assert_eq!(rates().between("USD", "BBB"), Ok(Decimal::new(3_333_333_333, 10)));
    }

    #[test]
    fn c_207_a_blank_currency_is_an_error_that_says_so() {
        let failure = rates().between("", "AAA").expect_err("blank");
        assert!(failure.message.contains("blank ISO code cannot be found"), "{}", failure.message);
    }

    #[test]
    fn c_211_a_missing_rate_names_the_currency() {
        let failure = rates().between("USD", "XYZ").expect_err("no rate");
        assert!(failure.message.contains("currency XYZ has no exchange rate"), "{}", failure.message);
    }
}
