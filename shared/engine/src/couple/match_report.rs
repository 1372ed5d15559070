//! What matching found, record by record, as it is shown to people.

use couplet_model::matching::{MatchPair, Matched, Tally, match_all};
use couplet_model::request::Chosen;
use couplet_model::table::Side;
use couplet_model::{MappingName, RecordId, RunId};
use serde::Serialize;

use super::gathering::{Gathered, Scope};
use super::match_fields::{confirm_fields, in_words};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// What matching found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchReport {
    /// The mapping.
    pub mapping: MappingName,
    /// The fields it went by, in words.
    pub by: String,
    /// What was found, in numbers.
    #[serde(flatten)]
    pub tally: Tally,
    /// Every record of Business Central that is not coupled.
    pub records: Vec<MatchedRecord>,
}

/// What was found for one record of Business Central.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchedRecord {
    /// The record.
    pub record: RecordId,
    /// What people call it.
    pub label: String,
    /// `match`, `several`, `shared`, `coupled`, `none` or `blank`.
    pub outcome: &'static str,
    /// The row that matches, or the first of several.
    pub rows: Vec<NamedRow>,
    /// Why it is not coupled; nothing for a match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A row of Dataverse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedRow {
    /// The row.
    pub row: RecordId,
    /// What people call it.
    pub label: String,
}

impl Engine {
    /// What matching would couple now, without a run: both systems are read once, and nothing is stored.
    ///
    /// # Errors
    /// When records cannot be matched so, or a system or the store cannot be read.
    pub async fn look_for_matches(&self, mapping: &MappingName, of: &Chosen) -> Result<MatchReport, EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let Chosen::Uncoupled(priorities) = of else {
            return Err(EngineError::SetUp("all records that are not coupled are matched".to_owned()));
        };
        confirm_fields(mapping, priorities)?;
        match self.gather(mapping, priorities, Scope::ToMatch, None, None).await? {
            Some(gathered) => Ok(report(mapping, priorities, &gathered)),
            None => Err(EngineError::SetUp("the records were not read to their end; match again".to_owned())),
        }
    }

    /// What the run of a request found; `None` when it has not read everything, or that is kept no more.
    ///
    /// # Errors
    /// When there is no such mapping here, or the store cannot be read.
    pub async fn found_matches(
        &self,
        mapping: &MappingName,
        of: &Chosen,
        run: RunId,
    ) -> Result<Option<MatchReport>, EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let Chosen::Uncoupled(priorities) = of else { return Ok(None) };
        Ok(self.gathered(run).await?.map(|gathered| report(mapping, priorities, &gathered)))
    }
}

fn report(mapping: &InstalledMapping, priorities: &[Vec<MatchPair>], gathered: &Gathered) -> MatchReport {
    let found = match_all(&gathered.records, &gathered.rows);
    let records = found.iter().zip(&gathered.records).map(|(found, record)| {
        let (outcome, rows): (_, &[usize]) = match found {
            Matched::With(row) => ("match", std::slice::from_ref(row)),
            Matched::Several { rows, .. } => ("several", rows),
            Matched::Shared { row, .. } => ("shared", std::slice::from_ref(row)),
            Matched::Coupled(row) => ("coupled", std::slice::from_ref(row)),
            Matched::Nothing => ("none", &[]),
            Matched::Blank => ("blank", &[]),
        };
        let named = |row: &usize| {
            let row = &gathered.rows[*row];
            NamedRow { row: row.id, label: row.label.to_string() }
        };
        MatchedRecord {
            record: record.id,
            label: record.label.to_string(),
            outcome,
            rows: rows.iter().map(named).collect(),
            reason: reason(mapping, priorities, found, gathered),
        }
    });
    MatchReport {
        mapping: mapping.name.clone(),
        by: in_words(priorities),
        tally: Tally::of(&found),
        records: records.collect(),
    }
}

/// Why a record is not coupled, and what to do; `None` for one that is.
pub(super) fn reason(
    mapping: &InstalledMapping,
    priorities: &[Vec<MatchPair>],
    found: &Matched,
    gathered: &Gathered,
) -> Option<String> {
    let caption = mapping.table(Side::Dataverse).caption();
    let row = |place: &usize| {
        let row = &gathered.rows[*place];
        format!("{} ({})", row.label, row.id)
    };
    let list = |shown: Vec<String>, count: usize| {
        let more = count.saturating_sub(shown.len());
        let end = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{end}", shown.join(", "))
    };
    let by = in_words(priorities);
    match found {
        Matched::With(_) => None,
        Matched::Several { rows, count } => Some(format!(
            "{count} rows of {caption} match it by {by}: {}; couple it with one of them by hand, or match by more fields (R195)",
            list(rows.iter().map(row).collect(), *count)
        )),
        Matched::Shared { row: place, with, count } => {
            let others = with.iter().map(|place| gathered.records[*place].label.to_string()).collect();
            Some(format!(
                "the {caption} {} matches {} as well by {by}; couple it with one of them by hand, or match by more fields (R195)",
                row(place),
                list(others, *count)
            ))
        }
        Matched::Coupled(place) => Some(format!(
            "the {caption} {} matches it by {by}, and is coupled already (R195); uncouple that pair first if it is wrong",
            row(place)
        )),
        Matched::Nothing => Some(format!(
            "no uncoupled {caption} matches it by {by} (EE36); couple it by hand, or create what matches nothing with \
             --create-unmatched"
        )),
        Matched::Blank => {
            Some(format!("it has no value to be matched by: {by} is blank (R193); fill it in, or couple it by hand"))
        }
    }
}
