//! What was asked of the service: counted and remembered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// One operation that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedOperation {
    /// HTTP method.
    pub method: String,
    /// Path below the route, such as `companies(...)/items(...)`.
    pub path: String,
    /// HTTP status, 0 if the connection was cut.
    pub status: u16,
}

/// One request of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestLogEntry {
    /// Order of arrival, from 1.
    pub number: u64,
    /// When it arrived, by the clock of the service.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path after the environment, such as `api/v2.0/companies(...)/items`.
    pub path: String,
    /// Query, decoded.
    pub query: String,
    /// HTTP status, 0 if the connection was cut.
    pub status: u16,
    /// The operations of a batch; otherwise the one operation, if it got so far.
    pub operations: Vec<LoggedOperation>,
    /// Size of the answer's body in bytes.
    pub answer_bytes: usize,
    /// How long it took.
    pub took: Duration,
}

/// The requests since the start or the last reset.
#[derive(Default)]
pub(crate) struct RequestLog {
    count: AtomicU64,
    entries: Mutex<Vec<RequestLogEntry>>,
}

/// Older entries are dropped beyond this number, so that a long run does not fill the memory.
const MOST_ENTRIES: usize = 200_000;

impl RequestLog {
    pub(crate) fn arrived(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn answered(&self, entry: RequestLogEntry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST_ENTRIES {
            entries.drain(..MOST_ENTRIES / 2);
        }
        entries.push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<RequestLogEntry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        entries.sort_by_key(|entry| entry.number);
        entries
    }

    pub(crate) fn reset(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.count.store(0, Ordering::SeqCst);
    }
}
