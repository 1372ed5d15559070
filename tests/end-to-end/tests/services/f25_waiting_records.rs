//! Records that wait for others are shown, with what would release them; and those that wait in vain are failures.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::MappingName;
use couplet_model::job::RunState;
use couplet_store::{ErrorKind, FailureKind, Wait};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

const UNITS: &str = "UNIT OF MEASURE";
const ITEMS: &str = "ITEM-PRODUCT";

async fn waits(world: &World, mapping: &str) -> Vec<Wait> {
    world.store().waits_of_mapping(world.company(), &MappingName::from(mapping)).await.expect("the store answers")
}

/// A world with an item whose unit nobody couples, after a first load.
async fn world_with_an_item_that_waits() -> (World, Uuid) {
    let world = World::start(WorldOptions::default()).await;
    for job in ["CURRENCY", UNITS] {
        world.run(job, RunMode::Full).await;
    }
    let erp = &world.business_central;
    erp.create_as_user("Unit of Measure", json!({ "code": "ZZ", "displayName": "Unheard of" })).expect("created");
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    world.sell_out(item);
    erp.update_as_user("Item", item, json!({ "baseUnitOfMeasureCode": "ZZ" })).expect("changed");
    let run = world.run(ITEMS, RunMode::Full).await;
    assert_eq!((run.counters.waiting, run.counters.failed), (1, 0), "it may still be released");
    (world, item)
}

#[tokio::test]
async fn f25_a_wait_names_record_field_value_and_what_would_release_it() {
    let (world, item) = world_with_an_item_that_waits().await;
    let waits = waits(&world, ITEMS).await;
    let number = world.business_central.row("Item", item).expect("an item")["number"].clone();
    assert_eq!(waits.len(), 1);
    assert!(waits[0].label.contains(number.as_str().expect("text")), "{}", waits[0].label);
    assert_eq!((waits[0].field.as_str(), waits[0].value.as_str()), ("Base Unit of Measure", "ZZ"));
    assert!(waits[0].since.is_some());
    let released_by = world.engine.released_by(&waits[0].dependency);
    assert!(
        released_by.contains("ZZ") && released_by.contains("couplet run \"UNIT OF MEASURE\" --full"),
        "{released_by}"
    );
    assert_eq!(world.store().count_waits(world.company(), &MappingName::from(ITEMS)).await.expect("counted"), 1);
    // The next run tells how many wait although it finds nothing new.
    let report = world.find(ITEMS, RunMode::Modified).await;
    assert_eq!(report.waiting, 1);
    assert!(report.notes.iter().any(|note| note.contains("couplet waiting \"ITEM-PRODUCT\"")), "{:?}", report.notes);
}

#[tokio::test]
async fn f25_a_wait_that_outlives_a_run_of_what_it_waits_for_is_a_failure_until_it_is_released() {
    let (world, item) = world_with_an_item_that_waits().await;
    // Nothing has run meanwhile that could have coupled the unit: no failure yet.
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.state()), (0, RunState::Success));

    // An ordinary run leaves alone what is not coupled.
    world.run(UNITS, RunMode::Modified).await;
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.state()), (1, RunState::Error), "{run:?}");
    let failures = world.failures(ITEMS).await;
    assert_eq!(failures.iter().map(|failure| failure.kind).collect::<Vec<_>>(), [FailureKind::Waiting]);
    let errors = world.store().errors(world.company(), &MappingName::from(ITEMS), 10).await.expect("errors");
    assert_eq!((errors.len(), errors[0].kind), (1, ErrorKind::Waiting));
    assert!(errors[0].message.contains("ZZ must be coupled to a row in Dataverse (EE16)"), "{}", errors[0].message);
    assert!(errors[0].message.contains("couplet run \"UNIT OF MEASURE\" --full"), "{}", errors[0].message);
    assert_eq!(waits(&world, ITEMS).await.len(), 1, "it waits all the same");

    // A failure of the next runs as well, on its schedule; and never two of one record in a run.
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.waiting), (1, 0));

    // What the message says releases it.
    world.run(UNITS, RunMode::Full).await;
    assert!(world.coupling(ITEMS, item).await.is_some());
    assert_eq!((waits(&world, ITEMS).await.len(), world.failures(ITEMS).await.len()), (0, 0));
}

#[tokio::test]
async fn f25_a_wait_that_is_over_holds_up_no_wait_of_another_mapping() {
    const LINES: &str = "PLLINE-PRODPRICE";
    let world = World::start(WorldOptions { extended_pricing: true, ..WorldOptions::default() }).await;
    for job in ["CURRENCY", UNITS] {
        world.run(job, RunMode::Full).await;
    }
    let erp = &world.business_central;
    erp.create_as_user("Unit of Measure", json!({ "code": "ZZ", "displayName": "Unheard of" })).expect("created");
    let item = json!({ "number": "X", "displayName": "X", "baseUnitOfMeasureCode": "ZZ" });
    erp.create_as_user("Item", item).expect("created");
    let blocked = world.business_central_ids("Item", |row| row["blocked"] == json!(true))[0];
    let blocked = erp.row("Item", blocked).expect("an item")["number"].clone();
    let header = json!({ "code": "L", "displayName": "L", "status": "Draft" });
    erp.create_as_user("Price List Header", header).expect("created");
    let line = json!({ "priceListCode": "L", "assetType": "Item", "assetNo": blocked, "unitPrice": 1 });
    erp.create_as_user("Price List Line", line).expect("created");
    world.run("PLHEADER-PRICE", RunMode::Full).await;
    let run = world.run(LINES, RunMode::Full).await;
    assert_eq!((run.counters.waiting, run.counters.failed), (1, 0), "the item may still be coupled");

    // An item that is not the line's waits for its unit, first with prospects, then in vain.
    world.run(ITEMS, RunMode::Full).await;
    assert_eq!(waits(&world, ITEMS).await.len(), 1);
    // The first of these still finds the line as a changed one.
    for _ in 0..3 {
        assert_eq!(world.run(LINES, RunMode::Modified).await.counters.failed, 0);
    }
    world.run(UNITS, RunMode::Modified).await;
    assert_eq!(world.run(LINES, RunMode::Modified).await.counters.failed, 1);
}

#[tokio::test]
async fn f25_a_record_that_found_another_way_waits_no_more() {
    let (world, item) = world_with_an_item_that_waits().await;
    world.run(UNITS, RunMode::Modified).await;
    let known = world.business_central.rows("Unit of Measure")[0]["code"].clone();
    world.business_central.update_as_user("Item", item, json!({ "baseUnitOfMeasureCode": known })).expect("changed");
    let run = world.run(ITEMS, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{run:?}");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert_eq!(waits(&world, ITEMS).await, [], "the old wait is not shown for ever");
}

#[tokio::test]
async fn f25_a_field_that_a_record_travelled_without_is_among_the_waits() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let erp = &world.business_central;
    erp.create_as_user("Salesperson/Purchaser", json!({ "code": "ZZ", "displayName": "Zoe" })).expect("created");
    let customer = world.business_central_ids("Customer", |_| true)[0];
    erp.update_as_user("Customer", customer, json!({ "salespersonCode": "ZZ" })).expect("changed");
    world.run("CUSTOMER", RunMode::Full).await;
    assert!(world.coupling("CUSTOMER", customer).await.is_some(), "the rest of it travelled");
    let waits = waits(&world, "CUSTOMER").await;
    assert_eq!(waits.iter().map(|wait| wait.value.as_str()).collect::<Vec<_>>(), ["ZZ"]);
    let released_by = world.engine.released_by(&waits[0].dependency);
    assert!(released_by.contains("couplet run \"SALESPEOPLE\" --full"), "{released_by}");
}

#[tokio::test]
async fn f25_a_unit_whose_code_was_changed_on_the_way_releases_what_waits_for_its_new_code() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    world.run("UNIT OF MEASURE", RunMode::Full).await;
    let is_sold = |row: &Map<String, Json>| row["blocked"] == json!(false);
    let first = world.business_central_ids("Item", is_sold)[0];
    let code = world.business_central.row("Item", first).expect("an item")["baseUnitOfMeasureCode"].clone();
    let unit = world.business_central_id("Unit of Measure", "code", code.as_str().expect("a code"));
    let with = |code: Json| {
        world.business_central_ids("Item", |row| is_sold(row) && row["baseUnitOfMeasureCode"] == code).len() as u64
    };
    let wait = with(code.clone());
    // A rename in Business Central takes the items along.
    world.business_central.update_as_user("Unit of Measure", unit, json!({ "code": "RENAMED" })).expect("renamed");
    assert_eq!((with(code), with(json!("RENAMED"))), (0, wait));
    let run = world.run(ITEMS, RunMode::Full).await;
    assert_eq!(run.counters.waiting, wait, "{run:?}");
    world.run("UNIT OF MEASURE", RunMode::Modified).await;
    assert_eq!(waits(&world, ITEMS).await, [], "{wait} items were released by the unit's new code");
    assert_eq!(world.couplings(ITEMS).await, 12);
}
