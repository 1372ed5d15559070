//! The embedded services: DynamoDB and SQS in this process, behind ordinary SDK clients.
//!
//! This crate knows nothing of Couplet, so that tests of any crate may stand on it.

pub mod dynamodb;
pub mod kept_messages;
mod owner_only;
mod queue_ledger;
mod refusals;
pub mod sqs;
pub mod storage;

pub use dynamodb::EmbeddedDynamoDb;
pub use sqs::EmbeddedSqs;
pub use storage::StorageTrouble;
