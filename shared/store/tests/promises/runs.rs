//! Runs: counted while they find, finished when the last record is done, forgotten after a while.

use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::Counters;
use couplet_model::job::RunState;
use couplet_store::CommitResult;
use jiff::{SignedDuration, Timestamp};

use crate::builders::*;

#[tokio::test]
async fn r121_a_run_is_finished_when_its_last_record_is_processed() {
    let store = empty_store().await;
    let run = started(&store).await;
    store.add_to_run(COMPANY, JOB, run, 2, Counters::default(), Counters::default()).await.unwrap();
    store.commit(COMPANY, &items(), JOB, run, vec![counting(bc(1))]).await.unwrap();
    assert_eq!(run_of(&store, run).await.state(), RunState::Finding);
    store.run_found(COMPANY, JOB, run, at(5), None).await.unwrap();
    assert_eq!(run_of(&store, run).await.state(), RunState::InProcess);
    store.commit(COMPANY, &items(), JOB, run, vec![counting(bc(2))]).await.unwrap();
    let run = run_of(&store, run).await;
    assert_eq!((run.state(), run.enqueued, run.processed, run.found), (RunState::Success, 2, 2, Some(at(5))));
}

#[tokio::test]
async fn a_run_whose_records_were_faster_than_its_search_is_finished_by_the_search() {
    let store = empty_store().await;
    let run = started(&store).await;
    store.commit(COMPANY, &items(), JOB, run, vec![counting(bc(1))]).await.unwrap();
    store.add_to_run(COMPANY, JOB, run, 1, Counters::default(), Counters::default()).await.unwrap();
    assert_eq!(run_of(&store, run).await.state(), RunState::Finding);
    store.run_found(COMPANY, JOB, run, at(5), None).await.unwrap();
    assert_eq!(run_of(&store, run).await.state(), RunState::Success);
}

#[tokio::test]
async fn what_a_run_judges_itself_is_counted_but_not_processed() {
    let store = empty_store().await;
    let run = started(&store).await;
    let unchanged = Counters { unchanged: 4, ..Counters::default() };
    let ignored = Counters { ignored: 3, ..Counters::default() };
    store.add_to_run(COMPANY, JOB, run, 1, unchanged, ignored).await.unwrap();
    store.add_to_run(COMPANY, JOB, run, 0, Counters::default(), Counters::default()).await.unwrap();
    let run = run_of(&store, run).await;
    assert_eq!((run.enqueued, run.processed), (1, 0));
    assert_eq!((run.to_dataverse, run.from_dataverse), (unchanged, ignored));
    assert_eq!(run.counters, Counters { unchanged: 4, ignored: 3, ..Counters::default() });
}

#[tokio::test]
async fn many_workers_at_once_lose_no_count_and_finish_the_run_once() {
    let store = empty_store().await;
    let run = started(&store).await;
    store.add_to_run(COMPANY, JOB, run, 200, Counters::default(), Counters::default()).await.unwrap();
    store.run_found(COMPANY, JOB, run, at(5), None).await.unwrap();
    let workers = (0..20).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            let commits = (0..10).map(|number| counting(bc(worker * 10 + number))).collect();
            store.commit(COMPANY, &items(), JOB, run, commits).await
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap().unwrap();
    }
    let run = run_of(&store, run).await;
    assert_eq!((run.processed, run.counters.modified, run.state()), (200, 200, RunState::Success));
}

#[tokio::test]
async fn r123_a_run_that_failed_says_why() {
    let store = empty_store().await;
    let run = started(&store).await;
    store.fail_run(COMPANY, JOB, run, at(5), "Dataverse refused the token".into()).await.unwrap();
    let run = run_of(&store, run).await;
    assert_eq!((run.state(), run.finished), (RunState::Error, Some(at(5))));
    assert_eq!(run.message.as_deref(), Some("Dataverse refused the token"));
}

#[tokio::test]
async fn a_run_started_twice_keeps_what_it_has_counted() {
    let store = empty_store().await;
    let run = started(&store).await;
    store.add_to_run(COMPANY, JOB, run, 3, Counters::default(), Counters::default()).await.unwrap();
    let stored = run_of(&store, run).await;
    store.start_run(COMPANY, &couplet_model::job::Run { enqueued: 0, ..stored.clone() }).await.unwrap();
    assert_eq!(run_of(&store, run).await, stored);
}

#[tokio::test]
async fn r120_the_newest_runs_come_first_with_their_counters() {
    let store = empty_store().await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let run = started(&store).await;
        let commits = (0..number).map(|record| counting(bc(record))).collect();
        store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
        ids.push(run);
    }
    let runs = store.runs(COMPANY, JOB, 3).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[11], ids[10], ids[9]]);
    assert_eq!(runs.iter().map(|run| run.processed).collect::<Vec<_>>(), [11, 10, 9]);
    assert_eq!(store.runs(COMPANY, JOB, 100).await.unwrap().len(), 12);
    assert!(store.runs(COMPANY, "CUSTOMER", 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_that_has_expired_does_not_fail_the_commit_of_its_last_records() {
    let database = EmbeddedDynamoDb::open_in_memory().unwrap();
    let store = store_on(database.client()).await;
    let run = started_at(&store, Timestamp::now() - SignedDuration::from_hours(31 * 24)).await;
    let coupling = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    database.remove_expired().unwrap();
    assert_eq!(store.run(COMPANY, JOB, run).await.unwrap(), None);

    let results = store.commit(COMPANY, &items(), JOB, run, vec![storing(coupling)]).await.unwrap();
    assert_eq!(results, [CommitResult::Stored]);
    store.add_to_run(COMPANY, JOB, run, 1, Counters::default(), Counters::default()).await.unwrap();
    store.run_found(COMPANY, JOB, run, at(5), None).await.unwrap();
    assert_eq!(store.run(COMPANY, JOB, run).await.unwrap(), None);
    assert!(store.runs(COMPANY, JOB, 10).await.unwrap().is_empty());
}
