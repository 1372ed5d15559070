//! Documents: a mapping of headers names the mapping of its lines, and by which columns a line names its header.

use serde::Deserialize;

use super::mapping::Mapping;
use super::named_rows::Names;
use crate::ids::MappingName;
use crate::table::Side;

/// The lines of the records of a mapping, which are synchronized together with their header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentLines {
    /// The mapping of the lines.
    pub mapping: MappingName,
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
    business_central: HeaderName,
    dataverse: HeaderName,
}

impl From<LinesFile> for DocumentLines {
    fn from(file: LinesFile) -> Self {
        let LinesFile { mapping, business_central, dataverse } = file;
        Self { mapping: MappingName(mapping), business_central, dataverse }
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

    /// Checks columns and directions against the mapping of the headers and an entry of the mapping of the lines.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(super) fn check(&self, headers: &Mapping, lines: &Mapping) -> Result<(), String> {
        if lines.name == headers.name || lines.lines.is_some() {
            return Err(format!("{} cannot have {} as lines: lines have no lines", headers.name, lines.name));
        }
        if lines.direction != headers.direction {
            return Err(format!(
                "the lines {} do not travel as their headers do; give both the same direction",
                lines.name
            ));
        }
        for (side, of_lines, of_headers) in [
            (Side::BusinessCentral, &lines.business_central, &headers.business_central),
            (Side::Dataverse, &lines.dataverse, &headers.dataverse),
        ] {
            let HeaderName { column, names } = self.header_name(side);
            if of_lines.column(column).is_none() {
                return Err(format!("the table {} of {side} has no column {column}", of_lines.name));
            }
            match names {
                Names::Id => {}
                Names::Key(key) if of_headers.column(key).is_some() => {}
                Names::Key(key) => return Err(format!("the table {} of {side} has no column {key}", of_headers.name)),
                Names::Everything => return Err("a line names one header, by its id or a key".to_owned()),
            }
        }
        Ok(())
    }
}
