//! POSTEDSALESINV-INV with POSTEDSALESLINE-INV end to end: invoices with their lines, and what payments make of them.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, number, text};

const JOB: &str = "POSTEDSALESINV-INV";
const LINES: &str = "POSTEDSALESLINE-INV";

fn options() -> WorldOptions {
    let engine = EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() };
    WorldOptions { engine, ..WorldOptions::default() }
}

/// Everything that an invoice refers to is coupled.
async fn prepared() -> World {
    let world = World::start(options()).await;
    let codes = ["PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];
    let records = ["CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"];
    for job in codes.into_iter().chain(records) {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// The numbers of items that are not blocked.
fn items(world: &World) -> Vec<Json> {
    let rows = world.business_central.rows("Item");
    rows.into_iter().filter(|row| row["blocked"] == json!(false)).map(|row| row["number"].clone()).collect()
}

/// A posted invoice with these lines. Gives its draft's id and the one that the companion page shows.
fn posted(world: &World, header: Json, lines: &[Json]) -> (Uuid, Uuid) {
    let mut values = json!({"customerNumber": "C00010", "currencyCode": "", "dueDate": "2026-12-31"});
    if let (Json::Object(values), Json::Object(header)) = (&mut values, header) {
        values.extend(header);
    }
    let draft = world.business_central.create_as_user("Sales Invoice Header", values).expect("taken");
    for line in lines {
        let mut line = line.clone();
        line["documentId"] = json!(draft);
        world.business_central.create_as_user("Sales Invoice Line", line).expect("taken");
    }
    world.business_central.run_action_as_user("Sales Invoice Header", draft, "post").expect("posted");
    let entries = world.business_central.rows("Cust. Ledger Entry");
    let last = entries.iter().max_by_key(|row| row["entryNumber"].as_i64()).expect("an entry");
    (draft, id(last, "invoiceId"))
}

fn line(item: &Json, quantity: u32, price: &str, tax: u32) -> Json {
    json!({"lineType": "Item", "lineObjectNumber": item, "quantity": quantity, "unitPrice": Json::Number(price.parse().expect("a number")), "taxPercent": tax})
}

/// The lines of an invoice of Dataverse in the order of their numbers.
fn details(world: &World, invoice: Uuid) -> Vec<Map<String, Json>> {
    let mut rows = world.dataverse.rows("invoicedetail");
    rows.retain(|row| text(row, "_invoiceid_value") == invoice.to_string());
    rows.sort_by_key(|row| row["lineitemnumber"].as_i64());
    rows
}

fn standing(world: &World, invoice: Uuid) -> (i64, i64) {
    let row = world.dataverse.row("invoice", invoice).expect("there");
    (row["statecode"].as_i64().expect("a state"), row["statuscode"].as_i64().expect("a status"))
}

#[tokio::test]
async fn c_173_c_174_c_176_s170_to_s191_posted_invoices_arrive_with_their_lines_to_the_cent() {
    let world = prepared().await;
    let items = items(&world);
    let text_line = json!({"lineType": "Comment", "description": "Thank you"});
    let discounted = with(line(&items[1], 3, "19.99", 5), &json!({"discountAmount": 1.5}));
    let (draft, ours) =
        posted(&world, json!({"discountAmount": 10}), &[line(&items[0], 4, "250", 5), discounted, text_line]);
    let (_, dollars) = posted(&world, json!({"currencyCode": "EUR"}), &[line(&items[2], 1, "7.5", 0)]);
    assert_ne!(draft, ours, "API v2.0 shows the id of the draft");
    let left = world.run(JOB, RunMode::Modified).await;
    assert_eq!(left.counters.inserted, 0, "S170: the timer alone creates none");
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures(JOB).await);
    assert_eq!(world.couplings(LINES).await, 4);

    let row = world.coupled_row(JOB, ours).await;
    let invoice = id(&row, "invoiceid");
    let source = world.business_central.row("Sales Invoice Header", draft).expect("there");
    let account = world.coupled_row("CUSTOMER", world.business_central_id("Customer", "number", "C00010")).await;
    assert_eq!(text(&row, "name"), text(&source, "number"));
    assert_eq!(id(&row, "_customerid_value"), id(&account, "accountid"), "S180");
    assert_eq!(standing(&world, invoice), (0, 4), "S183");
    for (there, here) in [
        ("totalamount", "totalAmountIncludingTax"),
        ("totalamountlessfreight", "totalAmountExcludingTax"),
        ("totaltax", "totalTaxAmount"),
    ] {
        assert_eq!(number(&row, there), number(&source, here), "{there}");
    }
    let lines = details(&world, invoice);
    assert_eq!(lines.len(), 3);
    let of = |name: &str| number(&lines[0], name);
    assert_eq!([of("quantity"), of("baseamount")], [4.into(), 1000.into()], "C-173");
    let product = world
        .coupled_row("ITEM-PRODUCT", world.business_central_id("Item", "number", items[0].as_str().expect("a number")))
        .await;
    assert_eq!(id(&lines[0], "_productid_value"), id(&product, "productid"));
    assert_eq!(lines[0]["_uomid_value"], product["_defaultuomid_value"], "S188");
    assert_eq!((&lines[2]["isproductoverridden"], text(&lines[2], "productdescription")), (&json!(true), "Thank you."));

    let row = world.coupled_row(JOB, dollars).await;
    let euro = world.coupled_row("CURRENCY", world.business_central_id("Currency", "code", "EUR")).await;
    assert_eq!(row["_transactioncurrencyid_value"], euro["transactioncurrencyid"], "C-174");
    let list = world.dataverse.row("pricelevel", id(&row, "_pricelevelid_value")).expect("there");
    assert_eq!(text(&list, "name"), "Price List in EUR");
    let prices = world.dataverse.rows("productpricelevel");
    let price = prices.iter().find(|row| row["_pricelevelid_value"] == list["pricelevelid"]).expect("C-176: a price");
    assert_eq!(number(price, "amount"), "7.5".parse().expect("a number"));

    world.run(JOB, RunMode::Modified).await;
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0));
}

fn with(mut line: Json, other: &Json) -> Json {
    if let (Json::Object(line), Json::Object(other)) = (&mut line, other) {
        line.extend(other.clone());
    }
    line
}

#[tokio::test]
async fn c_179_c_180_c_187_payments_and_a_cancellation_change_the_state() {
    let world = prepared().await;
    let item = &items(&world)[0];
    let invoices: Vec<(Uuid, Uuid)> = (0..3).map(|_| posted(&world, json!({}), &[line(item, 1, "100", 0)])).collect();
    world.run(JOB, RunMode::Full).await;
    world.run(JOB, RunMode::Modified).await;
    let mut rows = Vec::new();
    for (_, ours) in &invoices {
        rows.push(id(&world.coupled_row(JOB, *ours).await, "invoiceid"));
    }
    let states = |world: &World| rows.iter().map(|row| standing(world, *row)).collect::<Vec<_>>();
    assert_eq!(states(&world), [(0, 4); 3]);
    world.business_central.pay_invoice(invoices[0].0, Decimal::from(100)).expect("paid");
    world.business_central.pay_invoice(invoices[1].0, Decimal::from(50)).expect("paid");
    world.business_central.run_action_as_user("Sales Invoice Header", invoices[2].0, "cancel").expect("cancelled");
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (3, 0), "{:?}", world.failures(JOB).await);
    assert_eq!(states(&world), [(2, 100_001), (2, 100_002), (3, 100_003)], "C-179, C-187, C-180, S40");
    world.business_central.pay_invoice(invoices[1].0, Decimal::from(50)).expect("paid");
    world.run(JOB, RunMode::Modified).await;
    assert_eq!(states(&world), [(2, 100_001), (2, 100_001), (3, 100_003)], "S42");
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));
}

#[tokio::test]
async fn c_175_c_178_invoices_wait_for_what_is_not_coupled_and_the_others_travel() {
    let world = prepared().await;
    let items = items(&world);
    posted(&world, json!({}), &[line(&items[0], 1, "100", 0)]);
    posted(&world, json!({}), &[line(&items[1], 1, "100", 0)]);
    let later = json!({"number": "LATER", "displayName": "Later", "baseUnitOfMeasureCode": "PCS"});
    world.business_central.create_as_user("Item", later).expect("taken");
    let (_, waiting) = posted(&world, json!({}), &[line(&json!("LATER"), 1, "100", 0)]);
    let customer = world
        .business_central
        .create_as_user("Customer", json!({"number": "C99", "displayName": "Blocked"}))
        .expect("taken");
    let (_, of_blocked) = posted(&world, json!({"customerNumber": "C99"}), &[line(&items[0], 1, "100", 0)]);
    world.business_central.update_as_user("Customer", customer, json!({"blocked": "Invoice"})).expect("taken");
    let blocked = world.business_central_id("Item", "number", items[1].as_str().expect("a number"));
    world.business_central.update_as_user("Item", blocked, json!({"blocked": true})).expect("taken");
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed, run.counters.waiting), (1, 1, 2));
    assert_eq!(world.dataverse.count("invoice"), 1, "no invoice begins without its products");
    let failures = world.failures(JOB).await;
    assert!(
        failures.iter().any(|failure| failure.message.contains("Blocked must be No for Item")),
        "C-175: {failures:?}"
    );
    world.run("CUSTOMER", RunMode::Full).await;
    assert!(
        world.coupling("CUSTOMER", customer).await.is_none() && world.coupling(JOB, of_blocked).await.is_none(),
        "C-178"
    );
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    world.coupled_row(JOB, waiting).await;
}

#[tokio::test]
async fn invoices_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        // Nothing that was deleted is noted, but the place is passed.
        let world = prepared().await;
        let items = items(&world);
        for position in 0..2 {
            posted(&world, json!({}), &[line(&items[position], 2, "100", 5), line(&items[position + 1], 1, "3.33", 5)]);
        }
        world.find(JOB, RunMode::Full).await;
        let again = world.queue.take(1000);
        for delivery in again.iter().cloned() {
            world.queue.give_back(delivery);
        }
        world.drain_killed(fatal, options().engine).await;
        assert!(
            world.engine.sync_batch(again).await.dispositions.iter().all(|end| *end == Disposition::Done),
            "{fatal:?}"
        );
        let counts = ["invoice", "invoicedetail"].map(|table| world.dataverse.count(table));
        assert_eq!((counts, world.couplings(JOB).await, world.couplings(LINES).await), ([2, 4], 2, 4), "{fatal:?}");
        let rows = world.dataverse.rows("invoice");
        assert!(rows.iter().all(|row| row["statuscode"] == json!(4)), "{fatal:?}: the state follows the lines");
        assert!(world.failures(JOB).await.is_empty() && world.queue.dead_letters().is_empty(), "{fatal:?}");
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn invoices_with_five_lines_each_stay_within_the_request_budgets() {
    const INVOICES: u64 = 400;
    let world = prepared().await;
    let items = items(&world);
    for position in 0..INVOICES as usize {
        let lines: Vec<Json> = (0..5).map(|at| line(&items[(position + at) % items.len()], 1, "10", 5)).collect();
        posted(&world, json!({}), &lines);
    }
    let spent = |work: &str, most: u64| {
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        println!("{work}: {bc} requests to Business Central, {dv} to Dataverse");
        assert!(bc <= most && dv <= most, "{work}: {bc} and {dv}");
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
    };
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (INVOICES, 0), "{:?}", world.failures(JOB).await);
    spent("first load of 400 invoices with 2,000 lines", 12 * (INVOICES * 6).div_ceil(1000));
    // What a full run read is read twice more: by the ledger entries that name it, and by the feed that reaches back.
    for _ in 0..2 {
        world.run(JOB, RunMode::Modified).await;
    }
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.failed), (0, 0));
    spent("nothing changed", 3);
}
