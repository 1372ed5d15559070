//! What worked and stops answering is an outage, not a missing part of the set-up.

use couplet_end_to_end::{Disturbance, Foreign, World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, RunMode, RunRequest};
use couplet_model::job::{JobState, Trigger};
use serde_json::json;

/// Deliveries of the queue before a message is given up.
const MOST_RECEIVES: usize = 5;

async fn coupled() -> World {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    world.run("CUSTOMER", RunMode::Modified).await;
    world
}

fn rename_all(world: &World, prefix: &str) {
    for account in world.dataverse.rows("account") {
        let id = account["accountid"].as_str().expect("an id").parse().expect("a GUID");
        let edit = json!({"name": format!("{prefix} {id}"), "telephone1": "0815"});
        world.dataverse.update_as_user("account", id, edit).expect("taken");
    }
}

/// Delivers everything so often that it would be given up if each were an attempt; gives the longest pause asked for.
async fn deliver_in_vain(world: &World, engine: &couplet_engine::Engine) -> Vec<String> {
    let mut reasons = Vec::new();
    for _ in 0..MOST_RECEIVES + 2 {
        let deliveries = world.queue.take(1000);
        assert!(!deliveries.is_empty(), "the records are kept");
        let dispositions = engine.sync_batch(deliveries.clone()).await.dispositions;
        for (delivery, disposition) in deliveries.into_iter().zip(dispositions) {
            match disposition {
                Disposition::Done => {}
                Disposition::Return { .. } => world.queue.give_back(delivery),
                Disposition::Postpone { reason, after } => {
                    assert!(after.as_secs() >= 60, "{after:?} is soon");
                    reasons.push(reason.to_string());
                    world.queue.postpone(delivery);
                }
            }
        }
    }
    reasons
}

#[tokio::test]
async fn f20_a_service_that_refuses_good_tokens_for_a_while_loses_no_record() {
    let world = coupled().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    rename_all(&world, "Renamed");
    world.find("CUSTOMER", RunMode::Modified).await;
    erp.disturb(usize::MAX, Disturbance::Before(Foreign::empty(401)), |_| true);
    let reasons = deliver_in_vain(&world, &engine).await;
    assert!(!reasons.is_empty(), "the records were postponed");
    assert!(
        reasons.iter().all(|reason| reason.contains("given just now") && !reason.contains("publish")),
        "{reasons:?}"
    );
    assert!(world.queue.dead_letters().is_empty());
    erp.clear();
    world.drain_with(&engine).await;
    assert!(world.queue.dead_letters().is_empty());
    for customer in world.business_central.rows("Customer") {
        assert!(customer["displayName"].as_str().is_some_and(|name| name.starts_with("Renamed ")), "{customer:?}");
    }
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn f20_a_gateway_that_answers_for_a_while_loses_no_record() {
    let world = coupled().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    rename_all(&world, "Renamed");
    world.find("CUSTOMER", RunMode::Modified).await;
    for foreign in [Foreign::page(200), Foreign::page(404), Foreign::page(403)] {
        erp.disturb(usize::MAX, Disturbance::Before(foreign), |_| true);
    }
    let deliveries = world.queue.take(1000);
    assert_eq!(deliveries.len(), world.dataverse.count("account"));
    let dispositions = engine.sync_batch(deliveries).await.dispositions;
    assert!(dispositions.iter().all(|one| matches!(one, Disposition::Postpone { .. })), "{dispositions:?}");
}

#[tokio::test]
async fn f20_the_companion_app_may_be_updated_while_records_are_on_their_way() {
    let world = coupled().await;
    // Resources are shown by the companion app alone.
    let run =
        RunRequest { job: "RESOURCE-PRODUCT".to_owned(), mode: RunMode::Full, trigger: Trigger::Schedule, until: None };
    world.engine.run_job(&run).await.expect("the run ends well");
    let deliveries = world.queue.take(1000);
    world.business_central.faults().set_companion_installed(false);
    let mut deliveries = deliveries;
    deliveries.iter_mut().for_each(|delivery| delivery.message.snapshot = None);
    let dispositions = world.engine.sync_batch(deliveries.clone()).await.dispositions;
    let Some(Disposition::Postpone { reason, .. }) = dispositions.first() else { panic!("{dispositions:?}") };
    assert!(reason.contains("answered before"), "{reason}");

    // A run fails, says what it is, and the next one goes on.
    let error = world.engine.run_job(&run).await.expect_err("it cannot read");
    assert!(error.to_string().contains("being updated"), "{error}");
    let job = world.store().job(world.company(), "RESOURCE-PRODUCT").await.expect("the store answers").expect("a job");
    assert_eq!(job.state, JobState::Error);
    world.business_central.faults().set_companion_installed(true);
    let dispositions = world.engine.sync_batch(deliveries).await.dispositions;
    assert!(dispositions.iter().all(|one| *one == Disposition::Done), "{dispositions:?}");
    let run = world.run("RESOURCE-PRODUCT", RunMode::Full).await;
    assert_eq!(run.counters.failed, 0);
}
