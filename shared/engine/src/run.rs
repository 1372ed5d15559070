//! A run of a job: the lease around it, what is kept of it, how it goes on in another invocation, and how it ends.

use std::time::Instant;

use couplet_model::correlation::in_the_name_of;
use couplet_model::job::{Run, RunEnd, Trigger, state_after_run};
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_model::{Counters, RetryClass, RunId};
use couplet_store::{Ended, Holder, LeaseResult, TakenUp};
use jiff::{SignedDuration, Timestamp};
use tracing::{Instrument, info_span, warn};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::checkpoint::{Checkpoint, Invocation, Reached, Start};
use crate::find::found::{Found, RunMode};
use crate::jobs::{Job, Work};

/// Invocations after which a run is taken to have no end: ten days of 15 minutes each.
const MOST_INVOCATIONS: u32 = 1000;

/// The wish to run a job.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The job: the mapping's name, or Item Availability.
    pub job: String,
    /// What to look at.
    pub mode: RunMode,
    /// Why.
    pub trigger: Trigger,
    /// When the run has to go on in a new invocation; `None`: it may take as long as it takes.
    pub until: Option<Instant>,
}

/// Who starts a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starter {
    /// A timer, or a person who names the job.
    TimerOrPerson,
    /// A line of the full synchronization.
    Line,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// Whether it worked.
    pub status: RunStatus,
    /// Records handed to the queue so far.
    pub enqueued: u64,
    /// Records judged on the spot so far.
    pub judged: Counters,
    /// Records of earlier runs that still wait for others.
    pub waiting: u64,
    /// What the operator should know.
    pub notes: Vec<String>,
}

impl RunReport {
    pub(crate) fn new(run: RunId, status: RunStatus, found: Found) -> Self {
        let Found { enqueued, judged, waiting, notes, .. } = found;
        Self { run, status, enqueued, judged, waiting, notes }
    }
}

/// Whether a run worked or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It found and enqueued everything.
    Done,
    /// Its time was up; it goes on in this invocation of its own, for which a task is in the queue.
    GoesOn {
        /// The next invocation.
        invocation: u32,
    },
    /// Another run holds the job.
    AlreadyRunning {
        /// The other run.
        run: RunId,
        /// When its lease ends if it is not renewed.
        until: Timestamp,
    },
    /// A person stopped the job.
    OnHold,
    /// A person switched the connection off.
    Disabled,
    /// There was nothing to go on with: the run has ended, or is further already.
    Over,
}

impl Engine {
    /// Runs a job: finds what changed, enqueues it, and moves the cursors only then. It goes on where an earlier run
    /// that did not come to its end stood.
    ///
    /// # Errors
    /// When the mapping is unknown or cannot run, or when a system, the store or the queue failed; the cursors are
    /// then where they were.
    pub async fn run_job(&self, request: &RunRequest) -> Result<RunReport, EngineError> {
        self.start_run_as(request, Starter::TimerOrPerson).await
    }

    /// As [`Engine::run_job`]. A line of the full synchronization runs its job also while that is on hold, and notes its run.
    pub(crate) async fn start_run_as(&self, request: &RunRequest, by: Starter) -> Result<RunReport, EngineError> {
        self.current().await?.run_by_these_mappings(request, by).await
    }

    async fn run_by_these_mappings(&self, request: &RunRequest, by: Starter) -> Result<RunReport, EngineError> {
        let planned = self.jobs.named(&request.job)?;
        let (job, work) = (planned.plan.name.as_str(), planned.work()?);
        // A store of others is not touched. A system that cannot be asked just now is a failure of the run like any other.
        if let Err(error @ EngineError::SomebodyElses(_)) = self.confirm_owner().await {
            return Err(error);
        }
        // Nor are orders left behind.
        if let Err(error @ EngineError::OrdersLeftBehind(_)) = self.confirm_orders().await {
            return Err(error);
        }
        match self.confirm_enabled().await {
            Err(EngineError::Disabled(_)) if by == Starter::TimerOrPerson => {
                return Ok(RunReport::new(RunId::fresh(), RunStatus::Disabled, Found::default()));
            }
            other => other?,
        }
        let run = RunId::fresh();
        let now = self.now();
        let lease = self.options().lease;
        let taken = match request.mode {
            RunMode::Modified => self.store().acquire_lease(self.company(), job, run, now, lease).await?,
            RunMode::Full => self.store().acquire_lease_in_full(self.company(), job, run, now, lease).await?,
        };
        // Nobody but a line runs a job that is on hold, and nobody else takes up what a dead one left of it.
        let on_hold = by == Starter::Line
            && match &taken {
                LeaseResult::OnHold => true,
                LeaseResult::HeldBy { until, .. } => *until < now,
                LeaseResult::Acquired(_) => false,
            };
        let taken = match on_hold {
            true => self.store().acquire_held_lease(self.company(), job, run, now, lease).await?,
            false => taken,
        };
        let (checkpoint, full_since) = match taken {
            LeaseResult::Acquired(acquired) => (acquired.checkpoint, acquired.full_since),
            LeaseResult::HeldBy { run, until } => {
                return Ok(RunReport::new(run, RunStatus::AlreadyRunning { run, until }, Found::default()));
            }
            LeaseResult::OnHold => return Ok(RunReport::new(run, RunStatus::OnHold, Found::default())),
        };
        let started = Run { mappings: self.revision, ..Run::begun(run, job, request.trigger, now) };
        self.store().start_run(self.company(), &started).await?;
        if by == Starter::Line {
            self.note_run_of_line(job, run, on_hold).await?;
        }
        // A full synchronization that did not come to its end is owed, whatever this run was asked for.
        let mode = if full_since.is_some() { RunMode::Full } else { request.mode };
        let mut checkpoint =
            checkpoint.and_then(|text| Checkpoint::read(&text)).filter(|checkpoint| checkpoint.serves(mode));
        if let Some(checkpoint) = checkpoint.as_mut().filter(|checkpoint| checkpoint.mappings != self.revision) {
            // Part of it was read by other mappings: it begins again, from the same cursors.
            checkpoint.begin_again(work.ways());
        }
        let mut found = Found::default();
        if let Some(since) = full_since.filter(|_| request.mode != RunMode::Full) {
            found.notes.push(format!(
                "It is a full synchronization, because the one asked for at {} did not end well.",
                since.strftime("%F %T UTC")
            ));
        }
        if checkpoint.is_some() {
            found.notes.push("It goes on where an earlier run stopped.".to_owned());
        }
        if let Some(checkpoint) = &mut checkpoint {
            // What the other run found is counted there.
            checkpoint.found = std::mem::take(&mut found);
        }
        let invocation = Invocation { engine: self, job, holder: Holder { run, invocation: 0 }, until: request.until };
        self.work(&invocation, planned, work, Start { mode, checkpoint, found }).await
    }

    /// Goes on with a run whose time was up in an earlier invocation. Asked for the same invocation twice, one works and the
    /// other leaves.
    ///
    /// # Errors
    /// As [`Engine::run_job`].
    pub async fn continue_run(&self, next: &Continuation, until: Option<Instant>) -> Result<RunReport, EngineError> {
        let run = (next.job.clone(), next.run);
        let revision = self.known_runs([run.clone()].into()).await?.get(&run).copied();
        let engine = match revision {
            Some(revision) => self.of_revision(revision).await?,
            None => None,
        };
        let engine = match engine {
            Some(engine) => engine,
            None => self.current().await?,
        };
        engine.continue_by_these_mappings(next, until).await
    }

    async fn continue_by_these_mappings(
        &self,
        next: &Continuation,
        until: Option<Instant>,
    ) -> Result<RunReport, EngineError> {
        let planned = self.jobs.named(&next.job)?;
        let (job, work) = (planned.plan.name.as_str(), planned.work()?);
        match self.confirm_enabled().await {
            Err(EngineError::Disabled(_)) => return Ok(self.waits_for_connection(next.run)),
            other => other?,
        }
        let holder = Holder { run: next.run, invocation: next.invocation };
        let taken = self.store().take_up_lease(self.company(), job, holder, self.now(), self.options().lease).await?;
        let stored = match taken {
            TakenUp::Acquired(acquired) => acquired.checkpoint,
            TakenUp::HeldUntil(until) => {
                let status = RunStatus::AlreadyRunning { run: next.run, until };
                return Ok(RunReport::new(next.run, status, Found::default()));
            }
            TakenUp::Over => return Ok(RunReport::new(next.run, RunStatus::Over, Found::default())),
        };
        let invocation = Invocation { engine: self, job, holder, until };
        let Some(checkpoint) = stored.as_deref().and_then(Checkpoint::read) else {
            let error = EngineError::SetUp(format!("where the run of {job} stood cannot be read; start the job again"));
            self.end_badly(&invocation, &error).await;
            return Err(error);
        };
        self.work(
            &invocation,
            planned,
            work,
            Start { mode: checkpoint.mode, checkpoint: Some(checkpoint), found: Found::default() },
        )
        .await
    }

    /// Works as far as the time allows, and ends the run or hands it over.
    async fn work(
        &self,
        invocation: &Invocation<'_>,
        job: &Job,
        work: &Work,
        start: Start,
    ) -> Result<RunReport, EngineError> {
        let inactivity = SignedDuration::from_mins(i64::from(job.plan.inactivity_minutes));
        let mode = start.checkpoint.as_ref().map_or(start.mode, |checkpoint| checkpoint.mode);
        let span = info_span!("find", run = %invocation.holder.run, invocation = invocation.holder.invocation);
        let found = async {
            self.confirm_owner().await?;
            self.confirm_orders().await?;
            self.find(invocation, work, start).await
        };
        let found = in_the_name_of(invocation.holder.run, found).instrument(span).await;
        let reached = match found {
            Ok(Reached::Checkpoint(found)) => self.hand_over(invocation).await.map(|()| Reached::Checkpoint(found)),
            other => other,
        };
        match reached {
            Ok(Reached::End(found)) => self.end_well(invocation, mode, inactivity, found).await,
            Ok(Reached::Checkpoint(found)) => {
                let status = RunStatus::GoesOn { invocation: invocation.holder.invocation + 1 };
                Ok(RunReport::new(invocation.holder.run, status, found))
            }
            Err(error) => {
                self.end_badly(invocation, &error).await;
                Err(error)
            }
        }
    }

    /// Asks for the next invocation. Should its task be lost, the next timer finds the lease run out and the checkpoint stored.
    async fn hand_over(&self, invocation: &Invocation<'_>) -> Result<(), EngineError> {
        let number = next_invocation(invocation.job, invocation.holder.invocation)?;
        let next = Continuation { job: invocation.job.to_owned(), run: invocation.holder.run, invocation: number };
        let task = TaskMessage { v: TASK_FORMAT, company: self.company(), task: Task::ContinueRun(next) };
        Ok(self.tasks.send(task).await?)
    }

    /// Notes what the run found and gives the lease back.
    async fn end_well(
        &self,
        invocation: &Invocation<'_>,
        mode: RunMode,
        inactivity: SignedDuration,
        mut found: Found,
    ) -> Result<RunReport, EngineError> {
        let store = self.store();
        let (now, run) = (self.now(), invocation.holder.run);
        found.notes.extend(waiting_note(invocation.job, found.waiting));
        found.notes.extend(found.left_alone.and_then(|records| uncoupled_note(invocation.job, records)));
        let note = (!found.notes.is_empty()).then(|| found.notes.join(" "));
        store.run_found(self.company(), invocation.job, run, now, note).await?;
        let end = RunEnd::Success { enqueued: found.enqueued, judged: found.judged };
        let state = state_after_run(&end, inactivity);
        let ended = match mode {
            RunMode::Modified => Ended::well(state),
            RunMode::Full => Ended::well_in_full(state),
        };
        store.release_lease(self.company(), invocation.job, invocation.holder, ended, now).await?;
        Ok(RunReport::new(run, RunStatus::Done, found))
    }

    /// Notes why the run failed and gives the lease back. After a passing failure the next run goes on where this one
    /// stood; after any other it begins at the cursor, for the checkpoint itself may be what is wrong.
    async fn end_badly(&self, invocation: &Invocation<'_>, error: &EngineError) {
        let store = self.store();
        let (now, run, job) = (self.now(), invocation.holder.run, invocation.job);
        let message = error.to_string();
        // The first failure is the one to report; a store that cannot even note it says so in the log.
        if let Err(unnoted) = store.fail_run(self.company(), job, run, now, message.clone()).await {
            warn!(run = %run, error = unnoted.for_log(), "the failed run could not be noted");
        }
        let keeps_place =
            matches!(error.retry_class(), RetryClass::RetryNow | RetryClass::RetryAfter(_) | RetryClass::Outage);
        let ended = Ended::badly(message, keeps_place);
        if let Err(unreleased) = store.release_lease(self.company(), job, invocation.holder, ended, now).await {
            warn!(run = %run, error = unreleased.for_log(), "the lease could not be released and will expire");
        }
    }
}

/// What an operator should know who has never synchronized a mapping in full: nothing is coupled, so nothing travels.
fn uncoupled_note(job: &str, records: u64) -> Option<String> {
    (records > 0).then(|| {
        format!(
            "{records} records are not coupled and were left alone; couplet run {job:?} --full couples them or gives them partners."
        )
    })
}

/// What an operator should know of records that wait.
fn waiting_note(job: &str, records: u64) -> Option<String> {
    (records > 0).then(|| format!("{records} records wait for others; see what for with couplet waiting {job:?}."))
}

/// The invocation after this one.
fn next_invocation(job: &str, invocation: u32) -> Result<u32, EngineError> {
    if invocation < MOST_INVOCATIONS {
        return Ok(invocation + 1);
    }
    Err(EngineError::SetUp(format!(
        "the run of {job} has not ended after {MOST_INVOCATIONS} invocations; look why its feed has no end, or give an invocation more time"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_a_first_run_that_is_no_full_one_says_what_it_left_alone() {
        assert_eq!(uncoupled_note("CUSTOMER", 0), None);
        let note = uncoupled_note("UNIT OF MEASURE", 45).expect("a note");
        assert!(note.contains("45 records are not coupled"), "{note}");
        assert!(note.contains("couplet run \"UNIT OF MEASURE\" --full"), "{note}");
    }

    #[test]
    fn f26_a_run_without_end_is_not_handed_over_for_ever() {
        assert_eq!(next_invocation("CUSTOMER", 0).ok(), Some(1));
        assert_eq!(next_invocation("CUSTOMER", MOST_INVOCATIONS - 1).ok(), Some(MOST_INVOCATIONS));
        let refused = next_invocation("CUSTOMER", MOST_INVOCATIONS).expect_err("too many");
        assert!(refused.to_string().contains("CUSTOMER has not ended after 1000 invocations"), "{refused}");
    }
}
