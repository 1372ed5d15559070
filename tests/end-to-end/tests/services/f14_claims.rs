//! The records under way when a process was killed were blocked for three minutes, per direction and without a word. The
//! owner of a data folder is alone: what a process that is gone has claimed is free at once. Between functions the claim is
//! waited for, and the wait is told.

use std::time::Duration;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Delivery, Disposition, EngineOptions, Failpoint, Failpoints, RunMode};
use couplet_model::ProcessId;
use serde_json::json;
use uuid::Uuid;

/// A world in step, an item of it that was renamed, and the message of that, whose worker was killed while it held the pair.
async fn killed(is_alone: bool) -> (World, Uuid, Vec<Delivery>) {
    let world = World::start(WorldOptions::default()).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    world.business_central.update_as_user("Item", item, json!({"displayName": "Renamed"})).expect("taken");
    world.find("ITEM-PRODUCT", RunMode::Modified).await;
    let deliveries = world.queue.take(1000);
    let options = EngineOptions { is_alone, process: ProcessId::fresh(), ..EngineOptions::default() };
    let dying = EngineOptions { failpoints: Failpoints::new(|failpoint| failpoint == Failpoint::Claimed), ..options };
    world.another_engine(dying).sync_batch(deliveries.clone()).await;
    let coupling = world.coupling("ITEM-PRODUCT", item).await.expect("coupled");
    assert!(coupling.claimed_until.is_some_and(|until| until > jiff::Timestamp::now()), "the claim is left behind");
    (world, item, deliveries)
}

#[tokio::test]
async fn a_killed_process_blocks_no_record_of_the_next_one_on_the_machine() {
    let (world, item, deliveries) = killed(true).await;
    let next = EngineOptions { is_alone: true, process: ProcessId::fresh(), ..EngineOptions::default() };
    let report = world.another_engine(next).sync_batch(deliveries).await;
    assert!(report.dispositions.iter().all(|disposition| *disposition == Disposition::Done), "{report:?}");
    assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["name"], json!("Renamed"));
    let coupling = world.coupling("ITEM-PRODUCT", item).await.expect("coupled");
    assert_eq!((coupling.claimed_until, coupling.claimed_by), (None, None));
    assert!(coupling.pending.is_empty());
}

#[tokio::test]
async fn between_functions_a_claim_is_waited_for_and_the_wait_is_told() {
    let (world, item, deliveries) = killed(false).await;
    let next = EngineOptions { process: ProcessId::fresh(), ..EngineOptions::default() };
    let report = world.another_engine(next).sync_batch(deliveries).await;
    let [Disposition::Postpone { reason, after }] = &report.dispositions[..] else { panic!("{report:?}") };
    assert!(*after > Duration::from_secs(100) && *after <= Duration::from_secs(180), "{after:?}");
    assert!(reason.contains("another worker is writing this pair, until "), "{reason}");
    assert_ne!(world.coupled_row("ITEM-PRODUCT", item).await["name"], json!("Renamed"));
}

/// What is kept of a write until its commit is small beside the coupling it is kept with.
#[tokio::test]
async fn f10_what_is_kept_of_a_write_costs_little() {
    let (world, item, _) = killed(true).await;
    let coupling = world.coupling("ITEM-PRODUCT", item).await.expect("coupled");
    let bytes = |coupling: &couplet_model::Coupling| serde_json::to_string(coupling).expect("JSON").len();
    let without = bytes(&couplet_model::Coupling { pending: Vec::new(), ..coupling.clone() });
    let added = bytes(&coupling) - without;
    assert!(added < 200, "one changed column: {added} bytes beside {without}");
}
