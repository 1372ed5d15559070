//! Stock that moves reaches Sales although the item's record does not change.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::json;

use crate::observing::{number, text};

/// The job that refreshes item availability.
const ITEM_AVAILABILITY: &str = "Item Availability";

#[tokio::test]
async fn c_191_moved_stock_reaches_the_product_and_nothing_else_travels() {
    let world = World::start(WorldOptions::default()).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    assert!(world.engine.jobs().iter().any(|job| job.name == ITEM_AVAILABILITY), "C-191");
    world.find(ITEM_AVAILABILITY, RunMode::Modified).await;
    world.drain().await;

    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    let record = world.business_central.row("Item", item).unwrap();
    let before = number(&record, "inventory");
    let moved = Decimal::from(1_000_000);
    world.business_central.post_item_ledger_entry(text(&record, "number"), moved).unwrap();
    let quiet = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(quiet.counters.modified, 0, "the item's own record did not change");

    let report = world.find(ITEM_AVAILABILITY, RunMode::Modified).await;
    assert_eq!(report.enqueued, 1);
    world.drain().await;
    let run = world.run_of(ITEM_AVAILABILITY, report.run).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    let product = world.coupled_row("ITEM-PRODUCT", item).await;
    assert_eq!(number(&product, "quantityonhand"), (before + moved).max(Decimal::ZERO));

    let report = world.find(ITEM_AVAILABILITY, RunMode::Modified).await;
    assert_eq!(report.enqueued, 0, "nothing moved since");
}
