//! A bench on which rules are tested: two systems and a store in memory, an installation on the embedded catalogue, and
//! tables of cases.
//!
//! A test puts rows into the systems and couplings into the store, and lists cases: a source record, what is known besides,
//! and what is to come of it ([`case`]). All cases of a list go through a hook as one batch, so that a rule which mixes its
//! records up fails, too.

mod cases;
mod system;
mod tests;
mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::catalogue::DeletionRule;
use couplet_model::job::{Run, Trigger};
use couplet_model::message::{Direction, MESSAGE_FORMAT, Precedence, SyncOptions};
use couplet_model::request::{Chosen, Request, Want};
use couplet_model::switches::SalesOrders;
use couplet_model::table::Side;
use couplet_model::task::{Task, TaskMessage};
use couplet_model::{
    Catalogue, Clock, CompanyId, Coupling, CouplingState, DataverseId, MappingName, ProcessId, Record, RecordId,
    RecordMessage, RunId, Switches, SystemId, Table,
};
use couplet_store::{Reservation, Retention, Store};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::engine::{Engine, EngineParts};
use crate::error::EngineError;
use crate::failpoints::{Failpoint, Failpoints};
use crate::installation::{EngineOptions, Installation};
use crate::mappings::installed::{InstalledMapping, Mappings};
use crate::mappings::rules::{Context, MappingRules};
use crate::ports::{BatchReport, Delivery, Disposition, QueueError, RecordsQueue, TasksQueue};

pub(crate) use cases::{Case, case, destination_of, source_of};
pub(crate) use system::{Call, FakeSystem, Results};
use values::values;
pub(crate) use values::{id, record, with, without};

/// The company.
pub(crate) const COMPANY: CompanyId = CompanyId(Uuid::from_u128(900));
/// The company's row in Dataverse.
pub(crate) const COMPANY_ROW: u128 = 901;
/// The team that owns what belongs to the company.
pub(crate) const TEAM: u128 = 902;
/// The row of the euro in Dataverse, the currency of the company and of the organization.
pub(crate) const EURO: u128 = 903;
/// The organization.
pub(crate) const ORGANIZATION: u128 = 904;
/// The set-up of the general ledger.
pub(crate) const LEDGER: u128 = 905;
/// The noon on which the bench's clock begins.
const BEGINNING: &str = "2026-01-15T12:00:00Z";

/// A bench for the rules of one mapping.
pub(crate) struct Bench {
    pub business_central: Arc<FakeSystem>,
    pub dataverse: Arc<FakeSystem>,
    pub engine: Engine,
    pub mapping: Arc<InstalledMapping>,
    now: Arc<Mutex<Timestamp>>,
    queue: Arc<Queue>,
}

impl Bench {
    /// A bench for a mapping under the ordinary switches, but with one unit group for each unit of measure.
    pub async fn of(mapping: &str) -> Self {
        Self::with(mapping, Switches { unit_groups: false, ..Switches::default() }).await
    }

    /// A bench for a mapping under some switches. The company is known to Dataverse and counts in euro, as does the
    /// organization; everything else is empty.
    pub async fn with(mapping: &str, switches: Switches) -> Self {
        let catalogue = Catalogue::embedded().expect("the embedded catalogue");
        Self::on(catalogue, mapping, switches).await.expect("an engine")
    }

    /// A bench for a mapping of a catalogue.
    ///
    /// # Errors
    /// When the engine does not start on it.
    pub async fn on(catalogue: Catalogue, mapping: &str, switches: Switches) -> Result<Self, EngineError> {
        let catalogue = Arc::new(catalogue);
        let now = Arc::new(Mutex::new(BEGINNING.parse::<Timestamp>().expect("a time")));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || *now.lock())
        };
        let system = |side, id| Arc::new(FakeSystem::new(side, id, Arc::clone(&catalogue), clock.clone()));
        let business_central = system(Side::BusinessCentral, COMPANY.0);
        let dataverse = system(Side::Dataverse, id(ORGANIZATION).0);
        let queue = Arc::new(Queue::default());
        let engine = Engine::new(EngineParts {
            company: COMPANY,
            catalogue,
            switches,
            business_central: business_central.clone(),
            dataverse: dataverse.clone(),
            store: empty_store(clock.clone()).await,
            queue: queue.clone(),
            tasks: queue.clone(),
            options: EngineOptions { clock, ..EngineOptions::default() },
        })?;
        let mapping = Arc::clone(engine.mapping(&MappingName::from(mapping)).expect("a mapping that can run"));
        let company = json!({"bcbi_externalid": COMPANY.to_string(), "bcbi_defaultowningteam": TEAM});
        dataverse.put("bcbi_company", COMPANY_ROW, company);
        dataverse.put("organization", ORGANIZATION, json!({"basecurrencyid": EURO, "currencydecimalprecision": 2}));
        dataverse.put("transactioncurrency", EURO, json!({"isocurrencycode": "EUR", "exchangerate": 1}));
        business_central.put("General Ledger Setup", LEDGER, json!({"localCurrencyCode": "EUR"}));
        Ok(Self { business_central, dataverse, engine, mapping, now, queue })
    }

    /// The same bench, on which the mapping has rules of the test's own.
    pub fn ruled_by(mut self, rules: impl MappingRules + 'static) -> Self {
        let catalogue = self.engine.catalogue();
        let mappings = Mappings::install(catalogue, self.installation().switches()).expect("mappings");
        let mappings = mappings.with_rules(&self.mapping.name, Box::leak(Box::new(rules)));
        self.engine.mappings = Arc::new(mappings);
        self.mapping = Arc::clone(self.engine.mapping(&self.mapping.name).expect("a mapping that can run"));
        self
    }

    /// The same bench, on which the mapping has another deletion rule.
    pub fn deleting_by(mut self, rule: DeletionRule) -> Self {
        let catalogue = self.engine.catalogue();
        let mappings = Mappings::install(catalogue, self.installation().switches()).expect("mappings");
        self.engine.mappings = Arc::new(mappings.with_deletion_rule(&self.mapping.name, rule));
        self.mapping = Arc::clone(self.engine.mapping(&self.mapping.name).expect("a mapping that can run"));
        self
    }

    /// An engine of another process on the same systems and store, with the same rules; it dies once at a failpoint.
    pub fn another_process(&self, fatal: Option<Failpoint>) -> Engine {
        let engine = &self.engine;
        let fatal = Mutex::new(fatal);
        let failpoints = Failpoints::new(move |point| fatal.lock().take_if(|fatal| *fatal == point).is_some());
        let process = ProcessId::fresh();
        let options = EngineOptions { failpoints, process, is_alone: true, ..engine.options().clone() };
        let mut another = Engine::new(EngineParts {
            company: COMPANY,
            catalogue: Arc::new(engine.catalogue().clone()),
            switches: self.installation().switches().clone(),
            business_central: self.business_central.clone(),
            dataverse: self.dataverse.clone(),
            store: engine.store().clone(),
            queue: Arc::clone(&engine.queue),
            tasks: Arc::clone(&engine.tasks),
            options,
        })
        .expect("an engine");
        another.mappings = Arc::clone(&engine.mappings);
        another
    }

    /// The same bench under settings that integrate sales orders in another way, as a new process finds them.
    pub fn integrate_orders(&mut self, sales_orders: SalesOrders) {
        let engine = &self.engine;
        self.engine = Engine::new(EngineParts {
            company: COMPANY,
            catalogue: Arc::new(engine.catalogue().clone()),
            switches: Switches { sales_orders, ..self.installation().switches().clone() },
            business_central: self.business_central.clone(),
            dataverse: self.dataverse.clone(),
            store: engine.store().clone(),
            queue: Arc::clone(&engine.queue),
            tasks: Arc::clone(&engine.tasks),
            options: engine.options().clone(),
        })
        .expect("an engine");
    }

    /// The system of a side.
    pub fn system(&self, side: Side) -> &FakeSystem {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }

    /// What the rules see.
    pub fn installation(&self) -> &Installation {
        &self.engine.installation
    }

    /// What the rules see in a direction.
    pub fn context(&self, direction: Direction) -> Context<'_> {
        Context { installation: self.installation(), mapping: &self.mapping, direction }
    }

    /// The table of a side of the mapping.
    pub fn table(&self, side: Side) -> &Table {
        self.mapping.table(side)
    }

    /// A record of a side of the mapping, with what is known of its columns.
    pub fn record(&self, side: Side, number: u128, known: &Json) -> Record {
        record(self.table(side), id(number), known)
    }

    /// The records that were sent to the queue: direction, record, and whether it is to be created if it is not coupled.
    pub fn sent(&self) -> Vec<(Direction, RecordId, bool)> {
        let sent = self.queue.records.lock();
        sent.iter().map(|message| (message.direction, message.record, message.options.create)).collect()
    }

    /// Lets time pass.
    pub fn pass(&self, time: SignedDuration) {
        let mut now = self.now.lock();
        *now = now.checked_add(time).expect("a time");
    }

    /// Stores couplings of a mapping.
    pub async fn couple(&self, mapping: &str, couplings: impl IntoIterator<Item = Coupling>) {
        let couplings: Vec<Coupling> = couplings.into_iter().collect();
        let results = self.engine.store().reserve(COMPANY, &mapping.into(), couplings).await.expect("a store");
        for result in results {
            assert!(matches!(result, Reservation::Reserved(_)), "{result:?}");
        }
    }

    /// The coupling of the bench's mapping with a record of Business Central.
    pub async fn coupling(&self, number: u128) -> Option<Coupling> {
        let store = self.engine.store();
        let found = store.couplings_by_id(COMPANY, &self.mapping.name, Side::BusinessCentral, &[id(number)]).await;
        found.expect("a store").remove(&id(number))
    }

    /// Why the record with a number failed.
    pub async fn failure(&self, direction: Direction, number: u128) -> String {
        let store = self.engine.store();
        let found = store.failures_of(COMPANY, &self.mapping.name, direction, &[id(number)]).await.expect("a store");
        found.get(&id(number)).expect("a failure").message.clone()
    }

    /// Begins a run of the bench's mapping, whose messages the engine believes.
    pub async fn run(&self) -> RunId {
        let run = Run::begun(RunId::fresh(), self.mapping.name.as_str(), Trigger::Schedule, *self.now.lock());
        self.engine.store().start_run(COMPANY, &run).await.expect("a store");
        run.id
    }

    /// The message that a run sends about the record with a number.
    pub fn message(&self, run: RunId, direction: Direction, number: u128) -> RecordMessage {
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: COMPANY,
            mapping: self.mapping.name.clone(),
            direction,
            record: id(number),
            job: self.mapping.name.to_string(),
            run,
            options: SyncOptions { create: true, ..SyncOptions::default() },
            snapshot: None,
            replay: None,
            wish: None,
        }
    }

    /// Synchronizes the records with some numbers as a run does that sees them for the first time.
    pub async fn sync(&self, direction: Direction, numbers: &[u128]) -> BatchReport {
        self.sync_by(&self.engine, direction, numbers).await
    }

    /// The same by another engine.
    pub async fn sync_by(&self, engine: &Engine, direction: Direction, numbers: &[u128]) -> BatchReport {
        let run = self.run().await;
        let messages = numbers.iter().map(|number| self.message(run, direction, *number));
        engine.sync_batch(messages.map(|message| Delivery { message, receive_count: 1 }).collect()).await
    }

    /// The request that is in the tasks queue, which leaves it.
    pub fn take_request(&self) -> Option<Request> {
        match self.queue.tasks.lock().pop()? {
            Task::Ask(request) => Some(request),
            other => panic!("no request: {other:?}"),
        }
    }

    /// Tasks that are in the queue.
    pub fn task_count(&self) -> usize {
        self.queue.tasks.lock().len()
    }

    /// The messages that are in the records queue, which leave it.
    pub fn take_messages(&self) -> Vec<RecordMessage> {
        std::mem::take(&mut *self.queue.records.lock())
    }

    /// Asks for something as a person does, and carries it out; gives the run.
    pub async fn carry_out(&self, want: Want, of: Chosen) -> Run {
        let run = self.engine.ask(&self.mapping.name, want, of).await.expect("a request");
        let request = self.take_request().expect("a task");
        self.engine.work_request(&request, None).await.expect("a store");
        let deliveries = self.take_messages().into_iter().map(|message| Delivery { message, receive_count: 1 });
        let report = self.engine.sync_batch(deliveries.collect()).await;
        assert!(report.dispositions.iter().all(|end| *end == Disposition::Done), "{:?}", report.dispositions);
        self.stored(run).await
    }

    /// A run as it is stored.
    pub async fn stored(&self, run: RunId) -> Run {
        let stored = self.engine.store().run(COMPANY, self.mapping.name.as_str(), run).await;
        stored.expect("a store").expect("a run")
    }

    /// Synchronizes records as a full synchronization does: the source wins.
    pub async fn sync_in_full(&self, direction: Direction, numbers: &[u128]) -> BatchReport {
        let run = self.run().await;
        let message = |number: &u128| {
            let mut message = self.message(run, direction, *number);
            message.options.precedence = Precedence::Source;
            Delivery { message, receive_count: 1 }
        };
        self.engine.sync_batch(numbers.iter().map(message).collect()).await
    }
}

/// A coupling of the records with these numbers, by the key that people know the one of Business Central by.
pub(crate) fn pair(business_central: u128, dataverse: u128, key: &str) -> Coupling {
    let (system_id, dataverse_id) = (SystemId::from(id(business_central)), DataverseId::from(id(dataverse)));
    Coupling { key: Some(key.to_owned()), ..Coupling::new(system_id, dataverse_id, CouplingState::Coupled) }
}

/// A coupling of a record of Business Central with a row of any id.
pub(crate) fn pair_with(business_central: u128, row: RecordId, key: &str) -> Coupling {
    Coupling { dataverse_id: row.into(), ..pair(business_central, 0, key) }
}

/// The same coupling with a further row.
pub(crate) fn related(mut coupling: Coupling, role: &str, number: u128) -> Coupling {
    coupling.related.insert(role.to_owned(), id(number).0);
    coupling
}

/// The same coupling with what a side held when both agreed last.
pub(crate) fn agreed(mut coupling: Coupling, table: &Table, held: &Json) -> Coupling {
    for (name, value) in values(table, held) {
        coupling.base.set(table.side, &name, &value);
    }
    coupling
}

async fn empty_store(clock: Clock) -> Store {
    let client = EmbeddedDynamoDb::open_in_memory().expect("a database").client();
    let store = Store::new(client, "couplet", Retention::default()).with_clock(clock);
    store.create_table_if_absent().await.expect("a table");
    store
}

/// Both queues; what is sent arrives nowhere. Records are noted.
#[derive(Default)]
struct Queue {
    records: Mutex<Vec<RecordMessage>>,
    tasks: Mutex<Vec<Task>>,
}

#[async_trait]
impl RecordsQueue for Queue {
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError> {
        self.records.lock().extend(messages);
        Ok(())
    }
}

#[async_trait]
impl TasksQueue for Queue {
    async fn send_later(&self, task: TaskMessage, _after: Duration) -> Result<(), QueueError> {
        self.tasks.lock().push(task.task);
        Ok(())
    }
}
