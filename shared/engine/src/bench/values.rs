//! Records and values as test cases write them: JSON by column, with small numbers for ids.
//!
//! Every value is typed with the column of the catalogue, so that a column which a table does not have fails the test that
//! names it.

use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::{FieldType, Record, RecordId, Table, Value};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

/// Ids up to this are shown as their number.
const SMALL: u128 = 1_000_000;

/// The id with a number.
pub(crate) fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

/// A record with an id and what is known of its columns. What is left out is unknown, null is blank.
pub(crate) fn record(table: &Table, id: RecordId, known: &Json) -> Record {
    Record { id, version: None, modified: None, values: values(table, known), unreadable: None }
}

/// Values by column. In a column of ids, 7 is the id with this number and `{"team": 7}` the row of that table; elsewhere
/// values are as the systems write them.
///
/// # Panics
/// When the table has no such column, or the column cannot hold the value.
pub(crate) fn values(table: &Table, known: &Json) -> Values {
    let known = known.as_object().unwrap_or_else(|| panic!("{known} names no columns of {}", table.name));
    known.iter().map(|(name, json)| (Arc::from(name.as_str()), value(table, name, json))).collect()
}

fn value(table: &Table, name: &str, json: &Json) -> Value {
    let column = table.column(name).unwrap_or_else(|| panic!("{} of {} has no column {name}", table.name, table.side));
    let number = |json: &Json| json.as_u64().map(|number| id(u128::from(number)).0);
    let holds_ids = matches!(column.field, FieldType::Guid | FieldType::Lookup { .. });
    match json {
        Json::Number(_) if holds_ids => Value::Guid(number(json).unwrap_or_else(|| panic!("{json} is no id"))),
        Json::Object(row) if holds_ids => {
            let (target, json) = row.iter().next().unwrap_or_else(|| panic!("{json} names no table"));
            let id = number(json).unwrap_or_else(|| panic!("{json} is no id"));
            Value::Reference { table: Arc::from(target.as_str()), id }
        }
        _ => Value::from_json(&column.field, json).unwrap_or_else(|error| panic!("{name} of {}: {error}", table.name)),
    }
}

/// Values as test cases write them.
pub(crate) fn shown<'a>(values: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Json {
    Json::Object(values.into_iter().map(|(name, value)| (name.to_owned(), shown_value(value))).collect())
}

fn shown_value(value: &Value) -> Json {
    match value {
        Value::Guid(id) => shown_id(*id),
        Value::Reference { table, id } => Json::Object(Map::from_iter([(table.to_string(), shown_id(*id))])),
        Value::Decimal(number) if number.fract().is_zero() => json!(number.to_i64()),
        Value::Decimal(number) => json!(number.to_f64()),
        other => other.to_json(),
    }
}

/// An id as test cases write it.
pub(crate) fn shown_id(id: Uuid) -> Json {
    let number = id.as_u128();
    if number < SMALL { json!(u64::try_from(number).ok()) } else { json!(id.to_string()) }
}

/// JSON objects of columns put together; the later ones count.
pub(crate) fn with(usual: &Json, special: Json) -> Json {
    let (Json::Object(usual), Json::Object(special)) = (usual, special) else { panic!("both name columns") };
    Json::Object(usual.clone().into_iter().chain(special).collect())
}

/// A JSON object of columns without some of them.
pub(crate) fn without(usual: &Json, columns: &[&str]) -> Json {
    let Json::Object(usual) = usual else { panic!("{usual} names no columns") };
    for column in columns {
        assert!(usual.contains_key(*column), "{column} is not there to be left out");
    }
    Json::Object(usual.clone().into_iter().filter(|(name, _)| !columns.contains(&name.as_str())).collect())
}
