//! The application on the embedded cloud, between both systems, and hands that move its messages.

use std::time::Duration;

use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions, scheduler};
use couplet_model::job::{Run, Trigger};
use couplet_model::{Clock, CompanyId, RunId};
use couplet_runtime::handlers::RunMode;
use couplet_runtime::{Application, Cloud, Settings};
use couplet_store::Store;
use dataverse_simulator::DataverseSimulator;
use tokio::sync::watch;

use crate::settings::settings;
use crate::systems::Systems;

/// Longest time for the records of a job.
const LONGEST_DRAIN: Duration = Duration::from_secs(60);
/// Receives after which a test gives up emptying a queue.
const MAX_RECEIVES: usize = 10_000;
/// How long a message that a test receives is hidden from others, in seconds.
const HIDDEN_SECONDS: i32 = 300;

/// Two systems and Couplet on the embedded cloud between them.
pub struct Installed {
    /// The ERP.
    pub business_central: BusinessCentralSimulator,
    /// The CRM.
    pub dataverse: DataverseSimulator,
    /// What the functions work with.
    pub application: Application,
    cloud: EmbeddedCloud,
    source: EventSource,
}

impl Installed {
    /// Installs between a company of this size and the usual organization. What fails is tried again at once.
    pub async fn start(size: DemoSize) -> Self {
        Self::start_by(Systems::start(size).await, Clock::default(), |_| {}).await
    }

    /// Installs between these systems, by this clock and with other settings.
    pub async fn start_by(systems: Systems, clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(&systems);
        change(&mut settings);
        let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
        let application = Application::with_clock(&settings, cloud.services(), clock);
        let mut application = application.expect("the application is wired");
        application.retries.first = Duration::ZERO;
        let source = EventSource::new(cloud.clone(), application.clone(), EventSourceOptions::default());
        let Systems { business_central, dataverse } = systems;
        Self { business_central, dataverse, application, cloud, source }
    }

    /// Brings messages to the handlers until told to stop, as in a process that serves.
    pub async fn serve(&self, stop: &watch::Receiver<bool>) {
        self.source.run(stop).await;
    }

    /// The services of the cloud.
    #[must_use]
    pub fn services(&self) -> Cloud {
        self.cloud.services()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.application.engine.store()
    }

    /// The company.
    #[must_use]
    pub fn company(&self) -> CompanyId {
        self.application.engine.company()
    }

    /// Looks for changes without applying them.
    pub async fn find(&self, job: &str, mode: RunMode) -> RunId {
        scheduler::start(&self.application, job, mode, Trigger::Manual).await.expect("the run works").run
    }

    /// Applies what is in the queues.
    pub async fn drain(&self) {
        let drained = self.source.drain(LONGEST_DRAIN).await.expect("the queue answers");
        assert!(matches!(drained, Drained::Empty { .. }), "{drained:?}");
    }

    /// Applies what is in the records queue; tasks that are due later stay.
    pub async fn drain_records(&self) {
        for _ in 0..MAX_RECEIVES {
            let batch = self.source.pass_records().await;
            if batch == 0 {
                return;
            }
        }
        panic!("the records queue does not run dry");
    }

    /// Messages to be processed.
    pub async fn open(&self) -> u64 {
        self.cloud.depth().await.expect("the queue answers").open
    }

    /// Dead letters of both queues, hidden ones included.
    pub async fn dead(&self) -> u64 {
        self.cloud.depth().await.expect("the queue answers").dead
    }

    /// A run as it is stored.
    pub async fn run_of(&self, job: &str, run: RunId) -> Run {
        self.store().run(self.company(), job, run).await.expect("the store answers").expect("the run is stored")
    }

    /// Sends a message.
    pub async fn send(&self, url: &str, body: &str) {
        self.services().sqs.send_message().queue_url(url).message_body(body).send().await.expect("sent");
    }

    /// Receives everything in both queues until it is given up.
    pub async fn let_die(&self) {
        let cloud = self.services();
        for url in [&cloud.queue_url, &cloud.tasks_queue_url] {
            for _ in 0..MAX_RECEIVES {
                let messages = receive(&cloud, url).await;
                if messages.is_empty() {
                    break;
                }
                for (_, receipt) in messages {
                    show_again(&cloud, url, &receipt).await;
                }
            }
        }
        assert_eq!(self.open().await, 0);
    }

    /// Bodies that anybody could receive from a queue now; they stay there.
    pub async fn visible(&self, url: &str) -> Vec<String> {
        let cloud = self.services();
        let mut bodies = Vec::new();
        let mut receipts = Vec::new();
        for _ in 0..MAX_RECEIVES {
            let messages = receive(&cloud, url).await;
            if messages.is_empty() {
                break;
            }
            for (body, receipt) in messages {
                bodies.push(body);
                receipts.push(receipt);
            }
        }
        for receipt in receipts {
            show_again(&cloud, url, &receipt).await;
        }
        bodies
    }
}

/// Receives up to ten messages: their bodies and receipts.
async fn receive(cloud: &Cloud, url: &str) -> Vec<(String, String)> {
    let request = cloud.sqs.receive_message().queue_url(url).max_number_of_messages(10);
    let request = request.visibility_timeout(HIDDEN_SECONDS);
    let messages = request.send().await.expect("the queue answers").messages.unwrap_or_default();
    messages
        .into_iter()
        .map(|message| (message.body.expect("a body"), message.receipt_handle.expect("a receipt")))
        .collect()
}

/// Makes a message that was received visible again.
async fn show_again(cloud: &Cloud, url: &str, receipt: &str) {
    let request = cloud.sqs.change_message_visibility().queue_url(url).receipt_handle(receipt);
    request.visibility_timeout(0).send().await.expect("it is visible again");
}
