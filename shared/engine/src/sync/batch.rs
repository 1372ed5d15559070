//! A batch of records of one mapping, direction and run, and what becomes of its messages.

use std::collections::HashSet;
use std::time::Duration;

use couplet_model::message::{Direction, SyncOptions};
use couplet_model::outcome::DataFailure;
use couplet_model::system::{Write, Written};
use couplet_model::table::{Side, Table};
use couplet_model::{Coupling, Outcome, RecordId, RecordMessage, RetryClass, RunId, Said, SystemError};
use jiff::Timestamp;
use tracing::warn;

use super::header_lines::LinesOfHeaders;
use super::stages::{Decided, Received, Settled};
use crate::bulk::write_all;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::failpoints::Failpoint;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::Context;

/// How long a message stays away after a failure of the set-up: long enough for a person to act before it is given up.
pub(super) const SET_UP_PAUSE: Duration = Duration::from_secs(60);
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

/// The messages of one record, and what becomes of them.
pub(super) struct Delivered {
    /// Its places among the deliveries.
    pub deliveries: Vec<usize>,
    /// The message; of several the snapshot counts for nothing.
    pub message: RecordMessage,
    /// How often it was delivered, this time included; the most of its messages.
    pub receive_count: u32,
    /// The pair as this worker holds it, if it does.
    pub claim: Option<Coupling>,
    /// Whether it goes back because of an outage.
    pub is_held_by_outage: bool,
    /// How the record left the batch.
    pub end: Option<End>,
}

/// How a record left the batch.
#[derive(Debug)]
pub(super) enum End {
    /// What became of it is stored.
    Stored(Stored),
    /// It comes back, and this was an attempt.
    Returned {
        /// Why.
        reason: Said,
        /// Not before this long.
        after: Option<Duration>,
    },
    /// It comes back, and this was no attempt.
    Postponed {
        /// Why.
        reason: Said,
        /// Not before this long.
        after: Duration,
    },
}

/// What became of a record, for the log and in numbers.
#[derive(Debug)]
pub(super) struct Stored {
    /// How it ended.
    pub outcome: Outcome,
    /// The record at the destination, if it was written.
    pub other: Option<RecordId>,
    /// When the source was changed.
    pub modified: Option<Timestamp>,
}

/// Why a batch stopped before its end.
pub(super) enum Stop {
    /// Everything that has not ended goes back to the queue.
    Failed(EngineError),
    /// A crash test asked for it.
    Died,
}

impl<E: Into<EngineError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The records of one mapping, direction and run.
pub(super) struct Batch<'a> {
    pub engine: &'a Engine,
    pub mapping: &'a InstalledMapping,
    pub direction: Direction,
    pub job: String,
    pub run: RunId,
    /// When a person last chose to go on after a system was restored.
    pub resumed_at: Option<Timestamp>,
    /// Every record of the batch.
    pub delivered: Vec<Delivered>,
    /// Records that have ended and are not stored yet.
    pub settled: Vec<Settled>,
    /// What is known of their headers, if the records are lines of documents.
    pub lines: Option<LinesOfHeaders>,
    /// Records whose end the history tells already.
    pub recorded: HashSet<usize>,
}

impl Batch<'_> {
    /// What the rules see.
    pub fn context(&self) -> Context<'_> {
        Context { installation: &self.engine.installation, mapping: self.mapping, direction: self.direction }
    }

    /// The table records come from.
    pub fn source_table(&self) -> &Table {
        self.mapping.table(self.direction.source())
    }

    /// The table records go to.
    pub fn destination_table(&self) -> &Table {
        self.mapping.table(self.direction.destination())
    }

    /// The record at an index.
    pub fn record(&self, index: usize) -> RecordId {
        self.delivered[index].message.record
    }

    /// How the record at an index is to be synchronized.
    pub fn options(&self, index: usize) -> SyncOptions {
        self.delivered[index].message.options
    }

    /// Ends a record; it is stored with the others.
    pub fn settle(&mut self, settled: Settled) {
        self.settled.push(settled);
    }

    /// Sends a record back to the queue.
    pub fn give_back(&mut self, index: usize, reason: impl Into<Said>, after: Option<Duration>) {
        self.delivered[index].end.get_or_insert(End::Returned { reason: reason.into(), after });
    }

    /// Sends a record back to the queue, without this having been an attempt.
    pub fn postpone(&mut self, index: usize, reason: impl Into<Said>, after: Duration) {
        self.delivered[index].end.get_or_insert(End::Postponed { reason: reason.into(), after });
    }

    /// Notes the pair of a record as it is held now, if this worker holds it: whoever gives the claim up stores this.
    pub fn hold(&mut self, index: usize, coupling: &Coupling) {
        if let Some(claim) = &mut self.delivered[index].claim {
            claim.clone_from(coupling);
        }
    }

    /// Sends a record back for a failure of this class. What the service asked to wait for, and an outage, are no attempts
    /// of the record: it waits as long as it must, and an alarm tells of the outage.
    pub fn give_back_for(&mut self, index: usize, class: RetryClass, reason: impl Into<Said>) {
        match class {
            RetryClass::Outage => {
                let delivered = &mut self.delivered[index];
                delivered.is_held_by_outage |= delivered.end.is_none();
                self.postpone(index, reason, OUTAGE_PAUSE);
            }
            RetryClass::RetryAfter(pause) if pause <= LONGEST_POSTPONEMENT => self.postpone(index, reason, pause),
            class => {
                let pause = pause_of(class, self.delivered[index].receive_count);
                self.give_back(index, reason, pause);
            }
        }
    }

    /// Ends a record whose write failed: by failing it, or by sending its message back.
    pub fn refuse(&mut self, decided: Decided, error: &SystemError, hint: &str) {
        match error.retry_class() {
            RetryClass::Data => {
                let table = self.destination_table().caption();
                let message = format!("writing the {table} failed (EE13): {error}{hint}");
                self.settle(decided.settle(Outcome::Failed(DataFailure::new(message))));
            }
            // A privilege that is missing for one record is a fault of the set-up, but only a person can mend it.
            class => {
                self.hold(decided.index, &decided.coupling);
                self.give_back_for(decided.index, class, error);
            }
        }
    }

    /// Ends a record whose partner could not be deleted.
    pub fn refuse_received(&mut self, record: Received, error: &SystemError) {
        match error.retry_class() {
            RetryClass::Data => {
                let table = self.destination_table().caption();
                let message = format!(
                    "its record was deleted or takes no part any more, and deleting the {table} it was coupled to failed (EE13): {error}; delete \
                     that one by hand"
                );
                self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
            }
            class => self.give_back_for(record.index, class, error),
        }
    }

    /// Writes to the destination; one result per write, in order.
    pub async fn write_all(&self, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        let side = self.direction.destination();
        write_all(self.engine.system(side), self.mapping.table(side), writes).await
    }

    /// Whether new records of the destination get the id they are created under.
    pub fn destination_takes_ids(&self) -> bool {
        let side = self.direction.destination();
        self.engine.system(side).takes_ids(self.mapping.table(side))
    }

    /// What people call a record.
    pub fn label(&self, source: &couplet_model::Record) -> String {
        self.mapping.rules.label(self.direction, source).unwrap_or_else(|| source.label(self.source_table()))
    }

    /// Says what the operator should know about the columns of these records. The runs say it, too.
    pub fn remark(&self, notes: Vec<String>) {
        for note in notes {
            warn!("{note}");
        }
    }

    /// Where a crash test may stop the batch.
    pub fn pass(&self, failpoint: Failpoint) -> Result<(), Stop> {
        let failpoint = if self.lines.is_some() { failpoint.of_lines() } else { failpoint };
        if self.engine.options().failpoints.dies_at(failpoint) { Err(Stop::Died) } else { Ok(()) }
    }

    /// What people call a record of Business Central.
    pub fn partner_caption(&self) -> String {
        self.mapping.table(Side::BusinessCentral).caption()
    }
}

/// How long a message stays away if all jobs stand still. It is no attempt: a person may take days to choose how they go on,
/// or to set a setting back.
pub(super) fn halted_pause(error: &EngineError) -> Option<Duration> {
    matches!(error, EngineError::Halted(_) | EngineError::OrdersLeftBehind(_)).then_some(HALTED_PAUSE)
}

/// How long a message stays away after a failure of this class, delivered so often. `None` leaves it to the queue.
pub(super) fn pause_of(class: RetryClass, receive_count: u32) -> Option<Duration> {
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
