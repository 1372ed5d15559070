//! Step 6: store what became of each record together with its count, and release the records that waited for it.

use std::collections::{HashMap, HashSet};

use couplet_model::coupling::{Base, LastResult, SideState};
use couplet_model::decision::Decision;
use couplet_model::message::SyncOptions;
use couplet_model::outcome::{DataFailure, Dependency, FieldConflict, FieldNote, Need};
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, Outcome, RecordId, RecordMessage, Said};
use couplet_store::{Commit, CommitResult, ErrorKind, ErrorRecord, Failure, FailureChange, FailureKind, Wait};
use jiff::Timestamp;

use super::{Batch, End, Entry, Stop};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::failpoints::Failpoint;
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
        let waited = self.judge_waits(&earlier).await?;
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
                wait: entry.needs().map(|need| {
                    let since = waited.get(&entry.record()).copied().unwrap_or(now);
                    Wait::new(need, &entry.message, self.label(entry), since)
                }),
                outcome: counters,
            });
        }
        let results = engine.store().commit(company, mapping, &self.job, self.run, commits).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                // What was stored of it comes out as stale when it is processed again; nothing is lost.
                let reason = Said::from(&error);
                for index in places {
                    self.entries[index].end = Some(End::Returned { reason: reason.clone(), after: None });
                }
                return Err(error.into());
            }
        };
        for (index, result) in places.into_iter().zip(results) {
            if result == CommitResult::Stale {
                let reason = "another worker changed this pair meanwhile".into();
                self.entries[index].end = Some(End::Returned { reason, after: None });
            }
        }
        // After the failures are stored: dying in between leaves a reservation, which the next attempt carries out or
        // takes back.
        let refused: Vec<Coupling> =
            self.entries.iter().filter(|entry| is_refused(entry)).filter_map(|entry| entry.coupling.clone()).collect();
        engine.store().release_reservations(company, mapping, &refused).await?;
        if !errors.is_empty() {
            engine.store().record_errors(company, errors).await?;
        }
        self.pass(Failpoint::Stored)?;
        self.recheck_waits().await
    }

    /// Failures remembered of records whose end depends on them: those that fail again, and those that were created
    /// after all.
    async fn earlier_failures(&self) -> Result<HashMap<RecordId, Failure>, Stop> {
        let ids: Vec<RecordId> = self
            .entries
            .iter()
            .filter(|entry| match &entry.end {
                Some(End::Settled(Outcome::Failed(_) | Outcome::Conflict(_) | Outcome::Waiting(_))) => true,
                Some(End::Settled(_)) => {
                    // A record that is coupled only now may have failed before without leaving a coupling.
                    let is_new = entry.creating || entry.adopted;
                    let failed_before = entry.coupling.as_ref().is_none_or(|c| c.failed(self.direction));
                    is_new || entry.message.snapshot.is_none() || failed_before
                }
                _ => false,
            })
            .map(Entry::record)
            .collect();
        let (engine, mapping) = (self.engine, &self.mapping.name);
        Ok(engine.store().failures_of(engine.company(), mapping, self.direction, &ids).await?)
    }

    /// Tells records that wait from those that do so in vain: the mapping they wait for has run since they began, so
    /// somebody has to look (R149). They are failures that a coupling may still mend. Gives since when each has waited.
    async fn judge_waits(
        &mut self,
        earlier: &HashMap<RecordId, Failure>,
    ) -> Result<HashMap<RecordId, Timestamp>, Stop> {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let waiting: Vec<(RecordId, &Dependency)> =
            self.entries.iter().filter_map(|entry| Some((entry.record(), &entry.needs()?.dependency))).collect();
        if waiting.is_empty() {
            return Ok(HashMap::new());
        }
        let mut since = engine.store().waited_since(engine.company(), mapping, self.direction, &waiting).await?;
        for entry in &mut self.entries {
            let Some(End::Settled(Outcome::Waiting(need))) = &entry.end else { continue };
            let failure = earlier.get(&entry.record()).filter(|failure| failure.kind == FailureKind::Waiting);
            let before = entry.treatment().waited_since.or(failure.map(|failure| failure.first_at));
            if let Some(before) = before {
                let since = since.entry(entry.record()).or_insert(before);
                *since = before.min(*since);
                entry.end = Some(End::Settled(Outcome::WaitingInVain(need.clone())));
            }
        }
        Ok(since)
    }

    fn label(&self, entry: &Entry) -> String {
        let source = self.mapping.table(self.direction.source());
        entry.source.as_ref().map_or_else(|| entry.record().to_string(), |record| record.label(source))
    }

    fn failure(&self, entry: &Entry, outcome: &Outcome, earlier: Option<&Failure>, now: Timestamp) -> FailureChange {
        let (kind, data, conflicts): (_, DataFailure, Vec<FieldConflict>) = match outcome {
            Outcome::Failed(failure) => (FailureKind::Data, failure.clone(), Vec::new()),
            Outcome::Conflict(conflicts) => (FailureKind::Conflict, conflict_failure(conflicts), conflicts.clone()),
            Outcome::WaitingInVain(need) => (FailureKind::Waiting, self.engine.waiting_failure(need), Vec::new()),
            outcome if is_synchronized(outcome) && entry.notes.iter().any(|note| note.is_left) => {
                (FailureKind::Fields, FieldNote::joined(&entry.notes), Vec::new())
            }
            _ if earlier.is_some() => return FailureChange::Clear,
            _ => return FailureChange::Keep,
        };
        let attempts = earlier.map_or(0, |failure| failure.attempts) + 1;
        FailureChange::Set(Failure {
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record: entry.record(),
            other: entry.coupling.as_ref().map(|coupling| coupling.id(self.direction.destination())),
            label: self.label(entry),
            run: self.run,
            first_at: earlier.map_or(now, |failure| failure.first_at),
            at: now,
            attempts,
            kind,
            field: data.field,
            message: data.message,
            conflicts,
            options: SyncOptions { waited_since: None, ..entry.treatment() },
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
            // Nothing was created: the reservation is taken back.
            Outcome::Failed(_) if is_refused(entry) => return None,
            Outcome::Failed(failure) => {
                next.set_result(self.direction, result(Some(failure.message.clone())));
                return Some(next);
            }
            Outcome::Conflict(conflicts) => {
                next.set_result(self.direction, result(Some(conflict_failure(conflicts).message)));
                return Some(next);
            }
            Outcome::WaitingInVain(need) => {
                next.set_result(self.direction, result(Some(self.engine.waiting_failure(need).message)));
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
        next.related.extend(entry.followed.companions.clone());
        for (column, value) in &entry.followed.values {
            next.base.set(self.direction.destination(), column, value);
        }
        *next.side_mut(self.direction.source()) =
            SideState { version: source.version.clone(), modified: source.modified };
        if let Some(written) = &entry.written {
            *next.side_mut(self.direction.destination()) =
                SideState { version: written.version.clone(), modified: written.modified };
        }
        // Lookups by code find a record by it, and so does one that was made again under it.
        next.key = self.key_of(entry).or(next.key);
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
        // A field that stayed behind when the record was made holds what the system filled in: no user's change.
        if let (Some(shown), Some(Decision::Create { .. })) = (shown, &entry.decision) {
            for row in self.mapping.rows(self.direction) {
                let column = match destination.side {
                    Side::BusinessCentral => &row.business_central,
                    Side::Dataverse => &row.dataverse,
                };
                if let Some(column) = column
                    && next.base.get(destination.side, column).is_none()
                    && let Some(shown) = shown.get(column.name.as_str())
                {
                    next.base.set(destination.side, &column.name, shown);
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
        let waiting: HashSet<&Dependency> =
            self.entries.iter().filter_map(|entry| Some(&entry.needs()?.dependency)).collect();
        let mut appeared: Vec<Dependency> = Vec::new();
        for dependency in waiting {
            if self.engine.is_coupled(dependency).await? {
                appeared.push(dependency.clone());
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
            let Some(coupling) = &entry.coupling else { continue };
            let was_written = matches!(&entry.end, Some(End::Settled(Outcome::Modified | Outcome::Unchanged)));
            // A record that got another key is found under that one from now on.
            let was_renamed = was_written && self.key_of(entry).is_some_and(|key| coupling.key.as_ref() != Some(&key));
            if !became_usable && !was_renamed {
                continue;
            }
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
        self.queue.send(messages).await?;
        self.store().forget_waits(self.company(), &waits).await?;
        Ok(())
    }
}

/// Whether a record was to be coupled and its destination refused it, so that nothing came of the reservation.
fn is_refused(entry: &Entry) -> bool {
    let reserved = entry.coupling.as_ref().is_some_and(|coupling| coupling.state == CouplingState::Reserved);
    reserved
        && entry.claimed
        && !entry.made
        && entry.written.is_none()
        && matches!(entry.end, Some(End::Settled(Outcome::Failed(_))))
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

impl Entry {
    /// What the record waits for: as a whole, or with a field that it travelled without.
    fn needs(&self) -> Option<&Need> {
        match &self.end {
            Some(End::Settled(Outcome::Waiting(need) | Outcome::WaitingInVain(need))) => Some(need),
            Some(End::Settled(outcome)) if is_synchronized(outcome) => self.missing.as_ref(),
            _ => None,
        }
    }
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
