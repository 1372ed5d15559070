//! Matching, from the request to the pairs: once, several times, in several invocations, and by workers that die.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use couplet_model::job::Run;
use couplet_model::request::{Chosen, Request, Want};
use couplet_model::table::Side;
use couplet_model::{DataverseId, RecordMessage};
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{Bench, COMPANY, id, pair};
use crate::couple::MatchChoices;
use crate::couple::asking::{PAGE, RequestStatus};
use crate::engine::Engine;
use crate::failpoints::Failpoint;
use crate::ports::{Delivery, Disposition};

/// Customers from 1 on and accounts from 101 on, with these telephone numbers; both have names of their own.
async fn bench(customers: &[&str], accounts: &[&str]) -> Bench {
    let bench = Bench::of("CUSTOMER").await;
    for (number, phone) in (1..).zip(customers) {
        let (key, name) = (format!("C{number}"), format!("Customer {number}"));
        let row = json!({"number": key, "displayName": name, "phoneNumber": phone, "blocked": " "});
        bench.business_central.put("Customer", number, row);
    }
    for (number, phone) in (101..).zip(accounts) {
        let row =
            json!({"name": format!("Account {number}"), "telephone1": phone, "customertypecode": 3, "statecode": 0});
        bench.dataverse.put("account", number, row);
    }
    bench
}

fn by_phone(synchronize: bool) -> MatchChoices {
    MatchChoices { by: Some("phoneNumber".to_owned()), synchronize: Some(synchronize), ..MatchChoices::default() }
}

fn request(bench: &Bench, choices: &MatchChoices) -> (Want, Chosen) {
    bench.engine.matching(&bench.mapping.name, choices).expect("a request")
}

async fn matched(bench: &Bench, choices: &MatchChoices) -> Run {
    let (want, of) = request(bench, choices);
    bench.carry_out(want, of).await
}

async fn partner(bench: &Bench, number: u128) -> Option<DataverseId> {
    bench.coupling(number).await.map(|coupling| coupling.dataverse_id)
}

fn row(number: u128) -> Option<DataverseId> {
    Some(id(number).into())
}

fn name(bench: &Bench, account: u128) -> serde_json::Value {
    bench.dataverse.row("account", account)["name"].clone()
}

#[tokio::test]
async fn c_064_r190_coupled_pairs_stay_and_the_new_one_is_coupled() {
    let bench = bench(&["1", "2", "3", "4"], &["3", "1", "2", "4"]).await;
    bench.couple("CUSTOMER", [pair(1, 101, "C1"), pair(2, 102, "C2"), pair(3, 103, "C3")]).await;
    let run = matched(&bench, &by_phone(false)).await;
    assert_eq!((run.counters.coupled, run.counters.failed, run.finished.is_some()), (1, 0, true), "{run:?}");
    for (customer, account) in [(1, 101), (2, 102), (3, 103), (4, 104)] {
        assert_eq!(partner(&bench, customer).await, row(account));
    }
    let said = run.message.expect("a message");
    assert!(said.contains("by phoneNumber: 1 with one match, 0 with several, 0 without one"), "{said}");
}

#[tokio::test]
async fn c_065_r199_pairs_are_synchronized_if_that_is_wanted_and_the_chosen_side_wins() {
    for (wins, expected) in [(Side::BusinessCentral, "Customer 1"), (Side::Dataverse, "Account 105")] {
        let bench = bench(&["1", "2", "3", "4", "5"], &["5", "4", "3", "2", "1"]).await;
        let run = matched(&bench, &MatchChoices { wins: Some(wins), ..by_phone(true) }).await;
        assert_eq!((run.counters.coupled, run.counters.modified, run.counters.failed), (5, 5, 0), "{run:?}");
        assert_eq!(name(&bench, 105), expected);
        assert_eq!(bench.business_central.row("Customer", 1)["displayName"], expected);
    }
}

#[tokio::test]
async fn c_066_c_067_d21_what_finds_no_row_or_several_fails_each_with_its_reason_and_stays_as_it_is() {
    let some = bench(&["1", "2", "3", "4", "5"], &["1", "2", "", "7", "8"]).await;
    let run = matched(&some, &by_phone(true)).await;
    assert_eq!((run.counters.coupled, run.counters.failed), (2, 3), "{run:?}");
    assert_eq!((name(&some, 101), name(&some, 103)), (json!("Customer 1"), json!("Account 103")));
    assert_eq!((partner(&some, 2).await, partner(&some, 3).await), (row(102), None));
    let all = bench(&["1", "2", "3", "4", "5"], &["1"; 5]).await;
    let run = matched(&all, &by_phone(true)).await;
    assert_eq!((run.counters.coupled, run.counters.failed, run.counters.modified), (0, 5, 0), "{run:?}");
    let errors = all.engine.store().errors(COMPANY, &all.mapping.name, 10).await.expect("a store");
    let said = |number| &errors.iter().find(|error| error.record == id(number)).expect("an error").message;
    assert!(said(1).contains("5 rows of account match it by phoneNumber: Account 101 ("), "{}", said(1));
    assert!(said(2).contains("no uncoupled account matches it by phoneNumber (EE36)"), "{}", said(2));
    // Asked for once more, it is told once more, and nothing else has happened.
    let again = matched(&all, &by_phone(true)).await;
    assert_eq!((again.counters.failed, name(&all, 101)), (5, json!("Account 101")));
}

#[tokio::test]
async fn c_068_c_047_r200_without_a_synchronization_both_stay_as_they_are_and_count_as_newer() {
    let bench = bench(&["1", "2", "3", "4", "5"], &["1", "2", "3", "4", "5"]).await;
    let run = matched(&bench, &by_phone(false)).await;
    assert_eq!((run.counters.coupled, run.counters.modified, run.counters.failed), (5, 0, 0), "{run:?}");
    assert_eq!(
        (name(&bench, 101), bench.business_central.row("Customer", 1)["displayName"].clone()),
        (json!("Account 101"), json!("Customer 1"))
    );
    let coupling = bench.coupling(1).await.expect("a pair");
    assert!(coupling.base.is_empty() && coupling.pending.is_empty() && coupling.to_dataverse.is_none(), "{coupling:?}");
    assert_eq!((coupling.key.as_deref(), coupling.claimed_until), (Some("C1"), None));
    // Nobody has said yet whose values are right.
    let outcomes = bench.sync(couplet_model::message::Direction::ToDataverse, &[1]).await.groups[0].outcomes;
    assert_eq!(outcomes.failed, 1, "both count as newer");
    assert_eq!(name(&bench, 101), "Account 101");
}

#[tokio::test]
async fn r197_what_matches_nothing_gets_a_partner_if_that_is_wanted_and_what_matches_several_does_not() {
    let bench = bench(&["1", "2", "3", ""], &["1", "3", "3"]).await;
    let run = matched(&bench, &MatchChoices { create: Some(true), ..by_phone(false) }).await;
    assert_eq!((run.counters.coupled, run.counters.inserted, run.counters.failed), (1, 2, 1), "{run:?}");
    assert_eq!((partner(&bench, 1).await, partner(&bench, 3).await), (row(101), None));
    assert!(partner(&bench, 2).await.is_some() && partner(&bench, 4).await.is_some());
    assert_eq!((name(&bench, 101), bench.dataverse.ids("account").len()), (json!("Account 101"), 5));
}

#[tokio::test]
async fn r190_filters_of_the_mapping_and_rows_of_other_mappings_are_heeded() {
    let bench = bench(&["1", "2", "3"], &["1", "2", "3"]).await;
    bench.business_central.change("Customer", id(1), json!({"blocked": "All"}));
    bench.dataverse.change("account", id(102), json!({"statecode": 1}));
    bench.couple("VENDOR", [pair(50, 103, "V1")]).await;
    let run = matched(&bench, &by_phone(true)).await;
    assert_eq!((run.counters.coupled, run.counters.failed), (0, 2), "{run:?}");
    let errors = bench.engine.store().errors(COMPANY, &bench.mapping.name, 10).await.expect("a store");
    assert!(
        errors.iter().any(|error| error.message.contains("Account 103 (") && error.message.contains("coupled already"))
    );
}

#[tokio::test]
async fn a_look_tells_of_every_record_and_changes_nothing() {
    let bench = bench(&["1", "2", "3", "", "5", "5"], &["1", "2", "2", "5"]).await;
    let choices = MatchChoices { dry_run: true, ..by_phone(true) };
    let (want, of) = request(&bench, &choices);
    let looked = bench.engine.look_for_matches(&bench.mapping.name, &of).await.expect("a report");
    let outcomes: Vec<&str> = looked.records.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, ["match", "several", "none", "blank", "shared", "shared"]);
    assert_eq!((looked.tally.pairs, looked.tally.several, looked.tally.unmatched), (1, 3, 2));
    assert_eq!(
        (looked.records[0].label.as_str(), looked.records[0].rows[0].label.as_str()),
        ("C1 Customer 1", "Account 101")
    );
    assert_eq!(looked.records[1].rows.len(), 2, "the candidates are named");
    // The task of a stack finds the same.
    let run = bench.carry_out(want, of.clone()).await;
    let found = bench.engine.found_matches(&bench.mapping.name, &of, run.id).await.expect("a store").expect("a report");
    assert_eq!(found, looked);
    assert_eq!((run.counters.total(), run.enqueued, run.finished.is_some()), (0, 0, true));
    assert_eq!(partner(&bench, 1).await, None);
    assert!(bench.engine.store().errors(COMPANY, &bench.mapping.name, 5).await.expect("a store").is_empty());
}

#[tokio::test]
async fn a_pair_that_changed_before_it_was_made_fails_and_nothing_is_created_for_it() {
    for synchronize in [false, true] {
        let bench = bench(&["1", "2", "3", "4"], &["1", "2", "3", "4"]).await;
        let (want, of) = request(&bench, &by_phone(synchronize));
        let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
        bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
        bench.dataverse.delete("account", 101);
        bench.business_central.delete("Customer", 2);
        bench.couple("CUSTOMER", [pair(9, 103, "C9")]).await;
        // What the run has seen is too old to count.
        bench.pass(SignedDuration::from_mins(6));
        apply(&bench.engine, bench.take_messages()).await;
        let run = bench.stored(run).await;
        assert_eq!((run.counters.coupled, run.counters.failed, run.counters.ignored), (1, 2, 1), "{run:?}");
        assert_eq!(
            (partner(&bench, 1).await, partner(&bench, 3).await, partner(&bench, 4).await),
            (None, None, row(104))
        );
        // The next run retries what failed as it would any record: it is not coupled, and left alone.
        let retry = bench.carry_out(Want::Retry, Chosen::Failed).await;
        assert_eq!((retry.counters.inserted, bench.dataverse.ids("account").len()), (0, 3), "{retry:?}");
    }
}

#[tokio::test]
async fn pairs_that_were_seen_just_now_are_made_without_another_look_and_one_that_clashes_is_looked_at() {
    let bench = bench(&["1", "2", "3"], &["1", "2", "3"]).await;
    let (want, of) = request(&bench, &by_phone(false));
    let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
    bench.couple("CUSTOMER", [pair(9, 103, "C9")]).await;
    let messages = bench.take_messages();
    bench.business_central.take_calls();
    bench.dataverse.take_calls();
    assert_eq!(apply(&bench.engine, messages.clone()).await, 1, "somebody else has coupled a row meanwhile");
    let calls = [bench.business_central.take_calls(), bench.dataverse.take_calls()].concat();
    assert!(!calls.iter().any(|call| call.starts_with("fetch") || call.starts_with("find")), "{calls:?}");
    let other_key = bench.coupling(2).await.expect("a pair");
    assert_eq!((other_key.key.as_deref(), other_key.base.is_empty()), (Some("C2"), true));
    assert_eq!(apply_again(&bench.engine, messages).await, 0);
    let run = bench.stored(run).await;
    assert_eq!((run.counters.coupled, run.counters.failed, run.counters.unchanged), (2, 1, 4), "{run:?}");
    assert_eq!((partner(&bench, 1).await, partner(&bench, 2).await), (row(101), row(102)));
    let failure = bench.failure(couplet_model::message::Direction::ToDataverse, 3).await;
    assert!(failure.contains("coupled with another record already (R101)"), "{failure}");
}

#[tokio::test]
async fn a_key_that_another_pair_holds_is_not_taken_from_it_unseen() {
    let bench = bench(&["1"], &["1"]).await;
    let (want, of) = request(&bench, &by_phone(false));
    bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
    bench.couple("CUSTOMER", [pair(9, 109, "C1")]).await;
    bench.business_central.put("Customer", 9, json!({"number": "C1", "displayName": "Another", "blocked": " "}));
    assert_eq!(apply(&bench.engine, bench.take_messages()).await, 1, "it comes again");
    assert_eq!(partner(&bench, 1).await, None);
}

async fn apply(engine: &Engine, messages: Vec<RecordMessage>) -> usize {
    deliver(engine, messages, 1).await
}

async fn apply_again(engine: &Engine, messages: Vec<RecordMessage>) -> usize {
    deliver(engine, messages, 2).await
}

/// Gives how many of the messages come again.
async fn deliver(engine: &Engine, messages: Vec<RecordMessage>, receive_count: u32) -> usize {
    let deliveries = messages.into_iter().map(|message| Delivery { message, receive_count });
    let report = engine.sync_batch(deliveries.collect()).await;
    report.dispositions.iter().filter(|end| **end != Disposition::Done).count()
}

#[tokio::test]
async fn a_request_goes_on_from_invocation_to_invocation_and_reads_each_page_once() {
    let count = PAGE + 5;
    let phones: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let phones: Vec<&str> = phones.iter().map(String::as_str).collect();
    let bench = bench(&phones, &phones).await;
    bench.business_central.page_by(400);
    bench.dataverse.page_by(700);
    let (want, of) = request(&bench, &by_phone(false));
    let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    bench.business_central.take_calls();
    bench.dataverse.take_calls();
    let mut invocations = 0;
    while let Some(request) = bench.take_request() {
        invocations += 1;
        let report = bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
        assert_eq!(report.status == RequestStatus::Done, bench.task_count() == 0, "{report:?}");
    }
    let pages = |calls: Vec<String>| calls.iter().filter(|call| call.starts_with("changes")).count();
    assert_eq!((pages(bench.business_central.take_calls()), pages(bench.dataverse.take_calls())), (3, 2));
    assert!(invocations >= 4, "{invocations}");
    let messages = bench.take_messages();
    assert_eq!(messages.len(), count);
    assert_eq!(apply(&bench.engine, messages).await, 0);
    let run = bench.stored(run).await;
    assert_eq!((run.enqueued, run.counters.coupled, run.finished.is_some()), (count as u64, count as u64, true));
}

#[tokio::test]
async fn a_task_that_is_delivered_twice_couples_and_counts_once() {
    let bench = bench(&["1", "2", "3"], &["1", "2"]).await;
    let (want, of) = request(&bench, &by_phone(true));
    let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    let request = bench.take_request().expect("a task");
    for _ in 0..2 {
        bench.engine.work_request(&request, None).await.expect("a store");
    }
    let messages = bench.take_messages();
    assert_eq!(messages.len(), 4);
    let (first, second) = messages.split_at(2);
    apply(&bench.engine, first.to_vec()).await;
    let run_after = bench.stored(run).await;
    assert_eq!((run_after.enqueued, run_after.finished.is_some()), (2, true));
    apply(&bench.engine, second.to_vec()).await;
    let run = bench.stored(run).await;
    assert_eq!((run.counters.coupled, run.counters.failed, run.counters.unchanged), (2, 1, 2), "{run:?}");
    // A task that comes after the end of its run does nothing.
    bench.engine.work_request(&request, None).await.expect("a store");
    assert!(bench.take_messages().is_empty());
}

/// Works on a request, and dies when it has waited so often; `true`: it came to its end.
async fn work_until(engine: &Engine, request: &Request, waits: usize) -> bool {
    let mut work = pin!(engine.work_request(request, None));
    let mut waited = 0;
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(report) => Poll::Ready(report.is_ok()),
        Poll::Pending => {
            waited += 1;
            if waited >= waits { Poll::Ready(false) } else { Poll::Pending }
        }
    })
    .await
}

#[tokio::test]
async fn a_worker_that_dies_wherever_it_waits_is_made_up_for_by_the_next_delivery() {
    let mut deaths = 0;
    for waits in 1.. {
        let bench = bench(&["1", "2", "3", "4"], &["1", "2", "3", "3"]).await;
        bench.business_central.page_by(2);
        bench.dataverse.page_by(3);
        let (want, of) = request(&bench, &by_phone(true));
        let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
        let request = bench.take_request().expect("a task");
        let engine = bench.another_process(None);
        let ended = work_until(&engine, &request, waits).await;
        deaths += usize::from(!ended);
        if !ended {
            bench.engine.work_request(&request, None).await.expect("a store");
        }
        assert_eq!(apply(&bench.engine, bench.take_messages()).await, 0, "after {waits} waits");
        let run = bench.stored(run).await;
        assert_eq!(
            (run.counters.coupled, run.counters.failed, run.enqueued),
            (2, 2, 2),
            "after {waits} waits: {run:?}"
        );
        assert!(run.finished.is_some(), "after {waits} waits: {run:?}");
        assert_eq!((partner(&bench, 1).await, partner(&bench, 2).await), (row(101), row(102)), "after {waits} waits");
        assert_eq!((partner(&bench, 3).await, partner(&bench, 4).await), (None, None));
        assert_eq!(bench.engine.store().errors(COMPANY, &bench.mapping.name, 9).await.expect("a store").len(), 2);
        if ended {
            break;
        }
    }
    assert!(deaths > 5, "it died {deaths} times");
}

#[tokio::test]
async fn a_worker_that_dies_while_pairs_are_made_makes_each_once() {
    for synchronize in [false, true] {
        for fatal in Failpoint::ALL {
            let bench = bench(&["1", "2"], &["2", "1"]).await;
            let (want, of) = request(&bench, &by_phone(synchronize));
            let run = bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
            bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
            let messages = bench.take_messages();
            assert_eq!(apply(&bench.another_process(Some(fatal)), messages.clone()).await, 2, "{fatal:?}");
            for _ in 0..2 {
                assert_eq!(apply(&bench.another_process(None), messages.clone()).await, 0, "{fatal:?}");
            }
            assert_eq!((partner(&bench, 1).await, partner(&bench, 2).await), (row(102), row(101)), "{fatal:?}");
            let expected = if synchronize { "Customer 1" } else { "Account 102" };
            assert_eq!((name(&bench, 102), bench.dataverse.ids("account").len()), (json!(expected), 2), "{fatal:?}");
            let run = bench.stored(run).await;
            assert_eq!(
                (run.counters.coupled, run.counters.failed, run.finished.is_some()),
                (2, 0, true),
                "{fatal:?} {run:?}"
            );
        }
    }
}
