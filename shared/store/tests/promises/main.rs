//! What the store promises, kept on the embedded DynamoDB.

#![allow(clippy::unwrap_used)]

mod builders;
mod claims;
mod commits;
mod couplings;
mod dead_letters;
mod early_runs;
mod faults;
mod gathered;
mod intents;
mod jobs;
mod memory;
mod record_history;
mod runs;
mod waits;
