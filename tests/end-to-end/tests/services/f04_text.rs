//! Text as the services count, cut and compare it: in UTF-16 units, letter by letter, without case in every alphabet.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use serde_json::json;

async fn synchronized() -> World {
    let world = World::start(WorldOptions::default()).await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!((run.counters.failed, run.counters.waiting), (0, 0), "{}", run.job);
    }
    world
}

#[tokio::test]
async fn a_name_ends_before_the_letter_that_does_not_fit() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account = world.coupling("CUSTOMER", customer).await.expect("it is coupled").dataverse_id;
    for (name, expected) in [
        ("x".repeat(99) + "🚲 and more", "x".repeat(99)),
        ("y".repeat(98) + "🚲 and more", "y".repeat(98) + "🚲"),
        ("Ä".repeat(120), "Ä".repeat(100)),
    ] {
        world.dataverse.update_as_user("account", account.0, json!({ "name": name })).expect("Sales takes 160");
        let run = world.run("CUSTOMER", RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{:?}", world.failures("CUSTOMER").await);
        let customer = world.business_central.row("Customer", customer).expect("the customer");
        assert_eq!(customer["displayName"], json!(expected));
    }
    // What was cut is left in peace: it does not come back shorter.
    world.run("CUSTOMER", RunMode::Modified).await;
    let account = world.dataverse.row("account", account.0).expect("the account");
    assert_eq!(account["name"], json!("Ä".repeat(120)));
}

#[tokio::test]
async fn a_code_with_a_letter_that_has_no_capital_is_found_by_those_who_refer_to_it() {
    let world = synchronized().await;
    let create = |table: &str, values| world.business_central.create_as_user(table, values).expect("it is taken");
    create("Unit of Measure", json!({"code": "GEFÄß", "displayName": "Gefäß"}));
    create("Unit of Measure", json!({"code": "GEFÄSS", "displayName": "Another unit"}));
    let items = [("T-ß", "GEFÄß"), ("T-SS", "GEFÄSS")].map(|(number, unit)| {
        let values = json!({"number": number, "displayName": number, "baseUnitOfMeasureCode": unit, "unitPrice": 5});
        create("Item", values)
    });
    for job in ["UNIT OF MEASURE", "ITEM-PRODUCT"] {
        let run = world.run(job, RunMode::Full).await;
        assert_eq!((run.counters.failed, run.counters.waiting), (0, 0), "{:?}", world.failures(job).await);
    }
    for (item, unit) in items.into_iter().zip(["GEFÄß", "GEFÄSS"]) {
        let product = world.coupled_row("ITEM-PRODUCT", item).await;
        let group = product["_defaultuomscheduleid_value"].as_str().expect("a unit group").parse().expect("an id");
        let group = world.dataverse.row("uomschedule", group).expect("the unit group");
        assert_eq!(group["name"], json!(format!("NAV {unit}")));
    }
    for job in ["UNIT OF MEASURE", "ITEM-PRODUCT"] {
        assert_eq!(world.run(job, RunMode::Modified).await.counters.modified, 0, "{job}: nothing is left to do");
    }
}

#[tokio::test]
async fn an_item_that_waits_for_a_unit_is_released_by_it() {
    let world = synchronized().await;
    let create = |table: &str, values| world.business_central.create_as_user(table, values).expect("it is taken");
    create("Unit of Measure", json!({"code": "GEFÄß", "displayName": "Gefäß"}));
    let values = json!({"number": "T-1", "displayName": "T", "baseUnitOfMeasureCode": "GEFÄß", "unitPrice": 5});
    let item = create("Item", values);
    assert_eq!(world.run("ITEM-PRODUCT", RunMode::Full).await.counters.waiting, 1);
    world.run("UNIT OF MEASURE", RunMode::Full).await;
    assert!(world.coupling("ITEM-PRODUCT", item).await.is_some(), "released when the unit was coupled");
}

#[tokio::test]
async fn a_choice_is_the_code_of_the_same_name_in_any_case() {
    let world = synchronized().await;
    let code = "MÄRZ";
    world
        .business_central
        .create_as_user("Shipment Method", json!({"code": code, "displayName": "Im März"}))
        .expect("it is taken");
    world.add_option("address1_freighttermscode", 77, "März").await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world.business_central.update_as_user("Customer", customer, json!({"shipmentMethodCode": code})).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{:?}", world.failures("CUSTOMER").await);
    assert_eq!(world.coupled_row("CUSTOMER", customer).await["address1_freighttermscode"], json!(77));
    // And back: the choice leads to the code as Business Central writes it, and nothing is written again.
    let account = world.coupling("CUSTOMER", customer).await.expect("it is coupled").dataverse_id;
    world.dataverse.update_as_user("account", account.0, json!({"telephone1": "444"})).expect("taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    let row = world.business_central.row("Customer", customer).expect("the customer");
    assert_eq!((&row["shipmentMethodCode"], &row["phoneNumber"]), (&json!(code), &json!("444")));
}
