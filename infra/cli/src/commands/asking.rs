//! What a person does with chosen records: `couplet sync`, `couple`, `uncouple`, `skip`, `unskip` and `retry`. Each names its
//! records, has them put into the queue by a task, and waits until the run that carries it out has ended.

mod meant;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use couplet_engine::Engine;
use couplet_model::catalogue::read_conditions;
use couplet_model::ids::{MappingName, RunId};
use couplet_model::job::Run;
use couplet_model::message::{Direction, Remedy, Resolution};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_runtime::Application;
use couplet_runtime::handlers::{self, AskEvent};
use serde_json::{Value, json};

pub(super) use self::meant::one_of;
use self::meant::{Meant, failures, found, would};
use super::run::{exit_code, goes_on, left, object as of_run, show};
use crate::arguments::{
    ChosenOptions, CoupleOptions, HowOptions, NamedOptions, RetryOptions, SyncRecordsOptions, WhereOptions, Winner,
};
use crate::deployed::{Stack, Waited, end_of_run, within};
use crate::installation::{self, Installation};
use crate::interrupt;
use crate::output;
use crate::place::Place;
use crate::progress::Progress;

/// Failures that are told one by one.
const REASONS: u64 = 10;
/// Errors of a mapping among which those of the run are looked for.
const LAST_ERRORS: usize = 100;

/// Synchronizes chosen records.
pub async fn sync(place: &Place, options: &SyncRecordsOptions) -> anyhow::Result<ExitCode> {
    let direction = options.direction.map(Direction::from);
    let want = Want::Synchronize { direction, create: options.create };
    let named = &options.named;
    let whom = Whom::of(named, Some(&options.filtered), None)?;
    one(place, &Asking { mapping: &named.mapping, want, whom, how: &named.how }).await
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
    let NamedOptions { mapping, how, .. } = &options.named;
    let whom = Whom::of(&options.named, Some(&options.filtered), options.all.then_some(all))?;
    one(place, &Asking { mapping, want, whom, how }).await
}

/// Tries again what failed.
pub async fn retry(place: &Place, options: &RetryOptions) -> anyhow::Result<ExitCode> {
    let how = &options.how;
    if let Some(mapping) = &options.mapping {
        let whom = Whom::filtered(&options.filtered).unwrap_or(Whom::All(Chosen::Failed));
        return one(place, &Asking { mapping, want: Want::Retry, whom, how }).await;
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
    if failed.is_empty() && !how.json {
        output::result("no record has failed")?;
    }
    let (mut worst, mut objects) = (ExitCode::SUCCESS, Vec::new());
    for mapping in &failed {
        let asking = Asking { mapping, want: Want::Retry, whom: Whom::All(Chosen::Failed), how };
        let ended = carried_out(place, &asking).await?;
        let code = ended.code();
        if code != ExitCode::SUCCESS {
            worst = code;
        }
        // What a person waits for no longer is told when it happens; everything else in one object.
        match (how.json, ended.object()) {
            (true, Some(object)) => objects.push(object),
            _ => {
                ended.show(how.json)?;
            }
        }
    }
    if how.json {
        output::json(&json!({ "mappings": objects }))?;
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
    Matching(Side, &'a str),
    All(Chosen),
}

impl<'a> Whom<'a> {
    /// The records that the options of a command choose: all, by a filter, or by their names.
    pub fn of(
        named: &'a NamedOptions,
        filtered: Option<&'a WhereOptions>,
        all: Option<Chosen>,
    ) -> anyhow::Result<Self> {
        let NamedOptions { business_central, dataverse, .. } = named;
        match (all, filtered.and_then(Self::filtered)) {
            (Some(all), _) => Ok(Self::All(all)),
            (None, Some(_)) if !business_central.is_empty() || !dataverse.is_empty() => {
                bail!("choose records by their names or by --filter, not by both")
            }
            (None, Some(filtered)) => Ok(filtered),
            (None, None) => Ok(Self::Records(business_central, dataverse)),
        }
    }

    /// The records that a filter chooses, if there is one.
    fn filtered(options: &'a WhereOptions) -> Option<Self> {
        let side = options.side.map_or(Side::BusinessCentral, Side::from);
        options.filter.as_deref().map(|filter| Self::Matching(side, filter))
    }
}

/// How a command ended that asked for something.
pub(super) enum Ended {
    /// The run that carried it out.
    Run(Box<Carried>),
    /// Nothing was to be carried out: what would be meant.
    Look(Look),
    /// A person did not wait for its end, and was told so.
    Unfinished(ExitCode),
}

/// The run that carried something out, and what to say of it.
pub(super) struct Carried {
    run: Run,
    notes: Vec<String>,
    took: Duration,
    /// Whether the embedded cloud failed on the way.
    failure: Option<anyhow::Error>,
}

impl Carried {
    /// The run, and what to say of it.
    pub fn told(&self) -> (&Run, &[String]) {
        (&self.run, &self.notes)
    }

    /// The run, unless the embedded cloud failed on the way.
    pub fn sound(self) -> anyhow::Result<Run> {
        self.failure.map_or(Ok(self.run), Err)
    }
}

/// The records that would be meant.
pub(super) struct Look {
    object: Value,
    lines: Vec<String>,
}

impl Ended {
    /// With which code the command ends.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Run(carried) => exit_code(&carried.run),
            Self::Look(_) => ExitCode::SUCCESS,
            Self::Unfinished(code) => *code,
        }
    }

    /// What is told of it in JSON, if anything is.
    fn object(&self) -> Option<Value> {
        match self {
            Self::Run(carried) if carried.failure.is_none() => Some(of_run(&carried.run, &carried.notes, carried.took)),
            Self::Look(look) => Some(look.object.clone()),
            Self::Run(_) | Self::Unfinished(_) => None,
        }
    }

    /// Shows it; gives the code with which the command ends.
    pub fn show(self, as_json: bool) -> anyhow::Result<ExitCode> {
        let code = self.code();
        match self {
            Self::Run(carried) => {
                let Carried { run, notes, took, failure } = *carried;
                show(&run, &notes, took, as_json)?;
                if let Some(failure) = failure {
                    return Err(failure);
                }
            }
            Self::Look(look) if as_json => output::json(&look.object)?,
            Self::Look(look) => output::result(&look.lines.join("\n"))?,
            Self::Unfinished(_) => {}
        }
        Ok(code)
    }
}

/// Asks for something, waits for its end, and shows it.
pub(super) async fn one(place: &Place, asking: &Asking<'_>) -> anyhow::Result<ExitCode> {
    carried_out(place, asking).await?.show(asking.how.json)
}

/// Asks for something, and waits for its end.
pub(super) async fn carried_out(place: &Place, asking: &Asking<'_>) -> anyhow::Result<Ended> {
    match place {
        Place::Here(config) => here(config.as_deref(), asking).await,
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, asking).await,
    }
}

/// As [`carried_out`], in this process, which works on its queue all the time.
pub(super) async fn carried_out_by(application: &Application, asking: &Asking<'_>) -> anyhow::Result<Ended> {
    let (begin, engine) = (Instant::now(), &application.engine);
    let (event, meant) = resolve(engine, None, asking).await?;
    if asking.how.dry_run {
        return would(engine, None, &event, meant).await;
    }
    let mapping = event.mapping.clone();
    let run = handlers::ask(application, event).await?.run;
    let stored = match end_of_asked(engine, &mapping, run, "synchronizing", asking.how, begin).await? {
        Ok(stored) => stored,
        Err(code) => return Ok(Ended::Unfinished(code)),
    };
    let notes = notes(engine, asking, &stored).await?;
    Ok(Ended::Run(Box::new(Carried { run: stored, notes, took: begin.elapsed(), failure: None })))
}

async fn here(config: Option<&Path>, asking: &Asking<'_>) -> anyhow::Result<Ended> {
    if asking.how.dry_run {
        let application = installation::look(config).await?;
        let (event, meant) = resolve(&application.engine, None, asking).await?;
        return would(&application.engine, None, &event, meant).await;
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
    let notes = notes(engine, asking, &stored).await?;
    let (took, failure) = (begin.elapsed(), finished.err());
    Ok(Ended::Run(Box::new(Carried { run: stored, notes, took, failure })))
}

async fn deployed(stack: &Stack, asking: &Asking<'_>) -> anyhow::Result<Ended> {
    let application = stack.application().await?;
    let engine = &application.engine;
    let (event, meant) = resolve(engine, Some(stack), asking).await?;
    if asking.how.dry_run {
        return would(engine, Some(stack), &event, meant).await;
    }
    let begin = Instant::now();
    let stored = match end_at_stack(stack, engine, event, "synchronizing", asking.how).await? {
        Ok(stored) => stored,
        Err(code) => return Ok(Ended::Unfinished(code)),
    };
    let notes = notes(engine, asking, &stored).await?;
    Ok(Ended::Run(Box::new(Carried { run: stored, notes, took: begin.elapsed(), failure: None })))
}

/// Asks a stack, and waits for the run that carries it out; or the code with which a command ends that waits no longer.
pub(super) async fn end_at_stack(
    stack: &Stack,
    engine: &Engine,
    event: AskEvent,
    doing: &str,
    how: &HowOptions,
) -> anyhow::Result<Result<Run, ExitCode>> {
    let begin = Instant::now();
    let mapping = event.mapping.clone();
    let run = stack.ask(event).await?.run;
    end_of_asked(engine, &mapping, run, doing, how, begin).await
}

/// Waits for the run that carries something out; or the code with which a command ends that waits no longer.
async fn end_of_asked(
    engine: &Engine,
    mapping: &MappingName,
    run: RunId,
    doing: &str,
    how: &HowOptions,
    begin: Instant,
) -> anyhow::Result<Result<Run, ExitCode>> {
    let (stop, progress) = (interrupt::flag(), Progress::new());
    let wait = Duration::from_secs(how.wait);
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
        Want::Mend(Remedy::Delete) if run.counters.modified > 0 => {
            notes.push(format!("modified: the records that were left of {} pairs were deleted", run.counters.modified));
        }
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
        Whom::Matching(side, filter) => {
            let conditions = read_conditions(filter, *side).with_context(|| format!("{mapping}, {side}"))?;
            Ok((event(want, Chosen::Matching(*side, conditions)), Vec::new()))
        }
        Whom::Records([], []) => {
            bail!(
                "name the records with --bc and --dataverse, such as --bc 10000, or choose them with --filter; couplet couplings \"{mapping}\" \
                 lists them"
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
