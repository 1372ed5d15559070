//! `couplet resume`: lets the jobs go on after a system was found restored, or an environment was renamed.

use std::process::ExitCode;

use anyhow::bail;
use couplet_engine::Engine;
use couplet_model::table::Side;

use crate::arguments::ResumeOptions;
use crate::installation;
use crate::output;
use crate::place::Place;

/// Lets the jobs go on.
pub async fn resume(place: &Place, options: &ResumeOptions) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) => {
            let (application, _folder) = installation::alone(config.as_deref()).await?;
            go_on(&application.engine, options).await?;
        }
        Place::Deployed(_) => go_on(&place.look().await?.engine, options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn go_on(engine: &Engine, options: &ResumeOptions) -> anyhow::Result<()> {
    if options.moved {
        let owner = engine.accept_move().await?;
        output::note(&format!(
            "the store belongs to the company {} in {} now",
            owner.business_central.id, owner.business_central.place
        ));
        return Ok(());
    }
    if options.read_everything {
        let wins = options.wins.map_or(Side::BusinessCentral, Side::from);
        let jobs = engine.resume_reading_everything(wins).await?;
        output::note(&format!(
            "the next run of each job reads everything, and {wins} wins; run them in this order, or leave it to their timers: {}",
            jobs.join(", ")
        ));
        return Ok(());
    }
    if engine.halted().await?.is_none() {
        bail!(
            "nothing stands still; to read everything again, run a job with --full, or all of them with couplet resume --read-everything"
        );
    }
    engine.resume().await?;
    output::note("the jobs go on as before");
    Ok(())
}
