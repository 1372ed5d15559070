//! How many requests prices may cost; counted, not timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use couplet_model::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Price lists, and the items that have a price in each.
const LISTS: usize = 10;
const PRICED: usize = 1_000;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn ten_thousand_lines_of_price_lists_stay_within_the_request_budgets() {
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = {
        let ahead = Arc::clone(&ahead);
        Clock::new(move || Timestamp::now() + SignedDuration::from_mins(ahead.load(Ordering::SeqCst)))
    };
    let options = WorldOptions {
        business_central: DemoSize { items: PRICED, ..WorldOptions::default().business_central },
        engine: EngineOptions { clock, ..EngineOptions::default() },
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    let mut items = world.business_central.rows("Item");
    items.retain(|item| item["blocked"] == json!(false));
    for list in 1..=LISTS {
        let code = format!("S{list:05}");
        let header = json!({"code": code, "displayName": code, "status": "Active"});
        world.business_central.create_as_user("Price List Header", header).expect("a price list");
        for item in &items {
            let line =
                json!({"priceListCode": code, "assetType": "Item", "assetNo": item["number"], "unitPrice": list});
            world.business_central.create_as_user("Price List Line", line).expect("a line");
        }
    }
    let spent = |work: &str, business_central: u64, dataverse: u64| {
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        println!("{work}: {bc} requests to Business Central, {dv} to Dataverse");
        assert!(bc <= business_central, "{work}: {bc} requests to Business Central, {business_central} allowed");
        assert!(dv <= dataverse, "{work}: {dv} requests to Dataverse, {dataverse} allowed");
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
    };
    world.business_central.reset_requests();
    world.dataverse.reset_requests();

    let run = world.run("PLHEADER-PRICE", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (LISTS as u64, 0));
    spent("first load of 10 price lists", 3, 6);
    let run = world.run("PLLINE-PRODPRICE", RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), ((LISTS * PRICED) as u64, 0));
    spent("first load of 10,000 lines", 30, 60);
    for job in ["PLHEADER-PRICE", "PLLINE-PRODPRICE"] {
        // What changed within the look-back window before a load is looked at once more by the run after it.
        for (work, business_central, dataverse) in [("looked at once more", 15, 25), ("nothing changed", 3, 0)] {
            let run = world.run(job, RunMode::Modified).await;
            assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (0, 0, 0), "{job}");
            spent(&format!("{work} for {job}"), business_central, dataverse);
            let minutes = ahead.fetch_add(30, Ordering::SeqCst) + 30;
            world.business_central.faults().set_clock_skew(SignedDuration::from_mins(minutes));
        }
    }
}
