//! Our own write, not yet committed, was taken for a user's change: the answer is lost or the process dies, a user puts the
//! old value back or types another one, and the wrong value wins, or a conflict is reported although nobody touched the
//! other side. Every order of edit, write, loss and retry is gone through here, both ways.

mod creating;
mod orders;
mod soak;

use business_central_simulator::DemoSize;
use couplet_end_to_end::{Killing, World, WorldOptions};
use couplet_engine::{Delivery, Disposition, Engine, EngineOptions, Failpoint, RunMode};
use couplet_model::message::Direction;
use couplet_model::{MappingName, ProcessId};
use dataverse_simulator::CutMoment;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

const CUSTOMERS: &str = "CUSTOMER";

/// How the trace of a write is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// The process dies.
    Killed(Failpoint),
    /// The connection is cut before the write takes effect.
    CutBefore,
    /// The connection is cut after it, before the answer.
    CutAfter,
}

impl Loss {
    const ALL: [Self; 6] = [
        Self::Killed(Failpoint::Claimed),
        Self::Killed(Failpoint::Written),
        Self::Killed(Failpoint::AfterWrite),
        Self::Killed(Failpoint::Stored),
        Self::CutBefore,
        Self::CutAfter,
    ];
}

/// Options of a process on a data folder of its own.
fn a_process() -> EngineOptions {
    EngineOptions { is_alone: true, process: ProcessId::fresh(), ..EngineOptions::default() }
}

/// Customers and accounts in step, and nothing else worth looking at.
async fn in_step(customers: usize) -> World {
    let options = WorldOptions {
        business_central: DemoSize {
            items: 0,
            blocked_items: 0,
            customers,
            vendors: 0,
            contacts: 0,
            resources: 0,
            blocked_resources: 0,
            ..WorldOptions::default().business_central
        },
        engine: a_process(),
        ..WorldOptions::default()
    };
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", CUSTOMERS] {
        world.run(job, RunMode::Full).await;
    }
    until_quiet(&world, &world.engine).await;
    world
}

/// Runs the job until it finds nothing to write any more.
async fn until_quiet(world: &World, engine: &Engine) {
    for _ in 0..6 {
        let report = world.find_with(engine, CUSTOMERS, RunMode::Modified).await;
        world.drain_with(engine).await;
        let run = world.run_of(CUSTOMERS, report.run).await;
        if run.counters.inserted + run.counters.modified + run.counters.failed == 0 {
            return;
        }
    }
    panic!("the job does not come to rest");
}

/// A coupled customer.
#[derive(Clone, Copy, Debug)]
struct Pair {
    customer: Uuid,
    account: Uuid,
}

async fn pairs(world: &World) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for customer in world.business_central_ids("Customer", |_| true) {
        if let Some(coupling) = world.coupling(CUSTOMERS, customer).await {
            pairs.push(Pair { customer, account: coupling.dataverse_id.0 });
        }
    }
    pairs
}

/// A field of both sides: the name in Business Central and in Dataverse.
type Field = (&'static str, &'static str);
const PHONE: Field = ("phoneNumber", "telephone1");
const FAX: Field = ("faxNo", "fax");

/// A user edits the source, or the destination, of a direction.
fn edit(world: &World, pair: Pair, is_business_central: bool, field: Field, value: &str) {
    let value = if value.is_empty() { Json::Null } else { json!(value) };
    if is_business_central {
        let value = if value.is_null() { json!("") } else { value };
        world.business_central.update_as_user("Customer", pair.customer, json!({ field.0: value })).expect("taken");
    } else {
        world.dataverse.update_as_user("account", pair.account, json!({ field.1: value })).expect("taken");
    }
}

fn edit_source(world: &World, direction: Direction, pair: Pair, field: Field, value: &str) {
    edit(world, pair, direction == Direction::ToDataverse, field, value);
}

fn edit_destination(world: &World, direction: Direction, pair: Pair, field: Field, value: &str) {
    edit(world, pair, direction == Direction::FromDataverse, field, value);
}

/// What both sides hold: customer, account.
fn held(world: &World, pair: Pair, field: Field) -> (String, String) {
    let text = |row: Option<Map<String, Json>>, name: &str| {
        row.and_then(|row| row.get(name)?.as_str().map(str::to_owned)).unwrap_or_default()
    };
    (
        text(world.business_central.row("Customer", pair.customer), field.0),
        text(world.dataverse.row("account", pair.account), field.1),
    )
}

/// Applies what is in the queue while the trace of the writes is lost; gives what would come back. Nothing does, if the
/// client could repeat what was cut, as it may repeat creating a record under an id.
async fn lose(world: &World, direction: Direction, loss: Loss, writes: u64) -> Vec<Delivery> {
    let deliveries = world.queue.take(1000);
    assert!(!deliveries.is_empty(), "there is something to lose");
    let killing = match loss {
        Loss::Killed(fatal) => Some(Killing::at(fatal)),
        Loss::CutBefore | Loss::CutAfter => None,
    };
    let engine = match &killing {
        Some(killing) => world.another_engine(killing.of(a_process())),
        None => world.engine.clone(),
    };
    match (loss, direction) {
        (Loss::Killed(_), _) => {}
        (Loss::CutBefore, Direction::ToDataverse) => {
            world.dataverse.faults().cut_connection(1, CutMoment::BeforeEffect);
        }
        (Loss::CutAfter, Direction::ToDataverse) => {
            world.dataverse.faults().cut_connection(1, CutMoment::AfterEffect);
        }
        (Loss::CutBefore, Direction::FromDataverse) => world.business_central.faults().cut_before_write(1),
        (Loss::CutAfter, Direction::FromDataverse) => world.business_central.faults().cut_after_write(writes),
    }
    let dispositions = engine.sync_batch(deliveries.clone()).await.dispositions;
    if let Some(killing) = killing {
        killing.assert_happened();
    }
    let back: Vec<Delivery> = deliveries
        .into_iter()
        .zip(dispositions)
        .filter(|(_, disposition)| *disposition != Disposition::Done)
        .map(|(delivery, _)| delivery)
        .collect();
    back
}

/// What the next start of a process on one machine does about messages that were in the memory of a killed one.
async fn forget_cursors(world: &World) {
    let name = MappingName::from(CUSTOMERS);
    world.store().clear_cursors(world.company(), &name).await.expect("the store answers");
}
