//! What people ask for, from the request to the messages of its records.

use std::time::Instant;

use couplet_model::coupling::CouplingState;
use couplet_model::message::{Direction, Precedence, Resolution, Wish};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::{Coupling, DataverseId, RecordId, SystemId};
use serde_json::json;

use super::{PAGE, RequestStatus};
use crate::bench::{Bench, COMPANY, id, pair};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const BC: Side = Side::BusinessCentral;

/// The messages of a request: direction, record, whose values count, whether it is created, what is asked for.
async fn messages(bench: &Bench, want: Want, of: Chosen) -> Vec<(Direction, RecordId, Precedence, bool, Option<Wish>)> {
    bench.engine.ask(&bench.mapping.name, want, of).await.expect("a request");
    let request = bench.take_request().expect("a task");
    let report = bench.engine.work_request(&request, None).await.expect("a store");
    let messages = bench.take_messages();
    assert_eq!((report.status, report.enqueued), (RequestStatus::Done, messages.len() as u64));
    assert!(messages.iter().all(|message| message.run == request.run));
    let shown = messages.iter().map(|message| {
        (message.direction, message.record, message.options.precedence, message.options.create, message.wish.clone())
    });
    shown.collect()
}

fn dataverse_wins() -> Resolution {
    Resolution { wins: Some(Side::Dataverse), ..Resolution::default() }
}

#[tokio::test]
async fn r113_r206_r218_r219_r220_each_want_sends_its_records_the_ways_it_has() {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 3, json!({"number": "C3", "displayName": "Adatum", "blocked": " "}));
    bench.dataverse.put("account", 13, json!({"name": "Adatum"}));
    bench.couple("CUSTOMER", [pair(1, 11, "C1"), Coupling { skipped: true, ..pair(2, 12, "C2") }]).await;
    let (source, other, usual) = (Precedence::Source, Precedence::Destination, Precedence::Changed);
    let chosen = |side, number| Chosen::Records(vec![(side, id(number))]);
    let sync = |direction, create| Want::Synchronize { direction, create };
    let pairs = Chosen::Pairs(vec![(SystemId::from(id(3)), DataverseId::from(id(13)))]);
    for (want, of, expected) in [
        // R219: Business Central's values win where no way was chosen.
        (sync(None, false), chosen(BC, 1), vec![(TO, id(1), source, false, None), (FROM, id(11), other, false, None)]),
        // R218: a pair may be named by either of its records.
        (sync(Some(FROM), false), chosen(BC, 1), vec![(FROM, id(11), source, false, None)]),
        (sync(Some(TO), false), chosen(Side::Dataverse, 11), vec![(TO, id(1), source, false, None)]),
        // R220: a record without a partner travels from where it is.
        (sync(None, true), chosen(BC, 5), vec![(TO, id(5), source, true, None)]),
        (sync(Some(FROM), true), chosen(BC, 5), Vec::new()),
        // R206: a pair ends once.
        (Want::Uncouple, chosen(Side::Dataverse, 11), vec![(TO, id(1), usual, false, Some(Wish::Uncouple))]),
        (Want::Skip, chosen(BC, 1), vec![(TO, id(1), usual, false, Some(Wish::Skip))]),
        // R113: what is taken up again is looked at from both sides.
        (
            Want::Unskip,
            Chosen::Skipped,
            vec![(TO, id(2), usual, false, Some(Wish::Unskip)), (FROM, id(12), usual, false, Some(Wish::Unskip))],
        ),
        // What both sides changed is settled the one way and the other.
        (
            Want::Resolve(dataverse_wins()),
            chosen(BC, 1),
            vec![
                (TO, id(1), usual, false, Some(Wish::Resolve(dataverse_wins()))),
                (FROM, id(11), usual, false, Some(Wish::Resolve(dataverse_wins()))),
            ],
        ),
        (Want::Couple { direction: FROM }, pairs, vec![(FROM, id(13), source, true, Some(Wish::Couple(id(3))))]),
    ] {
        assert_eq!(messages(&bench, want.clone(), of.clone()).await, expected, "{want:?} {of:?}");
    }
}

#[tokio::test]
async fn r113_what_failed_is_tried_again_as_it_was_asked_for() {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum", "blocked": " "}));
    bench.dataverse.fail(crate::bench::Call::Write, "account", couplet_model::system::SystemErrorKind::Refused);
    bench.sync(TO, &[1]).await;
    bench.dataverse.mend();
    let sent = messages(&bench, Want::Retry, Chosen::Failed).await;
    assert_eq!(sent, [(TO, id(1), Precedence::Changed, true, None)]);
}

#[tokio::test]
async fn what_cannot_be_carried_out_is_refused_before_anything_is_stored() {
    let bench = Bench::of("CURRENCY").await;
    let pairs = Chosen::Pairs(vec![(SystemId::from(id(1)), DataverseId::from(id(2)))]);
    let many = Chosen::Records(vec![(BC, id(1)); 2_001]);
    for (want, of, problem) in [
        (
            Want::Synchronize { direction: Some(FROM), create: false },
            Chosen::Coupled,
            "does not travel from Dataverse (EE3)",
        ),
        (Want::Couple { direction: FROM }, pairs, "does not travel from Dataverse (EE3)"),
        (Want::Couple { direction: TO }, Chosen::Coupled, "name the two records"),
        (Want::Uncouple, many, "name at most 2000"),
    ] {
        let refused = bench.engine.ask(&bench.mapping.name, want, of).await.expect_err("refused").to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    let lines = bench.engine.ask(&"POSTEDSALESLINE-INV".into(), Want::Uncouple, Chosen::Coupled).await;
    let refused = lines.expect_err("refused").to_string();
    assert!(refused.contains("POSTEDSALESLINE-INV"), "{refused}");
    assert!(bench.take_request().is_none());
    assert!(bench.engine.store().runs(COMPANY, "CURRENCY", 5).await.expect("a store").is_empty());
}

#[tokio::test]
async fn a_request_for_many_pairs_goes_on_from_task_to_task_and_its_run_ends() {
    let bench = Bench::of("CUSTOMER").await;
    let all = 2 * PAGE as u128 + 7;
    let coupled = (1..=all).map(|number| {
        Coupling::new(SystemId::from(id(number)), DataverseId::from(id(100_000 + number)), CouplingState::Coupled)
    });
    bench.couple("CUSTOMER", coupled).await;
    let run = bench.engine.ask(&bench.mapping.name, Want::Skip, Chosen::Coupled).await.expect("a request");
    let mut tasks = 0;
    while let Some(request) = bench.take_request() {
        tasks += 1;
        // The time is up at once, and the task is delivered once more after its first page.
        let report = bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
        assert_eq!(report.status == RequestStatus::Done, tasks == 3, "{report:?}");
    }
    let messages = bench.take_messages();
    assert_eq!((tasks, messages.len() as u128), (3, all));
    assert_eq!(u128::from(bench.stored(run).await.enqueued), all);
    assert!(bench.stored(run).await.finished.is_none(), "no record was processed yet");
    let deliveries = messages.into_iter().map(|message| crate::ports::Delivery { message, receive_count: 1 });
    bench.engine.sync_batch(deliveries.collect()).await;
    let ended = bench.stored(run).await;
    assert_eq!((ended.finished.is_some(), u128::from(ended.counters.skipped)), (true, all));
}
