//! Versions of orders and quotes in the archive. Of those of quotes only number and size are kept: no page shows them.

use uuid::Uuid;

use super::{actions, get, header, is, lines_of, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{QuoteVersion, Row, Store};

/// Whether the company keeps a version of an order that is posted or opened again.
pub(super) fn are_kept(store: &Store) -> bool {
    let setup = schema().known("Sales & Receivables Setup");
    store.rows(setup).any(|row| get(setup, row, "archiveOrders").as_bool())
}

/// The occurrence that a document of this number has now: one more than the last that was archived under it before.
pub(super) fn next_occurrence(store: &Store, number: &str) -> i32 {
    let archives = schema().known("Sales Header Archive");
    versions(store, number).map(|version| get(archives, version, "occurrence").as_int()).max().unwrap_or(0) + 1
}

fn versions<'s>(store: &'s Store, number: &'s str) -> impl Iterator<Item = &'s Row> {
    let archives = schema().known("Sales Header Archive");
    store.rows(archives).filter(move |version| get(archives, version, "number").as_text() == number)
}

/// Keeps an order as it is as the next version.
pub(super) fn keep(store: &mut Store, table: TableId, id: Uuid, is_invoiced: bool) -> Result<(), ApiError> {
    if !is(table, "Sales Header") {
        let number = get(table, &header(store, table, id)?, "number").as_text().to_owned();
        let lines = lines_of(table).map_or(0, |lines| store.lines(lines, id).count());
        store.quote_versions.push(QuoteVersion { number, lines });
        return Ok(());
    }
    let order = header(store, table, id)?;
    let archives = schema().known("Sales Header Archive");
    let number = get(table, &order, "number");
    let occurrence = get(table, &order, "documentOccurrence").as_int().max(1);
    let of_occurrence = |version: &&Row| get(archives, version, "occurrence").as_int() == occurrence;
    let last = versions(store, number.as_text()).filter(of_occurrence);
    let version = last.map(|version| get(archives, version, "versionNumber").as_int()).max().unwrap_or(0) + 1;
    let mut row = actions::new_row(store, archives);
    actions::copy((table, &order), (archives, &mut row));
    set(archives, &mut row, "number", number.clone());
    set(archives, &mut row, "docNoOccurrence", Cell::Int(occurrence));
    set(archives, &mut row, "occurrence", Cell::Int(occurrence));
    set(archives, &mut row, "versionNumber", Cell::Int(version));
    set(archives, &mut row, "documentDate", get(table, &order, "orderDate"));
    set(archives, &mut row, "sellToCustomerNumber", get(table, &order, "customerNumber"));
    set(archives, &mut row, "isInvoiced", Cell::Bool(is_invoiced));
    let status = if super::release::is_released(table, &order) { "Released" } else { "Open" };
    set(archives, &mut row, "status", Cell::text(status));
    let kept = actions::add(store, archives, row)?;
    let (from, into) = (schema().known("Sales Line"), schema().known("Sales Line Archive"));
    let lines: Vec<Row> = store.lines(from, id).cloned().collect();
    for line in lines {
        let mut row = actions::new_row(store, into);
        actions::copy((from, &line), (into, &mut row));
        set(into, &mut row, "documentId", Cell::Guid(kept));
        set(into, &mut row, "documentNumber", number.clone());
        set(into, &mut row, "docNoOccurrence", Cell::Int(occurrence));
        set(into, &mut row, "versionNumber", Cell::Int(version));
        set(into, &mut row, "type", Cell::Enum(get(from, &line, "lineType").as_enum()));
        set(into, &mut row, "lineObjectNumber", get(from, &line, "lineObjectNumber"));
        for (name, of_line) in [
            ("quantityShipped", "shippedQuantity"),
            ("quantityInvoiced", "invoicedQuantity"),
            ("lineDiscountAmount", "discountAmount"),
            ("amount", "netAmount"),
            ("amountIncludingVAT", "netAmountIncludingTax"),
        ] {
            set(into, &mut row, name, get(from, &line, of_line));
        }
        actions::add(store, into, row)?;
    }
    Ok(())
}
