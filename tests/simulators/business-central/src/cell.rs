//! One stored value: its blank, its order, and its form on the wire.

use std::io::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::errors::ApiError;
use crate::schema::{Kind, Property};

/// A typed value of a property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cell {
    Text(Box<str>),
    Decimal(Decimal),
    Bool(bool),
    Int(i32),
    Guid(Uuid),
    Date(Date),
    DateTime(Timestamp),
    Enum(u8),
}

/// The blank date of the wire, 0001-01-01.
pub(crate) const BLANK_DATE: Date = Date::constant(1, 1, 1);

const BLANK_DATE_TIME_SECOND: i64 = -62_135_596_800;

/// The blank date-time of the wire, 0001-01-01T00:00:00Z.
pub(crate) fn blank_date_time() -> Timestamp {
    Timestamp::from_second(BLANK_DATE_TIME_SECOND).unwrap_or(Timestamp::MIN)
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into().into_boxed_str())
    }

    pub(crate) fn blank(kind: &Kind) -> Self {
        match kind {
            Kind::Text | Kind::Code => Cell::Text(Box::default()),
            Kind::Decimal => Cell::Decimal(Decimal::ZERO),
            Kind::Bool => Cell::Bool(false),
            Kind::Int => Cell::Int(0),
            Kind::Guid => Cell::Guid(Uuid::nil()),
            Kind::Date => Cell::Date(BLANK_DATE),
            Kind::DateTime => Cell::DateTime(blank_date_time()),
            Kind::Enum(_) => Cell::Enum(0),
        }
    }

    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Cell::Text(text) => text.is_empty(),
            Cell::Decimal(number) => number.is_zero(),
            Cell::Bool(flag) => !flag,
            Cell::Int(number) => *number == 0,
            Cell::Guid(id) => id.is_nil(),
            Cell::Date(date) => *date == BLANK_DATE,
            Cell::DateTime(time) => time.as_second() == BLANK_DATE_TIME_SECOND,
            Cell::Enum(at) => *at == 0,
        }
    }

    pub(crate) fn as_text(&self) -> &str {
        if let Cell::Text(text) = self { text } else { "" }
    }

    pub(crate) fn as_decimal(&self) -> Decimal {
        if let Cell::Decimal(number) = self { *number } else { Decimal::ZERO }
    }

    pub(crate) fn as_guid(&self) -> Uuid {
        if let Cell::Guid(id) = self { *id } else { Uuid::nil() }
    }

    pub(crate) fn as_bool(&self) -> bool {
        matches!(self, Cell::Bool(true))
    }

    pub(crate) fn as_int(&self) -> i32 {
        if let Cell::Int(number) = self { *number } else { 0 }
    }

    pub(crate) fn as_enum(&self) -> u8 {
        if let Cell::Enum(at) = self { *at } else { 0 }
    }

    pub(crate) fn as_date(&self) -> Date {
        if let Cell::Date(date) = self { *date } else { BLANK_DATE }
    }

    /// Appends the JSON form.
    pub(crate) fn write_json(&self, kind: &Kind, out: &mut Vec<u8>) {
        let written = match (self, kind) {
            (Cell::Text(text), _) => {
                write_json_text(text, out);
                Ok(())
            }
            (Cell::Decimal(number), _) => write!(out, "{}", number.normalize()),
            (Cell::Bool(flag), _) => write!(out, "{flag}"),
            (Cell::Int(number), _) => write!(out, "{number}"),
            (Cell::Guid(id), _) => write!(out, "\"{id}\""),
            (Cell::Date(date), _) => write!(out, "\"{date}\""),
            (Cell::DateTime(time), _) => write!(out, "\"{time}\""),
            (Cell::Enum(at), Kind::Enum(names)) => {
                write!(out, "\"{}\"", names.encoded.get(usize::from(*at)).map_or("", String::as_str))
            }
            (Cell::Enum(at), _) => write!(out, "{at}"),
        };
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
    }

    pub(crate) fn to_json(&self, kind: &Kind) -> Value {
        let mut out = Vec::new();
        self.write_json(kind, &mut out);
        serde_json::from_slice(&out).unwrap_or(Value::Null)
    }

    /// Takes a value of a request body; checks its type, its length and, for enums, its name.
    pub(crate) fn from_json(value: &Value, property: &Property) -> Result<Self, ApiError> {
        if value.is_null() {
            return Ok(Cell::blank(&property.kind));
        }
        let wrong = |expected: &str| ApiError::wrong_type(&property.name, value, expected);
        match &property.kind {
            Kind::Text | Kind::Code => Cell::checked_text(value.as_str().ok_or_else(|| wrong("Edm.String"))?, property),
            Kind::Decimal => {
                let Value::Number(number) = value else { return Err(wrong("Edm.Decimal")) };
                parse_decimal(number.as_str()).map(Cell::Decimal).ok_or_else(|| wrong("Edm.Decimal"))
            }
            Kind::Bool => value.as_bool().map(Cell::Bool).ok_or_else(|| wrong("Edm.Boolean")),
            Kind::Int => value
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .map(Cell::Int)
                .ok_or_else(|| wrong("Edm.Int32")),
            Kind::Guid => value.as_str().and_then(parse_guid).map(Cell::Guid).ok_or_else(|| wrong("Edm.Guid")),
            Kind::Date => value.as_str().and_then(parse_date).map(Cell::Date).ok_or_else(|| wrong("Edm.Date")),
            Kind::DateTime => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .map(Cell::DateTime)
                .ok_or_else(|| wrong("Edm.DateTimeOffset")),
            Kind::Enum(names) => {
                let text = value.as_str().ok_or_else(|| wrong("Edm.String"))?;
                names.position(text).map(Cell::Enum).ok_or_else(|| ApiError::not_an_option(text, &names.names))
            }
        }
    }

    /// A text or code of the property's length.
    pub(crate) fn checked_text(text: &str, property: &Property) -> Result<Self, ApiError> {
        let text = if property.kind == Kind::Code { as_code(text) } else { text.to_owned() };
        match property.length {
            Some(limit) if text.encode_utf16().count() > limit => Err(ApiError::string_too_long(&text, limit)),
            _ => Ok(Cell::text(text)),
        }
    }
}

/// The form of a text in a `Code` field: letters are upper-cased one to one, and those without a single capital stay.
pub(crate) fn as_code(text: &str) -> String {
    let capital = |letter: char| {
        let mut capitals = letter.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) => capital,
            _ => letter,
        }
    };
    text.trim().chars().map(capital).collect()
}

/// Appends a JSON string.
pub(crate) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
}

/// A plain or scientific decimal number.
pub(crate) fn parse_decimal(text: &str) -> Option<Decimal> {
    if text.len() > 64 {
        return None;
    }
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

/// A GUID in its usual form with hyphens; the form without is not one on this wire.
pub(crate) fn parse_guid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// A date `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}
