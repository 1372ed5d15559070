//! Why a use case could not do its work as a whole.

use couplet_model::catalogue::UnknownMapping;
use couplet_model::{RetryClass, Said, SystemError};
use couplet_store::StoreError;

use crate::ports::QueueError;

/// A failure of a whole run or batch, in one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The mapping or job is there, but not what it needs.
    #[error("{mapping} cannot run: {missing}")]
    CannotRun {
        /// The mapping or job.
        mapping: String,
        /// What is missing.
        missing: String,
    },
    /// The name leads nowhere.
    #[error(transparent)]
    UnknownMapping(#[from] UnknownMapping),
    /// One of the systems failed.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The set-up of one of the systems does not allow the work.
    #[error("{0}")]
    SetUp(String),
    /// Values of the set-up, such as exchange rates, do not allow the work.
    #[error("{0}")]
    Values(String),
    /// The store belongs to another company or organization than the settings lead to.
    #[error("{0}")]
    SomebodyElses(String),
    /// The settings integrate sales orders another way than before, which would leave some of them behind.
    #[error("{0}")]
    OrdersLeftBehind(Said),
    /// A system was found restored or exchanged, and nobody has chosen yet how to go on.
    #[error("{0}")]
    Halted(String),
    /// A person has switched the connection off.
    #[error("{0}")]
    Disabled(String),
    /// A client or the store gave another number of answers than was asked for.
    #[error("{what}: {asked} asked, {answered} answered, so which is whose is not known; they are asked again")]
    Unpaired {
        /// What was asked for.
        what: &'static str,
        /// How many.
        asked: usize,
        /// How many answers came.
        answered: usize,
    },
    /// Another run took the job over while this one was working.
    #[error("the job {0} was taken over by another run; this one stopped without moving its cursor")]
    LeaseLost(String),
}

impl EngineError {
    /// What to do with it.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::CannotRun { .. }
            | Self::UnknownMapping(_)
            | Self::SetUp(_)
            | Self::Values(_)
            | Self::SomebodyElses(_)
            | Self::OrdersLeftBehind(_)
            | Self::Halted(_)
            | Self::Disabled(_) => RetryClass::Configuration,
            Self::System(error) => error.retry_class(),
            Self::Store(error) => error.retry_class(),
            Self::Queue(_) | Self::Unpaired { .. } | Self::LeaseLost(_) => RetryClass::RetryNow,
        }
    }

    /// What a log may repeat: no values of records.
    pub fn for_log(&self) -> String {
        match self {
            Self::System(error) => error.for_log(),
            Self::Store(error) => error.for_log(),
            Self::OrdersLeftBehind(said) => said.for_log().to_owned(),
            Self::Values(_) => "values of the set-up do not allow the work; couplet jobs shows which".to_owned(),
            // Of our own words: names of mappings, jobs and settings, and what is to be done.
            Self::CannotRun { .. }
            | Self::UnknownMapping(_)
            | Self::SetUp(_)
            | Self::SomebodyElses(_)
            | Self::Halted(_)
            | Self::Disabled(_)
            | Self::Queue(_)
            | Self::Unpaired { .. }
            | Self::LeaseLost(_) => self.to_string(),
        }
    }
}

/// For the store whole, for a log as far as that may be.
impl From<&EngineError> for Said {
    fn from(error: &EngineError) -> Self {
        Self::split(error.to_string(), error.for_log())
    }
}
