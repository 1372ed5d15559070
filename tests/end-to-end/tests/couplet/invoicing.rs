//! Invoices in Business Central, and what the tests of their synchronization and of statistics share.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::observing::id;

/// Claims of a worker that died end at once.
pub fn options() -> WorldOptions {
    let engine = EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() };
    WorldOptions { engine, ..WorldOptions::default() }
}

/// The numbers of items that are not blocked.
pub fn items(world: &World) -> Vec<Json> {
    let rows = world.business_central.rows("Item");
    rows.into_iter().filter(|row| row["blocked"] == json!(false)).map(|row| row["number"].clone()).collect()
}

/// A line of an invoice.
pub fn line(item: &Json, quantity: u32, price: &str, tax: u32) -> Json {
    json!({"lineType": "Item", "lineObjectNumber": item, "quantity": quantity, "unitPrice": Json::Number(price.parse().expect("a number")), "taxPercent": tax})
}

/// Values put together; the later ones count.
pub fn with(mut values: Json, other: &Json) -> Json {
    if let (Json::Object(values), Json::Object(other)) = (&mut values, other) {
        values.extend(other.clone());
    }
    values
}

/// A draft of an invoice with these lines. Gives its id and those of the lines.
pub fn draft(world: &World, header: &Json, lines: &[Json]) -> (Uuid, Vec<Uuid>) {
    let values = with(json!({"customerNumber": "C00010", "currencyCode": "", "dueDate": "2026-12-31"}), header);
    let draft = world.business_central.create_as_user("Sales Invoice Header", values).expect("taken");
    let add = |line: &Json| {
        let line = with(line.clone(), &json!({"documentId": draft}));
        world.business_central.create_as_user("Sales Invoice Line", line).expect("taken")
    };
    (draft, lines.iter().map(add).collect())
}

/// A posted invoice with these lines. Gives its draft's id and the one that the companion page shows.
pub fn posted(world: &World, header: &Json, lines: &[Json]) -> (Uuid, Uuid) {
    let (draft, _) = draft(world, header, lines);
    world.business_central.run_action_as_user("Sales Invoice Header", draft, "post").expect("posted");
    let entries = world.business_central.rows("Cust. Ledger Entry");
    let last = entries.iter().max_by_key(|row| row["entryNumber"].as_i64()).expect("an entry");
    (draft, id(last, "invoiceId"))
}

/// Lets a job find its work and a worker die over it; then everything is delivered once more. All of it ends.
pub async fn die_and_deliver_twice(world: &World, job: &str, mode: RunMode, fatal: Failpoint) {
    world.find(job, mode).await;
    let again = world.queue.take(1000);
    for delivery in again.iter().cloned() {
        world.queue.give_back(delivery);
    }
    world.drain_killed(fatal, options().engine).await;
    let ends = world.engine.sync_batch(again).await.dispositions;
    assert!(ends.iter().all(|end| *end == Disposition::Done), "{fatal:?}");
    assert!(world.failures(job).await.is_empty() && world.queue.dead_letters().is_empty(), "{fatal:?}");
}

/// Holds the requests since this was asked last to a number for each system.
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
pub fn expect_requests(world: &World, work: &str, most: u64) {
    let (business_central, dataverse) = (world.business_central.requests(), world.dataverse.requests());
    println!("{work}: {business_central} requests to Business Central, {dataverse} to Dataverse");
    assert!(business_central <= most && dataverse <= most, "{work}: {business_central} and {dataverse}");
    count_anew(world);
}

/// Forgets the requests so far.
pub fn count_anew(world: &World) {
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
}
