//! Entities of the API as records.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Unreadable, Values};
use couplet_model::system::{SystemError, Written};
use couplet_model::table::{FieldType, Table};
use couplet_odata::columns::{distinct, id_in, id_of, modified_in, selection, unreadable};
use couplet_odata::reading::{ReadLimits, TableReader};
use couplet_odata::{BatchPart, Identity, Operation, Repeat, Sizes};
use reqwest::Method;
use serde_json::{Map, Value as Json};

use crate::client::BusinessCentralClient;
use crate::route::Route;
use crate::values::read;

/// Longest address sent as a request of its own: some gateways cut longer ones.
const LONGEST_ADDRESS: usize = 4600;

/// Reads entities of one table with certain columns, as one API shows them.
#[derive(Debug)]
pub(crate) struct EntityReader<'a> {
    client: &'a BusinessCentralClient,
    table: &'a Table,
    pub route: Route,
    /// The entity set, from the root of the API.
    set: String,
    columns: Vec<(Arc<str>, &'a FieldType)>,
}

impl<'a> EntityReader<'a> {
    /// A reader of these columns.
    pub fn new(
        client: &'a BusinessCentralClient,
        table: &'a Table,
        route: Route,
        columns: &[String],
    ) -> Result<Self, SystemError> {
        let set = client.relative(route, table, None)?;
        Ok(Self { client, table, route, set, columns: distinct(table, columns)? })
    }

    /// The properties to select: the id and the time of change always.
    pub fn selection(&self) -> Vec<&str> {
        selection(self.table, self.columns.iter().map(|(name, _)| &**name))
    }

    /// Reads an entity.
    pub fn read(&self, entity: &Map<String, Json>) -> Result<Record, SystemError> {
        entity_record(self.table, self.route, &self.columns, entity)
    }
}

#[async_trait]
impl TableReader for EntityReader<'_> {
    fn table(&self) -> &Table {
        self.table
    }

    fn identity(&self) -> &Identity {
        &self.client.identity
    }

    fn sizes(&self) -> &Sizes {
        &self.client.sizes
    }

    fn limits(&self) -> ReadLimits {
        let client = self.client;
        ReadLimits { page: client.page_size as usize, queries: client.batch_size, address: LONGEST_ADDRESS }
    }

    fn select(&self) -> Vec<&str> {
        self.selection()
    }

    fn address(&self) -> String {
        self.client.absolute(self.route, &self.set)
    }

    fn operation(&self, query: &str) -> Operation {
        Operation::new(Method::GET, format!("{}{query}", self.set))
    }

    fn preference(&self, page_size: usize) -> String {
        format!("odata.maxpagesize={page_size}")
    }

    fn record(&self, row: &Map<String, Json>) -> Result<Record, SystemError> {
        self.read(row)
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Option<BatchPart>>, SystemError> {
        self.client.batch(self.route, operations, Repeat::Read).await
    }

    fn explain(&self, error: SystemError) -> SystemError {
        self.client.explain(self.route, error)
    }

    fn was_answered(&self) {
        self.client.note_answer(self.route);
    }
}

fn entity_record(
    table: &Table,
    route: Route,
    columns: &[(Arc<str>, &FieldType)],
    entity: &Map<String, Json>,
) -> Result<Record, SystemError> {
    let id = id_of(table, entity)?;
    let mut values = Values::new();
    let (modified, mut flaw) = match modified_in(table, entity) {
        Ok(modified) => (modified, None),
        Err(flaw) => (None, Some(flaw)),
    };
    for (name, field) in columns {
        // Every selected property is always there; taking a missing one for blank would blank the other side.
        let value = match entity.get(&**name) {
            Some(json) => read(field, json).map_err(|_| unreadable(name, field, json)),
            None => Err(Unreadable { column: name.to_string(), detail: "it is missing in the answer".to_owned() }),
        };
        match value {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(unreadable) => {
                flaw.get_or_insert(unreadable);
            }
        }
    }
    Ok(Record { id, version: version_of(route, entity), modified, values, unreadable: flaw })
}

/// What a write's answer tells: the record as it is now, as far as the catalogue knows its columns.
pub(crate) fn written_of(table: &Table, route: Route, entity: &Json, id: Option<RecordId>) -> Option<Written> {
    let Json::Object(entity) = entity else {
        return id.map(|id| Written { id, version: None, modified: None, values: None });
    };
    let id = id_in(table, entity).or(id)?;
    let values: Values = entity
        .iter()
        .filter_map(|(name, json)| {
            let column = table.column(name)?;
            Some((Arc::from(name.as_str()), read(&column.field, json).ok()?))
        })
        .collect();
    let (version, modified) = (version_of(route, entity), modified_in(table, entity).ok().flatten());
    Some(Written { id, version, modified, values: (!values.is_empty()).then_some(values) })
}

fn version_of(route: Route, entity: &Map<String, Json>) -> Option<couplet_model::record::Version> {
    Some(route.version(entity.get("@odata.etag")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{client, table};
    use couplet_model::record::Version;
    use couplet_model::value::Value;
    use serde_json::json;
    use uuid::Uuid;

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
        let client = client();
        let reader = EntityReader::new(&client, &table, Route::Standard, &columns).expect("reader");
        assert_eq!(reader.selection(), ["id", "lastModifiedDateTime", "displayName", "kind"]);
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
        let client = client();
        let reader = EntityReader::new(&client, &table, Route::Standard, &columns).expect("reader");
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
