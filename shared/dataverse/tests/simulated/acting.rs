//! Bound actions on rows: in bulk, each with its own result.

use crate::world::{values, world};
use couplet_model::ids::RecordId;
use couplet_model::system::{Action, System, SystemErrorKind};
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn actions_travel_in_one_request_and_one_that_is_refused_fails_alone() {
    let world = world().await;
    let invoices: Vec<serde_json::Value> = (0..3).map(|number| json!({"name": format!("I{number}")})).collect();
    let ids = world.simulator.create_many_as_user("invoice", invoices).unwrap();
    let action =
        |id: Uuid| Action { record: RecordId(id), name: "LockInvoicePricing".to_owned(), parameters: values(&[]) };
    let unknown = Action { name: "PostInvoice".to_owned(), ..action(ids[2]) };
    let actions = [action(ids[0]), action(Uuid::nil()), action(ids[1]), unknown];
    world.requests();
    let results = world.client.act(&world.table("invoice"), &actions).await;
    assert_eq!(world.requests(), 1);
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert_eq!(results[1].as_ref().unwrap_err().kind, SystemErrorKind::NotFound);
    assert!(results[3].is_err(), "{results:?}");
    let is_locked = |id| world.simulator.row("invoice", id).unwrap()["ispricelocked"] == json!(true);
    assert_eq!([is_locked(ids[0]), is_locked(ids[1]), is_locked(ids[2])], [true, true, false]);
    assert!(world.client.act(&world.table("invoice"), &[]).await.is_empty());
}

#[tokio::test]
async fn an_action_whose_answer_is_lost_is_not_sent_again() {
    let world = world().await;
    let id = world.simulator.create_many_as_user("invoice", vec![json!({"name": "I"})]).unwrap()[0];
    world.simulator.faults().fail_request("LockInvoicePricing", 502);
    let action = Action { record: RecordId(id), name: "LockInvoicePricing".to_owned(), parameters: values(&[]) };
    world.requests();
    let results = world.client.act(&world.table("invoice"), &[action]).await;
    assert!(results[0].is_err(), "{results:?}");
    assert_eq!(world.requests(), 1);
}
