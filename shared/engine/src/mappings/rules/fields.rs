//! Setting fields beyond what the rows of the mapping transferred.

use std::sync::Arc;

use couplet_model::Value;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::outcome::DataFailure;
use couplet_model::table::Table;

/// Sets what a destination column should hold, replacing what a row transferred. Unknown columns are the catalogue's
/// fault and are reported as such.
pub(crate) fn set(
    fields: &mut Vec<TransferredField>,
    table: &Table,
    column: &str,
    desired: Value,
) -> Result<(), DataFailure> {
    put(fields, table, column, desired, Travel::OneWay)
}

/// Replaces what a transferred field should hold by a value that says the same.
pub(crate) fn put_same(fields: &mut [TransferredField], column: &str, same: &Value) {
    for field in fields.iter_mut().filter(|field| field.destination.name == column) {
        field.desired = same.clone();
    }
}

/// Like [`set`], for values given only to new records.
pub(crate) fn set_on_create(
    fields: &mut Vec<TransferredField>,
    table: &Table,
    column: &str,
    desired: Value,
) -> Result<(), DataFailure> {
    put(fields, table, column, desired, Travel::OnCreateOnly)
}

fn put(
    fields: &mut Vec<TransferredField>,
    table: &Table,
    column: &str,
    desired: Value,
    travel: Travel,
) -> Result<(), DataFailure> {
    if let Some(field) = fields.iter_mut().find(|field| field.destination.name == column) {
        field.desired = desired;
        return Ok(());
    }
    let destination = table
        .column(column)
        .map(Arc::clone)
        .ok_or_else(|| DataFailure::new(format!("the catalogue's table {} has no column {column}", table.name)))?;
    fields.push(TransferredField { source: None, destination, desired, travel });
    Ok(())
}
