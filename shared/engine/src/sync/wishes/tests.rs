//! What becomes of records with which a person asks for something.

use couplet_model::message::{Direction, Wish};
use couplet_model::request::{Chosen, Want};
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{DataverseId, RecordId, SystemId};
use serde_json::json;

use crate::bench::{Bench, COMPANY_ROW, id, pair_with, with};
use crate::failpoints::Failpoint;
use crate::ports::{Delivery, Disposition};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// A customer and an account that were synchronized.
async fn coupled() -> (Bench, RecordId) {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum", "blocked": " "}));
    bench.sync(TO, &[1]).await;
    let account = bench.coupling(1).await.expect("a coupling").dataverse_id.into();
    (bench, account)
}

fn one(side: Side, record: RecordId) -> Chosen {
    Chosen::Records(vec![(side, record)])
}

fn company(bench: &Bench, account: RecordId) -> serde_json::Value {
    bench.dataverse.row_of("account", account)["bcbi_companyid"].clone()
}

#[tokio::test]
async fn r206_r208_an_uncoupled_pair_stays_on_both_sides_and_belongs_to_no_company() {
    let (bench, account) = coupled().await;
    assert_eq!(company(&bench, account), json!(u64::try_from(COMPANY_ROW).ok()));
    let run = bench.carry_out(Want::Uncouple, one(Side::Dataverse, account)).await;
    assert_eq!((run.counters.uncoupled, run.counters.total(), run.finished.is_some()), (1, 1, true));
    assert_eq!((bench.coupling(1).await, company(&bench, account)), (None, json!(null)));
    assert!(bench.business_central.has("Customer", id(1)) && bench.dataverse.has("account", account));
    // A pair that is found uncoupled is nothing to do.
    let again = bench.carry_out(Want::Uncouple, one(Side::BusinessCentral, id(1))).await;
    assert_eq!((again.counters.uncoupled, again.counters.ignored), (0, 1));
}

#[tokio::test]
async fn r206_an_account_that_is_also_a_vendors_stays_with_the_company() {
    let (bench, account) = coupled().await;
    bench.couple("VENDOR", [pair_with(5, account, "V1")]).await;
    bench.carry_out(Want::Uncouple, Chosen::Coupled).await;
    assert_eq!(bench.coupling(1).await, None);
    assert_eq!(company(&bench, account), json!(u64::try_from(COMPANY_ROW).ok()));
}

#[tokio::test]
async fn r208_r209_a_refused_row_keeps_its_coupling_and_says_why_and_one_that_is_gone_does_not() {
    let (bench, account) = coupled().await;
    bench.dataverse.refuse(account.0.as_u128(), SystemErrorKind::Refused);
    let run = bench.carry_out(Want::Uncouple, Chosen::Coupled).await;
    assert_eq!((run.counters.failed, bench.coupling(1).await.is_some()), (1, true));
    assert!(bench.failure(TO, 1).await.contains("uncouple again"));
    bench.dataverse.mend();
    bench.dataverse.delete("account", account.0.as_u128());
    let run = bench.carry_out(Want::Uncouple, Chosen::Coupled).await;
    assert_eq!((run.counters.uncoupled, bench.coupling(1).await), (1, None));
    let store = bench.engine.store();
    let failures = store.failures(crate::bench::COMPANY, &bench.mapping.name, TO).await.expect("a store");
    assert!(failures.is_empty(), "nothing is left to be told");
}

#[tokio::test]
async fn r206_a_worker_that_dies_between_row_and_coupling_is_made_up_for() {
    let (bench, account) = coupled().await;
    bench.engine.ask(&bench.mapping.name, Want::Uncouple, Chosen::Coupled).await.expect("a request");
    bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
    let sent = bench.take_messages();
    let deliveries = || sent.iter().map(|message| Delivery { message: message.clone(), receive_count: 1 }).collect();
    let dying = bench.another_process(Some(Failpoint::Parted));
    let report = dying.sync_batch(deliveries()).await;
    assert!(!matches!(report.dispositions[..], [Disposition::Done]), "the message comes again");
    assert_eq!((company(&bench, account), bench.coupling(1).await.is_some()), (json!(null), true));
    for _ in 0..2 {
        let report = bench.another_process(None).sync_batch(deliveries()).await;
        assert!(matches!(report.dispositions[..], [Disposition::Done]), "{:?}", report.dispositions);
        assert_eq!(bench.coupling(1).await, None);
    }
}

#[tokio::test]
async fn r39_r113_a_skipped_pair_is_left_alone_until_it_is_taken_up_again() {
    let (bench, account) = coupled().await;
    let run = bench.carry_out(Want::Skip, one(Side::BusinessCentral, id(1))).await;
    assert_eq!((run.counters.skipped, bench.coupling(1).await.expect("a pair").skipped), (1, true));
    let row = bench.business_central.row("Customer", 1);
    bench.business_central.put("Customer", 1, with(&row, json!({"displayName": "Fabrikam"})));
    assert_eq!(bench.sync(TO, &[1]).await.groups[0].outcomes.skipped, 1);
    assert_eq!(bench.dataverse.row_of("account", account)["name"], "Adatum");
    let run = bench.carry_out(Want::Unskip, Chosen::Skipped).await;
    assert_eq!((run.counters.modified, run.counters.unchanged, run.counters.failed), (1, 1, 0), "{run:?}");
    assert_eq!(bench.dataverse.row_of("account", account)["name"], "Fabrikam");
    assert!(!bench.coupling(1).await.expect("a pair").skipped);
}

#[tokio::test]
async fn r99_r101_two_chosen_records_are_coupled_and_the_chosen_side_wins() {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum", "blocked": " "}));
    bench.dataverse.put("account", 2, json!({"name": "Adatum Ltd", "customertypecode": 3, "statecode": 0}));
    let of = |record, row| Chosen::Pairs(vec![(SystemId::from(id(record)), DataverseId::from(id(row)))]);
    let run = bench.carry_out(Want::Couple { direction: TO }, of(1, 2)).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{run:?}");
    assert_eq!(bench.coupling(1).await.expect("a pair").dataverse_id, DataverseId::from(id(2)));
    assert_eq!(bench.dataverse.row("account", 2)["name"], "Adatum");
    // The same again changes nothing.
    let again = bench.carry_out(Want::Couple { direction: TO }, of(1, 2)).await;
    assert_eq!((again.counters.failed, bench.dataverse.ids("account").len()), (0, 1));
    // Neither of the two can be coupled with another one.
    bench.business_central.put("Customer", 3, json!({"number": "C3", "displayName": "Contoso", "blocked": " "}));
    bench.dataverse.put("account", 4, json!({"name": "Contoso", "customertypecode": 3, "statecode": 0}));
    for (record, row) in [(1, 4), (3, 2)] {
        let refused = bench.engine.ask(&bench.mapping.name, Want::Couple { direction: TO }, of(record, row)).await;
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains("already") && message.contains("uncouple"), "{message}");
    }
    let missing = bench.engine.ask(&bench.mapping.name, Want::Couple { direction: TO }, of(3, 9)).await;
    assert!(missing.expect_err("refused").to_string().contains("there is no account"));
    // R101: a row whose customer is gone is free.
    bench.business_central.put("Customer", 5, json!({"number": "C5", "displayName": "Litware", "blocked": " "}));
    bench.dataverse.put("account", 6, json!({"name": "Litware", "customertypecode": 3, "statecode": 0}));
    bench.couple("CUSTOMER", [crate::bench::pair(7, 6, "C7")]).await;
    let run = bench.carry_out(Want::Couple { direction: TO }, of(5, 6)).await;
    assert_eq!((run.counters.failed, bench.coupling(7).await), (0, None), "{run:?}");
    assert_eq!(bench.coupling(5).await.expect("a pair").dataverse_id, DataverseId::from(id(6)));
    // Somebody may couple one of them between the request and its message.
    for (record, row) in [(1, 4), (3, 2)] {
        let mut message = bench.message(bench.run().await, TO, record);
        message.wish = Some(Wish::Couple(id(row)));
        let report = bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
        assert_eq!(report.groups[0].outcomes.failed, 1, "{record} {row}");
        let message = bench.failure(TO, record).await;
        assert!(message.contains("already") && message.contains("uncouple"), "{message}");
    }
    assert!(bench.coupling(3).await.is_none());
}

#[tokio::test]
async fn r221_the_row_of_dataverse_wins_where_that_was_chosen() {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum", "blocked": " "}));
    bench.dataverse.put("account", 2, json!({"name": "Adatum Ltd", "customertypecode": 3, "statecode": 0}));
    let pairs = Chosen::Pairs(vec![(SystemId::from(id(1)), DataverseId::from(id(2)))]);
    let run = bench.carry_out(Want::Couple { direction: FROM }, pairs).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{run:?}");
    assert_eq!(bench.business_central.row("Customer", 1)["displayName"], "Adatum Ltd");
}

#[tokio::test]
async fn a_message_that_is_not_believed_asks_for_nothing() {
    let (bench, _) = coupled().await;
    let mut message = bench.message(couplet_model::RunId::fresh(), TO, 1);
    message.wish = Some(Wish::Uncouple);
    bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
    assert!(bench.coupling(1).await.is_some());
}
