//! The state file: every row as the JSON a reader of the wire would know, with its version and its tombstones.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Cell, Row, Store};
use crate::schema::Kind;

/// Everything the store holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedState {
    /// Latest row version.
    pub version: u64,
    /// Tables that hold anything.
    pub tables: Vec<SavedTable>,
}

/// One table.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedTable {
    /// Logical name.
    pub name: String,
    /// Rows: version and values; lookups are `[table, id]`.
    pub rows: Vec<(u64, Map<String, Value>)>,
    /// Tombstones.
    pub deleted: Vec<(u64, Uuid)>,
}

impl Store {
    /// A copy of everything.
    #[must_use]
    pub fn save(&self) -> SavedState {
        let mut tables = Vec::new();
        for (at, table) in self.schema.tables.iter().enumerate() {
            let rows = &self.tables[at];
            let deleted: Vec<(u64, Uuid)> = rows.buried(0, u64::MAX).collect();
            if rows.is_empty() && deleted.is_empty() {
                continue;
            }
            let rows = rows
                .after(None)
                .map(|row| {
                    let values = row.cells().filter(|(column, _)| !table.columns[*column].name.is_empty()).map(
                        |(column, cell)| {
                            let column = &table.columns[column];
                            let value = match cell {
                                Cell::Lookup { table, id } => {
                                    serde_json::json!([self.schema.table(*table).name, id])
                                }
                                other => other.to_json(&column.kind),
                            };
                            (column.name.clone(), value)
                        },
                    );
                    (row.version, values.collect())
                })
                .collect();
            tables.push(SavedTable { name: table.name.clone(), rows, deleted });
        }
        SavedState { version: self.version, tables }
    }

    /// Replaces everything by a saved state.
    ///
    /// # Errors
    /// When it holds rows of a table or values of a column that the schema does not know: customizations are not kept
    /// in a state, and leaving their data out would lose it without a word. Nothing is changed then.
    pub fn load(&mut self, state: &SavedState) -> anyhow::Result<()> {
        for saved in &state.tables {
            let Some(at) = self.schema.position(&saved.name) else {
                anyhow::bail!(
                    "the state holds the custom table {}, and customizations are not kept; create it again or start without the file",
                    saved.name
                );
            };
            let table = self.schema.table(at);
            let unknown =
                saved.rows.iter().flat_map(|(_, values)| values.keys()).find(|name| table.column(name).is_none());
            if let Some(column) = unknown {
                anyhow::bail!(
                    "the state holds the custom column {column} of {}, and customizations are not kept; create it again or start without the file",
                    saved.name
                );
            }
        }
        for at in 0..self.tables.len() {
            self.clear(at);
        }
        for saved in &state.tables {
            let Some(at) = self.schema.position(&saved.name) else {
                continue;
            };
            let table = std::sync::Arc::clone(self.schema.table(at));
            for (version, values) in &saved.rows {
                let id = values.get(&table.columns[table.id].name).and_then(Value::as_str).and_then(super::guid);
                let Some(id) = id else { continue };
                let mut row = Row::new(id);
                row.version = *version;
                for (name, value) in values {
                    if let Some(column) = table.column(name) {
                        row.set(column, self.saved_cell(&table.columns[column].kind, value));
                    }
                }
                self.tables[at].put(std::sync::Arc::new(row));
            }
            for (version, id) in &saved.deleted {
                self.tables[at].bury(*version, *id);
            }
        }
        self.version = state.version;
        Ok(())
    }

    fn saved_cell(&self, kind: &Kind, value: &Value) -> Option<Cell> {
        match (kind, value) {
            (Kind::Lookup(_), Value::Array(pair)) => {
                let table = self.schema.position(pair.first()?.as_str()?)?;
                Some(Cell::Lookup { table, id: super::guid(pair.get(1)?.as_str()?)? })
            }
            _ => Cell::from_json(kind, value).ok().flatten(),
        }
    }
}
