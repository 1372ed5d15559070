//! The handle tests and programs hold.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::Context as _;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::clock::Clock;
use crate::demo;
use crate::documents;
use crate::errors::ApiError;
use crate::faults::Faults;
use crate::options::BusinessCentralOptions;
use crate::records::{self, Incoming, Writer};
use crate::request_log::{RequestLog, RequestLogEntry};
use crate::schema::{Route, TableId, schema};
use crate::server::{self, Server};
use crate::service::execute::Api;
use crate::store::{Company, Row, Store};
use crate::throttle::Throttle;
use crate::tokens::Tokens;

/// A running simulator. Clones are handles of the same one; it ends with [`BusinessCentralSimulator::stop`] or the last handle.
#[derive(Clone)]
pub struct BusinessCentralSimulator {
    server: Arc<Server>,
    running: Arc<Running>,
}

struct Running(Mutex<Vec<JoinHandle<()>>>);

impl Drop for Running {
    fn drop(&mut self) {
        for task in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl std::fmt::Debug for BusinessCentralSimulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BusinessCentralSimulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl BusinessCentralSimulator {
    /// Opens the port and serves the company.
    pub async fn start(options: BusinessCentralOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.with_context(|| format!("cannot listen on port {} of 127.0.0.1", options.port))?;
        let address = listener.local_addr()?;
        let clock = Arc::new(Clock::default());
        let company = Company { id: options.company_id, name: options.company_name.clone(), local_currency: options.local_currency.clone() };
        let mut store = Store::new(company, Arc::clone(&clock));
        demo::found(&mut store, options.seed, options.demo.as_ref())?;
        let faults = Faults::new(clock, options.latency, options.limits, options.switches, options.webhook_delay);
        let api = Api { store: RwLock::new(store), faults };
        let origin = format!("http://{address}");
        let server = Arc::new(Server { api, options, origin, tokens: Tokens::default(), throttle: Throttle::default(), log: RequestLog::default() });
        let accepting = Arc::clone(&server);
        let task = tokio::spawn(async move {
            let _: std::convert::Infallible = server::serve(accepting, listener).await;
        });
        Ok(Self { server, running: Arc::new(Running(Mutex::new(vec![task]))) })
    }

    /// Base URL up to and including `/v2.0/{tenant}/{environment}`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.base()
    }

    /// Where tokens are given: `POST {authority}/{tenant}/oauth2/v2.0/token`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.server.origin.clone()
    }

    /// Tenant, client id and secret that are given tokens.
    #[must_use]
    pub fn credentials(&self) -> (String, String, String) {
        let options = &self.server.options;
        (options.tenant.clone(), options.client.0.clone(), options.client.1.clone())
    }

    /// Id of the company.
    #[must_use]
    pub fn company_id(&self) -> Uuid {
        self.server.options.company_id
    }

    /// Name of the company.
    #[must_use]
    pub fn company_name(&self) -> String {
        self.server.options.company_name.clone()
    }

    /// Requests of the API since the start or the last reset. Tokens do not count; a batch counts once.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.log.count()
    }

    /// The requests since the start or the last reset, in the order of their arrival.
    #[must_use]
    pub fn request_log(&self) -> Vec<RequestLogEntry> {
        self.server.log.entries()
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&self) {
        self.server.log.reset();
    }

    /// The run-time switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.server.api.faults
    }

    /// All records of a table of the catalogue, in the order of the primary key, with the properties of both routes.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        let table = schema().known(table);
        let store = self.server.api.reading();
        store.rows(table).map(|row| all_properties(&store, table, row)).collect()
    }

    /// One record of a table of the catalogue.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    #[must_use]
    pub fn row(&self, table: &str, id: Uuid) -> Option<Map<String, Value>> {
        let table = schema().known(table);
        let store = self.server.api.reading();
        store.row(table, id).map(|row| all_properties(&store, table, row))
    }

    /// Creates a record as a person in the application; properties of both routes may be given, read-only ones too.
    pub fn create_as_user(&self, table: &str, values: Value) -> Result<Uuid, ApiError> {
        let (table, body) = (named(table)?, object(values)?);
        self.write(|store| {
            let incoming = Incoming::for_create(schema().table(table), Writer::User, &body)?;
            records::create(store, table, &incoming, Writer::User)
        })
    }

    /// Changes a record as a person in the application.
    pub fn update_as_user(&self, table: &str, id: Uuid, values: Value) -> Result<(), ApiError> {
        let (table, body) = (named(table)?, object(values)?);
        self.write(|store| {
            let incoming = Incoming::for_modify(schema().table(table), Writer::User, &body, id)?;
            records::modify(store, table, id, &incoming, Writer::User)
        })
    }

    /// Deletes a record as a person in the application.
    pub fn delete_as_user(&self, table: &str, id: Uuid) -> Result<(), ApiError> {
        let table = named(table)?;
        self.write(|store| records::delete(store, table, id, Writer::User))
    }

    /// Posts an item ledger entry: the inventory changes, the item's own timestamp does not.
    pub fn post_item_ledger_entry(&self, item_number: &str, quantity: Decimal) -> Result<Uuid, ApiError> {
        let entry_type = if quantity.is_sign_negative() { "Sale" } else { "Purchase" };
        self.write(|store| records::post_ledger_entry(store, item_number, quantity, entry_type))
    }

    /// Runs a document action as a person in the application: `shipAndInvoice`, `makeOrder`, `post`, `cancel`, ... Gives the SystemId
    /// of the document that came of it, if any.
    pub fn run_action_as_user(&self, table: &str, id: Uuid, action: &str) -> Result<Option<Uuid>, ApiError> {
        let table = named(table)?;
        self.write(|store| store.transaction(|store| documents::act(store, Route::Standard, table, id, action)).map(|made| made.map(|(_, id)| id)))
    }

    /// Applies a payment to a posted invoice.
    pub fn pay_invoice(&self, id: Uuid, amount: Decimal) -> Result<(), ApiError> {
        self.write(|store| store.transaction(|store| documents::pay(store, id, amount)))
    }

    fn write<T>(&self, work: impl FnOnce(&mut Store) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut store = self.server.api.writing();
        let result = work(&mut store);
        let _changes = store.take_changes();
        result
    }

    /// Closes the port.
    pub async fn stop(self) {
        let tasks: Vec<JoinHandle<()>> = self.running.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

fn named(table: &str) -> Result<TableId, ApiError> {
    schema().named(table).ok_or_else(|| ApiError::bad_request(format!("The catalogue has no table '{table}'.")))
}

fn object(values: Value) -> Result<Map<String, Value>, ApiError> {
    match values {
        Value::Object(map) => Ok(map),
        other => Err(ApiError::bad_request(format!("An object of property values was expected, not {other}."))),
    }
}

fn all_properties(store: &Store, table: TableId, row: &Row) -> Map<String, Value> {
    let properties = schema().table(table).properties.iter().enumerate();
    properties.map(|(at, property)| (property.name.clone(), store.cell(table, row, at).to_json(&property.kind))).collect()
}
