//! `couplet serve`: all jobs by their timers, until Ctrl-C or SIGTERM.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use couplet_engine::{EngineError, SubscriptionsStatus};
use couplet_local::{Door, EventSource, Timer, door, scheduler, timers};
use couplet_runtime::handlers::{KeepError, RunJobAnswer, RunOutcome};
use couplet_runtime::{Application, Settings};
use tokio::sync::watch;

use super::console::{Console, ConsoleOperator, Site, in_folder};
use crate::installation::{self, Installation};
use crate::{interrupt, output};

/// What is under way may take so long when the process is told to end. Service managers kill after 90 seconds, some
/// containers after ten; what is cut off then goes on after the next start.
const LAST_WORK: Duration = Duration::from_secs(8);

/// Runs all jobs that can run, until told to end. Batches under way are finished; what is left stays in the queue, which
/// the next command goes on with.
pub async fn serve(config: Option<&Path>, console: Option<u16>) -> anyhow::Result<ExitCode> {
    let settings = installation::settings(config)?;
    let installation = Installation::open(&settings).await?;
    output::note("running all jobs by their timers; Ctrl-C ends");
    let timers = timers(&installation.application.engine.jobs());
    let stop = interrupt::flag();
    let door = open_door(&settings, &installation.application).await?;
    let console = match console {
        Some(port) => {
            let site = Site::Working(Box::new(installation.application.clone()));
            Some(Console::open(ConsoleOperator::new(site, in_folder(&settings)), port).await?)
        }
        None => None,
    };
    let work = async {
        let jobs = jobs_until_stopped(&installation.application, &installation.source, &timers, &stop);
        let keeping = async {
            if door.is_some() {
                door::keep(&installation.application, &stop, told_of_subscriptions).await;
            }
        };
        let ((), (), served) = tokio::join!(jobs, keeping, served(console, &stop));
        served
    };
    tokio::select! {
        served = work => served?,
        () = installation.storage_failed() => {}
        () = too_long_after(&stop) => installation.give_up_runs().await?,
    }
    installation.storage_is_sound()?;
    let left = installation.left_in_queue().await?;
    if left > 0 {
        output::note(&format!("{left} records are left in the queue; the next command goes on with them"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the door for change notifications, if there is an address at which the systems reach it.
async fn open_door(settings: &Settings, application: &Application) -> anyhow::Result<Option<Door>> {
    let Some(section) = settings.notifications.as_ref().filter(|section| section.url.is_some()) else {
        return Ok(None);
    };
    let opened = Door::open(application.clone(), section.listen).await;
    let door = opened.with_context(|| format!("the door for notifications cannot be opened at {}", section.listen))?;
    output::note(&format!("change notifications are taken at {}", door.url()));
    Ok(Some(door))
}

/// Says what of the subscriptions is not as it should be.
pub fn told_of_subscriptions(kept: Result<SubscriptionsStatus, KeepError>) {
    match kept {
        Ok(status) if status.failures() > 0 => {
            output::note("some tables could not be subscribed; couplet notifications status shows why");
        }
        Ok(_) => {}
        Err(error) => output::note(&format!("change notifications: {error}")),
    }
}

/// Serves a console, if there is one, until told to stop.
pub async fn served(console: Option<Console>, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
    match console {
        Some(console) => console.serve(stop).await,
        None => Ok(()),
    }
}

/// Waits until it is told to end and whatever is under way has had its time.
async fn too_long_after(stop: &watch::Receiver<bool>) {
    interrupt::told(stop).await;
    output::note("finishing what is under way; once more to end at once");
    tokio::time::sleep(LAST_WORK).await;
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
