//! A timer or a person starts one job.

use std::time::Instant;

use couplet_engine::{EngineError, RunReport, RunRequest, RunStatus};
use couplet_model::ids::RunId;
use couplet_model::job::Trigger;
use couplet_model::outcome::Counters;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::metrics::Metric;
use crate::wiring::Application;

/// The event: which job, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunJobEvent {
    /// Name of the job.
    pub job: String,
    /// What is read.
    #[serde(default)]
    pub mode: RunMode,
    /// What made it start.
    #[serde(default = "by_schedule")]
    pub trigger: Trigger,
}

fn by_schedule() -> Trigger {
    Trigger::Schedule
}

/// What a run reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// What changed since the last run.
    #[default]
    Modified,
    /// Everything, and records without a partner get one.
    Full,
}

/// The answer: what the run found. Its records are applied afterwards, from the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunJobAnswer {
    /// The run; the one that holds the job if this one could not start.
    pub run: RunId,
    /// Whether it ran.
    pub outcome: RunOutcome,
    /// Records it put into the queue.
    pub enqueued: u64,
    /// Records it judged without the queue.
    pub judged: Counters,
    /// Records of earlier runs that still wait for others.
    #[serde(default)]
    pub waiting: u64,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Whether a job ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It looked for changes and put them into the queue.
    Done,
    /// Its time was up; it goes on in a new invocation.
    GoesOn,
    /// Another run of this job is under way.
    AlreadyRunning,
    /// A person put the job on hold.
    OnHold,
    /// A person switched the connection off.
    Disabled,
    /// There was nothing to go on with: the run has ended, or is further already.
    Over,
}

impl From<RunReport> for RunJobAnswer {
    fn from(report: RunReport) -> Self {
        let mut notes = report.notes;
        let (run, outcome) = match report.status {
            RunStatus::Done => (report.run, RunOutcome::Done),
            RunStatus::AlreadyRunning { run, until } => {
                notes.push(format!("run {run} holds the job until {until} at the latest"));
                (run, RunOutcome::AlreadyRunning)
            }
            RunStatus::GoesOn { invocation } => {
                notes.push(format!("it goes on in invocation {}", invocation + 1));
                (report.run, RunOutcome::GoesOn)
            }
            RunStatus::OnHold => (report.run, RunOutcome::OnHold),
            RunStatus::Disabled => (report.run, RunOutcome::Disabled),
            RunStatus::Over => (report.run, RunOutcome::Over),
        };
        Self { run, outcome, enqueued: report.enqueued, judged: report.judged, waiting: report.waiting, notes }
    }
}

/// Finds what a job has to synchronize and puts it into the queue, up to the deadline; then the run goes on in a new
/// invocation.
///
/// # Errors
/// When the run failed as a whole; it is stored as failed, and the next one starts where this one started.
pub async fn run_job(
    application: &Application,
    event: &RunJobEvent,
    deadline: Option<Instant>,
) -> Result<RunJobAnswer, EngineError> {
    let mode = match event.mode {
        RunMode::Modified => couplet_engine::RunMode::Modified,
        RunMode::Full => couplet_engine::RunMode::Full,
    };
    let until = application.until(deadline);
    let request = RunRequest { job: event.job.clone(), mode, trigger: event.trigger, until };
    let span = tracing::info_span!("run_job", company = %application.engine.company(), job = event.job);
    async {
        // Boxed, because a run is too deep a future to lie inside those of the runtimes around it.
        let report = Box::pin(application.engine.run_job(&request)).await;
        answer(application, &event.job, report)
    }
    .instrument(span)
    .await
}

/// Logs how a run ended, once, counts it, and puts it into an answer.
pub(super) fn answer(
    application: &Application,
    job: &str,
    report: Result<RunReport, EngineError>,
) -> Result<RunJobAnswer, EngineError> {
    match report {
        Ok(report) => {
            let answer = RunJobAnswer::from(report);
            let run = [("run", answer.run.to_string())];
            match answer.outcome {
                RunOutcome::Done => {
                    tracing::info!(run = %answer.run, outcome = "done", enqueued = answer.enqueued, waiting = answer.waiting, "run ended");
                    let found = [
                        Metric::count("SuccessfulRuns", 1),
                        Metric::count("RecordsFound", answer.enqueued),
                        Metric::count("RecordsWaiting", answer.waiting),
                    ];
                    application.metrics.tell(("Job", job), &found, &run);
                }
                RunOutcome::GoesOn => {
                    tracing::info!(run = %answer.run, outcome = "goes_on", enqueued = answer.enqueued, "run goes on");
                }
                RunOutcome::AlreadyRunning | RunOutcome::OnHold | RunOutcome::Disabled | RunOutcome::Over => {
                    let remark = answer.notes.join(" ");
                    tracing::info!(run = %answer.run, outcome = ?answer.outcome, remark, "nothing to run");
                }
            }
            Ok(answer)
        }
        Err(error) => {
            tracing::error!(retry = ?error.retry_class(), "run failed: {}", error.for_log());
            application.metrics.tell(("Job", job), &failed(), &[]);
            Err(error)
        }
    }
}

/// What a run that failed tells. Without the zero its period would hold no number of `SuccessfulRuns`, and the alarm would
/// go on with those of earlier periods.
fn failed() -> [Metric; 2] {
    [Metric::count("SuccessfulRuns", 0), Metric::count("FailedRuns", 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_timer_names_the_job_only() {
        let event: RunJobEvent = serde_json::from_str(include_str!("fixtures/run-job.json")).expect("the event");
        assert_eq!(
            event,
            RunJobEvent { job: "ITEM-PRODUCT".to_owned(), mode: RunMode::Modified, trigger: Trigger::Schedule }
        );
    }

    #[test]
    fn a_person_may_ask_for_everything() {
        let event: RunJobEvent = serde_json::from_str(include_str!("fixtures/run-job-full.json")).expect("the event");
        assert_eq!((event.mode, event.trigger), (RunMode::Full, Trigger::Full));
    }

    #[test]
    fn an_event_with_a_misspelt_field_is_refused() {
        assert!(serde_json::from_str::<RunJobEvent>(r#"{"job":"CUSTOMER","modus":"full"}"#).is_err());
    }
}
