//! Reserving or claiming the pairs, writing in bulk, and what must follow a write.

use std::time::Duration;

use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::{Coupling, Outcome, PendingWrite, RetryClass, SystemError, Version};
use couplet_store::{Claim, Reservation};
use tracing::debug;

use super::batch::{Batch, Delivered, End, Stop};
use super::opening_documents::note_change;
use super::parting::{Parting, may_lie_in_a_field};
use super::stages::{Decided, DecidedBatch, Done, Verdict, is_known_to_have_failed};
use crate::bulk::paired;
use crate::failpoints::Failpoint;
use crate::mappings::rules::{AfterWrite, BatchRules, BeforeWrite, WrittenBeside, opened};

impl Batch<'_> {
    /// Writes what was decided. Nothing is written before the pair is reserved or claimed.
    pub(super) async fn write(&mut self, decided: DecidedBatch) -> Result<Vec<Done>, Stop> {
        let DecidedBatch { records, rules } = decided;
        let mut records = self.take_places(records).await?;
        self.intend(&mut records).await?;
        let records = self.reserve(records).await?;
        let records = self.claim(records).await?;
        self.pass(Failpoint::Claimed)?;
        let (records, couplings) = self.without_couplings(records);
        let records = self.prepare_writes(records, rules.as_ref()).await;
        let records = self.open_documents(records).await?;
        let records = self.write_records(records).await?;
        self.pass(Failpoint::Written)?;
        let records = self.take_over_ids(records).await?;
        let records = self.synchronize_lines(records, rules.as_ref()).await?;
        let done = self.run_after_write(records, rules.as_ref()).await;
        self.pass(Failpoint::AfterWrite)?;
        let mut done = self.act(done, rules.as_ref()).await?;
        done.extend(couplings);
        Ok(done)
    }

    /// Stores new pairs before anything is created, so that neither another worker nor the other direction creates a
    /// second partner, even if this one dies in the next line.
    async fn reserve(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        let (new, mut others): (Vec<Decided>, Vec<Decided>) =
            decided.into_iter().partition(|record| record.coupling.revision == 0);
        if new.is_empty() {
            return Ok(others);
        }
        let couplings: Vec<Coupling> = new.iter().map(|record| self.held(record)).collect();
        let engine = self.engine;
        let results = engine.store().reserve(engine.company(), &self.mapping.name, couplings).await?;
        for (mut record, result) in paired("reservations", new, results)? {
            match result {
                Reservation::Reserved(coupling) => {
                    self.delivered[record.index].claim = Some(coupling.clone());
                    record.coupling = coupling;
                    others.push(record);
                }
                Reservation::Taken(other) => {
                    let (here, there) = (self.direction.source(), self.direction.destination());
                    if record.coupling.id(here) == other.id(here) {
                        self.give_back(record.index, "the record was coupled by another worker meanwhile", None);
                        continue;
                    }
                    let message = format!(
                        "the {} {} in {there} is already coupled to another {}, {} in {here} (EE28); give one of the two another key",
                        self.mapping.table(there).caption(),
                        other.id(there),
                        self.mapping.table(here).caption(),
                        other.id(here)
                    );
                    self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
                }
            }
        }
        others.sort_unstable_by_key(|record| record.index);
        Ok(others)
    }

    /// Claims pairs that were coupled or reserved before.
    async fn claim(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        let (old, mut others): (Vec<Decided>, Vec<Decided>) =
            decided.into_iter().partition(|record| self.delivered[record.index].claim.is_none());
        if old.is_empty() {
            return Ok(others);
        }
        let couplings: Vec<Coupling> = old.iter().map(|record| self.held(record)).collect();
        let engine = self.engine;
        let results = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await?;
        for (mut record, result) in paired("claims", old, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    self.delivered[record.index].claim = Some(coupling.clone());
                    record.coupling = coupling;
                    others.push(record);
                }
                // Whoever was faster got further, so this cannot go on for ever.
                Claim::Stale => {
                    self.postpone(record.index, "another worker changed this pair meanwhile", Duration::ZERO);
                }
            }
        }
        others.sort_unstable_by_key(|record| record.index);
        Ok(others)
    }

    /// The coupling of a record as this worker claims it: with the write that is about to be made.
    fn held(&self, record: &Decided) -> Coupling {
        let options = self.engine.options();
        let mut coupling = record.coupling.clone();
        coupling.claimed_until = self.engine.now().checked_add(options.claim).ok();
        coupling.claimed_by = Some(options.process);
        if coupling.revision == 0 {
            coupling.document = self.lines.as_ref().and_then(|lines| lines.of.get(record.index)).copied();
        }
        let nothing = Values::new();
        let (creates, values) = match &record.verdict {
            // An intent says already what is about to be created.
            Verdict::Create { .. } if coupling.intent.is_some() => return coupling,
            Verdict::Create { values, .. } => (true, values),
            Verdict::Update { values, .. } => (false, values),
            // A pair that was matched and needs nothing is reserved all the same, and by whom must be known.
            Verdict::Unchanged { .. } if coupling.revision == 0 => (false, &nothing),
            Verdict::Unchanged { .. } => return coupling,
        };
        coupling.expect_write(PendingWrite::new(self.direction, creates, &record.source, &record.fields, values));
        if !creates && self.mapping.rules.opens_documents() {
            let side = self.direction.destination();
            let is_open = self.is_open_document(self.mapping, record.destination.as_ref());
            note_change(&mut coupling, side, is_open);
        }
        coupling
    }

    /// Gives up the claims on pairs whose messages go back, so that their next attempt need not wait for them to end.
    pub(super) async fn give_up_claims(&self) {
        let free = |coupling: Coupling| Coupling { claimed_until: None, claimed_by: None, ..coupling };
        let goes_back =
            |delivered: &&Delivered| matches!(delivered.end, Some(End::Returned { .. } | End::Postponed { .. }));
        let returned = self.delivered.iter().filter(goes_back);
        let couplings: Vec<Coupling> = returned.filter_map(|delivered| delivered.claim.clone().map(free)).collect();
        if couplings.is_empty() {
            return;
        }
        let engine = self.engine;
        let given_up = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await;
        if let Err(error) = given_up {
            debug!(mapping = %self.mapping.name, error = error.for_log(), "claims could not be given up and will end by themselves");
        }
    }

    /// Does what must come before the writes.
    async fn prepare_writes(&mut self, decided: Vec<Decided>, rules: &dyn BatchRules) -> Vec<Decided> {
        let mut records: Vec<BeforeWrite<'_>> = decided
            .iter()
            .map(|record| BeforeWrite {
                source: &record.source,
                destination: record.destination.as_ref(),
                values: record.verdict.values(),
                version: record.destination.as_ref().and_then(|record| record.version.clone()),
                ready: Ok(()),
            })
            .collect();
        rules.before_write(self.context(), &mut records).await;
        let ready: Vec<(Option<Version>, Result<(), SystemError>)> =
            records.into_iter().map(|record| (record.version, record.ready)).collect();
        let mut open = Vec::with_capacity(decided.len());
        // One slot per record was handed out above, so that none can be missing.
        for (mut record, (version, ready)) in decided.into_iter().zip(ready) {
            if let Some(destination) = &mut record.destination {
                destination.version = version;
            }
            match ready {
                Ok(()) => open.push(record),
                Err(error) => self.refuse(record, &error, ""),
            }
        }
        open
    }

    async fn write_records(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        let side = self.direction.destination();
        let takes_ids = self.destination_takes_ids();
        let (mut writes, mut written, mut to_write) = (Vec::new(), Vec::new(), Vec::new());
        for record in decided {
            let id = record.coupling.id(side);
            match &record.verdict {
                Verdict::Create { values, .. } => writes.push(Write::create(takes_ids.then_some(id), values.clone())),
                Verdict::Update { values, .. } => {
                    let version = record.destination.as_ref().and_then(|record| record.version.clone());
                    writes.push(Write::update(id, version, values.clone()));
                }
                Verdict::Unchanged { .. } => {
                    written.push(record);
                    continue;
                }
            }
            to_write.push(record);
        }
        let results = self.write_and_delete(&writes).await;
        let asked: Vec<(Decided, Write)> = paired("writes", to_write, writes)?;
        let (mut clashing, mut partings) = (Vec::new(), Vec::new());
        let makes_up_keys = self.mapping.rules.makes_up_keys();
        for ((mut record, write), result) in paired("results of writes", asked, results)? {
            let error = match result {
                Ok(trace) => {
                    record.written = Some(trace);
                    written.push(record);
                    continue;
                }
                Err(error) => error,
            };
            let in_a_field = may_lie_in_a_field(&error, &write, self.destination_table());
            if is_known_to_have_failed(&error) && !in_a_field {
                record.coupling.forget_write(self.direction);
            }
            if in_a_field {
                partings.push(Parting::new(record, write, error));
            } else if error.kind == SystemErrorKind::Duplicate && makes_up_keys {
                self.give_back(record.index, "another worker took the key this record was to get", None);
            } else if error.kind == SystemErrorKind::Duplicate {
                clashing.push((record, error));
            } else {
                // A create that may still happen keeps its claim, so that nobody looks for the record too early.
                if record.verdict.creates() && !takes_ids && may_still_happen(&error) {
                    self.delivered[record.index].claim = None;
                }
                self.refuse(record, &error, "");
            }
        }
        written.extend(self.part(partings).await);
        self.repair(&mut written).await;
        if !clashing.is_empty() {
            for (record, error) in self.make_room(clashing).await? {
                let hint = cut_values(&record);
                self.refuse(record, &error, &hint);
            }
        }
        written.sort_unstable_by_key(|record| record.index);
        Ok(written)
    }

    /// Does what must follow the writes.
    async fn run_after_write(&mut self, written: Vec<Decided>, rules: &dyn BatchRules) -> Vec<Done> {
        let side = self.direction.destination();
        let mut records: Vec<AfterWrite<'_>> = written
            .iter()
            .map(|record| AfterWrite {
                source: &record.source,
                destination: record.coupling.id(side),
                created: record.is_new_on(side),
                written: record.written.is_some(),
                coupling: &record.coupling,
                fields: &record.fields,
                beside: Ok(WrittenBeside::default()),
            })
            .collect();
        if records.is_empty() {
            return Vec::new();
        }
        rules.after_write(self.context(), &mut records).await;
        let beside: Vec<Result<WrittenBeside, SystemError>> = records.into_iter().map(|record| record.beside).collect();
        let mut done = Vec::with_capacity(written.len());
        // One slot per record was handed out above, so that none can be missing.
        for (mut record, beside) in written.into_iter().zip(beside) {
            match beside {
                Ok(mut beside) => {
                    record.coupling.related.remove(opened(side));
                    record.notes.append(&mut beside.notes);
                    done.push(Done { decided: record, beside });
                }
                Err(error) => self.refuse(record, &error, ""),
            }
        }
        done
    }
}

/// Whether a write that failed may take effect later: nobody knows whether it arrived.
fn may_still_happen(error: &SystemError) -> bool {
    matches!(error.retry_class(), RetryClass::RetryNow | RetryClass::Outage)
}

/// Which texts were cut to fit, so that two that differ became the same.
fn cut_values(record: &Decided) -> String {
    let cut = record.fields.iter().filter_map(|field| {
        let column = field.source.as_ref()?;
        let (whole, sent) = (record.source.get(&column.name).as_text()?, field.desired.as_text()?);
        (sent.len() < whole.len() && whole.starts_with(sent)).then(|| {
            format!("; {} {whole} was cut to {sent}, as long as {} may be", column.caption, field.destination.caption)
        })
    });
    cut.collect()
}
