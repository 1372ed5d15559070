//! Reading from a simulated Business Central: feeds, bulk reads, filters, routes.

use std::collections::HashSet;

use crate::world::{NOTHING, columns, settings, world};
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use couplet_business_central::BusinessCentralClient;
use couplet_model::filter::{Condition, Operator};
use couplet_model::ids::RecordId;
use couplet_model::record::Change;
use couplet_model::system::{Position, Resume, System, SystemErrorKind, Write};
use couplet_model::{Filter, Value};
use couplet_odata::Connections;
use serde_json::json;
use uuid::Uuid;

fn ids(changes: &[Change]) -> HashSet<RecordId> {
    changes
        .iter()
        .map(|change| match change {
            Change::Upserted(record) => record.id,
            Change::Deleted(id) => *id,
        })
        .collect()
}

#[tokio::test]
async fn a_feed_of_more_than_20000_items_comes_in_full_pages() {
    let world = world(DemoSize { items: 20_050, blocked_items: 10, ..NOTHING }).await;
    let items = world.items();
    let (changes, pages, cursor) =
        world.feed(&items, &["number", "displayName"], &Filter::default(), Resume::Everything).await;
    assert_eq!((ids(&changes).len(), changes.len(), pages, world.requests()), (20_060, 20_060, 2, 2));
    let Position::ModifiedOn(position) = cursor.position else { panic!("no time: {cursor:?}") };
    assert!(position <= cursor.as_of);
    let last = changes.iter().filter_map(|change| match change {
        Change::Upserted(record) => record.modified,
        Change::Deleted(_) => None,
    });
    // No record is newer, and the position is never more than a look-back before the moment the feed was opened.
    assert!(last.max().is_some_and(|last| last <= position));
}

#[tokio::test]
async fn only_what_changed_since_the_cursor_comes_again_and_the_system_filters() {
    let world = world(DemoSize { items: 30, blocked_items: 5, ..NOTHING }).await;
    let items = world.items();
    let open = Filter::all(vec![Condition::equal("blocked", Value::Bool(false))]);
    let (changes, _, cursor) = world.feed(&items, &["number"], &open, Resume::Everything).await;
    assert_eq!(changes.len(), 30);
    let (again, _, same) = world.feed(&items, &["number"], &open, Resume::Since(cursor.clone())).await;
    assert!(again.len() < 3, "the overlap of a second holds {} records", again.len());
    assert_eq!(same.position, cursor.position);
    let changed = ids(&changes).into_iter().next().unwrap();
    world.simulator.update_as_user("Item", changed.0, json!({"displayName": "Changed"})).unwrap();
    let (again, _, next) = world.feed(&items, &["number", "displayName"], &open, Resume::Since(cursor.clone())).await;
    assert!(ids(&again).contains(&changed));
    assert!(matches!((next.position, cursor.position), (Position::ModifiedOn(a), Position::ModifiedOn(b)) if a > b));
}

#[tokio::test]
async fn a_thousand_records_by_id_are_one_request() {
    let world = world(DemoSize { items: 1000, ..NOTHING }).await;
    let items = world.items();
    let mut wanted: Vec<RecordId> =
        world.simulator.rows("Item").iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect();
    wanted.push(RecordId(Uuid::from_u128(1)));
    let standard = world.fetch(&items, &wanted, &["number", "type"]).await;
    assert_eq!((standard.len(), world.requests()), (1000, 1));
    assert!(standard.iter().all(|record| record.version.is_some() && !record.get("number").is_null()));
    let companion = world.fetch(&items, &wanted, &["number", "grossWeight"]).await;
    assert_eq!((companion.len(), world.requests()), (1000, 1));
    assert!(world.fetch(&items, &[], &["number"]).await.is_empty());
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn records_are_found_by_long_lists_in_one_request() {
    let world = world(DemoSize { items: 500, ..NOTHING }).await;
    let items = world.items();
    let rows = world.simulator.rows("Item");
    let numbers: Vec<Value> = rows.iter().take(450).map(|row| Value::text(row["number"].as_str().unwrap())).collect();
    let mut list = numbers.clone();
    list.extend(numbers);
    list.push(Value::Null);
    let filter = Filter::all(vec![
        Condition::one_of("number", list),
        Condition { column: "displayName".into(), operator: Operator::NotEqual, values: vec![Value::Null] },
    ]);
    let found = world.client.find(&items, &filter, &columns(&["number"])).await.unwrap();
    assert_eq!((found.len(), world.requests()), (450, 1));
    let impossible = Filter::all(vec![Condition::one_of("number", vec![])]);
    assert!(world.client.find(&items, &impossible, &columns(&["number"])).await.unwrap().is_empty());
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn options_and_blanks_are_found_by_their_names() {
    let world = world(NOTHING).await;
    let items = world.items();
    for (number, kind) in [("S1", "Service"), ("N1", "Non-Inventory"), ("I1", "Inventory")] {
        world.simulator.create_as_user("Item", json!({"number": number, "displayName": "X", "type": kind})).unwrap();
    }
    for (column, value, expected) in [
        ("type", Value::text("Non-Inventory"), vec!["N1"]),
        ("type", Value::text("Service"), vec!["S1"]),
        ("itemCategoryCode", Value::Null, vec!["I1", "N1", "S1"]),
        ("displayName", Value::text("O'Neill & Sons"), vec![]),
    ] {
        let filter = Filter::all(vec![Condition::equal(column, value)]);
        let found = world.client.find(&items, &filter, &columns(&["number", "type"])).await.unwrap();
        let mut numbers: Vec<&str> = found.iter().filter_map(|record| record.get("number").as_text()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, expected, "{column}");
    }
}

#[tokio::test]
async fn a_value_with_a_wildcard_finds_only_itself() {
    let world = world(NOTHING).await;
    let items = world.items();
    for (number, name) in [("1", "Bolt *"), ("2", "Bolt 5"), ("3", "Bolt")] {
        world.simulator.create_as_user("Item", json!({"number": number, "displayName": name})).unwrap();
    }
    let filter = Filter::all(vec![Condition::equal("displayName", Value::text("Bolt *"))]);
    let found = world.client.find(&items, &filter, &columns(&["number"])).await.unwrap();
    let [record] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(record.get("number"), &Value::text("1"));
    assert!(!record.values.contains_key("displayName"), "only what was asked for comes back");
}

#[tokio::test]
async fn a_missing_companion_app_is_waited_for_and_names_what_to_do() {
    let world = world(DemoSize { items: 3, ..NOTHING }).await;
    let items = world.items();
    world.simulator.faults().set_companion_installed(false);
    let wanted = [RecordId(Uuid::from_u128(1))];
    let error = world.client.fetch(&items, &wanted, &columns(&["grossWeight"])).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Outage);
    assert!(error.message.contains("publish"), "{error}");
    let heavy = crate::world::values(&[("number", Value::text("A")), ("grossWeight", Value::Int(3))]);
    let writes = vec![Write::create(Some(crate::world::id(1)), heavy); 2];
    for outcome in world.write(&items, &writes).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, SystemErrorKind::Outage);
        assert!(error.message.contains("publish"), "{error}");
    }
    let plain = Write::create(None, crate::world::values(&[("displayName", Value::text("Plain"))]));
    assert!(crate::world::all_written(&world.write(&items, &[plain]).await), "standard columns need no companion");
    let mut without = settings(&world.simulator);
    without.companion = false;
    let client = BusinessCentralClient::new(without).unwrap();
    let error = client.fetch(&items, &wanted, &columns(&["grossWeight"])).await.unwrap_err();
    assert!(error.message.contains("publish"), "{error}");
    assert_eq!(client.requests(), 0);
}

#[tokio::test]
async fn the_companies_of_the_environment_are_listed() {
    let world = world(NOTHING).await;
    let companies = world.client.companies().await.unwrap();
    let [company] = companies.as_slice() else { panic!("{companies:?}") };
    assert_eq!((company.id.0, company.name.as_str()), (world.simulator.company_id(), "CRONUS USA, Inc."));
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_its_certificate_is_given() {
    let folder = std::env::temp_dir().join(format!("couplet-ca-{}", Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("ca.pem");
    let options =
        BusinessCentralOptions { https: true, ca_file: Some(file.clone()), ..BusinessCentralOptions::default() };
    let simulator = BusinessCentralSimulator::start(options).await.unwrap();
    assert!(simulator.url().starts_with("https://"));
    let mut trusting = settings(&simulator);
    trusting.connections = Connections::trusting(Some(std::fs::read(&file).unwrap()));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(BusinessCentralClient::new(trusting).unwrap().companies().await.unwrap().len(), 1);
    let strange = BusinessCentralClient::new(settings(&simulator)).unwrap();
    let error = strange.companies().await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol, "a matter of set-up, not of time: {error}");
    assert!(error.message.contains("certificate"), "{error}");
}
