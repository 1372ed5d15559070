//! What has to be mended when the process before this one did not end well.
//!
//! The embedded queue is in memory. A process that ends well empties it first; one that is killed takes its messages
//! along, although the cursors of their mappings may have moved past them. Therefore, before anything runs on a data
//! folder: every run that is not finished is given up, and the cursors of its mapping are cleared. The next run reads
//! everything again; what is unchanged costs a comparison and no write. The folder belongs to this process alone, so a
//! lease that is still held is held by nobody alive.

use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::ids::{CompanyId, MappingName};
use couplet_model::job::{JobState, Run, Trigger};
use couplet_store::{Ended, Holder, Store, StoreError};
use jiff::Timestamp;

/// Runs per job that are looked at, newest first. A folder is recovered at every start, so that older ones are done.
const RUNS: usize = 20;

/// A run whose records were lost with its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptedRun {
    /// Its job.
    pub job: String,
    /// Records that were in the queue and not processed.
    pub lost: u64,
    /// Whether it was a full synchronization, which has to be asked for again.
    pub was_full: bool,
}

/// Mappings whose cursors are cleared for a job. Item availability starts where the items were last read when it has no
/// cursor; so the items are read again, and their stock with them.
fn mappings_read_again(job: &str) -> Vec<&str> {
    if job == ITEM_AVAILABILITY { vec![job, "ITEM-PRODUCT"] } else { vec![job] }
}

/// Gives up the runs an earlier process left unfinished and makes the next runs read everything again.
///
/// # Errors
/// When the store fails; recovery can then be repeated.
pub async fn recover(store: &Store, company: CompanyId) -> Result<Vec<InterruptedRun>, StoreError> {
    let mut interrupted = Vec::new();
    for job in store.jobs(company).await? {
        let now = Timestamp::now();
        let runs = store.runs(company, &job.name, RUNS).await?;
        let unfinished: Vec<&Run> = runs.iter().filter(|run| run.finished.is_none()).collect();
        // Cursors first: if this process dies here, the runs are still unfinished and the next start does it again.
        if !unfinished.is_empty() {
            for mapping in mappings_read_again(&job.name) {
                store.clear_cursors(company, &MappingName::from(mapping)).await?;
            }
            store.forget_place(company, &job.name).await?;
        }
        for run in unfinished {
            let lost = run.enqueued.saturating_sub(run.processed);
            let message = format!("the process ended before {lost} of its records were processed; they are read again");
            store.fail_run(company, &job.name, run.id, now, message).await?;
            interrupted.push(InterruptedRun { job: job.name.clone(), lost, was_full: run.trigger == Trigger::Full });
        }
        if let (JobState::InProcess, Some(run)) = (job.state, job.run) {
            let message = Some("the process ended while the job was running".to_owned());
            let ended = Ended { state: JobState::Ready, message, keeps_place: false };
            store.release_lease(company, &job.name, Holder { run, leg: job.leg }, ended, now).await?;
        }
    }
    Ok(interrupted)
}
