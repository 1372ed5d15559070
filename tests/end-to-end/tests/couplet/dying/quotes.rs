//! Quotes that are activated, revised, won and lost.

use std::collections::BTreeSet;

use couplet_end_to_end::{Life, World};
use couplet_engine::{Failpoint, RunMode};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Work, come_to_rest, die_at_every_moment, failpoints_of, of, picture_of_order, seen};
use crate::observing::{id, text};
use crate::quotes::{QUOTES, activate, document, prepared};

const CREATE: &str = "Auto Create Sales Orders";
const JOBS: &[&str] = &[QUOTES, CREATE, "SALESORDER-ORDER"];

async fn drafts(world: &World, count: usize) -> Vec<Uuid> {
    let mut quotes = Vec::new();
    for _ in 0..count {
        quotes.push(document(world, "quote", &json!({"discountamount": 20})).await);
    }
    quotes
}

/// Quotes that Business Central has, too.
async fn active(world: &World, count: usize) -> Vec<Uuid> {
    let quotes = drafts(world, count).await;
    quotes.iter().for_each(|quote| activate(world, *quote));
    come_to_rest(world, JOBS).await;
    quotes
}

/// A quote of Sales, and its revisions, with what came of it in Business Central.
pub fn picture_of_quote(world: &World, quote: Uuid) -> Vec<String> {
    let (erp, crm) = (&world.business_central, &world.dataverse);
    let row = crm.row("quote", quote).expect("there");
    let reference = text(&row, "quotenumber").to_owned();
    let there: Vec<Map<String, Json>> = of(crm.rows("quote"), "quotenumber", &reference);
    let here = of(erp.rows("Sales Header (Quote)"), "yourReference", &reference);
    let number = here.first().map(|quote| text(quote, "number").to_owned()).unwrap_or_default();
    let own = [reference.as_str(), number.as_str()];
    let mut picture = seen("quote in Sales", &there, &own);
    picture.extend(seen("quote", &here, &own));
    for header in &here {
        picture.extend(seen("line", &of(erp.rows("Sales Line (Quote)"), "documentId", text(header, "id")), &own));
        let orders = of(erp.rows("Sales Header"), "quoteNumber", text(header, "number"));
        picture.push(format!("{} orders name it", orders.len()));
    }
    for order in crm.rows("salesorder").iter().filter(|order| text(order, "_quoteid_value") == quote.to_string()) {
        let shown = picture_of_order(world, id(order, "salesorderid"));
        picture.extend(shown.iter().map(|line| {
            own.iter().fold(line.clone(), |line, own| match own.is_empty() {
                true => line,
                false => line.replace(own, "#"),
            })
        }));
    }
    picture
}

/// The failpoints of a quote that is lost, and leaves with its lines.
pub(super) async fn failpoints() -> BTreeSet<Failpoint> {
    let world = prepared().await;
    let quotes = active(&world, 1).await;
    world.close_quote(quotes[0], 5).await;
    failpoints_of(&world, QUOTES, &Life::long()).await
}

fn work() -> Work<'static> {
    Work { job: QUOTES, mode: RunMode::Modified, then: JOBS }
}

#[tokio::test]
async fn c_166_a_quote_is_made_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let activates = async |world: &World, quote: Uuid| activate(world, quote);
    die_at_every_moment(&world, work(), drafts, activates, picture_of_quote).await;
}

#[tokio::test]
async fn s156_s157_a_revised_quote_takes_over_the_one_it_revises_wherever_the_worker_dies() {
    let world = prepared().await;
    let revises = async |world: &World, quote: Uuid| {
        let revision = world.revise_quote(quote).await;
        let mut lines = of(world.dataverse.rows("quotedetail"), "_quoteid_value", &revision.to_string());
        lines.sort_by_key(|line| line["sequencenumber"].as_i64());
        let line = id(&lines[0], "quotedetailid");
        world.dataverse.update_as_user("quotedetail", line, json!({"quantity": 6})).expect("taken");
        let changes = json!({"name": "More bicycles", "discountamount": 5});
        world.dataverse.update_as_user("quote", revision, changes).expect("taken");
        activate(world, revision);
    };
    die_at_every_moment(&world, work(), active, revises, picture_of_quote).await;
}

#[tokio::test]
async fn s168_a_won_quote_is_released_wherever_the_worker_dies() {
    let world = prepared().await;
    let wins = async |world: &World, quote: Uuid| {
        world.order_of_quote(quote).await;
    };
    die_at_every_moment(&world, work(), active, wins, picture_of_quote).await;
}

#[tokio::test]
async fn s164_a_quote_that_is_won_before_it_is_known_here_is_made_and_released_wherever_the_worker_dies() {
    let world = prepared().await;
    let wins = async |world: &World, quote: Uuid| {
        activate(world, quote);
        world.order_of_quote(quote).await;
    };
    die_at_every_moment(&world, work(), drafts, wins, picture_of_quote).await;
}

#[tokio::test]
async fn c_171_c_172_a_won_quote_is_tied_to_its_order_once_wherever_the_worker_dies() {
    let world = prepared().await;
    let submits = async |world: &World, quote: Uuid| {
        let order = world.order_of_quote(quote).await;
        let submitted = json!({"statecode": 1, "statuscode": 3});
        world.dataverse.update_as_user("salesorder", order, submitted).expect("submitted");
        world.run(CREATE, RunMode::Modified).await;
    };
    die_at_every_moment(&world, work(), active, submits, picture_of_quote).await;
}

#[tokio::test]
async fn a_lost_quote_leaves_business_central_wherever_the_worker_dies() {
    let world = prepared().await;
    let loses = async |world: &World, quote: Uuid| world.close_quote(quote, 5).await;
    let picture = |world: &World, quote: Uuid| {
        let picture = picture_of_quote(world, quote);
        assert!(!picture.iter().any(|line| line.starts_with("quote: ")), "{picture:?}");
        picture
    };
    die_at_every_moment(&world, work(), active, loses, picture).await;
}
