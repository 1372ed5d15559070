//! What an opportunity becomes in Dataverse and back, and how closing travels, case by case.

use couplet_model::message::Direction;
use couplet_model::switches::Ownership;
use couplet_model::system::SystemErrorKind;
use couplet_model::{RecordId, Switches};
use serde_json::{Value as Json, json};

use super::{CONTACTS, SALESPEOPLE};
use crate::bench::{Bench, COMPANY_ROW, Call, EURO, TEAM, case, id, pair, with};
use crate::failpoints::Failpoint;
use crate::ports::{BatchReport, Disposition};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

async fn by_person() -> Bench {
    Bench::with("OPPORTUNITY", Switches { ownership: Ownership::Person, ..Switches::default() }).await
}

async fn by_team() -> Bench {
    Bench::of("OPPORTUNITY").await
}

fn at_first() -> Json {
    json!({"transactioncurrencyid": EURO, "isrevenuesystemcalculated": false})
}

fn company() -> Json {
    json!({"bcbi_companyid": COMPANY_ROW})
}

#[tokio::test]
async fn s193_s195_s196_r262_with_ownership_by_team_only_persons_of_partners_take_part_and_the_team_owns() {
    let bench = by_team().await;
    let contact = |company: &str, customer: Json, vendor: Json| {
        json!({"status": "In Progress", "contactNumber": "CT2", "contactCompanyNo": company, "customerNumber": customer,
               "vendorNumber": vendor})
    };
    let owned = with(&at_first(), json!({"ownerid": {"team": u64::try_from(TEAM).ok()}}));
    let cases = vec![
        case("a person of a customer")
            .source(contact("CT1", json!("10000"), json!(null)))
            .gives(company())
            .and_at_first(owned.clone()),
        case("a person of a vendor")
            .source(contact("CT1", json!(null), json!("V1")))
            .gives(company())
            .and_at_first(owned),
        case("a person of somebody else").source(contact("CT1", json!(null), json!(null))).ignores("(S195)"),
        case("the company itself").source(contact("CT2", json!("10000"), json!(null))).ignores("(S195)"),
        case("nobody").source(json!({"status": "In Progress", "contactCompanyNo": null})).ignores("(S195)"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s193_s196_with_ownership_by_person_everybody_takes_part_and_nobody_is_made_owner() {
    let bench = by_person().await;
    let source = || json!({"status": "In Progress", "contactCompanyNo": null});
    let owner = || json!({"ownerid": {"systemuser": 7}});
    let cases = vec![
        case("no salesperson").source(source()).gives(company()).and_at_first(at_first()),
        case("a salesperson")
            .source(source())
            .transferred(owner())
            .gives(with(&company(), owner()))
            .and_at_first(at_first()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn estimates_travel_from_the_first_stage_on_and_end_with_the_last() {
    let bench = by_person().await;
    let estimate = || json!({"estimatedvalue": 1000, "estimatedclosedate": "2026-05-01"});
    let open = || json!({"statecode": 0});
    let opportunity = |status: &str| case("a stage").source(json!({"status": status})).transferred(estimate());
    let cases = vec![
        opportunity("In Progress").destination(open()).gives(with(&company(), estimate())).and_at_first(at_first()),
        opportunity("Not Started").destination(open()).gives(company()).and_at_first(at_first()),
        opportunity("Won").destination(open()).gives(company()).and_at_first(at_first()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s194_what_is_blank_in_business_central_wipes_no_contact_and_an_account_only_with_its_contact() {
    let bench = by_person().await;
    let both = |contact: Json, account: Json| json!({"parentcontactid": contact, "parentaccountid": account});
    let there = || with(&both(json!(71), json!(81)), json!({"statecode": 0}));
    let opportunity = |name, contact: Json, account: Json| {
        case(name).source(json!({"status": "In Progress"})).destination(there()).transferred(both(contact, account))
    };
    let cases = vec![
        opportunity("nothing here", json!(null), json!(null)).gives(company()).and_at_first(at_first()),
        opportunity("a contact without a customer", json!(71), json!(null))
            .gives(with(&company(), json!({"parentcontactid": 71})))
            .and_at_first(at_first()),
        opportunity("another contact without a customer", json!(72), json!(null))
            .gives(with(&company(), both(json!(72), json!(null))))
            .and_at_first(at_first()),
        opportunity("another customer", json!(72), json!(82))
            .gives(with(&company(), both(json!(72), json!(82))))
            .and_at_first(at_first()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn closed_opportunities_of_dataverse_are_left_as_they_are() {
    let bench = by_person().await;
    let opportunity = |name, here: &str, there: u64| {
        case(name)
            .source(json!({"status": here}))
            .destination(json!({"statecode": there}))
            .transferred(json!({"name": "X"}))
    };
    let cases = vec![
        opportunity("open here", "In Progress", 1).ignores("it is closed in Dataverse"),
        opportunity("won on both sides", "Won", 1).gives(json!({})),
        opportunity("lost here and won there", "Lost", 1)
            .gives(json!({}))
            .and_notes(&["Lost in Business Central and Won in Dataverse"]),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn business_central_gets_the_contact_and_the_owner_that_it_lacks() {
    let bench = by_person().await;
    bench.couple(CONTACTS, [pair(70, 71, "CT1")]).await;
    bench.couple(SALESPEOPLE, [pair(60, 61, "JO")]).await;
    let source = || json!({"statecode": 0, "parentcontactid": 71, "ownerid": {"systemuser": 61}});
    let both = || json!({"contactNumber": "CT1", "salespersonCode": "JO"});
    let here = |contact: Json, salesperson: Json| json!({"status": "In Progress", "contactNumber": contact, "salespersonCode": salesperson});
    let cases = vec![
        case("a new one").source(source()).gives(both()),
        case("one that lacks both").source(source()).destination(here(json!(null), json!(null))).gives(both()),
        case("one that has others").source(source()).destination(here(json!("CT9"), json!("XX"))).gives(json!({})),
        case("an owner that is a team")
            .source(json!({"statecode": 0, "parentcontactid": null, "ownerid": {"team": 902}}))
            .gives(json!({})),
        case("a contact that is not coupled")
            .source(json!({"statecode": 0, "parentcontactid": 79, "ownerid": null}))
            .gives(json!({}))
            .and_notes(&["is not coupled by CONTACT"]),
        case("over before it was synchronized").source(json!({"statecode": 2})).ignores("before it was synchronized"),
        case("opened again in Dataverse")
            .source(json!({"statecode": 0}))
            .destination(json!({"status": "Won"}))
            .transferred(json!({"description": "X"}))
            .gives(json!({}))
            .and_notes(&["keeps closed ones closed"]),
    ];
    bench.adjusts(FROM, cases).await;
}

fn done(report: &BatchReport) -> bool {
    report.dispositions.iter().all(|disposition| *disposition == Disposition::Done)
}

/// An opportunity in Business Central and its partner in Dataverse.
async fn coupled(bench: &Bench) -> RecordId {
    put(bench, "In Progress");
    assert!(done(&bench.sync(TO, &[1]).await));
    let rows = bench.dataverse.ids("opportunity");
    assert_eq!(rows.len(), 1);
    rows[0]
}

fn put(bench: &Bench, status: &str) {
    let values = json!({"number": "OP1", "description": "Chairs", "status": status, "estimatedValue": 1000,
                        "calculatedCurrentValue": 800, "dateClosed": "2026-01-14"});
    bench.business_central.put("Opportunity", 1, values);
}

#[tokio::test]
async fn closing_in_business_central_closes_in_dataverse_once_and_is_known_when_it_comes_back() {
    for (status, action) in [("Won", "WinOpportunity"), ("Lost", "LoseOpportunity")] {
        let bench = by_person().await;
        let row = coupled(&bench).await;
        assert!(bench.dataverse.take_actions().is_empty(), "an open one is closed by nobody");
        put(&bench, status);
        assert!(done(&bench.sync(TO, &[1]).await));
        assert_eq!(bench.dataverse.take_actions(), [(action.to_owned(), row)]);
        let state = if status == "Won" { 1 } else { 2 };
        bench.dataverse.put("opportunity", row.0.as_u128(), json!({"name": "Chairs", "statecode": state}));
        for direction in [TO, FROM] {
            let number = if direction == TO { 1 } else { row.0.as_u128() };
            assert!(done(&bench.sync(direction, &[number]).await));
        }
        assert!(bench.dataverse.take_actions().is_empty() && bench.business_central.take_actions().is_empty());
    }
}

#[tokio::test]
async fn closing_in_dataverse_closes_in_business_central_and_what_is_refused_fails_the_record() {
    for (state, action) in [(1, "closeAsWon"), (2, "closeAsLost")] {
        let bench = by_person().await;
        let row = coupled(&bench).await;
        bench.dataverse.put("opportunity", row.0.as_u128(), json!({"name": "Chairs", "statecode": state}));
        bench.business_central.refuse(1, SystemErrorKind::Refused);
        let report = bench.sync(FROM, &[row.0.as_u128()]).await;
        assert_eq!((done(&report), report.groups[0].outcomes.failed), (true, 1));
        let bench = by_person().await;
        let row = coupled(&bench).await;
        bench.dataverse.put("opportunity", row.0.as_u128(), json!({"name": "Chairs", "statecode": state}));
        assert!(done(&bench.sync(FROM, &[row.0.as_u128()]).await));
        assert_eq!(bench.business_central.take_actions(), [(action.to_owned(), id(1))]);
    }
}

#[tokio::test]
async fn a_process_that_dies_around_the_closing_closes_once() {
    for fatal in Failpoint::OF_ACTIONS {
        let bench = by_person().await;
        let row = coupled(&bench).await;
        put(&bench, "Won");
        let dying = bench.another_process(Some(fatal));
        assert!(!done(&bench.sync_by(&dying, TO, &[1]).await), "{fatal:?}: it died");
        let acted = bench.dataverse.take_actions().len();
        if acted == 1 {
            bench.dataverse.put("opportunity", row.0.as_u128(), json!({"name": "Chairs", "statecode": 1}));
        }
        let next = bench.another_process(None);
        assert!(done(&bench.sync_by(&next, TO, &[1]).await), "{fatal:?}");
        assert_eq!(acted + bench.dataverse.take_actions().len(), 1, "{fatal:?}: it happened once");
        assert_eq!(bench.coupling(1).await.expect("a pair").acting, None, "{fatal:?}");
    }
}

#[tokio::test]
async fn whether_a_closing_happened_is_asked_for_all_at_once_and_again_when_the_answer_is_lost() {
    let bench = by_person().await;
    let row = coupled(&bench).await;
    put(&bench, "Won");
    bench.dataverse.fail(Call::Act, "opportunity", SystemErrorKind::Timeout);
    assert!(!done(&bench.sync(TO, &[1]).await));
    bench.dataverse.mend();
    bench.dataverse.put("opportunity", row.0.as_u128(), json!({"name": "Chairs", "statecode": 1}));
    bench.dataverse.take_calls();
    assert!(done(&bench.sync(TO, &[1]).await));
    let calls = bench.dataverse.take_calls();
    assert!(calls.iter().all(|call| !call.starts_with("act")), "it happened: {calls:?}");
    assert_eq!(bench.coupling(1).await.expect("a pair").acting, None);
}
