//! Contacts of customers and vendors: the company contact that a new one gets, the relation between the two, and the person
//! who is the primary contact.

use uuid::Uuid;

use super::{Incoming, Writer, create, touch};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// What a company contact and its customer or vendor have in common.
const SHARED: [&str; 10] = [
    "displayName",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "country",
    "postalCode",
    "phoneNumber",
    "email",
    "website",
];

/// The table that says what a company contact is.
const RELATIONS: &str = "Contact Business Relation";

/// How relations name a table: their code and the option of `linkToTable`.
fn link(table: TableId) -> Option<(&'static str, u8)> {
    match schema().table(table).name.as_str() {
        "Customer" => Some(("CUST", 1)),
        "Vendor" => Some(("VEND", 2)),
        _ => None,
    }
}

fn at(table: TableId, property: &str) -> usize {
    schema().table(table).position(property).unwrap_or_else(|| panic!("no {property}"))
}

/// The number of the company contact of a customer or vendor, if it has one.
fn company_contact(store: &Store, table: TableId, number: &str) -> Option<String> {
    let (_, option) = link(table)?;
    let relations = schema().known(RELATIONS);
    let is_meant = |row: &&Row| {
        row.cells[at(relations, "number")].as_text() == number
            && row.cells[at(relations, "linkToTable")].as_enum() == option
    };
    store.rows(relations).find(is_meant).map(|row| row.cells[at(relations, "contactNumber")].as_text().to_owned())
}

fn shared_values(store: &Store, table: TableId, row: &Row, contacts: TableId) -> Vec<(usize, Cell)> {
    SHARED.iter().map(|name| (at(contacts, name), store.cell(table, row, at(table, name)))).collect()
}

/// A new customer or vendor gets a company contact, where the company is set up so.
pub(super) fn after_create(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    let Some((code, option)) = link(table).filter(|_| store.company.contacts_of_partners) else { return Ok(()) };
    let Some(row) = store.row(table, id).cloned() else { return Ok(()) };
    let (contacts, relations) = (schema().known("Contact"), schema().known(RELATIONS));
    let mut values = vec![(at(contacts, "type"), Cell::Enum(0))];
    values.extend(shared_values(store, table, &row, contacts));
    let contact = create(store, contacts, &Incoming { values, ..Incoming::default() }, Writer::User)?;
    let contact = store.row(contacts, contact).map(|row| row.cells[at(contacts, "number")].clone());
    let values = vec![
        (at(relations, "contactNumber"), contact.unwrap_or_else(|| Cell::text(""))),
        (at(relations, "businessRelationCode"), Cell::text(code)),
        (at(relations, "linkToTable"), Cell::Enum(option)),
        (at(relations, "number"), row.cells[at(table, "number")].clone()),
    ];
    create(store, relations, &Incoming { values, ..Incoming::default() }, Writer::User).map(|_| ())
}

/// The company contact follows its customer or vendor.
pub(super) fn after_modify(store: &mut Store, table: TableId, before: &Row) -> Result<(), ApiError> {
    if link(table).is_none() {
        return Ok(());
    }
    let Some(row) = store.row(table, before.id).cloned() else { return Ok(()) };
    if SHARED.iter().all(|name| row.cells[at(table, name)] == before.cells[at(table, name)]) {
        return Ok(());
    }
    let contacts = schema().known("Contact");
    let number = company_contact(store, table, row.cells[at(table, "number")].as_text());
    let Some(contact) = number.and_then(|number| store.by_code(contacts, &number)).map(|row| row.id) else {
        return Ok(());
    };
    let values = shared_values(store, table, &row, contacts);
    touch(store, contacts, contact, |contact| {
        for (at, value) in values {
            contact.cells[at] = value;
        }
    })
}

/// A primary contact works for the customer or vendor, whose contact name it gives.
pub(super) fn before_write(store: &Store, table: TableId, row: &mut Row, before: Option<&Row>) -> Result<(), ApiError> {
    if link(table).is_none() {
        return Ok(());
    }
    let primary = at(table, "primaryContactNo");
    let wanted = row.cells[primary].as_text().to_owned();
    let present = before.map_or("", |before| before.cells[primary].as_text());
    if wanted == present {
        return Ok(());
    }
    let contacts = schema().known("Contact");
    let Some(person) = store.by_code(contacts, &wanted) else {
        row.cells[at(table, "contact")] = Cell::text("");
        return Ok(());
    };
    let number = row.cells[at(table, "number")].as_text();
    let company = if before.is_some() { company_contact(store, table, number) } else { None };
    if company.as_deref() != Some(person.cells[at(contacts, "companyNumber")].as_text()) {
        let caption = schema().table(table).caption().to_lowercase();
        let name = row.cells[at(table, "displayName")].as_text();
        let person = person.cells[at(contacts, "displayName")].as_text();
        return Err(ApiError::dialog(format!(
            "Contact {wanted} {person} is not related to {caption} {number} {name}."
        )));
    }
    if person.cells[at(contacts, "type")].as_enum() == 1 {
        row.cells[at(table, "contact")] = person.cells[at(contacts, "displayName")].clone();
    }
    Ok(())
}

/// The relation goes with the customer, the vendor or the company contact.
pub(super) fn before_delete(store: &mut Store, table: TableId, row: &Row) {
    let relations = schema().known(RELATIONS);
    let number = row.cells[at(table, "number")].as_text();
    let ids: Vec<Uuid> = match (link(table), schema().table(table).name.as_str()) {
        (Some((_, option)), _) => {
            let is_meant = |row: &&Row| {
                row.cells[at(relations, "number")].as_text() == number
                    && row.cells[at(relations, "linkToTable")].as_enum() == option
            };
            store.rows(relations).filter(is_meant).map(|row| row.id).collect()
        }
        (None, "Contact") => {
            let is_meant = |row: &&Row| row.cells[at(relations, "contactNumber")].as_text() == number;
            store.rows(relations).filter(is_meant).map(|row| row.id).collect()
        }
        _ => Vec::new(),
    };
    for id in ids {
        store.remove(relations, id);
    }
}
