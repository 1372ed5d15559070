//! Creating, changing and deleting records: what the tables and pages of the service check and derive.

mod addresses;
mod incoming;
pub(crate) mod numbering;
pub(crate) mod opportunities;
pub(crate) mod page_rules;
mod partners;
mod prices;
mod references;
mod triggers;

pub(crate) use incoming::{Incoming, Writer};

pub(crate) use triggers::post_ledger_entry;
use uuid::Uuid;

use crate::cell::Cell;
use crate::documents;
use crate::errors::ApiError;
use crate::schema::{Kind, TableId, schema};
use crate::store::{Duplicate, Key, Row, Store};

/// Creates a record and gives its SystemId.
pub(crate) fn create(store: &mut Store, table: TableId, incoming: &Incoming, writer: Writer) -> Result<Uuid, ApiError> {
    store.transaction(|store| {
        let definition = schema().table(table);
        let id = incoming.id.unwrap_or_else(|| store.fresh_id());
        let now = store.clock.now();
        let mut row = Row { id, created: now, modified: now, version: store.next_version(), cells: blank_cells(table) };
        triggers::defaults(table, &mut row);
        references::apply(store, table, &mut row, &incoming.values)?;
        numbering::number(store, table, &mut row)?;
        documents::before_write(store, table, &mut row, &incoming.values, None, writer)?;
        triggers::before_write(store, table, &mut row, None)?;
        for at in &definition.key {
            let property = &definition.properties[*at];
            if property.kind == Kind::Code
                && property.name != "documentId"
                && store.cell(table, &row, *at).is_blank()
                && must_not_be_blank(&property.name)
            {
                return Err(ApiError::must_have_a_value(
                    &property.field,
                    definition.caption(),
                    &identification(store, table, &row),
                ));
            }
        }
        let identification = identification(store, table, &row);
        store.insert(table, row).map_err(|duplicate| duplicate_error(table, duplicate, id, &identification))?;
        triggers::after_create(store, table, id)?;
        if let Some(quantity) = incoming.inventory {
            triggers::adjust_inventory(store, id, quantity)?;
        }
        documents::after_write(store, table, id)?;
        Ok(id)
    })
}

/// Changes a record.
pub(crate) fn modify(
    store: &mut Store,
    table: TableId,
    id: Uuid,
    incoming: &Incoming,
    writer: Writer,
) -> Result<(), ApiError> {
    store.transaction(|store| {
        let before = store.row(table, id).cloned().ok_or_else(|| not_found(table, id))?;
        let mut row = before.clone();
        references::apply(store, table, &mut row, &incoming.values)?;
        addresses::clear_what_belonged_to_another_country(store, table, &mut row, &before, &incoming.values);
        documents::before_write(store, table, &mut row, &incoming.values, Some(&before), writer)?;
        triggers::before_write(store, table, &mut row, Some(&before))?;
        row.modified = store.clock.now();
        row.version = store.next_version();
        let identification = identification(store, table, &row);
        store.replace(table, row).map_err(|duplicate| duplicate_error(table, duplicate, id, &identification))?;
        triggers::after_modify(store, table, &before)?;
        if let Some(quantity) = incoming.inventory {
            triggers::adjust_inventory(store, id, quantity)?;
        }
        documents::after_write(store, table, id)
    })
}

/// Deletes a record and what belongs to it.
pub(crate) fn delete(store: &mut Store, table: TableId, id: Uuid, writer: Writer) -> Result<(), ApiError> {
    store.transaction(|store| {
        let row = store.row(table, id).cloned().ok_or_else(|| not_found(table, id))?;
        documents::before_delete(store, table, &row, writer)?;
        triggers::before_delete(store, table, &row)?;
        store.remove(table, id);
        documents::after_delete(store, table, &row)
    })
}

/// Marks a record as changed without changing a value, as a write of the owning table does.
pub(crate) fn touch(
    store: &mut Store,
    table: TableId,
    id: Uuid,
    change: impl FnOnce(&mut Row),
) -> Result<(), ApiError> {
    let mut row = store.row(table, id).cloned().ok_or_else(|| not_found(table, id))?;
    change(&mut row);
    row.modified = store.clock.now();
    row.version = store.next_version();
    let identification = identification(store, table, &row);
    store.replace(table, row).map_err(|duplicate| duplicate_error(table, duplicate, id, &identification))
}

pub(crate) fn not_found(table: TableId, id: Uuid) -> ApiError {
    ApiError::record_not_found(schema().table(table).caption(), &format!("SystemId='{id}'"))
}

/// A row of blanks.
pub(crate) fn blank_cells(table: TableId) -> Vec<Cell> {
    schema().table(table).properties.iter().map(|property| Cell::blank(&property.kind)).collect()
}

fn must_not_be_blank(property: &str) -> bool {
    matches!(property, "number" | "code" | "itemNo" | "resourceNo" | "itemNumber")
}

/// `No.='1000'`, as messages identify a record.
fn identification(store: &Store, table: TableId, row: &Row) -> String {
    let definition = schema().table(table);
    let key: Key = store.key(table, row);
    let parts: Vec<String> = definition
        .key
        .iter()
        .zip(&key)
        .map(|(at, cell)| {
            let property = &definition.properties[*at];
            let value = cell.to_json(&property.kind);
            format!("{}='{}'", property.field, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    parts.join(",")
}

fn duplicate_error(table: TableId, duplicate: Duplicate, id: Uuid, identification: &str) -> ApiError {
    let caption = schema().table(table).caption();
    match duplicate {
        Duplicate::Id => ApiError::same_key(caption, &format!("SystemId='{id}'")),
        Duplicate::Key => ApiError::same_key(caption, identification),
    }
}
