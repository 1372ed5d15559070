//! Which notes travel, what they become, and what a change or a deletion on either side means, case by case.

use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, Switches};
use serde_json::{Value as Json, json};

use super::ORDERS;
use crate::bench::{Bench, case, id, pair};
use crate::failpoints::Failpoint;
use crate::ports::BatchReport;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
/// The order in Business Central.
const ORDER_HERE: u128 = 11;
/// The order in Dataverse.
const ORDER_THERE: u128 = 12;
const JOB: &str = "Sales Order Notes";

/// A bench with one coupled order, which is there on both sides.
async fn bench() -> Bench {
    let bench = Bench::with(JOB, Switches { sales_orders: SalesOrders::Legacy, ..Switches::default() }).await;
    bench.couple(ORDERS, [pair(ORDER_HERE, ORDER_THERE, "S-1")]).await;
    bench.business_central.put("Sales Header", ORDER_HERE, json!({"number": "S-1"}));
    bench.dataverse.put("salesorder", ORDER_THERE, json!({"name": "Bicycles"}));
    bench
}

fn annotation(text: &str) -> Json {
    json!({"objectid": {"salesorder": ORDER_THERE as u64}, "subject": "Delivery", "notetext": text, "isdocument": false,
           "filesize": 0})
}

fn note(text: &str) -> Json {
    json!({"documentId": ORDER_HERE as u64, "documentType": "Order", "subject": "Delivery", "text": text})
}

fn counts(report: &BatchReport) -> (u64, u64, u64, u64) {
    let counters = report.groups.iter().map(|group| group.outcomes).fold(Counters::default(), |mut sum, more| {
        sum += more;
        sum
    });
    (counters.inserted, counters.modified, counters.ignored, counters.failed)
}

#[tokio::test]
async fn s142_s143_s146_a_note_gets_its_order_and_plain_text() {
    let bench = bench().await;
    let text = |text: &str| json!({"subject": "Delivery", "notetext": text});
    let on = || json!({"objectid": {"salesorder": ORDER_THERE as u64}});
    let cases = vec![
        case("to Dataverse").source(note("Call")).transferred(text("Call")).gives(text("Call")).and_at_first(on()),
        case("what looks like a tag")
            .source(note("Ask Ann <ann@contoso.com>\nR&D"))
            .transferred(text("Ask Ann <ann@contoso.com>\nR&D"))
            .gives(text("Ask Ann &lt;ann@contoso.com&gt;<br>R&amp;D"))
            .and_at_first(on()),
        case("it says so already")
            .source(note("Call first\nthen ship"))
            .destination(json!({"notetext": "<p>Call <b>first</b></p><p>then ship</p>"}))
            .transferred(text("Call first\nthen ship"))
            .gives(text("<p>Call <b>first</b></p><p>then ship</p>"))
            .and_at_first(on()),
        case("of another order")
            .source(json!({"documentId": 99, "documentType": "Order"}))
            .ignores("its order is not coupled by SALESORDER-ORDER"),
    ];
    bench.adjusts(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["fetch salesorder 1"], "one read for all");
    let plain = |text: &str| json!({"subject": "Delivery", "text": text});
    let cases = vec![
        case("from Dataverse")
            .source(annotation("<div><p>Call &amp; ship</p><p>today</p></div>"))
            .transferred(plain("<div><p>Call &amp; ship</p><p>today</p></div>"))
            .gives(plain("Call & ship\ntoday"))
            .and_at_first(json!({"documentId": ORDER_HERE as u64})),
        case("of another order").source(json!({"objectid": {"salesorder": 99}})).ignores("its order is not coupled"),
    ];
    bench.adjusts(FROM, cases).await;
    assert_eq!(bench.business_central.take_calls(), ["fetch Sales Header 1"], "one read for all");
}

#[tokio::test]
async fn s143_notes_of_orders_that_are_being_created_wait_and_those_of_orders_that_are_gone_stay() {
    let bench = bench().await;
    let gone = Coupling::new(id(21).into(), id(22).into(), CouplingState::Coupled);
    bench.couple(ORDERS, [gone]).await;
    let reserved = Coupling::new(id(31).into(), id(32).into(), CouplingState::Reserved);
    bench.couple(ORDERS, [reserved]).await;
    let of = |order: u64| json!({"objectid": {"salesorder": order}, "notetext": "Call"});
    let cases = vec![
        case("being created").source(of(32)).waits_for(ORDERS, id(32)),
        case("gone from Business Central").source(of(22)).ignores("its order is not in Business Central any more"),
        case("an old note of it")
            .source(of(22))
            .destination(json!({}))
            .gives(json!({}))
            .and_at_first(json!({"documentId": 21})),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn notes_of_other_records_and_documents_are_outside() {
    let bench = bench().await;
    bench.dataverse.put(
        "annotation",
        51,
        json!({"objectid": {"account": 7}, "notetext": "Call", "isdocument": false, "filesize": 0}),
    );
    bench.dataverse.put(
        "annotation",
        52,
        crate::bench::with(&annotation("Drawing"), json!({"isdocument": true, "filesize": 9})),
    );
    bench.business_central.put("Record Link", 61, crate::bench::with(&note("Call"), json!({"documentType": "Quote"})));
    bench.business_central.put("Record Link", 62, json!({"documentId": null, "documentType": " ", "text": "Call"}));
    assert_eq!(counts(&bench.sync(FROM, &[51, 52]).await), (0, 0, 2, 0));
    assert_eq!(counts(&bench.sync(TO, &[61, 62]).await), (0, 0, 2, 0));
    let requests = [bench.business_central.take_calls(), bench.dataverse.take_calls()].concat();
    assert!(requests.iter().all(|call| !call.starts_with("write")), "{requests:?}");
}

#[tokio::test]
async fn c_148_c_149_notes_travel_both_ways_once_and_follow_changes() {
    let bench = bench().await;
    bench.dataverse.put("annotation", 51, annotation("<p>Call</p>"));
    bench.business_central.put("Record Link", 61, note("Packed"));
    for _ in 0..2 {
        bench.sync(FROM, &[51]).await;
        bench.sync(TO, &[61]).await;
    }
    let here = bench.business_central.ids("Record Link");
    let there = bench.dataverse.ids("annotation");
    assert_eq!((here.len(), there.len()), (2, 2), "C-148, C-149");
    let copy = here.iter().find(|note| **note != id(61)).copied().expect("the copy");
    let row = bench.business_central.row_of("Record Link", copy);
    assert_eq!((&row["text"], &row["documentId"]), (&json!("Call"), &json!(ORDER_HERE as u64)));
    let told = there.iter().find(|row| **row != id(51)).copied().expect("the copy");
    assert_eq!(bench.dataverse.row_of("annotation", told)["notetext"], "Packed");

    // S144: a change in Dataverse rewrites the note; formats alone do not.
    bench.dataverse.put("annotation", 51, annotation("<p><b>Call</b></p>"));
    assert_eq!(counts(&bench.sync(FROM, &[51]).await).1, 0);
    bench.dataverse.put("annotation", 51, annotation("<p>Call twice</p>"));
    assert_eq!(counts(&bench.sync(FROM, &[51]).await).1, 1);
    assert_eq!(bench.business_central.row_of("Record Link", copy)["text"], "Call twice");
    // A change in Business Central travels as well, and of both Dataverse wins.
    bench.business_central.put("Record Link", 61, note("Packed twice"));
    assert_eq!(counts(&bench.sync(TO, &[61]).await).1, 1);
    assert_eq!(bench.dataverse.row_of("annotation", told)["notetext"], "Packed twice");
}

#[tokio::test]
async fn s141_s149_a_deleted_annotation_takes_its_note_along_and_a_deleted_note_nothing() {
    let bench = bench().await;
    bench.dataverse.put("annotation", 51, annotation("Call"));
    bench.business_central.put("Record Link", 61, note("Packed"));
    bench.sync(FROM, &[51]).await;
    bench.sync(TO, &[61]).await;
    bench.business_central.delete("Record Link", 61);
    bench.sync(TO, &[61]).await;
    assert_eq!(bench.dataverse.ids("annotation").len(), 2, "S141");
    bench.dataverse.delete("annotation", 51);
    bench.sync(FROM, &[51]).await;
    assert!(bench.business_central.ids("Record Link").is_empty(), "S149");
    let store = bench.engine.store();
    let name = JOB.into();
    let left = store.couplings_by_id(crate::bench::COMPANY, &name, Side::Dataverse, &[id(51)]).await.expect("a store");
    assert!(left.is_empty());
}

#[tokio::test]
async fn s141_a_note_that_was_deleted_is_not_made_again_whatever_is_looked_at() {
    let bench = bench().await;
    bench.dataverse.put("annotation", 51, annotation("<p>Call <b>first</b></p>"));
    bench.business_central.put("Record Link", 61, note("Packed"));
    bench.sync(FROM, &[51]).await;
    bench.sync(TO, &[61]).await;
    let copy = bench.business_central.ids("Record Link").into_iter().find(|note| *note != id(61)).expect("the copy");
    let told = bench.dataverse.ids("annotation").into_iter().find(|row| *row != id(51)).expect("the copy");
    // The formats of what says the same stay, also in a full synchronization.
    bench.sync_in_full(TO, &[copy.0.as_u128()]).await;
    assert_eq!(bench.dataverse.row("annotation", 51)["notetext"], "<p>Call <b>first</b></p>");
    bench.business_central.delete("Record Link", copy.0.as_u128());
    bench.dataverse.delete("annotation", told.0.as_u128());
    for _ in 0..2 {
        assert_eq!(counts(&bench.sync_in_full(FROM, &[51]).await), (0, 0, 1, 0));
        assert_eq!(counts(&bench.sync_in_full(TO, &[61]).await), (0, 0, 1, 0));
    }
    assert_eq!(bench.business_central.ids("Record Link"), [id(61)]);
    assert_eq!(bench.dataverse.ids("annotation"), [id(51)]);
    // The deletion in Sales still takes its note along.
    bench.sync(FROM, &[told.0.as_u128()]).await;
    assert!(bench.business_central.ids("Record Link").is_empty(), "S149");
}

#[tokio::test]
async fn a_death_at_every_failpoint_leaves_one_note() {
    for fatal in Failpoint::ALL {
        for direction in Direction::BOTH {
            let bench = bench().await;
            bench.dataverse.put("annotation", 51, annotation("Call"));
            bench.business_central.put("Record Link", 61, note("Packed"));
            let number = if direction == TO { 61 } else { 51 };
            let dying = bench.another_process(Some(fatal));
            bench.sync_by(&dying, direction, &[number]).await;
            let next = bench.another_process(None);
            bench.sync_by(&next, direction, &[number]).await;
            bench.sync_by(&next, direction, &[number]).await;
            let notes = [bench.business_central.ids("Record Link").len(), bench.dataverse.ids("annotation").len()];
            let expected = if direction == TO { [1, 2] } else { [2, 1] };
            assert_eq!(notes, expected, "{fatal:?} {direction}");
        }
    }
}

#[tokio::test]
async fn c_170_s162_notes_of_quotes_travel_and_wait_for_their_quote() {
    let bench = bench().await;
    let quotes = "Auto Process Sales Quotes";
    bench.couple(quotes, [pair(81, 82, "SQ-1")]).await;
    bench.business_central.put("Sales Header (Quote)", 81, json!({"number": "SQ-1"}));
    bench.dataverse.put("quote", 82, json!({"statecode": 1}));
    bench.dataverse.put("quote", 83, json!({"statecode": 1}));
    bench.dataverse.put("quote", 84, json!({"statecode": 0}));
    let of = |quote: u64| json!({"objectid": {"quote": quote}, "notetext": "Call"});
    let text = || json!({"text": "Call"});
    let cases = vec![
        case("of a coupled quote")
            .source(of(82))
            .transferred(text())
            .gives(text())
            .and_at_first(json!({"documentId": 81})),
        case("of an active one").source(of(83)).waits_for(quotes, id(83)),
        case("of a draft").source(of(84)).ignores("its quote is not coupled by Auto Process Sales Quotes"),
    ];
    bench.adjusts(FROM, cases).await;
    let here = json!({"documentId": 81, "documentType": "Quote", "text": "Call"});
    let there = json!({"objectid": {"quote": 82}});
    let cases = vec![case("written in Business Central").source(here).gives(json!({})).and_at_first(there)];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s149_notes_stay_when_their_whole_order_is_deleted_in_sales() {
    let bench = bench().await;
    bench.dataverse.put("annotation", 51, annotation("Call"));
    bench.sync(FROM, &[51]).await;
    bench.dataverse.delete("annotation", 51);
    bench.dataverse.delete("salesorder", ORDER_THERE);
    bench.sync(FROM, &[51]).await;
    assert_eq!(bench.business_central.ids("Record Link").len(), 1);
}
