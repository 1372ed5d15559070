//! Orders submitted in Sales, one way: once, whole, to the cent, and what becomes of them in Business Central.

use couplet_engine::{Failpoint, RunMode};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{count_anew, die_and_deliver_twice, expect_requests, items, with};
use crate::observing::{id, number, text};
use crate::selling::{
    LINES, ORDERS, TAKES_OVER, drafted, lines_of, order_of, prepared, product, sells, set_up, standing, submit,
    submitted, written_in,
};

/// The types of lines that are only text, and of those of an account, as the API writes them.
const TEXT: &str = "_x0020_";
const ACCOUNT: &str = "G_x002F_L_x0020_Account";

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

#[tokio::test]
async fn c_140_c_154_c_156_s46_submitted_orders_are_taken_over_once_and_marked() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let long = "A very long name that no external document number has room for";
    let sent = |day: Option<&str>| json!({"name": long, "lastbackofficesubmit": day});
    let line = [sells(&item, "1", "100")];
    let blank = submitted(&world, &sent(None), &line).await;
    let first = submitted(&world, &sent(Some("1900-01-01T00:00:00Z")), &line).await;
    let before = submitted(&world, &sent(Some("1899-12-31T00:00:00Z")), &line).await;
    let after = submitted(&world, &sent(Some("1900-01-02T00:00:00Z")), &line).await;
    let active = drafted(&world, &json!({}), &line).await;
    let run = world.run(TAKES_OVER, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures(ORDERS).await);
    for left in [before, after, active] {
        assert!(order_of(&world, left).is_none());
    }
    for taken in [blank, first] {
        let order = order_of(&world, taken).expect("taken over");
        assert_eq!(text(&order, "externalDocumentNumber").to_lowercase(), long[..35].to_lowercase(), "C-156");
        // The API shows a blank currency as the local one, and an order that is not released as a draft.
        assert_eq!((text(&order, "currencyCode"), text(&order, "status")), ("USD", "Draft"), "C-140, S63");
        assert_eq!(standing(&world, taken), (1, 3), "C-140");
        let row = world.dataverse.row("salesorder", taken).expect("there");
        let today = jiff::Timestamp::now().to_string();
        assert_eq!(text(&row, "lastbackofficesubmit")[..10], today[..10], "C-140");
        assert!(!text(&row, "_bcbi_companyid_value").is_empty(), "S82");
    }
    for job in [TAKES_OVER, ORDERS, TAKES_OVER] {
        let quiet = world.run(job, RunMode::Modified).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0), "{job}");
    }
    assert_eq!(world.business_central.rows("Sales Header").len(), 2);
}

#[tokio::test]
async fn c_141_c_142_c_145_c_146_s64_to_s79_lines_texts_freight_and_discounts_arrive() {
    let world = prepared().await;
    let items = items(&world);
    set_up(
        &world,
        json!({"writeInProductType": "Item", "writeInProductNumber": items[3], "freightAccountNumber": "6410"}),
    );
    let (first, second) = (product(&world, "Item", &items[0]).await, product(&world, "Item", &items[1]).await);
    let long = "x".repeat(250);
    let discounted = with(sells(&first, "10", "4000"), &json!({"manualdiscountamount": 400, "description": long}));
    let lines = [discounted, sells(&second, "2.5", "19.99"), written_in("Assembly at your place", 75)];
    let order = submitted(&world, &json!({"discountamount": 50, "freightamount": 12.5}), &lines).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    assert!(world.failures(ORDERS).await.is_empty(), "{:?}", world.failures(ORDERS).await);
    let own = order_of(&world, order).expect("taken over");
    let lines = lines_of(&world, &own);
    let shown: Vec<(i64, &str, &str)> = lines
        .iter()
        .map(|line| (line["sequence"].as_i64().unwrap_or_default(), text(line, "type"), text(line, "lineObjectNumber")))
        .collect();
    let of = |at: usize| items[at].as_str().expect("a number");
    let expected = [
        (10_000, "Item", of(0)),
        (20_000, TEXT, ""),
        (30_000, TEXT, ""),
        (40_000, TEXT, ""),
        (50_000, "Item", of(1)),
        (60_000, "Item", of(3)),
        (70_000, ACCOUNT, "6410"),
    ];
    assert_eq!(shown, expected, "S64, C-145");
    let texts: String = lines[1..4].iter().map(|line| text(line, "description")).collect();
    assert_eq!(texts, long, "C-146");
    assert_eq!(number(&lines[0], "discountAmount"), decimal("400"), "C-141");
    assert_eq!(text(&lines[5], "description"), "Assembly at your place", "S71");
    assert_eq!(number(&lines[6], "unitPrice"), decimal("12.5"), "S77");
    assert_eq!(number(&own, "discountAmount"), decimal("50"), "C-142");
    let row = world.dataverse.row("salesorder", order).expect("there");
    let total = number(&row, "totalamountlessfreight") + number(&row, "freightamount");
    assert_eq!(number(&own, "totalAmountExcludingTax"), total, "to the cent");
}

#[tokio::test]
async fn c_143_c_144_c_155_c_158_orders_that_cannot_be_made_say_why_and_are_taken_when_that_changes() {
    let world = prepared().await;
    let items = items(&world);
    set_up(&world, json!({"writeInProductNumber": "", "freightAccountNumber": ""}));
    let (sold, retired) = (product(&world, "Item", &items[0]).await, product(&world, "Item", &items[1]).await);
    let good = submitted(&world, &json!({}), &[sells(&sold, "1", "100")]).await;
    let freight = submitted(&world, &json!({"freightamount": 5}), &[sells(&sold, "1", "100")]).await;
    let write_in = submitted(&world, &json!({}), &[written_in("Repair", 10)]).await;
    let inactive = submitted(&world, &json!({}), &[sells(&retired, "1", "100")]).await;
    let stranger = json!({"name": "Stranger", "customertypecode": 3});
    let stranger = world.dataverse.create_as_user("account", stranger).expect("taken");
    let to_stranger = json!({"customerid_account@odata.bind": format!("/accounts({stranger})")});
    let of_stranger = submitted(&world, &to_stranger, &[sells(&sold, "1", "100")]).await;
    let product = id(&retired, "productid");
    world.dataverse.update_as_user("product", product, json!({"statecode": 1, "statuscode": 2})).expect("retired");
    let run = world.run(TAKES_OVER, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed, run.counters.waiting), (1, 3, 1));
    assert_eq!(world.business_central.rows("Sales Header").len(), 1, "nothing is made of the others");
    assert!(order_of(&world, good).is_some(), "C-155");
    let failures: Vec<String> = world.failures(ORDERS).await.into_iter().map(|failure| failure.message).collect();
    for words in ["Freight G/L Acc. No.", "write-in product", "must be Active"] {
        assert!(failures.iter().any(|failure| failure.contains(words)), "{words}: {failures:?}");
    }
    // The reasons go, and the orders are taken.
    set_up(
        &world,
        json!({"writeInProductType": "Item", "writeInProductNumber": items[3], "freightAccountNumber": "6410"}),
    );
    world.dataverse.update_as_user("product", product, json!({"statecode": 0, "statuscode": 1})).expect("active");
    world.run("CUSTOMER", RunMode::Full).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    assert!(world.failures(ORDERS).await.is_empty(), "{:?}", world.failures(ORDERS).await);
    for order in [freight, write_in, inactive, of_stranger] {
        assert!(order_of(&world, order).is_some());
        assert_eq!(standing(&world, order), (1, 3));
    }
}

#[tokio::test]
async fn c_159_s57_the_bill_to_address_is_taken_over_cut_to_what_there_is_room_for() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let long = |letter: &str, length: usize| letter.repeat(length);
    let address = json!({"billto_line1": long("a", 250), "billto_line2": long("b", 250), "billto_city": long("c", 80),
                         "billto_postalcode": long("1", 20), "billto_stateorprovince": long("s", 50), "billto_country": "DE"});
    let order = submitted(&world, &address, &[sells(&item, "1", "10")]).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    let own = order_of(&world, order).unwrap_or_else(|| panic!("taken over"));
    for (name, expected) in [
        ("billToAddressLine1", long("a", 100)),
        ("billToAddressLine2", long("b", 50)),
        ("billToCity", long("c", 30)),
        ("billToPostCode", long("1", 20)),
        ("billToState", long("s", 30)),
        ("billToCountry", "DE".to_owned()),
    ] {
        assert_eq!(text(&own, name), expected, "{name}");
    }
}

#[tokio::test]
async fn a_thousand_lines_of_orders_stay_within_their_budget() {
    let world = prepared().await;
    let items = items(&world);
    let mut products = Vec::new();
    for item in items.iter().take(5) {
        products.push(product(&world, "Item", item).await);
    }
    let lines: Vec<Json> = products.iter().map(|product| sells(product, "2", "12.34")).collect();
    let mut orders: Vec<Uuid> = Vec::new();
    for _ in 0..200 {
        orders.push(drafted(&world, &json!({"discountamount": 1}), &lines).await);
    }
    orders.iter().for_each(|order| submit(&world, *order));
    count_anew(&world);
    let run = world.run(TAKES_OVER, RunMode::Modified).await;
    assert_eq!(run.counters.inserted, 200, "{:?}", world.failures(ORDERS).await.first());
    assert_eq!(world.couplings(LINES).await, 1000);
    let of_business_central = world.business_central.requests();
    assert!(of_business_central <= 80, "40 for each 100 orders: {of_business_central}");
    let of_dataverse = world.dataverse.requests();
    assert!(of_dataverse <= 12, "12 for 1,000 lines: {of_dataverse}");
    expect_requests(&world, "200 orders with 1,000 lines", 80);
    for job in [TAKES_OVER, ORDERS] {
        // Lines are read for the first time by the second run.
        for _ in 0..2 {
            world.run(job, RunMode::Modified).await;
        }
        count_anew(&world);
        world.run(job, RunMode::Modified).await;
        expect_requests(&world, &format!("nothing changed, {job}"), 3);
    }
}

#[tokio::test]
async fn an_order_that_its_seller_withdraws_opens_or_changes_meanwhile_is_not_made_from_an_earlier_copy() {
    let world = crate::quotes::prepared().await;
    let (canceled, opened, changed) = (
        crate::quotes::submitted(&world).await,
        crate::quotes::submitted(&world).await,
        crate::quotes::submitted(&world).await,
    );
    let before = world.business_central.rows("Sales Header").len();
    world.find("Auto Create Sales Orders", RunMode::Modified).await;
    let steps = [
        (canceled, json!({"statecode": 2, "statuscode": 4})),
        (opened, json!({"statecode": 0, "statuscode": 1})),
        (changed, json!({"statecode": 0, "statuscode": 1})),
        (changed, json!({"name": "More bicycles"})),
        (changed, json!({"statecode": 1, "statuscode": 3})),
    ];
    for (order, values) in steps {
        world.dataverse.update_as_user("salesorder", order, values).expect("taken");
    }
    world.drain().await;
    assert_eq!(world.business_central.rows("Sales Header").len(), before + 1);
    assert_eq!(crate::quotes::order_of(&world, changed)["externalDocumentNumber"], "MORE BICYCLES");
    for (order, state) in [(canceled, 2), (opened, 0)] {
        let row = world.dataverse.row("salesorder", order).expect("there");
        let is_marked = row.get("lastbackofficesubmit").is_some_and(|mark| !mark.is_null());
        assert_eq!((&row["statecode"], is_marked), (&json!(state), false));
    }
}

#[tokio::test]
async fn s84_s85_s87_s88_what_becomes_of_orders_is_told_to_sales() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let lines = [sells(&item, "2", "100")];
    let mut orders = Vec::new();
    for discount in [10, 0, 0] {
        orders.push(submitted(&world, &json!({"discountpercentage": discount}), &lines).await);
    }
    world.run(TAKES_OVER, RunMode::Modified).await;
    let own = |order: Uuid| order_of(&world, order).map(|row| id(&row, "id"));
    let [released, posted, deleted] = [0, 1, 2].map(|at| own(orders[at]).expect("taken over"));
    let erp = &world.business_central;
    erp.update_as_user("Sales Header", released, json!({"shipToName": "Back door"})).expect("taken");
    for order in [released, posted] {
        erp.run_action_as_user("Sales Header", order, "release").expect("released");
    }
    let told = world.run(ORDERS, RunMode::Modified).await;
    assert_eq!((told.counters.modified, told.counters.failed), (2, 0), "{:?}", world.failures(ORDERS).await);
    let row = world.dataverse.row("salesorder", orders[0]).expect("there");
    assert_eq!((text(&row, "shipto_name"), standing(&world, orders[0])), ("Back door", (1, 3)), "S87");
    assert_eq!(number(&row, "discountamount"), decimal("0"), "the percentage takes it off already");
    assert_eq!(number(&row, "totalamountlessfreight"), decimal("180"));
    let quiet = world.run(ORDERS, RunMode::Modified).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));

    erp.run_action_as_user("Sales Header", posted, "shipAndInvoice").expect("posted");
    assert!(own(orders[1]).is_none(), "an order that is invoiced goes");
    world.run(ORDERS, RunMode::Modified).await;
    assert_eq!(standing(&world, orders[1]), (4, 100_003), "S85");
    assert!(world.coupling(ORDERS, posted).await.is_none());

    erp.delete_as_user("Sales Header", deleted).expect("deleted");
    world.run(ORDERS, RunMode::Full).await;
    assert_eq!(standing(&world, orders[2]), (0, 2), "S84");
    let row = world.dataverse.row("salesorder", orders[2]).expect("there");
    assert!(
        row.get("lastbackofficesubmit").is_none_or(Json::is_null) && world.coupling(ORDERS, deleted).await.is_none()
    );
    submit(&world, orders[2]);
    world.run(TAKES_OVER, RunMode::Modified).await;
    let again = order_of(&world, orders[2]).expect("taken over again");
    assert_eq!(lines_of(&world, &again).len(), 1);
    assert_eq!(erp.rows("Sales Header").len(), 2);
    assert_eq!(world.dataverse.count("salesorder"), 3, "a full run makes no orders in Sales");
}

#[tokio::test]
async fn c_160_s89_an_order_goes_on_without_the_one_it_came_from() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let order = submitted(&world, &json!({}), &[sells(&item, "2", "100")]).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    let own = id(&order_of(&world, order).expect("taken over"), "id");
    world.dataverse.delete_as_user("salesorder", order).expect("deleted");
    world.business_central.run_action_as_user("Sales Header", own, "release").expect("released");
    let run = world.run(ORDERS, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(ORDERS).await);
    assert!(world.coupling(ORDERS, own).await.is_none(), "S89");
    world.business_central.run_action_as_user("Sales Header", own, "shipAndInvoice").expect("C-160: posted");
    let run = world.run(ORDERS, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0));
}

#[tokio::test]
async fn c_161_a_price_that_includes_tax_is_taken_over_without_it() {
    let world = prepared().await;
    let number_of = items(&world)[0].clone();
    let item = world.business_central_id("Item", "number", number_of.as_str().expect("a number"));
    world.business_central.update_as_user("Item", item, json!({"priceIncludesTax": true})).expect("taken");
    world.business_central.tax_item(number_of.as_str().expect("a number"), decimal("19"));
    let item = product(&world, "Item", &number_of).await;
    let order = submitted(&world, &json!({}), &[sells(&item, "1", "110")]).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    let own = order_of(&world, order).unwrap_or_else(|| panic!("taken over"));
    let line = &lines_of(&world, &own)[0];
    let tax = number(line, "taxPercent");
    assert_eq!(tax, decimal("19"));
    let expected = decimal("110") / (Decimal::ONE + tax / Decimal::ONE_HUNDRED);
    assert!((number(line, "netAmount") - expected).abs() < decimal("0.01"), "{line:?}");
    assert_eq!(number(line, "netAmountIncludingTax"), decimal("110"), "C-161");
}

#[tokio::test]
async fn late_and_repeated_messages_of_an_order_change_nothing() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let order = submitted(&world, &json!({}), &[sells(&item, "2", "100")]).await;
    world.find(TAKES_OVER, RunMode::Modified).await;
    let late = world.queue.take(1000);
    for delivery in late.iter().cloned() {
        world.queue.give_back(delivery);
    }
    world.drain().await;
    let own = order_of(&world, order).expect("taken over");
    let erp = &world.business_central;
    erp.update_as_user("Sales Header", id(&own, "id"), json!({"shipToName": "Back door"})).expect("taken");
    let report = world.engine.sync_batch(late).await;
    assert_eq!(report.groups[0].outcomes.ignored, 1, "it has been taken over");
    assert_eq!(text(&order_of(&world, order).expect("there"), "shipToName"), "Back door");
    assert_eq!((erp.rows("Sales Header").len(), erp.rows("Sales Line").len()), (1, 1));
    assert_eq!(standing(&world, order), (1, 3));
}

#[tokio::test]
async fn c_152_c_153_s86_an_order_that_is_invoiced_with_others_is_closed_when_all_of_it_is() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let mut orders = Vec::new();
    for _ in 0..2 {
        orders.push(submitted(&world, &json!({}), &[sells(&item, "4", "100")]).await);
    }
    world.run(TAKES_OVER, RunMode::Modified).await;
    let erp = &world.business_central;
    for (order, part) in orders.iter().zip(["1", "0.5"]) {
        let own = order_of(&world, *order).expect("taken over");
        let line = id(&lines_of(&world, &own)[0], "id");
        erp.update_as_user("Sales Line", line, json!({"invoiceQuantity": 0})).expect("taken");
        erp.run_action_as_user("Sales Header", id(&own, "id"), "shipAndInvoice").expect("shipped");
        erp.invoice_shipments(id(&own, "id"), decimal(part)).expect("invoiced");
    }
    let run = world.run(ORDERS, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(ORDERS).await);
    let states: Vec<(i64, i64)> = orders.iter().map(|order| standing(&world, *order)).collect();
    assert_eq!(states, [(4, 100_003), (1, 3)], "C-152, C-153");
    // The first one goes from Business Central; it was invoiced, and is not given back to its seller.
    let own = order_of(&world, orders[0]).expect("there");
    erp.delete_as_user("Sales Header", id(&own, "id")).expect("deleted");
    world.run(ORDERS, RunMode::Full).await;
    assert_eq!(standing(&world, orders[0]), (4, 100_003));
    assert!(world.coupling(ORDERS, id(&own, "id")).await.is_none());
}

#[tokio::test]
async fn many_orders_that_are_posted_at_once_are_no_sign_of_a_restored_system() {
    let world = prepared().await;
    let item = product(&world, "Item", &items(&world)[0]).await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        orders.push(submitted(&world, &json!({}), &[sells(&item, "1", "10")]).await);
    }
    world.run(TAKES_OVER, RunMode::Modified).await;
    let own: Vec<Uuid> = orders.iter().map(|order| id(&order_of(&world, *order).expect("taken over"), "id")).collect();
    for order in &own {
        world.business_central.run_action_as_user("Sales Header", *order, "release").expect("released");
    }
    world.run(ORDERS, RunMode::Modified).await;
    for order in &own {
        world.business_central.run_action_as_user("Sales Header", *order, "shipAndInvoice").expect("posted");
    }
    for _ in 0..2 {
        world.run(ORDERS, RunMode::Modified).await;
    }
    assert!(orders.iter().all(|order| standing(&world, *order) == (4, 100_003)));
    assert_eq!((world.couplings(ORDERS).await, world.couplings(LINES).await), (0, 0), "S123");
}

#[tokio::test]
async fn c_063_s123_no_coupling_is_left_of_an_order_that_goes_wherever_a_worker_dies() {
    for fatal in [Failpoint::Parted, Failpoint::LinesParted] {
        let world = prepared().await;
        let item = product(&world, "Item", &items(&world)[0]).await;
        let mut orders = Vec::new();
        for _ in 0..3 {
            orders.push(submitted(&world, &json!({}), &[sells(&item, "2", "100"), sells(&item, "1", "7")]).await);
        }
        world.run(TAKES_OVER, RunMode::Modified).await;
        assert_eq!(world.couplings(LINES).await, 6);
        let own = |order: Uuid| id(&order_of(&world, order).expect("taken over"), "id");
        let erp = &world.business_central;
        let [invoiced, given_back] = [own(orders[0]), own(orders[1])];
        erp.run_action_as_user("Sales Header", invoiced, "release").expect("released");
        erp.run_action_as_user("Sales Header", invoiced, "shipAndInvoice").expect("posted");
        erp.delete_as_user("Sales Header", given_back).expect("deleted");
        die_and_deliver_twice(&world, ORDERS, RunMode::Full, fatal).await;
        assert_eq!((world.couplings(ORDERS).await, world.couplings(LINES).await), (1, 2), "{fatal:?}");
        let standings = [standing(&world, orders[0]), standing(&world, orders[1])];
        assert_eq!(standings, [(4, 100_003), (0, 2)], "{fatal:?}");
        // The third one is deleted in Sales, and goes on alone when it travels the next time.
        let left = own(orders[2]);
        world.dataverse.delete_as_user("salesorder", orders[2]).expect("deleted");
        erp.run_action_as_user("Sales Header", left, "release").expect("released");
        world.run(ORDERS, RunMode::Modified).await;
        assert_eq!((world.couplings(ORDERS).await, world.couplings(LINES).await), (0, 0), "{fatal:?}");
    }
}
