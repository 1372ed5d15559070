//! What the engine needs from around it, and what it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couplet_model::RecordMessage;

/// The records queue, as the engine sees it.
#[async_trait]
pub trait RecordsQueue: Send + Sync {
    /// Enqueues all messages; after an error some may have been enqueued, which is harmless: a record twice is one.
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError>;
}

/// The queue did not take messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records queue did not take the messages: {0}")]
pub struct QueueError(pub String);

/// A message as the queue delivered it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: RecordMessage,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
}

/// What is to become of a delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is done and may be deleted.
    Done,
    /// It must come back.
    Return {
        /// Why, for the log.
        reason: String,
        /// Not before this long.
        after: Option<Duration>,
    },
}

impl Disposition {
    /// Come back at once.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::Return { reason: reason.into(), after: Some(Duration::ZERO) }
    }
}

/// The places between two effects of a batch, where a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Couplings are reserved or claimed, nothing is written.
    Claimed,
    /// Records are written, what follows them is not.
    Written,
    /// Everything is written in both systems, the couplings are not stored.
    FollowedUp,
    /// Couplings are stored, records that waited for them are not released.
    Stored,
}

impl Checkpoint {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Claimed, Self::Written, Self::FollowedUp, Self::Stored];
}

/// Called at every checkpoint; answering `true` stops the batch there as a dying process would. For crash tests.
#[derive(Clone, Default)]
pub struct Checkpoints(Option<Arc<dyn Fn(Checkpoint) -> bool + Send + Sync>>);

impl Checkpoints {
    /// Checkpoints that ask this function.
    pub fn new(dies_at: impl Fn(Checkpoint) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(dies_at)))
    }

    /// Whether to stop here.
    pub fn dies_at(&self, checkpoint: Checkpoint) -> bool {
        self.0.as_ref().is_some_and(|asks| asks(checkpoint))
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Checkpoints(asked)" } else { "Checkpoints(none)" })
    }
}
