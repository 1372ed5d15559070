//! Storing what became of each record together with its count.

use std::collections::HashMap;

use couplet_model::history::HistoryEntry;
use couplet_model::message::SyncOptions;
use couplet_model::outcome::{DataFailure, Dependency, FieldConflict, FieldNote, IgnoreReason};
use couplet_model::{Counters, Coupling, CouplingState, Outcome, RecordId, Said};
use couplet_store::{Commit, CommitResult, ErrorKind, ErrorRecord, Failure, FailureChange, FailureKind, Wait};
use jiff::Timestamp;

use super::batch::{Batch, End, Stop, Stored};
use super::stages::{Done, Ended, Pairing};
use crate::bulk::paired;
use crate::failpoints::Failpoint;
use crate::retry::retry_at;

/// Records whose history is written at once: few enough to need little memory, and enough for several requests side by side.
const TOLD_AT_ONCE: usize = 100;

impl Batch<'_> {
    /// Stores every record that has ended, and gives those that were stored.
    pub(super) async fn commit(&mut self, done: Vec<Done>) -> Result<Vec<Ended>, Stop> {
        let engine = self.engine;
        let (company, mapping) = (engine.company(), &self.mapping.name);
        let now = engine.now();
        let destination = self.direction.destination();
        let settled = std::mem::take(&mut self.settled).into_iter().map(Ended::from);
        let done = done.into_iter().map(|done| Ended::of(done, destination));
        let mut ended: Vec<Ended> = settled.chain(done).collect();
        let earlier = self.earlier_failures(&ended).await?;
        let waited = self.judge_waits(&mut ended, &earlier).await?;
        let failure = |record: &Ended| self.failure(record, earlier.get(&self.record(record.index)), now);
        let failures: Vec<FailureChange> = ended.iter().map(failure).collect();
        self.record_history(&mut ended, &failures, now).await;
        self.pass(Failpoint::Recorded)?;
        let (mut commits, mut errors) = (Vec::with_capacity(ended.len()), Vec::new());
        for (record, failure) in ended.iter().zip(failures) {
            let id = self.record(record.index);
            if let FailureChange::Set(failure) = &failure {
                errors.push(self.error_record(failure));
            } else {
                errors.extend(self.altered(record, now));
            }
            let mut counters = Counters::default();
            counters.count(&record.outcome);
            counters.noted = u64::from(record.is_synchronized() && record.notes().iter().any(|note| note.is_left));
            let is_new_pair = record.pairing() == Pairing::Adopted && record.is_synchronized();
            counters.coupled = u64::from(is_new_pair && self.wanted_partner(record.index).is_some());
            let wait = record.needs().map(|need| {
                let since = waited.get(&id).copied().unwrap_or(now);
                Wait::new(need, &self.delivered[record.index].message, self.label_of(record), since)
            });
            let coupling = self.coupling_after(record, now);
            commits.push(Commit { record: id, direction: self.direction, coupling, failure, wait, outcome: counters });
        }
        let results = match engine.store().commit(company, mapping, &self.job, self.run, commits).await {
            Ok(results) => results,
            Err(error) => {
                // What was stored of it comes out as stale when it is processed again; nothing is lost.
                let reason = Said::from(&error);
                for record in ended {
                    self.give_back(record.index, reason.clone(), None);
                }
                return Err(error.into());
            }
        };
        let mut stored = Vec::with_capacity(ended.len());
        let mut refused: Vec<Coupling> = Vec::new();
        for (record, result) in paired("commits", ended, results)? {
            if self.is_refused(&record) {
                refused.extend(record.coupling().cloned());
            }
            if result == CommitResult::Stale {
                self.give_back(record.index, "another worker changed this pair meanwhile", None);
                continue;
            }
            self.delivered[record.index].end.get_or_insert(End::Stored(Stored {
                outcome: record.outcome.clone(),
                other: record.written().map(|written| written.id),
                modified: record.source().and_then(|source| source.modified),
            }));
            stored.push(record);
        }
        // After the failures are stored: dying in between leaves a reservation, which the next attempt carries out or
        // takes back.
        engine.store().release_reservations(company, mapping, &refused).await?;
        if !errors.is_empty() {
            engine.store().record_errors(company, errors).await?;
        }
        self.pass(Failpoint::Stored)?;
        self.recheck_waits(&stored).await?;
        Ok(stored)
    }

    /// Tells the history how records ended, some at a time: what is told of all of them at once would need megabytes.
    async fn record_history(&self, ended: &mut [Ended], failures: &[FailureChange], now: Timestamp) {
        for (some, failures) in ended.chunks_mut(TOLD_AT_ONCE).zip(failures.chunks(TOLD_AT_ONCE)) {
            let entry = |(record, failure): (&Ended, &FailureChange)| {
                self.history_of(record, matches!(failure, FailureChange::Clear), now)
            };
            let entries: Vec<HistoryEntry> = some.iter().zip(failures).filter_map(entry).collect();
            self.write_history(&self.mapping.name, &entries).await;
            // Nobody asks for the reasons again.
            some.iter_mut()
                .filter_map(|record| record.done.as_mut())
                .for_each(|done| done.decided.reasons = Vec::new());
        }
    }

    /// Failures remembered of records whose end depends on them: those that fail again, and those that were created
    /// after all.
    async fn earlier_failures(&self, ended: &[Ended]) -> Result<HashMap<RecordId, Failure>, Stop> {
        let asks = |record: &&Ended| match record.outcome {
            Outcome::Failed(_) | Outcome::Conflict(_) | Outcome::Waiting(_) => true,
            _ => {
                // A record that is coupled only now may have failed before without leaving a coupling.
                let is_new = matches!(record.pairing(), Pairing::Creating | Pairing::Adopted);
                let failed_before = record.coupling().is_none_or(|coupling| coupling.failed(self.direction));
                is_new || self.delivered[record.index].message.snapshot.is_none() || failed_before
            }
        };
        let ids: Vec<RecordId> = ended.iter().filter(asks).map(|record| self.record(record.index)).collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        Ok(engine.store().failures_of(engine.company(), mapping, self.direction, &ids).await?)
    }

    /// Tells records that wait from those that do so in vain: the mapping they wait for has run since they began, so
    /// somebody has to look (R149). They are failures that a coupling may still mend. Gives since when each has waited.
    async fn judge_waits(
        &self,
        ended: &mut [Ended],
        earlier: &HashMap<RecordId, Failure>,
    ) -> Result<HashMap<RecordId, Timestamp>, Stop> {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let waiting: Vec<(RecordId, &Dependency)> =
            ended.iter().filter_map(|record| Some((self.record(record.index), &record.needs()?.dependency))).collect();
        if waiting.is_empty() {
            return Ok(HashMap::new());
        }
        let mut since = engine.store().waited_since(engine.company(), mapping, self.direction, &waiting).await?;
        for record in ended {
            let Outcome::Waiting(need) = &record.outcome else { continue };
            let id = self.record(record.index);
            let failure = earlier.get(&id).filter(|failure| failure.kind == FailureKind::Waiting);
            let before = self.options(record.index).waited_since.or(failure.map(|failure| failure.first_at));
            if let Some(before) = before {
                let since = since.entry(id).or_insert(before);
                *since = before.min(*since);
                record.outcome = Outcome::WaitingInVain(need.clone());
            }
        }
        Ok(since)
    }

    fn label_of(&self, record: &Ended) -> String {
        record.source().map_or_else(|| self.record(record.index).to_string(), |source| self.label(source))
    }

    fn failure(&self, record: &Ended, earlier: Option<&Failure>, now: Timestamp) -> FailureChange {
        let (kind, data, conflicts): (_, DataFailure, Vec<FieldConflict>) = match &record.outcome {
            Outcome::Failed(failure) => (FailureKind::Data, failure.clone(), Vec::new()),
            Outcome::Conflict(conflicts) => (FailureKind::Conflict, conflict_failure(conflicts), conflicts.clone()),
            Outcome::WaitingInVain(need) => (FailureKind::Waiting, self.engine.waiting_failure(need), Vec::new()),
            _ if record.is_synchronized() && record.notes().iter().any(|note| note.is_left) => {
                (FailureKind::Fields, FieldNote::joined(record.notes()), Vec::new())
            }
            // Outside of the filter nothing was made again, and the pair is broken still.
            Outcome::Ignored(IgnoreReason::OutsideFilter(_)) if self.restores_as_asked(record.index) => {
                return FailureChange::Keep;
            }
            _ if earlier.is_some() => return FailureChange::Clear,
            _ => return FailureChange::Keep,
        };
        let options = self.options(record.index);
        // What could not be coupled with the partner that a person chose is not given another one by the next run.
        let create = options.create && self.wanted_partner(record.index).is_none();
        let attempts = earlier.map_or(0, |failure| failure.attempts) + 1;
        FailureChange::Set(Failure {
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record: self.record(record.index),
            other: record.coupling().map(|coupling| coupling.id(self.direction.destination())),
            label: self.label_of(record),
            run: self.run,
            first_at: earlier.map_or(now, |failure| failure.first_at),
            at: now,
            attempts,
            kind,
            field: data.field,
            message: data.message,
            conflicts,
            options: SyncOptions { waited_since: None, create, ..options },
            retry_at: Some(retry_at(attempts, now)),
            // What could not be made again is gone still.
            gone: data.gone.or_else(|| self.remakes(record).then(|| self.direction.destination())),
        })
    }

    /// Whether a record was to get a partner in the place of one that was deleted.
    fn remakes(&self, record: &Ended) -> bool {
        let is_coupled = record.coupling().is_some_and(|coupling| coupling.state == CouplingState::Coupled);
        is_coupled && record.pairing() == Pairing::Creating && matches!(record.outcome, Outcome::Failed(_))
    }

    /// What is told of a record whose values arrived in another form; nothing of it is tried again.
    fn altered(&self, record: &Ended, now: Timestamp) -> Option<ErrorRecord> {
        if record.notes().is_empty() || record.written().is_none() || !record.is_synchronized() {
            return None;
        }
        let DataFailure { field, message, .. } = FieldNote::joined(record.notes());
        Some(ErrorRecord {
            run: self.run,
            job: self.job.clone(),
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record: self.record(record.index),
            other: record.coupling().map(|coupling| coupling.id(self.direction.destination())),
            label: self.label_of(record),
            at: now,
            field,
            message,
            kind: ErrorKind::Altered,
        })
    }

    fn error_record(&self, failure: &Failure) -> ErrorRecord {
        ErrorRecord {
            run: self.run,
            job: self.job.clone(),
            mapping: failure.mapping.clone(),
            direction: failure.direction,
            record: failure.record,
            other: failure.other,
            label: failure.label.clone(),
            at: failure.at,
            field: failure.field.clone(),
            message: failure.message.clone(),
            kind: failure.kind.into(),
        }
    }

    /// Whether a record was to be coupled and its destination refused it, so that nothing came of the reservation.
    pub(super) fn is_refused(&self, record: &Ended) -> bool {
        let reserved = record.coupling().is_some_and(|coupling| coupling.state == CouplingState::Reserved);
        reserved
            && self.delivered[record.index].claim.is_some()
            && record.pairing() != Pairing::Made
            && !record.is_written()
            && matches!(record.outcome, Outcome::Failed(_))
    }
}

/// A conflict in words, both values included (U7).
pub(super) fn conflict_failure(conflicts: &[FieldConflict]) -> DataFailure {
    let fields: Vec<String> = conflicts
        .iter()
        .map(|conflict| {
            format!(
                "{} in Business Central is \"{}\", {} in Dataverse is \"{}\"",
                conflict.business_central,
                conflict.business_central_value,
                conflict.dataverse,
                conflict.dataverse_value
            )
        })
        .collect();
    DataFailure {
        gone: None,
        field: conflicts.first().map(|conflict| conflict.business_central.clone()),
        message: format!(
            "changed on both sides since the last synchronization (EE11): {}; make both equal, or give the mapping a conflict rule",
            fields.join("; ")
        ),
    }
}
