//! What a person does with chosen records: `couplet sync`, `couple`, `uncouple`, `skip`, `unskip` and `retry`. Each names its
//! records, has them put into the queue by a task, and waits until the run that carries it out has ended.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use couplet_engine::{Engine, Named};
use couplet_model::ids::{MappingName, RecordId, RunId};
use couplet_model::job::Run;
use couplet_model::message::{Direction, Resolution};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_runtime::handlers::{self, AskEvent, FindEvent};
use serde_json::{Value, json};

use super::conflicts;
use super::run::{exit_code, goes_on, left, show};
use crate::arguments::{
    ChosenOptions, CoupleOptions, HowOptions, NamedOptions, RetryOptions, SyncRecordsOptions, Winner,
};
use crate::deployed::{Stack, Waited, end_of_run, within};
use crate::installation::{self, Installation};
use crate::interrupt;
use crate::output;
use crate::place::Place;
use crate::progress::Progress;
use crate::tables::{table, text};

/// Couplings that are counted at once to tell how many are meant.
const PAGE: usize = 1_000;
/// Failures that are told one by one.
const REASONS: u64 = 10;
/// Errors of a mapping among which those of the run are looked for.
const LAST_ERRORS: usize = 100;

/// Synchronizes chosen records.
pub async fn sync(place: &Place, options: &SyncRecordsOptions) -> anyhow::Result<ExitCode> {
    let direction = options.direction.map(Direction::from);
    let want = Want::Synchronize { direction, create: options.create };
    let named = &options.named;
    let records = Whom::Records(&named.business_central, &named.dataverse);
    one(place, &Asking { mapping: &named.mapping, want, whom: records, how: &named.how }).await
}

/// Couples two chosen records.
pub async fn couple(place: &Place, options: &CoupleOptions) -> anyhow::Result<ExitCode> {
    let whom = Whom::Pair(&options.business_central, &options.dataverse, options.wins);
    // Which way they travel first depends on the mapping, and is filled in once that is known.
    let want = Want::Couple { direction: Direction::ToDataverse };
    one(place, &Asking { mapping: &options.mapping, want, whom, how: &options.how }).await
}

/// Ends couplings.
pub async fn uncouple(place: &Place, options: &ChosenOptions) -> anyhow::Result<ExitCode> {
    chosen(place, options, Want::Uncouple, Chosen::Coupled).await
}

/// Leaves records alone.
pub async fn skip(place: &Place, options: &ChosenOptions) -> anyhow::Result<ExitCode> {
    chosen(place, options, Want::Skip, Chosen::Coupled).await
}

/// Brings records back.
pub async fn unskip(place: &Place, options: &ChosenOptions) -> anyhow::Result<ExitCode> {
    chosen(place, options, Want::Unskip, Chosen::Skipped).await
}

async fn chosen(place: &Place, options: &ChosenOptions, want: Want, all: Chosen) -> anyhow::Result<ExitCode> {
    let NamedOptions { mapping, business_central, dataverse, how } = &options.named;
    let whom = if options.all { Whom::All(all) } else { Whom::Records(business_central, dataverse) };
    one(place, &Asking { mapping, want, whom, how }).await
}

/// Tries again what failed.
pub async fn retry(place: &Place, options: &RetryOptions) -> anyhow::Result<ExitCode> {
    let whom = || Whom::All(Chosen::Failed);
    if let Some(mapping) = &options.mapping {
        return one(place, &Asking { mapping, want: Want::Retry, whom: whom(), how: &options.how }).await;
    }
    let looking = place.look().await?;
    let engine = &looking.engine;
    let jobs: Vec<String> = engine.jobs().into_iter().filter(|job| job.ready.is_ok()).map(|job| job.name).collect();
    let mut failed = Vec::new();
    for mapping in engine.mappings() {
        if jobs.iter().any(|job| job == mapping.name.as_str()) && failures(engine, &mapping.name).await? > 0 {
            failed.push(mapping.name.to_string());
        }
    }
    drop(looking);
    if failed.is_empty() {
        output::result("no record has failed")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut worst = ExitCode::SUCCESS;
    for mapping in &failed {
        let code = one(place, &Asking { mapping, want: Want::Retry, whom: whom(), how: &options.how }).await?;
        if code != ExitCode::SUCCESS {
            worst = code;
        }
    }
    Ok(worst)
}

/// What was asked for on the command line.
pub(super) struct Asking<'a> {
    pub mapping: &'a str,
    pub want: Want,
    pub whom: Whom<'a>,
    pub how: &'a HowOptions,
}

/// Which records, as they were named.
pub(super) enum Whom<'a> {
    Records(&'a [String], &'a [String]),
    Pair(&'a str, &'a str, Option<Winner>),
    All(Chosen),
}

/// A record as it was found.
struct Meant {
    side: Side,
    id: RecordId,
    label: String,
    partner: Option<RecordId>,
}

pub(super) async fn one(place: &Place, asking: &Asking<'_>) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) => here(config.as_deref(), asking).await,
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, asking).await,
    }
}

async fn here(config: Option<&Path>, asking: &Asking<'_>) -> anyhow::Result<ExitCode> {
    if asking.how.dry_run {
        let application = installation::look(config).await?;
        let (event, meant) = resolve(&application.engine, None, asking).await?;
        return would(&application.engine, &event, &meant, asking.how.json).await;
    }
    let settings = installation::settings(config)?;
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let installation = Installation::open(&settings).await?;
    let engine = &installation.application.engine;
    let (event, _) = resolve(engine, None, asking).await?;
    let mapping = event.mapping.clone();
    let run = handlers::ask(&installation.application, event).await?.run;
    progress.show(&format!("{mapping}: synchronizing"));
    let finished = installation.finish(&stop, &progress).await;
    progress.end();
    installation.storage_is_sound()?;
    let stored = stored(engine, &mapping, run).await?;
    show(&stored, &notes(engine, asking, &stored).await?, begin.elapsed(), asking.how.json)?;
    finished?;
    Ok(exit_code(&stored))
}

async fn deployed(stack: &Stack, asking: &Asking<'_>) -> anyhow::Result<ExitCode> {
    let application = stack.application().await?;
    let engine = &application.engine;
    let (event, meant) = resolve(engine, Some(stack), asking).await?;
    if asking.how.dry_run {
        return would(engine, &event, &meant, asking.how.json).await;
    }
    let begin = Instant::now();
    let stored = match end_at_stack(stack, engine, event, "synchronizing", asking.how).await? {
        Ok(stored) => stored,
        Err(code) => return Ok(code),
    };
    show(&stored, &notes(engine, asking, &stored).await?, begin.elapsed(), asking.how.json)?;
    Ok(exit_code(&stored))
}

/// Asks a stack, and waits for the run that carries it out; or the code with which a command ends that waits no longer.
pub(super) async fn end_at_stack(
    stack: &Stack,
    engine: &Engine,
    event: AskEvent,
    doing: &str,
    how: &HowOptions,
) -> anyhow::Result<Result<Run, ExitCode>> {
    let (begin, stop, progress) = (Instant::now(), interrupt::flag(), Progress::new());
    let wait = Duration::from_secs(how.wait);
    let mapping = event.mapping.clone();
    let run = stack.ask(event).await?.run;
    progress.show(&format!("{mapping}: {doing}"));
    let tell = |run: &Run| progress.advance(run.processed, run.enqueued);
    let stored = match within(end_of_run(engine, mapping.as_str(), run, tell), begin + wait, &stop).await {
        Waited::Done(run) => run.inspect_err(|_| progress.end())?,
        Waited::TimeUp => return Ok(Err(goes_on(&progress, mapping.as_str(), "is not finished", wait))),
        Waited::Left => return Ok(Err(left(&progress, mapping.as_str()))),
    };
    progress.end();
    Ok(Ok(stored))
}

pub(super) async fn stored(engine: &Engine, mapping: &MappingName, run: RunId) -> anyhow::Result<Run> {
    let stored = engine.store().run(engine.company(), mapping.as_str(), run).await?;
    stored.with_context(|| format!("the run {run} of {mapping} is not in the store"))
}

/// What the operator should know beside the numbers of the run: why records failed, if they are few, and what follows.
async fn notes(engine: &Engine, asking: &Asking<'_>, run: &Run) -> anyhow::Result<Vec<String>> {
    let mapping = engine.mappings().into_iter().find(|mapping| mapping.name.as_str() == run.job);
    let Some(mapping) = mapping else { return Ok(Vec::new()) };
    let mut notes = Vec::new();
    if (1..=REASONS).contains(&run.counters.failed) {
        let errors = engine.store().errors(engine.company(), &mapping.name, LAST_ERRORS).await?;
        let of_run = errors.into_iter().filter(|error| error.run == run.id);
        notes.extend(of_run.map(|error| format!("{} failed: {}", error.label, error.message)));
    }
    match &asking.want {
        Want::Uncouple if run.counters.uncoupled > 0 && !mapping.only_coupled => notes
            .push(format!("runs of {} couple records by themselves: what changes there may be coupled again", run.job)),
        Want::Synchronize { create: false, .. } if run.counters.ignored > 0 => notes.push(
            "records that are not coupled, or outside the filter, are left alone; --create gives them a partner"
                .to_owned(),
        ),
        _ => {}
    }
    Ok(notes)
}

/// The event that asks for it, and the records that are named. A stack is asked which records a name means, because only its
/// functions may enter the systems.
async fn resolve(
    engine: &Engine,
    stack: Option<&Stack>,
    asking: &Asking<'_>,
) -> anyhow::Result<(AskEvent, Vec<Meant>)> {
    let mapping = installation::mapping(engine, asking.mapping)?;
    let want = match &asking.want {
        Want::Resolve(Resolution { wins, fields }) => {
            let fields: Vec<(String, Side)> = fields.iter().map(|(name, side)| (name.clone(), *side)).collect();
            Want::Resolve(engine.resolution(&mapping, *wins, &fields)?)
        }
        other => other.clone(),
    };
    let event = |want, of| AskEvent { mapping: mapping.clone(), want, of };
    match &asking.whom {
        Whom::All(all) => Ok((event(want, all.clone()), Vec::new())),
        Whom::Records([], []) => {
            bail!(
                "name the records with --bc and --dataverse, such as --bc 10000; couplet couplings \"{mapping}\" lists them"
            )
        }
        Whom::Records(records, rows) => {
            let mut meant = Vec::new();
            for (side, names) in [(Side::BusinessCentral, records), (Side::Dataverse, rows)] {
                meant.extend(found(engine, stack, &mapping, side, names).await?);
            }
            let records = meant.iter().map(|record| (record.side, record.id)).collect();
            Ok((event(want, Chosen::Records(records)), meant))
        }
        Whom::Pair(record, row, wins) => {
            let mut meant = found(engine, stack, &mapping, Side::BusinessCentral, &[(*record).to_owned()]).await?;
            meant.extend(found(engine, stack, &mapping, Side::Dataverse, &[(*row).to_owned()]).await?);
            let [record, row] = meant.as_slice() else { bail!("each of the two names means one record") };
            let active = engine.mappings().into_iter().find(|active| active.name == mapping);
            let first = active.and_then(|active| active.directions().next()).unwrap_or(Direction::ToDataverse);
            let direction = match wins {
                Some(Winner::BusinessCentral) => Direction::ToDataverse,
                Some(Winner::Dataverse) => Direction::FromDataverse,
                None => first,
            };
            let pair = Chosen::Pairs(vec![(record.id.into(), row.id.into())]);
            Ok((event(Want::Couple { direction }, pair), meant))
        }
    }
}

/// The records that some names mean, one each. A stack is called once for all names, and the store is read once.
async fn found(
    engine: &Engine,
    stack: Option<&Stack>,
    mapping: &MappingName,
    side: Side,
    names: &[String],
) -> anyhow::Result<Vec<Meant>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let named = match stack {
        None => {
            let mut named = Vec::with_capacity(names.len());
            for name in names {
                named.push(engine.named(mapping, side, name).await?);
            }
            named
        }
        Some(stack) => {
            let event = FindEvent { mapping: mapping.clone(), side, names: names.to_vec() };
            stack.find(event).await?.found
        }
    };
    if named.len() != names.len() {
        bail!("{} of {} names were answered; use the couplet the stack was deployed with", named.len(), names.len());
    }
    let mut records = Vec::with_capacity(names.len());
    for (name, named) in names.iter().zip(named) {
        records.push(one_of(mapping, side, name, named)?);
    }
    let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
    let pairs = engine.store().couplings_by_id(engine.company(), mapping, side, &ids).await?;
    let meant = |Named { id, label }: Named| {
        let partner = pairs.get(&id).map(|pair| pair.id(side.other()));
        Meant { side, id, label, partner }
    };
    Ok(records.into_iter().map(meant).collect())
}

/// The one record that a name means.
pub(super) fn one_of(mapping: &MappingName, side: Side, name: &str, mut named: Vec<Named>) -> anyhow::Result<Named> {
    match (named.pop(), named.as_slice()) {
        (None, _) => bail!("no record of {mapping} in {side} has the number, code or name {name:?}"),
        (Some(one), []) => Ok(one),
        (Some(last), others) => {
            let all = others.iter().chain([&last]);
            let list: Vec<String> = all.take(10).map(|one| format!("{} ({})", one.label, one.id)).collect();
            bail!(
                "{} records of {mapping} in {side} are called {name:?}; name one by its id: {}",
                others.len() + 1,
                list.join(", ")
            )
        }
    }
}

async fn failures(engine: &Engine, mapping: &MappingName) -> anyhow::Result<usize> {
    let mut count = 0;
    for direction in Direction::BOTH {
        count += engine.store().failures(engine.company(), mapping, direction).await?.len();
    }
    Ok(count)
}

/// How many pairs of a mapping there are, or how many of them are skipped.
async fn pairs(engine: &Engine, mapping: &MappingName, skipped_only: bool) -> anyhow::Result<usize> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = engine.store().coupling_page(engine.company(), mapping, after, PAGE).await?;
        count += page.couplings.iter().filter(|pair| pair.skipped || !skipped_only).count();
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Shows which records are meant.
async fn would(engine: &Engine, event: &AskEvent, meant: &[Meant], as_json: bool) -> anyhow::Result<ExitCode> {
    let AskEvent { mapping, want, of } = event;
    let count = match of {
        Chosen::Records(_) | Chosen::Pairs(_) => meant.len(),
        Chosen::Coupled => pairs(engine, mapping, false).await?,
        Chosen::Skipped => pairs(engine, mapping, true).await?,
        Chosen::Failed => failures(engine, mapping).await?,
        Chosen::Conflicting => conflicts::of_mapping(engine, mapping).await?.len(),
        // Who matches is told by the command that matches.
        Chosen::Uncoupled(_) => 0,
    };
    if as_json {
        let records: Vec<Value> = meant
            .iter()
            .map(|record| json!({ "side": record.side, "record": record.id, "label": record.label, "coupled_with": record.partner }))
            .collect();
        output::json(&json!({ "mapping": mapping, "want": want, "meant": count, "records": records }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !meant.is_empty() {
        let mut shown = table(&["side", "record", "id", "coupled with"]);
        for record in meant {
            let partner = record.partner.map_or_else(|| "–".to_owned(), |partner| partner.to_string());
            shown.add_row(vec![text(record.side), text(&record.label), text(record.id), text(partner)]);
        }
        output::result(&shown.to_string())?;
    }
    output::result(&format!("{count} records of {mapping} are meant; nothing was changed"))?;
    Ok(ExitCode::SUCCESS)
}
