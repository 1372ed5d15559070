//! Measures the store on the embedded DynamoDB: ten thousand couplings reserved, committed and read.
//!
//! `cargo run -p couplet-local --example ten_thousand_couplings [file]`; without a file in memory.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::job::{Run, Trigger};
use couplet_model::message::Direction;
use couplet_model::outcome::Dependency;
use couplet_model::{
    Clock, CompanyId, Counters, Coupling, CouplingState, DataverseId, MappingName, RecordId, RunId, Side, SystemId,
    Value,
};
use couplet_store::{Commit, FailureChange, Reservation, Retention, Store};
use uuid::Uuid;

const COUPLINGS: usize = 10_000;
/// What one invocation of the worker handles.
const BATCH: usize = 500;

fn pair(number: usize) -> Coupling {
    let (system_id, dataverse_id) = (SystemId(Uuid::new_v4()), DataverseId(Uuid::new_v4()));
    Coupling {
        key: Some(format!("ITEM{number:06}")),
        ..Coupling::new(system_id, dataverse_id, CouplingState::Reserved)
    }
}

/// The pair with twenty mapped values on either side.
fn synchronized(coupling: Coupling) -> Coupling {
    let mut coupling = Coupling { state: CouplingState::Coupled, ..coupling };
    for column in 0..20 {
        let value = Value::Text(format!("value of column {column}"));
        coupling.base.set(Side::BusinessCentral, &format!("field{column}"), &value);
        coupling.base.set(Side::Dataverse, &format!("new_column{column}"), &value);
    }
    coupling
}

fn commit(coupling: Coupling) -> Commit {
    Commit {
        record: coupling.system_id.into(),
        direction: Direction::ToDataverse,
        coupling: Some(coupling),
        failure: FailureChange::Keep,
        wait: None,
        outcome: Counters { inserted: 1, ..Counters::default() },
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let database = match std::env::args().nth(1) {
        Some(path) => EmbeddedDynamoDb::open(Path::new(&path))?,
        None => EmbeddedDynamoDb::open_in_memory()?,
    };
    let store = Store::new(database.client(), "couplet", Retention::default());
    store.create_table_if_absent().await?;
    let company = CompanyId(Uuid::new_v4());
    let mapping = MappingName::from("THINGS");
    let job = mapping.as_str();
    let run = Run {
        id: RunId::fresh(),
        job: job.to_owned(),
        trigger: Trigger::Full,
        started: Clock::default().now(),
        found: None,
        finished: None,
        enqueued: 0,
        processed: 0,
        counters: Counters::default(),
        to_dataverse: Counters::default(),
        from_dataverse: Counters::default(),
        mappings: 0,
        message: None,
    };
    store.start_run(company, &run).await?;

    let all = Instant::now();
    let start = Instant::now();
    let mut reserved = Vec::with_capacity(COUPLINGS);
    for first in (0..COUPLINGS).step_by(BATCH) {
        let couplings = (first..first + BATCH).map(pair).collect();
        for reservation in store.reserve(company, &mapping, couplings).await? {
            let Reservation::Reserved(coupling) = reservation else { return Err("taken".into()) };
            reserved.push(coupling);
        }
    }
    println!("reserve {COUPLINGS}: {:.2?}", start.elapsed());

    let synchronized: Vec<Coupling> = reserved.into_iter().map(synchronized).collect();
    let bytes = serde_json::to_string(&synchronized[0])?.len();
    let start = Instant::now();
    for batch in synchronized.chunks(BATCH) {
        let commits = batch.iter().cloned().map(commit).collect();
        store.commit(company, &mapping, job, run.id, commits).await?;
    }
    println!("commit {COUPLINGS} of {bytes} bytes: {:.2?}", start.elapsed());
    println!("both: {:.2?}", all.elapsed());

    for side in [Side::BusinessCentral, Side::Dataverse] {
        let start = Instant::now();
        for batch in synchronized.chunks(BATCH) {
            let ids: Vec<RecordId> = batch.iter().map(|coupling| coupling.id(side)).collect();
            let found = store.couplings_by_id(company, &mapping, side, &ids).await?;
            if found.len() != ids.len() {
                return Err(format!("{} of {} found", found.len(), ids.len()).into());
            }
        }
        println!("read {COUPLINGS} by id of {side}: {:.2?}", start.elapsed());
    }

    let start = Instant::now();
    for batch in synchronized.chunks(BATCH) {
        let needed: Vec<Dependency> = batch
            .iter()
            .filter_map(|coupling| coupling.key.clone())
            .map(|key| Dependency { mapping: mapping.clone(), side: Side::BusinessCentral, key })
            .collect();
        store.waiting_for(company, &needed).await?;
    }
    println!("look for waits of {COUPLINGS}: {:.2?}", start.elapsed());

    let start = Instant::now();
    let count = store.count_couplings(company, &mapping).await?;
    println!("count {count}: {:.2?}", start.elapsed());
    let run = store.run(company, job, run.id).await?.ok_or("no run")?;
    println!("run: {} processed, {} inserted", run.processed, run.counters.inserted);
    Ok(())
}
