//! Turning a value of one system's field into a value of the other's.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::table::FieldType;
use crate::value::Value;

/// Converts a value to the type of the destination field (R133, R139, R140).
///
/// Text that is too long is cut to the destination's length; codes are trimmed and upper-cased. `None` means that the
/// value cannot be a value of the destination: the destination keeps what it has (R139).
pub fn convert(value: &Value, to: &FieldType) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    match to {
        FieldType::Text { length } => Some(Value::text(cut(&plain_text(value), *length))),
        FieldType::Code { length } => {
            let code = plain_text(value).trim().to_uppercase();
            Some(Value::text(cut(&code, *length).trim_end()))
        }
        FieldType::Memo | FieldType::EntityName => Some(Value::text(plain_text(value))),
        FieldType::Decimal | FieldType::Money => match value {
            Value::Int(_) | Value::Decimal(_) => value.as_decimal().map(Value::Decimal),
            Value::Text(text) => Decimal::from_str(text.trim()).ok().map(Value::Decimal),
            _ => None,
        },
        FieldType::Int | FieldType::OptionSet => match value {
            Value::Int(number) => Some(Value::Int(*number)),
            Value::Decimal(number) if number.fract().is_zero() => i64::try_from(*number).ok().map(Value::Int),
            Value::Text(text) => text.trim().parse().ok().map(Value::Int),
            _ => None,
        },
        FieldType::Bool => match value {
            Value::Bool(flag) => Some(Value::Bool(*flag)),
            Value::Int(number) => Some(Value::Bool(*number != 0)),
            _ => None,
        },
        FieldType::Guid | FieldType::Lookup { .. } => match value {
            Value::Guid(_) | Value::Reference { .. } => Some(value.clone()),
            Value::Text(text) => uuid::Uuid::parse_str(text).ok().map(Value::Guid),
            _ => None,
        },
        FieldType::Date => match value {
            Value::Date(date) => Some(Value::Date(*date)),
            Value::DateTime(instant) => Some(Value::Date(instant.to_zoned(TimeZone::UTC).date())),
            Value::Text(text) => Date::from_str(text.trim()).ok().map(Value::Date),
            _ => None,
        },
        FieldType::DateTime => match value {
            Value::DateTime(instant) => Some(Value::DateTime(*instant)),
            Value::Date(date) => date.to_zoned(TimeZone::UTC).ok().map(|zoned| Value::DateTime(zoned.timestamp())),
            Value::Text(text) => text.trim().parse().ok().map(Value::DateTime),
            _ => None,
        },
        FieldType::Enum { values } => {
            let text = plain_text(value);
            let text = text.trim();
            if values.is_empty() {
                return Some(Value::text(text));
            }
            values.iter().find(|name| name.eq_ignore_ascii_case(text)).map(|name| Value::text(name.trim()))
        }
    }
}

/// A value as a field of text would show it.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The first `length` characters.
fn cut(text: &str, length: usize) -> &str {
    match text.char_indices().nth(length) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_form_of_their_destination() {
        let text = |length| FieldType::Text { length };
        let code = |length| FieldType::Code { length };
        let day = Date::constant(2026, 3, 1);
        let cases = [
            (Value::text("Contoso Ltd."), text(7), Some(Value::text("Contoso"))),
            (Value::text("Ærøskøbing"), text(3), Some(Value::text("Ærø"))),
            (Value::text(" de "), code(10), Some(Value::text("DE"))),
            (Value::text("Germany, Federal Republic"), code(10), Some(Value::text("GERMANY, F"))),
            (Value::Decimal(Decimal::new(1250, 2)), text(20), Some(Value::text("12.5"))),
            (Value::Int(3), FieldType::Money, Some(Value::Decimal(Decimal::from(3)))),
            (Value::Decimal(Decimal::new(25, 1)), FieldType::Int, None),
            (Value::text("soon"), FieldType::Date, None),
            (Value::Date(day), FieldType::DateTime, Some(Value::DateTime("2026-03-01T00:00:00Z".parse().unwrap()))),
            (Value::text("all"), FieldType::Enum { values: vec![" ".into(), "All".into()] }, Some(Value::text("All"))),
            (Value::text("some"), FieldType::Enum { values: vec![" ".into(), "All".into()] }, None),
            (Value::Null, FieldType::Money, Some(Value::Null)),
        ];
        for (value, to, expected) in cases {
            assert_eq!(convert(&value, &to), expected, "{value} to {to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn converting_twice_equals_converting_once(text in "\\PC{0,60}", length in 1usize..40) {
            for to in [FieldType::Text { length }, FieldType::Code { length }] {
                let once = convert(&Value::text(text.clone()), &to).unwrap();
                proptest::prop_assert_eq!(convert(&once, &to).unwrap(), once);
            }
        }
    }
}
