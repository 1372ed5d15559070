//! What becomes of a quote, case by case: activated, revised, won and lost; once, whatever dies.

use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{Counters, Coupling, CouplingState, Record, RecordId, Switches, Value};
use serde_json::{Value as Json, json};

use super::Stage;
use crate::bench::{Bench, COMPANY, Call, case, id, pair, with};
use crate::failpoints::Failpoint;
use crate::mappings::order_notes::ORDERS;
use crate::ports::{BatchReport, Disposition};

const FROM: Direction = Direction::FromDataverse;
const JOB: &str = "Auto Process Sales Quotes";
const QUOTES: &str = "Sales Header (Quote)";
const LINES: &str = "Sales Line (Quote)";

/// A bench with a coupled customer (account 42) and a coupled item (product 44), and what stands for written-in products.
async fn bench() -> Bench {
    let switches = Switches { sales_orders: SalesOrders::Legacy, unit_groups: false, ..Switches::default() };
    let bench = Bench::with(JOB, switches).await;
    bench.couple("CUSTOMER", [pair(41, 42, "10000")]).await;
    bench.couple("ITEM-PRODUCT", [pair(43, 44, "1000")]).await;
    bench.dataverse.put("account", 42, json!({"name": "Adatum", "customertypecode": 3}));
    bench.dataverse.put("account", 49, json!({"name": "Fabrikam", "customertypecode": 3}));
    let product = json!({"name": "Bicycle", "productnumber": "1000", "statecode": 0, "producttypecode": 1});
    bench.dataverse.put("product", 44, product);
    bench.business_central.put("Item", 43, json!({"number": "1000", "displayName": "Bicycle", "blocked": false}));
    let setup =
        json!({"writeInProductType": "Item", "writeInProductNumber": "DIVERSE", "freightAccountNumber": "6810"});
    bench.business_central.put("Sales & Receivables Setup", 45, setup);
    bench
}

fn quote(state: u64, status: u64) -> Json {
    json!({"quotenumber": "QUO-1", "name": "Bicycles", "revisionnumber": 0, "statecode": state, "statuscode": status,
           "customerid": {"account": 42}, "bcbi_companyid": null})
}

fn active() -> Json {
    quote(1, 2)
}

/// Puts a quote with a line of an item and one that was written in into Sales.
fn put(bench: &Bench, number: u128, quote: Json) {
    bench.dataverse.put("quote", number, quote);
    let of = |place: u64, line: Json| {
        let line =
            with(&json!({"quoteid": number as u64, "sequencenumber": place, "quantity": 2, "priceperunit": 100}), line);
        bench.dataverse.put("quotedetail", number * 10 + u128::from(place), line);
    };
    let item =
        json!({"productid": 44, "productdescription": "Bicycle", "manualdiscountamount": 5, "volumediscountamount": 1});
    of(1, item);
    of(2, json!({"productid": null, "productdescription": "Painting"}));
}

fn counters(report: &BatchReport) -> Counters {
    report.groups.iter().map(|group| group.outcomes).fold(Counters::default(), |mut sum, more| {
        sum += more;
        sum
    })
}

/// The lines of Business Central by their numbers: type, what is sold, text and discount.
fn lines(bench: &Bench) -> Vec<(u64, String, String)> {
    let mut lines: Vec<(u64, String, String)> = bench
        .business_central
        .ids(LINES)
        .into_iter()
        .map(|line| {
            let row = bench.business_central.row_of(LINES, line);
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let sold = format!("{} {}", text("type"), text("lineObjectNumber"));
            (row["sequence"].as_u64().expect("a number"), sold.trim().to_owned(), text("description"))
        })
        .collect();
    lines.sort();
    lines
}

fn the_quote(bench: &Bench) -> RecordId {
    let quotes = bench.business_central.ids(QUOTES);
    assert_eq!(quotes.len(), 1, "one quote: {quotes:?}");
    quotes[0]
}

fn actions(bench: &Bench) -> Vec<String> {
    bench.business_central.take_actions().into_iter().map(|(name, _)| name).collect()
}

/// What a quote of two lines with freight is in Business Central.
fn expected() -> Vec<(u64, String, String)> {
    [
        (10_000, "Item 1000", ""),
        (20_000, "", "Bicycle"),
        (30_000, "Item DIVERSE", "Painting"),
        (40_000, "G/L Account 6810", ""),
    ]
    .map(|(number, sold, text)| (number, sold.to_owned(), text.to_owned()))
    .to_vec()
}

#[test]
fn the_state_of_a_quote_says_where_it_stands() {
    for (state, status, stage) in [
        (Some(0), Some(1), Stage::Draft),
        (Some(1), Some(2), Stage::Active),
        (Some(1), None, Stage::Active),
        (Some(2), Some(4), Stage::Won),
        (Some(3), Some(5), Stage::Lost),
        (Some(3), Some(6), Stage::Lost),
        (Some(3), Some(7), Stage::Revised),
        (Some(3), None, Stage::Unknown),
        (None, Some(2), Stage::Unknown),
    ] {
        let value = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
        let values = [("statecode".into(), value(state)), ("statuscode".into(), value(status))].into();
        let quote = Record { id: id(1), version: None, modified: None, values, unreadable: None };
        assert_eq!(Stage::of(&quote), stage, "{state:?} {status:?}");
    }
}

#[tokio::test]
async fn s150_to_s165_what_keeps_a_quote_and_what_it_is_given() {
    let bench = bench().await;
    let of = |quote: Json, more: Json| with(&quote, more);
    let old = || json!({"yourReference": "QUO-1"});
    let cases = vec![
        case("an active quote").source(active()).gives(json!({"customerNumber": "10000"})),
        case("one that is there")
            .source(active())
            .destination(json!({}))
            .agreed(old())
            .transferred(old())
            .gives(json!({})),
        case("a draft").source(quote(0, 1)).ignores("draft"),
        case("a revised one").source(quote(3, 7)).destination(json!({})).agreed(old()).ignores("next revision"),
        case("a lost one").source(quote(3, 5)).destination(json!({})).agreed(old()).leaves_for("lost or canceled"),
        case("won without an order").source(quote(2, 4)).fails("no order in Sales refers to it (E27)"),
        case("without a customer").source(of(active(), json!({"customerid": null}))).fails("(E4)"),
        case("of an uncoupled one")
            .source(of(active(), json!({"customerid": {"account": 49}})))
            .waits_for("CUSTOMER", id(49)),
        case("in no known state").source(of(active(), json!({"statecode": null}))).fails("activate it in Sales again"),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn s77_freight_needs_its_account() {
    let bench = bench().await;
    bench.business_central.put("Sales & Receivables Setup", 45, json!({"freightAccountNumber": null}));
    let quote = with(&active(), json!({"freightamount": 12}));
    bench.adjusts(FROM, vec![case("freight").source(quote).fails("(E21)")]).await;
}

#[tokio::test]
async fn c_166_c_168_s158_a_quote_travels_with_lines_comments_freight_and_discount_once() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)) {
        let bench = bench().await;
        let amounts = json!({"freightamount": 12, "discountamount": 30, "totallineitemamount": 393, "totalamountlessfreight": 363});
        put(&bench, 51, with(&active(), amounts));
        bench.sync_by(&bench.another_process(fatal), FROM, &[51]).await;
        let next = bench.another_process(None);
        bench.sync_by(&next, FROM, &[51]).await;
        bench.sync_by(&next, FROM, &[51]).await;
        let row = bench.business_central.row_of(QUOTES, the_quote(&bench));
        let held = ["yourReference", "externalDocumentNumber", "customerNumber"].map(|name| row[name].clone());
        assert_eq!(held, [json!("QUO-1"), json!("Bicycles"), json!("10000")], "{fatal:?}");
        assert_eq!(row["discountAmount"], 30, "{fatal:?}");
        assert_eq!(lines(&bench), expected(), "{fatal:?}");
        let first = bench
            .business_central
            .ids(LINES)
            .into_iter()
            .find(|line| bench.business_central.row_of(LINES, *line)["sequence"] == 10_000);
        let first = bench.business_central.row_of(LINES, first.expect("a line"));
        assert_eq!((&first["unitPrice"], &first["discountAmount"]), (&json!(100), &json!(7)), "{fatal:?}");
        assert!(
            bench.dataverse.take_calls().iter().all(|call| !call.starts_with("write")),
            "quotes are not written (S350)"
        );
    }
}

#[tokio::test]
async fn c_167_c_169_a_quote_that_cannot_be_made_holds_up_no_other() {
    let bench = bench().await;
    put(&bench, 51, with(&active(), json!({"customerid": {"account": 49}})));
    put(&bench, 52, active());
    put(&bench, 53, with(&active(), json!({"transactioncurrencyid": 98})));
    let counted = counters(&bench.sync(FROM, &[51, 52, 53]).await);
    assert_eq!((counted.inserted, counted.waiting), (1, 2));
    assert_eq!(bench.business_central.ids(QUOTES).len(), 1);
}

#[tokio::test]
async fn s156_s157_a_revision_takes_the_place_of_what_was_revised() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)) {
        let bench = bench().await;
        put(&bench, 51, active());
        bench.sync(FROM, &[51]).await;
        let here = the_quote(&bench);
        bench.business_central.put(
            LINES,
            999,
            json!({"documentId": here.0.to_string(), "sequence": 90_000, "type": " "}),
        );
        assert!(actions(&bench).is_empty());
        put(&bench, 51, quote(3, 7));
        put(&bench, 52, with(&active(), json!({"revisionnumber": 1, "name": "More bicycles", "freightamount": 9})));
        // While what was revised is in the same batch, its revision waits.
        let together = bench.sync(FROM, &[51, 52]).await;
        assert!(matches!(together.dispositions[..], [Disposition::Done, Disposition::Postpone { .. }]), "{together:?}");
        bench.sync_by(&bench.another_process(fatal), FROM, &[52]).await;
        let next = bench.another_process(None);
        bench.sync_by(&next, FROM, &[52]).await;
        bench.sync_by(&next, FROM, &[51]).await;
        assert_eq!(the_quote(&bench), here, "{fatal:?}");
        assert_eq!(bench.business_central.row_of(QUOTES, here)["externalDocumentNumber"], "More bicycles", "{fatal:?}");
        assert_eq!(lines(&bench), expected(), "{fatal:?}");
        assert_eq!(actions(&bench).iter().filter(|name| *name == "archive").count(), 1, "{fatal:?}");
        let (name, ids) = (JOB.into(), [id(51), id(52)]);
        let found = bench.engine.store().couplings_by_id(COMPANY, &name, Side::Dataverse, &ids).await;
        let found = found.expect("a store");
        assert!(found.len() == 1 && found[&id(52)].id(Side::BusinessCentral) == here, "{fatal:?}: {found:?}");
        let lines =
            bench.engine.store().coupling_page(COMPANY, &"Sales Quote Lines".into(), None, 100).await.expect("a store");
        assert_eq!(lines.couplings.len(), 2, "{fatal:?}");
    }
}

#[tokio::test]
async fn s156_a_revision_of_what_was_never_made_is_made_anew_and_a_refused_archive_leaves_all_as_it_was() {
    let bench = bench().await;
    put(&bench, 51, quote(3, 7));
    put(&bench, 52, with(&active(), json!({"revisionnumber": 1})));
    assert_eq!(counters(&bench.sync(FROM, &[52]).await).inserted, 1);
    let here = the_quote(&bench);
    let before = lines(&bench);
    put(&bench, 52, with(&quote(3, 7), json!({"revisionnumber": 1})));
    put(&bench, 53, with(&active(), json!({"revisionnumber": 2})));
    bench.business_central.fail(Call::Act, QUOTES, SystemErrorKind::Refused);
    assert_eq!(counters(&bench.sync(FROM, &[53]).await).failed, 1);
    assert_eq!((the_quote(&bench), lines(&bench)), (here, before.clone()));
    bench.business_central.mend();
    bench.sync(FROM, &[53]).await;
    assert_eq!((the_quote(&bench), lines(&bench)), (here, before));
}

/// A bench on which quote 51 was won and order 71 refers to it; the order is coupled to order 72, which is there.
async fn won(coupling: Option<CouplingState>) -> Bench {
    let bench = bench().await;
    put(&bench, 51, quote(2, 4));
    bench.dataverse.put("salesorder", 71, json!({"quoteid": 51, "ordernumber": "QUO-1"}));
    if let Some(state) = coupling {
        bench.couple(ORDERS, [Coupling::new(id(72).into(), id(71).into(), state)]).await;
    }
    bench.business_central.put(
        "Sales Header",
        72,
        json!({"number": "S-1", "yourReference": "QUO-1", "quoteNumber": null}),
    );
    bench
}

#[tokio::test]
async fn c_172_s164_s168_a_quote_that_was_won_before_is_made_and_released_and_waits_for_an_order_that_is_being_made() {
    let bench = won(None).await;
    assert_eq!(counters(&bench.sync(FROM, &[51]).await).inserted, 1);
    assert_eq!(lines(&bench).len(), 3);
    assert_eq!(actions(&bench), ["release"]);
    assert_eq!(bench.business_central.row("Sales Header", 72)["quoteNumber"], json!(null));
    let bench = won(Some(CouplingState::Reserved)).await;
    assert_eq!(counters(&bench.sync(FROM, &[51]).await).waiting, 1);
}

#[tokio::test]
async fn c_171_s167_the_order_of_a_won_quote_bears_its_number_and_the_quote_is_archived_once() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)) {
        let bench = won(Some(CouplingState::Coupled)).await;
        bench.dataverse.put("quote", 51, active());
        bench.sync(FROM, &[51]).await;
        let here = the_quote(&bench);
        // Somebody changes it in Business Central; winning it changes nothing of that.
        let row = with(
            &bench.business_central.row_of(QUOTES, here),
            json!({"number": "SQ-1", "externalDocumentNumber": "Ours"}),
        );
        bench.business_central.put(QUOTES, here.0.as_u128(), row);
        bench.dataverse.put("quote", 51, quote(2, 4));
        bench.sync_by(&bench.another_process(fatal), FROM, &[51]).await;
        let next = bench.another_process(None);
        bench.sync_by(&next, FROM, &[51]).await;
        bench.sync_by(&next, FROM, &[51]).await;
        assert_eq!(bench.business_central.row("Sales Header", 72)["quoteNumber"], "SQ-1", "{fatal:?}");
        assert_eq!(bench.business_central.row_of(QUOTES, here)["externalDocumentNumber"], "Ours", "{fatal:?}");
        // Who dies after archiving archives the same once more.
        let archived = actions(&bench);
        assert!(archived.iter().all(|name| name == "archive"), "{fatal:?}: {archived:?}");
        assert!(archived.len() == 1 || fatal.is_some() && archived.len() == 2, "{fatal:?}: {archived:?}");
        assert_eq!(lines(&bench).len(), 3, "{fatal:?}");
    }
}

#[tokio::test]
async fn a_lost_quote_is_archived_and_leaves_business_central() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)) {
        let bench = bench().await;
        put(&bench, 51, active());
        bench.sync(FROM, &[51]).await;
        let here = the_quote(&bench);
        bench.dataverse.put("quote", 51, quote(3, 5));
        bench.sync_by(&bench.another_process(fatal), FROM, &[51]).await;
        bench.sync_by(&bench.another_process(None), FROM, &[51]).await;
        bench.sync_by(&bench.another_process(None), FROM, &[51]).await;
        assert!(bench.business_central.ids(QUOTES).is_empty(), "{fatal:?}");
        // Its lines go with it; Business Central may archive it once more as it is deleted.
        assert_eq!(lines(&bench).len(), 3, "{fatal:?}");
        assert_eq!(bench.business_central.take_actions(), [("archive".to_owned(), here)], "{fatal:?}");
    }
}

#[tokio::test]
async fn s169_a_won_quote_whose_order_is_posted_to_its_end_is_archived_once_and_done_with() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)) {
        // Invoiced in Business Central, which keeps no order then; coupled still, or no more.
        for coupled in [true, false] {
            let bench = won(coupled.then_some(CouplingState::Coupled)).await;
            bench.business_central.delete("Sales Header", 72);
            let order = json!({"quoteid": 51, "ordernumber": "QUO-1", "statecode": 4, "statuscode": 100_003});
            bench.dataverse.put("salesorder", 71, order);
            put(&bench, 51, active());
            bench.sync(FROM, &[51]).await;
            bench.dataverse.put("quote", 51, quote(2, 4));
            bench.sync_by(&bench.another_process(fatal), FROM, &[51]).await;
            let next = bench.another_process(None);
            for _ in 0..2 {
                assert_eq!(counters(&bench.sync_by(&next, FROM, &[51]).await).failed, 0, "{fatal:?}");
            }
            let archived = actions(&bench);
            assert!(archived.iter().all(|name| name == "archive"), "{fatal:?}: {archived:?}");
            assert!(archived.len() == 1 || fatal.is_some() && archived.len() == 2, "{fatal:?}: {archived:?}");
        }
    }
}

#[tokio::test]
async fn s168_a_won_quote_that_may_not_be_released_travels_with_a_note() {
    let bench = won(None).await;
    bench.business_central.fail(Call::Act, QUOTES, SystemErrorKind::Refused);
    let counted = counters(&bench.sync(FROM, &[51]).await);
    assert_eq!((counted.inserted, counted.failed), (1, 0));
    assert!(bench.failure(FROM, 51).await.contains("refused to release it"));
    bench.business_central.mend();
    bench.sync(FROM, &[51]).await;
    assert_eq!(actions(&bench), ["release"]);
}

#[tokio::test]
async fn s154_a_quote_or_line_that_people_are_done_with_in_business_central_is_not_made_again() {
    for won in [false, true] {
        let bench = bench().await;
        put(&bench, 51, active());
        bench.sync(FROM, &[51]).await;
        let here = the_quote(&bench);
        let line = bench.business_central.ids(LINES)[0];
        bench.business_central.delete(LINES, line.0.as_u128());
        let left = lines(&bench);
        for _ in 0..2 {
            bench.sync_in_full(FROM, &[51]).await;
            assert_eq!(lines(&bench), left, "a line that was deleted");
        }
        // Somebody makes an order of it, which deletes it.
        bench.business_central.delete(QUOTES, here.0.as_u128());
        if won {
            bench.dataverse.put("quote", 51, quote(2, 4));
            bench.dataverse.put("salesorder", 71, json!({"quoteid": 51, "ordernumber": "QUO-1", "statecode": 1}));
        }
        for _ in 0..2 {
            let counted = counters(&bench.sync_in_full(FROM, &[51]).await);
            assert_eq!((counted.inserted, counted.failed, counted.ignored), (0, 0, 1));
        }
        assert!(bench.business_central.ids(QUOTES).is_empty());
    }
}

/// A bench on which quote 51 was made and revised; its revision 52 is active.
async fn revised() -> (Bench, RecordId, Vec<(u64, String, String)>) {
    let bench = bench().await;
    put(&bench, 51, active());
    bench.sync(FROM, &[51]).await;
    let (here, before) = (the_quote(&bench), lines(&bench));
    put(&bench, 51, quote(3, 7));
    put(&bench, 52, with(&active(), json!({"revisionnumber": 1})));
    actions(&bench);
    (bench, here, before)
}

#[tokio::test]
async fn s157_a_revision_that_cannot_travel_leaves_what_it_revises_alone() {
    let (bench, here, before) = revised().await;
    let draft = with(&quote(0, 1), json!({"revisionnumber": 1}));
    let uncoupled = with(&active(), json!({"revisionnumber": 1, "customerid": {"account": 49}}));
    for (name, revision) in [("a draft", draft), ("of a customer that is not coupled", uncoupled)] {
        bench.dataverse.put("quote", 52, revision);
        let counted = counters(&bench.sync(FROM, &[52]).await);
        assert_eq!((counted.inserted, counted.modified), (0, 0), "{name}");
        assert_eq!((the_quote(&bench), lines(&bench)), (here, before.clone()), "{name}");
        assert!(actions(&bench).is_empty(), "{name}");
        let of_what_was_revised = bench.coupling(here.0.as_u128()).await.expect("a pair");
        assert_eq!(of_what_was_revised.id(Side::Dataverse), id(51), "{name}");
    }
    bench.dataverse.put("quote", 52, with(&active(), json!({"revisionnumber": 1})));
    assert_eq!(counters(&bench.sync(FROM, &[52]).await).modified, 1);
    assert_eq!((the_quote(&bench), actions(&bench)), (here, vec!["archive".to_owned()]));
    assert_eq!(bench.coupling(here.0.as_u128()).await.expect("a pair").id(Side::Dataverse), id(52));
}

#[tokio::test]
async fn a_revision_that_is_lost_before_anybody_looks_takes_along_what_it_revised() {
    for fatal in [None].into_iter().chain(Failpoint::ALL.map(Some)).chain([Some(Failpoint::Parted)]) {
        let (bench, here, _) = revised().await;
        bench.dataverse.put("quote", 52, with(&quote(3, 5), json!({"revisionnumber": 1})));
        bench.sync_by(&bench.another_process(fatal), FROM, &[52]).await;
        bench.sync_by(&bench.another_process(None), FROM, &[52]).await;
        assert!(bench.business_central.ids(QUOTES).is_empty(), "{fatal:?}");
        assert_eq!(actions(&bench), ["archive"], "{fatal:?}");
        let pair = bench.coupling(here.0.as_u128()).await;
        // Who dies before the pair is removed leaves it to the quote that was revised.
        assert!(pair.is_none() || fatal == Some(Failpoint::Parted), "{fatal:?}: {pair:?}");
    }
}

#[tokio::test]
async fn s156_a_revision_takes_over_what_was_made_in_part_and_makes_anew_what_people_are_done_with() {
    // The header is there, and its line was refused.
    let bench = bench().await;
    put(&bench, 51, active());
    bench.business_central.fail(Call::Write, LINES, SystemErrorKind::Refused);
    assert_eq!(counters(&bench.sync(FROM, &[51]).await).failed, 1);
    bench.business_central.mend();
    let here = the_quote(&bench);
    let pair = bench.coupling(here.0.as_u128()).await.expect("a pair");
    assert_eq!(pair.state, CouplingState::Reserved);
    put(&bench, 51, quote(3, 7));
    put(&bench, 52, with(&active(), json!({"revisionnumber": 1})));
    bench.sync(FROM, &[52]).await;
    assert_eq!(the_quote(&bench), here);
    assert_eq!(lines(&bench).len(), 3);
    let pair = bench.coupling(here.0.as_u128()).await.expect("a pair");
    assert_eq!((pair.state, pair.id(Side::Dataverse)), (CouplingState::Coupled, id(52)));

    let (bench, here, _) = revised().await;
    bench.business_central.delete(QUOTES, here.0.as_u128());
    assert_eq!(counters(&bench.sync(FROM, &[52]).await).inserted, 1);
    assert_ne!(the_quote(&bench), here);
}
