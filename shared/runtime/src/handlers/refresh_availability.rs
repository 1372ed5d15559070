//! A timer starts the item availability job.

use std::time::Instant;

use couplet_engine::EngineError;
use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::job::Trigger;

use super::run_job::{RunJobAnswer, RunJobEvent, RunMode, run_job};
use crate::wiring::Application;

/// Finds items whose stock changed and puts their products into the queue.
///
/// # Errors
/// When the run failed as a whole; the next one starts where this one started.
pub async fn refresh_availability(
    application: &Application,
    trigger: Trigger,
    deadline: Option<Instant>,
) -> Result<RunJobAnswer, EngineError> {
    let event = RunJobEvent { job: ITEM_AVAILABILITY.to_owned(), mode: RunMode::Modified, trigger };
    run_job(application, &event, deadline).await
}
