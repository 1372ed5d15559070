//! A simulated Business Central and a client of it.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use std::sync::Arc;

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use couplet_business_central::{BusinessCentralClient, BusinessCentralSettings};
use couplet_model::catalogue::Catalogue;
use couplet_model::ids::{CompanyId, RecordId};
use couplet_model::record::{Change, Record, Values};
use couplet_model::system::{ChangePage, ChangesQuery, Cursor, NextPage, Resume, System, SystemError, Write, Written};
use couplet_model::{Filter, Table, Value};
use jiff::SignedDuration;
use uuid::Uuid;

/// Short, so that a test need not outwait it.
pub const LOOK_BACK: SignedDuration = SignedDuration::from_secs(1);

pub struct World {
    pub simulator: BusinessCentralSimulator,
    pub client: BusinessCentralClient,
    catalogue: Catalogue,
}

pub const NOTHING: DemoSize = DemoSize {
    items: 0,
    blocked_items: 0,
    customers: 0,
    vendors: 0,
    contacts: 0,
    resources: 0,
    blocked_resources: 0,
    salesperson_codes: false,
};

pub async fn world(demo: DemoSize) -> World {
    world_with(BusinessCentralOptions { demo: Some(demo), manual_numbers: true, ..BusinessCentralOptions::default() })
        .await
}

pub async fn world_with(options: BusinessCentralOptions) -> World {
    let simulator = BusinessCentralSimulator::start(options).await.unwrap();
    let client = BusinessCentralClient::new(settings(&simulator)).unwrap();
    World { simulator, client, catalogue: Catalogue::embedded().unwrap() }
}

pub fn settings(simulator: &BusinessCentralSimulator) -> BusinessCentralSettings {
    let (tenant, client_id, secret) = simulator.credentials();
    let company = CompanyId(simulator.company_id());
    BusinessCentralSettings::new(simulator.url(), simulator.authority(), tenant, client_id, secret, company)
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
        let columns = columns(names);
        let query = ChangesQuery { table, columns: &columns, filter, look_back: LOOK_BACK };
        let (mut changes, mut pages, mut from) = (Vec::new(), 0, from);
        loop {
            let ChangePage { changes: more, next, note } = self.client.changes(&query, from).await.unwrap();
            assert_eq!(note, None);
            changes.extend(more);
            pages += 1;
            match next {
                NextPage::More(token) => from = Resume::Page(token),
                NextPage::Done(cursor) => return (changes, pages, cursor),
            }
        }
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

pub fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn values(values: &[(&str, Value)]) -> Values {
    values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
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
