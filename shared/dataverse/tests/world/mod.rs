//! A simulated Dataverse and a client of it.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unused_imports)]

use std::sync::Arc;

use couplet_dataverse::DataverseClient;
use couplet_model::catalogue::Catalogue;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::{Resume, System, SystemError, Write, Written};
use couplet_model::{Filter, Table, Value};
pub use couplet_worlds::{Feed, LOOK_BACK, columns, dataverse_settings as settings, failures, values};
use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use serde_json::{Value as Json, json};
use uuid::Uuid;

pub struct World {
    pub simulator: DataverseSimulator,
    pub client: DataverseClient,
    pub catalogue: Catalogue,
}

pub async fn world() -> World {
    world_with(DataverseOptions { demo: None, ..DataverseOptions::default() }).await
}

pub async fn world_with(options: DataverseOptions) -> World {
    let simulator = DataverseSimulator::start(options).await.unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let client = DataverseClient::new(settings(&simulator), catalogue.dataverse_entity_sets()).unwrap();
    World { simulator, client, catalogue }
}

impl World {
    pub fn table(&self, name: &str) -> Arc<Table> {
        Arc::clone(self.catalogue.dataverse_table(name).unwrap())
    }

    pub fn accounts(&self) -> Arc<Table> {
        self.table("account")
    }

    /// Requests that reached the simulator since the last call.
    pub fn requests(&self) -> u64 {
        let requests = self.simulator.requests();
        self.simulator.reset_requests();
        requests
    }

    /// Accounts `A0`, `A1`, … made by a person.
    pub fn add_accounts(&self, count: usize) -> Vec<RecordId> {
        let rows: Vec<Json> = (0..count).map(|number| json!({"name": format!("A{number}")})).collect();
        let ids = self.simulator.create_many_as_user("account", rows).unwrap();
        ids.into_iter().map(RecordId).collect()
    }

    pub async fn feed(&self, table: &Table, names: &[&str], from: Resume) -> Feed {
        self.filtered_feed(table, names, &Filter::default(), from).await
    }

    pub async fn filtered_feed(&self, table: &Table, names: &[&str], filter: &Filter, from: Resume) -> Feed {
        couplet_worlds::feed(&self.client, table, names, filter, from).await.unwrap()
    }

    pub async fn fetch(&self, table: &Table, ids: &[RecordId], names: &[&str]) -> Vec<Record> {
        self.client.fetch(table, ids, &columns(names)).await.unwrap()
    }

    pub async fn find(&self, table: &Table, filter: &Filter, names: &[&str]) -> Vec<Record> {
        self.client.find(table, filter, &columns(names)).await.unwrap()
    }

    pub async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        self.client.write(table, writes).await
    }

    /// What the simulator holds for an account.
    pub fn account(&self, id: RecordId) -> serde_json::Map<String, Json> {
        self.simulator.row("account", id.0).unwrap()
    }

    pub fn company(&self) -> Uuid {
        let rows = self.simulator.rows("bcbi_company");
        rows[0]["bcbi_companyid"].as_str().unwrap().parse().unwrap()
    }
}

pub fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(0xda_0000 + number))
}

/// Creates of accounts `C0`, `C1`, … under the ids 0, 1, ….
pub fn account_creates(count: u128) -> Vec<Write> {
    let create = |number| {
        let values = values(&[("name", Value::text(format!("C{number}"))), ("numberofemployees", Value::Int(7))]);
        Write::create(Some(id(number)), values)
    };
    (0..count).map(create).collect()
}
