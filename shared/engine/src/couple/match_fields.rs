//! The fields by which records are matched: as a person names them, as the catalogue has them, and whether they can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use couplet_model::catalogue::{MappingDirection, MappingKind};
use couplet_model::decision::ConflictRule;
use couplet_model::matching::{MOST_PRIORITIES, MatchPair, problem};
use couplet_model::message::Direction;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Column, MappingName};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// How a person wants records to be matched. What is left open is as the catalogue has it for the mapping.
#[derive(Clone, Debug, Default)]
pub struct MatchChoices {
    /// The fields: `number,name` tries the number first and then the name, `name+city` wants both to be equal, and
    /// `phoneNumber=telephone1` names a field of either side.
    pub by: Option<String>,
    /// Whether upper and lower case differ in these fields.
    pub case_sensitive: bool,
    /// Whether the pairs are synchronized.
    pub synchronize: Option<bool>,
    /// The side whose values win then.
    pub wins: Option<Side>,
    /// Whether records without a match get a partner.
    pub create: Option<bool>,
    /// Whether it is only told what would be coupled.
    pub dry_run: bool,
}

impl Engine {
    /// What a person asks for who wants the uncoupled records of a mapping to be matched.
    ///
    /// # Errors
    /// When there is no such mapping here, it has no fields to match by and none are named, or a field is not there or cannot be
    /// compared.
    pub fn matching(&self, mapping: &MappingName, choices: &MatchChoices) -> Result<(Want, Chosen), EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let by = match &choices.by {
            Some(text) => named_fields(mapping, text, choices.case_sensitive)?,
            None => usual_fields(mapping, choices.case_sensitive),
        };
        confirm_fields(mapping, &by)?;
        let first = mapping.directions().next().unwrap_or(Direction::ToDataverse);
        let usual = match mapping.update_conflict {
            ConflictRule::FromDataverse if mapping.direction == MappingDirection::Bidirectional => {
                Direction::FromDataverse
            }
            _ => first,
        };
        let way = match choices.wins {
            Some(Side::BusinessCentral) => Direction::ToDataverse,
            Some(Side::Dataverse) => Direction::FromDataverse,
            None => usual,
        };
        let synchronizes = choices.synchronize.unwrap_or(mapping.synchronize_after_coupling || choices.wins.is_some());
        let travels_there = mapping.directions().any(|way| way == Direction::ToDataverse);
        let create = choices.create.unwrap_or(mapping.create_when_no_match && travels_there);
        let want = Want::Match { synchronize: synchronizes.then_some(way), create, dry_run: choices.dry_run };
        Ok((want, Chosen::Uncoupled(by)))
    }
}

/// The fields of the catalogue, by priority (R188): those that the mapping lists, else the flagged field rows.
pub(super) fn usual_fields(mapping: &ActiveMapping, case_sensitive: bool) -> Vec<Vec<MatchPair>> {
    let pair = |ours: &Column, theirs: &Column, exactly: bool| MatchPair {
        business_central: ours.name.clone(),
        dataverse: theirs.name.clone(),
        case_sensitive: exactly || case_sensitive,
    };
    let mut priorities: BTreeMap<u32, Vec<MatchPair>> = BTreeMap::new();
    for field in &mapping.match_fields {
        let pair = pair(&field.business_central, &field.dataverse, field.case_sensitive);
        priorities.entry(field.priority).or_default().push(pair);
    }
    for row in mapping.fields.iter().filter(|row| row.matches && mapping.match_fields.is_empty()) {
        if let (Some(ours), Some(theirs)) = (&row.business_central, &row.dataverse) {
            priorities.entry(0).or_default().push(pair(ours, theirs, false));
        }
    }
    priorities.into_values().collect()
}

/// The fields that a person names.
pub(super) fn named_fields(
    mapping: &ActiveMapping,
    text: &str,
    case_sensitive: bool,
) -> Result<Vec<Vec<MatchPair>>, EngineError> {
    let one = |name: &str| {
        let (ours, theirs) = match name.split_once('=') {
            Some((ours, theirs)) => {
                (column(mapping, Side::BusinessCentral, ours.trim())?, column(mapping, Side::Dataverse, theirs.trim())?)
            }
            None => fields_called(mapping, name.trim())?,
        };
        let (business_central, dataverse) = (ours.name.clone(), theirs.name.clone());
        Ok(MatchPair { business_central, dataverse, case_sensitive })
    };
    text.split(',').map(|priority| priority.split('+').map(one).collect()).collect()
}

fn is_called(column: &Column, name: &str) -> bool {
    column.name.eq_ignore_ascii_case(name) || column.caption.eq_ignore_ascii_case(name)
}

fn column<'a>(mapping: &'a ActiveMapping, side: Side, name: &str) -> Result<&'a Arc<Column>, EngineError> {
    let table = mapping.table(side);
    table
        .columns
        .values()
        .find(|column| is_called(column, name))
        .ok_or_else(|| EngineError::SetUp(format!("{} of {side} has no field {name:?} here", table.caption())))
}

/// The fields of both sides that one name means: those of a field row, or of the same name, which in Dataverse may begin with
/// that of the table, as in `accountnumber`.
fn fields_called<'a>(
    mapping: &'a ActiveMapping,
    name: &str,
) -> Result<(&'a Arc<Column>, &'a Arc<Column>), EngineError> {
    let rows = mapping.fields.iter().filter_map(|row| row.business_central.as_ref().zip(row.dataverse.as_ref()));
    let mut found: Vec<(&Arc<Column>, &Arc<Column>)> = Vec::new();
    for (ours, theirs) in rows.filter(|(ours, theirs)| is_called(ours, name) || is_called(theirs, name)) {
        if !found.iter().any(|(one, other)| one.name == ours.name && other.name == theirs.name) {
            found.push((ours, theirs));
        }
    }
    if found.is_empty()
        && let Ok(ours) = column(mapping, Side::BusinessCentral, name)
    {
        let long = format!("{}{}", mapping.dataverse.name, ours.name);
        let columns = mapping.dataverse.columns.values();
        found.extend(
            columns
                .filter(|theirs| is_called(theirs, &ours.name) || is_called(theirs, &long))
                .map(|theirs| (ours, theirs)),
        );
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(EngineError::SetUp(format!(
            "{} has no field {name:?} on both sides: name one of each as FIELD=COLUMN, or choose among {}",
            mapping.name,
            comparable(mapping).join(", ")
        ))),
        several => {
            let list: Vec<String> =
                several.iter().map(|(ours, theirs)| format!("{}={}", ours.name, theirs.name)).collect();
            Err(EngineError::SetUp(format!(
                "{name:?} means several fields of {}: choose among {}",
                mapping.name,
                list.join(", ")
            )))
        }
    }
}

/// The fields that can be named, as people write them.
fn comparable(mapping: &ActiveMapping) -> Vec<&str> {
    let rows = mapping.fields.iter().filter_map(|row| row.business_central.as_ref().zip(row.dataverse.as_ref()));
    let rows = rows.filter(|(ours, theirs)| problem(ours, theirs).is_none());
    let mut names: Vec<&str> = rows.map(|(ours, _)| ours.name.as_str()).collect();
    names.dedup();
    names
}

/// Whether records of a mapping can be matched by these fields.
pub(super) fn confirm_fields(mapping: &InstalledMapping, priorities: &[Vec<MatchPair>]) -> Result<(), EngineError> {
    let refused = |why: String| Err(EngineError::SetUp(why));
    if let Some(why) = mapping.rules.why_never_matched() {
        return refused(format!("{} is not matched by fields: {why}", mapping.name));
    }
    if mapping.kind != MappingKind::Table && mapping.direction == MappingDirection::Bidirectional {
        return refused(format!("{} maps options both ways, and such records are not matched (R233)", mapping.name));
    }
    if priorities.is_empty() || priorities.iter().any(Vec::is_empty) {
        return refused(format!(
            "choose the fields for match-based coupling of {} (EE35): name them with --by, such as --by {}",
            mapping.name,
            comparable(mapping).into_iter().take(2).collect::<Vec<_>>().join(",")
        ));
    }
    if priorities.len() > MOST_PRIORITIES {
        return refused(format!("name fields of at most {MOST_PRIORITIES} priorities, not of {}", priorities.len()));
    }
    for pair in priorities.iter().flatten() {
        let ours = column(mapping, Side::BusinessCentral, &pair.business_central)?;
        let theirs = column(mapping, Side::Dataverse, &pair.dataverse)?;
        if let Some(why) = problem(ours, theirs) {
            return refused(format!("{} cannot be matched so: {why} (R189)", mapping.name));
        }
    }
    Ok(())
}

/// The fields in words.
pub(super) fn in_words(priorities: &[Vec<MatchPair>]) -> String {
    let one = |pair: &MatchPair| pair.business_central.clone();
    let all = |pairs: &Vec<MatchPair>| pairs.iter().map(one).collect::<Vec<_>>().join(" and ");
    priorities.iter().map(all).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests;
