//! The functions' way into their handlers: settings from the environment, wired once per process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_lambda_events::event::sqs::SqsEvent;
use couplet_model::job::Trigger;
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use serde_json::Value;

use crate::configuration::{Environment, Settings, Sources};
use crate::handlers::{self, RunJobEvent};
use crate::telemetry;
use crate::wiring::{Application, Cloud};

/// Time left for storing and answering when calls to the systems have to stop.
const MARGIN: Duration = Duration::from_secs(10);

/// The function that runs one job, named in its event.
///
/// # Errors
/// When the settings are wrong, Dataverse does not let us in, or the Lambda service is not there.
pub async fn run_job() -> Result<(), Error> {
    let application = start().await?;
    let handler = |event: LambdaEvent<RunJobEvent>| {
        let application = Arc::clone(&application);
        async move {
            application.systems.set_deadline(Some(deadline(&event.context)));
            handlers::run_job(&application, &event.payload).await.map_err(Error::from)
        }
    };
    run(service_fn(handler)).await
}

/// The function that refreshes item availability.
///
/// # Errors
/// As [`run_job`].
pub async fn refresh_availability() -> Result<(), Error> {
    let application = start().await?;
    let handler = |event: LambdaEvent<Value>| {
        let application = Arc::clone(&application);
        async move {
            application.systems.set_deadline(Some(deadline(&event.context)));
            handlers::refresh_availability(&application, Trigger::Schedule).await.map_err(Error::from)
        }
    };
    run(service_fn(handler)).await
}

/// The function that synchronizes a batch of records from the queue.
///
/// # Errors
/// As [`run_job`].
pub async fn sync_record() -> Result<(), Error> {
    let application = start().await?;
    let handler = |event: LambdaEvent<SqsEvent>| {
        let application = Arc::clone(&application);
        async move {
            application.systems.set_deadline(Some(deadline(&event.context)));
            Ok::<_, Error>(handlers::sync_record(&application, event.payload).await)
        }
    };
    run(service_fn(handler)).await
}

async fn start() -> Result<Arc<Application>, Error> {
    telemetry::to_standard_output();
    match wire(std::env::vars().collect()).await {
        Ok(application) => Ok(Arc::new(application)),
        Err(error) => {
            tracing::error!("the function cannot start: {error}");
            Err(error)
        }
    }
}

async fn wire(environment: Environment) -> Result<Application, Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let sources = Sources::of_environment(&environment)?;
    let settings = Settings::from_sources(&sources)?;
    let cloud = Cloud::aws(&settings, &sources, &aws)?;
    Ok(Application::new(&settings, cloud)?)
}

/// The moment at which calls to the systems have to stop so that the invocation ends in time.
fn deadline(context: &Context) -> Instant {
    let left = context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
    Instant::now() + left.saturating_sub(MARGIN)
}
