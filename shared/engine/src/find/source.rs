//! Where a direction of a run finds the records it enqueues: in the change feed of the mapping's own records, or in rows of
//! another table that name records. The finder reads every source in the same way.

use std::collections::HashSet;

use async_trait::async_trait;
use couplet_model::system::{Cursor, Resume};
use couplet_model::table::Table;
use couplet_model::{Filter, MappingName, Record, RecordId};

use crate::engine::Engine;
use crate::error::EngineError;

/// What a source reads.
pub(crate) struct SourceQuery<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its columns.
    pub columns: Vec<String>,
    /// The conditions that the system may apply itself.
    pub filter: Filter,
}

/// What rows of a source stand for.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// The records of the mapping to be looked at.
    pub records: Vec<Record>,
    /// Whether these are all records of the mapping, so that what belongs to none of them has to be brought up to date as
    /// well.
    pub is_everything: bool,
    /// Coupled records that are at the source no more.
    pub gone: Vec<RecordId>,
}

/// Where a direction of a run finds the records it enqueues.
#[async_trait]
pub(crate) trait ChangeSource: Send + Sync {
    /// The name of the cursor it is read from.
    fn cursor_name(&self) -> &MappingName;

    /// What is read.
    fn query(&self) -> SourceQuery<'_>;

    /// Whether it is the feed of the mapping's own records, so that silence says that none of them changed, and what
    /// earlier runs left over belongs to it.
    fn is_own_feed(&self) -> bool;

    /// Whether coupled records are left to another job.
    fn wants_only_new(&self) -> bool {
        false
    }

    /// Where reading begins without a cursor.
    async fn beginning(&self, engine: &Engine) -> Result<Resume, EngineError>;

    /// Whether an earlier page of this run brought what this row stands for into the queue.
    fn has_taken(&self, row: &Record, enqueued: &HashSet<RecordId>) -> bool;

    /// The records that these rows stand for, unless earlier pages did.
    async fn named_by(&mut self, rows: Vec<Record>, engine: &Engine) -> Result<Named, EngineError>;

    /// What has to be looked at when the source is read to its end, although no row said so.
    async fn at_its_end(
        &mut self,
        before: Option<&Cursor>,
        next: &Cursor,
        engine: &Engine,
    ) -> Result<Named, EngineError>;
}
