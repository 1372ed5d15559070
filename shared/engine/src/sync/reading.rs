//! Steps 1 and 2: couplings, sources and destinations in bulk, and who takes part.

use std::collections::{HashMap, HashSet};

use couplet_model::catalogue::DeletionRule;
use couplet_model::coupling::Base;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, Dependency, IgnoreReason, Need};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Coupling, CouplingState, Outcome, Record, RecordId};
use couplet_store::StoreError;
use jiff::Timestamp;

use super::{Batch, Stop};
use crate::claims::held_until;
use crate::evidence::Evidence;
use crate::mappings::rules::MappingRules;
use crate::sync::admission::{Admission, admit, is_untouched};

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
                let reason = format!("another worker is writing this pair, until {until} at the latest");
                entry.postpone(couplet_model::Said::safe(reason), wait);
            } else if coupling.reserved_by() == Some(self.direction.reverse()) {
                let partner = coupling.id(self.direction.destination());
                entry.settle(Outcome::Waiting(Need {
                    dependency: Dependency {
                        mapping: self.mapping.name.clone(),
                        side: Side::Dataverse,
                        key: coupling.dataverse_id.to_string(),
                    },
                    field: "the creation in the other direction".to_owned(),
                    value: partner.to_string(),
                }));
            }
        }
        Ok(())
    }

    /// Takes the sources from fresh snapshots and reads the others again.
    pub(super) async fn read_sources(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let table = self.mapping.table(self.direction.source());
        let facts = engine.installation.table_facts(table).await?;
        let columns = self.mapping.source_columns(self.direction).to_vec();
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
            let notes = engine.installation.distrust_blanks(table, &columns, &mut pairs).await?;
            self.remark(notes);
        }
        Ok(())
    }

    /// Settles records that are outside the filter, not coupled, skipped, or untouched.
    pub(super) async fn admit(&mut self) -> Result<(), Stop> {
        let filter = self.engine.installation.filter(self.mapping, self.direction.source()).await?;
        let (mapping, direction) = (self.mapping, self.direction);
        for entry in self.open_mut() {
            let Some(source) = &entry.source else { continue };
            let coupling = entry.coupling.as_ref();
            let options = entry.message.options;
            match admit(mapping, &filter, direction, options, source, coupling) {
                Admission::Settled(outcome) => entry.settle(outcome),
                Admission::Process if is_untouched(mapping, direction, options, source, coupling) => {
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
        let columns = self.mapping.destination_columns(self.direction).to_vec();
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
        let notes = self.engine.installation.distrust_blanks(table, &columns, &mut borrowed).await?;
        let mut found = by_id(pairs.into_iter().map(|(record, _)| record).collect());
        self.remark(notes);
        self.judge_destinations(&found).await?;
        let gone: Vec<usize> = (0..self.entries.len())
            .filter(|index| {
                let entry = &self.entries[*index];
                let coupled = entry.coupling.as_ref().filter(|coupling| coupling.state == CouplingState::Coupled);
                entry.is_open() && coupled.is_some_and(|coupling| !found.contains_key(&coupling.id(side)))
            })
            .collect();
        found.extend(self.move_to_destinations(&gone).await?);
        let (rule, direction, mapping, rules) =
            (self.mapping.deletion_conflict, self.direction, self.mapping, self.mapping.rules);
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
            let rule = if entry.message.options.precedence.restores() { DeletionRule::Restore } else { rule };
            match rule {
                DeletionRule::None => {
                    let label = entry.source.as_ref().map(|source| source.label(mapping.table(direction.source())));
                    let failure = partner_is_gone(mapping, rules, direction, label.as_deref().unwrap_or_default());
                    entry.settle(Outcome::Failed(failure));
                }
                DeletionRule::Restore => {
                    coupling.base = Base::default();
                    coupling.related.clear();
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

impl Batch<'_> {
    /// Stops everything when the destination seems to have been restored to an earlier state.
    async fn judge_destinations(&self, found: &HashMap<RecordId, Record>) -> Result<(), Stop> {
        let side = self.direction.destination();
        let mut evidence = Evidence::default();
        for entry in self.open().filter(|entry| !entry.adopted) {
            let coupled = entry.coupling.as_ref().filter(|coupling| coupling.state == CouplingState::Coupled);
            if let Some(coupling) = coupled {
                evidence.look_at(coupling, side, found.get(&coupling.id(side)), self.resumed_at);
            }
        }
        let Some(why) = evidence.verdict(&self.mapping.table(side).name) else { return Ok(()) };
        let error = self.engine.halt(side, &self.job, why, evidence.is_about_deletions()).await?;
        self.engine.fail_halted_run(&self.job, self.run, &error).await;
        Err(Stop::Failed(error))
    }
}

/// The failure of a record whose partner was deleted, with the ways out there are.
fn partner_is_gone(
    mapping: &ActiveMapping,
    rules: &dyn MappingRules,
    direction: Direction,
    label: &str,
) -> DataFailure {
    let (here, there) = (direction.source(), direction.destination());
    let (source, partner) = (mapping.table(here).caption(), mapping.table(there).caption());
    let again = match rules.partner_key(direction) {
        Some(key) => format!("make one with {key} there, and it takes the place of the deleted one; or "),
        None => String::new(),
    };
    DataFailure::new(format!(
        "the {source} {label} is coupled to a {partner} that was deleted in {there} (EE12); {again}delete the {source} in \
         {here} as well; or give the mapping {} the deletion_conflict restore in a catalogue of your own, and it is created again",
        mapping.name
    ))
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
