//! Tables, columns and keys that customizers add, and references between rows.

use dataverse_simulator::DataverseOptions;
use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::family;

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
