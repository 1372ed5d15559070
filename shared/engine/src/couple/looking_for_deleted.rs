//! Looking now which coupled records were deleted, as the first run of a day does: all couplings are compared with the ids that
//! are there. Nothing is done about what is found that the run of a day would not do, and where many are gone it is only told.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use couplet_model::catalogue::DeletionRule;
use couplet_model::comparing::folded;
use couplet_model::message::{Direction, Remedy, SyncOptions, Wish};
use couplet_model::request::Request;
use couplet_model::table::Side;
use couplet_model::{Counters, CouplingState, Filter, MappingName, RecordId, RecordMessage};
use couplet_store::Failure;
use serde::Serialize;

use super::asking::{PAGE, RequestReport, RequestStatus};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::gone::are_too_many;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{DELETED, OnDeletion, done_with};
use crate::sync::remedies;

/// A pair of which one record is known to be gone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LostPair {
    /// The mapping.
    pub mapping: MappingName,
    /// What people call it.
    pub label: String,
    /// The side from which one record was deleted.
    pub gone: Side,
    /// The record of Business Central, there or not.
    pub business_central: RecordId,
    /// The row of Dataverse, there or not.
    pub dataverse: RecordId,
    /// What can be done about it.
    pub remedies: Vec<Remedy>,
    /// What was told of it last.
    #[serde(skip)]
    pub failure: Failure,
}

/// A coupled record that is gone from a side.
struct Lost {
    record: RecordId,
    partner: RecordId,
    key: Option<String>,
    is_reported: bool,
}

impl Engine {
    /// The pairs of a mapping of which it is known that one record was deleted, from what is stored; each pair once.
    ///
    /// # Errors
    /// When there is no such mapping here, or the store cannot be read.
    pub async fn lost_pairs(&self, mapping: &MappingName) -> Result<Vec<LostPair>, EngineError> {
        let engine = self.current().await?;
        let installed = engine
            .mapping(mapping)
            .map_err(|missing| EngineError::CannotRun { mapping: mapping.to_string(), missing: missing.to_owned() })?;
        let (store, company) = (self.store(), self.company());
        let mut failures: Vec<(Side, Failure)> = Vec::new();
        for direction in installed.directions() {
            let found = store.failures(company, mapping, direction).await?;
            failures.extend(found.into_iter().filter_map(|failure| Some((failure.gone_from()?, failure))));
        }
        failures.sort_by_key(|(_, failure)| failure.first_at);
        let ours = |failure: &Failure| match failure.direction.source() {
            Side::BusinessCentral => Some(failure.record),
            Side::Dataverse => failure.other,
        };
        let ids: Vec<RecordId> = failures.iter().filter_map(|(_, failure)| ours(failure)).collect();
        // What a pair failed with may be kept for a while after the pair has ended.
        let couplings = store.couplings_by_id(company, mapping, Side::BusinessCentral, &ids).await?;
        let mut told = HashSet::new();
        let mut lost = Vec::new();
        for (gone, failure) in failures {
            let Some(coupling) = ours(&failure).and_then(|id| couplings.get(&id)) else { continue };
            if told.insert(coupling.system_id) {
                // Of a record that is gone only its id is told.
                let key = coupling.key.clone().filter(|_| failure.label == failure.record.to_string());
                lost.push(LostPair {
                    mapping: mapping.clone(),
                    label: key.unwrap_or_else(|| failure.label.clone()),
                    gone,
                    business_central: coupling.id(Side::BusinessCentral),
                    dataverse: coupling.id(Side::Dataverse),
                    remedies: remedies(installed, gone),
                    failure,
                });
            }
        }
        Ok(lost)
    }

    /// Goes on with a request to look for deleted records, up to a time.
    pub(super) async fn work_looking_for_deleted(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<RequestReport, EngineError> {
        let (store, company, job) = (self.store(), self.company(), request.mapping.as_str());
        let (of, lost) = self.lost_of(mapping).await?;
        let (mut messages, mut notes) = (Vec::new(), Vec::new());
        for (gone, lost) in lost {
            let way = mapping.directions().find(|way| way.source() == gone);
            let told = format!("{} in {gone}", lost.len());
            if self.is_for_a_person(mapping, way, &lost, of).await? {
                notes.push(format!("{told}, too many to follow their deletion without a full synchronization"));
                continue;
            }
            notes.push(told);
            messages.extend(lost.iter().filter_map(|lost| self.message_of_lost(mapping, request, way, gone, lost)));
        }
        messages.sort_by_key(|message| (message.record, message.direction.as_str()));
        // Who looked before has sent those up to the last one; what was found then may be another list now.
        let after: Option<RecordId> = request.after.as_deref().and_then(|after| after.parse().ok());
        messages.retain(|message| after.is_none_or(|after| message.record > after));
        let (mut enqueued, none, mut chunks) = (0, Counters::default(), messages.chunks(PAGE).peekable());
        while let Some(chunk) = chunks.next() {
            self.queue.send(chunk.to_vec()).await?;
            store.add_to_run(company, job, request.run, chunk.len() as u64, none, none).await?;
            enqueued += chunk.len() as u64;
            if chunks.peek().is_some() && until.is_some_and(|until| Instant::now() >= until) {
                let after = chunk.last().map(|message| message.record.to_string());
                self.send_request(Request { after, ..request.clone() }).await?;
                return Ok(RequestReport { status: RequestStatus::GoesOn, enqueued });
            }
        }
        let said = match notes.is_empty() {
            true => format!("A person looked which coupled records were deleted: none of {of} pairs."),
            false => format!("A person looked which coupled records were deleted: of {of} pairs {}.", notes.join("; ")),
        };
        store.run_found(company, job, request.run, self.now(), Some(said)).await?;
        Ok(RequestReport { status: RequestStatus::Done, enqueued })
    }

    /// How many pairs of a mapping take part, and the records of each side that are gone.
    async fn lost_of(&self, mapping: &InstalledMapping) -> Result<(usize, Vec<(Side, Vec<Lost>)>), EngineError> {
        let (mut pairs, mut after) = (Vec::new(), None);
        loop {
            let page = self.store().coupling_page(self.company(), &mapping.name, after, PAGE).await?;
            pairs.extend(page.couplings.into_iter().filter(|pair| {
                let marks = [DELETED, done_with(Side::BusinessCentral), done_with(Side::Dataverse)];
                let is_kept = marks.iter().any(|mark| pair.related.contains_key(*mark));
                pair.state == CouplingState::Coupled && !pair.skipped && !is_kept
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut lost = Vec::new();
        let mut told: BTreeSet<RecordId> = BTreeSet::new();
        for side in [Side::BusinessCentral, Side::Dataverse] {
            if pairs.is_empty() {
                break;
            }
            let there = self.system(side).find(mapping.table(side), &Filter::default(), &[]).await?;
            let there: HashSet<RecordId> = there.into_iter().map(|record| record.id).collect();
            let mut gone = Vec::new();
            for pair in pairs.iter().filter(|pair| !there.contains(&pair.id(side))) {
                // A pair of which nothing is left is told of once.
                if told.insert(pair.id(Side::BusinessCentral)) {
                    let is_reported = pair.failed_any_way();
                    let (record, partner) = (pair.id(side), pair.id(side.other()));
                    gone.push(Lost { record, partner, key: pair.key.clone(), is_reported });
                }
            }
            if !gone.is_empty() {
                lost.push((side, gone));
            }
        }
        Ok((pairs.len(), lost))
    }

    /// Whether so many records are gone that a person has to ask for what follows, where more follows than being told.
    async fn is_for_a_person(
        &self,
        mapping: &InstalledMapping,
        way: Option<Direction>,
        lost: &[Lost],
        of: usize,
    ) -> Result<bool, EngineError> {
        let Some(way) = way.filter(|way| !is_only_told(mapping, *way)) else { return Ok(false) };
        let on_deletion = mapping.rules.on_deletion(way);
        let new: Vec<&Lost> = lost.iter().filter(|lost| !lost.is_reported).collect();
        if on_deletion == OnDeletion::Stay || !are_too_many(new.len(), of, on_deletion) {
            return Ok(false);
        }
        let keys: Vec<String> = new.iter().filter_map(|lost| lost.key.clone()).collect();
        let traces = mapping.rules.left_behind_a_trace(&self.installation, way, &keys).await?;
        let is_traced = |lost: &&&Lost| lost.key.as_deref().is_some_and(|key| traces.contains(&folded(key)));
        let without = new.len() - new.iter().filter(is_traced).count();
        Ok(are_too_many(without, of, on_deletion))
    }

    /// The message of a pair of which one record is gone: as the run of a day sends it where the mapping travels from there, else
    /// from the record that is left.
    fn message_of_lost(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        way: Option<Direction>,
        gone: Side,
        lost: &Lost,
    ) -> Option<RecordMessage> {
        let (way, record, wish) = match way {
            Some(way) if mapping.rules.on_deletion(way) == OnDeletion::Stay => return None,
            Some(way) => (way, lost.record, is_only_told(mapping, way).then_some(Wish::TellIfGone)),
            None => (mapping.directions().find(|way| way.destination() == gone)?, lost.partner, Some(Wish::TellIfGone)),
        };
        Some(self.asked(mapping, request, way, record, SyncOptions::default(), wish))
    }
}

/// Whether nothing follows from a deletion at the source but that it is told of.
fn is_only_told(mapping: &InstalledMapping, way: Direction) -> bool {
    mapping.rules.on_deletion(way) == OnDeletion::AsTheMappingSays && mapping.deletion_conflict == DeletionRule::None
}

#[cfg(test)]
mod tests;
