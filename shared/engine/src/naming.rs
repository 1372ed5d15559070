//! Rows of another table that name records of a mapping: when one appears or changes, the records it names travel again,
//! although they did not change themselves. Ledger entries name items, exchange rates name currencies.

use std::collections::HashSet;

use couplet_model::message::Direction;
use couplet_model::system::{Position, Resume};
use couplet_model::table::Table;
use couplet_model::{ActiveMapping, Condition, Filter, MappingName, Record};

use crate::engine::Engine;
use crate::error::EngineError;

/// Which rows name records, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming {
    /// The table of the source that holds them.
    pub table: &'static str,
    /// Its column with the name.
    pub column: &'static str,
    /// Whom a row names.
    pub names: Named,
    /// Whether a row begins to count on a day of its own, so that the turn of a day is a change as well.
    pub by_day: bool,
}

/// Whom a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The record that holds the name in this column.
    ByKey(&'static str),
    /// Every record of the mapping, for any of them may depend on any row.
    Everything,
}

/// The rows of a naming, while they are read.
pub(crate) struct NamedFeed<'a> {
    pub naming: Naming,
    pub table: &'a Table,
    /// Whose cursor they are read from.
    pub cursor: MappingName,
    /// Names that earlier pages of this invocation had; what they name has travelled already.
    named: HashSet<String>,
    /// Whether everything has been named.
    everything: bool,
}

impl<'a> NamedFeed<'a> {
    /// The rows of a naming, read from a cursor of that name.
    pub fn new(engine: &'a Engine, naming: Naming, cursor: MappingName) -> Result<Self, EngineError> {
        let table = engine
            .catalogue()
            .business_central_table(naming.table)
            .ok_or_else(|| EngineError::SetUp(format!("the catalogue has no table {}", naming.table)))?;
        Ok(Self { naming, table, cursor, named: HashSet::new(), everything: false })
    }

    /// The columns read.
    pub fn columns(&self) -> Vec<String> {
        vec![self.naming.column.to_owned()]
    }

    /// Without a cursor of their own the rows are read from where the records were last read (S15).
    pub async fn beginning(&self, engine: &Engine, mapping: &ActiveMapping) -> Result<Resume, EngineError> {
        let cursor = engine.store().cursor(engine.company(), &mapping.name, Direction::ToDataverse).await?;
        Ok(cursor.map_or(Resume::Everything, |mut cursor| {
            cursor.position = Position::ModifiedOn(cursor.as_of);
            Resume::Since(cursor)
        }))
    }

    /// Whether what this row names travels already because of an earlier page.
    pub fn has_named(&self, row: &Record) -> bool {
        match self.naming.names {
            Named::ByKey(_) => row.get(self.naming.column).as_text().is_some_and(|name| self.named.contains(name)),
            Named::Everything => self.everything,
        }
    }

    /// Whether a row named everything.
    pub fn has_named_everything(&self) -> bool {
        self.everything
    }

    /// The records these rows name, unless earlier pages did.
    pub async fn named_by(
        &mut self,
        rows: &[Record],
        engine: &Engine,
        mapping: &ActiveMapping,
        columns: &[String],
    ) -> Result<Vec<Record>, EngineError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match self.naming.names {
            Named::Everything => self.everything(engine, mapping, columns).await,
            Named::ByKey(key) => {
                let mut names = Vec::new();
                for row in rows {
                    let name = row.get(self.naming.column);
                    if name.as_text().is_some_and(|text| self.named.insert(text.to_owned())) {
                        names.push(name.clone());
                    }
                }
                if names.is_empty() {
                    return Ok(Vec::new());
                }
                let filter = Filter::all(vec![Condition::one_of(key, names)]);
                let source = engine.system(Direction::ToDataverse.source());
                Ok(source.find(&mapping.business_central, &filter, columns).await?)
            }
        }
    }

    /// All records of the mapping, once.
    pub async fn everything(
        &mut self,
        engine: &Engine,
        mapping: &ActiveMapping,
        columns: &[String],
    ) -> Result<Vec<Record>, EngineError> {
        if std::mem::replace(&mut self.everything, true) {
            return Ok(Vec::new());
        }
        let source = engine.system(Direction::ToDataverse.source());
        Ok(source.find(&mapping.business_central, &Filter::default(), columns).await?)
    }
}
