//! `couplet replay`: dead letters, why they died, and their way back.

use std::process::ExitCode;

use couplet_engine::Engine;
use couplet_runtime::replay::{self, Pace, QueueName, ReplayOutcome, ReplayReport, ReplayRequest};
use serde_json::{Value, json};

use crate::arguments::{DeadLettersAction, ReplayOptions};
use crate::dead_letters::{OUTCOMES, render};
use crate::place::Place;
use crate::progress::Progress;
use crate::{installation, interrupt, output};

/// Why there is nothing to replay on this machine.
pub(super) const NOTHING_HERE: &str = "there is nothing to replay on this machine: its queue is in memory and gone with each command, and the next command reads again what was given up; for a deployed stack add --profile aws";

/// Shows dead letters and sends them back.
pub async fn replay(place: &Place, options: &ReplayOptions) -> anyhow::Result<ExitCode> {
    work(place, options, false).await
}

/// Shows dead letters, or deletes them.
pub async fn dead_letters(place: &Place, action: &DeadLettersAction) -> anyhow::Result<ExitCode> {
    match action {
        DeadLettersAction::List(options) => {
            work(place, &ReplayOptions { dry_run: true, ..options.clone() }, false).await
        }
        DeadLettersAction::Delete(options) => work(place, &options.which, true).await,
    }
}

async fn work(place: &Place, options: &ReplayOptions, deletes: bool) -> anyhow::Result<ExitCode> {
    if let Place::Here(_) = place {
        if options.json {
            output::json(&json!({ "letters": [], "remark": NOTHING_HERE }))?;
        } else {
            output::result(NOTHING_HERE)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let application = place.look().await?;
    let request = ReplayRequest {
        queues: options.queue.map_or_else(|| QueueName::ALL.to_vec(), |queue| vec![queue.into()]),
        since: options.since,
        until: options.until,
        mapping: options.mapping.as_deref().map(|name| mapping_or_job(&application.engine, name)).transpose()?,
        messages: (!options.message.is_empty()).then(|| options.message.iter().cloned().collect()),
        dry_run: options.dry_run,
        deletes,
    };
    let (progress, stop) = (Progress::new(), interrupt::flag());
    progress.show("looking at dead letters");
    let tell = |far: replay::Progress| {
        progress.show(&format!("{} dead letters looked at, {} moved or deleted", far.looked_at, far.moved));
    };
    let work = replay::replay(&application.engine, &application.cloud, &request, Pace::default(), &stop, &tell);
    let report = work.await;
    progress.end();
    if options.json {
        output::json(&object(&report)?)?;
    } else {
        output::result(&render(&report))?;
    }
    Ok(match &report.stopped {
        None => ExitCode::SUCCESS,
        Some(why) => {
            output::note(&format!("couplet: it did not come to its end: {why}"));
            ExitCode::FAILURE
        }
    })
}

/// The name of a mapping, or of a job without one, whatever its case.
fn mapping_or_job(engine: &Engine, name: &str) -> anyhow::Result<String> {
    match engine.jobs().into_iter().find(|plan| plan.name.eq_ignore_ascii_case(name)) {
        Some(plan) => Ok(plan.name),
        None => installation::mapping(engine, name).map(|mapping| mapping.to_string()),
    }
}

fn object(report: &ReplayReport) -> serde_json::Result<Value> {
    let mut object = serde_json::to_value(report)?;
    let sums: serde_json::Map<String, Value> = OUTCOMES
        .iter()
        .map(|outcome| Ok((name_of(*outcome)?, json!(report.count(*outcome)))))
        .collect::<serde_json::Result<_>>()?;
    object["sums"] = Value::Object(sums);
    Ok(object)
}

fn name_of(outcome: ReplayOutcome) -> serde_json::Result<String> {
    Ok(serde_json::to_value(outcome)?.as_str().unwrap_or_default().to_owned())
}
