//! What is kept of runs and of the records they failed with, and what a person sees of a job.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{RunMode, RunRequest};
use couplet_model::job::{JobState, Trigger};
use couplet_model::switches::SalesOrders;
use couplet_model::{MappingName, RecordId};
use dataverse_simulator::Poison;
use serde_json::json;

use crate::coupled_customers::{coupled, of_customers, synchronize};
use crate::observing::{id, text};

fn refuse(world: &World, table: &str, text: &str) {
    let table = Some(table.to_owned());
    world.dataverse.faults().poison(Poison { table, column: None, text: text.to_owned(), only_in_bulk: false });
}

async fn errors(world: &World, mapping: &str) -> Vec<couplet_store::ErrorRecord> {
    world.store().errors(world.company(), &MappingName::from(mapping), 10).await.expect("the store answers")
}

async fn state(world: &World, job: &str) -> JobState {
    world.store().job(world.company(), job).await.expect("the store answers").expect("it ran").state
}

#[tokio::test]
async fn c_244_u6_r251_a_run_that_reaches_nobody_says_so_and_the_job_starts_again_with_the_next_timer() {
    let (world, pairs) = coupled(of_customers(1)).await;
    pairs[0].change_customer(&world, json!({"displayName": "Meanwhile"}));
    world.business_central.faults().fail_next(1000, 500);
    let request =
        RunRequest { job: "CUSTOMER".to_owned(), mode: RunMode::Modified, trigger: Trigger::Schedule, until: None };
    let error = world.engine.run_job(&request).await.expect_err("nobody answers").to_string();
    let job = world.store().job(world.company(), "CUSTOMER").await.expect("the store answers").expect("it ran");
    assert_eq!(job.state, JobState::Error, "{job:?}");
    let said = job.message.expect("U6: it says why");
    assert!(said.contains("Business Central"), "U6: {said}; {error}");
    world.business_central.faults().clear();
    let run = synchronize(&world).await;
    assert_eq!((run.counters.failed, state(&world, "CUSTOMER").await), (0, JobState::Ready));
    assert_eq!(text(&pairs[0].account(&world), "name"), "Meanwhile");
}

#[tokio::test]
async fn c_245_c_246_c_247_r102_r104_r126_the_last_result_of_a_pair_names_its_run_and_an_error_both_records() {
    let mut options = of_customers(0);
    options.business_central.items = 1;
    let world = World::start(options).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    let item = world.business_central_ids("Item", |_| true)[0];
    let product = id(&world.coupled_row("ITEM-PRODUCT", item).await, "productid");
    world.business_central.update_as_user("Item", item, json!({"displayName": "D"})).expect("taken");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0), "C-246");
    let coupling = world.coupling("ITEM-PRODUCT", item).await.expect("a coupling");
    let result = coupling.to_dataverse.expect("C-246: a result");
    assert_eq!((result.run, result.failure), (run.id, None), "C-246");
    assert_eq!(coupling.from_dataverse, None, "C-246: the other direction has none");

    refuse(&world, "product", "Refused");
    world.business_central.update_as_user("Item", item, json!({"displayName": "Refused"})).expect("taken");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.failed, run.to_dataverse.modified), (1, 0), "C-245, C-247");
    let result = world.coupling("ITEM-PRODUCT", item).await.expect("a coupling").to_dataverse.expect("a result");
    assert!(result.run == run.id && result.failure.is_some(), "C-247: {result:?}");
    assert_eq!(text(&world.coupled_row("ITEM-PRODUCT", item).await, "name"), "D", "C-247: nothing was written");
    let logged = errors(&world, "ITEM-PRODUCT").await;
    let [error] = &logged[..] else { panic!("C-245: {logged:?}") };
    assert_eq!((error.record, error.other), (RecordId(item), Some(RecordId(product))), "C-245");
    assert_eq!(error.run, run.id, "C-247");
    assert!(error.message.contains("writing the product failed"), "C-247: {}", error.message);
}

#[tokio::test]
async fn c_248_the_latest_of_two_errors_of_a_record_is_the_one_that_is_shown() {
    let world = World::start(of_customers(0)).await;
    let currency = json!({"code": "XTS", "displayName": "Test money"});
    let currency = world.business_central.create_as_user("Currency", currency).expect("taken");
    world.run("CURRENCY", RunMode::Full).await;
    let first = world.failures("CURRENCY").await[0].message.clone();
    assert!(first.contains("rate"), "{first}");
    let rate = json!({
        "currencyCode": "XTS", "startingDate": "2020-01-01", "exchangeRateAmount": 1, "relationalExchangeRateAmount": 2
    });
    world.business_central.create_as_user("Currency Exchange Rate", rate).expect("taken");
    refuse(&world, "transactioncurrency", "Test money");
    world.business_central.update_as_user("Currency", currency, json!({"displayName": "Test money 2"})).expect("taken");
    let run = world.run("CURRENCY", RunMode::Full).await;
    assert_eq!(run.counters.failed, 1);
    let failures = world.failures("CURRENCY").await;
    assert!(failures.len() == 1 && failures[0].message != first && failures[0].run == run.id, "{failures:?}");
    let logged = errors(&world, "CURRENCY").await;
    assert_eq!((logged.len(), logged[0].run, &logged[0].message), (2, run.id, &failures[0].message), "newest first");
    assert_eq!((&logged[1].message, logged[1].other), (&first, None));
}

#[tokio::test]
async fn c_250_where_submitted_orders_are_taken_over_there_is_a_job_for_it() {
    for (orders, expected) in [(SalesOrders::Legacy, true), (SalesOrders::Off, false)] {
        let world = World::start(WorldOptions { sales_orders: orders, ..of_customers(0) }).await;
        let jobs = world.engine.jobs();
        let job = jobs.iter().find(|job| job.name == "Auto Create Sales Orders");
        assert_eq!(job.is_some_and(|job| job.ready.is_ok() && job.every_minutes.is_some()), expected, "{orders:?}");
    }
}

#[tokio::test]
async fn c_236_what_a_person_asks_for_twice_has_two_runs_and_makes_no_mapping() {
    let world = World::start(of_customers(0)).await;
    world.run("SALESPEOPLE", RunMode::Full).await;
    let mappings = world.engine.mappings().len();
    let before = world.store().runs(world.company(), "SALESPEOPLE", 10).await.expect("the store answers").len();
    let users: Vec<_> =
        world.business_central_ids("Salesperson/Purchaser", |row| text(row, "code").starts_with("SP NO."));
    for salesperson in &users[..2] {
        let user = id(&world.coupled_row("SALESPEOPLE", *salesperson).await, "systemuserid");
        world.dataverse.update_as_user("systemuser", user, json!({"mobilephone": "+47 1"})).expect("taken");
        let run = world.pull("SALESPEOPLE", &[user], false).await;
        assert_eq!((run.counters.modified, run.counters.failed, run.job.as_str()), (1, 0, "SALESPEOPLE"));
    }
    let after = world.store().runs(world.company(), "SALESPEOPLE", 10).await.expect("the store answers");
    assert_eq!((after.len(), world.engine.mappings().len()), (before + 2, mappings));
    assert!(after[..2].iter().all(|run| run.trigger == Trigger::Manual && run.message.is_some()), "{after:?}");
}
