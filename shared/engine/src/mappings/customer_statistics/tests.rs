//! Whose statistics travel, what they are given besides, and how the account comes to point to them, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use super::CUSTOMERS;
use crate::bench::{Bench, COMPANY_ROW, Call, EURO, case, destination_of, pair, source_of};
use crate::mappings::rules::MappingRules;

const TO: Direction = Direction::ToDataverse;

/// A bench on which the customers of a list's cases are coupled with accounts 1, 2, ..., the first of which point to
/// statistics like this.
async fn bench(links: &[Json]) -> Bench {
    let bench = Bench::of("Customer Statistics").await;
    for (place, link) in (0..).zip(links) {
        bench.couple(CUSTOMERS, [pair(source_of(place).0.as_u128(), 1 + place, &format!("{}0000", 1 + place))]).await;
        let account = json!({"nav_accountstatisticsid": link, "bcbi_companyid": COMPANY_ROW});
        bench.dataverse.put("account", 1 + place, account);
    }
    bench
}

#[tokio::test]
async fn s33_the_row_that_the_account_points_to_is_the_customers() {
    let bench = bench(&[json!(71), json!(null)]).await;
    let customer = || case("a customer").source(json!({"number": "10000"}));
    let cases = vec![customer().finds(71), customer().finds_nobody(), customer().finds_nobody()];
    bench.finds(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["fetch account 2"], "one read for all");
}

#[tokio::test]
async fn s29_s31_s32_c_186_customers_without_a_coupling_stay_and_a_missing_account_is_told() {
    let bench = bench(&[json!(null), json!(null)]).await;
    bench.couple(CUSTOMERS, [pair(source_of(2).0.as_u128(), 99, "30000")]).await;
    let of = |number: &str| json!({"number": number});
    let currency = || json!({"transactioncurrencyid": EURO});
    let cases = vec![
        case("a coupled one").source(of("10000")).gives(currency()),
        case("one with statistics").source(of("20000")).destination(json!({})).gives(currency()),
        case("its account is gone").source(of("30000")).fails("of customer 30000 was not found in Dataverse (E74)"),
        case("not coupled").source(of("40000")).leaves_for("its customer is not coupled by CUSTOMER"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s33_accounts_are_told_where_their_statistics_are_in_one_request_and_only_once() {
    let bench = bench(&[json!(null), json!(u64::try_from(destination_of(1)).ok()), json!(null)]).await;
    bench.dataverse.refuse(3, SystemErrorKind::Refused);
    let customer = |name| case(name).source(json!({"number": "10000"}));
    let cases = vec![
        customer("without a link").leaves(json!({}), json!({})),
        customer("with the link").leaves(json!({}), json!({})),
        customer("an account that refuses").fails_by(SystemErrorKind::Refused),
    ];
    let calls = bench.after_writing(TO, cases.clone()).await;
    assert_eq!(calls, ["write account 2"], "one write for all");
    assert_eq!(
        bench.dataverse.row("account", 1)["nav_accountstatisticsid"],
        json!(u64::try_from(destination_of(0)).ok())
    );
    bench.dataverse.fail(Call::Write, "account", SystemErrorKind::Timeout);
    let cases =
        vec![customer("linked now").leaves(json!({}), json!({})), customer("as before").leaves(json!({}), json!({}))];
    assert!(bench.after_writing(TO, cases).await.is_empty(), "nothing is left to write");
}

#[tokio::test]
async fn s25_accounts_without_statistics_are_due_whatever_changed() {
    let bench = bench(&[json!(null), json!(71), json!(null), json!(null), json!(null)]).await;
    let account = |company: Json, relationship: Json| json!({"nav_accountstatisticsid": null, "bcbi_companyid": company, "customertypecode": relationship});
    let ours = json!(u64::try_from(COMPANY_ROW).ok());
    bench.dataverse.put("account", 1, account(ours.clone(), json!(3)));
    bench.dataverse.put("account", 3, account(json!(77), json!(3)));
    bench.dataverse.put("account", 4, account(json!(null), json!(null)));
    bench.dataverse.put("account", 5, account(ours.clone(), json!(11)));
    bench.dataverse.put("account", 9, account(ours, json!(3)));
    let mut due = super::CustomerStatistics.also_due(bench.installation(), TO).await.expect("an answer");
    due.sort();
    assert_eq!(due, [source_of(0), source_of(3)], "not one with a link, of another company, of a vendor, or uncoupled");
}
