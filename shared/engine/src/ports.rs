//! What the engine needs from around it, and what it answers.

use std::time::Duration;

use async_trait::async_trait;
use couplet_model::message::Direction;
use couplet_model::task::TaskMessage;
use couplet_model::{Counters, MappingName, RecordMessage, RunId, Said};
use jiff::SignedDuration;

/// The records queue, as the engine sees it.
#[async_trait]
pub trait RecordsQueue: Send + Sync {
    /// Enqueues all messages; after an error some may have been enqueued, which is harmless: a record twice is one.
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError>;
}

/// The tasks queue, as the engine sees it.
#[async_trait]
pub trait TasksQueue: Send + Sync {
    /// Enqueues a task; after an error it may have been enqueued, which is harmless: a task twice is one.
    async fn send(&self, task: TaskMessage) -> Result<(), QueueError> {
        self.send_later(task, Duration::ZERO).await
    }

    /// As [`TasksQueue::send`]; the task is delivered after this long, up to a quarter of an hour.
    async fn send_later(&self, task: TaskMessage, after: Duration) -> Result<(), QueueError>;
}

/// A queue did not take messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue did not take the messages: {0}")]
pub struct QueueError(pub String);

/// A message as the queue delivered it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: RecordMessage,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct BatchReport {
    /// What is to become of each delivered message, in order.
    pub dispositions: Vec<Disposition>,
    /// What became of the records, by mapping, direction and run.
    pub groups: Vec<GroupReport>,
}

/// What became of the records of one mapping, direction and run.
#[derive(Clone, Debug)]
pub struct GroupReport {
    /// The mapping.
    pub mapping: MappingName,
    /// Which way they travelled.
    pub direction: Direction,
    /// The run that found them.
    pub run: RunId,
    /// Records by outcome.
    pub outcomes: Counters,
    /// Records that go back to the queue.
    pub returned: u64,
    /// Those of them that go back because a system does not answer as it should, or does not know us.
    pub outages: u64,
    /// How long each written change took from one system to the other. A first synchronization has none: its records
    /// were not changed just now.
    pub lags: Vec<SignedDuration>,
}

/// What is to become of a delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is done and may be deleted.
    Done,
    /// It must come back.
    Return {
        /// Why: whole for the store, and as far as a log may repeat it.
        reason: Said,
        /// Not before this long; `None` leaves it to the queue's own back-off.
        after: Option<Duration>,
    },
    /// Nothing was tried, because another worker is at it, a system does not answer, or all jobs stand still: it must come
    /// again, and this delivery was no attempt.
    Postpone {
        /// Who or what is waited for.
        reason: Said,
        /// Not before this long.
        after: Duration,
    },
}

impl Disposition {
    /// Come back after the queue's own back-off.
    pub fn again(reason: impl Into<Said>) -> Self {
        Self::Return { reason: reason.into(), after: None }
    }
}
