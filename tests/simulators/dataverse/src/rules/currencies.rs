//! Currencies: unique codes, and the fixed rate of the base currency.

use rust_decimal::Decimal;

use super::{defaults, get, require, set};
use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::Session;

/// A currency has a code of three or more letters that no other has, and a rate.
pub fn before_create(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    require(table, row, &["isocurrencycode", "currencyname"])?;
    defaults(table, row, &[("currencyprecision", Cell::Int(2))]);
    if get(table, row, "currencysymbol").is_none() {
        let code = get(table, row, "isocurrencycode");
        set(table, row, "currencysymbol", code);
    }
    let rate = get(table, row, "exchangerate").and_then(|cell| cell.number());
    match rate {
        None => return Err(ApiError::required("exchangerate", "transactioncurrency")),
        Some(rate) if rate <= Decimal::ZERO => {
            return Err(ApiError::refused("0x80048cf4", "The exchange rate must be greater than zero."));
        }
        Some(_) => {}
    }
    precision(table, row)?;
    let (Some(column), Some(code)) = (table.column("isocurrencycode"), get(table, row, "isocurrencycode")) else {
        return Ok(());
    };
    let currencies = session.position("transactioncurrency")?;
    if session.store.rows(currencies).find(column, &code).into_iter().any(|id| id != row.id) {
        return Err(ApiError::refused("0x80048cf3", "A currency with the specified ISO code already exists."));
    }
    Ok(())
}

/// The base currency keeps its rate.
pub fn before_update(session: &Session<'_>, table: &Table, before: &Row, row: &Row) -> ApiResult<()> {
    let rate = |row: &Row| get(table, row, "exchangerate").and_then(|cell| cell.number());
    if rate(before) != rate(row) {
        if is_base(session, row)? {
            return Err(ApiError::refused("0x80048cf5", "The exchange rate of the base currency cannot be modified."));
        }
        if rate(row).is_some_and(|rate| rate <= Decimal::ZERO) {
            return Err(ApiError::refused("0x80048cf4", "The exchange rate must be greater than zero."));
        }
    }
    precision(table, row)
}

/// The base currency stays.
pub fn before_delete(session: &Session<'_>, row: &Row) -> ApiResult<()> {
    if is_base(session, row)? {
        return Err(ApiError::refused("0x80048cf1", "The base currency of an organization cannot be deleted."));
    }
    Ok(())
}

fn precision(table: &Table, row: &Row) -> ApiResult<()> {
    match get(table, row, "currencyprecision") {
        Some(Cell::Int(places)) if !(0..=4).contains(&places) => Err(ApiError::refused(
            "0x80040203",
            format!(
                "A validation error occurred. The value {places} of 'currencyprecision' on record of type 'transactioncurrency' is outside the valid range."
            ),
        )),
        _ => Ok(()),
    }
}

fn is_base(session: &Session<'_>, row: &Row) -> ApiResult<bool> {
    let organizations = session.position("organization")?;
    let organization = session.table(organizations);
    Ok(session
        .store
        .rows(organizations)
        .after(None)
        .any(|found| get(&organization, found, "basecurrencyid").and_then(|cell| cell.id()) == Some(row.id)))
}
