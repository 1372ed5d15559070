//! Steps 1 and 2: couplings, sources and destinations in bulk, and who takes part.

use std::collections::HashMap;

use couplet_model::catalogue::DeletionRule;
use couplet_model::coupling::Base;
use couplet_model::outcome::{DataFailure, IgnoreReason};
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId};
use jiff::Timestamp;

use super::{Batch, Stop};
use crate::admission::{Admission, admit, is_untouched};
use crate::finding::{destination_columns, source_columns};

impl Batch<'_> {
    /// Reads the couplings of all records; those that another worker is writing wait.
    pub(super) async fn read_couplings(&mut self) -> Result<(), Stop> {
        let ids: Vec<RecordId> = self.entries.iter().map(|entry| entry.message.record).collect();
        let engine = self.engine;
        let side = self.direction.source();
        let mut couplings = engine.store().couplings_by_id(engine.company(), &self.mapping.name, side, &ids).await?;
        let now = engine.now();
        for entry in &mut self.entries {
            entry.coupling = couplings.remove(&entry.message.record);
            if let Some(until) = entry.coupling.as_ref().and_then(|coupling| coupling.claimed_until)
                && until > now
            {
                let wait = until.duration_since(now).unsigned_abs();
                entry.give_back("another worker is writing this pair", Some(wait));
            }
        }
        Ok(())
    }

    /// Takes the sources from fresh snapshots and reads the others again.
    pub(super) async fn read_sources(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let table = self.mapping.table(self.direction.source());
        let now = engine.now();
        let mut missing = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            let snapshot = entry.message.snapshot.as_ref().filter(|snapshot| {
                let fresh = now.duration_since(snapshot.read_at) <= engine.options().snapshot_max_age;
                !entry.is_retry && fresh && is_current(entry.coupling.as_ref(), snapshot.read_at)
            });
            // A snapshot that no longer fits the catalogue is read again like an old one.
            entry.source = snapshot.and_then(|snapshot| snapshot.unpack(table, entry.message.record).ok());
            if entry.source.is_none() {
                missing.push(entry.message.record);
            }
        }
        if !missing.is_empty() {
            let columns = source_columns(self.mapping, self.rules, self.direction);
            let records = engine.system(self.direction.source()).fetch(table, &missing, &columns).await?;
            let mut by_id = by_id(records);
            for entry in self.open_mut().filter(|entry| entry.source.is_none()) {
                match by_id.remove(&entry.message.record) {
                    Some(record) => entry.source = Some(record),
                    None => entry.settle(Outcome::Ignored(IgnoreReason::Deleted)),
                }
            }
        }
        Ok(())
    }

    /// Settles records that are outside the filter, not coupled, skipped, or untouched.
    pub(super) async fn admit(&mut self) -> Result<(), Stop> {
        let filter = self.engine.filter(self.mapping, self.direction.source()).await?;
        let (mapping, rules, direction) = (self.mapping, self.rules, self.direction);
        for entry in self.open_mut() {
            let Some(source) = &entry.source else { continue };
            let coupling = entry.coupling.as_ref();
            let treatment = entry.message.treatment;
            match admit(mapping, rules, &filter, direction, treatment, source, coupling) {
                Admission::Settled(outcome) => entry.settle(outcome),
                Admission::Process if is_untouched(mapping, rules, direction, treatment, source, coupling) => {
                    entry.settle(Outcome::Unchanged);
                }
                Admission::Process => {}
            }
        }
        Ok(())
    }

    /// Reads the destination records of coupled pairs, and decides what to do where one is gone.
    pub(super) async fn read_destinations(&mut self) -> Result<(), Stop> {
        let side = self.direction.destination();
        let coupled = |entry: &&super::Entry| {
            entry.adopted
                || entry.made
                || entry.coupling.as_ref().is_some_and(|coupling| coupling.state == CouplingState::Coupled)
        };
        let ids: Vec<RecordId> =
            self.open().filter(coupled).filter_map(|entry| Some(entry.coupling.as_ref()?.id(side))).collect();
        let table = self.mapping.table(side);
        let mut found = HashMap::new();
        if !ids.is_empty() {
            let columns = destination_columns(self.mapping, self.rules, self.direction);
            found = by_id(self.engine.system(side).fetch(table, &ids, &columns).await?);
        }
        let (rule, direction, table) = (self.mapping.deletion_conflict, self.direction, table.caption());
        let mut orphans = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.is_open()) {
            let Some(coupling) = &mut entry.coupling else {
                entry.creating = true;
                continue;
            };
            if coupling.state == CouplingState::Reserved && !entry.adopted && !entry.made {
                // An earlier attempt to create stopped half-way: it is repeated under the same id.
                entry.creating = true;
                continue;
            }
            entry.destination = found.remove(&coupling.id(side));
            if entry.destination.is_some() {
                continue;
            }
            match rule {
                DeletionRule::None => entry.settle(Outcome::Failed(DataFailure::new(format!(
                    "the record is coupled to a deleted {table} in {} (EE12); uncouple it, or restore the {table}",
                    direction.destination()
                )))),
                DeletionRule::Restore => {
                    coupling.base = Base::default();
                    coupling.companions.clear();
                    entry.creating = true;
                }
                DeletionRule::RemoveCoupling => orphans.push(index),
            }
        }
        for index in orphans {
            let entry = &mut self.entries[index];
            if let Some(coupling) = entry.coupling.take() {
                let engine = self.engine;
                engine.store().remove_coupling(engine.company(), &self.mapping.name, &coupling).await?;
            }
            entry.settle(Outcome::Unchanged);
        }
        Ok(())
    }
}

/// Whether a snapshot read at this time shows the record as it was after the pair was last written.
fn is_current(coupling: Option<&Coupling>, read_at: Timestamp) -> bool {
    coupling.is_none_or(|coupling| {
        let results = [&coupling.to_dataverse, &coupling.from_dataverse];
        results.into_iter().flatten().all(|result| result.at < read_at)
    })
}

pub(super) fn by_id(records: Vec<Record>) -> HashMap<RecordId, Record> {
    records.into_iter().map(|record| (record.id, record)).collect()
}
