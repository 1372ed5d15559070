//! A record as one system shows it at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::ids::RecordId;
use crate::table::{FieldType, Table};
use crate::value::{Value, ValueError};

/// Concurrency token of a record; only the client that read it knows what is inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// Column values by wire name.
pub type Values = BTreeMap<Arc<str>, Value>;

/// A column whose value could not be understood. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The column, by wire name.
    pub column: String,
    /// What was expected and what kind of value was found.
    pub detail: String,
}

/// A record read from one system.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Its concurrency token, when the read gave one.
    pub version: Option<Version>,
    /// When it was last changed, by its system's clock.
    pub modified: Option<Timestamp>,
    /// What is known of the columns that were asked for, blank ones included. A column that is not here is *unknown*:
    /// it was not read, or may not be read.
    pub values: Values,
    /// Set when a value could not be understood, the first one if there are several; then its column is not among the
    /// values, and the record must not travel.
    pub unreadable: Option<Unreadable>,
}

impl Record {
    /// The value of a column as far as it is known. Whatever may overwrite something asks this: `None` is not blank, and
    /// what is unknown never overwrites anything.
    pub fn known(&self, column: &str) -> Option<&Value> {
        self.values.get(column)
    }

    /// The value of a column, blank when it is blank or unknown. For keys and labels, where both mean that there is none.
    pub fn get(&self, column: &str) -> &Value {
        self.known(column).unwrap_or(&Value::Null)
    }

    /// Makes a column unknown.
    pub fn forget(&mut self, column: &str) {
        self.values.remove(column);
    }

    /// What a person calls the record: the text or number of its label column, else its id.
    pub fn label(&self, table: &Table) -> String {
        match table.label_column.as_deref().map(|column| self.get(column)) {
            Some(label @ (Value::Text(_) | Value::Int(_))) => label.to_string(),
            _ => self.id.to_string(),
        }
    }
}

/// One entry of a change feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Created or changed; the record as it is now.
    Upserted(Record),
    /// Gone.
    Deleted(RecordId),
}

/// A record as it travels in a message: plain JSON, typed again with the table's columns on arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// When the record was read.
    pub read_at: Timestamp,
    /// Its concurrency token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Column values in their JSON form; a lookup that can point to several tables is an object of the table and the id. A blank
    /// column is null; one that is not here is unknown, also where the message is of the time when blank ones were left out.
    pub values: Map<String, Json>,
}

impl Snapshot {
    /// Packs a record for the way.
    pub fn pack(record: &Record, read_at: Timestamp) -> Self {
        let values = record.values.iter().map(|(name, value)| (name.to_string(), packed(value))).collect();
        Self { read_at, version: record.version.clone(), modified: record.modified, values }
    }

    /// Unpacks the record, typed with the table's columns.
    ///
    /// # Errors
    /// When a value does not fit its column, as after a change of the catalogue.
    pub fn unpack(&self, table: &Table, id: RecordId) -> Result<Record, ValueError> {
        let mut values = Values::new();
        for (name, json) in &self.values {
            let Some(column) = table.column(name) else {
                return Err(ValueError { expected: format!("column of {}", table.name), found: name.clone() });
            };
            values.insert(Arc::from(name.as_str()), unpacked(&column.field, json)?);
        }
        Ok(Record { id, version: self.version.clone(), modified: self.modified, values, unreadable: None })
    }
}

/// A value for the way: what a lookup points to is told with its table, which the column does not say.
fn packed(value: &Value) -> Json {
    match value {
        Value::Reference { table, .. } => Json::Object(Map::from_iter([(table.to_string(), value.to_json())])),
        other => other.to_json(),
    }
}

fn unpacked(field: &FieldType, json: &Json) -> Result<Value, ValueError> {
    let target = json.as_object().filter(|_| matches!(field, FieldType::Lookup { .. }));
    let Some((table, id)) = target.and_then(|target| target.iter().next()) else {
        return Value::from_json(field, json);
    };
    let value = Value::from_json(field, id)?;
    Ok(value.as_guid().map_or(Value::Null, |id| Value::Reference { table: Arc::from(table.as_str()), id }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::table::{Access, Column, Side};
    use serde_json::json;
    use uuid::Uuid;

    fn table() -> Table {
        let column = |name: &str| {
            let column = Column {
                name: name.to_owned(),
                caption: name.to_owned(),
                field: FieldType::Text { length: 20 },
                access: Access::Full,
                standard: true,
                companion: false,
                options: BTreeMap::new(),
            };
            (name.to_owned(), Arc::new(column))
        };
        Table {
            side: Side::Dataverse,
            name: "account".into(),
            entity_set: None,
            companion_entity_set: None,
            companion_takes_id: false,
            companion_parent: None,
            choice: None,
            id_column: "accountid".into(),
            modified_column: None,
            label_column: Some("name".into()),
            company_column: None,
            takes_upsert: true,
            columns: ["name", "telephone1", "fax"].into_iter().map(column).collect(),
        }
    }

    #[test]
    fn f02_blank_and_unknown_stay_different_things_on_their_way_through_a_message() {
        let id = RecordId(Uuid::from_u128(1));
        let values = [("name", Value::text("A")), ("fax", Value::Null)];
        let values = values.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        let record = Record { id, version: None, modified: None, values, unreadable: None };
        let packed = Snapshot::pack(&record, Timestamp::UNIX_EPOCH);
        let travelled: Snapshot = serde_json::from_str(&serde_json::to_string(&packed).unwrap()).unwrap();
        let unpacked = travelled.unpack(&table(), id).unwrap();
        assert_eq!(unpacked, record);
        assert_eq!((unpacked.known("fax"), unpacked.known("telephone1")), (Some(&Value::Null), None));
        assert_eq!(unpacked.get("telephone1"), &Value::Null);
    }

    #[test]
    fn f02_a_message_of_the_former_format_knows_nothing_of_what_it_leaves_out() {
        let old = json!({"read_at": "2026-01-01T00:00:00Z", "values": {"name": "A"}});
        let snapshot: Snapshot = serde_json::from_value(old).unwrap();
        let record = snapshot.unpack(&table(), RecordId(Uuid::from_u128(1))).unwrap();
        assert_eq!((record.known("name"), record.known("fax")), (Some(&Value::text("A")), None));
    }

    #[test]
    fn what_a_lookup_points_to_keeps_its_table_on_the_way() {
        let id = RecordId(Uuid::from_u128(1));
        let mut table = table();
        let targets = ["account", "contact"].map(str::to_owned).to_vec();
        let mut customer = Column::clone(&table.columns["name"]);
        (customer.name, customer.field) = ("customerid".to_owned(), FieldType::Lookup { targets });
        table.columns.insert("customerid".to_owned(), Arc::new(customer));
        let contact = Value::Reference { table: "contact".into(), id: Uuid::from_u128(2) };
        for value in [contact, Value::Guid(Uuid::from_u128(3)), Value::Null] {
            let values = [(Arc::from("customerid"), value.clone())].into();
            let record = Record { id, version: None, modified: None, values, unreadable: None };
            let packed = Snapshot::pack(&record, Timestamp::UNIX_EPOCH);
            let travelled: Snapshot = serde_json::from_str(&serde_json::to_string(&packed).unwrap()).unwrap();
            let unpacked = travelled.unpack(&table, id).unwrap();
            // Equality of values does not ask for the table.
            assert_eq!(format!("{:?}", unpacked.get("customerid")), format!("{value:?}"));
        }
    }

    #[test]
    fn a_forgotten_column_is_unknown() {
        let values = [(Arc::from("fax"), Value::text("1"))].into();
        let mut record =
            Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None };
        record.forget("fax");
        assert_eq!(record.known("fax"), None);
    }
}
