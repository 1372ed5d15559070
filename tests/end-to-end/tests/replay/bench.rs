//! An installation whose items are in step with their products, and whose messages die when a test says so.

use std::ops::Deref;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use business_central_simulator::DemoSize;
use couplet_end_to_end::Installed;
use couplet_model::job::Run;
use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::task::{Task, TaskMessage};
use couplet_model::{MappingName, RecordId, RecordMessage, RunId};
use couplet_runtime::Cloud;
use couplet_runtime::handlers::RunMode;
use couplet_runtime::replay::{Pace, Progress, QueueName, ReplayOutcome, ReplayReport, ReplayRequest, replay};
use serde_json::{Map, Value as Json};
use tokio::sync::watch;
use uuid::Uuid;

/// The job whose records die.
pub const ITEMS: &str = "ITEM-PRODUCT";

/// Small rounds, so that there are several; and no waiting.
pub const PACE: Pace = Pace { round: 4, looks: 2, wait: Duration::ZERO, hidden: Duration::from_secs(300) };

/// The installation.
pub struct Bench(Installed);

impl Deref for Bench {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        &self.0
    }
}

impl Bench {
    /// Twelve items in step with their products.
    pub async fn start() -> Self {
        let size = DemoSize { items: 12, blocked_items: 0, customers: 0, ..DemoSize::default() };
        let bench = Self(Installed::start(size).await);
        for mode in [RunMode::Full, RunMode::Modified] {
            for job in ["CURRENCY", "UNIT OF MEASURE", ITEMS] {
                bench.find(job, mode).await;
                bench.drain().await;
            }
        }
        assert_eq!((bench.open().await, bench.dead().await), (0, 0));
        bench
    }

    /// A run of the items as it is stored.
    pub async fn run_of(&self, run: RunId) -> Run {
        self.0.run_of(ITEMS, run).await
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

    /// Does what people have asked for, as far as the messages of its records, which stay in their queue.
    pub async fn work_requests(&self) {
        let cloud = self.services();
        let url = &cloud.tasks_queue_url;
        loop {
            let request = cloud.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(30);
            let tasks = request.send().await.expect("the queue answers").messages.unwrap_or_default();
            if tasks.is_empty() {
                return;
            }
            for task in tasks {
                let message: TaskMessage = serde_json::from_str(task.body().expect("a body")).expect("a task");
                let Task::Ask(request) = message.task else { panic!("another task comes first: {message:?}") };
                self.application.engine.work_request(&request, None).await.expect("it is carried out");
                let receipt = task.receipt_handle().expect("a receipt");
                cloud.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await.expect("deleted");
            }
        }
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
            wish: None,
        };
        let body = serde_json::to_string(&message).expect("JSON");
        self.send(&self.services().queue_url, &body).await;
        message
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
    ReplayRequest {
        queues: QueueName::ALL.to_vec(),
        since: None,
        until: None,
        mapping: None,
        messages: None,
        dry_run: false,
        deletes: false,
    }
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
