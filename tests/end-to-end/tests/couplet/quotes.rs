//! Quotes that sellers activate, revise, win and lose in Sales, the whole way; once, whatever dies.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Failpoint, RunMode};
use couplet_model::switches::SalesOrders;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::invoicing::{count_anew, die_and_deliver_twice, expect_requests, items, options, with};
use crate::observing::{id, number, text};

pub const QUOTES: &str = "Auto Process Sales Quotes";
const LINES: &str = "Sales Quote Lines";

/// A world where orders travel one way, with everything that quotes and orders refer to.
pub async fn prepared() -> World {
    let world = World::start(WorldOptions { sales_orders: SalesOrders::Legacy, ..options() }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    let write_in = items(&world)[1].clone();
    let setup = json!({"writeInProductType": "Item", "writeInProductNumber": write_in});
    world.business_central.set_up_sales(setup).expect("taken");
    world
}

/// A document of Sales with a line of an item and one that was written in.
pub async fn document(world: &World, table: &str, values: &Json) -> Uuid {
    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let item = world.business_central_id("Item", "number", items(world)[0].as_str().expect("a number"));
    let product = world.coupled_row("ITEM-PRODUCT", item).await;
    let usual = json!({"name": "Bicycles", "customerid_account@odata.bind": format!("/accounts({account})")});
    let document = world.dataverse.create_as_user(table, with(usual, values)).expect("taken");
    let lines = [
        json!({
            "productid@odata.bind": format!("/products({})", text(&product, "productid")),
            "uomid@odata.bind": format!("/uoms({})", text(&product, "_defaultuomid_value")),
            "quantity": 3, "priceperunit": 100, "ispriceoverridden": true, "manualdiscountamount": 10,
        }),
        json!({"isproductoverridden": true, "productdescription": "Painting", "quantity": 1, "priceperunit": 50}),
    ];
    for (place, line) in (1..).zip(lines) {
        let of = json!({format!("{table}id@odata.bind"): format!("/{table}s({document})"), "sequencenumber": place});
        world.dataverse.create_as_user(&format!("{table}detail"), with(line, &of)).expect("taken");
    }
    document
}

/// An order that was submitted in Sales.
pub async fn submitted(world: &World) -> Uuid {
    let order = document(world, "salesorder", &json!({})).await;
    world.dataverse.update_as_user("salesorder", order, json!({"statecode": 1, "statuscode": 3})).expect("submitted");
    order
}

/// The order of Business Central that an order of Sales became.
pub fn order_of(world: &World, order: Uuid) -> Map<String, Json> {
    let row = world.dataverse.row("salesorder", order).expect("there");
    let orders = world.business_central.rows("Sales Header");
    orders.into_iter().find(|own| own["yourReference"] == row["ordernumber"]).expect("taken over")
}

async fn activated(world: &World) -> Uuid {
    let quote = document(world, "quote", &json!({"discountamount": 20})).await;
    activate(world, quote);
    quote
}

pub fn activate(world: &World, quote: Uuid) {
    world.dataverse.update_as_user("quote", quote, json!({"statecode": 1, "statuscode": 2})).expect("activated");
}

/// A quote is lost.
async fn close(world: &World, quote: Uuid) {
    let close =
        json!({"@odata.type": "Microsoft.Dynamics.CRM.quoteclose", "quoteid@odata.bind": format!("/quotes({quote})")});
    world.sales_action("CloseQuote", &json!({"QuoteClose": close, "Status": 5})).await;
}

/// The quote of Business Central with the number of one of Sales, and its lines in order.
pub fn quote_of(world: &World, quote: Uuid) -> (Map<String, Json>, Vec<Map<String, Json>>) {
    let row = world.dataverse.row("quote", quote).expect("there");
    let mut quotes = world.business_central.rows("Sales Header (Quote)");
    quotes.retain(|own| own["yourReference"] == row["quotenumber"]);
    assert_eq!(quotes.len(), 1, "{quotes:?}");
    let quote = quotes.remove(0);
    let mut lines = world.business_central.rows("Sales Line (Quote)");
    lines.retain(|line| line["documentId"] == quote["id"]);
    lines.sort_by_key(|line| line["sequence"].as_i64());
    (quote, lines)
}

fn expect_whole(world: &World, quote: Uuid) -> Map<String, Json> {
    let row = world.dataverse.row("quote", quote).expect("there");
    let (here, lines) = quote_of(world, quote);
    assert_eq!(
        lines
            .iter()
            .filter(|line| number(line, "quantity").is_sign_positive() && !number(line, "quantity").is_zero())
            .count(),
        2
    );
    assert_eq!(number(&here, "totalAmountExcludingTax"), number(&row, "totalamountlessfreight"), "to the cent");
    here
}

#[tokio::test]
async fn c_166_c_168_c_170_an_active_quote_becomes_a_quote_with_lines_and_notes_once() {
    let world = prepared().await;
    let draft = document(&world, "quote", &json!({})).await;
    let quote = activated(&world).await;
    let note = json!({"objectid_quote@odata.bind": format!("/quotes({quote})"), "subject": "Delivery", "notetext": "<p>Call first</p>"});
    world.dataverse.create_as_user("annotation", note).expect("taken");
    // The note waits for its quote.
    world.run("Sales Order Notes", RunMode::Modified).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{:?}", world.failures(QUOTES).await);
    let here = expect_whole(&world, quote);
    // A blank currency is shown as the local one.
    assert_eq!((text(&here, "currencyCode"), text(&here, "customerNumber")), ("USD", "C00010"), "C-166");
    let row = world.dataverse.row("quote", quote).expect("there");
    assert_eq!((row["statecode"].as_i64(), row["statuscode"].as_i64()), (Some(1), Some(2)), "C-166");
    let (_, lines) = quote_of(&world, quote);
    assert!(
        lines
            .iter()
            .any(|line| line["lineObjectNumber"] == items(&world)[1] && text(line, "description") == "Painting"),
        "C-168"
    );
    world.run("Sales Order Notes", RunMode::Modified).await;
    let notes = world.business_central.rows("Record Link");
    assert_eq!(notes.len(), 1, "C-170");
    assert_eq!((text(&notes[0], "text"), &notes[0]["documentId"]), ("Call first", &here["id"]), "C-170");
    assert_eq!(world.dataverse.row("quote", draft).expect("there")["statecode"], 0);
    assert_eq!(world.business_central.rows("Sales Header (Quote)").len(), 1, "drafts stay");
    count_anew(&world);
    for job in [QUOTES, "Sales Order Notes"] {
        let quiet = world.run(job, RunMode::Modified).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0), "{job}");
        expect_requests(&world, &format!("nothing changed for {job}"), 3);
    }
}

#[tokio::test]
async fn s156_s157_a_revised_quote_is_archived_and_replaced_and_a_lost_one_leaves() {
    let world = prepared().await;
    let quote = activated(&world).await;
    world.run(QUOTES, RunMode::Modified).await;
    let before = expect_whole(&world, quote);
    let released = id(&before, "id");
    world.business_central.run_action_as_user("Sales Header (Quote)", released, "release").expect("released");
    world.sales_action("ReviseQuote", &json!({"QuoteId": quote})).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "the revision is a draft");
    let rows = world.dataverse.rows("quote");
    let revision = rows.iter().find(|row| id(row, "quoteid") != quote).expect("a revision");
    let revision = id(revision, "quoteid");
    world
        .dataverse
        .update_as_user("quote", revision, json!({"name": "More bicycles", "discountamount": 5}))
        .expect("taken");
    activate(&world, revision);
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(QUOTES).await);
    let after = expect_whole(&world, revision);
    assert_eq!((&after["id"], &after["number"]), (&before["id"], &before["number"]));
    // Codes are in capitals.
    assert_eq!(text(&after, "externalDocumentNumber"), "MORE BICYCLES");
    let lines = world.dataverse.rows("quotedetail");
    let of_revision = lines.iter().filter(|line| id(line, "_quoteid_value") == revision).count();
    assert_eq!(world.couplings(LINES).await, of_revision as u64, "the revision's lines alone");
    close(&world, revision).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(QUOTES).await);
    assert!(world.business_central.rows("Sales Header (Quote)").is_empty());
    assert!(world.business_central.rows("Sales Line (Quote)").is_empty());
    // One of what was revised, one of what was lost, and one that Business Central makes of what is deleted.
    let versions = world.business_central.quote_versions();
    assert!(versions.len() == 3 && versions.iter().all(|version| version.lines > 0), "{versions:?}");
    assert_eq!((world.couplings(QUOTES).await, world.couplings(LINES).await), (0, 0));
}

#[tokio::test]
async fn s152_a_revision_that_is_lost_before_anybody_looked_takes_what_it_revised_with_it() {
    let world = prepared().await;
    let quote = activated(&world).await;
    world.run(QUOTES, RunMode::Modified).await;
    let revision = world.revise_quote(quote).await;
    activate(&world, revision);
    close(&world, revision).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(QUOTES).await);
    assert!(world.business_central.rows("Sales Header (Quote)").is_empty());
    assert_eq!((world.couplings(QUOTES).await, world.couplings(LINES).await), (0, 0));
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (0, 0, 0));
}

#[tokio::test]
async fn no_coupling_of_a_line_is_left_of_a_revised_or_lost_quote_wherever_a_worker_dies() {
    for fatal in [Failpoint::Parted, Failpoint::LinesParted] {
        let world = prepared().await;
        let quote = activated(&world).await;
        world.run(QUOTES, RunMode::Modified).await;
        if fatal == Failpoint::LinesParted {
            world.sales_action("ReviseQuote", &json!({"QuoteId": quote})).await;
            let rows = world.dataverse.rows("quote");
            let revision = rows.iter().map(|row| id(row, "quoteid")).find(|id| *id != quote).expect("a revision");
            activate(&world, revision);
            die_and_deliver_twice(&world, QUOTES, RunMode::Modified, fatal).await;
            expect_whole(&world, revision);
            assert_eq!(world.couplings(QUOTES).await, 1);
        } else {
            close(&world, quote).await;
            die_and_deliver_twice(&world, QUOTES, RunMode::Modified, fatal).await;
            assert_eq!((world.couplings(QUOTES).await, world.couplings(LINES).await), (0, 0));
        }
    }
}

#[tokio::test]
async fn c_171_c_172_a_won_quote_is_tied_to_the_order_that_sales_makes_of_it() {
    let world = prepared().await;
    let known = activated(&world).await;
    world.run(QUOTES, RunMode::Modified).await;
    let new = activated(&world).await;
    for quote in [known, new] {
        world.sales_action("ConvertQuoteToSalesOrder", &json!({"QuoteId": quote})).await;
    }
    // The orders are not submitted yet: the quotes are released.
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(QUOTES).await);
    for quote in [known, new] {
        assert_eq!(text(&quote_of(&world, quote).0, "documentStatus"), "Released", "S168");
    }
    for row in world.dataverse.rows("salesorder") {
        let order = id(&row, "salesorderid");
        world
            .dataverse
            .update_as_user("salesorder", order, json!({"statecode": 1, "statuscode": 3}))
            .expect("submitted");
    }
    world.run("Auto Create Sales Orders", RunMode::Modified).await;
    for _ in 0..2 {
        let run = world.run(QUOTES, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{:?}", world.failures(QUOTES).await);
    }
    assert_eq!(world.business_central.rows("Sales Header").len(), 2, "one order each");
    for row in world.dataverse.rows("salesorder") {
        let quote = quote_of(&world, id(&row, "_quoteid_value")).0;
        let order = order_of(&world, id(&row, "salesorderid"));
        assert_eq!(order["quoteNumber"], quote["number"], "C-171, C-172");
    }
}

#[tokio::test]
async fn s154_a_quote_that_became_an_order_in_business_central_is_not_made_again_when_it_is_won() {
    let world = prepared().await;
    let quote = document(&world, "quote", &json!({"effectiveto": "2027-03-01"})).await;
    activate(&world, quote);
    world.run(QUOTES, RunMode::Modified).await;
    let here = quote_of(&world, quote).0;
    assert_eq!(text(&here, "validUntilDate"), "2027-03-01", "whatever the setup says how long quotes are valid");
    world.business_central.run_action_as_user("Sales Header (Quote)", id(&here, "id"), "makeOrder").expect("an order");
    world.sales_action("ConvertQuoteToSalesOrder", &json!({"QuoteId": quote})).await;
    for mode in [RunMode::Modified, RunMode::Full, RunMode::Modified] {
        let run = world.run(QUOTES, mode).await;
        assert_eq!((run.counters.inserted, run.counters.failed), (0, 0), "{:?}", world.failures(QUOTES).await);
        assert!(world.business_central.rows("Sales Header (Quote)").is_empty(), "{mode:?}");
    }
    assert_eq!(world.couplings(QUOTES).await, 1, "it counts as made");
}

#[tokio::test]
async fn s168_a_won_quote_that_only_an_approval_may_release_is_tied_to_its_order_all_the_same() {
    let world = prepared().await;
    let quote = activated(&world).await;
    world.run(QUOTES, RunMode::Modified).await;
    world.business_central.refuse_release(true);
    world.sales_action("ConvertQuoteToSalesOrder", &json!({"QuoteId": quote})).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 1), "{:?}", world.failures(QUOTES).await);
    let order = id(&world.dataverse.rows("salesorder")[0], "salesorderid");
    world.dataverse.update_as_user("salesorder", order, json!({"statecode": 1, "statuscode": 3})).expect("submitted");
    world.run("Auto Create Sales Orders", RunMode::Modified).await;
    let run = world.run(QUOTES, RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.noted), (0, 0), "{:?}", world.failures(QUOTES).await);
    assert_eq!(order_of(&world, order)["quoteNumber"], quote_of(&world, quote).0["number"]);
}
