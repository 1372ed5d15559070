//! What the functions do, the same on AWS and on the embedded cloud.

mod isolation;
mod reading;
mod returning;
mod run_job;
mod run_job_of;
mod run_task;
mod sync_record;

pub use run_job::{RunJobAnswer, RunJobEvent, RunMode, RunOutcome, run_job};
pub use run_job_of::run_job_of;
pub use run_task::run_task;
pub use sync_record::sync_record;
