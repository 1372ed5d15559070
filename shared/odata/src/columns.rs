//! Columns of a table by their names: which ones a query selects, and what is said of a value that cannot be understood.

use std::sync::Arc;

use couplet_model::Said;
use couplet_model::ids::RecordId;
use couplet_model::record::Unreadable;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Column, FieldType, Table};
use couplet_model::value::json_kind;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::content::is_damaged;

/// How Business Central shows a time that was never set.
const NEVER: &str = "0001-01-01";

/// The column of that name.
///
/// # Errors
/// When the catalogue knows no such column of the table.
pub fn column<'t>(table: &'t Table, name: &str) -> Result<&'t Column, SystemError> {
    table.column(name).map(|column| &**column).ok_or_else(|| {
        let message = format!("the catalogue knows no column {name} of table {}", table.name);
        SystemError::new(table.side, SystemErrorKind::Protocol, "", Said::safe(message))
    })
}

/// These columns with their types, each once, in the order of the names.
///
/// # Errors
/// As [`column()`].
pub fn distinct<'t>(table: &'t Table, names: &[String]) -> Result<Vec<(Arc<str>, &'t FieldType)>, SystemError> {
    let mut columns: Vec<(Arc<str>, &FieldType)> = Vec::with_capacity(names.len());
    for name in names {
        let field = &column(table, name)?.field;
        if !columns.iter().any(|(known, _)| **known == **name) {
            columns.push((Arc::from(name.as_str()), field));
        }
    }
    Ok(columns)
}

/// The properties to select: the id, the time of change, and these, each once.
pub fn selection<'a>(table: &'a Table, properties: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut selected: Vec<&str> = vec![&table.id_column];
    for property in table.modified_column.as_deref().into_iter().chain(properties) {
        if !selected.contains(&property) {
            selected.push(property);
        }
    }
    selected
}

/// What is said of a value that does not fit its column. It does not show the value.
pub fn unreadable(name: &str, field: &FieldType, json: &Json) -> Unreadable {
    let detail = if is_damaged(json) {
        "its text holds something that is no character".to_owned()
    } else {
        format!("a {field} was expected, {} was found", json_kind(json))
    };
    Unreadable { column: name.to_owned(), detail }
}

/// The id in a row, if it shows one.
pub fn id_in(table: &Table, row: &Map<String, Json>) -> Option<RecordId> {
    Uuid::parse_str(row.get(&table.id_column)?.as_str()?).ok().map(RecordId)
}

/// The id of a row that was read. A row without one belongs to no record, so the whole read has failed.
///
/// # Errors
/// When the row shows no id.
pub fn id_of(table: &Table, row: &Map<String, Json>) -> Result<RecordId, SystemError> {
    id_in(table, row).ok_or_else(|| {
        let message = format!("a record of {} has no id in column {}", table.name, table.id_column);
        SystemError::new(table.side, SystemErrorKind::Transient, "", Said::safe(message))
    })
}

/// The time of change in a row; `None` where it has none, or the row does not show it.
///
/// # Errors
/// When what it shows is no time.
pub fn modified_in(table: &Table, row: &Map<String, Json>) -> Result<Option<Timestamp>, Unreadable> {
    let Some(name) = table.modified_column.as_deref() else { return Ok(None) };
    match row.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if text.starts_with(NEVER) => Ok(None),
        Some(json) => match json.as_str().map(str::parse) {
            Some(Ok(time)) => Ok(Some(time)),
            _ => Err(unreadable(name, &FieldType::DateTime, json)),
        },
    }
}
