//! Values as OData literals, and the XML-style names of Business Central options.

use couplet_model::value::Value;
use jiff::Timestamp;

/// The value as a literal of a `$filter`, not yet percent-encoded.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => quoted(text),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => number.normalize().to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Guid(id) | Value::Reference { id, .. } => id.hyphenated().to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(instant) => instant_text(*instant),
    }
}

/// A text in single quotes, its own quotes doubled.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An instant in UTC with milliseconds, the precision both systems keep.
pub fn instant_text(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// A Business Central option name as it travels: characters that cannot stand in an XML name as `_xHHHH_`.
/// The blank option is `_x0020_`.
pub fn encode_option_name(name: &str) -> String {
    if name.is_empty() {
        return "_x0020_".into();
    }
    let mut encoded = String::with_capacity(name.len());
    for (position, character) in name.char_indices() {
        let plain = character.is_alphabetic()
            || character == '_' && !name[position..].starts_with("_x")
            || (position > 0 && (character.is_numeric() || character == '-'));
        if plain {
            encoded.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                encoded.push_str(&format!("_x{unit:04X}_"));
            }
        }
    }
    encoded
}

/// The option name behind its form on the wire; text that is not encoded comes back as it is.
pub fn decode_option_name(wire: &str) -> String {
    if !wire.contains("_x") {
        return wire.to_owned();
    }
    let mut units: Vec<u16> = Vec::with_capacity(wire.len());
    let mut rest = wire;
    while let Some(character) = rest.chars().next() {
        let code = rest
            .strip_prefix("_x")
            .and_then(|tail| tail.get(..4).filter(|_| tail.as_bytes().get(4) == Some(&b'_')))
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        match code {
            Some(unit) => {
                units.push(unit);
                rest = &rest[7..];
            }
            None => {
                let mut buffer = [0; 2];
                units.extend_from_slice(character.encode_utf16(&mut buffer));
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use uuid::Uuid;

    #[test]
    fn values_become_literals() {
        for (value, expected) in [
            (Value::Null, "null"),
            (Value::text("O'Brien & Sons"), "'O''Brien & Sons'"),
            (Value::Int(-3), "-3"),
            (Value::Decimal(Decimal::new(10500, 3)), "10.5"),
            (Value::Bool(true), "true"),
            (Value::Guid(Uuid::from_u128(1)), "00000000-0000-0000-0000-000000000001"),
            (Value::Date("2026-02-03".parse().expect("date")), "2026-02-03"),
            (Value::DateTime("2026-02-03T04:05:06Z".parse().expect("time")), "2026-02-03T04:05:06.000Z"),
            (Value::DateTime("2026-02-03T04:05:06.1239Z".parse().expect("time")), "2026-02-03T04:05:06.123Z"),
        ] {
            assert_eq!(literal(&value), expected);
        }
    }

    #[test]
    fn option_names_travel_like_xml_names() {
        for (name, wire) in [
            ("", "_x0020_"),
            (" ", "_x0020_"),
            ("Open", "Open"),
            ("Not Started", "Not_x0020_Started"),
            ("Non-Inventory", "Non-Inventory"),
            ("1 Week", "_x0031__x0020_Week"),
            ("No.", "No_x002E_"),
            ("a_x0", "a_x005F_x0"),
            ("Straße", "Straße"),
        ] {
            assert_eq!(encode_option_name(name), wire);
            let back = if name.is_empty() { " " } else { name };
            assert_eq!(decode_option_name(wire), back);
        }
        for odd in ["_x", "_x00", "_xzzzz_", "a_x0020", "_x0020"] {
            assert_eq!(decode_option_name(odd), odd);
        }
    }

    proptest! {
        #[test]
        fn every_option_name_survives_the_way(name in "\\PC{1,12}") {
            prop_assert_eq!(decode_option_name(&encode_option_name(&name)), name);
        }

        #[test]
        fn any_text_decodes(text in "\\PC{0,20}") {
            let _ = decode_option_name(&text);
        }
    }
}
