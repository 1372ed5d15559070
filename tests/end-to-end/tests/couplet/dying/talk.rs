//! Notes of orders both ways, and posts about them.

use std::collections::BTreeSet;

use couplet_end_to_end::{Life, World};
use couplet_engine::{Failpoint, RunMode};
use serde_json::json;
use uuid::Uuid;

use super::{Work, come_to_rest, die_at_every_moment, failpoints_of, of, picture_of_order};
use crate::observing::id;
use crate::order_talk::{NOTES, TAKES_OVER, write};
use crate::quotes::{order_of, prepared, submitted};

const ORDERS: &str = "SALESORDER-ORDER";
const POSTS: [&str; 3] = ["Sales Order Status", "Sales Shipment Status", "Sales Invoice Status"];

async fn orders(world: &World, count: usize) -> Vec<Uuid> {
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(submitted(world).await);
    }
    come_to_rest(world, &[TAKES_OVER, ORDERS]).await;
    orders
}

/// Orders with a note that both sides have.
async fn noted(world: &World, count: usize) -> Vec<Uuid> {
    let orders = orders(world, count).await;
    for order in &orders {
        write(world, *order, "Call first");
    }
    come_to_rest(world, &[NOTES]).await;
    orders
}

/// Orders that are released, of which Sales was told.
async fn released(world: &World, count: usize) -> Vec<Uuid> {
    let orders = orders(world, count).await;
    for order in &orders {
        act(world, *order, "release");
    }
    come_to_rest(world, &[ORDERS, POSTS[0], POSTS[1], POSTS[2]]).await;
    orders
}

fn act(world: &World, order: Uuid, action: &str) {
    let here = id(&order_of(world, order), "id");
    world.business_central.run_action_as_user("Sales Header", here, action).expect("done");
}

fn note_of(world: &World, order: Uuid) -> Uuid {
    id(&of(world.dataverse.rows("annotation"), "_objectid_value", &order.to_string())[0], "annotationid")
}

fn work<'a>(job: &'a str, then: &'a [&'a str]) -> Work<'a> {
    Work { job, mode: RunMode::Modified, then }
}

/// The failpoints that a note passes that is deleted in Sales.
pub(super) async fn failpoints() -> BTreeSet<Failpoint> {
    let world = prepared().await;
    let orders = noted(&world, 1).await;
    world.dataverse.delete_as_user("annotation", note_of(&world, orders[0])).expect("gone");
    failpoints_of(&world, NOTES, &Life::long()).await
}

#[tokio::test]
async fn c_148_a_note_of_sales_is_made_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let writes = async |world: &World, order: Uuid| {
        write(world, order, "<p>Call first</p>");
    };
    die_at_every_moment(&world, work(NOTES, &[NOTES]), orders, writes, picture_of_order).await;
}

#[tokio::test]
async fn c_149_a_note_of_business_central_is_made_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let writes = async |world: &World, order: Uuid| {
        let note = json!({"documentId": order_of(world, order)["id"], "subject": "Stock", "text": "Packed"});
        world.business_central.create_as_user("Record Link", note).expect("taken");
    };
    die_at_every_moment(&world, work(NOTES, &[NOTES]), orders, writes, picture_of_order).await;
}

#[tokio::test]
async fn s144_s149_a_note_that_is_changed_or_deleted_in_sales_follows_wherever_the_worker_dies() {
    let world = prepared().await;
    let changes = async |world: &World, order: Uuid| {
        let note = note_of(world, order);
        world.dataverse.update_as_user("annotation", note, json!({"notetext": "Call at once"})).expect("taken");
    };
    die_at_every_moment(&world, work(NOTES, &[NOTES]), noted, changes, picture_of_order).await;
    let deletes = async |world: &World, order: Uuid| {
        world.dataverse.delete_as_user("annotation", note_of(world, order)).expect("gone");
    };
    die_at_every_moment(&world, work(NOTES, &[NOTES]), noted, deletes, picture_of_order).await;
}

#[tokio::test]
async fn c_150_a_release_is_told_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let releases = async |world: &World, order: Uuid| act(world, order, "release");
    die_at_every_moment(&world, work(POSTS[0], &POSTS), orders, releases, picture_of_order).await;
}

#[tokio::test]
async fn c_151_shipments_and_invoices_are_told_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let posts = async |world: &World, order: Uuid| act(world, order, "shipAndInvoice");
    for job in &POSTS[1..] {
        die_at_every_moment(&world, work(job, &POSTS), released, posts, picture_of_order).await;
    }
}
