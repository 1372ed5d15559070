//! The change feed of a mapping's own records as a source of work.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::message::Direction;
use couplet_model::seen::Seen;
use couplet_model::system::{Cursor, Position, Resume};
use couplet_model::{Filter, MappingName, Record, RecordId};

use super::source::{ChangeSource, Named, SourceQuery};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// The records of a mapping at the source of a direction.
pub(crate) struct OwnRecords {
    mapping: Arc<InstalledMapping>,
    direction: Direction,
    /// Whose cursor they are read from.
    cursor: MappingName,
    /// Whether only those that are not coupled are wanted.
    only_new: bool,
    /// The part of the mapping's filter that the system may apply itself.
    filter: Filter,
}

impl OwnRecords {
    /// The records of this mapping that meet a filter. Conditions that coupled records may leave are judged by
    /// the caller.
    pub fn new(mapping: &Arc<InstalledMapping>, direction: Direction, filter: &Filter) -> Self {
        let may_be_left = |column: &str| mapping.rules.keeps_coupled(direction, column);
        let readable = filter.conditions.iter().filter(|condition| !may_be_left(&condition.column));
        let filter = Filter::all(readable.cloned().collect());
        Self { mapping: Arc::clone(mapping), direction, cursor: mapping.name.clone(), only_new: false, filter }
    }

    /// Those of them that are not coupled yet, read from a cursor of another name. What leaves the filter is coupled.
    pub fn new_ones(
        mapping: &Arc<InstalledMapping>,
        direction: Direction,
        filter: &Filter,
        cursor: MappingName,
    ) -> Self {
        Self { mapping: Arc::clone(mapping), direction, cursor, only_new: true, filter: filter.clone() }
    }
}

#[async_trait]
impl ChangeSource for OwnRecords {
    fn cursor_name(&self) -> &MappingName {
        &self.cursor
    }

    fn query(&self) -> SourceQuery<'_> {
        SourceQuery {
            table: self.mapping.table(self.direction.source()),
            columns: self.mapping.source_columns(self.direction).to_vec(),
            filter: self.filter.clone(),
        }
    }

    fn is_own_feed(&self) -> bool {
        true
    }

    fn wants_only_new(&self) -> bool {
        self.only_new
    }

    async fn beginning(&self, engine: &Engine) -> Result<Resume, EngineError> {
        if !self.mapping.rules.tells_news_only() {
            return Ok(Resume::Everything);
        }
        let now = engine.now();
        Ok(Resume::Since(Cursor { position: Position::ModifiedOn(now), as_of: now, seen: Seen::default() }))
    }

    fn has_taken(&self, row: &Record, enqueued: &HashSet<RecordId>) -> bool {
        enqueued.contains(&row.id)
    }

    async fn named_by(&mut self, rows: Vec<Record>, _engine: &Engine) -> Result<Named, EngineError> {
        Ok(Named { records: rows, ..Named::default() })
    }

    /// Those that are due although they did not change; the first time everything has been read anyway.
    async fn at_its_end(&mut self, before: Option<&Cursor>, _: &Cursor, engine: &Engine) -> Result<Named, EngineError> {
        if before.is_none() {
            return Ok(Named::default());
        }
        let ids = self.mapping.rules.also_due(&engine.installation, self.direction).await?;
        if ids.is_empty() {
            return Ok(Named::default());
        }
        let side = self.direction.source();
        let columns = self.mapping.source_columns(self.direction);
        let records = engine.system(side).fetch(self.mapping.table(side), &ids, columns).await?;
        Ok(Named { records, ..Named::default() })
    }
}
