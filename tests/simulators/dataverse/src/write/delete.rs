//! Deletes with their consequences for the rows that point at the deleted one.

use uuid::Uuid;

use super::session::{Message, Session};
use crate::rules;
use crate::schema::Delete;
use crate::store::Cell;
use crate::wire::error::{ApiError, ApiResult};

impl Session<'_> {
    /// Deletes a row: children go with it, other lookups are emptied, rows that must stay refuse it.
    ///
    /// # Errors
    /// When the row does not exist or something refuses.
    pub fn delete(&mut self, at: usize, id: Uuid) -> ApiResult<()> {
        let table = self.table(at);
        let row = self.store.get(at, id).cloned().ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        self.may("Delete", &table)?;
        rules::before_delete(self, &table, &row)?;
        let schema = std::sync::Arc::clone(&self.store.schema);
        // Gone first, so that circles of references end.
        self.store.remove(at, id);
        self.event(Message::Delete, at, id, Vec::new());
        for collection in schema.collections().into_iter().filter(|collection| collection.from == table.name) {
            // Who created or last changed a row stays on record when the user goes.
            if matches!(
                collection.column.as_str(),
                "createdby" | "modifiedby" | "createdonbehalfby" | "modifiedonbehalfby" | "owninguser" | "owningteam"
            ) {
                continue;
            }
            let Some(referencing) = schema.position(&collection.to) else {
                continue;
            };
            let Some(column) = schema.table(referencing).column(&collection.column) else {
                continue;
            };
            if self.store.rows(referencing).is_empty() {
                continue;
            }
            let rows: Vec<Uuid> = self
                .store
                .rows(referencing)
                .find(column, &Cell::Guid(id))
                .into_iter()
                .filter(|other| matches!(self.store.get(referencing, *other).and_then(|row| row.get(column)), Some(Cell::Lookup { table, .. }) if *table == at))
                .collect();
            for other in rows {
                if self.store.get(referencing, other).is_none() {
                    continue;
                }
                match collection.delete {
                    Delete::Cascade => self.consequence(|session| session.delete(referencing, other))?,
                    Delete::Restrict => {
                        return Err(ApiError::associated());
                    }
                    Delete::RemoveLink => self.unlink(referencing, other, column),
                }
            }
        }
        for relation in schema.many_to_many.iter().filter(|relation| relation.navigation_from(&table.name).is_some()) {
            let Some(intersect) = schema.position(relation.intersect) else {
                continue;
            };
            let Some(own) = schema.table(intersect).column(relation.sides(&table.name).0.1) else {
                continue;
            };
            for tie in self.store.rows(intersect).find(own, &Cell::Guid(id)) {
                self.store.remove(intersect, tie);
            }
        }
        self.consequence(|session| rules::after_delete(session, at, &table, &row))
    }

    /// Empties a lookup without looking like a user's change of the row, but with a new row version.
    fn unlink(&mut self, table: usize, id: Uuid, column: usize) {
        if let Some(row) = self.store.get(table, id) {
            let mut row = (**row).clone();
            row.set(column, None);
            self.store.put(table, row);
        }
    }
}
