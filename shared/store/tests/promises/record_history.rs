//! The history of records: found from either side, once each, small, and only where it is kept.

use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::RunId;
use couplet_model::field_rule::FieldRule;
use couplet_model::history::{Cause, FieldReason, HistoryEntry, HistoryOutcome, Origin};
use couplet_model::message::Direction;
use couplet_store::{Retention, Store};
use jiff::SignedDuration;

use crate::builders::*;

/// Bytes that one write unit takes.
const WRITE_UNIT: usize = 1024;

fn field(name: &str, from: &str, to: &str) -> FieldReason {
    FieldReason {
        source: Some(format!("{name}OfTheSource")),
        destination: format!("address1_{name}"),
        source_value: Some(to.to_owned()),
        destination_value: Some(from.to_owned()),
        base: Some(from.to_owned()),
        written: Some(to.to_owned()),
        rule: FieldRule::SourceChanged,
        origin: Origin::Field,
    }
}

/// A change of a pair of this number.
fn changed(run: RunId, second: i64, fields: Vec<FieldReason>) -> HistoryEntry {
    HistoryEntry {
        at: at(second),
        run,
        job: JOB.to_owned(),
        direction: Direction::ToDataverse,
        business_central: Some(bc(1)),
        dataverse: Some(dv(1)),
        former: None,
        outcome: HistoryOutcome::Modified,
        cause: Cause::Changed,
        message: None,
        fields,
        more_fields: 0,
        change: 7,
    }
}

fn some_fields() -> Vec<FieldReason> {
    let mut fields = vec![field("city", "Ystad", "Malmö"), field("street", "Storgatan 1", "Lilla Torg 12 B")];
    fields.push(FieldReason { base: None, destination_value: None, ..field("fax", "", "+46 40 123456") });
    fields.push(FieldReason {
        written: None,
        rule: FieldRule::DestinationChanged,
        ..field("name", "Adatum", "Fabrikam AB")
    });
    fields.push(FieldReason { source: None, source_value: None, origin: Origin::Constant, ..field("kind", "1", "3") });
    fields
}

#[tokio::test]
async fn what_became_of_a_record_is_kept_once_and_read_newest_first() {
    let store = empty_store().await;
    let runs = [RunId::fresh(), RunId::fresh(), RunId::fresh()];
    let mut entries: Vec<HistoryEntry> =
        runs.iter().zip(0..).map(|(run, second)| changed(*run, second, some_fields())).collect();
    // One that another job brought, and one of a row that is coupled with nobody.
    entries[1].job = "Item Availability".to_owned();
    let mut of_row = HistoryEntry { business_central: None, outcome: HistoryOutcome::Failed, ..entries[2].clone() };
    of_row.cause = Cause::NotPossible;
    of_row.message = Some("too long".to_owned());
    for _ in 0..2 {
        store.record_history(COMPANY, &items(), &entries).await.unwrap();
        store.record_history(COMPANY, &items(), std::slice::from_ref(&of_row)).await.unwrap();
    }
    entries.reverse();
    assert_eq!(store.history(COMPANY, &items(), bc(1), 10).await.unwrap(), entries);
    assert_eq!(store.history(COMPANY, &items(), bc(1), 2).await.unwrap(), entries[..2]);
    assert_eq!(store.history(COMPANY, &items(), dv(1), 10).await.unwrap(), [of_row]);
    assert_eq!(store.history(COMPANY, &resources(), bc(1), 10).await.unwrap(), []);
}

#[tokio::test]
async fn two_changes_in_one_run_and_both_directions_are_told_apart_and_an_end_stands_on_both_sides() {
    let store = empty_store().await;
    let run = RunId::fresh();
    let first = changed(run, 0, Vec::new());
    let second = HistoryEntry { change: 8, at: at(1), ..first.clone() };
    let back = HistoryEntry { direction: Direction::FromDataverse, at: at(2), ..first.clone() };
    let mut end = HistoryEntry { outcome: HistoryOutcome::Uncoupled, change: 9, at: at(3), ..first.clone() };
    end.cause = Cause::UncoupledByPerson;
    store.record_history(COMPANY, &items(), &[first, second, back, end.clone()]).await.unwrap();
    assert_eq!(store.history(COMPANY, &items(), bc(1), 10).await.unwrap().len(), 4);
    assert_eq!(store.history(COMPANY, &items(), dv(1), 10).await.unwrap(), [end]);
}

/// The bytes of the one item of a history, as DynamoDB counts them, and when it expires.
async fn stored(database: &EmbeddedDynamoDb, store: &Store, entry: &HistoryEntry) -> (usize, i64) {
    store.record_history(COMPANY, &items(), std::slice::from_ref(entry)).await.unwrap();
    let all = database.client().scan().table_name("couplet").send().await.unwrap().items.unwrap_or_default();
    let item = all.iter().find(|item| item["pk"].as_s().is_ok_and(|pk| pk.contains("#history#"))).expect("an item");
    let length =
        |value: &aws_sdk_dynamodb::types::AttributeValue| value.as_s().or_else(|_| value.as_n()).map_or(1, String::len);
    let bytes = item.iter().map(|(name, value)| name.len() + length(value)).sum();
    (bytes, item["expires"].as_n().unwrap().parse().unwrap())
}

#[tokio::test]
async fn an_ordinary_change_takes_one_write_unit_and_the_largest_three() {
    let database = EmbeddedDynamoDb::open_in_memory().expect("database");
    let store = store_on(database.client()).await;
    let run = RunId::fresh();
    let (bytes, expires) = stored(&database, &store, &changed(run, 0, some_fields())).await;
    assert!(bytes <= WRITE_UNIT, "{bytes} bytes for five fields");
    assert_eq!(expires, at(0).as_second() + 30 * 24 * 60 * 60);
    let value = "ü".repeat(100);
    let fields: Vec<FieldReason> = (0..60).map(|number| field(&format!("f{number}"), &value, &value)).collect();
    let largest = HistoryEntry { message: Some("ü".repeat(500)), ..changed(run, 0, fields) };
    let (bytes, _) = stored(&database, &store, &largest).await;
    assert!((2 * WRITE_UNIT..=3 * WRITE_UNIT).contains(&bytes), "{bytes} bytes");
    let read = store.history(COMPANY, &items(), bc(1), 1).await.unwrap().remove(0);
    assert_eq!(read.fields.len() + read.more_fields, 60);
    assert!(read.fields.len() >= 2, "{}", read.fields.len());
    assert_eq!(read.fields, largest.fields[..read.fields.len()], "the first ones stay");
}

#[tokio::test]
async fn nothing_is_kept_for_no_days() {
    let database = EmbeddedDynamoDb::open_in_memory().expect("database");
    let retention = Retention { history: SignedDuration::ZERO, ..Retention::default() };
    let store = Store::new(database.client(), "couplet", retention);
    store.create_table_if_absent().await.expect("table");
    store.record_history(COMPANY, &items(), &[changed(RunId::fresh(), 0, some_fields())]).await.unwrap();
    assert!(!store.keeps_history());
    let all = database.client().scan().table_name("couplet").send().await.unwrap().items.unwrap_or_default();
    assert!(all.is_empty(), "{all:?}");
}
