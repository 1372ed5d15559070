//! What Couplet remembers, in one DynamoDB table: couplings, jobs, runs, failures, waits, errors, cursors, settings.
//!
//! Every change of state is conditional, every access goes by key (nothing scans), history expires by itself. The key
//! layout is described in [`keys`].

mod backoff;
mod claim;
mod commit;
mod commit_plan;
mod committing;
mod couplings;
mod cursors;
mod dead_letters;
mod early_runs;
mod error;
mod failures;
mod full_sync;
mod gathered;
mod history;
mod intents;
mod item;
mod jobs;
pub mod keys;
mod mappings;
mod moving;
mod owner;
mod record_history;
mod removing;
mod replacing;
mod requests;
mod reserve;
mod runs;
mod settings;
mod table;
mod terms;
mod transaction;
mod waits;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use couplet_model::Clock;
use jiff::{SignedDuration, Timestamp};

pub use claim::Claim;
pub use commit::{Commit, CommitResult, FailureChange};
pub use couplings::CouplingPage;
pub use dead_letters::DeadLetter;
pub use error::StoreError;
pub use failures::{Failure, FailureKind, FailurePage};
pub use full_sync::StoredPlan;
pub use gathered::GatheredPage;
pub use history::{ErrorKind, ErrorRecord};
pub use intents::Moved;
pub use jobs::{Ended, Holder, LeaseResult, TakenUp};
pub use mappings::MappingsStored;
pub use moving::RowMove;
pub use owner::StoreOwner;
pub use removing::Removal;
pub use reserve::Reservation;
pub use waits::Wait;

/// How long history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Runs and their counters.
    pub runs: SignedDuration,
    /// Error records.
    pub errors: SignedDuration,
    /// What became of each record and why; zero keeps nothing of it.
    pub history: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        let thirty_days = SignedDuration::from_hours(30 * 24);
        Self { runs: thirty_days, errors: thirty_days, history: thirty_days }
    }
}

/// The one table, and everything in it. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: Arc<str>,
    retention: Retention,
    clock: Clock,
}

impl Store {
    /// A store in the named table, which takes the time from this machine.
    ///
    /// What passes is tried again here, once: the client's own attempts are switched off, or the two would multiply.
    #[expect(clippy::needless_pass_by_value, reason = "the store owns the only client that repeats requests")]
    pub fn new(client: Client, table: impl Into<String>, retention: Retention) -> Self {
        let config = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let client = Client::from_conf(config);
        Self { client, table: Arc::from(table.into()), retention, clock: Clock::default() }
    }

    /// The same store with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The client of the database, for what a backup does.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
