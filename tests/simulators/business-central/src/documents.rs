//! Sales documents: what their headers and lines derive, who may change them, and their bound actions.

mod actions;
mod activity;
mod archives;
mod headers;
mod lines;
mod notes;
mod posted_ids;
mod posting;
mod release;
mod statistics;
mod totals;

pub(crate) use actions::{act, act_as_user, actions, pay};
pub(crate) use lines::object_is_blocked;
pub(crate) use notes::CALCULATED as CALCULATED_OF_NOTES;
pub(crate) use posted_ids::{document_shown, id_behind, shown_id, translate};
pub(crate) use posting::invoice_shipments;
pub(crate) use statistics::Statistic;

use rust_decimal::RoundingStrategy;
use uuid::Uuid;

use crate::cell::Cell;
use crate::errors::ApiError;
use crate::query::filter::{Filter, Operand, Operator};
use crate::records::{self, Writer};
use crate::schema::{Kind, Route, TableId, schema};
use crate::store::{Row, Store};

/// How `Round` rounds: to the nearest, and half away from zero.
const HALF_UP: RoundingStrategy = RoundingStrategy::MidpointAwayFromZero;
/// Header table and line table of each kind of document.
const DOCUMENTS: &[(&str, &str)] = &[
    ("Sales Header", "Sales Line"),
    ("Sales Header (Quote)", "Sales Line (Quote)"),
    ("Sales Invoice Header", "Sales Invoice Line"),
];

/// Position of `Open` among the states of an invoice: this and later ones are posted.
const POSTED: u8 = 3;

fn headers_of(lines: TableId) -> Option<TableId> {
    let name = schema().table(lines).name.as_str();
    DOCUMENTS.iter().find(|(_, lines)| *lines == name).map(|(header, _)| schema().known(header))
}

fn lines_of(headers: TableId) -> Option<TableId> {
    let name = schema().table(headers).name.as_str();
    DOCUMENTS.iter().find(|(header, _)| *header == name).map(|(_, lines)| schema().known(lines))
}

fn header(store: &Store, table: TableId, id: Uuid) -> Result<Row, ApiError> {
    store.row(table, id).cloned().ok_or_else(|| records::not_found(table, id))
}

fn is(table: TableId, name: &str) -> bool {
    schema().table(table).name == name
}

/// The value of a property, blank if the table has no such property.
fn get(table: TableId, row: &Row, name: &str) -> Cell {
    schema().table(table).position(name).map_or_else(|| Cell::blank(&Kind::Text), |at| row.cells[at].clone())
}

/// Sets a property if the table has it.
fn set(table: TableId, row: &mut Row, name: &str, value: Cell) {
    if let Some(at) = schema().table(table).position(name) {
        row.cells[at] = value;
    }
}

fn given(table: TableId, values: &[(usize, Cell)], name: &str) -> bool {
    schema().table(table).position(name).is_some_and(|at| values.iter().any(|(given, _)| *given == at))
}

fn is_posted(table: TableId, row: &Row) -> bool {
    is(table, "Sales Invoice Header") && get(table, row, "status").as_enum() >= POSTED
}

/// The records a page shows: the companion's invoices are the posted ones.
pub(crate) fn page_view(table: TableId, route: Route) -> Option<Filter> {
    if route != Route::Companion || !is(table, "Sales Invoice Header") {
        return None;
    }
    let status = schema().table(table).position("status")?;
    Some(Filter::Compare(Operand::Property(status), Operator::GreaterOrEqual, Cell::Enum(POSTED)))
}

/// Pages that show records of posting and change nothing.
pub(crate) fn is_read_only_page(table: TableId, route: Route) -> bool {
    route == Route::Companion && (is(table, "Sales Invoice Header") || is(table, "Sales Invoice Line"))
}

/// Whether lines may be read without saying of which document: the standard pages gather them document by document.
pub(crate) fn lines_need_a_document(table: TableId, route: Route) -> bool {
    route == Route::Standard && headers_of(table).is_some()
}

/// The standard pages gather the lines of the first document that meets the filter, whatever others it names.
pub(crate) fn keep_first_document(store: &Store, table: TableId, route: Route, filter: &mut Filter) {
    let (Some(headers), Some(at)) = (headers_of(table), schema().table(table).position("documentId")) else { return };
    if !lines_need_a_document(table, route) {
        return;
    }
    let wanted: Vec<Uuid> = filter
        .conjuncts()
        .iter()
        .filter_map(|part| part.wanted_values(at))
        .flatten()
        .map(|value| value.as_guid())
        .collect();
    let first = store.rows(headers).map(|header| header.id).find(|id| wanted.contains(id));
    if let Some(first) = first.filter(|_| wanted.len() > 1) {
        filter.replace_ids(at, &|id| if id == first { id } else { Uuid::nil() });
    }
}

/// Derives and checks before a document or a line is stored.
pub(crate) fn before_write(
    store: &mut Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
    writer: Writer,
) -> Result<(), ApiError> {
    if lines_of(table).is_some() || is(table, "Sales Credit Memo Entity Buffer") {
        if writer != Writer::User {
            may_change_header(table, row, values, before)?;
        }
        headers::derive(store, table, row, values, before, writer == Writer::Api(Route::Companion))?;
        release::keep_in_step(table, row, before);
        return if given(table, values, "discountAmount") { totals::check_discount(store, table, row) } else { Ok(()) };
    }
    if is(table, "Record Link") {
        return notes::derive(store, row, before);
    }
    if let Some(header_table) = headers_of(table) {
        let document = get(table, row, "documentId").as_guid();
        if document.is_nil() {
            return Err(ApiError::dialog("You must specify a document id to get the lines."));
        }
        let header = store.row(header_table, document).cloned().ok_or_else(|| {
            ApiError::record_not_found(schema().table(header_table).caption(), &format!("Id='{document}'"))
        })?;
        if writer != Writer::User {
            may_change_lines(header_table, &header)?;
        }
        let in_order = writer == Writer::Api(Route::Companion);
        return lines::derive(store, table, row, values, before, (header_table, &header), in_order);
    }
    Ok(())
}

fn may_change_header(
    table: TableId,
    row: &Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
) -> Result<(), ApiError> {
    match before {
        Some(before) if is_posted(table, before) => {
            Err(ApiError::dialog("The invoice has been posted and can no longer be modified."))
        }
        Some(before) => release::refuse_changes(table, row, values, before),
        None => Ok(()),
    }
}

fn may_change_lines(header_table: TableId, header: &Row) -> Result<(), ApiError> {
    if is_posted(header_table, header) {
        return Err(ApiError::dialog("The invoice has been posted and can no longer be modified."));
    }
    if release::is_released(header_table, header) { Err(release::refusal(header_table, header)) } else { Ok(()) }
}

/// Brings totals up to date after a document or a line was stored.
pub(crate) fn after_write(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    if lines_of(table).is_some() {
        totals::refresh(store, table, id, totals::Written::Header)?;
        return match store.row(table, id).map(|row| get(table, row, "customerId").as_guid()) {
            Some(customer) if is(table, "Sales Invoice Header") => totals::refresh_customer(store, customer),
            _ => Ok(()),
        };
    }
    if let Some(header_table) = headers_of(table) {
        let document = store.row(table, id).map(|row| get(table, row, "documentId").as_guid()).unwrap_or_default();
        activity::note_line(store, table, id)?;
        return totals::refresh(store, header_table, document, totals::Written::Lines);
    }
    if is(table, "Customer") {
        statistics::refresh(store, id)?;
        return totals::refresh_customer(store, id);
    }
    Ok(())
}

/// Says whether a document or line may go, and takes lines along.
pub(crate) fn before_delete(store: &mut Store, table: TableId, row: &Row, writer: Writer) -> Result<(), ApiError> {
    if let Some(lines) = lines_of(table) {
        if writer != Writer::User && is_posted(table, row) {
            return Err(ApiError::dialog("The invoice has been posted and can no longer be modified."));
        }
        let of_document: Vec<Row> = store.lines(lines, row.id).cloned().collect();
        posting::may_go(lines, &of_document)?;
        if is(table, "Sales Header (Quote)") && store.company.archives_deleted_quotes {
            archives::keep(store, table, row.id, false)?;
        }
        for line in of_document {
            activity::forget_line(store, line.id);
            store.remove(lines, line.id);
        }
        notes::remove(store, row.id);
    } else if let Some(header_table) = headers_of(table) {
        let document = get(table, row, "documentId").as_guid();
        if let Some(header) = store.row(header_table, document).cloned()
            && writer != Writer::User
        {
            may_change_lines(header_table, &header)?;
        }
        posting::may_go(table, std::slice::from_ref(row))?;
        // Texts that belong to the line go with it.
        let belongs = |line: &&Row| {
            get(table, line, "attachedToLineNumber") == get(table, row, "sequence")
                && !get(table, row, "sequence").is_blank()
        };
        let attached: Vec<Uuid> = store.lines(table, document).filter(belongs).map(|line| line.id).collect();
        for line in attached {
            activity::forget_line(store, line);
            store.remove(table, line);
        }
    }
    Ok(())
}

/// Brings totals up to date after a line went.
pub(crate) fn after_delete(store: &mut Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    if let Some(header_table) = headers_of(table) {
        activity::forget_line(store, row.id);
        let document = get(table, row, "documentId").as_guid();
        if store.row(header_table, document).is_some() {
            return totals::refresh(store, header_table, document, totals::Written::Lines);
        }
    }
    if is(table, "Customer") {
        store.remove(schema().known("Customer (financial details)"), row.id);
        store.remove(schema().known("Customer (statistics)"), row.id);
    }
    Ok(())
}
