//! The rows behind a collection-valued navigation property.

use uuid::Uuid;

use crate::schema::{Schema, Table};
use crate::store::{Cell, Store};

/// The rows of a collection-valued navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// Rows of a table whose lookup points here.
    Referencing {
        /// Table.
        table: usize,
        /// Its lookup.
        column: usize,
    },
    /// Rows tied through an intersect table.
    Tied {
        /// Intersect table.
        intersect: usize,
        /// Its column with our id.
        own: usize,
        /// Its column with the other id.
        other: usize,
        /// The other table.
        table: usize,
    },
}

impl Members {
    /// Table of the members.
    #[must_use]
    pub fn table(&self) -> usize {
        match self {
            Self::Referencing { table, .. } | Self::Tied { table, .. } => *table,
        }
    }

    /// Ids of the members that belong to `id`.
    #[must_use]
    pub fn of(&self, store: &Store, id: Uuid) -> Vec<Uuid> {
        match self {
            Self::Referencing { table, column } => store.rows(*table).find(*column, &Cell::Guid(id)),
            Self::Tied { intersect, own, other, .. } => {
                let ties = store.rows(*intersect);
                let mut ids: Vec<Uuid> = ties
                    .find(*own, &Cell::Guid(id))
                    .into_iter()
                    .filter_map(|tie| ties.get(tie)?.get(*other)?.id())
                    .collect();
                ids.sort_unstable();
                ids
            }
        }
    }
}

/// Finds a collection-valued navigation property.
#[must_use]
pub fn members(schema: &Schema, table: &Table, name: &str) -> Option<Members> {
    if let Some(collection) = schema.collection(&table.name, name) {
        let to = schema.position(&collection.to)?;
        return Some(Members::Referencing { table: to, column: schema.table(to).column(&collection.column)? });
    }
    let relation = schema.many_to_many(&table.name, name)?;
    let (own, other) = relation.sides(&table.name);
    let intersect = schema.position(relation.intersect)?;
    let tie = schema.table(intersect);
    Some(Members::Tied {
        intersect,
        own: tie.column(own.1)?,
        other: tie.column(other.1)?,
        table: schema.position(other.0)?,
    })
}
