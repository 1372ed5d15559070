//! The running organization: store, clock, switches, counters. Shared by the HTTP server and the library handle.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Serialize;
use simulator_platform::{Clock, Identity, Registration};
use uuid::Uuid;

use crate::faults::Faults;
use crate::options::{Behaviour, DataverseOptions};
use crate::store::Store;
use crate::wire::error::ApiResult;
use crate::write::{Event, Session};

/// Log entries kept.
const LOG_LENGTH: usize = 10_000;

/// One API request that was served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestLogEntry {
    /// Verb.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// HTTP status; 0 when the connection was cut.
    pub status: u16,
    /// Rows read or written.
    pub rows: usize,
}

/// Ids that every organization has.
#[derive(Debug, Clone, Copy)]
pub struct Fixed {
    /// Tenant.
    pub tenant: Uuid,
    /// Application id.
    pub client: Uuid,
    /// User of the application.
    pub integration_user: Uuid,
    /// A person, the one in whose name `*_as_user` writes.
    pub human_user: Uuid,
    /// Organization.
    pub organization: Uuid,
    /// Root business unit.
    pub business_unit: Uuid,
}

/// The secret of the application.
pub const CLIENT_SECRET: &str = "simulator-secret";

/// Switches column security of one column on or off.
pub(crate) fn secure_column(
    world: &World,
    table: &str,
    column: &str,
    security: Option<crate::schema::Security>,
) -> anyhow::Result<()> {
    let primary =
        |definition: &crate::schema::Table, at: usize| (at == definition.id, Some(at) == definition.primary_name);
    let (is_id, is_name) = {
        let store = world.read();
        let at = store.schema.position(table).ok_or_else(|| anyhow::anyhow!("there is no table {table}"))?;
        let definition = store.schema.table(at);
        let place = definition.column(column).ok_or_else(|| anyhow::anyhow!("{table} has no column {column}"))?;
        primary(definition, place)
    };
    change_column(world, table, column, |definition| {
        anyhow::ensure!(definition.can_be_secured(is_id, is_name), "column {column} of {table} cannot be secured");
        definition.security = security;
        Ok(())
    })
}

/// Changes the definition of one column while the simulator runs.
pub(crate) fn change_column(
    world: &World,
    table: &str,
    column: &str,
    change: impl FnOnce(&mut crate::schema::Column) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut store = world.write();
    let mut schema = (*store.schema).clone();
    let at = schema.position(table).ok_or_else(|| anyhow::anyhow!("there is no table {table}"))?;
    let mut changed = (*schema.tables[at]).clone();
    let place = changed.column(column).ok_or_else(|| anyhow::anyhow!("{table} has no column {column}"))?;
    change(&mut changed.columns[place])?;
    schema.tables[at] = std::sync::Arc::new(changed);
    store.adopt(std::sync::Arc::new(schema));
    Ok(())
}

/// Everything shared.
#[derive(Debug)]
pub struct World {
    store: RwLock<Store>,
    /// Switches that were set at start.
    pub behaviour: Behaviour,
    /// Options as given.
    pub options: DataverseOptions,
    /// Run-time switches.
    pub faults: Faults,
    /// The clock of the service.
    pub clock: Arc<Clock>,
    /// Gives out access tokens.
    pub identity: Arc<Identity>,
    /// Ids.
    pub fixed: Fixed,
    requests: AtomicU64,
    log: Mutex<VecDeque<RequestLogEntry>>,
    url: OnceLock<String>,
    events: tokio::sync::mpsc::UnboundedSender<Event>,
}

impl World {
    /// Puts a store to work.
    #[must_use]
    pub fn new(
        store: Store,
        options: DataverseOptions,
        fixed: Fixed,
        events: tokio::sync::mpsc::UnboundedSender<Event>,
    ) -> Self {
        let clock = Arc::new(Clock::default());
        let registration = Registration {
            tenant: fixed.tenant.to_string(),
            client: fixed.client.to_string(),
            secret: CLIENT_SECRET.to_owned(),
            scope: None,
        };
        let identity = Arc::new(Identity::new(registration, options.token_lifetime));
        let faults = Faults::new(Arc::clone(&clock), Arc::clone(&identity));
        faults.set_latency(options.latency);
        faults.set_limits(options.limits);
        Self {
            store: RwLock::new(store),
            behaviour: options.behaviour.clone(),
            options,
            faults,
            clock,
            identity,
            fixed,
            requests: AtomicU64::new(0),
            log: Mutex::new(VecDeque::new()),
            url: OnceLock::new(),
            events,
        }
    }

    /// Base address, once the server listens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.get().map_or("", String::as_str)
    }

    /// Sets the base address.
    pub fn listen_at(&self, url: String) {
        let _ = self.url.set(url);
    }

    /// Root of the Web API.
    #[must_use]
    pub fn api(&self) -> String {
        format!("{}/api/data/v9.2", self.url())
    }

    /// Seconds since 1970 on the server's clock.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The rows, to read.
    pub fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows, to write.
    pub fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` as one transaction of `caller`.
    ///
    /// # Errors
    /// The work's own; nothing is changed then.
    pub fn transaction<T>(
        &self,
        caller: Uuid,
        unrestricted: bool,
        work: impl FnOnce(&mut Session<'_>) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let (poison, taken_privileges) = match unrestricted {
            true => (Vec::new(), BTreeSet::new()),
            false => (self.faults.poisons(), self.faults.taken_privileges()),
        };
        let now = self.now();
        let mut store = self.write();
        store.begin();
        let mut session = Session {
            store: &mut store,
            behaviour: &self.behaviour,
            poison: &poison,
            taken_privileges: &taken_privileges,
            caller,
            unrestricted,
            bulk: false,
            now,
            events: Vec::new(),
            depth: 0,
        };
        let result = work(&mut session);
        let events = std::mem::take(&mut session.events);
        if result.is_ok() {
            store.commit();
            for event in events {
                // Nobody listens when the simulator stops.
                let _ = self.events.send(event);
            }
        } else {
            store.roll_back();
        }
        result
    }

    /// Counts and logs one API request.
    pub fn served(&self, entry: RequestLogEntry) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LENGTH {
            log.pop_front();
        }
        log.push_back(entry);
    }

    /// Expires every delta link given out so far; the next ones are newer than the mark.
    pub fn expire_delta_links(&self) {
        let mut store = self.write();
        self.faults.expire_delta_links_before(store.version() + 1);
        store.skip_version();
    }

    /// API requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The last requests.
    #[must_use]
    pub fn log(&self) -> Vec<RequestLogEntry> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Starts counting anew.
    pub fn reset_requests(&self) {
        self.requests.store(0, Ordering::Relaxed);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
