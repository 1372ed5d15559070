//! Records of either side without a partner, and records that share the fields by which one would be found: a run of its own reads
//! both sides once, and what it read is kept for whoever wants to see it. Nothing is changed.

use std::time::Instant;

use couplet_model::matching::{Entry, MatchPair};
use couplet_model::message::Direction;
use couplet_model::orphans::{Flaw, Flawed, flawed};
use couplet_model::request::{Chosen, Request, Want};
use couplet_model::table::Side;
use couplet_model::{MappingName, RecordId, RunId};
use serde::Serialize;

use super::asking::{RequestReport, RequestStatus};
use super::gathering::{Gathered, Scope};
use super::match_fields::{confirm_fields, in_words, named_fields, usual_fields};
use super::match_report::NamedRow;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// What was found of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrphanReport {
    /// The mapping.
    pub mapping: MappingName,
    /// The fields that records may not share, in words; nothing where the mapping has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Records of Business Central that were looked at.
    pub business_central: usize,
    /// Rows of Dataverse that were looked at.
    pub dataverse: usize,
    /// Every record with which something is wrong.
    pub orphans: Vec<Orphan>,
}

/// A record with which something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Where it is.
    pub side: Side,
    /// The record.
    pub record: RecordId,
    /// What people call it.
    pub label: String,
    /// What is wrong.
    pub flaw: Flaw,
    /// Whether it is coupled.
    pub coupled: bool,
    /// The first of the others that share its fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares_with: Vec<NamedRow>,
    /// Why it is listed.
    pub why: String,
    /// What can be done.
    pub remedy: String,
}

impl Engine {
    /// What a person asks for who looks for records of a mapping without a partner, and for several that share fields: those named,
    /// else those by which the mapping is matched.
    ///
    /// # Errors
    /// When there is no such mapping here, or a named field is not there or cannot be compared.
    pub fn orphans_by(&self, mapping: &MappingName, by: Option<&str>) -> Result<(Want, Chosen), EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let priorities = match by {
            Some(text) => named_fields(mapping, text, false)?,
            // Records without such fields are looked through for partners all the same.
            None => Some(usual_fields(mapping, false))
                .filter(|usual| confirm_fields(mapping, usual).is_ok())
                .unwrap_or_default(),
        };
        if by.is_some() {
            confirm_fields(mapping, &priorities)?;
        }
        Ok((Want::LookForOrphans, Chosen::Uncoupled(priorities)))
    }

    /// Looks now, without a run: both systems are read once, and nothing is stored.
    ///
    /// # Errors
    /// When a system or the store cannot be read.
    pub async fn look_for_orphans(&self, mapping: &MappingName, of: &Chosen) -> Result<OrphanReport, EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let Chosen::Uncoupled(priorities) = of else {
            return Err(EngineError::SetUp("all records of the mapping are looked at".to_owned()));
        };
        match self.gather(mapping, priorities, Scope::Everything, None, None).await? {
            Some(gathered) => Ok(report(mapping, priorities, &gathered)),
            None => Err(EngineError::SetUp("the records were not read to their end; look again".to_owned())),
        }
    }

    /// What the run of a request found; `None` when it has not read everything, or that is kept no more.
    ///
    /// # Errors
    /// When there is no such mapping here, or the store cannot be read.
    pub async fn found_orphans(
        &self,
        mapping: &MappingName,
        of: &Chosen,
        run: RunId,
    ) -> Result<Option<OrphanReport>, EngineError> {
        let mapping = self.mapping_of_a_job(mapping)?;
        let Chosen::Uncoupled(priorities) = of else { return Ok(None) };
        Ok(self.gathered(run).await?.map(|gathered| report(mapping, priorities, &gathered)))
    }

    /// Goes on with a request to look for orphans, up to a time: what is left is read by another task.
    pub(super) async fn work_looking_for_orphans(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        priorities: &[Vec<MatchPair>],
        until: Option<Instant>,
    ) -> Result<RequestReport, EngineError> {
        let (store, company, job) = (self.store(), self.company(), request.mapping.as_str());
        let done = RequestReport { status: RequestStatus::Done, enqueued: 0 };
        // A run that has expired, or was ended, wants nothing any more.
        if store.run(company, job, request.run).await?.is_none_or(|run| run.finished.is_some()) {
            return Ok(done);
        }
        let gathered = self.gather(mapping, priorities, Scope::Everything, Some(request.run), until).await?;
        let Some(gathered) = gathered else {
            self.send_request(request.clone()).await?;
            return Ok(RequestReport { status: RequestStatus::GoesOn, enqueued: 0 });
        };
        let report = report(mapping, priorities, &gathered);
        let count = |flaw| report.orphans.iter().filter(|orphan| orphan.flaw == flaw).count();
        let said = format!(
            "A person looked for records without a partner: {} have none, {} rows belong to the company although nothing couples \
             them, {} share the fields by which a partner is found.",
            count(Flaw::Uncoupled),
            count(Flaw::Stray),
            count(Flaw::Duplicate)
        );
        store.run_found(company, job, request.run, self.now(), Some(said)).await?;
        Ok(done)
    }
}

fn report(mapping: &InstalledMapping, priorities: &[Vec<MatchPair>], gathered: &Gathered) -> OrphanReport {
    let mut orphans = Vec::new();
    for (side, entries) in [(Side::BusinessCentral, &gathered.records), (Side::Dataverse, &gathered.rows)] {
        orphans.extend(flawed(entries).iter().map(|one| orphan(mapping, priorities, side, entries, one)));
    }
    OrphanReport {
        mapping: mapping.name.clone(),
        by: (!priorities.is_empty()).then(|| in_words(priorities)),
        business_central: gathered.records.len(),
        dataverse: gathered.rows.len(),
        orphans,
    }
}

fn orphan(
    mapping: &InstalledMapping,
    priorities: &[Vec<MatchPair>],
    side: Side,
    entries: &[Entry],
    found: &Flawed,
) -> Orphan {
    let entry = &entries[found.place];
    let shares_with: Vec<NamedRow> = found
        .twins
        .iter()
        .map(|place| NamedRow { row: entries[*place].id, label: entries[*place].label.to_string() })
        .collect();
    let name = &mapping.name;
    let option = match side {
        Side::BusinessCentral => "bc",
        Side::Dataverse => "dataverse",
    };
    let by = priorities.get(found.priority).map(|pairs| in_words(std::slice::from_ref(pairs))).unwrap_or_default();
    let (why, remedy) = match found.flaw {
        Flaw::Uncoupled => {
            let matches = if priorities.is_empty() { "" } else { "match it (couplet match), " };
            let travels = mapping.directions().any(|way: Direction| way.source() == side);
            let creates = match travels {
                true => format!(", or give it a partner: couplet sync \"{name}\" --{option} {} --create", entry.id),
                false => String::new(),
            };
            ("it is not coupled".to_owned(), format!("{matches}couple it by hand (couplet couple){creates}"))
        }
        Flaw::Stray => (
            "it belongs to the company, and nothing couples it".to_owned(),
            format!(
                "match it (couplet match), or take it off the company: couplet orphans repair \"{name}\" --release"
            ),
        ),
        Flaw::Duplicate => (
            format!("{} more have the same {by}", found.count),
            match entry.taken {
                true => format!(
                    "merge them, or correct {by}; if another one is the partner: couplet uncouple \"{name}\" --{option} {}",
                    entry.id
                ),
                false => format!("merge them, or correct {by}"),
            },
        ),
    };
    Orphan {
        side,
        record: entry.id,
        label: entry.label.to_string(),
        flaw: found.flaw,
        coupled: entry.taken,
        shares_with,
        why,
        remedy,
    }
}

#[cfg(test)]
mod tests;
