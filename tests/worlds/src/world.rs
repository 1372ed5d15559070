//! One installation of Couplet between two simulated systems.

use std::sync::Arc;
use std::time::Instant;

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize as BusinessCentralDemo};
use couplet_business_central::BusinessCentralClient;
use couplet_dataverse::DataverseClient;
use couplet_engine::{Disposition, Engine, EngineOptions, EngineParts, RunMode, RunReport, RunRequest};
use couplet_local::dynamodb::EmbeddedDynamoDb;
use couplet_model::job::{Run, Trigger};
use couplet_model::switches::{Ownership, SalesOrders};
use couplet_model::table::Side;
use couplet_model::{Catalogue, CompanyId, Coupling, MappingName, RecordId, RunId, Switches, System};
use couplet_store::{Failure, Retention, Store};
use dataverse_simulator::{DataverseOptions, DataverseSimulator, DemoSize as DataverseDemo};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::proxy::Proxy;
use crate::queue::{HandQueue, HandTasks};
use crate::settings::{business_central_settings, dataverse_settings};
use crate::systems::Systems;

/// Jobs that most worlds need, in dependency order.
pub const JOBS: [&str; 9] = [
    "SALESPEOPLE",
    "CURRENCY",
    "PAYMENT TERMS",
    "SHIPMENT METHOD",
    "SHIPPING AGENT",
    "UNIT OF MEASURE",
    "CUSTOMER",
    "ITEM-PRODUCT",
    "RESOURCE-PRODUCT",
];

/// The job of units, and those that take its place where items and resources have unit groups of their own.
const UNITS: (&str, [&str; 3]) = ("UNIT OF MEASURE", ["UNIT GROUP", "ITEM UOM", "RESOURCE UOM"]);
/// Messages of one batch, as the template sets it.
const BATCH_SIZE: usize = 1000;
/// Batches after which a test gives up waiting for the queue to run dry.
const MAX_BATCHES: usize = 500;

/// What the two systems hold at first.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// Demo company of Business Central.
    pub business_central: BusinessCentralDemo,
    /// Demo organization of Dataverse.
    pub dataverse: DataverseDemo,
    /// Who owns new records.
    pub ownership: Ownership,
    /// Whether Business Central has its newer price lists instead of sales prices.
    pub extended_pricing: bool,
    /// Whether items and resources have unit groups of their own, rather than one unit group for each unit of measure.
    pub unit_groups: bool,
    /// How sales orders are integrated.
    pub sales_orders: SalesOrders,
    /// ISO code of the organization's base currency.
    pub base_currency: String,
    /// Times and limits of the engine.
    pub engine: EngineOptions,
    /// Records in one page of either system's change feed, if fewer than the most.
    pub page_size: Option<u32>,
    /// Whether the companion app is published in Business Central.
    pub companion: bool,
    /// The catalogue, if another than the embedded one.
    pub catalogue: Option<Arc<Catalogue>>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            business_central: BusinessCentralDemo {
                items: 12,
                blocked_items: 2,
                customers: 6,
                vendors: 3,
                contacts: 2,
                resources: 3,
                blocked_resources: 1,
                salesperson_codes: false,
                trade: business_central_simulator::TradeSize::NONE,
            },
            dataverse: DataverseDemo::default(),
            ownership: Ownership::Person,
            extended_pricing: true,
            unit_groups: false,
            sales_orders: SalesOrders::Off,
            base_currency: "USD".to_owned(),
            engine: EngineOptions::default(),
            page_size: None,
            companion: true,
            catalogue: None,
        }
    }
}

/// Two systems and Couplet between them.
pub struct World {
    /// The ERP.
    pub business_central: BusinessCentralSimulator,
    /// The CRM.
    pub dataverse: DataverseSimulator,
    /// The engine under test.
    pub engine: Engine,
    /// Its queue.
    pub queue: Arc<HandQueue>,
    /// Its tasks.
    pub tasks: Arc<HandTasks>,
    pub(crate) parts: Parts,
}

/// What a second engine beside the first, or after a crash, is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) database: EmbeddedDynamoDb,
    pub(crate) company: CompanyId,
    pub(crate) store: Store,
    pub(crate) switches: Switches,
    catalogue: Arc<Catalogue>,
    page_size: Option<u32>,
    companion: bool,
}

impl Parts {
    /// The same for another company.
    pub(crate) fn of_company(&self, company: CompanyId) -> Self {
        Self { company, ..self.clone() }
    }
}

/// Counters of a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Created.
    pub inserted: u64,
    /// Written.
    pub modified: u64,
    /// Failed.
    pub failed: u64,
}

impl World {
    /// Starts everything on loopback, in memory.
    pub async fn start(options: WorldOptions) -> Self {
        let Systems { business_central, dataverse } = Systems::start_with(
            BusinessCentralOptions { demo: Some(options.business_central), ..BusinessCentralOptions::default() },
            DataverseOptions {
                demo: Some(options.dataverse.clone()),
                base_currency: options.base_currency.clone(),
                ..DataverseOptions::default()
            },
        )
        .await;
        business_central.faults().set_companion_installed(options.companion);
        let database = EmbeddedDynamoDb::open_in_memory().expect("the embedded DynamoDB opens");
        let store = Store::new(database.client(), "couplet", Retention::default());
        store.create_table_if_absent().await.expect("the table is created");
        let parts = Parts {
            database,
            company: CompanyId(business_central.company_id()),
            store,
            switches: Switches {
                ownership: options.ownership,
                extended_pricing: options.extended_pricing,
                unit_groups: options.unit_groups,
                sales_orders: options.sales_orders,
                ..Switches::default()
            },
            catalogue: options
                .catalogue
                .unwrap_or_else(|| Arc::new(Catalogue::embedded().expect("the catalogue is valid"))),
            page_size: options.page_size,
            companion: options.companion,
        };
        let queues = (Arc::new(HandQueue::default()), Arc::new(HandTasks::default()));
        let direct = (business_central.url(), dataverse.url());
        let engine = build_engine(&parts, &business_central, &dataverse, direct, queues.clone(), options.engine);
        let (queue, tasks) = queues;
        Self { business_central, dataverse, engine, queue, tasks, parts }
    }

    /// Another engine on the same store and queue, as after a crash or in a second function.
    #[must_use]
    pub fn another_engine(&self, options: EngineOptions) -> Engine {
        let queues = (Arc::clone(&self.queue), Arc::clone(&self.tasks));
        let direct = (self.business_central.url(), self.dataverse.url());
        build_engine(&self.parts, &self.business_central, &self.dataverse, direct, queues, options)
    }

    /// Another engine on the same store and queue, with something between it and both systems.
    pub(crate) fn engine_behind(
        &self,
        options: EngineOptions,
        reached: &dyn Fn(Arc<dyn System>) -> Arc<dyn System>,
    ) -> Engine {
        let queues = (Arc::clone(&self.queue), Arc::clone(&self.tasks));
        let direct = (self.business_central.url(), self.dataverse.url());
        let (erp, crm) = (&self.business_central, &self.dataverse);
        build_engine_behind(&self.parts, erp, crm, direct, queues, options, reached)
    }

    /// Another engine on a store of its own, with the queue of this world.
    #[must_use]
    pub fn another_engine_on(&self, store: Store, options: EngineOptions) -> Engine {
        let queues = (Arc::clone(&self.queue), Arc::clone(&self.tasks));
        let direct = (self.business_central.url(), self.dataverse.url());
        let parts = Parts { store, ..self.parts.clone() };
        build_engine(&parts, &self.business_central, &self.dataverse, direct, queues, options)
    }

    /// Another engine on the same store and queue, that reaches the systems through proxies.
    #[must_use]
    pub fn engine_through(&self, business_central: &Proxy, dataverse: &Proxy, options: EngineOptions) -> Engine {
        let queues = (Arc::clone(&self.queue), Arc::clone(&self.tasks));
        let urls = (business_central.url().to_owned(), dataverse.url().to_owned());
        build_engine(&self.parts, &self.business_central, &self.dataverse, urls, queues, options)
    }

    /// Proxies before Business Central and Dataverse.
    pub async fn proxies(&self) -> (Proxy, Proxy) {
        (Proxy::before(&self.business_central.url()).await, Proxy::before(&self.dataverse.url()).await)
    }

    /// The company.
    #[must_use]
    pub fn company(&self) -> CompanyId {
        self.parts.company
    }

    /// Asks the database itself, past the store.
    #[must_use]
    pub fn raw(&self, operation: &str, body: &Json) -> Json {
        let (status, answer) = self.parts.database.answer(operation, body.to_string().as_bytes());
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Looks for changes of a job without working the queue.
    pub async fn find(&self, job: &str, mode: RunMode) -> RunReport {
        self.find_until(job, mode, None).await
    }

    /// Looks for changes of a job until a moment, without working the queues.
    pub async fn find_until(&self, job: &str, mode: RunMode, until: Option<Instant>) -> RunReport {
        self.find_by(&self.engine, job, mode, until).await
    }

    /// Looks for changes of a job with another engine.
    pub async fn find_with(&self, engine: &Engine, job: &str, mode: RunMode) -> RunReport {
        self.find_by(engine, job, mode, None).await
    }

    async fn find_by(&self, engine: &Engine, job: &str, mode: RunMode, until: Option<Instant>) -> RunReport {
        let request = RunRequest { job: job.to_owned(), mode, trigger: Trigger::Manual, until };
        engine.run_job(&request).await.unwrap_or_else(|error| panic!("{job} fails: {error}"))
    }

    /// Works the queue until it is dry; messages that keep coming back are given up as the queue would.
    pub async fn drain(&self) {
        self.drain_with(&self.engine).await;
    }

    /// Works the queue with another engine.
    pub async fn drain_with(&self, engine: &Engine) {
        for _ in 0..MAX_BATCHES {
            let deliveries = self.queue.take(BATCH_SIZE);
            if deliveries.is_empty() {
                return;
            }
            let dispositions = engine.sync_batch(deliveries.clone()).await.dispositions;
            for (delivery, disposition) in deliveries.into_iter().zip(dispositions) {
                match disposition {
                    Disposition::Done => {}
                    Disposition::Return { .. } => self.queue.give_back(delivery),
                    Disposition::Postpone { .. } => self.queue.postpone(delivery),
                }
            }
        }
        panic!("the queue does not run dry");
    }

    /// Runs a job to its end and gives its counters.
    pub async fn run(&self, job: &str, mode: RunMode) -> Run {
        let report = self.find(job, mode).await;
        self.drain().await;
        self.run_of(job, report.run).await
    }

    /// Runs a job to its end with another engine and gives its counters.
    pub async fn run_with(&self, engine: &Engine, job: &str, mode: RunMode) -> Run {
        let request = RunRequest { job: job.to_owned(), mode, trigger: Trigger::Manual, until: None };
        let report = engine.run_job(&request).await.unwrap_or_else(|error| panic!("{job} fails: {error}"));
        self.drain_with(engine).await;
        self.run_of(job, report.run).await
    }

    /// Runs every job that is built, in order.
    pub async fn run_all(&self, mode: RunMode) -> Vec<Run> {
        let (one, several) = UNITS;
        let mut runs = Vec::new();
        for job in JOBS {
            match job == one && self.parts.switches.unit_groups {
                false => runs.push(self.run(job, mode).await),
                true => {
                    for job in several {
                        runs.push(self.run(job, mode).await);
                    }
                }
            }
        }
        runs
    }

    /// A run as it is stored.
    pub async fn run_of(&self, job: &str, run: RunId) -> Run {
        self.store().run(self.company(), job, run).await.expect("the store answers").expect("the run is stored")
    }

    /// The coupling of a Business Central record.
    pub async fn coupling(&self, mapping: &str, record: Uuid) -> Option<Coupling> {
        let name = MappingName::from(mapping);
        let ids = [RecordId(record)];
        let found = self.store().couplings_by_id(self.company(), &name, Side::BusinessCentral, &ids).await;
        found.expect("the store answers").into_values().next()
    }

    /// The coupled Dataverse row of a Business Central record.
    pub async fn coupled_row(&self, mapping: &str, record: Uuid) -> Map<String, Json> {
        let coupling = self.coupling(mapping, record).await.expect("the record is coupled");
        let table = self
            .engine
            .mappings()
            .iter()
            .find(|m| m.name.as_str() == mapping)
            .expect("a mapping")
            .dataverse
            .name
            .clone();
        self.dataverse.row(&table, coupling.dataverse_id.0).expect("the row exists")
    }

    /// Failures of a mapping in both directions.
    pub async fn failures(&self, mapping: &str) -> Vec<Failure> {
        let name = MappingName::from(mapping);
        let mut failures = Vec::new();
        for direction in couplet_model::message::Direction::BOTH {
            failures.extend(self.store().failures(self.company(), &name, direction).await.expect("the store answers"));
        }
        failures
    }

    /// How many couplings a mapping has.
    pub async fn couplings(&self, mapping: &str) -> u64 {
        self.store().count_couplings(self.company(), &MappingName::from(mapping)).await.expect("the store answers")
    }

    /// Empties the stock of an item; with stock it keeps its base unit.
    pub fn sell_out(&self, item: Uuid) {
        let row = self.business_central.row("Item", item).expect("an item");
        let stock: Decimal = row["inventory"].to_string().parse().expect("a number");
        let number = row["number"].as_str().expect("a number");
        self.business_central.post_item_ledger_entry(number, -stock).expect("posted");
    }

    /// The id of a Business Central record by one of its properties.
    #[must_use]
    pub fn business_central_id(&self, table: &str, property: &str, value: &str) -> Uuid {
        let rows = self.business_central.rows(table);
        let row = rows.iter().find(|row| row.get(property).and_then(Json::as_str) == Some(value));
        let row = row.unwrap_or_else(|| panic!("{table} has no record with {property} {value}"));
        row["id"].as_str().expect("an id").parse().expect("a GUID")
    }

    /// Ids of all records of a Business Central table that pass a test.
    #[must_use]
    pub fn business_central_ids(&self, table: &str, passes: impl Fn(&Map<String, Json>) -> bool) -> Vec<Uuid> {
        let rows = self.business_central.rows(table);
        rows.iter()
            .filter(|row| passes(row))
            .map(|row| row["id"].as_str().expect("an id").parse().expect("a GUID"))
            .collect()
    }
}

pub(crate) fn build_engine(
    parts: &Parts,
    business_central: &BusinessCentralSimulator,
    dataverse: &DataverseSimulator,
    urls: (String, String),
    queues: (Arc<HandQueue>, Arc<HandTasks>),
    options: EngineOptions,
) -> Engine {
    build_engine_behind(parts, business_central, dataverse, urls, queues, options, &|system| system)
}

fn build_engine_behind(
    parts: &Parts,
    business_central: &BusinessCentralSimulator,
    dataverse: &DataverseSimulator,
    (erp_url, crm_url): (String, String),
    (queue, tasks): (Arc<HandQueue>, Arc<HandTasks>),
    options: EngineOptions,
    reached: &dyn Fn(Arc<dyn System>) -> Arc<dyn System>,
) -> Engine {
    let mut settings = business_central_settings(business_central);
    (settings.url, settings.company) = (erp_url, parts.company);
    settings.page_size = parts.page_size.unwrap_or(settings.page_size);
    settings.companion = parts.companion;
    let erp = BusinessCentralClient::new(settings).expect("the client is built");
    let mut settings = dataverse_settings(dataverse);
    settings.url = crm_url;
    settings.page_size = parts.page_size.unwrap_or(settings.page_size);
    let crm = DataverseClient::new(settings, parts.catalogue.dataverse_entity_sets()).expect("the client is built");
    let parts = EngineParts {
        company: parts.company,
        catalogue: Arc::clone(&parts.catalogue),
        switches: parts.switches.clone(),
        business_central: reached(Arc::new(erp)),
        dataverse: reached(Arc::new(crm)),
        store: parts.store.clone(),
        queue,
        tasks,
        options,
    };
    Engine::new(parts).expect("the rules fit the catalogue")
}
