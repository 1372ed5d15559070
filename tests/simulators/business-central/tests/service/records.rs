//! Creating, reading, changing and deleting records over HTTP.

use crate::client::Client;
use business_central_simulator::Poison;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_request_without_a_token_is_turned_away() {
    let mut client = Client::empty().await;
    client.token = "worthless".into();
    let reply = client.get(&client.standard("items")).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (401, "Authentication_InvalidCredentials"));
    assert_eq!(client.simulator.requests(), 1);
}

#[tokio::test]
async fn companies_are_listed_at_the_root_and_cannot_be_written() {
    let client = Client::empty().await;
    let url = format!("{}/api/v2.0/companies", client.simulator.url());
    let reply = client.get(&url).await;
    assert_eq!(reply.values()[0]["id"], json!(client.simulator.company_id()));
    let refused = client.post(&url, json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (405, "BadRequest_MethodNotAllowed"));
}

#[tokio::test]
async fn the_demonstration_company_has_what_was_asked_for() {
    let client = Client::demo().await;
    let items = client.get(&client.standard("items?$filter=blocked eq false&$count=true&$top=0")).await;
    assert_eq!(items.body["@odata.count"], 100, "{}", items.text);
    assert_eq!(client.get(&client.standard("items/$count")).await.text, "\u{feff}105");
    assert_eq!(client.get(&client.companion("resources")).await.values().len(), 9);
    let customers = client.get(&client.standard("customers")).await;
    assert_eq!(customers.values().len(), 20);
    assert!(customers.values().iter().all(|customer| customer["salespersonCode"] == ""));
    assert!(
        customers.values().iter().any(|customer| customer["currencyCode"] == "USD")
            && customers.values().iter().any(|customer| customer["currencyCode"] != "USD")
    );
    let items = client.get(&client.companion("items")).await;
    assert!(items.values().iter().any(|item| item["vendorName"] != ""));
    assert!(items.values().iter().any(|item| item["inventory"].as_f64().unwrap() < 0.0));
    let setup = client.get(&client.standard("generalLedgerSetup")).await;
    assert_eq!(setup.values()[0]["localCurrencyCode"], "USD");
}

#[tokio::test]
async fn a_record_is_one_record_on_both_routes() {
    let client = Client::demo().await;
    let created = client
        .post(
            &client.standard("customers"),
            json!({"displayName": "Adatum", "paymentTermsId": "00000000-0000-0000-0000-000000000000"}),
        )
        .await;
    assert_eq!(created.status.as_u16(), 201, "{}", created.text);
    assert_eq!(created.body["number"], "C00210");
    assert_eq!(created.body["blocked"], "_x0020_");
    assert!(created.headers["location"].to_str().unwrap().contains("/api/v2.0/companies("));
    let url = client.companion(&format!("customers({})", created.id()));
    let other = client.get(&url).await;
    assert_eq!(other.body["lastModifiedDateTime"], created.body["lastModifiedDateTime"]);
    let changed = client.patch(&url, &other.etag(), json!({"paymentTermsCode": "net 30", "currencyCode": "EUR"})).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    assert_eq!(changed.body["paymentTermsCode"], "NET 30");
    let standard = client.get(&client.standard(&format!("customers({})", created.id()))).await;
    let terms = client
        .get(&client.standard(&format!("paymentTerms({})", standard.body["paymentTermsId"].as_str().unwrap())))
        .await;
    assert_eq!(terms.body["code"], "NET 30");
    let stale = client.patch(&url, &other.etag(), json!({"displayName": "x"})).await;
    assert_eq!((stale.status.as_u16(), stale.code()), (409, "Request_EntityChanged"));
    let without = client.send(Method::PATCH, &url, &[], Some(json!({"displayName": "x"}))).await;
    assert_eq!((without.status.as_u16(), without.code()), (400, "BadRequest_InvalidToken"));
    assert_eq!(client.delete(&url).await.status.as_u16(), 204);
    let gone = client.get(&url).await;
    assert_eq!((gone.status.as_u16(), gone.code()), (404, "Internal_RecordNotFound"));
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_by_name() {
    let client = Client::demo().await;
    let cases = [
        (json!({"salespersonCode": "NOBODY"}), 400, "Internal_InvalidTableRelation"),
        (json!({"currencyCode": "XYZ"}), 400, "Internal_InvalidTableRelation"),
        (json!({"city": "a city whose name is far too long"}), 400, "Application_StringExceededLength"),
        (json!({"blocked": "Sometimes"}), 400, "Unknown"),
        (json!({"creditLimit": "12"}), 400, "BadRequest"),
        (json!({"nonsense": 1}), 400, "BadRequest"),
        (json!({"balanceDue": 1}), 400, "BadRequest_InvalidOperation"),
    ];
    for (body, status, code) in cases {
        let reply = client.post(&client.standard("customers"), body.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, code), "{body}");
    }
    let nameless = client.post(&client.standard("salespeoplePurchasers"), json!({"displayName": "Nobody"})).await;
    assert_eq!(nameless.code(), "Application_FieldValidationException");
    let refused = client.post(&client.standard("itemLedgerEntries"), json!({})).await;
    assert_eq!(refused.status.as_u16(), 405);
}

#[tokio::test]
async fn posting_changes_the_inventory_but_not_the_item() {
    let client = Client::demo().await;
    let before = client.get(&client.standard("items?$filter=number eq '1000'")).await.values()[0].clone();
    let since =
        client.simulator.rows("Item Ledger Entry").last().unwrap()["lastModifiedDateTime"].as_str().unwrap().to_owned();
    client.simulator.post_item_ledger_entry("1000", "7.5".parse().unwrap()).unwrap();
    let after = client.get(&client.companion("items?$filter=number eq '1000'")).await.values()[0].clone();
    assert_eq!(after["lastModifiedDateTime"], before["lastModifiedDateTime"]);
    assert_eq!(after["inventory"].as_f64().unwrap(), before["inventory"].as_f64().unwrap() + 7.5);
    let entries =
        client.get(&client.standard(&format!("itemLedgerEntries?$filter=lastModifiedDateTime gt {since}"))).await;
    assert_eq!(entries.values().len(), 1, "{}", entries.text);
}

#[tokio::test]
async fn an_item_brings_its_unit_and_its_unit_group() {
    let client = Client::demo().await;
    let item =
        client.post(&client.companion("items"), json!({"displayName": "Stool", "baseUnitOfMeasureCode": "PCS"})).await;
    let number = item.body["number"].as_str().unwrap().to_owned();
    let units = client.get(&client.companion(&format!("itemUnitsOfMeasure?$filter=itemNo eq '{number}'"))).await;
    assert_eq!(units.values()[0]["code"], "PCS");
    let groups = client.get(&client.companion(&format!("unitGroups?$filter=sourceId eq {}", item.id()))).await;
    assert_eq!(groups.values()[0]["code"], format!("ITEM {number} UOM GR"));
}

#[tokio::test]
async fn pages_follow_each_other_through_next_links() {
    let client = Client::demo().await;
    let mut url = client.standard("items?$select=number&$filter=blocked eq false&$orderby=displayName desc");
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let page = client.send(Method::GET, &url, &[("prefer", "odata.maxpagesize=30")], None).await;
        numbers.extend(page.values().iter().map(|item| item["number"].as_str().unwrap().to_owned()));
        match page.body["@odata.nextLink"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
    let too_large =
        client.send(Method::GET, &client.standard("items"), &[("prefer", "odata.maxpagesize=20001")], None).await;
    assert_eq!(too_large.status.as_u16(), 413);
}

#[tokio::test]
async fn filters_answer_or_are_refused() {
    let client = Client::demo().await;
    let id = client.simulator.rows("Item")[3]["id"].as_str().unwrap().to_owned();
    let other = client.simulator.rows("Item")[4]["id"].as_str().unwrap().to_owned();
    let cases = [
        (format!("id eq {id}"), Ok(1)),
        (format!("id eq {id} or id eq {other}"), Ok(2)),
        ("number eq '1000' or number eq '1001' or number eq '9999'".into(), Ok(2)),
        ("number eq '100*'".into(), Ok(10)),
        ("startswith(number,'100') and number ne '1000'".into(), Ok(9)),
        ("type eq 'Non_x002D_Inventory'".into(), Ok(0)),
        ("lastModifiedDateTime gt 2999-01-01T00:00:00Z".into(), Ok(0)),
        ("number eq '1000' or displayName eq 'x'".into(), Err(501)),
        ("number in ('1000')".into(), Err(501)),
        ("nonsense eq 1".into(), Err(400)),
        ("number eq 1000".into(), Err(400)),
        ("number eq".into(), Err(404)),
    ];
    for (filter, expected) in cases {
        let reply = client
            .http
            .get(client.standard("items"))
            .query(&[("$filter", &filter)])
            .bearer_auth(&client.token)
            .send()
            .await
            .unwrap();
        let status = reply.status().as_u16();
        let body: serde_json::Value = reply.json().await.unwrap();
        match expected {
            Ok(count) => assert_eq!(body["value"].as_array().map(Vec::len), Some(count), "{filter}: {body}"),
            Err(expected) => assert_eq!(status, expected, "{filter}: {body}"),
        }
    }
}

#[tokio::test]
async fn a_text_the_company_refuses_fails_only_the_write_that_carries_it() {
    let client = Client::empty().await;
    client.simulator.faults().refuse_text(Poison {
        table: Some("Item".into()),
        property: Some("displayName".into()),
        text: "bad".into(),
    });
    assert_eq!(
        client.post(&client.standard("items"), json!({"displayName": "a bad one"})).await.code(),
        "Application_DialogException"
    );
    assert_eq!(client.post(&client.standard("items"), json!({"displayName": "a good one"})).await.status.as_u16(), 201);
}

#[tokio::test]
async fn a_number_series_passes_over_numbers_given_by_hand() {
    let client = Client::numbered_by_hand().await;
    for (given, expected) in [(None, "C00010"), (Some("C00020"), "C00020"), (None, "C00030")] {
        let reply = client.post(&client.standard("customers"), json!({"number": given.unwrap_or("")})).await;
        assert_eq!(reply.body["number"], expected, "{}", reply.text);
    }
}

#[tokio::test]
async fn a_renamed_vendor_is_followed_by_its_items() {
    let client = Client::numbered_by_hand().await;
    let vendor = client.post(&client.standard("vendors"), json!({"number": "V1", "displayName": "Fabrikam"})).await;
    let item = client.post(&client.companion("items"), json!({"vendorNo": "V1"})).await;
    assert_eq!(item.body["vendorName"], "Fabrikam");
    let renamed =
        client.patch(&client.standard(&format!("vendors({})", vendor.id())), "*", json!({"number": "V2"})).await;
    assert_eq!(renamed.status.as_u16(), 200, "{}", renamed.text);
    let after = client.get(&client.companion(&format!("items({})", item.id()))).await;
    assert_eq!((after.body["vendorNo"].as_str(), after.body["vendorName"].as_str()), (Some("V2"), Some("Fabrikam")));
}

#[tokio::test]
async fn a_customer_and_a_vendor_have_a_company_contact_that_follows_and_persons_who_work_for_it() {
    let client = Client::empty().await;
    let values = json!({"displayName": "Adatum", "city": "Oslo", "website": "https://adatum.example"});
    let mut companies = Vec::new();
    for (entity_set, kind) in [("customers", "Customer"), ("vendors", "Vendor")] {
        let url = client.companion(entity_set);
        let partner = client.post(&url, values.clone()).await;
        assert_eq!(partner.status.as_u16(), 201, "{}", partner.text);
        let filter =
            format!("contactBusinessRelations?$filter=number eq '{}'", partner.body["number"].as_str().unwrap());
        let relations = client.get(&client.companion(&filter)).await;
        let mine = |row: &&serde_json::Value| row["linkToTable"] == kind;
        let company = relations.values().iter().find(mine).unwrap()["contactNumber"].as_str().unwrap().to_owned();
        let of_company = |client: &Client| client.companion(&format!("contacts?$filter=number eq '{company}'"));
        let contact = client.get(&of_company(&client)).await.values()[0].clone();
        assert_eq!((&contact["type"], &contact["city"]), (&json!("Company"), &json!("Oslo")));

        let url = client.companion(&format!("{entity_set}({})", partner.id()));
        let partner = client.patch(&url, &partner.etag(), json!({"city": "Bergen"})).await;
        assert_eq!(client.get(&of_company(&client)).await.values()[0]["city"], "Bergen");

        let contacts = client.companion("contacts");
        let person = json!({"type": "Person", "companyNumber": company, "firstName": "Eva", "surname": "Berg"});
        let person = client.post(&contacts, person).await;
        assert_eq!(person.status.as_u16(), 201, "{}", person.text);
        let stranger = client.post(&contacts, json!({"type": "Person", "surname": "Holm"})).await;
        let refused = json!({"primaryContactNo": stranger.body["number"]});
        let refused = client.patch(&url, &partner.etag(), refused).await;
        assert_eq!(refused.status.as_u16(), 400, "{}", refused.text);
        let chosen = json!({"primaryContactNo": person.body["number"]});
        let partner = client.patch(&url, &partner.etag(), chosen).await;
        assert_eq!(partner.body["contact"], "Eva Berg", "{}", partner.text);
        companies.push((url, filter));
    }
    for (url, filter) in companies {
        let others = client.get(&client.companion(&filter)).await.values().len();
        assert_eq!(client.delete(&url).await.status.as_u16(), 204);
        assert!(client.get(&client.companion(&filter)).await.values().len() < others, "the relation goes along");
    }
}

#[tokio::test]
async fn a_new_contact_is_a_company_until_its_type_says_otherwise() {
    let client = Client::empty().await;
    let url = client.companion("contacts");
    let company = client.post(&client.standard("contacts"), json!({"type": "Company", "displayName": "Adatum"})).await;
    let number = company.body["number"].as_str().unwrap();
    // As text, because the order of a body's values counts.
    for (body, status) in [
        (format!(r#"{{"companyNumber": "{number}", "type": "Person", "surname": "Berg"}}"#), 400),
        (format!(r#"{{"companyNumber": "{number}", "surname": "Berg"}}"#), 400),
        (format!(r#"{{"type": "Person", "companyNumber": "{number}", "surname": "Berg"}}"#), 201),
    ] {
        let reply = client.post(&url, serde_json::from_str(&body).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{body}: {}", reply.text);
    }
}
