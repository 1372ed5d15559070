//! From settings to an engine that is ready: clients, store and queue, kept as long as the process lives.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use couplet_business_central::{BusinessCentralClient, BusinessCentralSettings};
use couplet_dataverse::{DataverseClient, DataverseSettings};
use couplet_engine::{Engine, EngineError, EngineOptions, EngineParts};
use couplet_model::Clock;
use couplet_model::catalogue::{Catalogue, CatalogueError};
use couplet_model::system::SystemError;
use couplet_odata::Connections;
use couplet_store::{Retention, Store};
use jiff::SignedDuration;

use crate::configuration::{ConfigurationError, QUEUE_URL, Settings, Sources, TASKS_QUEUE_URL};
use crate::door::Notifications;
use crate::held_back::HeldBack;
use crate::metrics::Metrics;
use crate::queue::{SqsRecordsQueue, SqsTasksQueue};
use crate::secrets::SecretsManager;

/// Couplet could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The catalogue is damaged.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A system does not let us in, or cannot be reached.
    #[error("{error}{}", remedy(error))]
    System {
        /// What it said. Already part of the message, so not its source as well.
        error: SystemError,
    },
    /// The rules of the mappings do not fit the catalogue.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file with certificates cannot be read.
    #[error("the certificates {path} cannot be read: {problem}")]
    Certificates {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
    },
}

impl From<SystemError> for StartError {
    fn from(error: SystemError) -> Self {
        Self::System { error }
    }
}

/// What a person can do about a system that refuses.
fn remedy(error: &SystemError) -> &'static str {
    use couplet_model::system::SystemErrorKind as Kind;
    match error.kind {
        Kind::Unreachable | Kind::Timeout => "; check the address in the settings and the network",
        Kind::Unauthorized => "; check entra.tenant, entra.client_id and entra.client_secret, or what is in its place",
        Kind::Forbidden => "; give the application its permissions in that system",
        _ => "",
    }
}

/// The clients of both systems.
#[derive(Clone)]
pub struct Systems {
    /// Business Central.
    pub business_central: Arc<BusinessCentralClient>,
    /// Dataverse.
    pub dataverse: Arc<DataverseClient>,
}

impl Systems {
    /// Prepares both clients; sends nothing yet.
    ///
    /// # Errors
    /// When an address or a file with certificates cannot be used.
    pub fn new(settings: &Settings, catalogue: &Catalogue) -> Result<Self, StartError> {
        let mut secrets = SecretsManager::default();
        let (here, there) = (&settings.business_central.ca_file, &settings.dataverse.ca_file);
        let connections = Connections::trusting(certificates(here.as_deref())?);
        let of_dataverse = match here == there {
            true => connections.clone(),
            false => Connections::trusting(certificates(there.as_deref())?),
        };
        let section = &settings.business_central;
        let business_central = BusinessCentralSettings {
            companion: section.companion,
            concurrency: section.concurrency,
            page_size: section.page_size,
            connections,
            ..BusinessCentralSettings::new(
                &section.url,
                &section.credentials.authority,
                &section.credentials.tenant,
                &section.credentials.client_id,
                secrets.credential(&section.credentials.proof),
                settings.company,
            )
        };
        let section = &settings.dataverse;
        let dataverse = DataverseSettings {
            concurrency: section.concurrency,
            page_size: section.page_size,
            connections: of_dataverse,
            ..DataverseSettings::new(
                &section.url,
                &section.credentials.authority,
                &section.credentials.tenant,
                &section.credentials.client_id,
                secrets.credential(&section.credentials.proof),
            )
        };
        Ok(Self {
            business_central: Arc::new(BusinessCentralClient::new(business_central)?),
            dataverse: Arc::new(DataverseClient::new(dataverse, catalogue.dataverse_entity_sets())?),
        })
    }

    /// Sets the moment past which no call waits any longer.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.business_central.set_deadline(deadline);
        self.dataverse.set_deadline(deadline);
    }
}

fn certificates(path: Option<&Path>) -> Result<Option<Vec<u8>>, StartError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| StartError::Certificates { path: path.display().to_string(), problem: error.to_string() })
    };
    path.map(read).transpose()
}

/// The services of AWS, or what stands in for them.
#[derive(Clone)]
pub struct Cloud {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// URL of the records queue.
    pub queue_url: String,
    /// URL of the tasks queue.
    pub tasks_queue_url: String,
    /// Whether no other process works with them: they are in this one, on a data folder that it has to itself.
    pub is_ours_alone: bool,
}

impl Cloud {
    /// The services of the account the function runs in.
    ///
    /// # Errors
    /// When the settings do not name both queues.
    pub fn aws(settings: &Settings, sources: &Sources, aws: &SdkConfig) -> Result<Self, StartError> {
        let named = |url: &Option<String>, key| {
            url.clone().ok_or_else(|| ConfigurationError::Missing { key, place: sources.place() })
        };
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(aws),
            sqs: aws_sdk_sqs::Client::new(aws),
            queue_url: named(&settings.cloud.queue_url, &QUEUE_URL)?,
            tasks_queue_url: named(&settings.cloud.tasks_queue_url, &TASKS_QUEUE_URL)?,
            is_ours_alone: false,
        })
    }
}

/// The catalogue the settings name: a folder of one's own, or the one that is part of the binary.
///
/// # Errors
/// When a file of it is damaged.
pub fn catalogue(settings: &Settings) -> Result<Arc<Catalogue>, CatalogueError> {
    let catalogue = match &settings.catalogue {
        Some(folder) => Catalogue::from_directory(folder)?,
        None => Catalogue::embedded()?,
    };
    Ok(Arc::new(catalogue))
}

/// Days for which runs are kept at least. A message is believed as long as its run is known; it may wait through an outage for
/// 17 days, lie among the dead letters for 14, and wait for 10 after its replay.
const LEAST_DAYS_OF_RUNS: u32 = 45;

/// The store the settings name.
pub fn store(settings: &Settings, dynamodb: aws_sdk_dynamodb::Client) -> Store {
    let days = |days: u32| SignedDuration::from_hours(i64::from(days) * 24);
    let retention = Retention {
        runs: days(settings.retention.runs_days.max(LEAST_DAYS_OF_RUNS)),
        errors: days(settings.retention.errors_days),
        history: days(settings.retention.history_days),
    };
    Store::new(dynamodb, &settings.cloud.table, retention)
}

/// Everything a handler works with.
#[derive(Clone)]
pub struct Application {
    /// The engine.
    pub engine: Engine,
    /// The clients of both systems.
    pub systems: Systems,
    /// The services of the cloud.
    pub cloud: Cloud,
    /// Where the time comes from.
    pub clock: Clock,
    /// How messages that failed technically come back.
    pub retries: Retries,
    /// After how long a run goes on in a new invocation, if the invocation itself may last longer.
    pub run_limit: Option<Duration>,
    /// Where metrics go.
    pub metrics: Metrics,
    /// What went back into its queue, for a process that watches; nobody does in a function.
    pub held_back: Option<HeldBack>,
    /// The door for change notifications, where it is set up.
    pub notifications: Option<Notifications>,
}

/// How messages that failed technically come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Pause before the first retry; it doubles with every attempt.
    pub first: Duration,
    /// Deliveries after which the queue gives up.
    pub max_receives: u32,
}

/// What a run leaves of its invocation: as much as the largest page may take, reading and enqueueing.
const LARGEST_PAGE: Duration = Duration::from_secs(120);

impl Application {
    /// Wires everything; sends nothing yet. The time is this machine's.
    ///
    /// # Errors
    /// When the catalogue is damaged, or an address or a file with certificates cannot be used.
    pub fn new(settings: &Settings, cloud: Cloud) -> Result<Self, StartError> {
        Self::with_clock(settings, cloud, Clock::default())
    }

    /// As [`Application::new`], with another clock for everything in it.
    ///
    /// # Errors
    /// As [`Application::new`].
    pub fn with_clock(settings: &Settings, cloud: Cloud, clock: Clock) -> Result<Self, StartError> {
        let catalogue = catalogue(settings)?;
        let systems = Systems::new(settings, &catalogue)?;
        Self::assemble(settings, cloud, catalogue, systems, clock)
    }

    fn assemble(
        settings: &Settings,
        cloud: Cloud,
        catalogue: Arc<Catalogue>,
        systems: Systems,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let engine = Engine::new(EngineParts {
            company: settings.company,
            catalogue,
            switches: settings.switches.clone(),
            business_central: systems.business_central.clone(),
            dataverse: systems.dataverse.clone(),
            store: store(settings, cloud.dynamodb.clone()).with_clock(clock.clone()),
            queue: Arc::new(SqsRecordsQueue::new(cloud.sqs.clone(), cloud.queue_url.clone())),
            tasks: Arc::new(SqsTasksQueue::new(cloud.sqs.clone(), cloud.tasks_queue_url.clone())),
            options: EngineOptions {
                lease: SignedDuration::from_mins(i64::from(settings.limits.lease_minutes)),
                snapshot_max_age: SignedDuration::from_mins(i64::from(settings.limits.snapshot_minutes)),
                look_back: SignedDuration::from_mins(i64::from(settings.limits.look_back_minutes)),
                is_alone: cloud.is_ours_alone,
                clock: clock.clone(),
                ..EngineOptions::default()
            },
        })?;
        let retries = Retries {
            first: Duration::from_secs(u64::from(settings.cloud.first_retry_seconds)),
            max_receives: settings.cloud.max_receives,
        };
        let run_limit = settings.limits.run_seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let metrics = Metrics::of_environment(&clock);
        let notifications = settings.notifications.as_ref().map(Notifications::new);
        Ok(Self { engine, systems, cloud, clock, retries, run_limit, metrics, held_back: None, notifications })
    }

    /// When work that begins now has to go on in a new invocation, if this one has to end by a deadline.
    pub fn until(&self, deadline: Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        let before_the_deadline = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(now);
            now + left.saturating_sub(LARGEST_PAGE.min(left / 2))
        });
        let limit = self.run_limit.map(|limit| now + limit);
        [before_the_deadline, limit].into_iter().flatten().min()
    }
}
