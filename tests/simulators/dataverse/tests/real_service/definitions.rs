//! Definitions: names, unknown ones included, what a table can carry, and what comes back when one is made.

use dataverse_simulator::DataverseOptions;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;

const REPRESENTATION: [(&str, &str); 1] = [("Prefer", "return=representation")];

#[tokio::test]
async fn f36_an_unknown_name_in_a_query_of_definitions_is_refused() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = "EntityDefinitions(LogicalName='account')";
    let text = "Microsoft.Dynamics.CRM.StringAttributeMetadata";
    for (resource, status) in [
        ("EntityDefinitions?$select=LogicalName,EntitySetName,HasNotes".to_owned(), 200),
        ("EntityDefinitions?$select=LogicalName,Nonsense".to_owned(), 400),
        ("EntityDefinitions?$select=LogicalName&$filter=Nonsense eq true".to_owned(), 400),
        ("EntityDefinitions?$select=LogicalName&$expand=Nonsense".to_owned(), 400),
        // A property that the service has and the simulator does not show.
        ("EntityDefinitions?$select=LogicalName,IsAuditEnabled".to_owned(), 501),
        (format!("{account}?$select=logicalname"), 400),
        (format!("{account}?$select=LogicalName&$expand=Attributes($select=LogicalName)"), 200),
        (format!("{account}?$select=LogicalName&$expand=Attributes($select=Nonsense)"), 400),
        (format!("{account}/Attributes?$select=LogicalName,SchemaName,AttributeType"), 200),
        (format!("{account}/Attributes(LogicalName='name')?$select=Nonsense"), 400),
        // What only texts have is asked of texts.
        (format!("{account}/Attributes?$select=LogicalName,MaxLength"), 400),
        (format!("{account}/Attributes/{text}?$select=LogicalName,MaxLength"), 200),
        (format!("{account}/Attributes/{text}?$select=LogicalName,Precision"), 400),
        (format!("{account}/Attributes/{text}?$select=LogicalName,ImeMode"), 501),
        (format!("{account}/Keys?$select=Nonsense"), 400),
        (format!("{account}/OneToManyRelationships?$select=SchemaName,ReferencingEntity"), 200),
        (format!("{account}/OneToManyRelationships?$select=Nonsense"), 400),
        ("RelationshipDefinitions?$select=SchemaName".to_owned(), 200),
        ("RelationshipDefinitions?$select=ReferencedEntity".to_owned(), 400),
        (
            "RelationshipDefinitions/Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata?$select=ReferencedEntity"
                .to_owned(),
            200,
        ),
    ] {
        let answer = client.get(&resource).await;
        assert_eq!(answer.status, status, "{resource}: {}", answer.text());
        if status == 400 {
            assert!(answer.text().contains("Could not find a property named"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn f36_schema_names_are_those_of_the_platform() {
    let client = Client::start(DataverseOptions::default()).await;
    for (table, names) in [
        ("account", &["PrimaryContactId", "Address1_Line1", "EMailAddress1", "WebSiteURL", "CreditLimit_Base"][..]),
        ("contact", &["ParentCustomerId", "WebSiteUrl", "DoNotBulkEMail", "Address1_StateOrProvince"]),
        ("product", &["DefaultUoMScheduleId", "QuantityOnHand", "VendorID"]),
        ("salesorder", &["BillTo_Line1", "CustomerId", "FreightTermsCode", "RequestDeliveryBy"]),
        ("systemuser", &["InternalEMailAddress", "FullName", "CreatedOn"]),
        ("transactioncurrency", &["ISOCurrencyCode"]),
    ] {
        let all = client
            .get(&format!("EntityDefinitions(LogicalName='{table}')/Attributes?$select=SchemaName,LogicalName"))
            .await
            .json();
        for name in names {
            let found = all["value"]
                .as_array()
                .unwrap()
                .iter()
                .any(|column| column["SchemaName"] == *name && column["LogicalName"] == name.to_lowercase());
            assert!(found, "{table} has no column {name}");
        }
    }
    let tables = client.get("EntityDefinitions?$select=SchemaName,LogicalName,CollectionSchemaName").await.json();
    let of =
        |name: &str| tables["value"].as_array().unwrap().iter().find(|table| table["LogicalName"] == name).unwrap();
    assert_eq!(of("salesorder")["SchemaName"], "SalesOrder");
    assert_eq!(of("uomschedule")["CollectionSchemaName"], "UoMSchedules");
    assert_eq!(of("opportunity")["CollectionSchemaName"], "Opportunities");
}

#[tokio::test]
async fn f36_definitions_say_which_tables_carry_notes_and_activities() {
    let client = Client::start(DataverseOptions::default()).await;
    let tables = client.get("EntityDefinitions?$select=LogicalName,HasNotes,HasActivities").await.json();
    for (name, notes, activities) in
        [("account", true, true), ("salesorder", true, true), ("product", true, false), ("uom", false, false)]
    {
        let table = tables["value"].as_array().unwrap().iter().find(|table| table["LogicalName"] == name).unwrap();
        assert_eq!((&table["HasNotes"], &table["HasActivities"]), (&json!(notes), &json!(activities)), "{name}");
    }
}

#[tokio::test]
async fn f36_system_tables_have_their_ordinary_columns() {
    let client = Client::start(DataverseOptions::default()).await;
    for (set, columns) in [
        ("solutions", "uniquename,friendlyname,description,createdon,modifiedon,_publisherid_value"),
        ("publishers", "uniquename,friendlyname,description,createdon,customizationprefix"),
        ("sdkmessages", "name,createdon,modifiedon,_createdby_value"),
        ("sdkmessagefilters", "primaryobjecttypecode,createdon,_sdkmessageid_value"),
        ("businessunits", "name,createdon,modifiedon,_createdby_value"),
        ("organizations", "name,createdon,modifiedon,_createdby_value"),
        ("roles", "name,createdon,modifiedon"),
        ("teams", "name,createdon,modifiedon"),
    ] {
        let answer = client.get(&format!("{set}?$select={columns}&$top=1")).await;
        assert_eq!(answer.status, 200, "{set}: {}", answer.text());
        let row = answer.json()["value"][0].clone();
        for column in columns.split(',') {
            assert!(!row[column].is_null(), "{set}.{column} is empty: {row}");
        }
    }
    assert_eq!(client.get("businessunits?$select=description,isdisabled").await.status, 200);
}

fn label(text: &str) -> Value {
    json!({"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]})
}

fn text_column(schema_name: &str) -> Value {
    json!({
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": schema_name, "MaxLength": 50,
        "DisplayName": label(schema_name), "RequiredLevel": {"Value": "ApplicationRequired"},
    })
}

/// A customizer's table that carries notes.
fn table() -> Value {
    let mut name = text_column("new_Name");
    name["IsPrimaryName"] = json!(true);
    json!({"SchemaName": "new_Thing", "DisplayName": label("Thing"), "OwnershipType": "UserOwned", "HasNotes": true, "HasActivities": false, "Attributes": [name]})
}

#[tokio::test]
async fn f36_a_new_definition_comes_back_when_it_is_asked_for() {
    let client = Client::start(DataverseOptions::default()).await;
    let made = client.send(Method::POST, "EntityDefinitions", Some(table()), &REPRESENTATION).await;
    assert_eq!((made.status, made.header("preference-applied")), (201, "return=representation".to_owned()));
    let body = made.json();
    assert_eq!((&body["LogicalName"], &body["HasNotes"]), (&json!("new_thing"), &json!(true)));
    assert!(made.header("odata-entityid").contains(body["MetadataId"].as_str().unwrap()));
    let things = "EntityDefinitions(LogicalName='new_thing')";
    let column = client
        .send(Method::POST, &format!("{things}/Attributes"), Some(text_column("new_Code")), &REPRESENTATION)
        .await;
    assert_eq!((column.status, &column.json()["MaxLength"]), (201, &json!(50)), "{}", column.text());
    assert_eq!(column.json()["RequiredLevel"]["Value"], "ApplicationRequired");
    let key = json!({"SchemaName": "new_ByCode", "DisplayName": label("By code"), "KeyAttributes": ["new_code"]});
    let key = client.send(Method::POST, &format!("{things}/Keys"), Some(key), &REPRESENTATION).await;
    assert_eq!((key.status, &key.json()["KeyAttributes"]), (201, &json!(["new_code"])), "{}", key.text());
    let relationship = json!({
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata", "SchemaName": "new_account_thing",
        "ReferencedEntity": "account", "ReferencingEntity": "new_thing",
        "Lookup": {"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "SchemaName": "new_AccountId", "DisplayName": label("Account")},
    });
    let relationship = client.send(Method::POST, "RelationshipDefinitions", Some(relationship), &REPRESENTATION).await;
    assert_eq!((relationship.status, &relationship.json()["ReferencingAttribute"]), (201, &json!("new_accountid")));
    let renamed = json!({"SchemaName": "new_Thing", "DisplayName": label("Other thing"), "HasNotes": true});
    let renamed = client.send(Method::PUT, things, Some(renamed), &REPRESENTATION).await;
    assert_eq!(
        (renamed.status, &renamed.json()["DisplayName"]["UserLocalizedLabel"]["Label"]),
        (200, &json!("Other thing"))
    );
    // Without the preference nothing comes back but the address.
    let plain = client.post(&format!("{things}/Attributes"), text_column("new_Other")).await;
    assert_eq!((plain.status, plain.text().as_str()), (204, ""));
}

#[tokio::test]
async fn f36_a_customizers_table_carries_notes_when_it_says_so() {
    let client = Client::start(DataverseOptions::default()).await;
    assert_eq!(client.post("EntityDefinitions", table()).await.status, 204);
    let thing = client.post("new_things", json!({"new_name": "T"})).await.new_id();
    let note = json!({"subject": "S", "objectid_new_thing@odata.bind": format!("/new_things({thing})")});
    assert_eq!(client.post("annotations", note).await.status, 204);
    // What was not made here cannot be taken away.
    let refused =
        client.delete("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='address1_line1')").await;
    assert_eq!(refused.status, 400, "{}", refused.text());
}
