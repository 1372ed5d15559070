//! Jobs: one run at a time, a dead one blocks for the length of its lease, a person has the last word.

use couplet_model::RunId;
use couplet_model::job::{Job, JobState, RunState};
use couplet_store::{Ended, Holder, LeaseResult, Store, TakenUp};
use jiff::SignedDuration;

use crate::builders::*;

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

async fn acquire(store: &Store, run: RunId, second: i64) -> LeaseResult {
    store.acquire_lease(COMPANY, JOB, run, at(second), FIVE_MINUTES).await.unwrap()
}

/// Goes on with a run.
async fn take_up(store: &Store, run: RunId, invocation: u32, second: i64) -> TakenUp {
    store.take_up_lease(COMPANY, JOB, Holder { run, invocation }, at(second), FIVE_MINUTES).await.unwrap()
}

/// Renews the lease of the first leg of a run.
async fn renew(store: &Store, run: RunId, second: i64) -> bool {
    keep(store, Holder { run, invocation: 0 }, second, None).await
}

async fn keep(store: &Store, holder: Holder, second: i64, place: Option<&str>) -> bool {
    store.renew_lease(COMPANY, JOB, holder, at(second), FIVE_MINUTES, place).await.unwrap()
}

/// The first leg of a run ends well.
async fn release(store: &Store, run: RunId, second: i64) {
    let holder = Holder { run, invocation: 0 };
    store.release_lease(COMPANY, JOB, holder, Ended::well(JobState::Ready), at(second)).await.unwrap();
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
    release(&store, run, 10).await;
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
async fn r254_a_dead_holder_blocks_only_until_its_lease_ends() {
    let store = empty_store().await;
    let dead = started(&store).await;
    acquire(&store, dead, 0).await;
    let next = RunId::fresh();
    assert_eq!(acquire(&store, next, 300).await, LeaseResult::HeldBy { run: dead, until: at(300) });
    assert!(matches!(acquire(&store, next, 301).await, LeaseResult::Acquired(_)));
    // The dead run does not stay in process for ever, and cannot come back.
    assert_eq!(run_of(&store, dead).await.state(), RunState::Error);
    assert!(!renew(&store, dead, 302).await);
    release(&store, dead, 302).await;
    assert_eq!(job(&store).await.run, Some(next));
    assert_eq!(job(&store).await.state, JobState::InProcess);
}

#[tokio::test]
async fn r124_a_dead_run_that_had_found_everything_is_finished_by_its_records() {
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
    assert!(renew(&store, run, 200).await);
    let other = RunId::fresh();
    assert_eq!(acquire(&store, other, 400).await, LeaseResult::HeldBy { run, until: at(500) });
    assert!(!renew(&store, other, 400).await);
}

#[tokio::test]
async fn a_run_that_goes_on_keeps_its_lease_its_start_and_its_checkpoint() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    assert!(keep(&store, Holder { run, invocation: 0 }, 50, Some("page 7")).await);
    let TakenUp::Acquired(continued) = take_up(&store, run, 1, 100).await else { panic!("not acquired") };
    assert_eq!((continued.last_started, continued.lease_until), (Some(at(0)), Some(at(400))));
    assert_eq!((continued.invocation, continued.checkpoint.as_deref()), (1, Some("page 7")));
    assert_eq!(continued, job(&store).await);
    assert!(!keep(&store, Holder { run, invocation: 0 }, 110, Some("page 3")).await, "the invocation before is over");
    assert!(keep(&store, Holder { run, invocation: 1 }, 110, Some("page 8")).await);
    assert_eq!(job(&store).await.checkpoint.as_deref(), Some("page 8"));
}

#[tokio::test]
async fn an_invocation_is_worked_by_one_alone_however_often_it_is_asked_for() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    assert!(matches!(take_up(&store, run, 1, 100).await, TakenUp::Acquired(_)));
    assert_eq!(take_up(&store, run, 1, 101).await, TakenUp::HeldUntil(at(400)));
    // Its worker is dead.
    assert!(matches!(take_up(&store, run, 1, 401).await, TakenUp::Acquired(_)));
    assert!(matches!(take_up(&store, run, 2, 402).await, TakenUp::Acquired(_)));
    assert_eq!(take_up(&store, run, 1, 403).await, TakenUp::Over, "an old message comes late");
    assert_eq!(take_up(&store, run, 4, 404).await, TakenUp::HeldUntil(at(702)), "a message comes too early");
}

#[tokio::test]
async fn a_run_that_ended_or_lost_its_job_does_not_go_on() {
    let store = empty_store().await;
    let run = RunId::fresh();
    assert_eq!(take_up(&store, run, 1, 0).await, TakenUp::Over, "the job never ran");
    acquire(&store, run, 0).await;
    release(&store, run, 10).await;
    assert_eq!(take_up(&store, run, 1, 11).await, TakenUp::Over);
    acquire(&store, RunId::fresh(), 20).await;
    assert_eq!(take_up(&store, run, 1, 21).await, TakenUp::Over);
    store.set_job_state(COMPANY, JOB, JobState::OnHold).await.unwrap();
    assert_eq!(take_up(&store, run, 1, 22).await, TakenUp::Over);
}

#[tokio::test]
async fn the_checkpoint_of_a_run_is_there_for_the_next_one_until_a_run_ends_well() {
    let store = empty_store().await;
    let dead = RunId::fresh();
    acquire(&store, dead, 0).await;
    keep(&store, Holder { run: dead, invocation: 0 }, 1, Some("page 7")).await;
    let next = RunId::fresh();
    let LeaseResult::Acquired(acquired) = acquire(&store, next, 400).await else { panic!("not acquired") };
    assert_eq!(acquired.checkpoint.as_deref(), Some("page 7"));
    let failed = Ended::badly("down".to_owned(), true);
    store.release_lease(COMPANY, JOB, Holder { run: next, invocation: 0 }, failed, at(410)).await.unwrap();
    assert_eq!(job(&store).await.checkpoint.as_deref(), Some("page 7"));
    let last = RunId::fresh();
    acquire(&store, last, 420).await;
    release(&store, last, 430).await;
    assert_eq!(job(&store).await.checkpoint, None);
}

#[tokio::test]
async fn a_checkpoint_can_be_forgotten() {
    let store = empty_store().await;
    store.forget_checkpoint(COMPANY, JOB).await.unwrap();
    assert_eq!(store.job(COMPANY, JOB).await.unwrap(), None, "forgetting makes no job");
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    keep(&store, Holder { run, invocation: 0 }, 1, Some("page 7")).await;
    store.forget_checkpoint(COMPANY, JOB).await.unwrap();
    assert_eq!(job(&store).await.checkpoint, None);
}

#[tokio::test]
async fn an_idle_or_failed_job_starts_again() {
    let store = empty_store().await;
    let failed = Ended::badly("no token".to_owned(), false);
    let interrupted = Ended::Interrupted { message: "ended".to_owned() };
    for (second, ended, state, message, success) in [
        (0, Ended::well(JobState::OnHoldDueToInactivity), JobState::OnHoldDueToInactivity, None, Some(at(1))),
        (10, failed, JobState::Error, Some("no token".to_owned()), Some(at(1))),
        (15, interrupted, JobState::Ready, Some("ended".to_owned()), Some(at(1))),
    ] {
        let run = RunId::fresh();
        assert!(matches!(acquire(&store, run, second).await, LeaseResult::Acquired(_)));
        store.release_lease(COMPANY, JOB, Holder { run, invocation: 0 }, ended, at(second + 1)).await.unwrap();
        let left = job(&store).await;
        assert_eq!((left.state, left.message, left.last_success), (state, message, success));
    }
    let run = RunId::fresh();
    assert!(matches!(acquire(&store, run, 20).await, LeaseResult::Acquired(_)));
    release(&store, run, 21).await;
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
async fn r253_a_run_under_way_loses_its_lease_when_a_person_puts_the_job_on_hold() {
    let store = empty_store().await;
    let run = RunId::fresh();
    acquire(&store, run, 0).await;
    store.set_job_state(COMPANY, JOB, JobState::OnHold).await.unwrap();
    assert!(!renew(&store, run, 10).await);
    release(&store, run, 20).await;
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

#[tokio::test]
async fn f22_a_full_synchronization_is_owed_until_one_has_ended_well() {
    let store = empty_store().await;
    let acquire_in_full =
        async |run, second| store.acquire_lease_in_full(COMPANY, JOB, run, at(second), FIVE_MINUTES).await.unwrap();
    let first = RunId::fresh();
    let LeaseResult::Acquired(acquired) = acquire_in_full(first, 0).await else { panic!("not acquired") };
    assert_eq!(acquired, job(&store).await);
    assert_eq!(acquired.full_since, Some(at(0)));
    // A run that dies, one that fails and one that looked for changes only all leave it as it is.
    let dies = RunId::fresh();
    let LeaseResult::Acquired(acquired) = acquire(&store, dies, 301).await else { panic!("not acquired") };
    assert_eq!(acquired.full_since, Some(at(0)));
    let failed = Ended::badly("down".to_owned(), false);
    store.release_lease(COMPANY, JOB, Holder { run: dies, invocation: 0 }, failed, at(310)).await.unwrap();
    assert_eq!(job(&store).await.full_since, Some(at(0)));
    let changes = RunId::fresh();
    acquire(&store, changes, 320).await;
    release(&store, changes, 330).await;
    assert_eq!(job(&store).await.full_since, Some(at(0)));

    let last = RunId::fresh();
    let LeaseResult::Acquired(acquired) = acquire_in_full(last, 340).await else { panic!("not acquired") };
    assert_eq!(acquired.full_since, Some(at(0)), "since the first time it was asked for");
    let ended = Ended::well_in_full(JobState::Ready);
    store.release_lease(COMPANY, JOB, Holder { run: last, invocation: 0 }, ended, at(350)).await.unwrap();
    assert_eq!(job(&store).await.full_since, None);
}
