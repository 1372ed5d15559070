//! The embedded cloud without either system: what becomes of messages, and of data a killed process left behind.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use couplet_engine::JobPlan;
use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions, Messages, recover};
use couplet_model::ids::{MappingName, RunId};
use couplet_model::job::{JobState, Run, RunState, Trigger};
use couplet_model::message::Direction;
use couplet_model::outcome::Counters;
use couplet_model::system::{Cursor, Position};
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_runtime::{Application, Settings, wiring};
use couplet_store::{Ended, Holder, LeaseResult, Store};
use couplet_worlds::settings_to_nowhere;
use jiff::{SignedDuration, Timestamp};

#[tokio::test]
async fn a_message_nobody_can_read_ends_as_a_dead_letter_and_holds_nobody_up() {
    let settings = settings_to_nowhere();
    let cloud = EmbeddedCloud::in_memory(&settings).await.unwrap();
    let mut application = Application::new(&settings, cloud.services()).unwrap();
    application.retries.first = Duration::ZERO;
    let services = cloud.services();
    let mut ids = Vec::new();
    for number in 0..25 {
        let queue = if number % 5 == 0 { &services.tasks_queue_url } else { &services.queue_url };
        let sent = services.sqs.send_message().queue_url(queue).message_body("poison").send().await.unwrap();
        ids.push(sent.message_id.unwrap());
    }
    let store = application.engine.store().clone();
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    let drained = source.drain(Duration::from_secs(60)).await.unwrap();
    assert_eq!(drained, Drained::Empty { dead: 25 });
    assert_eq!(source.done(), 0);

    let letters = store.dead_letters(settings.company, &ids).await.unwrap();
    assert_eq!(letters.len(), 25, "each says why it was given up");
    for letter in letters.values() {
        assert!(letter.reason.contains("cannot be read"), "{}", letter.reason);
    }
}

#[tokio::test]
async fn a_task_for_a_run_that_is_over_is_done_without_a_trace() {
    let settings = settings_to_nowhere();
    let cloud = EmbeddedCloud::in_memory(&settings).await.unwrap();
    let application = Application::new(&settings, cloud.services()).unwrap();
    let services = cloud.services();
    let next = Continuation { job: JOB.to_owned(), run: RunId::fresh(), invocation: 3 };
    let task = TaskMessage { v: TASK_FORMAT, company: settings.company, task: Task::ContinueRun(next) };
    let body = serde_json::to_string(&task).unwrap();
    services.sqs.send_message().queue_url(&services.tasks_queue_url).message_body(body).send().await.unwrap();
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    assert_eq!(source.drain(Duration::from_secs(60)).await.unwrap(), Drained::Empty { dead: 0 });
}

#[tokio::test]
async fn an_empty_queue_is_drained_at_once() {
    let settings = settings_to_nowhere();
    let cloud = EmbeddedCloud::in_memory(&settings).await.unwrap();
    let application = Application::new(&settings, cloud.services()).unwrap();
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    assert_eq!(source.drain(Duration::from_secs(60)).await.unwrap(), Drained::Empty { dead: 0 });
}

const JOB: &str = "CUSTOMER";

/// A store as a killed process leaves it: the cursor has moved past records that were in the queue only.
async fn interrupted(settings: &Settings, trigger: Trigger) -> (EmbeddedCloud, Store, RunId) {
    let cloud = EmbeddedCloud::in_memory(settings).await.unwrap();
    let (store, run) = interrupted_on(&cloud, settings, trigger, 7).await;
    (cloud, store, run)
}

async fn interrupted_on(cloud: &EmbeddedCloud, settings: &Settings, trigger: Trigger, enqueued: u64) -> (Store, RunId) {
    let store = wiring::store(settings, cloud.services().dynamodb);
    let (company, now) = (settings.company, Timestamp::now());
    let run = RunId::fresh();
    let lease = store.acquire_lease(company, JOB, run, now, SignedDuration::from_mins(15)).await.unwrap();
    assert!(matches!(lease, LeaseResult::Acquired(_)));
    let started = Run {
        id: run,
        job: JOB.to_owned(),
        trigger,
        started: now,
        found: None,
        finished: None,
        enqueued: 0,
        processed: 0,
        counters: Counters::default(),
        to_dataverse: Counters::default(),
        from_dataverse: Counters::default(),
        message: None,
        mappings: 0,
    };
    store.start_run(company, &started).await.unwrap();
    store.add_to_run(company, JOB, run, enqueued, Counters::default(), Counters::default()).await.unwrap();
    let cursor = Cursor { position: Position::ModifiedOn(now), as_of: now, seen: Default::default() };
    let mapping = MappingName::from(JOB);
    assert!(store.move_cursor(company, &mapping, Direction::ToDataverse, None, &cursor).await.unwrap());
    (store, run)
}

#[tokio::test]
async fn records_lost_with_a_killed_process_are_read_again() {
    let settings = settings_to_nowhere();
    let (_cloud, store, run) = interrupted(&settings, Trigger::Full).await;
    store.run_found(settings.company, JOB, run, Timestamp::now(), None).await.unwrap();

    let found = recover(&store, settings.company, Messages::Lost, &[]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].job.as_str(), found[0].lost), (JOB, 7));
    let job = store.job(settings.company, JOB).await.unwrap().unwrap();
    assert!(job.full_since.is_some(), "what is read again is read in full");
    let cursor = store.cursor(settings.company, &MappingName::from(JOB), Direction::ToDataverse).await.unwrap();
    assert_eq!(cursor, None);
    let stored = store.run(settings.company, JOB, run).await.unwrap().unwrap();
    assert_eq!(stored.state(), RunState::Error);
    assert!(stored.message.unwrap().contains("7 of its records"));
}

#[tokio::test]
async fn all_cursors_a_job_reads_from_are_cleared_with_its_lost_records() {
    let settings = settings_to_nowhere();
    let (_cloud, store, _) = interrupted(&settings, Trigger::Schedule).await;
    let (named, other) = (MappingName::from("NAMED"), MappingName::from("OTHER"));
    for mapping in [&named, &other] {
        let position = Position::ModifiedOn(Timestamp::UNIX_EPOCH);
        let cursor = Cursor { position, as_of: Timestamp::UNIX_EPOCH, seen: Default::default() };
        let way = Direction::ToDataverse;
        assert!(store.move_cursor(settings.company, mapping, way, None, &cursor).await.unwrap());
    }
    let plan = JobPlan {
        name: JOB.to_owned(),
        description: String::new(),
        direction: None,
        function: "any".to_owned(),
        every_minutes: Some(1),
        inactivity_minutes: 0,
        cursors: vec![MappingName::from(JOB), named.clone()],
        ready: Ok(()),
    };
    recover(&store, settings.company, Messages::Lost, &[plan]).await.unwrap();
    let cursor = async |mapping: &MappingName| {
        store.cursor(settings.company, mapping, Direction::ToDataverse).await.unwrap().is_some()
    };
    assert!(!cursor(&MappingName::from(JOB)).await && !cursor(&named).await);
    assert!(cursor(&other).await, "another job reads from it");
}

#[tokio::test]
async fn r124_r254_a_killed_process_does_not_block_its_job() {
    let settings = settings_to_nowhere();
    let (_cloud, store, _) = interrupted(&settings, Trigger::Schedule).await;
    recover(&store, settings.company, Messages::Lost, &[]).await.unwrap();
    let job = store.job(settings.company, JOB).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Ready);
    let lease = store
        .acquire_lease(settings.company, JOB, RunId::fresh(), Timestamp::now(), SignedDuration::from_mins(15))
        .await
        .unwrap();
    assert!(matches!(lease, LeaseResult::Acquired(_)));
}

#[tokio::test]
async fn a_run_that_ended_well_is_left_alone() {
    let settings = settings_to_nowhere();
    let cloud = EmbeddedCloud::in_memory(&settings).await.unwrap();
    let (store, run) = interrupted_on(&cloud, &settings, Trigger::Schedule, 0).await;
    let now = Timestamp::now();
    store.fail_run(settings.company, JOB, run, now, "ended".to_owned()).await.unwrap();
    let holder = Holder { run, invocation: 0 };
    store.release_lease(settings.company, JOB, holder, Ended::well(JobState::Ready), now).await.unwrap();
    assert_eq!(recover(&store, settings.company, Messages::Lost, &[]).await.unwrap(), []);
    let cursor = store.cursor(settings.company, &MappingName::from(JOB), Direction::ToDataverse).await.unwrap();
    assert!(cursor.is_some());
}

/// What is left in both queues of a folder, in the order of sending.
async fn left(folder: &std::path::Path) -> (u64, Vec<String>) {
    let cloud = EmbeddedCloud::on_file(&folder.join("couplet.db"), &settings_to_nowhere()).await.unwrap();
    let services = cloud.services();
    let mut bodies = Vec::new();
    for url in [&services.queue_url, &services.tasks_queue_url] {
        for _ in 0..10 {
            let request = services.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            bodies.extend(request.send().await.unwrap().messages().iter().map(|message| message.body.clone().unwrap()));
        }
    }
    (cloud.left().records, bodies)
}

#[tokio::test]
async fn f21_messages_outlive_the_process_until_they_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = EmbeddedCloud::on_file(&folder.path().join("couplet.db"), &settings_to_nowhere()).await.unwrap();
    let services = cloud.services();
    let sqs = &services.sqs;
    for body in ["done", "under way", "gone in a batch", "untouched"] {
        sqs.send_message().queue_url(&services.queue_url).message_body(body).send().await.unwrap();
    }
    let entry = |id: &str| {
        let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder().id(id).message_body(id);
        entry.delay_seconds(900).build().unwrap()
    };
    let batch =
        sqs.send_message_batch().queue_url(&services.queue_url).entries(entry("delayed")).entries(entry("later"));
    batch.send().await.unwrap();
    sqs.send_message().queue_url(&services.tasks_queue_url).message_body("a task").send().await.unwrap();

    let received = sqs.receive_message().queue_url(&services.queue_url).max_number_of_messages(3).send().await.unwrap();
    for message in received.messages() {
        let receipt = message.receipt_handle().unwrap();
        match message.body().unwrap() {
            "done" => {
                sqs.delete_message().queue_url(&services.queue_url).receipt_handle(receipt).send().await.unwrap();
            }
            "gone in a batch" => {
                let entry =
                    aws_sdk_sqs::types::DeleteMessageBatchRequestEntry::builder().id("0").receipt_handle(receipt);
                let batch = sqs.delete_message_batch().queue_url(&services.queue_url);
                batch.entries(entry.build().unwrap()).send().await.unwrap();
            }
            _ => {}
        }
    }
    drop(cloud);
    let expected: Vec<String> = ["under way", "untouched", "delayed", "later", "a task"].map(str::to_owned).into();
    for process in 1..=2 {
        assert_eq!(left(folder.path()).await, (4, expected.clone()), "in process {process}, which deletes nothing");
    }
}

#[tokio::test]
async fn f21_a_folder_that_kept_no_messages_is_read_again_once() {
    let settings = settings_to_nowhere();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("couplet.db");
    let open = || async { EmbeddedCloud::on_file(&file, &settings).await.unwrap() };
    {
        // As an earlier version left it: the run had failed by the time its process ended, with records to go.
        let cloud = EmbeddedCloud::to_look_at(&file, &settings).await.unwrap();
        let (_, run) = interrupted_on(&cloud, &settings, Trigger::Full, 7).await;
        let store = wiring::store(&settings, cloud.services().dynamodb);
        store.fail_run(settings.company, JOB, run, Timestamp::now(), "refused".to_owned()).await.unwrap();
    }
    let cloud = open().await;
    let found = cloud.recover(&settings, &[]).await.unwrap();
    assert_eq!(found.iter().map(|run| run.lost).collect::<Vec<_>>(), [7]);
    let store = wiring::store(&settings, cloud.services().dynamodb);
    let cursor = store.cursor(settings.company, &MappingName::from(JOB), Direction::ToDataverse).await.unwrap();
    assert_eq!(cursor, None);
    assert!(store.job(settings.company, JOB).await.unwrap().unwrap().full_since.is_some());
    drop(cloud);
    assert_eq!(open().await.recover(&settings, &[]).await.unwrap(), []);
}
