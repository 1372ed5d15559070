//! Rows of another table that name records of a mapping: when one appears or changes, the records it names travel again,
//! although they did not change themselves. Ledger entries name items, exchange rates name currencies.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::message::Direction;
use crate::table::{Side, Table};

type Tables = BTreeMap<String, Arc<Table>>;

/// Which rows name records, and how.
#[derive(Clone, Debug)]
pub struct NamedRows {
    /// The direction in which the named records travel; the rows are at its source.
    pub direction: Direction,
    /// The table that holds the rows.
    pub table: Arc<Table>,
    /// Its column with the name.
    pub column: String,
    /// Whom a row names.
    pub names: Names,
    /// Whether a row begins to count on a day of its own, so that the turn of a day is a change as well.
    pub by_day: bool,
}

/// Whom a row names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// The record that holds the name in this column.
    Key(String),
    /// The record whose id the name is.
    Id,
    /// Every record of the mapping, for any of them may depend on any row.
    Everything,
}

/// Named rows as a file of the catalogue writes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedRowsFile {
    direction: Direction,
    table: String,
    column: String,
    names: Names,
    #[serde(default)]
    by_day: bool,
}

impl NamedRowsFile {
    /// The side the rows are on, and the records they name.
    pub fn side(&self) -> Side {
        self.direction.source()
    }

    /// Checks table and columns; `named` is the table whose records are named.
    ///
    /// # Errors
    /// What is not there, in words.
    pub fn check(self, business_central: &Tables, dataverse: &Tables, named: &Table) -> Result<NamedRows, String> {
        let side = self.side();
        let tables = match side {
            Side::BusinessCentral => business_central,
            Side::Dataverse => dataverse,
        };
        let table = tables.get(&self.table).ok_or_else(|| format!("{side} has no table {}", self.table))?;
        for (table, column) in [(&**table, Some(&self.column)), (named, self.names.key())] {
            if let Some(column) = column.filter(|column| table.column(column).is_none()) {
                return Err(format!("the table {} of {side} has no column {column}", table.name));
            }
        }
        Ok(NamedRows {
            direction: self.direction,
            table: Arc::clone(table),
            column: self.column,
            names: self.names,
            by_day: self.by_day,
        })
    }
}

impl Names {
    fn key(&self) -> Option<&String> {
        match self {
            Self::Key(column) => Some(column),
            Self::Id | Self::Everything => None,
        }
    }
}
