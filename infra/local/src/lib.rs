//! The embedded cloud: the AWS services Couplet needs, in one process, behind ordinary SDK clients.
//!
//! What runs the functions' handlers needs the feature `handlers`, which is on by default; the embedded services stand
//! alone, so that the crates below the handlers can test on them.

#[cfg(feature = "handlers")]
pub mod cloud;
#[cfg(feature = "handlers")]
pub mod data_folder;
pub mod dynamodb;
#[cfg(feature = "handlers")]
pub mod event_source;
pub mod kept_messages;
mod queue_ledger;
#[cfg(feature = "handlers")]
pub mod recovery;
mod refusals;
#[cfg(feature = "handlers")]
pub mod scheduler;
pub mod sqs;
pub mod storage;

#[cfg(feature = "handlers")]
pub use cloud::{EmbeddedCloud, EmbeddedCloudError};
#[cfg(feature = "handlers")]
pub use data_folder::{DataFolder, DataFolderError};
pub use dynamodb::EmbeddedDynamoDb;
#[cfg(feature = "handlers")]
pub use event_source::{Drained, EventSource, EventSourceOptions};
#[cfg(feature = "handlers")]
pub use recovery::{InterruptedRun, Messages, recover};
#[cfg(feature = "handlers")]
pub use scheduler::{Timer, timers};
pub use sqs::EmbeddedSqs;
pub use storage::StorageTrouble;
