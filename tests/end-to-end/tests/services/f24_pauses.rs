//! A claim with a part of a second left brought its records back early, then with a pause of 0 seconds: five receives burned
//! within a second, and all of them became dead letters. Shown on the embedded cloud, without either system: a record
//! whose pair is claimed is not looked at further.

use std::path::PathBuf;
use std::time::Duration;

use couplet_local::{Drained, EmbeddedCloud, EventSource, EventSourceOptions};
use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_model::{
    CompanyId, Coupling, CouplingState, DataverseId, MappingName, RecordId, RecordMessage, RunId, Switches, SystemId,
};
use couplet_runtime::configuration::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, RetentionSection,
};
use couplet_runtime::{Application, Settings};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub(crate) const COMPANY: CompanyId = CompanyId(Uuid::from_u128(1));
/// Long enough for five receives of a message that comes back at once, and shorter than the shortest wait.
const A_MOMENT: Duration = Duration::from_millis(600);

/// Settings that lead to no system at all.
pub(crate) fn settings() -> Settings {
    let credentials = || Credentials {
        authority: "http://127.0.0.1:1".to_owned(),
        tenant: "tenant".to_owned(),
        client_id: "client".to_owned(),
        client_secret: "secret".into(),
    };
    Settings {
        company: COMPANY,
        data: PathBuf::new(),
        catalogue: None,
        switches: Switches::default(),
        business_central: BusinessCentralSection {
            url: "http://127.0.0.1:1/v2.0/tenant/Production".to_owned(),
            credentials: credentials(),
            companion: true,
            concurrency: 5,
            page_size: 20_000,
            ca_file: None,
        },
        dataverse: DataverseSection {
            url: "http://127.0.0.1:1".to_owned(),
            credentials: credentials(),
            concurrency: 8,
            page_size: 5_000,
            ca_file: None,
        },
        cloud: CloudSection::default(),
        retention: RetentionSection { runs_days: 30, errors_days: 30 },
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn records_of_pairs_that_another_worker_holds_wait_and_are_never_given_up() {
    let settings = settings();
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let mapping = MappingName::from("CUSTOMER");
    let records: Vec<Uuid> = (1..=25).map(Uuid::from_u128).collect();
    // Some claims end within the moment that is watched, the others long after it.
    let held = |index: usize| if index.is_multiple_of(2) { 200 } else { 178_400 };
    let couplings = records.iter().enumerate().map(|(index, id)| Coupling {
        claimed_until: Some(Timestamp::now() + SignedDuration::from_millis(held(index))),
        ..Coupling::new(SystemId(*id), DataverseId(*id), CouplingState::Coupled)
    });
    application.engine.store().reserve(COMPANY, &mapping, couplings.collect()).await.expect("stored");
    for id in &records {
        let message = RecordMessage {
            v: MESSAGE_FORMAT,
            company: COMPANY,
            mapping: mapping.clone(),
            direction: Direction::ToDataverse,
            record: RecordId(*id),
            job: "CUSTOMER".to_owned(),
            run: RunId::fresh(),
            options: SyncOptions::default(),
            snapshot: None,
            replay: None,
        };
        let body = serde_json::to_string(&message).expect("JSON");
        let services = cloud.services();
        services.sqs.send_message().queue_url(services.queue_url).message_body(body).send().await.expect("sent");
    }
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    match source.drain(A_MOMENT).await.expect("the queue answers") {
        Drained::TimeUp(depth) | Drained::Stopped(depth) => assert_eq!((depth.open, depth.dead), (25, 0)),
        Drained::Empty { dead } => panic!("nothing waits any more, {dead} were given up"),
    }
}

#[tokio::test]
async fn a_task_whose_run_is_being_worked_waits_and_is_never_given_up() {
    let settings = settings();
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let run = RunId::fresh();
    let lease = SignedDuration::from_millis(200);
    application
        .engine
        .store()
        .acquire_lease(COMPANY, "CUSTOMER", run, Timestamp::now(), lease)
        .await
        .expect("the lease is free");
    let task = Task::ContinueRun(Continuation { job: "CUSTOMER".to_owned(), run, invocation: 2 });
    let body = serde_json::to_string(&TaskMessage { v: TASK_FORMAT, company: COMPANY, task }).expect("JSON");
    let services = cloud.services();
    let send = services.sqs.send_message().queue_url(services.tasks_queue_url);
    send.message_body(body).send().await.expect("sent");
    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    match source.drain(A_MOMENT).await.expect("the queue answers") {
        Drained::TimeUp(depth) | Drained::Stopped(depth) => assert_eq!((depth.open, depth.dead), (1, 0)),
        Drained::Empty { dead } => panic!("the task is gone, {dead} given up"),
    }
}
