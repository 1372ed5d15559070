//! Questions beyond OData: FetchXML, SQL, collections, annotations.

use dataverse_simulator::DataverseOptions;
use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::family;

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
