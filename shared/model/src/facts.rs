//! What a system itself says about the columns of a table: who may read and write them, and which values they keep.
//!
//! The catalogue describes a standard installation. Where the system tells more, as the definitions of Dataverse do, the
//! system is right.

use std::collections::BTreeMap;

use crate::table::DayForm;

/// What our user may do with a column under column security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Read it. Without this the system answers with null, or leaves the column out, and status 200.
    pub read: bool,
    /// Give it to new records.
    pub create: bool,
    /// Change it.
    pub update: bool,
}

/// What a system says about one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnFact {
    /// Set for a column under column security.
    pub secured: Option<Rights>,
    /// Decimal places that are kept.
    pub decimals: Option<u32>,
    /// Longest text, in UTF-16 units.
    pub longest: Option<usize>,
    /// How a day is kept.
    pub day: Option<DayForm>,
}

impl ColumnFact {
    /// This, and where it says nothing, the other.
    #[must_use]
    pub fn or(self, usual: Self) -> Self {
        Self {
            secured: self.secured.or(usual.secured),
            decimals: self.decimals.or(usual.decimals),
            longest: self.longest.or(usual.longest),
            day: self.day.or(usual.day),
        }
    }
}

/// What a system says about the columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// The columns something is said about, by name.
    pub columns: BTreeMap<String, ColumnFact>,
    /// Set when the system did not tell everything, in words for the operator.
    pub note: Option<String>,
}

impl TableFacts {
    /// What is said about a column.
    pub fn column(&self, name: &str) -> ColumnFact {
        self.columns.get(name).copied().unwrap_or_default()
    }

    /// Whether the column may be read.
    pub fn may_read(&self, name: &str) -> bool {
        self.column(name).secured.is_none_or(|rights| rights.read)
    }

    /// Whether the column may be given to a new record, or be changed.
    pub fn may_write(&self, name: &str, creating: bool) -> bool {
        self.column(name).secured.is_none_or(|rights| if creating { rights.create } else { rights.update })
    }

    /// Names of the columns that may not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str).filter(|name| !self.may_read(name))
    }
}

/// What a second look says about a column that turned blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Some record shows a value in it, or the system says that it may be read: blank means blank.
    Clear,
    /// The system hides it from us.
    Hidden,
    /// The system does not say that it hides it, and yet no record shows a value.
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f02_a_column_that_nobody_speaks_of_is_open_and_a_secured_one_is_what_the_profiles_say() {
        let rights = Rights { read: false, create: false, update: true };
        let fact = ColumnFact { secured: Some(rights), ..ColumnFact::default() };
        let facts = TableFacts { columns: [("fax".to_owned(), fact)].into(), note: None };
        assert_eq!(facts.unreadable().collect::<Vec<_>>(), ["fax"]);
        assert!(facts.may_read("name") && facts.may_write("name", true) && facts.may_write("name", false));
        assert!(!facts.may_write("fax", true) && facts.may_write("fax", false));
    }
}
