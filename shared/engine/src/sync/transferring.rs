//! From a source record to what its destination should hold: constants, lookups, options and plain values of the
//! mapping's field rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use couplet_model::catalogue::{Clearing, FieldMapping, Resolution};
use couplet_model::comparing::folded;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, FieldNote, Need};
use couplet_model::table::{Access, Column, FieldType, Side};
use couplet_model::transfer::convert;
use couplet_model::{ActiveMapping, MappingName, Record, RecordId, Value};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{MappingRules, Obstacle, is_usable};
use crate::sync::options::OptionReferences;

/// Everything the rows of a batch refer to, read in bulk beforehand.
pub(crate) struct References {
    /// Resolved records of a mapping by the folded key they are referred to with.
    by_mapping: HashMap<MappingName, HashMap<String, Value>>,
    /// The rules of these mappings.
    rules: HashMap<MappingName, &'static dyn MappingRules>,
    /// Options of choice columns.
    options: OptionReferences,
    /// Mappings that do not exist in this installation.
    absent: BTreeSet<MappingName>,
}

impl References {
    /// Reads what the rows of these records refer to.
    pub async fn read(
        engine: &Engine,
        mapping: &ActiveMapping,
        direction: Direction,
        sources: &[&Record],
    ) -> Result<Self, EngineError> {
        let mut wanted: BTreeMap<MappingName, BTreeSet<String>> = BTreeMap::new();
        for row in mapping.rows(direction).filter(|row| !row.resolved_by_rules) {
            let Resolution::Lookup(through) = &row.resolution else { continue };
            let Some(column) = row.column(direction.source()) else { continue };
            for name in through {
                let rules = engine.mapping(name).ok().map(|target| target.rules);
                let keys = wanted.entry(name.clone()).or_default();
                keys.extend(sources.iter().filter_map(|source| reference_key(rules, source.get(&column.name), source)));
            }
        }
        let (mut by_mapping, mut rules) = (HashMap::new(), HashMap::new());
        let mut absent = BTreeSet::new();
        for (name, keys) in wanted {
            // A mapping that cannot run couples nothing, as if it were not there.
            let Ok(target) = engine.mapping(&name) else {
                absent.insert(name);
                continue;
            };
            let resolved = resolve(engine, target, direction, keys).await?;
            rules.insert(name.clone(), target.rules);
            by_mapping.insert(name, resolved);
        }
        let options = OptionReferences::read(engine, mapping, direction, sources).await?;
        Ok(Self { by_mapping, rules, options, absent })
    }

    /// Adds records of a mapping that are resolved although their couplings are not stored yet.
    pub fn add(&mut self, mapping: &MappingName, resolved: &[(String, Value)]) {
        let known = self.by_mapping.entry(mapping.clone()).or_default();
        known.extend(resolved.iter().map(|(key, value)| (folded(key), value.clone())));
    }
}

/// Resolves keys of one mapping: towards Dataverse codes to rows, from Dataverse rows to codes.
async fn resolve(
    engine: &Engine,
    target: &InstalledMapping,
    direction: Direction,
    keys: BTreeSet<String>,
) -> Result<HashMap<String, Value>, EngineError> {
    let company = engine.company();
    let mut resolved = HashMap::new();
    match direction {
        Direction::ToDataverse => {
            let keys: Vec<String> = keys.into_iter().collect();
            let row = |id| Value::Reference { table: target.dataverse.name.as_str().into(), id };
            let found = engine.store().couplings_by_key(company, &target.name, &keys).await?;
            for (key, coupling) in found.into_iter().filter(|(_, coupling)| is_usable(coupling)) {
                resolved.insert(folded(&key), row(coupling.dataverse_id.0));
            }
            for (key, id) in target.rules.standing_pairs(&engine.installation).await? {
                resolved.insert(folded(&key), row(id));
            }
        }
        Direction::FromDataverse => {
            let ids: Vec<RecordId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
            let found = engine.store().couplings_by_id(company, &target.name, Side::Dataverse, &ids).await?;
            for (id, coupling) in found.into_iter().filter(|(_, coupling)| is_usable(coupling)) {
                if let Some(key) = coupling.key {
                    resolved.insert(folded(&id.to_string()), Value::text(target.rules.name_of_key(&key)));
                }
            }
            let unknown: Vec<RecordId> =
                ids.into_iter().filter(|id| !resolved.contains_key(&folded(&id.to_string()))).collect();
            if !unknown.is_empty() {
                for (id, name) in target.rules.stand_ins(&engine.installation, &unknown).await? {
                    resolved.insert(folded(&id.to_string()), Value::text(name));
                }
            }
            // The last pair of a row wins: Business Central shows a blank currency as the local code, and takes it back
            // as blank.
            for (key, id) in target.rules.standing_pairs(&engine.installation).await? {
                resolved.insert(folded(&id.to_string()), Value::text(key));
            }
        }
    }
    Ok(resolved)
}

/// What the rows of a mapping make of one source record.
#[derive(Debug, Default)]
pub(crate) struct Transferred {
    /// What the destination should hold.
    pub fields: Vec<TransferredField>,
    /// Fields that stay behind.
    pub notes: Vec<FieldNote>,
    /// Columns of the destination that a template fills.
    pub templated: BTreeSet<String>,
}

/// What becomes of the value of a row.
enum Resolved {
    /// It is transferred.
    Value(Value),
    /// The destination is left alone.
    Decline,
    /// It stays behind.
    Left(FieldNote),
}

/// What the rows of a mapping make of one source record.
pub(crate) fn transfer(
    mapping: &ActiveMapping,
    direction: Direction,
    references: &References,
    source: &Record,
) -> Result<Transferred, Obstacle> {
    let mut transferred = Transferred::default();
    for row in mapping.rows(direction).filter(|row| !row.resolved_by_rules) {
        let Some(destination) = row.column(direction.destination()) else { continue };
        // Table names beside lookups are implied by the lookup, read-only columns are the system's own business, and
        // columns that only an update may set are left to the rules.
        if destination.field == FieldType::EntityName || matches!(destination.access, Access::Read | Access::Modify) {
            continue;
        }
        let value = match &row.constant {
            Some(constant) => constant.clone(),
            None => {
                let Some(column) = row.column(direction.source()) else { continue };
                // Unknown is not blank: the row leaves the destination alone.
                let Some(value) = source.known(&column.name) else { continue };
                let value = row.transformation(direction).map_or(Cow::Borrowed(value), |rule| rule.apply(value));
                match resolved(row, references, column, &value, source)? {
                    Resolved::Value(value) => value,
                    Resolved::Decline => continue,
                    Resolved::Left(note) => {
                        transferred.notes.push(note);
                        continue;
                    }
                }
            }
        };
        if row.clearing == Clearing::Never && value.is_null() {
            continue;
        }
        let Some(desired) = convert(&value, &destination.field) else {
            // The destination keeps what it has (R139).
            if let Some(column) = row.column(direction.source()) {
                transferred.notes.push(not_convertible(column, &value, destination));
            }
            continue;
        };
        transferred.fields.push(TransferredField {
            source: row.column(direction.source()).cloned(),
            destination: std::sync::Arc::clone(destination),
            desired,
            travel: match destination.access {
                Access::Insert => Travel::OnCreateOnly,
                _ if mapping.is_both_ways(row) => Travel::BothWays,
                _ => Travel::OneWay,
            },
        });
    }
    Ok(transferred)
}

fn not_convertible(column: &Column, value: &Value, destination: &Column) -> FieldNote {
    FieldNote::left(
        column.caption.clone(),
        Some(&column.name),
        format!(
            "{} \"{value}\" is not a {}: {} keeps what it has; correct the value",
            column.caption, destination.field, destination.caption
        ),
    )
}

/// The value a row transfers.
fn resolved(
    row: &FieldMapping,
    references: &References,
    column: &Column,
    value: &Value,
    source: &Record,
) -> Result<Resolved, Obstacle> {
    match &row.resolution {
        Resolution::Copy => Ok(Resolved::Value(value.clone())),
        Resolution::Option(through) => Ok(option(row, through, references, column, value)),
        Resolution::Lookup(through) => {
            let key = |name| reference_key(references.rules.get(name).copied(), value, source).unwrap_or_default();
            let found =
                through.iter().find_map(|name| references.by_mapping.get(name)?.get(&folded(&key(name))).cloned());
            if let Some(found) = found {
                return Ok(Resolved::Value(found));
            }
            // No mapping couples such records here: the row declines instead of failing the record (D17), and a blank
            // says as little about the other side as a value does.
            let Some(mapping) = through.iter().find(|name| !references.absent.contains(*name)) else {
                return Ok(Resolved::Decline);
            };
            if value.is_null() {
                return Ok(Resolved::Value(Value::Null));
            }
            let side = if value.as_guid().is_some() { Side::Dataverse } else { Side::BusinessCentral };
            let missing = Need {
                dependency: Dependency { mapping: mapping.clone(), side, key: key(mapping) },
                field: column.caption.clone(),
                value: value.to_string(),
            };
            if row.travels_without {
                return Ok(without(column, value, missing));
            }
            if row.clearing == Clearing::OnFailure {
                return Ok(Resolved::Value(Value::Null));
            }
            Err(Obstacle::Wait(missing))
        }
    }
}

/// The destination can do without what a field refers to: it keeps what it has, or starts with its default, until the
/// record is coupled (U11). A row of a table that this mapping does not pair, such as a team that owns an account, has no
/// partner to wait for.
fn without(column: &Column, value: &Value, missing: Need) -> Resolved {
    let caption = &column.caption;
    if let Value::Reference { table, .. } = value
        && &**table == "team"
    {
        return Resolved::Decline;
    }
    let message = format!(
        "{caption} \"{value}\" is not coupled by {}: the other side keeps what it has, or its default, until it is; couple the record \
         or enter another value",
        missing.dependency.mapping
    );
    Resolved::Left(FieldNote::left(caption.clone(), Some(&column.name), message).until(missing))
}

/// A code is the option it is coupled to, and an option the code (R154, R155).
fn option(
    row: &FieldMapping,
    through: &MappingName,
    references: &References,
    column: &Column,
    value: &Value,
) -> Resolved {
    if !references.options.knows(through) {
        return Resolved::Decline;
    }
    if value.is_null() {
        return Resolved::Value(Value::Null);
    }
    match references.options.resolved(through, value) {
        Some(found) => Resolved::Value(found),
        None if row.clearing == Clearing::OnFailure => Resolved::Value(Value::Null),
        None => {
            let choice = row.dataverse.as_ref().map_or("", |column| column.name.as_str());
            let message = format!(
                "{} {value} must be coupled in Dataverse (EE17): synchronize {through} in full, add an option with that \
                 label to the choice {choice}, or clear the field",
                column.caption
            );
            let note = FieldNote::left(column.caption.clone(), Some(&column.name), message);
            Resolved::Left(note.until(references.options.need(row, through, column, value)))
        }
    }
}

/// How a record is referred to by another one: by code or number, or by the id of its row.
fn reference_key(rules: Option<&'static dyn MappingRules>, value: &Value, by: &Record) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Guid(id) | Value::Reference { id, .. } => Some(id.to_string()),
        other => {
            let name = other.to_string();
            Some(rules.and_then(|rules| rules.key_named(&name, by)).unwrap_or(name))
        }
    }
}

#[cfg(test)]
mod tests;
