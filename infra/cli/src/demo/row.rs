//! One record as the comparison holds it: the text of each value. Tens of thousands of them are held at once, and as JSON
//! they would be the largest thing in this process.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

/// Names of columns, each held once.
pub type Names = HashSet<Arc<str>>;

/// The columns of one record that have a value.
#[derive(Clone, Debug, Default)]
pub struct Row(Vec<(Arc<str>, Box<str>)>);

impl Row {
    /// The columns of these names; whatever else the record holds is dropped.
    pub fn of(record: &Map<String, Value>, names: &Names) -> Self {
        let held =
            record.iter().filter_map(|(name, value)| Some((Arc::clone(names.get(name.as_str())?), plain(value)?)));
        let mut columns: Vec<_> = held.collect();
        columns.shrink_to_fit();
        Self(columns)
    }

    /// The text of a column's value; `None` when it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, text)| &**text)
    }

    /// Gives a column another value.
    #[cfg(test)]
    pub fn set(&mut self, name: &str, value: &Value) {
        self.0.retain(|(own, _)| **own != *name);
        self.0.extend(plain(value).map(|text| (Arc::from(name), text)));
    }
}

/// A value as text; nothing when it is null.
pub fn plain(value: &Value) -> Option<Box<str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_str().into()),
        other => Some(other.to_string().into()),
    }
}

/// An id; none when it is blank.
pub fn id(text: Option<&str>) -> Option<Uuid> {
    text.and_then(|text| Uuid::parse_str(text).ok()).filter(|id| !id.is_nil())
}
