//! What happens to an installation from outside: its store is lost or restored, its settings lead to other systems.

use std::sync::Arc;

use business_central_simulator::BusinessCentralSimulator;
use couplet_engine::{Engine, EngineOptions};
use couplet_local::dynamodb::EmbeddedDynamoDb;
use couplet_model::CompanyId;
use couplet_store::{Retention, Store};
use dataverse_simulator::DataverseSimulator;

use crate::world::{World, build_engine};

/// The name of the one table.
const TABLE: &str = "couplet";

impl World {
    /// An engine on the same store whose settings lead to these systems.
    #[must_use]
    pub fn engine_between(
        &self,
        business_central: &BusinessCentralSimulator,
        dataverse: &DataverseSimulator,
        options: EngineOptions,
    ) -> Engine {
        let company = CompanyId(business_central.company_id());
        let parts = self.parts.of_company(company);
        let queues = (Arc::clone(&self.queue), Arc::clone(&self.tasks));
        let urls = (business_central.url(), dataverse.url());
        build_engine(&parts, business_central, dataverse, urls, queues, options)
    }

    /// Goes on with an empty store, as after the data folder was lost.
    pub async fn lose_store(&mut self, options: EngineOptions) {
        self.go_on_with(empty_store().await.1, options);
    }

    /// A copy of the store as it is now, as a backup keeps it.
    pub async fn back_up_store(&self) -> Store {
        let source = self.store().client();
        let (database, copy) = empty_store().await;
        let mut pages = source.scan().table_name(TABLE).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.expect("the item is read");
            let put = database.client().put_item().table_name(TABLE).set_item(Some(item));
            put.send().await.expect("the item is copied");
        }
        copy
    }

    /// Goes on in another process, under settings with unit groups of items and resources or without.
    pub fn use_unit_groups(&mut self, unit_groups: bool, options: EngineOptions) {
        self.parts.switches.unit_groups = unit_groups;
        self.engine = self.another_engine(options);
    }

    /// Goes on with settings that integrate sales orders in another way.
    pub fn integrate_orders(&mut self, sales_orders: couplet_model::switches::SalesOrders, options: EngineOptions) {
        self.parts.switches.sales_orders = sales_orders;
        self.engine = self.another_engine(options);
    }

    /// Goes on with another store, as after a backup was restored.
    pub fn go_on_with(&mut self, store: Store, options: EngineOptions) {
        self.parts.store = store;
        self.engine = self.another_engine(options);
    }
}

async fn empty_store() -> (EmbeddedDynamoDb, Store) {
    let database = EmbeddedDynamoDb::open_in_memory().expect("the embedded DynamoDB opens");
    let store = Store::new(database.client(), TABLE, Retention::default());
    store.create_table_if_absent().await.expect("the table is created");
    (database, store)
}
