//! The catalogue: every mapping, table, job and default, loaded from data files into structures that cannot be wrong.
//!
//! The files are part of the binary ([`Catalogue::embedded`]); an installation may bring its own folder of the same
//! shape ([`Catalogue::from_directory`]).

mod active;
mod conditions;
mod defaults;
mod describing;
mod embedded;
mod error;
mod files;
mod forms;
mod jobs;
mod lines;
mod loading;
mod mapping;
mod named_rows;
mod nearest;
mod overlay;
mod rules;
mod tables;
mod templates;
mod transformation;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use active::{ActiveMapping, FilterContext, filter_by};
pub use conditions::{ConditionProblem, in_words, read_conditions};
pub use defaults::Defaults;
pub use describing::{Difference, differences, filter_in_words};
pub use error::CatalogueError;
pub use files::{ConditionFile, TemplateFile};
pub use forms::usual_form;
pub use jobs::{Enqueues, FoundIn, OtherJob, RUN_JOB};
pub use lines::{DocumentLines, HeaderName};
pub use mapping::{
    Clearing, ConditionTemplate, DeletionRule, FieldMapping, FilterTemplate, JobDefaults, Mapping, MappingDirection,
    MappingKind, MatchField, Operand, Resolution, Template,
};
pub use named_rows::{NamedRows, Names};
pub use nearest::nearest;
pub use overlay::{
    FieldChange, MappingChange, OVERLAY_FORMAT, Overlay, OverlayProblem, Since, StoredOverlay, TableAdditions, row_name,
};
pub use rules::RulesId;
pub use transformation::Transformation;

use crate::ids::MappingName;
use crate::switches::Switches;
use crate::table::Table;

/// All mappings, tables and jobs.
#[derive(Clone, Debug)]
pub struct Catalogue {
    mappings: Vec<Mapping>,
    jobs: Vec<OtherJob>,
    defaults: Defaults,
    business_central: BTreeMap<String, Arc<Table>>,
    dataverse: BTreeMap<String, Arc<Table>>,
    /// What it was read from, for an installation that changes it.
    files: Arc<files::Files>,
}

impl Catalogue {
    /// The catalogue that is part of the binary.
    ///
    /// # Errors
    /// When a file is damaged; the project's tests see to it that it is not.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_files(files::Files::embedded())
    }

    /// A catalogue read from a folder with `tables/`, `mappings/`, `jobs.json` and `defaults.json`.
    ///
    /// # Errors
    /// When a file is missing or damaged: names file, mapping and row, and what to do.
    pub fn from_directory(directory: &Path) -> Result<Self, CatalogueError> {
        Self::from_files(files::Files::read(directory)?)
    }

    fn from_files(files: files::Files) -> Result<Self, CatalogueError> {
        let business_central = tables::business_central(&files.business_central)?;
        let dataverse = tables::dataverse(&files.dataverse)?;
        let mut mappings = Vec::with_capacity(files.mappings.len());
        for file in &files.mappings {
            mappings.push(loading::load(file, &business_central, &dataverse)?);
        }
        loading::check_together(&mappings)?;
        let jobs = jobs::load(&files.jobs, &mappings, &business_central, &dataverse)?;
        let defaults = defaults::load(&files.defaults)?;
        Ok(Self { mappings, jobs, defaults, business_central, dataverse, files: Arc::new(files) })
    }

    /// Every entry, whether the switches call for it or not.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The jobs that do not belong to a mapping.
    pub fn other_jobs(&self) -> &[OtherJob] {
        &self.jobs
    }

    /// Names and numbers the set-up starts with.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// A table of Business Central by its name, such as `Item`.
    pub fn business_central_table(&self, name: &str) -> Option<&Arc<Table>> {
        self.business_central.get(name)
    }

    /// A table of Dataverse by its logical name, such as `product`.
    pub fn dataverse_table(&self, name: &str) -> Option<&Arc<Table>> {
        self.dataverse.get(name)
    }

    /// Logical name and entity set of every Dataverse table that has one.
    pub fn dataverse_entity_sets(&self) -> BTreeMap<String, String> {
        let sets = self.dataverse.values();
        sets.filter_map(|table| Some((table.name.clone(), table.entity_set.clone()?))).collect()
    }

    /// The mappings that exist under these switches, with their rows and dependencies, each after all it depends on.
    pub fn active(&self, switches: &Switches) -> Vec<ActiveMapping> {
        active::activate(&self.mappings, switches)
    }

    /// One mapping under these switches.
    ///
    /// # Errors
    /// [`UnknownMapping`] with the nearest name, or the reason why the mapping does not exist here.
    pub fn active_mapping(&self, name: &str, switches: &Switches) -> Result<ActiveMapping, UnknownMapping> {
        let mut active = self.active(switches);
        if let Some(index) = active.iter().position(|mapping| mapping.name.as_str().eq_ignore_ascii_case(name)) {
            return Ok(active.swap_remove(index));
        }
        if let Some(entry) = self.mappings.iter().find(|entry| entry.name.as_str().eq_ignore_ascii_case(name)) {
            return Err(UnknownMapping::SwitchedOff(entry.name.clone()));
        }
        let names = active.iter().map(|mapping| mapping.name.as_str());
        Err(UnknownMapping::NoSuchName { name: name.to_owned(), nearest: nearest(name, names).map(str::to_owned) })
    }
}

/// A mapping name that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownMapping {
    /// There is no such name.
    #[error("there is no mapping {name}{}", nearest.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    NoSuchName {
        /// What was asked for.
        name: String,
        /// The name most like it.
        nearest: Option<String>,
    },
    /// The entry exists but the switches do not call for it.
    #[error(
        "the mapping {0} is switched off by the settings of this installation (ownership, unit groups, pricing, sales orders)"
    )]
    SwitchedOff(MappingName),
}

#[cfg(test)]
mod tests;
