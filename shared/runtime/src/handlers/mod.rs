//! What the functions do, the same on AWS and on the embedded cloud.

mod isolation;
mod reading;
mod refresh_availability;
mod returning;
mod run_job;
mod run_task;
mod sync_record;

pub use refresh_availability::refresh_availability;
pub use run_job::{RunJobAnswer, RunJobEvent, RunMode, RunOutcome, run_job};
pub use run_task::run_task;
pub use sync_record::sync_record;
