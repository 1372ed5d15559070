//! Orders and quotes of Sales: what is read-only when, what their actions make of them, and their amounts.

use crate::client::Client;
use dataverse_simulator::{Behaviour, DataverseOptions};
use serde_json::{Value, json};
use uuid::Uuid;

async fn account(client: &Client) -> String {
    client.post("accounts", json!({"name": "Adatum"})).await.new_id()
}

async fn document(client: &Client, set: &str, more: Value) -> String {
    let customer = account(client).await;
    let mut body = json!({"name": "Bicycles", "customerid_account@odata.bind": format!("/accounts({customer})")});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post(set, body).await.new_id()
}

fn write_in(lookup: &str, document: &str, more: &Value) -> Value {
    let mut body = json!({
        lookup: document, "productdescription": "write-in", "isproductoverridden": true, "ispriceoverridden": true,
        "quantity": 2, "priceperunit": 10
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn add_line(client: &Client, order: &str, more: Value) -> String {
    let body = write_in("salesorderid@odata.bind", &format!("/salesorders({order})"), &more);
    let answer = client.post("salesorderdetails", body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.new_id()
}

async fn set_state(client: &Client, path: &str, state: i64, more: Value) -> u16 {
    let mut body = json!({"statecode": state});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.patch(path, body, &[]).await.status
}

fn states(client: &Client, table: &str, id: &str) -> (i64, i64) {
    let row = client.simulator.row(table, id.parse().unwrap()).unwrap();
    (row["statecode"].as_i64().unwrap(), row["statuscode"].as_i64().unwrap())
}

#[tokio::test]
async fn a_submitted_order_and_its_lines_are_read_only_until_it_is_opened() {
    let client = Client::start(DataverseOptions::default()).await;
    let order = document(&client, "salesorders", json!({})).await;
    let line = add_line(&client, &order, json!({})).await;
    let (order_path, line_path) = (format!("salesorders({order})"), format!("salesorderdetails({line})"));
    for closed in [1, 3, 4] {
        assert_eq!(set_state(&client, &order_path, closed, json!({})).await, 204);
        assert_eq!(client.patch(&order_path, json!({"description": "x"}), &[]).await.status, 400, "state {closed}");
        assert_eq!(
            set_state(&client, &order_path, 0, json!({"description": "x"})).await,
            400,
            "with the state as well"
        );
        assert_eq!(client.patch(&line_path, json!({"quantity": 3}), &[]).await.status, 400, "state {closed}");
        assert_eq!(client.delete(&line_path).await.status, 400, "state {closed}");
        assert_eq!(set_state(&client, &order_path, 0, json!({})).await, 204);
        assert_eq!(client.patch(&order_path, json!({"description": "x"}), &[]).await.status, 204);
        assert_eq!(client.patch(&line_path, json!({"quantity": 3}), &[]).await.status, 204);
    }
    assert_eq!(set_state(&client, &order_path, 1, json!({"description": "and submitted"})).await, 204);
    assert_eq!(states(&client, "salesorder", &order), (1, 3));
    assert!(client.simulator.row("salesorder", order.parse().unwrap()).unwrap()["submitdate"].is_string());

    let behaviour = Behaviour { submitted_orders_read_only: false, ..Behaviour::default() };
    let client = Client::start(DataverseOptions { behaviour, ..DataverseOptions::default() }).await;
    let order = document(&client, "salesorders", json!({})).await;
    let line = add_line(&client, &order, json!({})).await;
    assert_eq!(set_state(&client, &format!("salesorders({order})"), 1, json!({})).await, 204);
    assert_eq!(client.patch(&format!("salesorders({order})"), json!({"description": "x"}), &[]).await.status, 204);
    assert_eq!(client.patch(&format!("salesorderdetails({line})"), json!({"quantity": 3}), &[]).await.status, 204);
}

#[tokio::test]
async fn a_submitted_order_is_fulfilled_or_canceled_once() {
    let client = Client::start(DataverseOptions::default()).await;
    let close = |order: &str| json!({"salesorderid@odata.bind": format!("/salesorders({order})"), "subject": "Done"});
    let dated = document(&client, "salesorders", json!({"datefulfilled": "2026-11-02T12:00:00Z"})).await;
    let undated = document(&client, "salesorders", json!({})).await;
    for order in [&dated, &undated] {
        assert_eq!(set_state(&client, &format!("salesorders({order})"), 1, json!({})).await, 204);
        let answer = client.post("FulfillSalesOrder", json!({"OrderClose": close(order), "Status": -1})).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(states(&client, "salesorder", order), (3, 100_001));
    }
    let fulfilled =
        |order: &str| client.simulator.row("salesorder", order.parse().unwrap()).unwrap()["datefulfilled"].clone();
    assert_eq!(fulfilled(&dated), "2026-11-02T12:00:00Z", "it said so already");
    assert!(fulfilled(&undated).as_str().is_some_and(|day| day.contains('T')), "{}", fulfilled(&undated));
    let again = client.post("CancelSalesOrder", json!({"OrderClose": close(&dated), "Status": 4})).await;
    assert_eq!(again.status, 400);
    let other = document(&client, "salesorders", json!({})).await;
    assert_eq!(client.post("CancelSalesOrder", json!({"OrderClose": close(&other), "Status": 4})).await.status, 204);
    assert_eq!(states(&client, "salesorder", &other), (2, 4));
}

#[tokio::test]
async fn c_165_amounts_of_an_order_are_computed_from_its_lines() {
    let client = Client::start(DataverseOptions::default()).await;
    let order = document(&client, "salesorders", json!({})).await;
    let line = |quantity: i64, manual: i64, tax: i64| {
        json!({
            "_salesorderid_value": order, "productdescription": "write-in", "isproductoverridden": true,
            "ispriceoverridden": true, "quantity": quantity, "priceperunit": 4000, "volumediscountamount": 280,
            "manualdiscountamount": manual, "tax": tax
        })
    };
    let read = |table: &str, id: Uuid, names: &[&str]| -> Vec<f64> {
        let row = client.simulator.row(table, id).unwrap();
        names.iter().map(|name| row[*name].as_f64().unwrap()).collect()
    };
    let lines: Vec<Uuid> = [line(10, 400, 5000), line(5, 250, 3000)]
        .into_iter()
        .map(|line| client.simulator.create_as_user("salesorderdetail", line).unwrap())
        .collect();
    assert_eq!(read("salesorderdetail", lines[0], &["baseamount", "extendedamount"]), [37200.0, 41800.0]);
    assert_eq!(read("salesorderdetail", lines[1], &["baseamount", "extendedamount"]), [18600.0, 21350.0]);
    let id: Uuid = order.parse().unwrap();
    assert_eq!(read("salesorder", id, &["totallineitemamount", "totaltax", "totalamount"]), [55150.0, 8000.0, 63150.0]);
    let discounts = json!({"discountpercentage": 10, "discountamount": 150, "freightamount": 35});
    assert_eq!(client.patch(&format!("salesorders({order})"), discounts, &[]).await.status, 204);
    assert_eq!(read("salesorder", id, &["totalamountlessfreight", "totalamount"]), [49485.0, 57520.0]);
}

#[tokio::test]
async fn a_price_that_nobody_overrides_is_that_of_the_price_list_and_lines_are_numbered_in_order() {
    let client = Client::start(DataverseOptions::default()).await;
    let made = |table: &str, values: Value| client.simulator.create_as_user(table, values).unwrap();
    let group = made("uomschedule", json!({"name": "NAV PCS", "baseuomname": "PCS"}));
    let unit: Uuid = client
        .simulator
        .rows("uom")
        .into_iter()
        .find(|unit| unit["_uomscheduleid_value"] == json!(group.to_string()))
        .unwrap()["uomid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let product = made(
        "product",
        json!({"name": "Bicycle", "productnumber": "1000", "_defaultuomscheduleid_value": group, "_defaultuomid_value": unit, "price": 7}),
    );
    let currency = client.simulator.rows("transactioncurrency")[0]["transactioncurrencyid"].clone();
    let list = made("pricelevel", json!({"name": "Dollars", "_transactioncurrencyid_value": currency}));
    made(
        "productpricelevel",
        json!({"_pricelevelid_value": list, "_productid_value": product, "_uomid_value": unit, "amount": 5}),
    );
    let with_list =
        document(&client, "salesorders", json!({"pricelevelid@odata.bind": format!("/pricelevels({list})")})).await;
    let without = document(&client, "salesorders", json!({})).await;
    let mut prices = Vec::new();
    for (order, price, overridden) in [
        (&with_list, Some(9), false),
        (&with_list, Some(9), true),
        (&with_list, None, false),
        (&without, Some(9), false),
        (&without, None, false),
    ] {
        let mut line = json!({"_salesorderid_value": order, "_productid_value": product, "_uomid_value": unit, "quantity": 1, "ispriceoverridden": overridden});
        if let Some(price) = price {
            line["priceperunit"] = json!(price);
        }
        let id = made("salesorderdetail", line);
        let row = client.simulator.row("salesorderdetail", id).unwrap();
        prices.push((row["priceperunit"].as_f64().unwrap(), row["sequencenumber"].as_i64().unwrap()));
    }
    assert_eq!(prices, [(5.0, 1), (9.0, 2), (5.0, 3), (9.0, 1), (7.0, 2)]);
}

#[tokio::test]
async fn a_quote_is_revised_won_and_becomes_an_order_that_knows_it() {
    let client = Client::start(DataverseOptions::default()).await;
    let quote = document(&client, "quotes", json!({})).await;
    let line = write_in("quoteid@odata.bind", &format!("/quotes({quote})"), &json!({}));
    let line = client.post("quotedetails", line).await.new_id();
    assert_eq!(set_state(&client, &format!("quotes({quote})"), 1, json!({})).await, 204);
    assert_eq!(states(&client, "quote", &quote), (1, 2));
    let changed = client.patch(&format!("quotedetails({line})"), json!({"quantity": 3}), &[]).await;
    assert_eq!(changed.status, 400, "an active quote is read-only with its lines");

    let revised = client.post("ReviseQuote", json!({"QuoteId": quote, "ColumnSet": {"AllColumns": true}})).await;
    assert_eq!(revised.status, 200, "{}", revised.text());
    let next = revised.json()["quoteid"].as_str().unwrap().to_owned();
    assert_eq!((states(&client, "quote", &quote), states(&client, "quote", &next)), ((3, 7), (0, 1)));
    let row = |id: &str| client.simulator.row("quote", id.parse().unwrap()).unwrap();
    assert_eq!(row(&quote)["quotenumber"], row(&next)["quotenumber"]);
    assert_eq!((&row(&quote)["revisionnumber"], &row(&next)["revisionnumber"]), (&json!(0), &json!(1)));
    assert_eq!(row(&next)["totalamount"], row(&quote)["totalamount"]);

    assert_eq!(set_state(&client, &format!("quotes({next})"), 1, json!({})).await, 204);
    let close = json!({"quoteid@odata.bind": format!("/quotes({next})"), "subject": "Won"});
    assert_eq!(client.post("WinQuote", json!({"QuoteClose": close, "Status": -1})).await.status, 204);
    assert_eq!(states(&client, "quote", &next), (2, 4));
    let convert = json!({"QuoteId": next, "ColumnSet": {"AllColumns": true}});
    let converted = client.post("ConvertQuoteToSalesOrder", convert).await;
    assert_eq!(converted.status, 200, "{}", converted.text());
    let order = converted.json()["salesorderid"].as_str().unwrap().to_owned();
    let made = client.simulator.row("salesorder", order.parse().unwrap()).unwrap();
    assert_eq!((&made["_quoteid_value"], states(&client, "salesorder", &order)), (&json!(next), (0, 1)));
    assert_eq!(made["totalamount"], row(&next)["totalamount"]);
    assert_eq!(client.simulator.count("salesorderdetail"), 1);
}

#[tokio::test]
async fn notes_and_posts_go_with_their_order() {
    let client = Client::start(DataverseOptions::default()).await;
    let order = document(&client, "salesorders", json!({})).await;
    let note = json!({"subject": "Call", "notetext": "first", "objectid_salesorder@odata.bind": format!("/salesorders({order})")});
    let note = client.post("annotations", note).await;
    assert_eq!(note.status, 204, "{}", note.text());
    let post = json!({"text": "Released", "source": 1, "regardingobjectid_salesorder@odata.bind": format!("/salesorders({order})")});
    let post = client.post("posts", post).await;
    assert_eq!(post.status, 204, "{}", post.text());
    let row = client.simulator.rows("annotation").pop().unwrap();
    assert_eq!((&row["isdocument"], &row["filesize"]), (&json!(false), &json!(0)));
    assert_eq!(client.delete(&format!("salesorders({order})")).await.status, 204);
    assert_eq!((client.simulator.count("annotation"), client.simulator.count("post")), (0, 0));
}

#[tokio::test]
async fn a_post_is_created_under_its_id_once_and_takes_no_upsert() {
    for (posts_take_upserts, expected) in [(false, 400), (true, 204)] {
        let behaviour = Behaviour { posts_take_upserts, ..Behaviour::default() };
        let client = Client::start(DataverseOptions { behaviour, ..DataverseOptions::default() }).await;
        let customer = account(&client).await;
        let id = Uuid::from_u128(7);
        let body = json!({
            "postid": id, "text": "x", "source": 1, "regardingobjectid_account@odata.bind": format!("/accounts({customer})")
        });
        let answer = client.post("posts", body.clone()).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let again = client.post("posts", body).await;
        assert_eq!((again.status, again.code().as_str()), (412, "0x80040237"));
        let upsert = client.patch(&format!("posts({})", Uuid::from_u128(8)), json!({"text": "y"}), &[]).await;
        assert_eq!(upsert.status, expected, "{}", upsert.text());
    }
}
