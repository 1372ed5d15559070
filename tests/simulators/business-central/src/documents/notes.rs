//! Notes of orders and quotes: they belong to their document, go with it, and follow a quote that becomes an order.

use uuid::Uuid;

use super::{actions, get, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// What the companion page works out when a note is read, and the service therefore cannot filter by.
pub(crate) const CALCULATED: [&str; 3] = ["documentId", "documentType", "text"];

fn notes() -> TableId {
    schema().known("Record Link")
}

/// Fills a note before it is stored.
pub(super) fn derive(store: &Store, row: &mut Row, before: Option<&Row>) -> Result<(), ApiError> {
    let document = get(notes(), row, "documentId");
    if let Some(before) = before {
        return if get(notes(), before, "documentId") == document {
            Ok(())
        } else {
            Err(ApiError::dialog("A note stays with its document."))
        };
    }
    let kinds = [(1, "Sales Header (Quote)"), (2, "Sales Header")];
    let is_of = |(_, table): &&(u8, &str)| store.row(schema().known(table), document.as_guid()).is_some();
    let Some((kind, _)) = kinds.iter().find(is_of) else {
        let text = format!("There is no order or quote with the id {} to add the note to.", document.as_guid());
        return Err(ApiError::dialog(text));
    };
    set(notes(), row, "documentType", Cell::Enum(*kind));
    set(notes(), row, "createdDateTime", Cell::DateTime(store.clock.now()));
    Ok(())
}

fn of(store: &Store, document: Uuid) -> Vec<Row> {
    store.rows(notes()).filter(|note| get(notes(), note, "documentId").as_guid() == document).cloned().collect()
}

/// The notes of a document go with it.
pub(super) fn remove(store: &mut Store, document: Uuid) {
    for note in of(store, document) {
        store.remove(notes(), note.id);
    }
}

/// A quote that becomes an order hands its notes down, as new ones.
pub(super) fn copy(store: &mut Store, from: Uuid, into: Uuid) -> Result<(), ApiError> {
    for note in of(store, from) {
        let mut row = actions::new_row(store, notes());
        row.cells = note.cells;
        set(notes(), &mut row, "documentId", Cell::Guid(into));
        set(notes(), &mut row, "documentType", Cell::Enum(2));
        actions::add(store, notes(), row)?;
    }
    Ok(())
}
