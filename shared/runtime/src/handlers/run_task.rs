//! The tasks queue delivers work that is no single record: runs that go on.

use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use couplet_engine::{Advanced, EarlyReport, EngineError, LineReport, RequestStatus, RunReport, RunStatus};
use couplet_model::Said;
use couplet_model::request::Request;
use couplet_model::task::{Continuation, EarlyTask, Going, LineTask, TASK_FORMAT, Task, TaskMessage};
use jiff::Timestamp;
use tracing::Instrument;

use super::reading::{cannot_be_read, unreadable};
use super::returning::{Envelope, Postponed, Returned, give_back, postpone};
use super::run_job::answer;
use crate::wiring::Application;

/// How long a task stays away whose set-up is wrong: long enough for a person to act before it is given up.
const SET_UP_PAUSE: Duration = Duration::from_secs(60);

/// How long a line waits for another run of its job: that may end long before its lease.
const LINE_PAUSE: Duration = Duration::from_secs(10);

/// Why a task was not done.
enum NotDone {
    /// It failed, and has to come again; after this pause, if one is known.
    Failed(Said, Option<Duration>),
    /// Another worker is at it, for so long at most.
    Held(Said, Duration),
}

/// Does the tasks of an event, one after the other. What is named in the answer goes back into the queue; everything
/// else is done.
pub async fn run_task(application: &Application, event: SqsEvent, deadline: Option<Instant>) -> SqsBatchResponse {
    let span = tracing::info_span!("run_task", company = %application.engine.company());
    async move {
        let (mut returned, mut waiting) = (Vec::new(), Vec::new());
        for message in event.records {
            let envelope = Envelope::of(&message);
            let body = message.body.unwrap_or_default();
            let done = match parse(&body, application) {
                Ok(task) => work(application, &task, deadline).await,
                Err(problem) => {
                    let reason = cannot_be_read("the task", &problem);
                    tracing::error!(
                        message_id = envelope.message_id,
                        receive_count = envelope.receive_count,
                        "{}",
                        reason.for_log()
                    );
                    Err(NotDone::Failed(reason, None))
                }
            };
            match done {
                Ok(()) => {}
                Err(NotDone::Failed(reason, after)) => {
                    returned.push(Returned::new(application.retries, envelope, reason, after));
                }
                Err(NotDone::Held(reason, after)) => {
                    match Postponed::or_returned(application.retries, envelope, body, reason, after) {
                        Ok(postponed) => waiting.push(postponed),
                        Err(message) => returned.push(message),
                    }
                }
            }
        }
        let queue_url = &application.cloud.tasks_queue_url;
        returned.extend(postpone(application, queue_url, waiting).await);
        give_back(application, queue_url, returned).await
    }
    .instrument(span)
    .await
}

fn parse(body: &str, application: &Application) -> Result<Task, Said> {
    let message: TaskMessage = serde_json::from_str(body).map_err(|error| unreadable(&error))?;
    let company = application.engine.company();
    if message.v != TASK_FORMAT {
        Err(Said::safe(format!("its format {} is not {TASK_FORMAT}", message.v)))
    } else if message.company != company {
        Err(Said::safe(format!("it belongs to company {}; this function works for {company}", message.company)))
    } else {
        Ok(message.task)
    }
}

/// Does one task.
async fn work(application: &Application, task: &Task, deadline: Option<Instant>) -> Result<(), NotDone> {
    match task {
        Task::ContinueRun(next) => go_on(application, next, deadline).await,
        Task::Ask(request) => carry_out(application, request, deadline).await,
        Task::AdvanceFullSync(going) => advance(application, *going).await,
        Task::RunLine(line) => run_line(application, line, deadline).await,
        Task::RunEarly(early) => run_early(application, early, deadline).await,
    }
}

/// Carries the full synchronization on. The task comes again until nothing is under way: so nothing has to tell it that a run has
/// ended, and no crash keeps it from being noticed.
async fn advance(application: &Application, going: Going) -> Result<(), NotDone> {
    match application.engine.advance_full_sync(going.going).await {
        Ok(Advanced::Over) => Ok(()),
        Ok(Advanced::Again(after)) => {
            Err(NotDone::Held(Said::safe("the full synchronization is under way".to_owned()), after))
        }
        Err(error) => {
            tracing::warn!(error = error.for_log(), "the full synchronization could not be carried on");
            Err(NotDone::Failed((&error).into(), None))
        }
    }
}

/// Begins a line of the full synchronization.
async fn run_line(application: &Application, line: &LineTask, deadline: Option<Instant>) -> Result<(), NotDone> {
    let span = tracing::info_span!("run_line", job = %line.mapping);
    async {
        // Boxed, because a run is too deep a future to lie inside those of the runtimes around it.
        match Box::pin(application.engine.run_line(line, application.until(deadline))).await {
            Ok(LineReport::Ran(report)) => ran(application, line, Ok(report)),
            Ok(LineReport::Over) => Ok(()),
            Ok(LineReport::Failed(_)) => {
                tracing::error!("a line of the full synchronization failed; see couplet full-sync status");
                Ok(())
            }
            Ok(LineReport::HeldUntil(until)) => {
                let wait = until.duration_since(application.clock.now()).try_into().unwrap_or(Duration::ZERO);
                let reason = format!("another run of {} is under way until {until} at the latest", line.mapping);
                Err(NotDone::Held(Said::safe(reason), Duration::min(wait, LINE_PAUSE)))
            }
            Err(error) => ran(application, line, Err(error)),
        }
    }
    .instrument(span)
    .await
}

/// Runs a job because a notification told of a change. The task is done however the run ends: one that failed is noted like
/// any other, and the job's timer goes on where it stood.
async fn run_early(application: &Application, early: &EarlyTask, deadline: Option<Instant>) -> Result<(), NotDone> {
    let span = tracing::info_span!("run_early", job = early.job);
    async {
        // Boxed, because a run is too deep a future to lie inside those of the runtimes around it.
        match Box::pin(application.engine.run_early(early, application.until(deadline))).await {
            Ok(EarlyReport::Ran(report)) => drop(answer(application, &early.job, Ok(report))),
            Ok(EarlyReport::Later(start)) => tracing::info!(?start, "another run is under way, the job starts again"),
            Ok(EarlyReport::Left) => tracing::info!("the job does not run now; its timer finds the change"),
            Err(error) => drop(answer(application, &early.job, Err(error))),
        }
        Ok(())
    }
    .instrument(span)
    .await
}

/// Logs and counts the run of a line as every run.
fn ran(application: &Application, line: &LineTask, report: Result<RunReport, EngineError>) -> Result<(), NotDone> {
    match answer(application, line.mapping.as_str(), report) {
        Ok(_) => Ok(()),
        Err(error) => Err(NotDone::Failed((&error).into(), None)),
    }
}

/// Puts the records of a person's request into the queue.
async fn carry_out(application: &Application, request: &Request, deadline: Option<Instant>) -> Result<(), NotDone> {
    let span = tracing::info_span!("carry_out", mapping = %request.mapping, run = %request.run);
    async {
        let report = application.engine.work_request(request, application.until(deadline)).await;
        let report = report.map_err(|error| {
            tracing::warn!(error = error.for_log(), "the request could not be carried out");
            let pause = (error.retry_class() == couplet_model::RetryClass::Configuration).then_some(SET_UP_PAUSE);
            NotDone::Failed((&error).into(), pause)
        })?;
        match report.status {
            RequestStatus::Done => {
                tracing::info!(job = %request.mapping, outcome = "done", enqueued = report.enqueued, "run ended");
            }
            RequestStatus::GoesOn => {
                tracing::info!(job = %request.mapping, outcome = "goes_on", enqueued = report.enqueued, "run goes on");
            }
        }
        Ok(())
    }
    .instrument(span)
    .await
}

/// Goes on with a run.
async fn go_on(application: &Application, next: &Continuation, deadline: Option<Instant>) -> Result<(), NotDone> {
    let span = tracing::info_span!("continue_run", job = next.job, invocation = next.invocation);
    async {
        // Boxed, because a run is too deep a future to lie inside those of the runtimes around it.
        let report = Box::pin(application.engine.continue_run(next, application.until(deadline))).await;
        if let Ok(RunReport { status: RunStatus::AlreadyRunning { until, .. }, .. }) = &report {
            let wait = until.duration_since(application.clock.now());
            tracing::info!(run = %next.run, %until, "another worker is at this invocation, or at the one before");
            return Err(NotDone::Held(held(next, *until), wait.try_into().unwrap_or(Duration::ZERO)));
        }
        // A run that failed has noted so and ended; delivered again, its task finds nothing to go on with and is done.
        let class = report.as_ref().err().map(EngineError::retry_class);
        match (answer(application, &next.job, report), class) {
            (Err(error), Some(couplet_model::RetryClass::Configuration)) => {
                Err(NotDone::Failed((&error).into(), Some(SET_UP_PAUSE)))
            }
            (Err(error), _) => Err(NotDone::Failed((&error).into(), None)),
            (Ok(_), _) => Ok(()),
        }
    }
    .instrument(span)
    .await
}

fn held(next: &Continuation, until: Timestamp) -> Said {
    Said::safe(format!(
        "invocation {} of the run {} of {} is being worked until {until} at the latest",
        next.invocation, next.run, next.job
    ))
}
