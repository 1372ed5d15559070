//! Dead letters that a person deletes: what was in them is noted as failed, and can be tried again.

use std::sync::Arc;
use std::time::Duration;

use couplet_model::ids::RunId;
use couplet_model::job::{Run, RunState, Trigger};
use couplet_model::message::Direction;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_model::{DataverseId, MappingName, RecordId, SystemId};
use couplet_runtime::replay::{Pace, ReplayOutcome, ReplayRequest};
use couplet_store::{DeadLetter, Failure};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::bench::{Bench, ITEMS, PACE, everything, outcomes, text};
use crate::interrupting::{End, ending_at};

fn deleting() -> ReplayRequest {
    ReplayRequest { deletes: true, ..everything() }
}

async fn failures(bench: &Bench) -> Vec<Failure> {
    let mapping = MappingName::from(ITEMS);
    bench.store().failures(bench.company(), &mapping, Direction::ToDataverse).await.expect("the store answers")
}

#[tokio::test]
async fn records_of_deleted_letters_are_noted_as_failed_and_can_be_tried_again() {
    let bench = Bench::start().await;
    let items = bench.items();
    let run = bench.rename_and_let_die(&items[..6], "Renamed").await;
    let look = ReplayRequest { dry_run: true, ..deleting() };
    let first = bench.replay(&look).await.dead_letters.remove(0);
    assert_eq!((bench.dead().await, failures(&bench).await.len()), (6, 0), "a look changes nothing");
    let died =
        DeadLetter { message_id: first.message_id, reason: "Dataverse is down".to_owned(), at: Timestamp::now() };
    bench.store().note_dead_letters(bench.company(), &[died]).await.expect("noted");

    let report = bench.replay(&deleting()).await;
    assert_eq!((outcomes(&report), report.stopped), (vec![(ReplayOutcome::Deleted, 6)], None));
    assert_eq!((bench.open().await, bench.dead().await), (0, 0));
    let ended = bench.run_of(run).await;
    assert_eq!((ended.state(), ended.processed, ended.counters.failed), (RunState::Error, 6, 6));
    let failed = failures(&bench).await;
    let said = |words: &str| failed.iter().filter(|failure| failure.message.contains(words)).count();
    assert_eq!((failed.len(), said("Dataverse is down"), said("nobody could note why")), (6, 1, 5));
    assert_eq!(said("couplet retry \"ITEM-PRODUCT\""), 6, "{failed:?}");
    assert!(failed.iter().all(|failure| failure.retry_at.is_none() && !failure.label.contains('-')), "{failed:?}");

    let engine = &bench.application.engine;
    engine.ask(&ITEMS.into(), Want::Retry, Chosen::Failed).await.expect("a request");
    bench.drain().await;
    for item in &items[..6] {
        assert_eq!(text(&bench.product(*item).await, "name"), "Renamed");
    }
    assert!(failures(&bench).await.is_empty());
}

#[tokio::test]
async fn a_deletion_that_dies_can_be_repeated_and_notes_each_record_once() {
    let bench = Arc::new(Bench::start().await);
    let run = bench.rename_and_let_die(&bench.items()[..6], "Renamed").await;
    bench.let_nothing_be_hidden().await;
    let cloud = ending_at(&bench, "DeleteMessageBatch", End::Death);
    let dying = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.replay_at(&cloud, &deleting(), Pace { hidden: Duration::ZERO, ..PACE }).await }
    });
    assert!(dying.await.is_err(), "it dies");
    let report = bench.replay(&deleting()).await;
    assert_eq!(report.stopped, None);
    let ended = bench.run_of(run).await;
    assert_eq!((bench.dead().await, failures(&bench).await.len()), (0, 6));
    assert_eq!((ended.processed, ended.counters.failed), (6, 6));
}

#[tokio::test]
async fn the_run_of_a_deleted_task_ends_and_what_cannot_be_read_goes() {
    let bench = Bench::start().await;
    let run = Run::begun(RunId::fresh(), ITEMS, Trigger::Manual, Timestamp::now());
    bench.store().start_run(bench.company(), &run).await.expect("stored");
    let next = Continuation { job: ITEMS.to_owned(), run: run.id, invocation: 3 };
    let message = TaskMessage { v: TASK_FORMAT, company: bench.company(), task: Task::ContinueRun(next) };
    let url = bench.services().tasks_queue_url;
    bench.send(&url, &serde_json::to_string(&message).expect("JSON")).await;
    bench.send(&bench.services().queue_url, "poison").await;
    bench.let_die().await;
    let of_mapping = ReplayRequest { mapping: Some("CUSTOMER".to_owned()), ..deleting() };
    let report = bench.replay(&of_mapping).await;
    assert_eq!(outcomes(&report), [(ReplayOutcome::OtherMapping, 1), (ReplayOutcome::Unreadable, 1)]);
    assert_eq!(outcomes(&bench.replay(&deleting()).await), [(ReplayOutcome::Deleted, 2)]);
    assert_eq!(bench.dead().await, 0);
    let ended = bench.run_of(run.id).await;
    assert_eq!(ended.state(), RunState::Error);
    assert!(ended.message.is_some_and(|said| said.contains("a person deleted its task from the dead letters")));
}

#[tokio::test]
async fn what_a_person_had_asked_for_is_named_and_is_not_done_by_trying_again() {
    let bench = Bench::start().await;
    let items = bench.items();
    let engine = &bench.application.engine;
    let coupled = |item: Uuid| Chosen::Records(vec![(Side::BusinessCentral, RecordId(item))]);
    engine.ask(&ITEMS.into(), Want::Uncouple, coupled(items[1])).await.expect("a request");
    bench.drain().await;
    let (free, pairs) = (items[1], bench.store().count_couplings(bench.company(), &ITEMS.into()).await.expect("read"));
    let like = bench.product(items[3]).await;
    let [group, unit] = ["_defaultuomscheduleid_value", "_defaultuomid_value"].map(|name| text(&like, name).to_owned());
    let product = json!({
        "name": "Another", "productnumber": "X-1", "producttypecode": 1, "quantitydecimal": 2,
        "defaultuomscheduleid@odata.bind": format!("/uomschedules({group})"),
        "defaultuomid@odata.bind": format!("/uoms({unit})"),
    });
    let product = bench.dataverse.create_as_user("product", product).expect("taken");
    let product = DataverseId::from(RecordId(product));

    // All three messages die on their way.
    engine.ask(&ITEMS.into(), Want::Skip, coupled(items[0])).await.expect("a request");
    let of = Chosen::Pairs(vec![(SystemId::from(RecordId(free)), product)]);
    engine.ask(&ITEMS.into(), Want::Couple { direction: Direction::ToDataverse }, of).await.expect("a request");
    engine.ask(&ITEMS.into(), Want::Uncouple, coupled(items[2])).await.expect("a request");
    bench.work_requests().await;
    bench.let_die().await;
    let report = bench.replay(&deleting()).await;
    assert_eq!((outcomes(&report), report.stopped), (vec![(ReplayOutcome::Deleted, 3)], None));

    let failed = failures(&bench).await;
    let note = |item: Uuid| {
        let of_item = failed.iter().find(|failure| failure.record == RecordId(item));
        of_item.map(|failure| failure.message.clone()).unwrap_or_else(|| panic!("{item}: {failed:?}"))
    };
    assert!(note(items[0]).ends_with(&format!("couplet skip \"ITEM-PRODUCT\" --bc {}", items[0])), "{failed:?}");
    assert!(note(free).ends_with(&format!("couplet couple \"ITEM-PRODUCT\" --bc {free} --dataverse {product}")));
    assert!(note(items[2]).contains("it was to be uncoupled, which is not done: ask for it again"), "{failed:?}");

    // Trying again synchronizes, and neither skips, couples nor uncouples anything: nobody gets another partner.
    let products = bench.dataverse.count("product");
    engine.ask(&ITEMS.into(), Want::Retry, Chosen::Failed).await.expect("a request");
    bench.drain().await;
    let now = bench.store().count_couplings(bench.company(), &ITEMS.into()).await.expect("read");
    assert_eq!((now, bench.dataverse.count("product")), (pairs, products));
}
