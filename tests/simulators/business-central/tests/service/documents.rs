//! Sales documents: lines, totals, actions, and what may not be changed any more.

use crate::client::{Client, Reply};
use reqwest::Method;
use serde_json::{Value, json};

async fn order(client: &Client) -> Reply {
    let customer = client.simulator.rows("Customer")[0].clone();
    let item = client.simulator.rows("Item").into_iter().find(|item| item["blocked"] == false).unwrap();
    let body = json!({"customerId": customer["id"], "salesOrderLines": [
        {"itemId": item["id"], "quantity": 2, "unitPrice": 10.5},
        {"lineType": "Resource", "lineObjectNumber": "r0010", "quantity": 3, "unitPrice": 100, "discountPercent": 10},
        {"lineType": "Comment", "description": "Deliver to the back door"}
    ]});
    let reply = client.post(&client.standard("salesOrders?$expand=salesOrderLines"), body).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text);
    reply
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[tokio::test]
async fn an_order_is_created_with_its_lines_and_sums_them_up() {
    let client = Client::demo().await;
    let order = order(&client).await;
    let lines = order.body["salesOrderLines"].as_array().unwrap();
    assert_eq!(
        lines.iter().map(|line| line["sequence"].as_i64().unwrap()).collect::<Vec<_>>(),
        [10_000, 20_000, 30_000]
    );
    assert_eq!(number(&order.body["totalAmountExcludingTax"]), 291.0);
    assert_eq!(order.body["status"], "Draft");
    assert_ne!(order.body["customerName"], "");
    assert_ne!(lines[0]["description"], "");
    let companion =
        client.get(&client.companion(&format!("salesOrderLines?$filter=documentId eq {}", order.id()))).await;
    assert_eq!(companion.values()[1]["type"], "Resource");
    assert_eq!(companion.values()[1]["documentNo"], order.body["number"]);
    let expanded = client.get(&client.standard(&format!("salesOrders({})?$expand=customer($select=number),salesOrderLines($filter=lineType eq 'Item';$expand=item($select=number))", order.id()))).await;
    assert_eq!(expanded.body["customer"]["number"], order.body["customerNumber"]);
    assert_eq!(expanded.body["salesOrderLines"][0]["item"]["number"], lines[0]["lineObjectNumber"]);
}

#[tokio::test]
async fn a_changed_line_changes_its_order() {
    let client = Client::demo().await;
    let order = order(&client).await;
    let line = &order.body["salesOrderLines"][0];
    let url =
        client.standard(&format!("salesOrders({})/salesOrderLines({})", order.id(), line["id"].as_str().unwrap()));
    let changed = client.patch(&url, line["@odata.etag"].as_str().unwrap(), json!({"quantity": 4})).await;
    assert_eq!(number(&changed.body["netAmount"]), 42.0, "{}", changed.text);
    let after = client.get(&client.standard(&format!("salesOrders({})", order.id()))).await;
    assert_eq!(number(&after.body["totalAmountIncludingTax"]), 312.0);
    assert_ne!(after.etag(), order.etag());
    assert_eq!(client.delete(&url).await.status.as_u16(), 204);
    assert_eq!(
        number(
            &client.get(&client.standard(&format!("salesOrders({})", order.id()))).await.body["totalAmountIncludingTax"]
        ),
        270.0
    );
}

#[tokio::test]
async fn lines_of_no_document_cannot_be_read() {
    let client = Client::demo().await;
    let reply = client.get(&client.standard("salesOrderLines")).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "Application_DialogException"));
    assert_eq!(client.get(&client.companion("salesOrderLines")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_failing_line_leaves_no_order_behind() {
    let client = Client::demo().await;
    let customer = client.simulator.rows("Customer")[0].clone();
    let reply = client.post(&client.standard("salesOrders"), json!({"customerId": customer["id"], "salesOrderLines": [{"lineType": "Item", "lineObjectNumber": "NONE"}]})).await;
    assert_eq!(reply.code(), "Internal_InvalidTableRelation");
    assert!(client.simulator.rows("Sales Header").is_empty());
}

#[tokio::test]
async fn a_released_order_keeps_its_lines() {
    let client = Client::demo().await;
    let order = order(&client).await;
    client.simulator.update_as_user("Sales Header", order.id().parse().unwrap(), json!({"status": "Open"})).unwrap();
    let reply = client
        .post(&client.standard(&format!("salesOrders({})/salesOrderLines", order.id())), json!({"lineType": "Comment"}))
        .await;
    assert_eq!(reply.code(), "Application_FieldValidationException");
}

#[tokio::test]
async fn a_shipped_and_invoiced_order_becomes_a_posted_invoice() {
    let client = Client::demo().await;
    let order = order(&client).await;
    let item = order.body["salesOrderLines"][0]["lineObjectNumber"].clone();
    let inventory = |client: &Client| {
        number(&client.simulator.rows("Item").into_iter().find(|row| row["number"] == item).unwrap()["inventory"])
    };
    let before = inventory(&client);
    let done = client
        .send(
            Method::POST,
            &client.standard(&format!("salesOrders({})/Microsoft.NAV.shipAndInvoice", order.id())),
            &[],
            None,
        )
        .await;
    assert_eq!(done.status.as_u16(), 204, "{}", done.text);
    assert_eq!(inventory(&client), before - 2.0);
    assert_eq!(client.get(&client.standard(&format!("salesOrders({})", order.id()))).await.status.as_u16(), 404);
    let invoices = client
        .get(&client.standard(&format!(
            "salesInvoices?$filter=orderNumber eq '{}'&$expand=salesInvoiceLines",
            order.body["number"].as_str().unwrap()
        )))
        .await;
    let invoice = &invoices.values()[0];
    assert_eq!((invoice["status"].as_str(), number(&invoice["remainingAmount"])), (Some("Open"), 291.0));
    assert_eq!(invoice["salesInvoiceLines"].as_array().unwrap().len(), 3);
    let url = client.standard(&format!("salesInvoices({})", invoice["id"].as_str().unwrap()));
    let refused = client.patch(&url, "*", json!({"dueDate": "2030-01-01"})).await;
    assert_eq!(refused.code(), "Application_DialogException");
    let details = client
        .get(&client.standard(&format!("customerFinancialDetails({})", invoice["customerId"].as_str().unwrap())))
        .await;
    assert_eq!(number(&details.body["balance"]), 291.0);
    client.simulator.pay_invoice(invoice["id"].as_str().unwrap().parse().unwrap(), "291".parse().unwrap()).unwrap();
    assert_eq!(client.get(&url).await.body["status"], "Paid");
    assert_eq!(client.get(&client.companion("salesInvoices")).await.values().len(), 1);
    assert_eq!(client.get(&client.standard("salesShipments?$expand=salesShipmentLines")).await.values()[0]["salesShipmentLines"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_draft_invoice_keeps_its_id_when_it_is_posted_and_can_be_cancelled() {
    let client = Client::demo().await;
    let customer = client.simulator.rows("Customer")[1].clone();
    let draft = client.post(&client.standard("salesInvoices"), json!({"customerNumber": customer["number"], "salesInvoiceLines": [{"lineType": "Item", "lineObjectNumber": "1001", "quantity": 1}]})).await;
    assert_eq!(draft.body["status"], "Draft", "{}", draft.text);
    assert!(client.get(&client.companion("salesInvoices")).await.values().is_empty());
    let url = client.standard(&format!("salesInvoices({})", draft.id()));
    for (action, status) in [("post", "Open"), ("cancel", "Canceled")] {
        assert_eq!(
            client
                .send(Method::POST, &format!("{url}/Microsoft.NAV.{action}"), &[], Some(json!({})))
                .await
                .status
                .as_u16(),
            204
        );
        assert_eq!(client.get(&url).await.body["status"], status);
    }
    assert_eq!(
        client.get(&client.standard("salesCreditMemos")).await.values()[0]["invoiceId"].as_str(),
        Some(draft.id().as_str())
    );
    let unknown = client.send(Method::POST, &format!("{url}/Microsoft.NAV.release"), &[], None).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (501, "BadRequest_MethodNotImplemented"));
}

#[tokio::test]
async fn a_quote_becomes_an_order() {
    let client = Client::demo().await;
    let customer = client.simulator.rows("Customer")[0].clone();
    let quote = client.post(&client.standard("salesQuotes"), json!({"customerId": customer["id"], "salesQuoteLines": [{"lineType": "Item", "lineObjectNumber": "1001", "quantity": 5, "unitPrice": 2}]})).await;
    assert_eq!(quote.status.as_u16(), 201, "{}", quote.text);
    let made = client
        .send(
            Method::POST,
            &client.standard(&format!("salesQuotes({})/Microsoft.NAV.makeOrder", quote.id())),
            &[],
            None,
        )
        .await;
    assert_eq!(made.status.as_u16(), 204);
    let order = client.get(made.headers["location"].to_str().unwrap()).await;
    assert_eq!(number(&order.body["totalAmountExcludingTax"]), 10.0, "{}", order.text);
    assert!(client.simulator.rows("Sales Header (Quote)").is_empty());
}

#[tokio::test]
async fn f36_an_invoice_posted_from_a_draft_has_another_id_on_the_companion_page() {
    let client = Client::demo().await;
    let customer = client.get(&client.standard("customers?$top=1")).await.values()[0].clone();
    let item = client.get(&client.standard("items?$filter=blocked eq false&$top=1")).await.values()[0].clone();
    let lines = json!([{"itemId": item["id"], "quantity": 1}]);
    let draft = json!({"customerId": customer["id"], "salesInvoiceLines": lines});
    let draft = client.post(&client.standard("salesInvoices"), draft).await.id();
    let post = client.standard(&format!("salesInvoices({draft})/Microsoft.NAV.post"));
    assert_eq!(client.post(&post, json!({})).await.status.as_u16(), 204);
    let invoice = client.get(&client.standard(&format!("salesInvoices({draft})"))).await;
    assert_eq!(invoice.id(), draft, "API v2.0 keeps the id of the draft");

    let number = invoice.body["number"].as_str().unwrap();
    let posted = client.get(&client.companion(&format!("salesInvoices?$filter=number eq '{number}'"))).await;
    let posted = posted.values()[0]["id"].as_str().unwrap().to_owned();
    assert_ne!(posted, draft);
    assert_eq!(client.get(&client.companion(&format!("salesInvoices({posted})"))).await.body["number"], number);
    assert_eq!(client.get(&client.companion(&format!("salesInvoices({draft})"))).await.status.as_u16(), 404);
    for (id, found) in [(&posted, 1), (&draft, 0)] {
        let filtered = client.get(&client.companion(&format!("salesInvoices?$filter=id eq {id}"))).await;
        assert_eq!(filtered.values().len(), found, "{id}");
    }
    // Lines by the other id are none, without an error.
    for (id, found) in [(&draft, 1), (&posted, 0)] {
        let lines = client.get(&client.standard(&format!("salesInvoiceLines?$filter=documentId eq {id}"))).await;
        assert_eq!((lines.status.as_u16(), lines.values().len()), (200, found), "{id}");
    }

    // What an order became had no draft.
    let order = json!({"customerId": customer["id"], "salesOrderLines": lines});
    let order = client.post(&client.standard("salesOrders"), order).await.id();
    let ship = client.standard(&format!("salesOrders({order})/Microsoft.NAV.shipAndInvoice"));
    client.post(&ship, json!({})).await;
    let invoice = client.get(&client.standard(&format!("salesInvoices?$filter=orderId eq {order}"))).await;
    let id = invoice.values()[0]["id"].as_str().unwrap();
    assert_eq!(client.get(&client.companion(&format!("salesInvoices({id})"))).await.status.as_u16(), 200);
}
