//! Bound actions on records: in bulk, each with its own result.

use crate::world::{values, world};
use business_central_simulator::DemoSize;
use couplet_model::ids::RecordId;
use couplet_model::system::{Action, System, SystemErrorKind};
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn actions_travel_in_one_request_and_one_that_is_refused_fails_alone() {
    let world = world(DemoSize { items: 5, blocked_items: 0, customers: 5, ..DemoSize::default() }).await;
    let customer = world.simulator.rows("Customer")[0]["number"].clone();
    let quote = || world.simulator.create_as_user("Sales Header (Quote)", json!({"customerNumber": customer})).unwrap();
    let ids = [quote(), quote()];
    let action = |id: Uuid| Action { record: RecordId(id), name: "makeOrder".to_owned(), parameters: values(&[]) };
    let unknown = Action { name: "shipAndInvoice".to_owned(), ..action(ids[1]) };
    let table = world.table("Sales Header (Quote)");
    world.requests();
    let results = world.client.act(&table, &[action(ids[0]), action(Uuid::nil()), unknown]).await;
    assert_eq!(world.requests(), 1);
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(results[1].as_ref().unwrap_err().kind, SystemErrorKind::NotFound);
    assert!(results[2].is_err(), "{results:?}");
    assert_eq!(world.simulator.rows("Sales Header").len(), 1, "one quote became an order");
    assert!(world.client.act(&table, &[]).await.is_empty());
}
