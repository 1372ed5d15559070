//! What is remembered of when records changed: cursors, and what both sides of a coupling agreed on.

use couplet_end_to_end::{NOTHING, World};
use couplet_engine::RunMode;
use couplet_model::message::Direction;
use couplet_model::system::{Cursor, Position};
use couplet_model::{Coupling, MappingName};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::coupled_customers::{coupled, of_customers, synchronize};
use crate::observing::text;

async fn cursor(world: &World, mapping: &str, direction: Direction) -> Cursor {
    let found = world.store().cursor(world.company(), &MappingName::from(mapping), direction).await;
    found.expect("the store answers").expect("a cursor")
}

async fn couplings(world: &World, mapping: &str) -> Vec<Coupling> {
    let page = world.store().coupling_page(world.company(), &MappingName::from(mapping), None, 1000).await;
    page.expect("the store answers").couplings
}

#[tokio::test]
async fn c_017_r41_the_cursor_stands_at_the_last_change_that_was_read() {
    let (world, _) = coupled(of_customers(0)).await;
    for name in ["Adatum", "Fabrikam"] {
        world.business_central.create_as_user("Customer", json!({"displayName": name})).expect("taken");
    }
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(run.to_dataverse.inserted, 2);
    let changed = |row: &serde_json::Map<String, serde_json::Value>| -> Timestamp {
        text(row, "lastModifiedDateTime").parse().expect("a time")
    };
    let last = world.business_central.rows("Customer").iter().map(changed).max().expect("two customers");
    let Position::ModifiedOn(stands) = cursor(&world, "CUSTOMER", Direction::ToDataverse).await.position else {
        panic!("Business Central has no delta links");
    };
    // Never after the second at which the feed was opened.
    let behind = last.duration_since(stands);
    assert!(!behind.is_negative() && behind < SignedDuration::from_secs(1), "{stands} {last}");
}

#[tokio::test]
async fn c_018_r56_nothing_moves_while_nothing_changes() {
    let mut options = of_customers(2);
    options.business_central = business_central_simulator::DemoSize { customers: 2, contacts: 2, ..NOTHING };
    let (world, _) = coupled(options).await;
    world.run("CONTACT", RunMode::Full).await;
    // Within the second of the last change a cursor stands at its beginning, and moves once that is over.
    let last_change = Timestamp::now().as_second();
    let mut is_over = false;
    while !is_over {
        is_over = Timestamp::now().as_second() > last_change;
        for job in ["CUSTOMER", "CONTACT"] {
            world.run(job, RunMode::Modified).await;
        }
    }
    for job in ["CUSTOMER", "CONTACT"] {
        let (to, from) = (Direction::ToDataverse, Direction::FromDataverse);
        let before = (couplings(&world, job).await, cursor(&world, job, to).await, cursor(&world, job, from).await);
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.counters.total(), run.enqueued), (0, 0), "{job}: {:?}", run.counters);
        assert_eq!(couplings(&world, job).await, before.0, "{job}");
        assert_eq!(cursor(&world, job, to).await.position, before.1.position, "{job}");
        assert!(cursor(&world, job, from).await.as_of >= before.2.as_of, "{job}");
    }
}

#[tokio::test]
async fn c_020_r24_r71_changes_of_two_pairs_cross_and_both_remember_how_their_records_stand() {
    let (world, pairs) = coupled(of_customers(2)).await;
    pairs[0].change_customer(&world, json!({"displayName": "X"}));
    pairs[1].change_account(&world, json!({"name": "Y"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified, run.counters.failed), (1, 1, 0));
    for (pair, name) in pairs.iter().zip(["X", "Y"]) {
        assert_eq!(pair.both(&world, "displayName", "name"), (name.to_owned(), name.to_owned()));
        let coupling = world.coupling("CUSTOMER", pair.customer).await.expect("a coupling");
        let changed: Timestamp = text(&pair.customer(&world), "lastModifiedDateTime").parse().expect("a time");
        assert_eq!(coupling.business_central.modified, Some(changed), "{name}");
    }
    // Our own writes are known for what they are.
    let quiet = synchronize(&world).await.counters;
    assert_eq!(quiet.total(), quiet.unchanged, "{quiet:?}");
}

#[tokio::test]
async fn c_021_changes_arrive_although_the_clock_of_dataverse_is_behind() {
    let (world, pairs) = coupled(of_customers(1)).await;
    world.business_central.faults().set_clock_skew(SignedDuration::from_mins(30));
    for name in ["X1", "X2"] {
        pairs[0].change_customer(&world, json!({"displayName": name}));
        let run = synchronize(&world).await;
        assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0), "{name}");
        assert_eq!((run.from_dataverse.modified, run.from_dataverse.inserted), (0, 0), "{name}");
        assert_eq!(text(&pairs[0].account(&world), "name"), name);
    }
}

#[tokio::test]
async fn c_022_r59_r135_a_column_that_does_not_travel_leaves_its_record_unchanged() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let account = pairs[0].account(&world);
    pairs[0].change_customer(&world, json!({"taxRegistrationNumber": "DE 1"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.unchanged, run.to_dataverse.modified, run.enqueued), (1, 0, 0));
    assert_eq!(pairs[0].account(&world), account);
}
