//! Behaviour over real HTTP beyond rows: FetchXML, SQL, actions, customizations, webhooks, HTTPS, state, size.
#![allow(clippy::unwrap_used)]

mod client;

use std::time::{Duration, Instant};

use client::Client;
use dataverse_simulator::{DataverseOptions, DataverseSimulator, DemoSize, ServiceLimits};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One account with two contacts.
async fn family(client: &Client) -> String {
    let account = client.post("accounts", json!({"name": "Parent", "creditlimit": 10})).await.new_id();
    for name in ["First", "Second"] {
        client
            .post(
                "contacts",
                json!({"lastname": name, "parentcustomerid_account@odata.bind": format!("/accounts({account})")}),
            )
            .await
            .new_id();
    }
    account
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn fetch_xml_filters_links_counts_and_pages() {
    let client = Client::start(DataverseOptions::default()).await;
    family(&client).await;
    let fetch = |set: &str, xml: &str| format!("{set}?fetchXml={}", encoded(xml));
    let linked = "<fetch><entity name='contact'><attribute name='lastname'/><order attribute='lastname' descending='true'/><link-entity name='account' from='accountid' to='parentcustomerid' alias='a'><attribute name='name'/><filter><condition attribute='name' operator='like' value='par%'/></filter></link-entity></entity></fetch>";
    let rows = client.get(&fetch("contacts", linked)).await.json();
    assert_eq!(rows["value"].as_array().unwrap().len(), 2);
    assert_eq!((&rows["value"][0]["lastname"], &rows["value"][0]["a.name"]), (&json!("Second"), &json!("Parent")));
    let counted = "<fetch aggregate='true'><entity name='contact'><attribute name='contactid' alias='number' aggregate='count'/></entity></fetch>";
    assert_eq!(client.get(&fetch("contacts", counted)).await.json()["value"][0]["number"], 2);
    let page = "<fetch count='1' page='2'><entity name='contact'><attribute name='lastname'/><order attribute='lastname'/></entity></fetch>";
    let rows = client
        .send(Method::GET, &fetch("contacts", page), None, &[("Prefer", "odata.include-annotations=\"*\"")])
        .await
        .json();
    assert_eq!(rows["value"][0]["lastname"], "Second");
    assert_eq!(rows["@Microsoft.Dynamics.CRM.morerecords"], false);
    let wrong = client
        .get(&fetch("contacts", "<fetch><entity name='contact'><attribute name='nosuch'/></entity></fetch>"))
        .await;
    assert_eq!((wrong.status, wrong.code()), (400, "0x80041103".to_owned()));
    assert_eq!(client.get(&fetch("contacts", "<fetch><entity")).await.status, 400);
}

#[tokio::test]
async fn sql_selects_joins_and_groups() {
    let client = Client::start(DataverseOptions::default()).await;
    family(&client).await;
    let sql = |text: &str| format!("contacts?sql={}", encoded(text));
    let rows = client
        .get(&sql(
            "SELECT TOP 5 lastname FROM contact WHERE lastname LIKE 's%' OR lastname = 'First' ORDER BY lastname",
        ))
        .await
        .json();
    assert_eq!(
        rows["value"].as_array().unwrap().iter().map(|row| row["lastname"].as_str().unwrap()).collect::<Vec<_>>(),
        ["First", "Second"]
    );
    let joined = client.get(&sql("SELECT c.lastname, a.name AS company FROM contact c JOIN account a ON c.parentcustomerid = a.accountid WHERE a.name = 'Parent'")).await.json();
    assert_eq!(joined["value"][0]["company"], "Parent");
    let counted = client.get(&sql("SELECT COUNT(*) FROM contact")).await.json();
    assert_eq!(counted["value"][0]["count"], 2);
    assert_eq!(client.get(&sql("DELETE FROM contact")).await.status, 400);
}

#[tokio::test]
async fn any_and_all_look_into_collections() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = family(&client).await;
    for (filter, found) in [
        ("contact_customer_accounts/any(c:c/lastname eq 'First')", 1),
        ("contact_customer_accounts/any(c:c/lastname eq 'Third')", 0),
        ("contact_customer_accounts/any()", 1),
    ] {
        let rows =
            client.get(&format!("accounts?$select=name&$filter={filter} and accountid eq {account}")).await.json();
        assert_eq!(rows["value"].as_array().unwrap().len(), found, "{filter}");
    }
    let expanded = client.get(&format!("accounts({account})?$select=name&$expand=contact_customer_accounts($select=lastname;$orderby=lastname desc;$top=1)")).await.json();
    assert_eq!(expanded["contact_customer_accounts"][0]["lastname"], "Second");
    let related = client
        .get(&format!("accounts({account})/contact_customer_accounts?$select=lastname&$filter=lastname eq 'First'"))
        .await
        .json();
    assert_eq!(related["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn annotations_come_when_asked_for() {
    let client = Client::start(DataverseOptions::default()).await;
    let account =
        client.post("accounts", json!({"name": "A", "paymenttermscode": 2, "creditlimit": 1234.5})).await.new_id();
    let row = client
        .send(
            Method::GET,
            &format!("accounts({account})?$select=paymenttermscode,creditlimit,_ownerid_value"),
            None,
            &[("Prefer", "odata.include-annotations=\"*\"")],
        )
        .await
        .json();
    assert_eq!(row["paymenttermscode@OData.Community.Display.V1.FormattedValue"], "2% 10, Net 30");
    assert_eq!(row["creditlimit@OData.Community.Display.V1.FormattedValue"], "$1,234.50");
    assert_eq!(row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"], "systemuser");
    let error = client
        .send(Method::GET, "accounts?$select=nosuch", None, &[("Prefer", "odata.include-annotations=\"*\"")])
        .await
        .json();
    assert!(error["error"]["@Microsoft.PowerApps.CDS.HelpLink"].is_string());
}

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

#[tokio::test]
async fn customizers_add_tables_columns_keys_and_lookups() {
    let client = Client::start(DataverseOptions::default()).await;
    let label = |text: &str| json!({"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]});
    let table = json!({
        "SchemaName": "new_Thing", "DisplayName": label("Thing"), "OwnershipType": "UserOwned",
        "Attributes": [{"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Name", "IsPrimaryName": true, "MaxLength": 50}]
    });
    assert_eq!(client.post("EntityDefinitions", table.clone()).await.status, 204);
    assert_eq!(client.post("EntityDefinitions", table).await.status, 400);
    let column = json!({"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Code", "MaxLength": 20});
    assert_eq!(client.post("EntityDefinitions(LogicalName='new_thing')/Attributes", column).await.status, 204);
    let key = client
        .post(
            "EntityDefinitions(LogicalName='new_thing')/Keys",
            json!({"SchemaName": "new_CodeKey", "KeyAttributes": ["new_code"]}),
        )
        .await;
    assert_eq!(key.status, 204);
    let lookup = json!({
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata", "SchemaName": "new_account_thing", "ReferencedEntity": "account", "ReferencingEntity": "new_thing",
        "Lookup": {"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "SchemaName": "new_AccountId"}
    });
    assert_eq!(client.post("RelationshipDefinitions", lookup).await.status, 204);
    let account = family(&client).await;
    let upserted = client
        .patch(
            "new_things(new_code='A''1')",
            json!({"new_name": "first", "new_AccountId@odata.bind": format!("/accounts({account})")}),
            &[],
        )
        .await;
    assert_eq!(upserted.status, 204);
    assert!(upserted.header("odata-entityid").ends_with("new_things(new_code='A''1')"));
    assert_eq!(client.patch("new_things(new_code='A''1')", json!({"new_name": "second"}), &[]).await.status, 204);
    let rows = client.get("new_things?$select=new_name,new_code,_new_accountid_value").await.json();
    assert_eq!(rows["value"].as_array().unwrap().len(), 1);
    assert_eq!((&rows["value"][0]["new_name"], &rows["value"][0]["new_code"]), (&json!("second"), &json!("A'1")));
    let taken = client.post("new_things", json!({"new_name": "x", "new_code": "a'1"})).await;
    assert_eq!((taken.status, taken.code()), (412, "0x80060892".to_owned()));
    let undeclared = client.get("new_things(new_name='second')").await;
    assert_eq!((undeclared.status, undeclared.code()), (400, "0x80060888".to_owned()));
    assert_eq!(client.get("new_things(new_code='none')").await.code(), "0x80060891");
    assert_eq!(client.delete("EntityDefinitions(LogicalName='account')").await.status, 400);
    assert_eq!(client.delete("EntityDefinitions(LogicalName='new_thing')").await.status, 204);
    assert_eq!(client.get("new_things").await.status, 404);
}

#[tokio::test]
async fn references_are_made_and_taken_away() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let contact = client.post("contacts", json!({"lastname": "B"})).await.new_id();
    let link = json!({"@odata.id": format!("{}/contacts({contact})", client.api)});
    assert_eq!(
        client.post(&format!("accounts({account})/contact_customer_accounts/$ref"), link.clone()).await.status,
        204
    );
    assert_eq!(
        client.send(Method::PUT, &format!("accounts({account})/primarycontactid/$ref"), Some(link), &[]).await.status,
        204
    );
    let read = client.get(&format!("accounts({account})?$expand=primarycontactid($select=lastname),contact_customer_accounts($select=lastname)&$select=name")).await.json();
    assert_eq!(
        (&read["primarycontactid"]["lastname"], &read["contact_customer_accounts"][0]["lastname"]),
        (&json!("B"), &json!("B"))
    );
    assert_eq!(
        client.delete(&format!("accounts({account})/contact_customer_accounts({contact})/$ref")).await.status,
        204
    );
    assert_eq!(client.delete(&format!("accounts({account})/primarycontactid/$ref")).await.status, 204);
    assert_eq!(client.get(&format!("accounts({account})/primarycontactid")).await.status, 204);
    let user = client.simulator.human_user();
    let team =
        client.get("teams?$filter=isdefault eq false").await.json()["value"][0]["teamid"].as_str().unwrap().to_owned();
    let member = json!({"@odata.id": format!("systemusers({user})")});
    assert_eq!(
        client.post(&format!("teams({team})/teammembership_association/$ref"), member.clone()).await.status,
        204
    );
    assert_eq!(
        client.post(&format!("teams({team})/teammembership_association/$ref"), member).await.code(),
        "0x80040237"
    );
    assert_eq!(
        client.send(Method::PUT, &format!("accounts({account})/name"), Some(json!({"value": "set"})), &[]).await.status,
        204
    );
    assert_eq!(client.get(&format!("accounts({account})/name")).await.json()["value"], "set");
    let nested = client.post("accounts", json!({"name": "deep", "primarycontactid": {"lastname": "inner"}, "contact_customer_accounts": [{"lastname": "child"}]})).await.new_id();
    let read = client.get(&format!("accounts({nested})?$select=name&$expand=primarycontactid($select=lastname),contact_customer_accounts($select=lastname)")).await.json();
    assert_eq!(
        (&read["primarycontactid"]["lastname"], &read["contact_customer_accounts"][0]["lastname"]),
        (&json!("inner"), &json!("child"))
    );
}

/// Accepts one HTTP request and gives it back as text.
async fn one_request(listener: tokio::net::TcpListener, status: &str) -> (String, tokio::net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    for _ in 0..1000 {
        let count = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase().strip_prefix("content-length: ").map(|length| length.parse().unwrap())
                })
                .unwrap_or_default();
            if body.len() >= length {
                break;
            }
        }
    }
    stream
        .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    (String::from_utf8_lossy(&seen).into_owned(), listener)
}

/// Registers a webhook for new accounts and gives the socket its notifications arrive at.
async fn account_webhook(client: &Client) -> tokio::net::TcpListener {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let endpoint = client.post("serviceendpoints", json!({"name": "e", "url": url, "contract": 8, "authtype": 4, "authvalue": "key", "connectionmode": 1, "messageformat": 2})).await.new_id();
    let shown = client.get(&format!("serviceendpoints({endpoint})")).await.json();
    assert_eq!((&shown["isauthvalueset"], shown.get("authvalue")), (&json!(true), None));
    let message = client.get("sdkmessages?$filter=name eq 'Create'").await.json()["value"][0]["sdkmessageid"]
        .as_str()
        .unwrap()
        .to_owned();
    let filter = client
        .get(&format!(
            "sdkmessagefilters?$filter=_sdkmessageid_value eq {message} and primaryobjecttypecode eq 'account'"
        ))
        .await
        .json()["value"][0]["sdkmessagefilterid"]
        .as_str()
        .unwrap()
        .to_owned();
    client
        .post("sdkmessageprocessingsteps", json!({
            "name": "s", "mode": 1, "stage": 40, "rank": 1, "sdkmessageid@odata.bind": format!("/sdkmessages({message})"),
            "sdkmessagefilterid@odata.bind": format!("/sdkmessagefilters({filter})"), "eventhandler_serviceendpoint@odata.bind": format!("/serviceendpoints({endpoint})")
        }))
        .await
        .new_id();
    listener
}

/// Name of the account a notification tells of.
fn told_name(request: &str) -> String {
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let attributes = body["InputParameters"][0]["value"]["Attributes"].as_array().unwrap().clone();
    let name = attributes.iter().find(|attribute| attribute["key"] == "name").unwrap();
    name["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn notifications_come_twice_or_swapped_when_the_switch_says_so() {
    let client = Client::start(DataverseOptions::default()).await;
    let listener = account_webhook(&client).await;
    client.simulator.set_faults(r#"{"notifications": {"seed": 1, "duplicate": 1000}}"#).unwrap();
    client.post("accounts", json!({"name": "one"})).await.new_id();
    let (first, listener) = one_request(listener, "200 OK").await;
    let (second, listener) = one_request(listener, "200 OK").await;
    assert_eq!((told_name(&first), told_name(&second)), ("one".to_owned(), "one".to_owned()));
    client.simulator.set_faults(r#"{"notifications": {"seed": 1, "reorder": 1000}}"#).unwrap();
    client.post("accounts", json!({"name": "two"})).await.new_id();
    client.post("accounts", json!({"name": "three"})).await.new_id();
    let (first, listener) = one_request(listener, "200 OK").await;
    let (second, _) = one_request(listener, "200 OK").await;
    assert_eq!((told_name(&first), told_name(&second)), ("three".to_owned(), "two".to_owned()));
}

#[tokio::test]
async fn webhooks_tell_of_changes_and_try_once_more() {
    let client = Client::start(DataverseOptions::default()).await;
    let listener = account_webhook(&client).await;
    let account = client.post("accounts", json!({"name": "hooked", "creditlimit": 5})).await.new_id();
    let (first, listener) = one_request(listener, "503 Service Unavailable").await;
    let (second, _) = one_request(listener, "200 OK").await;
    assert!(first.starts_with("POST /hook?code=key "), "{first}");
    assert!(second.contains("x-ms-dynamics-entity-name: account"));
    assert!(second.contains("Entity:http:\\/\\/schemas.microsoft.com\\/xrm\\/2011\\/Contracts"));
    let body: Value = serde_json::from_str(second.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["PrimaryEntityId"], &body["MessageName"], &body["UserId"]),
        (&json!(account), &json!("Create"), &json!(client.simulator.integration_user()))
    );
}

#[tokio::test]
async fn limits_hold_back_whoever_sends_too_much() {
    let limits = ServiceLimits {
        requests: 3,
        execution: Duration::from_secs(1200),
        concurrent: 52,
        window: Duration::from_secs(300),
    };
    let client = Client::start(DataverseOptions { limits: Some(limits), ..DataverseOptions::default() }).await;
    for _ in 0..3 {
        assert_eq!(client.get("WhoAmI").await.status, 200);
    }
    let refused = client.get("WhoAmI").await;
    assert_eq!((refused.status, refused.code()), (429, "0x80072322".to_owned()));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let admin = client
        .send(
            Method::POST,
            &format!("{}/_simulator/faults", client.simulator.url()),
            Some(json!({"limits": "off"})),
            &[],
        )
        .await;
    assert_eq!(admin.status, 200, "{}", admin.text());
    assert_eq!(client.get("WhoAmI").await.status, 200);
    let unknown = client
        .send(Method::POST, &format!("{}/_simulator/faults", client.simulator.url()), Some(json!({"nonsense": 1})), &[])
        .await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn https_is_served_under_a_throw_away_authority() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let simulator = DataverseSimulator::start(DataverseOptions {
        https: true,
        certificate_file: Some(file.clone()),
        ..DataverseOptions::default()
    })
    .await
    .unwrap();
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let response = http.get(format!("{}/api/data/v9.2/WhoAmI", simulator.url())).send().await.unwrap();
    assert_eq!(response.status(), 401);
    simulator.stop().await;
}

#[tokio::test]
async fn rows_and_delta_links_survive_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let options = DataverseOptions { state_file: Some(file), ..DataverseOptions::default() };
    let client = Client::start(options.clone()).await;
    let account = family(&client).await;
    let link =
        client.send(Method::GET, "contacts?$select=lastname", None, &[("Prefer", "odata.track-changes")]).await.json()
            ["@odata.deltaLink"]
            .as_str()
            .unwrap()
            .to_owned();
    for contact in client.get("contacts?$select=contactid").await.json()["value"].as_array().unwrap() {
        client.delete(&format!("contacts({})", contact["contactid"].as_str().unwrap())).await;
    }
    client.delete(&format!("accounts({account})")).await;
    client.simulator.clone().stop().await;
    let again = Client::start(options).await;
    assert_eq!(again.get(&format!("accounts({account})")).await.status, 404);
    let query = link.split_once("/contacts").unwrap().1;
    let delta = again.get(&format!("contacts{query}")).await.json();
    assert_eq!(delta["value"].as_array().unwrap().len(), 2, "{delta}");
    assert!(delta["value"].as_array().unwrap().iter().all(|row| row["reason"] == "deleted"));
}

#[tokio::test]
async fn a_hundred_thousand_rows_stay_quick() {
    let started = Instant::now();
    let client = Client::start(DataverseOptions::default()).await;
    assert!(started.elapsed() < Duration::from_secs(1), "started in {:?}", started.elapsed());
    let rows: Vec<Value> = (0..100_000).map(|number| json!({"name": format!("Account {number}"), "accountnumber": format!("{number:06}"), "customertypecode": 3})).collect();
    let filled = Instant::now();
    client.simulator.create_many_as_user("account", rows).unwrap();
    let filled = filled.elapsed();
    let read = Instant::now();
    let mut next = Some("accounts?$select=name,accountnumber,_ownerid_value,modifiedon".to_owned());
    let (mut count, mut pages) = (0, 0);
    while let Some(url) = next {
        let page = client.get(&url).await.json();
        count += page["value"].as_array().unwrap().len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        pages += 1;
        assert!(pages < 50);
    }
    let read = read.elapsed();
    assert_eq!((count, pages), (client.simulator.count("account"), 21));
    let found = Instant::now();
    for number in 0..200 {
        let rows =
            client.get(&format!("accounts?$select=name&$filter=accountnumber eq '{:06}'", number * 13)).await.json();
        assert_eq!(rows["value"].as_array().unwrap().len(), 1);
    }
    let found = found.elapsed();
    let scanned = Instant::now();
    let none = client.get("accounts?$select=name&$filter=modifiedon gt 2999-01-01T00:00:00Z").await.json();
    assert_eq!(none["value"], json!([]));
    eprintln!(
        "100,000 rows: filled in {filled:?}, read in {read:?} ({pages} pages), 200 look-ups in {found:?}, one scan in {:?}",
        scanned.elapsed()
    );
}
