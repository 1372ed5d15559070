//! Exchange rates are rows beside their currencies: new ones, corrected ones, and those that begin to count on a day of
//! their own reach Dataverse although no currency changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, RunMode};
use couplet_model::Clock;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use uuid::Uuid;

const RATES: &str = "Currency Exchange Rate";

async fn synchronized(options: WorldOptions) -> World {
    let world = World::start(options).await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!((run.counters.failed, run.counters.waiting), (0, 0), "{}", run.job);
    }
    world
}

async fn synchronize(world: &World) -> (u64, u64) {
    let run = world.run("CURRENCY", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures("CURRENCY").await);
    (run.enqueued, run.counters.modified)
}

/// Units of the currency per unit of the organization's base currency, as Dataverse has it.
fn rate(world: &World, code: &str) -> Decimal {
    let rows = world.dataverse.rows("transactioncurrency");
    let row = rows.iter().find(|row| row["isocurrencycode"] == json!(code)).expect("the currency is there");
    row["exchangerate"].to_string().parse::<Decimal>().expect("a number").normalize()
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

/// A number as exact JSON.
fn exact(text: &str) -> Json {
    serde_json::from_str(text).expect("a number")
}

fn add_rate(world: &World, code: &str, starts: &str, amount: &str, through: &str, relational: &str) -> Uuid {
    let values = json!({
        "currencyCode": code,
        "startingDate": starts,
        "exchangeRateAmount": exact(amount),
        "relationalCurrencyCode": through,
        "relationalExchangeRateAmount": exact(relational),
    });
    world.business_central.create_as_user(RATES, values).expect("the rate is taken")
}

fn rate_in_force(world: &World, code: &str) -> Uuid {
    let rows = world.business_central.rows(RATES);
    let of_code = rows.iter().filter(|row| row["currencyCode"] == json!(code));
    let newest = of_code.max_by_key(|row| row["startingDate"].as_str().map(str::to_owned)).expect("a rate");
    newest["id"].as_str().expect("an id").parse().expect("a GUID")
}

fn correct(world: &World, rate: Uuid, relational: &str) {
    let values = json!({"relationalExchangeRateAmount": exact(relational)});
    world.business_central.update_as_user(RATES, rate, values).expect("the correction is taken");
}

#[tokio::test]
async fn a_new_rate_reaches_dataverse_by_an_ordinary_run_and_once() {
    let world = synchronized(WorldOptions::default()).await;
    synchronize(&world).await;
    add_rate(&world, "EUR", "2026-06-01", "100", "", "200");
    let (_, modified) = synchronize(&world).await;
    assert_eq!((modified, rate(&world, "EUR")), (1, decimal("0.5")));
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    assert_eq!(synchronize(&world).await, (0, 0), "nothing changed since");
    assert_eq!((world.business_central.requests(), world.dataverse.requests()), (2, 0));
}

#[tokio::test]
async fn a_currency_that_changes_together_with_its_rate_counts_once_in_its_run() {
    let world = synchronized(WorldOptions::default()).await;
    synchronize(&world).await;
    let euro = world.business_central_id("Currency", "code", "EUR");
    world.business_central.update_as_user("Currency", euro, json!({"symbol": "E"})).expect("taken");
    add_rate(&world, "EUR", "2026-06-01", "100", "", "200");
    let run = world.run("CURRENCY", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.processed), (1, run.enqueued), "{run:?}");
    assert!(run.finished.is_some());
    assert_eq!(world.coupled_row("CURRENCY", euro).await["currencysymbol"], json!("E"));
    assert_eq!(rate(&world, "EUR"), decimal("0.5"));
}

#[tokio::test]
async fn a_correction_counts_if_its_rate_is_the_one_in_force() {
    let world = synchronized(WorldOptions::default()).await;
    let old = add_rate(&world, "EUR", "2024-01-01", "100", "", "300");
    assert_eq!(synchronize(&world).await.1, 0, "it is over");
    correct(&world, old, "301");
    assert_eq!(synchronize(&world).await.1, 0, "it is still over");
    correct(&world, rate_in_force(&world, "EUR"), "160");
    assert_eq!((synchronize(&world).await.1, rate(&world, "EUR")), (1, decimal("0.625")));
}

#[tokio::test]
async fn a_rate_through_a_third_currency_is_chained_and_follows_that_one() {
    let world = synchronized(WorldOptions::default()).await;
    add_rate(&world, "EUR", "2026-06-01", "100", "", "125.00");
    add_rate(&world, "DKK", "2026-06-01", "100", "EUR", "13.40");
    synchronize(&world).await;
    assert_eq!(rate(&world, "DKK"), decimal("5.9701492537"));
    correct(&world, rate_in_force(&world, "EUR"), "250.00");
    assert_eq!(synchronize(&world).await.1, 2);
    assert_eq!((rate(&world, "EUR"), rate(&world, "DKK")), (decimal("0.4"), decimal("2.9850746269")));
}

#[tokio::test]
async fn the_companys_own_currency_follows_a_foreign_base_currency() {
    let world = synchronized(WorldOptions { base_currency: "EUR".to_owned(), ..WorldOptions::default() }).await;
    for (euro, mode) in [("125.00", RunMode::Modified), ("80.00", RunMode::Full)] {
        correct(&world, rate_in_force(&world, "EUR"), euro);
        let run = world.run("CURRENCY", mode).await;
        assert_eq!(run.counters.failed, 0);
        assert_eq!(rate(&world, "USD"), decimal(euro) / decimal("100"), "{mode:?}");
        assert_eq!(rate(&world, "EUR"), Decimal::ONE);
        let danish = world.business_central.row(RATES, rate_in_force(&world, "DKK")).expect("a rate");
        let worth = decimal(&danish["relationalExchangeRateAmount"].to_string());
        assert_eq!(rate(&world, "DKK"), (decimal(euro) / worth).round_dp(10).normalize(), "every rate depends on it");
    }
    // A row that somebody spoiled is right again after a full synchronization.
    let rows = world.dataverse.rows("transactioncurrency");
    let own = rows.iter().find(|row| row["isocurrencycode"] == json!("USD")).expect("the row");
    let own: Uuid = own["transactioncurrencyid"].as_str().expect("an id").parse().expect("a GUID");
    world.dataverse.update_as_user("transactioncurrency", own, json!({"exchangerate": exact("7")})).expect("taken");
    world.run("CURRENCY", RunMode::Full).await;
    assert_eq!(rate(&world, "USD"), decimal("0.8"));
}

#[tokio::test]
async fn a_rate_that_cannot_be_worked_out_is_said_and_the_others_arrive() {
    let world = synchronized(WorldOptions { base_currency: "EUR".to_owned(), ..WorldOptions::default() }).await;
    correct(&world, rate_in_force(&world, "EUR"), "0");
    let report = world.find("CURRENCY", RunMode::Modified).await;
    let notes = report.notes.join(" ");
    assert!(notes.contains("company's currency USD") && notes.contains("currency EUR"), "{notes}");
    world.drain().await;
    assert!(world.failures("CURRENCY").await.iter().all(|failure| failure.message.contains("EUR")));
    correct(&world, rate_in_force(&world, "EUR"), "100");
    let run = world.run("CURRENCY", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert_eq!(rate(&world, "USD"), Decimal::ONE);
}

#[tokio::test]
async fn a_future_rate_counts_from_its_day_on_although_nothing_changes_that_day() {
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = {
        let ahead = Arc::clone(&ahead);
        Clock::new(move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::SeqCst)))
    };
    let engine = EngineOptions { clock, ..EngineOptions::default() };
    let world = synchronized(WorldOptions { engine, ..WorldOptions::default() }).await;
    let before = rate(&world, "EUR");
    let begins = Timestamp::now().to_zoned(TimeZone::UTC).date() + 2.days();
    add_rate(&world, "EUR", &begins.to_string(), "100", "", "400");
    assert_eq!((synchronize(&world).await.1, rate(&world, "EUR")), (0, before), "not yet");
    for day in 1..=3 {
        // Both clocks go on, ours and the service's.
        ahead.store(day * 86_400, Ordering::SeqCst);
        world.business_central.faults().set_clock_skew(SignedDuration::from_hours(24 * day));
        let modified = synchronize(&world).await.1;
        let expected = if day < 2 { (0, before) } else { (u64::from(day == 2), decimal("0.25")) };
        assert_eq!((modified, rate(&world, "EUR")), expected, "day {day}");
        assert_eq!(synchronize(&world).await.0, 0, "once a day is enough");
    }
}
