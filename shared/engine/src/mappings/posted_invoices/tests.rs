//! Whose invoices travel, what they are given at first, and the state that payments give them, case by case.

use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::record::Snapshot;
use couplet_model::switches::{Ownership, SalesOrders};
use couplet_model::system::SystemErrorKind;
use couplet_model::{Coupling, RecordId, RetryClass, Side, Switches, Value};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::CUSTOMERS;
use crate::bench::{Bench, COMPANY, COMPANY_ROW, Call, EURO, TEAM, case, destination_of, pair, source_of, with};
use crate::ports::Delivery;

const TO: Direction = Direction::ToDataverse;
/// The default price list and the dollar.
const LIST: u128 = 31;
const DOLLAR: u128 = 32;
/// So many invoices of a table of cases have a line.
const LINES: u128 = 20;

async fn bench(ownership: Ownership) -> Bench {
    bench_with(Switches { ownership, ..Switches::default() }).await
}

async fn bench_with(switches: Switches) -> Bench {
    let bench = Bench::with("POSTEDSALESINV-INV", switches).await;
    let product = &bench.installation().options().product_name;
    let name = bench.installation().catalogue().defaults().price_list_names(product, "EUR")[0].clone();
    bench.dataverse.put("pricelevel", LIST, json!({"name": name, "transactioncurrencyid": EURO}));
    bench.couple(CUSTOMERS, [pair(10, 11, "10000"), pair(12, 13, "30000")]).await;
    bench.couple("CURRENCY", [pair(20, DOLLAR, "USD")]).await;
    // Every invoice has a line.
    for place in 0..LINES {
        let line =
            json!({"documentId": id(source_of(place).0.as_u128()), "type": "G/L Account", "lineObjectNumber": "8000"});
        bench.business_central.put("Sales Invoice Line", 400 + place, line);
    }
    bench
}

fn id(number: u128) -> Json {
    json!(u64::try_from(number).ok())
}

fn invoice(number: &str) -> Json {
    json!({"number": number, "customerNumber": "10000", "currencyCode": "EUR", "customerPurchaseOrderReference": null,
           "remainingAmount": 100, "totalAmountIncludingTax": 100, "cancelled": false})
}

fn company() -> Json {
    json!({"bcbi_companyid": COMPANY_ROW})
}

/// What an invoice that comes from no order is given at first.
fn at_first(number: &str, list: u128) -> Json {
    json!({"name": number, "customerid": {"account": 11}, "pricelevelid": id(list)})
}

#[tokio::test]
async fn s178_to_s181_new_invoices_belong_to_an_order_or_to_their_customer_and_the_list_of_their_currency() {
    let bench = bench(Ownership::Person).await;
    let order_of_account = json!({"ordernumber": "ORD-1", "name": "Chairs", "opportunityid": 41, "pricelevelid": 42,
                       "customerid": {"account": 11}, "ownerid": {"systemuser": 43}});
    bench.dataverse.put("salesorder", 40, order_of_account.clone());
    // An order of a person is one of the company that the person works for.
    for (number, order, contact) in [(51, "ORD-3", 61), (52, "ORD-4", 62), (53, "ORD-5", 63)] {
        let of_person = json!({"ordernumber": order, "customerid": {"contact": contact}});
        bench.dataverse.put("salesorder", number, with(&order_of_account, of_person));
    }
    bench.dataverse.put("contact", 61, json!({"parentcustomerid": {"account": 11}}));
    bench.dataverse.put("contact", 62, json!({"parentcustomerid": {"contact": 61}}));
    bench.dataverse.put("contact", 63, json!({"parentcustomerid": {"account": 99}}));
    bench.dataverse.put(
        "salesorder",
        50,
        with(&order_of_account, json!({"ordernumber": "ORD-2", "customerid": {"account": 99}})),
    );
    bench.dataverse.put("pricelevel", 33, json!({"name": "Price List in USD", "transactioncurrencyid": id(DOLLAR)}));
    let of = |other: Json| with(&invoice("I1"), other);
    let of_order = json!({"salesorderid": 40, "name": "Chairs", "opportunityid": 41, "pricelevelid": 42,
                          "customerid": {"account": 11}, "ownerid": {"systemuser": 43}});
    let cases = vec![
        case("of nothing").source(invoice("I1")).gives(company()).and_at_first(at_first("I1", LIST)),
        case("in dollars").source(of(json!({"currencyCode": "USD"}))).gives(company()).and_at_first(at_first("I1", 33)),
        case("a currency nobody has coupled").source(of(json!({"currencyCode": "GBP"}))).waits_for("CURRENCY", "GBP"),
        case("a customer nobody has coupled")
            .source(of(json!({"customerNumber": "20000"})))
            .waits_for(CUSTOMERS, "20000"),
        case("of an order")
            .source(of(json!({"customerPurchaseOrderReference": "ord-1"})))
            .gives(company())
            .and_at_first(of_order.clone()),
        case("of an order of a person")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-3"})))
            .gives(company())
            .and_at_first(with(&of_order, json!({"salesorderid": 51, "customerid": {"contact": 61}}))),
        case("of an order, for a customer nobody has coupled yet")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-1", "customerNumber": "20000"})))
            .waits_for(CUSTOMERS, "20000"),
        case("of an order, for another customer than that")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-1", "customerNumber": "30000"})))
            .fails("the customer of order ORD-1 has changed, or is no longer coupled (E37)"),
        case("of an order of a person without a company")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-4"})))
            .fails("the customer of order ORD-4 has changed, or is no longer coupled (E37)"),
        case("of an order of a person of another company")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-5"})))
            .fails("the customer of order ORD-5 has changed, or is no longer coupled (E37)"),
        case("of an order of somebody else")
            .source(of(json!({"customerPurchaseOrderReference": "ORD-2"})))
            .fails("the customer of order ORD-2 has changed, or is no longer coupled (E37)"),
        case("some other reference")
            .source(of(json!({"customerPurchaseOrderReference": "PO 77"})))
            .gives(company())
            .and_at_first(at_first("I1", LIST)),
    ];
    bench.adjusts(TO, cases).await;
    let calls = bench.dataverse.take_calls();
    assert_eq!(
        calls.iter().filter(|call| call.contains("contact")).count(),
        1,
        "all persons are read at once: {calls:?}"
    );
}

#[tokio::test]
async fn s180_a_price_list_that_is_refused_stops_the_invoices_of_its_currency_and_no_others() {
    let (bench, another) = (bench(Ownership::Person).await, bench(Ownership::Person).await);
    let of = |currency: &str| with(&invoice("I1"), json!({"currencyCode": currency}));
    let role = |role: &str| derived_id(COMPANY, &"(company)".into(), role, RecordId(COMPANY.0)).0.as_u128();
    bench.couple("CURRENCY", [pair(21, 33, "GBP")]).await;
    bench.dataverse.refuse(role("price list in USD"), SystemErrorKind::Refused);
    let cases = vec![
        case("refused").source(of("USD")).fails("price list \"Price List in USD\" is missing in Dataverse"),
        case("in local currency").source(of("EUR")).gives(company()).and_at_first(at_first("I1", LIST)),
        case("in a third currency").source(of("GBP")).gives(company()).and_at_first(json!({
            "name": "I1", "customerid": {"account": 11}, "pricelevelid": price_list("price list in GBP")
        })),
    ];
    bench.adjusts(TO, cases).await;

    another.dataverse.delete("pricelevel", LIST);
    another.dataverse.refuse(role("default price list"), SystemErrorKind::Duplicate);
    let cases = vec![
        case("in local currency").source(of("EUR")).fails("the default price list in EUR is missing in Dataverse"),
        case("in dollars").source(of("USD")).gives(company()).and_at_first(json!({
            "name": "I1", "customerid": {"account": 11}, "pricelevelid": price_list("price list in USD")
        })),
    ];
    another.adjusts(TO, cases).await;

    bench.dataverse.mend();
    // What passes by itself is no fault of the invoices: all of them come again.
    bench.couple("CURRENCY", [pair(22, 34, "DKK")]).await;
    bench.dataverse.fail(Call::Write, "pricelevel", SystemErrorKind::Timeout);
    let lists = super::PriceLists::of(bench.installation(), [&Value::text("DKK")].into_iter()).await;
    assert_eq!(lists.err().map(|error| error.retry_class()), Some(RetryClass::RetryNow));
}

/// The price list that is made in this role, as test cases write it.
fn price_list(role: &str) -> Json {
    json!(derived_id(COMPANY, &"(company)".into(), role, RecordId(COMPANY.0)).to_string())
}

#[tokio::test]
async fn s180_under_team_ownership_the_team_owns_and_a_missing_price_list_is_made_once() {
    let bench = bench(Ownership::Team).await;
    let before = bench.dataverse.ids("pricelevel").len();
    let mut lists = Vec::new();
    for _ in 0..2 {
        let made = super::PriceLists::of(bench.installation(), [&Value::text("USD")].into_iter()).await.expect("lists");
        lists.push(made.of_currency(&Value::text("usd")).expect("the list of the dollar"));
        assert_eq!(bench.dataverse.ids("pricelevel").len(), before + 1);
    }
    assert_eq!(lists[0], lists[1]);
    let made = bench.dataverse.row_of("pricelevel", RecordId(lists[0]));
    let expected =
        json!({"name": "Price List in USD", "transactioncurrencyid": id(DOLLAR), "bcbi_companyid": COMPANY_ROW});
    assert_eq!(made, expected);
    let owned = with(&at_first("I1", LIST), json!({"ownerid": {"team": id(TEAM)}}));
    bench.adjusts(TO, vec![case("an invoice").source(invoice("I1")).gives(company()).and_at_first(owned)]).await;
}

#[tokio::test]
async fn c_175_s172_s174_an_invoice_begins_only_with_all_its_products() {
    let bench = bench(Ownership::Person).await;
    bench.couple("ITEM-PRODUCT", [pair(60, 61, "1000")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(62, 63, "KATE")]).await;
    let line = |place: u128, kind: &str, number: Json, blocked: bool| {
        let document = id(source_of(place).0.as_u128());
        let values = json!({"documentId": document, "type": kind, "lineObjectNumber": number, "blocked": blocked});
        let number = 500 + bench.business_central.ids("Sales Invoice Line").len() as u128;
        bench.business_central.put("Sales Invoice Line", number, values);
    };
    line(0, "Item", json!("1000"), false);
    line(0, "Resource", json!("KATE"), false);
    line(0, "G/L Account", json!("8000"), false);
    line(0, " ", json!(null), false);
    line(1, "Item", json!("2000"), false);
    line(2, "Item", json!("1000"), true);
    line(3, "Resource", json!("LINA"), false);
    line(4, "Item", json!("1000"), true);
    let cases = vec![
        case("all are products").source(invoice("I1")).gives(company()).and_at_first(at_first("I1", LIST)),
        case("an item that is none").source(invoice("I2")).waits_for("ITEM-PRODUCT", "2000"),
        case("a blocked one").source(invoice("I3")).fails("Blocked must be No for Item 1000"),
        case("a resource that is none").source(invoice("I4")).waits_for("RESOURCE-PRODUCT", "LINA"),
        case("blocked after the invoice was created")
            .source(invoice("I5"))
            .destination(json!({"statecode": 0, "statuscode": 4}))
            .gives(company()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s174_what_stands_for_products_that_were_written_in_keeps_no_invoice() {
    let bench =
        bench_with(Switches { ownership: Ownership::Person, sales_orders: SalesOrders::Legacy, ..Switches::default() })
            .await;
    let setup = json!({"writeInProductType": "Resource", "writeInProductNumber": "ANY"});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
    for (place, kind) in [(0, "Resource"), (1, "Item")] {
        let document = id(source_of(place).0.as_u128());
        let line = json!({"documentId": document, "type": kind, "lineObjectNumber": "any"});
        bench.business_central.put("Sales Invoice Line", 500 + place, line);
    }
    let cases = vec![
        case("the resource").source(invoice("I1")).gives(company()).and_at_first(at_first("I1", LIST)),
        case("an item of that number").source(invoice("I2")).waits_for("ITEM-PRODUCT", "any"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s173_an_invoice_that_is_seen_while_it_is_posted_waits_for_its_lines() {
    let bench = bench(Ownership::Person).await;
    bench.business_central.delete("Sales Invoice Line", 401);
    let cases = vec![
        case("with lines").source(invoice("I1")).gives(company()).and_at_first(at_first("I1", LIST)),
        case("without")
            .source(invoice("I2"))
            .fails("the lines of invoice I2 are not committed in Business Central yet (EE41)"),
        case("that stands in Dataverse")
            .source(invoice("I3"))
            .destination(json!({"statecode": 0, "statuscode": 4}))
            .gives(company()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s170_an_invoice_that_was_deleted_since_its_run_read_it_keeps_its_lines_in_dataverse() {
    let bench = bench(Ownership::Person).await;
    bench.couple("POSTEDSALESINV-INV", [pair(1, 101, "I1")]).await;
    bench.couple("POSTEDSALESLINE-INV", [Coupling { key: None, ..pair(11, 111, "") }]).await;
    bench.dataverse.put("invoice", 101, json!({"name": "I1", "statecode": 0, "statuscode": 4}));
    bench.dataverse.put("invoicedetail", 111, json!({"invoiceid": {"invoice": 101}}));
    let table = bench.mapping.table(Side::BusinessCentral);
    bench.business_central.put(&table.name, 1, invoice("I1"));
    let (system, columns) = (bench.engine.system(Side::BusinessCentral), bench.mapping.source_columns(TO));
    let mut read = system.fetch(table, &[RecordId(Uuid::from_u128(1))], columns).await.expect("the invoice");
    for column in columns {
        read[0].values.entry(column.as_str().into()).or_insert(Value::Null);
    }
    for is_deleted in [false, true] {
        if is_deleted {
            bench.business_central.delete(&table.name, 1);
        }
        let mut message = bench.message(bench.run().await, TO, 1);
        bench.pass(SignedDuration::from_secs(1));
        message.snapshot = Some(Snapshot::pack(&read[0], bench.engine.now()));
        bench.business_central.take_calls();
        let report = bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
        let calls = bench.business_central.take_calls();
        assert_eq!(calls[0], "find Sales Invoice Line", "it travels as it was read");
        assert_eq!(report.groups[0].outcomes.ignored, u64::from(is_deleted), "{report:?}");
        // An invoice that stands, and has lost its line, loses it in Dataverse too.
        if !is_deleted {
            assert!(bench.dataverse.ids("invoicedetail").is_empty(), "{report:?}");
            bench.dataverse.put("invoicedetail", 111, json!({"invoiceid": {"invoice": 101}}));
            bench.couple("POSTEDSALESLINE-INV", [Coupling { key: None, ..pair(11, 111, "") }]).await;
        }
    }
    assert_eq!(bench.dataverse.ids("invoicedetail").len(), 1);
    assert!(bench.coupling(1).await.is_some());
}

#[tokio::test]
async fn s170_what_is_closed_in_dataverse_is_changed_no_more() {
    let bench = bench(Ownership::Person).await;
    let there = |state: i64, status: i64| {
        case("an invoice")
            .source(invoice("I1"))
            .destination(json!({"statecode": state, "statuscode": status}))
            .transferred(json!({"duedate": "2026-02-01"}))
    };
    let open = || with(&company(), json!({"duedate": "2026-02-01"}));
    let cases = vec![
        there(0, 4).gives(open()),
        there(0, 1).gives(open()),
        there(2, 100_001).gives(json!({})),
        there(3, 100_003).gives(json!({})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn c_179_c_180_c_188_s40_s41_s42_the_state_follows_the_payments() {
    let bench = bench(Ownership::Person).await;
    let of = |remaining: i64, cancelled: bool| {
        with(&invoice("I1"), json!({"remainingAmount": remaining, "cancelled": cancelled}))
    };
    let pairs = [(0, 4), (2, 100_001), (2, 100_002), (3, 100_003)];
    let held = |at: usize| json!({"statecode": pairs[at].0, "statuscode": pairs[at].1});
    let cases = vec![
        case("unpaid and new")
            .source(of(100, false))
            .resumed()
            .destination(json!({"statecode": 0, "statuscode": 1}))
            .leaves(json!({}), held(0)),
        case("unpaid, as before").source(of(100, false)).destination(held(0)).leaves(json!({}), json!({})),
        case("paid in full").source(of(0, false)).destination(held(0)).leaves(json!({}), held(1)),
        case("paid by half").source(of(50, false)).destination(held(0)).leaves(json!({}), held(2)),
        case("the other half").source(of(0, false)).destination(held(2)).leaves(json!({}), held(1)),
        case("a payment taken back").source(of(100, false)).destination(held(1)).leaves(json!({}), held(0)),
        case("cancelled").source(of(0, true)).destination(held(0)).leaves(json!({}), held(3)),
        case("canceled in Dataverse and paid").source(of(0, false)).destination(held(3)).leaves(json!({}), held(1)),
        case("amounts that are not known")
            .source(json!({"number": "I1"}))
            .destination(held(0))
            .leaves(json!({}), json!({})),
    ];
    let count = cases.len();
    let calls = bench.after_writing(TO, cases).await;
    assert_eq!(
        calls,
        ["write invoice 2", "write invoice 7"],
        "closed ones are opened first; one request for each step of all"
    );
    let ended: Vec<Json> =
        (0..count as u128).map(|at| bench.dataverse.row("invoice", destination_of(at))["statuscode"].clone()).collect();
    assert_eq!(ended, [4, 4, 100_001, 100_002, 100_001, 4, 100_003, 100_001, 4].map(|status| json!(status)));
    bench.dataverse.refuse(destination_of(0), SystemErrorKind::Refused);
    let refused = vec![case("refused").source(of(0, false)).destination(held(0)).fails_by(SystemErrorKind::Refused)];
    bench.after_writing(TO, refused).await;
}
