//! A store on an empty database, and the values the tests put into it.

use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::job::{Run, Trigger};
use couplet_model::message::{Direction, SyncOptions};
use couplet_model::{
    CompanyId, Counters, Coupling, CouplingState, DataverseId, MappingName, RecordId, RecordMessage, RunId, SystemId,
};
use couplet_store::{Commit, Failure, FailureChange, FailureKind, Reservation, Retention, Store};
use jiff::Timestamp;
use uuid::Uuid;

pub const COMPANY: CompanyId = CompanyId(Uuid::from_u128(0xC0));
pub const JOB: &str = "ITEM-PRODUCT";

pub async fn empty_store() -> Store {
    store_on(EmbeddedDynamoDb::open_in_memory().expect("database").client()).await
}

pub async fn store_on(client: aws_sdk_dynamodb::Client) -> Store {
    let store = Store::new(client, "couplet", Retention::default());
    store.create_table_if_absent().await.expect("table");
    store
}

pub fn items() -> MappingName {
    MappingName::from("ITEM-PRODUCT")
}

pub fn resources() -> MappingName {
    MappingName::from("RESOURCE-PRODUCT")
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("time")
}

pub fn bc(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(0xBC00_0000 + number))
}

pub fn dv(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(0xD700_0000 + number))
}

/// The pair of the records of these numbers, not stored yet.
pub fn pair(system_id: u128, dataverse_id: u128) -> Coupling {
    Coupling::new(SystemId::from(bc(system_id)), DataverseId::from(dv(dataverse_id)), CouplingState::Reserved)
}

pub fn keyed(number: u128, key: &str) -> Coupling {
    Coupling { key: Some(key.to_owned()), ..pair(number, number) }
}

/// Reserves couplings none of which is taken.
pub async fn reserved(store: &Store, mapping: &MappingName, couplings: Vec<Coupling>) -> Vec<Coupling> {
    let reservations = store.reserve(COMPANY, mapping, couplings).await.expect("reserve");
    reservations
        .into_iter()
        .map(|reservation| match reservation {
            Reservation::Reserved(coupling) => coupling,
            Reservation::Taken(coupling) => panic!("taken: {coupling:?}"),
        })
        .collect()
}

pub fn modified() -> Counters {
    Counters { modified: 1, ..Counters::default() }
}

/// A commit that only counts.
pub fn counting(record: RecordId) -> Commit {
    Commit {
        record,
        direction: Direction::ToDataverse,
        coupling: None,
        failure: FailureChange::Keep,
        wait: None,
        outcome: modified(),
    }
}

/// A commit that stores a coupling.
pub fn storing(coupling: Coupling) -> Commit {
    let coupling = Coupling { state: CouplingState::Coupled, ..coupling };
    Commit { coupling: Some(coupling.clone()), ..counting(coupling.system_id.into()) }
}

pub async fn started(store: &Store) -> RunId {
    started_at(store, Timestamp::now()).await
}

pub async fn started_at(store: &Store, started: Timestamp) -> RunId {
    let run = Run {
        id: RunId::fresh(),
        job: JOB.to_owned(),
        trigger: Trigger::Schedule,
        started,
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
    store.start_run(COMPANY, &run).await.expect("start");
    run.id
}

pub async fn run_of(store: &Store, run: RunId) -> Run {
    store.run(COMPANY, JOB, run).await.expect("read").expect("run")
}

pub async fn one_by_bc(store: &Store, mapping: &MappingName, number: u128) -> Option<Coupling> {
    let id = bc(number);
    let mut found =
        store.couplings_by_id(COMPANY, mapping, couplet_model::Side::BusinessCentral, &[id]).await.expect("read");
    found.remove(&id)
}

pub async fn one_by_key(store: &Store, mapping: &MappingName, key: &str) -> Option<Coupling> {
    store.couplings_by_key(COMPANY, mapping, &[key.to_owned()]).await.expect("read").remove(key)
}

pub fn failure(record: RecordId, run: RunId, message: &str) -> Failure {
    Failure {
        mapping: items(),
        direction: Direction::ToDataverse,
        record,
        other: None,
        label: "1000".into(),
        run,
        first_at: at(0),
        at: at(0),
        attempts: 1,
        kind: FailureKind::Data,
        field: Some("Base Unit of Measure".into()),
        message: message.into(),
        conflicts: Vec::new(),
        options: SyncOptions::default(),
        retry_at: None,
        gone: None,
    }
}

pub fn message(mapping: &MappingName, record: RecordId, run: RunId) -> RecordMessage {
    RecordMessage {
        v: couplet_model::message::MESSAGE_FORMAT,
        company: COMPANY,
        mapping: mapping.clone(),
        direction: Direction::ToDataverse,
        record,
        job: JOB.into(),
        run,
        options: SyncOptions::default(),
        snapshot: None,
        replay: None,
        wish: None,
    }
}
