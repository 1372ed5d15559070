//! What was synchronized meanwhile is not sent again, and nothing else is taken for that.

use couplet_model::job::RunState;
use couplet_runtime::handlers::RunMode;
use couplet_runtime::replay::{ReplayOutcome, ReplayRequest};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, ITEMS, everything, outcomes, text};

#[tokio::test]
async fn what_was_synchronized_meanwhile_is_counted_and_not_sent_again() {
    let bench = Bench::start().await;
    let items = bench.items();
    let run = bench.rename_and_let_die(&items[..6], "Renamed").await;
    bench.find(ITEMS, RunMode::Full).await;
    bench.drain().await;
    let before = bench.run_of(run).await;
    assert_eq!(before.state(), RunState::InProcess, "six records are missing");

    let rehearsal = bench.replay(&ReplayRequest { dry_run: true, ..everything() }).await;
    assert_eq!(outcomes(&rehearsal), [(ReplayOutcome::SynchronizedMeanwhile, 6)]);
    assert_eq!((bench.run_of(run).await.processed, bench.dead().await), (0, 6));

    let requests = (bench.business_central.requests(), bench.dataverse.requests());
    assert_eq!(outcomes(&bench.replay(&everything()).await), [(ReplayOutcome::SynchronizedMeanwhile, 6)]);
    assert_eq!((bench.open().await, bench.dead().await), (0, 0));
    assert_eq!((bench.business_central.requests(), bench.dataverse.requests()), requests, "no system is asked");
    let after = bench.run_of(run).await;
    assert_eq!((after.state(), after.processed), (RunState::Success, 6));
    assert_eq!(after.counters.unchanged - before.counters.unchanged, 6);
}

#[tokio::test]
async fn a_pair_that_was_synchronized_the_other_way_only_is_sent_again() {
    let bench = Bench::start().await;
    let item = bench.items()[0];
    bench.change(item, json!({ "unitPrice": 77 }));
    bench.find(ITEMS, RunMode::Modified).await;
    bench.let_die().await;
    // Our own write gives the item a newer version and a later time of change, and does not carry the price across.
    bench.change_product(item, json!({ "name": "Named in Sales" })).await;
    bench.find(ITEMS, RunMode::Modified).await;
    bench.drain().await;
    assert_eq!(text(&bench.business_central.row("Item", item).expect("there"), "displayName"), "Named in Sales");

    let report = bench.replay(&everything()).await;
    assert_eq!(report.count(ReplayOutcome::SynchronizedMeanwhile), 0);
    bench.drain().await;
    let product = bench.product(item).await;
    let price: Decimal = product["price"].to_string().parse().expect("a number");
    assert_eq!((price, text(&product, "name")), (Decimal::from(77), "Named in Sales"));
}

#[tokio::test]
async fn forced_records_and_records_without_what_was_read_are_always_sent_again() {
    let bench = Bench::start().await;
    // A full synchronization forces; dead, and synchronized by another one.
    bench.find(ITEMS, RunMode::Full).await;
    bench.let_die().await;
    let forced = bench.dead().await;
    assert!(forced >= 12, "{forced}");
    bench.find(ITEMS, RunMode::Full).await;
    bench.drain().await;
    let report = bench.replay(&everything()).await;
    let to_dataverse = report
        .dead_letters
        .iter()
        .filter(|dead_letter| dead_letter.direction == Some(couplet_model::message::Direction::ToDataverse));
    assert!(to_dataverse.clone().count() >= 12);
    assert!(to_dataverse.clone().all(|dead_letter| dead_letter.outcome == ReplayOutcome::Moved));
    // Brought back, they have no snapshot any more: dead again they are sent again, whatever happened meanwhile.
    bench.let_die().await;
    let report = bench.replay(&everything()).await;
    assert_eq!(report.count(ReplayOutcome::Moved), report.dead_letters.len());
    let bodies = bench.visible(&bench.services().queue_url).await;
    for body in &bodies {
        let body: Json = serde_json::from_str(body).expect("JSON");
        assert_eq!((body.get("snapshot"), &body["replay"]), (None, &json!(report.replay)));
    }
    bench.drain().await;
    assert_eq!((bench.open().await, bench.dead().await), (0, 0));
}
