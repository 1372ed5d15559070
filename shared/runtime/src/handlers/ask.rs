//! A person asks for something with chosen records of a mapping, or which records a name means.

use couplet_engine::{EngineError, Meant, Named};
use couplet_model::MappingName;
use couplet_model::ids::RunId;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
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
    let run = application.engine.ask(&mapping, want.clone(), of).await?;
    tracing::info!(company = %application.engine.company(), %mapping, %run, ?want, "a person asked for something");
    Ok(AskAnswer { run })
}

/// Tells which records something would be asked for that are chosen by a filter: only the functions may read both systems.
///
/// # Errors
/// When there is no such mapping here, the filter does not fit it, or a system or the store cannot be read.
pub async fn meant(application: &Application, event: AskEvent) -> Result<Meant, EngineError> {
    application.engine.meant_by(&event.mapping, event.want, event.of).await
}

/// The event of a person who names records: only the functions have the secrets of both systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindEvent {
    /// The mapping.
    pub mapping: MappingName,
    /// The side on which the records are.
    pub side: Side,
    /// Their ids, numbers, codes or names.
    pub names: Vec<String>,
}

/// The answer: the records that each name means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindAnswer {
    /// The records of each name, in the order of the names.
    pub found: Vec<Vec<Named>>,
}

/// Finds records by what people call them.
///
/// # Errors
/// When there is no such mapping here, or the store or the system cannot be read.
pub async fn find(application: &Application, event: &FindEvent) -> Result<FindAnswer, EngineError> {
    let mut found = Vec::with_capacity(event.names.len());
    for name in &event.names {
        found.push(application.engine.named(&event.mapping, event.side, name).await?);
    }
    Ok(FindAnswer { found })
}
