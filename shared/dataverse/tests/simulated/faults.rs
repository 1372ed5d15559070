//! What goes wrong on the way to a simulated Dataverse: cut connections, deadlocks, throttling, ended tokens.

use std::time::{Duration, Instant};

use crate::world::{account_creates, failures, id, values, world};
use couplet_model::Value;
use couplet_model::system::{Resume, SystemErrorKind, Write};
use dataverse_simulator::{CutMoment, FaultRates};
use serde_json::json;

#[tokio::test]
async fn a_cut_connection_neither_loses_nor_duplicates() {
    for moment in [CutMoment::BeforeEffect, CutMoment::AfterEffect] {
        for count in [1, 200] {
            let world = world().await;
            let accounts = world.accounts();
            world.simulator.faults().cut_connection(1, moment);
            assert_eq!(failures(&world.write(&accounts, &account_creates(count)).await), []);
            assert_eq!((world.simulator.count("account"), world.requests()), (count as usize, 2), "{moment:?}");
            world.simulator.faults().bulk_unsupported("account", true);
            world.write(&accounts, &account_creates(3)).await;
            world.simulator.faults().cut_connection(1, moment);
            assert_eq!(failures(&world.write(&accounts, &account_creates(count + 3)).await), []);
            assert_eq!(world.simulator.count("account"), count as usize + 3);
        }
    }
}

#[tokio::test]
async fn a_create_without_an_id_of_unknown_effect_is_not_repeated() {
    for (moment, expected) in [(CutMoment::BeforeEffect, 0), (CutMoment::AfterEffect, 3)] {
        let world = world().await;
        world.simulator.faults().cut_connection(1, moment);
        let creates = vec![Write::create(None, values(&[("name", Value::text("Once"))])); 3];
        let outcomes = world.write(&world.accounts(), &creates).await;
        let failures = failures(&outcomes);
        assert!(failures.len() == 3 && failures.iter().all(|(_, error)| error.kind == SystemErrorKind::Unreachable));
        assert_eq!((world.simulator.count("account"), world.requests()), (expected, 1));
    }
}

#[tokio::test]
async fn a_guarded_update_whose_answer_was_lost_is_a_conflict_not_a_second_write() {
    let world = world().await;
    let accounts = world.accounts();
    world.write(&accounts, &account_creates(1)).await;
    let version = world.fetch(&accounts, &[id(0)], &["name"]).await.pop().unwrap().version;
    world.simulator.faults().cut_connection(1, CutMoment::AfterEffect);
    let update = Write::update(id(0), version, values(&[("name", Value::text("Ours"))]));
    let error = world.write(&accounts, &[update]).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::VersionConflict);
    assert_eq!(world.account(id(0))["name"], "Ours");
}

#[tokio::test]
async fn deadlocks_are_tried_again_in_bulk() {
    let world = world().await;
    let accounts = world.accounts();
    world.simulator.faults().deadlock_next(2);
    assert_eq!(failures(&world.write(&accounts, &account_creates(100)).await), []);
    assert_eq!((world.simulator.count("account"), world.requests()), (100, 3));
    world.simulator.faults().deadlock_next(1);
    let creates = vec![Write::create(None, values(&[("name", Value::text("Undone, so sent again"))])); 2];
    assert_eq!(failures(&world.write(&accounts, &creates).await), []);
    assert_eq!(world.simulator.count("account"), 102);
}

#[tokio::test]
async fn a_storm_of_429_is_waited_out_together() {
    let world = world().await;
    let accounts = world.accounts();
    world.add_accounts(10);
    world.simulator.faults().throttle_next(2, 1);
    let begun = Instant::now();
    let creates = account_creates(20);
    let feed = world.feed(&accounts, &["name"], Resume::Everything);
    let (feed, outcomes) = futures_util::future::join(feed, world.write(&accounts, &creates)).await;
    assert!((10..=30).contains(&feed.changes.len()), "those that were there, and perhaps some of the new ones");
    assert_eq!(failures(&outcomes), []);
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(3));
    assert_eq!(world.client.throttled(), 2);
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_handed_back() {
    let world = world().await;
    world.simulator.faults().throttle_next(1, 90);
    world.client.set_deadline(Some(Instant::now() + Duration::from_secs(5)));
    let outcomes = world.write(&world.accounts(), &account_creates(2)).await;
    for (_, error) in failures(&outcomes) {
        assert!(matches!(error.kind, SystemErrorKind::Throttled(wait) if wait > Duration::from_secs(80)), "{error}");
    }
    assert_eq!((failures(&outcomes).len(), world.requests()), (2, 1));
}

#[tokio::test]
async fn an_ended_token_and_a_short_outage_are_survived() {
    let world = world().await;
    let accounts = world.accounts();
    assert_eq!(failures(&world.write(&accounts, &account_creates(5)).await), []);
    world.simulator.faults().expire_tokens();
    assert_eq!(failures(&world.write(&accounts, &account_creates(5)).await), []);
    world.simulator.faults().fail_next(2, 503);
    assert_eq!(failures(&world.write(&accounts, &account_creates(5)).await), []);
    world.simulator.update_as_user("account", id(0).0, json!({"name": "x"})).unwrap();
    world.simulator.faults().fail_next(1, 504);
    assert_eq!(world.fetch(&accounts, &[id(0)], &["name"]).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_a_matter_of_set_up_and_is_not_shown() {
    let world = world().await;
    let mut settings = crate::world::settings(&world.simulator);
    settings.credential = "not-the-secret".into();
    assert!(!format!("{settings:?}").contains("not-the-secret"));
    let client = couplet_dataverse::DataverseClient::new(settings, std::collections::BTreeMap::new()).unwrap();
    let error = client.who_am_i().await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Unauthorized);
    assert!(error.message.contains("AADSTS") && !error.message.contains("not-the-secret"), "{error}");
}

/// Writes until everything is written, at most ten times, and counts what was left each time.
async fn write_until_done(world: &crate::world::World, writes: &[Write]) {
    let accounts = world.accounts();
    let mut open = writes.to_vec();
    for _ in 0..10 {
        let outcomes = world.write(&accounts, &open).await;
        for (_, error) in failures(&outcomes) {
            assert!(error.retry_class().is_technical(), "nobody's data is wrong: {error}");
        }
        let failed: Vec<Write> = failures(&outcomes).into_iter().map(|(place, _)| open[place].clone()).collect();
        open = failed;
        if open.is_empty() {
            return;
        }
    }
    panic!("{} writes are still open", open.len());
}

#[tokio::test]
async fn random_faults_neither_lose_nor_duplicate() {
    let rates =
        FaultRates { unavailable: 150, deadlock: 150, cut_before: 150, cut_after: 150, ..FaultRates::default() };
    for seed in 1..4 {
        let world = world().await;
        world.simulator.faults().bulk_unsupported("account", seed == 2);
        world.simulator.faults().seed_faults(seed, rates);
        write_until_done(&world, &account_creates(120)).await;
        let updates: Vec<Write> = (0..120)
            .map(|number| Write::update(id(number), None, values(&[("name", Value::text(format!("U{number}")))])))
            .collect();
        write_until_done(&world, &updates).await;
        let disturbed = world.simulator.request_log().iter().filter(|entry| matches!(entry.status, 0 | 500..)).count();
        assert!(disturbed > 0, "seed {seed} disturbs nothing");
        assert_eq!(world.simulator.count("account"), 120);
        assert!((0..120).all(|number| world.account(id(number))["name"] == format!("U{number}")));
        // Without ids: what is said to be written is there, and nothing is there twice that is said to be written.
        let creates = vec![Write::create(None, values(&[("name", Value::text("No id"))])); 10];
        let mut unknown = 0;
        let mut ids = std::collections::HashSet::new();
        for _ in 0..5 {
            for outcome in world.write(&world.accounts(), &creates).await {
                match outcome {
                    Ok(written) => assert!(ids.insert(written.id)),
                    Err(_) => unknown += 1,
                }
            }
        }
        let there = world.simulator.count("account") - 120;
        assert!(there >= ids.len() && there <= ids.len() + unknown, "{there} rows for {} and {unknown}", ids.len());
    }
}
