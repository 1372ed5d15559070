//! A word that stands in every field of a world, and in what the services say about it, appears in no line of a log, while
//! the store keeps what the person needs who mends the record.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use couplet_end_to_end::{Disturbance, Foreign, Passing, Proxy, World, WorldOptions};
use couplet_engine::{EngineOptions, Failpoints};
use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions, scheduler};
use couplet_model::job::Trigger;
use couplet_model::message::Direction;
use couplet_model::switches::{Ownership, Switches};
use couplet_model::{CompanyId, MappingName};
use couplet_runtime::configuration::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, RetentionSection,
};
use couplet_runtime::handlers::RunMode;
use couplet_runtime::{Application, Settings, telemetry};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value as Json, json};

/// What no line may hold.
const WORD: &str = "Sesame7391";
/// Long enough for every record to be given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The names of an object's members, those that occur twice too.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some((name, IgnoredAny)) = members.next_entry::<String, _>()? {
            self.0.push(name);
        }
        Ok(self)
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Takes all that this thread logs until the guard is dropped.
    ///
    /// As long as there is one subscriber, `tracing` asks the thread that comes by a line first whether it is wanted, and
    /// remembers the answer for all threads: another test would silence this one. So there are two.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        // The first test that listens sets it; the others find it there.
        let _ = tracing::subscriber::set_global_default(telemetry::lines_to("off", std::io::sink));
        let writer = self.clone();
        tracing::subscriber::set_default(telemetry::lines_to("trace", move || writer.clone()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics").clone()).expect("text")
    }

    /// Fails if the word was logged, or if nothing was logged that has to be.
    fn assert_silent(&self, what: &str, needed: &[&str]) {
        let text = self.text();
        if let Some(line) = text.lines().find(|line| line.contains(WORD)) {
            panic!("{what}: {line}");
        }
        for line in text.lines() {
            let Names(names) = serde_json::from_str(line).expect("an object");
            let distinct: HashSet<&String> = names.iter().collect();
            assert_eq!(names.len(), distinct.len(), "{what}: a field occurs twice in {line}");
        }
        for part in needed {
            assert!(text.contains(part), "{what}: {part:?} was not logged:\n{text}");
        }
    }
}

/// Writes the word into every text that a user may change; how many took it.
fn fill(world: &World) -> usize {
    let mut taken = 0;
    for table in ["Customer", "Item", "Resource"] {
        for row in world.business_central.rows(table) {
            let id = row["id"].as_str().expect("an id").parse().expect("a GUID");
            for (name, value) in &row {
                let is_free = value.is_string() && !["id", "number", "type", "blocked"].contains(&name.as_str());
                if is_free {
                    taken +=
                        usize::from(world.business_central.update_as_user(table, id, json!({ (name): WORD })).is_ok());
                }
            }
        }
    }
    for table in ["account", "product"] {
        for row in world.dataverse.rows(table) {
            let id = row[&format!("{table}id")].as_str().expect("an id").parse().expect("a GUID");
            for (name, value) in &row {
                if value.is_string() {
                    taken += usize::from(world.dataverse.update_as_user(table, id, json!({ (name): WORD })).is_ok());
                }
            }
        }
    }
    taken
}

struct Bench {
    world: World,
    erp: Proxy,
    crm: Proxy,
    application: Application,
    cloud: EmbeddedCloud,
}

impl Bench {
    async fn start() -> Self {
        let world = World::start(WorldOptions::default()).await;
        let (erp, crm) = world.proxies().await;
        let settings = settings(&world, &erp, &crm);
        let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
        let mut application = Application::new(&settings, cloud.services()).expect("the application is wired");
        application.retries.first = Duration::ZERO;
        let bench = Self { world, erp, crm, application, cloud };
        for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"] {
            bench.find(job, RunMode::Full).await.expect("the run works");
            bench.drain().await;
        }
        for job in ["CUSTOMER", "ITEM-PRODUCT"] {
            bench.find(job, RunMode::Modified).await.expect("the run works");
            bench.drain().await;
        }
        bench
    }

    async fn find(&self, job: &str, mode: RunMode) -> Result<(), couplet_engine::EngineError> {
        scheduler::start(&self.application, job, mode, Trigger::Manual).await.map(|_| ())
    }

    async fn drain(&self) -> u64 {
        let source = EventSource::new(self.cloud.clone(), self.application.clone(), EventSourceOptions::default());
        match source.drain(PATIENCE).await.expect("the queue answers") {
            Drained::Empty { dead } => dead,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, body: &str) {
        let services = self.cloud.services();
        services.sqs.send_message().queue_url(services.queue_url).message_body(body).send().await.expect("sent");
    }

    /// What the store keeps of failures.
    async fn kept(&self, mapping: &str) -> String {
        let (store, company) = (self.application.engine.store(), self.application.engine.company());
        let mut kept = String::new();
        for direction in Direction::BOTH {
            let failures = store.failures(company, &MappingName::from(mapping), direction).await.expect("it answers");
            kept.extend(failures.into_iter().map(|failure| failure.message + "\n"));
        }
        kept
    }
}

fn settings(world: &World, erp: &Proxy, crm: &Proxy) -> Settings {
    let credentials = |authority: String, (tenant, client_id, client_secret): (String, String, String)| Credentials {
        authority,
        tenant,
        client_id,
        proof: client_secret.into(),
    };
    let (business_central, dataverse) = (&world.business_central, &world.dataverse);
    Settings {
        company: CompanyId(business_central.company_id()),
        data: PathBuf::new(),
        catalogue: None,
        switches: Switches { ownership: Ownership::Person, unit_groups: false, ..Switches::default() },
        business_central: BusinessCentralSection {
            url: erp.url().to_owned(),
            credentials: credentials(business_central.authority(), business_central.credentials()),
            companion: true,
            concurrency: 5,
            page_size: 20_000,
            ca_file: None,
        },
        dataverse: DataverseSection {
            url: crm.url().to_owned(),
            credentials: credentials(dataverse.authority(), dataverse.credentials()),
            concurrency: 8,
            page_size: 5_000,
            ca_file: None,
        },
        cloud: CloudSection { max_receives: 1, ..CloudSection::default() },
        retention: RetentionSection { runs_days: 30, errors_days: 30, history_days: 30 },
        limits: Limits::default(),
        notifications: None,
    }
}

/// An answer as a service gives it that repeats the value it does not like.
fn complaint(status: u16) -> Foreign {
    let body = json!({ "error": { "code": "0x80040203", "message": format!("The value '{WORD}' is not allowed.") } });
    Foreign { body: body.to_string(), ..Foreign::empty(status) }.with("Content-Type", "application/json")
}

fn writes(request: &Passing) -> bool {
    request.method != "GET" && !request.body.contains("GET ")
}

#[tokio::test]
async fn f28_no_line_of_a_log_holds_what_records_hold() {
    let lines = Lines::default();
    let _guard = lines.listen();
    let bench = Bench::start().await;
    let taken = fill(&bench.world);
    assert!(taken > 300, "the word stands in {taken} fields");

    // Changed on both sides: conflicts, or the rule of the field.
    for job in ["CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"] {
        bench.find(job, RunMode::Modified).await.expect("the run works");
        bench.drain().await;
    }
    lines.assert_silent("both sides changed", &["batch applied", "record settled", "answer of Dataverse"]);

    // A value that cannot be read.
    bench.erp.disturb(
        usize::MAX,
        Disturbance::edit(|body| body.replace("\"unitPrice\":", &format!("\"unitPrice\":\"{WORD}\",\"x\":"))),
        |_| true,
    );
    bench.find("ITEM-PRODUCT", RunMode::Full).await.expect("the run works");
    bench.drain().await;
    bench.erp.clear();
    assert!(bench.kept("ITEM-PRODUCT").await.contains("unitPrice"), "{}", bench.kept("ITEM-PRODUCT").await);
    lines.assert_silent("an unreadable value", &[]);

    // Values that are refused, alone and in bulk.
    let customers = bench.world.business_central_ids("Customer", |_| true);
    for (number, customer) in customers.iter().enumerate() {
        let edit = json!({ "displayName": format!("{WORD} {number}"), "city": WORD });
        bench.world.business_central.update_as_user("Customer", *customer, edit).expect("taken");
    }
    bench.crm.disturb(usize::MAX, Disturbance::Before(complaint(400)), writes);
    bench.find("CUSTOMER", RunMode::Modified).await.expect("the run works");
    bench.drain().await;
    bench.crm.clear();
    let kept = bench.kept("CUSTOMER").await;
    assert!(kept.contains(&format!("The value '{WORD}' is not allowed")), "the store says why: {kept}");
    lines.assert_silent("refused values", &[]);

    // A service that fails, and says what it was asked.
    for (status, kept_line) in [
        (500, "records become dead letters: Dataverse failed for the moment"),
        (403, "records become dead letters: Dataverse denies access"),
    ] {
        for (number, customer) in customers.iter().enumerate() {
            let edit = json!({ "displayName": format!("{WORD} {status} {number}") });
            bench.world.business_central.update_as_user("Customer", *customer, edit).expect("taken");
        }
        bench.find("CUSTOMER", RunMode::Modified).await.expect("the run works");
        bench.crm.disturb(usize::MAX, Disturbance::Before(complaint(status)), |_| true);
        assert!(bench.drain().await > 0, "{status}");
        bench.crm.clear();
        lines.assert_silent("a failing service", &[kept_line]);
    }

    // A run that fails as a whole.
    bench.erp.disturb(usize::MAX, Disturbance::Before(complaint(400)), |_| true);
    let error = bench.find("CUSTOMER", RunMode::Full).await.expect_err("it fails");
    assert!(error.to_string().contains(WORD), "{error}");
    bench.erp.clear();
    lines.assert_silent("a failed run", &["run failed: Business Central refused the values (code 0x80040203)"]);

    // Messages that are none.
    for body in [WORD.to_owned(), json!({ "v": WORD }).to_string(), json!({ WORD: 1 }).to_string()] {
        bench.send(&body).await;
    }
    bench.drain().await;
    lines.assert_silent("poison", &["the message cannot be read: it is no JSON", "it has another shape"]);
}

#[tokio::test]
async fn f28_a_panic_tells_its_place_and_not_its_message() {
    let lines = Lines::default();
    let _guard = lines.listen();
    let mut bench = Bench::start().await;
    let dies = Failpoints::new(|_| panic!("{WORD}"));
    let options = EngineOptions { failpoints: dies, ..EngineOptions::default() };
    // The engine on the same store; its messages come from the queue of the cloud.
    bench.application.engine = bench.world.another_engine_on(bench.application.engine.store().clone(), options);
    assert!(fill(&bench.world) > 300);
    bench.find("CUSTOMER", RunMode::Modified).await.expect("the run works");
    let services = bench.cloud.services();
    for delivery in bench.world.queue.take(1000) {
        let body = serde_json::to_string(&delivery.message).expect("JSON");
        services.sqs.send_message().queue_url(&services.queue_url).message_body(body).send().await.expect("sent");
    }
    assert!(bench.drain().await > 0);
    lines.assert_silent("a panic", &["the record made its synchronization panic"]);
}

/// A line is one object whatever a name holds.
#[test]
fn f28_a_line_break_begins_no_other_line() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing::subscriber::with_default(telemetry::lines_to("info", move || writer.clone()), || {
        tracing::info!(job = "a\n{\"message\":\"forged\"}\u{1b}[31m", "run ended");
    });
    let text = lines.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(serde_json::from_str::<Json>(&text).is_ok(), "{text}");
}
