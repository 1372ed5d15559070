//! Writing to a simulated Business Central: bulk, repetition, versions, routes, blanks.
#![allow(clippy::unwrap_used, missing_docs)]

mod world;

use std::collections::HashSet;

use business_central_simulator::{DemoSize, Poison};
use couplet_model::Value;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use serde_json::json;
use world::{NOTHING, all_written, id, item_creates, values, world};

#[tokio::test]
async fn creates_are_bulk_and_repeating_them_changes_nothing() {
    let world = world(NOTHING).await;
    let items = world.items();
    let creates = item_creates(250);
    let first = world.write(&items, &creates).await;
    assert!(all_written(&first), "{:?}", first.iter().find(|outcome| outcome.is_err()));
    assert_eq!(world.requests(), 3);
    let written = first[7].as_ref().unwrap();
    assert_eq!(written.id, id(7));
    assert!(written.version.is_some() && written.modified.is_some());
    assert_eq!(written.values.as_ref().unwrap()[&std::sync::Arc::from("displayName")], Value::text("Item 7"));
    let again = world.write(&items, &creates).await;
    assert!(all_written(&again));
    assert_eq!((world.simulator.rows("Item").len(), world.requests()), (250, 6));
}

#[tokio::test]
async fn one_bad_record_of_many_fails_alone_in_the_same_request() {
    let world = world(NOTHING).await;
    let items = world.items();
    let mut creates = item_creates(100);
    creates[42].values.insert("displayName".into(), Value::text("poisoned"));
    world.simulator.faults().refuse_text(Poison { table: None, property: None, text: "poison".into() });
    let outcomes = world.write(&items, &creates).await;
    let failed: Vec<usize> = (0..100).filter(|place| outcomes[*place].is_err()).collect();
    assert_eq!((failed, world.requests()), (vec![42], 1));
    let error = outcomes[42].as_ref().unwrap_err();
    assert_eq!((&error.kind, error.code.as_str()), (&SystemErrorKind::Refused, "Application_DialogException"));
    assert!(!error.message.contains("CorrelationId"), "{error}");
    assert_eq!(world.simulator.rows("Item").len(), 99);
}

#[tokio::test]
async fn a_number_that_another_record_has_is_a_duplicate() {
    let world = world(NOTHING).await;
    let items = world.items();
    assert!(all_written(&world.write(&items, &item_creates(1)).await));
    let mut taken = item_creates(1);
    taken[0].action = WriteAction::Create { id: Some(id(500)) };
    let error = world.write(&items, &taken).await.pop().unwrap().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (SystemErrorKind::Duplicate, "Internal_EntityWithSameKeyExists"));
    assert_eq!(world.simulator.rows("Item").len(), 1);
}

#[tokio::test]
async fn a_stale_version_is_a_conflict_and_a_fresh_one_is_given_back() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.write(&items, &item_creates(2)).await;
    let read = world.fetch(&items, &[id(0), id(1)], &["displayName"]).await;
    world.simulator.update_as_user("Item", id(1).0, json!({"displayName": "Changed by a person"})).unwrap();
    let update = |record: &couplet_model::Record, name: &str| {
        Write::update(record.id, record.version.clone(), values(&[("displayName", Value::text(name))]))
    };
    let writes: Vec<Write> = read.iter().map(|record| update(record, "Ours")).collect();
    world.requests();
    let outcomes = world.write(&items, &writes).await;
    assert_eq!(world.requests(), 1);
    let mut ours = None;
    for (record, outcome) in read.iter().zip(outcomes) {
        if record.id == id(1) {
            assert_eq!(outcome.unwrap_err().kind, SystemErrorKind::VersionConflict);
        } else {
            ours = Some(outcome.unwrap());
        }
    }
    assert_eq!(world.simulator.row("Item", id(1).0).unwrap()["displayName"], "Changed by a person");
    let ours = ours.unwrap();
    let next = Write::update(ours.id, ours.version, values(&[("displayName", Value::text("Ours again"))]));
    assert!(all_written(&world.write(&items, &[next]).await), "the version of the answer guards the next write");
}

#[tokio::test]
async fn a_version_holds_on_the_api_it_was_read_through() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.write(&items, &item_creates(3)).await;
    let name = |text: &str| ("displayName", Value::text(text));
    let weight = ("grossWeight", Value::Int(3));
    // Read through the companion, written with columns that both show.
    let companion = world.fetch_one(&items, id(0), &["displayName", "grossWeight"]).await;
    let stays = Write::update(id(0), companion.version, values(&[name("A")]));
    // Read through the standard API, written with a column that only the companion shows.
    let standard = world.fetch_one(&items, id(1), &["displayName"]).await;
    let moves = Write::update(id(1), standard.version, values(&[name("B"), weight.clone()]));
    let stale = world.fetch_one(&items, id(2), &["displayName"]).await;
    world.simulator.update_as_user("Item", id(2).0, json!({"displayName": "Person"})).unwrap();
    let late = Write::update(id(2), stale.version, values(&[name("C"), weight]));
    let outcomes = world.write(&items, &[stays, moves, late]).await;
    assert!(all_written(&outcomes[..2]), "{outcomes:?}");
    assert_eq!(outcomes[2].as_ref().unwrap_err().kind, SystemErrorKind::VersionConflict);
    let row = world.simulator.row("Item", id(1).0).unwrap();
    assert_eq!((&row["displayName"], row["grossWeight"].to_string().as_str()), (&json!("B"), "3"));
    assert_eq!(world.simulator.row("Item", id(2).0).unwrap()["displayName"], "Person");
}

#[tokio::test]
async fn blanks_clear_and_options_are_set_by_name() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.write(&items, &item_creates(1)).await;
    let update =
        values(&[("displayName", Value::Null), ("unitPrice", Value::Null), ("type", Value::text("Non-Inventory"))]);
    let written = world.write(&items, &[Write::update(id(0), None, update)]).await.pop().unwrap().unwrap();
    let values = written.values.unwrap();
    assert_eq!(values.get("displayName"), Some(&Value::Null));
    assert_eq!(values.get("unitPrice"), Some(&Value::Int(0)));
    assert_eq!(values.get("type"), Some(&Value::text("Non-Inventory")));
}

#[tokio::test]
async fn creates_without_an_id_are_given_one() {
    let world = world(DemoSize { items: 1, ..NOTHING }).await;
    let items = world.items();
    let create = Write::create(None, values(&[("displayName", Value::text("Numbered by the system"))]));
    let outcomes = world.write(&items, &vec![create; 3]).await;
    let ids: HashSet<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().id).collect();
    assert_eq!((ids.len(), world.requests()), (3, 1));
}

#[tokio::test]
async fn mixed_writes_keep_their_places() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.write(&items, &item_creates(2)).await;
    let writes = [
        Write { action: WriteAction::Delete { id: id(0) }, values: values(&[]) },
        Write::create(None, values(&[("number", Value::text("NEW"))])),
        Write::update(id(99), None, values(&[("displayName", Value::text("nobody"))])),
        Write::update(id(1), None, values(&[("displayName", Value::text("B"))])),
        Write::update(id(1), None, values(&[("nosuch", Value::Null)])),
        Write { action: WriteAction::Delete { id: id(0) }, values: values(&[]) },
    ];
    let outcomes = world.write(&items, &writes).await;
    let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind.clone())).collect();
    let expected = [None, None, Some(SystemErrorKind::NotFound), None, Some(SystemErrorKind::Protocol), None];
    assert_eq!(kinds, expected, "what is gone already counts as deleted");
    assert_eq!(world.simulator.rows("Item").len(), 2);
}
