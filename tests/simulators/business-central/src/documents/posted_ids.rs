//! The two ids of a posted invoice: API v2.0 keeps showing the id of the draft it was, the companion page shows the SystemId of
//! the posted document. An invoice that an order became had no draft, and one id.

use uuid::Uuid;

use super::{get, headers_of, is, is_posted};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::query::filter::Filter;
use crate::records;
use crate::schema::{Route, Source, TableId, schema};
use crate::store::{Row, Store};

/// What tells the SystemId of a posted document from that of its draft; taking it twice gives the first again. Version and
/// variant of the id stay.
const APART: u128 = 0x9057_ED00_0000_0000_0000_0000_0000_9057;

fn other(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() ^ APART)
}

/// Whether the route shows records of the table under another id than they are kept by.
fn differ(table: TableId, route: Route) -> bool {
    route == Route::Companion && is(table, "Sales Invoice Header")
}

/// The id under which a route shows a record.
pub(crate) fn shown_id(table: TableId, route: Route, row: &Row) -> Uuid {
    let was_draft = differ(table, route) && is_posted(table, row) && get(table, row, "orderId").is_blank();
    if was_draft { other(row.id) } else { row.id }
}

/// The id of the record that a route shows under this one.
pub(crate) fn id_behind(store: &Store, table: TableId, route: Route, shown: Uuid) -> Result<Uuid, ApiError> {
    if !differ(table, route) {
        return Ok(shown);
    }
    let candidates = [shown, other(shown)].into_iter().filter_map(|id| store.row(table, id));
    let found = candidates.map(|row| (row.id, shown_id(table, route, row))).find(|(_, id)| *id == shown);
    found.map(|(id, _)| id).ok_or_else(|| records::not_found(table, shown))
}

/// The id of its document as a line on a route shows it.
pub(crate) fn document_shown(store: &Store, table: TableId, route: Route, line: &Row, at: usize) -> Cell {
    let kept = store.cell(table, line, at);
    let headers = headers_of(table).filter(|headers| differ(*headers, route));
    let header = headers.and_then(|headers| Some((headers, store.row(headers, kept.as_guid())?)));
    header.map_or(kept, |(headers, header)| Cell::Guid(shown_id(headers, route, header)))
}

/// Lets a filter speak of the ids that records are kept by.
pub(crate) fn translate(store: &Store, table: TableId, route: Route, filter: &mut Filter) {
    let lines_of = headers_of(table).filter(|headers| differ(*headers, route));
    if let (Some(headers), Some(at)) = (lines_of, schema().table(table).position("documentId")) {
        filter.replace_ids(at, &|shown| id_behind(store, headers, route, shown).unwrap_or_default());
        return;
    }
    let id = schema().table(table).properties.iter().position(|property| property.source == Source::Id);
    if let (true, Some(at)) = (differ(table, route), id) {
        filter.replace_ids(at, &|shown| id_behind(store, table, route, shown).unwrap_or_default());
    }
}
