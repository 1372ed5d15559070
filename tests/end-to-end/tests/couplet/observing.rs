//! Short forms for what the tests look at.

use couplet_end_to_end::World;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

/// The text of a property; empty when it is blank.
pub fn text<'a>(row: &'a Map<String, Json>, name: &str) -> &'a str {
    row.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The number of a property; zero when it is blank.
pub fn number(row: &Map<String, Json>, name: &str) -> Decimal {
    row.get(name)
        .filter(|value| value.is_number())
        .map_or(Decimal::ZERO, |value| value.to_string().parse().expect("a decimal number"))
}

/// The id in a property.
pub fn id(row: &Map<String, Json>, name: &str) -> Uuid {
    text(row, name).parse().unwrap_or_else(|_| panic!("{name} of {row:?} is not an id"))
}

/// Number of the company contact of a customer or vendor.
pub fn company_contact(world: &World, table: &str, partner: Uuid) -> String {
    let partner = world.business_central.row(table, partner).expect("the customer or vendor");
    let relations = world.business_central.rows("Contact Business Relation");
    let is_meant = |row: &&Map<String, Json>| row["number"] == partner["number"] && text(row, "linkToTable") == table;
    text(relations.iter().find(is_meant).expect("a company contact"), "contactNumber").to_owned()
}

/// Enters a person who works for a customer or vendor.
pub fn person_of(world: &World, table: &str, partner: Uuid, surname: &str) -> Uuid {
    let company = company_contact(world, table, partner);
    let person = json!({"type": "Person", "companyNumber": company, "firstName": "Eva", "surname": surname});
    world.business_central.create_as_user("Contact", person).expect("the person is taken")
}
