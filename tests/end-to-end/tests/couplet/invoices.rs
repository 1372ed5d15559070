//! POSTEDSALESINV-INV with POSTEDSALESLINE-INV end to end: invoices with their lines, and what payments make of them.

use couplet_end_to_end::World;
use couplet_engine::{Failpoint, RunMode};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{count_anew, die_and_deliver_twice, expect_requests, items, line, options, posted, with};
use crate::observing::{id, number, text};

const JOB: &str = "POSTEDSALESINV-INV";
const LINES: &str = "POSTEDSALESLINE-INV";

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

/// The lines of an invoice of Dataverse in the order of their numbers.
fn details(world: &World, invoice: Uuid) -> Vec<Map<String, Json>> {
    let mut rows = world.dataverse.rows("invoicedetail");
    rows.retain(|row| text(row, "_invoiceid_value") == invoice.to_string());
    // The balancing line has none.
    rows.sort_by_key(|row| row.get("lineitemnumber").and_then(Json::as_i64).unwrap_or(i64::MAX));
    rows
}

fn standing(world: &World, invoice: Uuid) -> (i64, i64) {
    let row = world.dataverse.row("invoice", invoice).expect("there");
    (row["statecode"].as_i64().expect("a state"), row["statuscode"].as_i64().expect("a status"))
}

#[tokio::test]
async fn d11_r36_lines_of_invoices_have_no_run_of_their_own_and_are_not_asked_for_without_their_invoice() {
    let world = World::start(options()).await;
    let lines = "POSTEDSALESLINE-INV";
    assert!(world.engine.jobs().iter().all(|job| job.name != lines));
    let want = couplet_model::request::Want::Synchronize { direction: None, create: true };
    let refused = world.ask(lines, want, couplet_model::request::Chosen::Coupled).await.expect_err("refused");
    assert!(refused.to_string().contains("travel with those of another mapping"), "{refused}");
    assert!(world.queue.is_empty() && world.tasks.next_task().is_none());
}

#[tokio::test]
async fn c_173_c_174_c_176_s170_to_s191_posted_invoices_arrive_with_their_lines_to_the_cent() {
    let world = prepared().await;
    let items = items(&world);
    let text_line = json!({"lineType": "Comment", "description": "Thank you"});
    let discounted = with(line(&items[1], 3, "19.99", 5), &json!({"discountAmount": 1.5}));
    let (draft, ours) =
        posted(&world, &json!({"discountAmount": 10}), &[line(&items[0], 4, "250", 5), discounted, text_line]);
    let (_, dollars) = posted(&world, &json!({"currencyCode": "EUR"}), &[line(&items[2], 1, "7.5", 0)]);
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

#[tokio::test]
async fn c_179_c_180_c_187_payments_and_a_cancellation_change_the_state() {
    let world = prepared().await;
    let item = &items(&world)[0];
    let invoices: Vec<(Uuid, Uuid)> = (0..3).map(|_| posted(&world, &json!({}), &[line(item, 1, "100", 0)])).collect();
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
    posted(&world, &json!({}), &[line(&items[0], 1, "100", 0)]);
    posted(&world, &json!({}), &[line(&items[1], 1, "100", 0)]);
    let later = json!({"number": "LATER", "displayName": "Later", "baseUnitOfMeasureCode": "PCS"});
    world.business_central.create_as_user("Item", later).expect("taken");
    let (_, waiting) = posted(&world, &json!({}), &[line(&json!("LATER"), 1, "100", 0)]);
    let customer = world
        .business_central
        .create_as_user("Customer", json!({"number": "C99", "displayName": "Blocked"}))
        .expect("taken");
    let (_, of_blocked) = posted(&world, &json!({"customerNumber": "C99"}), &[line(&items[0], 1, "100", 0)]);
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
async fn c_174_s53_s178_s179_s189_an_invoice_of_an_order_takes_over_what_belongs_to_that() {
    let world = prepared().await;
    let items = items(&world);
    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let euro = world.coupled_row("CURRENCY", world.business_central_id("Currency", "code", "EUR")).await;
    let person = json!({"lastname": "Buyer", "_parentcustomerid_value": account});
    let person = world.dataverse.create_as_user("contact", person).expect("taken");
    let list = json!({"name": "Prices of the fair", "_transactioncurrencyid_value": euro["transactioncurrencyid"]});
    let list = world.dataverse.create_as_user("pricelevel", list).expect("taken");
    let mut orders = Vec::new();
    for (number, customer, item) in [("ORD-1", account, &items[0]), ("ORD-2", person, &items[1])] {
        let order = json!({"name": format!("Chairs by {number}"), "ordernumber": number, "_customerid_value": customer,
            "_pricelevelid_value": list, "_transactioncurrencyid_value": euro["transactioncurrencyid"]});
        let order = world.dataverse.create_as_user("salesorder", order).expect("taken");
        let header = json!({"currencyCode": "EUR", "customerPurchaseOrderReference": number});
        orders.push((order, customer, posted(&world, &header, &[line(item, 2, "19.5", 0)]).1));
    }
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures(JOB).await);
    for (order, customer, ours) in orders {
        let row = world.coupled_row(JOB, ours).await;
        assert!(text(&row, "name").starts_with("Chairs by ORD-"), "S178");
        let refers = ["_salesorderid_value", "_customerid_value", "_pricelevelid_value"].map(|name| id(&row, name));
        assert_eq!(refers, [order, customer, list]);
        let lines = details(&world, id(&row, "invoiceid"));
        for held in [&row, &lines[0]] {
            assert_eq!(held["_transactioncurrencyid_value"], euro["transactioncurrencyid"], "C-174");
        }
    }
    let mut prices = world.dataverse.rows("productpricelevel");
    prices.retain(|row| id(row, "_pricelevelid_value") == list);
    assert_eq!(prices.len(), 2, "S189: in the list of the invoice");
    let lists = world.dataverse.rows("pricelevel");
    assert!(lists.iter().all(|row| text(row, "name") != "Price List in EUR"), "nobody needs it");
}

#[tokio::test]
async fn s187_s190_s191_totals_agree_to_the_cent_whatever_a_line_cannot_show() {
    let world = prepared().await;
    let items = items(&world);
    let awkward = |tax: u32| {
        let discounted = with(line(&items[2], 11, "1.23", tax), &json!({"discountAmount": 0.5}));
        vec![line(&items[0], 3, "9.99", tax), line(&items[1], 7, "0.35", tax), discounted]
    };
    let taxed = json!({"pricesIncludeTax": true});
    let cases = [
        ("tax that no price can give back", taxed.clone(), awkward(19), 4),
        ("and a discount of the whole", json!({"pricesIncludeTax": true, "discountAmount": 5}), awkward(7), 4),
        ("tax that comes out even", taxed, vec![line(&items[0], 4, "125", 25)], 1),
        ("prices of a hundredth of a cent", json!({}), vec![line(&items[0], 1000, "0.12345", 5)], 2),
        ("prices without tax", json!({"discountAmount": 5}), awkward(19), 3),
    ];
    let invoices = cases.map(|(name, header, lines, count)| (name, posted(&world, &header, &lines), count));
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (5, 0), "{:?}", world.failures(JOB).await);
    for (name, (draft, ours), count) in invoices {
        let row = world.coupled_row(JOB, ours).await;
        let source = world.business_central.row("Sales Invoice Header", draft).expect("there");
        let of = |there, here| (number(&row, there), number(&source, here));
        let (total, expected) = of("totalamount", "totalAmountIncludingTax");
        assert_eq!(total, expected, "{name}");
        let (tax, expected) = of("totaltax", "totalTaxAmount");
        assert_eq!(tax, expected, "{name}");
        let lines = details(&world, id(&row, "invoiceid"));
        assert_eq!(lines.len(), count, "{name}: {lines:?}");
        let rounding = lines.iter().filter(|line| text(line, "productdescription") == "Rounding").count();
        assert!(rounding <= 1, "{name}");
    }
    let again = world.run(JOB, RunMode::Full).await;
    assert_eq!((again.counters.inserted, again.counters.modified, again.counters.failed), (0, 0, 0));
}

#[tokio::test]
async fn s170_a_paid_invoice_and_its_lines_stay_as_they_are_whatever_a_person_did_to_them() {
    let world = prepared().await;
    let items = items(&world);
    let (draft, ours) = posted(&world, &json!({}), &[line(&items[0], 2, "100", 0), line(&items[1], 1, "50", 0)]);
    world.run(JOB, RunMode::Full).await;
    let invoice = id(&world.coupled_row(JOB, ours).await, "invoiceid");
    let line = id(&details(&world, invoice)[0], "invoicedetailid");
    world.dataverse.update_as_user("invoicedetail", line, json!({"quantity": 3})).expect("an open invoice");
    world.dataverse.update_as_user("invoice", invoice, json!({"statecode": 2, "statuscode": 100_001})).expect("closed");
    world.business_central.pay_invoice(draft, Decimal::from(250)).expect("paid");
    for mode in [RunMode::Modified, RunMode::Full] {
        let run = world.run(JOB, mode).await;
        assert_eq!((run.counters.failed, run.counters.waiting), (0, 0), "{mode:?}: {:?}", world.failures(JOB).await);
        let left = details(&world, invoice);
        assert_eq!((left.len(), number(&left[0], "quantity")), (2, Decimal::from(3)), "{mode:?}");
        assert_eq!(standing(&world, invoice), (2, 100_001), "{mode:?}");
    }
}

#[tokio::test]
async fn r64_an_invoice_that_is_deleted_in_business_central_stays_in_dataverse() {
    let world = prepared().await;
    let items = items(&world);
    let (draft, ours) = posted(&world, &json!({}), &[line(&items[0], 2, "100", 0)]);
    world.run(JOB, RunMode::Full).await;
    let before = world.coupled_row(JOB, ours).await;
    world.business_central.delete_as_user("Sales Invoice Header", draft).expect("deleted");
    for mode in [RunMode::Modified, RunMode::Full, RunMode::Modified] {
        let run = world.run(JOB, mode).await;
        assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "{mode:?}: {:?}", world.failures(JOB).await);
    }
    assert_eq!(world.coupled_row(JOB, ours).await, before);
    assert_eq!(details(&world, id(&before, "invoiceid")).len(), 1);
}

#[tokio::test]
async fn invoices_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        // Nothing that was deleted is noted, but the place is passed.
        let world = prepared().await;
        let items = items(&world);
        let taxed = json!({"pricesIncludeTax": true});
        let lines = |at: usize| [line(&items[at], 2, "100", 5), line(&items[at + 1], 3, "9.99", 19)];
        let invoices = [0, 1, 2].map(|at| posted(&world, &taxed, &lines(at)).0);
        world.business_central.pay_invoice(invoices[1], Decimal::from(50)).expect("paid");
        world.business_central.run_action_as_user("Sales Invoice Header", invoices[2], "cancel").expect("cancelled");
        die_and_deliver_twice(&world, JOB, RunMode::Full, fatal).await;
        let counts = ["invoice", "invoicedetail"].map(|table| world.dataverse.count(table));
        assert_eq!((counts, world.couplings(JOB).await, world.couplings(LINES).await), ([3, 9], 3, 6), "{fatal:?}");
        let mut states: Vec<Json> =
            world.dataverse.rows("invoice").iter().map(|row| row["statuscode"].clone()).collect();
        states.sort_by_key(Json::as_i64);
        assert_eq!(states, [4, 100_002, 100_003], "{fatal:?}: the state follows the lines");
        let run = world.run(JOB, RunMode::Full).await;
        assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "{fatal:?}: nothing is left to do");
    }
}

#[tokio::test]
async fn invoices_with_five_lines_each_stay_within_the_request_budgets() {
    // 2,000 of them took 5 requests to Business Central and 26 to Dataverse, in more than five seconds.
    const INVOICES: u64 = 400;
    let world = prepared().await;
    let items = items(&world);
    for position in 0..INVOICES as usize {
        let lines: Vec<Json> = (0..5).map(|at| line(&items[(position + at) % items.len()], 1, "10", 5)).collect();
        posted(&world, &json!({}), &lines);
    }
    count_anew(&world);
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (INVOICES, 0), "{:?}", world.failures(JOB).await);
    expect_requests(&world, "first load of 400 invoices with 2,000 lines", 12 * (INVOICES * 6).div_ceil(1000));
    // Entries that the full run did not look at name the invoices once more; nothing about these is new.
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0));
    assert_eq!(world.dataverse.requests(), 0, "their lines are what they were");
    expect_requests(&world, "looked at again", 12);
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.failed), (0, 0));
    expect_requests(&world, "nothing changed", 3);
}
