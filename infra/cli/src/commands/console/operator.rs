//! What the console shows and does, by the functions of the commands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use couplet_console::{
    Act, Answer, Conflict, Counts, DeadLetters, Done, Failures, Jobs, Listed, MappingDetails, Mappings, Operator,
    Overview, Pairs, Refusal, Search, Story, SystemRequests, Waiting,
};
use couplet_engine::Engine;
use couplet_model::job::{Run, RunState};
use couplet_model::table::Side;
use couplet_model::{Clock, MappingName, RecordId, System};
use couplet_runtime::Application;
use couplet_runtime::replay::{
    self, Pace, QueueName, ReplayOutcome, ReplayReport, ReplayRequest, ReportedDeadLetter, count_dead_letters,
};
use couplet_store::FailureKind;
use jiff::Timestamp;
use tokio::sync::{Mutex, RwLock};

use super::super::asking::{self, Asking, Ended, Whom};
use super::super::{conflicts, couplings, errors, history, hold, jobs, mappings, replay as replaying, run, waiting};
use crate::arguments::HowOptions;
use crate::deployed::Stack;
use crate::place::Place;
use crate::{dead_letters, installation, interrupt};

/// Records that a list shows.
const SHOWN: usize = 100;
/// Runs of each job that the overview counts.
const RUNS: usize = 50;
/// Runs that a list shows, of one job.
const RUNS_OF_JOB: usize = 200;
/// Couplings that one page looks at to find those that are skipped.
const LOOKED_AT: usize = 5_000;
/// Outcomes of the history of a record.
const STORY: usize = 50;
/// Seconds that an act waits for its run; it goes on alone afterwards.
const WAIT: u64 = 900;
/// How long the mappings that were read are taken as those in force.
const MAPPINGS_LIFE: Duration = Duration::from_secs(30);
/// How long an overview is shown before it is read again: all pages that are open share it.
const OVERVIEW_LIFE: Duration = Duration::from_secs(4);
/// As [`OVERVIEW_LIFE`], where each read costs money.
const OVERVIEW_LIFE_DEPLOYED: Duration = Duration::from_secs(30);

/// Where a console looks and acts.
pub enum Site {
    /// Where a command would: the data are taken for each act, and a stack's functions are called.
    Commanded(Place),
    /// In this process, which works on its queue all the time.
    Working(Box<Application>),
}

/// An application to look with, and the stack it belongs to.
#[derive(Clone)]
pub struct Looking {
    application: Application,
    stack: Option<Arc<Stack>>,
}

/// The port of the console, by the functions of the commands.
pub struct ConsoleOperator {
    site: Site,
    named: String,
    clock: Clock,
    looking: Mutex<Option<(Instant, Looking)>>,
    overview: Mutex<Option<(Instant, Overview)>>,
    /// On this machine the data are had by one act at a time.
    alone: Mutex<()>,
    /// Held by every act, for whoever waits for their end.
    acting: RwLock<()>,
}

impl ConsoleOperator {
    /// An operator at a site, as the pages name it.
    pub fn new(site: Site, named: String) -> Self {
        let clock = match &site {
            Site::Commanded(_) => Clock::default(),
            Site::Working(application) => application.clock.clone(),
        };
        Self {
            site,
            named,
            clock,
            looking: Mutex::default(),
            overview: Mutex::default(),
            alone: Mutex::default(),
            acting: RwLock::default(),
        }
    }

    /// Waits until no act is under way.
    pub async fn finish(&self) {
        drop(self.acting.write().await);
    }

    /// The application to look with, by the mappings in force.
    ///
    /// # Errors
    /// When the settings are wrong, or the place cannot be reached.
    pub async fn look(&self) -> anyhow::Result<Looking> {
        let mut known = self.looking.lock().await;
        if let Some((at, looking)) = &*known
            && at.elapsed() < MAPPINGS_LIFE
        {
            return Ok(looking.clone());
        }
        let looking = match (&self.site, &*known) {
            (Site::Working(application), _) => {
                let application = installation::by_current_mappings((**application).clone()).await;
                Looking { application, stack: None }
            }
            // The data are read where they are; only which mappings are in force is asked again.
            (Site::Commanded(Place::Here(_)), Some((_, looking))) => {
                let application = installation::by_current_mappings(looking.application.clone()).await;
                Looking { application, stack: None }
            }
            (Site::Commanded(Place::Here(config)), None) => {
                let (application, has_data) = installation::look_for_data(config.as_deref()).await?;
                let looking = Looking { application, stack: None };
                if !has_data {
                    // The first command begins the data: they are looked for again.
                    return Ok(looking);
                }
                looking
            }
            (Site::Commanded(Place::Deployed(name)), _) => {
                let stack = Stack::reach(name).await?;
                Looking { application: stack.application().await?, stack: Some(Arc::new(stack)) }
            }
        };
        *known = Some((Instant::now(), looking.clone()));
        Ok(looking)
    }

    async fn engine(&self) -> anyhow::Result<Engine> {
        Ok(self.look().await?.application.engine)
    }

    /// The pace at which dead letters are looked through; `None` where there can be none. A queue in this process never calls
    /// itself empty when it is not.
    fn pace(&self) -> Option<Pace> {
        match &self.site {
            Site::Commanded(Place::Here(_)) => None,
            Site::Commanded(Place::Deployed(_)) => Some(Pace::default()),
            Site::Working(_) => Some(Pace { looks: 1, wait: Duration::ZERO, ..Pace::default() }),
        }
    }

    async fn replayed(&self, pace: Pace, message: Option<&str>, dry_run: bool) -> anyhow::Result<ReplayReport> {
        let Looking { application, .. } = self.look().await?;
        let request = ReplayRequest {
            queues: QueueName::ALL.to_vec(),
            since: None,
            until: None,
            mapping: None,
            messages: message.map(|id| BTreeSet::from([id.to_owned()])),
            dry_run,
            deletes: false,
        };
        let stop = interrupt::flag();
        Ok(replay::replay(&application.engine, &application.cloud, &request, pace, &stop, &|_| {}).await)
    }

    async fn read_overview(&self) -> anyhow::Result<Overview> {
        let Looking { application, .. } = self.look().await?;
        let (engine, store) = (&application.engine, application.engine.store());
        let jobs = jobs::all(engine).await?;
        let mut counts =
            Counts { waiting: jobs.lines.iter().filter_map(|line| line.waiting).sum(), ..Counts::default() };
        for mapping in engine.mappings() {
            let failures = store.failures_both_ways(engine.company(), &mapping.name).await?;
            counts.failed += failures.iter().filter(|failure| failure.kind != FailureKind::Conflict).count();
            counts.conflicts += conflicts::among(failures).len();
        }
        if self.pace().is_some() {
            // Whoever may not ask the queues sees the rest all the same.
            counts.dead_letters = count_dead_letters(&application.cloud).await.ok();
        }
        let (runs, runs_since) = runs_of_all(engine, RUNS).await?;
        let requests = match &self.site {
            Site::Commanded(_) => Vec::new(),
            Site::Working(_) => requests(&application),
        };
        Ok(Overview { jobs, counts, runs, runs_since, requests })
    }

    async fn carry_out(&self, act: &Act) -> anyhow::Result<Done> {
        let _alone = match &self.site {
            Site::Commanded(Place::Here(_)) => Some(self.alone.lock().await),
            _ => None,
        };
        match act {
            Act::Hold(job) => self.hold(job, true).await,
            Act::Release(job) => self.hold(job, false).await,
            Act::Run { job, full } => {
                let wait = Duration::from_secs(WAIT);
                let ran = match &self.site {
                    Site::Commanded(place) => run::carried_out(place, job, *full, wait).await?,
                    Site::Working(application) => run::carried_out_by(application, job, *full, wait).await?,
                };
                ran.ended?;
                Ok(ran.run.map_or_else(goes_on, |run| told(&run, &ran.notes)))
            }
            Act::Ask { mapping, want, of, .. } => {
                let how = HowOptions { dry_run: false, wait: WAIT, json: false };
                let whom = Whom::All(of.clone());
                let asking = Asking { mapping, want: want.clone(), whom, how: &how };
                let ended = match &self.site {
                    Site::Commanded(place) => asking::carried_out(place, &asking).await?,
                    Site::Working(application) => asking::carried_out_by(application, &asking).await?,
                };
                Ok(match ended {
                    Ended::Run(carried) => {
                        let done = told(carried.told().0, carried.told().1);
                        carried.sound()?;
                        done
                    }
                    Ended::Look(_) | Ended::Unfinished(_) => goes_on(),
                })
            }
            Act::Replay(message) => {
                let Some(pace) = self.pace() else { return Ok(Done::badly(replaying::NOTHING_HERE)) };
                let report = self.replayed(pace, message.as_deref(), false).await?;
                Ok(of_replay(report, message.as_deref()))
            }
        }
    }

    async fn hold(&self, job: &str, holds: bool) -> anyhow::Result<Done> {
        let (application, _folder) = match &self.site {
            Site::Commanded(place) => place.take().await?,
            Site::Working(application) => ((**application).clone(), None),
        };
        let jobs = [job.to_owned()];
        let said = match holds {
            true => hold::held(&application.engine, &jobs).await?,
            false => hold::released(&application.engine, &jobs).await?,
        };
        Ok(Done::well(said))
    }
}

/// What went wrong, as a page tells it.
fn refused(error: impl Into<anyhow::Error>) -> Refusal {
    Refusal(format!("{:#}", error.into()))
}

/// The last runs of all jobs, newest first; and from when on none is missing, if any may be.
async fn runs_of_all(engine: &Engine, of_each: usize) -> anyhow::Result<(Vec<Run>, Option<Timestamp>)> {
    let (mut all, mut since) = (Vec::new(), None);
    for plan in engine.jobs() {
        let runs = engine.store().runs(engine.company(), &plan.name, of_each).await?;
        if runs.len() == of_each {
            since = since.max(runs.last().map(|run| run.started));
        }
        all.extend(runs);
    }
    all.sort_by_key(|run| Reverse(run.started));
    Ok((all, since))
}

/// What people call the coupled records of dead letters, in one read for each mapping and side.
async fn labels(engine: &Engine, letters: &[ReportedDeadLetter]) -> anyhow::Result<BTreeMap<RecordId, String>> {
    let mut ids: BTreeMap<(&MappingName, Side), Vec<RecordId>> = BTreeMap::new();
    for letter in letters {
        if let (Some(mapping), Some(direction), Some(record)) = (&letter.mapping, letter.direction, letter.record) {
            ids.entry((mapping, direction.source())).or_default().push(record);
        }
    }
    let mut labels = BTreeMap::new();
    for ((mapping, side), ids) in ids {
        let pairs = engine.store().couplings_by_id(engine.company(), mapping, side, &ids).await?;
        labels.extend(pairs.into_iter().filter_map(|(id, pair)| Some((id, pair.key?))));
    }
    Ok(labels)
}

fn requests(application: &Application) -> Vec<SystemRequests> {
    let (here, there) = (&application.systems.business_central, &application.systems.dataverse);
    vec![
        SystemRequests { side: Side::BusinessCentral, requests: here.requests(), throttled: here.throttled() },
        SystemRequests { side: Side::Dataverse, requests: there.requests(), throttled: there.throttled() },
    ]
}

/// What became of what a person asked for.
fn told(run: &Run, notes: &[String]) -> Done {
    let counters = &run.counters;
    let parts: Vec<String> = [
        ("inserted", counters.inserted),
        ("modified", counters.modified),
        ("coupled", counters.coupled),
        ("uncoupled", counters.uncoupled),
        ("unchanged", counters.unchanged),
        ("skipped", counters.skipped),
        ("ignored", counters.ignored),
        ("waiting", counters.waiting),
        ("noted", counters.noted),
        ("failed", counters.failed),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| format!("{count} {name}"))
    .collect();
    let what = if parts.is_empty() { "nothing was to be done".to_owned() } else { parts.join(", ") };
    let message = std::iter::once(what).chain(notes.iter().cloned()).collect::<Vec<_>>().join("; ");
    match run.state() {
        RunState::Error => {
            let why = run.message.iter().filter(|why| counters.failed == 0 && !notes.contains(why));
            Done::badly(std::iter::once(message).chain(why.cloned()).collect::<Vec<_>>().join("; "))
        }
        _ => Done::well(message),
    }
}

fn goes_on() -> Done {
    Done::well("it is not finished and goes on; its run shows how far it is")
}

fn of_replay(mut report: ReplayReport, message: Option<&str>) -> Done {
    report.dead_letters.retain(|letter| letter.outcome != ReplayOutcome::OtherMessage);
    if let Some(why) = &report.stopped {
        return Done::badly(format!("it did not come to its end: {why}"));
    }
    if report.dead_letters.is_empty() && message.is_some() {
        return Done::badly("this dead letter is not there any more");
    }
    match report.dead_letters.is_empty() {
        true => Done::well("there are no dead letters"),
        false => Done::well(dead_letters::sums(&report)),
    }
}

#[async_trait]
impl Operator for ConsoleOperator {
    fn place(&self) -> String {
        self.named.clone()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn mapping_names(&self) -> Answer<Vec<String>> {
        let engine = self.engine().await.map_err(refused)?;
        Ok(engine.mappings().iter().map(|mapping| mapping.name.to_string()).collect())
    }

    async fn overview(&self) -> Answer<Overview> {
        let life = match &self.site {
            Site::Commanded(Place::Deployed(_)) => OVERVIEW_LIFE_DEPLOYED,
            _ => OVERVIEW_LIFE,
        };
        let mut known = self.overview.lock().await;
        if let Some((at, overview)) = &*known
            && at.elapsed() < life
        {
            return Ok(overview.clone());
        }
        let overview = self.read_overview().await.map_err(refused)?;
        *known = Some((Instant::now(), overview.clone()));
        Ok(overview)
    }

    async fn jobs(&self) -> Answer<Jobs> {
        jobs::all(&self.engine().await.map_err(refused)?).await.map_err(refused)
    }

    async fn runs(&self, job: Option<&str>) -> Answer<Vec<Run>> {
        let engine = self.engine().await.map_err(refused)?;
        let Some(job) = job else { return Ok(self.overview().await?.runs) };
        let plan = engine.jobs().into_iter().find(|plan| plan.name.eq_ignore_ascii_case(job));
        let Some(plan) = plan else {
            return Err(Refusal(format!("there is no job {job}; the page of the jobs lists them")));
        };
        engine.store().runs(engine.company(), &plan.name, RUNS_OF_JOB).await.map_err(refused)
    }

    async fn failures(&self, mapping: Option<&str>) -> Answer<Failures> {
        let engine = self.engine().await.map_err(refused)?;
        let mut open = Vec::new();
        for name in installation::mappings(&engine, mapping).map_err(refused)? {
            let failures = engine.store().failures_both_ways(engine.company(), &name).await.map_err(refused)?;
            open.extend(failures.into_iter().filter(|failure| failure.kind != FailureKind::Conflict));
        }
        open.sort_by_key(|failure| Reverse(failure.at));
        let mut latest = errors::latest(&engine, mapping, SHOWN).await.map_err(refused)?;
        latest.truncate(SHOWN);
        Ok(Failures { open: Listed::first(open, SHOWN), latest })
    }

    async fn conflicts(&self, mapping: Option<&str>) -> Answer<Listed<Conflict>> {
        let engine = self.engine().await.map_err(refused)?;
        conflicts::all(&engine, mapping, SHOWN).await.map_err(refused)
    }

    async fn waiting(&self, mapping: Option<&str>) -> Answer<Listed<Waiting>> {
        let engine = self.engine().await.map_err(refused)?;
        let waits = waiting::all(&engine, mapping).await.map_err(refused)?;
        let Listed { total, shown } = Listed::first(waits, SHOWN);
        let shown = shown.into_iter().map(|wait| Waiting { released_by: engine.released_by(&wait.dependency), wait });
        Ok(Listed { total, shown: shown.collect() })
    }

    async fn couplings(&self, mapping: &str, search: &Search) -> Answer<Pairs> {
        let Looking { application, stack } = self.look().await.map_err(refused)?;
        let (engine, store) = (&application.engine, application.engine.store());
        let mapping = installation::mapping(engine, mapping).map_err(refused)?;
        let total = store.count_couplings(engine.company(), &mapping).await.map_err(refused)?;
        if let Some((side, name)) = &search.name {
            let found = history::called(engine, stack.as_deref(), &mapping, *side, name).await.map_err(refused)?;
            let ids: Vec<RecordId> = found.iter().map(|named| named.id).collect();
            let coupled = store.couplings_by_id(engine.company(), &mapping, *side, &ids).await.map_err(refused)?;
            let uncoupled: Vec<_> = found.into_iter().filter(|named| !coupled.contains_key(&named.id)).collect();
            if coupled.is_empty() && uncoupled.is_empty() {
                return Err(Refusal(format!("no record of {mapping} in {side} has the number, code or name {name:?}")));
            }
            return Ok(Pairs { mapping, total, shown: coupled.into_values().collect(), uncoupled, next: None });
        }
        let after = search.after.clone();
        let (wanted, looked_at) = if search.skipped { (SHOWN, LOOKED_AT) } else { (SHOWN, SHOWN) };
        let is_meant = |pair: &couplet_model::Coupling| pair.skipped || !search.skipped;
        let page = couplings::page(engine, &mapping, after, wanted, looked_at, is_meant).await.map_err(refused)?;
        Ok(Pairs { mapping, total, shown: page.couplings, uncoupled: Vec::new(), next: page.next })
    }

    async fn history(&self, mapping: &str, side: Side, name: &str) -> Answer<Story> {
        let Looking { application, stack } = self.look().await.map_err(refused)?;
        history::told_of(&application.engine, stack.as_deref(), mapping, side, name, STORY).await.map_err(refused)
    }

    async fn mappings(&self) -> Answer<Mappings> {
        mappings::all(&self.engine().await.map_err(refused)?).await.map_err(refused)
    }

    async fn mapping(&self, name: &str) -> Answer<MappingDetails> {
        mappings::one(&self.engine().await.map_err(refused)?, name).await.map_err(refused)
    }

    async fn dead_letters(&self) -> Answer<DeadLetters> {
        let Some(pace) = self.pace() else {
            return Ok(DeadLetters { remark: Some(replaying::NOTHING_HERE.to_owned()), ..DeadLetters::default() });
        };
        let report = self.replayed(pace, None, true).await.map_err(refused)?;
        let remark = report.stopped.map(|why| format!("The look did not come to its end: {why}"));
        let engine = self.engine().await.map_err(refused)?;
        let labels = labels(&engine, &report.dead_letters).await.map_err(refused)?;
        Ok(DeadLetters { letters: report.dead_letters, labels, remark })
    }

    async fn act(&self, act: &Act) -> Done {
        let _acting = self.acting.read().await;
        let done = self.carry_out(act).await.unwrap_or_else(|error| Done::badly(format!("{error:#}")));
        *self.overview.lock().await = None;
        done
    }
}
