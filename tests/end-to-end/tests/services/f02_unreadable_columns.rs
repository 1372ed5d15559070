//! A column that cannot be read never blanks the other side.

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, RunMode};
use dataverse_simulator::{Hidden, Security};
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// A world whose customers all have a phone and a fax number, synchronized; with the ids of customers and accounts.
async fn world_with_phones(customers: usize) -> (World, Vec<(Uuid, Uuid)>) {
    let business_central = DemoSize { customers, ..WorldOptions::default().business_central };
    let world = World::start(WorldOptions { business_central, ..WorldOptions::default() }).await;
    let ids = world.business_central_ids("Customer", |row| row["blocked"] == json!("_x0020_"));
    for id in &ids {
        let values = json!({"phoneNumber": "+49 30 123", "faxNo": "+49 30 124"});
        world.business_central.update_as_user("Customer", *id, values).expect("the numbers are taken");
    }
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    let mut pairs = Vec::new();
    for id in ids {
        if let Some(coupling) = world.coupling("CUSTOMER", id).await {
            pairs.push((id, coupling.dataverse_id.0));
        }
    }
    assert!(pairs.len() >= customers.min(5), "only {} customers are coupled", pairs.len());
    (world, pairs)
}

fn customer(world: &World, id: Uuid) -> serde_json::Map<String, Json> {
    let rows = world.business_central.rows("Customer");
    rows.into_iter().find(|row| row["id"] == json!(id.to_string())).expect("the customer is there")
}

fn rename(world: &World, account: Uuid, name: &str) {
    world.dataverse.update_as_user("account", account, json!({"name": name})).expect("the name is taken");
}

#[tokio::test]
async fn a_secured_column_is_left_alone_on_both_sides_and_named_while_everything_else_travels() {
    for hidden in [Hidden::Null, Hidden::Absent] {
        let (world, pairs) = world_with_phones(6).await;
        let closed = Security { hidden, ..Security::default() };
        world.dataverse.secure_column("account", "telephone1", Some(closed)).expect("it can be secured");

        rename(&world, pairs[0].1, "Renamed in Sales");
        let run = world.run("CUSTOMER", RunMode::Modified).await;
        assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{hidden:?}");
        let edited = customer(&world, pairs[0].0);
        assert_eq!(edited["displayName"], json!("Renamed in Sales"), "{hidden:?}");
        assert_eq!(edited["phoneNumber"], json!("+49 30 123"), "{hidden:?}");

        // Edits in Business Central of the same and of other records: all but the secured column arrives.
        for (customer, _) in &pairs[..2] {
            let values = json!({"displayName": "Renamed at home", "phoneNumber": "+49 30 999"});
            world.business_central.update_as_user("Customer", *customer, values).expect("the values are taken");
        }
        let run = world.run("CUSTOMER", RunMode::Modified).await;
        assert_eq!((run.counters.modified, run.counters.failed), (2, 0), "{hidden:?}");
        let note = run.message.unwrap_or_default();
        assert!(note.contains("telephone1") && note.contains("account"), "{hidden:?}: {note}");
        for (customer_id, account) in &pairs[..2] {
            let row = world.dataverse.row("account", *account).expect("the account is there");
            assert_eq!((&row["name"], &row["telephone1"]), (&json!("Renamed at home"), &json!("+49 30 123")));
            assert_eq!(customer(&world, *customer_id)["phoneNumber"], json!("+49 30 999"), "{hidden:?}");
        }

        // A full run, which lets Business Central win, changes nothing about it either.
        let run = world.run("CUSTOMER", RunMode::Full).await;
        assert_eq!(run.counters.failed, 0, "{hidden:?}");
        for (customer_id, _) in &pairs {
            assert!(customer(&world, *customer_id)["phoneNumber"].as_str().is_some_and(|phone| !phone.is_empty()));
        }

        // Once the profile allows it, the number that waited arrives with the next edit.
        let open = Security { read: true, create: true, update: true, ..closed };
        world.dataverse.secure_column("account", "telephone1", Some(open)).expect("it can be opened");
        let engine = world.another_engine(couplet_engine::EngineOptions::default());
        let edit = json!({"displayName": "Renamed again"});
        world.business_central.update_as_user("Customer", pairs[0].0, edit).expect("the name is taken");
        world.find("CUSTOMER", RunMode::Modified).await;
        world.drain_with(&engine).await;
        let row = world.dataverse.row("account", pairs[0].1).expect("the account is there");
        assert_eq!(row["telephone1"], json!("+49 30 999"), "{hidden:?}");
    }
}

#[tokio::test]
async fn a_column_that_is_secured_while_couplet_runs_wipes_nothing_on_the_next_edit_of_many() {
    let (world, pairs) = world_with_phones(6).await;
    // The definitions were read before; the blanks of the edited rows are the only sign.
    world.dataverse.secure_column("account", "fax", Some(Security::default())).expect("it can be secured");
    for (place, (_, account)) in pairs.iter().enumerate() {
        rename(&world, *account, &format!("Renamed {place}"));
    }
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (pairs.len() as u64, 0));
    assert!(run.message.is_some_and(|note| note.contains("fax")));
    for (id, _) in &pairs {
        assert_eq!(customer(&world, *id)["faxNo"], json!("+49 30 124"));
    }
}

#[tokio::test]
async fn what_a_person_clears_is_cleared_on_the_other_side() {
    let (world, pairs) = world_with_phones(6).await;
    for (_, account) in &pairs {
        world.dataverse.update_as_user("account", *account, json!({"fax": null})).expect("the fax is cleared");
    }
    world.run("CUSTOMER", RunMode::Modified).await;
    for (id, _) in &pairs {
        assert_eq!(customer(&world, *id)["faxNo"], json!(""));
    }
}

#[tokio::test]
async fn a_column_that_turns_blank_in_many_records_without_a_reason_is_held_until_a_value_shows() {
    let (world, pairs) = world_with_phones(14).await;
    assert!(pairs.len() >= 12);
    let unsaid = Security { undeclared: true, ..Security::default() };
    world.dataverse.secure_column("account", "fax", Some(unsaid)).expect("it can be hidden");
    let (first, rest) = pairs.split_first().expect("a pair");
    for (_, account) in rest {
        rename(&world, *account, "Renamed by import");
    }
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert!(run.message.is_some_and(|note| note.contains("fax") && note.contains("at once")));
    // Nor does the next edit of one of them bring the blank across.
    rename(&world, first.1, "Renamed by hand");
    world.run("CUSTOMER", RunMode::Modified).await;
    for (id, _) in &pairs {
        assert_eq!(customer(&world, *id)["faxNo"], json!("+49 30 124"));
    }

    // The values show again: blanks are blanks again.
    world.dataverse.secure_column("account", "fax", None).expect("it is shown again");
    let values = json!({"fax": null, "name": "Without a fax"});
    world.dataverse.update_as_user("account", first.1, values).expect("the fax is cleared");
    world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(customer(&world, first.0)["faxNo"], json!(""));
    assert_eq!(customer(&world, rest[0].0)["faxNo"], json!("+49 30 124"));
}

#[tokio::test]
async fn a_message_of_the_former_format_is_read_again_rather_than_taken_for_blank() {
    let (world, pairs) = world_with_phones(6).await;
    let (id, account) = pairs[0];
    let values = json!({"fax": null, "name": "Old message"});
    world.dataverse.update_as_user("account", account, values).expect("the values are taken");
    world.find("CUSTOMER", RunMode::Modified).await;
    let mut deliveries = world.queue.take(1000);
    for delivery in &mut deliveries {
        let snapshot = delivery.message.snapshot.as_mut().expect("it carries a snapshot");
        // Blanks were left out; and a column that the sender did not know of yet is missing, too.
        snapshot.values.retain(|name, value| !value.is_null() && name != "telephone1");
    }
    let report = world.engine.sync_batch(deliveries).await;
    assert!(report.dispositions.iter().all(|disposition| *disposition == Disposition::Done));
    let customer = customer(&world, id);
    assert_eq!((&customer["displayName"], &customer["faxNo"]), (&json!("Old message"), &json!("")));
    assert_eq!(customer["phoneNumber"], json!("+49 30 123"));
}
