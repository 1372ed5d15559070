//! A person asks for something with chosen records of a mapping.

use couplet_engine::EngineError;
use couplet_model::MappingName;
use couplet_model::ids::RunId;
use couplet_model::request::{Chosen, Want};
use serde::{Deserialize, Serialize};

use crate::wiring::Application;

/// The event: what is asked for, and with which records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskEvent {
    /// The mapping.
    pub mapping: MappingName,
    /// What is to be done.
    pub want: Want,
    /// With which records.
    pub of: Chosen,
}

/// The answer: which run carries it out. Its records are put into the queue by a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskAnswer {
    /// The run, of the job that bears the mapping's name.
    pub run: RunId,
}

/// Takes down what is asked for.
///
/// # Errors
/// When it cannot be carried out, or the store or the queue fails.
pub async fn ask(application: &Application, event: AskEvent) -> Result<AskAnswer, EngineError> {
    let AskEvent { mapping, want, of } = event;
    let run = application.engine.ask(&mapping, want, of).await?;
    tracing::info!(company = %application.engine.company(), %mapping, %run, ?want, "a person asked for something");
    Ok(AskAnswer { run })
}
