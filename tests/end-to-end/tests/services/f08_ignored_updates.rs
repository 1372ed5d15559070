//! An update that a service answers with success and ignores is not taken for done; and what is not synchronized is not
//! cleared.

use couplet_dataverse::{DataverseClient, DataverseSettings};
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::{Catalogue, RecordId, System, Value};
use dataverse_simulator::IgnoredClearings;
use serde_json::json;
use uuid::Uuid;

/// A synchronized world, and an account with a primary contact that a user of Sales has set.
async fn account_with_contact() -> (World, Uuid, Uuid, Uuid) {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    let customers = world.business_central_ids("Customer", |row| row["blocked"] == json!("_x0020_"));
    let account = world.coupling("CUSTOMER", customers[0]).await.expect("the customer is coupled").dataverse_id.0;
    let person = json!({"firstname": "Ada", "lastname": "Example"});
    let contact = world.dataverse.create_as_user("contact", person).expect("the contact is created");
    let values = json!({"_primarycontactid_value": contact});
    world.dataverse.update_as_user("account", account, values).expect("the contact is set");
    (world, customers[0], account, contact)
}

fn primary_contact(world: &World, account: Uuid) -> Option<serde_json::Value> {
    world.dataverse.row("account", account).expect("the account is there").get("_primarycontactid_value").cloned()
}

#[tokio::test]
async fn no_run_clears_a_primary_contact_while_contacts_are_not_synchronized() {
    let (world, customer, account, contact) = account_with_contact().await;
    for mode in [RunMode::Modified, RunMode::Full] {
        let edit = json!({"displayName": format!("Renamed before {mode:?}")});
        world.business_central.update_as_user("Customer", customer, edit).expect("the name is taken");
        let run = world.run("CUSTOMER", mode).await;
        assert_eq!(run.counters.failed, 0);
        assert_eq!(primary_contact(&world, account), Some(json!(contact.to_string())), "{mode:?}");
    }
}

fn client(world: &World) -> (DataverseClient, Catalogue) {
    let catalogue = Catalogue::embedded().expect("the catalogue is valid");
    let (tenant, client, secret) = world.dataverse.credentials();
    let settings = DataverseSettings::new(world.dataverse.url(), world.dataverse.authority(), tenant, client, secret);
    (DataverseClient::new(settings, catalogue.dataverse_entity_sets()).expect("the client is built"), catalogue)
}

#[tokio::test]
async fn a_clearing_that_is_ignored_is_tried_in_the_other_forms_and_the_one_that_works_is_remembered() {
    let cases = [
        IgnoredClearings::default(),
        IgnoredClearings { bind: true, ..IgnoredClearings::default() },
        IgnoredClearings { bind: true, navigation: true, reference: false },
        IgnoredClearings { navigation: true, reference: true, bind: false },
    ];
    for ignored in cases {
        let (world, _, account, contact) = account_with_contact().await;
        world.dataverse.ignore_clearings("account", "primarycontactid", ignored).expect("the switch is set");
        let (client, catalogue) = client(&world);
        let table = catalogue.dataverse_table("account").expect("the table is known");
        let blank: Values = [("primarycontactid".into(), Value::Null), ("fax".into(), Value::text("1"))].into();
        let write = Write::update(RecordId(account), None, blank);
        let mut requests = Vec::new();
        for _ in 0..2 {
            world.dataverse.reset_requests();
            let results = client.write(table, std::slice::from_ref(&write)).await;
            let written = results[0].as_ref().expect("it is written");
            let shown = written.values.as_ref().expect("it was read back");
            assert_eq!(shown.get("primarycontactid"), Some(&Value::Null), "{ignored:?}");
            assert_eq!(primary_contact(&world, account), None, "{ignored:?}");
            requests.push(world.dataverse.requests());
            let values = json!({"_primarycontactid_value": contact});
            world.dataverse.update_as_user("account", account, values).expect("the contact is set again");
        }
        assert!(requests[1] <= 3, "{ignored:?}: what works is not tried out again: {requests:?}");
    }
}

#[tokio::test]
async fn a_clearing_that_no_form_achieves_is_told_with_what_is_there() {
    let (world, _, account, contact) = account_with_contact().await;
    let all = IgnoredClearings { bind: true, navigation: true, reference: true };
    world.dataverse.ignore_clearings("account", "primarycontactid", all).expect("the switch is set");
    let (client, catalogue) = client(&world);
    let table = catalogue.dataverse_table("account").expect("the table is known");
    let blank: Values = [("primarycontactid".into(), Value::Null)].into();
    let results = client.write(table, &[Write::update(RecordId(account), None, blank)]).await;
    let written = results[0].as_ref().expect("the service says that it is written");
    let shown = written.values.as_ref().and_then(|values| values.get("primarycontactid"));
    assert_eq!(shown.and_then(Value::as_guid), Some(contact));
}
