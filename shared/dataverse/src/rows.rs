//! Rows of the Web API as records: which properties to select, and how a row is read.

use std::sync::Arc;

use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Unreadable, Values, Version};
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{FieldType, Side, Table};
use couplet_model::value::{Value, json_kind};
use couplet_odata::content::is_damaged;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

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
    table: &'a Table,
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
    /// A reader of these columns.
    pub fn new(table: &'a Table, columns: &[String]) -> Result<Self, SystemError> {
        let mut readings: Vec<Reading<'a>> = Vec::with_capacity(columns.len());
        for name in columns {
            let column = table.column(name).ok_or_else(|| no_column(table, name))?;
            if readings.iter().any(|reading| *reading.name == **name) {
                continue;
            }
            let source = match &column.field {
                FieldType::Lookup { targets } if targets.len() > 1 => {
                    let wire = lookup_property(name);
                    let annotation = format!("{wire}@{TARGET}");
                    Source::Polymorphic(wire, annotation)
                }
                FieldType::Lookup { .. } => Source::Lookup(lookup_property(name)),
                FieldType::EntityName => match lookup_beside(table, name) {
                    Some(lookup) => Source::TargetName(lookup_property(lookup)),
                    None => Source::Plain,
                },
                _ => Source::Plain,
            };
            readings.push(Reading { name: Arc::from(name.as_str()), field: &column.field, source });
        }
        let annotated =
            readings.iter().any(|reading| matches!(reading.source, Source::Polymorphic(..) | Source::TargetName(_)));
        Ok(Self { table, readings, annotated })
    }

    /// The table that is read.
    pub fn table_name(&self) -> &str {
        &self.table.name
    }

    /// The properties to select: the id and the time of change always.
    pub fn select(&self) -> Vec<&str> {
        let mut names: Vec<&str> = vec![&self.table.id_column];
        names.extend(self.table.modified_column.as_deref());
        for reading in &self.readings {
            let wire = match &reading.source {
                Source::Plain => &*reading.name,
                Source::Lookup(wire) | Source::Polymorphic(wire, _) | Source::TargetName(wire) => wire.as_str(),
            };
            if !names.contains(&wire) {
                names.push(wire);
            }
        }
        names
    }

    /// The preference that makes the service name the targets of lookups, if any column needs it.
    pub fn annotations(&self) -> Option<String> {
        self.annotated.then(|| format!("odata.include-annotations=\"{TARGET}\""))
    }

    /// Reads a row.
    pub fn read(&self, row: &Map<String, Json>) -> Result<ReadRow, SystemError> {
        let id = row.get(&self.table.id_column).and_then(guid).ok_or_else(|| without_id(self.table))?;
        let mut complete = true;
        let mut values = Values::new();
        let mut unreadable = None;
        for reading in &self.readings {
            let wire = match &reading.source {
                Source::Plain => &*reading.name,
                Source::Lookup(wire) | Source::Polymorphic(wire, _) | Source::TargetName(wire) => wire.as_str(),
            };
            // A property that is left out says nothing: the column stays unknown.
            let Some(json) = row.get(wire) else {
                complete = false;
                continue;
            };
            let value: Result<Value, Unreadable> = match &reading.source {
                Source::Plain | Source::Lookup(_) => typed(reading, json),
                Source::Polymorphic(_, annotation) => {
                    typed(reading, json).map(|value| match (value, row.get(annotation).and_then(Json::as_str)) {
                        (Value::Guid(id), Some(table)) => Value::Reference { table: table.into(), id },
                        (value, _) => value,
                    })
                }
                Source::TargetName(wire) => {
                    Ok(row.get(&format!("{wire}@{TARGET}")).and_then(Json::as_str).map_or(Value::Null, Value::text))
                }
            };
            match value {
                Ok(value) => {
                    values.insert(reading.name.clone(), value);
                }
                Err(flaw) => {
                    unreadable.get_or_insert(flaw);
                }
            }
        }
        let modified = self.table.modified_column.as_deref().and_then(|column| row.get(column)).and_then(instant);
        let version = row.get("@odata.etag").and_then(Json::as_str).map(|etag| Version(etag.to_owned()));
        Ok(ReadRow { record: Record { id, version, modified, values, unreadable }, complete })
    }
}

/// A value as its column's type says.
fn typed(reading: &Reading<'_>, json: &Json) -> Result<Value, Unreadable> {
    let detail = if is_damaged(json) {
        "its text holds something that is no character".to_owned()
    } else {
        match Value::from_json(reading.field, json) {
            Ok(value) => return Ok(value),
            Err(_) => format!("a {} was expected, {} was found", reading.field, json_kind(json)),
        }
    };
    Err(Unreadable { column: reading.name.to_string(), detail })
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

pub(crate) fn no_column(table: &Table, name: &str) -> SystemError {
    let message = format!("the catalogue knows no column {name} of table {}", table.name);
    SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", couplet_model::Said::safe(message))
}

fn without_id(table: &Table) -> SystemError {
    let message = format!("a row of {} has no id in column {}", table.name, table.id_column);
    SystemError::new(Side::Dataverse, SystemErrorKind::Transient, "", couplet_model::Said::safe(message))
}

fn guid(json: &Json) -> Option<RecordId> {
    Uuid::parse_str(json.as_str()?).ok().map(RecordId)
}

fn instant(json: &Json) -> Option<Timestamp> {
    json.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;
    use serde_json::json;

    fn row(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(row) => row,
            other => panic!("not a row: {other}"),
        }
    }

    fn names(columns: &[&str]) -> Vec<String> {
        columns.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lookups_are_selected_by_their_value_property() {
        let table = table();
        let reader =
            RowReader::new(&table, &names(&["name", "customerid", "customeridtype", "uomid", "name"])).expect("reader");
        assert_eq!(reader.select(), ["thingid", "modifiedon", "name", "_customerid_value", "_uomid_value"]);
        assert!(reader.annotations().is_some());
        assert!(RowReader::new(&table, &names(&["name", "uomid"])).expect("reader").annotations().is_none());
        let error = RowReader::new(&table, &names(&["nosuch"])).expect_err("unknown");
        assert!(error.message.contains("nosuch"), "{error}");
    }

    #[test]
    fn a_row_becomes_a_record() {
        let table = table();
        let reader = RowReader::new(&table, &names(&["name", "price", "customerid", "customeridtype", "uomid"]))
            .expect("reader");
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
        let table = table();
        let reader = RowReader::new(&table, &names(&["name", "price"])).expect("reader");
        let read = reader.read(&row(json!({"thingid": Uuid::from_u128(1), "name": "A"}))).expect("record");
        assert!(!read.complete);
        assert_eq!((read.record.known("name"), read.record.known("price")), (Some(&Value::text("A")), None));
        assert!(reader.read(&row(json!({"name": "A"}))).is_err());
    }

    #[test]
    fn f17_a_value_of_the_wrong_type_is_the_flaw_of_its_record_and_is_not_shown() {
        let table = table();
        let reader =
            RowReader::new(&table, &names(&["name", "price", "state", "customerid", "uomid"])).expect("reader");
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
