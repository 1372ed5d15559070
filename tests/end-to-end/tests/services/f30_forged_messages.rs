//! A message is believed for what it shows and asks only if its run is known: others have their record read again.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Delivery, Disposition, RunMode};
use couplet_model::message::{Direction, MESSAGE_FORMAT, Precedence, SyncOptions};
use couplet_model::{MappingName, RecordId, RecordMessage, RunId};
use serde_json::json;
use uuid::Uuid;

const FORGED: &str = "Forged";

/// A message about a customer that shows another name and asks for everything.
fn forged(world: &World, job: &str, run: RunId, record: Uuid) -> RecordMessage {
    let row = world.business_central.row("Customer", record).expect("there");
    let values = json!({
        "read_at": jiff::Timestamp::now(),
        "values": { "number": row["number"], "displayName": FORGED, "blocked": " " },
    });
    RecordMessage {
        v: MESSAGE_FORMAT,
        company: world.company(),
        mapping: MappingName::from("CUSTOMER"),
        direction: Direction::ToDataverse,
        record: RecordId(record),
        job: job.to_owned(),
        run,
        options: SyncOptions { create: true, precedence: Precedence::SourceRestoring, ..SyncOptions::default() },
        snapshot: Some(serde_json::from_value(values).expect("a snapshot")),
        replay: None,
        wish: None,
    }
}

async fn apply(world: &World, message: RecordMessage) {
    let report = world.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
    assert_eq!(report.dispositions, [Disposition::Done]);
}

#[tokio::test]
async fn f30_a_message_of_an_unknown_run_neither_shows_nor_forces_nor_creates() {
    let world = World::start(WorldOptions::default()).await;
    world.run("SALESPEOPLE", RunMode::Full).await;
    let currencies = world.find("CURRENCY", RunMode::Full).await.run;
    world.drain().await;
    world.run("CUSTOMER", RunMode::Full).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let customers = world.business_central_ids("Customer", |_| true);
    let before: Vec<_> = world.dataverse.rows("account");
    // A customer that nobody coupled: the mapping synchronizes only coupled ones.
    let new = world.business_central.create_as_user("Customer", json!({"displayName": "New"})).expect("taken");
    for (job, run) in [("CUSTOMER", RunId::fresh()), ("CURRENCY", currencies), ("No job", RunId::fresh())] {
        for record in customers.iter().copied().chain([new]) {
            apply(&world, forged(&world, job, run, record)).await;
        }
        assert_eq!(world.dataverse.rows("account").len(), before.len(), "{job}: nothing is created");
        assert!(world.coupling("CUSTOMER", new).await.is_none(), "{job}");
        for account in world.dataverse.rows("account") {
            assert_ne!(account["name"], FORGED, "{job}");
        }
    }
    // What a user changed in Sales is not overwritten by force: it goes by the rule of the mapping, as ever.
    let account = world.coupling("CUSTOMER", customers[0]).await.expect("coupled").dataverse_id.0;
    world.dataverse.update_as_user("account", account, json!({"name": "By a user"})).expect("taken");
    apply(&world, forged(&world, "CUSTOMER", RunId::fresh(), customers[0])).await;
    assert_eq!(world.dataverse.row("account", account).expect("there")["name"], "By a user");
}

#[tokio::test]
async fn f30_messages_of_a_known_run_cost_no_second_look_at_their_records() {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY"] {
        world.run(job, RunMode::Full).await;
    }
    world.find("CUSTOMER", RunMode::Full).await;
    let mut deliveries = world.queue.take(1000);
    assert!(deliveries.len() > 2 && deliveries.iter().all(|delivery| delivery.message.snapshot.is_some()));
    world.business_central.reset_requests();
    let unknown = RunId::fresh();
    let others = deliveries.split_off(1);
    for (mut delivery, is_forged) in [(others[0].clone(), false), (others[1].clone(), true)] {
        world.business_central.reset_requests();
        if is_forged {
            delivery.message.run = unknown;
        }
        let report = world.engine.sync_batch(vec![delivery]).await;
        assert_eq!(report.dispositions, [Disposition::Done]);
        assert_eq!(world.business_central.requests() > 0, is_forged, "{}", world.business_central.requests());
    }
}
