//! Many runs with kills and cuts while users edit one side only: no conflict, and both sides end at the user's last value.

use couplet_engine::RunMode;
use couplet_model::message::Direction;

use super::*;

/// A repeatable sequence of numbers.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).expect("small")
    }
}

async fn soak(edited: Direction, seed: u64, runs: usize) {
    let world = in_step(5).await;
    let pairs = pairs(&world).await;
    let mut draws = Draws(seed);
    let mut last: Vec<[String; 2]> = vec![[String::new(), String::new()]; pairs.len()];
    for (index, pair) in pairs.iter().enumerate() {
        for (place, field) in [PHONE, FAX].into_iter().enumerate() {
            last[index][place] = format!("+{place}{index}");
            edit_source(&world, edited, *pair, field, &last[index][place]);
        }
    }
    until_quiet(&world, &world.engine).await;
    // Values that come and go, so that what was there before is put back often.
    let value = |number: usize| format!("+{number}");
    for run in 0..runs {
        for _ in 0..draws.below(6) {
            let (index, place) = (draws.below(pairs.len()), draws.below(2));
            last[index][place] = value(draws.below(4));
            edit_source(&world, edited, pairs[index], [PHONE, FAX][place], &last[index][place]);
        }
        world.find(CUSTOMERS, RunMode::Modified).await;
        let deliveries = world.queue.take(1000);
        if deliveries.is_empty() {
            continue;
        }
        let mut engine = world.engine.clone();
        let mut killed = false;
        match draws.below(4) {
            0 => {
                engine = world.another_engine(Killing::at(Failpoint::ALL[draws.below(4)]).of(a_process()));
                killed = draws.below(2) == 0;
            }
            1 => {
                world.dataverse.faults().cut_connection(1, CutMoment::AfterEffect);
                world.business_central.faults().cut_after_write(1);
            }
            2 => {
                world.dataverse.faults().cut_connection(1, CutMoment::BeforeEffect);
                world.business_central.faults().cut_before_write(1 + draws.below(2) as u64);
            }
            _ => {}
        }
        let dispositions = engine.sync_batch(deliveries.clone()).await.dispositions;
        if killed {
            // Its queue was in its memory.
            let _ = world.queue.take(1000);
            forget_cursors(&world).await;
        } else {
            for (delivery, disposition) in deliveries.into_iter().zip(dispositions) {
                match disposition {
                    Disposition::Done => {}
                    // Long outages are not what this is about.
                    Disposition::Return { .. } | Disposition::Postpone { .. } => world.queue.postpone(delivery),
                }
            }
        }
        let failures = world.failures(CUSTOMERS).await;
        assert!(failures.is_empty(), "seed {seed}, run {run}: {failures:?}");
    }
    world.dataverse.faults().clear();
    world.business_central.faults().clear();
    forget_cursors(&world).await;
    until_quiet(&world, &world.engine).await;
    let errors = world.failures(CUSTOMERS).await;
    assert!(errors.is_empty(), "seed {seed}: {errors:?}");
    for (pair, expected) in pairs.iter().zip(last) {
        for (place, field) in [PHONE, FAX].into_iter().enumerate() {
            let value = expected[place].clone();
            assert_eq!(held(&world, *pair, field), (value.clone(), value), "seed {seed}");
        }
    }
    assert!(world.queue.dead_letters().is_empty());
}

#[tokio::test]
async fn runs_with_kills_and_cuts_end_at_the_users_last_value_without_a_conflict() {
    soak(Direction::ToDataverse, 1, 40).await;
    soak(Direction::FromDataverse, 2, 40).await;
}

/// `cargo test -p couplet-end-to-end --test services -- --ignored many_runs`
#[tokio::test]
#[ignore = "takes minutes"]
async fn many_runs_with_kills_and_cuts_end_at_the_users_last_value_without_a_conflict() {
    for seed in 10..30 {
        soak(Direction::ToDataverse, seed, 250).await;
        soak(Direction::FromDataverse, seed, 250).await;
    }
}
