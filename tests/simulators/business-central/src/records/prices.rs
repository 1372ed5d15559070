//! What the tables of prices check: whom and what a price is for, its days, and that prices in use are not deleted.

use super::triggers::at;
use crate::cell::{BLANK_DATE, Cell};
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Status of a price list in use.
const ACTIVE: u8 = 1;

/// Checks and completes a price list or a price before it is stored.
pub(crate) fn before_write(store: &Store, table: TableId, row: &mut Row, is_new: bool) -> Result<(), ApiError> {
    match schema().table(table).name.as_str() {
        "Sales Price" => customer_of_price(store, table, row)?,
        "Price List Line" => {
            if is_new {
                follow_list(store, table, row)?;
            }
            asset_of_line(store, table, row)?;
        }
        "Price List Header" => {}
        _ => return Ok(()),
    }
    let day = |name| match row.cells[at(table, name)] {
        Cell::Date(day) if day != BLANK_DATE => Some(day),
        _ => None,
    };
    match (day("startingDate"), day("endingDate")) {
        (Some(from), Some(to)) if from > to => Err(ApiError::dialog("Starting Date cannot be after Ending Date.")),
        _ => Ok(()),
    }
}

/// A sales price names whom it is for, except where it is for all customers.
fn customer_of_price(store: &Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    let code = row.cells[at(table, "salesCode")].as_text();
    let related = match row.cells[at(table, "salesType")].as_enum() {
        0 => "Customer",
        1 => "Customer Price Group",
        2 if code.is_empty() => return Ok(()),
        2 => return Err(ApiError::dialog("Sales Code must be blank.")),
        _ => return Err(ApiError::not_implemented("Prices of campaigns are not simulated.")),
    };
    if code.is_empty() {
        return Err(ApiError::must_have_a_value("Sales Code", "Sales Price", ""));
    }
    exists(store, "Sales Code", table, code, related)
}

/// A line of a price list is about an item, a resource, or something that is not checked here.
fn asset_of_line(store: &Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    let number = row.cells[at(table, "assetNo")].as_text();
    match row.cells[at(table, "assetType")].as_enum() {
        _ if number.is_empty() => Ok(()),
        1 => exists(store, "Asset No.", table, number, "Item"),
        3 => exists(store, "Asset No.", table, number, "Resource"),
        _ => Ok(()),
    }
}

fn exists(store: &Store, field: &str, table: TableId, code: &str, related: &str) -> Result<(), ApiError> {
    match store.by_code(schema().known(related), code) {
        Some(_) => Ok(()),
        None => Err(ApiError::no_such_relation(field, schema().table(table).caption(), code, related)),
    }
}

/// A new line takes currency and days from its list where it has none.
fn follow_list(store: &Store, table: TableId, row: &mut Row) -> Result<(), ApiError> {
    let lists = schema().known("Price List Header");
    let code = row.cells[at(table, "priceListCode")].as_text().to_owned();
    let Some(list) = store.by_code(lists, &code) else {
        return Err(ApiError::must_have_a_value("Price List Code", "Price List Line", ""));
    };
    for name in ["currencyCode", "startingDate", "endingDate"] {
        if row.cells[at(table, name)].is_blank() {
            row.cells[at(table, name)] = list.cells[at(lists, name)].clone();
        }
    }
    Ok(())
}

/// Price lists in use are not deleted, nor are their lines; a customer price group takes its prices along.
pub(crate) fn before_delete(store: &mut Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    let lists = schema().known("Price List Header");
    match schema().table(table).name.as_str() {
        "Price List Header" => {
            let code = row.cells[at(table, "code")].as_text().to_owned();
            if row.cells[at(table, "status")].as_enum() == ACTIVE {
                return Err(ApiError::dialog(format!("You cannot delete the active price list {code}.")));
            }
            super::triggers::remove_where(store, "Price List Line", |row, lines| {
                row.cells[at(lines, "priceListCode")].as_text() == code
            });
        }
        "Price List Line" => {
            let code = row.cells[at(table, "priceListCode")].as_text();
            let is_active = |list: &Row| list.cells[at(lists, "status")].as_enum() == ACTIVE;
            if store.by_code(lists, code).is_some_and(is_active) {
                let line = row.cells[at(table, "lineNo")].clone();
                let Cell::Int(line) = line else { return Ok(()) };
                return Err(ApiError::dialog(format!("You cannot delete the active price list line {code} {line}.")));
            }
        }
        "Customer Price Group" => {
            let code = row.cells[at(table, "code")].as_text().to_owned();
            super::triggers::remove_where(store, "Sales Price", |row, prices| {
                row.cells[at(prices, "salesType")].as_enum() == 1
                    && row.cells[at(prices, "salesCode")].as_text() == code
            });
        }
        _ => {}
    }
    Ok(())
}
