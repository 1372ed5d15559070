//! Creating in a system that chooses the ids: an intent is stored first, and looked for before it is repeated.
//!
//! Such a system cannot be asked to create the same record again. So the reservation tells what is about to be created;
//! whoever finds it after a crash or a lost answer first looks for a record like that, made since, which belongs to
//! nobody. The reservation then moves from its stand-in id to the record's own.

use std::collections::HashSet;

use couplet_model::coupling::{Base, Intent};
use couplet_model::decision::Decision;
use couplet_model::outcome::DataFailure;
use couplet_model::seen::Seen;
use couplet_model::system::{ChangesQuery, Cursor, NextPage, Position, Resume};
use couplet_model::table::Side;
use couplet_model::{Change, Coupling, CouplingState, Filter, Outcome, Record, RecordId, SystemId};
use couplet_store::Moved;
use jiff::{SignedDuration, Timestamp};

use super::{Batch, End, Entry, Stop};
use crate::claims::held_until;
use crate::sync::likeness::{Choice, choose};

/// How far the clocks of this machine and of the system may differ.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(10);

impl Entry {
    /// What both sides held when they last agreed; for a record that an earlier attempt made, what it was to hold.
    pub(super) fn base(&self) -> Option<&Base> {
        let coupling = self.coupling.as_ref()?;
        let made = coupling.intent.as_ref().filter(|_| self.made);
        Some(made.map_or(&coupling.base, |intent| &intent.base))
    }

    /// Whether an earlier attempt to create on this side made the record.
    pub(super) fn made_on(&self, side: Side) -> bool {
        let intent = self.coupling.as_ref().and_then(|coupling| coupling.intent.as_ref());
        self.made && intent.is_some_and(|intent| intent.side == side)
    }

    /// What an earlier attempt was to create, if whether it did is not known.
    fn open_intent(&self) -> Option<&Intent> {
        let coupling = self.coupling.as_ref().filter(|coupling| coupling.state == CouplingState::Reserved)?;
        coupling.intent.as_ref().filter(|intent| !intent.made)
    }
}

impl Batch<'_> {
    pub(super) fn destination_takes_ids(&self) -> bool {
        let side = self.direction.destination();
        self.engine.system(side).takes_ids(self.mapping.table(side))
    }

    /// Finds what earlier attempts to create have made, from either end: the record of an attempt that this batch would
    /// repeat, and the attempt that made a record which this batch takes for a new one.
    pub(super) async fn find_earlier_attempts(&mut self) -> Result<(), Stop> {
        for entry in self.open_mut() {
            let intent = entry.coupling.as_ref().and_then(|coupling| coupling.intent.as_ref());
            entry.made = intent.is_some_and(|intent| intent.made);
        }
        self.find_made_records().await?;
        self.find_makers().await
    }

    async fn find_made_records(&mut self) -> Result<(), Stop> {
        let side = self.direction.destination();
        let attempts: Vec<usize> = (0..self.entries.len())
            .filter(|index| self.entries[*index].is_open() && self.entries[*index].open_intent().is_some())
            .collect();
        let intents: Vec<&Intent> = attempts.iter().filter_map(|index| self.entries[*index].open_intent()).collect();
        let Some(since) = intents.iter().map(|intent| intent.at).min() else { return Ok(()) };
        let bases: Vec<&Base> = intents.iter().map(|intent| &intent.base).collect();
        let table = self.mapping.table(side);
        let written = |name: &&String| {
            table.column(name).is_some_and(|column| bases.iter().any(|base| base.get(side, column).is_some()))
        };
        let columns: Vec<String> = table.columns.keys().filter(written).cloned().collect();
        let records = self.uncoupled_since(side, since, &columns).await?;
        let mut found = Vec::new();
        for (index, choice) in attempts.into_iter().zip(choose(side, table, &bases, &records)) {
            match choice {
                Choice::Nothing => {}
                Choice::One(record) => found.push((index, records[record].id)),
                Choice::Several(alike) => {
                    let labels: Vec<String> = alike.iter().map(|record| records[*record].label(table)).collect();
                    self.entries[index].settle(Outcome::Failed(DataFailure::new(format!(
                        "whether an earlier attempt created the {} is not known, and several in {side} look like it: {}; \
                         delete those that do not belong there, or correct their names",
                        table.caption(),
                        labels.join(", ")
                    ))));
                }
            }
        }
        self.take_over(found).await
    }

    /// Records of one side that were written since a moment and belong to no pair.
    async fn uncoupled_since(&self, side: Side, since: Timestamp, columns: &[String]) -> Result<Vec<Record>, Stop> {
        let since = since.checked_sub(CLOCK_DIFFERENCE).unwrap_or(since);
        let filter = Filter::default();
        let look_back = self.engine.options().look_back;
        let query = ChangesQuery { table: self.mapping.table(side), columns, filter: &filter, look_back };
        let mut from =
            Resume::Since(Cursor { position: Position::ModifiedOn(since), as_of: since, seen: Seen::default() });
        let mut records = Vec::new();
        loop {
            let page = self.engine.system(side).changes(&query, from).await?;
            records.extend(page.changes.into_iter().filter_map(|change| match change {
                Change::Upserted(record) => Some(record),
                _ => None,
            }));
            match page.next {
                NextPage::More(token) => from = Resume::Page(token),
                NextPage::Done(_) => break,
            }
        }
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let coupled = engine.store().couplings_by_id(engine.company(), mapping, side, &ids).await?;
        let mut seen = HashSet::new();
        records.retain(|record| !coupled.contains_key(&record.id) && seen.insert(record.id));
        Ok(records)
    }

    /// Records that look new may have been made by an attempt of the other direction that does not know it yet.
    async fn find_makers(&mut self) -> Result<(), Stop> {
        let side = self.direction.source();
        let table = self.mapping.table(side);
        let new: Vec<usize> = (0..self.entries.len())
            .filter(|index| self.entries[*index].is_open() && self.entries[*index].coupling.is_none())
            .collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        if new.is_empty() || engine.system(side).takes_ids(table) {
            return Ok(());
        }
        let open = engine.store().open_intents(engine.company(), mapping).await?;
        let now = engine.now();
        let mut found = Vec::new();
        for index in new {
            let entry = &mut self.entries[index];
            let Some(source) = &entry.source else { continue };
            let makers: Vec<&Coupling> = open.iter().filter(|coupling| may_have_made(coupling, side, source)).collect();
            let record = std::slice::from_ref(source);
            let made_by = makers.into_iter().find(|coupling| {
                let base = coupling.intent.as_ref().map(|intent| &intent.base);
                base.is_some_and(|base| choose(side, table, &[base], record) != [Choice::Nothing])
            });
            let Some(coupling) = made_by else { continue };
            if let Some(until) = held_until(coupling, now, engine.asking()) {
                let wait = until.duration_since(now).unsigned_abs();
                entry.postpone(
                    couplet_model::Said::safe(format!(
                        "another worker is about to couple this record, until {until} at the latest"
                    )),
                    wait,
                );
                continue;
            }
            found.push((index, source.id));
            entry.coupling = Some(coupling.clone());
        }
        self.take_over(found).await
    }

    /// Gives reservations the ids of the records they have made.
    async fn take_over(&mut self, found: Vec<(usize, RecordId)>) -> Result<(), Stop> {
        let made: Vec<(Coupling, SystemId)> = found
            .iter()
            .filter_map(|(index, id)| Some((self.entries[*index].coupling.clone()?, SystemId::from(*id))))
            .collect();
        if made.is_empty() {
            return Ok(());
        }
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let results = engine.store().move_to_made(engine.company(), mapping, &made).await?;
        for ((index, _), result) in found.into_iter().zip(results) {
            let entry = &mut self.entries[index];
            match result {
                Moved::Moved(coupling) => {
                    entry.coupling = Some(coupling);
                    // What this very attempt has created is no earlier attempt's.
                    entry.made = entry.written.is_none();
                }
                Moved::Refused => {
                    entry.claimed = false;
                    entry.give_back("another worker coupled this record meanwhile", None);
                }
            }
        }
        Ok(())
    }

    /// Notes on the pairs of records about to be created what a repeated attempt has to look for.
    pub(super) async fn intend(&mut self) -> Result<(), Stop> {
        if self.destination_takes_ids() {
            return Ok(());
        }
        let (engine, side) = (self.engine, self.direction.destination());
        let at = engine.now();
        let mut stand_ins = Vec::new();
        for entry in self.open_mut() {
            if let (Some(Decision::Create { base, .. }), Some(coupling)) = (&entry.decision, &mut entry.coupling) {
                coupling.state = CouplingState::Reserved;
                coupling.intent = Some(Intent { side, at, base: base.clone(), made: false });
                stand_ins.push(coupling.system_id);
            }
        }
        Ok(engine.store().mark_intents(engine.company(), &self.mapping.name, &stand_ins).await?)
    }

    /// After the write: the ids of what was created, and no more marks where nothing was.
    pub(super) async fn take_over_ids(&mut self) -> Result<(), Stop> {
        if self.destination_takes_ids() {
            return Ok(());
        }
        let mut made = Vec::new();
        let mut refused = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let (Some(Decision::Create { .. }), Some(coupling)) = (&entry.decision, &entry.coupling) else { continue };
            match (&entry.written, &entry.end) {
                (Some(written), _) => made.push((index, written.id)),
                (None, Some(End::Settled(Outcome::Failed(_)))) if entry.claimed => refused.push(coupling.system_id),
                (None, _) => {}
            }
        }
        self.take_over(made).await?;
        let (engine, mapping) = (self.engine, &self.mapping.name);
        Ok(engine.store().forget_intents(engine.company(), mapping, &refused).await?)
    }
}

fn may_have_made(coupling: &Coupling, side: Side, record: &Record) -> bool {
    coupling.intent.as_ref().is_some_and(|intent| {
        let since = intent.at.checked_sub(CLOCK_DIFFERENCE).unwrap_or(intent.at);
        intent.side == side && record.modified.is_none_or(|modified| modified >= since)
    })
}
