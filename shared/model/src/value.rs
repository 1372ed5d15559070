//! Field values in one form for both systems, and their way to and from JSON.
//!
//! Blank is one thing here: an empty text, a zero GUID, a blank date and a blank option of Business Central and a
//! null of Dataverse all become [`Value::Null`], so that "blank on both sides" compares equal.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::table::FieldType;

/// One field value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Blank on either side.
    Null,
    /// Text, code, or the name of a Business Central option. Never empty.
    Text(String),
    /// A whole number; the number of a Dataverse option.
    Int(i64),
    /// Money, quantities, rates.
    Decimal(Decimal),
    /// Yes or no.
    Bool(bool),
    /// The id of a record or the target of a lookup.
    Guid(Uuid),
    /// The target of a lookup that can point to several tables, with the table it points to.
    Reference {
        /// Logical name of the target table.
        table: Arc<str>,
        /// Id of the target row.
        id: Uuid,
    },
    /// A calendar day.
    Date(Date),
    /// An instant, UTC.
    DateTime(Timestamp),
}

/// A value that does not fit the type of its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} is not a {expected}")]
pub struct ValueError {
    /// What the field holds.
    pub expected: String,
    /// What was found instead, shortened.
    pub found: String,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::DateTime(a), Self::DateTime(b)) => a == b,
            _ => match (self.as_decimal(), other.as_decimal()) {
                (Some(a), Some(b)) => a == b,
                _ => matches!((self.as_guid(), other.as_guid()), (Some(a), Some(b)) if a == b),
            },
        }
    }
}

impl Eq for Value {}

impl Value {
    /// Text with blanks folded: an empty text is [`Value::Null`].
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Null } else { Self::Text(text) }
    }

    /// Whether the value is blank.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether the value says no more than a blank: a flag that is not set, or a zero.
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(flag) => !flag,
            other => other.as_decimal().is_some_and(|number| number.is_zero()),
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The record id, if it is one.
    pub fn as_guid(&self) -> Option<Uuid> {
        match self {
            Self::Guid(id) | Self::Reference { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Decimal(number) => Some(*number),
            Self::Int(number) => Some(Decimal::from(*number)),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The flag, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Reads a JSON value as a field of the given type, folding the blanks of both systems.
    ///
    /// # Errors
    /// When the JSON value cannot be a value of that type.
    pub fn from_json(field: &FieldType, json: &Json) -> Result<Self, ValueError> {
        let wrong = || ValueError { expected: field.to_string(), found: shorten(json) };
        if json.is_null() {
            return Ok(Self::Null);
        }
        match field {
            FieldType::Text { .. } | FieldType::Memo | FieldType::EntityName => {
                json.as_str().map(Self::text).ok_or_else(wrong)
            }
            // A code is what the system says it is: its letters are not ours to change.
            FieldType::Code { .. } | FieldType::Enum { .. } => {
                json.as_str().map(|text| Self::text(text.trim())).ok_or_else(wrong)
            }
            FieldType::Bool => json.as_bool().map(Self::Bool).ok_or_else(wrong),
            FieldType::Int | FieldType::OptionSet => json.as_i64().map(Self::Int).ok_or_else(wrong),
            FieldType::Decimal | FieldType::Money => match json {
                Json::Number(number) => decimal(&number.to_string()).map(Self::Decimal).ok_or_else(wrong),
                _ => Err(wrong()),
            },
            FieldType::Guid | FieldType::Lookup { .. } => {
                let text = json.as_str().ok_or_else(wrong)?;
                let id = Uuid::from_str(text.trim_matches(['{', '}'])).map_err(|_| wrong())?;
                Ok(if id.is_nil() { Self::Null } else { Self::Guid(id) })
            }
            FieldType::Date => {
                let text = json.as_str().ok_or_else(wrong)?;
                let date = match Timestamp::from_str(text) {
                    Ok(instant) => day_of(instant).ok_or_else(wrong)?,
                    Err(_) => Date::from_str(text.get(..10).unwrap_or(text)).map_err(|_| wrong())?,
                };
                Ok(if date.year() <= 1 { Self::Null } else { Self::Date(date) })
            }
            FieldType::DateTime => {
                let text = json.as_str().ok_or_else(wrong)?;
                let instant = Timestamp::from_str(text).map_err(|_| wrong())?;
                Ok(if text.starts_with("0001-01-01") { Self::Null } else { Self::DateTime(instant) })
            }
        }
    }

    /// The JSON form in which both systems and the store understand the value. Blank is `null`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Text(text) => Json::String(text.clone()),
            Self::Int(number) => Json::from(*number),
            Self::Decimal(number) => decimal_json(*number),
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Guid(id) | Self::Reference { id, .. } => Json::String(id.hyphenated().to_string()),
            Self::Date(date) => Json::String(date.to_string()),
            Self::DateTime(instant) => Json::String(instant.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("blank"),
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Decimal(number) => number.normalize().fmt(f),
            Self::Bool(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Guid(id) | Self::Reference { id, .. } => id.hyphenated().fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::DateTime(instant) => instant.fmt(f),
        }
    }
}

/// The day an instant stands for that Dataverse shows as a day in every user's own time zone: midnight of whoever entered
/// it, or the noon that we write. It is the day whose midnight in UTC is nearest, which is right for all users less than
/// twelve hours away from UTC, wherever they are; and noon is ours.
fn day_of(instant: Timestamp) -> Option<Date> {
    let just_before_noon_later = SignedDuration::from_hours(12) - SignedDuration::from_nanos(1);
    let shifted = instant.checked_add(just_before_noon_later).ok()?;
    Some(shifted.to_zoned(TimeZone::UTC).date())
}

/// The instant that stands for a day where a column keeps instants: noon UTC is that day for all users less than twelve
/// hours away from UTC.
pub fn noon_of(day: Date) -> Option<Timestamp> {
    Some(day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// What kind of JSON a value is, for messages that must not show it.
pub fn json_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a yes or no",
        Json::Number(number) if number.is_f64() => "a number with decimals",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// A decimal from the text of a JSON number, exponents included.
fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

/// A decimal as a JSON number with exactly its digits, trailing zeros dropped.
fn decimal_json(number: Decimal) -> Json {
    match serde_json::Number::from_str(&number.normalize().to_string()) {
        Ok(number) => Json::Number(number),
        Err(_) => Json::Null,
    }
}

fn shorten(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() > 60 { text.chars().take(60).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blanks_of_both_systems_are_one_blank() {
        for (field, json) in [
            (FieldType::Text { length: 10 }, json!("")),
            (FieldType::Enum { values: vec![] }, json!(" ")),
            (FieldType::Guid, json!("00000000-0000-0000-0000-000000000000")),
            (FieldType::Date, json!("0001-01-01")),
            (FieldType::DateTime, json!("0001-01-01T00:00:00Z")),
            (FieldType::Money, Json::Null),
        ] {
            assert_eq!(Value::from_json(&field, &json), Ok(Value::Null), "{field}");
        }
    }

    #[test]
    fn decimals_keep_every_digit() {
        let json: Json = serde_json::from_str("12345678901234567.12345678").unwrap();
        let value = Value::from_json(&FieldType::Money, &json).unwrap();
        assert_eq!(value.to_json().to_string(), "12345678901234567.12345678");
        let trailing: Json = serde_json::from_str("10.5000").unwrap();
        assert_eq!(Value::from_json(&FieldType::Money, &trailing).unwrap(), Value::Decimal(Decimal::new(105, 1)));
        let small: Json = serde_json::from_str("1e-3").unwrap();
        assert_eq!(Value::from_json(&FieldType::Decimal, &small).unwrap(), Value::Decimal(Decimal::new(1, 3)));
    }

    #[test]
    fn f05_a_day_stays_the_same_day_for_users_of_every_time_zone() {
        let day: Date = "2026-03-01".parse().unwrap();
        for entered in [
            "2026-03-01",
            "2026-03-01T00:00:00Z",
            // Midnight in Berlin, Tokyo, Kolkata, New York, Honolulu; and the noon that we write.
            "2026-02-28T23:00:00Z",
            "2026-02-28T15:00:00Z",
            "2026-02-28T18:30:00Z",
            "2026-03-01T05:00:00Z",
            "2026-03-01T10:00:00Z",
            "2026-03-01T12:00:00Z",
        ] {
            assert_eq!(Value::from_json(&FieldType::Date, &json!(entered)), Ok(Value::Date(day)), "{entered}");
        }
        assert_eq!(noon_of(day).unwrap().to_string(), "2026-03-01T12:00:00Z");
        for hours in -11..12 {
            let zone = jiff::tz::Offset::constant(hours).to_time_zone();
            assert_eq!(noon_of(day).unwrap().to_zoned(zone).date(), day, "{hours}");
        }
    }

    #[test]
    fn f04_codes_are_taken_as_received() {
        for code in ["EUR", "GEFÄß", "eur"] {
            let padded = json!(format!("{code} "));
            assert_eq!(Value::from_json(&FieldType::Code { length: 10 }, &padded).unwrap(), Value::text(code));
        }
    }

    #[test]
    fn a_value_of_another_type_is_named() {
        let error = Value::from_json(&FieldType::Bool, &json!("yes")).unwrap_err();
        assert_eq!(error.to_string(), "\"yes\" is not a yes/no");
    }

    #[test]
    fn a_reference_equals_the_plain_id() {
        let id = Uuid::from_u128(7);
        assert_eq!(Value::Guid(id), Value::Reference { table: "team".into(), id });
        assert_ne!(Value::Guid(id), Value::Text(id.to_string()));
        assert_eq!(Value::Int(3), Value::Decimal(Decimal::from(3)));
    }
}
