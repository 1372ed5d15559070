//! Options of choice columns, read and changed through metadata: those of one column, and those that columns share.

use crate::client::Client;
use dataverse_simulator::DataverseOptions;
use serde_json::{Value, json};

/// Columns of accounts whose options the built-in integration keeps in step with Business Central.
const MAPPED: [(&str, &str); 3] = [
    ("account", "paymenttermscode"),
    ("account", "address1_freighttermscode"),
    ("account", "address1_shippingmethodcode"),
];

fn label(text: &str) -> Value {
    let localized =
        json!({"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": 1033});
    json!({"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [localized]})
}

/// Numbers and labels of a list of options.
fn shown(set: &Value) -> Vec<(i64, String)> {
    let options = set["Options"].as_array().unwrap_or_else(|| panic!("no options: {set}"));
    let text = |option: &Value| option["Label"]["UserLocalizedLabel"]["Label"].as_str().unwrap().to_owned();
    options.iter().map(|option| (option["Value"].as_i64().unwrap(), text(option))).collect()
}

async fn column(client: &Client, table: &str, column: &str) -> Value {
    let path = format!(
        "EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='{column}')/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
    );
    let answer = client.get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn start() -> Client {
    Client::start(DataverseOptions { demo: None, ..DataverseOptions::default() }).await
}

#[tokio::test]
async fn options_of_a_column_are_inserted_renamed_ordered_and_deleted() {
    let client = start().await;
    for (table, name) in MAPPED {
        let of_column = |more: Value| {
            let mut body = json!({"EntityLogicalName": table, "AttributeLogicalName": name});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let before = shown(&column(&client, table, name).await["OptionSet"]);
        let inserted = client.post("InsertOptionValue", of_column(json!({"Label": label("New")}))).await;
        let own = inserted.json()["NewOptionValue"].as_i64().unwrap();
        assert_eq!(own, 727_000_000, "{table}.{name}: the first number of the publisher");
        let chosen = client.post("InsertOptionValue", of_column(json!({"Value": 77, "Label": label("Chosen")}))).await;
        assert_eq!((chosen.status, chosen.json()["NewOptionValue"].as_i64()), (200, Some(77)));
        let renamed = of_column(json!({"Value": own, "Label": label("Renamed"), "MergeLabels": true}));
        assert_eq!(client.post("UpdateOptionValue", renamed).await.status, 204);
        let mut order: Vec<i64> = vec![77, own];
        order.extend(before.iter().map(|(value, _)| *value));
        assert_eq!(client.post("OrderOption", of_column(json!({"Values": order}))).await.status, 204);
        let mut expected = vec![(77, "Chosen".to_owned()), (own, "Renamed".to_owned())];
        expected.extend(before.clone());
        let described = column(&client, table, name).await;
        assert_eq!(shown(&described["OptionSet"]), expected, "{table}.{name}");
        assert_eq!((&described["OptionSet"]["IsGlobal"], &described["GlobalOptionSet"]), (&json!(false), &Value::Null));
        let xml = format!("<importexportxml><entities><entity>{table}</entity></entities></importexportxml>");
        assert_eq!(client.post("PublishXml", json!({"ParameterXml": xml})).await.status, 204);

        // The number is taken by rows, and stays with them when the option goes.
        let id = client.post("accounts", json!({"name": name, (name): own})).await.new_id();
        assert_eq!(client.post("DeleteOptionValue", of_column(json!({"Value": own}))).await.status, 204);
        assert_eq!(client.get(&format!("accounts({id})?$select={name}")).await.json()[name], json!(own));
        let gone = client.post("accounts", json!({"name": name, (name): own})).await;
        assert_eq!(gone.status, 400, "{}", gone.text());
        let again = client.post("DeleteOptionValue", of_column(json!({"Value": own}))).await;
        assert_eq!(again.status, 400);
    }
}

#[tokio::test]
async fn a_global_choice_is_made_and_changed_for_all_columns_that_share_it() {
    let client = start().await;
    let definition = json!({
        "@odata.type": "Microsoft.Dynamics.CRM.OptionSetMetadata",
        "Name": "new_terms",
        "DisplayName": label("Terms"),
        "IsGlobal": true,
        "OptionSetType": "Picklist",
        "Options": [{"Value": 1, "Label": label("One")}, {"Value": null, "Label": label("Next")}]
    });
    let id = client.post("GlobalOptionSetDefinitions", definition.clone()).await.new_id();
    let twice = client.post("GlobalOptionSetDefinitions", definition).await;
    assert_eq!(twice.status, 400, "{}", twice.text());
    for name in ["new_First", "new_Second"] {
        let body = json!({
            "@odata.type": "Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
            "SchemaName": name,
            "DisplayName": label(name),
            "GlobalOptionSet@odata.bind": format!("/GlobalOptionSetDefinitions({id})")
        });
        let made = client.post("EntityDefinitions(LogicalName='account')/Attributes", body).await;
        assert_eq!(made.status, 204, "{}", made.text());
    }
    let global = |more: Value| {
        let mut body = json!({"OptionSetName": "new_terms"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let inserted = client.post("InsertOptionValue", global(json!({"Value": 7, "Label": label("Seven")}))).await;
    assert_eq!(inserted.json()["NewOptionValue"], json!(7), "{}", inserted.text());
    let renamed = global(json!({"Value": 1, "Label": label("Uno"), "MergeLabels": false}));
    assert_eq!(client.post("UpdateOptionValue", renamed).await.status, 204);
    assert_eq!(client.post("DeleteOptionValue", global(json!({"Value": 727_000_000}))).await.status, 204);

    let expected = vec![(1, "Uno".to_owned()), (7, "Seven".to_owned())];
    for key in ["Name='new_terms'", &id] {
        let set = client.get(&format!("GlobalOptionSetDefinitions({key})")).await.json();
        assert_eq!(
            (shown(&set), &set["IsGlobal"], &set["Name"]),
            (expected.clone(), &json!(true), &json!("new_terms"))
        );
    }
    let all = client.get("GlobalOptionSetDefinitions?$select=Name").await.json();
    assert_eq!(all["value"].as_array().unwrap().len(), 1);
    for name in ["new_first", "new_second"] {
        let described = column(&client, "account", name).await;
        assert_eq!(shown(&described["GlobalOptionSet"]), expected, "{name}");
        assert_eq!(described["OptionSet"]["IsGlobal"], json!(true), "{name}");
        assert_eq!(client.post("accounts", json!({"name": "x", (name): 7})).await.status, 204);
        assert_eq!(client.post("accounts", json!({"name": "x", (name): 8})).await.status, 400);
    }
    // Through a column it is not changed.
    let through = json!({"EntityLogicalName": "account", "AttributeLogicalName": "new_first", "Label": label("x")});
    let refused = client.post("InsertOptionValue", through).await;
    assert!(refused.status == 400 && refused.text().contains("new_terms"), "{}", refused.text());

    let used = client.delete("GlobalOptionSetDefinitions(Name='new_terms')").await;
    assert_eq!(used.status, 400, "{}", used.text());
    for name in ["new_first", "new_second"] {
        let path = format!("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='{name}')");
        assert_eq!(client.delete(&path).await.status, 204);
    }
    assert_eq!(client.delete("GlobalOptionSetDefinitions(Name='new_terms')").await.status, 204);
    assert_eq!(client.get("GlobalOptionSetDefinitions(Name='new_terms')").await.status, 404);
}

#[tokio::test]
async fn what_is_no_option_set_or_no_publication_is_refused() {
    let client = start().await;
    let unknown = client.post("InsertOptionValue", json!({"OptionSetName": "nothing", "Label": label("x")})).await;
    assert_eq!((unknown.status, unknown.code()), (404, "0x80040217".to_owned()));
    let text = json!({"EntityLogicalName": "account", "AttributeLogicalName": "name", "Label": label("x")});
    assert_eq!(client.post("InsertOptionValue", text).await.status, 400);
    for body in [json!({}), json!({"ParameterXml": "<entities/>"}), json!({"ParameterXml": "<importexportxml>"})] {
        assert_eq!(client.post("PublishXml", body).await.status, 400);
    }
    assert_eq!(client.post("PublishAllXml", json!({})).await.status, 204);
}
