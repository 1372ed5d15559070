//! What goes wrong on the way to a simulated Business Central: cut connections, throttling, outages, ended tokens.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::world::{NOTHING, all_written, id, item_creates, values, world};
use business_central_simulator::{Moment, RandomFaults};
use couplet_model::Value;
use couplet_model::system::{System, SystemErrorKind, Write};

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_batch_neither_loses_nor_duplicates() {
    for after in [false, true] {
        let world = world(NOTHING).await;
        let items = world.items();
        if after {
            world.simulator.faults().cut_after_write(30);
        } else {
            world.simulator.faults().cut_before_write(30);
        }
        let outcomes = world.write(&items, &item_creates(60)).await;
        assert!(all_written(&outcomes), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
        assert_eq!(world.simulator.rows("Item").len(), 60);
        assert_eq!(world.requests(), 3, "cut, repeated, and the taken ids updated");
    }
}

#[tokio::test]
async fn a_create_without_an_id_of_unknown_effect_is_not_repeated() {
    let world = world(NOTHING).await;
    let items = world.items();
    world.simulator.faults().cut_after_write(1);
    let create = Write::create(None, values(&[("number", Value::text("ONCE"))]));
    let error = world.write(&items, &[create]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Unreachable);
    assert_eq!((world.simulator.rows("Item").len(), world.requests()), (1, 1));
}

#[tokio::test]
async fn operations_that_fail_for_a_moment_are_sent_again_alone() {
    let world = world(NOTHING).await;
    let items = world.items();
    for (nth, moment) in [(10, Moment::Before), (20, Moment::After)] {
        world.simulator.faults().fail_write(nth, 503, moment);
    }
    let outcomes = world.write(&items, &item_creates(40)).await;
    assert!(all_written(&outcomes), "{:?}", outcomes.iter().find(|outcome| outcome.is_err()));
    assert_eq!(world.simulator.rows("Item").len(), 40);
    assert!(world.requests() <= 3);
}

#[tokio::test]
async fn throttling_outages_and_ended_tokens_are_waited_out() {
    let world = world(NOTHING).await;
    let items = world.items();
    let faults = world.simulator.faults();
    assert!(all_written(&world.write(&items, &item_creates(1)).await));
    let begun = Instant::now();
    faults.throttle_next(1, Some(Duration::from_secs(1)));
    assert!(all_written(&world.write(&items, &item_creates(3)).await));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(world.client.throttled(), 1);
    faults.expire_tokens();
    assert!(all_written(&world.write(&items, &item_creates(5)).await));
    faults.fail_next(2, 503);
    assert!(all_written(&world.write(&items, &item_creates(7)).await));
    assert_eq!(world.simulator.rows("Item").len(), 7);
    // The first write costs one request, the others a second one for the ids that are taken. Repeated are the throttled one,
    // the one with the old token, and twice what was down.
    assert_eq!((world.client.requests(), world.requests()), (11, 11));
}

#[tokio::test]
async fn random_faults_neither_lose_nor_duplicate() {
    for seed in 1..4 {
        let world = world(NOTHING).await;
        let items = world.items();
        let random = RandomFaults { seed, throttle: 0, unavailable: 250, cut: 250, cut_after_write: 5 };
        world.simulator.faults().set_random(Some(random));
        let mut open = item_creates(250);
        for _ in 0..10 {
            let outcomes = world.write(&items, &open).await;
            let mut failed = Vec::new();
            for (write, outcome) in open.into_iter().zip(outcomes) {
                if let Err(error) = outcome {
                    assert!(error.retry_class().is_technical(), "nobody's data is wrong: {error}");
                    failed.push(write);
                }
            }
            open = failed;
        }
        assert!(open.is_empty(), "{} writes are still open", open.len());
        let disturbed = world.simulator.request_log().iter().filter(|entry| entry.status != 200).count();
        assert!(disturbed > 0, "seed {seed} disturbs nothing");
        assert_eq!(world.simulator.rows("Item").len(), 250);
        assert!((0..250).all(|number| world.simulator.row("Item", id(number).0).is_some()));
        let creates: Vec<Write> = (0..10)
            .map(|number| Write::create(None, values(&[("number", Value::text(format!("S{number}")))])))
            .collect();
        let mut ids = HashSet::new();
        let mut unknown = 0;
        for outcome in world.write(&items, &creates).await {
            match outcome {
                Ok(written) => assert!(ids.insert(written.id)),
                Err(_) => unknown += 1,
            }
        }
        let there = world.simulator.rows("Item").len() - 250;
        assert!(there >= ids.len() && there <= ids.len() + unknown, "{there} rows for {} and {unknown}", ids.len());
    }
}
