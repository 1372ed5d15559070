//! What the functions do, the same on AWS and on the embedded cloud.

mod isolation;
mod refresh_availability;
mod run_job;
mod sync_record;

pub use refresh_availability::refresh_availability;
pub use run_job::{RunJobAnswer, RunJobEvent, RunMode, RunOutcome, run_job};
pub use sync_record::sync_record;
