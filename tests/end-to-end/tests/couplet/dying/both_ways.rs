//! Orders that travel both ways, and their archive.

use std::collections::BTreeSet;

use couplet_end_to_end::{Life, World};
use couplet_engine::{Failpoint, RunMode};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Work, come_to_rest, die_at_every_moment, failpoints_of, picture_of_order};
use crate::both_ways::{self, CREATE, JOB, add_line, details, drafted, lines_of, order_of, reactivate, state, submit};
use crate::invoicing::items;
use crate::observing::id;
use crate::selling::set_up;

const ARCHIVED: &str = "Archived Sales Orders";
const JOBS: &[&str] = &[CREATE, JOB, ARCHIVED];

async fn prepared() -> World {
    let world = both_ways::prepared().await;
    set_up(&world, json!({"freightAccountNumber": "6410"}));
    world
}

/// What an order says itself is not filled in by its customer, of which Sales hears with the next change only.
fn addressed() -> Json {
    json!({"discountamount": 10, "freightamount": 9, "shipto_name": "Hall", "shipto_line1": "Main Street 1", "shipto_city": "Town",
           "shipto_postalcode": "10115", "shipto_country": "DE", "billto_line1": "Side Street 2", "billto_city": "Village",
           "billto_postalcode": "20095", "billto_country": "DE"})
}

async fn orders(world: &World, count: usize) -> Vec<Uuid> {
    let items = items(world);
    let lines: [(&Json, i64, &str, &str); 3] =
        [(&items[0], 2, "100", "0"), (&items[1], 3, "19.99", "1.5"), (&items[2], 1, "7", "0")];
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(drafted(world, &addressed(), &lines).await);
    }
    orders
}

/// Orders that are released on one side and submitted on the other.
async fn coupled(world: &World, count: usize) -> Vec<Uuid> {
    let orders = orders(world, count).await;
    orders.iter().for_each(|order| submit(world, *order));
    come_to_rest(world, JOBS).await;
    orders
}

async fn own(world: &World, order: Uuid) -> Uuid {
    id(&order_of(world, order).await, "id")
}

async fn act(world: &World, order: Uuid, action: &str) {
    let here = own(world, order).await;
    world.business_central.run_action_as_user("Sales Header", here, action).expect("done");
}

/// A seller opens the order, changes it and its lines, adds one, removes one, and submits it again.
async fn corrects(world: &World, order: Uuid) {
    reactivate(world, order);
    let lines = details(world, order);
    let crm = &world.dataverse;
    crm.update_as_user("salesorderdetail", id(&lines[0], "salesorderdetailid"), json!({"quantity": 5})).expect("taken");
    crm.delete_as_user("salesorderdetail", id(&lines[1], "salesorderdetailid")).expect("taken");
    add_line(world, order, (&items(world)[3], 1, "7.5", "0")).await;
    let changes = json!({"shipto_name": "Back door", "discountamount": 12, "freightamount": 14});
    crm.update_as_user("salesorder", order, changes).expect("taken");
    submit(world, order);
}

/// A seller corrects nothing but the price of a line.
async fn corrects_a_line(world: &World, order: Uuid) {
    reactivate(world, order);
    let line = id(&details(world, order)[0], "salesorderdetailid");
    world.dataverse.update_as_user("salesorderdetail", line, json!({"priceperunit": 90})).expect("taken");
    submit(world, order);
}

/// Somebody in Business Central opens the order, changes it and its lines, adds one, removes one, and releases it again.
async fn changes(world: &World, order: Uuid) {
    let (erp, here) = (&world.business_central, own(world, order).await);
    act(world, order, "reopen").await;
    let lines = lines_of(world, here);
    erp.update_as_user("Sales Line", id(&lines[0], "id"), json!({"quantity": 4})).expect("taken");
    erp.delete_as_user("Sales Line", id(&lines[1], "id")).expect("taken");
    let added = json!({"documentId": here, "lineType": "Item", "lineObjectNumber": items(world)[3], "quantity": 2, "unitPrice": 8});
    erp.create_as_user("Sales Line", added).expect("taken");
    erp.update_as_user("Sales Header", here, json!({"shipToName": "Ramp"})).expect("taken");
    act(world, order, "release").await;
}

fn work(job: &str, mode: RunMode) -> Work<'_> {
    Work { job, mode, then: JOBS }
}

fn picture_in(wanted: i64) -> impl Fn(&World, Uuid) -> Vec<String> {
    move |world, order| {
        assert_eq!(state(world, order), wanted);
        picture_of_order(world, order)
    }
}

/// The failpoints that an order passes that is shipped.
pub(super) async fn failpoints() -> BTreeSet<Failpoint> {
    let world = prepared().await;
    let orders = coupled(&world, 1).await;
    act(&world, orders[0], "ship").await;
    failpoints_of(&world, JOB, &Life::long()).await
}

#[tokio::test]
async fn s100_an_order_is_made_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let submits = async |world: &World, order: Uuid| submit(world, order);
    die_at_every_moment(&world, work(CREATE, RunMode::Modified), orders, submits, picture_in(1)).await;
}

#[tokio::test]
async fn s98_s103_what_a_seller_corrects_in_a_released_order_arrives_whole_wherever_the_worker_dies() {
    let world = prepared().await;
    die_at_every_moment(&world, work(JOB, RunMode::Modified), coupled, corrects, picture_in(1)).await;
}

#[tokio::test]
async fn s98_s103_a_line_that_a_seller_corrects_leaves_the_amounts_of_its_order_wherever_the_worker_dies() {
    let world = prepared().await;
    die_at_every_moment(&world, work(JOB, RunMode::Modified), coupled, corrects_a_line, picture_in(1)).await;
}

#[tokio::test]
async fn s115_s116_what_business_central_changes_in_a_submitted_order_arrives_whole_wherever_the_worker_dies() {
    let world = prepared().await;
    die_at_every_moment(&world, work(JOB, RunMode::Modified), coupled, changes, picture_in(1)).await;
}

#[tokio::test]
async fn c_162_an_order_is_fulfilled_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let ships = async |world: &World, order: Uuid| act(world, order, "ship").await;
    die_at_every_moment(&world, work(JOB, RunMode::Modified), coupled, ships, picture_in(3)).await;
}

#[tokio::test]
async fn s128_an_order_that_is_deleted_is_left_alone_wherever_the_worker_dies() {
    let world = prepared().await;
    let deletes = async |world: &World, order: Uuid| {
        act(world, order, "reopen").await;
        world.business_central.delete_as_user("Sales Header", own(world, order).await).expect("deleted");
    };
    let looked_at = async |world: &World, count: usize| {
        let orders = coupled(world, count).await;
        world.run(JOB, RunMode::Full).await;
        come_to_rest(world, JOBS).await;
        orders
    };
    die_at_every_moment(&world, work(JOB, RunMode::Full), looked_at, deletes, picture_in(1)).await;
}

#[tokio::test]
async fn s128_s129_s134_an_order_that_is_posted_ends_as_invoiced_wherever_the_worker_dies() {
    let world = prepared().await;
    let posts = async |world: &World, order: Uuid| act(world, order, "shipAndInvoice").await;
    die_at_every_moment(&world, work(ARCHIVED, RunMode::Modified), coupled, posts, picture_in(4)).await;
}
