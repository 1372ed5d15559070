//! Steps 1 and 2: couplings, sources and destinations in bulk, and who takes part.

use std::collections::{HashMap, HashSet};

use couplet_model::catalogue::DeletionRule;
use couplet_model::coupling::Base;
use couplet_model::outcome::{DataFailure, Dependency, IgnoreReason};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId};
use couplet_store::StoreError;
use jiff::Timestamp;

use super::{Batch, Stop};
use crate::admission::{Admission, admit, is_untouched};
use crate::claims::held_until;
use crate::finding::{destination_columns, source_columns};

impl Batch<'_> {
    /// Reads the couplings of all records. Those that another worker is writing wait; so do those that the other
    /// direction reserved and did not finish: it goes on under the same id, and what must follow the creation comes
    /// before any change.
    pub(super) async fn read_couplings(&mut self) -> Result<(), Stop> {
        let ids: Vec<RecordId> = self.entries.iter().map(|entry| entry.message.record).collect();
        let engine = self.engine;
        let side = self.direction.source();
        let mut couplings = engine.store().couplings_by_id(engine.company(), &self.mapping.name, side, &ids).await?;
        let now = engine.now();
        for entry in &mut self.entries {
            entry.coupling = couplings.remove(&entry.message.record);
            let Some(coupling) = &entry.coupling else { continue };
            if let Some(until) = held_until(coupling, now, engine.asking()) {
                let wait = until.duration_since(now).unsigned_abs();
                entry.postpone(format!("another worker is writing this pair, until {until} at the latest"), wait);
            } else if coupling.reserved_by() == Some(self.direction.reverse()) {
                entry.settle(Outcome::Waiting(Dependency {
                    mapping: self.mapping.name.clone(),
                    side: Side::Dataverse,
                    key: coupling.dataverse_id.to_string(),
                }));
            }
        }
        Ok(())
    }

    /// Takes the sources from fresh snapshots and reads the others again.
    pub(super) async fn read_sources(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let table = self.mapping.table(self.direction.source());
        let facts = engine.facts(table.side, table).await?;
        let columns = source_columns(self.mapping, self.rules, self.direction);
        let now = engine.now();
        let mut missing = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            let snapshot = entry.message.snapshot.as_ref().filter(|snapshot| {
                let fresh = now.duration_since(snapshot.read_at) <= engine.options().snapshot_max_age;
                !entry.is_retry() && fresh && is_current(entry.coupling.as_ref(), snapshot.read_at)
            });
            // A snapshot that no longer fits the catalogue is read again like an old one, and so is one that knows
            // nothing of a column that could be read.
            entry.source = snapshot
                .and_then(|snapshot| snapshot.unpack(table, entry.message.record).ok())
                .filter(|record| columns.iter().all(|name| record.known(name).is_some() || !facts.may_read(name)));
            if entry.source.is_none() {
                missing.push(entry.message.record);
            }
        }
        if !missing.is_empty() {
            let records = engine.system(self.direction.source()).fetch(table, &missing, &columns).await?;
            let mut by_id = by_id(records);
            for entry in self.open_mut().filter(|entry| entry.source.is_none()) {
                match by_id.remove(&entry.message.record) {
                    Some(record) => entry.source = Some(record),
                    None => entry.settle(Outcome::Ignored(IgnoreReason::Deleted)),
                }
            }
            let reread: HashSet<RecordId> = missing.into_iter().collect();
            let entries = self.entries.iter_mut().filter(|entry| reread.contains(&entry.message.record));
            let mut pairs: Vec<_> =
                entries.filter_map(|entry| Some((entry.source.as_mut()?, entry.coupling.as_ref()))).collect();
            let notes = engine.distrust_blanks(table, &columns, &mut pairs).await?;
            self.remark(notes);
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
        let direction = self.direction;
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            // A pair that was matched, and whose first write was not confirmed, is matched still.
            entry.adopted |= entry.coupling.as_ref().is_some_and(|coupling| {
                coupling.state == CouplingState::Reserved
                    && coupling.intent.is_none()
                    && coupling.awaits(direction)
                    && !coupling.is_being_created(direction)
            });
        }
        let coupled = |entry: &&super::Entry| {
            let stands =
                |coupling: &Coupling| coupling.state == CouplingState::Coupled || coupling.is_being_created(direction);
            entry.adopted || entry.made || entry.coupling.as_ref().is_some_and(stands)
        };
        let ids: Vec<RecordId> =
            self.open().filter(coupled).filter_map(|entry| Some(entry.coupling.as_ref()?.id(side))).collect();
        let table = self.mapping.table(side);
        let mut found = HashMap::new();
        let columns = destination_columns(self.mapping, self.rules, self.direction);
        if !ids.is_empty() {
            found = by_id(self.engine.system(side).fetch(table, &ids, &columns).await?);
        }
        let mut pairs: Vec<_> = Vec::with_capacity(found.len());
        for entry in &self.entries {
            if let Some(coupling) = entry.coupling.as_ref()
                && let Some(record) = found.remove(&coupling.id(side))
            {
                pairs.push((record, Some(coupling)));
            }
        }
        let mut borrowed: Vec<_> = pairs.iter_mut().map(|(record, coupling)| (record, *coupling)).collect();
        let notes = self.engine.distrust_blanks(table, &columns, &mut borrowed).await?;
        let mut found = by_id(pairs.into_iter().map(|(record, _)| record).collect());
        self.remark(notes);
        let (rule, direction, table) = (self.mapping.deletion_conflict, self.direction, table.caption());
        let mut orphans = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.is_open()) {
            let Some(coupling) = &mut entry.coupling else {
                entry.creating = true;
                continue;
            };
            entry.destination = found.remove(&coupling.id(side));
            if coupling.state == CouplingState::Reserved && !entry.adopted && !entry.made {
                // An earlier attempt to create stopped half-way. What it created is compared field by field; what is not
                // there is created under the same id.
                entry.creating = true;
                continue;
            }
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
                match engine.store().remove_coupling(engine.company(), &self.mapping.name, &coupling).await {
                    Ok(()) => {}
                    Err(StoreError::Stale { .. }) => {
                        entry.give_back("another worker changed this pair meanwhile", None);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            entry.settle(Outcome::Unchanged);
        }
        Ok(())
    }
}

/// Whether a snapshot read at this time shows the record as it was after the pair was last written.
/// While a write of ours is not confirmed, nothing but the record itself does.
fn is_current(coupling: Option<&Coupling>, read_at: Timestamp) -> bool {
    coupling.is_none_or(|coupling| {
        if !coupling.pending.is_empty() {
            return false;
        }
        let results = [&coupling.to_dataverse, &coupling.from_dataverse];
        results.into_iter().flatten().all(|result| result.at < read_at)
    })
}

pub(super) fn by_id(records: Vec<Record>) -> HashMap<RecordId, Record> {
    records.into_iter().map(|record| (record.id, record)).collect()
}
