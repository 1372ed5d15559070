//! Sales prices and price lists: what their tables check, and what they take along.

use crate::client::Client;
use serde_json::json;

/// The codes of refusals through the companion page of a table.
async fn refusals(client: &Client, set: &str, bodies: &[serde_json::Value]) -> Vec<String> {
    let mut codes = Vec::new();
    for body in bodies {
        codes.push(client.post(&client.companion(set), body.clone()).await.code().to_owned());
    }
    codes
}

#[tokio::test]
async fn a_sales_price_names_whom_it_is_for_and_goes_with_its_group() {
    let client = Client::demo().await;
    let item = client.get(&client.companion("items")).await.values()[0]["number"].clone();
    let price = |kind: &str, code: &str| json!({"salesType": kind, "salesCode": code, "itemNo": item, "unitPrice": 9});
    let backwards = json!({
        "salesType": "All Customers", "itemNo": item, "startingDate": "2026-02-01", "endingDate": "2026-01-31",
    });
    let refused = refusals(
        &client,
        "salesPrices",
        &[
            price("Customer Price Group", "NOBODY"),
            price("Customer", ""),
            price("All Customers", "RETAIL"),
            price("Campaign", "C1"),
            json!({"salesType": "All Customers", "unitPrice": 9}),
            backwards,
        ],
    )
    .await;
    let expected = [
        "Internal_InvalidTableRelation",
        "Application_FieldValidationException",
        "Application_DialogException",
        "BadRequest_MethodNotImplemented",
        "Application_FieldValidationException",
        "Application_DialogException",
    ];
    assert_eq!(refused, expected);
    let taken = client.post(&client.companion("salesPrices"), price("Customer Price Group", "RETAIL")).await;
    assert_eq!(taken.status.as_u16(), 201, "{}", taken.text);
    let again = client.post(&client.companion("salesPrices"), price("Customer Price Group", "RETAIL")).await;
    assert_eq!(again.code(), "Internal_EntityWithSameKeyExists");
    let groups = client.get(&client.companion("customerPriceGroups?$filter=code eq 'RETAIL'")).await;
    let group = groups.values()[0]["id"].as_str().unwrap().to_owned();
    let gone = client.delete(&client.companion(&format!("customerPriceGroups({group})"))).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(client.simulator.rows("Sales Price").len(), 0);
}

#[tokio::test]
async fn a_line_follows_its_list_and_stays_while_that_is_active() {
    let client = Client::demo().await;
    let item = client.get(&client.companion("items")).await.values()[0]["number"].clone();
    let header = json!({"code": "S1", "status": "Active", "currencyCode": "EUR", "endingDate": "2026-12-31"});
    let header = client.simulator.create_as_user("Price List Header", header).unwrap();
    let line = |list: &str, kind: &str, asset: &serde_json::Value| json!({"priceListCode": list, "assetType": kind, "assetNo": asset, "unitPrice": 9});
    let refused = refusals(
        &client,
        "priceListLines",
        &[line("S2", "Item", &item), line("S1", "Resource", &item), line("S1", "Item", &json!("NOTHING"))],
    )
    .await;
    assert_eq!(refused, ["Internal_InvalidTableRelation"; 3]);
    let first = client.post(&client.companion("priceListLines"), line("S1", "Item", &item)).await;
    assert_eq!(first.status.as_u16(), 201, "{}", first.text);
    let read = |name: &str| first.body[name].clone();
    assert_eq!(
        (read("currencyCode"), read("endingDate"), read("lineNo")),
        (json!("EUR"), json!("2026-12-31"), json!(10000))
    );
    let url = client.companion(&format!("priceListLines({})", first.id()));
    assert_eq!(client.delete(&url).await.code(), "Application_DialogException");
    assert!(client.simulator.delete_as_user("Price List Header", header).is_err());
    client.simulator.update_as_user("Price List Header", header, json!({"status": "Draft"})).unwrap();
    assert_eq!(client.delete(&url).await.status.as_u16(), 204);
    client.post(&client.companion("priceListLines"), line("S1", "Item", &item)).await;
    client.simulator.delete_as_user("Price List Header", header).unwrap();
    assert_eq!(client.simulator.rows("Price List Line").len(), 0, "its lines go with it");
}
