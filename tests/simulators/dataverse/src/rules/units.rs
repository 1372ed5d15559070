//! Unit groups and units: a group creates its base unit, base units are fixed.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{get, require, set};
use crate::schema::{NAMESPACE, Table};
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::Session;

/// A group needs its name.
pub fn before_create_group(table: &Table, row: &Row) -> ApiResult<()> {
    require(table, row, &["name"])
}

/// The base unit of a new group: quantity 1. A group without the name of one has none, because that name is not required.
pub fn create_base_unit(session: &mut Session<'_>, groups: usize, group: Uuid) -> ApiResult<()> {
    let units = session.position("uom")?;
    let unit_table = session.table(units);
    let group_table = session.table(groups);
    let Some(row) = session.store.get(groups, group).cloned() else {
        return Ok(());
    };
    if get(&group_table, &row, "baseuomname").is_none() {
        return Ok(());
    }
    let mut changes = Vec::new();
    let mut put = |name: &str, value: Option<Cell>| {
        if let Some(column) = unit_table.column(name) {
            changes.push((column, value));
        }
    };
    put("name", get(&group_table, &row, "baseuomname"));
    put("quantity", Some(Cell::Decimal(Decimal::ONE)));
    put("isschedulebaseuom", Some(Cell::Bool(true)));
    put("uomscheduleid", Some(Cell::Lookup { table: groups, id: group }));
    let id = Uuid::new_v5(&NAMESPACE, format!("base unit {group}").as_bytes());
    let id = session.store.get(units, id).is_none().then_some(id);
    session.create(units, id, changes)?;
    Ok(())
}

/// A unit belongs to a group and has a quantity; without a base unit it refers to the group's own.
pub fn before_create_unit(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    require(table, row, &["name", "uomscheduleid", "quantity"])?;
    some_quantity(table, row)?;
    if matches!(get(table, row, "isschedulebaseuom"), Some(Cell::Bool(true))) {
        return Ok(());
    }
    set(table, row, "isschedulebaseuom", Some(Cell::Bool(false)));
    if get(table, row, "baseuom").is_none()
        && let Some(group) = get(table, row, "uomscheduleid")
    {
        let units = session.position("uom")?;
        let column = table.column("uomscheduleid").unwrap_or_default();
        let base = session.store.rows(units).find(column, &group).into_iter().find(|id| {
            session
                .store
                .get(units, *id)
                .is_some_and(|unit| matches!(get(table, unit, "isschedulebaseuom"), Some(Cell::Bool(true))))
        });
        set(table, row, "baseuom", base.map(|id| Cell::Lookup { table: units, id }));
    }
    Ok(())
}

/// A unit is some of its base unit. That is the platform's rule; the column itself is required by the application only.
fn some_quantity(table: &Table, row: &Row) -> ApiResult<()> {
    let quantity = get(table, row, "quantity").and_then(|cell| cell.number()).unwrap_or_default();
    if quantity <= Decimal::ZERO {
        return Err(ApiError::refused("0x80043b0f", "The quantity of a unit must be greater than zero."));
    }
    Ok(())
}

/// The base unit keeps its quantity.
pub fn before_update_unit(table: &Table, before: &Row, row: &Row) -> ApiResult<()> {
    let base = matches!(get(table, before, "isschedulebaseuom"), Some(Cell::Bool(true)));
    let (old, new) = (
        get(table, before, "quantity").and_then(|cell| cell.number()),
        get(table, row, "quantity").and_then(|cell| cell.number()),
    );
    if base && old != new {
        return Err(ApiError::refused(
            "0x80043b10",
            "The quantity of the base unit of a unit group cannot be changed.",
        ));
    }
    some_quantity(table, row)
}

/// The base unit goes only with its group.
pub fn before_delete_unit(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let base = matches!(get(table, row, "isschedulebaseuom"), Some(Cell::Bool(true)));
    let group = get(table, row, "uomscheduleid").and_then(|cell| match cell {
        Cell::Lookup { table, id } => session.store.get(table, id).map(|row| row.id),
        _ => None,
    });
    if base && group.is_some() {
        return Err(ApiError::refused("0x80043b11", "The base unit of a unit group cannot be deleted."));
    }
    Ok(())
}
