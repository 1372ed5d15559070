//! Whatever is sent, the service answers: never 500, never silence.

use crate::client::Client;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn malformed_requests_are_refused_with_an_error_body() {
    let client = Client::demo().await;
    let company = client.simulator.company_id();
    let root = format!("{}/api/v2.0", client.simulator.url());
    let cases = [
        (Method::GET, format!("{root}/nonsense"), 404),
        (Method::GET, format!("{root}/companies({company})/nonsense"), 404),
        (Method::GET, format!("{root}/companies(7)/items"), 404),
        (Method::GET, format!("{root}/companies(11111111-2222-4333-8444-555555555555)/items"), 404),
        (Method::GET, format!("{root}/companies({company})/items('1000')"), 404),
        (Method::GET, format!("{root}/companies({company})/items(11111111-2222-4333-8444-555555555555)"), 404),
        (Method::GET, format!("{root}/companies({company})/items(%00"), 404),
        (Method::GET, format!("{root}/companies({company})/items/$count/$count"), 404),
        (Method::GET, format!("{root}/items"), 404),
        (Method::GET, format!("{root}/companies({company})/items?$select=nonsense"), 400),
        (Method::GET, format!("{root}/companies({company})/items?$top=-1"), 400),
        (Method::GET, format!("{root}/companies({company})/items?$skiptoken=garbage"), 400),
        (Method::GET, format!("{root}/companies({company})/items?$apply=x"), 501),
        (Method::GET, format!("{root}/companies({company})/items?$expand=nonsense"), 400),
        (Method::PUT, format!("{root}/companies({company})/items"), 405),
        (Method::DELETE, format!("{root}/companies({company})/items"), 405),
        (Method::POST, format!("{root}/$batch"), 400),
        (Method::PATCH, format!("{root}/companies"), 405),
        (Method::GET, format!("{}/api/v2.0/companies", client.simulator.url().replace("Production", "Elsewhere")), 404),
        (Method::GET, format!("{}/api/other/group/v1.0/companies", client.simulator.url()), 404),
    ];
    for (method, url, expected) in cases {
        let reply = client.send(method.clone(), &url, &[], None).await;
        assert_eq!(reply.status.as_u16(), expected, "{method} {url}: {}", reply.text);
        assert!(
            reply.body["error"]["message"].as_str().unwrap().contains("  CorrelationId:  "),
            "{method} {url}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let client = Client::demo().await;
    for body in [
        "",
        "{",
        "[]",
        "7",
        "{\"displayName\":{}}",
        "{\"unitPrice\":1e999}",
        "{\"blocked\":\"yes\"}",
        "{\"id\":\"short\"}",
    ] {
        let reply = client
            .http
            .post(client.standard("items"))
            .bearer_auth(&client.token)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status().as_u16(), 400, "{body}");
    }
    let typeless =
        client.http.post(client.standard("items")).bearer_auth(&client.token).body("{}").send().await.unwrap();
    assert_eq!(typeless.status().as_u16(), 415);
}

#[tokio::test]
async fn every_entity_set_of_both_routes_can_be_read() {
    let client = Client::demo().await;
    for (route, url) in [("api/v2.0", client.standard("")), ("api/couplet/sync/v1.0", client.companion(""))] {
        let document = client.get(&format!("{}/{route}", client.simulator.url())).await;
        for set in document.values().iter().map(|set| set["name"].as_str().unwrap()).filter(|set| *set != "companies") {
            let lines =
                route == "api/v2.0" && ["salesOrderLines", "salesQuoteLines", "salesInvoiceLines"].contains(&set);
            let filter = if lines {
                "?$filter=documentId eq 11111111-2222-4333-8444-555555555555"
            } else {
                "?$top=3&$count=true"
            };
            let reply = client.get(&format!("{url}{set}{filter}")).await;
            assert_eq!(reply.status.as_u16(), 200, "{set}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn blanks_have_the_form_of_the_wire() {
    let client = Client::empty().await;
    let item = client.post(&client.standard("items"), json!({})).await;
    assert_eq!(item.body["baseUnitOfMeasureId"], "00000000-0000-0000-0000-000000000000");
    assert_eq!((item.body["gtin"].as_str(), item.body["type"].as_str()), (Some(""), Some("Inventory")));
    let contact =
        client.post(&client.standard("contacts"), json!({"displayName": "Ada Lovelace", "type": "Person"})).await;
    assert_eq!(contact.body["lastInteractionDate"], "0001-01-01", "{}", contact.text);
    let companion = client.get(&client.companion(&format!("contacts({})", contact.id()))).await;
    assert_eq!(
        (companion.body["firstName"].as_str(), companion.body["surname"].as_str()),
        (Some("Ada"), Some("Lovelace"))
    );
    let vendor = client.post(&client.standard("vendors"), json!({"blocked": " "})).await;
    assert_eq!((vendor.body["blocked"].as_str(), vendor.body["currencyCode"].as_str()), (Some("_x0020_"), Some("USD")));
    let blocked = client.get(&client.standard("vendors?$filter=blocked eq '_x0020_' and currencyCode eq 'USD'")).await;
    assert_eq!(blocked.values().len(), 1);
}
