//! Orders and quotes from their first line to their archive: discounts, release, parts that are shipped and invoiced, notes.

use crate::client::{Client, Reply};
use business_central_simulator::{BusinessCentralOptions, DemoSize};
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const ORDERS: (&str, &str) = ("salesOrders", "salesOrderLines");
const QUOTES: (&str, &str) = ("salesQuotes", "salesQuoteLines");

async fn taxed(percent: i64) -> Client {
    Client::with(BusinessCentralOptions {
        demo: Some(DemoSize::default()),
        tax_percent: Decimal::from(percent),
        ..BusinessCentralOptions::default()
    })
    .await
}

fn item(client: &Client, at: usize) -> String {
    let items = client.simulator.rows("Item").into_iter().filter(|item| item["blocked"] == false);
    items.map(|item| item["number"].as_str().unwrap().to_owned()).nth(at).unwrap()
}

/// A document with its lines, posted as the synchronization does: the lines below the document.
async fn document(client: &Client, (headers, lines): (&str, &str), body: Value, of: &[Value]) -> Uuid {
    let customer = client.simulator.rows("Customer")[0]["number"].clone();
    let mut whole = json!({"customerNumber": customer});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let made = client.post(&client.companion(headers), whole).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    for line in of {
        let url = client.companion(&format!("{headers}({})/{lines}", made.id()));
        let line = client.post(&url, line.clone()).await;
        assert_eq!(line.status.as_u16(), 201, "{}", line.text);
    }
    made.id().parse().unwrap()
}

fn line(item: &str, quantity: i64, price: &str) -> Value {
    let price: Value = serde_json::from_str(price).unwrap();
    json!({"type": "Item", "lineObjectNumber": item, "quantity": quantity, "unitPrice": price})
}

async fn act(client: &Client, set: &str, id: Uuid, action: &str) -> Reply {
    client.send(Method::POST, &client.companion(&format!("{set}({id})/Microsoft.NAV.{action}")), &[], None).await
}

async fn change(client: &Client, path: String, body: Value) -> Reply {
    client.patch(&client.companion(&path), "*", body).await
}

fn order(client: &Client, id: Uuid) -> Map<String, Value> {
    client.simulator.row("Sales Header", id).unwrap()
}

fn lines(client: &Client, table: &str, document: Uuid) -> Vec<Map<String, Value>> {
    let of = |row: &Map<String, Value>| row["documentId"] == json!(document.to_string());
    client.simulator.rows(table).into_iter().filter(of).collect()
}

fn amount(value: &Value) -> Decimal {
    value.to_string().parse::<Decimal>().unwrap().normalize()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_released_document_takes_no_changes_until_it_is_opened_again() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    for (sets, table, released) in [
        (ORDERS, "Sales Header", ("status", "Open", "Draft")),
        (QUOTES, "Sales Header (Quote)", ("documentStatus", "Released", "Open")),
    ] {
        let (set, line_set) = sets;
        let (state, closed, open) = released;
        let id = document(&client, sets, json!({}), &[line(&number, 2, "10")]).await;
        let shown = |client: &Client| client.simulator.row(table, id).unwrap()[state].clone();
        assert_eq!(shown(&client), open);
        assert_eq!(act(&client, set, id, "release").await.status.as_u16(), 204);
        assert_eq!(act(&client, set, id, "release").await.status.as_u16(), 204, "once more changes nothing");
        assert_eq!(shown(&client), closed);
        let refused = change(&client, format!("{set}({id})"), json!({"requestedDeliveryDate": "2027-01-15"})).await;
        assert_eq!(refused.code(), "Application_FieldValidationException");
        let below = client.companion(&format!("{set}({id})/{line_set}"));
        assert_eq!(client.post(&below, line(&number, 1, "1")).await.code(), "Application_FieldValidationException");
        let taken = change(&client, format!("{set}({id})"), json!({"yourReference": "theirs"})).await;
        assert_eq!(taken.status.as_u16(), 200, "{}", taken.text);
        assert_eq!(act(&client, set, id, "reopen").await.status.as_u16(), 204);
        assert_eq!(shown(&client), open);
        let taken = change(&client, format!("{set}({id})"), json!({"requestedDeliveryDate": "2027-01-15"})).await;
        assert_eq!(taken.status.as_u16(), 200, "{}", taken.text);
    }
}

#[tokio::test]
async fn what_has_nothing_to_deliver_or_lacks_a_unit_is_not_released() {
    let client = Client::demo().await;
    let text = json!({"type": "_x0020_", "description": "Deliver to the back door"});
    let empty = document(&client, ORDERS, json!({}), &[text]).await;
    let refused = act(&client, "salesOrders", empty, "release").await;
    assert!(refused.text.contains("There is nothing to release"), "{}", refused.text);
    let id = document(&client, ORDERS, json!({}), &[line(&item(&client, 0), 1, "1")]).await;
    let of: Uuid = lines(&client, "Sales Line", id)[0]["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Sales Line", of, json!({"unitOfMeasureCode": ""})).unwrap();
    let refused = act(&client, "salesOrders", id, "release").await;
    assert!(refused.text.contains("Unit of Measure Code must have a value"), "{}", refused.text);
}

#[tokio::test]
async fn an_invoice_discount_needs_lines_and_a_line_that_changes_loses_its_share() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    for (sets, table) in [(ORDERS, "Sales Line"), (QUOTES, "Sales Line (Quote)")] {
        let id = document(&client, sets, json!({}), &[]).await;
        let path = format!("{}({id})", sets.0);
        let refused = change(&client, path.clone(), json!({"discountAmount": 5})).await;
        assert!(refused.text.contains("Cannot apply an invoice discount"), "{}", refused.text);
        let freight =
            json!({"type": "G_x002F_L_x0020_Account", "lineObjectNumber": "6410", "quantity": 1, "unitPrice": 50});
        for line in [line(&number, 1, "30"), line(&number, 1, "60"), freight] {
            let made = client.post(&client.companion(&format!("{path}/{}", sets.1)), line).await;
            assert_eq!(made.status.as_u16(), 201, "{}", made.text);
        }
        let given = change(&client, path.clone(), json!({"discountAmount": 10})).await;
        assert_eq!(amount(&given.body["discountAmount"]), dec("10"), "{}", given.text);
        assert_eq!(amount(&given.body["totalAmountExcludingTax"]), dec("130"));
        let of = lines(&client, table, id);
        let net: Vec<Decimal> = of.iter().map(|line| amount(&line["netAmount"])).collect();
        assert_eq!(net, [dec("26.67"), dec("53.33"), dec("50")], "an account has no share");
        let too_much = change(&client, path.clone(), json!({"discountAmount": 91})).await;
        assert_eq!(too_much.status.as_u16(), 400, "{}", too_much.text);
        let first = of[0]["id"].as_str().unwrap();
        change(&client, format!("{}({first})", sets.1), json!({"description": "the same goods"})).await;
        let header = client.get(&client.companion(&path)).await;
        assert_eq!(amount(&header.body["discountAmount"]), dec("10"), "nothing that counts has changed");
        change(&client, format!("{}({first})", sets.1), json!({"quantity": 2})).await;
        let header = client.get(&client.companion(&path)).await;
        assert_eq!(amount(&header.body["discountAmount"]), dec("6.67"));
        assert_eq!(amount(&header.body["totalAmountExcludingTax"]), dec("163.33"));
    }
}

#[tokio::test]
async fn parts_that_are_shipped_and_invoiced_add_up_to_the_order_which_goes_at_the_end() {
    let client = taxed(19).await;
    let number = item(&client, 0);
    client.simulator.post_item_ledger_entry(&number, dec("100")).unwrap();
    let id = document(
        &client,
        ORDERS,
        json!({"yourReference": "ORD-1"}),
        &[line(&number, 3, "9.99"), line(&number, 7, "3.33")],
    )
    .await;
    change(&client, format!("salesOrders({id})"), json!({"discountAmount": 1})).await;
    let whole = order(&client, id);
    let before = client.simulator.rows("Item").into_iter().find(|row| row["number"] == json!(number)).unwrap();
    let first: Uuid = lines(&client, "Sales Line", id)[0]["id"].as_str().unwrap().parse().unwrap();
    let mut invoices = Vec::new();
    for quantity in [1, 2] {
        client.simulator.update_as_user("Sales Line", first, json!({"shipQuantity": quantity})).unwrap();
        let of = lines(&client, "Sales Line", id);
        let second: Uuid = of[1]["id"].as_str().unwrap().parse().unwrap();
        let open = if quantity == 1 { 0 } else { 7 };
        client.simulator.update_as_user("Sales Line", second, json!({"shipQuantity": open})).unwrap();
        client.simulator.run_action_as_user("Sales Header", id, "ship").unwrap();
        assert_eq!(order(&client, id)["status"], "Open", "posting releases");
        invoices.push(client.simulator.run_action_as_user("Sales Header", id, "invoice").unwrap().unwrap());
    }
    assert!(client.simulator.row("Sales Header", id).is_none(), "everything is invoiced");
    let shipments = client.simulator.rows("Sales Shipment Header");
    assert_eq!(shipments.len(), 2);
    assert!(shipments.iter().all(|shipment| shipment["orderNumber"] == whole["number"]));
    let posted: Vec<_> = invoices.iter().map(|id| client.simulator.row("Sales Invoice Header", *id).unwrap()).collect();
    for invoice in &posted {
        assert_eq!((&invoice["orderNumber"], &invoice["orderId"]), (&whole["number"], &whole["id"]));
        assert_eq!(invoice["customerPurchaseOrderReference"], "ORD-1");
    }
    for sum in ["totalAmountExcludingTax", "discountAmount"] {
        let parts: Decimal = posted.iter().map(|invoice| amount(&invoice[sum])).sum();
        assert_eq!(parts, amount(&whole[sum]), "{sum}");
    }
    let after = client.simulator.rows("Item").into_iter().find(|row| row["number"] == json!(number)).unwrap();
    assert_eq!(amount(&before["inventory"]) - amount(&after["inventory"]), dec("10"), "goods leave once");
}

#[tokio::test]
async fn s86_an_order_invoiced_by_an_invoice_of_its_own_stays_and_says_so() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    client.simulator.post_item_ledger_entry(&number, dec("100")).unwrap();
    let id = document(&client, ORDERS, json!({}), &[line(&number, 4, "10")]).await;
    client.simulator.run_action_as_user("Sales Header", id, "ship").unwrap();
    let state =
        |client: &Client| (order(client, id)["fullyShipped"].clone(), order(client, id)["fullyInvoiced"].clone());
    assert_eq!(state(&client), (json!(true), json!(false)));
    let released = client.get(&client.companion("salesOrders?$filter=documentStatus eq 'Released'")).await;
    assert_eq!((released.values().len(), &released.values()[0]["status"]), (1, &json!("Open")), "posting releases");
    let refused = client.delete(&client.companion(&format!("salesOrders({id})"))).await;
    assert!(refused.text.contains("Qty. Shipped Not Invoiced"), "{}", refused.text);
    client.simulator.invoice_shipments(id, dec("0.5")).unwrap();
    assert_eq!(state(&client), (json!(true), json!(false)));
    let invoice = client.simulator.invoice_shipments(id, dec("1")).unwrap();
    assert_eq!(state(&client), (json!(true), json!(true)));
    let invoice = client.simulator.row("Sales Invoice Header", invoice).unwrap();
    assert_eq!((amount(&invoice["totalAmountExcludingTax"]), &invoice["orderNumber"]), (dec("20"), &json!("")));
    client.simulator.delete_as_user("Sales Header", id).unwrap();
    assert_eq!(lines(&client, "Sales Line", id).len(), 0);
}

#[tokio::test]
async fn a_prepayment_that_is_due_keeps_an_order_from_being_posted() {
    let client = Client::demo().await;
    let id = document(&client, ORDERS, json!({}), &[line(&item(&client, 0), 1, "10")]).await;
    client.simulator.update_as_user("Sales Header", id, json!({"prepaymentDue": true})).unwrap();
    let refused = client.simulator.run_action_as_user("Sales Header", id, "ship").unwrap_err();
    assert!(refused.message.contains("prepayment"), "{refused:?}");
    client.simulator.update_as_user("Sales Header", id, json!({"prepaymentDue": false})).unwrap();
    client.simulator.run_action_as_user("Sales Header", id, "shipAndInvoice").unwrap();
}

#[tokio::test]
async fn a_prepayment_is_due_until_it_is_invoiced_and_again_when_the_order_comes_to_more() {
    let client = Client::demo().await;
    let id = document(&client, ORDERS, json!({}), &[line(&item(&client, 0), 1, "10")]).await;
    let is_due = || client.simulator.row("Sales Header", id).unwrap()["prepaymentDue"].clone();
    client.simulator.ask_prepayment(id, dec("50")).unwrap();
    assert_eq!(is_due(), json!(true));
    client.simulator.invoice_prepayment(id).unwrap();
    assert_eq!(is_due(), json!(false));
    let of = lines(&client, "Sales Line", id);
    let first: Uuid = of[0]["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Sales Line", first, json!({"quantity": 2})).unwrap();
    assert_eq!(is_due(), json!(true));
}

#[tokio::test]
async fn a_company_that_archives_keeps_versions_of_orders_that_are_opened_again_or_posted() {
    let client = Client::demo().await;
    client.simulator.set_up_sales(json!({"archiveOrders": true})).unwrap();
    let id = document(&client, ORDERS, json!({}), &[line(&item(&client, 0), 4, "10")]).await;
    let number = order(&client, id)["number"].clone();
    assert_eq!(order(&client, id)["documentOccurrence"], 1);
    act(&client, "salesOrders", id, "archive").await;
    act(&client, "salesOrders", id, "release").await;
    act(&client, "salesOrders", id, "reopen").await;
    client.simulator.run_action_as_user("Sales Header", id, "shipAndInvoice").unwrap();
    let kept = client.get(&client.companion("salesOrderArchives?$orderby=versionNumber")).await;
    let versions: Vec<_> =
        kept.values().iter().map(|kept| (kept["versionNumber"].clone(), kept["isInvoiced"].clone())).collect();
    assert_eq!(versions, [(json!(1), json!(false)), (json!(2), json!(false)), (json!(3), json!(true))]);
    let last = kept.values().last().unwrap();
    assert_eq!((&last["number"], &last["occurrence"]), (&number, &json!(1)));
    let url = format!("salesOrderArchiveLines?$filter=documentId eq {}", last["id"].as_str().unwrap());
    let of = client.get(&client.companion(&url)).await;
    assert_eq!(of.values().len(), 1);
    assert_eq!(
        (amount(&of.values()[0]["shippedQuantity"]), amount(&of.values()[0]["netAmount"])),
        (dec("4"), dec("40"))
    );
}

#[tokio::test]
async fn c_161_the_price_of_an_item_that_is_priced_with_tax_comes_without_it() {
    let client = taxed(25).await;
    let numbers = [item(&client, 0), item(&client, 1)];
    let row = client.simulator.rows("Item").into_iter().find(|row| row["number"] == json!(numbers[0])).unwrap();
    let priced: Uuid = row["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Item", priced, json!({"priceIncludesTax": true})).unwrap();
    let sold = |number: &str| json!({"type": "Item", "lineObjectNumber": number, "quantity": 1, "salesPrice": 100});
    let id = document(&client, ORDERS, json!({}), &[sold(&numbers[0]), sold(&numbers[1])]).await;
    let of = lines(&client, "Sales Line", id);
    let amounts: Vec<_> = of
        .iter()
        .map(|line| (amount(&line["netAmount"]), amount(&line["netAmountIncludingTax"]), amount(&line["salesPrice"])))
        .collect();
    assert_eq!(amounts, [(dec("80"), dec("100"), dec("0")), (dec("100"), dec("125"), dec("0"))]);
}

#[tokio::test]
async fn values_are_validated_as_they_come() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    let late =
        json!({"description": "lost", "type": "Item", "quantity": 2, "unitPrice": 7, "lineObjectNumber": number});
    let early = json!({"type": "Item", "lineObjectNumber": number, "description": "kept", "quantity": 2, "unitPrice": 7, "discountAmount": 3});
    let id = document(&client, ORDERS, json!({}), &[late, early]).await;
    let of = lines(&client, "Sales Line", id);
    assert_ne!(
        (&of[0]["description"], amount(&of[0]["unitPrice"])),
        (&json!("lost"), dec("7")),
        "the item fills them in"
    );
    assert_eq!((&of[1]["description"], amount(&of[1]["netAmount"])), (&json!("kept"), dec("11")));
    let url = client.companion(&format!("salesOrders({id})/salesOrderLines"));
    let refused = client
        .post(&url, json!({"type": "Item", "lineObjectNumber": number, "discountAmount": 3, "quantity": 2}))
        .await;
    assert!(refused.text.contains("Quantity must have a value"), "{}", refused.text);
    let nobody = client.post(&url, json!({"lineObjectNumber": number, "type": "Item", "quantity": 2})).await;
    assert_eq!(nobody.body["lineObjectNumber"], "", "the type starts the line anew: {}", nobody.text);
    let customer = client.simulator.rows("Customer")[0].clone();
    let order = client
        .post(
            &client.companion("salesOrders"),
            json!({"shipToCity": "lost", "customerNumber": customer["number"], "billToCity": "kept"}),
        )
        .await;
    assert_eq!((&order.body["shipToCity"], &order.body["billToCity"]), (&customer["city"], &json!("kept")));
}

#[tokio::test]
async fn units_are_those_of_the_item_and_their_price_is_that_of_so_many() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    let of_item = client.simulator.rows("Item").into_iter().find(|row| row["number"] == json!(number)).unwrap();
    client
        .simulator
        .create_as_user("Item Unit of Measure", json!({"itemNo": number, "code": "PALLET", "qtyPerUnitOfMeasure": 40}))
        .unwrap();
    let unit =
        |code: &str| json!({"type": "Item", "lineObjectNumber": number, "unitOfMeasureCode": code, "quantity": 1});
    let id = document(&client, ORDERS, json!({}), &[unit("PALLET")]).await;
    let line = &lines(&client, "Sales Line", id)[0];
    assert_eq!(amount(&line["unitPrice"]), (amount(&of_item["unitPrice"]) * dec("40")).normalize());
    let url = client.companion(&format!("salesOrders({id})/salesOrderLines"));
    let refused = client.post(&url, unit("HOUR")).await;
    assert_eq!(refused.code(), "Internal_InvalidTableRelation", "{}", refused.text);
}

#[tokio::test]
async fn notes_belong_to_their_document_follow_it_and_are_not_filtered_by_it() {
    let client = Client::demo().await;
    let quote = document(&client, QUOTES, json!({}), &[line(&item(&client, 0), 1, "10")]).await;
    let (id, notes) = (Uuid::new_v4(), client.companion("salesDocumentNotes"));
    let note = json!({"id": id, "documentId": quote, "subject": "Call", "text": "Call before you come"});
    let made = client.post(&notes, note.clone()).await;
    assert_eq!((made.status.as_u16(), &made.body["documentType"]), (201, &json!("Quote")), "{}", made.text);
    assert_eq!(client.post(&notes, note).await.code(), "Internal_EntityWithSameKeyExists");
    let filtered = client.get(&format!("{notes}?$filter=documentId eq {quote}")).await;
    assert_eq!(filtered.status.as_u16(), 400, "{}", filtered.text);
    let nowhere = client.post(&notes, json!({"documentId": Uuid::new_v4(), "text": "?"})).await;
    assert!(nowhere.text.contains("There is no order or quote"), "{}", nowhere.text);
    let order = client.simulator.run_action_as_user("Sales Header (Quote)", quote, "makeOrder").unwrap().unwrap();
    let followed = client.get(&notes).await.values().clone();
    assert_eq!(followed.len(), 1);
    assert_eq!(
        (&followed[0]["documentId"], &followed[0]["documentType"]),
        (&json!(order.to_string()), &json!("Order"))
    );
    assert_eq!(client.delete(&client.companion(&format!("salesOrders({order})"))).await.status.as_u16(), 204);
    assert!(client.simulator.rows("Record Link").is_empty());
}

#[tokio::test]
async fn texts_go_with_the_line_they_belong_to_and_an_item_that_is_always_reserved_is() {
    let client = Client::demo().await;
    let number = item(&client, 0);
    client.simulator.always_reserve(&number);
    client.simulator.post_item_ledger_entry(&number, dec("1000")).unwrap();
    let text = json!({"type": "_x0020_", "description": "long", "attachedToLineNumber": 10000});
    let id = document(&client, ORDERS, json!({}), &[line(&number, 3, "10"), text]).await;
    let of = lines(&client, "Sales Line", id);
    assert_eq!(amount(&of[0]["reservedQuantity"]), dec("3"));
    let main = of[0]["id"].as_str().unwrap();
    assert_eq!(client.delete(&client.companion(&format!("salesOrderLines({main})"))).await.status.as_u16(), 204);
    assert!(lines(&client, "Sales Line", id).is_empty());
}
