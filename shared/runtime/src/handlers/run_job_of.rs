//! A timer starts the one job of a function that has a job of its own.

use std::time::Instant;

use couplet_engine::EngineError;
use couplet_model::job::Trigger;

use super::run_job::{RunJobAnswer, RunJobEvent, RunMode, run_job};
use crate::wiring::Application;

/// Runs the job that the catalogue gives to this function. Such a job has no records of its own to look at: it looks for what
/// has changed, whatever is asked for.
///
/// # Errors
/// When the function has no job in this installation, or the run failed as a whole; the next one starts where this one
/// started.
pub async fn run_job_of(
    application: &Application,
    function: &str,
    trigger: Trigger,
    deadline: Option<Instant>,
) -> Result<RunJobAnswer, EngineError> {
    let job = application.engine.jobs().into_iter().find(|plan| plan.function == function);
    let job = job.ok_or_else(|| {
        EngineError::SetUp(format!(
            "no job of this installation runs in the function {function}: its switch is off, or the catalogue gives it none"
        ))
    })?;
    let event = RunJobEvent { job: job.name, mode: RunMode::Modified, trigger };
    run_job(application, &event, deadline).await
}
