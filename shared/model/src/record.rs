//! A record as one system shows it at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::ids::RecordId;
use crate::table::Table;
use crate::value::{Value, ValueError};

/// Concurrency token of a record; only the client that read it knows what is inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// Column values by wire name.
pub type Values = BTreeMap<Arc<str>, Value>;

/// A record read from one system.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Its concurrency token, when the read gave one.
    pub version: Option<Version>,
    /// When it was last changed, by its system's clock.
    pub modified: Option<Timestamp>,
    /// The columns that were asked for.
    pub values: Values,
}

impl Record {
    /// The value of a column; blank when it was not read.
    pub fn get(&self, column: &str) -> &Value {
        self.values.get(column).unwrap_or(&Value::Null)
    }

    /// What a person calls the record: its label column, else its id.
    pub fn label(&self, table: &Table) -> String {
        table
            .label_column
            .as_deref()
            .and_then(|column| self.get(column).as_text())
            .map_or_else(|| self.id.to_string(), str::to_owned)
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
    /// Column values in their JSON form; blank ones are left out.
    pub values: Map<String, Json>,
}

impl Snapshot {
    /// Packs a record for the way.
    pub fn pack(record: &Record, read_at: Timestamp) -> Self {
        let values = record
            .values
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_string(), value.to_json()))
            .collect();
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
            values.insert(Arc::from(name.as_str()), Value::from_json(&column.field, json)?);
        }
        Ok(Record { id, version: self.version.clone(), modified: self.modified, values })
    }
}
