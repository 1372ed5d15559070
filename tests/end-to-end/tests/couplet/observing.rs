//! Short forms for what the tests look at.

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// The text of a property; empty when it is blank.
pub fn text<'a>(row: &'a Map<String, Json>, name: &str) -> &'a str {
    row.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The number of a property; zero when it is blank.
pub fn number(row: &Map<String, Json>, name: &str) -> Decimal {
    row.get(name)
        .filter(|value| value.is_number())
        .map_or(Decimal::ZERO, |value| value.to_string().parse().expect("a decimal number"))
}

/// The id in a property.
pub fn id(row: &Map<String, Json>, name: &str) -> Uuid {
    text(row, name).parse().unwrap_or_else(|_| panic!("{name} of {row:?} is not an id"))
}
