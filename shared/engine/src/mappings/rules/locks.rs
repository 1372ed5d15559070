//! Rows of Dataverse that are locked in some of their states.

use couplet_model::system::Write;
use couplet_model::{Coupling, Record, Table};

/// Whether a row takes a change as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// It does.
    Open,
    /// It has to be opened first, and closed again.
    Closed,
    /// It is over: nobody opens it any more.
    Over,
}

/// How rows of a table are opened for a change that is none of their contents, and closed again.
pub(crate) trait Locks: Send + Sync {
    /// The columns that say how a row stands.
    fn columns(&self) -> &'static [&'static str];

    /// Whether a row takes a change.
    fn lock(&self, row: &Record) -> Lock;

    /// The write that opens a closed row, guarded by the version that was read.
    fn opening(&self, row: &Record) -> Write;

    /// The write that closes a row again as it stood when it was read; as its pair remembers it, where it had been opened before.
    fn closing(&self, row: &Record, pair: &Coupling, table: &Table) -> Write;
}
