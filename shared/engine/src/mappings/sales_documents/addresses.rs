//! Bill-to and ship-to address of a document from Sales (S57, S58): all of it, or the customer's own.

use std::sync::Arc;

use couplet_model::decision::TransferredField;
use couplet_model::outcome::FieldNote;
use couplet_model::{Record, Value};

use crate::error::EngineError;
use crate::facts::Countries;
use crate::installation::Installation;

/// The parts of an address: the end of its column in Dataverse, and of that in Business Central.
const PARTS: [(&str, &str); 6] = [
    ("line1", "AddressLine1"),
    ("line2", "AddressLine2"),
    ("postalcode", "PostCode"),
    ("city", "City"),
    ("country", "Country"),
    ("stateorprovince", "State"),
];
/// The beginnings of the columns of both addresses, in Dataverse and in Business Central.
const ADDRESSES: [(&str, &str); 2] = [("billto", "billTo"), ("shipto", "shipTo")];

/// The addresses of documents, with the countries they may be in.
pub(crate) struct Addresses(Arc<Countries>);

impl Addresses {
    /// What addresses of some documents need.
    pub async fn of<'r>(
        installation: &Installation,
        documents: impl Iterator<Item = &'r Record>,
    ) -> Result<Self, EngineError> {
        let countries = |document: &'r Record| {
            ADDRESSES.map(|(here, _)| document.get(&format!("{here}_country")).as_text()).into_iter().flatten()
        };
        let texts: Vec<&str> = documents.flat_map(countries).collect();
        Ok(Self(installation.countries_for(&texts).await?))
    }

    /// Keeps an address only where a part of it is filled; then all parts travel, blank ones as well. A country is brought
    /// into the form of a code; one that Business Central does not know stays blank, with a note.
    pub fn keep(&self, document: &Record, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        let mut notes = Vec::new();
        for (here, there) in ADDRESSES {
            let held = |part: &str| document.get(&format!("{here}_{part}"));
            let is_blank = PARTS.iter().all(|(part, _)| held(part).is_null());
            let is_part = |field: &TransferredField| {
                let rest = field.destination.name.strip_prefix(there);
                rest.is_some_and(|rest| PARTS.iter().any(|(_, part)| *part == rest))
            };
            if is_blank {
                fields.retain(|field| !is_part(field));
                continue;
            }
            for field in fields.iter_mut().filter(|field| is_part(field)) {
                if field.destination.name.ends_with("Country")
                    && let Some(text) = held("country").as_text()
                {
                    match self.0.code(text) {
                        Some(code) => field.desired = Value::text(code),
                        None => {
                            field.desired = Value::Null;
                            notes.push(unknown_country(field, &format!("{here}_country"), text));
                        }
                    }
                }
                // A new document has the address of its customer: a part that is left out would keep that.
                if field.desired.is_null() {
                    field.desired = Value::Text(String::new());
                }
            }
        }
        notes
    }

    /// Brings the countries of a document that is there already into the form of a code; one that Business Central does not know
    /// stays as it is there, with a note.
    pub fn translate(&self, document: &Record, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        let mut notes = Vec::new();
        for (here, there) in ADDRESSES {
            let (column, name) = (format!("{here}_country"), format!("{there}Country"));
            let Some(text) = document.get(&column).as_text() else { continue };
            let Some(place) = fields.iter().position(|field| field.destination.name == name) else { continue };
            match self.0.code(text) {
                Some(code) => fields[place].desired = Value::text(code),
                None => {
                    let field = fields.remove(place);
                    let caption = field.destination.caption.clone();
                    let message = format!(
                        "{caption} \"{text}\" is neither code nor ISO code nor name of a country/region in Business Central: the country \
                         there is left as it is, everything else travels; write one of them, or add the country/region in Business Central"
                    );
                    notes.push(FieldNote::left(caption, Some(&column), message));
                }
            }
        }
        notes
    }
}

fn unknown_country(field: &TransferredField, column: &str, text: &str) -> FieldNote {
    let caption = field.destination.caption.clone();
    let message = format!(
        "{caption} \"{text}\" is neither code nor ISO code nor name of a country/region in Business Central: it is left blank there, \
         everything else travels; fill it in there, and add the country/region so that it is known next time"
    );
    FieldNote::altered(caption, Some(column), message)
}
