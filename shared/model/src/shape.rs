//! The form in which a column keeps a value: numbers rounded to its decimal places, texts cut to its length. What would
//! come back otherwise is brought into this form before it is compared and written, or it would be written for ever.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::facts::ColumnFact;
use crate::table::FieldType;
use crate::value::Value;

/// A value in the form of its column.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaped {
    /// The value as the column keeps it.
    pub value: Value,
    /// Set when a text was cut: its length, and the length that is kept, in UTF-16 units.
    pub cut: Option<(usize, usize)>,
}

/// Brings a value into the form that a column keeps, as far as something is known of it.
pub fn shape(value: Value, field: &FieldType, fact: ColumnFact) -> Shaped {
    match (&value, field) {
        (Value::Decimal(number), FieldType::Decimal | FieldType::Money) => {
            let rounded = fact.decimals.map_or(*number, |decimals| rounded(*number, decimals));
            Shaped { value: Value::Decimal(rounded), cut: None }
        }
        (Value::Text(text), FieldType::Text { .. } | FieldType::Memo) => {
            let units = text.encode_utf16().count();
            match fact.longest.filter(|longest| units > *longest) {
                Some(longest) => Shaped { value: Value::text(beginning(text, longest)), cut: Some((units, longest)) },
                None => Shaped { value, cut: None },
            }
        }
        _ => Shaped { value, cut: None },
    }
}

/// Rounded half away from zero, as both systems do.
fn rounded(number: Decimal, decimals: u32) -> Decimal {
    number.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero).normalize()
}

/// As much of a text as fits into so many UTF-16 units; no character is torn apart.
fn beginning(text: &str, units: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += character.len_utf16();
        used > units
    });
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().expect("a number"))
    }

    #[test]
    fn f05_a_number_is_rounded_to_what_its_column_keeps() {
        for (number, decimals, expected) in [
            ("1.23456", Some(2), "1.23"),
            ("1.235", Some(2), "1.24"),
            ("-1.235", Some(2), "-1.24"),
            ("2.50", Some(2), "2.5"),
            ("0.004", Some(2), "0"),
            ("7.123456789012", Some(10), "7.123456789"),
            ("1.23456", None, "1.23456"),
        ] {
            let fact = ColumnFact { decimals, ..ColumnFact::default() };
            for field in [FieldType::Decimal, FieldType::Money] {
                assert_eq!(shape(decimal(number), &field, fact).value, decimal(expected), "{number} to {decimals:?}");
            }
        }
    }

    #[test]
    fn f05_a_memo_is_cut_to_its_length_and_says_so() {
        let fact = ColumnFact { longest: Some(5), ..ColumnFact::default() };
        let shaped = |text: &str| shape(Value::text(text), &FieldType::Memo, fact);
        assert_eq!(shaped("12345"), Shaped { value: Value::text("12345"), cut: None });
        assert_eq!(shaped("1234567"), Shaped { value: Value::text("12345"), cut: Some((7, 5)) });
        // A bicycle takes two units and is not torn apart.
        assert_eq!(shaped("1234🚲"), Shaped { value: Value::text("1234"), cut: Some((6, 5)) });
    }

    #[test]
    fn other_values_keep_their_form() {
        let fact = ColumnFact { decimals: Some(2), longest: Some(1), ..ColumnFact::default() };
        for (value, field) in [
            (Value::Int(12), FieldType::Int),
            (Value::Null, FieldType::Money),
            (Value::Bool(true), FieldType::Bool),
            (Value::text("Open"), FieldType::Enum { values: vec![] }),
        ] {
            assert_eq!(shape(value.clone(), &field, fact).value, value);
        }
    }

    proptest::proptest! {
        #[test]
        fn shaping_twice_equals_shaping_once(units in proptest::num::i64::ANY, scale in 0u32..12, decimals in 0u32..12) {
            let fact = ColumnFact { decimals: Some(decimals), ..ColumnFact::default() };
            let once = shape(Value::Decimal(Decimal::new(units, scale)), &FieldType::Decimal, fact).value;
            proptest::prop_assert_eq!(shape(once.clone(), &FieldType::Decimal, fact).value, once);
        }
    }
}
