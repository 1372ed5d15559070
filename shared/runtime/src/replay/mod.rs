//! Replay: brings dead letters back to their queue once the reason why they died is gone.
//!
//! It goes in rounds. A round takes letters, asks why they died and which of them have been synchronized since, and
//! decides for each ([`Fate`]). What is to be moved is sent first and removed afterwards; in between it is in both
//! places, which is harmless, because a record synchronized twice is synchronized once. So a replay may be interrupted
//! anywhere, run twice, or run beside another one, and nothing is lost or duplicated by it. Letters that stay are hidden
//! from others while it works and shown again at the end.

mod dead_letter_queue;
mod judging;
mod letter;
mod report;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use couplet_engine::{Engine, EngineError};
use couplet_model::ids::ReplayId;
use couplet_model::message::RecordMessage;
use couplet_store::StoreError;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::queue::{CONCURRENCY, in_requests};
use crate::wiring::Cloud;
use dead_letter_queue::DeadLetterQueue;
use judging::Criteria;
use letter::{Content, Letter};

pub use judging::Fate;
pub use letter::QueueName;
pub use report::{ReplayReport, ReportedLetter};

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
    /// Only look: nothing is moved, removed or counted.
    pub dry_run: bool,
}

/// How a replay goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Letters of one round at most.
    pub round: usize,
    /// How often it looks again before it believes that nothing new is left: a queue may answer that it is empty when
    /// it is not.
    pub looks: u32,
    /// How long it waits for letters when it looks again.
    pub wait: Duration,
    /// How long a letter that was taken stays hidden from others: longer than a round takes. A replay that is killed
    /// leaves its letters hidden for so long.
    pub hidden: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { round: 1000, looks: 2, wait: Duration::from_secs(1), hidden: Duration::from_secs(300) }
    }
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Letters looked at.
    pub looked_at: usize,
    /// Letters sent back.
    pub moved: usize,
}

/// A replay cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The queue, or its dead letters.
    #[error("the dead letters of the {} queue {what}: {reason}", queue.as_str())]
    Queue {
        /// Which queue.
        queue: QueueName,
        /// What was tried.
        what: &'static str,
        /// What the service said.
        reason: String,
    },
    /// There is nowhere to look.
    #[error("the {} queue has no dead-letter queue: give it a redrive policy", queue.as_str())]
    NoDeadLetterQueue {
        /// Which queue.
        queue: QueueName,
    },
    /// The couplings or the run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The reasons.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a replay ends before its end.
enum Stopped {
    Interrupted,
    Failed(ReplayError),
}

impl<E: Into<ReplayError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
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
        began: Timestamp::now(),
        since: request.since,
        until: request.until,
        mapping: request.mapping.clone(),
    };
    let report = ReplayReport { replay: criteria.replay, dry_run: request.dry_run, stopped: None, letters: Vec::new() };
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
    /// Goes through the dead letters of one queue, and lets go of those that stay, whatever happens.
    async fn empty(&mut self, client: aws_sdk_sqs::Client, queue: QueueName, home: String) -> Result<(), Stopped> {
        let mut dead = DeadLetterQueue::of(client, queue, home, self.pace).await?;
        let ended = self.rounds(&mut dead, queue).await;
        dead.let_go().await;
        ended
    }

    async fn rounds(&mut self, dead: &mut DeadLetterQueue, queue: QueueName) -> Result<(), Stopped> {
        loop {
            let gathered = dead.gather(self.engine.company(), self.stop).await?;
            self.round(dead, queue, &gathered.letters).await?;
            if gathered.is_last {
                return Ok(());
            }
        }
    }

    /// Judges the letters of a round, does what was decided, and reports it.
    async fn round(&mut self, dead: &mut DeadLetterQueue, queue: QueueName, letters: &[Letter]) -> Result<(), Stopped> {
        let ids: Vec<String> = letters.iter().map(|letter| letter.message_id.clone()).collect();
        let noted = self.engine.store().dead_letters(self.engine.company(), &ids).await?;
        let mut fates = self.judge(letters).await?;
        let ended = if self.report.dry_run { Ok(()) } else { self.act(dead, letters, &mut fates).await };
        self.report.letters.extend(
            letters
                .iter()
                .zip(fates)
                .map(|(letter, fate)| ReportedLetter::new(queue, letter, noted.get(&letter.message_id), fate)),
        );
        (self.tell)(Progress { looked_at: self.report.letters.len(), moved: self.report.count(Fate::Moved) });
        ended
    }

    async fn judge(&self, letters: &[Letter]) -> Result<Vec<Fate>, Stopped> {
        let left: Vec<Option<Fate>> = letters.iter().map(|letter| self.criteria.leaves(letter)).collect();
        let open = letters.iter().zip(&left).filter(|(_, left)| left.is_none());
        let records: Vec<RecordMessage> = open
            .filter_map(|(letter, _)| match &letter.content {
                Content::Record(message) => Some((**message).clone()),
                Content::Task(_) | Content::Unreadable(_) => None,
            })
            .collect();
        let mut synchronized = self.engine.synchronized_meanwhile(&records).await?.into_iter();
        let fate = |(letter, left): (&Letter, Option<Fate>)| match (left, &letter.content) {
            (Some(left), _) => left,
            (None, Content::Record(_)) if synchronized.next() == Some(true) => Fate::SynchronizedMeanwhile,
            (None, _) => Fate::Moved,
        };
        Ok(letters.iter().zip(left).map(fate).collect())
    }

    /// Does what was decided. What it does not come to is marked so.
    async fn act(&self, dead: &mut DeadLetterQueue, letters: &[Letter], fates: &mut [Fate]) -> Result<(), Stopped> {
        let with = |wanted| {
            let all = fates.iter().enumerate();
            all.filter(move |(_, fate)| **fate == wanted).map(|(index, _)| index).collect::<Vec<usize>>()
        };
        let (settled, moved) = (with(Fate::SynchronizedMeanwhile), with(Fate::Moved));
        let mut done = HashSet::new();
        let mut ended = self.settle(dead, letters, &settled, &mut done).await;
        if ended.is_ok() {
            ended = self.send_home(dead, letters, &moved, &mut done).await;
        }
        for index in settled.into_iter().chain(moved) {
            if done.contains(&index) {
                dead.is_gone(&letters[index].message_id);
            } else {
                fates[index] = Fate::NotReached;
            }
        }
        ended
    }

    /// Counts records that were synchronized meanwhile on their runs, then removes them: in this order no run waits
    /// for ever.
    async fn settle(
        &self,
        dead: &DeadLetterQueue,
        letters: &[Letter],
        chosen: &[usize],
        done: &mut HashSet<usize>,
    ) -> Result<(), Stopped> {
        for chunk in chosen.chunks(COUNTED_AT_ONCE) {
            if *self.stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            let messages: Vec<RecordMessage> = chunk
                .iter()
                .filter_map(|index| match &letters[*index].content {
                    Content::Record(message) => Some((**message).clone()),
                    Content::Task(_) | Content::Unreadable(_) => None,
                })
                .collect();
            self.engine.count_as_synchronized(&messages).await?;
            let settled: Vec<&Letter> = chunk.iter().map(|index| &letters[*index]).collect();
            dead.remove(&settled).await?;
            done.extend(chunk);
        }
        Ok(())
    }

    /// Sends letters back to where they came from, and removes each only when it is there.
    async fn send_home(
        &self,
        dead: &DeadLetterQueue,
        letters: &[Letter],
        chosen: &[usize],
        done: &mut HashSet<usize>,
    ) -> Result<(), Stopped> {
        let mut bodies = Vec::with_capacity(chosen.len());
        for index in chosen {
            let body = letters[*index].body_to_send(self.criteria.replay).map_err(|error| ReplayError::Queue {
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
            let moved: Vec<&Letter> = indexes.iter().map(|index| &letters[*index]).collect();
            let sent = async {
                dead.send_home(bodies).await?;
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
