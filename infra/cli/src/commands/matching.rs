//! `couplet match MAPPING`: couples the records of both sides that match by their fields, or tells what would be coupled.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use couplet_engine::{Engine, MatchChoices, MatchReport, MatchedRecord};
use couplet_model::job::Run;
use couplet_model::request::Want;
use couplet_runtime::handlers::{self, AskEvent};
use serde_json::json;

use super::asking::{end_at_stack, stored};
use super::run::{exit_code, render, round};
use crate::arguments::MatchOptions;
use crate::deployed::Stack;
use crate::installation::{self, Installation};
use crate::interrupt::{self, INTERRUPTED};
use crate::output;
use crate::place::Place;
use crate::progress::Progress;
use crate::tables::{table, text};

/// What is under way, as the progress shows it.
const DOING: &str = "reading both sides and coupling";
/// Records of each kind that are shown in a table; all of them are in the JSON.
const SHOWN: usize = 50;

/// Couples what matches, or shows what would be coupled.
pub async fn match_records(place: &Place, options: &MatchOptions) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) if options.how.dry_run => look(config.as_deref(), options).await,
        Place::Here(config) => here(config.as_deref(), options).await,
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, options).await,
    }
}

/// The event that asks for it.
fn event(engine: &Engine, options: &MatchOptions) -> anyhow::Result<AskEvent> {
    let mapping = installation::mapping(engine, &options.mapping)?;
    let chosen = |yes: bool, no: bool| (yes || no).then_some(yes);
    let choices = MatchChoices {
        by: options.by.clone(),
        case_sensitive: options.case_sensitive,
        synchronize: chosen(options.sync, options.no_sync),
        wins: options.wins.map(Into::into),
        create: chosen(options.create_unmatched, options.no_create),
        dry_run: options.how.dry_run,
    };
    let (want, of) = engine.matching(&mapping, &choices)?;
    Ok(AskEvent { mapping, want, of })
}

async fn look(config: Option<&Path>, options: &MatchOptions) -> anyhow::Result<ExitCode> {
    let application = installation::look(config).await?;
    let engine = &application.engine;
    let AskEvent { mapping, want, of } = event(engine, options)?;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    progress.show(&format!("{mapping}: reading both sides"));
    let report = tokio::select! {
        report = engine.look_for_matches(&mapping, &of) => report,
        () = interrupt::told(&stop) => {
            progress.end();
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    progress.end();
    show(None, &report?, &want, begin.elapsed(), options.how.json)
}

async fn here(config: Option<&Path>, options: &MatchOptions) -> anyhow::Result<ExitCode> {
    let settings = installation::settings(config)?;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let installation = Installation::open(&settings).await?;
    let engine = &installation.application.engine;
    let event = event(engine, options)?;
    let AskEvent { mapping, want, of } = event.clone();
    let run = handlers::ask(&installation.application, event).await?.run;
    progress.show(&format!("{mapping}: {DOING}"));
    let finished = installation.finish(&stop, &progress).await;
    progress.end();
    installation.storage_is_sound()?;
    let stored = stored(engine, &mapping, run).await?;
    if let Some(report) = engine.found_matches(&mapping, &of, run).await? {
        show(Some(&stored), &report, &want, begin.elapsed(), options.how.json)?;
    }
    finished?;
    Ok(exit_code(&stored))
}

async fn deployed(stack: &Stack, options: &MatchOptions) -> anyhow::Result<ExitCode> {
    let application = stack.application().await?;
    let engine = &application.engine;
    let event = event(engine, options)?;
    let AskEvent { mapping, want, of } = event.clone();
    let begin = Instant::now();
    let stored = match end_at_stack(stack, engine, event, DOING, &options.how).await? {
        Ok(stored) => stored,
        Err(code) => return Ok(code),
    };
    let run = stored.id;
    let report = engine.found_matches(&mapping, &of, run).await?;
    let report = report.with_context(|| {
        format!("what the run {run} of {mapping} found is not in the store; see couplet errors \"{mapping}\"")
    })?;
    let run = (!options.how.dry_run).then_some(&stored);
    show(run, &report, &want, begin.elapsed(), options.how.json)?;
    Ok(exit_code(&stored))
}

/// Shows what was found, and what became of it if there was a run.
fn show(
    run: Option<&Run>,
    report: &MatchReport,
    want: &Want,
    took: Duration,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let seconds = took.as_secs_f64();
    if as_json {
        output::json(&json!({ "run": run, "want": want, "matched": report, "seconds": round(seconds) }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(run) = run {
        output::result(&render(run, &[], seconds))?;
    }
    for (of_kind, heading) in [
        (&["match"][..], "one match"),
        (&["several", "shared"], "several matches"),
        (&["coupled", "none", "blank"], "no match"),
    ] {
        // What was coupled stands in the numbers of the run.
        if run.is_some() && of_kind == ["match"] {
            continue;
        }
        let records: Vec<&MatchedRecord> =
            report.records.iter().filter(|record| of_kind.contains(&record.outcome)).collect();
        if records.is_empty() {
            continue;
        }
        let mut shown = table(&["Business Central", heading]);
        for record in records.iter().take(SHOWN) {
            let rows = record.rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>().join(", ");
            shown.add_row(vec![text(&record.label), text(record.reason.as_deref().unwrap_or(&rows))]);
        }
        output::result(&shown.to_string())?;
        if records.len() > SHOWN {
            output::result(&format!("and {} more; --json lists every record", records.len() - SHOWN))?;
        }
    }
    if run.is_none() {
        let tally = report.tally;
        output::result(&format!(
            "{} by {}: {} records with one match, {} with several, {} without one; nothing was changed",
            report.mapping, report.by, tally.pairs, tally.several, tally.unmatched
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
