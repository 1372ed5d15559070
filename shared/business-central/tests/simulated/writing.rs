//! Writing to a simulated Business Central: bulk, repetition, versions, routes, blanks.

use std::collections::HashSet;

use crate::world::{NOTHING, all_written, id, item_creates, settings, values, world, world_with};
use business_central_simulator::{BusinessCentralOptions, DemoSize, Poison, Switches};
use couplet_business_central::BusinessCentralClient;
use couplet_model::Value;
use couplet_model::system::System;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use serde_json::json;

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

#[tokio::test]
async fn f01_without_the_companion_app_records_are_created_without_an_id() {
    let world = world(NOTHING).await;
    let items = world.items();
    assert!(world.client.takes_ids(&items));
    assert!(!world.client.takes_ids(&world.table("Salesperson/Purchaser")), "only the standard API shows salespeople");
    let mut plain = settings(&world.simulator);
    plain.companion = false;
    let client = BusinessCentralClient::new(plain).unwrap();
    assert!(!client.takes_ids(&items));
    let named = values(&[("displayName", Value::text("Plain"))]);
    let error = client.write(&items, &[Write::create(Some(id(1)), named.clone())]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol, "{error}");
    let written = client.write(&items, &[Write::create(None, named)]).await.pop().unwrap().unwrap();
    assert_eq!(world.simulator.row("Item", written.id.0).unwrap()["displayName"], "Plain");
}

#[tokio::test]
async fn f01_a_number_that_the_series_refuses_is_left_out_and_the_given_one_comes_back() {
    let strict = BusinessCentralOptions { demo: Some(NOTHING), ..BusinessCentralOptions::default() };
    let world = world_with(strict).await;
    let items = world.items();
    let outcomes = world.write(&items, &item_creates(3)).await;
    assert!(all_written(&outcomes), "{outcomes:?}");
    assert_eq!(world.requests(), 2, "refused together, and created together");
    let number = |outcome: &Result<couplet_model::system::Written, _>| {
        outcome.as_ref().unwrap().values.as_ref().unwrap()[&std::sync::Arc::from("number")].clone()
    };
    let numbers: HashSet<String> = outcomes.iter().filter_map(|o| number(o).as_text().map(str::to_owned)).collect();
    assert_eq!(numbers, ["1000", "1001", "1002"].map(str::to_owned).into());
    // Learned: the number is not sent again, and repeating the creates changes nothing.
    let again = world.write(&items, &item_creates(3)).await;
    assert!(all_written(&again), "{again:?}");
    assert_eq!((world.simulator.rows("Item").len(), number(&again[0])), (3, number(&outcomes[0])));
    // What is refused for another reason stays refused.
    let mut wrong = item_creates(1);
    wrong[0].action = WriteAction::Create { id: Some(id(77)) };
    wrong[0].values.insert("baseUnitOfMeasureCode".into(), Value::text("NONE"));
    let error = world.write(&items, &wrong).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Refused);
    assert!(error.message.contains("NONE"), "{error}");
}

#[tokio::test]
async fn f01_items_and_resources_with_a_unit_are_created_under_their_ids() {
    let world = world(DemoSize { items: 1, ..NOTHING }).await;
    for name in ["Item", "Resource"] {
        let table = world.table(name);
        let unit = values(&[("displayName", Value::text("Made")), ("baseUnitOfMeasureCode", Value::text("PCS"))]);
        let written = world.write(&table, &[Write::create(Some(id(5)), unit)]).await.pop().unwrap().unwrap();
        assert_eq!(written.id, id(5));
        assert_eq!(world.simulator.row(name, id(5).0).unwrap()["baseUnitOfMeasureCode"], "PCS");
    }
}

#[tokio::test]
async fn f01_an_older_companion_app_is_named_as_what_refuses_the_id() {
    let world = world(NOTHING).await;
    // In the app's first version the id of every page is read-only.
    world.simulator.faults().set_switches(Switches { companion_takes_ids: false, ..Switches::default() });
    let error = world.write(&world.items(), &item_creates(1)).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol);
    assert!(error.message.contains("publish its current version"), "{error}");
    assert!(world.simulator.rows("Item").is_empty());
}

#[tokio::test]
async fn f01_what_was_created_stays_settled_when_the_attempt_without_a_number_gets_no_answer() {
    let strict = BusinessCentralOptions { demo: Some(NOTHING), ..BusinessCentralOptions::default() };
    let world = world_with(strict).await;
    let items = world.items();
    let named = values(&[("displayName", Value::text("Plain"))]);
    let numbered = values(&[("displayName", Value::text("Numbered")), ("number", Value::text("A1"))]);
    let mut other = settings(&world.simulator);
    other.companion = false;
    let client = BusinessCentralClient::new(other).unwrap();
    // The first two are in the first request, the third is the second one repeated.
    world.simulator.faults().cut_before_write(3);
    let outcomes = client.write(&items, &[Write::create(None, named), Write::create(None, numbered)]).await;
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind, SystemErrorKind::Unreachable);
    assert_eq!(world.simulator.rows("Item").len(), 1, "nothing twice");
}

#[tokio::test]
async fn lines_are_posted_below_their_document_in_bulk_and_repeating_that_changes_nothing() {
    let world = world(NOTHING).await;
    let customer = world.simulator.create_as_user("Customer", json!({"displayName": "Adatum"})).unwrap();
    let number = world.simulator.row("Customer", customer).unwrap()["number"].as_str().unwrap().to_owned();
    let item = json!({"number": "1000", "displayName": "Bicycle", "baseUnitOfMeasureCode": "PCS"});
    world.simulator.create_as_user("Item", item).unwrap();
    for (headers, lines) in [("Sales Header", "Sales Line"), ("Sales Header (Quote)", "Sales Line (Quote)")] {
        let (headers, lines) = (world.table(headers), world.table(lines));
        let header = Write {
            action: WriteAction::Create { id: Some(id(1)) },
            values: values(&[("customerNumber", Value::text(number.as_str()))]),
        };
        assert!(all_written(&world.write(&headers, &[header]).await));
        let line = |at: u128| Write {
            action: WriteAction::Create { id: Some(id(100 + at)) },
            values: values(&[
                ("documentId", Value::Guid(id(1).0)),
                ("type", Value::text("Item")),
                ("lineObjectNumber", Value::text("1000")),
                ("sequence", Value::Int(10_000 * i64::try_from(at).unwrap())),
                ("quantity", Value::Decimal(2.into())),
            ]),
        };
        let creates = [line(1), line(2), line(3)];
        world.requests();
        assert!(all_written(&world.write(&lines, &creates).await));
        assert_eq!(world.requests(), 1);
        assert!(all_written(&world.write(&lines, &creates).await));
        let rows = world.simulator.rows(&lines.name);
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row["documentId"] == json!(id(1).to_string())), "{rows:?}");
        let mut homeless = line(4);
        homeless.values.remove("documentId");
        let error = world.write(&lines, &[homeless]).await.pop().unwrap().unwrap_err();
        assert!(error.message.contains("documentId"), "{error}");
    }
}
