//! `couplet jobs`: every job, its state, and its last run.

use std::collections::BTreeMap;
use std::process::ExitCode;

use couplet_console::{JobLine, Jobs};
use couplet_engine::{Disabled, Engine, Halt};
use couplet_model::catalogue::MappingDirection;
use couplet_model::ids::MappingName;
use couplet_model::job::{Job, JobState};
use serde_json::{Value, json};

use crate::output;
use crate::place::Place;
use crate::tables::{number, table, text};

/// Lists the jobs.
pub async fn jobs(place: &Place, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let Jobs { lines, stands_still, .. } = all(&application.engine).await?;
    if as_json {
        let disabled = application.engine.disabled().await?;
        let (since, reason) = disabled.map(|disabled| (disabled.since, disabled.reason)).unzip();
        let connection = json!({ "enabled": since.is_none(), "disabled_since": since, "reason": reason.flatten() });
        let jobs: Vec<_> = lines.iter().map(object).collect();
        output::json(&json!({ "jobs": jobs, "stands_still": stands_still, "connection": connection }))?;
    } else {
        output::result(&render(&lines))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every job, its state, and its last run.
pub(super) async fn all(engine: &Engine) -> anyhow::Result<Jobs> {
    let store = engine.store();
    let stored = store.jobs(engine.company()).await?;
    let mut jobs: BTreeMap<String, Job> = stored.into_iter().map(|job| (job.name.clone(), job)).collect();
    let mut lines = Vec::new();
    for plan in engine.jobs() {
        let last = store.runs(engine.company(), &plan.name, 1).await?.into_iter().next();
        let waiting = match (&plan.ready, plan.direction) {
            (Ok(()), Some(_)) => {
                Some(store.count_waits(engine.company(), &MappingName::from(plan.name.as_str())).await?)
            }
            _ => None,
        };
        lines.push(JobLine { job: jobs.remove(&plan.name), last, waiting, plan });
    }
    let halt = engine.halted().await?;
    if let Some(halt) = &halt {
        for line in lines.iter_mut().filter(|line| line.plan.ready.is_ok()) {
            let job = line.job.get_or_insert_with(|| Job::new(&line.plan.name));
            (job.state, job.message) = (JobState::OnHold, Some(halt.message()));
        }
    }
    let disabled = engine.disabled().await?.as_ref().map(Disabled::message);
    Ok(Jobs { lines, stands_still: halt.as_ref().map(Halt::message), disabled })
}

/// The direction in words.
pub fn direction(direction: Option<MappingDirection>) -> &'static str {
    match direction {
        Some(MappingDirection::ToDataverse) | None => "to Dataverse",
        Some(MappingDirection::FromDataverse) => "from Dataverse",
        Some(MappingDirection::Bidirectional) => "both ways",
    }
}

fn object(line: &JobLine) -> Value {
    json!({
        "name": line.plan.name,
        "description": line.plan.description,
        "direction": line.plan.direction,
        "every_minutes": line.plan.every_minutes,
        "ready": line.plan.ready.is_ok(),
        "not_ready_because": line.plan.ready.as_ref().err(),
        "state": line.state(),
        "message": line.job.as_ref().and_then(|job| job.message.as_ref()),
        "full_since": line.job.as_ref().and_then(|job| job.full_since),
        "waiting": line.waiting,
        "last_run": line.last,
    })
}

fn render(lines: &[JobLine]) -> String {
    let mut shown =
        table(&["job", "direction", "every", "state", "last run", "written", "failed", "waiting", "remark"]);
    for line in lines {
        let counters = line.last.as_ref().map(|run| run.counters);
        let count = |value: Option<u64>| value.map_or_else(|| text("–"), number);
        let remark = match &line.plan.ready {
            Err(missing) => format!("cannot run: {missing}"),
            Ok(()) => {
                let run = line.last.as_ref().and_then(|run| run.message.clone());
                let said = line.job.as_ref().and_then(|job| job.message.clone()).or(run);
                let owed = line.job.as_ref().and_then(owed);
                said.into_iter().chain(owed).collect::<Vec<_>>().join("; ")
            }
        };
        shown.add_row(vec![
            text(&line.plan.name),
            text(direction(line.plan.direction)),
            number(line.plan.every_minutes.map_or_else(|| "on demand".to_owned(), |minutes| format!("{minutes} min"))),
            text(line.state().caption()),
            text(line.last.as_ref().map_or_else(|| "never".to_owned(), |run| seconds(run.started))),
            count(counters.map(|counters| counters.inserted + counters.modified)),
            count(counters.map(|counters| counters.failed)),
            count(line.waiting),
            text(remark),
        ]);
    }
    shown.to_string()
}

/// What a job still owes, unless it is at it.
fn owed(job: &Job) -> Option<String> {
    let since = job.full_since.filter(|_| job.state != JobState::InProcess)?;
    Some(format!("the full synchronization asked for at {} is not done: the next run is a full one", seconds(since)))
}

/// A time without its fractions.
pub fn seconds(at: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
