//! Applying a batch of records of the queue: the six steps from message to stored coupling, in bulk.
//!
//! 1. read couplings and sources; 2. admit; 3. transfer; 4. decide against the base; 5. write; 6. store and release.
//!
//! Every record ends in exactly one way: settled with an outcome, or returned to the queue.

pub(crate) mod admission;

mod committing;
mod deciding;
mod intending;
mod isolating;
mod likeness;
mod making_room;
mod matching;
mod merging;
mod moving;
mod parting;
mod reading;
mod transferring;
mod writing;

use std::collections::BTreeMap;
use std::time::Duration;

use couplet_model::correlation::in_the_name_of;
use couplet_model::decision::{Decision, TransferredField};
use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::outcome::{FieldNote, Need};
use couplet_model::own_writes::Agreement;
use couplet_model::{Counters, Coupling, Outcome, Record, RecordId, RecordMessage, RetryClass, RunId, Said};
use jiff::{SignedDuration, Timestamp};
use tracing::field::display;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::halt::Standing;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{Followed, PreparedRules};
use crate::ports::{BatchReport, Delivery, Disposition, GroupReport};
use crate::trust::{GroupKey, distrust};

/// How long a message stays away after a failure of the set-up: long enough for a person to act before it is given up.
const SET_UP_PAUSE: Duration = Duration::from_secs(60);
/// How long a message stays away after the first time its record was changed between reading and writing; four times
/// longer with every further time, so that one clash costs two seconds and a record that is changed all the time is not
/// given up within a moment.
const CLASH_PAUSE: Duration = Duration::from_secs(2);

/// How long a message stays away while something else than the service answers, or the service does not know us.
const OUTAGE_PAUSE: Duration = Duration::from_secs(300);
/// A queue keeps a message back no longer when it is sent. Longer pauses go by the message's own visibility, which counts
/// its deliveries: a service that wants to be left alone for hours is an attempt that failed.
const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(900);

/// How long a message stays away while all jobs stand still: as long as a queue keeps one away.
const HALTED_PAUSE: Duration = Duration::from_secs(15 * 60);

/// One record of a batch on its way through the steps.
struct Entry {
    /// Places of its messages among the deliveries.
    deliveries: Vec<usize>,
    message: RecordMessage,
    /// How often it was delivered, this time included; the most of its messages.
    receive_count: u32,
    source: Option<Record>,
    coupling: Option<Coupling>,
    destination: Option<Record>,
    /// Whether the destination is being created; with a destination at hand, an earlier attempt has done so already.
    creating: bool,
    /// Found by a natural key just now: the source wins the first time (R50).
    adopted: bool,
    /// The pair is only reserved, but both of its records are there: an earlier attempt made the second one.
    made: bool,
    /// Whether this worker holds the pair.
    claimed: bool,
    /// Whether it goes back because of an outage.
    is_held_by_outage: bool,
    fields: Vec<TransferredField>,
    /// What was agreed before the decision, with our own unconfirmed writes recognized.
    agreement: Option<Agreement>,
    /// Fields that stayed behind or arrived as another value.
    notes: Vec<FieldNote>,
    /// What brings the record back once it is coupled, although the rest of it travels now.
    missing: Option<Need>,
    decision: Option<Decision>,
    written: Option<couplet_model::system::Written>,
    followed: Followed,
    end: Option<End>,
}

/// How a record left the steps.
enum End {
    Settled(Outcome),
    Returned {
        reason: Said,
        after: Option<Duration>,
    },
    /// Another worker is at the record.
    Postponed {
        reason: Said,
        after: Duration,
    },
}

impl Entry {
    fn new(delivery: usize, message: RecordMessage, receive_count: u32) -> Self {
        Self {
            deliveries: vec![delivery],
            message,
            receive_count,
            source: None,
            coupling: None,
            destination: None,
            creating: false,
            adopted: false,
            made: false,
            claimed: false,
            is_held_by_outage: false,
            fields: Vec::new(),
            agreement: None,
            notes: Vec::new(),
            missing: None,
            decision: None,
            written: None,
            followed: Followed::default(),
            end: None,
        }
    }

    fn record(&self) -> RecordId {
        self.message.record
    }

    fn treatment(&self) -> SyncOptions {
        self.message.options
    }

    /// Whether it was delivered before, so that what the message shows may be old.
    fn is_retry(&self) -> bool {
        self.receive_count > 1
    }

    /// Whether this attempt finishes what an earlier one created.
    fn is_resumed(&self) -> bool {
        self.creating && self.destination.is_some()
    }

    fn is_open(&self) -> bool {
        self.end.is_none()
    }

    fn settle(&mut self, outcome: Outcome) {
        self.end.get_or_insert(End::Settled(outcome));
    }

    fn give_back(&mut self, reason: impl Into<Said>, after: Option<Duration>) {
        self.end.get_or_insert(End::Returned { reason: reason.into(), after });
    }

    /// Gives a message back for a failure of this class. What the service asked to wait for, and an outage, are no
    /// attempts of the record: it waits as long as it must, and an alarm tells of the outage.
    fn give_back_for(&mut self, class: RetryClass, reason: impl Into<Said>) {
        match class {
            RetryClass::Outage => {
                self.is_held_by_outage = self.is_open();
                self.postpone(reason, OUTAGE_PAUSE);
            }
            RetryClass::RetryAfter(pause) if pause <= LONGEST_POSTPONEMENT => self.postpone(reason, pause),
            class => self.give_back(reason, pause_of(class, self.receive_count)),
        }
    }

    fn postpone(&mut self, reason: impl Into<Said>, after: Duration) {
        self.end.get_or_insert(End::Postponed { reason: reason.into(), after });
    }
}

/// The records of one mapping, direction and run.
struct Batch<'a> {
    engine: &'a Engine,
    mapping: &'a InstalledMapping,
    direction: Direction,
    job: String,
    run: RunId,
    entries: Vec<Entry>,
    /// What the rules read for these records.
    prepared: Option<Box<dyn PreparedRules>>,
    /// When a person last chose to go on after a system was restored.
    resumed_at: Option<Timestamp>,
}

/// Why a batch stopped before its end.
enum Stop {
    /// Everything that is open goes back to the queue.
    Failed(EngineError),
    /// A crash test asked for it.
    Died,
}

impl<E: Into<EngineError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Engine {
    /// Applies delivered messages; one disposition per delivery, in order. Never fails as a whole: what could not be
    /// done goes back to the queue with its reason.
    pub async fn sync_batch(&self, deliveries: Vec<Delivery>) -> BatchReport {
        let mut reports = Vec::new();
        let mut dispositions = vec![Disposition::again("not processed"); deliveries.len()];
        let standing = match self.standing_of_batch().await {
            Ok(standing) => standing,
            Err(error) => {
                let reason = Said::from(&error);
                dispositions.fill(match halted_pause(&error) {
                    Some(after) => Disposition::Postpone { reason, after },
                    None => Disposition::Return { reason, after: pause_of(error.retry_class(), 1) },
                });
                return BatchReport { dispositions, groups: reports };
            }
        };
        let mut groups: BTreeMap<GroupKey, Vec<(usize, Delivery)>> = BTreeMap::new();
        for (place, delivery) in deliveries.into_iter().enumerate() {
            let message = &delivery.message;
            if message.v != MESSAGE_FORMAT || message.company != self.company() {
                let reason = format!(
                    "the message is of format {} and company {}; this engine takes format {MESSAGE_FORMAT} and company {}",
                    message.v,
                    message.company,
                    self.company()
                );
                dispositions[place] = Disposition::Return { reason: Said::safe(reason), after: Some(SET_UP_PAUSE) };
                continue;
            }
            let key = (message.mapping.clone(), message.direction, message.job.clone(), message.run);
            groups.entry(key).or_default().push((place, delivery));
        }
        let trusted = match self.trusted(groups.keys()).await {
            Ok(trusted) => trusted,
            Err(error) => {
                let after = pause_of(error.retry_class(), 1);
                for (place, _) in groups.into_values().flatten() {
                    dispositions[place] = Disposition::Return { reason: (&error).into(), after };
                }
                return BatchReport { dispositions, groups: reports };
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
                    refuse(&mut dispositions, &deliveries, &format!("{name} cannot be synchronized here: {missing}"));
                    continue;
                }
            };
            let entries = entries_of(deliveries);
            let span =
                info_span!("batch", mapping = %mapping.name, direction = direction.as_str(), run = %run, job = %job);
            let resumed_at = standing.resumed_at;
            let mut batch = Batch { engine: self, mapping, direction, job, run, entries, prepared: None, resumed_at };
            in_the_name_of(run, batch.work()).instrument(span.clone()).await;
            reports.push(span.in_scope(|| batch.report(&mut dispositions)));
        }
        BatchReport { dispositions, groups: reports }
    }
}

impl Engine {
    /// How the installation stands, if this batch may work at all.
    async fn standing_of_batch(&self) -> Result<Standing, EngineError> {
        self.confirm_owner().await?;
        self.standing_to_work().await
    }
}

fn refuse(dispositions: &mut [Disposition], deliveries: &[(usize, Delivery)], reason: &str) {
    for (place, _) in deliveries {
        dispositions[*place] = Disposition::Return { reason: Said::safe(reason), after: Some(SET_UP_PAUSE) };
    }
}

/// One entry per record: of several messages about one record the newest snapshot counts, and they end together.
fn entries_of(deliveries: Vec<(usize, Delivery)>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(deliveries.len());
    let mut places: BTreeMap<RecordId, usize> = BTreeMap::new();
    for (place, delivery) in deliveries {
        let record = delivery.message.record;
        let Some(&index) = places.get(&record) else {
            places.insert(record, entries.len());
            entries.push(Entry::new(place, delivery.message, delivery.receive_count));
            continue;
        };
        let entry = &mut entries[index];
        entry.deliveries.push(place);
        entry.receive_count = entry.receive_count.max(delivery.receive_count);
        entry.message.options = entry.message.options.or(delivery.message.options);
        // Which of two snapshots is newer is known for sure only by reading again.
        entry.message.snapshot = None;
    }
    entries
}

impl Batch<'_> {
    /// Takes the records through all steps.
    async fn work(&mut self) {
        match self.steps().await {
            Ok(()) => {}
            Err(Stop::Died) => {
                // A dead worker deletes no message, whatever it had done before.
                for entry in &mut self.entries {
                    entry.end = Some(End::Returned { reason: "the worker died".into(), after: None });
                }
                return;
            }
            Err(Stop::Failed(error)) => {
                let halted = halted_pause(&error);
                let class = error.retry_class();
                for entry in self.open_mut() {
                    match halted {
                        Some(pause) => entry.postpone(&error, pause),
                        None => entry.give_back_for(class, &error),
                    }
                }
            }
        }
        self.give_up_claims().await;
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        self.read_couplings().await?;
        self.fail_damaged_couplings();
        self.read_sources().await?;
        self.follow_merges(self.direction.source()).await?;
        self.move_to_sources().await?;
        self.admit().await?;
        self.fail_unreadable_sources();
        self.find_earlier_attempts().await?;
        self.match_existing().await?;
        self.read_destinations().await?;
        self.follow_merges(self.direction.destination()).await?;
        self.fail_unreadable_destinations();
        self.decide().await?;
        self.fail_what_cannot_be_stored();
        self.write().await?;
        self.commit().await?;
        self.release_waiting().await
    }

    /// Says what the operator should know about the columns of these records. The runs say it, too.
    fn remark(&self, notes: Vec<String>) {
        for note in notes {
            warn!(mapping = %self.mapping.name, "{note}");
        }
    }

    fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_open())
    }

    fn open_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter(|entry| entry.is_open())
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
        for entry in &self.entries {
            let disposition = match &entry.end {
                Some(End::Settled(outcome)) => {
                    report.outcomes.count(outcome);
                    report.lags.extend(entry.lag(outcome, now));
                    entry.log(outcome);
                    Disposition::Done
                }
                Some(End::Returned { reason, after }) => Disposition::Return { reason: reason.clone(), after: *after },
                Some(End::Postponed { reason, after }) => {
                    Disposition::Postpone { reason: reason.clone(), after: *after }
                }
                None => Disposition::again("left open"),
            };
            report.outages += u64::from(entry.is_held_by_outage);
            report.returned += u64::from(disposition != Disposition::Done);
            for place in &entry.deliveries {
                dispositions[*place] = disposition.clone();
            }
        }
        info!(records = self.entries.len(), returned = report.returned, "batch applied");
        report
    }
}

impl Entry {
    /// How long the change took from its source to its destination, if it was one that has just been written.
    fn lag(&self, outcome: &Outcome, now: Timestamp) -> Option<SignedDuration> {
        let is_change = matches!(outcome, Outcome::Inserted | Outcome::Modified) && !self.treatment().create;
        let modified = self.source.as_ref()?.modified?;
        is_change.then(|| now.duration_since(modified).max(SignedDuration::ZERO))
    }

    /// One line for a record that was written; the others only when asked for. What fails for its data is stored, not
    /// logged.
    fn log(&self, outcome: &Outcome) {
        let record = self.record();
        let other = self.written.as_ref().map(|written| display(written.id));
        let replay = self.message.replay.map(display);
        match outcome {
            Outcome::Inserted | Outcome::Modified => {
                info!(record = %record, other, replay, outcome = outcome.name(), "record synchronized");
            }
            _ => debug!(record = %record, replay, outcome = outcome.name(), "record settled"),
        }
    }
}

/// How long a message stays away if all jobs stand still. It is no attempt: a person may take days to choose how they go on.
fn halted_pause(error: &EngineError) -> Option<Duration> {
    matches!(error, EngineError::Halted(_)).then_some(HALTED_PAUSE)
}

/// How long a message stays away after a failure of this class, delivered so often. `None` leaves it to the queue.
fn pause_of(class: RetryClass, receive_count: u32) -> Option<Duration> {
    match class {
        RetryClass::RetryAfter(pause) => Some(pause),
        RetryClass::Conflict => {
            let times = 4_u32.saturating_pow(receive_count.saturating_sub(1));
            Some(CLASH_PAUSE.saturating_mul(times))
        }
        RetryClass::Configuration => Some(SET_UP_PAUSE),
        RetryClass::Outage => Some(OUTAGE_PAUSE),
        // The queue's own back-off doubles with every attempt.
        RetryClass::RetryNow | RetryClass::Data => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f24_no_failure_that_counts_as_an_attempt_comes_back_at_once() {
        let asked = RetryClass::RetryAfter(Duration::from_millis(1500));
        assert_eq!(pause_of(asked, 1), Some(Duration::from_millis(1500)));
        let classes = [RetryClass::RetryNow, RetryClass::Conflict, RetryClass::Configuration, RetryClass::Data];
        for class in classes {
            for receive_count in 1..=5 {
                assert_ne!(pause_of(class, receive_count), Some(Duration::ZERO), "{class:?} {receive_count}");
            }
        }
        let clashes: Vec<u64> =
            (1..=4).filter_map(|count| Some(pause_of(RetryClass::Conflict, count)?.as_secs())).collect();
        assert_eq!(clashes, [2, 8, 32, 128]);
        assert!(pause_of(RetryClass::Conflict, u32::MAX) > Some(Duration::from_secs(900)), "no overflow");
    }
}
