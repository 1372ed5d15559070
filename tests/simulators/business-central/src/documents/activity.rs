//! What shows that something happened for a customer: ledger entries, and the sales lines of every kind of document.

use uuid::Uuid;

use super::{get, headers_of, is_posted, set, shown_id};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records;
use crate::schema::{Route, TableId, schema};
use crate::store::{Row, Store};

fn entries() -> TableId {
    schema().known("Cust. Ledger Entry")
}

/// Shows a line that was made or changed among all sales lines; lines of posted documents are none.
pub(super) fn note_line(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    let lines = schema().known("Sales Line (activity)");
    let Some((headers, line)) = headers_of(table).zip(store.row(table, id).cloned()) else { return Ok(()) };
    let Some(header) = store.row(headers, get(table, &line, "documentId").as_guid()).cloned() else { return Ok(()) };
    if is_posted(headers, &header) {
        return Ok(());
    }
    let mut shown = Row { cells: records::blank_cells(lines), ..line };
    set(lines, &mut shown, "customerNumber", get(headers, &header, "customerNumber"));
    let is_known = store.row(lines, id).is_some();
    let stored = if is_known { store.replace(lines, shown) } else { store.insert(lines, shown) };
    stored.map_err(|_| ApiError::same_key("Sales Line", ""))
}

/// A line that is gone, or posted.
pub(super) fn forget_line(store: &mut Store, id: Uuid) {
    store.remove(schema().known("Sales Line (activity)"), id);
}

/// The ledger entry of an invoice that is posted.
pub(super) fn post_entry(store: &mut Store, invoices: TableId, id: Uuid) -> Result<(), ApiError> {
    let Some(invoice) = store.row(invoices, id).cloned() else { return Ok(()) };
    let shown = shown_id(invoices, Route::Companion, &invoice);
    add(store, get(invoices, &invoice, "customerNumber"), shown)
}

/// A payment or credit memo is posted and applied to an invoice: it has an entry of its own, and that of the invoice changes.
pub(super) fn apply_entry(store: &mut Store, invoices: TableId, id: Uuid) -> Result<(), ApiError> {
    let Some(invoice) = store.row(invoices, id).cloned() else { return Ok(()) };
    let shown = shown_id(invoices, Route::Companion, &invoice);
    add(store, get(invoices, &invoice, "customerNumber"), Uuid::nil())?;
    let of_invoice = |row: &&Row| get(entries(), row, "invoiceId").as_guid() == shown;
    let entry = store.rows(entries()).find(of_invoice).map(|row| row.id);
    match entry {
        Some(entry) => records::touch(store, entries(), entry, |_| ()),
        // An invoice that was loaded as posted.
        None => add(store, get(invoices, &invoice, "customerNumber"), shown),
    }
}

fn add(store: &mut Store, customer: Cell, invoice: Uuid) -> Result<(), ApiError> {
    let table = entries();
    let now = store.clock.now();
    let number = i32::try_from(store.last_entry(table) + 1).unwrap_or(i32::MAX);
    let mut row = Row {
        id: store.fresh_id(),
        created: now,
        modified: now,
        version: store.next_version(),
        cells: records::blank_cells(table),
    };
    set(table, &mut row, "entryNumber", Cell::Int(number));
    set(table, &mut row, "customerNumber", customer);
    set(table, &mut row, "invoiceId", Cell::Guid(invoice));
    store.insert(table, row).map_err(|_| ApiError::same_key("Cust. Ledger Entry", ""))
}
