//! The functions' way into their handlers: settings from the environment, wired once per process.
//!
//! Each is complete here, its runtime included: what is generic or asynchronous is compiled where it is first driven, and
//! a `main` that only calls is built in a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_lambda_events::event::sqs::SqsEvent;
use couplet_model::Clock;
use couplet_model::job::Trigger;
use couplet_model::system::System;
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::configuration::{Environment, Settings, Sources, environment_of_process};
use crate::function_url::{UrlAnswer, UrlRequest};
use crate::handlers::{self, Asked};
use crate::metrics::Metric;
use crate::telemetry;
use crate::wiring::{Application, Cloud, Systems};

/// Time left for storing and answering when calls to the systems have to stop.
const MARGIN: Duration = Duration::from_secs(10);

/// The function that runs one job, named in its event; and that switches the units, when a person asks for it.
///
/// # Errors
/// When the settings are wrong, Dataverse does not let us in, or the Lambda service is not there.
#[tokio::main]
pub async fn run_job() -> Result<(), Error> {
    serve("run-job", async |application: &Application, event: Asked, deadline| {
        Ok(match event {
            Asked::Run(event) => serde_json::to_value(handlers::run_job(application, &event, Some(deadline)).await?)?,
            Asked::Ask(event) => serde_json::to_value(handlers::ask(application, event).await?)?,
            Asked::Meant(event) => serde_json::to_value(handlers::meant(application, event).await?)?,
            Asked::Find(event) => serde_json::to_value(handlers::find(application, &event).await?)?,
            Asked::FullSync(event) => serde_json::to_value(handlers::full_sync(application, &event).await?)?,
            Asked::Notifications(keeping) => {
                serde_json::to_value(handlers::keep_subscriptions(application, keeping).await?)?
            }
            Asked::SwitchUnits(event) => {
                serde_json::to_value(handlers::switch_units_in_function(application, event, deadline).await?)?
            }
        })
    })
    .await
}

/// The function that refreshes item availability.
///
/// # Errors
/// As [`run_job`].
#[tokio::main]
pub async fn refresh_availability() -> Result<(), Error> {
    const FUNCTION: &str = "refresh-availability";
    serve(FUNCTION, async |application: &Application, _: Value, deadline| {
        Ok(handlers::run_job_of(application, FUNCTION, Trigger::Schedule, Some(deadline)).await?)
    })
    .await
}

/// The function that synchronizes a batch of records from the queue.
///
/// # Errors
/// As [`run_job`].
#[tokio::main]
pub async fn sync_record() -> Result<(), Error> {
    serve("sync-record", async |application: &Application, event: SqsEvent, _| {
        Ok(handlers::sync_record(application, event).await)
    })
    .await
}

/// The function that does the tasks from the queue.
///
/// # Errors
/// As [`run_job`].
#[tokio::main]
pub async fn run_task() -> Result<(), Error> {
    serve("run-task", async |application: &Application, event: SqsEvent, deadline| {
        Ok(handlers::run_task(application, event, Some(deadline)).await)
    })
    .await
}

/// The function behind whose address both systems tell of changes. It enters neither of them.
///
/// # Errors
/// As [`run_job`].
#[tokio::main]
pub async fn receive_change() -> Result<(), Error> {
    let application = start().await?;
    let handler = |event: LambdaEvent<UrlRequest>| async {
        // Without a line or a number for each: anybody may call, and what is refused is counted.
        let LambdaEvent { payload, context } = event;
        let request_id = context.request_id;
        let span = tracing::info_span!("invocation", function = "receive-change", request_id);
        let request = payload.into();
        let answer = Box::pin(handlers::receive_change(&application, &request)).instrument(span).await;
        Ok::<UrlAnswer, Error>(answer.into())
    };
    run(service_fn(handler)).await
}

/// Serves the invocations of one function until the environment ends. `work` is given the moment at which calls to the
/// systems have to stop so that the invocation ends in time.
async fn serve<E, A, W>(function: &'static str, work: W) -> Result<(), Error>
where
    E: DeserializeOwned,
    A: Serialize,
    W: AsyncFn(&Application, E, Instant) -> Result<A, Error>,
{
    let application = start().await?;
    let handler = |event: LambdaEvent<E>| async {
        let context = event.context;
        let deadline = deadline(&application.clock, &context);
        application.systems.set_deadline(Some(deadline));
        let before = Traffic::of(&application);
        let span = tracing::info_span!("invocation", function, request_id = context.request_id);
        // Boxed, because what a handler does is too deep to lie inside the futures of the runtime around it.
        let answer = Box::pin(work(&application, event.payload, deadline)).instrument(span).await;
        before.measure(&application, function, &context);
        answer
    };
    run(service_fn(handler)).await
}

/// What the clients of both systems have counted.
struct Traffic {
    requests: [u64; 2],
    throttles: [u64; 2],
}

impl Traffic {
    fn of(application: &Application) -> Self {
        let Systems { business_central, dataverse } = &application.systems;
        Self {
            requests: [business_central.requests(), dataverse.requests()],
            throttles: [business_central.throttled(), dataverse.throttled()],
        }
    }

    /// Tells what was added since, and how much of the invocation's time was left.
    fn measure(&self, application: &Application, function: &str, context: &Context) {
        let (now, metrics) = (Self::of(application), &application.metrics);
        let beside = [("function", function.to_owned()), ("request_id", context.request_id.clone())];
        for (index, system) in ["Business Central", "Dataverse"].into_iter().enumerate() {
            let requests = Metric::count("Requests", now.requests[index] - self.requests[index]);
            let throttles = Metric::count("Throttles", now.throttles[index] - self.throttles[index]);
            metrics.tell(("System", system), &[requests, throttles], &beside);
        }
        let left = u64::try_from(left(&application.clock, context).as_millis()).unwrap_or(u64::MAX);
        metrics.tell(("Function", function), &[Metric::milliseconds("RemainingTime", left)], &beside[1..]);
    }
}

async fn start() -> Result<Arc<Application>, Error> {
    telemetry::to_standard_output();
    match wire(environment_of_process()).await {
        Ok(application) => Ok(Arc::new(application)),
        Err(error) => {
            tracing::error!("the function cannot start: {error}");
            Err(error)
        }
    }
}

async fn wire(environment: Environment) -> Result<Application, Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let sources = Sources::of_environment(&environment);
    for warning in sources.warnings() {
        tracing::warn!("{warning}");
    }
    let settings = Settings::from_sources(&sources)?;
    let cloud = Cloud::aws(&settings, &sources, &aws)?;
    Ok(Application::new(&settings, cloud)?)
}

/// The moment at which calls to the systems have to stop so that the invocation ends in time.
fn deadline(clock: &Clock, context: &Context) -> Instant {
    Instant::now() + left(clock, context).saturating_sub(MARGIN)
}

/// How long the invocation may still last.
fn left(clock: &Clock, context: &Context) -> Duration {
    context.deadline().duration_since(clock.now().into()).unwrap_or_default()
}
