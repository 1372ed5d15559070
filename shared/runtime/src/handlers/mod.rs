//! What the functions do, the same on AWS and on the embedded cloud.

mod ask;
mod asked;
mod full_sync;
mod isolation;
mod keep_subscriptions;
mod reading;
mod receive_change;
mod returning;
mod run_job;
mod run_job_of;
mod run_task;
mod switch_units;
mod sync_record;

pub use ask::{AskAnswer, AskEvent, FindAnswer, FindEvent, ask, find, meant};
pub use asked::Asked;
pub use full_sync::{FullSyncEvent, full_sync};
pub use keep_subscriptions::{KeepError, Keeping, keep_subscriptions};
pub use receive_change::{ChangeAnswer, ChangeRequest, receive_change, tell_received};
pub use run_job::{RunJobAnswer, RunJobEvent, RunMode, RunOutcome, run_job};
pub use run_job_of::run_job_of;
pub use run_task::run_task;
pub use switch_units::{SwitchOutcome, SwitchUnitsAnswer, SwitchUnitsEvent, switch_units, switch_units_in_function};
pub use sync_record::sync_record;
