//! Rows of another table that name records of a mapping, as a source of work: when one appears or changes, the records it
//! names travel again, although they did not change themselves (S14 to S21).

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use couplet_model::catalogue::{NamedRows, Names};
use couplet_model::system::{Cursor, Position, Resume};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, Value};

use super::gone::has_day_turned;
use super::source::{ChangeSource, Named, SourceQuery};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// Rows that name records of a mapping.
pub(crate) struct NamedRecords {
    rows: NamedRows,
    mapping: Arc<InstalledMapping>,
    /// Whose cursor they are read from.
    cursor: MappingName,
    /// Names that earlier pages of this invocation had; what they name has travelled already.
    named: HashSet<String>,
    /// Whether every record has been named.
    everything: bool,
    /// From where they are read while they have no cursor of their own.
    began: OnceLock<Cursor>,
}

impl NamedRecords {
    /// Rows that name records of a mapping, read from a cursor of that name.
    pub fn new(rows: NamedRows, mapping: &Arc<InstalledMapping>, cursor: MappingName) -> Self {
        Self {
            rows,
            mapping: Arc::clone(mapping),
            cursor,
            named: HashSet::new(),
            everything: false,
            began: OnceLock::new(),
        }
    }

    fn side(&self) -> Side {
        self.rows.direction.source()
    }

    /// Whether rows name records by their own id, which they show without being asked.
    fn is_by_own_id(&self) -> bool {
        self.rows.column == self.rows.table.id_column
    }

    fn value_of(&self, row: &Record) -> Value {
        if self.is_by_own_id() { Value::Guid(row.id.0) } else { row.get(&self.rows.column).clone() }
    }

    fn name_of(&self, row: &Record) -> Option<String> {
        let value = self.value_of(row);
        (!value.is_null()).then(|| value.to_string())
    }

    /// All records of the mapping, once.
    async fn everything(&mut self, engine: &Engine) -> Result<Named, EngineError> {
        if std::mem::replace(&mut self.everything, true) {
            return Ok(Named::default());
        }
        let columns = self.mapping.source_columns(self.rows.direction);
        let table = self.mapping.table(self.side());
        let records = engine.system(self.side()).find(table, &Filter::default(), columns).await?;
        Ok(Named { records, is_everything: true, gone: Vec::new() })
    }

    /// Whether everything has to be looked at although no row changed: the first time, unless the records themselves have
    /// just been read, and when a day has turned on which rows may begin to count.
    fn is_due(&self, before: Option<&Cursor>, next: &Cursor, engine: &Engine) -> bool {
        let before = before.or(self.began.get());
        self.rows.by_day && before.is_none_or(|before| has_day_turned(before, next, engine))
    }
}

#[async_trait]
impl ChangeSource for NamedRecords {
    fn cursor_name(&self) -> &MappingName {
        &self.cursor
    }

    fn query(&self) -> SourceQuery<'_> {
        let columns = if self.is_by_own_id() { Vec::new() } else { vec![self.rows.column.clone()] };
        SourceQuery { table: &self.rows.table, columns, filter: Filter::default() }
    }

    fn is_own_feed(&self) -> bool {
        false
    }

    /// Without a cursor of their own the rows are read from where the records were last read (S15).
    async fn beginning(&self, engine: &Engine) -> Result<Resume, EngineError> {
        let cursor = engine.store().cursor(engine.company(), &self.mapping.name, self.rows.direction).await?;
        Ok(cursor.map_or(Resume::Everything, |mut cursor| {
            let _ = self.began.set(cursor.clone());
            cursor.position = Position::ModifiedOn(cursor.as_of);
            Resume::Since(cursor)
        }))
    }

    fn has_taken(&self, row: &Record, _enqueued: &HashSet<RecordId>) -> bool {
        match self.rows.names {
            Names::Key(_) | Names::Id => self.name_of(row).is_some_and(|name| self.named.contains(&name)),
            Names::Everything => self.everything,
        }
    }

    async fn named_by(&mut self, rows: Vec<Record>, engine: &Engine) -> Result<Named, EngineError> {
        if rows.is_empty() {
            return Ok(Named::default());
        }
        let mut names = Vec::new();
        for row in &rows {
            if let Some(name) = self.name_of(row)
                && self.named.insert(name)
            {
                names.push(self.value_of(row));
            }
        }
        let columns = self.mapping.source_columns(self.rows.direction);
        let (table, system) = (self.mapping.table(self.side()), engine.system(self.side()));
        match &self.rows.names {
            Names::Everything => self.everything(engine).await,
            _ if names.is_empty() => Ok(Named::default()),
            Names::Key(key) => {
                let filter = Filter::all(vec![Condition::one_of(key, names.clone())]);
                let records = system.find(table, &filter, columns).await?;
                let held = (key.as_str(), names.as_slice());
                let gone = engine.gone(&self.mapping, self.rows.direction, held, &records).await?;
                Ok(Named { records, is_everything: false, gone })
            }
            Names::Id => {
                let ids: Vec<RecordId> = names.iter().filter_map(|name| name.as_guid().map(RecordId)).collect();
                let records = system.fetch(table, &ids, columns).await?;
                let gone = engine.gone_of(&self.mapping, self.rows.direction, &ids, &records).await?;
                Ok(Named { records, is_everything: false, gone })
            }
        }
    }

    async fn at_its_end(
        &mut self,
        before: Option<&Cursor>,
        next: &Cursor,
        engine: &Engine,
    ) -> Result<Named, EngineError> {
        if self.is_due(before, next, engine) { self.everything(engine).await } else { Ok(Named::default()) }
    }
}
