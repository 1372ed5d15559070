//! `couplet run JOB`: one job, and everything it finds.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use couplet_local::{EmbeddedCloud, scheduler};
use couplet_model::job::{Run, Trigger};
use couplet_runtime::Application;
use couplet_runtime::handlers::{RunMode, RunOutcome};
use serde_json::json;

use crate::installation::{self, Installation};
use crate::output;
use crate::tables::{number, table, text};

/// Runs a job and processes what it found.
pub async fn run(config: Option<&Path>, name: &str, full: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = installation::settings(config)?;
    let names = Application::new(&settings, EmbeddedCloud::in_memory(&settings).await?.services())?;
    let job = installation::job(&names.engine, name)?.name;
    let installation = Installation::open(&settings).await?;
    let engine = &installation.application.engine;
    let (mode, trigger) = if full { (RunMode::Full, Trigger::Full) } else { (RunMode::Modified, Trigger::Manual) };
    let begin = Instant::now();
    let answer = scheduler::start(&installation.application, &job, mode, trigger).await?;
    match answer.outcome {
        RunOutcome::Done | RunOutcome::GoesOn => {}
        RunOutcome::Over => bail!("{job} has nothing to go on with"),
        RunOutcome::AlreadyRunning => bail!("{job} is running already: {}", answer.notes.join(" ")),
        RunOutcome::OnHold => bail!("{job} is on hold; somebody put it there"),
    }
    let finished = installation.finish().await;
    let run = engine.store().run(engine.company(), &job, answer.run).await?.context("the run is not in the store")?;
    let seconds = begin.elapsed().as_secs_f64();
    if as_json {
        output::json(&json!({ "run": run, "notes": answer.notes, "seconds": round(seconds) }))?;
    } else {
        output::result(&render(&run, &answer.notes, seconds))?;
    }
    finished?;
    Ok(if run.counters.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn render(run: &Run, notes: &[String], seconds: f64) -> String {
    let mut shown =
        table(&["direction", "inserted", "modified", "unchanged", "ignored", "skipped", "failed", "waiting"]);
    for (direction, counters) in [("to Dataverse", run.to_dataverse), ("from Dataverse", run.from_dataverse)] {
        if counters.total() == 0 {
            continue;
        }
        let mut row = vec![text(direction)];
        row.extend(
            [
                counters.inserted,
                counters.modified,
                counters.unchanged,
                counters.ignored,
                counters.skipped,
                counters.failed,
                counters.waiting,
            ]
            .map(number),
        );
        shown.add_row(row);
    }
    let mut lines = vec![format!("{}: {} records looked at in {seconds:.1} s", run.job, run.counters.total())];
    if run.counters.total() > 0 {
        lines.push(shown.to_string());
    }
    lines.extend(notes.iter().cloned());
    if run.counters.failed > 0 {
        lines.push(format!("see what failed with: couplet errors {:?}", run.job));
    }
    lines.join("\n")
}
