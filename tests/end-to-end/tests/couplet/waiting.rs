//! Records that need another record first wait for it, and are released by its coupling (U15).

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use serde_json::json;

use crate::observing::id;

#[tokio::test]
async fn d18_u15_an_item_whose_unit_is_not_coupled_waits_and_is_released_by_the_unit() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!(run.counters.inserted, 0);
    assert_eq!(run.counters.waiting, 12, "no unit is coupled yet");
    assert_eq!(run.counters.failed, 0);
    let units = world.run("UNIT OF MEASURE", RunMode::Full).await;
    assert_eq!(units.counters.inserted, world.business_central.rows("Unit of Measure").len() as u64);
    // The units' coupling released the items: the same drain has synchronized them.
    assert_eq!(world.couplings("ITEM-PRODUCT").await, 12);
    let run = world.run_of("ITEM-PRODUCT", run.id).await;
    assert_eq!(run.counters.inserted, 12);
    assert_eq!(run.enqueued, run.processed);
}

#[tokio::test]
async fn f25_u11_c_238_a_customer_travels_without_its_salesperson_who_owns_the_account_once_coupled() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    world
        .business_central
        .create_as_user("Salesperson/Purchaser", json!({"code": "ZZ", "displayName": "Zoe"}))
        .unwrap();
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world.business_central.update_as_user("Customer", customer, json!({"salespersonCode": "ZZ"})).unwrap();
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.counters.waiting, run.counters.failed, run.counters.noted), (0, 0, 1));
    let account = world.coupled_row("CUSTOMER", customer).await;
    assert_eq!(account["name"], world.business_central.row("Customer", customer).unwrap()["displayName"]);
    let failures = world.failures("CUSTOMER").await;
    assert_eq!(failures.len(), 1);
    assert!(failures[0].message.contains("\"ZZ\"") && failures[0].message.contains("SALESPEOPLE"), "{failures:?}");
    // It is known what would bring the owner.
    let waits = world.store().waits_of_mapping(world.company(), &"CUSTOMER".into()).await.unwrap();
    assert_eq!(waits.iter().map(|wait| wait.dependency.key.as_str()).collect::<Vec<_>>(), ["ZZ"]);
    // Later edits travel, too.
    world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": "+49 1"})).unwrap();
    world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(world.coupled_row("CUSTOMER", customer).await["telephone1"], json!("+49 1"));

    world.run("SALESPEOPLE", RunMode::Full).await;
    let salesperson = world.business_central_ids("Salesperson/Purchaser", |row| {
        row["code"].as_str().is_some_and(|code| code.starts_with("SP NO. "))
    })[0];
    let code = world.business_central.row("Salesperson/Purchaser", salesperson).unwrap()["code"].clone();
    world.business_central.update_as_user("Customer", customer, json!({"salespersonCode": code})).unwrap();
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(run.counters.failed, 0);
    let account = world.coupled_row("CUSTOMER", customer).await;
    let owner = world.coupled_row("SALESPEOPLE", salesperson).await;
    assert_eq!(id(&account, "_ownerid_value"), id(&owner, "systemuserid"), "C-238");
    assert!(world.failures("CUSTOMER").await.is_empty());
}
