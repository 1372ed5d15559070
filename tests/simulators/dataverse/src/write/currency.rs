//! Money: the row's currency, its rate at the time, the amounts in base currency, and rounding.

use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use super::session::Session;
use crate::schema::forms;
use crate::schema::{Kind, Table};
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};

/// Decimals of ordinary decimal columns: the widest precision a column can have.
const DECIMAL_PLACES: u32 = 10;
/// Decimals of money: the widest precision a column can have.
const MONEY_PLACES: u32 = 4;

/// Fills currency, rate and base amounts when the row is new, or when a money column or the currency changed.
pub fn complete(session: &Session<'_>, table: &Table, row: &mut Row, before: Option<&Row>) -> ApiResult<()> {
    round(session, table, row);
    if table.name == "transactioncurrency" || table.name == "organization" {
        return Ok(());
    }
    let (Some(currency), Some(rate)) = (table.column("transactioncurrencyid"), table.column("exchangerate")) else {
        return Ok(());
    };
    let money: Vec<usize> = (0..table.columns.len())
        .filter(|at| matches!(table.columns[*at].kind, Kind::Money) && !table.columns[*at].name.ends_with("_base"))
        .collect();
    if let Some(before) = before {
        let changed =
            before.get(currency) != row.get(currency) || money.iter().any(|at| before.get(*at) != row.get(*at));
        if !changed {
            return Ok(());
        }
    }
    if row.get(currency).is_none() {
        if before.is_some() && money.iter().all(|at| row.get(*at).is_none()) {
            row.set(rate, None);
            return Ok(());
        }
        let Some((currencies, base)) = base(session)? else {
            return Ok(());
        };
        row.set(currency, Some(Cell::Lookup { table: currencies, id: base }));
    }
    let value = rate_of(session, row.get(currency).and_then(Cell::id))?;
    row.set(rate, Some(Cell::Decimal(value)));
    for at in money {
        let Some(base) = table.column(&format!("{}_base", table.columns[at].name)) else {
            continue;
        };
        let amount =
            row.get(at).and_then(Cell::number).map(|amount| if value.is_zero() { amount } else { amount / value });
        row.set(
            base,
            amount
                .map(|amount| Cell::Decimal(amount.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero))),
        );
    }
    Ok(())
}

/// Rounds numbers to what their columns keep.
pub fn round(session: &Session<'_>, table: &Table, row: &mut Row) {
    let pricing = pricing_decimals(session);
    let money = |name: &str| match forms::precision_source(&table.name, name) {
        forms::PrecisionSource::Pricing => pricing.min(MONEY_PLACES),
        _ => session.store.schema.money_decimals,
    };
    let decimals = |name: &str| forms::decimals(&table.name, name).unwrap_or(DECIMAL_PLACES);
    let rounded: Vec<(usize, Decimal)> = row
        .cells()
        .filter_map(|(at, cell)| match (&table.columns[at].kind, cell) {
            (Kind::Money, cell) => Some((at, cell.number()?, money(&table.columns[at].name))),
            (Kind::Decimal, cell) => Some((at, cell.number()?, decimals(&table.columns[at].name))),
            _ => None,
        })
        .map(|(at, number, places)| (at, number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)))
        .collect();
    for (at, number) in rounded {
        row.set(at, Some(Cell::Decimal(number)));
    }
}

/// Decimal places of prices, an option of the organization.
fn pricing_decimals(session: &Session<'_>) -> u32 {
    let read = || {
        let organizations = session.position("organization").ok()?;
        let column = session.store.schema.table(organizations).column("pricingdecimalprecision")?;
        let row = session.store.rows(organizations).after(None).next()?;
        match row.get(column)? {
            Cell::Int(places) => u32::try_from(*places).ok(),
            _ => None,
        }
    };
    read().unwrap_or(2)
}

/// The organization's base currency: table position and id.
pub fn base(session: &Session<'_>) -> ApiResult<Option<(usize, Uuid)>> {
    let organizations = session.position("organization")?;
    let column = session.store.schema.table(organizations).column("basecurrencyid");
    Ok(session.store.rows(organizations).after(None).next().and_then(|row| match row.get(column?) {
        Some(Cell::Lookup { table, id }) => Some((*table, *id)),
        _ => None,
    }))
}

/// The rate of a currency: units of it per one unit of the base currency.
fn rate_of(session: &Session<'_>, currency: Option<Uuid>) -> ApiResult<Decimal> {
    let currencies = session.position("transactioncurrency")?;
    let column = session.store.schema.table(currencies).column("exchangerate");
    let id = currency.ok_or_else(|| ApiError::refused("0x80048cea", "The currency cannot be null."))?;
    let row = session.store.get(currencies, id).ok_or_else(|| ApiError::missing_row("transactioncurrency", id))?;
    Ok(column.and_then(|column| row.get(column)).and_then(Cell::number).unwrap_or(Decimal::ONE))
}
