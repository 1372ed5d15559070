//! `couplet run JOB`: one job, and everything it finds.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use couplet_local::{EmbeddedCloud, scheduler};
use couplet_model::job::{Run, RunState, Trigger};
use couplet_runtime::Application;
use couplet_runtime::handlers::{RunJobEvent, RunMode, RunOutcome};
use serde_json::{Value, json};

use crate::deployed::{Stack, Waited, end_of_run, within};
use crate::installation::{self, Installation};
use crate::interrupt::{self, INTERRUPTED};
use crate::output;
use crate::place::Place;
use crate::progress::Progress;
use crate::tables::{number, table, text};

/// What became of a run that a person started.
pub(super) struct Ran {
    /// The run, if there was one.
    pub run: Option<Run>,
    /// What is to be known beside its numbers.
    pub notes: Vec<String>,
    took: Duration,
    /// With which code the command ends, or why it could not be carried out to its end.
    pub ended: anyhow::Result<ExitCode>,
}

impl Ran {
    /// It has a run, whose state tells how the command ends.
    fn with(run: Run, notes: Vec<String>, took: Duration) -> Self {
        let code = exit_code(&run);
        Self { run: Some(run), notes, took, ended: Ok(code) }
    }

    /// A person waits no longer, and was told so.
    fn unfinished(code: ExitCode) -> Self {
        Self { run: None, notes: Vec::new(), took: Duration::ZERO, ended: Ok(code) }
    }
}

/// Runs a job and processes what it found, or waits until the stack has.
pub async fn run(place: &Place, name: &str, full: bool, wait: u64, as_json: bool) -> anyhow::Result<ExitCode> {
    let ran = carried_out(place, name, full, Duration::from_secs(wait)).await?;
    if let Some(run) = &ran.run {
        show(run, &ran.notes, ran.took, as_json)?;
    }
    ran.ended
}

/// Runs a job, and waits for the end of its run.
pub(super) async fn carried_out(place: &Place, name: &str, full: bool, wait: Duration) -> anyhow::Result<Ran> {
    let (mode, trigger) = how(full);
    match place {
        Place::Here(config) => here(config.as_deref(), name, mode, trigger).await,
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, name, mode, trigger, wait).await,
    }
}

/// As [`carried_out`], in this process, which works on its queue all the time.
pub(super) async fn carried_out_by(
    application: &Application,
    name: &str,
    full: bool,
    wait: Duration,
) -> anyhow::Result<Ran> {
    let (mode, trigger) = how(full);
    let job = installation::job(&application.engine, name)?.name;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let answer = scheduler::start(application, &job, mode, trigger).await?;
    match answer.outcome {
        RunOutcome::Done | RunOutcome::GoesOn => {}
        RunOutcome::Over => bail!("{job} has nothing to go on with"),
        RunOutcome::AlreadyRunning => bail!(is_running(&job, &answer.notes)),
        RunOutcome::OnHold => bail!(is_on_hold(&job)),
        RunOutcome::Disabled => bail!(IS_DISABLED),
    }
    let end = end_of_run(&application.engine, &job, answer.run, |_| {});
    Ok(match within(end, begin + wait, &stop).await {
        Waited::Done(run) => Ran::with(run?, answer.notes, begin.elapsed()),
        Waited::TimeUp => Ran::unfinished(goes_on(&progress, &job, "is not finished", wait)),
        Waited::Left => Ran::unfinished(left(&progress, &job)),
    })
}

fn how(full: bool) -> (RunMode, Trigger) {
    if full { (RunMode::Full, Trigger::Full) } else { (RunMode::Modified, Trigger::Manual) }
}

async fn here(config: Option<&Path>, name: &str, mode: RunMode, trigger: Trigger) -> anyhow::Result<Ran> {
    let settings = installation::settings(config)?;
    let names = Application::new(&settings, EmbeddedCloud::in_memory(&settings).await?.services())?;
    let job = match installation::job(&names.engine, name) {
        Ok(plan) => plan.name,
        // A job of a mapping that was added here is known to the data alone.
        Err(_) => installation::job(&installation::look(config).await?.engine, name)?.name,
    };
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let installation = Installation::open(&settings).await?;
    let began = installation.application.clock.now();
    let engine = &installation.application.engine;
    progress.show(&format!("{job}: looking for changes"));
    let answer = tokio::select! {
        answer = scheduler::start(&installation.application, &job, mode, trigger) => answer,
        () = interrupt::told(&stop) => {
            progress.end();
            return left_here(&installation, &job).await.map(Ran::unfinished);
        }
    };
    // However the run itself ended: what it, or an earlier one, has put into the queue is processed before the report.
    progress.show(&format!("{job}: synchronizing"));
    let finished = installation.finish(&stop, &progress).await;
    progress.end();
    installation.storage_is_sound()?;
    let ran = match &answer {
        Ok(answer) => matches!(answer.outcome, RunOutcome::Done | RunOutcome::GoesOn).then_some(answer.run),
        // A run that failed is the last of its job, if it came so far as to be one.
        Err(_) => {
            let last = engine.store().runs(engine.company(), &job, 1).await?.into_iter().next();
            last.filter(|run| run.started >= began && run.counters.total() > 0).map(|run| run.id)
        }
    };
    let run = match ran {
        Some(id) => Some(engine.store().run(engine.company(), &job, id).await?.context("the run is not in the store")?),
        None => None,
    };
    let notes = answer.as_ref().map_or_else(|_| Vec::new(), |answer| answer.notes.clone());
    let code = run.as_ref().map_or(ExitCode::SUCCESS, exit_code);
    let ended = match (answer, finished) {
        (Ok(answer), Ok(())) => match answer.outcome {
            RunOutcome::Done | RunOutcome::GoesOn => Ok(code),
            RunOutcome::Over => Err(anyhow!("{job} has nothing to go on with")),
            RunOutcome::AlreadyRunning => Err(anyhow!(is_running(&job, &answer.notes))),
            RunOutcome::OnHold => Err(anyhow!(is_on_hold(&job))),
            RunOutcome::Disabled => Err(anyhow!(IS_DISABLED)),
        },
        (Ok(_), Err(unfinished)) => Err(unfinished),
        (Err(error), finished) => {
            if let Err(unfinished) = finished {
                output::note(&format!("{unfinished:#}"));
            }
            Err(error.into())
        }
    };
    Ok(Ran { run, notes, took: begin.elapsed(), ended })
}

/// Ends a command that was told to while it looked for changes.
async fn left_here(installation: &Installation, job: &str) -> anyhow::Result<ExitCode> {
    installation.give_up_runs().await?;
    output::note(&format!("the run of {job} was interrupted; the next one goes on where it stood"));
    Ok(ExitCode::from(INTERRUPTED))
}

async fn deployed(stack: &Stack, name: &str, mode: RunMode, trigger: Trigger, wait: Duration) -> anyhow::Result<Ran> {
    let application = stack.application().await?;
    let engine = &application.engine;
    let plan = installation::job(engine, name)?;
    let job = plan.name;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let deadline = begin + wait;
    let event = RunJobEvent { job: job.clone(), mode, trigger };

    progress.show(&format!("{job}: looking for changes"));
    let answer = match within(stack.start(&plan.function, &event), deadline, &stop).await {
        Waited::Done(answer) => answer.inspect_err(|_| progress.end())?,
        Waited::TimeUp => return Ok(Ran::unfinished(goes_on(&progress, &job, "is not answered yet", wait))),
        Waited::Left => return Ok(Ran::unfinished(left(&progress, &job))),
    };
    match answer.outcome.as_str() {
        "already_running" => {
            progress.end();
            bail!(is_running(&job, &answer.notes))
        }
        "on_hold" => {
            progress.end();
            bail!(is_on_hold(&job))
        }
        "disabled" => {
            progress.end();
            bail!(IS_DISABLED)
        }
        // The records are under way; and so is a run that continues in further invocations.
        _ => {}
    }

    progress.show(&format!("{job}: synchronizing"));
    let tell = |run: &Run| progress.advance(run.processed, run.enqueued);
    let run = match within(end_of_run(engine, &job, answer.run, tell), deadline, &stop).await {
        Waited::Done(run) => run.inspect_err(|_| progress.end())?,
        Waited::TimeUp => return Ok(Ran::unfinished(goes_on(&progress, &job, "is not finished", wait))),
        Waited::Left => return Ok(Ran::unfinished(left(&progress, &job))),
    };
    progress.end();
    Ok(Ran::with(run, answer.notes, begin.elapsed()))
}

fn is_running(job: &str, notes: &[String]) -> String {
    format!("{job} is running already: {}", notes.join(" "))
}

/// Nothing runs while the connection is off.
const IS_DISABLED: &str = "the connection is disabled: switch it on with couplet enable";

fn is_on_hold(job: &str) -> String {
    format!("{job} is on hold; somebody put it there: let it go on with couplet release \"{job}\"")
}

pub(super) fn goes_on(progress: &Progress, job: &str, how: &str, waited: Duration) -> ExitCode {
    progress.end();
    let seconds = waited.as_secs();
    output::note(&format!("the run of {job} {how} after {seconds} s and goes on; see it with couplet jobs"));
    ExitCode::FAILURE
}

pub(super) fn left(progress: &Progress, job: &str) -> ExitCode {
    progress.end();
    output::note(&format!("the run of {job} goes on in the stack; see it with couplet jobs"));
    ExitCode::from(INTERRUPTED)
}

pub(super) fn exit_code(run: &Run) -> ExitCode {
    if run.state() == RunState::Error { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

pub(super) fn show(run: &Run, notes: &[String], took: Duration, as_json: bool) -> std::io::Result<()> {
    if as_json {
        output::json(&object(run, notes, took))
    } else {
        output::result(&render(run, notes, took.as_secs_f64()))
    }
}

/// A run in JSON.
pub(super) fn object(run: &Run, notes: &[String], took: Duration) -> Value {
    json!({ "run": run, "notes": notes, "seconds": round(took.as_secs_f64()) })
}

pub(super) fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

pub(super) fn render(run: &Run, notes: &[String], seconds: f64) -> String {
    let mut headings =
        vec!["direction", "inserted", "modified", "unchanged", "ignored", "skipped", "failed", "waiting", "noted"];
    let uncouples = run.counters.uncoupled > 0;
    headings.extend(uncouples.then_some("uncoupled"));
    let couples = run.counters.coupled > 0;
    headings.extend(couples.then_some("coupled"));
    let mut shown = table(&headings);
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
                counters.noted,
            ]
            .map(number),
        );
        row.extend(uncouples.then(|| number(counters.uncoupled)));
        row.extend(couples.then(|| number(counters.coupled)));
        shown.add_row(row);
    }
    let mut lines = vec![format!("{}: {} records looked at in {seconds:.1} s", run.job, run.counters.total())];
    if run.counters.total() > 0 {
        lines.push(shown.to_string());
    }
    lines.extend(notes.iter().cloned());
    // What the run itself noted is among the notes, unless it ended elsewhere.
    lines.extend(run.message.iter().filter(|message| notes.join(" ") != **message).cloned());
    if run.counters.failed > 0 {
        lines.push(format!("see what failed with: couplet errors {:?}", run.job));
    } else if run.counters.noted > 0 {
        lines.push(format!("see which fields stayed behind with: couplet errors {:?}", run.job));
    }
    if run.counters.waiting > 0 {
        lines.push(format!("see what waits, and for what, with: couplet waiting {:?}", run.job));
    }
    lines.join("\n")
}
