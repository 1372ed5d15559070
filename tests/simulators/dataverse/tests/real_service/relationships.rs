//! Relationships: their names, and what a delete does to the rows on the other side.

use dataverse_simulator::DataverseOptions;
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test]
async fn f36_v5_v6_relationships_have_the_names_and_the_delete_behaviour_of_the_service() {
    let client = Client::start(DataverseOptions::default()).await;
    let all = client.get("RelationshipDefinitions/Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata").await.json();
    let all = all["value"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|known| known["SchemaName"] == name).unwrap_or_else(|| panic!("no {name}"));
    for (name, table, column, delete) in [
        ("order_customer_accounts", "salesorder", "customerid", "Restrict"),
        ("order_customer_contacts", "salesorder", "customerid", "Restrict"),
        ("invoice_customer_accounts", "invoice", "customerid", "Restrict"),
        ("invoice_customer_contacts", "invoice", "customerid", "Restrict"),
        ("price_level_product_price_levels", "productpricelevel", "pricelevelid", "Restrict"),
        ("price_level_products", "product", "pricelevelid", "Restrict"),
        ("opportunity_sales_orders", "salesorder", "opportunityid", "Restrict"),
        ("quote_orders", "salesorder", "quoteid", "Restrict"),
        ("order_invoices", "invoice", "salesorderid", "Restrict"),
        ("contact_customer_accounts", "contact", "parentcustomerid", "RemoveLink"),
        ("contact_customer_contacts", "contact", "parentcustomerid", "RemoveLink"),
        ("opportunity_quotes", "quote", "opportunityid", "Cascade"),
        ("unit_of_measurement_base_unit", "uom", "baseuom", "Cascade"),
        ("unit_of_measurement_product_price_levels", "productpricelevel", "uomid", "Restrict"),
        ("unit_of_measure_schedule_conversions", "uom", "uomscheduleid", "Cascade"),
    ] {
        let found = of(name);
        let shown =
            (&found["ReferencingEntity"], &found["ReferencingAttribute"], &found["CascadeConfiguration"]["Delete"]);
        assert_eq!(shown, (&json!(table), &json!(column), &json!(delete)), "{name}");
    }
}

#[tokio::test]
async fn f36_v6_an_account_with_an_order_stays_and_a_contact_without_its_account_stays_too() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let parent = format!("/accounts({account})");
    let contact =
        client.post("contacts", json!({"lastname": "B", "parentcustomerid_account@odata.bind": parent})).await.new_id();
    let order =
        client.post("salesorders", json!({"name": "O", "customerid_account@odata.bind": parent})).await.new_id();
    let refused = client.delete(&format!("accounts({account})")).await;
    assert_eq!((refused.status, refused.code()), (405, "0x80040227".to_owned()), "{}", refused.text());
    assert_eq!(client.get(&format!("accounts({account})?$select=name")).await.status, 200);
    assert_eq!(client.delete(&format!("salesorders({order})")).await.status, 204);
    assert_eq!(client.delete(&format!("accounts({account})")).await.status, 204);
    let orphan = client.get(&format!("contacts({contact})?$select=_parentcustomerid_value")).await;
    assert_eq!((orphan.status, &orphan.json()["_parentcustomerid_value"]), (200, &Value::Null));
}

#[tokio::test]
async fn f36_v6_an_opportunity_takes_its_quotes_along() {
    let client = Client::start(DataverseOptions::default()).await;
    let opportunity = client.post("opportunities", json!({"name": "O"})).await.new_id();
    let bound = format!("/opportunities({opportunity})");
    let quote = client.post("quotes", json!({"name": "Q", "opportunityid@odata.bind": bound})).await.new_id();
    assert_eq!(client.delete(&format!("opportunities({opportunity})")).await.status, 204);
    assert_eq!(client.get(&format!("quotes({quote})")).await.status, 404);
}

#[tokio::test]
async fn f36_v12_notes_are_bound_to_accounts_and_contacts_and_can_move() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let contact = client.post("contacts", json!({"lastname": "B"})).await.new_id();
    let on_account = format!("/accounts({account})");
    let note =
        client.post("annotations", json!({"subject": "S", "objectid_account@odata.bind": on_account})).await.new_id();
    let attached =
        client.get(&format!("accounts({account})?$select=name&$expand=Account_Annotation($select=subject)")).await;
    assert_eq!(attached.json()["Account_Annotation"][0]["subject"], "S");
    let moved = json!({"objectid_contact@odata.bind": format!("/contacts({contact})")});
    assert_eq!(client.patch(&format!("annotations({note})"), moved, &[]).await.status, 204);
    let read = client.get(&format!("annotations({note})?$select=objecttypecode,_objectid_value")).await.json();
    assert_eq!((&read["objecttypecode"], &read["_objectid_value"]), (&json!("contact"), &json!(contact)));
    // They go with what they are about.
    assert_eq!(client.delete(&format!("contacts({contact})")).await.status, 204);
    assert_eq!(client.get(&format!("annotations({note})")).await.status, 404);
}
