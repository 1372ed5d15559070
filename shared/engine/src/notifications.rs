//! Change notifications: which jobs read a table, when they start early, and the subscriptions that bring notifications.
//!
//! Timers stay the truth. An early start is a run like any other, so that a notification that is lost, doubled, out of order
//! or forged changes when a change travels, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use couplet_model::ids::RunId;
use couplet_model::job::Trigger;
use couplet_model::message::Direction;
use couplet_model::notification::{ChangedTable, EarlyRun};
use couplet_model::subscription::{Subscription, SubscriptionState, WantedSubscriptions};
use couplet_model::table::{Side, Table};
use couplet_model::task::{EarlyTask, TASK_FORMAT, Task, TaskMessage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::found::RunMode;
use crate::jobs::{Finds, Work};
use crate::run::{RunReport, RunRequest, RunStatus};

/// Name of the setting that says how the subscriptions stand.
const SETTING: &str = "subscriptions";

/// The door through which notifications come in.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// Its address, as both systems reach it, ending in a slash.
    pub address: &'a str,
    /// What shows that a notification is not forged.
    pub secret: &'a str,
}

/// A job that a notification concerns, and when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyStart {
    /// The job.
    pub job: String,
    /// When it starts.
    pub start: EarlyRun,
}

/// How an early run went.
#[derive(Debug)]
pub enum EarlyReport {
    /// It ran, or was not needed.
    Ran(RunReport),
    /// Another run of the job is under way; it starts again afterwards.
    Later(EarlyRun),
    /// All jobs stand still, or this one is gone: timers find the change when it goes on.
    Left,
}

/// How the subscriptions stand, as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsStatus {
    /// When that was.
    pub seen: Option<Timestamp>,
    /// Address of the door.
    pub address: String,
    /// One for each table that active jobs read.
    pub tables: Vec<Subscription>,
    /// Why a system could not be asked, by system.
    #[serde(default)]
    pub unreachable: Vec<(Side, String)>,
}

/// The tables of which changes are work for a job.
fn sources(work: &Work) -> Vec<(Side, &Arc<Table>)> {
    let of = |direction: Direction| (direction.source(), work.mapping.table(direction.source()));
    match &work.finds {
        Finds::Changes(ways) => ways
            .directions()
            .flat_map(|direction| {
                let named = work.mapping.named_by(direction).map(move |rows| (direction.source(), &rows.table));
                [of(direction)].into_iter().chain(named)
            })
            .collect(),
        Finds::New(direction) => vec![of(*direction)],
        Finds::Named(rows) => vec![(rows.direction.source(), &rows.table)],
    }
}

/// Whether a table is the one of which a notification tells.
fn is_meant(table: &Table, changed: &ChangedTable) -> bool {
    match changed.side {
        Side::Dataverse => table.name == changed.name,
        Side::BusinessCentral => {
            [&table.entity_set, &table.companion_entity_set].into_iter().flatten().any(|set| *set == changed.name)
        }
    }
}

impl Engine {
    /// The jobs that read a table, of those that may start early.
    fn jobs_of<'a>(&'a self, changed: &'a ChangedTable) -> impl Iterator<Item = &'a str> {
        let reads = move |work: &Work| {
            sources(work).into_iter().any(|(side, table)| side == changed.side && is_meant(table, changed))
        };
        self.jobs.iter().filter(move |job| job.work().is_ok_and(reads)).map(|job| job.plan.name.as_str())
    }

    /// Has the jobs that read these tables start early, each once a minute at most: now, or when the minute is over. `may_start`
    /// says which jobs may.
    ///
    /// # Errors
    /// When the store or the queue fails. What was noted is taken back, so that the notification may come again.
    pub async fn announce(
        &self,
        changed: &BTreeSet<ChangedTable>,
        may_start: impl Fn(&str) -> bool,
    ) -> Result<Vec<EarlyStart>, EngineError> {
        let engine = self.current().await?;
        let jobs: BTreeSet<&str> =
            changed.iter().flat_map(|table| engine.jobs_of(table)).filter(|job| may_start(job)).collect();
        let mut starts = Vec::with_capacity(jobs.len());
        for job in jobs {
            starts.push(EarlyStart { job: job.to_owned(), start: engine.start_early(job).await? });
        }
        Ok(starts)
    }

    /// Notes that a job is to start early, and asks for it.
    async fn start_early(&self, job: &str) -> Result<EarlyRun, EngineError> {
        let (store, now) = (self.store(), self.now());
        let start = store.note_early_run(self.company(), job, now).await?;
        let due = match start {
            EarlyRun::Now => now,
            EarlyRun::At(due) => due,
            EarlyRun::AlreadyDue(_) => return Ok(start),
        };
        // Who dies here has noted a start that nobody asks for: the next notification after a minute, or the timer, finds the
        // change.
        let task = Task::RunEarly(EarlyTask { job: job.to_owned(), id: RunId::fresh() });
        let after = Duration::try_from(due.duration_since(now)).unwrap_or_default();
        let message = TaskMessage { v: TASK_FORMAT, company: self.company(), task };
        if let Err(error) = self.tasks.send_later(message, after).await {
            store.take_back_early_run(self.company(), job, due).await?;
            return Err(error.into());
        }
        Ok(start)
    }

    /// Runs a job because a notification told of a change. Where another run is under way, which may have read the table before
    /// the change, the job starts once more when a minute is over.
    ///
    /// # Errors
    /// As [`Engine::run_job`]; the job's timer starts where this run started.
    pub async fn run_early(&self, task: &EarlyTask, until: Option<Instant>) -> Result<EarlyReport, EngineError> {
        let request =
            RunRequest { job: task.job.clone(), mode: RunMode::Modified, trigger: Trigger::Notification, until };
        match self.run_job(&request).await {
            Ok(RunReport { status: RunStatus::AlreadyRunning { .. }, .. }) => {
                Ok(EarlyReport::Later(self.start_early(&task.job).await?))
            }
            Ok(report) => Ok(EarlyReport::Ran(report)),
            // Its mapping may have been switched off since.
            Err(EngineError::Halted(_) | EngineError::UnknownMapping(_) | EngineError::CannotRun { .. }) => {
                Ok(EarlyReport::Left)
            }
            Err(error) => Err(error),
        }
    }

    /// The tables that active jobs read, by side.
    fn source_tables(&self, may_start: impl Fn(&str) -> bool) -> BTreeMap<Side, Vec<Arc<Table>>> {
        let mut tables: BTreeMap<Side, Vec<Arc<Table>>> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| may_start(&job.plan.name)) {
            for (side, table) in job.work().map(sources).unwrap_or_default() {
                let known = tables.entry(side).or_default();
                if !known.iter().any(|other| other.name == table.name) {
                    known.push(Arc::clone(table));
                }
            }
        }
        tables
    }

    /// Has both systems tell of changes of all tables that active jobs read, and of no others: subscriptions are made, renewed,
    /// mended and removed. May be repeated at any time; what one system refuses does not keep the other from being asked.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn keep_subscriptions(
        &self,
        door: Door<'_>,
        may_start: impl Fn(&str) -> bool,
    ) -> Result<SubscriptionsStatus, EngineError> {
        let engine = self.current().await?;
        engine.confirm_owner().await?;
        let tables = engine.source_tables(may_start);
        engine.subscribe(door, &tables).await
    }

    /// Removes all subscriptions that were made here.
    ///
    /// # Errors
    /// As [`Engine::keep_subscriptions`].
    pub async fn remove_subscriptions(&self, door: Door<'_>) -> Result<SubscriptionsStatus, EngineError> {
        self.confirm_owner().await?;
        self.subscribe(door, &BTreeMap::new()).await
    }

    async fn subscribe(
        &self,
        door: Door<'_>,
        tables: &BTreeMap<Side, Vec<Arc<Table>>>,
    ) -> Result<SubscriptionsStatus, EngineError> {
        let before = self.subscriptions().await?;
        let mut status = SubscriptionsStatus {
            seen: Some(self.now()),
            address: door.address.to_owned(),
            tables: Vec::new(),
            unreachable: Vec::new(),
        };
        for side in [Side::BusinessCentral, Side::Dataverse] {
            let known: Vec<Subscription> = before.tables.iter().filter(|known| known.side == side).cloned().collect();
            let wanted = WantedSubscriptions {
                company: self.company(),
                door: door.address,
                secret: door.secret,
                tables: tables.get(&side).map_or(&[][..], Vec::as_slice),
                known: &known,
                now: self.now(),
            };
            match self.system(side).keep_subscriptions(&wanted).await {
                Ok(found) => status.tables.extend(found),
                Err(error) => {
                    tracing::warn!(%side, error = error.for_log(), "the subscriptions of a system could not be kept");
                    status.unreachable.push((side, error.to_string()));
                    // They may stand, and their ids are still needed.
                    status.tables.extend(known);
                }
            }
        }
        let document = serde_json::to_value(&status)
            .map_err(|error| EngineError::SetUp(format!("how the subscriptions stand cannot be stored: {error}")))?;
        self.store().put_setting(self.company(), SETTING, &document).await?;
        Ok(status)
    }

    /// How the subscriptions stood when they were last kept; asks neither system.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn subscriptions(&self) -> Result<SubscriptionsStatus, EngineError> {
        let stored = self.store().setting(self.company(), SETTING).await?;
        // What another version wrote is written anew by the next renewal.
        Ok(stored.and_then(|document| serde_json::from_value(document).ok()).unwrap_or_default())
    }
}

impl SubscriptionsStatus {
    /// Subscriptions that could not be made or renewed, or whose system could not be asked.
    pub fn failures(&self) -> usize {
        let failed = |one: &&Subscription| matches!(one.state, SubscriptionState::Failed { .. });
        self.tables.iter().filter(failed).count() + self.unreachable.len()
    }
}
