//! The rows: typed cells, indexed tables, row versions, tombstones for change tracking, and transactions that can be rolled back.

mod cell;
mod saved;
mod table;

use std::sync::Arc;

use uuid::Uuid;

pub use cell::{Cell, Key, compare, day, day_only, decimal, edm, guid, instant, seconds, text_equal};
pub use saved::SavedState;
pub use table::{Ids, Row, TableRows};

use crate::schema::Schema;

/// All rows of the organization.
#[derive(Debug)]
pub struct Store {
    /// The schema the rows follow.
    pub schema: Arc<Schema>,
    tables: Vec<TableRows>,
    version: u64,
    journal: Option<Vec<Undo>>,
}

#[derive(Debug)]
struct Undo {
    table: usize,
    id: Uuid,
    before: Option<Arc<Row>>,
    tombstone: Option<u64>,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        let tables = schema.tables.iter().map(|table| TableRows::new(table)).collect();
        Self { schema, tables, version: 1_000_000, journal: None }
    }

    /// The rows of a table.
    #[must_use]
    pub fn rows(&self, table: usize) -> &TableRows {
        &self.tables[table]
    }

    /// One row.
    #[must_use]
    pub fn get(&self, table: usize, id: Uuid) -> Option<&Arc<Row>> {
        self.tables[table].get(id)
    }

    /// The version the latest write got.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Follows a changed schema: new tables get their place.
    pub fn adopt(&mut self, schema: Arc<Schema>) {
        for table in schema.tables.iter().skip(self.tables.len()) {
            self.tables.push(TableRows::new(table));
        }
        for (rows, table) in self.tables.iter_mut().zip(&schema.tables) {
            rows.index_keys(table);
        }
        self.schema = schema;
    }

    /// Puts a row in place; it gets the next row version.
    pub fn put(&mut self, table: usize, mut row: Row) -> u64 {
        self.version += 1;
        row.version = self.version;
        row.shrink();
        let id = row.id;
        let before = self.tables[table].put(Arc::new(row));
        if let Some(journal) = &mut self.journal {
            journal.push(Undo { table, id, before, tombstone: None });
        }
        self.version
    }

    /// Removes a row and keeps its tombstone.
    pub fn remove(&mut self, table: usize, id: Uuid) -> bool {
        let Some(before) = self.tables[table].remove(id) else {
            return false;
        };
        self.version += 1;
        self.tables[table].bury(self.version, id);
        if let Some(journal) = &mut self.journal {
            journal.push(Undo { table, id, before: Some(before), tombstone: Some(self.version) });
        }
        true
    }

    /// Leaves one version out.
    pub fn skip_version(&mut self) {
        self.version += 1;
    }

    /// Starts a transaction. Transactions do not nest.
    pub fn begin(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// Keeps what was written.
    pub fn commit(&mut self) {
        self.journal = None;
    }

    /// Takes back what was written since `mark`. Row versions are not reused.
    pub fn roll_back_to(&mut self, mark: usize) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let undone = journal.split_off(mark.min(journal.len()));
        for undo in undone.into_iter().rev() {
            if let Some(version) = undo.tombstone {
                self.tables[undo.table].exhume(version);
            }
            match undo.before {
                Some(row) => {
                    self.tables[undo.table].put(row);
                }
                None => {
                    self.tables[undo.table].remove(undo.id);
                }
            }
        }
    }

    /// Takes everything back and ends the transaction.
    pub fn roll_back(&mut self) {
        self.roll_back_to(0);
        self.journal = None;
    }

    /// Removes all rows of a table without a trace.
    pub fn clear(&mut self, table: usize) {
        let schema = Arc::clone(&self.schema);
        self.tables[table] = TableRows::new(schema.table(table));
    }

    /// The primary name of a row, for formatted lookup values.
    #[must_use]
    pub fn primary_name(&self, table: usize, id: Uuid) -> Option<&str> {
        let column = self.schema.table(table).primary_name?;
        match self.get(table, id)?.get(column) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }
}
