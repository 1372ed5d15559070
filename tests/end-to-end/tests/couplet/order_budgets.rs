//! How many requests orders may cost, both ways; counted, not timed.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::both_ways::{CREATE, JOB, drafted, prepared, reactivate, submit};
use crate::invoicing::{count_anew, items};
use crate::observing::{id, text};

/// Lines of an order.
const LINES: usize = 5;
/// What a batch costs in Dataverse at most where size does not count: feed, lines, orders, products, accounts, opened, written,
/// followed up, submitted.
const SMALLEST: u64 = 16;

/// The requests since they were counted anew, told and held to what so many orders may cost: 40 of Business Central for each
/// 100 orders, 12 of Dataverse for each 1,000 lines.
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
fn expect_within(world: &World, work: &str, orders: usize, of_dataverse: u64) {
    let (erp, crm) = (world.business_central.requests(), world.dataverse.requests());
    println!("{work}, {orders} orders: {erp} requests to Business Central, {crm} to Dataverse");
    assert!(erp <= 40 * orders.div_ceil(100) as u64, "{work}: {erp} requests to Business Central");
    let log = || requests(world);
    assert!(crm <= of_dataverse, "{work}: {crm} requests to Dataverse, {of_dataverse} are allowed: {:#?}", log());
    count_anew(world);
}

/// The requests since they were counted anew, for the message of a test that fails.
fn requests(world: &World) -> Vec<String> {
    let here = world.business_central.request_log();
    let there = world.dataverse.request_log();
    let here = here.iter().map(|entry| format!("{} {}?{}", entry.method, entry.path, entry.query));
    here.chain(there.iter().map(|entry| format!("{} {}", entry.method, entry.path))).collect()
}

/// What so many orders may cost in Dataverse: 12 requests for each 1,000 lines. A batch costs some however small it is.
fn allowed(orders: usize) -> u64 {
    SMALLEST.max(12 * (orders * LINES / 1000) as u64)
}

/// Orders with five lines each, both ways: made, changed in Sales, changed in Business Central, and not changed.
async fn count_both_ways(count: usize) {
    let world = prepared().await;
    let items = items(&world);
    let lines: Vec<(&Json, i64, &str, &str)> = items.iter().take(LINES).map(|item| (item, 1, "10", "0")).collect();
    let mut orders: Vec<Uuid> = Vec::new();
    for _ in 0..count {
        orders.push(drafted(&world, &json!({"discountamount": 1}), &lines).await);
    }
    orders.iter().for_each(|order| submit(&world, *order));
    count_anew(&world);
    let made = world.run(CREATE, RunMode::Modified).await;
    assert_eq!(made.counters.inserted, count as u64, "{:?}", world.failures(JOB).await.first());
    expect_within(&world, "made from Sales", count, allowed(count));
    world.run(JOB, RunMode::Modified).await;
    expect_within(&world, "seen for the first time", count, allowed(count));
    world.run(JOB, RunMode::Modified).await;
    count_anew(&world);
    world.run(JOB, RunMode::Modified).await;
    expect_quiet(&world);

    let rows = world.dataverse.rows("salesorderdetail");
    for row in rows.iter().filter(|row| row["sequencenumber"] == json!(1)) {
        let order = id(row, "_salesorderid_value");
        reactivate(&world, order);
        let line = id(row, "salesorderdetailid");
        world.dataverse.update_as_user("salesorderdetail", line, json!({"quantity": 3})).expect("taken");
        submit(&world, order);
    }
    count_anew(&world);
    world.run(JOB, RunMode::Modified).await;
    expect_within(&world, "changed in Sales", count, allowed(count));
    for _ in 0..2 {
        world.run(JOB, RunMode::Modified).await;
    }
    count_anew(&world);
    world.run(JOB, RunMode::Modified).await;
    expect_quiet(&world);

    let erp = &world.business_central;
    let lines = erp.rows("Sales Line");
    for order in erp.rows("Sales Header") {
        let here = id(&order, "id");
        let line = lines.iter().find(|line| text(line, "documentId") == here.to_string()).expect("a line");
        erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
        erp.update_as_user("Sales Line", id(line, "id"), json!({"quantity": 4})).expect("taken");
        erp.run_action_as_user("Sales Header", here, "release").expect("released");
    }
    count_anew(&world);
    world.run(JOB, RunMode::Modified).await;
    expect_within(&world, "changed in Business Central", count, allowed(count));
    for _ in 0..2 {
        world.run(JOB, RunMode::Modified).await;
    }
    count_anew(&world);
    world.run(JOB, RunMode::Modified).await;
    expect_quiet(&world);
    assert!(world.failures(JOB).await.is_empty());
}

/// Nothing changed since the last run.
fn expect_quiet(world: &World) {
    let (erp, crm) = (world.business_central.requests(), world.dataverse.requests());
    assert!(erp <= 3 && crm <= 3, "{erp} and {crm} requests when nothing changed: {:#?}", requests(world));
    count_anew(world);
}

#[tokio::test]
async fn a_hundred_orders_of_five_lines_both_ways_stay_within_their_budget() {
    count_both_ways(100).await;
}

#[tokio::test]
async fn a_thousand_orders_of_five_lines_both_ways_stay_within_their_budget() {
    count_both_ways(1000).await;
}
