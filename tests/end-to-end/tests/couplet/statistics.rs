//! Customer Statistics end to end: the first upload, then only customers with something new.

use business_central_simulator::DemoSize;
use couplet_end_to_end::{World, WorldOptions, chosen};
use couplet_engine::{Failpoint, RunMode};
use couplet_model::request::Want;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{count_anew, die_and_deliver_twice, draft, expect_requests, items, line, options};
use crate::observing::{id, number, text};

const JOB: &str = "Customer Statistics";

/// Customers are coupled, and nothing was uploaded yet.
async fn prepared(options: WorldOptions) -> World {
    let world = World::start(options).await;
    for job in ["CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
        world.run(job, RunMode::Modified).await;
    }
    world
}

/// A draft invoice of a customer, due long ago, with so many pieces of something; and its line.
fn owed(world: &World, customer: &str, pieces: u32) -> (Uuid, Uuid) {
    let header = json!({"customerNumber": customer, "dueDate": "2020-01-31"});
    let (invoice, lines) = draft(world, &header, &[line(&items(world)[0], pieces, "100", 0)]);
    (invoice, lines[0])
}

/// The statistics that the account of a customer points to.
async fn statistics(world: &World, customer: &str) -> Map<String, Json> {
    let customer = world.business_central_id("Customer", "number", customer);
    let account = world.coupled_row("CUSTOMER", customer).await;
    let row = id(&account, "_nav_accountstatisticsid_value");
    world.dataverse.row("nav_accountstatistics", row).expect("there")
}

#[tokio::test]
async fn c_183_c_184_c_185_s25_s26_all_customers_once_and_then_those_with_something_new() {
    let world = prepared(options()).await;
    let (invoice, line) = owed(&world, "C00010", 2);
    let run = world.run(JOB, RunMode::Modified).await;
    let customers = world.couplings("CUSTOMER").await;
    assert_eq!((run.counters.inserted, run.counters.failed), (customers, 0), "{:?}", world.failures(JOB).await);
    let amount = |world: &World| {
        number(&world.business_central.row("Sales Invoice Line", line).expect("there"), "amountIncludingTax")
    };
    let row = statistics(&world, "C00010").await;
    assert_eq!(number(&row, "nav_outstandinginvoiceslcy"), amount(&world), "C-183");
    assert_eq!((text(&row, "nav_customerno"), number(&row, "nav_totallcy")), ("C00010", amount(&world)));
    assert!(!text(&row, "nav_overdueamountsasof").is_empty());
    let accounts = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((accounts.counters.modified, accounts.counters.failed), (0, 0), "C-185");

    // Nothing shows before the next run, and then only the customer with something new travels.
    world.business_central.update_as_user("Sales Invoice Line", line, json!({"quantity": 3})).expect("taken");
    assert_ne!(number(&statistics(&world, "C00010").await, "nav_outstandinginvoiceslcy"), amount(&world));
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.modified), (1, 1));
    assert_eq!(number(&statistics(&world, "C00010").await, "nav_outstandinginvoiceslcy"), amount(&world), "C-184");

    // Posted, it is overdue; paid, it is neither. A new credit limit counts as well.
    world.business_central.run_action_as_user("Sales Invoice Header", invoice, "post").expect("posted");
    world.run(JOB, RunMode::Modified).await;
    let row = statistics(&world, "C00010").await;
    let figures = ["nav_outstandinginvoiceslcy", "nav_balancelcy", "nav_overdueamountslcy"];
    assert_eq!(figures.map(|name| number(&row, name)), [Decimal::ZERO, amount(&world), amount(&world)]);
    world.business_central.pay_invoice(invoice, amount(&world)).expect("paid");
    let customer = world.business_central_id("Customer", "number", "C00020");
    world.business_central.update_as_user("Customer", customer, json!({"creditLimit": 4711})).expect("taken");
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.modified), (2, 2));
    let row = statistics(&world, "C00010").await;
    assert_eq!(figures.map(|name| number(&row, name)), [Decimal::ZERO; 3]);
    assert_eq!(number(&statistics(&world, "C00020").await, "nav_creditlimitlcy"), 4711.into());
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.enqueued, quiet.counters.modified), (0, 0));
}

#[tokio::test]
async fn c_186_s29_customers_coupled_later_follow_and_a_deleted_account_is_told() {
    let world = prepared(options()).await;
    world.run(JOB, RunMode::Modified).await;
    let before = world.dataverse.count("nav_accountstatistics");
    // Customers that nobody has coupled are nobody's failure; once coupled, they need not change to have statistics.
    for name in ["Later", "Never"] {
        world.business_central.create_as_user("Customer", json!({"displayName": name})).expect("taken");
    }
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.waiting, run.counters.inserted), (0, 0, 0));
    let never = world.business_central_id("Customer", "displayName", "Never");
    world.business_central.update_as_user("Customer", never, json!({"blocked": "All"})).expect("taken");
    world.run("CUSTOMER", RunMode::Full).await;
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0));
    assert_eq!(world.dataverse.count("nav_accountstatistics"), before + 1);

    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    world.dataverse.delete_as_user("account", account).expect("gone");
    owed(&world, "C00010", 1);
    owed(&world, "C00020", 1);
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 1));
    let failures = world.failures(JOB).await;
    assert!(failures[0].message.contains(&format!("the account {account} of customer C00010")), "{failures:?}");
}

#[tokio::test]
async fn s31_the_statistics_of_a_customer_who_is_uncoupled_are_deleted_whatever_is_delivered_twice() {
    let world = prepared(options()).await;
    world.run(JOB, RunMode::Modified).await;
    let before = world.dataverse.count("nav_accountstatistics");
    let customers = ["C00010", "C00020"].map(|number| world.business_central_id("Customer", "number", number));
    let account = id(&world.coupled_row("CUSTOMER", customers[0]).await, "accountid");
    let run = world.ask("CUSTOMER", Want::Uncouple, chosen(&customers[..1])).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.counters.failed, run.finished.is_some()), (1, 0, true), "{run:?}");
    assert_eq!(world.dataverse.count("nav_accountstatistics"), before - 1);
    assert_eq!(world.coupling(JOB, customers[0]).await, None);
    let account = world.dataverse.row("account", account).expect("it stays");
    assert_eq!(text(&account, "_nav_accountstatisticsid_value"), "");
    // A worker that died before it could send on is made up for by the next delivery.
    world.engine.ask(&"CUSTOMER".into(), Want::Uncouple, chosen(&customers[1..])).await.expect("asked");
    while let Some(task) = world.tasks.next_task() {
        let couplet_model::task::Task::Ask(request) = task else { panic!("another task comes first: {task:?}") };
        world.engine.work_request(&request, None).await.expect("carried out");
    }
    let deliveries = world.queue.take(1000);
    world.engine.sync_batch(deliveries.clone()).await;
    assert_eq!(world.queue.take(1000).len(), 1, "what hangs on the pair, which is lost here");
    deliveries.into_iter().for_each(|delivery| world.queue.give_back(delivery));
    world.drain().await;
    assert_eq!(world.dataverse.count("nav_accountstatistics"), before - 2);
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.failed), (0, 0), "nobody gets them back");
}

#[tokio::test]
async fn an_installation_without_the_table_is_told_what_it_lacks() {
    let world = prepared(options()).await;
    world.dataverse.remove_table("nav_accountstatistics");
    let request = couplet_engine::RunRequest {
        job: JOB.to_owned(),
        mode: RunMode::Modified,
        trigger: couplet_model::job::Trigger::Manual,
        until: None,
    };
    let error = world.engine.run_job(&request).await.expect_err("there is no such table").to_string();
    assert!(error.contains("nav_accountstatistics") && error.contains("solution"), "{error}");
    assert!(world.queue.is_empty());
}

#[tokio::test]
async fn statistics_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL {
        let world = prepared(options()).await;
        let customers = world.couplings("CUSTOMER").await;
        die_and_deliver_twice(&world, JOB, RunMode::Modified, fatal).await;
        assert_eq!(world.dataverse.count("nav_accountstatistics") as u64, customers, "{fatal:?}");
        assert_eq!(world.couplings(JOB).await, customers, "{fatal:?}");
        statistics(&world, "C00010").await;
    }
}

#[tokio::test]
async fn nine_hundred_customers_stay_within_the_request_budgets() {
    let default = options();
    let business_central = DemoSize { customers: 900, ..default.business_central };
    let world = prepared(WorldOptions { business_central, ..default }).await;
    count_anew(&world);
    let run = world.run(JOB, RunMode::Modified).await;
    assert!(run.counters.inserted >= 900 && run.counters.failed == 0, "{run:?}");
    expect_requests(&world, "first upload of 900 customers and those of accounts", 12);
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.failed), (0, 0));
    expect_requests(&world, "nothing changed", 3);
}
