//! One installation on the embedded cloud, and hands to move messages with.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions, scheduler};
use couplet_model::job::{Run, Trigger};
use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::switches::{Ownership, Switches};
use couplet_model::{CompanyId, MappingName, RecordId, RecordMessage, RunId};
use couplet_runtime::configuration::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, RetentionSection,
};
use couplet_runtime::handlers::RunMode;
use couplet_runtime::replay::{Pace, Progress, QueueName, ReplayOutcome, ReplayReport, ReplayRequest, replay};
use couplet_runtime::{Application, Cloud, Settings};
use couplet_store::Store;
use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use serde_json::{Map, Value as Json};
use tokio::sync::watch;
use uuid::Uuid;

/// The job whose records die.
pub const ITEMS: &str = "ITEM-PRODUCT";
/// Longest time for the records of a job.
const PATIENCE: Duration = Duration::from_secs(60);
/// Receives after which a test gives up killing messages.
const MAX_RECEIVES: usize = 10_000;

/// Small rounds, so that there are several; and no waiting.
pub const PACE: Pace = Pace { round: 4, looks: 2, wait: Duration::ZERO, hidden: Duration::from_secs(300) };

/// Two systems and Couplet on the embedded cloud between them.
pub struct Bench {
    pub business_central: BusinessCentralSimulator,
    pub dataverse: DataverseSimulator,
    pub application: Application,
    cloud: EmbeddedCloud,
    source: EventSource,
}

impl Bench {
    /// Twelve items in step with their products.
    pub async fn start() -> Self {
        let size = DemoSize { items: 12, blocked_items: 0, customers: 0, ..DemoSize::default() };
        let options = BusinessCentralOptions { demo: Some(size), ..BusinessCentralOptions::default() };
        let business_central = BusinessCentralSimulator::start(options).await.expect("Business Central starts");
        let options = DataverseOptions { company_id: business_central.company_id(), ..DataverseOptions::default() };
        let dataverse = DataverseSimulator::start(options).await.expect("Dataverse starts");
        let settings = settings(&business_central, &dataverse);
        let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
        let mut application = Application::new(&settings, cloud.services()).expect("the application is wired");
        application.retries.first = Duration::ZERO;
        let source = EventSource::new(cloud.clone(), application.clone(), EventSourceOptions::default());
        let bench = Self { business_central, dataverse, application, cloud, source };
        for mode in [RunMode::Full, RunMode::Modified] {
            for job in ["CURRENCY", "UNIT OF MEASURE", ITEMS] {
                bench.find(job, mode).await;
                bench.drain().await;
            }
        }
        assert_eq!((bench.open().await, bench.dead().await), (0, 0));
        bench
    }

    pub fn services(&self) -> Cloud {
        self.cloud.services()
    }

    pub fn store(&self) -> &Store {
        self.application.engine.store()
    }

    pub fn company(&self) -> CompanyId {
        self.application.engine.company()
    }

    /// Looks for changes without applying them.
    pub async fn find(&self, job: &str, mode: RunMode) -> RunId {
        scheduler::start(&self.application, job, mode, Trigger::Manual).await.expect("the run works").run
    }

    /// Applies what is in the queue.
    pub async fn drain(&self) {
        let drained = self.source.drain(PATIENCE).await.expect("the queue answers");
        assert!(matches!(drained, Drained::Empty { .. }), "{drained:?}");
    }

    /// Messages to be processed.
    pub async fn open(&self) -> u64 {
        self.cloud.depth().await.expect("the queue answers").open
    }

    /// Dead letters of both queues, hidden ones included.
    pub async fn dead(&self) -> u64 {
        self.cloud.depth().await.expect("the queue answers").dead
    }

    pub async fn run_of(&self, run: RunId) -> Run {
        self.store().run(self.company(), ITEMS, run).await.expect("the store answers").expect("the run is stored")
    }

    /// The items, in the order of their numbers.
    pub fn items(&self) -> Vec<Uuid> {
        let mut rows = self.business_central.rows("Item");
        rows.sort_by_key(|row| text(row, "number").to_owned());
        rows.iter().map(|row| text(row, "id").parse().expect("an id")).collect()
    }

    /// A person changes an item.
    pub fn change(&self, item: Uuid, change: Json) {
        self.business_central.update_as_user("Item", item, change).expect("taken");
    }

    /// The product of an item.
    pub async fn product(&self, item: Uuid) -> Map<String, Json> {
        let (mapping, ids) = (MappingName::from(ITEMS), [RecordId(item)]);
        let side = couplet_model::Side::BusinessCentral;
        let found =
            self.store().couplings_by_id(self.company(), &mapping, side, &ids).await.expect("the store answers");
        let coupling = found.into_values().next().expect("the item is coupled");
        self.dataverse.row("product", coupling.dataverse_id.0).expect("the product is there")
    }

    /// A person changes the product of an item.
    pub async fn change_product(&self, item: Uuid, change: Json) {
        let id = text(&self.product(item).await, "productid").parse().expect("an id");
        self.dataverse.update_as_user("product", id, change).expect("taken");
    }

    /// Renames items, finds that, and lets their messages die.
    pub async fn rename_and_let_die(&self, items: &[Uuid], name: &str) -> RunId {
        for item in items {
            self.change(*item, serde_json::json!({ "displayName": name }));
        }
        let run = self.find(ITEMS, RunMode::Modified).await;
        assert_eq!(self.open().await, items.len() as u64);
        self.let_die().await;
        run
    }

    /// Receives everything in both queues until it is given up.
    pub async fn let_die(&self) {
        let cloud = self.services();
        for url in [&cloud.queue_url, &cloud.tasks_queue_url] {
            for _ in 0..MAX_RECEIVES {
                let messages = take(&cloud, url).await;
                if messages.is_empty() {
                    break;
                }
                for (_, receipt) in messages {
                    release(&cloud, url, &receipt).await;
                }
            }
        }
        assert_eq!(self.open().await, 0);
    }

    pub async fn send(&self, url: &str, body: &str) {
        self.services().sqs.send_message().queue_url(url).message_body(body).send().await.expect("sent");
    }

    /// Sends a message about a record of a mapping.
    pub async fn send_record(&self, mapping: &str) -> RecordMessage {
        let message = RecordMessage {
            v: MESSAGE_FORMAT,
            company: self.company(),
            mapping: MappingName::from(mapping),
            direction: Direction::ToDataverse,
            record: RecordId(Uuid::new_v4()),
            job: mapping.to_owned(),
            run: RunId::fresh(),
            options: SyncOptions::default(),
            snapshot: None,
            replay: None,
        };
        let body = serde_json::to_string(&message).expect("JSON");
        self.send(&self.services().queue_url, &body).await;
        message
    }

    /// Bodies that anybody could receive from a queue now; they stay there.
    pub async fn visible(&self, url: &str) -> Vec<String> {
        let cloud = self.services();
        let mut bodies = Vec::new();
        let mut receipts = Vec::new();
        for _ in 0..MAX_RECEIVES {
            let messages = take(&cloud, url).await;
            if messages.is_empty() {
                break;
            }
            for (body, receipt) in messages {
                bodies.push(body);
                receipts.push(receipt);
            }
        }
        for receipt in receipts {
            release(&cloud, url, &receipt).await;
        }
        bodies
    }

    /// From now on a dead letter that was taken can be taken again at once, as if the time hidden had passed.
    pub async fn let_nothing_be_hidden(&self) {
        let request = self.services().sqs.set_queue_attributes().queue_url(self.dead_letters_url());
        request.attributes(QueueAttributeName::VisibilityTimeout, "0").send().await.expect("set");
    }

    /// URL of the dead letters of the records queue.
    pub fn dead_letters_url(&self) -> String {
        let [records, _] = self.dead_letter_urls();
        records
    }

    fn dead_letter_urls(&self) -> [String; 2] {
        let cloud = self.services();
        [cloud.queue_url, cloud.tasks_queue_url].map(|url| format!("{url}-dead-letters"))
    }

    pub async fn replay(&self, request: &ReplayRequest) -> ReplayReport {
        self.replay_at(&self.services(), request, PACE).await
    }

    pub async fn replay_at(&self, cloud: &Cloud, request: &ReplayRequest, pace: Pace) -> ReplayReport {
        let (_leave, stop) = watch::channel(false);
        replay(&self.application.engine, cloud, request, pace, &stop, &|_: Progress| {}).await
    }
}

/// A replay of everything in both queues.
pub fn everything() -> ReplayRequest {
    ReplayRequest { queues: QueueName::ALL.to_vec(), since: None, until: None, mapping: None, dry_run: false }
}

/// What became of the dead letters: fates that occur, and how often.
pub fn outcomes(report: &ReplayReport) -> Vec<(ReplayOutcome, usize)> {
    let mut outcomes: Vec<ReplayOutcome> = report.dead_letters.iter().map(|dead_letter| dead_letter.outcome).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    outcomes.into_iter().map(|outcome| (outcome, report.count(outcome))).collect()
}

/// The text of a property; empty when it is blank.
pub fn text<'a>(row: &'a Map<String, Json>, name: &str) -> &'a str {
    row.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// Receives up to ten messages: their bodies and receipts.
async fn take(cloud: &Cloud, url: &str) -> Vec<(String, String)> {
    let request = cloud.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(300);
    let messages = request.send().await.expect("the queue answers").messages.unwrap_or_default();
    messages
        .into_iter()
        .map(|message| (message.body.expect("a body"), message.receipt_handle.expect("a receipt")))
        .collect()
}

async fn release(cloud: &Cloud, url: &str, receipt: &str) {
    let request = cloud.sqs.change_message_visibility().queue_url(url).receipt_handle(receipt);
    request.visibility_timeout(0).send().await.expect("let go");
}

fn settings(business_central: &BusinessCentralSimulator, dataverse: &DataverseSimulator) -> Settings {
    let credentials = |authority: String, (tenant, client_id, secret): (String, String, String)| Credentials {
        authority,
        tenant,
        client_id,
        client_secret: secret.into(),
    };
    Settings {
        company: CompanyId(business_central.company_id()),
        data: PathBuf::new(),
        catalogue: None,
        switches: Switches { ownership: Ownership::Person, ..Switches::default() },
        business_central: BusinessCentralSection {
            url: business_central.url(),
            credentials: credentials(business_central.authority(), business_central.credentials()),
            companion: true,
            concurrency: 5,
            page_size: 20_000,
            ca_file: None,
        },
        dataverse: DataverseSection {
            url: dataverse.url(),
            credentials: credentials(dataverse.authority(), dataverse.credentials()),
            concurrency: 8,
            page_size: 5_000,
            ca_file: None,
        },
        cloud: CloudSection { first_retry_seconds: 1, ..CloudSection::default() },
        retention: RetentionSection { runs_days: 30, errors_days: 30 },
        limits: Limits::default(),
    }
}
