//! Mappings that travel one way or both, create records or leave them, and filter them: what a run makes of both sides.

use couplet_dataverse::DataverseClient;
use couplet_end_to_end::{World, WorldOptions, catalogue_with, dataverse_settings, values};
use couplet_engine::RunMode;
use couplet_model::catalogue::Catalogue;
use couplet_model::system::{System, Write};
use couplet_model::{RecordId, Value};
use serde_json::{Value as Json, json};

use crate::coupled_customers::{company, coupled, new_account, of_customers, synchronize};
use crate::observing::text;

/// Lets customers travel one way, or both, and uncoupled ones be created.
fn creating(way: &'static str) -> impl Fn(&mut Json) {
    move |mapping| {
        mapping["direction"] = json!(way);
        mapping["only_coupled"] = json!(false);
        let rows = mapping["fields"].as_array_mut().expect("rows");
        rows.retain(|row| {
            way == "bidirectional" || row["direction"] == json!("bidirectional") || row["direction"] == json!(way)
        });
        let templates = mapping["templates"].as_array_mut().expect("templates");
        templates.retain(|template| way == "bidirectional" || template["direction"] == json!(way));
    }
}

fn options(customers: usize, change: &dyn Fn(&mut Json)) -> WorldOptions {
    let catalogue = catalogue_with(&[("customer", change)]).expect("a catalogue");
    WorldOptions { catalogue: Some(catalogue), ..of_customers(customers) }
}

fn customers(world: &World) -> usize {
    world.business_central.rows("Customer").len()
}

#[tokio::test]
async fn c_001_c_015_r19_a_mapping_without_rows_or_with_an_unreadable_filter_never_runs() {
    let no_rows = catalogue_with(&[("customer", &|mapping| mapping["fields"] = json!([]))]).expect_err("refused");
    let message = no_rows.to_string();
    assert!(message.contains("CUSTOMER") && message.contains("no field mapping rows"), "C-001: {message}");
    let bad_filter: &dyn Fn(&mut Json) =
        &|mapping| mapping["business_central_filter"] = json!([{"property": "BADDATA", "op": "eq", "value": 1}]);
    let message = catalogue_with(&[("customer", bad_filter)]).expect_err("refused").to_string();
    assert!(message.contains("CUSTOMER") && message.contains("BADDATA"), "C-015: {message}");
}

#[tokio::test]
async fn c_002_c_003_c_004_rows_of_sales_are_created_once_changed_when_they_change_and_else_left_alone() {
    let world = World::start(options(0, &creating("from_dataverse"))).await;
    let rows = [new_account(&world, "One"), new_account(&world, "Two")];
    let run = synchronize(&world).await;
    let counters = run.from_dataverse;
    assert_eq!((counters.inserted, counters.modified, counters.failed), (2, 0, 0), "C-002: {counters:?}");
    assert_eq!((customers(&world), world.couplings("CUSTOMER").await), (2, 2), "C-002");
    // The account was given its company, which is looked at once.
    synchronize(&world).await;
    let quiet = synchronize(&world).await;
    assert_eq!((quiet.counters.total(), quiet.enqueued), (0, 0), "C-004: {:?}", quiet.counters);
    world.dataverse.update_as_user("account", rows[0], json!({"name": "MODIFIED"})).expect("taken");
    let run = synchronize(&world).await;
    assert_eq!((run.from_dataverse.modified, run.from_dataverse.inserted), (1, 0), "C-003");
    let records = world.business_central.rows("Customer");
    let mut names: Vec<&str> = records.iter().map(|row| text(row, "displayName")).collect();
    names.sort_unstable();
    assert_eq!(names, ["MODIFIED", "Two"], "C-003");
}

#[tokio::test]
async fn c_005_c_006_r17_r57_r58_a_mapping_of_one_way_is_not_asked_the_other_way_and_overwrites_without_a_conflict() {
    let (world, pairs) = coupled(options(1, &creating("to_dataverse"))).await;
    let pair = pairs[0];
    let runs = world.store().runs(world.company(), "CUSTOMER", 10).await.expect("the store answers").len();
    let want = couplet_model::request::Want::Synchronize {
        direction: Some(couplet_model::message::Direction::FromDataverse),
        create: false,
    };
    let of = couplet_model::request::Chosen::Records(vec![(couplet_model::Side::Dataverse, RecordId(pair.account))]);
    let refused = world.ask("CUSTOMER", want, of).await.expect_err("C-005").to_string();
    assert!(refused.contains("CUSTOMER") && refused.contains("from Dataverse"), "C-005: {refused}");
    let after = world.store().runs(world.company(), "CUSTOMER", 10).await.expect("the store answers").len();
    assert_eq!(after, runs, "C-005: nothing is begun");
    pair.change_customer(&world, json!({"displayName": "ERP"}));
    pair.change_account(&world, json!({"name": "CRM"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0), "C-006");
    assert_eq!(pair.both(&world, "displayName", "name"), ("ERP".to_owned(), "ERP".to_owned()), "C-006");
}

#[tokio::test]
async fn c_007_u14_a_new_account_makes_one_customer_and_nothing_is_written_to_either_afterwards() {
    let world = World::start(options(0, &creating("bidirectional"))).await;
    new_account(&world, "Adatum");
    let run = synchronize(&world).await;
    assert_eq!((run.counters.inserted, run.counters.failed, customers(&world)), (1, 0, 1), "run one");
    let (records, accounts) = (world.business_central.rows("Customer"), world.dataverse.rows("account"));
    for number in ["two", "three"] {
        let counters = synchronize(&world).await.counters;
        assert_eq!(counters.total(), counters.unchanged, "run {number}: {counters:?}");
    }
    assert_eq!((world.business_central.rows("Customer"), world.dataverse.rows("account")), (records, accounts), "U14");
}

#[tokio::test]
async fn c_011_a_filter_of_business_central_leaves_records_out() {
    let catalogue = catalogue_with(&[("unit-of-measure", &|mapping| {
        mapping["only_coupled"] = json!(false);
        mapping["business_central_filter"] = json!([{"property": "code", "op": "ne", "value": "SET"}]);
    })]);
    let options = WorldOptions { catalogue: Some(catalogue.expect("a catalogue")), ..of_customers(0) };
    let world = World::start(options).await;
    let units = world.business_central.rows("Unit of Measure");
    assert!(units.iter().any(|unit| text(unit, "code") == "SET"));
    let before = world.dataverse.count("uomschedule");
    let run = world.run("UNIT OF MEASURE", RunMode::Modified).await;
    assert_eq!(run.counters.inserted, units.len() as u64 - 1);
    assert_eq!(world.dataverse.count("uomschedule") - before, units.len() - 1);
}

#[tokio::test]
async fn c_012_c_013_r30_a_filter_of_dataverse_and_nobodys_hand_decides_which_rows_arrive() {
    let filtered: &dyn Fn(&mut Json) = &|mapping| {
        creating("from_dataverse")(mapping);
        let condition = json!({"column": "name", "op": "eq", "value": "Two"});
        mapping["dataverse_filter"].as_array_mut().expect("conditions").push(condition);
    };
    let world = World::start(options(0, filtered)).await;
    for name in ["One", "Two", "Three"] {
        new_account(&world, name);
    }
    let run = synchronize(&world).await;
    assert_eq!((run.counters.inserted, customers(&world)), (1, 1), "C-012");

    let world = World::start(options(0, &creating("from_dataverse"))).await;
    let rows = ["One", "Two", "Three"].map(|name| new_account(&world, name));
    let catalogue = Catalogue::embedded().expect("the catalogue");
    let account = catalogue.dataverse_table("account").expect("accounts");
    let ours = DataverseClient::new(dataverse_settings(&world.dataverse), catalogue.dataverse_entity_sets());
    let change = |row| Write::update(RecordId(row), None, values(&[("description", Value::text("Seen"))]));
    let written = ours.expect("a client").write(account, &[change(rows[0]), change(rows[1])]).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    let by_us = world.dataverse.integration_user().to_string();
    let accounts = world.dataverse.rows("account");
    assert_eq!(accounts.iter().filter(|row| text(row, "_modifiedby_value") == by_us).count(), 2);
    let run = synchronize(&world).await;
    assert_eq!((run.counters.inserted, customers(&world)), (3, 3), "C-013");
}

#[tokio::test]
async fn c_016_c_242_c_243_r15_r16_two_on_each_side_become_four_and_one_run_counts_both_ways() {
    let world = World::start(options(0, &creating("bidirectional"))).await;
    let empty = synchronize(&world).await;
    assert_eq!((empty.counters.total(), empty.finished.is_some()), (0, true), "C-242: a run without records");
    for name in ["Adatum", "Fabrikam"] {
        let customer = json!({"displayName": name});
        world.business_central.create_as_user("Customer", customer).expect("taken");
        new_account(&world, &format!("{name} of Sales"));
    }
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.inserted, run.from_dataverse.inserted, run.counters.failed), (2, 2, 0), "C-243");
    assert_eq!((customers(&world), world.dataverse.count("account")), (4, 4), "C-016");
    let runs = world.store().runs(world.company(), "CUSTOMER", 10).await.expect("the store answers");
    assert_eq!(runs.len(), 2, "C-242, C-243: one for each time");
}

#[tokio::test]
async fn c_023_c_024_accounts_are_created_for_chosen_customers_and_for_nobody_twice() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let mut new = Vec::new();
    for number in 1..=5 {
        let customer = json!({"displayName": format!("New {number}")});
        new.push(world.business_central.create_as_user("Customer", customer).expect("taken"));
    }
    let run = world.push("CUSTOMER", &new, true).await;
    assert_eq!((run.counters.inserted, run.counters.failed, run.enqueued), (5, 0, 5), "C-024: {:?}", run.counters);
    assert_eq!((world.dataverse.count("account"), world.couplings("CUSTOMER").await), (6, 6), "C-024");
    let again = world.push("CUSTOMER", &[pairs[0].customer], true).await;
    assert_eq!((again.counters.inserted, again.counters.failed), (0, 0), "C-023");
    assert_eq!((world.dataverse.count("account"), world.couplings("CUSTOMER").await), (6, 6), "C-023");
    assert!(pairs[0].is_coupled(&world).await, "C-023");
}

#[tokio::test]
async fn c_029_c_215_r258_accounts_create_customers_and_belong_to_the_company_from_then_on() {
    let world = World::start(of_customers(1)).await;
    world.run("CURRENCY", RunMode::Full).await;
    let account = new_account(&world, "Tailspin");
    let before = world.dataverse.row("account", account).expect("the account");
    assert_eq!(text(&before, "_bcbi_companyid_value"), "", "C-029: it carries none");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.from_dataverse.inserted, run.from_dataverse.failed), (1, 0), "C-215");
    assert_eq!((customers(&world), world.couplings("CUSTOMER").await), (2, 2), "C-215");
    assert!(world.failures("CUSTOMER").await.is_empty(), "C-215");
    for row in world.dataverse.rows("account") {
        assert_eq!(text(&row, "_bcbi_companyid_value"), company(&world), "C-029: {row:?}");
    }
}
