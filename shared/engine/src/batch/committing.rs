//! Step 6: store what became of each record together with its count, and release the records that waited for it.

use std::collections::HashMap;

use couplet_model::coupling::{Base, LastResult, SideState};
use couplet_model::decision::Decision;
use couplet_model::outcome::{DataFailure, Dependency, FieldConflict, FieldNote};
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, Outcome, RecordId, RecordMessage};
use couplet_store::{Commit, CommitResult, ErrorRecord, Failure, FailureChange, FailureKind};
use jiff::Timestamp;

use super::{Batch, End, Entry, Stop};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::ports::Checkpoint;
use crate::retry::retry_at;

impl Batch<'_> {
    /// Stores every record that is not going back to the queue.
    pub(super) async fn commit(&mut self) -> Result<(), Stop> {
        let engine = self.engine;
        let (company, mapping) = (engine.company(), &self.mapping.name);
        let now = engine.now();
        for index in 0..self.entries.len() {
            if self.entries[index].is_open() {
                let outcome = written_outcome(&self.entries[index], self.direction.destination());
                self.entries[index].end = Some(End::Settled(outcome));
            }
        }
        let earlier = self.earlier_failures().await?;
        let mut places = Vec::new();
        let mut commits = Vec::new();
        let mut errors = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(End::Settled(outcome)) = &entry.end else { continue };
            let failure = self.failure(entry, outcome, earlier.get(&entry.record()), now);
            if let FailureChange::Set(failure) = &failure {
                errors.push(self.error_record(failure));
            }
            let mut counters = Counters::default();
            counters.count(outcome);
            counters.noted = u64::from(is_synchronized(outcome) && entry.notes.iter().any(|note| note.is_left));
            if is_synchronized(outcome) && matches!(failure, FailureChange::Keep | FailureChange::Clear) {
                errors.extend(self.altered(entry, now));
            }
            places.push(index);
            commits.push(Commit {
                record: entry.record(),
                direction: self.direction,
                coupling: self.coupling_after(entry, outcome, now),
                failure,
                wait: match outcome {
                    Outcome::Waiting(dependency) => Some((dependency.clone(), waiting_message(entry))),
                    outcome if is_synchronized(outcome) => {
                        entry.missing.as_ref().map(|missing| (missing.clone(), waiting_message(entry)))
                    }
                    _ => None,
                },
                outcome: counters,
            });
        }
        let results = engine.store().commit(company, mapping, &self.job, self.run, commits).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                // What was stored of it comes out as stale when it is processed again; nothing is lost.
                let reason = error.to_string();
                for index in places {
                    self.entries[index].end = Some(End::Returned { reason: reason.clone(), after: None });
                }
                return Err(error.into());
            }
        };
        for (index, result) in places.into_iter().zip(results) {
            if result == CommitResult::Stale {
                let reason = "another worker changed this pair meanwhile".to_owned();
                self.entries[index].end = Some(End::Returned { reason, after: None });
            }
        }
        if !errors.is_empty() {
            engine.store().record_errors(company, errors).await?;
        }
        self.pass(Checkpoint::Stored)?;
        self.recheck_waits().await
    }

    /// Failures remembered of records whose end depends on them: those that fail again, and those that were created
    /// after all.
    async fn earlier_failures(&self) -> Result<HashMap<RecordId, Failure>, Stop> {
        let ids: Vec<RecordId> = self
            .entries
            .iter()
            .filter(|entry| match &entry.end {
                Some(End::Settled(Outcome::Failed(_) | Outcome::Conflict(_))) => true,
                Some(End::Settled(_)) => {
                    entry.message.snapshot.is_none() || entry.coupling.as_ref().is_none_or(|c| c.failed(self.direction))
                }
                _ => false,
            })
            .map(Entry::record)
            .collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        Ok(engine.store().failures_of(engine.company(), mapping, self.direction, &ids).await?)
    }

    fn failure(&self, entry: &Entry, outcome: &Outcome, earlier: Option<&Failure>, now: Timestamp) -> FailureChange {
        let (kind, data, conflicts): (_, DataFailure, Vec<FieldConflict>) = match outcome {
            Outcome::Failed(failure) => (FailureKind::Data, failure.clone(), Vec::new()),
            Outcome::Conflict(conflicts) => (FailureKind::Conflict, conflict_failure(conflicts), conflicts.clone()),
            outcome if is_synchronized(outcome) && entry.notes.iter().any(|note| note.is_left) => {
                (FailureKind::Fields, FieldNote::joined(&entry.notes), Vec::new())
            }
            _ if earlier.is_some() => return FailureChange::Clear,
            _ => return FailureChange::Keep,
        };
        let attempts = earlier.map_or(0, |failure| failure.attempts) + 1;
        let source = self.mapping.table(self.direction.source());
        FailureChange::Set(Failure {
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record: entry.record(),
            other: entry.coupling.as_ref().map(|coupling| coupling.id(self.direction.destination())),
            label: entry.source.as_ref().map_or_else(|| entry.record().to_string(), |record| record.label(source)),
            run: self.run,
            first_at: earlier.map_or(now, |failure| failure.first_at),
            at: now,
            attempts,
            kind,
            field: data.field,
            message: data.message,
            conflicts,
            treatment: entry.treatment(),
            retry_at: Some(retry_at(attempts, now)),
        })
    }

    /// What is told of a record whose values arrived in another form; nothing of it is tried again.
    fn altered(&self, entry: &Entry, now: Timestamp) -> Option<ErrorRecord> {
        if entry.notes.is_empty() || entry.written.is_none() {
            return None;
        }
        let DataFailure { field, message } = FieldNote::joined(&entry.notes);
        let source = self.mapping.table(self.direction.source());
        Some(ErrorRecord {
            run: self.run,
            job: self.job.clone(),
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record: entry.record(),
            other: entry.coupling.as_ref().map(|coupling| coupling.id(self.direction.destination())),
            label: entry.source.as_ref().map_or_else(|| entry.record().to_string(), |record| record.label(source)),
            at: now,
            field,
            message,
            kind: "altered".to_owned(),
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
            kind: match failure.kind {
                FailureKind::Data => "data".to_owned(),
                FailureKind::Conflict => "conflict".to_owned(),
                FailureKind::Fields => "fields".to_owned(),
            },
        }
    }

    /// The coupling to store; `None` leaves the stored one as it is.
    fn coupling_after(&self, entry: &Entry, outcome: &Outcome, now: Timestamp) -> Option<Coupling> {
        // A damaged one is left as it is, for whoever mends it.
        let is_whole = |coupling: &&Coupling| coupling.revision > 0 && coupling.damage.is_none();
        let coupling = entry.coupling.as_ref().filter(is_whole)?;
        let result = |failure| LastResult { run: self.run, at: now, failure };
        // What a create that failed was to look for is not there; what it made before is.
        let intent = coupling.intent.clone().filter(|intent| intent.made);
        let mut next = Coupling { claimed_until: None, claimed_by: None, intent, ..coupling.clone() };
        match outcome {
            Outcome::Inserted | Outcome::Modified => {}
            Outcome::Unchanged if entry.decision.is_some() => {}
            Outcome::Failed(failure) => {
                next.set_result(self.direction, result(Some(failure.message.clone())));
                return Some(next);
            }
            Outcome::Conflict(conflicts) => {
                next.set_result(self.direction, result(Some(conflict_failure(conflicts).message)));
                return Some(next);
            }
            _ => return None,
        }
        let source = entry.source.as_ref()?;
        if let Some(Decision::Create { base, .. } | Decision::Update { base, .. } | Decision::Unchanged { base }) =
            &entry.decision
        {
            match &entry.agreement {
                Some(agreement) => {
                    next.base = agreement.base_after(base);
                    next.pending = agreement.pending_after(coupling, base);
                }
                None => {
                    next.base = base.clone();
                    next.pending.clear();
                }
            }
        }
        next.state = CouplingState::Coupled;
        next.intent = None;
        self.note_given_key(entry, &mut next.base);
        next.companions.extend(entry.followed.companions.clone());
        for (column, value) in &entry.followed.values {
            next.base.set(self.direction.destination(), column, value);
        }
        *next.side_mut(self.direction.source()) =
            SideState { version: source.version.clone(), modified: source.modified };
        if let Some(written) = &entry.written {
            *next.side_mut(self.direction.destination()) =
                SideState { version: written.version.clone(), modified: written.modified };
        }
        if self.mapping.is_lookup_target {
            next.key = self.key_of(entry).or(next.key);
        }
        // What the answer shows is what the record holds, whatever was asked for. Of columns that were not written it
        // shows what others have changed, which has still to be brought back.
        let destination = self.mapping.table(self.direction.destination());
        let shown = entry.written.as_ref().and_then(|written| written.values.as_ref());
        if let (Some(shown), Some(Decision::Create { values: sent, .. } | Decision::Update { values: sent, .. })) =
            (shown, &entry.decision)
        {
            for (name, sent) in sent {
                if let (Some(column), Some(shown)) = (destination.column(name), shown.get(name))
                    && next.base.get(destination.side, column).as_ref() == Some(sent)
                {
                    next.base.set(destination.side, name, shown);
                }
            }
        }
        let left: Vec<FieldNote> = entry.notes.iter().filter(|note| note.is_left).cloned().collect();
        next.set_result(self.direction, result((!left.is_empty()).then(|| FieldNote::joined(&left).message)));
        Some(next)
    }

    /// A number series may have given the new record another key than the one that was sent.
    fn note_given_key(&self, entry: &Entry, base: &mut Base) {
        let side = self.direction.destination();
        let table = self.mapping.table(side);
        let Some(column) = table.label_column.as_deref().and_then(|name| table.column(name)) else { return };
        let is_create = matches!(entry.decision, Some(Decision::Create { .. }));
        let given = entry.written.as_ref().and_then(|written| written.values.as_ref()?.get(column.name.as_str()));
        if let Some(given) = given.filter(|_| is_create && base.get(side, column).is_some()) {
            base.set(side, &column.name, given);
        }
    }

    /// The key other records refer to the Business Central record by.
    fn key_of(&self, entry: &Entry) -> Option<String> {
        let column = self.mapping.business_central.label_column.as_deref()?;
        let record = match self.direction.source() {
            Side::BusinessCentral => entry.source.as_ref().map(|record| record.get(column)),
            Side::Dataverse => {
                let written = entry.written.as_ref().and_then(|written| written.values.as_ref()?.get(column));
                written.or_else(|| entry.destination.as_ref().map(|record| record.get(column)))
            }
        };
        record.and_then(|value| value.as_text()).map(str::to_owned)
    }

    /// A record that began to wait while its dependency was being coupled would wait for ever: it looks once more.
    async fn recheck_waits(&mut self) -> Result<(), Stop> {
        let waiting: Vec<(Dependency, RecordMessage)> = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.end {
                Some(End::Settled(Outcome::Waiting(dependency))) => Some((dependency.clone(), waiting_message(entry))),
                _ => None,
            })
            .collect();
        let mut appeared: Vec<Dependency> = Vec::new();
        let mut asked: HashMap<Dependency, bool> = HashMap::new();
        for (dependency, _) in &waiting {
            if !asked.contains_key(dependency) {
                let coupled = self.engine.is_coupled(dependency).await?;
                asked.insert(dependency.clone(), coupled);
                if coupled {
                    appeared.push(dependency.clone());
                }
            }
        }
        if appeared.is_empty() { Ok(()) } else { Ok(self.engine.release(&appeared).await?) }
    }

    /// Enqueues the records that waited for what this batch coupled: those that refer to it, and changes on the other side
    /// of a record whose creation stopped half-way.
    pub(super) async fn release_waiting(&mut self) -> Result<(), Stop> {
        let is_lookup_target = self.mapping.is_lookup_target;
        let mut appeared = Vec::new();
        for entry in self.entries.iter().filter(|entry| is_lookup_target || entry.is_resumed()) {
            let became_usable = matches!(&entry.end, Some(End::Settled(Outcome::Inserted)))
                || (entry.adopted || entry.made)
                    && matches!(&entry.end, Some(End::Settled(Outcome::Modified | Outcome::Unchanged)));
            let Some(coupling) = entry.coupling.as_ref().filter(|_| became_usable) else { continue };
            let dependency = |side, key| Dependency { mapping: self.mapping.name.clone(), side, key };
            appeared.push(dependency(Side::Dataverse, coupling.dataverse_id.to_string()));
            appeared.extend(self.key_of(entry).map(|key| dependency(Side::BusinessCentral, key)));
        }
        if appeared.is_empty() { Ok(()) } else { Ok(self.engine.release(&appeared).await?) }
    }
}

impl Engine {
    /// Enqueues what waits for these, then forgets that it waited: in this order nothing is lost, at worst done twice.
    async fn release(&self, appeared: &[Dependency]) -> Result<(), EngineError> {
        let waits = self.store().waiting_for(self.company(), appeared).await?;
        if waits.is_empty() {
            return Ok(());
        }
        let messages: Vec<RecordMessage> = waits.iter().map(|wait| wait.message.clone()).collect();
        let mut per_run: HashMap<(String, couplet_model::RunId), u64> = HashMap::new();
        for message in &messages {
            *per_run.entry((message.job.clone(), message.run)).or_default() += 1;
        }
        for ((job, run), count) in per_run {
            let none = Counters::default();
            self.store().add_to_run(self.company(), &job, run, count, none, none).await?;
        }
        self.parts.queue.send(messages).await?;
        self.store().forget_waits(self.company(), &waits).await?;
        Ok(())
    }
}

/// What a record that was neither settled nor returned has become.
fn written_outcome(entry: &Entry, destination: Side) -> Outcome {
    match &entry.decision {
        Some(Decision::Create { .. }) => Outcome::Inserted,
        Some(_) if entry.made_on(destination) || entry.is_resumed() => Outcome::Inserted,
        Some(Decision::Update { .. }) => Outcome::Modified,
        Some(Decision::Unchanged { .. } | Decision::Conflict(_)) | None => Outcome::Unchanged,
    }
}

/// Whether the record was brought across, or was found to be.
fn is_synchronized(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Inserted | Outcome::Modified | Outcome::Unchanged)
}

/// The message that wakes a waiting record: it reads the record again.
fn waiting_message(entry: &Entry) -> RecordMessage {
    RecordMessage { snapshot: None, replay: None, ..entry.message.clone() }
}

/// A conflict in words, both values included (U7).
fn conflict_failure(conflicts: &[FieldConflict]) -> DataFailure {
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
        field: conflicts.first().map(|conflict| conflict.business_central.clone()),
        message: format!(
            "changed on both sides since the last synchronization (EE11): {}; make both equal, or give the mapping a conflict rule",
            fields.join("; ")
        ),
    }
}
