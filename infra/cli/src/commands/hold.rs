//! `couplet hold` and `couplet release`: a person stops jobs, and lets them go on.

use std::process::ExitCode;

use crate::arguments::JobsOptions;
use crate::output;
use crate::place::Place;

/// Puts jobs on hold.
pub async fn hold(place: &Place, options: &JobsOptions) -> anyhow::Result<ExitCode> {
    place
        .alone(async |engine| {
            let held = engine.hold_jobs(&options.jobs).await?;
            output::note(&format!(
                "on hold until they are released: {}; what is in the queue is still processed",
                held.join(", ")
            ));
            Ok(())
        })
        .await
}

/// Lets jobs go on.
pub async fn release(place: &Place, options: &JobsOptions) -> anyhow::Result<ExitCode> {
    place
        .alone(async |engine| {
            let released = engine.release_jobs(&options.jobs).await?;
            output::note(&match released.is_empty() {
                true => "none of them was on hold".to_owned(),
                false => format!("their timers start them again: {}", released.join(", ")),
            });
            Ok(())
        })
        .await
}
