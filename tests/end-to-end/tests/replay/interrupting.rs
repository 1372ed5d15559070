//! A replay that ends anywhere loses nothing and duplicates nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use couplet_runtime::Cloud;
use couplet_runtime::handlers::RunMode;
use couplet_runtime::replay::{Pace, Progress, ReplayOutcome, replay};
use tokio::sync::watch;

use crate::bench::{Bench, ITEMS, PACE, everything, outcomes, text};

/// Why a request is never sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The process dies, once.
    Death,
    /// The service cannot be reached, ever.
    Failure,
}

/// Ends the requests of one operation.
#[derive(Debug)]
struct EndsAt {
    operation: &'static str,
    end: End,
    died: AtomicBool,
}

impl Intercept for EndsAt {
    fn name(&self) -> &'static str {
        "EndsAt"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        match self.end {
            _ if !target.ends_with(self.operation) => Ok(()),
            End::Failure => Err("the network is down".into()),
            End::Death if self.died.swap(true, Ordering::SeqCst) => Ok(()),
            End::Death => panic!("the process dies before {}", self.operation),
        }
    }
}

/// The cloud, with an operation whose requests do not arrive.
pub fn ending_at(bench: &Bench, operation: &'static str, end: End) -> Cloud {
    let cloud = bench.services();
    let settings = cloud.sqs.config().to_builder().interceptor(EndsAt { operation, end, died: AtomicBool::new(false) });
    Cloud { sqs: aws_sdk_sqs::Client::from_conf(settings.build()), ..cloud }
}

#[tokio::test]
async fn a_replay_that_dies_between_any_two_effects_loses_and_duplicates_nothing() {
    for operation in ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let bench = Arc::new(Bench::start().await);
        let items = bench.items();
        let products = bench.dataverse.count("product");
        let run = bench.rename_and_let_die(&items[..6], "Renamed").await;
        bench.send(&bench.services().queue_url, "poison").await;
        bench.let_die().await;

        bench.let_nothing_be_hidden().await;
        let cloud = ending_at(&bench, operation, End::Death);
        let dying = tokio::spawn({
            let bench = Arc::clone(&bench);
            async move { bench.replay_at(&cloud, &everything(), Pace { hidden: Duration::ZERO, ..PACE }).await }
        });
        assert!(dying.await.is_err(), "{operation}: it dies");
        let left = bench.open().await + bench.dead().await;
        assert!((7..=11).contains(&left), "{operation}: nothing is lost, and one round at most is there twice: {left}");

        let report = bench.replay(&everything()).await;
        assert_eq!((report.stopped.as_deref(), report.dead_letters.is_empty()), (None, false), "{operation}");
        bench.drain().await;
        for item in &items[..6] {
            assert_eq!(text(&bench.product(*item).await, "name"), "Renamed", "{operation}");
        }
        assert_eq!(bench.dataverse.count("product"), products, "{operation}");
        assert!(bench.run_of(run).await.finished.is_some(), "{operation}");
        assert_eq!(bench.visible(&bench.dead_letters_url()).await, ["poison"], "{operation}");
    }
}

#[tokio::test]
async fn a_replay_that_dies_while_it_settles_what_was_synchronized_can_be_repeated() {
    let bench = Arc::new(Bench::start().await);
    let run = bench.rename_and_let_die(&bench.items()[..6], "Renamed").await;
    bench.find(ITEMS, RunMode::Full).await;
    bench.drain().await;
    bench.let_nothing_be_hidden().await;
    let cloud = ending_at(&bench, "DeleteMessageBatch", End::Death);
    let dying = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.replay_at(&cloud, &everything(), Pace { hidden: Duration::ZERO, ..PACE }).await }
    });
    assert!(dying.await.is_err(), "it dies");
    assert_eq!(outcomes(&bench.replay(&everything()).await), [(ReplayOutcome::SynchronizedMeanwhile, 6)]);
    assert_eq!((bench.open().await, bench.dead().await), (0, 0));
    assert!(bench.run_of(run).await.finished.is_some());
}

#[tokio::test]
async fn a_queue_that_fails_ends_the_replay_and_what_was_taken_is_let_go() {
    for (operation, open) in
        [("GetQueueUrl", 0), ("ReceiveMessage", 0), ("SendMessageBatch", 0), ("DeleteMessageBatch", 4)]
    {
        let bench = Bench::start().await;
        bench.rename_and_let_die(&bench.items()[..4], "Renamed").await;
        let report = bench.replay_at(&ending_at(&bench, operation, End::Failure), &everything(), PACE).await;
        let stopped = report.stopped.expect(operation);
        assert!(stopped.contains("the dead letters of the records queue"), "{operation}: {stopped}");
        assert!(
            report.dead_letters.iter().all(|dead_letter| dead_letter.outcome == ReplayOutcome::NotReached),
            "{operation}"
        );
        assert_eq!((bench.open().await, bench.dead().await), (open, 4), "{operation}");
        assert_eq!(bench.visible(&bench.dead_letters_url()).await.len(), 4, "{operation}: all can be taken at once");
    }
}

#[tokio::test]
async fn a_replay_that_is_told_to_stop_lets_go_of_everything() {
    let bench = Bench::start().await;
    bench.rename_and_let_die(&bench.items()[..12], "Renamed").await;
    let (leave, stop) = watch::channel(false);
    let engine = &bench.application.engine;
    let after_one_round = |_: Progress| {
        leave.send(true).expect("it listens");
    };
    let report = replay(engine, &bench.services(), &everything(), PACE, &stop, &after_one_round).await;
    assert!(report.stopped.as_ref().expect("it was stopped").contains("run it again"));
    assert_eq!(outcomes(&report), [(ReplayOutcome::Moved, 4)], "the round under way is finished");
    assert_eq!((bench.open().await, bench.dead().await), (4, 8));
    assert_eq!(bench.visible(&bench.dead_letters_url()).await.len(), 8);
    assert_eq!(outcomes(&bench.replay(&everything()).await), [(ReplayOutcome::Moved, 8)]);
}
