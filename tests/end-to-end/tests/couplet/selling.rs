//! Orders that sellers submit in Sales, and what the tests of orders share.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::switches::SalesOrders;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{options, with};
use crate::observing::{id, text};

/// The mapping of orders, and the job that takes submitted ones over.
pub const ORDERS: &str = "SALESORDER-ORDER";
pub const TAKES_OVER: &str = "Auto Create Sales Orders";
/// The mapping of their lines.
pub const LINES: &str = "SOLINE-ORDERDETAIL";

/// A world where orders travel one way, and everything that an order refers to is coupled.
pub async fn prepared() -> World {
    let world = World::start(WorldOptions { sales_orders: SalesOrders::Legacy, ..options() }).await;
    let codes = ["PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];
    let records = ["CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"];
    for job in codes.into_iter().chain(records) {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// Fills in the sales setup of Business Central.
pub fn set_up(world: &World, setup: Json) {
    let row = world.business_central.rows("Sales & Receivables Setup");
    let row = id(row.first().expect("a setup"), "id");
    world.business_central.update_as_user("Sales & Receivables Setup", row, setup).expect("taken");
}

/// The product of an item or resource.
pub async fn product(world: &World, table: &str, number: &Json) -> Map<String, Json> {
    let mapping = if table == "Item" { "ITEM-PRODUCT" } else { "RESOURCE-PRODUCT" };
    let record = world.business_central_id(table, "number", number.as_str().expect("a number"));
    world.coupled_row(mapping, record).await
}

/// A line that sells a product.
pub fn sells(product: &Map<String, Json>, quantity: &str, price: &str) -> Json {
    let exact = |text: &str| Json::Number(text.parse().expect("a number"));
    json!({
        "productid@odata.bind": format!("/products({})", text(product, "productid")),
        "uomid@odata.bind": format!("/uoms({})", text(product, "_defaultuomid_value")),
        "quantity": exact(quantity), "priceperunit": exact(price), "ispriceoverridden": true,
    })
}

/// A line that sells what no product is.
pub fn written_in(text: &str, price: u32) -> Json {
    json!({"isproductoverridden": true, "productdescription": text, "quantity": 1, "priceperunit": price})
}

/// The account of a customer.
pub async fn account(world: &World, number: &str) -> Uuid {
    let customer = world.business_central_id("Customer", "number", number);
    id(&world.coupled_row("CUSTOMER", customer).await, "accountid")
}

/// An order with lines, as its seller has it in hand.
pub async fn drafted(world: &World, order: &Json, lines: &[Json]) -> Uuid {
    let account = account(world, "C00010").await;
    let usual = json!({"name": "Order", "customerid_account@odata.bind": format!("/accounts({account})")});
    let order = world.dataverse.create_as_user("salesorder", with(usual, order)).expect("taken");
    for (place, line) in (1..).zip(lines) {
        let of = json!({"salesorderid@odata.bind": format!("/salesorders({order})"), "sequencenumber": place});
        world.dataverse.create_as_user("salesorderdetail", with(line.clone(), &of)).expect("taken");
    }
    order
}

/// Submits an order.
pub fn submit(world: &World, order: Uuid) {
    world.dataverse.update_as_user("salesorder", order, json!({"statecode": 1, "statuscode": 3})).expect("submitted");
}

/// A submitted order with lines.
pub async fn submitted(world: &World, order: &Json, lines: &[Json]) -> Uuid {
    let order = drafted(world, order, lines).await;
    submit(world, order);
    order
}

/// The order of Business Central that an order of Sales became, if it did.
pub fn order_of(world: &World, order: Uuid) -> Option<Map<String, Json>> {
    let row = world.dataverse.row("salesorder", order).expect("there");
    let orders = world.business_central.rows("Sales Header");
    orders.into_iter().find(|own| own["yourReference"] == row["ordernumber"])
}

/// Its lines in order.
pub fn lines_of(world: &World, order: &Map<String, Json>) -> Vec<Map<String, Json>> {
    let mut lines = world.business_central.rows("Sales Line");
    lines.retain(|line| line["documentId"] == order["id"]);
    lines.sort_by_key(|line| line["sequence"].as_i64());
    lines
}

/// State and status of an order of Sales.
pub fn standing(world: &World, order: Uuid) -> (i64, i64) {
    let row = world.dataverse.row("salesorder", order).expect("there");
    (row["statecode"].as_i64().expect("a state"), row["statuscode"].as_i64().expect("a status"))
}
