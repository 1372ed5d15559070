//! Which dead letters are brought back: window, mapping, queue; and what nobody can read.

use couplet_runtime::replay::{QueueName, ReplayOutcome, ReplayRequest};
use jiff::{SignedDuration, Timestamp};

use crate::bench::{Bench, everything, outcomes};

#[tokio::test]
async fn only_letters_of_the_window_are_brought_back() {
    let bench = Bench::start().await;
    bench.send_record("CUSTOMER").await;
    bench.let_die().await;
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    for (since, until) in [(Some(now + hour), None), (None, Some(now - hour))] {
        let report = bench.replay(&ReplayRequest { since, until, ..everything() }).await;
        assert_eq!(outcomes(&report), [(ReplayOutcome::OutsideWindow, 1)]);
        assert_eq!(bench.visible(&bench.dead_letters_url()).await.len(), 1, "it is let go of");
    }
    let inside = ReplayRequest { since: Some(now - hour), until: Some(now + hour), ..everything() };
    assert_eq!(outcomes(&bench.replay(&inside).await), [(ReplayOutcome::Moved, 1)]);
}

#[tokio::test]
async fn only_letters_of_the_mapping_are_brought_back() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        bench.send_record("CUSTOMER").await;
        bench.send_record("VENDOR").await;
    }
    bench.let_die().await;
    let report = bench.replay(&ReplayRequest { mapping: Some("CUSTOMER".to_owned()), ..everything() }).await;
    assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 5), (ReplayOutcome::OtherMapping, 5)]);
    assert_eq!((bench.open().await, bench.dead().await), (5, 5));
    let left = bench.visible(&bench.dead_letters_url()).await;
    assert!(left.len() == 5 && left.iter().all(|body| body.contains("VENDOR")), "{left:?}");
}

#[tokio::test]
async fn only_letters_of_the_queue_are_brought_back() {
    let bench = Bench::start().await;
    bench.send_record("CUSTOMER").await;
    bench.let_die().await;
    let report = bench.replay(&ReplayRequest { queues: vec![QueueName::Tasks], ..everything() }).await;
    assert_eq!(report.dead_letters, []);
    assert_eq!(bench.dead().await, 1);
}

#[tokio::test]
async fn what_nobody_can_read_stays_as_it_is_and_holds_nobody_up() {
    let bench = Bench::start().await;
    for number in 0..9 {
        bench.send(&bench.services().queue_url, &format!("poison {number}")).await;
        bench.send_record("CUSTOMER").await;
    }
    bench.let_die().await;
    let report = bench.replay(&everything()).await;
    assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 9), (ReplayOutcome::Unreadable, 9)]);
    let unreadable = report.dead_letters.iter().filter(|dead_letter| dead_letter.outcome == ReplayOutcome::Unreadable);
    assert!(
        unreadable
            .clone()
            .all(|dead_letter| dead_letter.unreadable.as_ref().is_some_and(|why| why.contains("expected")))
    );
    let mut left = bench.visible(&bench.dead_letters_url()).await;
    left.sort();
    assert_eq!(left, (0..9).map(|number| format!("poison {number}")).collect::<Vec<_>>());
    assert_eq!(outcomes(&bench.replay(&everything()).await), [(ReplayOutcome::Unreadable, 9)]);
}
