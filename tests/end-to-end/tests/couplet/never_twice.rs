//! Duplicates, reordering, replay and overlap do not show in the two systems.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, RunMode, RunRequest, RunStatus};
use couplet_model::job::Trigger;
use serde_json::json;

use crate::observing::text;

#[tokio::test]
async fn two_overlapping_runs_of_a_job_are_one() {
    let world = World::start(WorldOptions::default()).await;
    let other = world.another_engine(couplet_engine::EngineOptions::default());
    let request =
        RunRequest { job: "CURRENCY".to_owned(), mode: RunMode::Full, trigger: Trigger::Schedule, until: None };
    let (one, two) = tokio::join!(world.engine.run_job(&request), other.run_job(&request));
    let reports = [one.expect("no error"), two.expect("no error")];
    // Whoever came second left at the door, with the name of the run that was there; nothing was found twice.
    let (worked, left): (Vec<_>, Vec<_>) = reports.iter().partition(|report| report.status == RunStatus::Done);
    let ([worked], [left]) = (worked.as_slice(), left.as_slice()) else { panic!("{reports:?}") };
    assert!(matches!(left.status, RunStatus::AlreadyRunning { run, .. } if run == worked.run), "{left:?}");
    assert_eq!(world.queue.len() as u64, worked.enqueued);
    world.drain().await;
    let currencies = world.business_central.rows("Currency").len();
    assert_eq!(world.couplings("CURRENCY").await, currencies as u64);
    let mut codes: Vec<String> =
        world.dataverse.rows("transactioncurrency").iter().map(|row| text(row, "isocurrencycode").to_owned()).collect();
    let all = codes.len();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), all, "no currency twice");
}

#[tokio::test]
async fn a_run_finds_the_job_taken_and_leaves() {
    let world = World::start(WorldOptions::default()).await;
    let run = couplet_model::RunId::fresh();
    let now = jiff::Timestamp::now();
    let store = world.store();
    store.acquire_lease(world.company(), "CURRENCY", run, now, jiff::SignedDuration::from_mins(5)).await.expect("free");
    let report = world.find("CURRENCY", RunMode::Full).await;
    assert!(matches!(report.status, RunStatus::AlreadyRunning { run: holder, .. } if holder == run));
    assert!(world.queue.is_empty());
}

#[tokio::test]
async fn delivering_every_message_twice_and_backwards_creates_nothing_twice() {
    let world = World::start(WorldOptions::default()).await;
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world.find("ITEM-PRODUCT", RunMode::Full).await;
    let mut deliveries = world.queue.take(1000);
    let again: Vec<_> = deliveries.iter().rev().cloned().collect();
    deliveries.extend(again.clone());
    for disposition in world.engine.sync_batch(deliveries).await.dispositions {
        assert_eq!(disposition, Disposition::Done);
    }
    for disposition in world.engine.sync_batch(again).await.dispositions {
        assert_eq!(disposition, Disposition::Done);
    }
    assert_eq!(world.couplings("ITEM-PRODUCT").await, 12);
    assert_eq!(world.dataverse.count("product"), 12);
    assert_eq!(world.dataverse.count("productpricelevel"), 12);
}

#[tokio::test]
async fn two_workers_with_the_same_messages_create_nothing_twice() {
    let world = World::start(WorldOptions::default()).await;
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world.find("ITEM-PRODUCT", RunMode::Full).await;
    let deliveries = world.queue.take(1000);
    let other = world.another_engine(couplet_engine::EngineOptions::default());
    let (one, two) = tokio::join!(world.engine.sync_batch(deliveries.clone()), other.sync_batch(deliveries.clone()));
    for (place, delivery) in deliveries.into_iter().enumerate() {
        if one.dispositions[place] != Disposition::Done || two.dispositions[place] != Disposition::Done {
            world.queue.give_back(delivery);
        }
    }
    world.drain().await;
    assert_eq!(world.couplings("ITEM-PRODUCT").await, 12);
    assert_eq!(world.dataverse.count("product"), 12);
    assert_eq!(world.dataverse.count("productpricelevel"), 12);
}

#[tokio::test]
async fn an_old_message_does_not_bring_an_old_value_back() {
    let world = World::start(WorldOptions::default()).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    world.business_central.update_as_user("Item", item, json!({"displayName": "First"})).expect("taken");
    world.find("ITEM-PRODUCT", RunMode::Modified).await;
    let old = world.queue.take(1000);
    world.business_central.update_as_user("Item", item, json!({"displayName": "Second"})).expect("taken");
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    for disposition in world.engine.sync_batch(old).await.dispositions {
        assert_eq!(disposition, Disposition::Done);
    }
    assert_eq!(text(&world.coupled_row("ITEM-PRODUCT", item).await, "name"), "Second");
    assert_eq!(text(&world.business_central.row("Item", item).expect("there"), "displayName"), "Second");
}
