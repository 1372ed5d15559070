//! What an installation changes of its mappings: an overlay over the catalogue, judged by the rules the catalogue itself is
//! judged by.
//!
//! An overlay is a document of its own, so that it can be exported, read by people, and laid over the catalogue of a later
//! version. [`Catalogue::changed_by`] is pure: it gives the catalogue as the installation uses it, or all that is wrong.

mod applying;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Catalogue;
use super::files::{ConditionFile, TemplateFile};
use super::mapping::{DeletionRule, FieldMapping, MappingDirection};
use super::transformation::Transformation;
use crate::decision::ConflictRule;
use crate::ids::MappingName;
use crate::switches::Switches;

/// Version of the form of overlays.
pub const OVERLAY_FORMAT: u8 = 1;

/// What an installation changes of its mappings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Form, [`OVERLAY_FORMAT`].
    pub v: u8,
    /// Changes of mappings that the catalogue has, or that are added here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mappings: BTreeMap<MappingName, MappingChange>,
    /// Whole mappings, in the form of the catalogue's files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Json>,
    /// Tables and columns that the catalogue does not have.
    #[serde(default, skip_serializing_if = "TableAdditions::is_empty")]
    pub tables: TableAdditions,
}

impl Default for Overlay {
    fn default() -> Self {
        Self { v: OVERLAY_FORMAT, mappings: BTreeMap::new(), added: Vec::new(), tables: TableAdditions::default() }
    }
}

/// Tables that are added, in the form of the catalogue's files. One that the catalogue has already names only the columns
/// that are added to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableAdditions {
    /// Of Business Central.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub business_central: Vec<Json>,
    /// Of Dataverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataverse: Vec<Json>,
}

impl TableAdditions {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.business_central.is_empty() && self.dataverse.is_empty()
    }
}

/// What is changed of one mapping; what is left out stays as the catalogue says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MappingChange {
    /// Which ways it travels. Field rows of the other way are kept and not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<MappingDirection>,
    /// Whether only coupled records are synchronized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_coupled: Option<bool>,
    /// Who wins where both sides changed a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_conflict: Option<ConflictRule>,
    /// What becomes of a pair whose destination is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_conflict: Option<DeletionRule>,
    /// Whether pairs are synchronized right after they were matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronize_after_coupling: Option<bool>,
    /// Whether what matching did not find is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_when_no_match: Option<bool>,
    /// Which records of Business Central take part, instead of what the catalogue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_central_filter: Option<Vec<ConditionFile>>,
    /// Which rows of Dataverse take part, instead of what the catalogue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataverse_filter: Option<Vec<ConditionFile>>,
    /// Values given to new records, instead of what the catalogue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<TemplateFile>>,
    /// Field rows that are changed or added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

impl MappingChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change of the row of a pair of columns, which is begun if there is none.
    pub fn field(&mut self, business_central: Option<&str>, dataverse: Option<&str>) -> &mut FieldChange {
        let name = row_name(business_central, dataverse);
        let place = match self.fields.iter().position(|field| field.name() == name) {
            Some(place) => place,
            None => {
                self.fields.push(FieldChange {
                    business_central: business_central.map(str::to_owned),
                    dataverse: dataverse.map(str::to_owned),
                    ..FieldChange::default()
                });
                self.fields.len() - 1
            }
        };
        &mut self.fields[place]
    }
}

/// What is changed of the field row of a pair of columns; or such a row that is added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldChange {
    /// Its field of Business Central; left out for a constant in Dataverse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_central: Option<String>,
    /// Its column of Dataverse; left out for a constant in Business Central.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataverse: Option<String>,
    /// Whether the row is added here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
    /// Whether the row is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Which ways it travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<MappingDirection>,
    /// The constant, of a row that has only one column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<Json>,
    /// Whether the destination is cleared by what cannot be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear_on_failure: Option<bool>,
    /// Whether a blank leaves the destination alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_null: Option<bool>,
    /// Whether the rest of the record travels while what this refers to is not coupled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub travels_without: Option<bool>,
    /// The mappings whose couplings resolve the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_through: Option<Vec<String>>,
    /// The option mapping whose couplings resolve the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option_mapping: Option<String>,
    /// What is made of the text on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Transformation>,
    /// In which direction, of a row of both ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_direction: Option<MappingDirection>,
}

impl FieldChange {
    /// What the row is called.
    pub fn name(&self) -> String {
        row_name(self.business_central.as_deref(), self.dataverse.as_deref())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        let Self { business_central, dataverse, .. } = self;
        *self == Self { business_central: business_central.clone(), dataverse: dataverse.clone(), ..Self::default() }
    }
}

/// What the field row of a pair of columns is called: `faxNo=fax`, `=customertypecode` for a constant in Dataverse.
pub fn row_name(business_central: Option<&str>, dataverse: Option<&str>) -> String {
    format!("{}={}", business_central.unwrap_or_default(), dataverse.unwrap_or_default())
}

fn name_of(field: &FieldMapping) -> String {
    let name = |column: &Option<Arc<crate::table::Column>>| column.as_ref().map(|column| column.name.clone());
    row_name(name(&field.business_central).as_deref(), name(&field.dataverse).as_deref())
}

/// In which revision field rows came, or came back, by mapping and row.
pub type Since = BTreeMap<MappingName, BTreeMap<String, u64>>;

/// What is wrong with an overlay: mapping, field, problem and remedy, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayProblem {
    /// The mapping.
    pub mapping: Option<MappingName>,
    /// The field row, if it is one.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl OverlayProblem {
    fn of_mapping(mapping: &MappingName, problem: impl Into<String>) -> Self {
        Self { mapping: Some(mapping.clone()), field: None, problem: problem.into() }
    }
}

impl fmt::Display for OverlayProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mapping) = &self.mapping {
            write!(f, "{mapping}")?;
            if let Some(field) = &self.field {
                write!(f, ", field {field}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)
    }
}

/// The mappings of an installation as the store holds them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOverlay {
    /// What the installation changes.
    pub overlay: Overlay,
    /// In which revision field rows came, or came back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub since: Since,
}

impl StoredOverlay {
    /// The catalogue as it stands by this.
    ///
    /// # Errors
    /// As [`Catalogue::changed_by`].
    pub fn applied_to(&self, catalogue: &Catalogue, switches: &Switches) -> Result<Catalogue, Vec<OverlayProblem>> {
        catalogue.changed_by(&self.overlay, &self.since, switches)
    }

    /// What follows when an installation changes its mappings in a revision: rows that were not used before, and are from now
    /// on, bear its number. Gives the catalogue of that revision as well.
    ///
    /// # Errors
    /// As [`Catalogue::changed_by`].
    pub fn followed_by(
        &self,
        overlay: Overlay,
        revision: u64,
        catalogue: &Catalogue,
        switches: &Switches,
    ) -> Result<(Self, Catalogue), Vec<OverlayProblem>> {
        // What stood before may not fit a later version's catalogue any more; then the catalogue alone is what stood.
        let before = self.applied_to(catalogue, switches).unwrap_or_else(|_| catalogue.clone());
        let after = catalogue.changed_by(&overlay, &Since::new(), switches)?;
        let mut since = Since::new();
        for mapping in after.active(switches) {
            let Ok(known) = before.active_mapping(mapping.name.as_str(), switches) else { continue };
            let known: BTreeMap<String, u64> = known.fields.iter().map(|field| (name_of(field), field.since)).collect();
            let rows = mapping.fields.iter().map(name_of);
            let came = rows.map(|row| {
                let came = known.get(&row).copied().unwrap_or(revision);
                (row, came)
            });
            let came: BTreeMap<String, u64> = came.filter(|(_, revision)| *revision > 0).collect();
            if !came.is_empty() {
                since.insert(mapping.name.clone(), came);
            }
        }
        let stored = Self { overlay, since };
        let catalogue = stored.applied_to(catalogue, switches)?;
        Ok((stored, catalogue))
    }
}

#[cfg(test)]
mod tests;
