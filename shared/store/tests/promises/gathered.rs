//! What a run gathers to match it.

use couplet_model::job::{Run, Trigger};
use couplet_model::{Counters, RunId, Side};
use couplet_store::GatheredPage;

use crate::builders::{COMPANY, at, empty_store};

fn page(number: u32, byte: u8, next: Option<&str>) -> GatheredPage {
    // More than one item takes.
    GatheredPage { number, bytes: vec![byte; 700_001], next: next.map(str::to_owned) }
}

#[tokio::test]
async fn pages_are_read_in_order_and_those_of_the_other_side_and_of_other_runs_are_not_among_them() {
    let store = empty_store().await;
    let (run, other) = (RunId::fresh(), RunId::fresh());
    let side = Side::BusinessCentral;
    for stored in [page(0, 1, Some("second")), page(1, 2, None)] {
        assert!(store.add_gathered(COMPANY, run, side, &stored).await.unwrap());
    }
    store.add_gathered(COMPANY, run, Side::Dataverse, &page(0, 3, None)).await.unwrap();
    store.add_gathered(COMPANY, other, side, &page(0, 4, None)).await.unwrap();
    assert_eq!(store.gathered(COMPANY, run, side, 0).await.unwrap(), [page(0, 1, Some("second")), page(1, 2, None)]);
    assert_eq!(store.gathered(COMPANY, run, side, 1).await.unwrap(), [page(1, 2, None)]);
    assert_eq!(store.gathered(COMPANY, run, side, 2).await.unwrap(), []);
    assert_eq!(store.gathered(COMPANY, run, Side::Dataverse, 0).await.unwrap(), [page(0, 3, None)]);
    let empty = GatheredPage { number: 0, bytes: Vec::new(), next: None };
    store.add_gathered(COMPANY, other, Side::Dataverse, &empty).await.unwrap();
    assert_eq!(store.gathered(COMPANY, other, Side::Dataverse, 0).await.unwrap(), [empty]);
}

#[tokio::test]
async fn of_two_workers_that_read_one_page_the_first_counts() {
    let store = empty_store().await;
    let run = RunId::fresh();
    assert!(store.add_gathered(COMPANY, run, Side::Dataverse, &page(0, 1, Some("here"))).await.unwrap());
    assert!(!store.add_gathered(COMPANY, run, Side::Dataverse, &page(0, 2, Some("there"))).await.unwrap());
    assert_eq!(store.gathered(COMPANY, run, Side::Dataverse, 0).await.unwrap(), [page(0, 1, Some("here"))]);
}

#[tokio::test]
async fn a_step_is_counted_once_however_often_it_is_taken() {
    let store = empty_store().await;
    let run = Run::begun(RunId::fresh(), "CUSTOMER", Trigger::Manual, at(0));
    store.start_run(COMPANY, &run).await.unwrap();
    let failed = Counters { failed: 3, ..Counters::default() };
    for step in ["0", "0", "1", "0"] {
        let none = Counters::default();
        store.add_step_to_run(COMPANY, "CUSTOMER", run.id, step, 10, failed, none).await.unwrap();
    }
    let stored = store.run(COMPANY, "CUSTOMER", run.id).await.unwrap().expect("a run");
    assert_eq!((stored.enqueued, stored.counters.failed), (20, 6));
}
