//! Products: draft at first, numbered uniquely, with a unit group and a unit of it.

use super::{defaults, get, state};
use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::{Changes, Session};

/// Units, number and defaults of a new product.
pub fn before_create(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    defaults(
        table,
        row,
        &[
            ("producttypecode", Cell::Int(1)),
            ("productstructure", Cell::Int(1)),
            ("quantitydecimal", Cell::Int(2)),
            ("iskit", Cell::Bool(false)),
            ("isstockitem", Cell::Bool(true)),
        ],
    );
    super::require(table, row, &["name", "productnumber"])?;
    units(session, table, row)?;
    if session.behaviour.products_start_active {
        super::set(table, row, "statecode", Some(Cell::Int(0)));
        super::set(table, row, "statuscode", Some(Cell::Int(1)));
    }
    number_is_free(session, table, row)
}

/// Life cycle, units and number of a changed product.
pub fn before_update(session: &Session<'_>, table: &Table, before: &Row, row: &Row, sent: &Changes) -> ApiResult<()> {
    let (old, new) = (state(table, before), state(table, row));
    let only_state = sent.iter().all(|(at, _)| matches!(table.columns[*at].name.as_str(), "statecode" | "statuscode"));
    if matches!(old, 0 | 1)
        && old == new
        && !only_state
        && !session.behaviour.published_products_editable
        && !session.unrestricted
    {
        return Err(ApiError::refused(
            "0x8004F995",
            "You can only edit products that are in the Draft or Under Revision state.",
        ));
    }
    units(session, table, row)?;
    if get(table, before, "productnumber") != get(table, row, "productnumber") {
        number_is_free(session, table, row)?;
    }
    let group = "defaultuomscheduleid";
    if get(table, before, group) != get(table, row, group) && !session.behaviour.unit_groups_changeable {
        return Err(ApiError::refused(
            "0x80043b0d",
            "The unit group of a product cannot be changed after the product has been created.",
        ));
    }
    Ok(())
}

fn units(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let (Some(group), Some(unit)) = (get(table, row, "defaultuomscheduleid"), get(table, row, "defaultuomid")) else {
        return Err(ApiError::refused("0x80043b13", "The unit schedule id of the product is missing."));
    };
    let Cell::Lookup { table: units, id } = unit else {
        return Ok(());
    };
    let unit_table = session.table(units);
    let unit_group = session.store.get(units, id).and_then(|unit| get(&unit_table, unit, "uomscheduleid"));
    if unit_group.as_ref().and_then(Cell::id) != group.id() {
        return Err(ApiError::refused("0x80043b0c", "The unit does not belong to the product's unit group."));
    }
    Ok(())
}

fn number_is_free(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let (Some(column), Some(number)) = (table.column("productnumber"), get(table, row, "productnumber")) else {
        return Ok(());
    };
    let products = session.position("product")?;
    if session.store.rows(products).find(column, &number).into_iter().any(|id| id != row.id) {
        return Err(ApiError::new(
            session.behaviour.duplicate_product_number_status,
            "0x80043b06",
            format!("A product with the product number '{}' already exists.", number.plain_text()),
        ));
    }
    Ok(())
}
