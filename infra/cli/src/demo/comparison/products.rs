//! What a product has beside its fields: state, unit, price list and price.

use std::collections::HashMap;

use couplet_model::ActiveMapping;
use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use super::super::row::{Row, id};
use super::super::world::{Pair, World};
use super::fields::{currency, number};
use super::{is_blocked, text};

const ACTIVE: &str = "0";
const RETIRED: &str = "1";

/// Compares a product with its item or resource.
pub fn compare(
    world: &World,
    mapping: &ActiveMapping,
    pair: Pair,
    record: &Row,
    row: &Row,
    problems: &mut Vec<String>,
) {
    let state = if is_blocked(record) { RETIRED } else { ACTIVE };
    let mut expect = |what: &str, found: String, wanted: String| {
        if found != wanted {
            problems.push(format!("{what} is {found:?} instead of {wanted:?}"));
        }
    };
    expect("statecode", text(row.get("statecode")), state.to_owned());
    let kind = if mapping.business_central.name == "Item" { "1" } else { "3" };
    expect("producttypecode", text(row.get("producttypecode")), kind.to_owned());
    let unit_code = text(record.get("baseUnitOfMeasureCode"));
    let unit_group = id(row.get("_defaultuomscheduleid_value"));
    let unit = id(row.get("_defaultuomid_value"));
    expect("the unit group", shown(unit_group), shown(unit_group_of(world, &unit_code, mapping, record)));
    let unit_row = unit.and_then(|unit| world.dataverse_row("uom", unit));
    expect(
        "the unit's name",
        text(unit_row.and_then(|unit| unit.get("name"))).to_uppercase(),
        unit_code.to_uppercase(),
    );
    expect(
        "the unit's group",
        shown(id(unit_row.and_then(|unit| unit.get("_uomscheduleid_value")))),
        shown(unit_group),
    );
    let local = currency(world, world.local_currency());
    expect("the currency", shown(id(row.get("_transactioncurrencyid_value"))), shown(local));

    let list = id(row.get("_pricelevelid_value"));
    let list_row = list.and_then(|list| world.dataverse_row("pricelevel", list));
    expect(
        "the price list",
        text(list_row.and_then(|list| list.get("name"))),
        "Business Central Default Price List".to_owned(),
    );
    expect(
        "the price list's currency",
        shown(id(list_row.and_then(|list| list.get("_transactioncurrencyid_value")))),
        shown(local),
    );
    let is_its_line = |line: &Row| id(line.get("_pricelevelid_value")) == list;
    let lines: Vec<&Row> = world.price_lines(pair.dataverse).filter(|line| is_its_line(line)).collect();
    if !lines.iter().any(|line| id(line.get("_uomid_value")) == unit) {
        problems.push("its unit has no price in its price list".to_owned());
        return;
    }
    let price = number(record.get("unitPrice")).max(Decimal::ZERO);
    for line in &lines {
        let row = id(line.get("_uomid_value")).and_then(|unit| world.dataverse_row("uom", unit));
        let quantity = row.and_then(|row| row.get("quantity")).map_or(Decimal::ONE, |quantity| number(Some(quantity)));
        // Prices have two decimals.
        let wanted = (price * quantity).round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let wanted = if quantity == Decimal::ONE { price } else { wanted };
        expect("the listed price", plain(number(line.get("amount"))), plain(wanted));
        let line_currency = line.get("_transactioncurrencyid_value");
        expect("the listed currency", shown(id(line_currency)), shown(local));
    }
    if has_own_units(world) {
        let units = world.units_of_group(unit_group).count();
        expect("the number of listed units", lines.len().to_string(), units.to_string());
    }
}

/// Whether items and resources have unit groups of their own.
fn has_own_units(world: &World) -> bool {
    world.business_central.contains_key("Unit Group")
}

/// Every product has one line per price list and unit.
pub fn one_price_each(world: &World, mismatches: &mut Vec<String>) {
    let mut lines: HashMap<[Option<Uuid>; 3], u32> = HashMap::new();
    for (_, line) in world.dataverse_rows("productpricelevel") {
        let key = ["_pricelevelid_value", "_productid_value", "_uomid_value"].map(|column| id(line.get(column)));
        *lines.entry(key).or_default() += 1;
    }
    let twice = lines.iter().filter(|(_, count)| **count > 1);
    mismatches.extend(twice.map(|(key, _)| format!("the product {} has two prices in one list", shown(key[1]))));
}

fn unit_group_of(world: &World, code: &str, mapping: &ActiveMapping, record: &Row) -> Option<Uuid> {
    if has_own_units(world) {
        return world.own_unit_group(&mapping.business_central.name, &text(record.get("number")));
    }
    let has_code = |pair: &&Pair| {
        let unit = world.business_central_row("Unit of Measure", pair.business_central);
        unit.and_then(|unit| unit.get("code")).is_some_and(|own| own.eq_ignore_ascii_case(code))
    };
    world.pairs_of_table("Unit of Measure").iter().find(has_code).map(|pair| pair.dataverse)
}

fn plain(number: Decimal) -> String {
    number.round_dp(4).normalize().to_string()
}

fn shown(id: Option<Uuid>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string())
}
