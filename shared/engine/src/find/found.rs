//! What a run looks at, and what it has found so far.

use couplet_model::Counters;
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
