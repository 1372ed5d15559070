//! A full synchronization of which a worker dies between what it stores and what it sends, and one whose mappings are changed
//! meanwhile.

use std::time::Instant;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Advanced, EngineOptions, LineReport, RunMode, RunStatus};
use couplet_model::catalogue::{MappingChange, Overlay};
use couplet_model::full_sync::LineState;
use couplet_model::task::Task;
use couplet_model::{Clock, MappingName};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::coupled_customers::of_customers;
use crate::full_sync::{advance, carry_out, finish, of, plan, run_of, states};
use crate::observing::text;

const SETTINGS: [&str; 4] = ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];

/// A world of so many customers with a fax number each, whose settings are coupled.
async fn customers_with_fax(count: usize) -> World {
    let world = World::start(WorldOptions { page_size: Some(2), ..of_customers(count) }).await;
    for job in SETTINGS {
        world.run(job, RunMode::Full).await;
    }
    for customer in world.business_central_ids("Customer", |_| true) {
        let change = json!({"faxNo": "111", "phoneNumber": "222"});
        world.business_central.update_as_user("Customer", customer, change).expect("taken");
    }
    world
}

/// Fax and telephone of the accounts of all customers.
async fn faxes_and_phones(world: &World) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for customer in world.business_central_ids("Customer", |_| true) {
        let account = world.coupled_row("CUSTOMER", customer).await;
        found.push((text(&account, "fax").to_owned(), text(&account, "telephone1").to_owned()));
    }
    found
}

/// An operator changes what the mapping of customers does with fax numbers.
async fn use_fax(world: &World, is_used: bool) {
    let fields = json!({"fields": [{"business_central": "faxNo", "dataverse": "fax", "enabled": false}]});
    let change: MappingChange = serde_json::from_value(fields).expect("a change");
    let mappings = if is_used { [].into() } else { [(MappingName::from("CUSTOMER"), change)].into() };
    let standing = world.engine.standing_mappings().await.expect("the store answers");
    world.engine.change_mappings(&standing, Overlay { mappings, ..Overlay::default() }).await.expect("it is valid");
}

#[tokio::test]
async fn a_line_goes_by_the_mappings_that_are_in_force_when_it_begins() {
    let world = customers_with_fax(3).await;
    world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
    use_fax(&world, false).await;
    let (_, tasks) = advance(&world).await;
    for task in &tasks {
        let Task::RunLine(line) = task else { panic!("nobody asked for {task:?}") };
        world.engine.run_line(line, None).await.expect("it begins");
    }
    // What it has found bears its revision, whatever comes later.
    use_fax(&world, true).await;
    world.drain().await;
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    assert_eq!(run_of(&world, "CUSTOMER").await.mappings, 1);
    assert_eq!(faxes_and_phones(&world).await, vec![(String::new(), "222".to_owned()); 3]);
}

#[tokio::test]
async fn a_line_that_is_under_way_is_finished_by_the_mappings_it_began_with() {
    let world = customers_with_fax(5).await;
    world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
    let (_, tasks) = advance(&world).await;
    let [Task::RunLine(line)] = tasks.as_slice() else { panic!("one line begins: {tasks:?}") };
    // Its time is up after a page.
    let report = world.engine.run_line(line, Some(Instant::now())).await.expect("it begins");
    assert!(matches!(&report, LineReport::Ran(run) if matches!(run.status, RunStatus::GoesOn { .. })), "{report:?}");
    use_fax(&world, false).await;
    let mut invocations = 0;
    while let Some(next) = world.tasks.next() {
        world.engine.continue_run(&next, Some(Instant::now())).await.expect("it goes on");
        invocations += 1;
    }
    assert!(invocations > 1, "pages were left when the mapping changed");
    world.drain().await;
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    assert_eq!(run_of(&world, "CUSTOMER").await.mappings, 0);
    assert_eq!(faxes_and_phones(&world).await, vec![("111".to_owned(), "222".to_owned()); 5], "none of them otherwise");
}

#[tokio::test]
async fn a_plan_whose_task_was_never_sent_is_taken_up_by_the_next_start() {
    let world = World::start(of_customers(2)).await;
    world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect("it starts");
    let Some(Task::AdvanceFullSync(lost)) = world.tasks.next_task() else { panic!("a task carries it on") };
    // The worker died before it could send that task: the plan stands, nothing is under way, and a person can see it.
    assert_eq!(states(&world).await.iter().filter(|(_, state)| *state == LineState::Waiting).count(), 2);
    world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect("it goes on");
    // Should the task have been sent after all, it has nothing to do any more.
    let late = world.engine.advance_full_sync(lost.going).await.expect("the store answers");
    assert_eq!(late, Advanced::Over);
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    for mapping in ["CURRENCY", "CUSTOMER"] {
        let runs = world.store().runs(world.company(), mapping, 5).await.expect("the store answers");
        assert_eq!(runs.len(), 1, "{mapping} ran once");
    }
}

#[tokio::test]
async fn a_line_whose_task_was_never_sent_is_asked_for_again_and_begins_once() {
    let world = World::start(of_customers(2)).await;
    world.engine.start_full_sync(&of(&["CURRENCY"])).await.expect("it starts");
    let (_, lost) = advance(&world).await;
    assert_eq!(lost.len(), 1, "the plan says that the line has begun, and its task is never sent");
    let going = plan(&world).await.going;
    // Whoever looks soon afterwards believes that it is on its way.
    assert_eq!(advance(&world).await.1, []);
    let later = Clock::new(|| Timestamp::now() + SignedDuration::from_mins(6));
    let engine = world.another_engine(EngineOptions { clock: later, ..EngineOptions::default() });
    let advanced = engine.advance_full_sync(going).await.expect("the store answers");
    assert!(matches!(advanced, Advanced::Again(_)), "{advanced:?}");
    let again: Vec<Task> = std::iter::from_fn(|| world.tasks.next_task()).collect();
    assert_eq!(again, lost);
    // The first one was sent after all: both of them begin it once.
    carry_out(&world, again, 2).await;
    carry_out(&world, lost, 1).await;
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    assert_eq!(world.store().runs(world.company(), "CURRENCY", 5).await.expect("the store answers").len(), 1);
}
