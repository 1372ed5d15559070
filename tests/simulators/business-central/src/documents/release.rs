//! Orders and quotes are released and opened again: what keeps one from being released, and what a released one refuses.

use uuid::Uuid;

use super::{archives, get, header, is, lines_of, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Position of `Open` (released) among the states of an order.
const ORDER_RELEASED: u8 = 2;
/// Position of `Released` among the states of a quote.
const QUOTE_RELEASED: u8 = 1;

/// Fields whose validation does not ask whether the document is open.
const FREE: &[&str] = &[
    "yourReference",
    "externalDocumentNumber",
    "quoteNumber",
    "workDescription",
    "phoneNumber",
    "email",
    "dueDate",
    "postingDate",
    "sentDate",
    "acceptedDate",
];

/// The property that says whether a document is released, and the value that says so.
fn state(table: TableId) -> Option<(&'static str, u8)> {
    match schema().table(table).name.as_str() {
        "Sales Header" => Some(("status", ORDER_RELEASED)),
        "Sales Header (Quote)" => Some(("documentStatus", QUOTE_RELEASED)),
        _ => None,
    }
}

/// What the state of an order is called by the standard API and by the table follow each other.
pub(super) fn keep_in_step(table: TableId, row: &mut Row, before: Option<&Row>) {
    if !is(table, "Sales Header") {
        return;
    }
    // Draft, In Review, Open stand for Open, Pending Approval, Released.
    const PAIRS: [(u8, u8); 3] = [(0, 0), (1, 2), (2, 1)];
    let (shown, kept) = (get(table, row, "status").as_enum(), get(table, row, "documentStatus").as_enum());
    let told = before.is_none_or(|before| get(table, before, "status").as_enum() != shown);
    if told && let Some((_, kept)) = PAIRS.iter().find(|(of, _)| *of == shown) {
        set(table, row, "documentStatus", Cell::Enum(*kept));
    } else if let Some((shown, _)) = PAIRS.iter().find(|(_, of)| *of == kept) {
        set(table, row, "status", Cell::Enum(*shown));
    }
}

/// Whether a document is released.
pub(super) fn is_released(table: TableId, row: &Row) -> bool {
    state(table).is_some_and(|(property, released)| get(table, row, property).as_enum() == released)
}

/// The refusal of a change of a released document.
pub(super) fn refusal(table: TableId, row: &Row) -> ApiError {
    let kind = if is(table, "Sales Header") { "Order" } else { "Quote" };
    ApiError::new(
        400,
        "Application_FieldValidationException",
        format!(
            "Status must be equal to 'Open'  in Sales Header: Document Type={kind}, No.={}. Current value is 'Released'.",
            get(table, row, "number").as_text()
        ),
    )
}

/// Refuses values that differ from those of a released document, except where the table takes them.
pub(super) fn refuse_changes(
    table: TableId,
    row: &Row,
    values: &[(usize, Cell)],
    before: &Row,
) -> Result<(), ApiError> {
    if !is_released(table, before) {
        return Ok(());
    }
    let properties = &schema().table(table).properties;
    let changed = values
        .iter()
        .any(|(at, _)| row.cells[*at] != before.cells[*at] && !FREE.contains(&properties[*at].name.as_str()));
    if changed { Err(refusal(table, before)) } else { Ok(()) }
}

/// Releases a document; one that is released already stays so.
pub(super) fn release(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    let document = header(store, table, id)?;
    let Some((property, released)) = state(table) else { return Ok(()) };
    if is_released(table, &document) {
        return Ok(());
    }
    if store.company.refuses_release {
        return Err(ApiError::dialog("This document can only be released when the approval process is complete."));
    }
    let lines = lines_of(table).map(|lines| (lines, store.lines(lines, id).cloned().collect::<Vec<Row>>()));
    let (lines, rows) = lines.unwrap_or_else(|| (table, Vec::new()));
    let kind = if is(table, "Sales Header") { "Order" } else { "Quote" };
    let number = get(table, &document, "number").as_text().to_owned();
    let counts = |line: &&Row| !get(lines, line, "lineType").is_blank() && !get(lines, line, "quantity").is_blank();
    if !rows.iter().any(|line| counts(&line)) {
        return Err(ApiError::dialog(format!(
            "There is nothing to release for the document of type {kind} with the number {number}."
        )));
    }
    let without_unit = |line: &&Row| {
        counts(line) && get(lines, line, "lineType").as_enum() == 2 && get(lines, line, "unitOfMeasureCode").is_blank()
    };
    if let Some(line) = rows.iter().find(without_unit) {
        let line = get(lines, line, "sequence").as_int();
        let place = format!("Document Type='{kind}',Document No.='{number}',Line No.='{line}'");
        return Err(ApiError::must_have_a_value("Unit of Measure Code", "Sales Line", &place));
    }
    records::touch(store, table, id, |row| {
        let before = row.clone();
        set(table, row, property, Cell::Enum(released));
        keep_in_step(table, row, Some(&before));
    })
}

/// Opens a document again. A company that archives keeps the order as it was.
pub(super) fn reopen(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    let document = header(store, table, id)?;
    let Some((property, _)) = state(table) else { return Ok(()) };
    if !is_released(table, &document) {
        return Ok(());
    }
    if is(table, "Sales Header") && archives::are_kept(store) {
        archives::keep(store, table, id, false)?;
    }
    records::touch(store, table, id, |row| {
        let before = row.clone();
        set(table, row, property, Cell::Enum(0));
        keep_in_step(table, row, Some(&before));
    })
}
