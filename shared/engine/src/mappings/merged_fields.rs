//! Fields that rules transfer in the place of a row, so that a change on either side counts, and who has changed what.

use std::sync::Arc;

use couplet_model::decision::{TransferredField, Travel};
use couplet_model::outcome::DataFailure;
use couplet_model::table::{Column, Side};
use couplet_model::{Record, Table, Value};

use super::rules::Transferring;

/// Transfers a value that the rules have found for a column of the source, so that a change on either side counts.
pub(crate) fn transfer_both_ways(
    fields: &mut Vec<TransferredField>,
    (source, from): (&Table, &str),
    (destination, to): (&Table, &str),
    desired: Value,
) -> Result<(), DataFailure> {
    let column = |table: &Table, name: &str| -> Result<Arc<Column>, DataFailure> {
        let missing = || DataFailure::new(format!("the catalogue's table {} has no column {name}", table.name));
        table.column(name).cloned().ok_or_else(missing)
    };
    let (source, destination) = (Some(column(source, from)?), column(destination, to)?);
    fields.retain(|field| field.destination.name != destination.name);
    fields.push(TransferredField { source, destination, desired, travel: Travel::BothWays });
    Ok(())
}

/// Whether a column of a record of a side holds something else than when both sides last agreed. What was never agreed on counts
/// as changed by nobody.
pub(crate) fn was_changed(record: Transferring<'_>, side: Side, table: &Table, held: &Record, column: &str) -> bool {
    let agreed = record.base.zip(table.column(column)).and_then(|(base, column)| base.get(side, column));
    let now = held.known(column);
    agreed.zip(now).is_some_and(|(agreed, now)| &agreed != now && !(agreed.is_nothing() && now.is_nothing()))
}
