//! A bulk that is too slow is halved, and the size that works is remembered.

use business_central_simulator::DemoSize;
use couplet_end_to_end::{Disturbance, Foreign, Passing, Proxy, World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use couplet_model::table::Side;
use serde_json::json;

async fn prepared(items: usize, customers: usize) -> World {
    let options = WorldOptions {
        business_central: DemoSize { items, blocked_items: 0, customers, ..WorldOptions::default().business_central },
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

fn gateway_timeout() -> Foreign {
    Foreign::page(504)
}

fn targets(request: &Passing) -> usize {
    request.count("\"@odata.type\"")
}

/// How many requests that passed were too large.
fn refused(proxy: &Proxy, is_too_much: impl Fn(&Passing) -> bool) -> usize {
    proxy.passed().iter().filter(|request| is_too_much(request)).count()
}

#[tokio::test]
async fn f19_a_bulk_message_that_times_out_is_halved_with_and_without_effect() {
    for effect in [false, true] {
        let world = prepared(300, 6).await;
        let (erp, crm) = world.proxies().await;
        let engine = world.engine_through(&erp, &crm, EngineOptions::default());
        let is_too_much = |request: &Passing| request.path.contains("UpsertMultiple") && targets(request) > 50;
        let timeout = gateway_timeout();
        let disturbance = if effect { Disturbance::After(timeout) } else { Disturbance::Before(timeout) };
        crm.disturb(usize::MAX, disturbance, is_too_much);
        let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
        assert_eq!((run.counters.inserted, run.counters.failed), (300, 0), "with effect: {effect}");
        assert!(world.queue.dead_letters().is_empty());
        assert_eq!(world.dataverse.count("product"), 300);
        let large = refused(&crm, is_too_much);
        assert!((1..=16).contains(&large), "300, 150 and 75 of products, and of what follows them: {large}");

        // The size that works is remembered: what comes next is sent in it at once.
        for item in world.business_central_ids("Item", |_| true) {
            world
                .store()
                .remove_coupling(
                    world.company(),
                    &couplet_model::MappingName::from("ITEM-PRODUCT"),
                    &world.coupling("ITEM-PRODUCT", item).await.expect("coupled"),
                )
                .await
                .expect("removed");
        }
        world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
        let large = refused(&crm, is_too_much);
        assert!(large <= 1, "{large} requests were too large again");
    }
}

#[tokio::test]
async fn f19_a_batch_of_writes_that_times_out_is_halved_in_both_systems() {
    let world = prepared(1, 60).await;
    world.run("CUSTOMER", RunMode::Full).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    let erp_too_much = |request: &Passing| request.path.ends_with("$batch") && request.count("\"PATCH\"") > 7;
    let crm_too_much = |request: &Passing| request.path.ends_with("$batch") && request.count("PATCH /") > 7;
    erp.disturb(usize::MAX, Disturbance::Before(gateway_timeout()), erp_too_much);
    crm.disturb(usize::MAX, Disturbance::Before(gateway_timeout()), crm_too_much);
    let customers = world.business_central_ids("Customer", |_| true);
    for (number, customer) in customers.iter().enumerate() {
        if number % 2 == 0 {
            let edit = json!({"displayName": format!("N {customer}")});
            world.business_central.update_as_user("Customer", *customer, edit).expect("taken");
        } else if let Some(coupling) = world.coupling("CUSTOMER", *customer).await {
            let edit = json!({"name": format!("N {customer}")});
            world.dataverse.update_as_user("account", coupling.id(Side::Dataverse).0, edit).expect("taken");
        }
    }
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert!(world.queue.dead_letters().is_empty());
    assert!(refused(&erp, erp_too_much) >= 1 && refused(&crm, crm_too_much) >= 1);
    for customer in customers {
        let name = world.business_central.row("Customer", customer).expect("there")["displayName"].clone();
        assert!(name.as_str().is_some_and(|name| name.starts_with("N ")), "{name}");
        assert_eq!(world.coupled_row("CUSTOMER", customer).await["name"], name);
    }
}

#[tokio::test]
async fn f19_a_page_and_a_list_of_ids_that_time_out_are_asked_for_smaller() {
    let world = prepared(300, 6).await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    let large_page = |request: &Passing| {
        request.method == "GET"
            && request.path.contains("/items?")
            && request.page_size().is_some_and(|size| size > 100)
    };
    // A timeout that comes as the service's own error, and one of a gateway.
    erp.disturb(3, Disturbance::Before(gateway_timeout()), large_page);
    erp.disturb(usize::MAX, Disturbance::Before(Foreign::page(413)), large_page);
    let long_list = |request: &Passing| request.path.ends_with("$batch") && request.count("\"GET\"") > 1;
    erp.disturb(usize::MAX, Disturbance::Before(gateway_timeout()), long_list);
    let request = couplet_engine::RunRequest {
        job: "ITEM-PRODUCT".to_owned(),
        mode: RunMode::Full,
        trigger: couplet_model::job::Trigger::Manual,
        until: None,
    };
    engine.run_job(&request).await.expect("the run ends well");
    let mut deliveries = world.queue.take(1000);
    assert_eq!(deliveries.len(), 300);
    let pages = refused(&erp, large_page);
    assert!((8..=9).contains(&pages), "20,000 halves to 78 in eight steps: {pages}");
    deliveries.iter_mut().for_each(|delivery| delivery.message.snapshot = None);
    let dispositions = engine.sync_batch(deliveries).await.dispositions;
    assert!(dispositions.iter().all(|one| *one == couplet_engine::Disposition::Done), "{dispositions:?}");
    assert_eq!(world.dataverse.count("product"), 300);
    let lists = refused(&erp, long_list);
    assert!((1..=4).contains(&lists), "{lists} lists were too long");
}

#[tokio::test]
async fn f19_a_service_that_answers_nothing_in_time_is_not_asked_record_by_record() {
    let world = prepared(300, 6).await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    world.find("ITEM-PRODUCT", RunMode::Full).await;
    let is_write = |request: &Passing| request.method != "GET" && request.path.contains("products");
    crm.disturb(usize::MAX, Disturbance::Before(gateway_timeout()), is_write);
    let deliveries = world.queue.take(1000);
    let dispositions = engine.sync_batch(deliveries).await.dispositions;
    assert_eq!(dispositions.len(), 300);
    assert!(dispositions.iter().all(|one| *one != couplet_engine::Disposition::Done));
    let asked = refused(&crm, is_write);
    assert!((1..=18).contains(&asked), "{asked} requests");
}
