//! Columns as the entity references describe them: forms, lengths, access, required levels, and names that follow from others.

use dataverse_simulator::{Behaviour, DataverseOptions};
use serde_json::{Value, json};

use crate::client::Client;

/// The definition of a column, by its type.
async fn column(client: &Client, table: &str, kind: &str, name: &str) -> Value {
    let resource = format!(
        "EntityDefinitions(LogicalName='{table}')/Attributes/Microsoft.Dynamics.CRM.{kind}AttributeMetadata?$filter=LogicalName eq '{name}'"
    );
    let answer = client.get(&resource).await.json();
    answer["value"][0].clone()
}

#[tokio::test]
async fn f36_v1_numbers_have_the_precision_of_their_columns() {
    let client = Client::start(DataverseOptions::default()).await;
    for (table, name, precision) in [
        ("product", "quantityonhand", 2),
        ("product", "stockvolume", 2),
        ("product", "stockweight", 2),
        ("salesorder", "discountpercentage", 2),
        ("uom", "quantity", 5),
        ("salesorderdetail", "quantity", 5),
        ("quotedetail", "quantity", 5),
        ("invoicedetail", "quantity", 5),
    ] {
        assert_eq!(column(&client, table, "Decimal", name).await["Precision"], precision, "{table}.{name}");
    }
    for (table, name) in
        [("product", "price"), ("product", "standardcost"), ("product", "currentcost"), ("productpricelevel", "amount")]
    {
        assert_eq!(column(&client, table, "Money", name).await["PrecisionSource"], 1, "{table}.{name}");
    }
}

#[tokio::test]
async fn f36_v2_days_are_kept_as_days_or_as_instants_of_the_user() {
    let client = Client::start(DataverseOptions::default()).await;
    let days = [
        ("invoice", "duedate"),
        ("opportunity", "estimatedclosedate"),
        ("opportunity", "actualclosedate"),
        ("opportunity", "finaldecisiondate"),
        ("quote", "expireson"),
        ("quote", "closedon"),
        ("product", "validfromdate"),
        ("product", "validtodate"),
        ("contact", "birthdate"),
        ("contact", "anniversary"),
    ];
    let instants = [
        ("salesorder", "requestdeliveryby"),
        ("salesorder", "datefulfilled"),
        ("salesorder", "submitdate"),
        ("salesorder", "lastbackofficesubmit"),
        ("invoice", "datedelivered"),
        ("invoice", "lastbackofficesubmit"),
        ("pricelevel", "begindate"),
        ("pricelevel", "enddate"),
        ("salesorderdetail", "requestdeliveryby"),
        ("quote", "requestdeliveryby"),
        ("quotedetail", "requestdeliveryby"),
        ("quote", "effectivefrom"),
        ("quote", "effectiveto"),
        ("invoicedetail", "actualdeliveryon"),
    ];
    let all = days.map(|known| (known, "DateOnly")).into_iter().chain(instants.map(|known| (known, "UserLocal")));
    for ((table, name), behaviour) in all {
        let definition = column(&client, table, "DateTime", name).await;
        assert_eq!(definition["Format"], "DateOnly", "{table}.{name}");
        assert_eq!(definition["DateTimeBehavior"]["Value"], behaviour, "{table}.{name}");
    }
}

#[tokio::test]
async fn f36_v3_v8_texts_have_the_lengths_of_their_columns() {
    let client = Client::start(DataverseOptions::default()).await;
    for (table, name, kind, length) in [
        ("salesorder", "description", "Memo", 2000),
        ("invoice", "description", "Memo", 2000),
        ("annotation", "notetext", "Memo", 100_000),
        ("salesorder", "name", "String", 300),
        ("invoice", "name", "String", 300),
        ("opportunity", "name", "String", 300),
        ("quote", "name", "String", 300),
        ("salesorderdetail", "productdescription", "String", 500),
        ("quotedetail", "productdescription", "String", 500),
        ("invoicedetail", "productdescription", "String", 500),
        ("annotation", "subject", "String", 500),
    ] {
        assert_eq!(column(&client, table, kind, name).await["MaxLength"], length, "{table}.{name}");
    }
    let long = client.post("salesorders", json!({"name": "N".repeat(301)})).await;
    assert_eq!((long.status, long.code()), (400, "0x80044331".to_owned()));
    let long = client.post("salesorders", json!({"name": "N", "description": "D".repeat(2001)})).await;
    assert_eq!((long.status, long.code()), (400, "0x80044331".to_owned()));
    assert_eq!(client.post("salesorders", json!({"name": "N".repeat(300)})).await.status, 204);
}

#[tokio::test]
async fn f36_v4_columns_say_when_they_take_values() {
    let client = Client::start(DataverseOptions::default()).await;
    for (table, kind, name, create, update) in [
        ("salesorderdetail", "Lookup", "transactioncurrencyid", true, false),
        ("quotedetail", "Lookup", "transactioncurrencyid", true, false),
        ("invoicedetail", "Lookup", "transactioncurrencyid", true, false),
        ("product", "State", "statecode", true, true),
        ("annotation", "Lookup", "objectid", true, true),
        ("role", "Lookup", "businessunitid", true, false),
    ] {
        let definition = column(&client, table, kind, name).await;
        let valid = (definition["IsValidForCreate"].as_bool(), definition["IsValidForUpdate"].as_bool());
        assert_eq!(valid, (Some(create), Some(update)), "{table}.{name}");
    }
}

/// A unit group and its base unit.
async fn units(client: &Client) -> (String, String) {
    let group = client.post("uomschedules", json!({"name": "G", "baseuomname": "PCS"})).await.new_id();
    let units = client.get(&format!("uoms?$select=uomid&$filter=_uomscheduleid_value eq {group}")).await.json();
    (group, units["value"][0]["uomid"].as_str().unwrap().to_owned())
}

async fn product(client: &Client, extra: Value) -> String {
    let (group, unit) = units(client).await;
    let mut body = json!({
        "name": "P", "productnumber": "P",
        "defaultuomscheduleid@odata.bind": format!("/uomschedules({group})"), "defaultuomid@odata.bind": format!("/uoms({unit})"),
    });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    client.post("products", body).await.new_id()
}

#[tokio::test]
async fn f36_v4_the_state_of_a_new_product_counts_where_the_switch_says_so() {
    for (counts, state) in [(false, 2), (true, 0)] {
        let behaviour = Behaviour { product_state_on_create: counts, ..Behaviour::default() };
        let client = Client::start(DataverseOptions { behaviour, ..DataverseOptions::default() }).await;
        let id = product(&client, json!({"statecode": 0})).await;
        assert_eq!(client.get(&format!("products({id})?$select=statecode")).await.json()["statecode"], state);
    }
}

#[tokio::test]
async fn f36_v7_required_is_what_the_platform_demands_and_advised_is_what_forms_do() {
    let client = Client::start(DataverseOptions::default()).await;
    for (table, kind, name, level) in [
        ("product", "String", "productnumber", "SystemRequired"),
        ("uom", "Decimal", "quantity", "ApplicationRequired"),
        ("product", "Lookup", "defaultuomid", "ApplicationRequired"),
        ("product", "Lookup", "defaultuomscheduleid", "ApplicationRequired"),
        ("product", "Integer", "quantitydecimal", "ApplicationRequired"),
        ("pricelevel", "Lookup", "transactioncurrencyid", "ApplicationRequired"),
        ("productpricelevel", "Lookup", "uomid", "ApplicationRequired"),
        ("productpricelevel", "Picklist", "quantitysellingcode", "ApplicationRequired"),
        ("productpricelevel", "Picklist", "pricingmethodcode", "ApplicationRequired"),
        ("uomschedule", "String", "baseuomname", "None"),
        ("annotation", "EntityName", "objecttypecode", "None"),
        ("account", "UniqueIdentifier", "accountid", "SystemRequired"),
    ] {
        assert_eq!(column(&client, table, kind, name).await["RequiredLevel"]["Value"], level, "{table}.{name}");
    }
    let id = product(&client, json!({})).await;
    let answer = client.patch(&format!("products({id})"), json!({"productnumber": null}), &[]).await;
    assert_eq!((answer.status, answer.code()), (400, "0x80040200".to_owned()));
    assert_eq!(client.patch(&format!("products({id})"), json!({"quantitydecimal": null}), &[]).await.status, 204);
    assert_eq!(client.post("uomschedules", json!({"name": "Without a base unit"})).await.status, 204);
}

#[tokio::test]
async fn f36_v10_choices_have_the_labels_of_the_service() {
    let client = Client::start(DataverseOptions::default()).await;
    let label = |definition: &Value, value: i64| {
        let options = definition["OptionSet"]["Options"].as_array().unwrap().clone();
        let option = options.into_iter().find(|option| option["Value"] == value).unwrap();
        option["Label"]["UserLocalizedLabel"]["Label"].as_str().unwrap().to_owned()
    };
    for table in ["account", "contact", "salesorder", "quote", "invoice"] {
        let definition = column(&client, table, "Picklist", "paymenttermscode").await;
        assert_eq!(label(&definition, 2), "2% 10, Net 30", "{table}");
    }
    assert_eq!(label(&column(&client, "quote", "Status", "statuscode").await, 1), "In Progress");
}

#[tokio::test]
async fn f36_v11_a_secured_column_is_null_or_absent_in_an_answer_with_status_200() {
    let client = Client::start(DataverseOptions::default()).await;
    let id = client.post("accounts", json!({"name": "A", "telephone1": "1"})).await.new_id();
    for (hidden, shown) in [("null", Some(Value::Null)), ("absent", None)] {
        let security = serde_json::from_value(json!({"hidden": hidden})).unwrap();
        client.simulator.secure_column("account", "telephone1", Some(security)).unwrap();
        let read = client.get(&format!("accounts({id})?$select=name,telephone1")).await;
        assert_eq!((read.status, read.json().get("telephone1").cloned()), (200, shown), "{hidden}");
    }
}

#[tokio::test]
async fn f36_the_full_name_of_a_user_follows_the_parts() {
    let client = Client::start(DataverseOptions::default()).await;
    let user = client.simulator.human_user();
    let full_name = async || {
        client.get(&format!("systemusers({user})?$select=fullname")).await.json()["fullname"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (body, name) in [
        (json!({"firstname": "Ada", "lastname": "Lovelace"}), "Ada Lovelace"),
        (json!({"lastname": "Byron"}), "Ada Byron"),
        (json!({"firstname": null}), "Byron"),
        // Another change leaves the name alone, and the name itself takes no value.
        (json!({"jobtitle": "Poet", "fullname": "Somebody Else"}), "Byron"),
    ] {
        assert_eq!(client.patch(&format!("systemusers({user})"), body.clone(), &[]).await.status, 204);
        assert_eq!(full_name().await, name, "{body}");
    }
}
