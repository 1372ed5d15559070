//! A run of a job: the lease around it, what is kept of it, and how it ends.

use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::job::{Run, RunEnd, Trigger, state_after_run};
use couplet_model::{Counters, RunId, job::JobState};
use couplet_store::LeaseResult;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::rules;

/// What a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// What changed since the cursor.
    Modified,
    /// Everything; records without a coupling are created on the other side, and Business Central's values win.
    Full,
}

/// The wish to run a mapping's job.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The job: the mapping's name.
    pub job: String,
    /// What to look at.
    pub mode: RunMode,
    /// Why.
    pub trigger: Trigger,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// Whether it worked.
    pub status: RunStatus,
    /// Records handed to the queue.
    pub enqueued: u64,
    /// Records judged on the spot.
    pub judged: Counters,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Whether a run worked or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It found and enqueued everything.
    Done,
    /// Another run holds the job.
    AlreadyRunning {
        /// The other run.
        run: RunId,
        /// When its lease ends if it is not renewed.
        until: Timestamp,
    },
    /// A person stopped the job.
    OnHold,
}

/// What the body of a run found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub enqueued: u64,
    pub judged: Counters,
    pub notes: Vec<String>,
}

impl Engine {
    /// Runs a mapping's job: finds what changed, enqueues it, and moves the cursors only then.
    ///
    /// # Errors
    /// When the mapping is unknown or not built yet, or when a system, the store or the queue failed; the cursors are
    /// then where they were.
    pub async fn run_job(&self, request: &RunRequest) -> Result<RunReport, EngineError> {
        if request.job.eq_ignore_ascii_case(ITEM_AVAILABILITY) {
            return self.refresh_availability(request.trigger).await;
        }
        let mapping = self.parts.catalogue.active_mapping(&request.job, &self.parts.switches)?;
        let rules = rules::of(&mapping).map_err(|missing| EngineError::NotThereYet {
            mapping: mapping.name.to_string(),
            missing: missing.to_owned(),
        })?;
        let inactivity = mapping.job.as_ref().map_or(0, |job| i64::from(job.inactivity_minutes));
        let name = mapping.name.to_string();
        let run = RunId::fresh();
        match self.begin(&name, run, request.trigger).await? {
            RunStatus::Done => {}
            left => {
                return Ok(RunReport { run, status: left, enqueued: 0, judged: Counters::default(), notes: vec![] });
            }
        }
        let found = self.find_changes(&mapping, rules, run, request.mode).await;
        self.end(&name, run, inactivity, found).await
    }

    /// Takes the lease and notes the run.
    pub(crate) async fn begin(&self, job: &str, run: RunId, trigger: Trigger) -> Result<RunStatus, EngineError> {
        let store = &self.parts.store;
        let now = self.now();
        match store.acquire_lease(self.company(), job, run, now, self.options().lease).await? {
            LeaseResult::Acquired(_) => {}
            LeaseResult::HeldBy { run, until } => return Ok(RunStatus::AlreadyRunning { run, until }),
            LeaseResult::OnHold => return Ok(RunStatus::OnHold),
        }
        let started = Run {
            id: run,
            job: job.to_owned(),
            trigger,
            started: now,
            found: None,
            finished: None,
            enqueued: 0,
            processed: 0,
            counters: Counters::default(),
            to_dataverse: Counters::default(),
            from_dataverse: Counters::default(),
            message: None,
        };
        store.start_run(self.company(), &started).await?;
        Ok(RunStatus::Done)
    }

    /// Notes how the run went and gives the lease back.
    pub(crate) async fn end(
        &self,
        job: &str,
        run: RunId,
        inactivity_minutes: i64,
        found: Result<Found, EngineError>,
    ) -> Result<RunReport, EngineError> {
        let store = &self.parts.store;
        let now = self.now();
        match found {
            Ok(found) => {
                let note = (!found.notes.is_empty()).then(|| found.notes.join(" "));
                store.run_found(self.company(), job, run, now, note).await?;
                let end = RunEnd::Success { enqueued: found.enqueued, judged: found.judged };
                let state = state_after_run(&end, SignedDuration::from_mins(inactivity_minutes));
                store.release_lease(self.company(), job, run, state, None, now).await?;
                info!(job, run = %run, enqueued = found.enqueued, unchanged = found.judged.unchanged, "run found its changes");
                Ok(RunReport {
                    run,
                    status: RunStatus::Done,
                    enqueued: found.enqueued,
                    judged: found.judged,
                    notes: found.notes,
                })
            }
            Err(error) => {
                let message = error.to_string();
                // The first failure is the one to report; a store that cannot even note it says so in the log.
                if let Err(unnoted) = store.fail_run(self.company(), job, run, now, message.clone()).await {
                    warn!(job, run = %run, error = %unnoted, "the failed run could not be noted");
                }
                let released = store.release_lease(self.company(), job, run, JobState::Error, Some(message), now).await;
                if let Err(unreleased) = released {
                    warn!(job, run = %run, error = %unreleased, "the lease could not be released and will expire");
                }
                Err(error)
            }
        }
    }
}
