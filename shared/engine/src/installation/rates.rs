//! The exchange rates in force, read from Business Central.

use std::collections::BTreeSet;

use couplet_model::comparing::{folded, same};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Value};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::Installation;
use crate::error::EngineError;
use crate::facts::{RATE_COLUMNS, Rates};

/// The table of Business Central that holds the rates.
const RATES: &str = "Currency Exchange Rate";

impl Installation {
    /// The exchange rate from the organization's base currency to a currency, in units of it per one unit of the base.
    pub(crate) async fn exchange_rate(&self, code: &str) -> Result<Decimal, EngineError> {
        let base = self.base_currency().await?.iso_code;
        let rates = self.exchange_rates(BTreeSet::from([code.to_owned()])).await?;
        rates.between(&base, code).map_err(|failure| EngineError::Values(failure.message))
    }

    /// The rates in force of some currencies, of the base currency, and of those that their rates lead to.
    pub(crate) async fn exchange_rates(&self, mut wanted: BTreeSet<String>) -> Result<Rates, EngineError> {
        let table = self.table(Side::BusinessCentral, RATES)?;
        let columns = RATE_COLUMNS.map(str::to_owned);
        let local = self.local_currency().await?;
        let mut rates = Rates::new(&local, self.now().to_zoned(TimeZone::UTC).date());
        wanted.insert(self.base_currency().await?.iso_code);
        wanted.retain(|code| !code.trim().is_empty() && !same(code, &local));
        let mut asked = BTreeSet::new();
        while !wanted.is_empty() {
            let codes = wanted.iter().cloned().map(Value::Text).collect();
            let filter = Filter::all(vec![Condition::one_of("currencyCode", codes)]);
            rates.add(&self.system(Side::BusinessCentral).find(&table, &filter, &columns).await?);
            asked.extend(wanted.iter().map(|code| folded(code)));
            // A currency without any rate is missing for good; its own message says so.
            wanted = rates.missing().difference(&asked).cloned().collect();
        }
        Ok(rates)
    }
}
