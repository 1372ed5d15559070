//! What has to be mended when the process before this one did not end well.
//!
//! The folder belongs to this process alone, so a lease that is still held is held by nobody alive: it is given back,
//! with the place where its run stood, and the next run of the job goes on there. What was enqueued is still in the queue.
//!
//! A folder of a version that kept its messages in memory only has lost those. There every run whose records were not
//! all processed, however it ended, is given up and the cursors of its job are cleared: the next run reads everything
//! again, in full if the lost one was to do so.

use couplet_engine::JobPlan;
use couplet_model::ids::{CompanyId, MappingName};
use couplet_model::job::{Job, JobState, Run, Trigger};
use couplet_store::{Ended, Holder, Store, StoreError};

/// What became of the messages of an earlier process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// They are in the queue again.
    Kept,
    /// There were none, or they are gone.
    Lost,
}

/// A run that was interrupted with its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptedRun {
    /// Its job.
    pub job: String,
    /// Records that were in the queue and are lost; 0 where messages are kept.
    pub lost: u64,
}

/// Names of the cursors from which a job reads. A job that the catalogue does not know any more has one of its own name.
fn cursors_of(job: &str, jobs: &[JobPlan]) -> Vec<MappingName> {
    let plan = jobs.iter().find(|plan| plan.name == job);
    plan.map_or_else(|| vec![MappingName::from(job)], |plan| plan.cursors.clone())
}

/// Gives back the leases of an earlier process, and makes up for its messages if they are lost. `jobs` are those of the
/// installation.
///
/// # Errors
/// When the store fails; recovery can then be repeated.
pub async fn recover(
    store: &Store,
    company: CompanyId,
    messages: Messages,
    jobs: &[JobPlan],
) -> Result<Vec<InterruptedRun>, StoreError> {
    let mut interrupted = Vec::new();
    for job in store.jobs(company).await? {
        let runs = store.runs(company, &job.name, usize::MAX).await?;
        interrupted.extend(match messages {
            Messages::Kept => close_dead_runs(store, company, &job, &runs).await?,
            Messages::Lost => read_again(store, company, &job, &runs, &cursors_of(&job.name, jobs)).await?,
        });
        if let (JobState::InProcess, Some(run)) = (job.state, job.run) {
            let message = "the process ended while the job was running".to_owned();
            let ended = Ended::Interrupted { message };
            store
                .release_lease(company, &job.name, Holder { run, invocation: job.invocation }, ended, store.now())
                .await?;
        }
    }
    Ok(interrupted)
}

/// Closes the runs that had not found everything. What they found is in the queue, and the next run goes on from their checkpoint.
async fn close_dead_runs(
    store: &Store,
    company: CompanyId,
    job: &Job,
    runs: &[Run],
) -> Result<Vec<InterruptedRun>, StoreError> {
    let mut interrupted = Vec::new();
    for run in runs.iter().filter(|run| run.found.is_none() && run.finished.is_none()) {
        let message = "the process ended before everything was found; the next run goes on where it stood".to_owned();
        store.fail_run(company, &job.name, run.id, store.now(), message).await?;
        interrupted.push(InterruptedRun { job: job.name.clone(), lost: 0 });
    }
    Ok(interrupted)
}

/// Gives up every run whose records were not all processed and makes the next run read everything again.
async fn read_again(
    store: &Store,
    company: CompanyId,
    job: &Job,
    runs: &[Run],
    cursors: &[MappingName],
) -> Result<Vec<InterruptedRun>, StoreError> {
    let mut interrupted = Vec::new();
    let lost: Vec<&Run> = runs.iter().filter(|run| run.finished.is_none() || run.processed < run.enqueued).collect();
    // Cursors first: if this process dies here, the next start finds the same runs and does it again.
    if !lost.is_empty() {
        for cursor in cursors {
            store.clear_cursors(company, cursor).await?;
        }
        if lost.iter().any(|run| run.trigger == Trigger::Full) {
            store.ask_for_full(company, &job.name, store.now()).await?;
        }
        store.forget_checkpoint(company, &job.name).await?;
    }
    for run in lost {
        let lost = run.enqueued.saturating_sub(run.processed);
        let message = format!("the process ended before {lost} of its records were processed; they are read again");
        store.fail_run(company, &job.name, run.id, store.now(), message).await?;
        interrupted.push(InterruptedRun { job: job.name.clone(), lost });
    }
    Ok(interrupted)
}
