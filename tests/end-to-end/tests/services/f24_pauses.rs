//! A claim with a part of a second left brought its records back early, then with a pause of 0 seconds: five receives burned
//! within a second, and all of them became dead letters. Shown on the embedded cloud, between systems without records: a
//! record whose pair is claimed is not looked at further.

use std::time::Duration;

use couplet_end_to_end::{NOTHING, Systems, settings, settings_to_nowhere};
use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions};
use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_model::{Coupling, CouplingState, DataverseId, MappingName, RecordId, RecordMessage, RunId, SystemId};
use couplet_runtime::{Application, Cloud};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Long enough for five receives of a message that comes back at once, and shorter than the shortest wait.
const A_MOMENT: Duration = Duration::from_millis(600);

#[tokio::test]
async fn records_of_pairs_that_another_worker_holds_wait_and_are_never_given_up() {
    let systems = Systems::start(NOTHING).await;
    let settings = settings(&systems);
    let company = settings.company;
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    // As on Lambda, where other workers may be alive.
    let services = Cloud { is_ours_alone: false, ..cloud.services() };
    let application = Application::new(&settings, services).expect("the application is wired");
    let mapping = MappingName::from("CUSTOMER");
    let records: Vec<Uuid> = (1..=25).map(Uuid::from_u128).collect();
    for id in &records {
        let message = RecordMessage {
            v: MESSAGE_FORMAT,
            company,
            mapping: mapping.clone(),
            direction: Direction::ToDataverse,
            record: RecordId(*id),
            job: "CUSTOMER".to_owned(),
            run: RunId::fresh(),
            options: SyncOptions::default(),
            snapshot: None,
            replay: None,
            wish: None,
        };
        let body = serde_json::to_string(&message).expect("JSON");
        let services = cloud.services();
        services.sqs.send_message().queue_url(services.queue_url).message_body(body).send().await.expect("sent");
    }
    // Some claims have less than a second left when their records are looked at, the others long. They are made last, so that a
    // slow machine does not see the short ones end before.
    let held = |index: usize| if index.is_multiple_of(2) { 900 } else { 178_400 };
    let couplings = records.iter().enumerate().map(|(index, id)| Coupling {
        claimed_until: Some(Timestamp::now() + SignedDuration::from_millis(held(index))),
        ..Coupling::new(SystemId(*id), DataverseId(*id), CouplingState::Coupled)
    });
    application.engine.store().reserve(company, &mapping, couplings.collect()).await.expect("stored");
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    match source.drain(A_MOMENT).await.expect("the queue answers") {
        Drained::TimeUp(depth) | Drained::Stopped(depth) => assert_eq!((depth.open, depth.dead), (25, 0)),
        Drained::Empty { dead } => panic!("nothing waits any more, {dead} were given up"),
    }
    let held = source.held();
    assert!(held.iter().all(|held| held.reason.contains("another worker is writing this pair")), "{held:?}");
    assert_eq!(held.iter().map(|held| held.messages).sum::<u64>(), 25, "all were taken, and wait: {held:?}");
}

#[tokio::test]
async fn a_task_whose_run_is_being_worked_waits_and_is_never_given_up() {
    let settings = settings_to_nowhere();
    let company = settings.company;
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let run = RunId::fresh();
    let lease = SignedDuration::from_millis(200);
    application
        .engine
        .store()
        .acquire_lease(company, "CUSTOMER", run, Timestamp::now(), lease)
        .await
        .expect("the lease is free");
    let task = Task::ContinueRun(Continuation { job: "CUSTOMER".to_owned(), run, invocation: 2 });
    let body = serde_json::to_string(&TaskMessage { v: TASK_FORMAT, company, task }).expect("JSON");
    let services = cloud.services();
    let send = services.sqs.send_message().queue_url(services.tasks_queue_url);
    send.message_body(body).send().await.expect("sent");
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    match source.drain(A_MOMENT).await.expect("the queue answers") {
        Drained::TimeUp(depth) | Drained::Stopped(depth) => assert_eq!((depth.open, depth.dead), (1, 0)),
        Drained::Empty { dead } => panic!("the task is gone, {dead} given up"),
    }
    assert_eq!(source.held().len(), 1, "it was taken, and waits: {:?}", source.held());
}
