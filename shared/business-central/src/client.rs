//! The client: one company in one environment, and the port's calls handed to the files that do them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use couplet_model::Said;
use couplet_model::filter::Filter;
use couplet_model::full_sync::Sighted;
use couplet_model::ids::{CompanyId, RecordId};
use couplet_model::record::Record;
use couplet_model::subscription::{Subscription, WantedSubscriptions};
use couplet_model::system::{
    Action, ChangePage, ChangesQuery, Installation, Resume, System, SystemError, SystemErrorKind, Write, Written,
};
use couplet_model::table::{Parent, Side, Table};
use couplet_odata::address::ApiRoot;
use couplet_odata::answer::typed_list;
use couplet_odata::json_batch::{read_batch, write_batch};
use couplet_odata::{BatchPart, Identity, IdentitySettings, Operation, Repeat, Reply, Request, Sizes, error_of};
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::route::{RUNTIME, Route};
use crate::settings::BusinessCentralSettings;

/// What every application asks a token for.
const SCOPE: &str = "https://api.businesscentral.dynamics.com/.default";

/// A company of the environment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    /// Its id.
    pub id: CompanyId,
    /// Its technical name.
    #[serde(default)]
    pub name: String,
    /// The name its users see.
    #[serde(default)]
    pub display_name: String,
}

/// The client of one Business Central company.
#[derive(Debug)]
pub struct BusinessCentralClient {
    pub(crate) identity: Identity,
    /// Address up to the environment.
    url: String,
    pub(crate) company: CompanyId,
    pub(crate) page_size: u32,
    pub(crate) batch_size: usize,
    pub(crate) companion: bool,
    /// Tables whose number series were seen to refuse numbers given by hand.
    pub(crate) numbered_by_series: Mutex<BTreeSet<String>>,
    /// What one request may hold.
    pub(crate) sizes: Sizes,
    /// Whether each API has answered in this process.
    answered: [AtomicBool; 2],
}

impl BusinessCentralClient {
    /// A client of the company.
    ///
    /// # Errors
    /// When the address or the certificates cannot be used.
    pub fn new(settings: BusinessCentralSettings) -> Result<Self, SystemError> {
        let url = settings.url.trim_end_matches('/').to_owned();
        let roots = [Route::Standard.root(), Route::Companion.root(), RUNTIME].map(|root| format!("{url}{root}"));
        Ok(Self {
            url,
            company: settings.company,
            page_size: settings.page_size.clamp(1, 20_000),
            batch_size: settings.batch_size.clamp(1, 100),
            companion: settings.companion,
            numbered_by_series: Mutex::default(),
            sizes: Sizes::default(),
            answered: Default::default(),
            identity: Identity::new(IdentitySettings {
                side: Side::BusinessCentral,
                scope: SCOPE.to_owned(),
                authority: settings.authority,
                tenant: settings.tenant,
                client_id: settings.client_id,
                credential: settings.credential,
                roots: roots.into(),
                concurrency: settings.concurrency,
                connections: settings.connections,
            })?,
        })
    }

    /// Address up to the environment.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets the moment past which no call waits any longer; `None` gives every call five minutes.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.identity.set_deadline(deadline);
    }

    /// Answers so far that asked for a pause.
    pub fn throttled(&self) -> u64 {
        self.identity.throttled()
    }

    /// The companies of the environment.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn companies(&self) -> Result<Vec<Company>, SystemError> {
        let url = format!("{}{}/companies?$select=id,name,displayName", self.url, Route::Standard.root());
        let page = self.call(Route::Standard, &Request::get(url)).await?.json();
        typed_list(Side::BusinessCentral, "the companies", page)
    }

    /// The service's time, as far as it tells.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn time(&self) -> Result<Option<Timestamp>, SystemError> {
        let url = format!("{}{}/companies?$select=id", self.url, Route::Standard.root());
        Ok(self.call(Route::Standard, &Request::get(url)).await?.date())
    }

    /// Address of an entity set, or of one entity, from the root of its API.
    pub(crate) fn relative(&self, route: Route, table: &Table, id: Option<RecordId>) -> Result<String, SystemError> {
        let set = route.entity_set(table)?;
        let key = id.map(|id| format!("({id})")).unwrap_or_default();
        Ok(format!("companies({})/{set}{key}", self.company))
    }

    /// Path of the records of a table below the one that a new one belongs to, from the companion API's root.
    pub(crate) fn relative_below(
        &self,
        parent: &Parent,
        above: Option<&Json>,
        table: &Table,
    ) -> Result<String, SystemError> {
        let Some(id) = above.and_then(Json::as_str).and_then(|id| Uuid::parse_str(id).ok()) else {
            let message =
                format!("a new record of table {} needs {}: it is posted below that record", table.name, parent.column);
            return Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", Said::safe(message)));
        };
        let set = Route::Companion.entity_set(table)?;
        Ok(format!("companies({})/{}({id})/{set}", self.company, parent.entity_set))
    }

    /// Address of something from its whole beginning.
    pub(crate) fn absolute(&self, route: Route, relative: &str) -> String {
        format!("{}{}/{relative}", self.url, route.root())
    }

    /// Whether a stored link leads into this API, at its address of today.
    pub(crate) fn leads_into(&self, route: Route, link: &str) -> bool {
        ApiRoot::parse(&self.absolute(route, "")).is_ok_and(|root| root.own(link).is_some())
    }

    /// Sends a request and gives the answer if it is a success.
    pub(crate) async fn call(&self, route: Route, request: &Request) -> Result<Reply, SystemError> {
        let reply = self.identity.send(request).await?;
        if reply.is_success() {
            self.note_answer(route);
            return Ok(reply);
        }
        Err(self.explain(route, error_of(Side::BusinessCentral, &reply)))
    }

    /// Notes that an API has answered in this process.
    pub(crate) fn note_answer(&self, route: Route) {
        self.answered[route as usize].store(true, Ordering::Relaxed);
    }

    /// An error of an API in words the operator can act on.
    pub(crate) fn explain(&self, route: Route, error: SystemError) -> SystemError {
        route.explain(error, self.answered[route as usize].load(Ordering::Relaxed))
    }

    /// Sends operations as one batch that goes on after a failure; `None` where no answer came.
    pub(crate) async fn batch(
        &self,
        route: Route,
        operations: &[Operation],
        repeat: Repeat,
    ) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let request = Request::write(Method::POST, self.absolute(route, "$batch"), repeat)
            .header("Prefer", "odata.continue-on-error")
            .divisible(operations.len() > 1)
            .json(&write_batch(operations));
        let reply = self.call(route, &request).await?;
        read_batch(reply.json(), operations.len())
            .map_err(|error| SystemError::new(Side::BusinessCentral, SystemErrorKind::Transient, "", error.to_string()))
    }
}

/// Tenant and environment at the end of an address, or the address without them: whatever its case, as the service
/// takes it.
fn environment_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    match parts.as_slice() {
        [_, .., tenant, environment] => format!("{tenant}/{environment}").to_lowercase(),
        _ => rest.to_lowercase(),
    }
}

#[async_trait]
impl System for BusinessCentralClient {
    fn side(&self) -> Side {
        Side::BusinessCentral
    }

    fn requests(&self) -> u64 {
        self.identity.requests()
    }

    fn takes_ids(&self, table: &Table) -> bool {
        self.companion && table.companion_takes_id
    }

    /// The company the settings name, in the environment their address leads to. Asks nothing: every other request fails
    /// when the company is not there.
    async fn installation(&self) -> Result<Installation, SystemError> {
        Ok(Installation { id: self.company.0, place: environment_of(&self.url) })
    }

    async fn changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        self.read_changes(query, from).await
    }

    async fn fetch(&self, table: &Table, ids: &[RecordId], columns: &[String]) -> Result<Vec<Record>, SystemError> {
        self.read_by_id(table, ids, columns).await
    }

    async fn find(&self, table: &Table, filter: &Filter, columns: &[String]) -> Result<Vec<Record>, SystemError> {
        self.read_matching(table, filter, columns).await
    }

    async fn count(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        self.count_matching(table, filter).await
    }

    async fn act(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        self.act_all(table, actions).await
    }

    async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        self.write_all(table, writes).await
    }

    async fn keep_subscriptions(&self, wanted: &WantedSubscriptions<'_>) -> Result<Vec<Subscription>, SystemError> {
        self.keep(wanted).await
    }
}

#[cfg(test)]
mod environment_tests {
    use super::environment_of;

    #[test]
    fn f13_an_environment_is_told_by_tenant_and_name_whatever_host_and_case() {
        for url in [
            "https://api.businesscentral.dynamics.com/v2.0/6f3c2f0e/Production",
            "https://api.businesscentral.dynamics.com/v2.0/6F3C2F0E/production/",
            "http://127.0.0.1:4000/v2.0/6f3c2f0e/Production",
        ] {
            assert_eq!(environment_of(url), "6f3c2f0e/production", "{url}");
        }
        assert_ne!(environment_of("https://h/v2.0/6f3c2f0e/Sandbox"), "6f3c2f0e/production");
        assert_eq!(environment_of("https://h"), "h");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A small table for the tests of this crate.

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::{BusinessCentralClient, BusinessCentralSettings, CompanyId};
    use couplet_model::record::Values;
    use couplet_model::table::{Access, Column, FieldType, Side, Table};
    use couplet_model::value::Value;

    pub fn table() -> Table {
        let columns = [
            ("id", FieldType::Guid, Access::Read, true, true),
            ("number", FieldType::Code { length: 20 }, Access::Insert, true, true),
            ("displayName", FieldType::Text { length: 100 }, Access::Full, true, true),
            ("kind", FieldType::Enum { values: vec![] }, Access::Full, true, false),
            ("unitPrice", FieldType::Decimal, Access::Full, true, true),
            ("blocked", FieldType::Bool, Access::Full, true, true),
            ("weight", FieldType::Decimal, Access::Full, false, true),
            ("lastModifiedDateTime", FieldType::DateTime, Access::Read, true, true),
        ];
        let columns = columns.into_iter().map(|(name, field, access, standard, companion)| {
            let column = Column {
                name: name.into(),
                caption: name.into(),
                field,
                access,
                standard,
                companion,
                options: BTreeMap::new(),
            };
            (name.to_owned(), Arc::new(column))
        });
        Table {
            side: Side::BusinessCentral,
            name: "Thing".into(),
            entity_set: Some("things".into()),
            companion_entity_set: Some("things".into()),
            companion_takes_id: true,
            companion_parent: None,
            choice: None,
            id_column: "id".into(),
            modified_column: Some("lastModifiedDateTime".into()),
            label_column: Some("number".into()),
            company_column: None,
            takes_upsert: true,
            columns: columns.collect(),
        }
    }

    /// A client of an address where nobody answers.
    pub fn client() -> BusinessCentralClient {
        let (url, authority) = ("http://127.0.0.1:9/v2.0/t/Production", "http://127.0.0.1:9");
        let company = CompanyId(uuid::Uuid::from_u128(1));
        BusinessCentralClient::new(BusinessCentralSettings::new(url, authority, "t", "app", "hunter2", company))
            .expect("a client")
    }

    pub fn values(values: &[(&str, Value)]) -> Values {
        values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
    }
}
