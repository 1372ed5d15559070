//! Creating in a system that chooses the ids: an intent is stored first, and looked for before it is repeated.
//!
//! Such a system cannot be asked to create the same record again. So the reservation tells what is about to be created;
//! whoever finds it after a crash or a lost answer first looks for a record like that, made since, which belongs to
//! nobody. The reservation then moves from its stand-in id to the record's own.

use std::collections::HashSet;

use couplet_model::coupling::{Base, Intent};
use couplet_model::outcome::DataFailure;
use couplet_model::seen::Seen;
use couplet_model::system::{ChangesQuery, Cursor, NextPage, Position, Resume};
use couplet_model::table::Side;
use couplet_model::{Change, Coupling, CouplingState, Filter, Outcome, Record, RecordId, Said, SystemId};
use couplet_store::{Moved, RowMove};
use jiff::{SignedDuration, Timestamp};

use super::batch::{Batch, Stop};
use super::likeness::{By, Choice, choose};
use super::stages::{Admitted, Decided, Pairing, Verdict};
use crate::bulk::paired;
use crate::claims::held_until;

/// Why a record comes again whose pair another worker made.
const COUPLED_MEANWHILE: &str = "another worker coupled this record meanwhile";
/// How far the clocks of this machine and of the system may differ.
const CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(10);

impl Batch<'_> {
    /// Finds what earlier attempts to create have made, from either end: the record of an attempt that this batch would
    /// repeat, and the attempt that made a record which this batch takes for a new one.
    pub(super) async fn find_earlier_attempts(&mut self, mut admitted: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        for record in &mut admitted {
            let intent = record.coupling.as_ref().and_then(|coupling| coupling.intent.as_ref());
            if intent.is_some_and(|intent| intent.made) {
                record.pairing = Pairing::Made;
            }
        }
        let admitted = self.find_made_records(admitted).await?;
        self.find_makers(admitted).await
    }

    async fn find_made_records(&mut self, admitted: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let side = self.direction.destination();
        let (attempts, mut others): (Vec<Admitted>, Vec<Admitted>) =
            admitted.into_iter().partition(|record| record.open_intent().is_some());
        let intents: Vec<&Intent> = attempts.iter().filter_map(Admitted::open_intent).collect();
        let Some(since) = intents.iter().map(|intent| intent.at).min() else { return Ok(others) };
        let bases: Vec<&Base> = intents.iter().map(|intent| &intent.base).collect();
        let table = self.mapping.table(side);
        let written = |name: &&String| {
            table.column(name).is_some_and(|column| bases.iter().any(|base| base.get(side, column).is_some()))
        };
        let columns: Vec<String> = table.columns.keys().filter(written).cloned().collect();
        let records = match &self.lines {
            // They were read with their headers.
            Some(lines) => self.uncoupled(side, lines.there.values().cloned().collect()).await?,
            None => self.uncoupled_since(side, since, &columns).await?,
        };
        let choices = choose(side, table, &bases, &records, self.known_again_by(side));
        let mut found = Vec::new();
        for (record, choice) in paired("earlier attempts", attempts, choices)? {
            match choice {
                Choice::Nothing => others.push(record),
                Choice::One(made) => found.push((record, records[made].id)),
                Choice::Several(alike) => {
                    let labels: Vec<String> = alike.iter().map(|record| records[*record].label(table)).collect();
                    let message = format!(
                        "whether an earlier attempt created the {} is not known, and several in {side} look like it: {}; \
                         delete those that do not belong there, or correct their names",
                        table.caption(),
                        labels.join(", ")
                    );
                    self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
                }
            }
        }
        others.extend(self.take_over(found).await?);
        others.sort_unstable_by_key(|record| record.index);
        Ok(others)
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
                Change::Deleted(_) => None,
            }));
            match page.next {
                NextPage::More(token) => from = Resume::Page(token),
                NextPage::Done(_) => break,
            }
        }
        self.uncoupled(side, records).await
    }

    /// By what a record of a side is known again.
    fn known_again_by(&self, side: Side) -> By<'_> {
        self.lines.as_ref().map_or(By::Texts, |lines| By::Values { header: lines.header_column(side) })
    }

    /// Those of some records of a side that belong to no pair, each once.
    async fn uncoupled(&self, side: Side, mut records: Vec<Record>) -> Result<Vec<Record>, Stop> {
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let coupled = engine.store().couplings_by_id(engine.company(), mapping, side, &ids).await?;
        let mut seen = HashSet::new();
        records.retain(|record| !coupled.contains_key(&record.id) && seen.insert(record.id));
        Ok(records)
    }

    /// Records that look new may have been made by an attempt of the other direction that does not know it yet.
    async fn find_makers(&mut self, admitted: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let side = self.direction.source();
        let table = self.mapping.table(side);
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let has_new = admitted.iter().any(|record| record.coupling.is_none());
        if !has_new || engine.system(side).takes_ids(table) {
            return Ok(admitted);
        }
        let open = engine.store().open_intents(engine.company(), mapping).await?;
        let now = engine.now();
        let (mut others, mut found) = (Vec::with_capacity(admitted.len()), Vec::new());
        for mut record in admitted {
            let source = &record.source;
            let made_by = open.iter().filter(|coupling| may_have_made(coupling, side, source)).find(|coupling| {
                let base = coupling.intent.as_ref().map(|intent| &intent.base);
                let record = std::slice::from_ref(source);
                base.is_some_and(|base| {
                    choose(side, table, &[base], record, self.known_again_by(side)) != [Choice::Nothing]
                })
            });
            let Some(coupling) = made_by.filter(|_| record.coupling.is_none()) else {
                others.push(record);
                continue;
            };
            if let Some(until) = held_until(coupling, now, engine.asking()) {
                let wait = until.duration_since(now).unsigned_abs();
                let reason = format!("another worker is about to couple this record, until {until} at the latest");
                self.postpone(record.index, Said::safe(reason), wait);
                continue;
            }
            let id = source.id;
            record.coupling = Some(coupling.clone());
            found.push((record, id));
        }
        others.extend(self.take_over(found).await?);
        others.sort_unstable_by_key(|record| record.index);
        Ok(others)
    }

    /// Gives reservations the ids of the records that earlier attempts have made. Those that another worker coupled
    /// meanwhile come again.
    async fn take_over(&mut self, found: Vec<(Admitted, RecordId)>) -> Result<Vec<Admitted>, Stop> {
        let made: Vec<(Coupling, RecordId)> =
            found.iter().filter_map(|(record, id)| Some((record.coupling.clone()?, *id))).collect();
        let results = self.move_to_made(&made).await?;
        let mut taken = Vec::with_capacity(found.len());
        for ((mut record, _), result) in paired("earlier attempts", found, results)? {
            match result {
                Moved::Moved(coupling) => {
                    record.coupling = Some(coupling);
                    record.pairing = Pairing::Made;
                    taken.push(record);
                }
                Moved::Refused => self.give_back(record.index, COUPLED_MEANWHILE, None),
            }
        }
        Ok(taken)
    }

    /// Gives pairs the ids of records that were made under an intent, on the side that the intent names.
    async fn move_to_made(&self, made: &[(Coupling, RecordId)]) -> Result<Vec<Moved>, Stop> {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let (store, company) = (engine.store(), engine.company());
        let is_row =
            |coupling: &Coupling| coupling.intent.as_ref().is_some_and(|intent| intent.side == Side::Dataverse);
        let in_business_central: Vec<(Coupling, SystemId)> = made
            .iter()
            .filter(|(coupling, _)| !is_row(coupling))
            .map(|(coupling, id)| (coupling.clone(), SystemId::from(*id)))
            .collect();
        let mut moved = Vec::new().into_iter();
        if !in_business_central.is_empty() {
            let results = store.move_to_made(company, mapping, &in_business_central).await?;
            let paired = paired("moved reservations", in_business_central, results)?;
            moved = paired.into_iter().map(|(_, result)| result).collect::<Vec<_>>().into_iter();
        }
        let mut results = Vec::with_capacity(made.len());
        for (coupling, id) in made {
            if is_row(coupling) {
                // Only choices get their ids from Dataverse, and of these there are few.
                let intent = coupling.intent.clone().map(|intent| Intent { made: true, ..intent });
                let made = Coupling { intent, ..coupling.clone() };
                results.push(match store.move_coupling(company, mapping, &made, (*id).into()).await? {
                    RowMove::Moved(coupling) => Moved::Moved(coupling),
                    RowMove::Taken(_) | RowMove::Stale => Moved::Refused,
                });
            } else {
                results.extend(moved.next());
            }
        }
        Ok(results)
    }

    /// Notes on the pairs of records about to be created what a repeated attempt has to look for.
    pub(super) async fn intend(&self, decided: &mut [Decided]) -> Result<(), Stop> {
        if self.destination_takes_ids() {
            return Ok(());
        }
        let (engine, side) = (self.engine, self.direction.destination());
        let at = engine.now();
        let mut stand_ins = Vec::new();
        for record in decided {
            if let Verdict::Create { base, .. } = &record.verdict {
                record.coupling.state = CouplingState::Reserved;
                record.coupling.intent = Some(Intent { side, at, base: base.clone(), made: false });
                stand_ins.push(record.coupling.system_id);
            }
        }
        Ok(engine.store().mark_intents(engine.company(), &self.mapping.name, &stand_ins).await?)
    }

    /// After the write: the ids of what was created, and no more marks where nothing was.
    pub(super) async fn take_over_ids(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        if self.destination_takes_ids() {
            return Ok(decided);
        }
        let (mut created, mut others): (Vec<Decided>, Vec<Decided>) =
            decided.into_iter().partition(|record| record.verdict.creates() && record.written.is_some());
        let id = |record: &Decided| record.written.as_ref().map(|written| written.id);
        let made: Vec<_> = created.iter().filter_map(|record| Some((record.coupling.clone(), id(record)?))).collect();
        let results = self.move_to_made(&made).await?;
        for (mut record, result) in paired("created records", std::mem::take(&mut created), results)? {
            match result {
                Moved::Moved(coupling) => {
                    self.hold(record.index, &coupling);
                    record.coupling = coupling;
                    others.push(record);
                }
                Moved::Refused => {
                    self.delivered[record.index].claim = None;
                    self.give_back(record.index, COUPLED_MEANWHILE, None);
                }
            }
        }
        others.sort_unstable_by_key(|record| record.index);
        let refused: Vec<SystemId> = self
            .settled
            .iter()
            .filter(|settled| matches!(settled.outcome, Outcome::Failed(_)) && !settled.is_written)
            .filter(|settled| self.delivered[settled.index].claim.is_some())
            .filter_map(|settled| settled.coupling.as_ref())
            .filter(|coupling| coupling.intent.as_ref().is_some_and(|intent| !intent.made))
            .map(|coupling| coupling.system_id)
            .collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        engine.store().forget_intents(engine.company(), mapping, &refused).await?;
        Ok(others)
    }
}

fn may_have_made(coupling: &Coupling, side: Side, record: &Record) -> bool {
    coupling.intent.as_ref().is_some_and(|intent| {
        let since = intent.at.checked_sub(CLOCK_DIFFERENCE).unwrap_or(intent.at);
        intent.side == side && record.modified.is_none_or(|modified| modified >= since)
    })
}
