//! Looking for deleted records: what is told, what follows, and what does not.

use std::time::Instant;

use couplet_model::Coupling;
use couplet_model::catalogue::DeletionRule;
use couplet_model::job::Run;
use couplet_model::message::{Direction, Wish};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use serde_json::json;

use super::PAGE;
use crate::bench::{Bench, id, pair};
use crate::couple::RequestStatus;

const BC: Side = Side::BusinessCentral;

/// As many pairs of customers and accounts, all of them there.
async fn bench(pairs: u128) -> Bench {
    let bench = Bench::of("CUSTOMER").await;
    for number in 1..=pairs {
        bench.business_central.put("Customer", number, json!({"number": format!("C{number}"), "displayName": "A"}));
        let account = json!({"name": format!("Account {number}"), "customertypecode": 3, "statecode": 0});
        bench.dataverse.put("account", 100_000 + number, account);
    }
    bench.couple("CUSTOMER", (1..=pairs).map(|number| pair(number, 100_000 + number, &format!("C{number}")))).await;
    bench
}

async fn look(bench: &Bench) -> Run {
    bench.carry_out(Want::LookForDeleted, Chosen::Coupled).await
}

/// The pairs that are listed: from which side a record is gone, and what it is called.
async fn listed(bench: &Bench) -> Vec<(Side, String)> {
    let lost = bench.engine.lost_pairs(&bench.mapping.name).await.expect("a store");
    let mut listed: Vec<(Side, String)> = lost.into_iter().map(|pair| (pair.gone, pair.label)).collect();
    listed.sort();
    listed
}

#[tokio::test]
async fn d2_r84_pairs_of_which_one_record_is_gone_are_told_at_once_with_their_names() {
    let bench = bench(20).await;
    assert_eq!(look(&bench).await.enqueued, 0, "nothing is gone");
    bench.business_central.delete("Customer", 1);
    bench.dataverse.delete("account", 100_002);
    // Of this pair nothing is left.
    bench.business_central.delete("Customer", 3);
    bench.dataverse.delete("account", 100_003);
    bench.dataverse.take_calls();
    bench.business_central.take_calls();
    let run = look(&bench).await;
    assert_eq!((run.counters.failed, run.counters.uncoupled, run.finished.is_some()), (2, 1, true), "{run:?}");
    let message = run.message.expect("a message");
    assert!(message.contains("of 20 pairs 2 in Business Central; 1 in Dataverse"), "{message}");
    let calls = bench.business_central.take_calls();
    assert_eq!(calls.iter().filter(|call| *call == "find Customer").count(), 1, "one read of all ids: {calls:?}");
    assert_eq!(listed(&bench).await, [(BC, "C1".to_owned()), (Side::Dataverse, "C2".to_owned())]);
    // Looking once more tells the same.
    let again = look(&bench).await;
    assert_eq!((again.counters.failed, listed(&bench).await.len()), (2, 2), "{again:?}");
}

#[tokio::test]
async fn r93_a_mapping_of_one_way_tells_of_rows_that_are_gone_as_well_and_skipped_pairs_are_left_alone() {
    let bench = Bench::of("CURRENCY").await;
    for number in 1..=3 {
        bench.business_central.put("Currency", number, json!({"code": format!("C{number}")}));
    }
    bench.couple("CURRENCY", [pair(1, 11, "C1"), Coupling { skipped: true, ..pair(2, 12, "C2") }]).await;
    let run = look(&bench).await;
    assert_eq!(run.counters.failed, 1, "{run:?}");
    assert_eq!(listed(&bench).await, [(Side::Dataverse, "C1".to_owned())]);
    assert!(bench.business_central.has("Currency", id(1)));
}

#[tokio::test]
async fn where_more_follows_than_being_told_a_person_is_asked_for_it_when_many_are_gone() {
    for (gone, follows) in [(3, true), (12, false)] {
        let bench = bench(40).await.deleting_by(DeletionRule::RemoveCoupling);
        (1..=gone).for_each(|number| bench.business_central.delete("Customer", number));
        let run = look(&bench).await;
        let ended = bench.coupling(1).await.is_none();
        assert_eq!((ended, run.enqueued > 0), (follows, follows), "{gone}: {run:?}");
        let message = run.message.expect("a message");
        assert_eq!(message.contains("too many"), !follows, "{message}");
    }
    // Where it is only told, however many are gone.
    let bench = bench(40).await;
    (1..=12).for_each(|number| bench.business_central.delete("Customer", number));
    assert_eq!((look(&bench).await.counters.failed, listed(&bench).await.len()), (12, 12));
}

#[tokio::test]
async fn what_is_found_goes_on_over_several_invocations_and_each_pair_comes_once() {
    let all = PAGE as u128 + 5;
    let bench = bench(all).await;
    (1..=all).for_each(|number| bench.dataverse.delete("account", 100_000 + number));
    bench.engine.ask(&bench.mapping.name, Want::LookForDeleted, Chosen::Coupled).await.expect("a request");
    let first = bench.take_request().expect("a task");
    let report = bench.engine.work_request(&first, Some(Instant::now())).await.expect("a store");
    assert_eq!((report.status, report.enqueued), (RequestStatus::GoesOn, PAGE as u64));
    let second = bench.take_request().expect("the rest");
    let report = bench.engine.work_request(&second, Some(Instant::now())).await.expect("a store");
    assert_eq!((report.status, report.enqueued), (RequestStatus::Done, 5));
    let sent = bench.take_messages();
    let mut records: Vec<_> = sent.iter().map(|message| message.record).collect();
    records.sort_unstable();
    records.dedup();
    assert_eq!(records.len() as u128, all);
    assert!(sent.iter().all(|one| one.direction == Direction::FromDataverse && one.wish == Some(Wish::TellIfGone)));
}
