//! Waits: found by what they need and by who waits, until they are forgotten.

use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::record::Snapshot;
use couplet_model::{Counters, RunId, Side};
use couplet_store::{Commit, Store, Wait};

use crate::builders::*;

fn unit(code: &str) -> Dependency {
    Dependency { mapping: "UNIT OF MEASURE".into(), side: Side::BusinessCentral, key: code.into() }
}

fn need(dependency: Dependency) -> Need {
    Need { value: dependency.key.clone(), field: "Base Unit of Measure".to_owned(), dependency }
}

async fn wait(store: &Store, run: RunId, number: u128, needed: Dependency) {
    let message = message(&items(), bc(number), run);
    let outcome = Counters { waiting: 1, ..Counters::default() };
    let wait = Wait::new(&need(needed), &message, format!("item {number}"), at(0));
    let commit = Commit { wait: Some(wait), outcome, ..counting(bc(number)) };
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
    let wait = Wait::new(&need(unit("PCS")), &message, String::new(), at(0));
    let commit = Commit { wait: Some(wait), ..counting(bc(1)) };
    store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();
    assert_eq!(store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap()[0].message.snapshot, None);
}

#[tokio::test]
async fn f25_a_wait_says_what_a_person_needs_to_know_and_since_when() {
    let store = empty_store().await;
    let run = started(&store).await;
    assert_eq!(store.count_waits(COMPANY, &items()).await.unwrap(), 0);
    wait(&store, run, 1, unit("PCS")).await;
    wait(&store, run, 2, unit("BOX")).await;
    assert_eq!(store.count_waits(COMPANY, &items()).await.unwrap(), 2);
    assert_eq!(store.count_waits(COMPANY, &resources()).await.unwrap(), 0);
    let waits = store.waiting_for(COMPANY, &[unit("PCS")]).await.unwrap();
    let told = (waits[0].name(), waits[0].field.as_str(), waits[0].value.as_str(), waits[0].since);
    assert_eq!(told, ("item 1".to_owned(), "Base Unit of Measure", "PCS", Some(at(0))));
    let (pcs, kg) = (unit("PCS"), unit("KG"));
    let asked = [(bc(1), &pcs), (bc(2), &kg), (bc(3), &pcs)];
    let since = store.waited_since(COMPANY, &items(), Direction::ToDataverse, &asked).await.unwrap();
    assert_eq!(since.into_iter().collect::<Vec<_>>(), [(bc(1), at(0))]);
}

#[test]
fn f25_a_wait_of_an_older_version_is_still_read() {
    let message = serde_json::to_value(message(&items(), bc(1), RunId::fresh())).unwrap();
    let old = serde_json::json!({ "dependency": unit("PCS"), "message": message });
    let wait: Wait = serde_json::from_value(old).unwrap();
    assert_eq!((wait.name(), wait.since), (bc(1).to_string(), None));
}
