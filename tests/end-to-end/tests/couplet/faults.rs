//! Outages, throttling, cut connections and one bad record among many.

use std::time::Duration;

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use dataverse_simulator::{CutMoment, Poison};
use serde_json::json;

async fn prepared(items: usize) -> World {
    let options = WorldOptions {
        business_central: DemoSize { items, ..WorldOptions::default().business_central },
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

#[tokio::test]
async fn r20_r21_r61_r118_one_bad_record_in_a_bulk_of_a_thousand_fails_alone() {
    let world = prepared(1000).await;
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[500];
    world.business_central.update_as_user("Item", item, json!({"displayName": "Poisoned goods"})).expect("taken");
    world.dataverse.faults().poison(Poison {
        table: Some("product".into()),
        column: Some("name".into()),
        text: "Poisoned".into(),
        only_in_bulk: false,
    });
    world.dataverse.reset_requests();
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (999, 1));
    assert!(world.dataverse.requests() <= 20, "{} requests", world.dataverse.requests());
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].record.0, item);
}

#[tokio::test]
async fn a_storm_of_429_delays_but_loses_nothing() {
    let world = prepared(300).await;
    world.dataverse.faults().throttle_next(3, 1);
    world.business_central.faults().throttle_next(2, Some(Duration::from_secs(1)));
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (300, 0));
    assert_eq!(world.couplings("ITEM-PRODUCT").await, 300);
    let throttled = |statuses: Vec<u16>| statuses.into_iter().filter(|status| *status == 429).count();
    let erp = world.business_central.request_log().iter().map(|entry| entry.status).collect();
    let crm = world.dataverse.request_log().iter().map(|entry| entry.status).collect();
    assert_eq!((throttled(erp), throttled(crm)), (2, 3));
    assert!(world.queue.dead_letters().is_empty());
}

#[tokio::test]
async fn r277_a_connection_cut_before_or_after_the_write_creates_nothing_twice() {
    for moment in [CutMoment::BeforeEffect, CutMoment::AfterEffect] {
        for nth in 1..=3 {
            let world = prepared(50).await;
            world.dataverse.faults().cut_connection(nth, moment);
            world.run("ITEM-PRODUCT", RunMode::Full).await;
            assert_eq!(world.couplings("ITEM-PRODUCT").await, 50, "{moment:?} {nth}");
            assert_eq!(world.dataverse.count("product"), 50, "{moment:?} {nth}");
            assert_eq!(world.dataverse.count("productpricelevel"), 50, "{moment:?} {nth}");
            assert!(world.queue.dead_letters().is_empty(), "{moment:?} {nth}");
        }
    }
}

#[tokio::test]
async fn a_cut_connection_to_business_central_creates_no_customer_twice() {
    for cut_after in [false, true] {
        let world = prepared(1).await;
        let customers = world.business_central.rows("Customer").len();
        let accounts = world.dataverse.count("account");
        if cut_after {
            world.business_central.faults().cut_after_write(1);
        } else {
            world.business_central.faults().cut_before_write(1);
        }
        world.run("CUSTOMER", RunMode::Full).await;
        assert_eq!(world.business_central.rows("Customer").len(), customers + accounts, "cut after: {cut_after}");
        assert_eq!(world.couplings("CUSTOMER").await, (customers + accounts) as u64, "cut after: {cut_after}");
    }
}

#[tokio::test]
async fn an_expired_delta_link_is_survived_and_noted() {
    let world = prepared(20).await;
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    let product = world.coupling("ITEM-PRODUCT", item).await.expect("coupled").dataverse_id.0;
    world.dataverse.update_as_user("product", product, json!({"name": "Changed before expiry"})).expect("taken");
    world.dataverse.expire_delta_links();
    let report = world.find("ITEM-PRODUCT", RunMode::Modified).await;
    assert!(report.notes.iter().any(|note| note.contains("delet")), "deletions cannot be known: {:?}", report.notes);
    world.drain().await;
    let record = world.business_central.row("Item", item).expect("there");
    assert_eq!(record["displayName"], json!("Changed before expiry"));
}

#[tokio::test]
async fn r14_r42_r276_an_unreachable_system_fails_the_run_and_leaves_the_cursor() {
    let world = prepared(5).await;
    world.business_central.faults().fail_next(1000, 500);
    let request = couplet_engine::RunRequest {
        job: "ITEM-PRODUCT".to_owned(),
        mode: RunMode::Modified,
        trigger: couplet_model::job::Trigger::Schedule,
        until: None,
    };
    let error = world.engine.run_job(&request).await.expect_err("it fails");
    assert!(error.to_string().contains("Business Central"), "{error}");
    let job = world.store().job(world.company(), "ITEM-PRODUCT").await.expect("the store answers").expect("a job");
    assert_eq!(job.state, couplet_model::job::JobState::Error);
    world.business_central.faults().clear();
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!(run.counters.inserted, 5);
}
