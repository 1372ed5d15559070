//! Writing to a simulated Business Central: bulk, versions, repetition, and what goes wrong on the way.
#![allow(clippy::unwrap_used, missing_docs)]

mod world;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use business_central_simulator::{DemoSize, Moment, Poison};
use couplet_model::Value;
use couplet_model::system::{System, SystemErrorKind, Write, WriteAction};
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
    let update = values(&[("displayName", Value::Null), ("unitPrice", Value::Null), ("type", Value::text("Non-Inventory"))]);
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

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_batch_neither_loses_nor_duplicates() {
    for after in [false, true] {
        let world = world(NOTHING).await;
        let items = world.items();
        if after {
            world.simulator.faults().cut_after_write(30);
        } else {
            world.simulator.faults().cut_before_write(30);
        }
        let outcomes = world.write(&items, &item_creates(60)).await;
        assert!(all_written(&outcomes), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
        assert_eq!(world.simulator.rows("Item").len(), 60);
        assert_eq!(world.requests(), 3, "cut, repeated, and the taken ids updated");
    }
}

#[tokio::test]
async fn a_create_without_an_id_of_unknown_effect_is_not_repeated() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.simulator.faults().cut_after_write(1);
    let create = Write::create(None, values(&[("number", Value::text("ONCE"))]));
    let error = world.write(&items, &[create]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Unreachable);
    assert_eq!((world.simulator.rows("Item").len(), world.requests()), (1, 1));
}

#[tokio::test]
async fn operations_that_fail_for_a_moment_are_sent_again_alone() {
    let world = world(NOTHING).await;
    let items = world.items();
    for (nth, moment) in [(10, Moment::Before), (20, Moment::After)] {
        world.simulator.faults().fail_write(nth, 503, moment);
    }
    let outcomes = world.write(&items, &item_creates(40)).await;
    assert!(all_written(&outcomes), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
    assert_eq!(world.simulator.rows("Item").len(), 40);
    assert!(world.requests() <= 3);
}

#[tokio::test]
async fn throttling_outages_and_ended_tokens_are_waited_out() {
    let world = world(NOTHING).await;
    let items = world.items();
    let faults = world.simulator.faults();
    assert!(all_written(&world.write(&items, &item_creates(1)).await));
    let begun = Instant::now();
    faults.throttle_next(1, Some(Duration::from_secs(1)));
    assert!(all_written(&world.write(&items, &item_creates(3)).await));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(world.client.throttled(), 1);
    faults.expire_tokens();
    assert!(all_written(&world.write(&items, &item_creates(5)).await));
    faults.fail_next(2, 503);
    assert!(all_written(&world.write(&items, &item_creates(7)).await));
    assert_eq!(world.simulator.rows("Item").len(), 7);
    assert!(world.client.requests() < 20);
}
