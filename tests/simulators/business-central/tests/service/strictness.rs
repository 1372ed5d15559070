//! What the pages of the service refuse although the tables would take it, and what a switch makes looser.

use crate::client::{Client, Reply};
use business_central_simulator::{BusinessCentralOptions, DemoSize, Switches};
use serde_json::{Value, json};

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn refusal(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.code())
}

#[tokio::test]
async fn f01_api_pages_refuse_the_id_of_a_new_record_and_companion_pages_create_under_it() {
    let client = Client::empty().await;
    let body = json!({"id": ID, "displayName": "Desk"});
    let refused = client.post(&client.standard("items"), body.clone()).await;
    assert_eq!(refusal(&refused), (400, "BadRequest_InvalidOperation"));
    assert!(refused.text.contains("Control 'id' is read-only."), "{}", refused.text);
    let line = json!({"displayName": "Desk", "itemVariants": [{"id": ID, "code": "RED"}]});
    assert_eq!(client.post(&client.standard("items"), line).await.code(), "BadRequest_InvalidOperation");
    assert!(client.simulator.rows("Item").is_empty());
    assert_eq!(client.post(&client.companion("items"), body.clone()).await.id(), ID);
    let again = client.post(&client.companion("items"), body).await;
    assert_eq!(refusal(&again), (400, "Internal_EntityWithSameKeyExists"));
    let looser = Switches { id_is_read_only: false, ..Switches::default() };
    client.simulator.faults().set_switches(looser);
    let other = ID.replace('1', "2");
    let taken = client.post(&client.standard("items"), json!({"id": other, "displayName": "Chair"})).await;
    assert_eq!(taken.id(), other);
}

#[tokio::test]
async fn f01_a_number_is_refused_where_the_series_gives_it() {
    let client = Client::empty().await;
    for (set, body) in [("customers", json!({"number": "C9", "displayName": "A"})), ("items", json!({"number": "I9"}))]
    {
        for url in [client.standard(set), client.companion(set)] {
            let refused = client.post(&url, body.clone()).await;
            assert_eq!(refusal(&refused), (400, "Application_DialogException"), "{url}");
            assert!(refused.text.contains("You may not enter numbers manually"), "{}", refused.text);
        }
    }
    let made = client.post(&client.standard("customers"), json!({"displayName": "A"})).await;
    assert_eq!(made.body["number"], "C00010");
    let url = client.standard(&format!("customers({})", made.id()));
    assert_eq!(client.patch(&url, "*", json!({"number": "C00010"})).await.status.as_u16(), 200, "nothing new");
    assert_eq!(client.patch(&url, "*", json!({"number": "C9"})).await.code(), "Application_DialogException");
    let unit = client.post(&client.standard("unitsOfMeasure"), json!({"code": "PCS"})).await;
    assert_eq!(unit.status.as_u16(), 201, "codes have no series: {}", unit.text);
    let by_hand = Client::numbered_by_hand().await;
    let made = by_hand.post(&by_hand.standard("customers"), json!({"number": "C9", "displayName": "A"})).await;
    assert_eq!(made.body["number"], "C9");
}

#[tokio::test]
async fn f01_a_country_is_a_checked_code_and_another_one_clears_the_rest_of_the_address() {
    let client = Client::demo().await;
    let url = client.standard("customers");
    let unknown = client.post(&url, json!({"displayName": "A", "country": "Republik Österreich"})).await;
    assert_eq!(refusal(&unknown), (400, "Application_StringExceededLength"), "{}", unknown.text);
    let unknown = client.post(&url, json!({"displayName": "A", "country": "Germany"})).await;
    assert_eq!(refusal(&unknown), (400, "Internal_InvalidTableRelation"), "{}", unknown.text);
    let address = json!({"displayName": "A", "city": "Ulm", "state": "BW", "postalCode": "89073", "country": "DE"});
    let made = client.post(&url, address.clone()).await;
    let url = client.standard(&format!("customers({})", made.id()));
    let shown = |reply: &Reply| ["city", "state", "postalCode", "country"].map(|name| reply.body[name].clone());
    assert_eq!(shown(&made), [json!("Ulm"), json!("BW"), json!("89073"), json!("DE")]);
    let alone = client.patch(&url, "*", json!({"country": "GB"})).await;
    assert_eq!(shown(&alone), [json!(""), json!(""), json!(""), json!("GB")]);
    let whole = json!({"city": "Ulm", "state": "BW", "postalCode": "89073", "country": "DE"});
    assert_eq!(shown(&client.patch(&url, "*", whole.clone()).await)[0], json!("Ulm"));
    let cleared = client.patch(&url, "*", json!({"country": ""})).await;
    assert_eq!(shown(&cleared)[0], json!(""));
    client.patch(&url, "*", json!({"city": "Ulm"})).await;
    let first = client.patch(&url, "*", json!({"country": "DE"})).await;
    assert_eq!(shown(&first)[0], json!("Ulm"), "the first country clears nothing");
    let lenient = Client::with(BusinessCentralOptions {
        demo: Some(DemoSize::default()),
        requires_country: true,
        ..BusinessCentralOptions::default()
    })
    .await;
    let made = lenient.post(&lenient.standard("customers"), address).await;
    let url = lenient.standard(&format!("customers({})", made.id()));
    assert_eq!(shown(&lenient.patch(&url, "*", json!({"country": "GB"})).await)[0], json!("Ulm"));
}

#[tokio::test]
async fn f01_lengths_count_utf_16_units_and_codes_are_capitalized_letter_by_letter() {
    let client = Client::empty().await;
    let name = |text: String| json!({"displayName": text});
    let letters = "a".repeat(99);
    let url = client.standard("customers");
    assert_eq!(client.post(&url, name(format!("{letters}é"))).await.status.as_u16(), 201);
    let long = client.post(&url, name(format!("{letters}🚲"))).await;
    assert_eq!(refusal(&long), (400, "Application_StringExceededLength"));
    let unit = client.post(&client.standard("unitsOfMeasure"), json!({"code": " gefäß "})).await;
    assert_eq!(unit.body["code"], "GEFÄß", "a letter without a single capital stays");
}

#[tokio::test]
async fn f01_what_a_page_shows_read_only_is_refused_there_and_taken_elsewhere() {
    let client = Client::demo().await;
    let item = client.get(&client.companion("items?$top=1")).await.values()[0].clone();
    let inventory = json!({"inventory": 7});
    let path = format!("items({})", item["id"].as_str().unwrap());
    let refused = client.patch(&client.companion(&path), "*", inventory.clone()).await;
    assert_eq!(refusal(&refused), (400, "BadRequest_InvalidOperation"));
    assert_eq!(client.patch(&client.standard(&path), "*", inventory).await.status.as_u16(), 200);
    let customer = client.get(&client.standard("customers?$top=1")).await.values()[0].clone();
    let order = client.post(&client.standard("salesOrders"), json!({"customerId": customer["id"]})).await;
    let path = format!("salesOrders({})", order.id());
    for body in [json!({"fullyShipped": true}), json!({"documentType": "Invoice"})] {
        let refused = client.patch(&client.companion(&path), "*", body.clone()).await;
        assert_eq!(refusal(&refused), (400, "BadRequest_InvalidOperation"), "{body}");
    }
    let groups: Value = json!({"sourceNo": item["number"]});
    let refused = client.post(&client.companion("unitGroups"), groups).await;
    assert_eq!(refusal(&refused), (405, "BadRequest_MethodNotAllowed"), "they come with their item or resource");
}

#[tokio::test]
async fn f36_the_server_numbers_the_lines_of_a_document() {
    let client = Client::demo().await;
    let customer = client.get(&client.standard("customers?$top=1")).await.values()[0].clone();
    let item = client.get(&client.standard("items?$filter=blocked eq false&$top=1")).await.values()[0].clone();
    let order = client.post(&client.standard("salesOrders"), json!({"customerId": customer["id"]})).await;
    let lines = client.standard(&format!("salesOrders({})/salesOrderLines", order.id()));
    let numbered = json!({"itemId": item["id"], "quantity": 1, "sequence": 20_000});
    let refused = client.post(&lines, numbered.clone()).await;
    assert_eq!(refusal(&refused), (400, "Application_DialogException"), "{}", refused.text);
    assert!(refused.text.contains("SystemId"), "in the words that were reported: {}", refused.text);
    let deep = json!({"customerId": customer["id"], "salesOrderLines": [numbered]});
    assert_eq!(refusal(&client.post(&client.standard("salesOrders"), deep).await).0, 400);
    for expected in [10_000, 20_000] {
        let line = client.post(&lines, json!({"itemId": item["id"], "quantity": 1})).await;
        assert_eq!(line.body["sequence"], expected);
    }
    let looser = Switches { sequence_is_refused: false, ..Switches::default() };
    client.simulator.faults().set_switches(looser);
    let taken = client.post(&lines, json!({"itemId": item["id"], "quantity": 1, "sequence": 35_000})).await;
    assert_eq!(taken.body["sequence"], 35_000);
}
