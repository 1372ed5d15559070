//! Transformation rules: what is made of a text on its way.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What is made of a text on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transformation {
    /// All letters become capitals.
    Uppercase,
    /// All letters become small.
    Lowercase,
    /// Spaces at both ends are taken away.
    Trim,
    /// Every occurrence of a text becomes another.
    Replace {
        /// What is looked for, letter by letter.
        find: String,
        /// What takes its place.
        with: String,
    },
    /// A part of the text remains.
    Substring {
        /// The first letter, counted from 1.
        from: usize,
        /// How many letters at most.
        length: usize,
    },
}

impl Transformation {
    /// Whether its settings mean something.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Replace { find, .. } if find.is_empty() => Err("replace needs a text to find".to_owned()),
            Self::Substring { from: 0, .. } => Err("substring counts from 1".to_owned()),
            Self::Substring { length: 0, .. } => Err("substring needs a length of at least 1".to_owned()),
            _ => Ok(()),
        }
    }

    /// A value as it travels. What is no text stays as it is, and a text of which nothing is left is blank.
    pub fn apply<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        let Some(text) = value.as_text() else { return Cow::Borrowed(value) };
        let made = match self {
            Self::Uppercase => text.to_uppercase(),
            Self::Lowercase => text.to_lowercase(),
            Self::Trim => text.trim().to_owned(),
            Self::Replace { find, with } => text.replace(find.as_str(), with),
            Self::Substring { from, length } => text.chars().skip(from - 1).take(*length).collect(),
        };
        if made == text {
            return Cow::Borrowed(value);
        }
        Cow::Owned(if made.is_empty() { Value::Null } else { Value::text(made) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r142_a_text_travels_as_its_transformation_makes_it() {
        let replace = |find: &str, with: &str| Transformation::Replace { find: find.to_owned(), with: with.to_owned() };
        let substring = |from, length| Transformation::Substring { from, length };
        let cases = [
            (Transformation::Uppercase, "Straße 1", "STRASSE 1"),
            (Transformation::Lowercase, "Info@Adatum.COM", "info@adatum.com"),
            (Transformation::Trim, "  Adatum ", "Adatum"),
            (replace("+49", "0"), "+49 30 +49", "0 30 0"),
            (substring(2, 3), "Äpfel", "pfe"),
            (substring(4, 10), "Äpfel", "el"),
        ];
        for (transformation, from, to) in cases {
            transformation.check().expect("it means something");
            assert_eq!(*transformation.apply(&Value::text(from)), Value::text(to), "{transformation:?}");
        }
        assert_eq!(*Transformation::Trim.apply(&Value::text("   ")), Value::Null);
        assert_eq!(*Transformation::Uppercase.apply(&Value::Bool(true)), Value::Bool(true));
        for wrong in [replace("", "x"), substring(0, 1), substring(1, 0)] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_transformation_is_written_as_a_word_or_with_its_settings() {
        let read = |text: &str| serde_json::from_str::<Transformation>(text).expect("a transformation");
        assert_eq!(read(r#""uppercase""#), Transformation::Uppercase);
        let replaced = read(r#"{"replace": {"find": "a", "with": "b"}}"#);
        assert_eq!(replaced, Transformation::Replace { find: "a".to_owned(), with: "b".to_owned() });
    }
}
