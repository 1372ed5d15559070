//! One value that cannot be understood is the flaw of its record, whichever call reads it, whatever its column's type.

use couplet_business_central::BusinessCentralClient;
use couplet_dataverse::DataverseClient;
use couplet_end_to_end::{
    Disturbance, Proxy, World, WorldOptions, business_central_settings, dataverse_settings, feed,
};
use couplet_model::catalogue::Catalogue;
use couplet_model::filter::{Condition, Filter};
use couplet_model::ids::RecordId;
use couplet_model::record::{Change, Record};
use couplet_model::system::{Resume, System};
use couplet_model::{FieldType, Table, Value};
use uuid::Uuid;

/// Ids asked for beside the damaged record: so many that they travel as a batch of queries to either system.
const OTHERS: u128 = 500;

/// Replaces the value of a property in every object of a text that holds this id.
fn damaged(body: &str, id: &str, property: &str) -> String {
    let (id, property) = (format!("\"{id}\""), format!("\"{property}\":"));
    let mut objects: Vec<String> = body.split('}').map(str::to_owned).collect();
    for object in &mut objects {
        let Some(start) = object.rfind('{').filter(|start| object[*start..].contains(&id)) else { continue };
        let Some(value) = object[start..].find(&property).map(|at| start + at + property.len()) else { continue };
        let rest = &object[value..];
        let end = match rest.strip_prefix('"') {
            Some(text) => text.find('"').map_or(rest.len(), |end| end + 2),
            None => rest.find(',').unwrap_or(rest.len()),
        };
        object.replace_range(value..value + end, "[\"secret\"]");
    }
    objects.join("}")
}

/// The record as each call shows it: the change feed, one id, many ids, and a filter.
async fn shown(system: &dyn System, table: &Table, columns: &[String], id: RecordId) -> Vec<(&'static str, Record)> {
    let of = |records: Vec<Record>| records.into_iter().find(|record| record.id == id).expect("the record is shown");
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let feed = feed(system, table, &names, &Filter::default(), Resume::Everything).await.expect("a feed");
    let changes = feed.changes.into_iter().filter_map(|change| match change {
        Change::Upserted(record) => Some(record),
        Change::Deleted(_) => None,
    });
    let many: Vec<RecordId> =
        (0..OTHERS).map(|number| RecordId(Uuid::from_u128(0xd0_0000 + number))).chain([id]).collect();
    let filter = Filter::all(vec![Condition::equal(&table.id_column, Value::Guid(id.0))]);
    vec![
        ("changes", of(changes.collect())),
        ("fetch", of(system.fetch(table, &[id], columns).await.expect("an answer"))),
        ("fetch in a batch", of(system.fetch(table, &many, columns).await.expect("an answer"))),
        ("find", of(system.find(table, &filter, columns).await.expect("an answer"))),
    ]
}

/// Damages the columns of a record one after the other; gives the types of those that were damaged.
async fn each_column(system: &dyn System, proxy: &Proxy, table: &Table, id: RecordId) -> Vec<String> {
    let columns: Vec<String> = table
        .columns
        .iter()
        .filter(|(name, column)| {
            column.standard && **name != table.id_column && !matches!(column.field, FieldType::EntityName)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let mut types = Vec::new();
    for column in &columns {
        let others: Vec<String> = [Some(column.clone()), table.label_column.clone()].into_iter().flatten().collect();
        proxy.clear();
        for (call, record) in shown(system, table, &others, id).await {
            assert_eq!(record.unreadable, None, "{}.{column} in {call}", table.name);
        }
        let field = &table.columns[column].field;
        let property = match (table.side, field) {
            (couplet_model::Side::Dataverse, FieldType::Lookup { .. }) => format!("_{column}_value"),
            _ => column.clone(),
        };
        let id_text = id.to_string();
        proxy.disturb(usize::MAX, Disturbance::edit(move |body| damaged(&body, &id_text, &property)), |_| true);
        for (call, record) in shown(system, table, &others, id).await {
            let flaw = record.unreadable.unwrap_or_else(|| panic!("{}.{column} in {call}", table.name));
            assert_eq!(&flaw.column, column, "{call}");
            assert!(!flaw.detail.contains("secret"), "{}", flaw.detail);
            assert!(!record.values.contains_key(column.as_str()), "what cannot be read is unknown, in {call}");
        }
        types.push(field.to_string());
    }
    types
}

fn holds_all(types: &[String], expected: &[FieldType]) {
    for kind in expected.iter().map(first_word) {
        assert!(types.iter().any(|known| known.starts_with(&kind)), "no column of type {kind} among {types:?}");
    }
}

#[tokio::test]
async fn f17_every_call_and_type_of_business_central_names_the_column_of_the_one_bad_record() {
    let world = World::start(WorldOptions::default()).await;
    let (proxy, _) = world.proxies().await;
    let mut settings = business_central_settings(&world.business_central);
    settings.url = proxy.url().to_owned();
    let client = BusinessCentralClient::new(settings).expect("a client");
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let mut types = Vec::new();
    for name in ["Item", "Customer"] {
        let table = catalogue.business_central_table(name).expect("a table");
        let id = RecordId(world.business_central_ids(name, |_| true)[0]);
        types.extend(each_column(&client, &proxy, table, id).await);
    }
    let kinds = [
        FieldType::Text { length: 1 },
        FieldType::Code { length: 1 },
        FieldType::Decimal,
        FieldType::Bool,
        FieldType::Guid,
        FieldType::DateTime,
        FieldType::Enum { values: Vec::new() },
    ];
    holds_all(&types, &kinds);
}

#[tokio::test]
async fn f17_every_call_and_type_of_dataverse_names_the_column_of_the_one_bad_record() {
    let world = World::start(WorldOptions::default()).await;
    let (_, proxy) = world.proxies().await;
    let mut settings = dataverse_settings(&world.dataverse);
    settings.url = proxy.url().to_owned();
    let client = DataverseClient::new(settings, Default::default()).expect("a client");
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let table = catalogue.dataverse_table("account").expect("a table");
    let id = world.dataverse.create_as_user("account", serde_json::json!({"name": "Fabrikam"})).expect("taken");
    let types = each_column(&client, &proxy, table, RecordId(id)).await;
    let kinds = [
        FieldType::Text { length: 1 },
        FieldType::Memo,
        FieldType::Money,
        FieldType::Bool,
        FieldType::OptionSet,
        FieldType::Lookup { targets: Vec::new() },
        FieldType::DateTime,
    ];
    holds_all(&types, &kinds);
}

/// What the names of all columns of a type begin with.
fn first_word(field: &FieldType) -> String {
    field.to_string().split([' ', '(']).next().unwrap_or_default().to_owned()
}
