//! How many requests the work may cost; counted, not timed.

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use serde_json::json;

const ITEMS: usize = 10_000;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn u4_ten_thousand_items_stay_within_the_request_budgets() {
    let options = WorldOptions {
        business_central: DemoSize { items: ITEMS, blocked_items: 50, ..WorldOptions::default().business_central },
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    let spent = |work: &str, business_central: u64, dataverse: u64| {
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        assert!(bc <= business_central, "{work}: {bc} requests to Business Central, {business_central} allowed");
        assert!(dv <= dataverse, "{work}: {dv} requests to Dataverse, {dataverse} allowed");
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
        println!("{work}: {bc} requests to Business Central, {dv} to Dataverse");
    };
    world.business_central.reset_requests();
    world.dataverse.reset_requests();

    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (ITEMS as u64, 0));
    spent("first load of 10,000 items", 6, 60);

    for item in world.business_central_ids("Item", |row| row["blocked"] == json!(false)).into_iter().take(100) {
        world.business_central.update_as_user("Item", item, json!({"unitPrice": 4321})).expect("the price is taken");
    }
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (100, 0, 0));
    spent("100 of 10,000 items changed", 3, 8);

    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (0, 0, 0));
    spent("nothing changed", 2, 3);
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn a_thousand_vendors_and_two_thousand_contacts_stay_within_the_request_budgets() {
    const VENDORS: usize = 1000;
    const CONTACTS: usize = 2000;
    let business_central = DemoSize {
        items: 0,
        customers: 200,
        vendors: VENDORS,
        contacts: CONTACTS,
        ..WorldOptions::default().business_central
    };
    let world = World::start(WorldOptions { business_central, ..WorldOptions::default() }).await;
    for job in ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    for (job, count) in [("VENDOR", VENDORS as u64), ("CONTACT", CONTACTS as u64)] {
        let per_thousand = 12 * count / 1000;
        let spent = |work: &str, most: u64| {
            let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
            assert!(bc <= most && dv <= most, "{job}, {work}: {bc} requests to Business Central, {dv} to Dataverse");
            println!("{job}, {count}, {work}: {bc} requests to Business Central, {dv} to Dataverse");
            world.business_central.reset_requests();
            world.dataverse.reset_requests();
        };
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
        let run = world.run(job, RunMode::Full).await;
        assert_eq!((run.counters.inserted, run.counters.failed), (count, 0), "{job}");
        spent("first load", per_thousand);
        world.run(job, RunMode::Modified).await;
        spent("our own writes", per_thousand);
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (0, 0, 0), "{job}");
        spent("nothing changed", 3);
    }
}
