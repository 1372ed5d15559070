//! Turning a value of one system's field into a value of the other's.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::comparing::{folded, same};
use crate::table::FieldType;
use crate::value::Value;

/// Converts a value to the type of the destination field (R133, R139, R140).
///
/// Text that is too long is cut to the destination's length, which both systems count in UTF-16 units; codes are trimmed
/// and take the form that Business Central gives them. `None` means that the value cannot be a value of the destination:
/// the destination keeps what it has (R139).
pub fn convert(value: &Value, to: &FieldType) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    match to {
        FieldType::Text { length } => Some(Value::text(cut(&plain_text(value), *length))),
        FieldType::Code { length } => {
            let code = folded(plain_text(value).trim());
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
            values.iter().find(|name| same(name, text)).map(|name| Value::text(name.trim()))
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

/// As much of a text as fits into so many UTF-16 units. A letter outside the basic plane takes two of them and is never
/// halved; nor is a letter parted from the accents and joiners that follow it.
fn cut(text: &str, units: usize) -> &str {
    let mut taken = 0;
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        if !belongs_to_the_letter_before(letter) {
            end = at;
        }
        taken += letter.len_utf16();
        if taken > units {
            // A letter with more accents than fit is cut among them rather than lost.
            return if end == 0 { &text[..first_fitting(text, units)] } else { &text[..end] };
        }
    }
    text
}

fn first_fitting(text: &str, units: usize) -> usize {
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter.len_utf16();
        taken <= units
    };
    text.chars().take_while(fits).map(char::len_utf8).sum()
}

/// Whether a character only changes the one before it: combining marks, variation selectors, skin tones, and the joiner
/// of emoji.
fn belongs_to_the_letter_before(letter: char) -> bool {
    matches!(letter,
        '\u{0300}'..='\u{036f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{fe00}'..='\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r133_r139_r140_values_take_the_form_of_their_destination() {
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

    #[test]
    fn f04_text_is_cut_by_utf16_units_and_never_inside_a_letter() {
        let bicycle = "🚲";
        let accented = "e\u{301}";
        for (text, length, expected) in [
            ("x".repeat(99) + bicycle, 100, "x".repeat(99)),
            ("x".repeat(98) + bicycle, 100, "x".repeat(98) + bicycle),
            ("x".repeat(9) + accented, 10, "x".repeat(9)),
            ("x".repeat(8) + accented, 10, "x".repeat(8) + accented),
            (bicycle.repeat(3), 5, bicycle.repeat(2)),
            (bicycle.to_owned(), 1, String::new()),
            ("e".to_owned() + &"\u{301}".repeat(9), 4, "e".to_owned() + &"\u{301}".repeat(3)),
            ("Ærøskøbing".to_owned(), 3, "Ærø".to_owned()),
        ] {
            let cut = convert(&Value::text(text.clone()), &FieldType::Text { length }).unwrap();
            assert_eq!(cut, Value::text(expected), "{text} in {length}");
        }
    }

    #[test]
    fn f04_codes_and_choices_keep_their_letters() {
        let choices = FieldType::Enum { values: vec!["MÄRZ".into(), "Straße".into()] };
        for (text, to, expected) in [
            ("GEFÄß", FieldType::Code { length: 10 }, Some("GEFÄß")),
            ("gefäß", FieldType::Code { length: 10 }, Some("GEFÄß")),
            ("März", choices.clone(), Some("MÄRZ")),
            ("STRAßE", choices.clone(), Some("Straße")),
            ("STRASSE", choices, None),
        ] {
            assert_eq!(convert(&Value::text(text), &to), expected.map(Value::text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn f04_what_was_cut_fits_and_is_a_beginning(text in "\\PC{0,40}", length in 1usize..40) {
            let cut = cut(&text, length);
            proptest::prop_assert!(text.starts_with(cut));
            proptest::prop_assert!(cut.encode_utf16().count() <= length);
        }

        #[test]
        fn converting_twice_equals_converting_once(text in "\\PC{0,60}", length in 1usize..40) {
            for to in [FieldType::Text { length }, FieldType::Code { length }] {
                let once = convert(&Value::text(text.clone()), &to).unwrap();
                proptest::prop_assert_eq!(convert(&once, &to).unwrap(), once);
            }
        }
    }
}
