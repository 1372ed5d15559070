//! Records without a partner, and records that share fields: what is found, and what is done about it.

use std::time::Instant;

use couplet_model::orphans::Flaw;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use serde_json::json;

use super::OrphanReport;
use crate::bench::{Bench, COMPANY_ROW, id, pair};
use crate::couple::RequestStatus;

const BC: Side = Side::BusinessCentral;
const DATAVERSE: Side = Side::Dataverse;

/// A pair whose customer shares its telephone with another one, and whose account does; an account that belongs to the company
/// although nothing couples it; one that nobody knows; one of a vendor; and one outside of the filter.
async fn bench() -> Bench {
    let bench = Bench::of("CUSTOMER").await;
    for (number, phone) in [(1, "111"), (2, "111"), (3, "")] {
        let row = json!({
            "number": format!("C{number}"), "displayName": format!("Customer {number}"), "phoneNumber": phone, "blocked": " "
        });
        bench.business_central.put("Customer", number, row);
    }
    let ours = json!(u64::try_from(COMPANY_ROW).ok());
    for (number, phone, kind, company) in [
        (11, "111", 3, ours.clone()),
        (12, "222", 3, ours.clone()),
        (13, "333", 3, json!(null)),
        (14, "444", 3, ours.clone()),
        (15, "555", 12, json!(null)),
        (16, "222", 3, json!(null)),
    ] {
        let row = json!({
            "name": format!("Account {number}"), "telephone1": phone, "customertypecode": kind, "statecode": 0,
            "bcbi_companyid": company
        });
        bench.dataverse.put("account", number, row);
    }
    bench.couple("CUSTOMER", [pair(1, 11, "C1")]).await;
    bench.couple("VENDOR", [pair(5, 14, "V1")]).await;
    bench
}

/// What was found: side, number, flaw, and whether it is coupled.
fn found(report: &OrphanReport) -> Vec<(Side, u128, Flaw, bool)> {
    let number = |record: couplet_model::RecordId| (1..=20).find(|number| id(*number) == record).expect("one of ours");
    let mut found: Vec<_> =
        report.orphans.iter().map(|orphan| (orphan.side, number(orphan.record), orphan.flaw, orphan.coupled)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn d2_u10_orphans_of_both_sides_strays_and_duplicates_are_told_with_what_can_be_done() {
    let bench = bench().await;
    let (_, of) = bench.engine.orphans_by(&bench.mapping.name, Some("phoneNumber")).expect("a look");
    let report = bench.engine.look_for_orphans(&bench.mapping.name, &of).await.expect("both systems");
    let mut expected = vec![
        (BC, 2, Flaw::Uncoupled, false),
        (BC, 3, Flaw::Uncoupled, false),
        (BC, 1, Flaw::Duplicate, true),
        (BC, 2, Flaw::Duplicate, false),
        (DATAVERSE, 12, Flaw::Stray, false),
        (DATAVERSE, 13, Flaw::Uncoupled, false),
        (DATAVERSE, 12, Flaw::Duplicate, false),
        (DATAVERSE, 16, Flaw::Uncoupled, false),
        (DATAVERSE, 16, Flaw::Duplicate, false),
    ];
    expected.sort();
    assert_eq!(found(&report), expected);
    assert_eq!((report.by.as_deref(), report.business_central, report.dataverse), (Some("phoneNumber"), 3, 5));
    let of = |side, number, flaw| {
        let is_it = |orphan: &&super::Orphan| (orphan.side, orphan.record, orphan.flaw) == (side, id(number), flaw);
        report.orphans.iter().find(is_it).expect("it is told")
    };
    let twin = of(BC, 1, Flaw::Duplicate);
    assert!(twin.why.contains("1 more have the same phoneNumber"), "{twin:?}");
    assert!(twin.shares_with[0].label.contains("C2") && twin.remedy.contains("couplet uncouple"), "{twin:?}");
    assert!(of(DATAVERSE, 12, Flaw::Stray).remedy.contains("couplet orphans repair \"CUSTOMER\" --release"));
    assert!(of(BC, 3, Flaw::Uncoupled).remedy.contains("--create"));
    let stored = bench.engine.store().runs(crate::bench::COMPANY, "CUSTOMER", 5).await.expect("a store");
    assert!(stored.is_empty(), "a look stores nothing");
}

#[tokio::test]
async fn a_run_that_looks_goes_on_page_by_page_finds_the_same_and_changes_nothing() {
    let bench = bench().await;
    bench.business_central.page_by(2);
    bench.dataverse.page_by(2);
    let (want, of) = bench.engine.orphans_by(&bench.mapping.name, Some("phoneNumber")).expect("a look");
    let run = bench.engine.ask(&bench.mapping.name, want, of.clone()).await.expect("a request");
    let mut tasks = 0;
    while let Some(request) = bench.take_request() {
        tasks += 1;
        let report = bench.engine.work_request(&request, Some(Instant::now())).await.expect("a store");
        assert_eq!(report.enqueued, 0);
        if report.status == RequestStatus::GoesOn {
            assert!(bench.engine.found_orphans(&bench.mapping.name, &of, run).await.expect("a store").is_none());
        }
    }
    assert!(tasks > 2, "{tasks}");
    let kept = bench.engine.found_orphans(&bench.mapping.name, &of, run).await.expect("a store").expect("all was read");
    let looked = bench.engine.look_for_orphans(&bench.mapping.name, &of).await.expect("both systems");
    assert_eq!(found(&kept), found(&looked));
    let stored = bench.stored(run).await;
    assert_eq!((stored.finished.is_some(), stored.enqueued), (true, 0));
    let message = stored.message.expect("a message");
    assert!(message.contains("4 have none, 1 rows belong to the company") && message.contains("4 share"), "{message}");
    assert!(bench.take_messages().is_empty());
}

#[tokio::test]
async fn r206_r210_strays_are_taken_off_the_company_and_rows_of_others_stay() {
    let bench = bench().await;
    let meant = bench.engine.meant_by(&bench.mapping.name, Want::Release, Chosen::Stray).await.expect("a look");
    assert_eq!((meant.count, meant.first[0].id), (1, id(12)));
    let run = bench.carry_out(Want::Release, Chosen::Stray).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{run:?}");
    let company = |number| bench.dataverse.row("account", number)["bcbi_companyid"].clone();
    assert_eq!((company(12), company(11) != json!(null), company(14) != json!(null)), (json!(null), true, true));
    let again = bench.carry_out(Want::Release, Chosen::Stray).await;
    assert_eq!(again.enqueued, 0);
    // A row that is named is looked at once more: one that is coupled stays.
    let named = Chosen::Records(vec![(DATAVERSE, id(11))]);
    let run = bench.carry_out(Want::Release, named).await;
    assert_eq!((run.counters.modified, company(11) != json!(null)), (0, true), "{run:?}");
    let wrong = bench.engine.ask(&bench.mapping.name, Want::Release, Chosen::Records(vec![(BC, id(1))])).await;
    assert!(wrong.expect_err("refused").to_string().contains("rows of Dataverse"));
}

#[tokio::test]
async fn records_of_a_mapping_without_match_fields_are_looked_through_for_partners_all_the_same() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    bench.business_central.put("Unit of Measure", 1, json!({"code": "PCS"}));
    let (_, of) = bench.engine.orphans_by(&bench.mapping.name, None).expect("a look");
    let report = bench.engine.look_for_orphans(&bench.mapping.name, &of).await.expect("both systems");
    assert_eq!((report.by.clone(), found(&report)), (None, vec![(BC, 1, Flaw::Uncoupled, false)]));
    let refused = bench.engine.orphans_by(&bench.mapping.name, Some("nothing")).expect_err("refused").to_string();
    assert!(refused.contains("no field"), "{refused}");
}
