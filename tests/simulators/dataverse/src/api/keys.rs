//! Finds the row that a key in a URL or a reference names.

use uuid::Uuid;

use crate::schema::{AlternateKey, Kind, Schema, Table};
use crate::store::{Cell, Key, Store, guid};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::{KeyText, KeyValue, Target};

/// A row named by a key.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    /// By primary key: the row may or may not exist.
    Id(Uuid),
    /// By alternate key.
    Alternate {
        /// The row, if it exists.
        id: Option<Uuid>,
        /// Column values of the key.
        values: Vec<(usize, Cell)>,
    },
}

impl Named {
    /// The id of an existing row.
    pub fn existing(&self, table: &Table) -> ApiResult<Uuid> {
        match self {
            Self::Id(id) | Self::Alternate { id: Some(id), .. } => Ok(*id),
            Self::Alternate { id: None, .. } => Err(ApiError::missing_key(&table.name)),
        }
    }
}

/// Reads a key.
pub(crate) fn resolve(store: &Store, at: usize, key: &KeyText) -> ApiResult<Named> {
    let table = store.schema.table(at);
    match key {
        KeyText::Id(id) => Ok(Named::Id(*id)),
        KeyText::Empty => Err(ApiError::odata(
            "The number of keys specified in the URI does not match number of key properties for the resource.",
        )),
        KeyText::Unreadable(text) => {
            Err(ApiError::odata(format!("Error in query syntax: the key segment '({text})' could not be read.")))
        }
        KeyText::Named(pairs) => {
            if let [(name, value)] = pairs.as_slice()
                && *name == table.columns[table.id].name
                && !matches!(table.name.as_str(), "systemuser" | "team")
            {
                return guid(&value.text)
                    .map(Named::Id)
                    .ok_or_else(|| ApiError::odata(format!("Error in query syntax: '{}' is not a GUID.", value.text)));
            }
            alternate(store, at, pairs)
        }
    }
}

fn alternate(store: &Store, at: usize, pairs: &[(String, KeyValue)]) -> ApiResult<Named> {
    let table = store.schema.table(at);
    let mut values = Vec::new();
    for (name, value) in pairs {
        let column = table.property(name).ok_or_else(|| {
            ApiError::odata(format!("Could not find a property named '{name}' on type '{}'.", table.type_name()))
        })?;
        let cell = key_cell(&table.columns[column].kind, value).ok_or_else(|| {
            ApiError::odata(format!("The value '{}' is not valid for the key property '{name}'.", value.text))
        })?;
        values.push((column, cell));
    }
    let declared = |key: &&AlternateKey| {
        key.columns.len() == values.len()
            && key.columns.iter().all(|column| values.iter().any(|(given, _)| given == column))
    };
    if !table.keys.iter().any(|key| declared(&key)) {
        return Err(ApiError::odata(format!(
            "The key in the request URI is not valid for resource '{}'. Ensure that the names and number of key properties match the declared alternate key properties for the resource '{}'.",
            table.type_name(),
            table.type_name()
        )));
    }
    let rows = store.rows(at);
    let matches = |id: &Uuid| {
        rows.get(*id).is_some_and(|row| {
            values.iter().all(|(column, wanted)| row.get(*column).and_then(Key::of) == Key::of(wanted))
        })
    };
    let id = values.first().and_then(|(column, value)| rows.find(*column, value).into_iter().find(matches));
    Ok(Named::Alternate { id, values })
}

fn key_cell(kind: &Kind, value: &KeyValue) -> Option<Cell> {
    let text_kind = matches!(kind, Kind::Text(_) | Kind::Memo(_) | Kind::EntityName);
    if text_kind != value.quoted {
        return None;
    }
    crate::query::bind::text_cell(kind, &value.text)
}

/// The row that `/accounts(…)`, `accounts(…)`, a full URL or `$1` refers to: table and id.
pub(crate) fn reference(
    schema: &Schema,
    store: &Store,
    text: &str,
    api: &str,
    references: &[(String, String)],
) -> ApiResult<(usize, Uuid)> {
    let text = if text.starts_with('$') { declared(text, references)? } else { text };
    let bad = || ApiError::odata(format!("The reference '{text}' is not a valid entity reference."));
    let path = text.strip_prefix(api).unwrap_or(text);
    let path = path
        .find("/api/data/v")
        .map_or(path, |at| path[at + "/api/data/v".len()..].split_once('/').map_or("", |(_, rest)| rest));
    let target = Target::parse(path.trim_start_matches('/'));
    let [segment] = target.segments.as_slice() else {
        return Err(bad());
    };
    let table = schema.set_position(&segment.name).ok_or_else(|| ApiError::unknown_segment(&segment.name))?;
    let key = segment.key.as_ref().ok_or_else(bad)?;
    let id = resolve(store, table, key)?.existing(schema.table(table))?;
    if store.get(table, id).is_none() {
        return Err(ApiError::missing_row(&schema.table(table).name, id));
    }
    Ok((table, id))
}

/// The URL behind `$1`.
pub(crate) fn declared<'a>(text: &str, references: &'a [(String, String)]) -> ApiResult<&'a str> {
    let name = text.trim_start_matches('$');
    references
        .iter()
        .find(|(content_id, _)| content_id == name)
        .map(|(_, url)| url.as_str())
        .ok_or_else(|| ApiError::odata(format!("Content-ID Reference: '{text}' does not exist in the batch context.")))
}
