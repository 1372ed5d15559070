//! `couplet serve`: all jobs by their timers, until Ctrl-C.

use std::path::Path;
use std::process::ExitCode;

use couplet_engine::EngineError;
use couplet_local::{EventSource, Timer, scheduler, timers};
use couplet_runtime::Application;
use couplet_runtime::handlers::{RunJobAnswer, RunOutcome};
use tokio::sync::watch;

use crate::installation::{self, Installation};
use crate::{interrupt, output};

/// Runs all jobs that can run, until Ctrl-C; then processes what is left.
pub async fn serve(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let settings = installation::settings(config)?;
    let installation = Installation::open(&settings).await?;
    output::note("running all jobs by their timers; Ctrl-C ends");
    let timers = timers(&installation.application.engine.jobs());
    jobs_until_stopped(&installation.application, &installation.source, &timers, &interrupt::flag()).await;
    output::note("processing what is left in the queue");
    installation.finish().await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts jobs by their timers and processes records until told to stop.
pub async fn jobs_until_stopped(
    application: &Application,
    source: &EventSource,
    timers: &[Timer],
    stop: &watch::Receiver<bool>,
) {
    tokio::join!(scheduler::run(application, timers, stop, told), source.run(stop));
}

fn told(job: &str, answer: Result<RunJobAnswer, EngineError>) {
    match answer {
        Ok(answer) if answer.outcome == RunOutcome::Done && answer.enqueued > 0 => {
            output::note(&format!("{job}: {} records to synchronize", answer.enqueued));
        }
        Ok(_) => {}
        Err(error) => output::note(&format!("{job}: {error}")),
    }
}
