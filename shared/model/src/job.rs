//! Jobs and runs: the states a job goes through, and what is kept of each run.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::RunId;
use crate::outcome::Counters;

/// State of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its next run.
    #[default]
    Ready,
    /// A run holds the lease.
    InProcess,
    /// The last run failed as a whole, or was given up.
    Error,
    /// A person stopped it.
    OnHold,
    /// Its last run found nothing. Timers keep looking; the first change on either side makes it Ready again.
    OnHoldDueToInactivity,
}

impl JobState {
    /// The name people know the state by.
    pub fn caption(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::InProcess => "In Process",
            Self::Error => "Error",
            Self::OnHold => "On Hold",
            Self::OnHoldDueToInactivity => "On Hold due to Inactivity",
        }
    }
}

/// How a run of a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It found and enqueued so many changes, and counted these itself.
    Success {
        /// Records enqueued.
        enqueued: u64,
        /// Records it judged without enqueueing them.
        judged: Counters,
    },
    /// It failed as a whole.
    Failed,
}

/// The state after a run (R240 to R242; D22: an inactivity time of 0 never puts a job on hold).
pub fn state_after_run(end: &RunEnd, inactivity: SignedDuration) -> JobState {
    match end {
        RunEnd::Failed => JobState::Error,
        RunEnd::Success { enqueued: 0, judged } if judged.is_idle() && inactivity > SignedDuration::ZERO => {
            JobState::OnHoldDueToInactivity
        }
        RunEnd::Success { .. } => JobState::Ready,
    }
}

/// What is stored of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Name: the mapping's, or `Item Availability`.
    pub name: String,
    /// State.
    pub state: JobState,
    /// The run that holds the lease, or held it last.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Which of the run's invocations holds it, the one that began the run being number 0.
    #[serde(default, rename = "leg")]
    pub invocation: u32,
    /// The checkpoint of a run that has not found everything, for the invocation that goes on with it.
    #[serde(default, rename = "place")]
    pub checkpoint: Option<String>,
    /// Until when the lease is held if nobody renews it.
    #[serde(default)]
    pub lease_until: Option<Timestamp>,
    /// Since when a full synchronization has been asked for that has not ended well. Until one does, every run of the job
    /// is a full one, whatever asked for it.
    #[serde(default)]
    pub full_since: Option<Timestamp>,
    /// Start of the last run.
    #[serde(default)]
    pub last_started: Option<Timestamp>,
    /// Last run that ended well.
    #[serde(default)]
    pub last_success: Option<Timestamp>,
    /// Why the last run failed.
    #[serde(default)]
    pub message: Option<String>,
}

impl Job {
    /// A job that never ran.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: JobState::Ready,
            run: None,
            invocation: 0,
            checkpoint: None,
            lease_until: None,
            full_since: None,
            last_started: None,
            last_success: None,
            message: None,
        }
    }
}

/// What made a run start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A timer.
    Schedule,
    /// A person.
    Manual,
    /// A full synchronization.
    Full,
    /// A notification of one of the systems.
    Notification,
}

/// What is stored of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its job.
    pub job: String,
    /// Why it started.
    pub trigger: Trigger,
    /// Start.
    pub started: Timestamp,
    /// When it had found and enqueued everything.
    #[serde(default)]
    pub found: Option<Timestamp>,
    /// When the last of its records was processed.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// Records enqueued.
    #[serde(default)]
    pub enqueued: u64,
    /// Enqueued records that are done, whatever their outcome.
    #[serde(default)]
    pub processed: u64,
    /// Counters of both directions together.
    #[serde(default)]
    pub counters: Counters,
    /// Counters towards Dataverse.
    #[serde(default)]
    pub to_dataverse: Counters,
    /// Counters from Dataverse.
    #[serde(default)]
    pub from_dataverse: Counters,
    /// Why it failed as a whole, or what is to be known about it.
    #[serde(default)]
    pub message: Option<String>,
    /// The revision of the installation's mappings by which it and its messages go.
    #[serde(default)]
    pub mappings: u64,
}

impl Run {
    /// A run that begins: nothing is found yet.
    pub fn begun(id: RunId, job: impl Into<String>, trigger: Trigger, started: Timestamp) -> Self {
        Self {
            id,
            job: job.into(),
            trigger,
            started,
            found: None,
            finished: None,
            enqueued: 0,
            processed: 0,
            counters: Counters::default(),
            to_dataverse: Counters::default(),
            from_dataverse: Counters::default(),
            message: None,
            mappings: 0,
        }
    }
}

/// State of a run, derived from what is stored (R121, without its loophole of runs in process for ever).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is looking for changes.
    Finding,
    /// Its records are under way.
    InProcess,
    /// Done, nothing failed.
    Success,
    /// Done, some records failed, or it failed as a whole.
    Error,
}

impl Run {
    /// The state, from what is stored.
    pub fn state(&self) -> RunState {
        match (self.found, self.finished) {
            // A run that ended without having found everything failed as a whole.
            (None, Some(_)) => RunState::Error,
            // So did one that was given up before all of its records came back.
            (Some(_), Some(_)) if self.counters.failed > 0 || self.processed < self.enqueued => RunState::Error,
            (Some(_), Some(_)) => RunState::Success,
            (Some(_), None) => RunState::InProcess,
            (None, None) => RunState::Finding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d22_r242_an_inactivity_time_of_zero_never_parks_a_job() {
        let idle = RunEnd::Success { enqueued: 0, judged: Counters::default() };
        assert_eq!(state_after_run(&idle, SignedDuration::ZERO), JobState::Ready);
        assert_eq!(state_after_run(&idle, SignedDuration::from_mins(720)), JobState::OnHoldDueToInactivity);
    }

    #[test]
    fn r240_unchanged_records_do_not_keep_a_job_awake_but_enqueued_ones_do() {
        let hour = SignedDuration::from_hours(1);
        let unchanged = Counters { unchanged: 5, ..Counters::default() };
        assert_eq!(
            state_after_run(&RunEnd::Success { enqueued: 0, judged: unchanged }, hour),
            JobState::OnHoldDueToInactivity
        );
        assert_eq!(state_after_run(&RunEnd::Success { enqueued: 1, judged: unchanged }, hour), JobState::Ready);
        assert_eq!(state_after_run(&RunEnd::Failed, hour), JobState::Error);
    }
}
