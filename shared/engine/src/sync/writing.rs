//! Step 5: reserve or claim the pairs, write in bulk, do what must follow.

use std::time::Duration;

use couplet_model::decision::Decision;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::{Coupling, Outcome, PendingWrite, RetryClass, SystemError};
use couplet_store::{Claim, Reservation};

use tracing::debug;

use super::parting::{self, Parting};
use super::{Batch, End, Entry, Stop};
use crate::failpoints::Failpoint;
use crate::mappings::rules::FollowUp;

impl Batch<'_> {
    /// Writes what was decided. Nothing is written before the pair is reserved or claimed.
    pub(super) async fn write(&mut self) -> Result<(), Stop> {
        self.intend().await?;
        self.reserve().await?;
        self.claim().await?;
        self.pass(Failpoint::Claimed)?;
        self.write_records().await?;
        self.pass(Failpoint::Written)?;
        self.take_over_ids().await?;
        self.follow_up().await;
        self.pass(Failpoint::FollowedUp)
    }

    pub(super) fn pass(&self, failpoint: Failpoint) -> Result<(), Stop> {
        if self.engine.options().failpoints.dies_at(failpoint) { Err(Stop::Died) } else { Ok(()) }
    }

    /// Stores new pairs before anything is created, so that neither another worker nor the other direction creates a
    /// second partner, even if this one dies in the next line.
    async fn reserve(&mut self) -> Result<(), Stop> {
        let is_new = |entry: &Entry| {
            entry.is_open() && entry.decision.is_some() && entry.coupling.as_ref().is_some_and(|c| c.revision == 0)
        };
        let new: Vec<usize> = (0..self.entries.len()).filter(|index| is_new(&self.entries[*index])).collect();
        if new.is_empty() {
            return Ok(());
        }
        let couplings: Vec<Coupling> = new.iter().filter_map(|index| self.held(&self.entries[*index])).collect();
        let engine = self.engine;
        let results = engine.store().reserve(engine.company(), &self.mapping.name, couplings).await?;
        for (index, result) in new.into_iter().zip(results) {
            let entry = &mut self.entries[index];
            match result {
                Reservation::Reserved(coupling) => {
                    entry.coupling = Some(coupling);
                    entry.claimed = true;
                }
                Reservation::Taken(other) => {
                    let same = entry.coupling.as_ref().is_some_and(|coupling| {
                        coupling.id(self.direction.source()) == other.id(self.direction.source())
                    });
                    if same {
                        entry.give_back("the record was coupled by another worker meanwhile", None);
                    } else {
                        let (here, there) = (self.direction.source(), self.direction.destination());
                        entry.settle(Outcome::Failed(DataFailure::new(format!(
                            "the {} {} in {there} is already coupled to another {}, {} in {here} (EE28); give one of the two another key",
                            self.mapping.table(there).caption(),
                            other.id(there),
                            self.mapping.table(here).caption(),
                            other.id(here)
                        ))));
                    }
                }
            }
        }
        Ok(())
    }

    /// Claims pairs that were coupled or reserved before, if anything about them is to be written.
    async fn claim(&mut self) -> Result<(), Stop> {
        let needs =
            |entry: &Entry| entry.is_open() && entry.decision.is_some() && entry.coupling.is_some() && !entry.claimed;
        let old: Vec<usize> = (0..self.entries.len()).filter(|index| needs(&self.entries[*index])).collect();
        let couplings: Vec<Coupling> = old.iter().filter_map(|index| self.held(&self.entries[*index])).collect();
        if couplings.is_empty() {
            return Ok(());
        }
        let engine = self.engine;
        let results = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await?;
        for (index, result) in old.into_iter().zip(results) {
            let entry = &mut self.entries[index];
            match result {
                Claim::Claimed(coupling) => {
                    entry.coupling = Some(coupling);
                    entry.claimed = true;
                }
                // Whoever was faster got further, so this cannot go on for ever.
                Claim::Stale => entry.postpone("another worker changed this pair meanwhile", Duration::ZERO),
            }
        }
        Ok(())
    }

    /// The coupling of an entry as this worker claims it: with the write that is about to be made.
    fn held(&self, entry: &Entry) -> Option<Coupling> {
        let options = self.engine.options();
        let mut coupling = entry.coupling.clone()?;
        coupling.claimed_until = self.engine.now().checked_add(options.claim).ok();
        coupling.claimed_by = Some(options.process);
        let nothing = Values::new();
        let (creates, values) = match &entry.decision {
            // An intent says already what is about to be created.
            Some(Decision::Create { .. }) if coupling.intent.is_some() => return Some(coupling),
            Some(Decision::Create { values, .. }) => (true, values),
            Some(Decision::Update { values, .. }) => (false, values),
            // A pair that was matched and needs nothing is reserved all the same, and by whom must be known.
            _ if coupling.revision == 0 => (false, &nothing),
            _ => return Some(coupling),
        };
        let source = entry.source.as_ref()?;
        coupling.expect_write(PendingWrite::new(self.direction, creates, source, &entry.fields, values));
        Some(coupling)
    }

    /// Gives up the claims on pairs whose messages go back, so that their next attempt need not wait for them to end.
    pub(super) async fn give_up_claims(&self) {
        let held = self.entries.iter().filter(|entry| entry.claimed && matches!(entry.end, Some(End::Returned { .. })));
        let free = |coupling: Coupling| Coupling { claimed_until: None, claimed_by: None, ..coupling };
        let couplings: Vec<Coupling> = held.filter_map(|entry| entry.coupling.clone().map(free)).collect();
        if couplings.is_empty() {
            return;
        }
        let engine = self.engine;
        let given_up = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await;
        if let Err(error) = given_up {
            debug!(mapping = %self.mapping.name, error = error.for_log(), "claims could not be given up and will end by themselves");
        }
    }

    async fn write_records(&mut self) -> Result<(), Stop> {
        let side = self.direction.destination();
        let takes_ids = self.destination_takes_ids();
        let mut places = Vec::new();
        let mut writes = Vec::new();
        for (index, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.is_open()) {
            let Some(coupling) = &entry.coupling else { continue };
            let id = coupling.id(side);
            let write = match &entry.decision {
                Some(Decision::Create { values, .. }) => Write::create(takes_ids.then_some(id), values.clone()),
                Some(Decision::Update { values, .. }) => {
                    let version = entry.destination.as_ref().and_then(|record| record.version.clone());
                    Write::update(id, version, values.clone())
                }
                Some(Decision::Unchanged { .. } | Decision::Conflict(_)) | None => continue,
            };
            places.push(index);
            writes.push(write);
        }
        if writes.is_empty() {
            return Ok(());
        }
        let mut clashing = Vec::new();
        let results = self.engine.system(side).write(self.mapping.table(side), &writes).await;
        let mut partings = Vec::new();
        let makes_up_keys = self.mapping.rules.makes_up_keys();
        let table = self.mapping.table(side).caption();
        let destination = self.mapping.table(side);
        for ((index, write), result) in places.into_iter().zip(writes).zip(results) {
            let direction = self.direction;
            let entry = &mut self.entries[index];
            if let (Err(error), Some(coupling)) = (&result, &mut entry.coupling)
                && is_known_to_have_failed(error)
                && !parting::may_lie_in_a_field(error, &write, destination)
            {
                coupling.forget_write(direction);
            }
            match result {
                Ok(written) => entry.written = Some(written),
                Err(error) if parting::may_lie_in_a_field(&error, &write, destination) => {
                    partings.push(Parting::new(index, write, error));
                }
                Err(error) if makes_up_keys && error.kind == SystemErrorKind::Duplicate => {
                    entry.give_back("another worker took the key this record was to get", None);
                }
                Err(error) if error.kind == SystemErrorKind::Duplicate => clashing.push((index, error)),
                Err(error) => {
                    // A create that may still happen keeps its claim, so that nobody looks for the record too early.
                    let is_create = matches!(entry.decision, Some(Decision::Create { .. }));
                    if is_create && !takes_ids && error.retry_class() == RetryClass::RetryNow {
                        entry.claimed = false;
                    }
                    end_with(entry, &error, &table, "");
                }
            }
        }
        self.part(partings).await;
        self.repair().await;
        if !clashing.is_empty() {
            for (index, error) in self.make_room(clashing).await? {
                let entry = &mut self.entries[index];
                let hint = cut_values(entry);
                end_with(entry, &error, &table, &hint);
            }
        }
        Ok(())
    }

    async fn follow_up(&mut self) {
        let Some(prepared) = self.prepared.take() else { return };
        let side = self.direction.destination();
        let mut places = Vec::new();
        let mut records = Vec::new();
        for (index, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.is_open()) {
            let (Some(source), Some(coupling), Some(decision)) = (&entry.source, &entry.coupling, &entry.decision)
            else {
                continue;
            };
            places.push(index);
            records.push(FollowUp {
                source,
                destination: coupling.id(side),
                created: matches!(decision, Decision::Create { .. }) || entry.made_on(side) || entry.is_resumed(),
                coupling,
                fields: &entry.fields,
            });
        }
        if records.is_empty() {
            return;
        }
        let results = prepared.follow_up(self.context(), &records).await;
        drop(records);
        let table = self.mapping.table(side).caption();
        for (index, result) in places.into_iter().zip(results) {
            let entry = &mut self.entries[index];
            match result {
                Ok(followed) => entry.followed = followed,
                Err(error) => end_with(entry, &error, &table, ""),
            }
        }
    }
}

/// Whether a failed write has certainly not taken effect. A conflict of versions and a key that is taken prove nothing:
/// the write that was sent again after a lost answer may have met its own first attempt.
fn is_known_to_have_failed(error: &SystemError) -> bool {
    matches!(
        error.kind,
        SystemErrorKind::Refused
            | SystemErrorKind::NotFound
            | SystemErrorKind::Forbidden
            | SystemErrorKind::NoSecret { .. }
    )
}

/// Ends a record whose write failed: by failing it, or by giving its message back.
pub(super) fn end_with(entry: &mut Entry, error: &SystemError, table: &str, hint: &str) {
    match error.retry_class() {
        RetryClass::Data => {
            let message = format!("writing the {table} failed (EE13): {error}{hint}");
            entry.settle(Outcome::Failed(DataFailure::new(message)));
        }
        // A privilege that is missing for one record is a fault of the set-up, but only a person can mend it.
        class => entry.give_back_for(class, error),
    }
}

/// Which texts were cut to fit, so that two that differ became the same.
fn cut_values(entry: &Entry) -> String {
    let Some(source) = &entry.source else { return String::new() };
    let cut = entry.fields.iter().filter_map(|field| {
        let column = field.source.as_ref()?;
        let (whole, sent) = (source.get(&column.name).as_text()?, field.desired.as_text()?);
        (sent.len() < whole.len() && whole.starts_with(sent)).then(|| {
            format!("; {} {whole} was cut to {sent}, as long as {} may be", column.caption, field.destination.caption)
        })
    });
    cut.collect()
}
