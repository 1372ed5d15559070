//! What becomes of the messages of a batch when something fails on the way.

use couplet_model::facts::{ColumnFact, Rights, TableFacts};
use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{Bench, Call, Results};
use crate::ports::{BatchReport, Disposition};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// A bench with customers of these numbers, the first of them blocked.
async fn bench(customers: &[u128]) -> Bench {
    let bench = Bench::of("CUSTOMER").await;
    for (place, number) in customers.iter().enumerate() {
        let blocked = if place == 0 { "All" } else { " " };
        let customer =
            json!({"number": format!("C{number}"), "displayName": format!("Name {number}"), "blocked": blocked});
        bench.business_central.put("Customer", *number, customer);
    }
    bench
}

fn done(report: &BatchReport) -> Vec<bool> {
    report.dispositions.iter().map(|disposition| *disposition == Disposition::Done).collect()
}

#[tokio::test]
async fn what_had_ended_before_a_step_failed_is_stored_and_the_rest_comes_again() {
    for (call, table) in [(Call::Fetch, "account"), (Call::Find, "account"), (Call::Find, "organization")] {
        let bench = bench(&[1, 2, 3]).await;
        bench.dataverse.fail(call, table, SystemErrorKind::Timeout);
        let report = bench.sync(TO, &[1, 2, 3]).await;
        assert_eq!(done(&report), [true, false, false], "{call:?} {table}: {:?}", report.dispositions);
        let group = &report.groups[0];
        assert_eq!((group.outcomes.ignored, group.outcomes.total(), group.returned), (1, 1, 2), "{call:?} {table}");
        assert!(bench.dataverse.ids("account").is_empty());

        bench.dataverse.mend();
        let report = bench.sync(TO, &[2, 3]).await;
        assert_eq!((done(&report), report.groups[0].outcomes.inserted), (vec![true, true], 2), "{call:?} {table}");
        assert_eq!(bench.dataverse.ids("account").len(), 2);
    }
}

#[tokio::test]
async fn a_client_that_gives_too_few_or_too_many_results_loses_nothing_and_makes_nothing_twice() {
    for results in [Results::TooFew, Results::TooMany] {
        let bench = bench(&[1, 2, 3]).await;
        bench.dataverse.give(results);
        let report = bench.sync(TO, &[1, 2, 3]).await;
        assert_eq!(done(&report), [true, false, false], "{results:?}: {:?}", report.dispositions);
        assert_eq!(bench.dataverse.ids("account").len(), 2, "{results:?}: the writes took effect");

        bench.dataverse.mend();
        let report = bench.sync(TO, &[2, 3]).await;
        assert_eq!(done(&report), [true, true], "{results:?}: {:?}", report.dispositions);
        assert_eq!(bench.dataverse.ids("account").len(), 2, "{results:?}");
        for number in [2, 3] {
            let coupling = bench.coupling(number).await.expect("a coupling");
            let account = bench.dataverse.row_of("account", coupling.dataverse_id.into());
            assert_eq!(account["name"], format!("Name {number}"), "{results:?}");
        }
    }
}

#[tokio::test]
async fn a_record_that_is_refused_fails_alone() {
    let bench = bench(&[1, 2, 3]).await;
    bench.sync(TO, &[2, 3]).await;
    let of = |coupling: Option<couplet_model::Coupling>| coupling.expect("a coupling").dataverse_id.0.as_u128();
    let (second, third) = (of(bench.coupling(2).await), of(bench.coupling(3).await));
    for number in [2, 3] {
        let renamed = json!({"number": format!("C{number}"), "displayName": "Other", "blocked": " "});
        bench.business_central.put("Customer", number, renamed);
    }
    bench.dataverse.refuse(second, SystemErrorKind::Forbidden);
    let report = bench.sync(TO, &[2, 3]).await;
    assert_eq!(done(&report), [false, true], "{:?}", report.dispositions);
    let name = |number| bench.dataverse.row("account", number)["name"].clone();
    assert_eq!((name(second), name(third)), (json!("Name 2"), json!("Other")));

    bench.dataverse.mend();
    let report = bench.sync(TO, &[2, 3]).await;
    assert_eq!((done(&report), name(second)), (vec![true, true], json!("Other")));
}

#[tokio::test]
async fn two_messages_about_one_record_end_together() {
    let bench = bench(&[1, 2]).await;
    let report = bench.sync(TO, &[2, 2]).await;
    assert_eq!((done(&report), report.groups[0].outcomes.total()), (vec![true, true], 1));
    assert_eq!(bench.dataverse.ids("account").len(), 1);
}

#[tokio::test]
async fn what_a_system_that_chooses_ids_may_have_made_is_found_and_not_made_twice() {
    for results in [Results::TooFew, Results::TooMany] {
        let bench = Bench::of("CUSTOMER").await;
        bench.business_central.take_ids(false);
        bench.dataverse.put("account", 1, json!({"name": "Adatum", "statecode": 0, "customertypecode": 3}));
        bench.business_central.give(results);
        let report = bench.sync(FROM, &[1]).await;
        assert_eq!(done(&report), [false], "{results:?}");
        assert_eq!(bench.business_central.ids("Customer").len(), 1, "{results:?}: it was made");

        bench.business_central.mend();
        bench.pass(SignedDuration::from_mins(4));
        let report = bench.sync(FROM, &[1]).await;
        assert_eq!(done(&report), [true], "{results:?}: {:?}", report.dispositions);
        let customers = bench.business_central.ids("Customer");
        let coupling = bench.coupling(customers[0].0.as_u128()).await.expect("a coupling with what was made");
        assert_eq!((customers.len(), coupling.dataverse_id.0.as_u128()), (1, 1), "{results:?}");
    }
}

#[tokio::test]
async fn a_column_that_may_not_be_written_is_left_as_it_is_there() {
    let bench = bench(&[1, 2]).await;
    let rights = Rights { read: true, create: false, update: false };
    let fact = ColumnFact { secured: Some(rights), ..ColumnFact::default() };
    bench.dataverse.set_facts("account", TableFacts { columns: [("fax".to_owned(), fact)].into(), note: None });
    let customer = json!({"number": "C2", "displayName": "Adatum", "faxNo": "1", "phoneNumber": "2", "blocked": " "});
    bench.business_central.put("Customer", 2, customer);
    assert_eq!(done(&bench.sync(TO, &[2]).await), [true]);
    let coupling = bench.coupling(2).await.expect("a coupling");
    let account = bench.dataverse.row_of("account", coupling.dataverse_id.into());
    assert_eq!((&account["telephone1"], account.get("fax")), (&json!("2"), None));
}
