//! Which records a request means that names none: by a filter, and those that failed.

use std::time::Instant;

use couplet_model::catalogue::{ConditionFile, read_conditions};
use couplet_model::message::{Direction, Remedy, SyncOptions, Wish};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, DataverseId, RecordId, SystemId};
use couplet_store::{Commit, Failure, FailureChange, FailureKind};
use serde_json::json;

use super::PAGE;
use crate::bench::{Bench, COMPANY, id, pair};
use crate::ports::{Delivery, Disposition};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const BC: Side = Side::BusinessCentral;

fn conditions(text: &str, side: Side) -> Vec<ConditionFile> {
    read_conditions(text, side).expect("a filter")
}

fn matching(text: &str, side: Side) -> Chosen {
    Chosen::Matching(side, conditions(text, side))
}

/// Six customers of two cities, of which the first four are coupled and the third and fourth skipped.
async fn bench() -> Bench {
    let bench = Bench::of("CUSTOMER").await;
    for number in 1..=6_u128 {
        let city = if number % 2 == 1 { "Oslo" } else { "Bergen" };
        let row = json!({"number": format!("C{number}"), "displayName": "A", "blocked": " ", "city": city});
        bench.business_central.put("Customer", number, row);
        let account = json!({"name": "A", "customertypecode": 3, "statecode": 0, "address1_city": city});
        bench.dataverse.put("account", 10 + number, account);
    }
    let pairs =
        (1..=4).map(|number| Coupling { skipped: number > 2, ..pair(number, 10 + number, &format!("C{number}")) });
    bench.couple("CUSTOMER", pairs).await;
    bench
}

/// The records of the messages of a request, in the order of their numbers.
async fn sent(bench: &Bench, want: Want, of: Chosen) -> Vec<(Direction, RecordId, Option<Wish>)> {
    bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    while let Some(request) = bench.take_request() {
        bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
    }
    let mut sent: Vec<_> =
        bench.take_messages().into_iter().map(|message| (message.direction, message.record, message.wish)).collect();
    sent.sort_by_key(|(direction, record, _)| (*record, *direction));
    sent
}

#[tokio::test]
async fn a_filter_means_the_records_that_the_command_concerns_page_by_page() {
    let bench = bench().await;
    bench.business_central.page_by(1);
    let sync = |create| Want::Synchronize { direction: Some(TO), create };
    let (uncouple, skip, unskip) = (Some(Wish::Uncouple), Some(Wish::Skip), Some(Wish::Unskip));
    for (want, of, expected) in [
        (Want::Uncouple, matching("city eq Oslo", BC), vec![(TO, id(1), uncouple.clone()), (TO, id(3), uncouple)]),
        (
            Want::Skip,
            matching("address1_city eq Bergen", Side::Dataverse),
            vec![(TO, id(2), skip.clone()), (TO, id(4), skip)],
        ),
        (Want::Unskip, matching("city eq Oslo", BC), vec![(TO, id(3), unskip.clone()), (FROM, id(13), unskip.clone())]),
        // Who asks for a skipped pair wants it to travel (R114).
        (sync(false), matching("city eq Oslo", BC), vec![(TO, id(1), None), (TO, id(3), unskip.clone())]),
        (sync(true), matching("city eq Oslo", BC), vec![(TO, id(1), None), (TO, id(3), unskip), (TO, id(5), None)]),
        (Want::Retry, matching("city eq Oslo", BC), vec![]),
        (Want::Skip, matching("city eq Paris", BC), vec![]),
    ] {
        let meant = bench.engine.meant_by(&bench.mapping.name, want.clone(), of.clone()).await.expect("a look");
        let sent = sent(&bench, want.clone(), of.clone()).await;
        assert_eq!(sent, expected, "{want:?} {of:?}");
        let mut pairs: Vec<RecordId> = sent
            .iter()
            .map(|(way, record, _)| if *way == FROM { id(record.0.as_u128() - 10) } else { *record })
            .collect();
        pairs.dedup();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(meant.count, pairs.len() as u64, "a look counts the same: {want:?}");
    }
}

#[tokio::test]
async fn a_filter_that_does_not_fit_is_refused_before_anything_is_stored() {
    let bench = bench().await;
    for (of, problem) in [
        (matching("town eq Oslo", BC), "has no field town"),
        (matching("statecode eq Oslo", Side::Dataverse), "filter on statecode"),
    ] {
        let refused = bench.engine.ask(&bench.mapping.name, Want::Skip, of.clone()).await.expect_err("refused");
        assert!(refused.to_string().contains(problem), "{refused}");
        let refused = bench.engine.meant_by(&bench.mapping.name, Want::Skip, of).await.expect_err("refused");
        assert!(refused.to_string().contains(problem), "{refused}");
    }
    assert!(bench.take_request().is_none());
}

#[tokio::test]
async fn of_the_records_that_a_filter_means_those_that_failed_are_tried_again_and_broken_pairs_are_mended() {
    let bench = bench().await;
    bench.business_central.delete("Customer", 1);
    bench.business_central.delete("Customer", 2);
    bench.sync(TO, &[1, 2]).await;
    let oslo = || matching("address1_city eq Oslo", Side::Dataverse);
    assert_eq!(sent(&bench, Want::Retry, oslo()).await, [(TO, id(1), None)]);
    let mend = |remedy| Some(Wish::Mend(remedy));
    assert_eq!(sent(&bench, Want::Mend(Remedy::Delete), oslo()).await, [(TO, id(1), mend(Remedy::Delete))]);
    assert_eq!(sent(&bench, Want::Mend(Remedy::Restore), oslo()).await, [(TO, id(1), mend(Remedy::Restore))]);
    let all = sent(&bench, Want::Mend(Remedy::Uncouple), Chosen::Deleted).await;
    assert_eq!(all, [(TO, id(1), mend(Remedy::Uncouple)), (TO, id(2), mend(Remedy::Uncouple))]);
    let meant = bench.engine.meant_by(&bench.mapping.name, Want::Mend(Remedy::Delete), oslo()).await.expect("a look");
    assert_eq!((meant.count, meant.first[0].id), (1, id(11)));
}

/// Stores a failure of as many records in each direction.
async fn fail(bench: &Bench, count: u128) {
    let run = bench.run().await;
    let now = bench.engine.now();
    for direction in [TO, FROM] {
        let failure = |number| Failure {
            mapping: bench.mapping.name.clone(),
            direction,
            record: id(number),
            other: None,
            label: format!("{number}"),
            run,
            first_at: now,
            at: now,
            attempts: 1,
            kind: FailureKind::Data,
            field: None,
            message: "refused".to_owned(),
            conflicts: Vec::new(),
            options: SyncOptions::default(),
            retry_at: None,
            gone: None,
        };
        let commit = |number| Commit {
            record: id(number),
            direction,
            coupling: None,
            failure: FailureChange::Set(failure(number)),
            wait: None,
            outcome: Counters::default(),
        };
        let store = bench.engine.store();
        let commits = (1..=count).map(commit).collect();
        store.commit(COMPANY, &bench.mapping.name, bench.mapping.name.as_str(), run, commits).await.expect("a store");
    }
}

#[tokio::test]
async fn r113_what_failed_is_tried_again_page_by_page_in_both_directions() {
    let bench = Bench::of("CUSTOMER").await;
    let each = PAGE as u128 + 3;
    fail(&bench, each).await;
    let run = bench.engine.ask(&bench.mapping.name, Want::Retry, Chosen::Failed).await.expect("a request");
    let mut tasks = 0;
    while let Some(request) = bench.take_request() {
        tasks += 1;
        bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
    }
    let sent = bench.take_messages();
    for direction in [TO, FROM] {
        let mut records: Vec<_> = sent.iter().filter(|one| one.direction == direction).map(|one| one.record).collect();
        records.sort_unstable();
        records.dedup();
        assert_eq!(records.len() as u128, each, "{direction}: each once");
    }
    assert_eq!((tasks, sent.len() as u128), (4, 2 * each), "two pages in each direction");
    assert_eq!(u128::from(bench.stored(run).await.enqueued), 2 * each);
}

/// Has as many pairs uncoupled by invocations that have no time for more than one page each, while their messages are worked on;
/// gives how many invocations it took.
async fn uncouple_all(all: u128) -> u64 {
    let bench = Bench::of("SHIPPING AGENT").await;
    let mut next = 1;
    while next <= all {
        let numbers = next..=all.min(next + 9_999);
        next = numbers.end() + 1;
        let coupled = numbers.map(|number| {
            Coupling::new(SystemId::from(id(number)), DataverseId::from(id(1_000_000 + number)), CouplingState::Coupled)
        });
        bench.couple("SHIPPING AGENT", coupled).await;
    }
    let run = bench.engine.ask(&bench.mapping.name, Want::Uncouple, Chosen::Coupled).await.expect("a request");
    let (mut invocations, mut seen) = (0, (0, 0));
    while let Some(request) = bench.take_request() {
        invocations += 1;
        bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
        let deliveries = bench.take_messages().into_iter().map(|message| Delivery { message, receive_count: 1 });
        let report = bench.engine.sync_batch(deliveries.collect()).await;
        assert!(report.dispositions.iter().all(|end| *end == Disposition::Done));
        let stored = bench.stored(run).await;
        let now = (stored.enqueued, stored.counters.uncoupled);
        assert!(now.0 > seen.0 && now.1 > seen.1 || stored.finished.is_some(), "it shows progress: {seen:?} {now:?}");
        assert_eq!(stored.finished.is_some(), bench.task_count() == 0, "it is done when nothing is left");
        seen = now;
    }
    assert_eq!((u128::from(seen.0), u128::from(seen.1)), (all, all));
    assert_eq!(bench.engine.store().count_couplings(COMPANY, &bench.mapping.name).await.expect("a store"), 0);
    invocations
}

#[tokio::test]
async fn uncoupling_thousands_of_pairs_goes_on_over_several_invocations_and_shows_progress() {
    assert_eq!(uncouple_all(3 * PAGE as u128 + 1).await, 4);
}

#[tokio::test]
#[ignore = "takes a minute; cargo test --workspace --lib uncoupling -- --ignored"]
async fn uncoupling_a_hundred_thousand_pairs_goes_on_over_several_invocations_and_shows_progress() {
    assert!(uncouple_all(100_000).await >= 100);
}
