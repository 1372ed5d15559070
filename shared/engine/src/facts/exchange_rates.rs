//! Exchange rates as Business Central keeps them: a row says from which day on how much of one currency is worth how much
//! of another; without that other one, of the local currency. Pure.

use std::collections::{BTreeMap, BTreeSet};

use couplet_model::comparing::{folded, same};
use couplet_model::outcome::DataFailure;
use couplet_model::{Record, Value};
use jiff::civil::Date;
use rust_decimal::Decimal;

/// Decimals of an exchange rate in Dataverse.
const RATE_DECIMALS: u32 = 10;

/// Columns of Currency Exchange Rate that are read.
pub(crate) const RATE_COLUMNS: [&str; 5] =
    ["currencyCode", "startingDate", "exchangeRateAmount", "relationalCurrencyCode", "relationalExchangeRateAmount"];

/// The row of a currency that is in force: `amount` of it are worth `relational_amount` of `relational`.
#[derive(Clone, Debug)]
struct Rate {
    starts: Option<Date>,
    amount: Decimal,
    relational_amount: Decimal,
    /// Blank: the local currency.
    relational: String,
}

/// Rates of a company on one day.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    local: String,
    today: Date,
    in_force: BTreeMap<String, Rate>,
    /// When the first row of currencies that have none in force begins.
    to_come: BTreeMap<String, Date>,
}

impl Rates {
    /// No rates yet.
    pub fn new(local: &str, today: Date) -> Self {
        Self { local: local.to_owned(), today, in_force: BTreeMap::new(), to_come: BTreeMap::new() }
    }

    /// Adds rows of Currency Exchange Rate. Of each currency the newest one that has begun counts.
    pub fn add(&mut self, rows: &[Record]) {
        for row in rows {
            let Some(code) = row.get("currencyCode").as_text().map(folded) else { continue };
            let starts = match row.get("startingDate") {
                Value::Date(date) => Some(*date),
                _ => None,
            };
            if let Some(starts) = starts.filter(|starts| *starts > self.today) {
                let first = self.to_come.entry(code).or_insert(starts);
                *first = starts.min(*first);
                continue;
            }
            let amount = |column: &str| row.get(column).as_decimal().unwrap_or_default();
            let rate = Rate {
                starts,
                amount: amount("exchangeRateAmount"),
                relational_amount: amount("relationalExchangeRateAmount"),
                relational: row.get("relationalCurrencyCode").as_text().unwrap_or_default().to_owned(),
            };
            match self.in_force.get(&code) {
                Some(known) if known.starts > rate.starts => {}
                _ => {
                    self.in_force.insert(code, rate);
                }
            }
        }
    }

    /// Currencies that rates in force lead to and whose own rates are not among them yet.
    pub fn missing(&self) -> BTreeSet<String> {
        let led_to = self.in_force.values().map(|rate| folded(&rate.relational));
        let known = |code: &String| {
            code.is_empty()
                || same(code, &self.local)
                || self.in_force.contains_key(code)
                || self.to_come.contains_key(code)
        };
        led_to.filter(|code| !known(code)).collect()
    }

    /// Units of `to` per one unit of `from`, rounded as Dataverse keeps it.
    pub fn between(&self, from: &str, to: &str) -> Result<Decimal, DataFailure> {
        for code in [from, to] {
            if code.trim().is_empty() {
                return Err(DataFailure::new("the currency with the blank ISO code cannot be found (EE25)"));
            }
        }
        if same(from, to) {
            return Ok(Decimal::ONE);
        }
        let (to_units, to_worth) = self.worth(to)?;
        let (from_units, from_worth) = self.worth(from)?;
        // One division at the end keeps every digit until then.
        let rate = to_units
            .checked_mul(from_worth)
            .zip(to_worth.checked_mul(from_units))
            .and_then(|(dividend, divisor)| dividend.checked_div(divisor));
        let rate = rate.ok_or_else(|| failure(to, "has an exchange rate beyond all measure (EE24); correct it"))?;
        Ok(rate.round_dp(RATE_DECIMALS).normalize())
    }

    /// How many units of a currency are worth how many of the local one, through as many others as its rates name.
    fn worth(&self, code: &str) -> Result<(Decimal, Decimal), DataFailure> {
        let (mut units, mut worth) = (Decimal::ONE, Decimal::ONE);
        let mut passed = BTreeSet::new();
        let mut at = code.to_owned();
        while !(at.trim().is_empty() || same(&at, &self.local)) {
            if !passed.insert(folded(&at)) {
                return Err(failure(
                    code,
                    &format!("has exchange rates that lead in a circle over {at} and never to {} (EE24)", self.local),
                ));
            }
            let rate = self.rate_of(&at)?;
            let beyond = || failure(code, "has an exchange rate beyond all measure (EE24); correct it");
            units = units.checked_mul(rate.amount).ok_or_else(beyond)?;
            worth = worth.checked_mul(rate.relational_amount).ok_or_else(beyond)?;
            at.clone_from(&rate.relational);
        }
        Ok((units, worth))
    }

    fn rate_of(&self, code: &str) -> Result<&Rate, DataFailure> {
        let Some(rate) = self.in_force.get(&folded(code)) else {
            let problem = match self.to_come.get(&folded(code)) {
                Some(starts) => format!(
                    "has no exchange rate on {}, its first one begins on {starts} (EE24); add one that begins earlier \
                     to its Currency Exchange Rates in Business Central",
                    self.today
                ),
                None => {
                    "has no exchange rate (EE24); add one to its Currency Exchange Rates in Business Central".to_owned()
                }
            };
            return Err(failure(code, &problem));
        };
        if rate.amount.is_zero() || rate.relational_amount.is_zero() {
            let since = rate.starts.map(|day| format!(" of {day}")).unwrap_or_default();
            return Err(failure(
                code,
                &format!("has an exchange rate{since} that is 0 (EE24); enter both its amounts"),
            ));
        }
        Ok(rate)
    }
}

fn failure(code: &str, problem: &str) -> DataFailure {
    DataFailure::of_field("Exchange Rate", format!("currency {code} {problem}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use couplet_model::RecordId;
    use uuid::Uuid;

    fn row(code: &str, starts: &str, amount: &str, relational: &str, relational_amount: &str) -> Record {
        let number = |text: &str| Value::Decimal(text.parse().expect("a number"));
        let values = [
            ("currencyCode", Value::text(code)),
            ("startingDate", starts.parse().map_or(Value::Null, Value::Date)),
            ("exchangeRateAmount", number(amount)),
            ("relationalCurrencyCode", Value::text(relational)),
            ("relationalExchangeRateAmount", number(relational_amount)),
        ];
        let values = values.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Record { id: RecordId(Uuid::nil()), version: None, modified: None, values, unreadable: None }
    }

    fn rates(rows: &[Record]) -> Rates {
        let mut rates = Rates::new("USD", "2026-06-15".parse().expect("a day"));
        rates.add(rows);
        rates
    }

    /// One unit is worth 12 (AAA) and 3 (BBB) units of the local currency.
    fn twelve_and_three() -> Rates {
        rates(&[
            row("AAA", "2020-01-01", "1", "", "7"),
            row("AAA", "2026-01-01", "1", "", "12"),
            row("BBB", "2026-01-01", "1", "", "3"),
        ])
    }

    #[test]
    fn c_206_r272_the_rate_from_a_12_to_1_currency_to_a_3_to_1_currency_is_4() {
        let rates = twelve_and_three();
        assert_eq!(rates.between("AAA", "BBB"), Ok(Decimal::from(4)));
        assert_eq!(rates.between("AAA", "AAA"), Ok(Decimal::ONE));
        assert_eq!(rates.between("AAA", "USD"), Ok(Decimal::from(12)));
        assert_eq!(rates.between("USD", "BBB"), Ok(Decimal::new(3_333_333_333, 10)));
    }

    #[test]
    fn c_207_a_blank_currency_is_an_error_that_says_so() {
        let failure = twelve_and_three().between("", "AAA").expect_err("blank");
        assert!(failure.message.contains("blank ISO code cannot be found"), "{}", failure.message);
    }

    #[test]
    fn c_211_a_missing_rate_names_the_currency() {
        let failure = twelve_and_three().between("USD", "XYZ").expect_err("no rate");
        assert!(failure.message.contains("currency XYZ has no exchange rate"), "{}", failure.message);
    }

    #[test]
    fn f03_a_rate_through_a_third_currency_is_chained() {
        let danish = row("DKK", "2026-01-01", "100", "EUR", "13.40");
        let euro = row("EUR", "2026-01-01", "100", "", "125.00");
        let mut rates = rates(std::slice::from_ref(&danish));
        assert_eq!(rates.missing().into_iter().collect::<Vec<_>>(), ["EUR"]);
        rates.add(&[euro]);
        assert!(rates.missing().is_empty());
        let kroner_per_dollar: Decimal = "5.9701492537".parse().expect("a number");
        assert_eq!(rates.between("USD", "DKK"), Ok(kroner_per_dollar));
        assert_eq!(rates.between("usd", "eur"), Ok(Decimal::new(8, 1)));
        assert_eq!(rates.between("DKK", "EUR"), Ok(Decimal::new(134, 3)));
    }

    #[test]
    fn f03_the_newest_rate_that_has_begun_counts() {
        for (rows, expected) in [
            (vec![row("EUR", "2026-06-15", "1", "", "2"), row("EUR", "2026-06-16", "1", "", "4")], "0.5"),
            (vec![row("EUR", "2026-06-16", "1", "", "4"), row("EUR", "", "1", "", "8")], "0.125"),
            (vec![row("EUR", "2026-06-01", "1", "", "5"), row("EUR", "2026-05-01", "1", "", "4")], "0.2"),
        ] {
            assert_eq!(rates(&rows).between("USD", "EUR"), Ok(expected.parse().expect("a number")), "{rows:?}");
        }
    }

    #[test]
    fn f03_a_currency_that_cannot_be_converted_says_why() {
        let future = row("EUR", "2026-07-01", "1", "", "2");
        let nothing = row("EUR", "2026-01-01", "0", "", "2");
        let there = row("EUR", "2026-01-01", "1", "DKK", "2");
        let back = row("DKK", "2026-01-01", "1", "EUR", "2");
        for (rows, words) in [
            (vec![future], "its first one begins on 2026-07-01"),
            (vec![nothing], "exchange rate of 2026-01-01 that is 0"),
            (vec![there.clone(), back], "lead in a circle"),
            (vec![there], "currency DKK has no exchange rate"),
        ] {
            let failure = rates(&rows).between("USD", "EUR").expect_err(words);
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}
