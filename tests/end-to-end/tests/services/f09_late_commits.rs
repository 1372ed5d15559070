//! What is committed late appears under the time it was written, behind a cursor that has passed that time.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

/// The job that refreshes item availability.
const ITEM_AVAILABILITY: &str = "Item Availability";

/// How long ago the late transactions wrote.
const LATE: SignedDuration = SignedDuration::from_mins(3);

/// Everything synchronized, and quiet.
async fn settled(options: WorldOptions) -> World {
    let world = World::start(options).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    world.run(ITEM_AVAILABILITY, RunMode::Modified).await;
    world
}

/// Does something in a transaction that wrote some minutes ago and commits now.
fn commits_late(world: &World, act: impl FnOnce(&World)) {
    let faults = world.business_central.faults();
    faults.set_clock_skew(-LATE);
    act(world);
    faults.set_clock_skew(SignedDuration::ZERO);
}

fn sold_items(world: &World) -> Vec<(Uuid, String)> {
    let ids = world.business_central_ids("Item", |row| row["blocked"] == json!(false));
    let number = |id: &Uuid| {
        world.business_central.row("Item", *id).expect("an item")["number"].as_str().expect("text").to_owned()
    };
    ids.iter().map(|id| (*id, number(id))).collect()
}

fn move_stock(world: &World, item: &str) {
    world.business_central.post_item_ledger_entry(item, Decimal::from(1_000_000)).expect("posted");
}

#[tokio::test]
async fn a_ledger_entry_committed_minutes_after_its_time_moves_the_stock() {
    let world = settled(WorldOptions::default()).await;
    let items = sold_items(&world);
    move_stock(&world, &items[0].1);
    assert_eq!(world.find(ITEM_AVAILABILITY, RunMode::Modified).await.enqueued, 1, "the cursor stands at now");
    world.drain().await;

    commits_late(&world, |world| move_stock(world, &items[1].1));
    let run = world.run(ITEM_AVAILABILITY, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.modified), (1, 1));
    let product = world.coupled_row("ITEM-PRODUCT", items[1].0).await;
    assert!(product["quantityonhand"].as_f64().is_some_and(|stock| stock >= 900_000.0), "{product:?}");
}

#[tokio::test]
async fn a_record_committed_minutes_after_its_time_travels() {
    let world = settled(WorldOptions::default()).await;
    let customers = world.business_central_ids("Customer", |_| true);
    let change = |world: &World, customer: Uuid, phone: &str| {
        world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": phone})).unwrap();
    };
    change(&world, customers[0], "111");
    assert_eq!(world.run("CUSTOMER", RunMode::Modified).await.counters.modified, 1);
    commits_late(&world, |world| change(world, customers[1], "222"));
    assert_eq!(world.run("CUSTOMER", RunMode::Modified).await.counters.modified, 1);
    assert_eq!(world.coupled_row("CUSTOMER", customers[1]).await["telephone1"], json!("222"));
}

#[tokio::test]
async fn what_is_read_again_costs_no_message_no_count_and_no_further_request() {
    let world = settled(WorldOptions::default()).await;
    let items = sold_items(&world);
    for (_, number) in &items {
        move_stock(&world, number);
    }
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": "333"})).unwrap();
    assert_eq!(world.run(ITEM_AVAILABILITY, RunMode::Modified).await.enqueued, items.len() as u64);
    assert_eq!(world.run("CUSTOMER", RunMode::Modified).await.counters.modified, 1);
    // Our own write comes back once from the other side.
    world.run("CUSTOMER", RunMode::Modified).await;
    for job in [ITEM_AVAILABILITY, "CUSTOMER"] {
        world.business_central.reset_requests();
        let run = world.run(job, RunMode::Modified).await;
        let counted = (run.enqueued, run.counters.unchanged, run.counters.modified);
        assert_eq!(counted, (0, 0, 0), "{job}");
        assert_eq!(world.business_central.requests(), 1, "{job}");
    }
}

#[tokio::test]
async fn a_failed_record_is_not_sent_again_only_because_it_is_read_again() {
    let world = settled(WorldOptions::default()).await;
    let (item, _) = sold_items(&world)[0].clone();
    world.sell_out(item);
    world.business_central.update_as_user("Item", item, json!({"baseUnitOfMeasureCode": ""})).unwrap();
    let failed = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(failed.counters.failed, 1);
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!(failures.len(), 1);
    // Three quick attempts belong to the failure itself; none comes from the feed.
    for _ in 0..3 {
        world.run("ITEM-PRODUCT", RunMode::Modified).await;
    }
    assert_eq!(world.run("ITEM-PRODUCT", RunMode::Modified).await.enqueued, 0);
}

#[tokio::test]
async fn the_look_back_is_a_setting() {
    let engine = EngineOptions { look_back: SignedDuration::from_mins(1), ..EngineOptions::default() };
    let world = settled(WorldOptions { engine, ..WorldOptions::default() }).await;
    let items = sold_items(&world);
    move_stock(&world, &items[0].1);
    world.run(ITEM_AVAILABILITY, RunMode::Modified).await;
    commits_late(&world, |world| move_stock(world, &items[1].1));
    let run = world.run(ITEM_AVAILABILITY, RunMode::Modified).await;
    assert_eq!(run.enqueued, 0, "three minutes are more than the one that was promised");
}
