//! Manners of the service that other people's clients depend on: names, counts, renames, and a clock that can be moved.

use crate::client::Client;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// The bytes of an answer, as they came.
async fn bytes(client: &Client, url: &str) -> Vec<u8> {
    client.http.get(url).bearer_auth(&client.token).send().await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn f36_the_environment_is_named_without_regard_to_case() {
    let client = Client::empty().await;
    let url = format!("{}/api/v2.0/companies", client.simulator.url());
    for spelling in ["Production", "production", "PRODUCTION"] {
        assert_eq!(client.get(&url.replace("Production", spelling)).await.status.as_u16(), 200, "{spelling}");
    }
    let (tenant, ..) = client.simulator.credentials();
    assert_eq!(client.get(&url.replace(&tenant, &tenant.to_uppercase())).await.status.as_u16(), 200);
    assert_eq!(client.get(&url.replace(&format!("{tenant}/Production"), "production")).await.status.as_u16(), 200);
    let elsewhere = client.get(&url.replace("Production", "Sandbox")).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (404, "NoEnvironment"));
}

#[tokio::test]
async fn f36_counts_begin_with_a_byte_order_mark_and_companies_are_counted_too() {
    let client = Client::demo().await;
    let companies = format!("{}/api/v2.0/companies", client.simulator.url());
    for (url, count) in [(client.standard("items/$count"), "105"), (format!("{companies}/$count"), "1")] {
        let mut marked = vec![0xEF, 0xBB, 0xBF];
        marked.extend(count.bytes());
        assert_eq!(bytes(&client, &url).await, marked, "{url}");
    }
    let counted = client.get(&format!("{companies}?$count=true")).await;
    assert_eq!(counted.body["@odata.count"], 1);
    assert!(client.get(&companies).await.body.get("@odata.count").is_none());
}

#[tokio::test]
async fn f36_a_renamed_item_takes_its_units_its_group_and_its_stock_along() {
    let client = Client::numbered_by_hand().await;
    client.post(&client.standard("unitsOfMeasure"), json!({"code": "PCS", "displayName": "Piece"})).await;
    client.post(&client.standard("unitsOfMeasure"), json!({"code": "BOX", "displayName": "Box"})).await;
    let item = client
        .post(
            &client.standard("items"),
            json!({"number": "OLD", "displayName": "Lamp", "baseUnitOfMeasureCode": "PCS"}),
        )
        .await;
    assert_eq!(item.status.as_u16(), 201, "{}", item.text);
    let box_of_ten = json!({"itemNo": "OLD", "code": "BOX", "qtyPerUnitOfMeasure": 10});
    assert_eq!(client.post(&client.companion("itemUnitsOfMeasure"), box_of_ten).await.status.as_u16(), 201);
    client.simulator.post_item_ledger_entry("OLD", 7.into()).unwrap();
    let units_of = |rows: Vec<serde_json::Map<String, serde_json::Value>>| {
        let mut units: Vec<_> =
            rows.iter().map(|row| (row["itemNo"].clone(), row["code"].clone(), row["id"].clone())).collect();
        units.sort_by_key(|(_, code, _)| code.to_string());
        units
    };
    let before = units_of(client.simulator.rows("Item Unit of Measure"));
    assert_eq!(before.len(), 2);

    let id = item.id().parse().unwrap();
    client.simulator.update_as_user("Item", id, json!({"number": "NEW"})).unwrap();
    let after = units_of(client.simulator.rows("Item Unit of Measure"));
    let expected: Vec<_> = before.into_iter().map(|(_, code, id)| (json!("NEW"), code, id)).collect();
    assert_eq!(after, expected, "the same units, under the new number");
    let groups = client.simulator.rows("Unit Group");
    assert_eq!(groups.len(), 1);
    assert_eq!((&groups[0]["sourceNo"], &groups[0]["code"]), (&json!("NEW"), &json!("ITEM NEW UOM GR")));
    assert_eq!(client.get(&client.standard(&format!("items({id})"))).await.body["inventory"], 7);

    // Through the API as well, and a base unit that is given along stands beside the others.
    let etag = client.get(&client.standard(&format!("items({id})"))).await.etag();
    let renamed = client.patch(&client.standard(&format!("items({id})")), &etag, json!({"number": "NEWER"})).await;
    assert_eq!(renamed.status.as_u16(), 200, "{}", renamed.text);
    assert!(client.simulator.rows("Item Unit of Measure").iter().all(|unit| unit["itemNo"] == "NEWER"));
}

#[tokio::test]
async fn f36_a_renamed_resource_or_unit_takes_along_what_bears_its_name() {
    let client = Client::demo().await;
    let resource = client.simulator.rows("Resource").into_iter().find(|row| row["blocked"] == false).unwrap();
    let units = |number: &serde_json::Value| {
        client.simulator.rows("Resource Unit of Measure").iter().filter(|unit| unit["resourceNo"] == *number).count()
    };
    let had = units(&resource["number"]);
    assert!(had > 0);
    let id = resource["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Resource", id, json!({"number": "RENAMED"})).unwrap();
    assert_eq!((units(&resource["number"]), units(&json!("RENAMED"))), (0, had));
    let unit = client.simulator.rows("Unit of Measure").into_iter().find(|row| row["code"] == "PCS").unwrap();
    let pieces =
        |code: &str| client.simulator.rows("Item Unit of Measure").iter().filter(|row| row["code"] == code).count();
    let had = pieces("PCS");
    assert!(had > 0);
    let id = unit["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Unit of Measure", id, json!({"code": "EACH"})).unwrap();
    assert_eq!((pieces("PCS"), pieces("EACH")), (0, had));
}

#[tokio::test]
async fn f36_renames_reach_order_lines_and_the_persons_of_a_company() {
    let client = Client::demo().await;
    let number = |row: &serde_json::Value| row["number"].as_str().unwrap().to_owned();
    let customer = client.get(&client.standard("customers?$top=1")).await.values()[0].clone();
    let item = client.get(&client.standard("items?$filter=blocked eq false&$top=1")).await.values()[0].clone();
    let body = json!({"customerId": customer["id"], "salesOrderLines": [{"itemId": item["id"], "quantity": 1}]});
    let order = client.post(&client.standard("salesOrders"), body).await;
    client
        .simulator
        .update_as_user("Item", item["id"].as_str().unwrap().parse().unwrap(), json!({"number": "RENAMED"}))
        .unwrap();
    let lines = client.get(&client.standard(&format!("salesOrders({})/salesOrderLines", order.id()))).await;
    assert_eq!(number(&json!({"number": lines.values()[0]["lineObjectNumber"]})), "RENAMED");

    let person = client.get(&client.standard("contacts?$filter=type eq 'Person'&$top=1")).await.values()[0].clone();
    let company = client
        .get(&client.standard(&format!("contacts?$filter=number eq '{}'", person["companyNumber"].as_str().unwrap())))
        .await;
    let id = company.values()[0]["id"].as_str().unwrap().parse().unwrap();
    client.simulator.update_as_user("Contact", id, json!({"number": "COMPANY"})).unwrap();
    let person = client.get(&client.standard(&format!("contacts({})", person["id"].as_str().unwrap()))).await;
    assert_eq!(person.body["companyNumber"], "COMPANY");
}

#[tokio::test]
async fn f36_the_clock_is_moved_through_the_simulators_own_interface() {
    let client = Client::empty().await;
    let own = format!("{}/_simulator", client.simulator.authority());
    let faults = format!("{own}/faults");
    let ahead = async || {
        let made = client.post(&client.standard("unitsOfMeasure"), json!({"code": uuid()})).await;
        let modified: Timestamp = made.body["lastModifiedDateTime"].as_str().unwrap().parse().unwrap();
        let date = made.headers["date"].to_str().unwrap().to_owned();
        let date = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
        assert!(
            date.duration_until(modified).abs() < SignedDuration::from_secs(2),
            "header and records follow one clock"
        );
        Timestamp::now().duration_until(modified).as_secs()
    };
    let about = |seconds: i64, wanted: i64| assert!((seconds - wanted).abs() <= 5, "{seconds} is not about {wanted}");
    client.post(&faults, json!({"clockSkewSeconds": -3600})).await;
    about(ahead().await, -3600);
    client.post(&faults, json!({"advanceClockSeconds": 7200})).await;
    about(ahead().await, 3600);
    client.post(&faults, json!({"advanceClockSeconds": 60})).await;
    about(ahead().await, 3660);
    let status = client.get(&own).await;
    assert_eq!(status.body["clockSkewMilliseconds"], 3_660_000);
    client.post(&faults, json!({"clockSkewSeconds": 0})).await;
    about(ahead().await, 0);
}

fn uuid() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..10].to_owned()
}
