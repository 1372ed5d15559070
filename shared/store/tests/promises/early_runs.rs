//! Early starts of jobs: one a minute, whoever asks, and none that was asked for is forgotten.

use couplet_model::notification::EarlyRun;
use jiff::SignedDuration;

use crate::builders::*;

#[tokio::test]
async fn of_many_notifications_at_once_one_starts_the_job() {
    let store = empty_store().await;
    let noted = async |second| {
        let all = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.note_early_run(COMPANY, JOB, at(second)).await.unwrap() })
        });
        let mut found = Vec::new();
        for one in all.collect::<Vec<_>>() {
            found.push(one.await.unwrap());
        }
        found
    };
    let count = |found: &[EarlyRun], wanted| found.iter().filter(|early| **early == wanted).count();
    let found = noted(0).await;
    // What comes at the same moment may be of a change that the run has missed.
    assert_eq!((count(&found, EarlyRun::Now), count(&found, EarlyRun::At(at(60)))), (1, 1), "{found:?}");
    assert_eq!(count(&found, EarlyRun::AlreadyDue(at(60))), 18);
    let found = noted(30).await;
    assert_eq!(count(&found, EarlyRun::AlreadyDue(at(60))), 20, "{found:?}");
    let found = noted(61).await;
    assert_eq!(count(&found, EarlyRun::At(at(120))), 1, "{found:?}");
    assert_eq!(store.note_early_run(COMPANY, "another", at(61)).await.unwrap(), EarlyRun::Now);
}

#[tokio::test]
async fn a_start_that_could_not_be_asked_for_is_taken_back() {
    let store = empty_store().await;
    assert_eq!(store.note_early_run(COMPANY, JOB, at(0)).await.unwrap(), EarlyRun::Now);
    store.take_back_early_run(COMPANY, JOB, at(0)).await.unwrap();
    assert_eq!(store.note_early_run(COMPANY, JOB, at(1)).await.unwrap(), EarlyRun::Now);
    let later = at(1) + SignedDuration::from_mins(1);
    assert_eq!(store.note_early_run(COMPANY, JOB, at(2)).await.unwrap(), EarlyRun::At(later));
    store.take_back_early_run(COMPANY, JOB, later).await.unwrap();
    assert_eq!(store.note_early_run(COMPANY, JOB, at(3)).await.unwrap(), EarlyRun::At(later));
    // Of a start that is not the last one nothing is taken back.
    store.take_back_early_run(COMPANY, JOB, at(1)).await.unwrap();
    assert_eq!(store.note_early_run(COMPANY, JOB, at(4)).await.unwrap(), EarlyRun::AlreadyDue(later));
}
