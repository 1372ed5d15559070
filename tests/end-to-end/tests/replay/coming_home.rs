//! Dead letters come home, once.

use std::time::Duration;

use couplet_model::ids::RunId;
use couplet_model::job::RunState;
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_runtime::handlers::RunMode;
use couplet_runtime::replay::{Pace, QueueName, ReplayOutcome, ReplayRequest};
use couplet_store::DeadLetter;
use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, ITEMS, PACE, everything, outcomes, text};

#[tokio::test]
async fn dead_letters_come_home_exactly_once_and_their_run_finishes() {
    let bench = Bench::start().await;
    let items = bench.items();
    let products = bench.dataverse.count("product");
    let run = bench.rename_and_let_die(&items[..7], "Renamed").await;
    assert_eq!(bench.run_of(run).await.state(), RunState::InProcess);

    let report = bench.replay(&everything()).await;
    assert_eq!((outcomes(&report), report.stopped), (vec![(ReplayOutcome::Moved, 7)], None));
    assert_eq!((bench.open().await, bench.dead().await), (7, 0));
    bench.drain().await;
    for item in &items[..7] {
        assert_eq!(text(&bench.product(*item).await, "name"), "Renamed");
    }
    assert_eq!(bench.dataverse.count("product"), products);
    let run = bench.run_of(run).await;
    assert_eq!((run.state(), run.processed, run.counters.modified), (RunState::Success, 7, 7));

    let requests = bench.dataverse.requests();
    assert_eq!(bench.replay(&everything()).await.dead_letters, [], "a second replay finds nothing");
    bench.drain().await;
    assert_eq!(bench.dataverse.requests(), requests, "and does nothing");
}

#[tokio::test]
async fn f35_letters_that_were_taken_again_meanwhile_are_removed_by_their_newest_receipt() {
    let bench = Bench::start().await;
    bench.rename_and_let_die(&bench.items()[..3], "Renamed").await;
    // Hidden for no time at all: every look takes them all again, as a round longer than five minutes does.
    let pace = Pace { round: 10, hidden: Duration::ZERO, ..PACE };
    let report = bench.replay_at(&bench.services(), &everything(), pace).await;
    assert_eq!((outcomes(&report), report.stopped), (vec![(ReplayOutcome::Moved, 3)], None));
    assert_eq!((bench.open().await, bench.dead().await), (3, 0));
}

#[tokio::test]
async fn a_rehearsal_shows_everything_and_changes_nothing() {
    let bench = Bench::start().await;
    bench.rename_and_let_die(&bench.items()[..6], "Renamed").await;
    let before = bench.visible(&bench.dead_letters_url()).await;
    for _ in 0..2 {
        let report = bench.replay(&ReplayRequest { dry_run: true, ..everything() }).await;
        assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 6)]);
        assert!(report.dry_run);
        assert_eq!((bench.open().await, bench.dead().await), (0, 6));
        assert_eq!(bench.visible(&bench.dead_letters_url()).await, before, "all can be taken at once");
    }
}

#[tokio::test]
async fn a_letter_tells_its_record_its_run_its_age_and_why_it_died() {
    let bench = Bench::start().await;
    let (began, item) = (Timestamp::now(), bench.items()[0]);
    let run = bench.rename_and_let_die(&[item], "Renamed").await;
    let look = ReplayRequest { dry_run: true, ..everything() };
    let dead_letter = bench.replay(&look).await.dead_letters.remove(0);
    assert_eq!((dead_letter.record.map(|id| id.0), dead_letter.run, dead_letter.reason), (Some(item), Some(run), None));
    assert!(dead_letter.sent.is_some_and(|sent| sent.as_second() >= began.as_second()));

    let died =
        DeadLetter { message_id: dead_letter.message_id, reason: "Dataverse is down".to_owned(), at: Timestamp::now() };
    bench.store().note_dead_letters(bench.company(), std::slice::from_ref(&died)).await.expect("noted");
    let dead_letter = bench.replay(&look).await.dead_letters.remove(0);
    assert_eq!((dead_letter.reason, dead_letter.died), (Some(died.reason), Some(died.at)));
}

#[tokio::test]
async fn a_task_travels_as_it_was() {
    let bench = Bench::start().await;
    let next = Continuation { job: ITEMS.to_owned(), run: RunId::fresh(), invocation: 3 };
    let message = TaskMessage { v: TASK_FORMAT, company: bench.company(), task: Task::ContinueRun(next.clone()) };
    let body = serde_json::to_string_pretty(&message).expect("JSON");
    let url = bench.services().tasks_queue_url;
    bench.send(&url, &body).await;
    bench.let_die().await;

    let report = bench.replay(&everything()).await;
    let dead_letter = &report.dead_letters[0];
    assert_eq!((dead_letter.queue, dead_letter.outcome), (QueueName::Tasks, ReplayOutcome::Moved));
    assert_eq!(
        (dead_letter.job.as_deref(), dead_letter.run, dead_letter.invocation),
        (Some(ITEMS), Some(next.run), Some(3))
    );
    assert_eq!(bench.visible(&url).await, [body]);
    assert_eq!(bench.dead().await, 0);
}

#[tokio::test]
async fn what_brings_dead_letters_back_as_they_were_brings_no_old_state_back() {
    let bench = Bench::start().await;
    let item = bench.items()[0];
    bench.rename_and_let_die(&[item], "First").await;
    bench.change(item, json!({ "displayName": "Second" }));
    bench.find(ITEMS, RunMode::Modified).await;
    bench.drain().await;

    // As the console does: the very bodies, with what was read at the time.
    for body in bench.visible(&bench.dead_letters_url()).await {
        assert!(body.contains("First"));
        bench.send(&bench.services().queue_url, &body).await;
    }
    bench.drain().await;
    assert_eq!(text(&bench.product(item).await, "name"), "Second");
    assert_eq!(text(&bench.business_central.row("Item", item).expect("there"), "displayName"), "Second");

    assert_eq!(outcomes(&bench.replay(&everything()).await), [(ReplayOutcome::Moved, 1)]);
    bench.drain().await;
    assert_eq!(text(&bench.product(item).await, "name"), "Second");
}

#[tokio::test]
async fn a_letter_that_dies_again_is_left_to_the_next_replay() {
    let bench = Bench::start().await;
    bench.rename_and_let_die(&bench.items()[..1], "Renamed").await;
    // Rounds of one dead letter, so that it looks again after it has sent the first one home.
    let patient = Pace { round: 1, wait: Duration::from_secs(1), ..PACE };
    let cloud = bench.services();
    let request = everything();
    let killing = async {
        while bench.open().await == 0 {
            tokio::task::yield_now().await;
        }
        bench.let_die().await;
    };
    let (report, ()) = tokio::join!(bench.replay_at(&cloud, &request, patient), killing);
    assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 1), (ReplayOutcome::DiedAgain, 1)]);
    assert_eq!((bench.open().await, bench.dead().await), (0, 1));
    let report = bench.replay(&everything()).await;
    assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 1)]);
    assert!(report.dead_letters[0].brought_back_by.is_some_and(|earlier| earlier != report.replay));
}
