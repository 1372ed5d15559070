//! Archived Sales Orders end to end: what becomes in Dataverse of orders that are over in Business Central.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::both_ways::{JOB, details, lines_of, order_of, prepared, submitted};
use crate::invoicing::items;
use crate::observing::{id, number};

const ARCHIVED: &str = "Archived Sales Orders";

fn state(world: &World, order: Uuid) -> i64 {
    world.dataverse.row("salesorder", order).expect("there")["statecode"].as_i64().expect("a state")
}

#[tokio::test]
async fn s128_to_s134_an_order_that_is_shipped_and_invoiced_ends_as_invoiced() {
    let world = prepared().await;
    let items = items(&world);
    let order = submitted(&world, &json!({}), &[(&items[0], 2, "100", "0"), (&items[1], 3, "20", "1")]).await;
    world.run("Auto Create Sales Orders", RunMode::Modified).await;
    world.run(JOB, RunMode::Modified).await;
    let here = id(&order_of(&world, order).await, "id");
    world.run(ARCHIVED, RunMode::Modified).await;
    assert_eq!(state(&world, order), 1, "the order is alive");
    world.business_central.run_action_as_user("Sales Header", here, "shipAndInvoice").expect("posted");
    assert!(world.business_central.row("Sales Header", here).is_none());
    world.run(JOB, RunMode::Modified).await;
    assert!(world.coupling(JOB, here).await.is_some(), "S128: still coupled");
    let run = world.run(ARCHIVED, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(ARCHIVED).await);
    assert_eq!(state(&world, order), 4, "S134");
    let rows = details(&world, order);
    assert_eq!(rows.len(), 2, "no line was made twice");
    assert_eq!(number(&rows[0], "quantityshipped"), Decimal::from(2), "S131");
    world.run(JOB, RunMode::Modified).await;
    let runs = [world.run(JOB, RunMode::Modified).await, world.run(ARCHIVED, RunMode::Modified).await];
    for quiet in runs {
        assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0));
    }
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    world.run(ARCHIVED, RunMode::Modified).await;
    assert!(world.business_central.requests() <= 3 && world.dataverse.requests() <= 3);
}

#[tokio::test]
async fn s134_an_order_that_is_deleted_before_it_is_invoiced_keeps_its_state() {
    let world = prepared().await;
    let items = items(&world);
    let order = submitted(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    world.run("Auto Create Sales Orders", RunMode::Modified).await;
    world.run(JOB, RunMode::Modified).await;
    let here = id(&order_of(&world, order).await, "id");
    world.business_central.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
    assert_eq!(lines_of(&world, here).len(), 1);
    world.business_central.delete_as_user("Sales Header", here).expect("deleted");
    for job in [JOB, ARCHIVED, "Auto Create Sales Orders", JOB, ARCHIVED] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    assert_eq!(state(&world, order), 1);
    assert!(world.business_central.rows("Sales Header").is_empty(), "it is not made again");
}
