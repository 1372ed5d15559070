//! A timer starts the item availability job.

use couplet_engine::EngineError;
use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::job::Trigger;
use tracing::Instrument;

use super::run_job::{RunJobAnswer, answer};
use crate::wiring::Application;

/// Finds items whose stock changed and puts their products into the queue.
///
/// # Errors
/// When the run failed as a whole; the next one starts where this one started.
pub async fn refresh_availability(application: &Application, trigger: Trigger) -> Result<RunJobAnswer, EngineError> {
    let span = tracing::info_span!("refresh_availability", company = %application.engine.company());
    // Boxed for the same reason as in `run_job`.
    let report = Box::pin(application.engine.refresh_availability(trigger)).instrument(span).await;
    answer(ITEM_AVAILABILITY, report)
}
