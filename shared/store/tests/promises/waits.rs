//! Waits: found by what they need and by who waits, until they are forgotten.

use couplet_model::outcome::Dependency;
use couplet_model::record::Snapshot;
use couplet_model::{Counters, RunId, Side};
use couplet_store::{Commit, Store, Wait};

use crate::builders::*;

fn unit(code: &str) -> Dependency {
    Dependency { mapping: "UNIT OF MEASURE".into(), side: Side::BusinessCentral, key: code.into() }
}

async fn wait(store: &Store, run: RunId, number: u128, needed: Dependency) {
    let message = message(&items(), bc(number), run);
    let outcome = Counters { waiting: 1, ..Counters::default() };
    let commit = Commit { wait: Some((needed, message)), outcome, ..counting(bc(number)) };
    store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();
}

fn records(mut waits: Vec<Wait>) -> Vec<(couplet_model::RecordId, String)> {
    waits.sort_by_key(|wait| wait.message.record);
    waits.into_iter().map(|wait| (wait.message.record, wait.dependency.key)).collect()
}

#[tokio::test]
async fn a_wait_is_found_by_what_it_needs_and_by_its_mapping() {
    let store = empty_store().await;
    let run = started(&store).await;
    wait(&store, run, 1, unit("PCS")).await;
    wait(&store, run, 2, unit("PCS")).await;
    wait(&store, run, 3, unit("BOX")).await;

    let released = store.waiting_for(COMPANY, &[unit("PCS"), unit("KG"), unit("PCS")]).await.unwrap();
    assert_eq!(released[0].message, message(&items(), released[0].message.record, run));
    assert_eq!(records(released), [(bc(1), "PCS".into()), (bc(2), "PCS".into())]);
    let all = store.waits_of_mapping(COMPANY, &items()).await.unwrap();
    assert_eq!(records(all), [(bc(1), "PCS".into()), (bc(2), "PCS".into()), (bc(3), "BOX".into())]);
    assert!(store.waits_of_mapping(COMPANY, &resources()).await.unwrap().is_empty());
    assert_eq!(run_of(&store, run).await.counters.waiting, 3);
}

#[tokio::test]
async fn a_forgotten_wait_is_found_by_nobody() {
    let store = empty_store().await;
    let run = started(&store).await;
    wait(&store, run, 1, unit("PCS")).await;
    wait(&store, run, 2, unit("PCS")).await;
    let mut waits = store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap();
    waits.retain(|wait| wait.message.record == bc(1));
    store.forget_waits(COMPANY, &waits).await.unwrap();
    store.forget_waits(COMPANY, &waits).await.unwrap();
    assert_eq!(records(store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap()), [(bc(2), "PCS".into())]);
    assert_eq!(records(store.waits_of_mapping(COMPANY, &items()).await.unwrap()), [(bc(2), "PCS".into())]);
}

#[tokio::test]
async fn a_wait_for_a_key_that_starts_alike_is_another_wait() {
    let store = empty_store().await;
    let run = started(&store).await;
    wait(&store, run, 1, unit("A#B")).await;
    wait(&store, run, 2, unit("A")).await;
    assert_eq!(records(store.waiting_for(COMPANY, &[unit("A")]).await.unwrap()), [(bc(2), "A".into())]);
}

#[tokio::test]
async fn a_record_waiting_twice_for_the_same_is_one_wait() {
    let store = empty_store().await;
    let run = started(&store).await;
    wait(&store, run, 1, unit("PCS")).await;
    wait(&store, run, 1, unit("PCS")).await;
    assert_eq!(store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_released_record_is_read_again() {
    let store = empty_store().await;
    let run = started(&store).await;
    let snapshot = Snapshot { read_at: at(0), version: None, modified: None, values: serde_json::Map::new() };
    let mut message = message(&items(), bc(1), run);
    message.snapshot = Some(snapshot);
    let commit = Commit { wait: Some((unit("PCS"), message)), ..counting(bc(1)) };
    store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();
    assert_eq!(store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap()[0].message.snapshot, None);
}
