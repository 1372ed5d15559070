//! From delivered messages to dispositions: messages are grouped by mapping, direction and run, and each group goes through
//! the steps as one batch.

use std::collections::{BTreeMap, HashSet};

use couplet_model::correlation::in_the_name_of;
use couplet_model::message::MESSAGE_FORMAT;
use couplet_model::outcome::IgnoreReason;
use couplet_model::{Counters, Outcome, RecordId, RecordMessage, Said};
use jiff::{SignedDuration, Timestamp};
use tracing::field::display;
use tracing::{Instrument, debug, info, info_span, warn};

use super::batch::{Batch, Delivered, End, SET_UP_PAUSE, Stop, Stored, halted_pause, pause_of};
use super::stages::{DecidedBatch, Received};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::halt::Standing;
use crate::ports::{BatchReport, Delivery, Disposition, GroupReport};
use crate::trust::{GroupKey, distrust};

impl Engine {
    /// Applies delivered messages; one disposition per delivery, in order. Never fails as a whole: what could not be
    /// done goes back to the queue with its reason.
    pub async fn sync_batch(&self, deliveries: Vec<Delivery>) -> BatchReport {
        let mut dispositions = vec![Disposition::again("not processed"); deliveries.len()];
        let standing = match self.standing_of_batch().await {
            Ok(standing) => standing,
            Err(error) => {
                let reason = Said::from(&error);
                dispositions.fill(match halted_pause(&error) {
                    Some(after) => Disposition::Postpone { reason, after },
                    None => Disposition::Return { reason, after: pause_of(error.retry_class(), 1) },
                });
                return BatchReport { dispositions, groups: Vec::new() };
            }
        };
        let parts = match self.by_mappings(deliveries).await {
            Ok(parts) => parts,
            Err(error) => {
                let (reason, after) = (Said::from(&error), pause_of(error.retry_class(), 1));
                dispositions.fill(Disposition::Return { reason, after });
                return BatchReport { dispositions, groups: Vec::new() };
            }
        };
        let mut groups = Vec::new();
        for (engine, deliveries) in parts {
            groups.extend(engine.sync_by_these_mappings(deliveries, &standing, &mut dispositions).await);
        }
        BatchReport { dispositions, groups }
    }

    /// Delivered messages, each with the engine of the mappings it goes by. What a run has read is treated by the mappings of
    /// the run, whatever has become of them since; what is still to be read, by the mappings as they are now.
    async fn by_mappings(&self, deliveries: Vec<Delivery>) -> Result<Vec<(Self, Vec<(usize, Delivery)>)>, EngineError> {
        let goes_by_its_run = |message: &RecordMessage| message.snapshot.is_some() && message.replay.is_none();
        let of = |message: &RecordMessage| (message.job.clone(), message.run);
        let ours = deliveries.iter().map(|delivery| &delivery.message).filter(|message| goes_by_its_run(message));
        let runs = self.known_runs(ours.map(of).collect()).await?;
        let current = self.current().await?;
        let mut revisions: BTreeMap<Option<u64>, Vec<(usize, Delivery)>> = BTreeMap::new();
        for (index, delivery) in deliveries.into_iter().enumerate() {
            let message = &delivery.message;
            // What goes by the mappings as they are now stays together, so that it is done in its usual order.
            let revision = goes_by_its_run(message).then(|| runs.get(&of(message)).copied()).flatten();
            let revision = revision.filter(|revision| *revision != current.revision);
            revisions.entry(revision).or_default().push((index, delivery));
        }
        let mut parts = Vec::with_capacity(revisions.len());
        for (revision, mut deliveries) in revisions {
            let engine = match revision {
                None => current.clone(),
                Some(revision) => match self.of_revision(revision).await? {
                    Some(engine) => engine,
                    None => {
                        // Mappings that are kept no more give no meaning to what was read by them.
                        deliveries.iter_mut().for_each(|(_, delivery)| delivery.message.snapshot = None);
                        current.clone()
                    }
                },
            };
            parts.push((engine, deliveries));
        }
        Ok(parts)
    }

    /// Applies messages that go by the mappings of this engine.
    async fn sync_by_these_mappings(
        &self,
        deliveries: Vec<(usize, Delivery)>,
        standing: &Standing,
        dispositions: &mut [Disposition],
    ) -> Vec<GroupReport> {
        let mut reports = Vec::new();
        let mut groups: BTreeMap<GroupKey, Vec<(usize, Delivery)>> = BTreeMap::new();
        for (index, delivery) in deliveries {
            let message = &delivery.message;
            if message.v != MESSAGE_FORMAT || message.company != self.company() {
                let reason = format!(
                    "the message is of format {} and company {}; this engine takes format {MESSAGE_FORMAT} and company {}",
                    message.v,
                    message.company,
                    self.company()
                );
                dispositions[index] = Disposition::Return { reason: Said::safe(reason), after: Some(SET_UP_PAUSE) };
                continue;
            }
            let key = (message.mapping.clone(), message.direction, message.job.clone(), message.run);
            groups.entry(key).or_default().push((index, delivery));
        }
        let trusted = match self.trusted(groups.keys()).await {
            Ok(trusted) => trusted,
            Err(error) => {
                let after = pause_of(error.retry_class(), 1);
                for (index, _) in groups.into_values().flatten() {
                    dispositions[index] = Disposition::Return { reason: (&error).into(), after };
                }
                return reports;
            }
        };
        for (key, mut deliveries) in groups {
            if !trusted.contains(&key) {
                distrust(&key, &mut deliveries);
            }
            let (name, direction, job, run) = key;
            let mapping = match self.mapping(&name) {
                Ok(mapping) => mapping,
                Err(missing) => {
                    let reason = Said::safe(format!("{name} cannot be synchronized here: {missing}"));
                    for (index, _) in &deliveries {
                        let after = Some(SET_UP_PAUSE);
                        dispositions[*index] = Disposition::Return { reason: reason.clone(), after };
                    }
                    continue;
                }
            };
            let span =
                info_span!("batch", mapping = %mapping.name, direction = direction.as_str(), run = %run, job = %job);
            let mut batch = Batch {
                engine: self,
                mapping,
                direction,
                job,
                run,
                resumed_at: standing.resumed_at,
                delivered: one_per_record(deliveries),
                settled: Vec::new(),
                lines: None,
                recorded: HashSet::new(),
            };
            in_the_name_of(run, batch.work()).instrument(span.clone()).await;
            reports.push(span.in_scope(|| batch.report(dispositions)));
        }
        reports
    }

    /// How the installation stands, if this batch may work at all.
    async fn standing_of_batch(&self) -> Result<Standing, EngineError> {
        self.confirm_owner().await?;
        self.confirm_orders().await?;
        self.standing_to_work().await
    }
}

/// Of several messages about one record the newest snapshot counts, and they end together.
fn one_per_record(deliveries: Vec<(usize, Delivery)>) -> Vec<Delivered> {
    let mut records: Vec<Delivered> = Vec::with_capacity(deliveries.len());
    let mut known: BTreeMap<RecordId, usize> = BTreeMap::new();
    for (index, Delivery { message, receive_count }) in deliveries {
        let Some(&first) = known.get(&message.record) else {
            known.insert(message.record, records.len());
            let deliveries = vec![index];
            let (claim, is_held_by_outage, end) = (None, false, None);
            records.push(Delivered { deliveries, message, receive_count, claim, is_held_by_outage, end });
            continue;
        };
        let record = &mut records[first];
        record.deliveries.push(index);
        record.receive_count = record.receive_count.max(receive_count);
        record.message.options = record.message.options.or(message.options);
        record.message.wish = record.message.wish.take().or(message.wish);
        // Which of two snapshots is newer is known for sure only by reading again.
        record.message.snapshot = None;
    }
    records
}

impl Batch<'_> {
    /// Takes the records through all steps. What has ended before a step failed is stored all the same.
    async fn work(&mut self) {
        match self.steps().await {
            Ok(()) => {}
            Err(Stop::Died) => return self.die(),
            Err(Stop::Failed(error)) => {
                let (halted, class) = (halted_pause(&error), error.retry_class());
                let settled: Vec<usize> = self.settled.iter().map(|settled| settled.index).collect();
                for index in (0..self.delivered.len()).filter(|index| !settled.contains(index)) {
                    match halted {
                        Some(pause) => self.postpone(index, &error, pause),
                        None => self.give_back_for(index, class, &error),
                    }
                }
                match self.commit(Vec::new()).await {
                    Ok(_) => {}
                    Err(Stop::Died) => return self.die(),
                    Err(Stop::Failed(unstored)) => {
                        warn!(error = unstored.for_log(), "records that had ended could not be stored and come again");
                    }
                }
            }
        }
        for index in 0..self.delivered.len() {
            self.give_back(index, "left open", None);
        }
        self.give_up_claims().await;
    }

    /// A dead worker deletes no message, whatever it had done before.
    fn die(&mut self) {
        for delivered in &mut self.delivered {
            delivered.end = Some(End::Returned { reason: "the worker died".into(), after: None });
        }
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        let received = self.receive().await?;
        let received = self.turn_away_what_does_not_travel(received);
        let received = self.grant_wishes(received).await?;
        let (received, coupled) = self.couple_as_seen(received);
        let read = self.read_sources(received).await?;
        let read = self.follow_merged_sources(read).await?;
        let read = self.move_to_sources(read).await?;
        let admitted = self.admit(read).await?;
        let admitted = self.find_earlier_attempts(admitted).await?;
        let admitted = self.match_existing(admitted).await?;
        let admitted = self.read_destinations(admitted).await?;
        let admitted = self.follow_merged_destinations(admitted).await?;
        let admitted = self.fail_unreadable_destinations(admitted);
        let (admitted, couplings) = self.set_couplings_apart(admitted);
        let mut decided = self.decide(admitted).await?;
        decided.records.extend(couplings);
        let decided = DecidedBatch { records: self.fail_what_cannot_be_stored(decided.records), ..decided };
        let mut done = self.write(decided).await?;
        done.extend(coupled);
        let stored = self.commit(done).await?;
        self.release_waiting(&stored).await
    }

    /// Settles the records of a direction that the mapping goes no more: a person has made it one-way since they were found.
    fn turn_away_what_does_not_travel(&mut self, received: Vec<Received>) -> Vec<Received> {
        if self.mapping.direction.includes(self.direction) || self.lines.is_some() {
            return received;
        }
        let reason = format!("{} goes {} only", self.mapping.name, self.mapping.direction.in_words());
        for record in received {
            self.settle(record.settle(Outcome::Ignored(IgnoreReason::Rule(reason.clone()))));
        }
        Vec::new()
    }

    /// Says what became of the records: to the queue, to the log, and in numbers.
    fn report(&self, dispositions: &mut [Disposition]) -> GroupReport {
        let now = self.engine.now();
        let mut report = GroupReport {
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            run: self.run,
            outcomes: Counters::default(),
            returned: 0,
            outages: 0,
            lags: Vec::new(),
        };
        for delivered in &self.delivered {
            let disposition = match &delivered.end {
                Some(End::Stored(stored)) => {
                    report.outcomes.count(&stored.outcome);
                    report.lags.extend(lag(delivered, stored, now));
                    log(delivered, stored);
                    Disposition::Done
                }
                Some(End::Returned { reason, after }) => Disposition::Return { reason: reason.clone(), after: *after },
                Some(End::Postponed { reason, after }) => {
                    Disposition::Postpone { reason: reason.clone(), after: *after }
                }
                None => Disposition::again("left open"),
            };
            report.outages += u64::from(delivered.is_held_by_outage);
            report.returned += u64::from(disposition != Disposition::Done);
            for index in &delivered.deliveries {
                dispositions[*index] = disposition.clone();
            }
        }
        info!(records = self.delivered.len(), returned = report.returned, "batch applied");
        report
    }
}

/// How long the change took from its source to its destination, if it was one that has just been written.
fn lag(delivered: &Delivered, stored: &Stored, now: Timestamp) -> Option<SignedDuration> {
    let is_change =
        matches!(stored.outcome, Outcome::Inserted | Outcome::Modified) && !delivered.message.options.create;
    let modified = stored.modified?;
    is_change.then(|| now.duration_since(modified).max(SignedDuration::ZERO))
}

/// One line for a record that was written; the others only when asked for. What fails for its data is stored, not logged.
fn log(delivered: &Delivered, stored: &Stored) {
    let record = delivered.message.record;
    let other = stored.other.map(display);
    let replay = delivered.message.replay.map(display);
    let outcome = &stored.outcome;
    match outcome {
        Outcome::Inserted | Outcome::Modified => {
            info!(record = %record, other, replay, outcome = outcome.name(), "record synchronized");
        }
        _ => debug!(record = %record, replay, outcome = outcome.name(), "record settled"),
    }
}

#[cfg(test)]
mod tests;
