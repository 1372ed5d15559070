//! What people are told of orders: notes both ways, and posts about what happens in Business Central.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{count_anew, expect_requests};
use crate::observing::{id, text};
use crate::quotes::{order_of, prepared, submitted};

pub const TAKES_OVER: &str = "Auto Create Sales Orders";
pub const NOTES: &str = "Sales Order Notes";

pub fn write(world: &World, order: Uuid, text: &str) -> Uuid {
    let note = json!({"objectid_salesorder@odata.bind": format!("/salesorders({order})"), "subject": "Delivery", "notetext": text});
    world.dataverse.create_as_user("annotation", note).expect("taken")
}

fn texts(rows: &[Map<String, Json>], column: &str) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().map(|row| text(row, column).to_owned()).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn c_147_c_148_c_149_notes_of_orders_travel_both_ways() {
    let world = prepared().await;
    let order = submitted(&world).await;
    let first = write(&world, order, "<p>Call first</p>");
    // Nobody has taken over the order yet.
    assert_eq!(world.run(NOTES, RunMode::Modified).await.counters.failed, 0);
    assert!(world.business_central.rows("Record Link").is_empty());
    world.run(TAKES_OVER, RunMode::Modified).await;
    world.run(NOTES, RunMode::Modified).await;
    let notes = || world.business_central.rows("Record Link");
    assert_eq!(texts(&notes(), "text"), ["Call first"], "C-147: {:?}", world.failures(NOTES).await);
    write(&world, order, "Then ship");
    world.run(NOTES, RunMode::Modified).await;
    assert_eq!(texts(&notes(), "text"), ["Call first", "Then ship"], "C-148");
    let here = order_of(&world, order);
    let own = json!({"documentId": here["id"], "subject": "Stock", "text": "Packed"});
    world.business_central.create_as_user("Record Link", own).expect("taken");
    let run = world.run(NOTES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "C-149: {:?}", world.failures(NOTES).await);
    let rows = || world.dataverse.rows("annotation");
    assert_eq!(texts(&rows(), "notetext"), ["<p>Call first</p>", "Packed", "Then ship"], "C-149");
    assert!(rows().iter().all(|row| id(row, "_objectid_value") == order), "C-149");
    // Changed and deleted in Sales.
    world.dataverse.update_as_user("annotation", first, json!({"notetext": "<p>Call at once</p>"})).expect("taken");
    world.run(NOTES, RunMode::Modified).await;
    assert_eq!(texts(&notes(), "text"), ["Call at once", "Packed", "Then ship"], "S144");
    world.dataverse.delete_as_user("annotation", first).expect("gone");
    world.run(NOTES, RunMode::Modified).await;
    assert_eq!(texts(&notes(), "text"), ["Packed", "Then ship"], "S149: {:?}", world.failures(NOTES).await);
    count_anew(&world);
    let quiet = world.run(NOTES, RunMode::Modified).await;
    assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0));
    expect_requests(&world, "no note changed", 3);
}

#[tokio::test]
async fn s141_s144_a_full_synchronization_of_notes_keeps_formats_deletions_and_what_sellers_wrote() {
    let world = prepared().await;
    let order = submitted(&world).await;
    let formatted = write(&world, order, "<p>Call <b>first</b></p>");
    let edited = write(&world, order, "Ship");
    let deleted = write(&world, order, "Forget");
    write(&world, order, "Wrap");
    world.run(TAKES_OVER, RunMode::Modified).await;
    world.run(NOTES, RunMode::Modified).await;
    let here = order_of(&world, order);
    let own = json!({"documentId": here["id"], "subject": "Stock", "text": "Ask Ann <ann@contoso.com>"});
    world.business_central.create_as_user("Record Link", own).expect("taken");
    world.run(NOTES, RunMode::Modified).await;
    let notes = || world.business_central.rows("Record Link");
    assert_eq!(notes().len(), 5);
    // Nobody has carried these across yet.
    world.dataverse.update_as_user("annotation", edited, json!({"notetext": "Ship twice"})).expect("taken");
    world.dataverse.delete_as_user("annotation", deleted).expect("gone");
    let wrapped = notes().into_iter().find(|note| text(note, "text") == "Wrap").expect("a note");
    world.business_central.delete_as_user("Record Link", id(&wrapped, "id")).expect("gone");
    for _ in 0..2 {
        let run = world.run(NOTES, RunMode::Full).await;
        assert_eq!(run.counters.failed, 0, "{:?}", world.failures(NOTES).await);
        let rows = world.dataverse.rows("annotation");
        let expected = ["<p>Call <b>first</b></p>", "Ask Ann &lt;ann@contoso.com&gt;", "Ship twice", "Wrap"];
        assert_eq!(texts(&rows, "notetext"), expected);
        assert!(rows.iter().any(|row| id(row, "annotationid") == formatted));
        assert_eq!(texts(&notes(), "text"), ["Ask Ann <ann@contoso.com>", "Call first", "Ship twice"]);
    }
}

#[tokio::test]
async fn c_150_c_151_releases_shipments_and_invoices_of_coupled_orders_are_told_once() {
    let world = prepared().await;
    let order = submitted(&world).await;
    world.run(TAKES_OVER, RunMode::Modified).await;
    let jobs = ["Sales Order Status", "Sales Shipment Status", "Sales Invoice Status"];
    for job in jobs {
        world.run(job, RunMode::Modified).await;
    }
    assert!(world.dataverse.rows("post").is_empty(), "the order is open");
    let here = id(&order_of(&world, order), "id");
    world.business_central.run_action_as_user("Sales Header", here, "release").expect("released");
    for _ in 0..2 {
        for job in jobs {
            let run = world.run(job, RunMode::Modified).await;
            assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
        }
    }
    let posts = world.dataverse.rows("post");
    assert_eq!(posts.len(), 1, "C-150");
    assert_eq!(id(&posts[0], "_regardingobjectid_value"), order, "C-150");
    assert!(text(&posts[0], "text").contains("was released"), "C-150");
    world.business_central.run_action_as_user("Sales Header", here, "shipAndInvoice").expect("posted");
    // An invoice that came from no order of Sales is not told of.
    crate::invoicing::posted(
        &world,
        &json!({"customerNumber": "C00010"}),
        &[crate::invoicing::line(&crate::invoicing::items(&world)[0], 1, "10", 0)],
    );
    for job in jobs {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    assert_eq!(world.dataverse.rows("post").len(), 3, "C-151: {:?}", world.dataverse.rows("post"));
    for job in jobs {
        count_anew(&world);
        world.run(job, RunMode::Modified).await;
        expect_requests(&world, job, 3);
    }
}
