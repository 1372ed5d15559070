//! The client: one environment, what was learned about it, and the port's calls handed to the files that do them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use couplet_model::facts::{Sight, TableFacts};
use couplet_model::filter::Filter;
use couplet_model::full_sync::Sighted;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::subscription::{Subscription, WantedSubscriptions};
use couplet_model::system::{
    Action, ChangePage, ChangesQuery, Installation, Resume, System, SystemError, SystemErrorKind, Write, Written,
};
use couplet_model::table::{Side, Table};
use couplet_odata::multipart::{one_for_each, read_batch, write_batch};
use couplet_odata::{BatchPart, Identity, IdentitySettings, Operation, Repeat, Reply, Request, Sizes, error_of};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use reqwest::Method;
use serde::Deserialize;
use uuid::Uuid;

use crate::learned::Learned;
use crate::settings::DataverseSettings;

/// Path of the Web API under the environment's address.
const API: &str = "/api/data/v9.2";

/// Who the application is in Dataverse.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct WhoAmI {
    /// Its user row; changes it makes carry this id.
    pub user_id: Uuid,
    /// The organization.
    pub organization_id: Uuid,
    /// The user's business unit.
    pub business_unit_id: Uuid,
}

/// The client of one Dataverse environment.
#[derive(Debug)]
pub struct DataverseClient {
    pub(crate) identity: Identity,
    /// Address of the Web API.
    pub(crate) api: String,
    /// Its path from the root of the host, as batches want it.
    pub(crate) path: String,
    pub(crate) page_size: u32,
    pub(crate) bulk_size: usize,
    pub(crate) batch_size: usize,
    /// What one request may hold.
    pub(crate) sizes: Sizes,
    learned: RwLock<Learned>,
}

impl DataverseClient {
    /// A client of the environment. `entity_sets` names the entity set of each logical name the caller knows; the
    /// service is asked for others when they are needed.
    ///
    /// # Errors
    /// When the address or the certificates cannot be used.
    pub fn new(settings: DataverseSettings, entity_sets: BTreeMap<String, String>) -> Result<Self, SystemError> {
        let url = settings.url.trim_end_matches('/');
        let Some((_, host)) = url.split_once("://") else {
            let message = format!("{url} is not the address of an environment");
            return Err(SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", message));
        };
        let prefix = host.find('/').map_or("", |start| &host[start..]);
        Ok(Self {
            api: format!("{url}{API}"),
            path: format!("{prefix}{API}"),
            page_size: settings.page_size.clamp(1, 5000),
            bulk_size: settings.bulk_size.clamp(1, 1000),
            batch_size: settings.batch_size.clamp(1, 1000),
            sizes: Sizes::default(),
            learned: RwLock::new(Learned::new(entity_sets, settings.navigation)),
            identity: Identity::new(IdentitySettings {
                side: Side::Dataverse,
                scope: format!("{url}/.default"),
                authority: settings.authority,
                tenant: settings.tenant,
                client_id: settings.client_id,
                credential: settings.credential,
                roots: vec![format!("{url}{API}")],
                concurrency: settings.concurrency,
                connections: settings.connections,
            })?,
        })
    }

    /// Sets the moment past which no call waits any longer; `None` gives every call five minutes.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.identity.set_deadline(deadline);
    }

    /// Answers so far that asked for a pause.
    pub fn throttled(&self) -> u64 {
        self.identity.throttled()
    }

    pub(crate) fn learned(&self) -> RwLockReadGuard<'_, Learned> {
        self.learned.read()
    }

    pub(crate) fn learn(&self) -> RwLockWriteGuard<'_, Learned> {
        self.learned.write()
    }

    /// Sends a request and gives the answer if it is a success.
    pub(crate) async fn call(&self, request: &Request) -> Result<Reply, SystemError> {
        let reply = self.identity.send(request).await?;
        if reply.is_success() { Ok(reply) } else { Err(error_of(Side::Dataverse, &reply)) }
    }

    /// Sends operations as one batch that goes on after a failure; `None` where no answer came, because it was cut.
    pub(crate) async fn batch(
        &self,
        operations: &[Operation],
        repeat: Repeat,
    ) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let (media_type, body) = write_batch(operations);
        let request = Request::write(Method::POST, format!("{}/$batch", self.api), repeat)
            .header("Prefer", "odata.continue-on-error")
            .divisible(operations.len() > 1)
            .content(media_type, body);
        let reply = self.identity.send(&request).await?;
        let media_type = reply.header("content-type").unwrap_or_default();
        if !reply.is_success() && !media_type.starts_with("multipart/") {
            return Err(error_of(Side::Dataverse, &reply));
        }
        read_batch(media_type, &reply.body)
            .and_then(|parts| one_for_each(parts, operations.len()))
            .map_err(|error| SystemError::new(Side::Dataverse, SystemErrorKind::Transient, "", error.to_string()))
    }
}

#[async_trait]
impl System for DataverseClient {
    fn side(&self) -> Side {
        Side::Dataverse
    }

    fn requests(&self) -> u64 {
        self.identity.requests()
    }

    /// The service gives options their numbers, and so their ids.
    fn takes_ids(&self, table: &Table) -> bool {
        table.choice.is_none()
    }

    async fn installation(&self) -> Result<Installation, SystemError> {
        let id = self.who_am_i().await?.organization_id;
        Ok(Installation { id, place: self.api.trim_end_matches(API).to_owned() })
    }

    async fn changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        match &query.table.choice {
            Some(choice) => self.option_changes(choice, query, &from).await,
            None => self.read_changes(query, from).await,
        }
    }

    async fn fetch(&self, table: &Table, ids: &[RecordId], columns: &[String]) -> Result<Vec<Record>, SystemError> {
        match &table.choice {
            Some(choice) => self.fetch_options(choice, ids).await,
            None => self.read_by_id(table, ids, columns).await,
        }
    }

    async fn find(&self, table: &Table, filter: &Filter, columns: &[String]) -> Result<Vec<Record>, SystemError> {
        match &table.choice {
            Some(choice) => self.find_options(choice, filter).await,
            None => self.read_matching(table, filter, columns).await,
        }
    }

    async fn count(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        match &table.choice {
            Some(choice) => {
                let records = self.find_options(choice, filter).await?.len();
                Ok(Sighted { records: records.try_into().unwrap_or(u64::MAX), or_more: false })
            }
            None => self.count_matching(table, filter).await,
        }
    }

    async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        match &table.choice {
            Some(choice) => self.write_options(table, choice, writes).await,
            None => self.write_all(table, writes).await,
        }
    }

    async fn act(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        self.act_all(table, actions).await
    }

    async fn facts(&self, table: &Table) -> Result<Arc<TableFacts>, SystemError> {
        match &table.choice {
            Some(_) => Ok(Arc::default()),
            None => self.table_facts(table).await,
        }
    }

    async fn look_again(&self, table: &Table, columns: &[String]) -> Result<BTreeMap<String, Sight>, SystemError> {
        self.second_look(table, columns).await
    }

    async fn keep_subscriptions(&self, wanted: &WantedSubscriptions<'_>) -> Result<Vec<Subscription>, SystemError> {
        self.keep(wanted).await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A small table for the tests of this crate.

    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::{DataverseClient, DataverseSettings};
    use couplet_model::record::Values;
    use couplet_model::table::{Access, Column, FieldType, Side, Table};
    use couplet_model::value::Value;

    pub fn table() -> Table {
        let lookup =
            |targets: &[&str]| FieldType::Lookup { targets: targets.iter().map(|t| (*t).to_owned()).collect() };
        let columns = [
            ("thingid", FieldType::Guid),
            ("name", FieldType::Text { length: 100 }),
            ("note", FieldType::Memo),
            ("price", FieldType::Money),
            ("state", FieldType::OptionSet),
            ("modifiedon", FieldType::DateTime),
            ("customerid", lookup(&["account", "contact"])),
            ("customeridtype", FieldType::EntityName),
            ("uomid", lookup(&["uom"])),
        ];
        let columns = columns.into_iter().map(|(name, field)| {
            let column = Column {
                name: name.into(),
                caption: name.into(),
                field,
                access: Access::Full,
                standard: true,
                companion: false,
                options: BTreeMap::new(),
            };
            (name.to_owned(), Arc::new(column))
        });
        Table {
            side: Side::Dataverse,
            name: "thing".into(),
            entity_set: Some("things".into()),
            companion_entity_set: None,
            companion_takes_id: false,
            companion_parent: None,
            choice: None,
            id_column: "thingid".into(),
            modified_column: Some("modifiedon".into()),
            label_column: Some("name".into()),
            company_column: None,
            takes_upsert: true,
            columns: columns.collect(),
        }
    }

    /// A client of an address where nobody answers.
    pub fn client() -> DataverseClient {
        let (url, authority) = ("http://127.0.0.1:9", "http://127.0.0.1:9");
        DataverseClient::new(DataverseSettings::new(url, authority, "t", "app", "hunter2"), BTreeMap::new())
            .expect("a client")
    }

    pub fn values(values: &[(&str, Value)]) -> Values {
        values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
    }
}
