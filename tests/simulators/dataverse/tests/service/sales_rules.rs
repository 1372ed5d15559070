//! The rules of Sales over real HTTP: units, products, prices, currencies, documents, states.

use crate::client::Client;
use dataverse_simulator::{Behaviour, CutMoment, DataverseOptions, DemoSize, Poison};
use reqwest::Method;
use serde_json::{Value, json};

/// A unit group with its base unit: ids of both.
async fn unit_group(client: &Client, name: &str, unit: &str) -> (String, String) {
    let group = client.post("uomschedules", json!({"name": name, "baseuomname": unit})).await.new_id();
    let units = client
        .get(&format!("uoms?$select=uomid,name,quantity,isschedulebaseuom&$filter=_uomscheduleid_value eq {group}"))
        .await
        .json();
    assert_eq!(units["value"].as_array().unwrap().len(), 1);
    assert_eq!(units["value"][0]["name"], unit);
    assert_eq!(units["value"][0]["isschedulebaseuom"], true);
    (group, units["value"][0]["uomid"].as_str().unwrap().to_owned())
}

fn product(number: &str, group: &str, unit: &str) -> Value {
    json!({
        "name": format!("Product {number}"), "productnumber": number, "price": 12.5,
        "defaultuomscheduleid@odata.bind": format!("/uomschedules({group})"), "defaultuomid@odata.bind": format!("uoms({unit})")
    })
}

#[tokio::test]
async fn a_unit_group_brings_its_base_unit() {
    let client = Client::start(DataverseOptions::default()).await;
    let (group, _) = unit_group(&client, "NAV BOX", "BOX").await;
    let nested = client
        .get(&format!(
            "uomschedules({group})?$select=name&$expand=unit_of_measure_schedule_conversions($select=name,quantity)"
        ))
        .await
        .json();
    assert_eq!(nested["unit_of_measure_schedule_conversions"][0]["quantity"].to_string(), "1");
}

#[tokio::test]
async fn a_new_product_is_a_draft_and_needs_units_and_a_free_number() {
    let client = Client::start(DataverseOptions::default()).await;
    let (group, unit) = unit_group(&client, "NAV PCS", "PCS").await;
    let missing = client.post("products", json!({"name": "x", "productnumber": "1"})).await;
    assert_eq!((missing.status, missing.code()), (400, "0x80043b13".to_owned()));
    let id = client.post("products", product("1000", &group, &unit)).await.new_id();
    let read = client.get(&format!("products({id})?$select=statecode,statuscode")).await.json();
    assert_eq!((&read["statecode"], &read["statuscode"]), (&json!(2), &json!(0)));
    let taken = client.post("products", product("1000", &group, &unit)).await;
    assert_eq!((taken.status, taken.code()), (412, "0x80043b06".to_owned()));
    assert_eq!(
        client.patch(&format!("products({id})"), json!({"statecode": 0, "statuscode": 1}), &[]).await.status,
        204
    );
    assert_eq!(
        client.patch(&format!("products({id})"), json!({"statecode": 1, "statuscode": 2}), &[]).await.status,
        204
    );
    assert_eq!(client.patch(&format!("products({id})"), json!({"statecode": 0}), &[]).await.status, 204);
    let back = client.patch(&format!("products({id})"), json!({"statecode": 2}), &[]).await;
    assert_eq!(back.code(), "0x8004F912");
    let mismatch = client.patch(&format!("products({id})"), json!({"statecode": 1, "statuscode": 1}), &[]).await;
    assert_eq!(mismatch.code(), "0x80048408");
}

#[tokio::test]
async fn published_products_are_read_only_and_stay_retired_when_the_organization_is_strict() {
    let behaviour =
        Behaviour { published_products_editable: false, retired_products_reactivate: false, ..Behaviour::default() };
    let client = Client::start(DataverseOptions { behaviour, ..DataverseOptions::default() }).await;
    let (group, unit) = unit_group(&client, "NAV PCS", "PCS").await;
    let id = client.post("products", product("1000", &group, &unit)).await.new_id();
    client.patch(&format!("products({id})"), json!({"statecode": 0}), &[]).await;
    assert_eq!(client.patch(&format!("products({id})"), json!({"price": 3}), &[]).await.code(), "0x8004F995");
    client.patch(&format!("products({id})"), json!({"statecode": 1}), &[]).await;
    assert_eq!(client.patch(&format!("products({id})"), json!({"statecode": 0}), &[]).await.code(), "0x8004F977");
}

#[tokio::test]
async fn a_price_list_has_one_price_per_product_and_unit_in_its_own_currency() {
    let client = Client::start(DataverseOptions::default()).await;
    let (group, unit) = unit_group(&client, "NAV PCS", "PCS").await;
    let product = client.post("products", product("1000", &group, &unit)).await.new_id();
    let euro = client.post("transactioncurrencies", json!({"isocurrencycode": "EUR", "currencyname": "Euro", "currencysymbol": "€", "exchangerate": 0.9, "currencyprecision": 2})).await.new_id();
    let list = client
        .post(
            "pricelevels",
            json!({"name": "EUR list", "transactioncurrencyid@odata.bind": format!("/transactioncurrencies({euro})")}),
        )
        .await
        .new_id();
    let item = json!({
        "pricelevelid@odata.bind": format!("/pricelevels({list})"), "productid@odata.bind": format!("/products({product})"),
        "uomid@odata.bind": format!("/uoms({unit})"), "amount": 9.99
    });
    let created = client.post("productpricelevels", item.clone()).await.new_id();
    let read = client
        .get(&format!(
            "productpricelevels({created})?$select=amount,amount_base,productnumber,_transactioncurrencyid_value"
        ))
        .await
        .json();
    assert_eq!(read["_transactioncurrencyid_value"], euro);
    assert_eq!(read["amount_base"].to_string(), "11.1000");
    assert_eq!(read["productnumber"], "1000");
    assert_eq!(client.post("productpricelevels", item.clone()).await.code(), "0x80043b08");
    assert_eq!(client.post("pricelevels", json!({"name": "EUR list"})).await.code(), "0x80043b0f");
    let other = client.post("pricelevels", json!({"name": "Other list"})).await.new_id();
    let renamed = client.patch(&format!("pricelevels({other})"), json!({"name": "EUR list"}), &[]).await;
    assert_eq!(renamed.code(), "0x80043b0f");
}

#[tokio::test]
async fn currency_codes_are_unique_and_the_base_rate_is_fixed() {
    let client = Client::start(DataverseOptions::default()).await;
    let twice = client
        .post("transactioncurrencies", json!({"isocurrencycode": "USD", "currencyname": "Dollar", "exchangerate": 1}))
        .await;
    assert_eq!((twice.status, twice.code()), (400, "0x80048cf3".to_owned()));
    let base =
        client.get("organizations?$select=_basecurrencyid_value").await.json()["value"][0]["_basecurrencyid_value"]
            .as_str()
            .unwrap()
            .to_owned();
    let fixed = client.patch(&format!("transactioncurrencies({base})"), json!({"exchangerate": 2}), &[]).await;
    assert_eq!(fixed.code(), "0x80048cf5");
}

#[tokio::test]
async fn order_totals_follow_the_lines() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let order = client
        .post("salesorders", json!({"name": "O", "customerid_account@odata.bind": format!("/accounts({account})")}))
        .await
        .new_id();
    let line = |quantity: i32, manual: i32, tax: i32| {
        json!({
            "salesorderid@odata.bind": format!("/salesorders({order})"), "productdescription": "write-in", "isproductoverridden": true, "ispriceoverridden": true,
            "quantity": quantity, "priceperunit": 3720, "manualdiscountamount": manual, "tax": tax
        })
    };
    for body in [line(10, 400, 5000), line(5, 250, 3000)] {
        assert_eq!(client.post("salesorderdetails", body).await.status, 204);
    }
    let read = client
        .get(&format!("salesorders({order})?$select=totallineitemamount,totaltax,totalamount,statecode"))
        .await
        .json();
    assert_eq!(read["totallineitemamount"].to_string(), "55150.0000");
    assert_eq!(read["totalamount"].to_string(), "63150.0000");
}

#[tokio::test]
async fn c_181_a_closed_invoice_and_its_lines_are_read_only_until_its_state_changes() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    for (state, status, other) in [(2, 100_002, 100_001), (3, 100_003, -1)] {
        let customer = format!("/accounts({account})");
        let invoice =
            client.post("invoices", json!({"name": "I", "customerid_account@odata.bind": customer})).await.new_id();
        let invoice = format!("invoices({invoice})");
        let line = write_in(&invoice, json!({"quantity": 1, "priceperunit": 5}));
        let standing = format!("invoicedetails({})", client.post("invoicedetails", line.clone()).await.new_id());
        let close = json!({"statecode": state, "statuscode": status});
        assert_eq!(client.patch(&invoice, close, &[]).await.status, 204);
        for change in [json!({"statuscode": other}), json!({"name": "J"})] {
            assert_eq!(client.patch(&invoice, change, &[]).await.status, 400, "{state}");
        }
        assert_eq!(client.patch(&standing, json!({"quantity": 2}), &[]).await.status, 400, "{state}");
        assert_eq!(client.post("invoicedetails", line).await.status, 400, "{state}");
        assert_eq!(client.delete(&standing).await.status, 400, "{state}");
        assert_eq!(client.patch(&invoice, json!({"statecode": 0, "statuscode": 4}), &[]).await.status, 204);
        assert_eq!(client.patch(&standing, json!({"quantity": 2}), &[]).await.status, 204, "{state}");
        assert_eq!(client.delete(&standing).await.status, 204, "{state}");
    }
}

/// A line of an invoice that stands for no product.
fn write_in(invoice: &str, other: Value) -> Value {
    let mut line = json!({"invoiceid@odata.bind": format!("/{invoice}"), "productdescription": "Chair", "isproductoverridden": true});
    if let (Value::Object(line), Value::Object(other)) = (&mut line, other) {
        line.extend(other);
    }
    line
}

#[tokio::test]
async fn c_182_the_amounts_of_a_new_line_are_those_that_dataverse_computes() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let customer = format!("/accounts({account})");
    let invoice =
        client.post("invoices", json!({"name": "I", "customerid_account@odata.bind": customer})).await.new_id();
    let invoice = format!("invoices({invoice})");
    let amounts = json!({"baseamount": 1, "extendedamount": 2});
    let line = client.post("invoicedetails", write_in(&invoice, amounts)).await.new_id();
    let read = client.get(&format!("invoicedetails({line})?$select=baseamount,extendedamount")).await.json();
    let shown = ["baseamount", "extendedamount"].map(|name| read[name].to_string());
    assert_eq!(shown, ["0.0000", "0.0000"]);

    // An amount is rounded line by line before it is summed up.
    let line = || write_in(&invoice, json!({"quantity": 3.5, "priceperunit": 0.33, "ispriceoverridden": true}));
    for _ in 0..2 {
        assert_eq!(client.post("invoicedetails", line()).await.status, 204);
    }
    let read = client.get(&format!("{invoice}?$select=totalamount")).await.json();
    assert_eq!(read["totalamount"].to_string(), "2.3200");
}

#[tokio::test]
async fn bad_values_are_refused_with_the_documented_codes() {
    let client = Client::start(DataverseOptions::default()).await;
    for (body, code) in [
        (json!({"name": "x".repeat(200)}), "0x80044331"),
        (json!({"name": "x", "paymenttermscode": 17}), "0x8004431A"),
        (json!({"name": "x", "nosuchcolumn": 17}), "0x80060888"),
        (json!({"name": "x", "numberofemployees": "many"}), "0x80048d19"),
        (json!({"name": "x", "_primarycontactid_value": "00000000-0000-0000-0000-000000000001"}), "0x80048d19"),
    ] {
        let answer = client.post("accounts", body.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body}");
    }
    for (query, status) in [
        ("accounts?$filter=name eq", 400),
        ("accounts?$filter=nosuch eq 1", 400),
        ("accounts?$select=nosuch", 400),
        ("accounts?$skip=1", 400),
        ("nosuch", 404),
        ("accounts?$filter=tolower(name) eq 'x'", 400),
        ("accounts?$apply=aggregate(x)", 501),
    ] {
        let answer = client.get(query).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn changes_of_people_and_of_the_integration_are_told_apart() {
    let client = Client::start(DataverseOptions {
        demo: Some(DemoSize { products_only_in_sales: 3, ..DemoSize::default() }),
        ..DataverseOptions::default()
    })
    .await;
    let id = client.simulator.create_as_user("account", json!({"name": "by hand", "customertypecode": 3})).unwrap();
    let row = client.simulator.row("account", id).unwrap();
    assert_eq!(row["_modifiedby_value"], client.simulator.human_user().to_string());
    client.patch(&format!("accounts({id})"), json!({"name": "by machine"}), &[]).await;
    let row = client.simulator.row("account", id).unwrap();
    assert_eq!(row["_modifiedby_value"], client.simulator.integration_user().to_string());
    client
        .simulator
        .update_as_user(
            "account",
            id,
            json!({"_bcbi_companyid_value": client.simulator.rows("bcbi_company")[0]["bcbi_companyid"]}),
        )
        .unwrap();
    let products = client.get("products?$filter=statecode eq 0&$select=productnumber").await.json();
    assert_eq!(products["value"].as_array().unwrap().len(), 3);
    client.simulator.delete_as_user("account", id).unwrap();
    assert_eq!(client.get(&format!("accounts({id})")).await.status, 404);
}

#[tokio::test]
async fn options_can_be_added_and_renamed() {
    let client = Client::start(DataverseOptions::default()).await;
    let label = |text: &str| json!({"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [{"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": 1033}]});
    let inserted = client.post("InsertOptionValue", json!({"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode", "Label": label("Net 90")})).await;
    assert_eq!(inserted.status, 200);
    let value = inserted.json()["NewOptionValue"].as_i64().unwrap();
    let renamed = client.post("UpdateOptionValue", json!({"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode", "Value": value, "Label": label("Net 91"), "MergeLabels": true})).await;
    assert_eq!(renamed.status, 204);
    let twice = client.post("InsertOptionValue", json!({"EntityLogicalName": "account", "AttributeLogicalName": "paymenttermscode", "Value": value, "Label": label("x")})).await;
    assert_eq!(twice.code(), "0x80044310");
    let options = client
        .get("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='paymenttermscode')/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet")
        .await
        .json();
    let labels: Vec<&str> = options["OptionSet"]["Options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| option["Label"]["UserLocalizedLabel"]["Label"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["Net 30", "2% 10, Net 30", "Net 45", "Net 60", "Net 91"]);
    assert_eq!(client.post("accounts", json!({"name": "x", "paymenttermscode": value})).await.status, 204);
}

#[tokio::test]
async fn metadata_tells_sets_and_navigation_properties() {
    let client = Client::start(DataverseOptions::default()).await;
    let sets = client.get("EntityDefinitions?$select=EntitySetName,LogicalName").await.json();
    assert!(
        sets["value"]
            .as_array()
            .unwrap()
            .iter()
            .any(|set| set["LogicalName"] == "bcbi_company" && set["EntitySetName"] == "bcbi_companies")
    );
    let lookups = client
        .get("EntityDefinitions(LogicalName='account')/ManyToOneRelationships?$select=ReferencingAttribute,ReferencingEntityNavigationPropertyName,ReferencedEntity&$filter=ReferencingAttribute eq 'bcbi_companyid'")
        .await
        .json();
    assert_eq!(lookups["value"][0]["ReferencingEntityNavigationPropertyName"], "bcbi_CompanyId");
    let document = client.get("$metadata").await.text();
    assert!(
        document.contains("<EntityType Name=\"account\"")
            && document.contains("<NavigationProperty Name=\"bcbi_CompanyId\"")
    );
}

#[tokio::test]
async fn switched_on_faults_happen_and_end() {
    let client = Client::start(DataverseOptions::default()).await;
    let faults = client.simulator.faults();
    faults.throttle_next(1, 7);
    let throttled = client.get("WhoAmI").await;
    assert_eq!(
        (throttled.status, throttled.header("retry-after").as_str(), throttled.code().as_str()),
        (429, "7", "0x80072322")
    );
    assert_eq!(client.get("WhoAmI").await.status, 200);
    faults.outage(true);
    assert_eq!(client.get("WhoAmI").await.status, 503);
    faults.outage(false);
    faults.deadlock_next(1);
    assert_eq!(client.post("accounts", json!({"name": "x"})).await.code(), "0x80044150");
    let before = client.simulator.count("account");
    faults.cut_connection(1, CutMoment::BeforeEffect);
    assert!(client.try_send(Method::POST, "accounts", Some(json!({"name": "x"})), &[]).await.is_err());
    assert_eq!(client.simulator.count("account"), before);
    faults.cut_connection(1, CutMoment::AfterEffect);
    assert!(client.try_send(Method::POST, "accounts", Some(json!({"name": "x"})), &[]).await.is_err());
    assert_eq!(client.simulator.count("account"), before + 1);
    faults.poison(Poison {
        table: Some("account".to_owned()),
        column: None,
        text: "POISON".to_owned(),
        only_in_bulk: false,
    });
    assert_eq!(client.post("accounts", json!({"name": "a POISON b"})).await.code(), "0x80040265");
    faults.clear();
    assert_eq!(client.post("accounts", json!({"name": "a POISON b"})).await.status, 204);
    faults.expire_tokens();
    assert_eq!(client.get("WhoAmI").await.status, 401);
}
