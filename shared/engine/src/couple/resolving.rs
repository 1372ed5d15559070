//! How a person settles what both sides have changed: the fields as they are named, and whether they are there.

use std::collections::BTreeSet;

use couplet_model::message::{Direction, Resolution};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Column, MappingName};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

impl Engine {
    /// How a person settles what both sides have changed of records of a mapping: the side that wins, and the fields in which a
    /// side wins, each named as it is on either side.
    ///
    /// # Errors
    /// When there is no such mapping here, it travels one way only, no side is named, or a field is not there.
    pub fn resolution(
        &self,
        mapping: &MappingName,
        wins: Option<Side>,
        fields: &[(String, Side)],
    ) -> Result<Resolution, EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let all = self.with_lines(mapping);
        let mut resolution = Resolution { wins, ..Resolution::default() };
        for (name, side) in fields {
            let names = columns_called(&all, name);
            if names.is_empty() {
                return Err(no_field(mapping, name));
            }
            resolution.fields.extend(names.into_iter().map(|name| (name, *side)));
        }
        self.confirm_resolution(mapping, &resolution)?;
        Ok(resolution)
    }

    /// Whether records of a mapping can be settled so.
    pub(super) fn confirm_resolution(
        &self,
        mapping: &InstalledMapping,
        resolution: &Resolution,
    ) -> Result<(), EngineError> {
        if mapping.directions().count() < 2 {
            return Err(EngineError::SetUp(format!(
                "{} travels one way only: no record of it is changed on both sides",
                mapping.name
            )));
        }
        if resolution.wins.is_none() && resolution.fields.is_empty() {
            return Err(EngineError::SetUp(
                "choose the side that wins with --wins, or the one that wins in each field with --field FIELD=SIDE"
                    .to_owned(),
            ));
        }
        let all = self.with_lines(mapping);
        match resolution.fields.keys().find(|name| columns_called(&all, name).is_empty()) {
            Some(name) => Err(no_field(mapping, name)),
            None => Ok(()),
        }
    }

    /// A mapping, and that of the lines which travel with its records.
    fn with_lines<'a>(&'a self, mapping: &'a InstalledMapping) -> Vec<&'a ActiveMapping> {
        let lines = Direction::BOTH.into_iter().filter_map(|direction| mapping.lines(direction));
        let lines = lines.filter_map(|lines| self.mapping(&lines.mapping).ok()).map(|lines| &**lines);
        std::iter::once(mapping).chain(lines).map(|mapping| &**mapping).collect()
    }
}

/// The columns that a name means: those of Business Central of the field rows of that name, and other columns.
fn columns_called(mappings: &[&ActiveMapping], name: &str) -> BTreeSet<String> {
    let is_called =
        |column: &Column| column.name.eq_ignore_ascii_case(name) || column.caption.eq_ignore_ascii_case(name);
    let mut names = BTreeSet::new();
    for mapping in mappings {
        for row in &mapping.fields {
            let sides = [row.business_central.as_deref(), row.dataverse.as_deref()];
            if sides.into_iter().flatten().any(is_called)
                && let Some(first) = sides.into_iter().flatten().next()
            {
                names.insert(first.name.clone());
            }
        }
    }
    if names.is_empty() {
        let tables = mappings.iter().flat_map(|mapping| [&mapping.business_central, &mapping.dataverse]);
        let columns = tables.flat_map(|table| table.columns.values());
        names.extend(columns.filter(|column| is_called(column)).map(|column| column.name.clone()));
    }
    names
}

fn no_field(mapping: &InstalledMapping, name: &str) -> EngineError {
    EngineError::SetUp(format!(
        "{} has no field {name:?} on either side; couplet conflicts \"{}\" names the fields that both sides have changed",
        mapping.name, mapping.name
    ))
}
