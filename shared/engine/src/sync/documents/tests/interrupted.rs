//! Documents whose worker dies, or whose lines cannot be written for a while.

use super::*;

#[tokio::test]
async fn a_line_that_cannot_be_written_for_the_moment_sends_its_document_back_to_the_queue() {
    let world = World::orders().await;
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Transient);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1)]).await;
    assert_eq!(report.groups[0].returned, 1, "{:?}", report.dispositions);
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
    assert_eq!(world.lines_of_dataverse().len(), 2);
}

#[tokio::test]
async fn an_outage_of_a_line_is_one_of_its_document_and_both_pairs_are_free_for_the_next_attempt() {
    let world = World::orders().await;
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Outage);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1)]).await;
    assert!(matches!(report.dispositions[0], Disposition::Postpone { .. }), "{:?}", report.dispositions);
    assert_eq!((report.groups[0].returned, report.groups[0].outages), (1, 1));
    let header = world.bench.coupling(1).await.expect("a pair");
    let line = world.line_pair(Side::BusinessCentral, id(12)).await.expect("a pair");
    assert_eq!((header.claimed_until, line.claimed_until), (None, None));
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
}

#[tokio::test]
async fn an_outage_that_a_second_one_follows_is_counted_for_each_document_once() {
    let world = World::orders().await;
    world.put_order(2);
    world.bench.dataverse.refuse(made("MADE-UP ORDER", TO, 1).0.as_u128(), SystemErrorKind::Outage);
    world.bench.dataverse.fail(Call::Find, "salesorderdetail", SystemErrorKind::Outage);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1), id(2)]).await;
    assert_eq!((report.groups[0].returned, report.groups[0].outages), (2, 2), "{:?}", report.dispositions);
}

#[tokio::test]
async fn a_crash_at_any_point_is_made_good_by_the_next_delivery() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        for begins_new in [true, false] {
            let world = World::orders().await;
            if !begins_new {
                world.sync(TO, &[id(1)]).await;
            }
            world.put_line(1, 1, &json!({"quantity": 5}));
            world.put_line(1, 3, &json!({"quantity": 7}));
            world.bench.business_central.delete("Sales Line", 12);
            let deaths = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&deaths);
            let failpoints =
                Failpoints::new(move |point| point == fatal && counted.fetch_add(1, Ordering::Relaxed) == 0);
            let dying = world.engine(failpoints);
            let report = world.sync_with(&dying, TO, &[id(1)]).await;
            assert_eq!(deaths.load(Ordering::Relaxed), 1, "{fatal:?}");
            assert_eq!(report.groups[0].returned, 1, "{fatal:?}");
            let next = world.engine(Failpoints::default());
            for delivery in 0..2 {
                let report = world.sync_with(&next, TO, &[id(1)]).await;
                assert_eq!(report.groups[0].returned, 0, "{fatal:?} {delivery}: {:?}", report.dispositions);
                let quantities: Vec<Json> =
                    world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
                assert_eq!(quantities, [json!(5), json!(7)], "{fatal:?} {delivery}");
                world.bench.dataverse.take_calls();
            }
            assert_eq!(world.line_pair(Side::BusinessCentral, id(12)).await, None, "{fatal:?}");
            assert_eq!(world.line_pair(Side::Dataverse, made(LINE, TO, 12)).await, None, "{fatal:?}");
            let header = world.bench.coupling(1).await.expect("a pair");
            assert_eq!(header.state, CouplingState::Coupled, "{fatal:?}");
            assert!(header.related.is_empty() && header.pending.is_empty(), "{fatal:?}: {header:?}");
            world.sync_with(&next, TO, &[id(1)]).await;
            assert_eq!(world.bench.dataverse.take_calls(), [""; 0], "{fatal:?}: all is quiet");
        }
    }
}

#[tokio::test]
async fn lines_are_created_once_where_business_central_chooses_the_ids() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        let world = World::of("MADE-UP ORDER").await;
        world.bench.business_central.take_ids(false);
        world.bench.dataverse.put("salesorder", 1, json!({"shipto_name": "Adatum"}));
        for (line, quantity) in [(11, 2), (12, 3)] {
            let held = json!({"salesorderid": 1, "quantity": quantity});
            world.bench.dataverse.put("salesorderdetail", line, held);
        }
        let deaths = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&deaths);
        let failpoints = Failpoints::new(move |point| point == fatal && counted.fetch_add(1, Ordering::Relaxed) == 0);
        let dying = world.engine(failpoints);
        world.sync_with(&dying, FROM, &[id(1)]).await;
        assert_eq!(deaths.load(Ordering::Relaxed), 1, "{fatal:?}");
        // What was being created must be there, or never come, before anybody looks for it.
        world.bench.pass(SignedDuration::from_mins(5));
        let next = world.engine(Failpoints::default());
        for delivery in 0..2 {
            let report = world.sync_with(&next, FROM, &[id(1)]).await;
            assert_eq!(report.groups[0].returned, 0, "{fatal:?} {delivery}: {:?}", report.dispositions);
            let bc = &world.bench.business_central;
            let [order] = bc.ids("Sales Header")[..] else { panic!("{fatal:?}: one order") };
            let mut lines: Vec<(String, String)> = bc
                .ids("Sales Line")
                .into_iter()
                .map(|id| bc.row_of("Sales Line", id))
                .map(|row| (row["quantity"].to_string(), row["documentId"].to_string()))
                .collect();
            lines.sort();
            let of_order = u64::try_from(order.0.as_u128()).expect("an id that the system chose").to_string();
            let expected = [("2".to_owned(), of_order.clone()), ("3".to_owned(), of_order)];
            assert_eq!(lines, expected, "{fatal:?} {delivery}");
        }
    }
}
