//! Coupled records that were deleted at the source: what becomes of their partners is for the mapping's rules.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use couplet_model::catalogue::DeletionRule;
use couplet_model::history::Cause;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, IgnoreReason};
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId, RecordMessage};
use couplet_store::Claim;

use super::batch::{Batch, Stop};
use super::leaving_company::Kept;
use super::stages::{Admitted, Received, by_id};
use super::ways_out::ways_out;
use crate::bulk::paired;
use crate::failpoints::Failpoint;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{AfterDeletion, DELETED, Keeping, OnDeletion, SourceDeleted};

/// What follows when a record has left the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLeaving {
    /// Nothing: it does not take part any more.
    Ends,
    /// It comes again, uncoupled, and gets another partner.
    Returns,
}

impl Batch<'_> {
    /// Ends coupled records that do not take part any more: their partners are deleted, then their couplings removed, so
    /// that whoever does it again meets a partner that is gone already.
    pub(super) async fn take_leave(&mut self, leaving: Vec<(Admitted, AfterLeaving)>) -> Result<(), Stop> {
        if leaving.is_empty() {
            return Ok(());
        }
        let leaving = self.keep_versions(leaving).await?;
        let after: HashMap<usize, AfterLeaving> =
            leaving.iter().map(|(record, after)| (record.index, *after)).collect();
        let records =
            leaving.into_iter().map(|(record, _)| Received { index: record.index, coupling: record.coupling });
        let parted = self.delete_partners(records.collect()).await?;
        for record in self.end_pairs(parted, Cause::TakesNoPart).await? {
            match after.get(&record.index) {
                Some(AfterLeaving::Returns) => {
                    let reason = "its partner could not become what it has to be and was deleted; it gets another one";
                    self.postpone(record.index, reason, Duration::ZERO);
                }
                Some(AfterLeaving::Ends) | None => self.settle(record.settle(Outcome::Modified)),
            }
        }
        Ok(())
    }

    /// Lets the rules keep what partners hold before they are deleted. Gives the records of which that was done.
    async fn keep_versions(
        &mut self,
        leaving: Vec<(Admitted, AfterLeaving)>,
    ) -> Result<Vec<(Admitted, AfterLeaving)>, Stop> {
        let (coupled, others): (Vec<_>, Vec<_>) =
            leaving.into_iter().partition(|(record, _)| record.coupling.is_some());
        let pairs: Vec<&Coupling> = coupled.iter().filter_map(|(record, _)| record.coupling.as_ref()).collect();
        let results = self.mapping.rules.keep_versions(self.context(), &pairs, Keeping::Deleting).await;
        let mut kept = others;
        for ((record, after), result) in paired("versions to be kept", coupled, results)? {
            match result {
                Ok(()) => kept.push((record, after)),
                Err(error) => self.refuse_received(record.into_received(), &error),
            }
        }
        Ok(kept)
    }

    /// Ends records that are not at the source any more. A partner is deleted before the coupling is removed, so that
    /// whoever does it again finds the coupling and meets a partner that is gone already.
    pub(super) async fn end_deleted(&mut self, gone: Vec<Received>) -> Result<(), Stop> {
        let is_concerned = |record: &Received| {
            let is_meant = |coupling: &&Coupling| !coupling.skipped && !coupling.related.contains_key(DELETED);
            let coupling = record.coupling.as_ref().filter(is_meant);
            coupling.is_some_and(|coupling| coupling.state == CouplingState::Coupled)
        };
        let (concerned, others): (Vec<Received>, Vec<Received>) = gone.into_iter().partition(is_concerned);
        let half_made = self.half_made(&others).await?;
        for record in others {
            let outcome = match half_made.contains(&record.index) {
                true => Outcome::Failed(self.left_half_made(&record)),
                false => Outcome::Ignored(IgnoreReason::Deleted),
            };
            self.settle(record.settle(outcome));
        }
        if concerned.is_empty() {
            return Ok(());
        }
        match self.mapping.rules.on_deletion(self.direction) {
            OnDeletion::AsTheMappingSays => self.end_as_the_mapping_says(concerned).await,
            OnDeletion::Stay => {
                for record in concerned {
                    self.settle(record.settle(Outcome::Ignored(IgnoreReason::Deleted)));
                }
                Ok(())
            }
            OnDeletion::AsTheRulesDo => self.end_as_the_rules_do(concerned).await,
            OnDeletion::Uncouple => self.separate(concerned, &Outcome::Unchanged, Cause::SourceDeleted).await,
            OnDeletion::DeletePartner => {
                let parted = self.delete_partners(concerned).await?;
                self.separate(parted, &Outcome::Modified, Cause::DeletedOnBothSides).await
            }
        }
    }

    /// Those of some deleted records whose documents an attempt without an end has begun to make: their headers are there.
    async fn half_made(&self, deleted: &[Received]) -> Result<HashSet<usize>, Stop> {
        let (engine, table) = (self.engine, self.destination_table());
        let is_begun = |coupling: &&Coupling| coupling.state == CouplingState::Reserved && !coupling.skipped;
        let begun: HashMap<RecordId, usize> = deleted
            .iter()
            .filter(|_| self.mapping.lines(self.direction).is_some())
            .filter_map(|record| Some((record.coupling.as_ref().filter(is_begun)?.id(table.side), record.index)))
            .collect();
        if begun.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<RecordId> = begun.keys().copied().collect();
        let there = engine.system(table.side).fetch(table, &ids, &[]).await?;
        Ok(there.iter().filter_map(|document| begun.get(&document.id).copied()).collect())
    }

    fn left_half_made(&self, record: &Received) -> DataFailure {
        let table = self.destination_table();
        let id = record.coupling.as_ref().map(|coupling| coupling.id(table.side).to_string()).unwrap_or_default();
        DataFailure::new(format!(
            "it was deleted in {} before all of it was in {}, where the {} {id} is not complete: delete that one by hand",
            self.direction.source(),
            table.side,
            table.caption()
        ))
    }

    /// Lets the rules do what becomes of the partners, then ends the couplings that are to end and marks the others.
    async fn end_as_the_rules_do(&mut self, records: Vec<Received>) -> Result<(), Stop> {
        let side = self.direction.source();
        let ends = {
            let couplings = records.iter().filter_map(|record| record.coupling.as_ref());
            let mut deleted: Vec<SourceDeleted<'_>> =
                couplings.map(|coupling| SourceDeleted { coupling, end: Ok(AfterDeletion::Kept) }).collect();
            self.mapping.rules.source_deleted(self.context(), &mut deleted).await?;
            deleted.into_iter().map(|deleted| deleted.end).collect::<Vec<_>>()
        };
        self.pass(Failpoint::Parted)?;
        let (mut parted, mut kept) = ([Vec::new(), Vec::new()], Vec::new());
        for (record, end) in paired("deleted records", records, ends)? {
            match end {
                Ok(AfterDeletion::Uncoupled { is_change }) => parted[usize::from(is_change)].push(record),
                Ok(AfterDeletion::Kept) => kept.push(record),
                Err(error) => self.refuse_received(record, &error),
            }
        }
        let [unchanged, changed] = parted;
        self.separate(unchanged, &Outcome::Unchanged, Cause::SourceDeleted).await?;
        self.separate(changed, &Outcome::Modified, Cause::SourceDeleted).await?;
        let marked = kept.iter().filter_map(|record| {
            let mut coupling = record.coupling.clone()?;
            coupling.related.insert(DELETED.to_owned(), coupling.id(side).0);
            Some(coupling)
        });
        let marked: Vec<Coupling> = marked.collect();
        if marked.is_empty() {
            return Ok(());
        }
        let engine = self.engine;
        let results = engine.store().claim(engine.company(), &self.mapping.name, &marked).await?;
        for (record, result) in paired("marks of deleted records", kept, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    let record = Received { coupling: Some(coupling), ..record };
                    let settled = record.settle(Outcome::Ignored(IgnoreReason::Deleted));
                    self.settle(settled.because(Cause::SourceDeleted));
                }
                Claim::Stale => self.give_back(record.index, "another worker changed this pair meanwhile", None),
            }
        }
        Ok(())
    }

    /// Follows the deletion rule of the mapping for partners that stay. Where the partner is gone as well, nobody needs to
    /// be told, and the coupling goes (D2).
    async fn end_as_the_mapping_says(&mut self, records: Vec<Received>) -> Result<(), Stop> {
        let (here, there) = (self.direction.source(), self.direction.destination());
        let table = self.mapping.table(there);
        let ids: Vec<RecordId> =
            records.iter().filter_map(|record| Some(record.coupling.as_ref()?.id(there))).collect();
        let columns: Vec<String> = table.label_column.iter().chain(&table.company_column).cloned().collect();
        let partners = by_id(self.engine.system(there).fetch(table, &ids, &columns).await?);
        let rule = self.mapping.deletion_conflict;
        let returns = self.mapping.directions().any(|direction| direction == self.direction.reverse());
        let (mut kept, mut ending) = (HashMap::new(), Vec::new());
        if rule == DeletionRule::RemoveCoupling && there == Side::Dataverse {
            kept = self.leave_company(partners.values()).await?;
        }
        for record in records {
            let id = record.coupling.as_ref().map(|coupling| coupling.id(there));
            match id.and_then(|id| partners.get(&id)) {
                None => ending.push(record),
                Some(partner) if rule == DeletionRule::RemoveCoupling => match kept.remove(&partner.id) {
                    None => ending.push(record),
                    Some(Kept::Refused) => {
                        let failure = partner_is_left(self.mapping, here, partner);
                        self.settle(record.settle(Outcome::Failed(failure)));
                    }
                    Some(Kept::ForAWhile(class, error)) => self.give_back_for(record.index, class, &error),
                },
                Some(_) if rule == DeletionRule::Keep => {
                    self.settle(record.settle(Outcome::Ignored(IgnoreReason::Deleted)));
                }
                Some(partner) if rule == DeletionRule::Restore && returns => {
                    // It travels the other way, where it is created again.
                    self.delivered[record.index].message.options.create = true;
                    self.enqueue_other(record.index, self.direction.reverse(), partner.id, 1).await?;
                    let settled = record.settle(Outcome::Ignored(IgnoreReason::Deleted));
                    self.settle(settled.because(Cause::SourceDeleted));
                }
                Some(partner) => {
                    let failure = partner_is_left(self.mapping, here, partner);
                    self.settle(record.settle(Outcome::Failed(failure)).because(Cause::SourceDeleted));
                }
            }
        }
        self.separate(ending, &Outcome::Unchanged, Cause::SourceDeleted).await
    }

    /// Sends another record of this mapping on its way in a direction that it has, and counts it so often.
    pub(super) async fn enqueue_other(
        &self,
        index: usize,
        direction: Direction,
        record: RecordId,
        counts: u64,
    ) -> Result<(), Stop> {
        if !self.mapping.directions().any(|travelled| travelled == direction) {
            return Ok(());
        }
        let message =
            RecordMessage { direction, record, snapshot: None, wish: None, ..self.delivered[index].message.clone() };
        let (engine, none) = (self.engine, couplet_model::Counters::default());
        engine.store().add_to_run(engine.company(), &message.job, message.run, counts, none, none).await?;
        engine.queue.send(vec![message]).await?;
        Ok(())
    }

    /// Removes the couplings of records, which end so.
    async fn separate(&mut self, records: Vec<Received>, outcome: &Outcome, cause: Cause) -> Result<(), Stop> {
        for record in self.end_pairs(records, cause).await? {
            self.settle(record.settle(outcome.clone()));
        }
        Ok(())
    }

    /// Removes the couplings of records; gives the records that are coupled no more.
    pub(super) async fn end_pairs(&mut self, mut records: Vec<Received>, cause: Cause) -> Result<Vec<Received>, Stop> {
        let take = |record: &mut Received| Some((record.index, record.coupling.take()?));
        let pairs = records.iter_mut().filter_map(take).collect();
        let removed = self.remove_couplings(pairs, cause).await?;
        self.recorded.extend(&removed);
        records.retain(|record| removed.contains(&record.index));
        Ok(records)
    }

    /// Deletes the partners of records; gives those whose partner is gone now.
    async fn delete_partners(&mut self, records: Vec<Received>) -> Result<Vec<Received>, Stop> {
        let side = self.direction.destination();
        let couplings = records.iter().filter_map(|record| record.coupling.as_ref());
        let delete = |coupling: &Coupling| Write {
            action: WriteAction::Delete { id: coupling.id(side) },
            values: couplet_model::record::Values::new(),
        };
        let writes: Vec<Write> = couplings.map(delete).collect();
        let results = self.write_all(&writes).await;
        if !writes.is_empty() {
            self.pass(Failpoint::Parted)?;
        }
        let mut parted = Vec::with_capacity(records.len());
        for (record, result) in paired("deletions", records, results)? {
            match result {
                Ok(_) => parted.push(record),
                Err(error) if error.kind == SystemErrorKind::NotFound => parted.push(record),
                Err(error) => self.refuse_received(record, &error),
            }
        }
        Ok(parted)
    }
}

/// The failure of a record that was deleted while its partner stays, with the ways out there are.
pub(super) fn partner_is_left(mapping: &InstalledMapping, here: Side, left: &Record) -> DataFailure {
    let there = here.other();
    let label = left.label(mapping.table(there));
    let (source, partner) = (mapping.table(here).caption(), mapping.table(there).caption());
    DataFailure::of_deleted(
        here,
        format!(
            "the {source} was deleted in {here}, and the {partner} {label} in {there} is coupled to it (EE12): {}",
            ways_out(mapping, there, &label, left.id)
        ),
    )
}

#[cfg(test)]
mod tests;
