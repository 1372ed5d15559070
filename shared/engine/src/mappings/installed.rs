//! The mappings of an installation, each with its rules and the columns that are read for it, resolved once.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use couplet_model::catalogue::{HeaderName, Names, RulesId};
use couplet_model::message::Direction;
use couplet_model::{ActiveMapping, Catalogue, MappingName, Switches};

use super::registry;
use super::rules::MappingRules;
use crate::error::EngineError;

/// A mapping that can run.
pub(crate) struct InstalledMapping {
    mapping: ActiveMapping,
    /// What is special about it.
    pub rules: &'static dyn MappingRules,
    to_dataverse: Columns,
    from_dataverse: Columns,
}

/// A mapping that cannot run here.
pub(crate) struct Unavailable {
    /// The mapping.
    pub mapping: ActiveMapping,
    /// Why, in words that follow "cannot run: ".
    pub reason: &'static str,
}

/// Which rules an id stands for.
pub(crate) type RulesOf = fn(RulesId) -> &'static dyn MappingRules;

/// Columns that are read in one direction, each once and in order of their names.
struct Columns {
    source: Vec<String>,
    destination: Vec<String>,
}

impl Deref for InstalledMapping {
    type Target = ActiveMapping;

    fn deref(&self) -> &ActiveMapping {
        &self.mapping
    }
}

impl InstalledMapping {
    /// A mapping with these rules; the catalogue has to have every column they read.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] naming the first column that the catalogue lacks.
    pub fn with_rules(mapping: ActiveMapping, rules: &'static dyn MappingRules) -> Result<Self, EngineError> {
        let to_dataverse = Columns::resolve(&mapping, rules, Direction::ToDataverse)?;
        let from_dataverse = Columns::resolve(&mapping, rules, Direction::FromDataverse)?;
        Ok(Self { mapping, rules, to_dataverse, from_dataverse })
    }

    /// The columns read at the source of a direction: the mapped ones and those the rules watch.
    pub fn source_columns(&self, direction: Direction) -> &[String] {
        &self.columns(direction).source
    }

    /// The columns read at the destination of a direction.
    pub fn destination_columns(&self, direction: Direction) -> &[String] {
        &self.columns(direction).destination
    }

    fn columns(&self, direction: Direction) -> &Columns {
        match direction {
            Direction::ToDataverse => &self.to_dataverse,
            Direction::FromDataverse => &self.from_dataverse,
        }
    }
}

impl Columns {
    fn resolve(mapping: &ActiveMapping, rules: &dyn MappingRules, direction: Direction) -> Result<Self, EngineError> {
        let of_rules = |side, names: &[&str]| {
            let table = mapping.table(side);
            let mut columns: BTreeSet<String> = mapping.columns(side);
            // The key by which lines name their header.
            if let Some(HeaderName { names: Names::Key(key), .. }) =
                mapping.lines.as_ref().map(|lines| lines.header_name(side))
            {
                columns.insert(key.clone());
            }
            for name in names {
                if table.column(name).is_none() {
                    return Err(EngineError::SetUp(format!(
                        "the rules of {} read the column {name}, which the table {} of {side} does not have in this \
                         catalogue; add it there",
                        mapping.name, table.name
                    )));
                }
                columns.insert((*name).to_owned());
            }
            Ok(columns.into_iter().collect())
        };
        // Rules of a direction that the mapping does not travel are never asked.
        if !mapping.direction.includes(direction) {
            return Ok(Self {
                source: of_rules(direction.source(), &[])?,
                destination: of_rules(direction.destination(), &[])?,
            });
        }
        Ok(Self {
            source: of_rules(direction.source(), rules.source_columns(direction))?,
            destination: of_rules(direction.destination(), rules.destination_columns(direction))?,
        })
    }
}

/// Every mapping the switches call for, each after all it depends on.
pub(crate) struct Mappings(Vec<Result<Arc<InstalledMapping>, Unavailable>>);

impl Mappings {
    /// The mappings of a catalogue under some switches.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] when the rules of a mapping read a column that the catalogue does not have.
    pub fn install(catalogue: &Catalogue, switches: &Switches) -> Result<Self, EngineError> {
        Self::install_with(catalogue, switches, registry::rules_of)
    }

    /// The same with rules from elsewhere.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub fn install_with(catalogue: &Catalogue, switches: &Switches, rules_of: RulesOf) -> Result<Self, EngineError> {
        let active = catalogue.active(switches).into_iter();
        let active: Vec<ActiveMapping> = active.collect();
        let names: BTreeSet<MappingName> = active.iter().map(|mapping| mapping.name.clone()).collect();
        let install = |mapping: ActiveMapping| {
            // A document without its lines would be taken for whole.
            if mapping.lines.as_ref().is_some_and(|lines| !names.contains(&lines.mapping)) {
                return Ok(Err(Unavailable { mapping, reason: "the mapping of its lines is switched off" }));
            }
            let rules = rules_of(mapping.rules);
            Ok(Ok(Arc::new(InstalledMapping::with_rules(mapping, rules)?)))
        };
        Ok(Self(active.into_iter().map(install).collect::<Result<_, EngineError>>()?))
    }

    /// The same mappings, one of them by other rules.
    #[cfg(test)]
    pub fn with_rules(mut self, name: &MappingName, rules: &'static dyn MappingRules) -> Self {
        for mapping in self.0.iter_mut().flatten().filter(|mapping| mapping.name == *name) {
            let other = InstalledMapping::with_rules(mapping.mapping.clone(), rules);
            *mapping = Arc::new(other.expect("columns of the catalogue"));
        }
        self
    }

    /// The same mappings, one of them by another deletion rule.
    #[cfg(test)]
    pub fn with_deletion_rule(mut self, name: &MappingName, rule: couplet_model::catalogue::DeletionRule) -> Self {
        for mapping in self.0.iter_mut().flatten().filter(|mapping| mapping.name == *name) {
            let mut changed = mapping.mapping.clone();
            changed.deletion_conflict = rule;
            let other = InstalledMapping::with_rules(changed, mapping.rules);
            *mapping = Arc::new(other.expect("columns of the catalogue"));
        }
        self
    }

    /// All of them; those that cannot run with the reason.
    pub fn iter(&self) -> impl Iterator<Item = Result<&Arc<InstalledMapping>, &Unavailable>> {
        self.0.iter().map(Result::as_ref)
    }

    /// The mapping of that name, or why it cannot run here.
    ///
    /// # Errors
    /// The reason, in words that follow "cannot run: ".
    pub fn named(&self, name: &MappingName) -> Result<&Arc<InstalledMapping>, &'static str> {
        for mapping in self.iter() {
            match mapping {
                Ok(mapping) if mapping.name == *name => return Ok(mapping),
                Err(missing) if missing.mapping.name == *name => return Err(missing.reason),
                _ => {}
            }
        }
        Err("it is switched off")
    }
}

#[cfg(test)]
mod tests;
