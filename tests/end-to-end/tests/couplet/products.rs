//! Items and resources as products: state, prices, units.

use couplet_end_to_end::{NOTHING, World, WorldOptions, catalogue_with};
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, number, text};

async fn synchronized() -> World {
    let world = World::start(WorldOptions::default()).await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    world.run_all(RunMode::Modified).await;
    world
}

fn unblocked(row: &Map<String, Json>) -> bool {
    row["blocked"] == json!(false)
}

fn price_line(world: &World, product: Uuid) -> Map<String, Json> {
    let lines = world.dataverse.rows("productpricelevel");
    let mut own = lines.into_iter().filter(|row| text(row, "_productid_value") == product.to_string());
    let line = own.next().expect("the product has a price line");
    assert!(own.next().is_none(), "the product has one price line");
    line
}

#[tokio::test]
async fn c_198_r268_items_become_active_products_with_a_line_in_the_default_price_list() {
    let world = synchronized().await;
    let items = world.business_central_ids("Item", unblocked);
    assert_eq!(world.couplings("ITEM-PRODUCT").await, items.len() as u64);
    let lists = world.dataverse.rows("pricelevel");
    assert_eq!(lists.len(), 1);
    assert_eq!(text(&lists[0], "name"), "Business Central Default Price List", "S208");
    for item in items {
        let record = world.business_central.row("Item", item).unwrap();
        let product = world.coupled_row("ITEM-PRODUCT", item).await;
        assert_eq!(text(&product, "productnumber"), text(&record, "number"));
        assert_eq!(product["statecode"], json!(0), "S203: published");
        assert_eq!(product["producttypecode"], json!(1));
        let stock = number(&record, "inventory").max(Decimal::ZERO);
        assert_eq!(number(&product, "quantityonhand"), stock, "S20: never negative");
        assert_eq!(text(&product, "_pricelevelid_value"), text(&lists[0], "pricelevelid"), "S210");
        let line = price_line(&world, id(&product, "productid"));
        assert_eq!(number(&line, "amount"), number(&record, "unitPrice").max(Decimal::ZERO));
        assert_eq!(text(&line, "_uomid_value"), text(&product, "_defaultuomid_value"));
    }
}

#[tokio::test]
async fn blocked_items_do_not_travel() {
    let world = synchronized().await;
    for item in world.business_central_ids("Item", |row| !unblocked(row)) {
        assert_eq!(world.coupling("ITEM-PRODUCT", item).await, None);
    }
}

#[tokio::test]
async fn c_199_resources_become_products_of_type_services_with_a_line_in_the_default_price_list() {
    let world = synchronized().await;
    let resources = world.business_central_ids("Resource", unblocked);
    assert_eq!(world.couplings("RESOURCE-PRODUCT").await, resources.len() as u64);
    for resource in resources {
        let record = world.business_central.row("Resource", resource).unwrap();
        let product = world.coupled_row("RESOURCE-PRODUCT", resource).await;
        assert_eq!(product["producttypecode"], json!(3));
        assert_eq!(product["statecode"], json!(0));
        assert_eq!(text(&product, "name"), text(&record, "displayName"));
        let line = price_line(&world, id(&product, "productid"));
        assert_eq!(number(&line, "amount"), number(&record, "unitPrice"));
    }
}

#[tokio::test]
async fn a_new_price_reaches_product_and_price_line() {
    let world = synchronized().await;
    let item = world.business_central_ids("Item", unblocked)[0];
    world.business_central.update_as_user("Item", item, json!({"unitPrice": 1234.56})).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified), (1, 0));
    let product = world.coupled_row("ITEM-PRODUCT", item).await;
    assert_eq!(number(&product, "price"), Decimal::new(123_456, 2));
    assert_eq!(number(&price_line(&world, id(&product, "productid")), "amount"), Decimal::new(123_456, 2));
}

#[tokio::test]
async fn a_negative_price_is_kept_as_zero() {
    let world = synchronized().await;
    let item = world.business_central_ids("Item", unblocked)[0];
    world.business_central.update_as_user("Item", item, json!({"unitPrice": -5})).unwrap();
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(number(&world.coupled_row("ITEM-PRODUCT", item).await, "price"), Decimal::ZERO, "S201");
}

#[tokio::test]
async fn c_026_c_027_coupled_item_blocked_in_bc_retires_the_product_until_it_is_unblocked() {
    let world = synchronized().await;
    let item = world.business_central_ids("Item", unblocked)[0];
    world.business_central.update_as_user("Item", item, json!({"blocked": true})).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(run.to_dataverse.modified, 1);
    assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["statecode"], json!(1), "C-026");
    world.business_central.update_as_user("Item", item, json!({"blocked": false})).unwrap();
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["statecode"], json!(0), "C-027");
}

#[tokio::test]
async fn c_028_s204_a_coupled_product_that_is_retired_in_sales_blocks_its_item() {
    let catalogue = catalogue_with(&[("item-product", &|mapping| {
        let conditions = mapping["dataverse_filter"].as_array_mut().expect("conditions");
        conditions.retain(|condition| condition["column"] != json!("statecode"));
    })]);
    let catalogue = Some(catalogue.expect("a catalogue"));
    let business_central = business_central_simulator::DemoSize { items: 1, ..NOTHING };
    let world = World::start(WorldOptions { business_central, catalogue, ..WorldOptions::default() }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let item = world.business_central_ids("Item", unblocked)[0];
    let product = id(&world.coupled_row("ITEM-PRODUCT", item).await, "productid");
    world.dataverse.update_as_user("product", product, json!({"statecode": 1, "statuscode": 2})).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "{:?}", run.counters);
    assert_eq!(world.business_central.row("Item", item).unwrap()["blocked"], json!(true));
}

#[tokio::test]
async fn a_product_renamed_in_sales_renames_the_item() {
    let world = synchronized().await;
    let item = world.business_central_ids("Item", unblocked)[0];
    let product = id(&world.coupled_row("ITEM-PRODUCT", item).await, "productid");
    world.dataverse.update_as_user("product", product, json!({"name": "Renamed in Sales"})).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified), (0, 1));
    assert_eq!(text(&world.business_central.row("Item", item).unwrap(), "displayName"), "Renamed in Sales");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(run.counters.modified, 0, "our own write is not synchronized back");
}

#[tokio::test]
async fn c_205_an_item_without_a_base_unit_fails_and_says_so() {
    let world = synchronized().await;
    world.business_central.create_as_user("Item", json!({"number": "NOUNIT", "displayName": "No unit"})).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!(run.counters.failed, 1);
    let failure = &world.failures("ITEM-PRODUCT").await[0];
    assert_eq!(failure.field.as_deref(), Some("Base Unit of Measure"));
    assert_eq!(failure.label, "NOUNIT");
    let item = world.business_central_id("Item", "number", "NOUNIT");
    assert!(world.coupling("ITEM-PRODUCT", item).await.is_none());
}

#[tokio::test]
async fn d20_a_failed_create_is_retried_by_the_next_run_although_its_item_did_not_change() {
    let world = synchronized().await;
    world.dataverse.faults().poison(dataverse_simulator::Poison {
        table: Some("product".into()),
        column: Some("name".into()),
        text: "Poisoned".into(),
        only_in_bulk: false,
    });
    let values = json!({"number": "P-1", "displayName": "Poisoned", "baseUnitOfMeasureCode": "PCS"});
    let item = world.business_central.create_as_user("Item", values).unwrap();
    let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!(run.counters.failed, 1);
    world.dataverse.faults().clear_poison();
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0));
    assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["statecode"], json!(0));
    assert!(world.failures("ITEM-PRODUCT").await.is_empty());
}
