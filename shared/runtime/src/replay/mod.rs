//! Replay: brings dead letters back to their queue once the reason why they died is gone.
//!
//! It goes in rounds. A round takes dead letters, asks why they died and which of them have been synchronized since, and
//! decides for each ([`ReplayOutcome`]). What is to be moved is sent first and removed afterwards; in between it is in both
//! places, which is harmless, because a record synchronized twice is synchronized once. So a replay may be interrupted
//! anywhere, run twice, or run beside another one, and nothing is lost or duplicated by it. Dead letters that stay are hidden
//! from others while it works and shown again at the end.

mod dead_letter;
mod dead_letter_queue;
mod error;
mod judging;
mod pace;
mod report;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use couplet_engine::{Engine, GivenUp};
use couplet_model::ids::ReplayId;
use couplet_model::message::RecordMessage;
use couplet_store::DeadLetter;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::queue::{CONCURRENCY, in_requests};
use crate::wiring::Cloud;
use dead_letter::{Content, DeadMessage};
use dead_letter_queue::DeadLetterQueue;
use error::Stopped;
use judging::Criteria;

pub use dead_letter::QueueName;
pub use error::ReplayError;
pub use judging::ReplayOutcome;
pub use pace::Pace;
pub use report::{ReplayReport, ReportedDeadLetter};

/// Records counted as synchronized before they are removed: what one transaction takes, and what is counted twice at
/// most when the replay dies in between.
const COUNTED_AT_ONCE: usize = 90;

/// Which dead letters are to be brought back.
#[derive(Clone, Debug)]
pub struct ReplayRequest {
    /// Of which queues.
    pub queues: Vec<QueueName>,
    /// Only messages first sent at or after this. The time is that of the first sending: a message keeps it when it
    /// becomes a dead letter, and gets a new one when a replay sends it again.
    pub since: Option<Timestamp>,
    /// Only messages first sent before this.
    pub until: Option<Timestamp>,
    /// Only records of this mapping, and tasks of the job of this name.
    pub mapping: Option<String>,
    /// Only the letters with these message ids; `None`: whichever.
    pub messages: Option<BTreeSet<String>>,
    /// Only look: nothing is moved, removed or counted.
    pub dry_run: bool,
    /// Delete them instead: their records are noted as failed, so that a person can try them again, and their runs end.
    pub deletes: bool,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Dead letters looked at.
    pub looked_at: usize,
    /// Dead letters sent back, or deleted.
    pub moved: usize,
}

/// Brings dead letters back; tells in the end what became of each, however far it came. It ends early, with its last
/// round finished as far as it had begun, when `stop` becomes true. `tell` is told how far it is.
pub async fn replay(
    engine: &Engine,
    cloud: &Cloud,
    request: &ReplayRequest,
    pace: Pace,
    stop: &watch::Receiver<bool>,
    tell: &(dyn Fn(Progress) + Sync),
) -> ReplayReport {
    let criteria = Criteria {
        replay: ReplayId(Uuid::now_v7()),
        began: engine.store().now(),
        since: request.since,
        until: request.until,
        mapping: request.mapping.clone(),
        messages: request.messages.clone(),
        deletes: request.deletes,
    };
    let report =
        ReplayReport { replay: criteria.replay, dry_run: request.dry_run, stopped: None, dead_letters: Vec::new() };
    let mut work = Work { engine, criteria, pace, stop, tell, report };
    for queue in &request.queues {
        let home = match queue {
            QueueName::Records => cloud.queue_url.clone(),
            QueueName::Tasks => cloud.tasks_queue_url.clone(),
        };
        if let Err(stopped) = work.empty(cloud.sqs.clone(), *queue, home).await {
            work.report.stopped = Some(match stopped {
                Stopped::Interrupted => "it was interrupted; run it again for the rest".to_owned(),
                Stopped::Failed(error) => error.to_string(),
            });
            break;
        }
    }
    work.report
}

/// How many dead letters both queues hold, without taking any.
///
/// # Errors
/// When a queue has no dead-letter queue, or cannot be asked.
pub async fn count_dead_letters(cloud: &Cloud) -> Result<u64, ReplayError> {
    let mut count = 0;
    for (queue, home) in [(QueueName::Records, &cloud.queue_url), (QueueName::Tasks, &cloud.tasks_queue_url)] {
        let dead = DeadLetterQueue::of(cloud.sqs.clone(), queue, home.clone(), Pace::default()).await?;
        count += dead.count().await?;
    }
    Ok(count)
}

/// A replay under way.
struct Work<'a> {
    engine: &'a Engine,
    criteria: Criteria,
    pace: Pace,
    stop: &'a watch::Receiver<bool>,
    tell: &'a (dyn Fn(Progress) + Sync),
    report: ReplayReport,
}

impl Work<'_> {
    /// Goes through the dead letters of one queue, and releases those that stay, whatever happens.
    async fn empty(&mut self, client: aws_sdk_sqs::Client, queue: QueueName, home: String) -> Result<(), Stopped> {
        let mut dead = DeadLetterQueue::of(client, queue, home, self.pace).await?;
        let ended = self.rounds(&mut dead, queue).await;
        dead.release().await;
        ended
    }

    async fn rounds(&mut self, dead: &mut DeadLetterQueue, queue: QueueName) -> Result<(), Stopped> {
        loop {
            let gathered = dead.gather(self.engine.company(), self.stop).await?;
            self.round(dead, queue, &gathered.dead_letters).await?;
            if gathered.is_last {
                return Ok(());
            }
        }
    }

    /// Judges the dead letters of a round, does what was decided, and reports it.
    async fn round(
        &mut self,
        dead: &mut DeadLetterQueue,
        queue: QueueName,
        dead_letters: &[DeadMessage],
    ) -> Result<(), Stopped> {
        let ids: Vec<String> = dead_letters.iter().map(|dead_letter| dead_letter.message_id.clone()).collect();
        let noted = self.engine.store().dead_letters(self.engine.company(), &ids).await?;
        let mut outcomes = self.judge(dead_letters).await?;
        let ended =
            if self.report.dry_run { Ok(()) } else { self.act(dead, dead_letters, &noted, &mut outcomes).await };
        self.report.dead_letters.extend(dead_letters.iter().zip(outcomes).map(|(dead_letter, outcome)| {
            ReportedDeadLetter::new(queue, dead_letter, noted.get(&dead_letter.message_id), outcome)
        }));
        (self.tell)(Progress {
            looked_at: self.report.dead_letters.len(),
            moved: self.report.count(ReplayOutcome::Moved) + self.report.count(ReplayOutcome::Deleted),
        });
        ended
    }

    async fn judge(&self, dead_letters: &[DeadMessage]) -> Result<Vec<ReplayOutcome>, Stopped> {
        let left: Vec<Option<ReplayOutcome>> =
            dead_letters.iter().map(|dead_letter| self.criteria.leaves(dead_letter)).collect();
        let open = dead_letters.iter().zip(&left).filter(|(_, left)| left.is_none());
        let records: Vec<RecordMessage> = open
            .filter_map(|(dead_letter, _)| match &dead_letter.content {
                Content::Record(message) => Some((**message).clone()),
                Content::Task(_) | Content::Unreadable(_) => None,
            })
            .collect();
        let mut synchronized = self.engine.synchronized_meanwhile(&records).await?.into_iter();
        let outcome = |(dead_letter, left): (&DeadMessage, Option<ReplayOutcome>)| match (left, &dead_letter.content) {
            (Some(left), _) => left,
            (None, Content::Record(_)) if synchronized.next() == Some(true) => ReplayOutcome::SynchronizedMeanwhile,
            (None, _) if self.criteria.deletes => ReplayOutcome::Deleted,
            (None, _) => ReplayOutcome::Moved,
        };
        Ok(dead_letters.iter().zip(left).map(outcome).collect())
    }

    /// Does what was decided. What it does not come to is marked so.
    async fn act(
        &self,
        dead: &mut DeadLetterQueue,
        dead_letters: &[DeadMessage],
        noted: &HashMap<String, DeadLetter>,
        outcomes: &mut [ReplayOutcome],
    ) -> Result<(), Stopped> {
        let with = |wanted| {
            let all = outcomes.iter().enumerate();
            all.filter(move |(_, outcome)| **outcome == wanted).map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let (settled, moved) = (with(ReplayOutcome::SynchronizedMeanwhile), with(ReplayOutcome::Moved));
        let deleted = with(ReplayOutcome::Deleted);
        let mut done = HashSet::new();
        let mut ended = self.settle(dead, dead_letters, &settled, &mut done).await;
        if ended.is_ok() {
            ended = self.send_back(dead, dead_letters, &moved, &mut done).await;
        }
        if ended.is_ok() {
            ended = self.delete(dead, dead_letters, noted, (&deleted, &mut done)).await;
        }
        for index in settled.into_iter().chain(moved).chain(deleted) {
            if done.contains(&index) {
                dead.is_gone(&dead_letters[index].message_id);
            } else {
                outcomes[index] = ReplayOutcome::NotReached;
            }
        }
        ended
    }

    /// Counts records that were synchronized meanwhile on their runs, then removes them: in this order no run waits
    /// for ever.
    async fn settle(
        &self,
        dead: &DeadLetterQueue,
        dead_letters: &[DeadMessage],
        chosen: &[usize],
        done: &mut HashSet<usize>,
    ) -> Result<(), Stopped> {
        for chunk in chosen.chunks(COUNTED_AT_ONCE) {
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            let messages: Vec<RecordMessage> = chunk
                .iter()
                .filter_map(|index| match &dead_letters[*index].content {
                    Content::Record(message) => Some((**message).clone()),
                    Content::Task(_) | Content::Unreadable(_) => None,
                })
                .collect();
            self.engine.count_as_synchronized(&messages).await?;
            let settled: Vec<&DeadMessage> = chunk.iter().map(|index| &dead_letters[*index]).collect();
            dead.remove(&settled).await?;
            done.extend(chunk);
        }
        Ok(())
    }

    /// Notes the records of dead letters as failed and ends the runs of tasks, then removes the letters: in this order nothing is
    /// lost without a word, and no run waits for ever.
    async fn delete(
        &self,
        dead: &DeadLetterQueue,
        dead_letters: &[DeadMessage],
        noted: &HashMap<String, DeadLetter>,
        (chosen, done): (&[usize], &mut HashSet<usize>),
    ) -> Result<(), Stopped> {
        for chunk in chosen.chunks(COUNTED_AT_ONCE) {
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            let letters: Vec<&DeadMessage> = chunk.iter().map(|index| &dead_letters[*index]).collect();
            let reason = |letter: &DeadMessage| noted.get(&letter.message_id).map(|noted| noted.reason.clone());
            let records: Vec<GivenUp> = letters
                .iter()
                .filter_map(|letter| match &letter.content {
                    Content::Record(message) => Some(GivenUp { message: (**message).clone(), reason: reason(letter) }),
                    Content::Task(_) | Content::Unreadable(_) => None,
                })
                .collect();
            self.engine.give_up(&records).await?;
            for letter in &letters {
                if let Content::Task(message) = &letter.content {
                    self.engine.give_up_task(message, reason(letter).as_deref()).await?;
                }
            }
            dead.remove(&letters).await?;
            done.extend(chunk);
        }
        Ok(())
    }

    /// Sends dead letters back to where they came from, and removes each only when it is there.
    async fn send_back(
        &self,
        dead: &DeadLetterQueue,
        dead_letters: &[DeadMessage],
        chosen: &[usize],
        done: &mut HashSet<usize>,
    ) -> Result<(), Stopped> {
        let mut bodies = Vec::with_capacity(chosen.len());
        for index in chosen {
            let body = dead_letters[*index].body_to_send(self.criteria.replay).map_err(|error| ReplayError::Queue {
                queue: QueueName::Records,
                what: "cannot be sent back",
                reason: error.to_string(),
            })?;
            bodies.push((*index, body));
        }
        let failed = AtomicBool::new(false);
        let requests = in_requests(bodies, |(_, body)| body.len()).into_iter().map(|request| async {
            if failed.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            let (indexes, bodies): (Vec<usize>, Vec<String>) = request.into_iter().unzip();
            let moved: Vec<&DeadMessage> = indexes.iter().map(|index| &dead_letters[*index]).collect();
            let sent = async {
                dead.send_back(bodies).await?;
                dead.remove(&moved).await
            };
            // One that was sent and not removed comes again with the next replay, which changes nothing.
            sent.await.map(|()| indexes).map_err(|error| {
                failed.store(true, Ordering::Relaxed);
                Stopped::Failed(error)
            })
        });
        let answers: Vec<Result<Vec<usize>, Stopped>> =
            stream::iter(requests).buffer_unordered(CONCURRENCY).collect().await;
        let mut ended = Ok(());
        for answer in answers {
            match answer {
                Ok(indexes) => done.extend(indexes),
                // What went wrong is worth more than that somebody also stopped it.
                Err(Stopped::Interrupted) if matches!(ended, Err(Stopped::Failed(_))) => {}
                Err(stopped) => ended = Err(stopped),
            }
        }
        ended
    }
}
