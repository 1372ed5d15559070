//! A run longer than its invocation goes on in the next one, whatever happens in between.

use std::time::Instant;

use business_central_simulator::Latency;
use couplet_end_to_end::{World, WorldOptions, chosen};
use couplet_engine::{EngineOptions, FullSyncChoice, RunMode, RunReport, RunRequest, RunStatus};
use couplet_model::job::{JobState, RunState};
use couplet_model::message::Direction;
use couplet_model::request::Want;
use couplet_model::{MappingName, RunId};
use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::json;

use crate::observing::{number, text};

/// The job that refreshes item availability.
const ITEM_AVAILABILITY: &str = "Item Availability";

const ITEMS: &str = "ITEM-PRODUCT";

/// A world that reads three records at a time, with all that items need.
async fn world_of_small_pages(lease: SignedDuration) -> World {
    let engine = EngineOptions { lease, ..EngineOptions::default() };
    let world = World::start(WorldOptions { page_size: Some(3), engine, ..WorldOptions::default() }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// Starts a job whose time is up after every page.
async fn begin(world: &World, job: &str, mode: RunMode) -> RunReport {
    world.find_until(job, mode, Some(Instant::now())).await
}

/// Takes the next task and does one page of it.
async fn go_on(world: &World) -> Option<RunReport> {
    let next = world.tasks.next()?;
    Some(world.engine.continue_run(&next, Some(Instant::now())).await.expect("it goes on"))
}

/// Goes on until the run ends; gives its last report and the number of its invocations.
async fn to_the_end(world: &World, first: RunReport) -> (RunReport, u32) {
    let (mut report, mut invocations) = (first, 1);
    while let RunStatus::GoesOn { invocation } = report.status {
        assert_eq!(invocation, invocations, "invocations are numbered one by one");
        report = go_on(world).await.expect("a task for the next invocation");
        invocations += 1;
        assert!(invocations < 100, "the run comes to its end");
    }
    assert_eq!(world.tasks.next(), None, "nothing is left to do");
    (report, invocations)
}

async fn has_cursor(world: &World, direction: Direction) -> bool {
    let cursor = world.store().cursor(world.company(), &MappingName::from(ITEMS), direction).await;
    cursor.expect("the store answers").is_some()
}

async fn state(world: &World) -> JobState {
    world.store().job(world.company(), ITEMS).await.expect("the store answers").expect("the job ran").state
}

/// Every item has its product, once, and the run that is named ended well.
async fn all_is_home(world: &World, run: RunId) {
    world.drain().await;
    assert_eq!(world.couplings(ITEMS).await, 12);
    assert_eq!(world.dataverse.count("product"), 12);
    let run = world.run_of(ITEMS, run).await;
    assert_eq!(run.state(), RunState::Success, "{run:?}");
    assert_eq!(state(world).await, JobState::Ready);
}

#[tokio::test]
async fn r255_a_first_load_larger_than_an_invocation_goes_on_page_by_page() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    let first = begin(&world, ITEMS, RunMode::Full).await;
    assert_eq!(first.status, RunStatus::GoesOn { invocation: 1 });
    assert!(!has_cursor(&world, Direction::ToDataverse).await, "a cursor never passes what is not enqueued");
    assert_eq!(state(&world).await, JobState::InProcess, "the job is held between two invocations");

    let run = first.run;
    let (last, invocations) = to_the_end(&world, first).await;

    assert_eq!((last.status, last.run), (RunStatus::Done, run));
    assert!(
        invocations >= 6,
        "14 items are five pages of three, and products follow; it took {invocations} invocations"
    );
    assert!(has_cursor(&world, Direction::ToDataverse).await && has_cursor(&world, Direction::FromDataverse).await);
    all_is_home(&world, run).await;
    let stored = world.run_of(ITEMS, run).await;
    assert_eq!((stored.counters.inserted, stored.enqueued), (12, last.enqueued));

    // What the run read is behind the cursors: nothing is found twice.
    let quiet = world.find(ITEMS, RunMode::Modified).await;
    assert_eq!(quiet.judged.inserted + quiet.judged.modified, 0);
    world.drain().await;
    assert_eq!(world.dataverse.count("product"), 12);
}

#[tokio::test]
async fn a_task_delivered_twice_is_worked_once() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    let first = begin(&world, ITEMS, RunMode::Full).await;
    let next = world.tasks.next().expect("a task");
    let other = world.another_engine(EngineOptions::default());
    let (one, two) = tokio::join!(
        world.engine.continue_run(&next, Some(Instant::now())),
        other.continue_run(&next, Some(Instant::now()))
    );
    let statuses = [one.expect("no failure").status, two.expect("no failure").status];
    let worked = statuses.iter().filter(|status| matches!(status, RunStatus::GoesOn { invocation: 2 })).count();
    assert_eq!(worked, 1, "{statuses:?}");

    let task = world.tasks.next().expect("one task for the next invocation");
    assert_eq!((task.invocation, world.tasks.next()), (2, None));
    let report = world.engine.continue_run(&task, None).await.expect("it goes on");
    assert_eq!(report.status, RunStatus::Done);
    let late = world.engine.continue_run(&next, None).await.expect("no failure");
    assert_eq!(late.status, RunStatus::Over, "an old task finds nothing to go on with");
    all_is_home(&world, first.run).await;
}

#[tokio::test]
async fn a_run_whose_task_was_lost_is_taken_up_by_the_next_timer_where_it_stood() {
    let world = world_of_small_pages(SignedDuration::ZERO).await;
    let lost = begin(&world, ITEMS, RunMode::Full).await;
    go_on(&world).await.expect("a second page");
    let lost_task = world.tasks.next().expect("the task that is lost");
    let before = world.business_central.requests();

    // The timer knows nothing of a full synchronization.
    let next = world.find(ITEMS, RunMode::Modified).await;

    assert_eq!(next.status, RunStatus::Done);
    assert_ne!(next.run, lost.run);
    assert!(next.notes.iter().any(|note| note.contains("where an earlier run stopped")), "{:?}", next.notes);
    assert_eq!(world.business_central.requests() - before, 3, "two of five pages were read before");
    assert_eq!(world.run_of(ITEMS, lost.run).await.state(), RunState::Error, "the lost run is closed");
    all_is_home(&world, next.run).await;
    let late = world.engine.continue_run(&lost_task, None).await.expect("no failure");
    assert_eq!(late.status, RunStatus::Over, "should its task appear after all");
}

#[tokio::test]
async fn a_full_synchronization_does_not_go_on_from_a_run_that_was_none() {
    let world = world_of_small_pages(SignedDuration::ZERO).await;
    begin(&world, ITEMS, RunMode::Modified).await;
    world.tasks.next().expect("the task that is lost");
    let before = world.business_central.requests();
    let full = world.find(ITEMS, RunMode::Full).await;
    assert_eq!(world.business_central.requests() - before, 5, "every page is read");
    all_is_home(&world, full.run).await;
}

#[tokio::test]
async fn after_a_passing_failure_the_next_run_goes_on_where_the_failed_one_stood() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    begin(&world, ITEMS, RunMode::Full).await;
    let task = world.tasks.next().expect("a task");
    world.business_central.faults().fail_next(1000, 503);
    world.engine.continue_run(&task, None).await.expect_err("Business Central is down");
    world.business_central.faults().clear();
    assert_eq!(state(&world).await, JobState::Error);
    assert!(!has_cursor(&world, Direction::ToDataverse).await);
    let before = world.business_central.requests();
    let next = world.find(ITEMS, RunMode::Modified).await;
    assert_eq!(world.business_central.requests() - before, 4, "one of five pages was read before");
    all_is_home(&world, next.run).await;
}

#[tokio::test]
async fn a_page_the_system_no_longer_knows_sends_the_next_run_back_to_the_cursor() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    let first = begin(&world, ITEMS, RunMode::Full).await;
    let task = world.tasks.next().expect("a task");
    world.business_central.faults().fail_next(1, 400);
    world.engine.continue_run(&task, None).await.expect_err("the page is refused");
    assert_eq!(world.run_of(ITEMS, first.run).await.state(), RunState::Error);
    let before = world.business_central.requests();
    let next = world.find(ITEMS, RunMode::Full).await;
    assert_eq!(world.business_central.requests() - before, 5, "every page is read again");
    all_is_home(&world, next.run).await;
}

#[tokio::test]
async fn a_person_stops_a_run_between_two_invocations() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    begin(&world, ITEMS, RunMode::Full).await;
    world.store().set_job_state(world.company(), ITEMS, JobState::OnHold).await.expect("stored");
    assert_eq!(go_on(&world).await.expect("a task").status, RunStatus::Over);
    assert_eq!(world.find(ITEMS, RunMode::Modified).await.status, RunStatus::OnHold);
    world.store().set_job_state(world.company(), ITEMS, JobState::Ready).await.expect("stored");
    let next = world.find(ITEMS, RunMode::Modified).await;
    all_is_home(&world, next.run).await;
}

#[tokio::test]
async fn s293_s297_a_disabled_connection_begins_nothing_lets_the_queue_run_dry_and_goes_on_where_it_stood() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    let first = begin(&world, ITEMS, RunMode::Full).await;
    let queued = first.enqueued;
    assert!(queued > 0, "{first:?}");
    let reason = Some("an upgrade".to_owned());
    let disabled = world.engine.disable(reason.clone()).await.expect("stored");
    assert_eq!(world.engine.disable(None).await.expect("stored"), disabled, "whoever was first gave the reason");
    assert!(disabled.message().contains("(an upgrade)") && disabled.message().contains("couplet enable"));

    // Timers begin nothing, nobody asks for anything, and a run under way waits and holds its place.
    let asked = world.business_central.requests();
    assert_eq!(world.find("CURRENCY", RunMode::Modified).await.status, RunStatus::Disabled);
    let refused = world.engine.start_full_sync(&FullSyncChoice::default()).await.expect_err("refused").to_string();
    assert!(refused.contains("the connection is disabled since"), "{refused}");
    let item = chosen(&world.business_central_ids("Item", |_| true)[..1]);
    let refused = world.engine.ask(&MappingName::from(ITEMS), Want::Skip, item).await.expect_err("refused").to_string();
    assert!(refused.contains("couplet enable"), "{refused}");
    let task = world.tasks.next().expect("a task");
    let waits = world.engine.continue_run(&task, None).await.expect("it waits");
    assert!(
        matches!(waits.status, RunStatus::AlreadyRunning { until, .. } if until > jiff::Timestamp::now()),
        "{waits:?}"
    );
    assert_eq!(world.business_central.requests(), asked, "no system is asked");

    // What is in the queue is processed.
    world.drain().await;
    assert_eq!(world.couplings(ITEMS).await, queued);

    assert_eq!(world.engine.enable().await.expect("stored").map(|disabled| disabled.reason), Some(reason));
    assert_eq!(world.engine.enable().await.expect("stored"), None);
    let report = world.engine.continue_run(&task, None).await.expect("it goes on");
    assert_eq!((report.run, report.status), (first.run, RunStatus::Done));
    all_is_home(&world, first.run).await;
}

#[tokio::test]
async fn a_run_stops_behind_its_page_when_the_connection_is_disabled() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    let before = world.business_central.requests();
    world.engine.disable(None).await.expect("stored");
    let (engine, next) = (
        &world.engine,
        RunRequest {
            job: ITEMS.to_owned(),
            mode: RunMode::Full,
            trigger: couplet_model::job::Trigger::Manual,
            until: None,
        },
    );
    assert_eq!(engine.run_job(&next).await.expect("left").status, RunStatus::Disabled);
    assert_eq!(world.business_central.requests(), before);
    world.engine.enable().await.expect("stored");
    // Switched off while its first page is read: nobody tells the run, it looks by itself.
    let slow = Latency { read: std::time::Duration::from_millis(300), ..Latency::default() };
    world.business_central.faults().set_latency(slow);
    let (report, disabled) = tokio::join!(engine.run_job(&next), async {
        while world.business_central.requests() == before {
            tokio::task::yield_now().await;
        }
        engine.disable(None).await
    });
    disabled.expect("stored");
    world.business_central.faults().set_latency(Latency::default());
    let report = report.expect("it stops well");
    assert!(matches!(report.status, RunStatus::GoesOn { .. }), "{report:?}");
    world.engine.enable().await.expect("stored");
    let task = world.tasks.next().expect("a task");
    assert_eq!(world.engine.continue_run(&task, None).await.expect("it goes on").status, RunStatus::Done);
    all_is_home(&world, report.run).await;
}

#[tokio::test]
async fn moved_stock_is_found_page_by_page() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    world.run(ITEMS, RunMode::Full).await;
    world.find(ITEM_AVAILABILITY, RunMode::Modified).await;
    world.drain().await;
    let items = world.business_central_ids("Item", |row| row["blocked"] == json!(false));
    for item in items.iter().chain(&items) {
        let record = world.business_central.row("Item", *item).expect("an item");
        world.business_central.post_item_ledger_entry(text(&record, "number"), Decimal::from(500)).expect("posted");
    }
    world.business_central.reset_requests();
    let first = begin(&world, ITEM_AVAILABILITY, RunMode::Modified).await;
    let (last, invocations) = to_the_end(&world, first).await;
    assert_eq!(last.status, RunStatus::Done);
    let log = world.business_central.request_log();
    let pages = log.iter().filter(|entry| entry.path.ends_with("/itemLedgerEntries")).count();
    assert_eq!(
        (pages, invocations),
        (8, 9),
        "24 entries are eight pages of three, one for each invocation, and one that ends"
    );
    world.drain().await;
    for item in items {
        let wanted = number(&world.business_central.row("Item", item).expect("an item"), "inventory");
        let product = world.coupled_row(ITEMS, item).await;
        assert_eq!(number(&product, "quantityonhand"), wanted.max(Decimal::ZERO));
    }
}
