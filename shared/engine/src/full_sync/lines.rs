//! A line of the full synchronization runs its job.

use std::time::Instant;

use couplet_model::full_sync::{LineFacts, must_begin_again};
use couplet_model::job::Trigger;
use couplet_model::task::LineTask;
use couplet_model::{MappingName, RetryClass, RunId};
use jiff::Timestamp;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::found::RunMode;
use crate::run::{RunReport, RunRequest, RunStatus, Starter};

/// What became of a line that was to begin.
#[derive(Clone, Debug)]
pub enum LineReport {
    /// Its run has found what it has to, or goes on in an invocation of its own.
    Ran(RunReport),
    /// Another run of the job is at work until then at the latest.
    HeldUntil(Timestamp),
    /// It does not have to begin: it has begun before, or nobody wants it any more.
    Over,
    /// It cannot be done until a person has acted, which its line says.
    Failed(String),
}

impl Engine {
    /// Begins a line: runs its job in full. Asked twice, it begins once; asked again after a worker died, it goes on where that one
    /// stood.
    ///
    /// # Errors
    /// When a system, the store or the queue fails; asked again, it begins again.
    pub async fn run_line(&self, task: &LineTask, until: Option<Instant>) -> Result<LineReport, EngineError> {
        let Some(stored) = self.store().full_sync(self.company()).await? else { return Ok(LineReport::Over) };
        let Some(line) = stored.plan.lines.into_iter().find(|line| line.mapping == task.mapping) else {
            return Ok(LineReport::Over);
        };
        let run = match line.run {
            Some(run) => self.store().run(self.company(), line.mapping.as_str(), run).await?,
            None => None,
        };
        let job = self.store().job(self.company(), line.mapping.as_str()).await?;
        if !must_begin_again(&line, &LineFacts { run, job }) {
            return Ok(LineReport::Over);
        }
        let request = RunRequest { job: line.mapping.to_string(), mode: RunMode::Full, trigger: Trigger::Full, until };
        match self.start_run_as(&request, Starter::Line).await {
            Ok(RunReport { status: RunStatus::AlreadyRunning { until, .. }, .. }) => Ok(LineReport::HeldUntil(until)),
            Ok(report) => Ok(LineReport::Ran(report)),
            Err(EngineError::Disabled(_)) => Ok(LineReport::HeldUntil(self.looks_again_at())),
            Err(error @ EngineError::Halted(_)) => Err(error),
            Err(error) if matches!(error.retry_class(), RetryClass::Configuration | RetryClass::Data) => {
                self.fail_line(&line.mapping, &error).await?;
                Ok(LineReport::Failed(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Notes on its line which run works for it, and whether its job was on hold before.
    pub(crate) async fn note_run_of_line(&self, job: &str, run: RunId, on_hold: bool) -> Result<(), EngineError> {
        self.change_line(&MappingName::from(job), |line| (line.run, line.on_hold) = (Some(run), on_hold)).await
    }
}
