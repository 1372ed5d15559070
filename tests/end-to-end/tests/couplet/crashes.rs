//! A worker that dies between any two effects of a batch leaves nothing lost and nothing twice.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use serde_json::json;

use crate::observing::{number, text};

/// Claims of dead workers end at once, so that the test need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

async fn prepared() -> World {
    let world = World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

#[tokio::test]
async fn d14_creating_products_survives_a_death_at_every_failpoint() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        let report = world.find("ITEM-PRODUCT", RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        let run = world.run_of("ITEM-PRODUCT", report.run).await;
        assert_eq!(run.counters.failed, 0, "{fatal:?}");
        assert_eq!(world.couplings("ITEM-PRODUCT").await, 12, "{fatal:?}");
        assert_eq!(world.dataverse.count("product"), 12, "{fatal:?}");
        assert_eq!(world.dataverse.count("productpricelevel"), 12, "{fatal:?}");
        assert!(world.dataverse.rows("product").iter().all(|row| row["statecode"] == json!(0)), "{fatal:?}: published");
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
        let quiet = world.run("ITEM-PRODUCT", RunMode::Modified).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.failed), (0, 0), "{fatal:?}");
    }
}

#[tokio::test]
async fn changing_a_price_survives_a_death_at_every_failpoint() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        world.run("ITEM-PRODUCT", RunMode::Full).await;
        let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
        world
            .business_central
            .update_as_user("Item", item, json!({"unitPrice": 77, "displayName": "Dearer"}))
            .expect("taken");
        world.find("ITEM-PRODUCT", RunMode::Modified).await;
        world.drain_killed(fatal, options()).await;
        let product = world.coupled_row("ITEM-PRODUCT", item).await;
        assert_eq!(number(&product, "price"), 77.into(), "{fatal:?}");
        let lines = world.dataverse.rows("productpricelevel");
        let line =
            lines.iter().find(|row| text(row, "_productid_value") == text(&product, "productid")).expect("a line");
        assert_eq!(number(line, "amount"), 77.into(), "{fatal:?}");
        assert_eq!(lines.len(), 12, "{fatal:?}");
    }
}

#[tokio::test]
async fn creating_customers_from_accounts_survives_a_death_at_every_failpoint() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        let customers = world.business_central.rows("Customer").len();
        let accounts = world.dataverse.count("account");
        world.find("CUSTOMER", RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        // Each side ends with its own records and the other's (C-016), none of them twice.
        assert_eq!(world.business_central.rows("Customer").len(), customers + accounts, "{fatal:?}");
        assert_eq!(world.dataverse.count("account"), customers + accounts, "{fatal:?}");
        assert_eq!(world.couplings("CUSTOMER").await, (customers + accounts) as u64, "{fatal:?}");
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
    }
}
