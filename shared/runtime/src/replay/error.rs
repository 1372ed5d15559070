//! Why a replay cannot go on.

use couplet_engine::EngineError;
use couplet_store::StoreError;

use super::dead_letter::QueueName;

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
pub(super) enum Stopped {
    /// A person asked for it.
    Interrupted,
    /// Something failed.
    Failed(ReplayError),
}

impl<E: Into<ReplayError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
