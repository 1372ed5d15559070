//! Documents the whole way: first load, changes, waits, failures and requests.

use super::*;

#[tokio::test]
async fn a_new_document_arrives_with_its_lines_and_is_known_as_untouched_afterwards() {
    let world = World::orders().await;
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0), "lines are not counted beside their header");
    let header = json!({"salesorder": made("MADE-UP ORDER", TO, 1).to_string()});
    assert_eq!(world.lines_of_dataverse(), [(json!(2), header.clone()), (json!(3), header)]);
    for line in [11, 12] {
        let pair = world.line_pair(Side::BusinessCentral, id(line)).await.expect("a pair");
        assert_eq!(pair.state, CouplingState::Coupled);
        assert_eq!(pair.id(Side::Dataverse), made(LINE, TO, line));
    }
    world.bench.dataverse.take_calls();
    world.bench.pass(SignedDuration::from_mins(1));
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
    assert_eq!(
        world.bench.dataverse.take_calls(),
        [""; 0],
        "nobody asks Dataverse about a document that did not change"
    );
}

#[tokio::test]
async fn a_changed_an_added_and_a_deleted_line_travel_in_one_bulk_and_modify_the_document() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let order = made("MADE-UP ORDER", TO, 1);
    world.bench.dataverse.put("salesorderdetail", 77, json!({"quantity": 9, "salesorderid": order.to_string()}));
    world.put_line(1, 1, &json!({"quantity": 5}));
    world.put_line(1, 3, &json!({"quantity": 7}));
    world.bench.business_central.delete("Sales Line", 12);
    world.bench.dataverse.take_calls();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 1, 0), "the header did not change, but its lines did");
    let quantities: Vec<Json> = world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
    assert_eq!(quantities, [json!(5), json!(7), json!(9)], "a line that nobody coupled stays");
    assert_eq!(writes(&world.bench.dataverse.take_calls()), ["write salesorderdetail 3"]);
    assert_eq!(world.line_pair(Side::BusinessCentral, id(12)).await, None, "a deleted line is in no pair");
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
}

#[tokio::test]
async fn a_line_that_waits_makes_its_document_wait_until_what_it_needs_is_coupled() {
    let world = World::orders().await;
    world.put_line(1, 2, &json!({"quantity": 3, "currencyCode": "USD"}));
    let waiting = world.sync(TO, &[id(1)]).await;
    assert_eq!(waiting, Counters { waiting: 1, ..Counters::default() });
    let quantities: Vec<Json> = world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
    assert_eq!(quantities, [json!(2)], "the other line has travelled");
    let waits = world.bench.engine.store().waits_of_mapping(COMPANY, &world.bench.mapping.name).await.expect("a store");
    let [wait] = waits.as_slice() else { panic!("{waits:?}") };
    assert_eq!((wait.message.record, wait.label.as_str()), (id(1), "ORDER-1"));
    assert!(wait.field.ends_with("of sales line 20000 of ORDER-1"), "{}", wait.field);
    world.bench.couple("CURRENCY", [pair(50, 51, "USD")]).await;
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0), "the document is whole now");
    assert_eq!(world.lines_of_dataverse().len(), 2);
    let line = world.bench.dataverse.row_of("salesorderdetail", made(LINE, TO, 12));
    assert_eq!(line["transactioncurrencyid"], json!({"transactioncurrency": 51}));
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
}

#[tokio::test]
async fn a_line_that_is_refused_fails_its_document_by_name_and_nothing_else() {
    let world = World::orders().await;
    world.put_order(2);
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Refused);
    let outcomes = world.sync(TO, &[id(1), id(2)]).await;
    assert_eq!(outcomes, Counters { inserted: 1, failed: 1, ..Counters::default() });
    assert_eq!(world.lines_of_dataverse().len(), 3, "all lines but one");
    let failure = world.failure(id(1)).await.expect("a failure");
    assert_eq!(failure.label, "ORDER-1");
    assert!(
        failure.message.starts_with("sales line 20000 of ORDER-1: writing the salesorderdetail failed"),
        "{failure:?}"
    );
    assert!(world.failure(id(2)).await.is_none());
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
    assert!(world.failure(id(1)).await.is_none(), "it is mended");
    assert_eq!(world.lines_of_dataverse().len(), 4);
}

#[tokio::test]
async fn lines_changed_on_both_sides_are_a_conflict_of_their_document() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let line = made(LINE, TO, 11);
    let held = crate::bench::with(&world.bench.dataverse.row_of("salesorderdetail", line), json!({"quantity": 8}));
    let held = crate::bench::with(&held, json!({"salesorderid": made("MADE-UP ORDER", TO, 1).to_string()}));
    let held = crate::bench::without(&held, &["transactioncurrencyid"]);
    world.bench.dataverse.put("salesorderdetail", line.0.as_u128(), held);
    world.put_line(1, 1, &json!({"quantity": 5}));
    let outcomes = world.sync(TO, &[id(1)]).await;
    assert_eq!(outcomes, Counters { failed: 1, ..Counters::default() });
    let failure = world.failure(id(1)).await.expect("a failure");
    let [conflict] = failure.conflicts.as_slice() else { panic!("{failure:?}") };
    assert_eq!(conflict.business_central, "Quantity of sales line 10000 of ORDER-1");
    assert_eq!((conflict.business_central_value.as_str(), conflict.dataverse_value.as_str()), ("5", "8"));
}

#[tokio::test]
async fn r89_a_line_that_a_user_deletes_in_dataverse_is_deleted_in_business_central() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let order = made("MADE-UP ORDER", TO, 1);
    let line = made(LINE, TO, 12);
    world.bench.pass(SignedDuration::from_mins(1));
    assert_eq!(world.sync(FROM, &[order]).await, only(0, 0, 1), "our own lines come back and change nothing");
    world.bench.dataverse.delete("salesorderdetail", line.0.as_u128());
    world.bench.business_central.take_calls();
    assert_eq!(world.sync(FROM, &[order]).await, only(0, 1, 0));
    assert_eq!(world.bench.business_central.ids("Sales Line"), [id(11)]);
    assert_eq!(writes(&world.bench.business_central.take_calls()), ["write Sales Line 1"]);
    assert_eq!(world.line_pair(Side::Dataverse, line).await, None);
}

#[tokio::test]
async fn the_lines_of_200_headers_cost_as_many_requests_as_those_of_one() {
    let mut counted = Vec::new();
    for orders in [1, 200] {
        let world = World::of("MADE-UP ORDER").await;
        (1..=orders).for_each(|order| world.put_order(order));
        let records: Vec<RecordId> = (1..=orders).map(id).collect();
        let mut calls = Vec::new();
        let kinds = |calls: Vec<String>| -> Vec<String> {
            calls
                .into_iter()
                .map(|call| call.trim_end_matches(|end: char| end.is_ascii_digit()).trim().to_owned())
                .collect()
        };
        world.sync(TO, &records).await;
        assert_eq!(world.lines_of_dataverse().len(), usize::try_from(orders * 2).unwrap());
        for order in 1..=orders {
            world.put_line(order, 1, &json!({"quantity": 5}));
            world.bench.business_central.delete("Sales Line", order * 10 + 2);
        }
        calls.push(kinds(world.bench.business_central.take_calls()));
        calls.push(kinds(world.bench.dataverse.take_calls()));
        world.sync(TO, &records).await;
        assert_eq!(world.lines_of_dataverse().len(), usize::try_from(orders).unwrap());
        calls.push(kinds(world.bench.business_central.take_calls()));
        calls.push(kinds(world.bench.dataverse.take_calls()));
        counted.push(calls);
    }
    assert_eq!(counted[0], counted[1]);
    let lines = |calls: &[String], what: &str| calls.iter().filter(|call| call.starts_with(what)).count();
    let [_, _, bc, dv] = counted[1].as_slice() else { panic!("{counted:?}") };
    assert_eq!((lines(bc, "find Sales Line"), lines(dv, "find salesorderdetail")), (1, 1));
    assert_eq!((lines(dv, "fetch salesorderdetail"), lines(dv, "write salesorderdetail")), (0, 1));
}

#[tokio::test]
async fn lines_that_name_their_header_by_a_key_find_it_before_its_coupling_is_stored() {
    let world = World::of("MADE-UP LIST").await;
    let bc = &world.bench.business_central;
    bc.put("Price List Header", 1, json!({"code": "RETAIL"}));
    bc.put("Price List Header", 2, json!({"code": "EXPORT"}));
    bc.put("Price List Line", 11, json!({"priceListCode": "RETAIL", "lineNo": 10000, "unitPrice": 4}));
    bc.put("Price List Line", 21, json!({"priceListCode": "EXPORT", "lineNo": 10000, "unitPrice": 6}));
    assert_eq!(world.sync(TO, &[id(1), id(2)]).await, only(2, 0, 0));
    for (line, list, amount) in [(11, 1, 4), (21, 2, 6)] {
        let row = world.bench.dataverse.row_of("productpricelevel", made("MADE-UP PRICE", TO, line));
        let list = json!({"pricelevel": made("MADE-UP LIST", TO, list).to_string()});
        assert_eq!((&row["pricelevelid"], &row["amount"]), (&list, &json!(amount)));
    }
    assert_eq!(world.sync(TO, &[id(1), id(2)]).await, only(0, 0, 2));
    assert_eq!(world.sent.0.load(Ordering::Relaxed), 0, "nothing had to wait");
}

#[test]
fn a_digest_tells_every_change_of_a_line_and_nothing_else() {
    let value = |quantity: i64| [(Arc::from("quantity"), Value::Int(quantity)), (Arc::from("x"), Value::Int(quantity))];
    let line = |number: u128, quantity| Record {
        id: id(number),
        version: None,
        modified: None,
        values: value(quantity).into(),
        unreadable: None,
    };
    let columns = ["quantity".to_owned()];
    let of = |lines: &[Record]| digest(lines, &columns);
    let usual = of(&[line(1, 2), line(2, 3)]);
    assert_eq!(of(&[line(2, 3), line(1, 2)]), usual, "in another order");
    for other in [vec![line(1, 2)], vec![line(1, 2), line(2, 4)], vec![line(1, 2), line(3, 3)], vec![]] {
        assert_ne!(of(&other), usual);
    }
    assert_eq!(digest(&[line(1, 2)], &[]), digest(&[line(1, 9)], &[]), "of columns that are read for it");
}
