//! Change notifications of both systems: what a request at the door is worth, and when a job starts early for one.
//!
//! A notification is a hint, never data: nothing of it is stored, and no record is read from it. It says that rows of a table
//! have changed, and the jobs that read that table run before their timers would start them. Who forges one can make them run
//! once a minute, and must know the secret for it. Sources: "Working with webhooks in Dynamics 365 Business Central", "Use
//! WebHooks to create external handlers for server events".

mod early;
mod requests;
#[cfg(test)]
mod tests;

pub use early::{EARLY_RUNS_APART, EarlyRun, early_run};
pub use requests::{
    BUSINESS_CENTRAL, ChangedTable, DATAVERSE, LARGEST_BODY, NotificationRequest, Refusal, Verdict, judge,
};
