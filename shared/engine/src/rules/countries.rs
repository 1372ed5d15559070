//! Countries as people write them: by the code of Business Central, by ISO code, or by name.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::outcome::FieldNote;
use couplet_model::table::Side;
use couplet_model::{Filter, Record, RetryClass, Value};

use super::{Transferring, put_same};
use crate::engine::Engine;
use crate::error::EngineError;

/// Where Business Central keeps its countries.
const TABLE: &str = "Country/Region";
/// Column of the country in a record of Business Central.
const CODE: &str = "country";
/// Column of the country in an address of Dataverse.
const TEXT: &str = "address1_country";
/// What Business Central clears when only the country changes (and the rest of the address with it, to be safe).
pub(crate) const ADDRESS: (&str, &[&str]) = (CODE, &["addressLine1", "addressLine2", "postalCode", "city", "state"]);

/// Codes by the texts they are written as, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Countries {
    codes: HashMap<String, String>,
}

impl Countries {
    /// Of several countries a text may mean, the one whose code it is comes first, then ISO codes, then names.
    fn of(rows: &[Record]) -> Self {
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

impl Engine {
    /// The countries of Business Central, if one of these records has a country that the other side writes otherwise.
    /// They are read once per process, and once more when a text is unknown, because a person may have added it.
    pub(crate) async fn countries_for(
        &self,
        source: Side,
        records: &[Transferring<'_>],
    ) -> Result<Arc<Countries>, EngineError> {
        let (here, there) = match source {
            Side::BusinessCentral => (CODE, TEXT),
            Side::Dataverse => (TEXT, CODE),
        };
        let texts: Vec<&str> = records
            .iter()
            .filter(|record| match (source, record.destination) {
                (_, Some(other)) => other.get(there) != record.source.get(here),
                (Side::Dataverse, None) => true,
                // A new account takes the code as it is.
                (Side::BusinessCentral, None) => false,
            })
            .flat_map(|record| [Some(record.source.get(here)), record.destination.map(|other| other.get(there))])
            .filter_map(|value| value?.as_text())
            .collect();
        if texts.is_empty() {
            return Ok(Arc::default());
        }
        let mut known = self.landscape.countries.lock().await;
        if let Some(countries) = known.as_ref().filter(|known| texts.iter().all(|text| known.code(text).is_some())) {
            return Ok(Arc::clone(countries));
        }
        let countries = Arc::new(Countries::of(&self.country_rows().await?));
        *known = Some(Arc::clone(&countries));
        Ok(countries)
    }

    async fn country_rows(&self) -> Result<Vec<Record>, EngineError> {
        let table = self
            .catalogue()
            .business_central_table(TABLE)
            .ok_or_else(|| EngineError::SetUp(format!("the catalogue has no table {TABLE}")))?;
        let system = self.system(Side::BusinessCentral);
        let columns = ["code", "displayName", "isoCode"].map(str::to_owned);
        match system.find(table, &Filter::default(), &columns).await {
            // Only the companion app shows ISO codes; without its page codes and names must do.
            Err(error) if matches!(error.retry_class(), RetryClass::Configuration | RetryClass::Data) => {
                Ok(system.find(table, &Filter::default(), &columns[..2]).await?)
            }
            rows => Ok(rows?),
        }
    }
}

/// Puts the code in the place of a country that Dataverse writes as a text; a text that is no country stays behind.
pub(crate) fn to_code(
    countries: &Countries,
    record: Transferring<'_>,
    fields: &mut Vec<couplet_model::decision::TransferredField>,
) -> Vec<FieldNote> {
    let Some(text) = record.source.get(TEXT).as_text() else { return Vec::new() };
    let Some(place) = fields.iter().position(|field| field.destination.name == CODE) else { return Vec::new() };
    if record.destination.is_some_and(|other| other.get(CODE).as_text() == Some(text)) {
        return Vec::new();
    }
    if let Some(code) = countries.code(text) {
        fields[place].desired = Value::text(code);
        return Vec::new();
    }
    let field = fields.remove(place);
    let caption = field.destination.caption.clone();
    let message = format!(
        "{caption} \"{text}\" is neither code nor ISO code nor name of a country/region in Business Central: the country there is \
         left as it is, everything else travels; write one of them, or add the country/region in Business Central"
    );
    vec![FieldNote::left(caption, Some(TEXT), message)]
}

/// Leaves a country as people write it in Dataverse where it means the code that Business Central holds.
pub(crate) fn keep_text(
    countries: &Countries,
    record: Transferring<'_>,
    fields: &mut [couplet_model::decision::TransferredField],
) {
    let (Some(code), Some(text)) =
        (record.source.get(CODE).as_text(), record.destination.and_then(|account| account.get(TEXT).as_text()))
    else {
        return;
    };
    if countries.code(text) == countries.code(code) && countries.code(text).is_some() {
        put_same(fields, TEXT, &Value::text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use couplet_model::RecordId;
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
