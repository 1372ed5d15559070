//! Archived Sales Orders end to end: what becomes in Dataverse of orders that are over in Business Central.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
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
    let pair = world.coupling(JOB, here).await.expect("S128: still coupled");
    assert!(pair.related.contains_key("deleted"), "its invoice has told that it is over");
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

#[tokio::test]
async fn s128_to_s134_an_order_that_is_posted_at_once_ends_with_each_line_once_and_at_the_same_amount() {
    let world = prepared().await;
    let items = items(&world);
    let order =
        submitted(&world, &json!({"discountamount": 7}), &[(&items[0], 2, "100", "0"), (&items[1], 3, "19.99", "1.5")])
            .await;
    world.run("Auto Create Sales Orders", RunMode::Modified).await;
    let numbers: Vec<i64> =
        details(&world, order).iter().filter_map(|row| row["bcbi_businesscentrallinenumber"].as_i64()).collect();
    assert_eq!(numbers.len(), 2, "the lines are told their numbers with the order: {numbers:?}");
    let made = order_of(&world, order).await;
    let charged = number(&made, "totalAmountIncludingTax");
    world.business_central.run_action_as_user("Sales Header", id(&made, "id"), "shipAndInvoice").expect("posted");
    for job in [ARCHIVED, JOB, ARCHIVED] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    assert_eq!(state(&world, order), 4);
    assert_eq!(details(&world, order).len(), 2, "no line was made twice");
    let row = world.dataverse.row("salesorder", order).expect("there");
    assert_eq!(number(&row, "totalamount"), charged);
}

#[tokio::test]
async fn s130_what_was_charged_is_the_same_to_the_cent_after_posting_whatever_the_prices() {
    let world = prepared().await;
    let items = items(&world);
    let erp = &world.business_central;
    for (item, tax) in items.iter().zip([25, 7, 19]) {
        erp.tax_item(item.as_str().expect("a number"), Decimal::from(tax));
    }
    for (includes_tax, quantity, price, less) in
        [(false, "1000", "0.12345", "0"), (true, "7", "9.99", "10"), (true, "3", "0.33333", "0")]
    {
        let order = submitted(&world, &json!({}), &[(&items[0], 2, "100", "0"), (&items[1], 3, "20", "1")]).await;
        world.run("Auto Create Sales Orders", RunMode::Modified).await;
        world.run(JOB, RunMode::Modified).await;
        let here = id(&order_of(&world, order).await, "id");
        // Prices are changed, and the order is posted, between two runs.
        erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
        erp.update_as_user("Sales Header", here, json!({"pricesIncludeTax": includes_tax})).expect("taken");
        let exact = |text: &str| Json::Number(text.parse().expect("a number"));
        let line = id(&lines_of(&world, here)[0], "id");
        erp.update_as_user(
            "Sales Line",
            line,
            json!({"quantity": exact(quantity), "unitPrice": exact(price), "discountAmount": exact(less)}),
        )
        .expect("taken");
        let line = id(&lines_of(&world, here)[1], "id");
        erp.update_as_user("Sales Line", line, json!({"unitPrice": exact("17.77")})).expect("taken");
        erp.run_action_as_user("Sales Header", here, "release").expect("released");
        let made = order_of(&world, order).await;
        let charged = ["totalAmountIncludingTax", "totalAmountExcludingTax"].map(|total| number(&made, total));
        erp.run_action_as_user("Sales Header", here, "shipAndInvoice").expect("posted");
        for job in [JOB, ARCHIVED] {
            let run = world.run(job, RunMode::Modified).await;
            assert_eq!(run.counters.failed, 0, "{price}: {job}: {:?}", world.failures(job).await);
        }
        let row = world.dataverse.row("salesorder", order).expect("there");
        let shown = ["totalamount", "totalamountlessfreight"].map(|total| number(&row, total));
        assert_eq!(shown, charged, "{quantity} at {price} less {less}, including tax: {includes_tax}");
    }
}
