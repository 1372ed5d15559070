//! Price lists and their items: one price per list, product and unit, in the list's currency.

use uuid::Uuid;

use super::{defaults, get, require, set};
use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::{Changes, Session};

/// A list has a name and a currency.
pub fn before_create_list(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    require(table, row, &["name"])?;
    name_is_free(session, table, row)?;
    if get(table, row, "transactioncurrencyid").is_none() {
        let organizations = session.position("organization")?;
        let organization = session.table(organizations);
        let base = session
            .store
            .rows(organizations)
            .after(None)
            .next()
            .and_then(|row| get(&organization, row, "basecurrencyid"));
        set(table, row, "transactioncurrencyid", base);
    }
    Ok(())
}

/// The name of a list is its own.
pub fn name_is_free(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let lists = session.position("pricelevel")?;
    let (Some(column), Some(name)) = (table.column("name"), get(table, row, "name")) else { return Ok(()) };
    let taken = session.store.rows(lists).find(column, &name).into_iter().any(|other| other != row.id);
    if taken && session.behaviour.price_list_names_unique {
        return Err(ApiError::refused("0x80043b0f", "The name already exists."));
    }
    Ok(())
}

/// An item names list, product and unit, takes the list's currency and the product's number.
pub fn before_create_item(session: &Session<'_>, table: &Table, row: &mut Row, sent: &Changes) -> ApiResult<()> {
    require(table, row, &["pricelevelid", "productid", "uomid"])?;
    defaults(
        table,
        row,
        &[
            ("pricingmethodcode", Cell::Int(1)),
            ("quantitysellingcode", Cell::Int(1)),
            ("roundingpolicycode", Cell::Int(1)),
        ],
    );
    follow_list(session, table, row, sent)?;
    unit_of_product(session, table, row)?;
    price_is_free(session, table, row)
}

/// The same for a changed item.
pub fn before_update_item(
    session: &Session<'_>,
    table: &Table,
    before: &Row,
    row: &mut Row,
    sent: &Changes,
) -> ApiResult<()> {
    follow_list(session, table, row, sent)?;
    unit_of_product(session, table, row)?;
    if ["productid", "uomid", "pricelevelid"].iter().any(|name| get(table, before, name) != get(table, row, name)) {
        price_is_free(session, table, row)?;
    }
    Ok(())
}

fn follow_list(session: &Session<'_>, table: &Table, row: &mut Row, sent: &Changes) -> ApiResult<()> {
    let currency = referenced(session, table, row, "pricelevelid", "transactioncurrencyid");
    let column = table.column("transactioncurrencyid");
    let sent = sent.iter().find(|(at, _)| Some(*at) == column).and_then(|(_, value)| value.clone());
    if let (Some(sent), Some(list)) = (sent, &currency)
        && sent.id() != list.id()
    {
        return Err(ApiError::refused(
            "0x80048cef",
            "The currency of the price list item does not match the currency of its price list.",
        ));
    }
    set(table, row, "transactioncurrencyid", currency);
    let number = referenced(session, table, row, "productid", "productnumber");
    set(table, row, "productnumber", number);
    let group = referenced(session, table, row, "uomid", "uomscheduleid");
    set(table, row, "uomscheduleid", group);
    Ok(())
}

fn unit_of_product(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let product = referenced(session, table, row, "productid", "defaultuomscheduleid").and_then(|cell| cell.id());
    let unit = referenced(session, table, row, "uomid", "uomscheduleid").and_then(|cell| cell.id());
    if product.is_some() && product != unit {
        return Err(ApiError::refused("0x80043b0c", "The unit does not belong to the product's unit group."));
    }
    Ok(())
}

fn price_is_free(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let items = session.position("productpricelevel")?;
    let (Some(column), Some(product)) = (table.column("productid"), get(table, row, "productid")) else {
        return Ok(());
    };
    let same = |other: Uuid| {
        other != row.id
            && session.store.get(items, other).is_some_and(|other| {
                ["pricelevelid", "uomid"].iter().all(|name| {
                    get(table, other, name).and_then(|cell| cell.id())
                        == get(table, row, name).and_then(|cell| cell.id())
                })
            })
    };
    if session.store.rows(items).find(column, &product).into_iter().any(same) {
        return Err(ApiError::refused(
            "0x80043b08",
            "This product and unit combination has a price for this price list.",
        ));
    }
    Ok(())
}

/// A column of the row that a lookup points at.
pub fn referenced(session: &Session<'_>, table: &Table, row: &Row, lookup: &str, column: &str) -> Option<Cell> {
    match get(table, row, lookup)? {
        Cell::Lookup { table: target, id } => get(&session.table(target), session.store.get(target, id)?, column),
        _ => None,
    }
}
