//! A simulated Business Central and a client of it.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unused_imports)]

use std::sync::Arc;

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use couplet_business_central::BusinessCentralClient;
use couplet_model::catalogue::Catalogue;
use couplet_model::ids::RecordId;
use couplet_model::record::{Change, Record};
use couplet_model::system::{Cursor, Resume, System, SystemError, Write, Written};
use couplet_model::{Filter, Table, Value};
pub use couplet_worlds::{NOTHING, business_central_settings as settings, columns, values};
use uuid::Uuid;

pub struct World {
    pub simulator: BusinessCentralSimulator,
    pub client: BusinessCentralClient,
    catalogue: Catalogue,
}

pub async fn world(demo: DemoSize) -> World {
    world_with(BusinessCentralOptions { demo: Some(demo), manual_numbers: true, ..BusinessCentralOptions::default() })
        .await
}

pub async fn world_with(options: BusinessCentralOptions) -> World {
    let simulator = BusinessCentralSimulator::start(options).await.unwrap();
    let client = BusinessCentralClient::new(settings(&simulator)).unwrap();
    World { simulator, client, catalogue: Catalogue::embedded().unwrap() }
}

impl World {
    pub fn table(&self, name: &str) -> Arc<Table> {
        Arc::clone(self.catalogue.business_central_table(name).unwrap())
    }

    pub fn items(&self) -> Arc<Table> {
        self.table("Item")
    }

    /// Requests that reached the simulator since the last call.
    pub fn requests(&self) -> u64 {
        let requests = self.simulator.requests();
        self.simulator.reset_requests();
        requests
    }

    /// A whole feed: its changes, its pages and where the next begins.
    pub async fn feed(
        &self,
        table: &Table,
        names: &[&str],
        filter: &Filter,
        from: Resume,
    ) -> (Vec<Change>, usize, Cursor) {
        let feed = couplet_worlds::feed(&self.client, table, names, filter, from).await.unwrap();
        assert!(feed.notes.iter().all(Option::is_none), "{:?}", feed.notes);
        (feed.changes, feed.pages, feed.cursor)
    }

    pub async fn fetch(&self, table: &Table, ids: &[RecordId], names: &[&str]) -> Vec<Record> {
        self.client.fetch(table, ids, &columns(names)).await.unwrap()
    }

    pub async fn fetch_one(&self, table: &Table, id: RecordId, names: &[&str]) -> Record {
        self.fetch(table, &[id], names).await.pop().unwrap()
    }

    pub async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        self.client.write(table, writes).await
    }
}

pub fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(0xc0_0000 + number))
}

/// Creates of items `A0`, `A1`, … under the ids 0, 1, ….
pub fn item_creates(count: u128) -> Vec<Write> {
    (0..count)
        .map(|number| {
            let values = values(&[
                ("number", Value::text(format!("A{number}"))),
                ("displayName", Value::text(format!("Item {number}"))),
                ("unitPrice", Value::Int(5)),
            ]);
            Write::create(Some(id(number)), values)
        })
        .collect()
}

pub fn all_written(outcomes: &[Result<Written, SystemError>]) -> bool {
    outcomes.iter().all(Result::is_ok)
}
