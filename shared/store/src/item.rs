//! Items as DynamoDB holds them, and the typed way in and out of them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::keys::Key;

/// The attributes of one item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The largest item DynamoDB stores, in bytes of names and values.
pub(crate) const ITEM_LIMIT: usize = 400 * 1024;

/// Attribute with the JSON of the whole value.
pub(crate) const DATA: &str = "data";

/// Attribute with the time to live.
pub(crate) const EXPIRES: &str = "expires";

/// A text attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub(crate) fn number(value: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time, exact to the nanosecond and comparable.
pub(crate) fn time(value: Timestamp) -> AttributeValue {
    number(value.as_nanosecond())
}

/// A time to live.
pub(crate) fn expiry(from: Timestamp, kept: jiff::SignedDuration) -> AttributeValue {
    number(from.as_second().saturating_add(kept.as_secs()))
}

/// An item with its key and the JSON of a value.
pub(crate) fn with_data<T: Serialize>(key: &Key, what: &str, value: &T) -> Result<Item, StoreError> {
    let json = serde_json::to_string(value).map_err(|error| StoreError::corrupt(what, &error))?;
    let mut item = key.attributes();
    item.insert(DATA.to_owned(), text(json));
    Ok(item)
}

/// Size of an item as DynamoDB counts it, rounded up a little.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 1,
    }
}

/// Refuses an item DynamoDB would not store.
pub(crate) fn check_size(item: &Item, what: impl Fn() -> String) -> Result<usize, StoreError> {
    let bytes = size(item);
    if bytes > ITEM_LIMIT { Err(StoreError::TooLarge { what: what(), bytes }) } else { Ok(bytes) }
}

fn name_of(item: &Item) -> String {
    Key::of(item).map_or_else(|| "an item".to_owned(), |key| format!("the item {} / {}", key.pk, key.sk))
}

/// The value an item holds as JSON.
pub(crate) fn data<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let json = text_of(item, DATA)?;
    serde_json::from_str(json).map_err(|error| StoreError::corrupt(name_of(item), &error))
}

/// A text attribute, if it is there.
pub(crate) fn text_if_any<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// A text attribute.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    text_if_any(item, name).ok_or_else(|| StoreError::corrupt(name_of(item), &format!("it has no text {name:?}")))
}

/// A text attribute, parsed.
pub(crate) fn parsed<T>(item: &Item, name: &str) -> Result<T, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text_of(item, name)?
        .parse()
        .map_err(|error: T::Err| StoreError::corrupt(name_of(item), &format!("{name}: {error}")))
}

/// A count; 0 when it is not there.
pub(crate) fn count_of(item: &Item, name: &str) -> Result<u64, StoreError> {
    match item.get(name).and_then(|value| value.as_n().ok()) {
        None => Ok(0),
        Some(digits) => digits.parse().map_err(|error| StoreError::corrupt(name_of(item), &format!("{name}: {error}"))),
    }
}

/// A time, if it is there.
pub(crate) fn time_if_any(item: &Item, name: &str) -> Result<Option<Timestamp>, StoreError> {
    let Some(digits) = item.get(name).and_then(|value| value.as_n().ok()) else { return Ok(None) };
    let corrupt = |reason: String| StoreError::corrupt(name_of(item), &format!("{name}: {reason}"));
    let nanoseconds: i128 = digits.parse().map_err(|error: std::num::ParseIntError| corrupt(error.to_string()))?;
    Timestamp::from_nanosecond(nanoseconds).map(Some).map_err(|error| corrupt(error.to_string()))
}

/// A closed enum kept as its serde name.
pub(crate) fn word<T: Serialize>(value: &T) -> AttributeValue {
    let name = serde_json::to_value(value).ok().and_then(|json| json.as_str().map(str::to_owned));
    text(name.unwrap_or_default())
}

/// A closed enum kept as its serde name.
pub(crate) fn word_of<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, StoreError> {
    let word = text_of(item, name)?;
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|error| StoreError::corrupt(name_of(item), &format!("{name}: {error}")))
}
