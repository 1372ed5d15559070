//! A restored or exchanged system stops its jobs until a person chooses.

use std::path::PathBuf;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineError, Halt, RunMode, RunRequest};
use couplet_model::Side;
use couplet_model::job::Trigger;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// A file that is gone with the test.
struct Backup(PathBuf);

impl Backup {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("couplet-backup-{}.json", Uuid::new_v4())))
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn synchronized(customers: usize) -> World {
    let options = WorldOptions::default();
    let business_central = business_central_simulator::DemoSize { customers, ..options.business_central };
    let world = World::start(WorldOptions { business_central, ..options }).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    world
}

async fn attempt(world: &World, job: &str, mode: RunMode) -> Result<(), EngineError> {
    let request = RunRequest { job: job.to_owned(), mode, trigger: Trigger::Manual, until: None };
    world.engine.run_job(&request).await.map(|_| ())
}

/// The reason a job stands still for; the run and all further ones say it.
async fn halted(world: &World, job: &str, mode: RunMode) -> Halt {
    let error = attempt(world, job, mode).await.expect_err("the run stops");
    let halt = world.engine.halted().await.expect("the store answers").expect("all jobs stand still");
    assert_eq!(error.to_string(), halt.message());
    let stored = world.store().job(world.company(), job).await.expect("the store answers").expect("it ran");
    assert_eq!(stored.message, Some(halt.message()));
    let next = attempt(world, "CURRENCY", RunMode::Modified).await.expect_err("all jobs stand still");
    assert_eq!(next.to_string(), halt.message());
    halt
}

fn text(row: &serde_json::Map<String, Json>, column: &str) -> String {
    row.get(column).and_then(Json::as_str).unwrap_or_default().to_owned()
}

async fn account_of(world: &World, customer: Uuid) -> serde_json::Map<String, Json> {
    world.coupled_row("CUSTOMER", customer).await
}

#[tokio::test]
async fn dataverse_at_an_older_state_stops_all_jobs_until_business_central_is_said_to_be_right() {
    let world = synchronized(6).await;
    let backup = Backup::new();
    world.dataverse.save_state(&backup.0).expect("saved");
    let customers = world.business_central_ids("Customer", |_| true);
    for customer in &customers[..3] {
        world.business_central.update_as_user("Customer", *customer, json!({"phoneNumber": "555"})).expect("taken");
    }
    let new = json!({"number": "C-NEW", "displayName": "Since the backup"});
    let new = world.business_central.create_as_user("Customer", new).expect("taken");
    world.run("CUSTOMER", RunMode::Full).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    assert!(world.coupling("CUSTOMER", new).await.is_some());
    let before: Vec<_> = world.business_central.rows("Customer");

    world.dataverse.restore_state(&backup.0).expect("restored");
    let halt = halted(&world, "CUSTOMER", RunMode::Modified).await;
    assert_eq!((halt.side, halt.can_go_on), (Side::Dataverse, false));
    assert!(halt.message().contains("couplet resume --read-everything"), "{}", halt.message());
    // Going on as if nothing had happened is no way out: the feed itself has gone back.
    world.engine.resume().await.expect_err("everything has to be read again");

    world.engine.resume_reading_everything(Side::BusinessCentral).await.expect("chosen");
    let runs = world.run_all(RunMode::Modified).await;
    assert!(runs.iter().all(|run| run.counters.failed == 0), "{runs:#?}");
    for customer in &customers[..3] {
        assert_eq!(text(&account_of(&world, *customer).await, "telephone1"), "555");
    }
    assert_eq!(text(&account_of(&world, new).await, "name"), "Since the backup");
    let phones = |rows: &[serde_json::Map<String, Json>]| -> Vec<String> {
        rows.iter().map(|row| text(row, "phoneNumber")).collect()
    };
    assert_eq!(
        phones(&world.business_central.rows("Customer")),
        phones(&before),
        "the restored side brought nothing over"
    );
    // And the jobs go on.
    let quiet = world.run_all(RunMode::Modified).await;
    assert!(
        quiet.iter().all(|run| run.counters.modified + run.counters.inserted + run.counters.failed == 0),
        "{quiet:#?}"
    );
}

#[tokio::test]
async fn dataverse_at_an_older_state_brings_its_values_over_when_it_is_said_to_be_right() {
    let world = synchronized(6).await;
    let backup = Backup::new();
    world.dataverse.save_state(&backup.0).expect("saved");
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let before = text(&account_of(&world, customer).await, "telephone1");
    world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": "555"})).expect("taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    world.dataverse.restore_state(&backup.0).expect("restored");
    halted(&world, "CUSTOMER", RunMode::Modified).await;

    world.engine.resume_reading_everything(Side::Dataverse).await.expect("chosen");
    world.run_all(RunMode::Modified).await;
    assert_eq!(text(&account_of(&world, customer).await, "telephone1"), before);
    assert_eq!(text(&world.business_central.row("Customer", customer).expect("there"), "phoneNumber"), before);
}

#[tokio::test]
async fn business_central_without_its_newer_records_is_noticed_by_a_silent_feed() {
    let world = synchronized(6).await;
    let backup = Backup::new();
    world.business_central.back_up(&backup.0).expect("saved");
    // The backup is an hour old when it is restored.
    world.business_central.faults().set_clock_skew(jiff::SignedDuration::from_hours(1));
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": "555"})).expect("taken");
    let new = json!({"number": "C-NEW", "displayName": "Since the backup"});
    let new = world.business_central.create_as_user("Customer", new).expect("taken");
    world.run("CUSTOMER", RunMode::Full).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let account = text(&account_of(&world, new).await, "accountid");

    world.business_central.restore(&backup.0).expect("restored");
    let halt = halted(&world, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(halt.side, Side::BusinessCentral);

    world.engine.resume_reading_everything(Side::Dataverse).await.expect("chosen");
    let runs = world.run_all(RunMode::Modified).await;
    assert!(runs.iter().all(|run| run.counters.failed == 0), "{runs:#?}");
    assert_eq!(text(&world.business_central.row("Customer", customer).expect("there"), "phoneNumber"), "555");
    let named = |row: &&serde_json::Map<String, Json>| text(row, "displayName") == "Since the backup";
    let again = world.business_central.rows("Customer");
    assert_eq!(again.iter().filter(named).count(), 1, "it is there again, once");
    let accounts = world.dataverse.rows("account");
    assert_eq!(accounts.iter().filter(|row| text(row, "name") == "Since the backup").count(), 1);
    assert!(accounts.iter().any(|row| text(row, "accountid") == account));
}

#[tokio::test]
async fn a_record_deleted_by_a_person_stops_nothing() {
    let world = synchronized(6).await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world.business_central.update_as_user("Customer", customer, json!({"phoneNumber": "555"})).expect("taken");
    world.run_all(RunMode::Modified).await;
    world.business_central.delete_as_user("Customer", customer).expect("deleted");
    // Its change was the last one: the feed is silent, and that means nothing here.
    let runs = world.run_all(RunMode::Modified).await;
    assert!(runs.iter().all(|run| run.counters.failed == 0));
    assert_eq!(world.engine.halted().await.expect("the store answers"), None);
}

#[tokio::test]
async fn a_full_run_finds_a_partner_that_is_gone_in_both_directions_although_nothing_else_changed() {
    let world = synchronized(6).await;
    let customers = world.business_central_ids("Customer", |_| true);
    let (first, second) = (customers[0], customers[1]);
    world.business_central.delete_as_user("Customer", first).expect("deleted");
    let account: Uuid = text(&account_of(&world, second).await, "accountid").parse().expect("a GUID");
    world.dataverse.delete_as_user("account", account).expect("deleted");

    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.to_dataverse.failed, run.from_dataverse.failed), (1, 1), "{run:#?}");
    let failures = world.failures("CUSTOMER").await;
    assert!(failures.iter().all(|failure| failure.message.contains("(EE12)")), "{failures:#?}");
    assert_eq!(failures.len(), 2);
    assert_eq!(world.engine.halted().await.expect("the store answers"), None);
}

#[tokio::test]
async fn a_full_run_compares_a_coupled_record_with_what_is_there() {
    let world = synchronized(6).await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account: Uuid = text(&account_of(&world, customer).await, "accountid").parse().expect("a GUID");
    world.dataverse.update_as_user("account", account, json!({"creditlimit": 99, "telephone1": "0"})).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0));
    let (row, record) = (account_of(&world, customer).await, world.business_central.row("Customer", customer));
    assert_eq!(text(&row, "telephone1"), text(&record.expect("there"), "phoneNumber"));
}

#[tokio::test]
async fn many_coupled_records_gone_at_once_stop_all_jobs_and_their_messages_come_back() {
    let world = synchronized(12).await;
    let customers = world.business_central_ids("Customer", |_| true);
    for customer in customers.iter().take(11) {
        world.business_central.delete_as_user("Customer", *customer).expect("deleted");
    }
    let report = world.find("CUSTOMER", RunMode::Full).await;
    let deliveries = world.queue.take(1000);
    let dispositions = world.engine.sync_batch(deliveries.clone()).await.dispositions;
    let halt = world.engine.halted().await.expect("the store answers").expect("all jobs stand still");
    assert!(halt.reason.contains("11 of") && halt.can_go_on, "{halt:?}");
    let run = world.run_of("CUSTOMER", report.run).await;
    assert_eq!(run.message, Some(halt.message()));
    let returned = dispositions.iter().filter(|disposition| **disposition != Disposition::Done).count();
    assert!(returned >= 11, "{returned}");
    // However long a person takes to choose: a message that comes meanwhile has used up no attempt.
    let all = dispositions.into_iter().filter(|disposition| *disposition != Disposition::Done);
    for disposition in all.chain(world.engine.sync_batch(deliveries).await.dispositions) {
        assert!(matches!(disposition, Disposition::Postpone { .. }), "{disposition:?}");
    }

    // A person knows that they were deleted on purpose.
    world.engine.resume().await.expect("nothing is wrong with the feed");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(run.from_dataverse.failed, 11, "{run:#?}");
    assert_eq!(world.engine.halted().await.expect("the store answers"), None);
    world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(world.engine.halted().await.expect("the store answers"), None, "what is known stops nothing again");
}
