//! A field that the other side refuses is left with a note; the rest of the record travels.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_store::{ErrorKind, FailureKind};
use dataverse_simulator::Poison;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

/// A synchronized world with the ids of its customers and accounts.
async fn synchronized() -> (World, Vec<(Uuid, Uuid)>) {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    let mut pairs = Vec::new();
    for id in world.business_central_ids("Customer", |row| row["blocked"] == json!("_x0020_")) {
        if let Some(coupling) = world.coupling("CUSTOMER", id).await {
            pairs.push((id, coupling.dataverse_id.0));
        }
    }
    (world, pairs)
}

fn customer(world: &World, id: Uuid) -> Map<String, Json> {
    let rows = world.business_central.rows("Customer");
    rows.into_iter().find(|row| row["id"] == json!(id.to_string())).expect("the customer is there")
}

fn account(world: &World, id: Uuid) -> Map<String, Json> {
    world.dataverse.row("account", id).expect("the account is there")
}

fn poison(column: &str) -> Poison {
    Poison { table: Some("account".into()), column: Some(column.into()), text: "Poison".into(), only_in_bulk: false }
}

#[tokio::test]
async fn a_country_typed_in_sales_is_understood_and_an_unknown_one_keeps_nothing_else_back() {
    let (world, pairs) = synchronized().await;
    let (id, account_id) = pairs[0];
    let before = customer(&world, id)["country"].clone();

    let typed = json!({"address1_country": "Österreich", "telephone1": "+43 1 999"});
    world.dataverse.update_as_user("account", account_id, typed).expect("Sales takes any text");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed, run.counters.noted), (1, 0, 1));
    let row = customer(&world, id);
    assert_eq!((&row["phoneNumber"], &row["country"]), (&json!("+43 1 999"), &before));
    let failures = world.failures("CUSTOMER").await;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].kind, FailureKind::Fields);
    assert!(failures[0].message.contains("Österreich") && failures[0].message.contains("ISO code"), "{failures:?}");
    let errors = world.store().errors(world.company(), &"CUSTOMER".into(), 10).await.expect("the store answers");
    assert!(errors.iter().any(|error| error.message.contains("Österreich") && error.kind == ErrorKind::Fields));

    // A person adds the country; the field that stayed behind travels with the next run, and the note goes.
    let country = json!({"code": "AT", "displayName": "Österreich"});
    world.business_central.create_as_user("Country/Region", country).expect("the country is added");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed, run.counters.noted), (1, 0, 0));
    assert_eq!(customer(&world, id)["country"], json!("AT"));
    assert!(world.failures("CUSTOMER").await.is_empty());

    // Business Central holds the code, Sales the text of its user, and both mean the same: a full run changes neither.
    world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(account(&world, account_id)["address1_country"], json!("Österreich"));
    assert_eq!(customer(&world, id)["country"], json!("AT"));
}

/// A field that stays behind when its record is made: whoever changes it, or anything else, on either side, no conflict.
#[tokio::test]
async fn what_stayed_behind_when_a_record_was_made_keeps_nothing_else_back_either() {
    let (world, _) = synchronized().await;
    world.business_central.faults().refuse_text(business_central_simulator::Poison {
        table: None,
        property: None,
        text: "REFUSED".into(),
    });
    let new = json!({"name": "Atlantis Ltd", "customertypecode": 3, "address1_country": "Atlantis", "telephone1": "REFUSED 1"});
    let account_id = world.dataverse.create_as_user("account", new).expect("Sales takes any text");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed, run.counters.noted), (1, 0, 1));
    let is_new = |row: &Map<String, Json>| row["displayName"] == json!("Atlantis Ltd");
    let id = world.business_central_ids("Customer", |row| is_new(row))[0];

    for mode in [RunMode::Modified, RunMode::Modified, RunMode::Full] {
        let run = world.run("CUSTOMER", mode).await;
        assert_eq!((run.counters.modified, run.to_dataverse.failed), (0, 0), "{mode:?} {run:#?}");
        // The system refused the one field that was left to write without naming it: that is said of the record.
        let failures = world.failures("CUSTOMER").await;
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures.iter().all(|failure| !failure.message.contains("EE11")), "{failures:?}");
    }
    assert_eq!(account(&world, account_id)["address1_country"], json!("Atlantis"));
    assert_eq!(account(&world, account_id)["telephone1"], json!("REFUSED 1"));

    // Another field travels, from either side.
    world.business_central.update_as_user("Customer", id, json!({"faxNo": "+49 7"})).expect("taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(account(&world, account_id)["fax"], json!("+49 7"));
    // And so do the corrections that the notes ask for.
    let corrected = json!({"address1_country": "DE", "telephone1": "+49 8"});
    world.dataverse.update_as_user("account", account_id, corrected).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 0), "{run:#?}");
    let row = customer(&world, id);
    assert_eq!((&row["country"], &row["phoneNumber"]), (&json!("DE"), &json!("+49 8")));
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn the_address_stays_whole_when_only_its_country_changes() {
    let (world, pairs) = synchronized().await;
    let (id, account_id) = pairs[0];
    let address =
        json!({"addressLine1": "Hauptstr. 1", "postalCode": "10115", "city": "Berlin", "state": "BE", "country": "DE"});
    world.business_central.update_as_user("Customer", id, address).expect("the address is taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    world.dataverse.update_as_user("account", account_id, json!({"address1_country": "Denmark"})).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 0));
    let row = customer(&world, id);
    assert_eq!(row["country"], json!("DK"));
    assert_eq!((&row["postalCode"], &row["city"], &row["state"]), (&json!("10115"), &json!("Berlin"), &json!("BE")));
}

#[tokio::test]
async fn one_refused_field_among_many_stays_behind_and_travels_once_it_is_accepted() {
    let (world, pairs) = synchronized().await;
    world.dataverse.faults().poison(poison("address1_city"));
    for (place, (id, _)) in pairs.iter().enumerate().take(3) {
        let city = if place == 0 { "Poison" } else { "Berlin" };
        let values = json!({"city": city, "phoneNumber": "+49 1", "faxNo": "+49 2", "displayName": "Renamed", "addressLine2": "b"});
        world.business_central.update_as_user("Customer", *id, values).expect("the values are taken");
    }
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed, run.counters.noted), (3, 0, 1));
    let row = account(&world, pairs[0].1);
    assert_eq!((&row["telephone1"], &row["fax"], &row["name"]), (&json!("+49 1"), &json!("+49 2"), &json!("Renamed")));
    assert_ne!(row.get("address1_city"), Some(&json!("Poison")));
    assert_eq!(account(&world, pairs[1].1)["address1_city"], json!("Berlin"));
    let failures = world.failures("CUSTOMER").await;
    assert_eq!(failures.len(), 1);
    assert!(failures[0].field.as_deref().is_some_and(|field| field.contains("City")), "{failures:?}");
    assert!(failures[0].message.contains("Poison"), "{failures:?}");

    // The other direction brings nothing back over what stayed behind.
    let note = json!({"fax": "+49 3"});
    world.dataverse.update_as_user("account", pairs[0].1, note).expect("the fax is taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(customer(&world, pairs[0].0)["city"], json!("Poison"));

    world.dataverse.faults().clear_poison();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 0));
    assert_eq!(account(&world, pairs[0].1)["address1_city"], json!("Poison"));
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn a_new_record_is_created_without_the_field_that_is_refused() {
    let world = World::start(WorldOptions::default()).await;
    let ids = world.business_central_ids("Customer", |row| row["blocked"] == json!("_x0020_"));
    let values = json!({"city": "Poison", "phoneNumber": "+49 1"});
    world.business_central.update_as_user("Customer", ids[0], values).expect("the values are taken");
    world.dataverse.faults().poison(poison("address1_city"));
    for job in ["SALESPEOPLE", "CURRENCY"] {
        world.run(job, RunMode::Full).await;
    }
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 1));
    let coupling = world.coupling("CUSTOMER", ids[0]).await.expect("it is coupled");
    let row = account(&world, coupling.dataverse_id.0);
    assert_eq!((row.get("telephone1"), row.get("address1_city")), (Some(&json!("+49 1")), None));
}

#[tokio::test]
async fn a_record_that_is_refused_whatever_it_holds_fails_as_a_whole() {
    let (world, pairs) = synchronized().await;
    // The name is what the account is known by, and the plug-in finds the text in whatever is written.
    let values = json!({"displayName": "Poison Ltd.", "phoneNumber": "+49 1"});
    world.business_central.update_as_user("Customer", pairs[0].0, values).expect("the values are taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    world.dataverse.faults().poison(poison("name"));
    let values = json!({"phoneNumber": "+49 2", "faxNo": "+49 3"});
    world.business_central.update_as_user("Customer", pairs[0].0, values).expect("the values are taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (1, 0));
    assert_eq!(world.failures("CUSTOMER").await[0].kind, FailureKind::Data);
}
