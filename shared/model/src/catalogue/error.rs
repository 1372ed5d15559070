//! What is wrong with a catalogue file, and where.

use std::fmt;

use crate::ids::MappingName;

/// A damaged catalogue: file, mapping and row, the problem and the remedy, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The file.
    pub file: String,
    /// The mapping, when the file was readable that far.
    pub mapping: Option<MappingName>,
    /// The field row, counted from 1.
    pub row: Option<usize>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl CatalogueError {
    /// A problem of a whole file.
    pub fn of_file(file: &str, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), mapping: None, row: None, problem: problem.into() }
    }

    /// A problem of a mapping.
    pub fn of_mapping(file: &str, mapping: &MappingName, row: Option<usize>, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), mapping: Some(mapping.clone()), row, problem: problem.into() }
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "catalogue file {}", self.file)?;
        if let Some(mapping) = &self.mapping {
            write!(f, ", mapping {mapping}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for CatalogueError {}
