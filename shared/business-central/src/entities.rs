//! Entities of the API as records.

use std::sync::Arc;

use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Unreadable, Values};
use couplet_model::system::{SystemError, SystemErrorKind, Written};
use couplet_model::table::{FieldType, Side, Table};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::route::Route;
use crate::values::{no_column, read, unreadable_value};

/// Reads entities of one table with certain columns, as one API shows them.
#[derive(Debug)]
pub(crate) struct EntityReader<'a> {
    pub table: &'a Table,
    pub route: Route,
    columns: Vec<(Arc<str>, &'a FieldType)>,
}

impl<'a> EntityReader<'a> {
    /// A reader of these columns.
    pub fn new(table: &'a Table, route: Route, columns: &[String]) -> Result<Self, SystemError> {
        let mut known: Vec<(Arc<str>, &'a FieldType)> = Vec::with_capacity(columns.len());
        for name in columns {
            let column = table.column(name).ok_or_else(|| no_column(table, name))?;
            if !known.iter().any(|(other, _)| **other == **name) {
                known.push((Arc::from(name.as_str()), &column.field));
            }
        }
        Ok(Self { table, route, columns: known })
    }

    /// The properties to select: the id and the time of change always.
    pub fn select(&self) -> Vec<&str> {
        let mut names: Vec<&str> = vec![&self.table.id_column];
        names.extend(self.table.modified_column.as_deref());
        for (name, _) in &self.columns {
            if !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }

    /// Reads an entity.
    pub fn read(&self, entity: &Map<String, Json>) -> Result<Record, SystemError> {
        let id = id_of(self.table, entity).ok_or_else(|| without_id(self.table))?;
        let mut values = Values::new();
        let mut unreadable = None;
        for (name, field) in &self.columns {
            // Every selected property is always there; taking a missing one for blank would blank the other side.
            let read = match entity.get(&**name) {
                Some(json) => read(field, json).map_err(|_| unreadable_value(field, json)),
                None => Err("it is missing in the answer".to_owned()),
            };
            match read {
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(detail) => {
                    unreadable.get_or_insert(Unreadable { column: name.to_string(), detail });
                }
            }
        }
        let (version, modified) = (version_of(self.route, entity), modified_of(self.table, entity));
        Ok(Record { id, version, modified, values, unreadable })
    }
}

/// What a write's answer tells: the record as it is now, as far as the catalogue knows its columns.
pub(crate) fn written_of(table: &Table, route: Route, entity: &Json, id: Option<RecordId>) -> Option<Written> {
    let Json::Object(entity) = entity else {
        return id.map(|id| Written { id, version: None, modified: None, values: None });
    };
    let id = id_of(table, entity).or(id)?;
    let values: Values = entity
        .iter()
        .filter_map(|(name, json)| {
            let column = table.column(name)?;
            Some((Arc::from(name.as_str()), read(&column.field, json).ok()?))
        })
        .collect();
    let (version, modified) = (version_of(route, entity), modified_of(table, entity));
    Some(Written { id, version, modified, values: (!values.is_empty()).then_some(values) })
}

fn id_of(table: &Table, entity: &Map<String, Json>) -> Option<RecordId> {
    let text = entity.get(&table.id_column)?.as_str()?;
    Uuid::parse_str(text.trim_matches(['{', '}'])).ok().map(RecordId)
}

fn version_of(route: Route, entity: &Map<String, Json>) -> Option<couplet_model::record::Version> {
    Some(route.version(entity.get("@odata.etag")?.as_str()?))
}

fn modified_of(table: &Table, entity: &Map<String, Json>) -> Option<Timestamp> {
    let text = entity.get(table.modified_column.as_deref()?)?.as_str()?;
    if text.starts_with("0001-01-01") { None } else { text.parse().ok() }
}

fn without_id(table: &Table) -> SystemError {
    let message = format!("a record of {} has no id in column {}", table.name, table.id_column);
    SystemError::new(Side::BusinessCentral, SystemErrorKind::Transient, "", couplet_model::Said::safe(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;
    use couplet_model::record::Version;
    use couplet_model::value::Value;
    use serde_json::json;

    fn entity(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(entity) => entity,
            other => panic!("not an entity: {other}"),
        }
    }

    #[test]
    fn an_entity_becomes_a_record() {
        let table = table();
        let columns = ["displayName".to_owned(), "kind".to_owned(), "displayName".to_owned()];
        let reader = EntityReader::new(&table, Route::Standard, &columns).expect("reader");
        assert_eq!(reader.select(), ["id", "lastModifiedDateTime", "displayName", "kind"]);
        let id = Uuid::from_u128(7);
        let record = reader
            .read(&entity(json!({
                "@odata.etag": "W/\"e\"", "id": id, "displayName": "", "kind": "Non_x002D_Stock",
                "lastModifiedDateTime": "2026-01-02T03:04:05.678Z",
            })))
            .expect("record");
        assert_eq!(record.id, RecordId(id));
        assert_eq!(record.version, Some(Version("standard|W/\"e\"".into())));
        assert_eq!(record.modified.map(|time| time.to_string()), Some("2026-01-02T03:04:05.678Z".into()));
        assert_eq!((record.get("displayName"), record.get("kind")), (&Value::Null, &Value::text("Non-Stock")));
        let missing =
            reader.read(&entity(json!({"id": id, "kind": "A"}))).expect("a record").unreadable.expect("a flaw");
        assert_eq!(missing.column, "displayName");
        assert!(reader.read(&entity(json!({"kind": "A"}))).is_err());
    }

    #[test]
    fn f17_a_value_of_the_wrong_type_is_the_flaw_of_its_record_and_is_not_shown() {
        let table = table();
        let columns = ["displayName", "kind", "unitPrice", "blocked"].map(str::to_owned);
        let reader = EntityReader::new(&table, Route::Standard, &columns).expect("reader");
        let good = json!({"id": Uuid::from_u128(7), "displayName": "A", "kind": "B", "unitPrice": 1, "blocked": false});
        assert_eq!(reader.read(&entity(good.clone())).expect("a record").unreadable, None);
        let damaged = couplet_odata::content::read_json(br#""secret\ud800""#).expect("a text");
        for (column, value) in [
            ("displayName", json!(4711)),
            ("displayName", json!({"secret": 1})),
            ("displayName", damaged),
            ("kind", json!(true)),
            ("unitPrice", json!("secret")),
            ("blocked", json!(null)),
            ("blocked", json!("secret")),
        ] {
            let mut changed = entity(good.clone());
            changed.insert(column.to_owned(), value.clone());
            let record = reader.read(&changed).expect("a record");
            let Some(flaw) = record.unreadable else {
                assert!(value.is_null(), "{column} {value}");
                continue;
            };
            assert_eq!(flaw.column, column);
            assert!(!flaw.detail.contains("secret") && !flaw.detail.contains("4711"), "{}", flaw.detail);
            assert!(!record.values.contains_key(column), "what cannot be read is unknown");
            assert_eq!(record.values.len(), 3, "the rest is read");
        }
    }

    #[test]
    fn the_answer_to_a_write_tells_all_values_it_shows() {
        let table = table();
        let id = Uuid::from_u128(7);
        let body = json!({"@odata.etag": "W/\"e\"", "id": id, "displayName": "A", "unitPrice": 3, "other": 1,
            "lastModifiedDateTime": "0001-01-01T00:00:00Z"});
        let written = written_of(&table, Route::Companion, &body, None).expect("trace");
        assert_eq!(written.id, RecordId(id));
        assert_eq!(written.version, Some(Version("companion|W/\"e\"".into())));
        assert_eq!(written.modified, None);
        let values = written.values.expect("values");
        assert_eq!(values.get("unitPrice"), Some(&Value::Int(3)));
        assert!(!values.contains_key("other"));
        let bare = written_of(&table, Route::Standard, &Json::Null, Some(RecordId(id))).expect("trace");
        assert_eq!((bare.id, bare.values), (RecordId(id), None));
        assert!(written_of(&table, Route::Standard, &Json::Null, None).is_none());
    }
}
