//! Changes that both systems tell of: they arrive although no timer is near, and whatever becomes of notifications, nothing but
//! the time of arrival depends on them.

mod doors;
mod subscriptions;

use business_central_simulator::DemoSize;
use couplet_engine::{EarlyReport, RunStatus};
use couplet_model::job::{JobState, Trigger};
use couplet_model::notification::EarlyRun;
use couplet_model::table::Side;
use couplet_model::task::EarlyTask;
use couplet_model::{MappingName, RecordId, RunId};
use couplet_runtime::handlers::RunMode;
use couplet_worlds::{NOTHING, Notified};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

const CUSTOMERS: DemoSize = DemoSize { customers: 12, ..NOTHING };
const JOB: &str = "CUSTOMER";
/// Business Central tells of nothing.
const LOST: &str = r#"{"notifications": {"seed": 1, "lose": 1000}}"#;

/// Everything is coupled, both systems tell of changes, and no early run is due.
async fn in_step(size: DemoSize) -> Notified {
    let world = Notified::start(size).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", JOB, "ITEM-PRODUCT"] {
        world.installed.find(job, RunMode::Full).await;
        world.installed.drain().await;
    }
    let kept = world.keep().await;
    assert_eq!(kept.failures(), 0, "{kept:?}");
    world
}

fn ids(world: &Notified, table: &str) -> Vec<Uuid> {
    let rows = world.installed.business_central.rows(table);
    rows.iter().map(|row| row["id"].as_str().expect("an id").parse().expect("a GUID")).collect()
}

async fn account_of(world: &Notified, customer: Uuid) -> Uuid {
    let (store, mapping, ids) = (world.installed.store(), MappingName::from(JOB), [RecordId(customer)]);
    let found = store.couplings_by_id(world.installed.company(), &mapping, Side::BusinessCentral, &ids);
    found.await.expect("the store answers").into_values().next().expect("coupled").dataverse_id.0
}

/// Changes the phones of customers as a person in Business Central.
fn call(world: &Notified, customers: &[Uuid], phone: &str) {
    for customer in customers {
        let changed =
            world.installed.business_central.update_as_user("Customer", *customer, json!({ "phoneNumber": phone }));
        changed.expect("the customer is changed");
    }
}

fn phone(row: Option<serde_json::Map<String, Value>>, column: &str) -> Option<String> {
    row?.get(column)?.as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_arrives_by_its_notification_though_no_timer_is_near() {
    let world = in_step(CUSTOMERS).await;
    let customer = ids(&world, "Customer")[0];
    let account = account_of(&world, customer).await;
    call(&world, &[customer], "+1 555 0100");
    let crm = &world.installed.dataverse;
    world
        .until("the phone in Sales", async || {
            phone(crm.row("account", account), "telephone1").as_deref() == Some("+1 555 0100")
        })
        .await;
    // What was written was told of as well, and the job starts once more when its minute is over: a minute later it is free.
    world.pass(300);
    crm.update_as_user("account", account, json!({ "telephone1": "+1 555 0200" })).expect("the account is changed");
    let erp = &world.installed.business_central;
    world
        .until("the phone in Business Central", async || {
            phone(erp.row("Customer", customer), "phoneNumber").as_deref() == Some("+1 555 0200")
        })
        .await;
    let runs = world.early_runs(JOB).await;
    assert!((2..=3).contains(&runs.len()), "{runs:?}");
    assert!(runs.iter().all(|run| run.message.as_deref().is_none_or(|message| !message.contains("full"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_notifications_leave_their_changes_to_the_timer() {
    let world = in_step(CUSTOMERS).await;
    world.installed.business_central.set_faults(LOST).expect("lost");
    let customers = ids(&world, "Customer");
    call(&world, &customers, "+1 555 0300");
    // One of the other system that is sent later, and arrives, shows that theirs would have.
    world.installed.dataverse.create_as_user("contact", json!({ "lastname": "Somebody" })).expect("a contact");
    world.until("the other notification", async || !world.early_runs("CONTACT").await.is_empty()).await;
    assert_eq!(world.early_runs(JOB).await.len(), 0, "nobody told of the customers");
    let run = world.installed.find(JOB, RunMode::Modified).await;
    world.installed.drain_records().await;
    for customer in customers {
        let account = account_of(&world, customer).await;
        assert_eq!(
            phone(world.installed.dataverse.row("account", account), "telephone1").as_deref(),
            Some("+1 555 0300")
        );
    }
    let run = world.installed.run_of(JOB, run).await;
    assert_eq!(run.trigger, Trigger::Manual);
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_and_reordered_notifications_change_nothing_but_the_time() {
    let world = in_step(CUSTOMERS).await;
    let disturbed = r#"{"notifications": {"seed": 5, "duplicate": 500, "reorder": 400}}"#;
    world.installed.business_central.set_faults(disturbed).expect("disturbed");
    world.installed.dataverse.set_faults(disturbed).expect("disturbed");
    let customers = ids(&world, "Customer");
    let (ours, theirs) = customers.split_at(6);
    let mut accounts = Vec::new();
    for customer in theirs {
        accounts.push(account_of(&world, *customer).await);
    }
    let before = world.installed.dataverse.count("account");
    for round in 0..5 {
        call(&world, ours, &format!("+1 555 04{round:02}"));
        for account in &accounts {
            let changes = json!({ "telephone1": format!("+1 555 05{round:02}") });
            world.installed.dataverse.update_as_user("account", *account, changes).expect("the account is changed");
        }
    }
    world.until("an early run", async || !world.early_runs(JOB).await.is_empty()).await;
    world.installed.find(JOB, RunMode::Modified).await;
    world.installed.drain_records().await;
    let runs = world.early_runs(JOB).await;
    assert!(runs.len() <= 2, "one a minute: {runs:?}");
    for customer in ours {
        let account = account_of(&world, *customer).await;
        assert_eq!(
            phone(world.installed.dataverse.row("account", account), "telephone1").as_deref(),
            Some("+1 555 0404")
        );
    }
    for customer in theirs {
        assert_eq!(
            phone(world.installed.business_central.row("Customer", *customer), "phoneNumber").as_deref(),
            Some("+1 555 0504")
        );
    }
    assert_eq!(world.installed.dataverse.count("account"), before, "nothing was made twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_between_noting_an_early_run_and_asking_for_it_loses_nothing() {
    let world = in_step(CUSTOMERS).await;
    let (store, company) = (world.installed.store(), world.installed.company());
    let customer = ids(&world, "Customer")[0];
    world.installed.business_central.set_faults(LOST).expect("lost");
    call(&world, &[customer], "+1 555 0600");
    // A door noted this and died; its notification is not sent again.
    let now = world.installed.application.clock.now();
    store.note_early_run(company, JOB, now).await.expect("noted");
    assert_eq!(world.early_runs(JOB).await.len(), 0);
    world.installed.find(JOB, RunMode::Modified).await;
    world.installed.drain_records().await;
    let account = account_of(&world, customer).await;
    assert_eq!(phone(world.installed.dataverse.row("account", account), "telephone1").as_deref(), Some("+1 555 0600"));
    // And the next notification starts the job again.
    world.installed.business_central.set_faults(r#"{"notifications": {"seed": 1}}"#).expect("as usual");
    // What was written to Sales was told of, and is due at the end of a minute.
    world.pass(300);
    call(&world, &[customer], "+1 555 0601");
    world
        .until("the next phone", async || {
            phone(world.installed.dataverse.row("account", account), "telephone1").as_deref() == Some("+1 555 0601")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_starts_again_after_a_minute_and_one_on_hold_does_not() {
    let world = in_step(CUSTOMERS).await;
    let engine = &world.installed.application.engine;
    let (store, company) = (world.installed.store(), world.installed.company());
    let task = EarlyTask { job: JOB.to_owned(), id: RunId::fresh() };
    let now = world.installed.application.clock.now();
    let holder = RunId::fresh();
    store.acquire_lease(company, JOB, holder, now, jiff::SignedDuration::from_mins(15)).await.expect("held");
    let report = engine.run_early(&task, None).await.expect("it leaves");
    assert!(matches!(report, EarlyReport::Later(EarlyRun::Now | EarlyRun::At(_))), "{report:?}");
    let again = engine.run_early(&task, None).await.expect("it leaves");
    let EarlyReport::Later(due) = again else { panic!("{again:?}") };
    let is_later = |due: Timestamp| due > world.installed.application.clock.now();
    assert!(matches!(due, EarlyRun::At(due) | EarlyRun::AlreadyDue(due) if is_later(due)), "{due:?}");
    store.set_job_state(company, JOB, JobState::OnHold).await.expect("on hold");
    let report = engine.run_early(&task, None).await.expect("it leaves");
    assert!(matches!(&report, EarlyReport::Ran(report) if report.status == RunStatus::OnHold), "{report:?}");
    assert_eq!(world.early_runs(JOB).await.len(), 0);
    let gone = EarlyTask { job: "NO SUCH JOB".to_owned(), id: RunId::fresh() };
    assert!(matches!(engine.run_early(&gone, None).await, Ok(EarlyReport::Left)));
}
