//! The country of an address, which both systems write in their own way.

use couplet_model::Value;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::FieldNote;

use super::rules::{Transferring, put_same};
use crate::facts::Countries;

/// Column of the country in a record of Business Central.
const CODE: &str = "country";
/// Column of the country in an address of Dataverse.
const TEXT: &str = "address1_country";
/// What Business Central clears when only the country changes (and the rest of the address with it, to be safe).
const ADDRESS: [(&str, &[&str]); 1] = [(CODE, &["addressLine1", "addressLine2", "postalCode", "city", "state"])];

/// What is written together with the country in a direction.
pub(crate) fn travel_together(direction: Direction) -> &'static [(&'static str, &'static [&'static str])] {
    if direction == Direction::FromDataverse { &ADDRESS } else { &[] }
}

/// Gives the country the form that the destination of a direction keeps, or leaves it behind.
pub(crate) fn translate(
    direction: Direction,
    countries: &Countries,
    record: Transferring<'_>,
    fields: &mut Vec<TransferredField>,
) -> Vec<FieldNote> {
    match direction {
        Direction::ToDataverse => {
            keep_text(countries, record, fields);
            Vec::new()
        }
        Direction::FromDataverse => to_code(countries, record, fields),
    }
}

/// The countries that these records write, where they differ from what the other side writes.
pub(crate) fn texts_in_question<'a>(direction: Direction, records: &[Transferring<'a>]) -> Vec<&'a str> {
    let (here, there) = match direction {
        Direction::ToDataverse => (CODE, TEXT),
        Direction::FromDataverse => (TEXT, CODE),
    };
    records
        .iter()
        .filter(|record| match (direction, record.destination) {
            (_, Some(other)) => other.get(there) != record.source.get(here),
            (Direction::FromDataverse, None) => true,
            // A new account takes the code as it is.
            (Direction::ToDataverse, None) => false,
        })
        .flat_map(|record| [Some(record.source.get(here)), record.destination.map(|other| other.get(there))])
        .filter_map(|value| value?.as_text())
        .collect()
}

/// Puts the code in the place of a country that Dataverse writes as a text; a text that is no country stays behind.
fn to_code(countries: &Countries, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
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
fn keep_text(countries: &Countries, record: Transferring<'_>, fields: &mut [TransferredField]) {
    let (Some(code), Some(text)) =
        (record.source.get(CODE).as_text(), record.destination.and_then(|account| account.get(TEXT).as_text()))
    else {
        return;
    };
    if countries.code(text) == countries.code(code) && countries.code(text).is_some() {
        put_same(fields, TEXT, &Value::text(text));
    }
}
