//! `couplet full-sync`: the whole installation, mapping by mapping in the order of their dependencies.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use comfy_table::Cell;
use couplet_engine::{Engine, FullSyncChoice, FullSyncStatus};
use couplet_model::full_sync::{Line, LineState, Plan, Sighted};
use couplet_model::job::Run;
use couplet_model::outcome::Counters;
use couplet_runtime::Settings;
use couplet_runtime::handlers::{self, FullSyncEvent};
use serde_json::{Value, json};

use super::jobs::seconds;
use crate::arguments::{FullSyncChoiceOptions, FullSyncCommand, FullSyncStartOptions};
use crate::deployed::{Stack, Waited, within};
use crate::installation::{self, Installation};
use crate::interrupt::{self, INTERRUPTED};
use crate::output;
use crate::place::Place;
use crate::progress::Progress;
use crate::tables::{number, table, text};

/// Between two looks at a plan that a stack carries out.
const LOOK: Duration = Duration::from_secs(1);

/// Does what is asked for.
pub async fn full_sync(place: &Place, command: &FullSyncCommand) -> anyhow::Result<ExitCode> {
    match command {
        FullSyncCommand::Review(options) => review(place, options).await,
        FullSyncCommand::Start(options) | FullSyncCommand::Restart(options) if options.dry_run => {
            review(place, &options.choice).await
        }
        FullSyncCommand::Start(options) => start(place, options, FullSyncEvent::Start(choice(&options.choice))).await,
        FullSyncCommand::Restart(options) => {
            anyhow::ensure!(
                !options.choice.mappings.is_empty(),
                "name the mappings that begin again; couplet full-sync status lists them"
            );
            start(place, options, FullSyncEvent::Restart(choice(&options.choice))).await
        }
        FullSyncCommand::Status { json } => status(place, *json).await,
        FullSyncCommand::Stop => {
            place
                .alone(async |engine| {
                    let plan = engine.stop_full_sync().await?;
                    let busy: Vec<&str> = of_state(&plan, LineState::InProcess);
                    output::note(&match busy.as_slice() {
                        [] => "stopped; couplet full-sync start goes on".to_owned(),
                        busy => format!(
                            "no other mapping begins; these come to their end: {}; couplet full-sync start goes on",
                            busy.join(", ")
                        ),
                    });
                    Ok(ExitCode::SUCCESS)
                })
                .await
        }
        FullSyncCommand::Reset => {
            place
                .alone(async |engine| {
                    engine.reset_full_sync().await?;
                    output::note("the next couplet full-sync start begins with every mapping");
                    Ok(ExitCode::SUCCESS)
                })
                .await
        }
    }
}

fn choice(options: &FullSyncChoiceOptions) -> FullSyncChoice {
    let FullSyncChoiceOptions { mappings, full, by, json: _ } = options.clone();
    FullSyncChoice { mappings, full, by: by.into_iter().collect() }
}

async fn review(place: &Place, options: &FullSyncChoiceOptions) -> anyhow::Result<ExitCode> {
    let plan = match place {
        Place::Here(config) => {
            let application = installation::look(config.as_deref()).await?;
            application.engine.review_full_sync(&choice(options)).await?
        }
        Place::Deployed(stack) => Stack::reach(stack).await?.full_sync(FullSyncEvent::Review(choice(options))).await?,
    };
    if options.json {
        let begin: Vec<&str> = beginning(&plan);
        output::json(&json!({ "lines": plan.lines, "would_begin": begin }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::result(&reviewed(&plan))?;
    Ok(ExitCode::SUCCESS)
}

/// What is recommended, as a table for people.
pub fn reviewed(plan: &Plan) -> String {
    let mut shown = table(&["mapping", "after", "Business Central", "Dataverse", "coupled", "recommended", "because"]);
    for line in &plan.lines {
        let after: Vec<&str> = line.dependencies.iter().map(|name| name.as_str()).collect();
        let because = match line.state {
            LineState::Waiting => line.reason.clone(),
            state => format!("{} already", caption(state)),
        };
        shown.add_row(vec![
            text(&line.mapping),
            text(after.join(", ")),
            counted(line.facts.business_central),
            counted(line.facts.dataverse),
            number(line.facts.coupled),
            text(line.recommendation.caption()),
            text(because),
        ]);
    }
    let begin = beginning(plan);
    let said = match begin.as_slice() {
        [] => "nothing would begin; nothing was changed".to_owned(),
        begin => format!("{} would begin, the others after what they depend on; nothing was changed", begin.join(", ")),
    };
    format!("{shown}\n{said}")
}

/// The lines that would begin at once.
fn beginning(plan: &Plan) -> Vec<&str> {
    let started = Plan { stopped: None, ..plan.clone() };
    plan.lines.iter().filter(|line| started.may_begin(line)).map(|line| line.mapping.as_str()).collect()
}

fn of_state(plan: &Plan, state: LineState) -> Vec<&str> {
    plan.lines.iter().filter(|line| line.state == state).map(|line| line.mapping.as_str()).collect()
}

fn counted(sighted: Sighted) -> Cell {
    number(if sighted.or_more { format!("≥ {}", sighted.records) } else { sighted.records.to_string() })
}

async fn start(place: &Place, options: &FullSyncStartOptions, event: FullSyncEvent) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) => {
            start_here(&installation::settings(config.as_deref())?, options.choice.json, event).await
        }
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, options, event).await,
    }
}

/// Begins it on this machine, or goes on with it, and works until everything has ended.
pub async fn start_here(settings: &Settings, as_json: bool, event: FullSyncEvent) -> anyhow::Result<ExitCode> {
    let (stop, progress) = (interrupt::flag(), Progress::new());
    let installation = Installation::open(settings).await?;
    progress.show("counting the records of both sides");
    handlers::full_sync(&installation.application, &event).await.inspect_err(|_| progress.end())?;
    progress.show("synchronizing everything");
    let finished = installation.finish(&stop, &progress).await;
    progress.end();
    installation.storage_is_sound()?;
    let status = standing(&installation.application.engine).await?;
    show(&status, as_json)?;
    finished?;
    Ok(exit_code(&status))
}

async fn deployed(stack: &Stack, options: &FullSyncStartOptions, event: FullSyncEvent) -> anyhow::Result<ExitCode> {
    let application = stack.application().await?;
    let engine = &application.engine;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    progress.show("counting the records of both sides");
    stack.full_sync(event).await.inspect_err(|_| progress.end())?;
    progress.show("synchronizing everything");
    let ended = within(end_of_plan(engine, &progress), begin + Duration::from_secs(options.wait), &stop).await;
    progress.end();
    let status = match ended {
        Waited::Done(status) => status?,
        Waited::TimeUp | Waited::Left => {
            show(&standing(engine).await?, options.choice.json)?;
            output::note("it goes on in the stack; see it with couplet full-sync status");
            return Ok(match ended {
                Waited::Left => ExitCode::from(INTERRUPTED),
                _ => ExitCode::FAILURE,
            });
        }
    };
    show(&status, options.choice.json)?;
    Ok(exit_code(&status))
}

/// Waits until nothing is under way and nothing can begin.
async fn end_of_plan(engine: &Engine, progress: &Progress) -> anyhow::Result<FullSyncStatus> {
    loop {
        let status = standing(engine).await?;
        if status.plan.stands() {
            return Ok(status);
        }
        let ended = status.plan.lines.iter().filter(|line| line.ended.is_some()).count();
        progress.advance(ended as u64, status.plan.lines.iter().filter(|line| !line.is_idle()).count() as u64);
        tokio::time::sleep(LOOK).await;
    }
}

async fn standing(engine: &Engine) -> anyhow::Result<FullSyncStatus> {
    engine.full_sync_status().await?.context("the plan of the full synchronization is not in the store")
}

async fn status(place: &Place, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    match application.engine.full_sync_status().await? {
        Some(status) => show(&status, as_json)?,
        None if as_json => output::json(&json!({ "lines": [] }))?,
        None => output::result("there is no full synchronization; begin one with couplet full-sync start")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether every mapping has ended and no record failed.
fn exit_code(status: &FullSyncStatus) -> ExitCode {
    let failed = status.plan.lines.iter().any(|line| line.to_dataverse.failed + line.from_dataverse.failed > 0);
    if status.plan.is_finished() && !failed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(status: &FullSyncStatus, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(&object(status))?);
    }
    Ok(output::result(&render(status))?)
}

fn object(status: &FullSyncStatus) -> Value {
    let mut object = json!(status);
    object["finished"] = json!(status.plan.is_finished());
    object["under_way"] = json!(!status.plan.stands());
    object
}

/// The name people know a state by.
fn caption(state: LineState) -> &'static str {
    match state {
        LineState::Waiting => "",
        LineState::InProcess => "In Process",
        LineState::Finished => "Finished",
        LineState::Failed => "Error",
    }
}

fn render(status: &FullSyncStatus) -> String {
    let plan = &status.plan;
    let mut shown = table(&["mapping", "state", "what", "began", "took", "to Dataverse", "from Dataverse", "remark"]);
    for line in &plan.lines {
        let run = status.runs.get(&line.mapping);
        let (to, from) =
            run.map_or((line.to_dataverse, line.from_dataverse), |run| (run.to_dataverse, run.from_dataverse));
        let took =
            line.began.zip(line.ended).map(|(began, ended)| format!("{} s", ended.duration_since(began).as_secs()));
        shown.add_row(vec![
            text(&line.mapping),
            text(caption(line.state)),
            text(line.recommendation.caption()),
            text(line.began.map(seconds).unwrap_or_default()),
            number(took.unwrap_or_default()),
            text(in_words(to)),
            text(in_words(from)),
            text(remark(plan, line, run)),
        ]);
    }
    let done = of_state(plan, LineState::Finished).len();
    let count = plan.lines.iter().filter(|line| !line.is_idle()).count();
    let failed = of_state(plan, LineState::Failed);
    let mut said = vec![format!("{done} of {count} mappings are synchronized")];
    if let Some(stopped) = plan.stopped {
        said.push(format!("stopped at {}: couplet full-sync start goes on", seconds(stopped)));
    }
    if let Some(first) = failed.first() {
        said.push(format!("mend what failed, and let it begin again with couplet full-sync restart \"{first}\""));
    }
    format!("{shown}\n{}", said.join("\n"))
}

/// What became of records, as far as they have come.
fn in_words(counters: Counters) -> String {
    let named = [
        (counters.inserted, "new"),
        (counters.modified, "changed"),
        (counters.coupled, "coupled"),
        (counters.unchanged, "same"),
        (counters.waiting, "waiting"),
        (counters.failed, "failed"),
    ];
    let parts: Vec<String> =
        named.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    parts.join(", ")
}

/// What is to be known of a line.
fn remark(plan: &Plan, line: &Line, run: Option<&Run>) -> String {
    let before: Vec<&str> = plan.waits_for(line).map(|other| other.mapping.as_str()).collect();
    match (line.state, run) {
        (LineState::Waiting, _) if line.is_idle() => line.reason.clone(),
        (LineState::Waiting, _) if !before.is_empty() => format!("after {}", before.join(", ")),
        (LineState::InProcess, Some(run)) if run.found.is_some() => {
            format!("{} of {} records are done", run.processed, run.enqueued)
        }
        (LineState::InProcess, Some(run)) if run.finished.is_none() => format!("{} records found so far", run.enqueued),
        (LineState::InProcess, Some(run)) => {
            format!("it failed and begins again: {}", run.message.as_deref().unwrap_or_default())
        }
        _ => line.message.clone().unwrap_or_default(),
    }
}
