//! Jobs: one run at a time, a dead one blocks for the length of its lease, a person has the last word.

use couplet_model::RunId;
use couplet_model::job::{Job, JobState, RunState};
use couplet_store::{LeaseResult, Store};
use jiff::SignedDuration;

use crate::builders::*;

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

async fn acquire(store: &Store, run: RunId, second: i64) -> LeaseResult {
    store.acquire_lease(COMPANY, JOB, run, at(second), FIVE_MINUTES).await.unwrap()
}

async fn job(store: &Store) -> Job {
    store.job(COMPANY, JOB).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_job_goes_in_process_and_is_ready_again_after_a_good_run() {
    let store = empty_store().await;
    assert_eq!(store.job(COMPANY, JOB).await.unwrap(), None);
    let run = RunId::fresh();
    let LeaseResult::Acquired(acquired) = acquire(&store, run, 0).await else { panic!("not acquired") };
    assert_eq!(acquired, job(&store).await);
    assert_eq!((acquired.state, acquired.run, acquired.lease_until), (JobState::InProcess, Some(run), Some(at(300))));
    store.release_lease(COMPANY, JOB, run, JobState::Ready, None, at(10)).await.unwrap();
    let released = job(&store).await;
    assert_eq!((released.state, released.lease_until), (JobState::Ready, None));
    assert_eq!((released.last_started, released.last_success), (Some(at(0)), Some(at(10))));
}

#[tokio::test]
async fn two_runs_of_a_job_cannot_hold_the_lease() {
    let store = empty_store().await;
    let race = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { acquire(&store, RunId::fresh(), 0).await })
    });
    let mut acquired = 0;
    for racer in race.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            LeaseResult::Acquired(_) => acquired += 1,
            LeaseResult::HeldBy { until, .. } => assert_eq!(until, at(300)),
            LeaseResult::OnHold => panic!("nobody stopped it"),
        }
    }
    assert_eq!(acquired, 1);
}

#[tokio::test]
async fn a_dead_holder_blocks_only_until_its_lease_ends() {
    let store = empty_store().await;
    let dead = started(&store).await;
    acquire(&store, dead, 0).await;
    let next = RunId::fresh();
    assert_eq!(acquire(&store, next, 300).await, LeaseResult::HeldBy { run: dead, until: at(300) });
    assert!(matches!(acquire(&store, next, 301).await, LeaseResult::Acquired(_)));
    // The dead run does not stay in process for ever, and cannot come back.
    assert_eq!(run_of(&store, dead).await.state(), RunState::Error);
    assert!(!store.renew_lease(COMPANY, JOB, dead, at(302), FIVE_MINUTES).await.unwrap());
    store.release_lease(COMPANY, JOB, dead, JobState::Ready, None, at(302)).await.unwrap();
    assert_eq!(job(&store).await.run, Some(next));
    assert_eq!(job(&store).await.state, JobState::InProcess);
}

#[tokio::test]
async fn a_dead_run_that_had_found_everything_is_finished_by_its_records() {
    let store = empty_store().await;
    let dead = started(&store).await;
    acquire(&store, dead, 0).await;
    let none = couplet_model::Counters::default();
    store.add_to_run(COMPANY, JOB, dead, 1, none, none).await.unwrap();
    store.run_found(COMPANY, JOB, dead, at(5), None).await.unwrap();
    acquire(&store, RunId::fresh(), 301).await;
    assert_eq!(run_of(&store, dead).await.state(), RunState::InProcess);
    store.commit(COMPANY, &items(), JOB, dead, vec![counting(bc(1))]).await.unwrap();
    assert_eq!(run_of(&store, dead).await.state(), RunState::Success);
}

#[tokio::test]
async fn a_renewed_lease_keeps_others_out() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    assert!(store.renew_lease(COMPANY, JOB, run, at(200), FIVE_MINUTES).await.unwrap());
    let other = RunId::fresh();
    assert_eq!(acquire(&store, other, 400).await, LeaseResult::HeldBy { run, until: at(500) });
    assert!(!store.renew_lease(COMPANY, JOB, other, at(400), FIVE_MINUTES).await.unwrap());
}

#[tokio::test]
async fn a_run_continued_in_another_invocation_keeps_its_lease_and_its_start() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    let LeaseResult::Acquired(continued) = acquire(&store, run, 100).await else { panic!("not acquired") };
    assert_eq!((continued.last_started, continued.lease_until), (Some(at(0)), Some(at(400))));
}

#[tokio::test]
async fn an_idle_or_failed_job_starts_again() {
    let store = empty_store().await;
    for (second, state, message) in
        [(0, JobState::OnHoldDueToInactivity, None), (10, JobState::Error, Some("no token".to_owned()))]
    {
        let run = RunId::fresh();
        assert!(matches!(acquire(&store, run, second).await, LeaseResult::Acquired(_)));
        store.release_lease(COMPANY, JOB, run, state, message.clone(), at(second + 1)).await.unwrap();
        assert_eq!((job(&store).await.state, job(&store).await.message), (state, message));
    }
    let run = RunId::fresh();
    assert!(matches!(acquire(&store, run, 20).await, LeaseResult::Acquired(_)));
    store.release_lease(COMPANY, JOB, run, JobState::Ready, None, at(21)).await.unwrap();
    assert_eq!(job(&store).await.message, None);
}

#[tokio::test]
async fn a_job_on_hold_starts_only_when_a_person_says_so() {
    let store = empty_store().await;
    store.set_job_state(COMPANY, JOB, JobState::OnHold).await.unwrap();
    assert_eq!(acquire(&store, RunId::fresh(), 0).await, LeaseResult::OnHold);
    store.set_job_state(COMPANY, JOB, JobState::Ready).await.unwrap();
    assert!(matches!(acquire(&store, RunId::fresh(), 0).await, LeaseResult::Acquired(_)));
}

#[tokio::test]
async fn a_run_under_way_loses_its_lease_when_a_person_puts_the_job_on_hold() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    store.set_job_state(COMPANY, JOB, JobState::OnHold).await.unwrap();
    assert!(!store.renew_lease(COMPANY, JOB, run, at(10), FIVE_MINUTES).await.unwrap());
    store.release_lease(COMPANY, JOB, run, JobState::Ready, None, at(20)).await.unwrap();
    assert_eq!(job(&store).await.state, JobState::OnHold);
}

#[tokio::test]
async fn all_jobs_are_listed_by_name() {
    let store = empty_store().await;
    for name in ["Item Availability", "CUSTOMER", "ITEM-PRODUCT"] {
        store.set_job_state(COMPANY, name, JobState::Ready).await.unwrap();
    }
    let names: Vec<_> = store.jobs(COMPANY).await.unwrap().into_iter().map(|job| job.name).collect();
    assert_eq!(names, ["CUSTOMER", "ITEM-PRODUCT", "Item Availability"]);
}
