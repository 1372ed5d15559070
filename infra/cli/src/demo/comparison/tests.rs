//! A comparison that finds nothing wrong proves nothing unless it finds what is wrong.

use std::collections::{BTreeMap, HashMap};

use couplet_model::switches::{Ownership, Switches};
use couplet_model::{ActiveMapping, Catalogue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::world::{Pair, World};
use super::*;

const ITEM: u128 = 1;
const PRODUCT: u128 = 2;
const UNIT: u128 = 3;
const GROUP: u128 = 4;
const UOM: u128 = 5;
const CURRENCY: u128 = 6;
const LIST: u128 = 7;
const LINE: u128 = 8;

fn uuid(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

fn rows(rows: &[(u128, Value)]) -> HashMap<Uuid, Row> {
    let row = |(id, row): &(u128, Value)| {
        let record = row.as_object().expect("an object");
        let names = record.keys().map(|name| name.as_str().into()).collect();
        (Uuid::from_u128(*id), Row::of(record, &names))
    };
    rows.iter().map(row).collect()
}

/// One item and its product, both as they should be.
fn world() -> World {
    let mut world = World::default();
    world.business_central = BTreeMap::from([
        (
            "Item".to_owned(),
            rows(&[(
                ITEM,
                json!({
                    "id": uuid(ITEM), "number": "1000", "displayName": "Bicycle", "unitPrice": -12.5, "unitCost": 3.25,
                    "unitVolume": 0, "grossWeight": 1.5, "vendorNo": "V10", "vendorItemNo": "", "inventory": -4,
                    "baseUnitOfMeasureCode": "PCS", "blocked": false
                }),
            )]),
        ),
        ("Unit of Measure".to_owned(), rows(&[(UNIT, json!({ "id": uuid(UNIT), "code": "PCS" }))])),
        ("General Ledger Setup".to_owned(), rows(&[(99, json!({ "localCurrencyCode": "USD" }))])),
    ]);
    world.dataverse = BTreeMap::from([
        (
            "product".to_owned(),
            rows(&[(
                PRODUCT,
                json!({
                    "productnumber": "1000", "name": "Bicycle", "price": 0.0, "standardcost": 3.25,
                    "currentcost": 3.2500, "stockvolume": null, "stockweight": 1.5, "vendorid": "V10",
                    "vendorpartnumber": null, "quantityonhand": 0, "_defaultuomscheduleid_value": uuid(GROUP),
                    "_defaultuomid_value": uuid(UOM), "statecode": 0, "producttypecode": 1,
                    "_pricelevelid_value": uuid(LIST), "_transactioncurrencyid_value": uuid(CURRENCY)
                }),
            )]),
        ),
        ("uomschedule".to_owned(), rows(&[(GROUP, json!({ "name": "NAV PCS", "baseuomname": "PCS" }))])),
        ("uom".to_owned(), rows(&[(UOM, json!({ "name": "PCS", "_uomscheduleid_value": uuid(GROUP) }))])),
        ("transactioncurrency".to_owned(), rows(&[(CURRENCY, json!({ "isocurrencycode": "USD" }))])),
        (
            "pricelevel".to_owned(),
            rows(&[(
                LIST,
                json!({ "name": "Business Central Default Price List", "_transactioncurrencyid_value": uuid(CURRENCY) }),
            )]),
        ),
        (
            "productpricelevel".to_owned(),
            rows(&[(
                LINE,
                json!({
                    "_productid_value": uuid(PRODUCT), "_pricelevelid_value": uuid(LIST), "_uomid_value": uuid(UOM),
                    "_transactioncurrencyid_value": uuid(CURRENCY), "amount": 0
                }),
            )]),
        ),
    ]);
    let pair = |ours, theirs| Pair { business_central: Uuid::from_u128(ours), dataverse: Uuid::from_u128(theirs) };
    world.couplings = BTreeMap::from([
        ("ITEM-PRODUCT".to_owned(), vec![pair(ITEM, PRODUCT)]),
        ("UNIT OF MEASURE".to_owned(), vec![pair(UNIT, GROUP)]),
    ]);
    indexed(world)
}

/// The same where the item has a unit group of its own with two units.
fn world_of_several_units() -> World {
    const BOX: u128 = 10;
    const BOX_LINE: u128 = 11;
    let mut world = world();
    world.business_central.remove("Unit of Measure");
    world.couplings.remove("UNIT OF MEASURE");
    let group = json!({ "id": uuid(UNIT), "code": "ITEM 1000 UOM GR", "sourceType": "Item", "sourceNo": "1000" });
    world.business_central.insert("Unit Group".to_owned(), rows(&[(UNIT, group)]));
    let unit = |code: &str, quantity: i64| json!({ "code": code, "itemNo": "1000", "qtyPerUnitOfMeasure": quantity });
    let units = rows(&[(20, unit("PCS", 1)), (21, unit("BOX", 6))]);
    world.business_central.insert("Item Unit of Measure".to_owned(), units);
    let of_group =
        |name: &str, quantity: i64| json!({ "name": name, "quantity": quantity, "_uomscheduleid_value": uuid(GROUP) });
    world.dataverse.insert("uom".to_owned(), rows(&[(UOM, of_group("PCS", 1)), (BOX, of_group("BOX", 6))]));
    let name = json!({ "name": "ITEM 1000 UOM GR", "baseuomname": "ITEM 1000 UOM GR" });
    world.dataverse.insert("uomschedule".to_owned(), rows(&[(GROUP, name)]));
    let item = world.business_central.get_mut("Item").and_then(|rows| rows.get_mut(&Uuid::from_u128(ITEM)));
    item.expect("an item").set("unitPrice", &json!(2.5));
    let product = world.dataverse.get_mut("product").and_then(|rows| rows.get_mut(&Uuid::from_u128(PRODUCT)));
    product.expect("a product").set("price", &json!(2.5));
    let line = |unit, amount: f64| {
        json!({
            "_productid_value": uuid(PRODUCT), "_pricelevelid_value": uuid(LIST), "_uomid_value": uuid(unit),
            "_transactioncurrencyid_value": uuid(CURRENCY), "amount": amount
        })
    };
    world
        .dataverse
        .insert("productpricelevel".to_owned(), rows(&[(LINE, line(UOM, 2.5)), (BOX_LINE, line(BOX, 15.0))]));
    let pair = |ours, theirs| Pair { business_central: Uuid::from_u128(ours), dataverse: Uuid::from_u128(theirs) };
    world.couplings.insert("UNIT GROUP".to_owned(), vec![pair(UNIT, GROUP)]);
    world.couplings.insert("ITEM UOM".to_owned(), vec![pair(20, UOM), pair(21, BOX)]);
    indexed(world)
}

#[test]
fn every_single_deviation_of_a_product_of_several_units_is_found() {
    assert_eq!(mismatches(&world_of_several_units()), [""; 0]);
    for (table, id, column, value) in [
        ("productpricelevel", 11, "amount", json!(14.99)),
        ("productpricelevel", 11, "_pricelevelid_value", Value::Null),
        ("uom", 10, "quantity", json!(7)),
        ("uom", 10, "name", json!("SET")),
        ("uomschedule", GROUP, "name", json!("NAV PCS")),
        ("product", PRODUCT, "_defaultuomid_value", json!(uuid(10))),
        ("product", PRODUCT, "_defaultuomscheduleid_value", json!(uuid(99))),
    ] {
        let mut world = world_of_several_units();
        let row = world.dataverse.get_mut(table).and_then(|rows| rows.get_mut(&Uuid::from_u128(id)));
        row.expect("a row").set(column, &value);
        assert!(!mismatches(&world).is_empty(), "{table}.{column}");
    }
}

fn indexed(mut world: World) -> World {
    let active = active(&world);
    world.index(&active.iter().collect::<Vec<_>>());
    world
}

fn active(world: &World) -> Vec<ActiveMapping> {
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let switches = Switches {
        ownership: Ownership::Person,
        unit_groups: world.business_central.contains_key("Unit Group"),
        ..Switches::default()
    };
    catalogue.active(&switches)
}

fn mismatches(world: &World) -> Vec<String> {
    let active = active(world);
    compare(world, &active.iter().collect::<Vec<_>>())
}

#[test]
fn a_pair_that_agrees_is_left_alone() {
    assert_eq!(mismatches(&world()), [""; 0]);
}

#[test]
fn every_single_deviation_of_a_product_is_found() {
    for (table, id, column, value) in [
        ("product", PRODUCT, "productnumber", json!("1001")),
        ("product", PRODUCT, "name", json!("Bicycle 2")),
        ("product", PRODUCT, "price", json!(-12.5)),
        ("product", PRODUCT, "standardcost", json!(3.26)),
        ("product", PRODUCT, "vendorid", Value::Null),
        ("product", PRODUCT, "quantityonhand", json!(-4)),
        ("product", PRODUCT, "statecode", json!(1)),
        ("product", PRODUCT, "producttypecode", json!(3)),
        ("product", PRODUCT, "_defaultuomscheduleid_value", Value::Null),
        ("product", PRODUCT, "_pricelevelid_value", Value::Null),
        ("uom", UOM, "name", json!("BOX")),
        ("uomschedule", GROUP, "name", json!("PCS")),
        ("pricelevel", LIST, "_transactioncurrencyid_value", Value::Null),
        ("productpricelevel", LINE, "amount", json!(1)),
        ("productpricelevel", LINE, "_uomid_value", Value::Null),
    ] {
        let mut world = world();
        let row = world.dataverse.get_mut(table).and_then(|rows| rows.get_mut(&Uuid::from_u128(id)));
        row.expect("a row").set(column, &value);
        assert!(!mismatches(&world).is_empty(), "{table}.{column}");
    }
}

/// The same world with a price list of two lines, one of which is in a unit that the product does not have.
fn world_with_prices() -> World {
    let mut world = world();
    let line = |unit: &str| {
        json!({
            "priceListCode": "P1", "assetNo": "1000", "currencyCode": "", "unitOfMeasureCode": unit, "unitPrice": 9,
            "minimumQuantity": 0, "lineNo": 10000
        })
    };
    let list = json!({
        "code": "P1", "displayName": "Prices", "currencyCode": "", "startingDate": "2026-01-01", "endingDate": "0001-01-01"
    });
    let (mut level, currency) = (world.dataverse["pricelevel"].clone(), uuid(CURRENCY));
    level.extend(rows(&[(
        21,
        json!({
            "name": "P1", "description": "Prices", "begindate": "2026-01-01T12:00:00Z", "enddate": null,
            "_transactioncurrencyid_value": currency
        }),
    )]));
    let mut prices = world.dataverse["productpricelevel"].clone();
    prices.extend(rows(&[(
        23,
        json!({
            "_pricelevelid_value": uuid(21), "_productid_value": uuid(PRODUCT), "productnumber": "1000", "amount": 9,
            "_transactioncurrencyid_value": currency, "pricingmethodcode": 1, "_uomid_value": uuid(UOM),
            "_uomscheduleid_value": uuid(GROUP)
        }),
    )]));
    world.business_central.insert("Price List Header".to_owned(), rows(&[(20, list)]));
    world.business_central.insert("Price List Line".to_owned(), rows(&[(22, line("PCS")), (24, line("BOX"))]));
    world.dataverse.extend([("pricelevel".to_owned(), level), ("productpricelevel".to_owned(), prices)]);
    let pair = |ours, theirs| Pair { business_central: Uuid::from_u128(ours), dataverse: Uuid::from_u128(theirs) };
    world.couplings.insert("PLHEADER-PRICE".to_owned(), vec![pair(20, 21)]);
    world.couplings.insert("PLLINE-PRODPRICE".to_owned(), vec![pair(22, 23)]);
    indexed(world)
}

#[test]
fn every_single_deviation_of_a_price_is_found_and_a_line_in_a_foreign_unit_has_none() {
    assert_eq!(mismatches(&world_with_prices()), [""; 0]);
    for (table, id, column, value) in [
        ("pricelevel", 21, "begindate", json!("2026-01-02T12:00:00Z")),
        ("pricelevel", 21, "enddate", json!("2026-12-31T12:00:00Z")),
        ("pricelevel", 21, "_transactioncurrencyid_value", Value::Null),
        ("productpricelevel", 23, "amount", json!(9.01)),
        ("productpricelevel", 23, "_uomid_value", Value::Null),
        ("productpricelevel", 23, "_pricelevelid_value", json!(uuid(LIST))),
        ("uom", UOM, "name", json!("BOX")),
    ] {
        let mut world = world_with_prices();
        let row = world.dataverse.get_mut(table).and_then(|rows| rows.get_mut(&Uuid::from_u128(id)));
        row.expect("a row").set(column, &value);
        assert!(!mismatches(&world).is_empty(), "{table}.{column}");
    }
    let mut world = world_with_prices();
    let lines = world.business_central.get_mut("Price List Line").and_then(|lines| lines.get_mut(&Uuid::from_u128(24)));
    lines.expect("a line").set("unitOfMeasureCode", &json!("PCS"));
    assert_eq!(mismatches(&world), ["PLLINE-PRODPRICE 10000: has no partner"]);
}

#[test]
fn a_blocked_item_has_a_retired_product() {
    let mut world = world();
    let item = world.business_central.get_mut("Item").and_then(|rows| rows.get_mut(&Uuid::from_u128(ITEM)));
    item.expect("an item").set("blocked", &json!(true));
    assert_eq!(mismatches(&world).len(), 1);
}

#[test]
fn a_record_without_a_partner_is_found_unless_it_is_blocked() {
    let mut world = world();
    let items = world.business_central.get_mut("Item").expect("items");
    items.extend(rows(&[
        (50, json!({ "number": "1001", "blocked": false })),
        (51, json!({ "number": "1002", "blocked": true })),
    ]));
    assert_eq!(mismatches(&world), ["ITEM-PRODUCT 1001: has no partner"]);
}

#[test]
fn a_partner_that_is_gone_is_found() {
    let mut world = world();
    world.dataverse.insert("product".to_owned(), HashMap::new());
    assert_eq!(mismatches(&world).len(), 1);
}
