//! Countries as people write them: by the code of Business Central, by ISO code, or by name.

use std::collections::HashMap;

use couplet_model::Record;

/// Codes by the texts they are written as, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Countries {
    codes: HashMap<String, String>,
}

impl Countries {
    /// Of several countries a text may mean, the one whose code it is comes first, then ISO codes, then names.
    pub fn of(rows: &[Record]) -> Self {
        let mut codes = HashMap::new();
        for column in ["code", "isoCode", "displayName"] {
            for row in rows {
                if let (Some(text), Some(code)) = (row.get(column).as_text(), row.get("code").as_text()) {
                    codes.entry(key(text)).or_insert_with(|| code.to_owned());
                }
            }
        }
        Self { codes }
    }

    /// The code a text stands for.
    pub fn code(&self, text: &str) -> Option<&str> {
        self.codes.get(&key(text)).map(String::as_str)
    }
}

fn key(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use couplet_model::{RecordId, Value};
    use uuid::Uuid;

    fn country(code: &str, iso: &str, name: &str) -> Record {
        let values = [("code", code), ("isoCode", iso), ("displayName", name)];
        let values = values.into_iter().map(|(column, text)| (Arc::from(column), Value::text(text))).collect();
        Record { id: RecordId(Uuid::nil()), version: None, modified: None, values, unreadable: None }
    }

    #[test]
    fn f06_a_country_is_known_by_code_iso_code_and_name_in_this_order() {
        let rows =
            [country("A", "AT", "Österreich"), country("AT", "XX", "Atlantis"), country("DE", "DE", "Deutschland")];
        let countries = Countries::of(&rows);
        for (text, expected) in [
            ("a", Some("A")),
            ("AT", Some("AT")),
            (" österreich ", Some("A")),
            ("ÖSTERREICH", Some("A")),
            ("Deutschland", Some("DE")),
            ("xx", Some("AT")),
            ("Germany", None),
            ("", None),
        ] {
            assert_eq!(countries.code(text), expected, "{text}");
        }
    }
}
