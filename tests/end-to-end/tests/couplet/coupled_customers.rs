//! Worlds whose customers are coupled with accounts, and what people do with both.

use couplet_end_to_end::{NOTHING, World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::job::Run;
use dataverse_simulator::DemoSize as Organization;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, text};

/// What customers refer to.
const SETTINGS: [&str; 4] = ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];

/// A customer and the account it is coupled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub customer: Uuid,
    pub account: Uuid,
}

/// So many customers and nothing else in Business Central, and five persons in Dataverse.
pub fn of_customers(count: usize) -> WorldOptions {
    let business_central = business_central_simulator::DemoSize { customers: count, ..NOTHING };
    let dataverse = Organization { products_only_in_sales: 0, accounts_only_in_sales: 0, ..Organization::default() };
    WorldOptions { business_central, dataverse, ..WorldOptions::default() }
}

/// A world of these customers, all of them coupled and at peace.
pub async fn coupled(options: WorldOptions) -> (World, Vec<Pair>) {
    let world = World::start(options).await;
    for job in SETTINGS {
        world.run(job, RunMode::Full).await;
    }
    let first = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((first.counters.failed, first.counters.waiting), (0, 0), "{:?}", world.failures("CUSTOMER").await);
    world.run("CUSTOMER", RunMode::Modified).await;
    let pairs = pairs(&world).await;
    (world, pairs)
}

/// The coupled customers, in the order of their numbers.
pub async fn pairs(world: &World) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for customer in world.business_central_ids("Customer", |_| true) {
        if let Some(coupling) = world.coupling("CUSTOMER", customer).await {
            pairs.push(Pair { customer, account: coupling.dataverse_id.0 });
        }
    }
    pairs
}

/// Runs the job of customers for what changed.
pub async fn synchronize(world: &World) -> Run {
    world.run("CUSTOMER", RunMode::Modified).await
}

impl Pair {
    /// Changes the customer, as a person in Business Central.
    pub fn change_customer(self, world: &World, values: Json) {
        world.business_central.update_as_user("Customer", self.customer, values).expect("it is taken");
    }

    /// Changes the account, as a person in Sales.
    pub fn change_account(self, world: &World, values: Json) {
        world.dataverse.update_as_user("account", self.account, values).expect("it is taken");
    }

    /// Deletes the customer, as a person in Business Central.
    pub fn delete_customer(self, world: &World) {
        world.business_central.delete_as_user("Customer", self.customer).expect("nothing restricts it");
    }

    /// Deletes the account, as a person in Sales.
    pub fn delete_account(self, world: &World) {
        world.dataverse.delete_as_user("account", self.account).expect("nothing restricts it");
    }

    /// The customer.
    pub fn customer(self, world: &World) -> Map<String, Json> {
        world.business_central.row("Customer", self.customer).expect("the customer is there")
    }

    /// The account.
    pub fn account(self, world: &World) -> Map<String, Json> {
        world.dataverse.row("account", self.account).expect("the account is there")
    }

    /// A column of the customer and one of the account.
    pub fn both(self, world: &World, customer: &str, account: &str) -> (String, String) {
        let (record, row) = (self.customer(world), self.account(world));
        (text(&record, customer).to_owned(), text(&row, account).to_owned())
    }

    /// Whether both are coupled with each other.
    pub async fn is_coupled(self, world: &World) -> bool {
        world.coupling("CUSTOMER", self.customer).await.is_some_and(|coupling| coupling.dataverse_id.0 == self.account)
    }

    /// Whether the coupling is marked as skipped.
    pub async fn is_skipped(self, world: &World) -> bool {
        world.coupling("CUSTOMER", self.customer).await.expect("a coupling").skipped
    }
}

/// The row of the company in Dataverse.
pub fn company(world: &World) -> String {
    id(&world.dataverse.rows("bcbi_company")[0], "bcbi_companyid").to_string()
}

/// An account of a customer that only Sales knows.
pub fn new_account(world: &World, name: &str) -> Uuid {
    let account = json!({"name": name, "customertypecode": 3});
    world.dataverse.create_as_user("account", account).expect("it is taken")
}
