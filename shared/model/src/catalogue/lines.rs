//! Documents: a mapping of headers names the mapping of its lines, and by which columns a line names its header.

use serde::Deserialize;

use super::named_rows::Names;
use crate::ids::MappingName;
use crate::message::Direction;
use crate::table::{Side, Table};

/// The lines of the records of a mapping, which are synchronized together with their header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentLines {
    /// The mapping of the lines.
    pub mapping: MappingName,
    /// The one direction in which lines travel; `None`: as their headers do.
    pub direction: Option<Direction>,
    /// How a line of Business Central names its header.
    pub business_central: HeaderName,
    /// How a line of Dataverse names its header.
    pub dataverse: HeaderName,
}

/// How a line names its header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderName {
    /// Column of the line.
    pub column: String,
    /// What it holds of the header: its id, or the value of a column of the header.
    pub names: Names,
}

/// Lines as a mapping's file writes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinesFile {
    mapping: String,
    #[serde(default)]
    direction: Option<Direction>,
    business_central: HeaderName,
    dataverse: HeaderName,
}

impl From<LinesFile> for DocumentLines {
    fn from(file: LinesFile) -> Self {
        let LinesFile { mapping, direction, business_central, dataverse } = file;
        Self { mapping: MappingName(mapping), direction, business_central, dataverse }
    }
}

impl DocumentLines {
    /// How a line of a side names its header.
    pub fn header_name(&self, side: Side) -> &HeaderName {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }

    /// Checks the columns of a side: those of the table of lines and of the table of headers.
    ///
    /// # Errors
    /// What is not there, in words.
    pub(super) fn check(&self, lines: &Table, headers: &Table) -> Result<(), String> {
        let side = lines.side;
        let HeaderName { column, names } = self.header_name(side);
        if lines.column(column).is_none() {
            return Err(format!("the table {} of {side} has no column {column}", lines.name));
        }
        match names {
            Names::Id => Ok(()),
            Names::Key(key) if headers.column(key).is_some() => Ok(()),
            Names::Key(key) => Err(format!("the table {} of {side} has no column {key}", headers.name)),
            Names::Everything => Err("a line names one header, by its id or a key".to_owned()),
        }
    }
}
