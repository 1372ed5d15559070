//! Which orders travel which way and what they are given, case by case; and the whole way of an order and its lines, with what
//! opens and closes it.

use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{RecordId, Switches};
use serde_json::{Value as Json, json};

use super::discounts::{Held, discount_due};
use crate::bench::{Bench, COMPANY, COMPANY_ROW, Call, EURO, TEAM, case, id, pair, record, with};
use crate::failpoints::Failpoint;
use crate::mappings::order_names::{OCCURRENCE, ORDER_NUMBER};
use crate::mappings::rules::{DELETED, opened};
use crate::mappings::sales_order_lines::Grossing;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const ORDERS: &str = "SALESORDER-ORDER";
const LINES: &str = "SOLINE-ORDERDETAIL";
const LIST: u128 = 41;

async fn bench() -> Bench {
    let switches = Switches { sales_orders: SalesOrders::Bidirectional, unit_groups: false, ..Switches::default() };
    let bench = Bench::with(ORDERS, switches).await;
    let product = &bench.installation().options().product_name;
    let name = bench.installation().catalogue().defaults().price_list_names(product, "EUR")[0].clone();
    bench.dataverse.put("pricelevel", LIST, json!({"name": name, "transactioncurrencyid": EURO}));
    for (number, name) in [(11, "Adatum"), (13, "Trey")] {
        bench.dataverse.put("account", number, json!({"name": name, "customertypecode": 3}));
    }
    bench.dataverse.put("contact", 21, json!({"parentcustomerid": {"account": 11}}));
    bench.couple("CUSTOMER", [pair(111, 11, "10000")]).await;
    for (number, code, kind) in [(31, "1000", 1), (34, "1003", 1), (37, "MARY", 3)] {
        let row =
            json!({"name": code, "productnumber": code, "statecode": 0, "producttypecode": kind, "defaultuomid": 51});
        bench.dataverse.put("product", number, row);
    }
    bench.couple("ITEM-PRODUCT", [pair(131, 31, "1000")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(137, 37, "MARY")]).await;
    bench.business_central.put("Item", 131, json!({"number": "1000", "displayName": "Bicycle", "blocked": false}));
    bench.business_central.put("Resource", 137, json!({"number": "MARY", "displayName": "Mary", "blocked": false}));
    let setup = json!({"writeInProductType": "Item", "writeInProductNumber": "9999", "freightAccountNumber": "6410"});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
    bench
}

/// A released order of Business Central.
fn released() -> Json {
    json!({"number": "SO1", "customerNumber": "10000", "customerName": "Adatum", "currencyCode": "EUR", "documentStatus": "Released",
           "documentType": "Order", "fullyShipped": false, "prepaymentDue": false, "documentOccurrence": 2, "pricesIncludeTax": false,
           "discountAmount": 0})
}

/// A submitted order of Dataverse.
fn submitted() -> Json {
    json!({"name": "Chairs", "ordernumber": "ORD-1", "customerid": {"account": 11}, "statecode": 1, "statuscode": 3,
           "freightamount": 0, "discountamount": 0, "discountpercentage": 0, "totallineitemamount": 0, "totalamountlessfreight": 0})
}

fn item(number: &str) -> Json {
    json!({"type": "Item", "lineObjectNumber": number, "quantity": 1, "unitPrice": 100, "discountAmount": 0, "netAmount": 100,
           "netAmountIncludingTax": 125, "taxPercent": 25})
}

fn row(number: u128) -> Json {
    json!(u64::try_from(number).expect("a number"))
}

#[tokio::test]
async fn s110_to_s115_what_a_released_order_is_given_in_dataverse() {
    let bench = bench().await;
    let of = |other: Json| with(&released(), other);
    let given = json!({"customerid": {"account": 11}, "bcbi_companyid": COMPANY_ROW, "pricelevelid": row(LIST), "discountamount": 0,
                       OCCURRENCE: 2});
    let first = json!({"name": "Adatum", "ownerid": {"team": TEAM}});
    let without_list = |other: Json| {
        let mut given = with(&given, other);
        given.as_object_mut().expect("an object").remove("pricelevelid");
        given
    };
    let there = |state: i64, status: i64| json!({"statecode": state, "statuscode": status, "pricelevelid": 42});
    let cases = vec![
        case("a new one").source(released()).line(item("1000")).gives(given.clone()).and_at_first(first.clone()),
        case("a customer nobody has coupled")
            .source(of(json!({"customerNumber": "20000"})))
            .waits_for("CUSTOMER", "20000"),
        case("an item that is no product").source(released()).line(item("1003")).waits_for("ITEM-PRODUCT", "1003"),
        case("s117 lines that are sent nowhere")
            .source(released())
            .line(json!({"type": "G/L Account", "lineObjectNumber": "6410", "netAmount": 20}))
            .line(json!({"type": " ", "lineObjectNumber": null}))
            .gives(given.clone())
            .and_at_first(first.clone()),
        case("s119 a write-in").source(released()).line(item("9999")).gives(given.clone()).and_at_first(first.clone()),
        case("a discount of the whole order")
            .source(of(json!({"discountAmount": 10})))
            .line(with(&item("1000"), json!({"netAmount": 90, "netAmountIncludingTax": 112.5})))
            .gives(with(&given, json!({"discountamount": 10})))
            .and_at_first(first),
        case("one with a price list of its own")
            .source(released())
            .destination(there(1, 3))
            .gives(without_list(json!({}))),
        case("one that bears a percentage")
            .source(of(json!({"discountAmount": 10})))
            .line(with(&item("1000"), json!({"netAmount": 90, "netAmountIncludingTax": 112.5})))
            .transferred(json!({"discountpercentage": 4}))
            .destination(with(&there(1, 3), json!({"discountpercentage": 4})))
            .gives(without_list(json!({"discountpercentage": 4, "discountamount": 6}))),
        case("one whose percentage takes off more than Business Central does")
            .source(of(json!({"discountAmount": 3})))
            .line(with(&item("1000"), json!({"netAmount": 97, "netAmountIncludingTax": 121.25})))
            .transferred(json!({"discountpercentage": 4}))
            .destination(with(&there(1, 3), json!({"discountpercentage": 4})))
            .gives(without_list(json!({"discountpercentage": null, "discountamount": 3}))),
        case("a payment discount alone makes no discount")
            .source(released())
            .transferred(json!({"discountpercentage": 2}))
            .destination(there(1, 3))
            .gives(without_list(json!({"discountpercentage": null}))),
        case("a payment discount that is taken away takes none of the order away")
            .source(of(json!({"discountAmount": 10})))
            .line(with(&item("1000"), json!({"netAmount": 90, "netAmountIncludingTax": 112.5})))
            .transferred(json!({"discountpercentage": 0}))
            .destination(with(&there(1, 3), json!({"discountpercentage": 10})))
            .gives(without_list(json!({"discountpercentage": 10}))),
        case("a discount that both sides changed")
            .source(of(json!({"discountAmount": 10})))
            .line(with(&item("1000"), json!({"netAmount": 90, "netAmountIncludingTax": 112.5})))
            .agreed_at_source(json!({"discountAmount": 0}))
            .destination(with(
                &there(1, 3),
                json!({"discountamount": 50, "totallineitemamount": 100, "totalamountlessfreight": 50}),
            ))
            .agreed(json!({"discountamount": 0}))
            .fails("changed on both sides: 10 in Business Central, 50 in Dataverse"),
        case("a discount that both sides changed to the same")
            .source(of(json!({"discountAmount": 10})))
            .line(with(&item("1000"), json!({"netAmount": 90, "netAmountIncludingTax": 112.5})))
            .agreed_at_source(json!({"discountAmount": 0}))
            .destination(with(&there(1, 3), json!({"discountamount": 10})))
            .agreed(json!({"discountamount": 0}))
            .gives(without_list(json!({"discountamount": 10}))),
        case("canceled")
            .source(released())
            .destination(there(2, 4))
            .fails("was canceled in Dataverse and is still there"),
        case("fulfilled and shipped")
            .source(of(json!({"fullyShipped": true})))
            .destination(there(3, 100_001))
            .gives(json!({})),
        case("fulfilled, and something was added")
            .source(released())
            .destination(there(3, 100_001))
            .gives(without_list(json!({}))),
        case("invoiced").source(released()).destination(there(4, 100_003)).gives(json!({})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s98_to_s109_which_submitted_orders_are_taken_and_what_they_become() {
    let bench = bench().await;
    let of = |other: Json| with(&submitted(), other);
    let line = |product: Option<u128>| json!({"productid": product.map(row), "quantity": 1});
    let given = json!({"customerNumber": "10000"});
    let cases = vec![
        case("a new one")
            .source(submitted())
            .line(line(Some(31)))
            .line(line(Some(37)))
            .line(line(None))
            .gives(given.clone()),
        case("s53 of a person").source(of(json!({"customerid": {"contact": 21}}))).gives(given.clone()),
        case("of an account nobody has coupled")
            .source(of(json!({"customerid": {"account": 13}})))
            .waits_for("CUSTOMER", id(13)),
        case("with a product nobody has coupled")
            .source(submitted())
            .line(line(Some(31)))
            .line(line(Some(34)))
            .waits_for("ITEM-PRODUCT", id(34)),
        case("s125 opened by its seller")
            .source(of(json!({"statecode": 0, "statuscode": 1})))
            .ignores("it is not submitted"),
        case("opened by us")
            .source(of(json!({"statecode": 0, "statuscode": 2})))
            .destination(released())
            .gives(given.clone()),
        case("invoiced").source(of(json!({"statecode": 4, "statuscode": 100_003}))).ignores("it is not submitted"),
        case("it was an order before")
            .source(of(json!({ORDER_NUMBER: "SO7"})))
            .ignores("has been an order of Business Central"),
        case("a discount that both have changed")
            .source(of(json!({"discountamount": 5, "totallineitemamount": 100, "totalamountlessfreight": 95})))
            .agreed_at_source(json!({"discountamount": 3}))
            .destination(with(&released(), json!({"discountAmount": 7})))
            .agreed(json!({"discountAmount": 3}))
            .fails("the discount of the order was changed on both sides: 7 in Business Central, 5 in Dataverse"),
        case("a discount that both have changed to the same")
            .source(of(json!({"discountamount": 5, "totallineitemamount": 100, "totalamountlessfreight": 95})))
            .agreed_at_source(json!({"discountamount": 3}))
            .destination(with(&released(), json!({"discountAmount": 5})))
            .agreed(json!({"discountAmount": 3}))
            .gives(given.clone()),
    ];
    bench.adjusts(FROM, cases).await;
    let setup = json!({"writeInProductType": "Item", "writeInProductNumber": null, "freightAccountNumber": null});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
    let other = self::bench().await;
    other.business_central.put(
        "Sales & Receivables Setup",
        1,
        json!({"writeInProductType": "Item", "writeInProductNumber": null, "freightAccountNumber": null}),
    );
    let cases = vec![
        case("e20 a write-in that stands for nothing").source(submitted()).line(line(None)).fails("names no write-in"),
        case("e21 freight without an account").source(of(json!({"freightamount": 9}))).fails("Freight G/L Acc. No."),
    ];
    other.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn s108_when_the_discount_of_an_order_is_applied_in_business_central() {
    let bench = bench().await;
    let number = |value: i64| rust_decimal::Decimal::from(value);
    let held = |amount, here, there| {
        let (amount, grossing) = (number(amount), Grossing::NONE);
        Some(Held { amount, grossing, is_changed_here: here, is_changed_there: there, is_computed_for_us: false })
    };
    for (name, discount, percentage, held, now, expected) in [
        ("a new order without one keeps what Business Central gives", 0, 0, None, 4, None),
        ("a new order with one", 5, 0, None, 4, Some(5)),
        ("it has it already", 5, 0, held(5, false, true), 5, None),
        ("changed in Dataverse", 6, 0, held(5, false, true), 5, Some(6)),
        ("taken away in Dataverse", 0, 0, held(5, false, true), 5, Some(0)),
        ("changed in Business Central", 5, 0, held(8, true, false), 8, None),
        ("taken away by a change of the lines", 5, 0, held(5, false, false), 0, Some(5)),
        ("a percentage follows the lines", 5, 5, held(4, false, false), 4, Some(5)),
        ("nobody changed anything", 5, 0, held(5, false, false), 5, None),
    ] {
        let order = json!({"discountamount": discount, "discountpercentage": percentage, "totallineitemamount": 100,
                           "totalamountlessfreight": 100 - discount});
        let order = bench.record(Side::Dataverse, 1, &order);
        assert_eq!(discount_due(&order, held, number(now), Grossing::NONE), expected.map(number), "{name}");
    }
    let order = bench.record(
        Side::Dataverse,
        1,
        &json!({"discountamount": 50, "totallineitemamount": 400, "totalamountlessfreight": 350}),
    );
    let computed = Some(Held { is_computed_for_us: true, ..held(25, false, false).expect("one") });
    assert_eq!(discount_due(&order, computed, number(25), Grossing::NONE), Some(number(50)), "an attempt broke off");
    // Prices that include a tax of 25 %.
    let line = with(&item("1000"), json!({"unitPrice": 1000}));
    let line = record(&bench.installation().table(Side::BusinessCentral, "Sales Line").expect("a table"), id(2), &line);
    let grossing = Grossing::of([&line].into_iter(), true);
    for (name, now, expected) in [("it includes tax", 0, Some(125)), ("it has it already", 125, None)] {
        let order = json!({"discountamount": 100, "totallineitemamount": 800, "totalamountlessfreight": 700});
        let order = bench.record(Side::Dataverse, 1, &order);
        let held = Some(Held { grossing, ..held(0, false, true).expect("one") });
        assert_eq!(discount_due(&order, held, number(now), grossing), expected.map(number), "{name}");
    }
}

#[tokio::test]
async fn s108_what_a_seller_takes_off_an_order_is_not_lost_while_business_central_works_on_it() {
    let bench = synchronized().await;
    let row = in_dataverse(ORDERS, 1);
    bench.sync(FROM, &[row.0.as_u128()]).await;
    let taken_off = json!({"discountamount": 50, "totallineitemamount": 100, "totalamountlessfreight": 50});
    bench.dataverse.change("salesorder", row, taken_off);
    put_line(&bench, &json!({"shippedQuantity": 1}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 0, "{report:?}");
    assert_eq!(bench.dataverse.row_of("salesorder", row)["discountamount"], json!(50));
    bench.sync(FROM, &[row.0.as_u128()]).await;
    assert_eq!(bench.business_central.row("Sales Header", 1)["discountAmount"], json!(50));
}

/// The ids of what an order of Dataverse and its lines become.
fn made(mapping: &str, source: u128) -> RecordId {
    derived_id(COMPANY, &mapping.into(), FROM.as_str(), id(source))
}

fn put_submitted(bench: &Bench) {
    bench.dataverse.put("salesorder", 1, submitted());
    for (line, price) in [(2, 100), (3, 40)] {
        let held = json!({"salesorderid": {"salesorder": 1}, "productid": {"product": 31}, "quantity": 2, "priceperunit": price,
                          "manualdiscountamount": 0, "volumediscountamount": 0, "sequencenumber": line});
        bench.dataverse.put("salesorderdetail", line, held);
    }
}

#[tokio::test]
async fn s100_a_submitted_order_is_made_once_wherever_an_attempt_breaks_off() {
    let points = [
        Failpoint::Claimed,
        Failpoint::Written,
        Failpoint::LinesNoted,
        Failpoint::LinesClaimed,
        Failpoint::LinesWritten,
        Failpoint::LinesStored,
        Failpoint::LinesEnded,
        Failpoint::AfterWrite,
        Failpoint::Stored,
    ];
    for point in points {
        let bench = bench().await;
        put_submitted(&bench);
        let dying = bench.another_process(Some(point));
        bench.sync_by(&dying, FROM, &[1]).await;
        let other = bench.another_process(None);
        bench.sync_by(&other, FROM, &[1]).await;
        let order = made(ORDERS, 1);
        assert_eq!(bench.business_central.ids("Sales Header"), [order], "{point:?}");
        let mut lines = vec![made(LINES, 2), made(LINES, 3)];
        lines.sort_unstable();
        assert_eq!(bench.business_central.ids("Sales Line"), lines, "{point:?}");
        let row = bench.dataverse.row("salesorder", 1);
        assert_eq!((row["statecode"].as_i64(), row["statuscode"].as_i64()), (Some(1), Some(3)), "{point:?}");
        assert_eq!(row["bcbi_companyid"], json!(COMPANY_ROW), "{point:?}: {row}");
        let store = bench.engine.store();
        let pair = store.couplings_by_id(COMPANY, &ORDERS.into(), Side::Dataverse, &[id(1)]).await.expect("a store");
        let pair = pair.get(&id(1)).expect("a pair");
        assert!(!pair.related.contains_key(opened(Side::BusinessCentral)), "{point:?}");
    }
}

/// An order and a line that are a pair, as a synchronization of the released order leaves them.
async fn synchronized() -> Bench {
    let bench = bench().await;
    put_released(&bench);
    let report = bench.sync(TO, &[1]).await;
    assert_eq!((report.groups[0].outcomes.inserted, report.groups[0].returned), (1, 0), "{report:?}");
    bench.business_central.take_actions();
    bench
}

fn put_released(bench: &Bench) {
    bench.business_central.put("Sales Header", 1, released());
    put_line(bench, &json!({}));
}

fn put_line(bench: &Bench, other: &Json) {
    let line = json!({"documentId": 1, "documentType": "Order", "sequence": 10_000});
    let line = with(&with(&line, item("1000")), other.clone());
    bench.business_central.put("Sales Line", 2, line);
}

fn in_dataverse(mapping: &str, source: u128) -> RecordId {
    derived_id(COMPANY, &mapping.into(), TO.as_str(), id(source))
}

#[tokio::test]
async fn s115_a_released_order_arrives_submitted_and_is_opened_for_a_change_of_a_line_and_closed_again() {
    let bench = synchronized().await;
    let order = in_dataverse(ORDERS, 1);
    let state = |bench: &Bench| {
        let row = bench.dataverse.row_of("salesorder", order);
        (row["statecode"].as_i64(), row["statuscode"].as_i64())
    };
    assert_eq!(state(&bench), (Some(1), Some(3)));
    let line = bench.dataverse.row_of("salesorderdetail", in_dataverse(LINES, 2));
    assert_eq!((line["priceperunit"].as_i64(), line["tax"].as_i64()), (Some(100), Some(25)), "{line}");
    assert_eq!(line["productid"], json!({"product": 31}), "{line}");

    // A quantity alone: the header is what it was.
    put_line(&bench, &json!({"quantity": 3, "netAmount": 300, "netAmountIncludingTax": 375}));
    bench.dataverse.take_calls();
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    let writes: Vec<String> =
        bench.dataverse.take_calls().into_iter().filter(|call| call.starts_with("write sales")).collect();
    let expected = ["write salesorder 1", "write salesorderdetail 1", "write salesorder 1"];
    assert_eq!(writes, expected, "opened, changed, submitted again");
    assert_eq!(state(&bench), (Some(1), Some(3)));

    // Nothing changed.
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.unchanged, 1, "{report:?}");
    assert!(!bench.dataverse.take_calls().iter().any(|call| call.starts_with("write")));
}

#[tokio::test]
async fn s115_an_order_that_was_left_open_by_an_attempt_that_broke_off_is_submitted_by_the_next() {
    for point in [Failpoint::LinesWritten, Failpoint::LinesStored, Failpoint::LinesEnded, Failpoint::AfterWrite] {
        let bench = synchronized().await;
        put_line(&bench, &json!({"quantity": 3, "netAmount": 300, "netAmountIncludingTax": 375}));
        let dying = bench.another_process(Some(point));
        bench.sync_by(&dying, TO, &[1]).await;
        let other = bench.another_process(None);
        bench.sync_by(&other, TO, &[1]).await;
        let row = bench.dataverse.row_of("salesorder", in_dataverse(ORDERS, 1));
        assert_eq!((row["statecode"].as_i64(), row["statuscode"].as_i64()), (Some(1), Some(3)), "{point:?}");
        let pair = bench.coupling(1).await.expect("a pair");
        assert!(!pair.related.contains_key(opened(Side::Dataverse)), "{point:?}");
    }
}

#[tokio::test]
async fn s125_an_order_that_a_seller_has_opened_stays_open() {
    let bench = synchronized().await;
    bench.dataverse.change("salesorder", in_dataverse(ORDERS, 1), json!({"statecode": 0, "statuscode": 1}));
    put_line(&bench, &json!({"quantity": 3, "netAmount": 300, "netAmountIncludingTax": 375}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    assert_eq!(bench.dataverse.row_of("salesorder", in_dataverse(ORDERS, 1))["statecode"], json!(0));
}

#[tokio::test]
async fn s115_c_162_an_order_that_is_shipped_as_a_whole_is_fulfilled_once() {
    let bench = synchronized().await;
    let order = in_dataverse(ORDERS, 1);
    bench.business_central.put("Sales Header", 1, with(&released(), json!({"fullyShipped": true})));
    let dying = bench.another_process(Some(Failpoint::Acted));
    bench.sync_by(&dying, TO, &[1]).await;
    assert_eq!(bench.dataverse.take_actions(), [("FulfillSalesOrder".to_owned(), order)]);
    bench.dataverse.change("salesorder", order, json!({"statecode": 3, "statuscode": 100_001}));
    let other = bench.another_process(None);
    let report = bench.sync_by(&other, TO, &[1]).await;
    assert!(bench.dataverse.take_actions().is_empty(), "it has happened: {report:?}");
    assert!(bench.coupling(1).await.expect("a pair").acting.is_none());
}

#[tokio::test]
async fn s98_s102_a_change_in_dataverse_reopens_the_order_and_releases_it_again_whatever_changed() {
    let bench = synchronized().await;
    let row = in_dataverse(ORDERS, 1);
    let number = row.0.as_u128();
    let line = in_dataverse(LINES, 2);
    let actions = |bench: &Bench| -> Vec<String> {
        bench.business_central.take_actions().into_iter().map(|(action, _)| action).collect()
    };
    // The first look takes in what Dataverse has computed, and nothing else.
    bench.sync(FROM, &[number]).await;
    assert!(actions(&bench).is_empty());

    // The bench's actions change nothing, so that the order is released all the time.
    bench.dataverse.change("salesorderdetail", line, json!({"quantity": 5}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    assert_eq!(actions(&bench), ["reopen"], "a line");
    assert_eq!(bench.business_central.row("Sales Line", 2)["quantity"], json!(5));

    bench.dataverse.change("salesorder", row, json!({"shipto_name": "Back door"}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    assert_eq!(actions(&bench), ["reopen"], "the header");
    assert_eq!(bench.business_central.row("Sales Header", 1)["shipToName"], json!("Back door"));

    bench.dataverse.delete("salesorderdetail", line.0.as_u128());
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    assert_eq!(actions(&bench), ["reopen"], "s103 a line that is gone");
    assert!(bench.business_central.ids("Sales Line").is_empty());

    // What was reopened is released.
    bench.business_central.let_action_change("reopen", json!({"documentStatus": "Open"}));
    bench.business_central.let_action_change("release", json!({"documentStatus": "Released"}));
    bench.dataverse.change("salesorder", row, json!({"shipto_name": "Front door"}));
    bench.sync(FROM, &[number]).await;
    assert_eq!(actions(&bench), ["reopen", "release"]);
    // But not what a person has opened.
    bench.business_central.change("Sales Header", id(1), json!({"documentStatus": "Open"}));
    bench.dataverse.change("salesorder", row, json!({"shipto_name": "Side door"}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    assert!(actions(&bench).is_empty(), "a person has it open");
    let pair = bench.coupling(1).await.expect("a pair");
    assert!(!pair.related.contains_key(opened(Side::BusinessCentral)));
    bench.dataverse.change("salesorder", row, json!({"name": "Another name"}));
    bench.sync(FROM, &[number]).await;
    assert!(actions(&bench).is_empty(), "nothing of it travels");
}

#[tokio::test]
async fn an_order_that_cannot_be_reopened_fails_with_its_lines_where_they_were() {
    let bench = synchronized().await;
    let number = in_dataverse(ORDERS, 1).0.as_u128();
    bench.sync(FROM, &[number]).await;
    let line = in_dataverse(LINES, 2);
    bench.dataverse.change("salesorderdetail", line, json!({"quantity": 5}));
    bench.business_central.fail(Call::Act, "Sales Header", SystemErrorKind::Refused);
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
    assert_eq!(bench.business_central.row("Sales Line", 2)["quantity"], json!(1));
    bench.business_central.mend();
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
}

#[tokio::test]
async fn a_header_and_a_line_that_both_sides_changed_are_told_with_both_values() {
    let bench = synchronized().await;
    let row = in_dataverse(ORDERS, 1);
    bench.sync(FROM, &[row.0.as_u128()]).await;
    bench.dataverse.change("salesorder", row, json!({"shipto_name": "Back door"}));
    bench.business_central.put("Sales Header", 1, with(&released(), json!({"shipToName": "Ramp"})));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
    let failure = bench.failure(TO, 1).await;
    assert!(failure.contains("Ramp") && failure.contains("Back door"), "{failure}");
    bench.dataverse.change("salesorder", row, json!({"shipto_name": "Ramp"}));

    let line = in_dataverse(LINES, 2);
    bench.dataverse.change("salesorderdetail", line, json!({"quantity": 5}));
    put_line(&bench, &json!({"quantity": 7, "netAmount": 700, "netAmountIncludingTax": 875}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
    let failure = bench.failure(TO, 1).await;
    assert!(failure.contains('7') && failure.contains('5') && failure.contains("Quantity"), "{failure}");
}

#[tokio::test]
async fn s124_s128_an_order_that_is_gone_from_business_central_stays_coupled_and_is_left_alone() {
    let bench = synchronized().await;
    let number = in_dataverse(ORDERS, 1).0.as_u128();
    bench.business_central.delete("Sales Header", 1);
    bench.business_central.delete("Sales Line", 2);
    bench.sync(TO, &[1]).await;
    let pair = bench.coupling(1).await.expect("a pair");
    assert!(pair.related.contains_key(DELETED));
    bench.dataverse.change("salesorder", in_dataverse(ORDERS, 1), json!({"shipto_name": "Nowhere"}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!((report.groups[0].outcomes.ignored, report.groups[0].outcomes.failed), (1, 0), "{report:?}");
    assert!(bench.business_central.ids("Sales Header").is_empty());
    assert_eq!(bench.dataverse.ids("salesorderdetail").len(), 1, "its lines stay");
}

#[tokio::test]
async fn s117_a_line_that_is_no_item_and_no_resource_any_more_leaves_the_order_in_dataverse() {
    for point in [None, Some(Failpoint::LinesNoted), Some(Failpoint::LinesWritten), Some(Failpoint::LinesEnded)] {
        let bench = synchronized().await;
        let other = json!({"documentId": 1, "documentType": "Order", "sequence": 20_000});
        bench.business_central.put("Sales Line", 3, with(&other, item("1000")));
        bench.sync(TO, &[1]).await;
        assert_eq!(bench.dataverse.ids("salesorderdetail").len(), 2, "{point:?}");
        put_line(&bench, &json!({"type": "G/L Account", "lineObjectNumber": "6410"}));
        if point.is_some() {
            bench.sync_by(&bench.another_process(point), TO, &[1]).await;
        }
        let report = bench.sync_by(&bench.another_process(None), TO, &[1]).await;
        assert_eq!(report.groups[0].outcomes.failed, 0, "{point:?}: {report:?}");
        assert_eq!(bench.dataverse.ids("salesorderdetail"), [in_dataverse(LINES, 3)], "{point:?}");
        let store = bench.engine.store();
        let pair = store.couplings_by_id(COMPANY, &LINES.into(), Side::BusinessCentral, &[id(2)]).await;
        assert!(pair.expect("a store").is_empty(), "{point:?}");
        let order = bench.dataverse.row_of("salesorder", in_dataverse(ORDERS, 1));
        assert_eq!(order["statecode"], json!(1), "{point:?}");
    }
}

#[tokio::test]
async fn s103_a_line_is_changed_although_its_product_is_not_for_sale_any_more() {
    let bench = synchronized().await;
    let number = in_dataverse(ORDERS, 1).0.as_u128();
    bench.sync(FROM, &[number]).await;
    bench.dataverse.change("product", id(31), json!({"statecode": 1}));
    bench.business_central.put("Item", 131, json!({"number": "1000", "displayName": "Bicycle", "blocked": true}));
    bench.dataverse.change("salesorderdetail", in_dataverse(LINES, 2), json!({"quantity": 5}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.failed, 0, "{report:?}");
    assert_eq!(bench.business_central.row("Sales Line", 2)["quantity"], json!(5));
    // One that is new has to be for sale.
    let line = json!({"salesorderid": in_dataverse(ORDERS, 1).to_string(), "productid": {"product": 31}, "quantity": 1, "priceperunit": 5});
    bench.dataverse.put("salesorderdetail", 77, line);
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
}

#[tokio::test]
async fn s102_an_order_of_which_a_line_fails_is_released_again() {
    let bench = synchronized().await;
    let number = in_dataverse(ORDERS, 1).0.as_u128();
    bench.sync(FROM, &[number]).await;
    bench.business_central.take_actions();
    let line = json!({"salesorderid": in_dataverse(ORDERS, 1).to_string(), "productid": {"product": 38}, "quantity": 1, "priceperunit": 5});
    bench.dataverse.put(
        "product",
        38,
        json!({"name": "Fee", "productnumber": "FEE", "statecode": 0, "producttypecode": 2}),
    );
    bench.dataverse.put("salesorderdetail", 77, line);
    bench.dataverse.change("salesorder", in_dataverse(ORDERS, 1), json!({"shipto_name": "Back door"}));
    bench.business_central.let_action_change("reopen", json!({"documentStatus": "Open"}));
    bench.business_central.let_action_change("release", json!({"documentStatus": "Released"}));
    let report = bench.sync(FROM, &[number]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
    let actions: Vec<String> = bench.business_central.take_actions().into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["reopen", "release"]);
    let pair = bench.coupling(1).await.expect("a pair");
    assert!(!pair.related.contains_key(opened(Side::BusinessCentral)), "it is not open any more");
}

#[tokio::test]
async fn s115_an_order_in_dataverse_of_which_a_line_fails_is_submitted_again_with_the_status_it_had() {
    let bench = synchronized().await;
    let order = in_dataverse(ORDERS, 1);
    bench.dataverse.change("salesorder", order, json!({"statuscode": 690}));
    let other = json!({"documentId": 1, "documentType": "Order", "sequence": 20_000});
    bench.business_central.put("Sales Line", 3, with(&other, item("1003")));
    put_line(&bench, &json!({"quantity": 3, "netAmount": 300, "netAmountIncludingTax": 375}));
    bench.sync(TO, &[1]).await;
    let row = bench.dataverse.row_of("salesorder", order);
    assert_eq!((row["statecode"].clone(), row["statuscode"].clone()), (json!(1), json!(690)));
    let line = bench.dataverse.row_of("salesorderdetail", in_dataverse(LINES, 2));
    assert_eq!(line["quantity"], json!(3), "its neighbour travels");
}

#[tokio::test]
async fn s77_s109_freight_is_charged_once_changed_and_taken_away_and_what_people_correct_stays() {
    let bench = bench().await;
    put_submitted(&bench);
    bench.dataverse.change("salesorder", id(1), json!({"freightamount": 20}));
    bench.sync(FROM, &[1]).await;
    let order = made(ORDERS, 1);
    let freight = |bench: &Bench| -> Vec<Json> {
        let lines = bench.business_central.ids("Sales Line").into_iter();
        let lines = lines.map(|line| bench.business_central.row_of("Sales Line", line));
        lines.filter(|line| line["type"] == json!("G/L Account")).map(|line| line["priceWithoutTax"].clone()).collect()
    };
    assert_eq!(freight(&bench), [json!(20)]);
    let charged = bench
        .business_central
        .ids("Sales Line")
        .into_iter()
        .find(|line| bench.business_central.row_of("Sales Line", *line)["type"] == json!("G/L Account"));
    let charged = charged.expect("a line");
    // Somebody corrects it in Business Central, and the order changes in Dataverse.
    bench.business_central.change("Sales Line", charged, json!({"unitPrice": 15, "priceWithoutTax": 15}));
    bench.business_central.change("Sales Header", order, json!({"documentStatus": "Open"}));
    bench.dataverse.change("salesorder", id(1), json!({"shipto_name": "Back door"}));
    bench.sync(FROM, &[1]).await;
    assert_eq!(freight(&bench), [json!(15)]);
    bench.dataverse.change("salesorder", id(1), json!({"freightamount": 30}));
    bench.sync(FROM, &[1]).await;
    assert_eq!(freight(&bench), [json!(30)]);
    bench.dataverse.change("salesorder", id(1), json!({"freightamount": 0}));
    bench.sync(FROM, &[1]).await;
    assert!(freight(&bench).is_empty());
}
