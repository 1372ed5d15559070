//! Sales prices of customer price groups, and price lists with their lines, as price lists of Sales.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use couplet_model::Clock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::strategy::{Strategy, ValueTree};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, number, text};

const LISTS: &str = "PLHEADER-PRICE";
const LINES: &str = "PLLINE-PRODPRICE";
const GROUPS: &str = "CUSTPRCGRP-PRICE";
const PRICES: &str = "SALESPRC-PRODPRICE";

/// Claims of dead workers end at once, so that the tests need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

/// A world in which the products are there, with the newer pricing or the classic one.
async fn products(extended_pricing: bool) -> World {
    let world = World::start(WorldOptions { extended_pricing, engine: options(), ..WorldOptions::default() }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT", "RESOURCE-PRODUCT"] {
        let run = world.run(job, RunMode::Full).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    world
}

/// The unblocked records of a table, in the order of their numbers.
fn assets(world: &World, table: &str) -> Vec<Map<String, Json>> {
    let mut rows = world.business_central.rows(table);
    rows.retain(|row| row["blocked"] == json!(false));
    rows.sort_by_key(|row| text(row, "number").to_owned());
    rows
}

fn create(world: &World, table: &str, values: Json) -> Uuid {
    world.business_central.create_as_user(table, values).unwrap_or_else(|error| panic!("{table}: {error:?}"))
}

fn change(world: &World, table: &str, record: Uuid, values: Json) {
    world.business_central.update_as_user(table, record, values).unwrap_or_else(|error| panic!("{table}: {error:?}"));
}

/// A price list in the local currency.
#[expect(clippy::needless_pass_by_value, reason = "lists are short and read better without references")]
fn list(world: &World, code: &str, special: Json) -> Uuid {
    let mut values = json!({"code": code, "displayName": format!("List {code}"), "status": "Active"});
    let special = special.as_object().expect("columns").clone();
    values.as_object_mut().expect("columns").extend(special);
    create(world, "Price List Header", values)
}

/// A line of a price list for an item or a resource.
fn line(world: &World, list: &str, kind: &str, asset: &Map<String, Json>, price: f64) -> Uuid {
    let values = json!({"priceListCode": list, "assetType": kind, "assetNo": asset["number"], "unitPrice": price});
    create(world, "Price List Line", values)
}

/// A sales price of a group.
fn price(world: &World, group: &str, item: &Map<String, Json>, price: f64) -> Uuid {
    let values = json!({
        "salesType": "Customer Price Group", "salesCode": group, "itemNo": item["number"], "unitPrice": price,
    });
    create(world, "Sales Price", values)
}

/// The price list of Dataverse with a name.
fn level(world: &World, name: &str) -> Map<String, Json> {
    let mut rows = world.dataverse.rows("pricelevel").into_iter().filter(|row| text(row, "name") == name);
    let level = rows.next().unwrap_or_else(|| panic!("no price list {name}"));
    assert!(rows.next().is_none(), "two price lists {name}");
    level
}

/// Product numbers and amounts of a price list of Dataverse.
fn amounts(world: &World, name: &str) -> Vec<(String, rust_decimal::Decimal)> {
    let list = id(&level(world, name), "pricelevelid").to_string();
    let rows = world.dataverse.rows("productpricelevel");
    let own = rows.iter().filter(|row| text(row, "_pricelevelid_value") == list);
    let mut amounts: Vec<_> = own.map(|row| (text(row, "productnumber").to_owned(), number(row, "amount"))).collect();
    amounts.sort();
    amounts
}

fn expected(prices: &[(&Map<String, Json>, &str)]) -> Vec<(String, rust_decimal::Decimal)> {
    let mut amounts: Vec<_> = prices
        .iter()
        .map(|(asset, price)| (text(asset, "number").to_owned(), price.parse().expect("an amount")))
        .collect();
    amounts.sort();
    amounts
}

#[tokio::test]
async fn c_192_c_197_a_group_with_two_prices_becomes_a_price_list_with_two_prices() {
    let world = products(false).await;
    let items = assets(&world, "Item");
    let first = price(&world, "RETAIL", &items[0], 11.5);
    let second = price(&world, "RETAIL", &items[1], 22.25);
    let groups = world.run(GROUPS, RunMode::Full).await;
    assert_eq!((groups.counters.inserted, groups.counters.failed), (2, 0), "{:?}", world.failures(GROUPS).await);
    let prices = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((prices.counters.inserted, prices.counters.failed), (2, 0), "{:?}", world.failures(PRICES).await);
    assert_eq!(text(&level(&world, "RETAIL"), "description"), "Retail");
    assert_eq!(amounts(&world, "RETAIL"), expected(&[(&items[0], "11.5"), (&items[1], "22.25")]), "C-192");

    // The price of the item itself is that of the default price list.
    change(&world, "Item", id(&items[0], "id"), json!({"unitPrice": 99}));
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(amounts(&world, "RETAIL")[0].1, "11.5".parse().unwrap(), "C-197");

    // One is raised, the other one counts no more.
    change(&world, "Sales Price", first, json!({"unitPrice": 12.75}));
    change(&world, "Sales Price", second, json!({"endingDate": "2020-01-01"}));
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (2, 0), "{:?}", world.failures(PRICES).await);
    assert_eq!(amounts(&world, "RETAIL"), expected(&[(&items[0], "12.75")]));
    assert_eq!(world.couplings(PRICES).await, 1);
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (0, 0, 0));

    // Business Central tells nothing of deletions: a full synchronization and the first run of a day look for them.
    world.business_central.delete_as_user("Sales Price", first).expect("taken");
    let run = world.run(PRICES, RunMode::Full).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    assert_eq!((amounts(&world, "RETAIL"), world.couplings(PRICES).await), (Vec::new(), 0));
}

#[tokio::test]
async fn c_194_c_195_c_196_a_price_waits_for_group_and_item_and_adopts_what_is_there() {
    let world = products(false).await;
    let items = assets(&world, "Item");
    price(&world, "RETAIL", &items[0], 11.5);
    world.run(PRICES, RunMode::Modified).await;
    // The mapping of groups runs and couples nobody by itself: the price waits in vain, which is a failure.
    world.run(GROUPS, RunMode::Modified).await;
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 1, "C-194");
    let failure = world.failures(PRICES).await.pop().expect("a failure");
    assert_eq!(failure.field.as_deref(), Some("Sales Code"));
    assert!(failure.message.contains("RETAIL"), "{}", failure.message);

    // Somebody made a price in Sales before the group was coupled.
    let product = world.coupled_row("ITEM-PRODUCT", id(&items[0], "id")).await;
    let currency = text(&product, "_transactioncurrencyid_value");
    let retail = world.dataverse.create_as_user(
        "pricelevel",
        json!({"name": "RETAIL", "transactioncurrencyid@odata.bind": format!("/transactioncurrencies({currency})")}),
    );
    let retail = retail.expect("a price list");
    let by_hand = json!({
        "pricelevelid@odata.bind": format!("/pricelevels({retail})"),
        "productid@odata.bind": format!("/products({})", id(&product, "productid")),
        "uomid@odata.bind": format!("/uoms({})", text(&product, "_defaultuomid_value")),
        "amount": 100,
    });
    let by_hand = world.dataverse.create_as_user("productpricelevel", by_hand).expect("a price");
    let run = world.run(GROUPS, RunMode::Full).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(GROUPS).await);
    world.run(PRICES, RunMode::Modified).await;
    assert_eq!(amounts(&world, "RETAIL"), expected(&[(&items[0], "11.5")]), "C-195: one price, adopted");
    let adopted = world.dataverse.row("productpricelevel", by_hand).expect("it is there still");
    assert_eq!(number(&adopted, "amount"), "11.5".parse().unwrap());
    assert!(world.failures(PRICES).await.is_empty());

    // An item that does not travel keeps its price from travelling.
    let blocked = world.business_central.rows("Item").into_iter().find(|row| row["blocked"] == json!(true)).unwrap();
    price(&world, "RETAIL", &blocked, 3.0);
    world.run(PRICES, RunMode::Modified).await;
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 1, "C-196");
    assert_eq!(world.failures(PRICES).await[0].field.as_deref(), Some("Item No."));
}

#[tokio::test]
async fn c_193_a_price_list_with_two_lines_becomes_a_price_list_with_two_prices() {
    let world = products(true).await;
    let (items, resources) = (assets(&world, "Item"), assets(&world, "Resource"));
    let header = list(&world, "S00001", json!({"startingDate": "2026-01-01", "endingDate": "2099-12-31"}));
    line(&world, "S00001", "Item", &items[0], 11.5);
    let second = line(&world, "S00001", "Resource", &resources[0], 22.25);
    list(&world, "S00002", json!({"status": "Draft"}));
    line(&world, "S00002", "Item", &items[0], 10.0);
    let run = world.run(LISTS, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures(LISTS).await);
    let run = world.run(LINES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (3, 0), "{:?}", world.failures(LINES).await);
    let level_of = |name| level(&world, name);
    assert_eq!(amounts(&world, "S00001"), expected(&[(&items[0], "11.5"), (&resources[0], "22.25")]), "C-193");
    assert_eq!((&level_of("S00001")["statecode"], &level_of("S00002")["statecode"]), (&json!(0), &json!(1)), "S241");
    assert_eq!(text(&level_of("S00001"), "description"), "List S00001");
    assert!(text(&level_of("S00001"), "begindate").starts_with("2026-01-01"), "{:?}", level_of("S00001"));
    for job in [LISTS, LINES] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (0, 0, 0), "{job}");
    }

    // A line of an active list is not deleted; that the list was a draft meanwhile tells of it.
    assert!(world.business_central.delete_as_user("Price List Line", second).is_err());
    change(&world, "Price List Header", header, json!({"status": "Draft"}));
    world.business_central.delete_as_user("Price List Line", second).expect("taken");
    let run = world.run(LINES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    assert_eq!(amounts(&world, "S00001"), expected(&[(&items[0], "11.5")]));
    let run = world.run(LISTS, RunMode::Modified).await;
    assert_eq!((run.counters.modified, &level_of("S00001")["statecode"]), (1, &json!(1)), "a draft is out of use");

    // A list that takes no part any more takes its prices along.
    change(&world, "Price List Header", header, json!({"allowUpdatingDefaults": true}));
    let run = world.run(LINES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    assert_eq!(amounts(&world, "S00001"), Vec::new());
}

#[tokio::test]
async fn s233_s240_a_list_in_another_currency_keeps_it_and_its_amounts() {
    let world = products(true).await;
    let items = assets(&world, "Item");
    let header = list(&world, "EXPORT", json!({"currencyCode": "EUR"}));
    let first = line(&world, "EXPORT", "Item", &items[0], 1234.56);
    world.run(LISTS, RunMode::Full).await;
    let run = world.run(LINES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{:?}", world.failures(LINES).await);
    let euro =
        world.dataverse.rows("transactioncurrency").into_iter().find(|row| text(row, "isocurrencycode") == "EUR");
    let euro = text(&euro.expect("the euro"), "transactioncurrencyid").to_owned();
    assert_eq!(text(&level(&world, "EXPORT"), "_transactioncurrencyid_value"), euro);
    assert_eq!(text(&world.coupled_row(LINES, first).await, "_transactioncurrencyid_value"), euro);
    assert_eq!(amounts(&world, "EXPORT"), expected(&[(&items[0], "1234.56")]), "not converted");

    change(&world, "Price List Header", header, json!({"currencyCode": "GBP"}));
    change(&world, "Price List Line", first, json!({"currencyCode": "GBP"}));
    for (job, words) in [(LISTS, "EXPORT is in GBP"), (LINES, "line 10000 of price list EXPORT is in GBP")] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 1, "{job}");
        let failure = world.failures(job).await.pop().expect("a failure");
        assert!(failure.message.contains(words) && failure.message.contains("E59"), "{}", failure.message);
        assert_eq!(failure.field.as_deref(), Some("Currency Code"));
    }
    assert_eq!(amounts(&world, "EXPORT"), expected(&[(&items[0], "1234.56")]));
}

/// A list of four lines that is coupled; the lines are not.
async fn a_list_of_four(code: &str) -> (World, Vec<Uuid>) {
    let world = products(true).await;
    list(&world, code, json!({"status": "Draft"}));
    let items = assets(&world, "Item");
    let lines = items[..4].iter().map(|item| line(&world, code, "Item", item, 5.5)).collect();
    world.run(LISTS, RunMode::Full).await;
    (world, lines)
}

#[tokio::test]
async fn prices_survive_a_death_at_every_failpoint() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_DELETIONS) {
        let (world, lines) = a_list_of_four("S00001").await;
        let report = world.find(LINES, RunMode::Modified).await;
        if Failpoint::ALL.contains(&fatal) {
            world.drain_killed(fatal, options()).await;
        } else {
            world.drain().await;
        }
        assert_eq!(world.run_of(LINES, report.run).await.counters.failed, 0, "{fatal:?}");
        assert_eq!((amounts(&world, "S00001").len(), world.couplings(LINES).await), (4, 4), "{fatal:?}");

        // One is raised, one changes its item, one is deleted, one counts no more.
        change(&world, "Price List Line", lines[0], json!({"unitPrice": 7}));
        let other = assets(&world, "Item")[5].clone();
        change(&world, "Price List Line", lines[1], json!({"assetNo": other["number"]}));
        world.business_central.delete_as_user("Price List Line", lines[2]).expect("taken");
        change(&world, "Price List Line", lines[3], json!({"minimumQuantity": 10}));
        world.find(LINES, RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        let items = assets(&world, "Item");
        assert_eq!(amounts(&world, "S00001"), expected(&[(&items[0], "7"), (&other, "5.5")]), "{fatal:?}");
        assert_eq!(world.couplings(LINES).await, 2, "{fatal:?}");
        assert!(world.queue.dead_letters().is_empty() && world.failures(LINES).await.is_empty(), "{fatal:?}");
    }
}

#[tokio::test]
async fn prices_that_lost_their_rows_with_their_worker_get_others_and_stop_nothing() {
    let world = products(true).await;
    list(&world, "S00001", json!({"status": "Draft"}));
    for number in 0..12 {
        let number = format!("X{number:02}");
        create(&world, "Item", json!({"number": number, "displayName": number, "baseUnitOfMeasureCode": "PCS"}));
    }
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    let items = assets(&world, "Item");
    let (before, after) = items[..24].split_at(12);
    let lines: Vec<Uuid> = before.iter().map(|item| line(&world, "S00001", "Item", item, 5.5)).collect();
    world.run(LISTS, RunMode::Full).await;
    world.run(LINES, RunMode::Modified).await;
    assert_eq!((amounts(&world, "S00001").len(), world.couplings(LINES).await), (12, 12));

    // All change their items, so all their rows are taken away; the worker dies before it could part the pairs.
    for (line, item) in lines.iter().zip(after) {
        change(&world, "Price List Line", *line, json!({"assetNo": item["number"]}));
    }
    world.find(LINES, RunMode::Modified).await;
    world.drain_killed(Failpoint::Parted, options()).await;
    let expected_prices: Vec<(&Map<String, Json>, &str)> = after.iter().map(|item| (item, "5.5")).collect();
    assert_eq!(amounts(&world, "S00001"), expected(&expected_prices));
    assert_eq!(world.couplings(LINES).await, 12);
    assert!(world.queue.dead_letters().is_empty() && world.failures(LINES).await.is_empty());

    // A row that somebody deleted in Dataverse is made again: Business Central alone says what a price is.
    let row = world.coupled_row(LINES, lines[0]).await;
    let row = Uuid::parse_str(text(&row, "productpricelevelid")).expect("an id");
    world.dataverse.delete_as_user("productpricelevel", row).expect("taken");
    world.run(LINES, RunMode::Full).await;
    assert_eq!(amounts(&world, "S00001"), expected(&expected_prices));
    assert_eq!(world.couplings(LINES).await, 12);
}

#[tokio::test]
async fn price_lists_survive_a_death_at_every_failpoint() {
    for fatal in Failpoint::ALL {
        for (extended, job) in [(true, LISTS), (false, GROUPS)] {
            let world = products(extended).await;
            if extended {
                list(&world, "S00001", json!({"status": "Draft"}));
                list(&world, "S00002", json!({"currencyCode": "EUR"}));
            }
            world.find(job, RunMode::Full).await;
            world.drain_killed(fatal, options()).await;
            assert_eq!(world.couplings(job).await, 2, "{fatal:?} {job}");
            assert_eq!(world.dataverse.count("pricelevel"), 3, "{fatal:?} {job}: with the default one");
            assert!(world.failures(job).await.is_empty(), "{fatal:?} {job}");
            if extended {
                assert_eq!(level(&world, "S00001")["statecode"], json!(1), "{fatal:?}");
            }
        }
    }
}

#[tokio::test]
async fn delivering_prices_twice_and_backwards_makes_nothing_twice() {
    let (world, lines) = a_list_of_four("S00001").await;
    for work in 0..2 {
        world.find(LINES, if work == 0 { RunMode::Modified } else { RunMode::Full }).await;
        let mut deliveries = world.queue.take(1000);
        let again: Vec<_> = deliveries.iter().rev().cloned().collect();
        deliveries.extend(again.clone());
        for batch in [deliveries, again] {
            let dispositions = world.engine.sync_batch(batch.clone()).await.dispositions;
            for (delivery, disposition) in batch.into_iter().zip(dispositions) {
                match disposition {
                    Disposition::Done => {}
                    Disposition::Return { .. } => panic!("{delivery:?} comes back"),
                    Disposition::Postpone { .. } => world.queue.postpone(delivery),
                }
            }
        }
        world.drain().await;
        if work == 0 {
            assert_eq!((amounts(&world, "S00001").len(), world.couplings(LINES).await), (4, 4));
            let other = assets(&world, "Item")[5].clone();
            change(&world, "Price List Line", lines[1], json!({"assetNo": other["number"]}));
            world.business_central.delete_as_user("Price List Line", lines[2]).expect("taken");
            change(&world, "Price List Line", lines[3], json!({"minimumQuantity": 10}));
        }
    }
    assert_eq!((amounts(&world, "S00001").len(), world.couplings(LINES).await), (2, 2));
}

#[tokio::test]
async fn a_price_comes_and_goes_on_its_days_and_a_deleted_one_within_a_day_although_nothing_changes() {
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = {
        let ahead = Arc::clone(&ahead);
        Clock::new(move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::SeqCst)))
    };
    let engine = EngineOptions { clock, ..options() };
    let world = World::start(WorldOptions { extended_pricing: false, engine, ..WorldOptions::default() }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT", GROUPS] {
        world.run(job, RunMode::Full).await;
    }
    let items = assets(&world, "Item");
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let coming = price(&world, "RETAIL", &items[0], 1.5);
    change(&world, "Sales Price", coming, json!({"startingDate": (today + 1.day()).to_string()}));
    let going = price(&world, "RETAIL", &items[1], 2.5);
    change(&world, "Sales Price", going, json!({"endingDate": today.to_string()}));
    let deleted = price(&world, "RETAIL", &items[2], 3.5);
    world.run(PRICES, RunMode::Modified).await;
    assert_eq!(amounts(&world, "RETAIL"), expected(&[(&items[1], "2.5"), (&items[2], "3.5")]));
    world.business_central.delete_as_user("Sales Price", deleted).expect("taken");
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.enqueued), (0, 0), "nothing is looked at");
    // Both clocks go on, ours and the service's.
    ahead.store(86_400, Ordering::SeqCst);
    world.business_central.faults().set_clock_skew(SignedDuration::from_hours(24));
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (1, 2, 0));
    assert_eq!(amounts(&world, "RETAIL"), expected(&[(&items[0], "1.5")]));
    assert_eq!(world.couplings(PRICES).await, 1);
    let run = world.run(PRICES, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.enqueued), (0, 0), "once a day is enough");
}

#[tokio::test]
async fn no_amount_changes_on_its_way_through_both_wires() {
    let world = products(false).await;
    world.run(GROUPS, RunMode::Full).await;
    let item = assets(&world, "Item")[0].clone();
    let price = price(&world, "RETAIL", &item, 0.0);
    let amounts_in_cents = (0_i64..=100_000_000_000_000).prop_map(|cents| rust_decimal::Decimal::new(cents, 2));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for case in 0..40 {
        let amount = amounts_in_cents.new_tree(&mut runner).expect("an amount").current();
        let written: Json = serde_json::from_str(&format!(r#"{{"unitPrice": {amount}}}"#)).expect("JSON");
        change(&world, "Sales Price", price, written);
        world.run(PRICES, RunMode::Modified).await;
        assert_eq!(amounts(&world, "RETAIL"), [(text(&item, "number").to_owned(), amount)], "case {case}");
    }
    change(&world, "Sales Price", price, json!({"unitPrice": 1.255}));
    world.run(PRICES, RunMode::Modified).await;
    assert_eq!(amounts(&world, "RETAIL")[0].1, "1.26".parse().unwrap(), "as many digits as the column keeps");
    let run = world.run(PRICES, RunMode::Full).await;
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "what was rounded is not written again");
}
