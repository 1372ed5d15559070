//! Actions of Sales, from a draft to a fulfilled order.

use dataverse_simulator::{DataverseOptions, DemoSize};
use serde_json::json;

use crate::client::Client;
use crate::family;

#[tokio::test]
async fn a_quote_lives_through_activation_revision_winning_and_becomes_a_fulfilled_order() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = family(&client).await;
    let quote = client
        .post("quotes", json!({"name": "Q", "customerid_account@odata.bind": format!("/accounts({account})")}))
        .await
        .new_id();
    client.post("quotedetails", json!({"quoteid@odata.bind": format!("/quotes({quote})"), "productdescription": "x", "isproductoverridden": true, "quantity": 2, "priceperunit": 5})).await.new_id();
    let won = |id: &str| json!({"Status": -1, "QuoteClose": {"@odata.type": "Microsoft.Dynamics.CRM.quoteclose", "subject": "won", "quoteid@odata.bind": format!("/quotes({id})")}});
    assert_eq!(client.post("WinQuote", won(&quote)).await.status, 400);
    assert_eq!(
        client.patch(&format!("quotes({quote})"), json!({"statecode": 1, "statuscode": 2}), &[]).await.status,
        204
    );
    let revised = client
        .post(
            &format!("quotes({quote})/Microsoft.Dynamics.CRM.ReviseQuote"),
            json!({"ColumnSet": {"AllColumns": false, "Columns": ["quoteid", "revisionnumber"]}}),
        )
        .await;
    assert_eq!(revised.status, 200, "{}", revised.text());
    assert_eq!(revised.json()["revisionnumber"], 1);
    let second = revised.json()["quoteid"].as_str().unwrap().to_owned();
    let old = client.get(&format!("quotes({quote})?$select=statecode,statuscode,quotenumber")).await.json();
    assert_eq!((&old["statecode"], &old["statuscode"]), (&json!(3), &json!(7)));
    client.patch(&format!("quotes({second})"), json!({"statecode": 1}), &[]).await;
    assert_eq!(client.post("WinQuote", won(&second)).await.status, 204);
    let order = client
        .post("ConvertQuoteToSalesOrder", json!({"QuoteId": second, "ColumnSet": {"AllColumns": true}}))
        .await
        .json();
    assert_eq!(order["totalamount"].to_string(), "10.0000");
    let id = order["salesorderid"].as_str().unwrap();
    assert_eq!(
        client.post(&format!("salesorders({id})/Microsoft.Dynamics.CRM.LockSalesOrderPricing"), json!({})).await.status,
        204
    );
    let close = json!({"Status": -1, "OrderClose": {"@odata.type": "Microsoft.Dynamics.CRM.orderclose", "salesorderid@odata.bind": format!("/salesorders({id})")}});
    assert_eq!(client.post("salesorders/Microsoft.Dynamics.CRM.FulfillSalesOrder", close.clone()).await.status, 204);
    let read = client.get(&format!("salesorders({id})?$select=statecode,statuscode,ispricelocked")).await.json();
    assert_eq!(
        (&read["statecode"], &read["statuscode"], &read["ispricelocked"]),
        (&json!(3), &json!(100_001), &json!(true))
    );
    assert_eq!(client.post("CancelSalesOrder", close).await.status, 400);
}

#[tokio::test]
async fn a_product_is_published() {
    let client = Client::start(DataverseOptions {
        demo: Some(DemoSize { unit_groups: vec!["PCS".to_owned()], ..DemoSize::default() }),
        ..DataverseOptions::default()
    })
    .await;
    let group = client.get("uomschedules?$filter=name eq 'NAV PCS'").await.json()["value"][0]["uomscheduleid"]
        .as_str()
        .unwrap()
        .to_owned();
    let unit = client.get(&format!("uoms?$filter=_uomscheduleid_value eq {group}")).await.json()["value"][0]["uomid"]
        .as_str()
        .unwrap()
        .to_owned();
    let product = client
        .post("products", json!({"name": "P", "productnumber": "1", "defaultuomscheduleid@odata.bind": format!("/uomschedules({group})"), "defaultuomid@odata.bind": format!("/uoms({unit})")}))
        .await
        .new_id();
    let publish = format!("products({product})/Microsoft.Dynamics.CRM.PublishProductHierarchy");
    assert_eq!(client.post(&publish, json!({})).await.status, 204);
    assert_eq!(client.get(&format!("products({product})?$select=statecode")).await.json()["statecode"], 0);
    assert_eq!(client.post(&publish, json!({})).await.status, 400);
    let guarded = client.delete(&format!("uomschedules({group})")).await;
    assert_eq!(guarded.status, 405);
}
