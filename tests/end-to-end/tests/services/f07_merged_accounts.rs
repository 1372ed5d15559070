//! A merge in Sales leaves the merged account inactive: its customer goes over to the master, or somebody is told; it is
//! never blocked for that.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::DataverseId;
use couplet_model::message::Direction;
use serde_json::json;
use uuid::Uuid;

const MAPPING: &str = "CUSTOMER";

async fn synchronized() -> World {
    let world = World::start(WorldOptions::default()).await;
    world.run_all(RunMode::Full).await;
    world.run(MAPPING, RunMode::Modified).await;
    world
}

async fn account_of(world: &World, customer: Uuid) -> Uuid {
    world.coupling(MAPPING, customer).await.expect("it is coupled").dataverse_id.0
}

/// Another account of the company, coupled to nothing.
fn duplicate(world: &World, name: &str, phone: &str) -> Uuid {
    let values = json!({"name": name, "telephone1": phone, "customertypecode": 3});
    world.dataverse.create_as_user("account", values).expect("the account is taken")
}

fn is_blocked(world: &World, customer: Uuid) -> bool {
    world.business_central.row("Customer", customer).expect("the customer")["blocked"] != json!("_x0020_")
}

#[tokio::test]
async fn the_customer_of_a_merged_account_goes_over_to_the_master() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let merged = account_of(&world, customer).await;
    let master = duplicate(&world, "Master", "777");
    world.run(MAPPING, RunMode::Modified).await;
    world.merge_accounts(master, merged).await;
    assert_eq!(world.dataverse.row("account", merged).expect("the row")["statecode"], json!(1), "a merge deactivates");
    let run = world.run(MAPPING, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(MAPPING).await);
    assert_eq!(world.coupling(MAPPING, customer).await.expect("it is coupled").dataverse_id, DataverseId(master));
    assert!(!is_blocked(&world, customer), "never for a merge");
    let row = world.business_central.row("Customer", customer).expect("the customer");
    assert_eq!((&row["displayName"], &row["phoneNumber"]), (&json!("Master"), &json!("777")), "the master's values");
    // Both ways lead to the master from now on.
    world.business_central.update_as_user("Customer", customer, json!({"city": "Oslo"})).expect("taken");
    world.dataverse.update_as_user("account", master, json!({"fax": "5"})).expect("taken");
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 0);
    assert_eq!(world.dataverse.row("account", master).expect("the row")["address1_city"], json!("Oslo"));
    assert_eq!(world.business_central.row("Customer", customer).expect("the customer")["faxNo"], json!("5"));
    let quiet = world.run(MAPPING, RunMode::Modified).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));
}

#[tokio::test]
async fn an_edit_made_before_the_merge_was_seen_reaches_the_master() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let merged = account_of(&world, customer).await;
    let master = duplicate(&world, "Master", "777");
    world.run(MAPPING, RunMode::Modified).await;
    world.business_central.update_as_user("Customer", customer, json!({"faxNo": "55"})).expect("taken");
    world.merge_accounts(master, merged).await;
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 0, "{:?}", world.failures(MAPPING).await);
    assert_eq!(account_of(&world, customer).await, master);
    assert_eq!(world.dataverse.row("account", master).expect("the row")["fax"], json!("55"));
    assert_ne!(world.dataverse.row("account", merged).expect("the row").get("fax"), Some(&json!("55")));
    let row = world.business_central.row("Customer", customer).expect("the customer");
    assert_eq!((&row["faxNo"], &row["phoneNumber"]), (&json!("55"), &json!("777")));
}

#[tokio::test]
async fn a_master_with_a_customer_of_its_own_is_told_and_nobody_is_blocked() {
    let world = synchronized().await;
    let customers = world.business_central_ids("Customer", |_| true);
    let (merged, master) = (account_of(&world, customers[0]).await, account_of(&world, customers[1]).await);
    world.merge_accounts(master, merged).await;
    let run = world.run(MAPPING, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 1);
    let failures = world.failures(MAPPING).await;
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(failure.direction, Direction::FromDataverse);
    let name = |table: &str, id: Uuid| world.dataverse.row(table, id).expect("the row")["name"].clone();
    let number = |id: Uuid| world.business_central.row("Customer", id).expect("the customer")["number"].clone();
    let named = [name("account", merged), name("account", master), number(customers[0]), number(customers[1])];
    for name in named {
        let name = name.as_str().expect("a name").to_owned();
        assert!(failure.message.contains(&name), "{name}: {}", failure.message);
    }
    assert_eq!(account_of(&world, customers[0]).await, merged);
    assert!(!is_blocked(&world, customers[0]));

    // What the message offers works: the customer is blocked by hand, and nothing is asked of it any more.
    world.business_central.update_as_user("Customer", customers[0], json!({"blocked": "All"})).expect("taken");
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 0);
    assert!(world.failures(MAPPING).await.is_empty());
}

#[tokio::test]
async fn an_account_that_is_activated_again_keeps_its_customer() {
    let world = synchronized().await;
    let customers = world.business_central_ids("Customer", |_| true);
    let (merged, master) = (account_of(&world, customers[0]).await, account_of(&world, customers[1]).await);
    world.merge_accounts(master, merged).await;
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 1);
    let active = json!({"statecode": 0, "statuscode": 1, "telephone1": "888"});
    world.dataverse.update_as_user("account", merged, active).expect("taken");
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 0);
    assert_eq!(account_of(&world, customers[0]).await, merged);
    let row = world.business_central.row("Customer", customers[0]).expect("the customer");
    assert_eq!(row["phoneNumber"], json!("888"));
}

#[tokio::test]
async fn an_account_that_is_only_inactive_still_blocks_its_customer() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account = account_of(&world, customer).await;
    world.dataverse.update_as_user("account", account, json!({"statecode": 1, "statuscode": 2})).expect("taken");
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.modified, 1);
    assert!(is_blocked(&world, customer));
}

#[tokio::test]
async fn a_master_outside_the_mapping_is_told() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let merged = account_of(&world, customer).await;
    let master = world.dataverse.create_as_user("account", json!({"name": "A supplier"})).expect("taken");
    world.merge_accounts(master, merged).await;
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 1);
    let failures = world.failures(MAPPING).await;
    assert!(failures[0].message.contains("A supplier") && failures[0].message.contains("customertypecode"));
    // Mended in Sales, the coupling goes over with the next run.
    world.dataverse.update_as_user("account", master, json!({"customertypecode": 3})).expect("taken");
    assert_eq!(world.run(MAPPING, RunMode::Modified).await.counters.failed, 0);
    assert_eq!(account_of(&world, customer).await, master);
}

#[tokio::test]
async fn a_message_that_comes_twice_moves_nothing_twice() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let merged = account_of(&world, customer).await;
    let master = duplicate(&world, "Master", "777");
    world.run(MAPPING, RunMode::Modified).await;
    world.merge_accounts(master, merged).await;
    world.find(MAPPING, RunMode::Modified).await;
    let deliveries = world.queue.take(1000);
    for _ in 0..2 {
        world.engine.sync_batch(deliveries.clone()).await;
        world.drain().await;
    }
    assert_eq!(account_of(&world, customer).await, master);
    assert!(world.failures(MAPPING).await.is_empty());
    let row = world.business_central.row("Customer", customer).expect("the customer");
    assert_eq!(row["phoneNumber"], json!("777"));
    assert_eq!(world.business_central_ids("Customer", |row| row["displayName"] == json!("Master")).len(), 1);
}
