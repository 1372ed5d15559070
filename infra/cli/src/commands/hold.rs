//! `couplet hold` and `couplet release`: a person stops jobs, and lets them go on.

use std::process::ExitCode;

use couplet_engine::Engine;

use crate::arguments::JobsOptions;
use crate::installation;
use crate::output;
use crate::place::Place;

/// Puts jobs on hold.
pub async fn hold(place: &Place, options: &JobsOptions) -> anyhow::Result<ExitCode> {
    at(place, async |engine| {
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
    at(place, async |engine| {
        let released = engine.release_jobs(&options.jobs).await?;
        output::note(&match released.is_empty() {
            true => "none of them was on hold".to_owned(),
            false => format!("their timers start them again: {}", released.join(", ")),
        });
        Ok(())
    })
    .await
}

/// Works on the jobs of a place.
async fn at(place: &Place, work: impl AsyncFnOnce(&Engine) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) => {
            let (application, _folder) = installation::alone(config.as_deref()).await?;
            work(&application.engine).await?;
        }
        Place::Deployed(_) => work(&place.look().await?.engine).await?,
    }
    Ok(ExitCode::SUCCESS)
}
