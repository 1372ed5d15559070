//! The library handle: starts the server, looks into the store, and changes rows as a person in the app would.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, Value};
use simulator_platform::{Port, Running};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::faults::Faults;
use crate::options::DataverseOptions;
use crate::schema::{IgnoredClearings, Kind, Schema, Security, Table};
use crate::server::Server;
use crate::store::{Cell, Row, SavedState, Store, guid};
use crate::wire::error::{ApiError, ApiResult};
use crate::world::{CLIENT_SECRET, RequestLogEntry, World};
use crate::write::Changes;

/// A running simulator. Clones are handles to the same one.
#[derive(Clone)]
pub struct DataverseSimulator {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    running: Running,
    authority_pem: Option<String>,
}

impl DataverseSimulator {
    /// Starts on loopback.
    ///
    /// # Errors
    /// When the port is taken, the schema data or the state file is not readable, or demo data break a rule.
    pub async fn start(mut options: DataverseOptions) -> anyhow::Result<Self> {
        options.behaviour.seed = options.seed;
        let mut schema = Schema::sales(options.behaviour.custom_navigation, options.behaviour.entity_names_exposed)?;
        schema.money_decimals = options.behaviour.money_decimals;
        let mut store = Store::new(Arc::new(schema));
        let fixed = crate::demo::fixed(options.seed);
        match options.state_file.as_ref().filter(|file| file.exists()) {
            Some(file) => {
                let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                let saved: SavedState = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is not a saved organization", file.display()))?;
                store.load(&saved)?;
            }
            None => crate::demo::fill(&mut store, &options, fixed, jiff::Timestamp::now().as_second())?,
        }
        let (sender, events) = mpsc::unbounded_channel();
        let port = Port::open(options.port, options.https.then_some(&[][..])).await?;
        port.write_certificate(options.certificate_file.as_deref())?;
        let authority_pem = port.certificate().map(str::to_owned);
        let world = Arc::new(World::new(store, options, fixed, sender));
        world.listen_at(port.origin().to_owned());
        let delivering = tokio::spawn(crate::webhooks::deliver(Arc::clone(&world), events));
        let running = Running::start(Arc::new(Server { world: Arc::clone(&world) }), port, vec![delivering]);
        Ok(Self { inner: Arc::new(Inner { world, running, authority_pem }) })
    }

    /// Base address of the organization; the Web API is at `{url}/api/data/v9.2`.
    #[must_use]
    pub fn url(&self) -> String {
        self.inner.world.url().to_owned()
    }

    /// Base address of the token endpoint: `POST {authority}/{tenant}/oauth2/v2.0/token`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.inner.world.url().to_owned()
    }

    /// Tenant, client id and secret of the application user.
    #[must_use]
    pub fn credentials(&self) -> (String, String, String) {
        let fixed = self.inner.world.fixed;
        (fixed.tenant.to_string(), fixed.client.to_string(), CLIENT_SECRET.to_owned())
    }

    /// The identity platform that gives tokens for it.
    #[must_use]
    pub fn identity(&self) -> &simulator_platform::Identity {
        &self.inner.world.identity
    }

    /// The application user: `modifiedby` of what clients write.
    #[must_use]
    pub fn integration_user(&self) -> Uuid {
        self.inner.world.fixed.integration_user
    }

    /// The person in whose name the `*_as_user` methods write.
    #[must_use]
    pub fn human_user(&self) -> Uuid {
        self.inner.world.fixed.human_user
    }

    /// Requests to the Web API so far. Token requests do not count, a `$batch` counts as one.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.inner.world.requests()
    }

    /// The last 10,000 requests.
    #[must_use]
    pub fn request_log(&self) -> Vec<RequestLogEntry> {
        self.inner.world.log()
    }

    /// Starts counting and logging anew.
    pub fn reset_requests(&self) {
        self.inner.world.reset_requests();
    }

    /// Sets faults from JSON, in the form that `POST /_simulator/faults` takes.
    ///
    /// # Errors
    /// When the text is not such a body; nothing is changed then.
    pub fn set_faults(&self, body: &str) -> anyhow::Result<()> {
        Ok(crate::admin::set_faults(&self.inner.world, body)?)
    }

    /// The run-time switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.world.faults
    }

    /// Certificate of the throw-away authority (PEM), when serving HTTPS.
    #[must_use]
    pub fn authority_certificate(&self) -> Option<&str> {
        self.inner.authority_pem.as_deref()
    }

    /// Expires every delta link given out so far.
    pub fn expire_delta_links(&self) {
        self.inner.world.expire_delta_links();
    }

    /// All rows of a table: the columns that have a value, lookups as `_x_value`.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        let mut rows = Vec::new();
        self.visit_rows(table, &mut |row| rows.push(row));
        rows
    }

    /// Shows what `rows` gives row by row, for tables too large to be held as JSON.
    pub fn visit_rows(&self, table: &str, visit: &mut dyn FnMut(Map<String, Value>)) {
        let store = self.inner.world.read();
        if let Some(at) = store.schema.position(table) {
            store.rows(at).after(None).for_each(|row| visit(shown(store.schema.table(at), row)));
        }
    }

    /// Number of rows of a table.
    #[must_use]
    pub fn count(&self, table: &str) -> usize {
        let store = self.inner.world.read();
        store.schema.position(table).map_or(0, |at| store.rows(at).len())
    }

    /// One row.
    #[must_use]
    pub fn row(&self, table: &str, id: Uuid) -> Option<Map<String, Value>> {
        let store = self.inner.world.read();
        let at = store.schema.position(table)?;
        Some(shown(store.schema.table(at), store.get(at, id)?))
    }

    /// Creates a row as a person in the app. Lookups are given as `_x_value`; read-only columns and the state may be set.
    ///
    /// # Errors
    /// As the Web API would answer.
    #[allow(clippy::needless_pass_by_value)] // Callers write `json!` in place.
    pub fn create_as_user(&self, table: &str, values: Value) -> Result<Uuid, ApiError> {
        let world = &self.inner.world;
        world.transaction(world.fixed.human_user, true, |session| {
            let at = session.position(table)?;
            let changes = given(session.store, at, &values)?;
            session.create(at, None, changes)
        })
    }

    /// Adds an option to a choice column, or gives it other labels, as an administrator: one label per language, of which
    /// 1033 is the organization's.
    ///
    /// # Errors
    /// As the Web API would answer.
    pub fn set_option(&self, table: &str, column: &str, value: i32, labels: &[(u32, &str)]) -> Result<(), ApiError> {
        crate::api::set_option(&self.inner.world, table, column, value, labels)
    }

    /// The options of a choice column: number and label in the organization's language.
    #[must_use]
    pub fn options(&self, table: &str, column: &str) -> Vec<(i32, String)> {
        crate::api::options(&self.inner.world, table, column)
    }

    /// Updates a row as a person in the app.
    ///
    /// # Errors
    /// As the Web API would answer.
    #[allow(clippy::needless_pass_by_value)] // Callers write `json!` in place.
    pub fn update_as_user(&self, table: &str, id: Uuid, values: Value) -> Result<(), ApiError> {
        let world = &self.inner.world;
        world.transaction(world.fixed.human_user, true, |session| {
            let at = session.position(table)?;
            let changes = given(session.store, at, &values)?;
            session.update(at, id, changes)
        })
    }

    /// Deletes a row as a person in the app.
    ///
    /// # Errors
    /// As the Web API would answer.
    pub fn delete_as_user(&self, table: &str, id: Uuid) -> Result<(), ApiError> {
        let world = &self.inner.world;
        world.transaction(world.fixed.human_user, true, |session| {
            let at = session.position(table)?;
            session.delete(at, id)
        })
    }

    /// Creates a row under a known id as a person in the app: for proofs that need thousands of rows.
    ///
    /// # Errors
    /// As the Web API would answer.
    #[allow(clippy::needless_pass_by_value)] // Callers write `json!` in place.
    pub fn create_many_as_user(&self, table: &str, rows: Vec<Value>) -> Result<Vec<Uuid>, ApiError> {
        let world = &self.inner.world;
        world.transaction(world.fixed.human_user, true, |session| {
            let at = session.position(table)?;
            rows.iter()
                .map(|values| {
                    let changes = given(session.store, at, values)?;
                    session.create(at, None, changes)
                })
                .collect()
        })
    }

    /// Switches column security on for a column, with what the application user may do; `None` switches it off. The
    /// rows are not touched, so no change feed shows it.
    ///
    /// # Errors
    /// When there is no such column, or it cannot be secured.
    pub fn secure_column(&self, table: &str, column: &str, security: Option<Security>) -> anyhow::Result<()> {
        crate::world::secure_column(&self.inner.world, table, column, security)
    }

    /// Takes a table out of the organization with the lookups that lead to it, as where the solution that brings both was
    /// never installed.
    ///
    /// # Panics
    /// When there is no such table.
    pub fn remove_table(&self, table: &str) {
        let mut store = self.inner.world.write();
        let mut schema = (*store.schema).clone();
        let at = crate::api::without_table(&mut schema, table);
        store.clear(at.unwrap_or_else(|| panic!("there is no table {table}")));
        store.adopt(Arc::new(schema));
    }

    /// Sets which forms of clearing a lookup are answered with success and ignored.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn ignore_clearings(&self, table: &str, column: &str, ignored: IgnoredClearings) -> anyhow::Result<()> {
        crate::world::change_column(&self.inner.world, table, column, |definition| {
            definition.ignored_clearings = ignored;
            Ok(())
        })
    }

    /// Writes the state file now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_state(&self, file: &std::path::Path) -> anyhow::Result<()> {
        let saved = self.inner.world.read().save();
        std::fs::write(file, serde_json::to_vec(&saved)?)?;
        Ok(())
    }

    /// Puts the organization back into the state of a file written by [`DataverseSimulator::save_state`], as restoring a
    /// backup does: row versions go back, too, and nothing tells that rows are gone.
    ///
    /// # Errors
    /// When the file is no such state; nothing is changed then.
    pub fn restore_state(&self, file: &std::path::Path) -> anyhow::Result<()> {
        let saved: SavedState = serde_json::from_slice(&std::fs::read(file)?)?;
        self.inner.world.write().load(&saved)
    }

    /// Stops serving, and then writes the state file if there is one.
    pub async fn stop(self) {
        self.inner.running.stop().await;
        if let Some(file) = &self.inner.world.options.state_file
            && let Err(error) = self.save_state(file)
        {
            tracing::warn!(%error, "the state file was not written");
        }
    }
}

/// A row for proofs.
pub(crate) fn shown(table: &Table, row: &Row) -> Map<String, Value> {
    let mut map = Map::new();
    for (at, cell) in row.cells() {
        let column = &table.columns[at];
        if column.name.is_empty() {
            continue;
        }
        map.insert(column.property.clone(), cell.to_json(&column.kind));
    }
    map.insert("versionnumber".to_owned(), Value::from(row.version));
    map
}

/// Values of a person: property names, logical names of lookups, or `x@odata.bind`.
fn given(store: &Store, at: usize, values: &Value) -> ApiResult<Changes> {
    let table = store.schema.table(at);
    let Value::Object(map) = values else {
        return Err(ApiError::odata("The values are not a JSON object."));
    };
    let mut changes = Changes::new();
    for (name, value) in map {
        if let Some(navigation) = name.strip_suffix("@odata.bind") {
            let (column, _) = table
                .navigation(navigation)
                .ok_or_else(|| ApiError::unknown_property(navigation, &table.type_name()))?;
            let id = value
                .as_str()
                .and_then(|text| text.rsplit_once('('))
                .and_then(|(_, rest)| guid(rest.trim_end_matches(')')));
            changes.push((column, lookup(store, table, column, id)?));
            continue;
        }
        if name.contains('@') {
            continue;
        }
        let column = table
            .property(name)
            .or_else(|| table.column(name))
            .ok_or_else(|| ApiError::unknown_property(name, &table.type_name()))?;
        let definition = &table.columns[column];
        let cell = Cell::from_json(&definition.kind, value)
            .map_err(|wrong| ApiError::payload(&table.set, &wrong.to_string()))?;
        let cell = if matches!(definition.kind, Kind::Lookup(_)) {
            lookup(store, table, column, cell.as_ref().and_then(Cell::id))?
        } else {
            cell
        };
        changes.push((column, cell));
    }
    Ok(changes)
}

/// The target table of an id: the first of the lookup's targets that has such a row.
fn lookup(store: &Store, table: &Table, column: usize, id: Option<Uuid>) -> ApiResult<Option<Cell>> {
    let Some(id) = id else { return Ok(None) };
    let Kind::Lookup(targets) = &table.columns[column].kind else {
        return Ok(Some(Cell::Guid(id)));
    };
    targets
        .iter()
        .filter_map(|target| store.schema.position(target))
        .find(|target| store.get(*target, id).is_some())
        .map(|target| Some(Cell::Lookup { table: target, id }))
        .ok_or_else(|| ApiError::missing_row(targets.first().map_or("", String::as_str), id))
}
