//! Commits: a record's coupling, failure and count are stored together or not at all, and nobody is taken along.

use couplet_model::message::Direction;
use couplet_model::{Counters, Coupling, RetryClass, Side};
use couplet_store::{Commit, CommitResult, Failure, FailureChange};

use crate::builders::*;

#[tokio::test]
async fn a_commit_stores_the_next_revision() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let run = started(&store).await;
    let results = store.commit(COMPANY, &items(), JOB, run, vec![storing(first)]).await.unwrap();
    assert_eq!(results, [CommitResult::Stored]);
    assert_eq!(one_by_bc(&store, &items(), 1).await.unwrap().revision, 2);
}

#[tokio::test]
async fn a_stale_commit_changes_nothing() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let run = started(&store).await;
    store.commit(COMPANY, &items(), JOB, run, vec![storing(first.clone())]).await.unwrap();
    let before = (one_by_bc(&store, &items(), 1).await, run_of(&store, run).await);

    let late = Coupling { key: Some("1000".into()), skipped: true, ..first };
    let commit = Commit { failure: FailureChange::Set(failure(bc(1), run, "late")), ..storing(late) };
    let results = store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();

    assert_eq!(results, [CommitResult::Stale]);
    assert_eq!((one_by_bc(&store, &items(), 1).await, run_of(&store, run).await), before);
    assert_eq!(one_by_key(&store, &items(), "1000").await, None);
    assert!(store.failures(COMPANY, &items(), Direction::ToDataverse).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_commit_of_a_removed_coupling_is_stale() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    store.remove_coupling(COMPANY, &items(), &first).await.unwrap();
    let run = started(&store).await;
    let results = store.commit(COMPANY, &items(), JOB, run, vec![storing(first)]).await.unwrap();
    assert_eq!(results, [CommitResult::Stale]);
    assert_eq!(one_by_bc(&store, &items(), 1).await, None);
}

#[tokio::test]
async fn one_stale_commit_takes_nobody_along() {
    let store = empty_store().await;
    let mut couplings = reserved(&store, &items(), (0..250).map(|n| pair(n, n)).collect()).await;
    let run = started(&store).await;
    for stale in [3, 50, 249] {
        couplings[stale].revision = 7;
    }
    let commits = couplings.into_iter().map(storing).collect();
    let results = store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result == CommitResult::Stale, [3, 50, 249].contains(&number), "{number}");
    }
    let run = run_of(&store, run).await;
    assert_eq!((run.processed, run.counters.modified), (247, 247));
}

#[tokio::test]
async fn counters_are_stored_with_the_coupling_or_not_at_all() {
    let store = empty_store().await;
    let couplings = reserved(&store, &items(), (0..20).map(|n| pair(n, n)).collect()).await;
    let run = started(&store).await;
    // Everybody commits everything: of each coupling one commit wins, and only that one counts.
    let race = (0..6).map(|_| {
        let (store, couplings) = (store.clone(), couplings.clone());
        tokio::spawn(async move {
            let commits = couplings.into_iter().map(storing).collect();
            store.commit(COMPANY, &items(), JOB, run, commits).await
        })
    });
    let mut stored = 0;
    for racer in race.collect::<Vec<_>>() {
        let results = racer.await.unwrap().unwrap();
        stored += results.iter().filter(|result| **result == CommitResult::Stored).count();
    }
    let run = run_of(&store, run).await;
    assert_eq!((stored, run.processed, run.to_dataverse.modified), (20, 20, 20));
}

#[tokio::test]
async fn r122_each_direction_is_counted_and_both_together() {
    let store = empty_store().await;
    let run = started(&store).await;
    let inserted = Counters { inserted: 1, ..Counters::default() };
    let back = Commit { direction: Direction::FromDataverse, outcome: inserted, ..counting(dv(1)) };
    store.commit(COMPANY, &items(), JOB, run, vec![counting(bc(1)), back, counting(bc(2))]).await.unwrap();
    let run = run_of(&store, run).await;
    assert_eq!((run.to_dataverse, run.from_dataverse), (Counters { modified: 2, ..Counters::default() }, inserted));
    assert_eq!(run.counters, Counters { modified: 2, inserted: 1, ..Counters::default() });
    assert_eq!(run.processed, 3);
}

#[tokio::test]
async fn of_two_commits_of_one_coupling_in_a_batch_the_second_is_stale() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let run = started(&store).await;
    let commits = vec![storing(first.clone()), storing(first)];
    let results = store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    assert_eq!(results, [CommitResult::Stored, CommitResult::Stale]);
    assert_eq!(run_of(&store, run).await.processed, 1);
}

#[tokio::test]
async fn a_commit_can_couple_without_a_reservation_but_only_free_records() {
    let store = empty_store().await;
    let run = started(&store).await;
    let commits = vec![storing(keyed(1, "1000")), storing(pair(1, 2)), storing(pair(2, 1)), storing(pair(2, 2))];
    let results = store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    use CommitResult::{Stale, Stored};
    assert_eq!(results, [Stored, Stale, Stale, Stored]);
    assert!(one_by_key(&store, &items(), "1000").await.is_some());
    let rows = store.couplings_by_id(COMPANY, &items(), Side::Dataverse, &[dv(1), dv(2)]).await.unwrap();
    assert_eq!((rows[&dv(1)].system_id, rows[&dv(2)].system_id), (bc(1).into(), bc(2).into()));
}

#[tokio::test]
async fn r96_a_renamed_record_is_found_by_its_new_key_only() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![keyed(1, "1000")]).await.remove(0);
    let run = started(&store).await;
    let renamed = Coupling { key: Some("2000".into()), ..first };
    store.commit(COMPANY, &items(), JOB, run, vec![storing(renamed.clone())]).await.unwrap();
    assert_eq!(one_by_key(&store, &items(), "1000").await, None);
    assert_eq!(one_by_key(&store, &items(), "2000").await.unwrap().system_id, renamed.system_id);
}

#[tokio::test]
async fn records_that_swap_their_keys_are_found_by_the_new_ones() {
    let store = empty_store().await;
    let mut both = reserved(&store, &items(), vec![keyed(1, "A"), keyed(2, "B")]).await;
    both[0].key = Some("B".into());
    both[1].key = Some("A".into());
    let run = started(&store).await;
    let results = store.commit(COMPANY, &items(), JOB, run, both.into_iter().map(storing).collect()).await.unwrap();
    assert_eq!(results, [CommitResult::Stored; 2]);
    assert_eq!(one_by_key(&store, &items(), "A").await.unwrap().system_id, bc(2).into());
    assert_eq!(one_by_key(&store, &items(), "B").await.unwrap().system_id, bc(1).into());
}

#[tokio::test]
async fn a_key_taken_over_stays_with_its_new_owner_when_the_old_one_is_removed() {
    let store = empty_store().await;
    let mut both = reserved(&store, &items(), vec![keyed(1, "A"), keyed(2, "B")]).await;
    let run = started(&store).await;
    both[0].key = Some("B".into());
    store.commit(COMPANY, &items(), JOB, run, vec![storing(both[0].clone())]).await.unwrap();
    store.remove_coupling(COMPANY, &items(), &both[1]).await.unwrap();
    assert_eq!(one_by_key(&store, &items(), "B").await.unwrap().system_id, bc(1).into());
}

#[tokio::test]
async fn a_coupling_can_move_to_a_free_row_but_not_to_a_coupled_one() {
    let store = empty_store().await;
    let both = reserved(&store, &items(), vec![pair(1, 1), pair(2, 2)]).await;
    let run = started(&store).await;
    let onto_coupled = Coupling { dataverse_id: dv(2).into(), ..both[0].clone() };
    let results = store.commit(COMPANY, &items(), JOB, run, vec![storing(onto_coupled)]).await.unwrap();
    assert_eq!(results, [CommitResult::Stale]);
    let onto_free = Coupling { dataverse_id: dv(3).into(), ..both[0].clone() };
    let results = store.commit(COMPANY, &items(), JOB, run, vec![storing(onto_free)]).await.unwrap();
    assert_eq!(results, [CommitResult::Stored]);
    let rows = store.couplings_by_id(COMPANY, &items(), Side::Dataverse, &[dv(1), dv(3)]).await.unwrap();
    assert_eq!(rows.into_keys().collect::<Vec<_>>(), [dv(3)]);
}

#[tokio::test]
async fn a_failure_stays_until_it_is_cleared() {
    let store = empty_store().await;
    let run = started(&store).await;
    let failed = |number, message| Commit {
        failure: FailureChange::Set(failure(bc(number), run, message)),
        outcome: Counters { failed: 1, ..Counters::default() },
        ..counting(bc(number))
    };
    let commits = (0..30).map(|number| failed(number, "no unit")).collect();
    store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    let keep = counting(bc(1));
    let clear = Commit { failure: FailureChange::Clear, ..counting(bc(2)) };
    store.commit(COMPANY, &items(), JOB, run, vec![failed(0, "no price"), keep, clear]).await.unwrap();

    let failures = store.failures(COMPANY, &items(), Direction::ToDataverse).await.unwrap();
    assert_eq!(failures.len(), 29);
    // Page by page they are the same, each once.
    for size in [1, 7, 29, 100] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let direction = Direction::ToDataverse;
            let page = store.failure_page(COMPANY, &items(), direction, after.as_deref(), size).await.unwrap();
            assert!(page.failures.len() <= size);
            paged.extend(page.failures.into_iter().map(|failure| failure.record));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        paged.sort_unstable();
        let mut all: Vec<_> = failures.iter().map(|failure| failure.record).collect();
        all.sort_unstable();
        assert_eq!(paged, all, "{size} a page");
    }
    assert!(store.failure_page(COMPANY, &items(), Direction::ToDataverse, Some("nowhere"), 5).await.is_err());
    let asked = [bc(0), bc(1), bc(2)];
    let of = store.failures_of(COMPANY, &items(), Direction::ToDataverse, &asked).await.unwrap();
    assert_eq!(of[&bc(0)].message, "no price");
    assert_eq!(of[&bc(1)], failure(bc(1), run, "no unit"));
    assert!(!of.contains_key(&bc(2)));
    assert!(store.failures(COMPANY, &items(), Direction::FromDataverse).await.unwrap().is_empty());
    // The other way one fails as well: both ways together there are all of them.
    let back = Failure { direction: Direction::FromDataverse, ..failure(bc(99), run, "no customer") };
    let commit =
        Commit { direction: Direction::FromDataverse, failure: FailureChange::Set(back.clone()), ..counting(bc(99)) };
    store.commit(COMPANY, &items(), JOB, run, vec![commit]).await.unwrap();
    let both = store.failures_both_ways(COMPANY, &items()).await.unwrap();
    assert_eq!((both.len(), both.contains(&back)), (30, true));
}

#[tokio::test]
async fn a_coupling_too_large_is_refused_by_name_and_nothing_of_its_batch_is_stored() {
    let store = empty_store().await;
    let mut both = reserved(&store, &items(), vec![pair(1, 1), pair(2, 2)]).await;
    both[1].base.dataverse.insert("description".into(), "x".repeat(450_000).into());
    let run = started(&store).await;
    let commits = both.into_iter().map(storing).collect();
    let error = store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap_err();
    assert_eq!(error.retry_class(), RetryClass::Data);
    assert!(error.to_string().contains(&bc(2).to_string()), "{error}");
    assert_eq!(one_by_bc(&store, &items(), 1).await.unwrap().revision, 1);
    assert_eq!(run_of(&store, run).await.processed, 0);
}

#[tokio::test]
async fn couplings_of_hundreds_of_kilobytes_are_stored_over_several_transactions() {
    let store = empty_store().await;
    let mut couplings = reserved(&store, &items(), (0..15).map(|n| pair(n, n)).collect()).await;
    for coupling in &mut couplings {
        coupling.base.dataverse.insert("description".into(), "x".repeat(390_000).into());
    }
    let run = started(&store).await;
    let commits = couplings.into_iter().map(storing).collect();
    let results = store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    assert_eq!(results, [CommitResult::Stored; 15]);
    let ids: Vec<_> = (0..15).map(bc).collect();
    let read = store.couplings_by_id(COMPANY, &items(), Side::BusinessCentral, &ids).await.unwrap();
    assert_eq!(read.len(), 15);
}
