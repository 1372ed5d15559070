//! Units of items and resources: unit groups of their own, several units, and a price for each.

use std::collections::BTreeMap;

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, number, text};

type Row = Map<String, Json>;

const UNIT_JOBS: [&str; 3] = ["UNIT GROUP", "ITEM UOM", "RESOURCE UOM"];
pub const ITEMS: &str = "ITEM-PRODUCT";

fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

async fn world() -> World {
    let world = World::start(WorldOptions { unit_groups: true, engine: options(), ..WorldOptions::default() }).await;
    // An item that is sold in boxes as well.
    let in_pieces = |row: &Row| unblocked(row) && text(row, "baseUnitOfMeasureCode") == "PCS";
    let item = world.business_central_ids("Item", in_pieces)[0];
    let number_of = text(&world.business_central.row("Item", item).expect("an item"), "number").to_owned();
    let boxes = json!({"itemNo": number_of, "code": "BOX", "qtyPerUnitOfMeasure": 6});
    world.business_central.create_as_user("Item Unit of Measure", boxes).expect("taken");
    world
}

async fn synchronized() -> World {
    let world = world().await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    world
}

fn unblocked(row: &Row) -> bool {
    row["blocked"] == json!(false)
}

/// An item with several units.
fn item_of_several_units(world: &World) -> (Uuid, String) {
    let units = world.business_central.rows("Item Unit of Measure");
    let box_of =
        units.iter().find(|unit| text(unit, "code") == "BOX" && number(unit, "qtyPerUnitOfMeasure") > Decimal::ONE);
    let item = text(box_of.expect("an item in boxes"), "itemNo").to_owned();
    (world.business_central_id("Item", "number", &item), item)
}

/// Units of a group: name and quantity.
fn units(world: &World, group: &str) -> BTreeMap<String, Decimal> {
    let rows = world.dataverse.rows("uom").into_iter().filter(|unit| text(unit, "_uomscheduleid_value") == group);
    rows.map(|unit| (text(&unit, "name").to_owned(), number(&unit, "quantity"))).collect()
}

/// Prices of a product by the name of the unit.
fn prices(world: &World, product: &Row) -> BTreeMap<String, Decimal> {
    let lines = world.dataverse.rows("productpricelevel").into_iter();
    let own = lines.filter(|line| text(line, "_productid_value") == text(product, "productid"));
    own.map(|line| {
        let unit = world.dataverse.row("uom", id(&line, "_uomid_value")).expect("a unit");
        (text(&unit, "name").to_owned(), number(&line, "amount"))
    })
    .collect()
}

/// Checks group, units and prices of every product against its item or resource.
async fn check(world: &World, mapping: &str, table: &str, units_table: &str, owner: &str) {
    let records = world.business_central_ids(table, unblocked);
    assert_eq!(world.couplings(mapping).await, records.len() as u64);
    for record in records {
        let row = world.business_central.row(table, record).expect("a record");
        let (number_of, price) = (text(&row, "number"), number(&row, "unitPrice").max(Decimal::ZERO));
        let product = world.coupled_row(mapping, record).await;
        assert_eq!(product["statecode"], json!(0), "published");
        let group = text(&product, "_defaultuomscheduleid_value");
        let group_row = world.dataverse.row("uomschedule", group.parse().expect("an id")).expect("a group");
        let name = format!("{} {number_of} UOM GR", table.to_uppercase());
        assert_eq!((text(&group_row, "name"), &group_row["statecode"]), (name.as_str(), &json!(0)), "S219");
        let default = world.dataverse.row("uom", id(&product, "_defaultuomid_value")).expect("a unit");
        assert_eq!(text(&default, "name"), text(&row, "baseUnitOfMeasureCode"), "S230");
        let mut expected: BTreeMap<String, Decimal> = world
            .business_central
            .rows(units_table)
            .iter()
            .filter(|unit| text(unit, owner) == number_of)
            .map(|unit| (text(unit, "code").to_owned(), number(unit, "qtyPerUnitOfMeasure")))
            .collect();
        expected.insert(name, Decimal::ONE);
        assert_eq!(units(world, group), expected, "S220: units of {number_of}");
        let cents =
            |amount: Decimal| amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero).normalize();
        let lists: BTreeMap<String, Decimal> =
            expected.into_iter().map(|(unit, quantity)| (unit, cents(cents(price) * quantity))).collect();
        let found: BTreeMap<String, Decimal> =
            prices(world, &product).into_iter().map(|(unit, amount)| (unit, amount.normalize())).collect();
        assert_eq!(found, lists, "S211: prices of {number_of}");
    }
}

pub async fn check_all(world: &World) {
    check(world, ITEMS, "Item", "Item Unit of Measure", "itemNo").await;
    check(world, "RESOURCE-PRODUCT", "Resource", "Resource Unit of Measure", "resourceNo").await;
}

#[tokio::test]
async fn c_203_c_204_u8_items_and_resources_of_several_units_have_a_group_their_units_and_a_price_for_each() {
    let world = synchronized().await;
    check_all(&world).await;
    let groups = world.business_central.rows("Unit Group").len() as u64;
    assert_eq!(world.couplings("UNIT GROUP").await, groups);
    assert!(world.dataverse.rows("uomschedule").iter().all(|group| !text(group, "name").starts_with("NAV ")));

    // Another price reaches every unit.
    let (item, number_of) = item_of_several_units(&world);
    world.business_central.update_as_user("Item", item, json!({"unitPrice": 12.345})).expect("taken");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0));
    // A unit that counts otherwise, and a new one, bring their prices themselves.
    let box_of = world.business_central_ids("Item Unit of Measure", |unit| {
        text(unit, "itemNo") == number_of && text(unit, "code") == "BOX"
    })[0];
    world
        .business_central
        .update_as_user("Item Unit of Measure", box_of, json!({"qtyPerUnitOfMeasure": 7}))
        .expect("taken");
    let run = world.run("ITEM UOM", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    let set = json!({"itemNo": number_of, "code": "SET", "qtyPerUnitOfMeasure": 2.5});
    world.business_central.create_as_user("Item Unit of Measure", set).expect("taken");
    let run = world.run("ITEM UOM", RunMode::Modified).await;
    assert_eq!(run.counters.inserted, 0, "S220: only coupled ones");
    let run = world.run("ITEM UOM", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (1, 0, 0));
    check_all(&world).await;
    let quiet = world.run_all(RunMode::Modified).await;
    assert!(
        quiet.iter().all(|run| run.counters.inserted + run.counters.modified + run.counters.failed == 0),
        "{quiet:?}"
    );
}

#[tokio::test]
async fn s219_a_renamed_item_renames_its_group_and_keeps_product_and_units() {
    let world = synchronized().await;
    let (item, _) = item_of_several_units(&world);
    let before = world.coupled_row(ITEMS, item).await;
    world.business_central.update_as_user("Item", item, json!({"number": "NEW-1"})).expect("renamed");
    for run in world.run_all(RunMode::Modified).await {
        assert_eq!(
            (run.counters.inserted, run.counters.failed),
            (0, 0),
            "{}: {:?}",
            run.job,
            world.failures(&run.job).await
        );
    }
    check_all(&world).await;
    let after = world.coupled_row(ITEMS, item).await;
    assert_eq!(text(&after, "productnumber"), "NEW-1");
    assert_eq!(after["_defaultuomid_value"], before["_defaultuomid_value"]);
    let unit = world.business_central_ids("Item Unit of Measure", |unit| text(unit, "itemNo") == "NEW-1")[0];
    let key = world.coupling("ITEM UOM", unit).await.expect("coupled").key.expect("a key");
    assert!(key.ends_with(" of NEW-1"), "{key}");
}

#[tokio::test]
async fn s222_the_default_unit_of_a_product_is_the_base_unit_of_its_item_in_both_directions() {
    let world = world().await;
    let (item, number_of) = item_of_several_units(&world);
    world.sell_out(item);
    let pair = json!({"itemNo": number_of, "code": "SET", "qtyPerUnitOfMeasure": 1});
    world.business_central.create_as_user("Item Unit of Measure", pair).expect("taken");
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    let product = world.coupled_row(ITEMS, item).await;
    let group = text(&product, "_defaultuomscheduleid_value").to_owned();
    let sell_in = |unit: &str| {
        let units = world.dataverse.rows("uom").into_iter();
        let mut own = units.filter(|row| text(row, "_uomscheduleid_value") == group && text(row, "name") == unit);
        let unit = id(&own.next().expect("a unit"), "uomid");
        let change = json!({"defaultuomid@odata.bind": format!("/uoms({unit})")});
        world.dataverse.update_as_user("product", id(&product, "productid"), change).expect("taken");
    };
    let base_unit = || {
        let record = world.business_central.row("Item", item).expect("an item");
        text(&record, "baseUnitOfMeasureCode").to_owned()
    };
    sell_in("SET");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "{:?}", world.failures(ITEMS).await);
    assert_eq!(base_unit(), "SET");
    world.business_central.update_as_user("Item", item, json!({"baseUnitOfMeasureCode": "PCS"})).expect("taken");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0), "{:?}", world.failures(ITEMS).await);
    let unit = world.coupled_row(ITEMS, item).await;
    let unit = world.dataverse.row("uom", id(&unit, "_defaultuomid_value")).expect("a unit");
    assert_eq!(text(&unit, "name"), "PCS");
    // Business Central takes no base unit of several pieces.
    sell_in("BOX");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!(run.from_dataverse.modified, 0);
    let failures = world.failures(ITEMS).await;
    let words = "The quantity per base unit of measure must be 1";
    assert!(failures.iter().any(|failure| failure.message.contains(words)), "{failures:?}");
    assert_eq!(base_unit(), "PCS");
}

/// A product made in Sales, in a unit group of that name.
pub fn product_in_sales(world: &World, number: &str, group: Uuid, unit: &str, kind: i64) -> Uuid {
    let unit = world
        .dataverse
        .rows("uom")
        .into_iter()
        .find(|row| text(row, "_uomscheduleid_value") == group.to_string() && text(row, "name") == unit)
        .expect("a unit");
    let product = json!({
        "name": format!("Made in Sales {number}"), "productnumber": number, "producttypecode": kind, "quantitydecimal": 2,
        "defaultuomscheduleid@odata.bind": format!("/uomschedules({group})"),
        "defaultuomid@odata.bind": format!("/uoms({})", text(&unit, "uomid")),
    });
    let product = world.dataverse.create_as_user("product", product).expect("a product");
    world.dataverse.update_as_user("product", product, json!({"statecode": 0, "statuscode": 1})).expect("published");
    product
}

#[tokio::test]
async fn s231_a_product_made_in_sales_keeps_its_unit_group_which_becomes_that_of_its_item() {
    let world = synchronized().await;
    let group = |name: &str, unit: &str| {
        world.dataverse.create_as_user("uomschedule", json!({"name": name, "baseuomname": unit})).expect("a group")
    };
    let (own, service, shared) = (group("Crates", "Box"), group("Visits", "Hour"), group("Shared", "PCS"));
    let product = product_in_sales(&world, "S-1", own, "Box", 1);
    let visit = product_in_sales(&world, "S-2", service, "Hour", 3);
    product_in_sales(&world, "S-3", shared, "PCS", 1);
    product_in_sales(&world, "S-4", shared, "PCS", 1);
    let run = world.run(ITEMS, RunMode::Full).await;
    assert_eq!(
        (run.from_dataverse.inserted, run.from_dataverse.failed),
        (1, 0),
        "E57: {:?}",
        world.failures(ITEMS).await
    );
    let run = world.run("RESOURCE-PRODUCT", RunMode::Full).await;
    assert_eq!((run.from_dataverse.inserted, run.counters.failed), (1, 0));
    let coupled = |mapping: &'static str, product: Uuid| {
        let world = &world;
        async move {
            let table = if mapping == ITEMS { "Item" } else { "Resource" };
            for record in world.business_central_ids(table, |_| true) {
                let coupling = world.coupling(mapping, record).await;
                if coupling.is_some_and(|coupling| coupling.dataverse_id.0 == product) {
                    return record;
                }
            }
            panic!("{product} is not coupled")
        }
    };
    let item = coupled(ITEMS, product).await;
    assert_eq!(text(&world.business_central.row("Item", item).expect("an item"), "baseUnitOfMeasureCode"), "BOX");
    coupled("RESOURCE-PRODUCT", visit).await;
    // The next pass couples their groups and units.
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.to_dataverse.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    let number_of = text(&world.business_central.row("Item", item).expect("an item"), "number").to_owned();
    let adopted = world.dataverse.row("uomschedule", own).expect("a group");
    assert_eq!(text(&adopted, "name"), format!("ITEM {number_of} UOM GR"));
    let product = world.coupled_row(ITEMS, item).await;
    assert_eq!(text(&product, "_defaultuomscheduleid_value"), own.to_string());
    assert_eq!(text(&world.dataverse.row("uomschedule", shared).expect("a group"), "name"), "Shared");
    world.business_central.update_as_user("Item", item, json!({"unitPrice": 5})).expect("taken");
    let run = world.run(ITEMS, RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.to_dataverse.failed), (1, 0), "{:?}", world.failures(ITEMS).await);
}

#[tokio::test]
async fn s227_a_product_of_another_unit_group_fails_alone_and_says_what_to_do() {
    let world = world().await;
    let group = json!({"name": "NAV PCS", "baseuomname": "PCS"});
    let group = world.dataverse.create_as_user("uomschedule", group).expect("a group");
    let item = world.business_central_ids("Item", unblocked)[0];
    let number_of = text(&world.business_central.row("Item", item).expect("an item"), "number").to_owned();
    // Of another product, too; a unit group that is nobody else's would become the item's.
    product_in_sales(&world, &number_of, group, "PCS", 1);
    product_in_sales(&world, "ANOTHER", group, "PCS", 1);
    for run in world.run_all(RunMode::Full).await {
        let failed = u64::from(run.job == ITEMS);
        assert_eq!(run.counters.failed, failed, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    let failure = &world.failures(ITEMS).await[0];
    assert_eq!((failure.label.as_str(), failure.field.as_deref()), (number_of.as_str(), Some("Unit Group")));
    assert!(failure.message.contains("give the old product another number and retire it"), "{}", failure.message);
    let others = world.business_central_ids("Item", unblocked).len() as u64 - 1;
    assert_eq!(world.couplings(ITEMS).await, others);
}

#[tokio::test]
async fn units_survive_a_death_at_every_failpoint_and_messages_that_come_twice() {
    for fatal in Failpoint::ALL {
        let world = world().await;
        for job in ["SALESPEOPLE", "CURRENCY"] {
            world.run(job, RunMode::Full).await;
        }
        for job in UNIT_JOBS.into_iter().chain([ITEMS, "RESOURCE-PRODUCT"]) {
            world.find(job, RunMode::Full).await;
            let deliveries = world.queue.take(1000);
            for delivery in deliveries.clone() {
                world.queue.give_back(delivery);
            }
            world.drain_killed(fatal, options()).await;
            world.engine.sync_batch(deliveries).await;
            world.drain().await;
            assert!(world.failures(job).await.is_empty(), "{fatal:?}, {job}: {:?}", world.failures(job).await);
        }
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
        check_all(&world).await;
        let groups = world.business_central.rows("Unit Group").len();
        assert_eq!(world.dataverse.count("uomschedule"), groups, "{fatal:?}");
        let lines = world.dataverse.count("productpricelevel");
        for run in world.run_all(RunMode::Modified).await {
            assert_eq!((run.counters.inserted, run.counters.failed), (0, 0), "{fatal:?}, {}", run.job);
        }
        assert_eq!(world.dataverse.count("productpricelevel"), lines, "{fatal:?}");
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn two_thousand_items_of_several_units_stay_within_the_request_budgets() {
    const SIZE: usize = 2000;
    let size = DemoSize { items: SIZE, blocked_items: 0, ..WorldOptions::default().business_central };
    let world =
        World::start(WorldOptions { unit_groups: true, business_central: size, ..WorldOptions::default() }).await;
    for job in ["SALESPEOPLE", "CURRENCY"] {
        world.run(job, RunMode::Full).await;
    }
    for job in UNIT_JOBS.into_iter().chain([ITEMS, "RESOURCE-PRODUCT"]) {
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
        let run = world.run(job, RunMode::Full).await;
        assert_eq!(run.counters.failed, 0, "{job}");
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        println!(
            "{job}, {} records at first: {bc} requests to Business Central, {dv} to Dataverse",
            run.counters.inserted
        );
        let most = 12 * run.counters.inserted.div_ceil(1000);
        assert!(bc <= most && dv <= most + 12, "{job}: {bc} and {dv} requests, {most} allowed");
        world.run(job, RunMode::Modified).await;
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
        world.run(job, RunMode::Modified).await;
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        assert!(bc <= 3 && dv <= 3, "{job}, nothing changed: {bc} and {dv} requests");
    }
}
