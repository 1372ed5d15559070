//! What one process remembers, so that it need not ask for it again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use couplet_model::message::Direction;
use couplet_model::{MappingName, RecordId, RunId};
use jiff::Timestamp;
use parking_lot::Mutex;

/// What one process remembers.
#[derive(Default)]
pub(crate) struct Memory {
    /// What the records of a table would be named as partners, by mapping and the direction they were created in.
    pub partners: tokio::sync::Mutex<HashMap<(MappingName, Direction), Makers>>,
    /// Runs that the store was seen to know.
    pub runs: KnownRuns,
    /// Set when this process has seen that the store belongs to whom the settings lead to.
    pub owner_is_confirmed: AtomicBool,
    /// Set when this process has seen that no order is left behind by how the settings integrate orders.
    pub orders_are_confirmed: AtomicBool,
}

/// Records of a table by the id their partner would have.
pub(crate) struct Makers {
    /// When they were read.
    pub read_at: Timestamp,
    /// The records.
    pub by_derived_id: Arc<HashMap<RecordId, RecordId>>,
}

/// Runs remembered by a process; with more, it asks for them again.
const MOST_KNOWN: usize = 1000;

/// Runs that the store was seen to know, each with its job, and the revision of the mappings that each works by.
#[derive(Default)]
pub(crate) struct KnownRuns(Mutex<HashMap<(String, RunId), u64>>);

impl KnownRuns {
    /// The revisions of those of these runs that were seen.
    pub fn seen(&self, runs: &HashSet<(String, RunId)>) -> HashMap<(String, RunId), u64> {
        let seen = self.0.lock();
        runs.iter().filter_map(|run| Some((run.clone(), *seen.get(run)?))).collect()
    }

    pub fn saw(&self, runs: impl ExactSizeIterator<Item = ((String, RunId), u64)>) {
        let mut seen = self.0.lock();
        if seen.len() + runs.len() > MOST_KNOWN {
            seen.clear();
        }
        seen.extend(runs);
    }
}
