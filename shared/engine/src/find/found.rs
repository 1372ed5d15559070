//! What a run looks at, and what it has found so far.

use std::collections::HashSet;

use couplet_model::seen::fingerprint;
use couplet_model::{Counters, Record, RecordId};
use serde::{Deserialize, Serialize};

/// What a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// What changed since the cursor.
    Modified,
    /// Everything; records without a coupling are created on the other side, and Business Central's values win.
    Full,
}

/// What the body of a run found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub enqueued: u64,
    pub judged: Counters,
    pub notes: Vec<String>,
    /// Records that waited for others already and still do.
    #[serde(default)]
    pub waiting: u64,
    /// Records that were left alone because they are not coupled, of a run that read everything for the first time and
    /// was no full one.
    #[serde(default)]
    pub left_alone: Option<u64>,
}

/// What the sources of a direction have brought in one invocation.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Records that were enqueued.
    pub enqueued: HashSet<RecordId>,
    /// What rows named, as it was then.
    named: HashSet<u64>,
}

impl Brought {
    /// Notes records that rows named.
    pub fn note_named(&mut self, records: &[Record]) {
        self.named.extend(records.iter().map(fingerprint));
    }

    /// Whether rows named a record exactly as it is.
    pub fn is_as_named(&self, record: &Record) -> bool {
        self.named.contains(&fingerprint(record))
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::Value;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_rows_named_is_known_only_as_it_was() {
        let record = |number: u128, paid: i64| Record {
            id: RecordId(Uuid::from_u128(number)),
            version: None,
            modified: None,
            values: [("paid".into(), Value::Int(paid))].into(),
            unreadable: None,
        };
        let mut brought = Brought::default();
        brought.note_named(&[record(1, 0), record(2, 0)]);
        assert!(brought.is_as_named(&record(1, 0)) && brought.is_as_named(&record(2, 0)));
        assert!(!brought.is_as_named(&record(1, 50)), "it changed since");
        assert!(!brought.is_as_named(&record(3, 0)), "nothing named it");
    }
}
