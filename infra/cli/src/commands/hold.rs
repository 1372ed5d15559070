//! `couplet hold` and `couplet release`: a person stops jobs, and lets them go on.

use std::process::ExitCode;

use couplet_engine::Engine;

use crate::arguments::JobsOptions;
use crate::output;
use crate::place::Place;

/// Puts jobs on hold.
pub async fn hold(place: &Place, options: &JobsOptions) -> anyhow::Result<ExitCode> {
    output::note(&place.alone(async |engine| held(engine, &options.jobs).await).await?);
    Ok(ExitCode::SUCCESS)
}

/// Lets jobs go on.
pub async fn release(place: &Place, options: &JobsOptions) -> anyhow::Result<ExitCode> {
    output::note(&place.alone(async |engine| released(engine, &options.jobs).await).await?);
    Ok(ExitCode::SUCCESS)
}

/// Puts jobs on hold, and tells which.
pub(super) async fn held(engine: &Engine, jobs: &[String]) -> anyhow::Result<String> {
    let held = engine.hold_jobs(jobs).await?;
    Ok(format!("on hold until they are released: {}; what is in the queue is still processed", held.join(", ")))
}

/// Lets jobs go on, and tells which.
pub(super) async fn released(engine: &Engine, jobs: &[String]) -> anyhow::Result<String> {
    let released = engine.release_jobs(jobs).await?;
    Ok(match released.is_empty() {
        true => "none of them was on hold".to_owned(),
        false => format!("their timers start them again: {}", released.join(", ")),
    })
}
