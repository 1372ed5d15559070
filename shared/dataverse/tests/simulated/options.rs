//! The options of a choice as rows of a table: found, made, renamed and removed through the column's definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::world::{World, columns, values, world_with};
use couplet_model::ids::{RecordId, option_id};
use couplet_model::record::{Change, Record};
use couplet_model::system::{Resume, System, SystemErrorKind, Write, WriteAction};
use couplet_model::table::{OPTION_LABELS, OPTION_NUMBER};
use couplet_model::{Condition, Filter, Table, Value};
use dataverse_simulator::DataverseOptions;

const COLUMN: &str = "paymenttermscode";
/// Number and labels of the option that an account's payment terms have from the beginning.
const BUILT_IN: (i64, &str) = (1, "Net 30");

async fn start() -> (World, Arc<Table>) {
    let world = world_with(DataverseOptions { demo: None, ..DataverseOptions::default() }).await;
    let name = |mapping: &&couplet_model::catalogue::Mapping| mapping.name.as_str() == "PAYMENT TERMS";
    let table = Arc::clone(&world.catalogue.mappings().iter().find(name).unwrap().dataverse);
    (world, table)
}

fn label(text: &str) -> couplet_model::record::Values {
    values(&[(COLUMN, Value::text(text))])
}

/// The options of the column of that name of another table.
fn options_of(world: &World, table: &str) -> Table {
    let table = world.table(table);
    Table::of_options(&table, table.column(COLUMN).unwrap(), BTreeMap::new())
}

fn shown(records: &[Record]) -> BTreeMap<i64, String> {
    let number = |record: &Record| record.get(OPTION_NUMBER).as_int().unwrap();
    records.iter().map(|record| (number(record), record.get(COLUMN).to_string())).collect()
}

async fn all(world: &World, table: &Table) -> BTreeMap<i64, String> {
    shown(&world.client.find(table, &Filter::default(), &columns(&[COLUMN])).await.unwrap())
}

#[tokio::test]
async fn options_are_found_by_label_and_by_id_and_come_whole_with_every_feed() {
    let (world, table) = start().await;
    let everything = all(&world, &table).await;
    assert_eq!(everything.get(&BUILT_IN.0).map(String::as_str), Some(BUILT_IN.1));
    assert!(everything.len() > 1);
    let filter = Filter::all(vec![Condition::equal(COLUMN, Value::text(BUILT_IN.1))]);
    let found = world.client.find(&table, &filter, &columns(&[COLUMN])).await.unwrap();
    assert_eq!(shown(&found), [(BUILT_IN.0, BUILT_IN.1.to_owned())].into());
    let id = option_id("account", COLUMN, BUILT_IN.0);
    assert_eq!(found[0].id, id);
    let fetched = world.fetch(&table, &[id, RecordId(uuid::Uuid::nil())], &[COLUMN]).await;
    assert_eq!(shown(&fetched), shown(&found));
    for from in [Resume::Everything, Resume::Since(world.feed(&table, &[COLUMN], Resume::Everything).await.cursor)] {
        let feed = world.feed(&table, &[COLUMN], from).await;
        let records: Vec<Record> = feed
            .changes
            .into_iter()
            .map(|change| match change {
                Change::Upserted(record) => record,
                Change::Deleted(id) => panic!("{id} is no deletion"),
            })
            .collect();
        assert_eq!(shown(&records), everything);
    }
    assert!(!world.client.takes_ids(&table) && world.client.takes_ids(&world.accounts()));
}

#[tokio::test]
async fn options_are_made_renamed_and_removed_in_the_column_and_in_those_that_repeat_it() {
    let (world, table) = start().await;
    let before = all(&world, &table).await;
    world.requests();
    let made = world.write(&table, &[Write::create(None, label("Net 14")), Write::create(None, label("COD"))]).await;
    // Four definitions, two options in four columns, and one publication.
    assert_eq!(world.requests(), 4 + 8 + 1);
    let ids: Vec<RecordId> = made.iter().map(|written| written.as_ref().unwrap().id).collect();
    let number = |index: usize| {
        let values = made[index].as_ref().unwrap().values.as_ref().unwrap();
        values[&Arc::from(OPTION_NUMBER)].as_int().unwrap()
    };
    assert_eq!(ids[0], option_id("account", COLUMN, number(0)));
    let renamed = world.write(&table, &[Write::update(ids[0], None, label("Net 15"))]).await;
    assert!(renamed[0].is_ok(), "{renamed:?}");
    let removed = Write { action: WriteAction::Delete { id: ids[1] }, values: values(&[]) };
    let removed = world.write(&table, &[removed]).await;
    assert!(removed[0].is_ok(), "{removed:?}");
    let mut expected = before;
    expected.insert(number(0), "Net 15".to_owned());
    assert_eq!(all(&world, &table).await, expected);
    for mirror in ["salesorder", "quote", "invoice"] {
        let repeated = all(&world, &options_of(&world, mirror)).await;
        assert_eq!(repeated.get(&number(0)).map(String::as_str), Some("Net 15"), "{mirror}: {repeated:?}");
        assert!(!repeated.values().any(|label| label == "COD"), "{mirror}: {repeated:?}");
    }
}

#[tokio::test]
async fn a_bad_option_fails_alone_and_what_cannot_be_published_says_what_to_do() {
    let (world, table) = start().await;
    let gone = option_id("account", COLUMN, 4711);
    let writes = [
        Write::create(None, label(" ")),
        Write::create(None, label("Net 21")),
        Write::update(gone, None, label("Nothing")),
    ];
    let results = world.write(&table, &writes).await;
    assert_eq!(results[0].as_ref().unwrap_err().kind, SystemErrorKind::Refused);
    assert!(results[1].is_ok(), "{results:?}");
    assert_eq!(results[2].as_ref().unwrap_err().kind, SystemErrorKind::NotFound);
    world.simulator.faults().fail_request("PublishXml", 403);
    let results = world.write(&table, &[Write::create(None, label("Net 28"))]).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Refused, "a failure of the option that a person must mend");
    assert!(error.message.contains("the right to publish customizations"), "{error}");
    assert!(all(&world, &table).await.values().any(|label| label == "Net 28"), "it stands and is found again");
    world.simulator.faults().fail_request("InsertOptionValue", 403);
    let results = world.write(&table, &[Write::create(None, label("Net 29"))]).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Refused);
    assert!(error.message.contains("the role System Customizer"), "{error}");
}

#[tokio::test]
async fn an_option_is_known_by_its_labels_in_all_languages_and_keeps_the_others_when_it_is_renamed() {
    let (world, table) = start().await;
    world.simulator.set_option("account", COLUMN, 14, &[(1033, "14 days"), (1031, "14 Tage")]).unwrap();
    let labels = async || {
        let id = option_id("account", COLUMN, 14);
        let found = world.fetch(&table, &[id], &[COLUMN, OPTION_LABELS]).await;
        (found[0].get(COLUMN).to_string(), found[0].get(OPTION_LABELS).to_string())
    };
    assert_eq!(labels().await, ("14 days".to_owned(), "14 days\n14 Tage".to_owned()));
    let id = option_id("account", COLUMN, 14);
    assert!(world.write(&table, &[Write::update(id, None, label("14D"))]).await[0].is_ok());
    assert_eq!(labels().await, ("14D".to_owned(), "14D\n14 Tage".to_owned()));
}
