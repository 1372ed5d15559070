//! Rows of the Web API as records: which properties to select, and how a row is read.

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Unreadable, Values, Version};
use couplet_model::system::SystemError;
use couplet_model::table::{FieldType, Table};
use couplet_model::value::Value;
use couplet_odata::columns::{distinct, id_of, modified_in, selection, unreadable};
use couplet_odata::content::is_damaged;
use couplet_odata::reading::{ReadLimits, TableReader};
use couplet_odata::{BatchPart, Identity, Operation, Repeat, Sizes};
use reqwest::Method;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::client::DataverseClient;

/// Longest address sent as a request of its own; gateways on the way may cut longer ones.
const LONGEST_ADDRESS: usize = 8000;
/// Queries packed into one batch: with 400 ids each, answers stay at a few thousand rows.
const QUERIES_PER_BATCH: usize = 10;
/// Annotation that names the table a lookup points to.
const TARGET: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";

/// How one column is found in a row.
#[derive(Debug)]
enum Source {
    /// A property of the column's own name.
    Plain,
    /// `_column_value`.
    Lookup(String),
    /// `_column_value` and the annotation that tells its table.
    Polymorphic(String, String),
    /// Only the table a lookup points to, from its annotation.
    TargetName(String),
}

#[derive(Debug)]
struct Reading<'a> {
    name: Arc<str>,
    field: &'a FieldType,
    source: Source,
}

/// Reads rows of one table with certain columns.
#[derive(Debug)]
pub(crate) struct RowReader<'a> {
    client: &'a DataverseClient,
    table: &'a Table,
    set: String,
    readings: Vec<Reading<'a>>,
    annotated: bool,
}

/// A row as a record, and whether every selected property was there.
#[derive(Debug)]
pub(crate) struct ReadRow {
    pub record: Record,
    pub complete: bool,
}

impl<'a> RowReader<'a> {
    /// A reader of these columns in an entity set.
    pub fn new(
        client: &'a DataverseClient,
        table: &'a Table,
        set: String,
        columns: &[String],
    ) -> Result<Self, SystemError> {
        let mut readings: Vec<Reading<'a>> = Vec::with_capacity(columns.len());
        for (name, field) in distinct(table, columns)? {
            let source = match field {
                FieldType::Lookup { targets } if targets.len() > 1 => {
                    let wire = lookup_property(&name);
                    let annotation = format!("{wire}@{TARGET}");
                    Source::Polymorphic(wire, annotation)
                }
                FieldType::Lookup { .. } => Source::Lookup(lookup_property(&name)),
                FieldType::EntityName => match lookup_beside(table, &name) {
                    Some(lookup) => Source::TargetName(lookup_property(lookup)),
                    None => Source::Plain,
                },
                _ => Source::Plain,
            };
            readings.push(Reading { name, field, source });
        }
        let annotated =
            readings.iter().any(|reading| matches!(reading.source, Source::Polymorphic(..) | Source::TargetName(_)));
        Ok(Self { client, table, set, readings, annotated })
    }

    /// The properties to select: the id and the time of change always.
    pub fn selection(&self) -> Vec<&str> {
        selection(self.table, self.readings.iter().map(Reading::property))
    }

    /// The preference that makes the service name the targets of lookups, if any column needs it.
    pub fn annotations(&self) -> Option<String> {
        self.annotated.then(|| format!("odata.include-annotations=\"{TARGET}\""))
    }

    /// Reads a row.
    pub fn read(&self, row: &Map<String, Json>) -> Result<ReadRow, SystemError> {
        let id = id_of(self.table, row)?;
        let mut complete = true;
        let mut values = Values::new();
        let (modified, mut flaw) = match modified_in(self.table, row) {
            Ok(modified) => (modified, None),
            Err(unreadable) => (None, Some(unreadable)),
        };
        for reading in &self.readings {
            // A property that is left out says nothing: the column stays unknown.
            let Some(json) = row.get(reading.property()) else {
                complete = false;
                continue;
            };
            match reading.value(json, row) {
                Ok(Some(value)) => {
                    values.insert(reading.name.clone(), value);
                }
                Ok(None) => {}
                Err(unreadable) => {
                    flaw.get_or_insert(unreadable);
                }
            }
        }
        let version = row.get("@odata.etag").and_then(Json::as_str).map(|etag| Version(etag.to_owned()));
        Ok(ReadRow { record: Record { id, version, modified, values, unreadable: flaw }, complete })
    }
}

impl Reading<'_> {
    /// The property that shows the column.
    fn property(&self) -> &str {
        match &self.source {
            Source::Plain => &self.name,
            Source::Lookup(wire) | Source::Polymorphic(wire, _) | Source::TargetName(wire) => wire,
        }
    }

    /// The value of the column in a row whose property shows this; `None` when it is not told.
    fn value(&self, json: &Json, row: &Map<String, Json>) -> Result<Option<Value>, Unreadable> {
        match &self.source {
            Source::Plain | Source::Lookup(_) => self.typed(json).map(Some),
            Source::Polymorphic(_, annotation) => {
                self.typed(json).map(|value| match (value, row.get(annotation).and_then(Json::as_str)) {
                    (Value::Guid(id), Some(table)) => Some(Value::Reference { table: table.into(), id }),
                    (value, _) => Some(value),
                })
            }
            Source::TargetName(_) if json.is_null() => Ok(Some(Value::Null)),
            Source::TargetName(wire) => {
                Ok(row.get(&format!("{wire}@{TARGET}")).and_then(Json::as_str).map(Value::text))
            }
        }
    }

    /// A value as its column's type says.
    fn typed(&self, json: &Json) -> Result<Value, Unreadable> {
        let value = if is_damaged(json) { None } else { Value::from_json(self.field, json).ok() };
        value.ok_or_else(|| unreadable(&self.name, self.field, json))
    }
}

#[async_trait]
impl TableReader for RowReader<'_> {
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
        ReadLimits { page: self.client.page_size as usize, queries: QUERIES_PER_BATCH, address: LONGEST_ADDRESS }
    }

    fn select(&self) -> Vec<&str> {
        self.selection()
    }

    fn address(&self) -> String {
        format!("{}/{}", self.client.api, self.set)
    }

    fn operation(&self, query: &str) -> Operation {
        Operation::new(Method::GET, format!("{}/{}{query}", self.client.path, self.set))
            .header("Prefer", self.preference(self.limits().page))
    }

    fn preference(&self, page_size: usize) -> String {
        let size = format!("odata.maxpagesize={page_size}");
        match self.annotations() {
            Some(annotations) => format!("{size},{annotations}"),
            None => size,
        }
    }

    fn record(&self, row: &Map<String, Json>) -> Result<Record, SystemError> {
        self.read(row).map(|read| read.record)
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Option<BatchPart>>, SystemError> {
        self.client.batch(operations, Repeat::Read).await
    }
}

/// Id of a row that is gone, if the entry of a change feed says so.
pub(crate) fn deleted_id(row: &Map<String, Json>) -> Option<RecordId> {
    let gone = row.contains_key("reason")
        || row.get("@odata.context").and_then(Json::as_str).is_some_and(|text| text.ends_with("/$deletedEntity"));
    if !gone {
        return None;
    }
    let id = row.get("id").and_then(Json::as_str)?;
    // A bare id; other OData services give the address, which ends with it.
    let id = id.rsplit_once('(').map_or(id, |(_, rest)| rest.trim_end_matches(')'));
    Uuid::parse_str(id).ok().map(RecordId)
}

/// The property a lookup is read and filtered by.
pub(crate) fn lookup_property(column: &str) -> String {
    format!("_{column}_value")
}

/// The lookup whose target table a column names: `customeridtype` beside `customerid`, `objecttypecode` beside
/// `objectid`.
pub(crate) fn lookup_beside<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    let candidates =
        [name.strip_suffix("type").map(str::to_owned), name.strip_suffix("typecode").map(|stem| format!("{stem}id"))];
    candidates.into_iter().flatten().find_map(|candidate| {
        let (known, column) = table.columns.get_key_value(&candidate)?;
        matches!(column.field, FieldType::Lookup { .. }).then_some(known.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{client, table};
    use serde_json::json;

    fn row(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(row) => row,
            other => panic!("not a row: {other}"),
        }
    }

    fn reader_of<'a>(
        client: &'a DataverseClient,
        table: &'a Table,
        columns: &[&str],
    ) -> Result<RowReader<'a>, SystemError> {
        RowReader::new(client, table, "things".to_owned(), &names(columns))
    }

    fn names(columns: &[&str]) -> Vec<String> {
        columns.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lookups_are_selected_by_their_value_property() {
        let (client, table) = (client(), table());
        let reader =
            reader_of(&client, &table, &["name", "customerid", "customeridtype", "uomid", "name"]).expect("reader");
        assert_eq!(reader.selection(), ["thingid", "modifiedon", "name", "_customerid_value", "_uomid_value"]);
        assert!(reader.annotations().is_some());
        assert!(reader_of(&client, &table, &["name", "uomid"]).expect("reader").annotations().is_none());
        let error = reader_of(&client, &table, &["nosuch"]).expect_err("unknown");
        assert!(error.message.contains("nosuch"), "{error}");
    }

    #[test]
    fn a_row_becomes_a_record() {
        let (client, table) = (client(), table());
        let reader =
            reader_of(&client, &table, &["name", "price", "customerid", "customeridtype", "uomid"]).expect("reader");
        let id = Uuid::from_u128(1);
        let read = reader
            .read(&row(json!({
                "@odata.etag": "W/\"12\"", "thingid": id, "modifiedon": "2026-01-02T03:04:05Z", "name": "A",
                "price": 10.50, "_customerid_value": id, "_uomid_value": null,
                "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
            })))
            .expect("record");
        assert!(read.complete);
        let record = read.record;
        assert_eq!(record.id, RecordId(id));
        assert_eq!(record.version, Some(Version("W/\"12\"".into())));
        assert_eq!(record.modified.map(|time| time.to_string()), Some("2026-01-02T03:04:05Z".into()));
        assert!(matches!(record.get("customerid"), Value::Reference { table, .. } if &**table == "account"));
        assert_eq!(record.get("customeridtype"), &Value::text("account"));
        assert_eq!(record.get("uomid"), &Value::Null);
    }

    #[test]
    fn a_row_without_a_selected_property_is_incomplete() {
        let (client, table) = (client(), table());
        let reader = reader_of(&client, &table, &["name", "price"]).expect("reader");
        let read = reader.read(&row(json!({"thingid": Uuid::from_u128(1), "name": "A"}))).expect("record");
        assert!(!read.complete);
        assert_eq!((read.record.known("name"), read.record.known("price")), (Some(&Value::text("A")), None));
        assert!(reader.read(&row(json!({"name": "A"}))).is_err());
    }

    #[test]
    fn f17_a_value_of_the_wrong_type_is_the_flaw_of_its_record_and_is_not_shown() {
        let (client, table) = (client(), table());
        let reader = reader_of(&client, &table, &["name", "price", "state", "customerid", "uomid"]).expect("reader");
        let good = json!({"thingid": Uuid::from_u128(1), "name": "A", "price": 1, "state": 0,
            "_customerid_value": null, "_uomid_value": null});
        let damaged = couplet_odata::content::read_json(br#""secret\ud800""#).expect("a text");
        for (property, column, value) in [
            ("name", "name", json!(4711)),
            ("name", "name", damaged),
            ("price", "price", json!("secret")),
            ("state", "state", json!("secret")),
            ("_customerid_value", "customerid", json!("secret")),
            ("_uomid_value", "uomid", json!(["secret"])),
        ] {
            let mut changed = row(good.clone());
            changed.insert(property.to_owned(), value.clone());
            let record = reader.read(&changed).expect("a row").record;
            let flaw = record.unreadable.unwrap_or_else(|| panic!("{property} {value}"));
            assert_eq!(flaw.column, column);
            assert!(!flaw.detail.contains("secret") && !flaw.detail.contains("4711"), "{}", flaw.detail);
            assert!(!record.values.contains_key(column), "what cannot be read is unknown");
            assert_eq!(record.values.len(), 4, "the rest is read");
        }
    }

    #[test]
    fn deleted_entries_are_told_from_rows() {
        let id = Uuid::from_u128(5);
        for (entry, expected) in [
            (json!({"@odata.context": "x/$metadata#accounts/$deletedEntity", "id": id, "reason": "deleted"}), true),
            (json!({"id": id, "reason": "changed"}), true),
            (json!({"id": format!("accounts({id})"), "reason": "deleted"}), true),
            (json!({"accountid": id, "id": "x"}), false),
        ] {
            assert_eq!(deleted_id(&row(entry.clone())), expected.then_some(RecordId(id)), "{entry}");
        }
    }
}
