//! Two records that a person couples, and what becomes of couplings whose records go.

use couplet_end_to_end::{NOTHING, World, chosen};
use couplet_engine::RunMode;
use couplet_model::message::Direction::{FromDataverse, ToDataverse};
use couplet_model::request::Want;
use couplet_model::{RecordId, Side};
use serde_json::json;
use uuid::Uuid;

use crate::coupled_customers::{coupled, new_account, of_customers, synchronize};
use crate::observing::{id, person_of, text};
use crate::units::product_in_sales;

fn new_customer(world: &World, name: &str) -> Uuid {
    world.business_central.create_as_user("Customer", json!({"displayName": name})).expect("it is taken")
}

fn customer_name(world: &World, customer: Uuid) -> String {
    text(&world.business_central.row("Customer", customer).expect("there"), "displayName").to_owned()
}

fn account_name(world: &World, account: Uuid) -> String {
    text(&world.dataverse.row("account", account).expect("there"), "name").to_owned()
}

#[tokio::test]
async fn c_042_c_044_r99_r101_r100_r116_a_pair_is_not_moved_unless_its_other_record_is_gone() {
    let (world, pairs) = coupled(of_customers(2)).await;
    let free = new_account(&world, "Free");
    let refused = world.couple("CUSTOMER", pairs[0].customer, free, ToDataverse).await.expect_err("C-042");
    assert!(refused.to_string().contains("uncouple that pair first"), "C-042: {refused}");
    assert!(pairs[0].is_coupled(&world).await, "C-042");
    world.ask("CUSTOMER", Want::Uncouple, chosen(&[pairs[0].customer])).await.expect("carried out");
    world.couple("CUSTOMER", pairs[0].customer, free, ToDataverse).await.expect("C-042: then it is");
    let coupling = world.coupling("CUSTOMER", pairs[0].customer).await.expect("a coupling");
    assert_eq!((coupling.dataverse_id.0, world.couplings("CUSTOMER").await), (free, 2), "C-042");

    pairs[1].delete_customer(&world);
    let new = new_customer(&world, "In its stead");
    let run = world.couple("CUSTOMER", new, pairs[1].account, ToDataverse).await.expect("C-044");
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "C-044: {:?}", run.counters);
    let coupling = world.coupling("CUSTOMER", new).await.expect("C-044");
    assert_eq!((coupling.dataverse_id.0, world.couplings("CUSTOMER").await), (pairs[1].account, 2), "C-044");
    assert_eq!(account_name(&world, pairs[1].account), "In its stead", "C-044");
}

#[tokio::test]
async fn c_046_r49_a_deleted_customer_leaves_its_coupling_where_its_account_finds_it() {
    let (world, pairs) = coupled(of_customers(1)).await;
    pairs[0].delete_customer(&world);
    let of = [RecordId(pairs[0].account)];
    let found = world.store().couplings_by_id(world.company(), &"CUSTOMER".into(), Side::Dataverse, &of).await;
    let coupling = found.expect("the store answers").remove(&of[0]).expect("a coupling");
    assert_eq!((coupling.system_id.0, coupling.skipped), (pairs[0].customer, false));
}

#[tokio::test]
async fn c_047_c_217_of_two_records_that_a_person_couples_one_wins_and_both_agree_from_then_on() {
    let (world, _) = coupled(of_customers(0)).await;
    let (customer, account) = (new_customer(&world, "Of the ERP"), new_account(&world, "Of Sales"));
    let run = world.couple("CUSTOMER", customer, account, ToDataverse).await.expect("carried out");
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "C-217");
    assert_eq!(account_name(&world, account), "Of the ERP", "C-217");
    assert_eq!(customer_name(&world, customer), "Of the ERP", "C-217: it keeps its own");
    // However old either of them is: what counts is what both agreed on.
    let quiet = synchronize(&world).await.counters;
    assert_eq!(quiet.total(), quiet.unchanged, "C-047: {quiet:?}");
    world.dataverse.update_as_user("account", account, json!({"name": "Later"})).expect("taken");
    let run = synchronize(&world).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "C-047: {:?}", run.counters);
    assert_eq!(customer_name(&world, customer), "Later", "C-047");
}

#[tokio::test]
async fn c_050_nothing_is_created_against_the_direction_of_the_mapping() {
    let world = World::start(of_customers(0)).await;
    let salesperson = json!({"code": "ZZ", "displayName": "Zoe"});
    let salesperson = world.business_central.create_as_user("Salesperson/Purchaser", salesperson).expect("taken");
    let users = world.dataverse.count("systemuser");
    let want = Want::Synchronize { direction: Some(ToDataverse), create: true };
    let refused = world.ask("SALESPEOPLE", want, chosen(&[salesperson])).await.expect_err("refused").to_string();
    assert!(refused.contains("SALESPEOPLE does not travel to Dataverse"), "{refused}");
    assert_eq!(world.dataverse.count("systemuser"), users);
}

#[tokio::test]
async fn c_051_a_contact_that_a_person_couples_takes_the_name_of_the_side_that_wins() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let person = person_of(&world, "Customer", pairs[0].customer, "Berg");
    let parent = format!("/accounts({})", pairs[0].account);
    let contact = json!({"firstname": "Ida", "lastname": "Dahl", "parentcustomerid_account@odata.bind": parent});
    let contact = world.dataverse.create_as_user("contact", contact).expect("taken");
    let run = world.couple("CONTACT", person, contact, FromDataverse).await.expect("carried out");
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{:?}", world.failures("CONTACT").await);
    assert_eq!(text(&world.business_central.row("Contact", person).expect("there"), "surname"), "Dahl");
    assert_eq!(text(&world.dataverse.row("contact", contact).expect("there"), "lastname"), "Dahl");
    assert_eq!(world.couplings("CONTACT").await, 1);
}

#[tokio::test]
async fn c_052_c_055_products_take_the_number_of_their_item_and_items_the_unit_of_their_product() {
    let mut options = of_customers(0);
    options.business_central = business_central_simulator::DemoSize { items: 1, ..NOTHING };
    let world = World::start(options).await;
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    let item = world.business_central_ids("Item", |_| true)[0];
    let change = json!({"displayName2": "Said twice"});
    world.business_central.update_as_user("Item", item, change).expect("taken");
    let unit = text(&world.business_central.row("Item", item).expect("there"), "baseUnitOfMeasureCode").to_owned();
    let group = world.business_central_id("Unit of Measure", "code", &unit);
    let group = id(&world.coupled_row("UNIT OF MEASURE", group).await, "uomscheduleid");
    let product = product_in_sales(&world, "SALES-1", group, &unit, 1);
    let run = world.couple("ITEM-PRODUCT", item, product, ToDataverse).await.expect("carried out");
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures("ITEM-PRODUCT").await);
    let (record, row) = (
        world.business_central.row("Item", item).expect("there"),
        world.dataverse.row("product", product).expect("there"),
    );
    assert_eq!(text(&row, "productnumber"), text(&record, "number"), "C-052");
    assert_eq!((text(&record, "displayName2"), text(&row, "description")), ("Said twice", ""), "C-052");

    let product = product_in_sales(&world, "SALES-2", group, &unit, 1);
    let run = world.pull("ITEM-PRODUCT", &[product], true).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{:?}", world.failures("ITEM-PRODUCT").await);
    let made = world.business_central_ids("Item", |row| row["id"] != json!(item.to_string()))[0];
    let made = world.business_central.row("Item", made).expect("there");
    assert_eq!(text(&made, "baseUnitOfMeasureCode"), unit, "C-055");
}
