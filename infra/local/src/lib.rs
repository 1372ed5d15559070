//! The embedded cloud: the AWS services Couplet needs, in one process, behind ordinary SDK clients.
//!
//! What runs the functions' handlers needs the feature `handlers`, which is on by default; the embedded services stand
//! alone, so that the crates below the handlers can test on them.

pub mod dynamodb;
pub mod sqs;

pub use dynamodb::EmbeddedDynamoDb;
pub use sqs::EmbeddedSqs;
