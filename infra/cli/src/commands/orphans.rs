//! `couplet orphans MAPPING`: records of either side without a partner, and records that share the fields by which one is found;
//! and `couplet orphans repair`, which does something about them.

use std::process::ExitCode;

use anyhow::Context;
use couplet_engine::{Engine, Orphan, OrphanReport};
use couplet_model::orphans::Flaw;
use couplet_model::request::{Chosen, Want};
use couplet_runtime::handlers::AskEvent;
use serde_json::json;

use super::asking::{self, Asking, Whom, end_at_stack};
use super::matching::match_records;
use crate::arguments::{HowOptions, MatchOptions, OrphansAction, OrphansOptions, RepairOptions};
use crate::deployed::Stack;
use crate::installation;
use crate::interrupt::{self, INTERRUPTED};
use crate::output;
use crate::place::Place;
use crate::progress::Progress;
use crate::tables::{table, text};

/// What is under way, as the progress shows it.
const DOING: &str = "reading both sides";

/// Lists orphans and duplicates, or does something about them.
pub async fn orphans(place: &Place, options: &OrphansOptions) -> anyhow::Result<ExitCode> {
    match &options.action {
        Some(OrphansAction::Repair(repair)) => mend(place, repair).await,
        None => list(place, options).await,
    }
}

async fn mend(place: &Place, options: &RepairOptions) -> anyhow::Result<ExitCode> {
    let RepairOptions { mapping, create, by, release, dataverse, how, .. } = options;
    if *release {
        let whom = match dataverse.as_slice() {
            [] => Whom::All(Chosen::Stray),
            rows => Whom::Records(&[], rows),
        };
        return asking::one(place, &Asking { mapping, want: Want::Release, whom, how }).await;
    }
    let options = MatchOptions {
        mapping: mapping.clone(),
        by: by.clone(),
        case_sensitive: false,
        sync: false,
        no_sync: false,
        wins: None,
        create_unmatched: *create,
        no_create: !*create,
        how: how.clone(),
    };
    match_records(place, &options).await
}

/// The event that asks for a look.
fn event(engine: &Engine, options: &OrphansOptions) -> anyhow::Result<AskEvent> {
    let name = options.mapping.as_deref().context("name a mapping; couplet jobs shows which there are")?;
    let mapping = installation::mapping(engine, name)?;
    let (want, of) = engine.orphans_by(&mapping, options.by.as_deref())?;
    Ok(AskEvent { mapping, want, of })
}

async fn list(place: &Place, options: &OrphansOptions) -> anyhow::Result<ExitCode> {
    let report = match place {
        Place::Here(config) => {
            let application = installation::look(config.as_deref()).await?;
            let engine = &application.engine;
            let AskEvent { mapping, of, .. } = event(engine, options)?;
            let (stop, progress) = (interrupt::flag(), Progress::new());
            progress.show(&format!("{mapping}: {DOING}"));
            let report = tokio::select! {
                report = engine.look_for_orphans(&mapping, &of) => report,
                () = interrupt::told(&stop) => {
                    progress.end();
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            };
            progress.end();
            report?
        }
        Place::Deployed(stack) => {
            let stack = Stack::reach(stack).await?;
            let application = stack.application().await?;
            let engine = &application.engine;
            let event = event(engine, options)?;
            let AskEvent { mapping, of, .. } = event.clone();
            let how = HowOptions { dry_run: false, wait: options.wait, json: options.json };
            let stored = match end_at_stack(&stack, engine, event, DOING, &how).await? {
                Ok(stored) => stored,
                Err(code) => return Ok(code),
            };
            let run = stored.id;
            engine.found_orphans(&mapping, &of, run).await?.with_context(|| {
                format!("what the run {run} of {mapping} found is not in the store; see couplet errors \"{mapping}\"")
            })?
        }
    };
    show(&report, options.limit as usize, options.json)
}

fn show(report: &OrphanReport, limit: usize, as_json: bool) -> anyhow::Result<ExitCode> {
    if as_json {
        output::json(&json!(report))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !report.orphans.is_empty() {
        let mut shown = table(&["side", "record", "why", "what can be done"]);
        for orphan in report.orphans.iter().take(limit) {
            let Orphan { side, label, why, remedy, shares_with, .. } = orphan;
            let others: Vec<&str> = shares_with.iter().map(|row| row.label.as_str()).collect();
            let why = if others.is_empty() { why.clone() } else { format!("{why}: {}", others.join(", ")) };
            shown.add_row(vec![text(side), text(label), text(why), text(remedy)]);
        }
        output::result(&shown.to_string())?;
        if report.orphans.len() > limit {
            let more = report.orphans.len() - limit;
            output::result(&format!("{more} more; show them with --limit {}, or with --json", report.orphans.len()))?;
        }
    }
    let count = |flaw| report.orphans.iter().filter(|orphan| orphan.flaw == flaw).count();
    let shared = match &report.by {
        Some(by) => format!("{} share their {by} with others of their side", count(Flaw::Duplicate)),
        None => "it has no fields by which duplicates are told; name some with --by".to_owned(),
    };
    output::result(&format!(
        "{}: of {} records and {} rows {} have no partner, {} rows belong to the company although nothing couples them; {shared}; \
         nothing was changed",
        report.mapping,
        report.business_central,
        report.dataverse,
        count(Flaw::Uncoupled),
        count(Flaw::Stray)
    ))?;
    Ok(ExitCode::SUCCESS)
}
