//! Records that wait for others are shown, with what would release them; and those that wait in vain are failures.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::MappingName;
use couplet_model::job::RunState;
use couplet_model::message::Direction;
use couplet_store::{FailureKind, Wait};
use serde_json::json;
use uuid::Uuid;

const CUSTOMERS: &str = "CUSTOMER";
const SALESPEOPLE: &str = "SALESPEOPLE";
const ITEMS: &str = "ITEM-PRODUCT";

async fn waits(world: &World, mapping: &str) -> Vec<Wait> {
    world.store().waits_of_mapping(world.company(), &MappingName::from(mapping)).await.expect("the store answers")
}

/// A world with a customer whose salesperson nobody couples, after a first load.
async fn world_with_a_customer_that_waits() -> (World, Uuid) {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let erp = &world.business_central;
    erp.create_as_user("Salesperson/Purchaser", json!({ "code": "ZZ", "displayName": "Zoe" })).expect("created");
    let customer = world.business_central_ids("Customer", |_| true)[0];
    erp.update_as_user("Customer", customer, json!({ "salespersonCode": "ZZ" })).expect("changed");
    let run = world.run(CUSTOMERS, RunMode::Full).await;
    assert_eq!((run.counters.waiting, run.counters.failed), (1, 0), "it may still be released");
    (world, customer)
}

#[tokio::test]
async fn f25_a_wait_names_record_field_value_and_what_would_release_it() {
    let (world, customer) = world_with_a_customer_that_waits().await;
    let waits = waits(&world, CUSTOMERS).await;
    let number = world.business_central.row("Customer", customer).expect("a customer")["number"].clone();
    assert_eq!(waits.len(), 1);
    assert!(waits[0].label.contains(number.as_str().expect("text")), "{}", waits[0].label);
    assert!(waits[0].field.contains("Salesperson"), "{}", waits[0].field);
    assert_eq!(waits[0].value, "ZZ");
    assert!(waits[0].since.is_some());
    let released_by = world.engine.released_by(&waits[0].dependency);
    assert!(released_by.contains("ZZ") && released_by.contains("couplet run \"SALESPEOPLE\" --full"), "{released_by}");
    assert_eq!(world.store().count_waits(world.company(), &MappingName::from(CUSTOMERS)).await.expect("counted"), 1);
    // The next run tells how many wait although it finds nothing new.
    let report = world.find(CUSTOMERS, RunMode::Modified).await;
    assert_eq!(report.waiting, 1);
    assert!(report.notes.iter().any(|note| note.contains("couplet waiting \"CUSTOMER\"")), "{:?}", report.notes);
}

#[tokio::test]
async fn f25_a_wait_that_outlives_a_run_of_what_it_waits_for_is_a_failure_until_it_is_released() {
    let (world, customer) = world_with_a_customer_that_waits().await;
    // Nothing has run meanwhile that could have coupled the salesperson: no failure yet.
    let run = world.run(CUSTOMERS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.state()), (0, RunState::Success));

    world.run(SALESPEOPLE, RunMode::Full).await;
    let run = world.run(CUSTOMERS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.state()), (1, RunState::Error), "{run:?}");
    let failures = world.failures(CUSTOMERS).await;
    assert_eq!(failures.iter().map(|failure| failure.kind).collect::<Vec<_>>(), [FailureKind::Waiting]);
    let errors = world.store().errors(world.company(), &MappingName::from(CUSTOMERS), 10).await.expect("errors");
    assert_eq!((errors.len(), errors[0].kind.as_str()), (1, "waiting"));
    assert!(errors[0].message.contains("ZZ must be coupled to a row in Dataverse (EE16)"), "{}", errors[0].message);
    assert!(errors[0].message.contains("couplet run \"SALESPEOPLE\" --full"), "{}", errors[0].message);
    assert_eq!(waits(&world, CUSTOMERS).await.len(), 1, "it waits all the same");

    // A failure of the next runs as well, on its schedule; and never two of one record in a run.
    let run = world.run(CUSTOMERS, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.waiting), (1, 0));

    // She gets a user of Sales after all.
    let zoe = world.business_central_id("Salesperson/Purchaser", "code", "ZZ");
    let user = world.dataverse.integration_user();
    couple(&world, SALESPEOPLE, zoe, user).await;
    let run = world.run(CUSTOMERS, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{run:?}");
    assert!(world.coupling(CUSTOMERS, customer).await.is_some());
    assert_eq!((waits(&world, CUSTOMERS).await.len(), world.failures(CUSTOMERS).await.len()), (0, 0));
}

/// Couples two records in the store, as a run of their mapping would.
async fn couple(world: &World, mapping: &str, business_central: Uuid, dataverse: Uuid) {
    use couplet_model::{Coupling, CouplingState, DataverseId, RecordId, SystemId};
    let ids = (SystemId(business_central), DataverseId(dataverse));
    let coupling = Coupling { key: Some("ZZ".to_owned()), ..Coupling::new(ids.0, ids.1, CouplingState::Coupled) };
    let commit = couplet_store::Commit {
        record: RecordId(business_central),
        direction: Direction::FromDataverse,
        coupling: Some(coupling),
        failure: couplet_store::FailureChange::Keep,
        wait: None,
        outcome: couplet_model::Counters::default(),
    };
    let name = MappingName::from(mapping);
    let run = couplet_model::RunId::fresh();
    let stored = world.store().commit(world.company(), &name, mapping, run, vec![commit]).await.expect("stored");
    assert_eq!(stored, [couplet_store::CommitResult::Stored]);
}

#[tokio::test]
async fn f25_a_record_that_found_another_way_waits_no_more() {
    let (world, customer) = world_with_a_customer_that_waits().await;
    world.run(SALESPEOPLE, RunMode::Full).await;
    world.business_central.update_as_user("Customer", customer, json!({ "salespersonCode": "" })).expect("changed");
    let run = world.run(CUSTOMERS, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{run:?}");
    let run = world.run(CUSTOMERS, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert_eq!(waits(&world, CUSTOMERS).await, [], "the old wait is not shown for ever");
}

#[tokio::test]
async fn f25_a_unit_whose_code_was_changed_on_the_way_releases_what_waits_for_its_new_code() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    world.run("UNIT OF MEASURE", RunMode::Full).await;
    let unit = world.business_central_ids("Unit of Measure", |_| true)[0];
    let old = world.business_central.row("Unit of Measure", unit).expect("a unit")["code"].clone();
    world.business_central.update_as_user("Unit of Measure", unit, json!({ "code": "RENAMED" })).expect("renamed");
    // A rename in Business Central takes the items along.
    for item in world.business_central_ids("Item", |row| row["baseUnitOfMeasureCode"] == old) {
        let changed = json!({ "baseUnitOfMeasureCode": "RENAMED" });
        world.business_central.update_as_user("Item", item, changed).expect("changed");
    }
    let run = world.run(ITEMS, RunMode::Full).await;
    assert!(run.counters.waiting > 0, "{run:?}");
    let waiting = run.counters.waiting;
    world.run("UNIT OF MEASURE", RunMode::Modified).await;
    assert_eq!(waits(&world, ITEMS).await, [], "{waiting} items were released by the unit's new code");
    assert_eq!(world.couplings(ITEMS).await, 12);
}
