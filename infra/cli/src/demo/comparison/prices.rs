//! Lines of price lists: which of them have a price in Dataverse, and in which unit.

use couplet_model::ActiveMapping;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::row::{Row, id};
use super::super::world::World;
use super::fields::number;
use super::text;

/// Whether a mapping is that of the lines of price lists.
pub fn are_lines(mapping: &ActiveMapping) -> bool {
    mapping.business_central.name == "Price List Line"
}

/// Whether a line can be a price of Dataverse: it counts from the first piece on, and its product has its unit.
pub fn has_a_place(world: &World, line: &Row) -> bool {
    number(line.get("minimumQuantity")) == Decimal::ZERO && unit_of(world, line).is_some()
}

/// Compares the unit of a price with that of its line.
pub fn compare(world: &World, line: &Row, price: &Row, problems: &mut Vec<String>) {
    let (wanted, found) = (unit_of(world, line), id(price.get("_uomid_value")));
    if wanted != found {
        problems.push(format!("is in the unit {found:?} instead of {wanted:?}"));
    }
}

/// The unit of a line in the unit group of its product; without one, the unit of the product.
fn unit_of(world: &World, line: &Row) -> Option<Uuid> {
    let item = text(line.get("assetNo"));
    let product = world.product(&item)?;
    let code = text(line.get("unitOfMeasureCode"));
    if code.is_empty() {
        return id(product.get("_defaultuomid_value"));
    }
    let group = id(product.get("_defaultuomscheduleid_value"));
    world.units_of_group(group).find(|(_, unit)| text(unit.get("name")) == code).map(|(unit, _)| unit)
}
