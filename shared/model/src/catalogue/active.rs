//! A mapping as it is under the switches of one installation.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::files::ConditionFile;
use super::lines::DocumentLines;
use super::loading::condition;
use super::mapping::{
    DeletionRule, FieldMapping, FilterTemplate, JobDefaults, Mapping, MappingDirection, MappingKind, MatchField,
    Operand, Template,
};
use super::named_rows::NamedRows;
use super::rules::RulesId;
use crate::decision::ConflictRule;
use crate::filter::{Condition, Filter};
use crate::ids::{DataverseId, MappingName};
use crate::message::Direction;
use crate::record::Record;
use crate::switches::Switches;
use crate::table::{Side, Table};
use crate::value::Value;

/// What the placeholders of a filter stand for.
#[derive(Clone, Copy, Debug)]
pub struct FilterContext {
    /// Row of the company in Dataverse, if there is one.
    pub company: Option<DataverseId>,
    /// Whether the sales setup names a default price list.
    pub default_price_list_code_is_set: bool,
}

/// A mapping with only the rows, dependencies and job that the switches call for.
#[derive(Clone, Debug)]
pub struct ActiveMapping {
    /// Name.
    pub name: MappingName,
    /// What it pairs.
    pub kind: MappingKind,
    /// The rules it is synchronized by beyond its field rows.
    pub rules: RulesId,
    /// The table of Business Central.
    pub business_central: Arc<Table>,
    /// The table of Dataverse.
    pub dataverse: Arc<Table>,
    /// Which ways it travels.
    pub direction: MappingDirection,
    /// Whether only coupled records are synchronized.
    pub only_coupled: bool,
    /// Active mappings that come first.
    pub dependencies: Vec<MappingName>,
    /// Rule for changes on both sides.
    pub update_conflict: ConflictRule,
    /// Rule for a destination that is gone.
    pub deletion_conflict: DeletionRule,
    /// Whether pairs that were matched are synchronized, unless a person says otherwise.
    pub synchronize_after_coupling: bool,
    /// Whether a record without a match gets a partner, unless a person says otherwise.
    pub create_when_no_match: bool,
    /// Fields to match by.
    pub match_fields: Vec<MatchField>,
    /// Its job.
    pub job: Option<JobDefaults>,
    /// Rows of other tables that name its records to travel again.
    pub named_by: Vec<NamedRows>,
    /// The lines of its records, if these are headers of documents whose lines are synchronized here.
    pub lines: Option<DocumentLines>,
    /// Field rows.
    pub fields: Vec<FieldMapping>,
    /// Field rows that the installation does not use. Their columns are read, and nothing is written to them.
    pub disabled_fields: Vec<FieldMapping>,
    /// Values given to new records, in the order in which they are looked through (R157).
    pub templates: Vec<Template>,
    /// Whether other mappings refer to its records, and wait for them.
    pub is_lookup_target: bool,
    business_central_filter: FilterTemplate,
    dataverse_filter: FilterTemplate,
    order: u32,
}

impl ActiveMapping {
    /// The table of a side.
    pub fn table(&self, side: Side) -> &Arc<Table> {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }

    /// The directions it travels, in the order of a run (R15).
    pub fn directions(&self) -> impl Iterator<Item = Direction> + use<> {
        self.direction.directions()
    }

    /// The lines that travel with its records in a direction.
    pub fn lines(&self, direction: Direction) -> Option<&DocumentLines> {
        self.lines.as_ref().filter(|lines| lines.direction.is_none_or(|way| way == direction))
    }

    /// The rows used in a direction, in order (R131).
    pub fn rows(&self, direction: Direction) -> impl Iterator<Item = &FieldMapping> {
        self.fields.iter().filter(move |field| field.direction.includes(direction))
    }

    /// The rows of other tables that name records to travel in a direction, in order.
    pub fn named_by(&self, direction: Direction) -> impl Iterator<Item = &NamedRows> {
        self.named_by.iter().filter(move |rows| rows.direction == direction)
    }

    /// Whether a row travels both ways here: it and its mapping must.
    pub fn is_both_ways(&self, field: &FieldMapping) -> bool {
        self.direction == MappingDirection::Bidirectional && field.direction == MappingDirection::Bidirectional
    }

    /// The filter of a side, its placeholders filled in.
    pub fn filter(&self, side: Side, context: FilterContext) -> Filter {
        let template = match side {
            Side::BusinessCentral => &self.business_central_filter,
            Side::Dataverse => &self.dataverse_filter,
        };
        filled_in(template, context)
    }

    /// Whether nothing is written to a column in a direction, because the installation does not use the row of the column.
    pub fn leaves_alone(&self, direction: Direction, column: &str) -> bool {
        let is_of = |field: &&FieldMapping| {
            field.direction.includes(direction)
                && field.column(direction.destination()).is_some_and(|destination| destination.name == column)
        };
        self.disabled_fields.iter().any(|field| is_of(&field)) && !self.fields.iter().any(|field| is_of(&field))
    }

    /// The template that a new record gets: the first, by ascending priority, whose filter is empty or matches the source (R157).
    pub fn template(&self, direction: Direction, source: &Record, context: FilterContext) -> Option<&Template> {
        let fits = |template: &&Template| {
            template.direction == direction && filled_in(&template.filter, context).matches(source)
        };
        self.templates.iter().find(fits)
    }

    /// The columns of a side that transfer, filter and label need; sorted, without the id.
    pub fn columns(&self, side: Side) -> BTreeSet<String> {
        let table = self.table(side);
        let mapped = self.fields.iter().chain(&self.disabled_fields).filter_map(|field| match side {
            Side::BusinessCentral => field.business_central.as_ref(),
            Side::Dataverse => field.dataverse.as_ref(),
        });
        let mut columns: BTreeSet<String> = mapped.map(|column| column.name.clone()).collect();
        let filter = match side {
            Side::BusinessCentral => &self.business_central_filter,
            Side::Dataverse => &self.dataverse_filter,
        };
        columns.extend(filter.iter().map(|condition| condition.column.to_string()));
        let of_templates = self.templates.iter().filter(|template| template.direction.source() == side);
        columns
            .extend(of_templates.flat_map(|template| &template.filter).map(|condition| condition.column.to_string()));
        if self.rules == RulesId::Plain {
            columns.extend(self.match_fields.iter().map(|field| match side {
                Side::BusinessCentral => field.business_central.name.clone(),
                Side::Dataverse => field.dataverse.name.clone(),
            }));
        }
        columns.extend(table.label_column.clone());
        columns.extend(table.company_column.clone());
        // A table name beside a lookup is implied by the lookup and is not a column of the Web API.
        columns
            .retain(|name| table.column(name).is_none_or(|column| column.field != crate::table::FieldType::EntityName));
        columns
    }
}

/// A filter with its placeholders filled in.
/// The filter of some conditions on a table.
///
/// # Errors
/// When a column is not there, or a value is none of its.
pub fn filter_by(conditions: &[ConditionFile], table: &Table, context: FilterContext) -> Result<Filter, String> {
    let template = conditions.iter().map(|one| condition(one, table)).collect::<Result<FilterTemplate, String>>()?;
    Ok(filled_in(&template, context))
}

fn filled_in(template: &FilterTemplate, context: FilterContext) -> Filter {
    let conditions = template
        .iter()
        .filter(|condition| !condition.only_if_company_exists || context.company.is_some())
        .map(|condition| Condition {
            column: condition.column.to_string(),
            operator: condition.operator,
            values: condition
                .operands
                .iter()
                .map(|operand| match operand {
                    Operand::Value(value) => value.clone(),
                    Operand::Company => context.company.map_or(Value::Null, |id| Value::Guid(id.0)),
                    Operand::DefaultPriceListCodeIsSet => Value::Bool(context.default_price_list_code_is_set),
                })
                .collect(),
        })
        .collect();
    Filter { conditions }
}

/// The field rows of a mapping that the switches call for and the installation uses, or does not.
fn rows(mapping: &Mapping, switches: &Switches, used: bool) -> Vec<FieldMapping> {
    let exists = |field: &&FieldMapping| field.when.is_none_or(|when| when.holds(switches)) && field.enabled == used;
    mapping.fields.iter().filter(exists).cloned().collect()
}

/// The active mappings, each after all it depends on; among equals in the order of the catalogue.
pub fn activate(mappings: &[Mapping], switches: &Switches) -> Vec<ActiveMapping> {
    let exists = |mapping: &&Mapping| mapping.when.is_none_or(|when| when.holds(switches));
    let switched_off_by_ownership = |mapping: &&Mapping| {
        // Under team ownership the people mapping is removed together with its job (S262).
        mapping.job.as_ref().and_then(|job| job.when).is_none_or(|when| when.holds(switches))
    };
    let existing: Vec<&Mapping> = mappings.iter().filter(exists).filter(switched_off_by_ownership).collect();
    let names: BTreeSet<&MappingName> = existing.iter().map(|mapping| &mapping.name).collect();
    let targets: BTreeSet<&MappingName> = existing
        .iter()
        .flat_map(|mapping| &mapping.fields)
        .filter_map(|field| match &field.resolution {
            super::Resolution::Lookup(through) => Some(through),
            _ => None,
        })
        .flatten()
        .collect();
    let mut waiting: Vec<ActiveMapping> = existing
        .iter()
        .map(|mapping| ActiveMapping {
            name: mapping.name.clone(),
            kind: mapping.kind.clone(),
            rules: mapping.rules,
            business_central: Arc::clone(&mapping.business_central),
            dataverse: Arc::clone(&mapping.dataverse),
            direction: mapping.direction,
            only_coupled: mapping.only_coupled,
            dependencies: mapping
                .dependencies_when
                .iter()
                .find(|(when, _)| when.holds(switches))
                .map_or(&mapping.dependencies, |(_, dependencies)| dependencies)
                .iter()
                .filter(|name| names.contains(name))
                .cloned()
                .collect(),
            update_conflict: mapping.update_conflict,
            deletion_conflict: mapping.deletion_conflict,
            synchronize_after_coupling: mapping.synchronize_after_coupling,
            create_when_no_match: mapping.create_when_no_match,
            match_fields: mapping.match_fields.clone(),
            job: mapping.job.clone(),
            named_by: mapping.named_by.clone(),
            lines: mapping.lines.clone().filter(|lines| names.contains(&lines.mapping)),
            fields: rows(mapping, switches, true),
            disabled_fields: rows(mapping, switches, false),
            templates: mapping.templates.clone(),
            is_lookup_target: targets.contains(&mapping.name),
            business_central_filter: mapping.business_central_filter.clone(),
            dataverse_filter: mapping.dataverse_filter.clone(),
            order: mapping.order,
        })
        .collect();
    // Rules wait for what their mapping depends on, too, without a field row that says so.
    let needed: BTreeSet<MappingName> = waiting.iter().flat_map(|mapping| mapping.dependencies.clone()).collect();
    for mapping in waiting.iter_mut().filter(|mapping| needed.contains(&mapping.name)) {
        mapping.is_lookup_target = true;
    }
    waiting.sort_by_key(|mapping| mapping.order);
    let mut ordered: Vec<ActiveMapping> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = waiting
            .iter()
            .position(|mapping| mapping.dependencies.iter().all(|name| ordered.iter().any(|done| done.name == *name)));
        // A circle of dependencies must not keep anything from running: its first member goes first.
        ordered.push(waiting.remove(ready.unwrap_or(0)));
    }
    ordered
}
