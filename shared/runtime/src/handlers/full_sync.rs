//! A person looks what a full synchronization of the installation would do, starts it, or lets lines of it begin again. Only the
//! functions have the secrets with which both systems are counted.

use couplet_engine::{EngineError, FullSyncChoice};
use couplet_model::full_sync::Plan;
use serde::{Deserialize, Serialize};

use crate::wiring::Application;

/// The event: what is done, and with which mappings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FullSyncEvent {
    /// It is only told what would be done.
    Review(FullSyncChoice),
    /// It begins, or goes on.
    Start(FullSyncChoice),
    /// Lines that have ended begin again.
    Restart(FullSyncChoice),
}

/// Does it; gives the plan as it is then, or would be. Tasks carry it out.
///
/// # Errors
/// When it cannot be done, or a system, the store or the queue fails.
pub async fn full_sync(application: &Application, event: &FullSyncEvent) -> Result<Plan, EngineError> {
    let engine = &application.engine.current().await?;
    let plan = match event {
        FullSyncEvent::Review(choice) => return engine.review_full_sync(choice).await,
        FullSyncEvent::Start(choice) => engine.start_full_sync(choice).await?,
        FullSyncEvent::Restart(choice) => engine.restart_full_sync(choice).await?,
    };
    tracing::info!(company = %engine.company(), lines = plan.lines.len(), "a person started a full synchronization");
    Ok(plan)
}
