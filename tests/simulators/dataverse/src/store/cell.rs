//! One value of a row, its JSON form in both directions, and how values compare.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::Kind;

/// A value that is not null.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Yes or no.
    Bool(bool),
    /// Whole number or option value.
    Int(i64),
    /// Decimal or money.
    Decimal(Decimal),
    /// Floating point.
    Double(f64),
    /// Text of any length.
    Text(Arc<str>),
    /// An id.
    Guid(Uuid),
    /// Seconds since 1970, UTC.
    Time(i64),
    /// Calendar day.
    Day(Date),
    /// A row of another table.
    Lookup {
        /// Position of the table in the schema.
        table: usize,
        /// Row id.
        id: Uuid,
    },
}

/// A value as it is looked up: text without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Whole numbers, booleans and days.
    Number(i64),
    /// Lower-case text.
    Text(String),
    /// Ids and lookups.
    Id(Uuid),
    /// Decimals.
    Decimal(Decimal),
}

impl Key {
    /// The key of a value; floats have none.
    #[must_use]
    pub fn of(cell: &Cell) -> Option<Self> {
        Some(match cell {
            Cell::Bool(value) => Self::Number(i64::from(*value)),
            Cell::Int(value) | Cell::Time(value) => Self::Number(*value),
            Cell::Decimal(value) => Self::Decimal(value.normalize()),
            Cell::Double(_) => return None,
            Cell::Text(text) => Self::Text(text.to_lowercase()),
            Cell::Guid(id) | Cell::Lookup { id, .. } => Self::Id(*id),
            Cell::Day(day) => {
                Self::Number(i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day()))
            }
        })
    }
}

/// Why a JSON value does not fit a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Cannot convert the literal '{literal}' to the expected type '{edm}'.")]
pub struct WrongType {
    /// What was sent.
    pub literal: String,
    /// What was expected.
    pub edm: &'static str,
}

impl Cell {
    /// Text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }

    /// Reads a JSON value for a column; `None` is null.
    ///
    /// # Errors
    /// When the JSON type or its content does not fit.
    pub fn from_json(kind: &Kind, value: &Value) -> Result<Option<Self>, WrongType> {
        let wrong =
            || WrongType { literal: value.as_str().map_or_else(|| value.to_string(), str::to_owned), edm: edm(kind) };
        let cell = match (kind, value) {
            (_, Value::Null) => return Ok(None),
            (Kind::Text(_) | Kind::Memo(_) | Kind::EntityName, Value::String(text)) => Self::text(text),
            // 5.0 is a decimal: the service does not convert it.
            (Kind::Integer | Kind::Choice(_), Value::Number(number)) => {
                Self::Int(i64::from(number.to_string().parse::<i32>().map_err(|_| wrong())?))
            }
            (Kind::BigInteger, Value::Number(number)) => Self::Int(number.to_string().parse().map_err(|_| wrong())?),
            (Kind::Decimal | Kind::Money, Value::Number(number)) => {
                Self::Decimal(decimal(&number.to_string()).ok_or_else(wrong)?)
            }
            (Kind::Double, Value::Number(number)) => Self::Double(number.to_string().parse().map_err(|_| wrong())?),
            (Kind::Boolean, Value::Bool(value)) => Self::Bool(*value),
            (Kind::DateTime, Value::String(text)) => Self::Time(instant(text).ok_or_else(wrong)?),
            // A time is no day: the service refuses it.
            (Kind::DateOnly, Value::String(text)) => Self::Day(day_only(text).ok_or_else(wrong)?),
            (Kind::Guid | Kind::Lookup(_), Value::String(text)) => Self::Guid(guid(text).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        Ok(Some(cell))
    }

    /// The value as JSON. Lookups show their id.
    #[must_use]
    pub fn to_json(&self, kind: &Kind) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::from(*value),
            Self::Decimal(value) => number(&decimal_text(*value, kind)),
            Self::Double(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Self::Text(text) => Value::String(text.to_string()),
            Self::Guid(id) | Self::Lookup { id, .. } => Value::String(id.to_string()),
            Self::Time(_) | Self::Day(_) => Value::String(self.plain_text()),
        }
    }

    /// The value as text without quotes, as in a URL literal.
    #[must_use]
    pub fn plain_text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Decimal(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Guid(id) | Self::Lookup { id, .. } => id.to_string(),
            Self::Time(seconds) => Timestamp::from_second(*seconds).map(|time| time.to_string()).unwrap_or_default(),
            Self::Day(day) => day.to_string(),
        }
    }

    /// The id of a lookup or guid.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Guid(id) | Self::Lookup { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// A number, whatever its type.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Int(value) => Some(Decimal::from(*value)),
            Self::Decimal(value) => Some(*value),
            Self::Double(value) => Decimal::from_f64_retain(*value),
            _ => None,
        }
    }
}

/// Money shows four decimals, as the service stores it; decimals show what they have.
#[must_use]
pub fn decimal_text(value: Decimal, kind: &Kind) -> String {
    match kind {
        Kind::Money => {
            let mut value = value.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero);
            value.rescale(4);
            value.to_string()
        }
        _ => value.to_string(),
    }
}

/// A JSON number from its text.
#[must_use]
pub fn number(text: &str) -> Value {
    serde_json::from_str::<serde_json::Number>(text).map_or(Value::Null, Value::Number)
}

/// A decimal from JSON or URL text, exponent form included.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

/// An id: with or without braces, any case.
#[must_use]
pub fn guid(text: &str) -> Option<Uuid> {
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    (bare.len() == 36).then(|| Uuid::try_parse(bare).ok()).flatten()
}

/// Seconds since 1970 from the text that a body or a filter has for an instant: a time needs its offset, a bare day is midnight UTC. The
/// service's OData library takes both, and nothing else.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    day_only(text)?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second())
}

/// The same for the values of query functions and FetchXML, which are read by the platform: a time without an offset is the user's, here UTC.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    if let Some(seconds) = instant(text) {
        return Some(seconds);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second())
}

/// A bare day.
#[must_use]
pub fn day_only(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

/// A day; the time part of a full date-time is dropped.
#[must_use]
pub fn day(text: &str) -> Option<Date> {
    day_only(text).or_else(|| {
        let time: Timestamp = text.parse().ok()?;
        Some(time.to_zoned(TimeZone::UTC).date())
    })
}

/// The Edm type of a column.
#[must_use]
pub fn edm(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text(_) | Kind::Memo(_) | Kind::EntityName => "Edm.String",
        Kind::Integer | Kind::Choice(_) => "Edm.Int32",
        Kind::BigInteger => "Edm.Int64",
        Kind::Decimal | Kind::Money => "Edm.Decimal",
        Kind::Double => "Edm.Double",
        Kind::Boolean => "Edm.Boolean",
        Kind::DateTime => "Edm.DateTimeOffset",
        Kind::DateOnly => "Edm.Date",
        Kind::Guid | Kind::Lookup(_) => "Edm.Guid",
    }
}

/// Texts are equal without regard to case.
#[must_use]
pub fn text_equal(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.to_lowercase() == right.to_lowercase()
}

/// Order of two values of one column; `None` when their types do not go together.
#[must_use]
pub fn compare(left: &Cell, right: &Cell) -> Option<Ordering> {
    Some(match (left, right) {
        (Cell::Bool(left), Cell::Bool(right)) => left.cmp(right),
        (Cell::Int(left), Cell::Int(right)) | (Cell::Time(left), Cell::Time(right)) => left.cmp(right),
        (Cell::Text(left), Cell::Text(right)) => {
            if text_equal(left, right) {
                Ordering::Equal
            } else {
                left.chars().flat_map(char::to_lowercase).cmp(right.chars().flat_map(char::to_lowercase))
            }
        }
        (Cell::Guid(_) | Cell::Lookup { .. }, Cell::Guid(_) | Cell::Lookup { .. }) => left.id().cmp(&right.id()),
        (Cell::Day(left), Cell::Day(right)) => left.cmp(right),
        (Cell::Double(left), Cell::Double(right)) => left.partial_cmp(right)?,
        _ => left.number()?.cmp(&right.number()?),
    })
}
