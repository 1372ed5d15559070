//! Claims: while one worker writes a pair, no other does.

use couplet_model::Coupling;
use couplet_store::{Claim, CommitResult};

use crate::builders::*;

/// Couplings as a worker claims them for a minute.
fn held(read: &[Coupling]) -> Vec<Coupling> {
    let claim = |coupling: &Coupling| Coupling { claimed_until: Some(at(60)), ..coupling.clone() };
    read.iter().map(claim).collect()
}

#[tokio::test]
async fn of_two_workers_that_read_the_same_coupling_one_may_write() {
    let store = empty_store().await;
    let read = reserved(&store, &items(), vec![keyed(1, "1000")]).await;
    let first = store.claim(COMPANY, &items(), &held(&read)).await.unwrap().remove(0);
    let Claim::Claimed(claimed) = first else { panic!("{first:?}") };
    assert_eq!(one_by_bc(&store, &items(), 1).await.as_ref(), Some(&claimed));
    assert_eq!((claimed.revision, claimed.claimed_until), (2, Some(at(60))));
    assert_eq!(store.claim(COMPANY, &items(), &held(&read)).await.unwrap(), [Claim::Stale]);

    let run = started(&store).await;
    let late = store.commit(COMPANY, &items(), JOB, run, vec![storing(read[0].clone())]).await.unwrap();
    assert_eq!(late, [CommitResult::Stale]);
    let commit = storing(Coupling { claimed_until: None, ..claimed });
    let results = store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();
    assert_eq!(results, [CommitResult::Stored]);
    assert_eq!(one_by_bc(&store, &items(), 1).await.unwrap().claimed_until, None);
}

#[tokio::test]
async fn one_lost_claim_takes_nobody_along() {
    let store = empty_store().await;
    let mut read = reserved(&store, &items(), (0..150).map(|n| pair(n, n)).collect()).await;
    read[7].revision = 9;
    read.push(read[0].clone());
    let claims = store.claim(COMPANY, &items(), &held(&read)).await.unwrap();
    for (number, claim) in claims.iter().enumerate() {
        assert_eq!(*claim == Claim::Stale, [7, 150].contains(&number), "{number}");
    }
}

#[tokio::test]
async fn a_removed_coupling_cannot_be_claimed() {
    let store = empty_store().await;
    let read = reserved(&store, &items(), vec![pair(1, 1)]).await;
    store.remove_coupling(COMPANY, &items(), &read[0]).await.unwrap();
    assert_eq!(store.claim(COMPANY, &items(), &held(&read)).await.unwrap(), [Claim::Stale]);
    assert_eq!(one_by_bc(&store, &items(), 1).await, None);
}
