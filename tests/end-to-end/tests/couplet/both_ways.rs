//! SALESORDER-ORDER with SOLINE-ORDERDETAIL both ways end to end: what sellers submit becomes orders, what is released comes back,
//! and each side's changes reach the other.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use couplet_model::switches::SalesOrders;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{items, options};
use crate::observing::{id, number, text};

pub(crate) const JOB: &str = "SALESORDER-ORDER";
pub(crate) const CREATE: &str = "Auto Create Sales Orders";

/// A world in which orders travel both ways and everything they refer to is coupled.
pub(crate) async fn prepared() -> World {
    prepared_for(SalesOrders::Bidirectional).await
}

async fn prepared_for(sales_orders: SalesOrders) -> World {
    let world = World::start(WorldOptions { sales_orders, ..options() }).await;
    let codes = ["PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];
    let records = ["CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"];
    for job in codes.into_iter().chain(records) {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// The row that an item is a product as, and its unit.
async fn product(world: &World, item: &Json) -> (Uuid, Uuid) {
    let item = world.business_central_id("Item", "number", item.as_str().expect("a number"));
    let row = world.coupled_row("ITEM-PRODUCT", item).await;
    (id(&row, "productid"), id(&row, "_defaultuomid_value"))
}

fn bind(table: &str, id: Uuid) -> Json {
    json!(format!("/{table}({id})"))
}

/// A line of an order in Sales: an item, how many, at what price, less what.
pub(crate) async fn add_line(
    world: &World,
    order: Uuid,
    (item, quantity, price, less): (&Json, i64, &str, &str),
) -> Uuid {
    let (product, unit) = product(world, item).await;
    let line = json!({
        "salesorderid@odata.bind": bind("salesorders", order), "productid@odata.bind": bind("products", product),
        "uomid@odata.bind": bind("uoms", unit), "quantity": quantity, "ispriceoverridden": true,
        "priceperunit": Json::Number(price.parse().expect("a price")),
        "manualdiscountamount": Json::Number(less.parse().expect("an amount")),
    });
    world.dataverse.create_as_user("salesorderdetail", line).expect("taken")
}

pub(crate) fn state(world: &World, order: Uuid) -> i64 {
    world.dataverse.row("salesorder", order).expect("there")["statecode"].as_i64().expect("a state")
}

pub(crate) fn submit(world: &World, order: Uuid) {
    world.dataverse.update_as_user("salesorder", order, json!({"statecode": 1, "statuscode": 3})).expect("submitted");
}

/// Sets an order active again, as a seller who has to correct it does.
pub(crate) fn reactivate(world: &World, order: Uuid) {
    world.dataverse.update_as_user("salesorder", order, json!({"statecode": 0, "statuscode": 1})).expect("reactivated");
}

/// An order of the first customer that a seller submits.
pub(crate) async fn submitted(world: &World, other: &Json, lines: &[(&Json, i64, &str, &str)]) -> Uuid {
    let order = drafted(world, other, lines).await;
    submit(world, order);
    order
}

/// An order of the first customer, as its seller has it in hand.
pub(crate) async fn drafted(world: &World, other: &Json, lines: &[(&Json, i64, &str, &str)]) -> Uuid {
    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let mut order = json!({"name": "Chairs for the hall", "customerid_account@odata.bind": bind("accounts", account)});
    let (Json::Object(order_map), Json::Object(other)) = (&mut order, other) else { panic!("objects") };
    order_map.extend(other.clone());
    let order = world.dataverse.create_as_user("salesorder", order).expect("taken");
    for line in lines {
        add_line(world, order, *line).await;
    }
    order
}

/// The order of Business Central that an order of Dataverse is coupled to.
pub(crate) async fn order_of(world: &World, order: Uuid) -> Map<String, Json> {
    let rows = world.business_central.rows("Sales Header");
    for row in rows {
        let here = id(&row, "id");
        if world.coupling(JOB, here).await.is_some_and(|pair| pair.dataverse_id.0 == order) {
            return row;
        }
    }
    panic!("the order is not coupled: {:?}", world.failures(JOB).await);
}

/// The lines of an order of Business Central in their order.
pub(crate) fn lines_of(world: &World, order: Uuid) -> Vec<Map<String, Json>> {
    let mut lines = world.business_central.rows("Sales Line");
    lines.retain(|line| text(line, "documentId") == order.to_string());
    lines.sort_by_key(|line| line["sequence"].as_i64());
    lines
}

/// The lines of an order of Dataverse.
pub(crate) fn details(world: &World, order: Uuid) -> Vec<Map<String, Json>> {
    let mut rows = world.dataverse.rows("salesorderdetail");
    rows.retain(|row| text(row, "_salesorderid_value") == order.to_string());
    rows.sort_by_key(|row| row.get("sequencenumber").and_then(Json::as_i64));
    rows
}

pub(crate) async fn expect_equal_amounts(world: &World, order: Uuid) {
    let (here, there) = (order_of(world, order).await, world.dataverse.row("salesorder", order).expect("there"));
    for (column, property) in
        [("totalamount", "totalAmountIncludingTax"), ("totalamountlessfreight", "totalAmountExcludingTax")]
    {
        assert_eq!(number(&there, column), number(&here, property), "{column}");
    }
}

pub(crate) async fn run(world: &World) -> couplet_model::job::Run {
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(JOB).await);
    run
}

#[tokio::test]
async fn s100_s110_c_164_a_submitted_order_becomes_one_and_both_come_to_the_same() {
    let world = prepared().await;
    let items = items(&world);
    world.business_central.always_reserve(items[0].as_str().expect("a number"));
    let order = submitted(
        &world,
        &json!({"discountamount": 10, "shipto_name": "Hall", "shipto_line1": "Main Street 1", "shipto_city": "Town"}),
        &[(&items[0], 2, "100", "0"), (&items[1], 3, "19.99", "1.5")],
    )
    .await;
    let created = world.run(CREATE, RunMode::Modified).await;
    assert_eq!((created.counters.inserted, created.counters.failed), (1, 0), "{:?}", world.failures(JOB).await);
    let made = order_of(&world, order).await;
    assert_eq!(text(&made, "status"), "Open", "S102: released");
    assert_eq!(
        text(&made, "yourReference"),
        text(&world.dataverse.row("salesorder", order).expect("there"), "ordernumber")
    );
    assert_eq!((text(&made, "shipToName"), text(&made, "shipToCity")), ("Hall", "Town"));
    let lines = lines_of(&world, id(&made, "id"));
    assert_eq!(lines.len(), 2);
    assert!(number(&lines[0], "reservedQuantity") > Decimal::ZERO, "C-164");
    assert_eq!(number(&lines[1], "discountAmount"), "1.5".parse().expect("an amount"), "S75");
    assert_eq!(number(&made, "discountAmount"), Decimal::from(10), "S108");
    let row = world.dataverse.row("salesorder", order).expect("there");
    assert_eq!(text(&row, "bcbi_businesscentralordernumber"), text(&made, "number"), "S100");
    assert_eq!(state(&world, order), 1);
    run(&world).await;
    expect_equal_amounts(&world, order).await;
    assert_eq!(details(&world, order).len(), 2, "no line was made twice");
    assert_eq!(world.business_central.rows("Sales Header").len(), 1);
    run(&world).await;
    let quiet = run(&world).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.modified), (0, 0));
    assert_eq!(world.run(CREATE, RunMode::Modified).await.counters.inserted, 0);
}

#[tokio::test]
async fn s101_s103_s125_what_a_seller_corrects_reaches_the_order_which_is_released_again() {
    let world = prepared().await;
    let items = items(&world);
    let order = submitted(&world, &json!({}), &[(&items[0], 2, "100", "0"), (&items[1], 3, "20", "0")]).await;
    world.run(CREATE, RunMode::Modified).await;
    run(&world).await;
    let here = id(&order_of(&world, order).await, "id");
    reactivate(&world, order);
    let before = details(&world, order);
    let changed = id(&before[0], "salesorderdetailid");
    world.dataverse.update_as_user("salesorderdetail", changed, json!({"quantity": 5})).expect("taken");
    world.dataverse.delete_as_user("salesorderdetail", id(&before[1], "salesorderdetailid")).expect("taken");
    add_line(&world, order, (&items[2], 1, "7.5", "0")).await;
    world.dataverse.update_as_user("salesorder", order, json!({"shipto_name": "Back door"})).expect("taken");
    run(&world).await;
    assert_eq!(number(&lines_of(&world, here)[0], "quantity"), Decimal::from(2), "the seller is not done yet");
    submit(&world, order);
    run(&world).await;
    let lines = lines_of(&world, here);
    let quantities: Vec<Decimal> = lines.iter().map(|line| number(line, "quantity")).collect();
    assert_eq!(quantities, [Decimal::from(5), Decimal::ONE], "one changed, one gone, one added");
    let made = order_of(&world, order).await;
    assert_eq!((text(&made, "status"), text(&made, "shipToName")), ("Open", "Back door"));
    run(&world).await;
    expect_equal_amounts(&world, order).await;
    assert_eq!(state(&world, order), 1);
}

#[tokio::test]
async fn d19_s115_s116_c_162_what_business_central_changes_and_ships_comes_back() {
    let world = prepared().await;
    let items = items(&world);
    let order = submitted(&world, &json!({}), &[(&items[0], 2, "100", "0"), (&items[1], 3, "20", "0")]).await;
    world.run(CREATE, RunMode::Modified).await;
    run(&world).await;
    let here = id(&order_of(&world, order).await, "id");
    let erp = &world.business_central;
    erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
    let lines = lines_of(&world, here);
    erp.update_as_user("Sales Line", id(&lines[0], "id"), json!({"quantity": 4})).expect("taken");
    erp.delete_as_user("Sales Line", id(&lines[1], "id")).expect("taken");
    run(&world).await;
    assert_eq!(number(&details(&world, order)[0], "quantity"), Decimal::from(2), "it is not released yet");
    erp.run_action_as_user("Sales Header", here, "release").expect("released");
    run(&world).await;
    let rows = details(&world, order);
    assert_eq!((rows.len(), number(&rows[0], "quantity")), (1, Decimal::from(4)), "S116");
    assert_eq!(state(&world, order), 1, "submitted again");
    expect_equal_amounts(&world, order).await;
    erp.run_action_as_user("Sales Header", here, "ship").expect("shipped");
    run(&world).await;
    assert_eq!(state(&world, order), 3, "C-162: fulfilled");
    run(&world).await;
    let quiet = run(&world).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.modified), (0, 0));
}

#[tokio::test]
async fn a_header_and_a_line_that_both_sides_changed_are_shown_with_both_values() {
    let world = prepared().await;
    let items = items(&world);
    let order = submitted(&world, &json!({"shipto_name": "Hall"}), &[(&items[0], 2, "100", "0")]).await;
    world.run(CREATE, RunMode::Modified).await;
    run(&world).await;
    run(&world).await;
    let here = id(&order_of(&world, order).await, "id");
    let erp = &world.business_central;
    let both = |header: bool| {
        erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
        reactivate(&world, order);
        let (line, row) = (id(&lines_of(&world, here)[0], "id"), id(&details(&world, order)[0], "salesorderdetailid"));
        match header {
            true => {
                erp.update_as_user("Sales Header", here, json!({"shipToName": "Ramp"})).expect("taken");
                world
                    .dataverse
                    .update_as_user("salesorder", order, json!({"shipto_name": "Back door"}))
                    .expect("taken");
            }
            false => {
                erp.update_as_user("Sales Line", line, json!({"quantity": 7})).expect("taken");
                world.dataverse.update_as_user("salesorderdetail", row, json!({"quantity": 5})).expect("taken");
            }
        }
        erp.run_action_as_user("Sales Header", here, "release").expect("released");
        submit(&world, order);
    };
    both(true);
    world.run(JOB, RunMode::Modified).await;
    let told = world.failures(JOB).await;
    assert!(told.iter().any(|one| one.message.contains("Ramp") && one.message.contains("Back door")), "{told:?}");
    erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
    erp.update_as_user("Sales Header", here, json!({"shipToName": "Back door"})).expect("taken");
    erp.run_action_as_user("Sales Header", here, "release").expect("released");
    run(&world).await;
    both(false);
    world.run(JOB, RunMode::Modified).await;
    let told = world.failures(JOB).await;
    assert!(told.iter().any(|one| one.message.contains('7') && one.message.contains('5')), "{told:?}");
}

#[tokio::test]
async fn s90_orders_do_not_change_their_way_while_one_is_alive() {
    let mut world = prepared().await;
    let items = items(&world);
    submitted(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    world.run(CREATE, RunMode::Modified).await;
    world.integrate_orders(SalesOrders::Legacy, EngineOptions::default());
    let refused = world.engine.confirm_orders().await.expect_err("an order is alive").to_string();
    assert!(refused.contains("set switches.sales_orders back to bidirectional"), "{refused}");
    world.integrate_orders(SalesOrders::Off, EngineOptions::default());
    let refused = world.engine.confirm_orders().await.expect_err("C-157: one is submitted").to_string();
    assert!(refused.contains("while orders are submitted in Dataverse"), "{refused}");
    world.integrate_orders(SalesOrders::Bidirectional, EngineOptions::default());
    run(&world).await;
}

/// An order that travels one way, released and shipped in Business Central.
async fn shipped_one_way(world: &World) -> (Uuid, Uuid) {
    let items = items(world);
    let order = submitted(world, &json!({}), &[(&items[0], 4, "100", "0")]).await;
    world.run(CREATE, RunMode::Modified).await;
    let here = id(&order_of(world, order).await, "id");
    for action in ["release", "ship"] {
        world.business_central.run_action_as_user("Sales Header", here, action).expect("taken");
    }
    world.run(JOB, RunMode::Modified).await;
    assert_eq!(state(world, order), 1, "{:?}", world.failures(JOB).await);
    (order, here)
}

#[tokio::test]
async fn c_152_c_153_an_order_that_invoices_of_their_own_charge_is_invoiced_when_all_of_it_is() {
    let world = prepared_for(SalesOrders::Legacy).await;
    for (part, expected) in [(Decimal::ONE, (4, 100_003)), (Decimal::new(5, 1), (1, 3))] {
        let (order, here) = shipped_one_way(&world).await;
        world.business_central.invoice_shipments(here, part).expect("invoiced");
        world.run(JOB, RunMode::Modified).await;
        let row = world.dataverse.row("salesorder", order).expect("there");
        let standing = (row["statecode"].as_i64(), row["statuscode"].as_i64());
        assert_eq!(standing, (Some(expected.0), Some(expected.1)), "{part} of it: {:?}", world.failures(JOB).await);
    }
}
