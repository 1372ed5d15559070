//! Pairs of which one record was deleted, and what a person wants to be done about them (R94): the deleted record is made again,
//! the one that is left is deleted as well, or the coupling ends. Both records are looked at once more before anything is done.

use std::collections::HashMap;

use couplet_model::history::Cause;
use couplet_model::message::{Precedence, Remedy, Wish};
use couplet_model::outcome::{DataFailure, IgnoreReason};
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, Outcome, Record, RecordId, RecordMessage, RetryClass};
use couplet_store::Claim;

use super::batch::{Batch, Stop};
use super::deleting::partner_is_left;
use super::stages::{Received, by_id};
use crate::bulk::paired;
use crate::failpoints::Failpoint;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{DELETED, Keeping, OnDeletion, done_with};

/// A pair with which something is wanted, as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether its record is at the source.
    source: bool,
    /// Whether its record is at the destination.
    destination: bool,
    /// Whether records of the mapping travel the other way as well.
    comes_back: bool,
    /// Whether the rules of the mapping want the record that is left to stay.
    stays: bool,
    /// Whether people have done with the pair, which is kept.
    is_kept: bool,
}

/// What is done with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is whole, and is synchronized.
    Synchronize,
    /// Both of its records are gone, and so is the coupling.
    End,
    /// It is told of.
    Tell,
    /// It is left alone.
    Leave,
    /// What is wanted is done.
    Do(Remedy),
    /// What is wanted is done where its records travel the other way.
    TheOtherWay,
    /// What is wanted cannot be done, and it is told why.
    Refuse(Remedy),
}

/// What is done with a pair; without a remedy it is only told of. Where a record is made again it has to travel from the one that
/// is left, and where the one that is left is deleted, to it.
fn step(wanted: Option<Remedy>, found: Found) -> Step {
    let wants_source = match (found.source, found.destination) {
        (true, true) => return Step::Synchronize,
        (false, false) => return Step::End,
        (source, _) => source,
    };
    match wanted {
        None if found.is_kept || (found.stays && !found.source) => Step::Leave,
        None => Step::Tell,
        Some(Remedy::Uncouple) => Step::Do(Remedy::Uncouple),
        Some(remedy) if found.is_kept => Step::Refuse(remedy),
        Some(Remedy::Delete) if found.stays => Step::Refuse(Remedy::Delete),
        Some(remedy) if wants_source == (remedy == Remedy::Restore) => Step::Do(remedy),
        Some(_) if found.comes_back => Step::TheOtherWay,
        Some(remedy) => Step::Refuse(remedy),
    }
}

/// What can be done about pairs of a mapping of which the record of a side was deleted.
pub(crate) fn remedies(mapping: &InstalledMapping, gone: Side) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    if mapping.directions().any(|way| way.destination() == gone) {
        remedies.push(Remedy::Restore);
    }
    if mapping.directions().any(|way| way.source() == gone) && !survivor_stays(mapping, gone) {
        remedies.push(Remedy::Delete);
    }
    remedies.push(Remedy::Uncouple);
    remedies
}

/// Whether the rules of a mapping say what becomes of a record whose partner was deleted from a side, so that no person deletes it
/// here: posted documents, orders that were posted, figures.
fn survivor_stays(mapping: &InstalledMapping, gone: Side) -> bool {
    let mut ways = mapping.directions().filter(|way| way.source() == gone);
    ways.any(|way| matches!(mapping.rules.on_deletion(way), OnDeletion::Stay | OnDeletion::AsTheRulesDo))
}

impl Batch<'_> {
    /// Does what a person wants about pairs of which one record was deleted. Gives the records that are to be synchronized: those
    /// of pairs that are whole, and those whose partner is to be made again.
    pub(super) async fn mend(&mut self, records: Vec<Received>) -> Result<Vec<Received>, Stop> {
        let is_pair =
            |record: &Received| record.coupling.as_ref().is_some_and(|pair| pair.state == CouplingState::Coupled);
        // One that is being made is no pair yet, and ends as any other.
        let (pairs, mut synchronized): (Vec<Received>, Vec<Received>) = records.into_iter().partition(is_pair);
        if pairs.is_empty() {
            return Ok(synchronized);
        }
        let [sources, destinations] = [
            self.both_of(&pairs, self.direction.source()).await?,
            self.both_of(&pairs, self.direction.destination()).await?,
        ];
        let (mut deleting, mut parting, mut ending, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for mut record in pairs {
            let Some(coupling) = record.coupling.clone() else { continue };
            let wanted = match self.delivered[record.index].message.wish {
                Some(Wish::Mend(remedy)) => Some(remedy),
                _ => None,
            };
            let source = sources.get(&coupling.id(self.direction.source()));
            let destination = destinations.get(&coupling.id(self.direction.destination()));
            let gone = if source.is_none() { self.direction.source() } else { self.direction.destination() };
            let found = Found {
                source: source.is_some(),
                destination: destination.is_some(),
                comes_back: self.mapping.directions().any(|way| way == self.direction.reverse()),
                stays: survivor_stays(self.mapping, gone),
                is_kept: coupling.related.contains_key(DELETED) || coupling.related.contains_key(done_with(gone)),
            };
            let left = source.or(destination);
            match (step(wanted, found), left) {
                (Step::Synchronize, _) => synchronized.push(record),
                (Step::Leave, _) => self.settle(record.settle(Outcome::Ignored(IgnoreReason::Deleted))),
                (Step::Do(Remedy::Restore), _) => {
                    if self.mark_skipped(&mut record, false).await? {
                        let options = &mut self.delivered[record.index].message.options;
                        (options.create, options.precedence) = (true, Precedence::SourceRestoring);
                        synchronized.push(record);
                    }
                }
                (Step::Do(Remedy::Delete), Some(left)) => deleting.push((record, left.label(self.destination_table()))),
                (Step::Do(Remedy::Uncouple), _) => parting.push(record),
                (Step::TheOtherWay, Some(left)) => others.push((record, left.id)),
                (Step::Tell, Some(left)) => {
                    let failure = partner_is_left(self.mapping, gone, left);
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                (Step::Refuse(remedy), Some(left)) => {
                    let failure = refused(self.mapping, remedy, gone, left, found);
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                (_, None) | (Step::End, _) => ending.push(record),
            }
        }
        self.uncouple_as_asked(parting).await?;
        for record in self.end_pairs(ending, Cause::DeletedOnBothSides).await? {
            self.settle(record.settle(Outcome::Uncoupled));
        }
        self.delete_what_is_left(deleting).await?;
        self.send_the_other_way(others).await?;
        Ok(synchronized)
    }

    /// The records of pairs that are there on a side.
    async fn both_of(&self, pairs: &[Received], side: Side) -> Result<HashMap<RecordId, Record>, Stop> {
        let table = self.mapping.table(side);
        let ids: Vec<RecordId> = pairs.iter().filter_map(|record| Some(record.coupling.as_ref()?.id(side))).collect();
        let columns: Vec<String> = table.label_column.iter().cloned().collect();
        Ok(by_id(self.engine.system(side).fetch(table, &ids, &columns).await?))
    }

    /// Whether a record is here to get its partner again because a person asked for that.
    pub(super) fn restores_as_asked(&self, index: usize) -> bool {
        self.delivered[index].message.wish == Some(Wish::Mend(Remedy::Restore))
    }

    /// Deletes the records that are left of pairs, at the destination, then ends the pairs: whoever does it again meets pairs of
    /// which nothing is left. The pairs are claimed before, so that nobody makes the other record again meanwhile.
    async fn delete_what_is_left(&mut self, records: Vec<(Received, String)>) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        let records = self.hold_pairs(records).await?;
        let pairs: Vec<&Coupling> = records.iter().filter_map(|(record, _)| record.coupling.as_ref()).collect();
        let kept = self.mapping.rules.keep_versions(self.context(), &pairs, Keeping::Deleting).await;
        let mut ready = Vec::with_capacity(records.len());
        for (record, result) in paired("versions to be kept", records, kept)? {
            match result {
                Ok(()) => ready.push(record),
                Err(error) => self.refuse_deletion(record, &error),
            }
        }
        let side = self.direction.destination();
        let delete = |coupling: &Coupling| Write {
            action: WriteAction::Delete { id: coupling.id(side) },
            values: Values::new(),
        };
        let writes: Vec<Write> = ready.iter().filter_map(|(record, _)| record.coupling.as_ref()).map(delete).collect();
        let results = self.write_all(&writes).await;
        if !writes.is_empty() {
            self.pass(Failpoint::Parted)?;
        }
        let mut deleted = Vec::with_capacity(ready.len());
        for (record, result) in paired("deletions", ready, results)? {
            match result {
                Err(error) if error.kind != SystemErrorKind::NotFound => self.refuse_deletion(record, &error),
                _ => deleted.push(record.0),
            }
        }
        for record in self.end_pairs(deleted, Cause::DeletedByPerson).await? {
            self.settle(record.settle(Outcome::Modified));
        }
        Ok(())
    }

    /// Claims pairs; gives the records of which that was done, the others come again.
    async fn hold_pairs(&mut self, records: Vec<(Received, String)>) -> Result<Vec<(Received, String)>, Stop> {
        let (engine, options) = (self.engine, self.engine.options());
        let claimed_until = engine.now().checked_add(options.claim).ok();
        let hold =
            |coupling: &Coupling| Coupling { claimed_until, claimed_by: Some(options.process), ..coupling.clone() };
        let couplings: Vec<Coupling> =
            records.iter().filter_map(|(record, _)| record.coupling.as_ref()).map(hold).collect();
        let results = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await?;
        let mut held = Vec::with_capacity(records.len());
        for ((mut record, label), result) in paired("claims", records, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    self.delivered[record.index].claim = Some(coupling.clone());
                    record.coupling = Some(coupling);
                    held.push((record, label));
                }
                Claim::Stale => self.give_back(record.index, "another worker changed this pair meanwhile", None),
            }
        }
        Ok(held)
    }

    /// Ends a record that could not be deleted: both stay as they are (R94).
    fn refuse_deletion(&mut self, (record, label): (Received, String), error: &couplet_model::SystemError) {
        let (gone, side) = (self.direction.source(), self.direction.destination());
        let caption = self.destination_table().caption();
        let remedy = match (&error.kind, error.retry_class()) {
            (SystemErrorKind::Forbidden, _) => {
                format!("give the integration user the right to delete it, or delete it in {side} by hand")
            }
            (_, RetryClass::Data) => {
                format!("delete it in {side} by hand, or end the pair with couplet deleted uncouple")
            }
            (_, class) => return self.give_back_for(record.index, class, error),
        };
        let message =
            format!("deleting the {caption} {label} that is left of the pair failed (EE12): {error}; {remedy}");
        self.settle(record.settle(Outcome::Failed(DataFailure::of_deleted(gone, message))));
    }

    /// Sends records on their way from their partners, with what is wanted of them.
    async fn send_the_other_way(&mut self, records: Vec<(Received, RecordId)>) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        let (engine, direction, side) = (self.engine, self.direction.reverse(), self.direction.destination());
        let message = |(record, _): &(Received, RecordId)| {
            let partner = record.coupling.as_ref()?.id(side);
            let message = self.delivered[record.index].message.clone();
            Some(RecordMessage { direction, record: partner, snapshot: None, ..message })
        };
        let messages: Vec<RecordMessage> = records.iter().filter_map(message).collect();
        let (count, none) = (messages.len() as u64, Counters::default());
        engine.store().add_to_run(engine.company(), &self.job, self.run, count, none, none).await?;
        engine.queue.send(messages).await?;
        for (record, _) in records {
            let reason = format!("it is seen to where its records travel {direction}");
            self.settle(record.settle(Outcome::Ignored(IgnoreReason::Rule(reason))));
        }
        Ok(())
    }
}

/// Why a remedy is none for a pair, and what is.
fn refused(mapping: &InstalledMapping, remedy: Remedy, gone: Side, left: &Record, found: Found) -> DataFailure {
    let there = gone.other();
    let (lost, kept) = (mapping.table(gone).caption(), mapping.table(there).caption());
    let (name, label, ways) = (&mapping.name, left.label(mapping.table(there)), mapping.direction.in_words());
    let why = match remedy {
        _ if found.is_kept => format!("people have done with it, and {name} keeps such pairs as they are"),
        Remedy::Delete if found.stays => {
            format!(
                "the rules of {name} say what becomes of the {kept} when its {lost} goes, and nobody deletes it here"
            )
        }
        Remedy::Delete => {
            format!("{name} goes {ways} only, so that nothing is deleted in {there}: delete it there by hand")
        }
        Remedy::Restore | Remedy::Uncouple => {
            format!("{name} goes {ways} only, so that no {lost} is made in {gone}: make it there by hand")
        }
    };
    DataFailure::of_deleted(
        gone,
        format!(
            "the {kept} {label} in {there} is coupled to a {lost} that was deleted in {gone} (EE12); {why}, or end the pair with \
             `couplet deleted uncouple \"{name}\"`"
        ),
    )
}

#[cfg(test)]
mod tests;
