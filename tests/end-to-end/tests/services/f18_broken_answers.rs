//! A truncated or foreign body is a passing fault.

use business_central_simulator::DemoSize;
use couplet_end_to_end::{Disturbance, Foreign, Passing, World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use serde_json::{Value as Json, json};

const ITEMS: usize = 120;

async fn prepared() -> World {
    let options = WorldOptions {
        business_central: DemoSize { items: ITEMS, blocked_items: 0, ..WorldOptions::default().business_central },
        page_size: Some(50),
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// A complete answer with half of its body.
fn cut_short() -> Disturbance {
    Disturbance::edit(|body| {
        let end = (0..=body.len() / 2).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
        body[..end].to_owned()
    })
}

fn reads_items(request: &Passing) -> bool {
    request.method == "GET" && request.path.contains("/items?")
}

#[tokio::test]
async fn f18_a_page_that_is_cut_or_no_json_is_read_again_and_the_run_goes_on() {
    let page = || Disturbance::After(Foreign::page(200));
    let empty = || Disturbance::After(Foreign::empty(200).with("Content-Type", "application/json"));
    for disturbance in [cut_short(), page(), empty()] {
        let world = prepared().await;
        let (erp, crm) = world.proxies().await;
        let engine = world.engine_through(&erp, &crm, EngineOptions::default());
        // The first page, and one in the middle of the feed.
        erp.disturb(1, disturbance.clone(), reads_items);
        erp.disturb(1, disturbance.clone(), |request| reads_items(request) && request.path.contains("skiptoken"));
        crm.disturb(1, disturbance, |request| request.method == "GET" && request.path.contains("/products"));
        let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
        assert_eq!((run.counters.inserted, run.counters.failed), (ITEMS as u64, 0));
        let pages = erp.passed().iter().filter(|request| reads_items(request)).count();
        assert!((5..=8).contains(&pages), "only what was broken is read again: {pages} pages");
    }
}

#[tokio::test]
async fn f18_a_broken_part_of_a_batch_that_reads_is_asked_for_again() {
    let to_page: fn(String) -> String = |body| {
        let mut body: Json = serde_json::from_str(&body).expect("a batch answer");
        body["responses"][0]["body"] = json!("<html>Sign in</html>");
        body.to_string()
    };
    let without_body: fn(String) -> String = |body| {
        let mut body: Json = serde_json::from_str(&body).expect("a batch answer");
        body["responses"][0]["body"] = Json::Null;
        body.to_string()
    };
    let cut: fn(String) -> String = |body| body[..body.len() - 20].to_owned();
    for edit in [to_page, without_body, cut] {
        let world = prepared().await;
        let (erp, crm) = world.proxies().await;
        let engine = world.engine_through(&erp, &crm, EngineOptions::default());
        world.find("ITEM-PRODUCT", RunMode::Full).await;
        let mut deliveries = world.queue.take(1000);
        // Without what the run read, all records are read by id, in one batch of queries.
        deliveries.iter_mut().for_each(|delivery| delivery.message.snapshot = None);
        erp.disturb(1, Disturbance::edit(edit), |request| request.path.ends_with("$batch"));
        let dispositions = engine.sync_batch(deliveries).await.dispositions;
        assert!(dispositions.iter().all(|one| *one == couplet_engine::Disposition::Done), "{dispositions:?}");
        assert_eq!(world.dataverse.count("product"), ITEMS);
        let batches = erp.passed().iter().filter(|request| request.path.ends_with("$batch")).count();
        assert_eq!(batches, 2, "the batch and its repetition");
    }
}

#[tokio::test]
async fn f18_a_batch_of_writes_that_is_answered_with_half_a_body_is_finished() {
    let world = prepared().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    for item in world.business_central_ids("Item", |_| true).into_iter().take(30) {
        world
            .business_central
            .update_as_user("Item", item, json!({"displayName": format!("N {item}")}))
            .expect("taken");
    }
    crm.disturb(1, cut_short(), |request| request.path.ends_with("$batch") && request.body.contains("PATCH"));
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert!(world.queue.dead_letters().is_empty());
    for item in world.business_central_ids("Item", |_| true) {
        let name = world.business_central.row("Item", item).expect("there")["displayName"].clone();
        assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["name"], name);
    }
}
