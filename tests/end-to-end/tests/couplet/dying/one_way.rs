//! Orders that travel one way.

use std::collections::BTreeSet;

use couplet_end_to_end::{Life, World};
use couplet_engine::{Failpoint, RunMode};
use serde_json::json;
use uuid::Uuid;

use super::{Work, die_at_every_moment, failpoints_of, picture_of_order};
use crate::invoicing::{items, with};
use crate::observing::id;
use crate::selling::{
    ORDERS, TAKES_OVER, drafted, order_of, prepared, product, sells, set_up, standing, submit, written_in,
};

const JOBS: &[&str] = &[TAKES_OVER, ORDERS];

async fn ready() -> World {
    let world = prepared().await;
    let setup =
        json!({"writeInProductType": "Item", "writeInProductNumber": items(&world)[3], "freightAccountNumber": "6410"});
    set_up(&world, setup);
    world
}

/// Orders with everything that follows lines: long texts, a write-in, freight and a discount.
async fn orders(world: &World, count: usize) -> Vec<Uuid> {
    let item = product(world, "Item", &items(world)[0]).await;
    let described = with(sells(&item, "3", "9.99"), &json!({"description": "With a bell\nand a light"}));
    let lines = [described, written_in("Repair", 10)];
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(drafted(world, &json!({"freightamount": 7, "discountamount": 3}), &lines).await);
    }
    orders
}

/// Orders that Business Central has taken over.
async fn taken_over(world: &World, count: usize) -> Vec<Uuid> {
    let orders = orders(world, count).await;
    orders.iter().for_each(|order| submit(world, *order));
    super::come_to_rest(world, JOBS).await;
    orders
}

/// Orders that are released in Business Central, of which Sales knows.
async fn released(world: &World, count: usize) -> Vec<Uuid> {
    let orders = taken_over(world, count).await;
    orders.iter().for_each(|order| release(world, *order));
    super::come_to_rest(world, JOBS).await;
    orders
}

fn own(world: &World, order: Uuid) -> Uuid {
    id(&order_of(world, order).expect("taken over"), "id")
}

fn release(world: &World, order: Uuid) {
    world.business_central.run_action_as_user("Sales Header", own(world, order), "release").expect("released");
}

fn work(job: &str, mode: RunMode) -> Work<'_> {
    Work { job, mode, then: JOBS }
}

/// The failpoints that taking an order over passes.
pub(super) async fn failpoints() -> BTreeSet<Failpoint> {
    let world = ready().await;
    orders(&world, 1).await.iter().for_each(|order| submit(&world, *order));
    failpoints_of(&world, TAKES_OVER, &Life::long()).await
}

#[tokio::test]
async fn an_order_is_taken_over_once_wherever_the_worker_dies_between_the_writes_of_its_mark_as_well() {
    let world = ready().await;
    let submits = async |world: &World, order: Uuid| submit(world, order);
    let picture = |world: &World, order: Uuid| {
        assert_eq!(standing(world, order), (1, 3), "submitted");
        picture_of_order(world, order)
    };
    die_at_every_moment(&world, work(TAKES_OVER, RunMode::Modified), orders, submits, picture).await;
}

#[tokio::test]
async fn what_is_released_reaches_sales_wherever_the_worker_dies() {
    let world = ready().await;
    let releases = async |world: &World, order: Uuid| {
        let here = own(world, order);
        world.business_central.update_as_user("Sales Header", here, json!({"shipToName": "Back door"})).expect("taken");
        release(world, order);
    };
    die_at_every_moment(&world, work(ORDERS, RunMode::Modified), taken_over, releases, picture_of_order).await;
}

#[tokio::test]
async fn an_order_that_is_invoiced_is_closed_wherever_the_worker_dies() {
    let world = ready().await;
    let posts = async |world: &World, order: Uuid| {
        let here = own(world, order);
        world.business_central.run_action_as_user("Sales Header", here, "shipAndInvoice").expect("posted");
    };
    let picture = |world: &World, order: Uuid| {
        assert_eq!(standing(world, order), (4, 100_003), "S85");
        picture_of_order(world, order)
    };
    die_at_every_moment(&world, work(ORDERS, RunMode::Modified), released, posts, picture).await;
    let alive = world.business_central.rows("Sales Header").len();
    assert_eq!(world.couplings(ORDERS).await, alive as u64, "those that are over are coupled no more");
}

#[tokio::test]
async fn an_order_that_is_deleted_is_given_back_once_wherever_the_worker_dies() {
    let world = ready().await;
    let deletes = async |world: &World, order: Uuid| {
        world.business_central.delete_as_user("Sales Header", own(world, order)).expect("deleted");
    };
    let picture = |world: &World, order: Uuid| {
        assert_eq!(standing(world, order), (0, 2), "S84");
        picture_of_order(world, order)
    };
    die_at_every_moment(&world, work(ORDERS, RunMode::Full), taken_over, deletes, picture).await;
}
