//! A full synchronization stays one until it is done, whatever ended the runs before.

use std::time::Instant;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode, RunStatus};
use couplet_model::job::{Job, JobState, RunState};
use jiff::SignedDuration;

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

async fn job(world: &World) -> Job {
    world.store().job(world.company(), ITEMS).await.expect("the store answers").expect("the job ran")
}

fn says_it_is_full(notes: &[String]) -> bool {
    notes.iter().any(|note| note.contains("It is a full synchronization"))
}

/// The next timer, which asks for nothing but changes, finishes what was asked for; the one after it is an ordinary one.
async fn the_next_timer_does_the_rest(world: &World, what: &str) {
    assert!(job(world).await.full_since.is_some(), "{what}: it is owed");
    let next = world.find(ITEMS, RunMode::Modified).await;
    assert!(says_it_is_full(&next.notes), "{what}: {:?}", next.notes);
    world.drain().await;
    assert_eq!(world.couplings(ITEMS).await, 12, "{what}");
    assert_eq!(world.dataverse.count("product"), 12, "{what}");
    let run = world.run_of(ITEMS, next.run).await;
    assert_eq!(run.state(), RunState::Success, "{what}: {run:?}");
    assert!(run.message.is_some_and(|message| message.contains("It is a full synchronization")), "{what}");
    assert_eq!(job(world).await.full_since, None, "{what}: it is done");

    let ordinary = world.find(ITEMS, RunMode::Modified).await;
    assert!(!says_it_is_full(&ordinary.notes), "{what}: {:?}", ordinary.notes);
    world.drain().await;
}

#[tokio::test]
async fn f22_a_full_run_that_failed_on_any_page_for_any_reason_is_finished_by_the_next_timer() {
    // Five pages of items, then products; a passing failure keeps the place, the others drop it.
    for status in [400, 404, 503] {
        for pages in [0, 1, 4, 5] {
            let what = format!("status {status} after {pages} pages");
            let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
            let fail = || {
                world.business_central.faults().fail_next(1000, status);
                world.dataverse.faults().fail_next(1000, status);
            };
            if pages == 0 {
                fail();
                let request = couplet_engine::RunRequest {
                    job: ITEMS.to_owned(),
                    mode: RunMode::Full,
                    trigger: couplet_model::job::Trigger::Full,
                    until: None,
                };
                world.engine.run_job(&request).await.expect_err(&what);
            } else {
                let mut report = world.find_until(ITEMS, RunMode::Full, Some(Instant::now())).await;
                for _ in 1..pages {
                    assert!(matches!(report.status, RunStatus::GoesOn { .. }), "{what}");
                    let task = world.tasks.next().expect("a task");
                    report = world.engine.continue_run(&task, Some(Instant::now())).await.expect("it goes on");
                }
                let task = world.tasks.next().expect("a task");
                fail();
                world.engine.continue_run(&task, None).await.expect_err(&what);
            }
            world.business_central.faults().clear();
            world.dataverse.faults().clear();
            assert_eq!(job(&world).await.state, JobState::Error, "{what}");
            the_next_timer_does_the_rest(&world, &what).await;
        }
    }
}

#[tokio::test]
async fn f22_a_full_run_that_died_or_was_stopped_by_a_person_is_owed_as_well() {
    let world = world_of_small_pages(SignedDuration::ZERO).await;
    world.find_until(ITEMS, RunMode::Full, Some(Instant::now())).await;
    world.tasks.next().expect("the task that is lost");
    the_next_timer_does_the_rest(&world, "a dead run").await;

    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    world.find_until(ITEMS, RunMode::Full, Some(Instant::now())).await;
    world.store().set_job_state(world.company(), ITEMS, JobState::OnHold).await.expect("stored");
    let task = world.tasks.next().expect("a task");
    assert_eq!(world.engine.continue_run(&task, None).await.expect("no failure").status, RunStatus::Over);
    world.store().set_job_state(world.company(), ITEMS, JobState::Ready).await.expect("stored");
    the_next_timer_does_the_rest(&world, "a stopped run").await;
}

#[tokio::test]
async fn f22_an_ordinary_run_that_fails_does_not_become_a_full_one() {
    let world = world_of_small_pages(SignedDuration::from_mins(15)).await;
    world.business_central.faults().fail_next(1000, 404);
    let request = couplet_engine::RunRequest {
        job: ITEMS.to_owned(),
        mode: RunMode::Modified,
        trigger: couplet_model::job::Trigger::Schedule,
        until: None,
    };
    world.engine.run_job(&request).await.expect_err("the page is not there");
    world.business_central.faults().clear();
    assert_eq!(job(&world).await.full_since, None);
    let next = world.find(ITEMS, RunMode::Modified).await;
    assert!(!says_it_is_full(&next.notes));
    assert_eq!(world.couplings(ITEMS).await, 0);
    // It read everything and left it alone, and says so: an operator has to ask for a full one.
    let note = next.notes.iter().find(|note| note.contains("are not coupled")).expect("a note");
    assert!(note.contains("couplet run \"ITEM-PRODUCT\" --full"), "{note}");
    let again = world.find(ITEMS, RunMode::Modified).await;
    assert!(!again.notes.iter().any(|note| note.contains("are not coupled")), "said once: {:?}", again.notes);
}
