//! The base of a coupling: what both records held when they last agreed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::table::{Column, Side};
use crate::value::Value;

/// The mapped values of both records when they last agreed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// Values of the Business Central record by property; blanks are left out.
    pub business_central: Map<String, Json>,
    /// Values of the Dataverse row by column; blanks are left out.
    pub dataverse: Map<String, Json>,
    /// Names of the columns known per side, blank ones included: what is in neither was never compared.
    #[serde(default)]
    pub blank: BTreeMap<Side, Vec<String>>,
    /// Of the header of a document: a digest of its lines per side as they were when all of them were last brought across.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lines: BTreeMap<Side, Uuid>,
    /// The revision of the installation's mappings by which it was last looked through; 0 for what no change concerns. Columns
    /// of rows that came, or came back, in a later revision say nothing.
    #[serde(default, skip_serializing_if = "is_first")]
    pub revision: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_first(revision: &u64) -> bool {
    *revision == 0
}

impl Base {
    /// Whether nothing was ever synchronized.
    pub fn is_empty(&self) -> bool {
        self.business_central.is_empty() && self.dataverse.is_empty() && self.blank.values().all(Vec::is_empty)
    }

    /// The value of a column at the last agreement; `None` when the column was never synchronized.
    pub fn get(&self, side: Side, column: &Column) -> Option<Value> {
        match self.values(side).get(&column.name) {
            Some(json) => Value::from_json(&column.field, json).ok(),
            None => self.blank.get(&side).is_some_and(|blank| blank.contains(&column.name)).then_some(Value::Null),
        }
    }

    /// Whether a column had a value, and not a blank, at the last agreement.
    pub fn has_value(&self, side: Side, column: &str) -> bool {
        self.values(side).contains_key(column)
    }

    /// Remembers a value.
    pub fn set(&mut self, side: Side, column: &str, value: &Value) {
        let blank = self.blank.entry(side).or_default();
        if value.is_null() {
            if !blank.iter().any(|name| name == column) {
                blank.push(column.to_owned());
                blank.sort();
            }
            self.values_mut(side).remove(column);
        } else {
            blank.retain(|name| name != column);
            self.values_mut(side).insert(column.to_owned(), value.to_json());
        }
    }

    /// Columns whose values, blank and unknown told apart, are others in another base.
    pub fn differing(&self, other: &Self, side: Side) -> BTreeSet<String> {
        let columns = [self, other].into_iter().flat_map(|base| {
            let blank = base.blank.get(&side).into_iter().flatten();
            base.values(side).keys().chain(blank)
        });
        columns.filter(|column| self.raw(side, column) != other.raw(side, column)).cloned().collect()
    }

    /// Takes over what another base knows of a column.
    pub fn copy(&mut self, other: &Self, side: Side, column: &str) {
        let blank = self.blank.entry(side).or_default();
        blank.retain(|name| name != column);
        match other.raw(side, column) {
            Some(Json::Null) => {
                blank.push(column.to_owned());
                blank.sort();
                self.values_mut(side).remove(column);
            }
            Some(value) => {
                self.values_mut(side).insert(column.to_owned(), value);
            }
            None => {
                self.values_mut(side).remove(column);
            }
        }
    }

    /// What is stored of a column: `None` when it was never synchronized.
    fn raw(&self, side: Side, column: &str) -> Option<Json> {
        let is_blank = || self.blank.get(&side).is_some_and(|blank| blank.iter().any(|name| name == column));
        self.values(side).get(column).cloned().or_else(|| is_blank().then_some(Json::Null))
    }

    /// Forgets a column, as if it had never been synchronized.
    pub fn forget(&mut self, side: Side, column: &str) {
        self.values_mut(side).remove(column);
        if let Some(blank) = self.blank.get_mut(&side) {
            blank.retain(|name| name != column);
        }
    }

    /// The column with the longest value, by wire name, and how long that is in bytes.
    pub fn longest(&self) -> Option<(String, usize)> {
        let length = |json: &Json| json.as_str().map_or(0, str::len);
        let values = self.dataverse.iter().chain(&self.business_central);
        values.max_by_key(|(_, value)| length(value)).map(|(name, value)| (name.clone(), length(value)))
    }

    fn values(&self, side: Side) -> &Map<String, Json> {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }

    fn values_mut(&mut self, side: Side) -> &mut Map<String, Json> {
        match side {
            Side::BusinessCentral => &mut self.business_central,
            Side::Dataverse => &mut self.dataverse,
        }
    }
}
