//! What a price list becomes in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY_ROW, EURO, case, destination_of, pair, with};

const TO: Direction = Direction::ToDataverse;
/// The row of the dollar.
const DOLLAR: u128 = 61;

async fn bench() -> Bench {
    let bench = Bench::of("PLHEADER-PRICE").await;
    bench.couple("CURRENCY", [pair(60, DOLLAR, "USD")]).await;
    bench
}

fn list(code: &str, special: Json) -> Json {
    with(&json!({"code": code, "status": "Active", "currencyCode": null}), special)
}

#[tokio::test]
async fn c_200_only_an_active_list_is_coupled_with_the_one_of_its_name_in_its_currency() {
    let bench = bench().await;
    for (number, name, currency, company) in [
        (1, "L1", EURO, Some(COMPANY_ROW)),
        (2, "L2", EURO, None),
        (3, "L3", DOLLAR, None),
        (4, "L4", EURO, Some(999)),
        (5, "L5", EURO, None),
    ] {
        let row = json!({"name": name, "transactioncurrencyid": currency, "bcbi_companyid": company});
        bench.dataverse.put("pricelevel", number, row);
    }
    bench.dataverse.take_calls();
    let cases = vec![
        case("of our company").source(list("L1", json!({}))).finds(1),
        case("of no company").source(list("l2", json!({}))).finds(2),
        case("in its currency").source(list("L3", json!({"currencyCode": "USD"}))).finds(3),
        case("S234: in another currency")
            .source(list("L3", json!({})))
            .fails("L3 is in EUR, and the price list of that name in Dataverse in another currency (E59)"),
        case("of another company").source(list("L4", json!({}))).fails("L4 in Dataverse belongs to another company"),
        case("a draft").source(list("L5", json!({"status": "Draft"}))).fails("L5 is Draft, and only an active one"),
        case("an inactive one").source(list("L5", json!({"status": "Inactive"}))).fails("L5 is Inactive"),
        case("a draft without a namesake").source(list("L6", json!({"status": "Draft"}))).finds_nobody(),
    ];
    bench.finds(TO, cases).await;
    let reads = bench.dataverse.take_calls();
    assert_eq!(reads.iter().filter(|read| *read == "find pricelevel").count(), 1, "one read for all: {reads:?}");
}

#[tokio::test]
async fn s241_a_list_gets_company_and_state_and_keeps_its_currency() {
    let bench = bench().await;
    let states = |state, status| json!({"bcbi_companyid": COMPANY_ROW, "statecode": state, "statuscode": status});
    let in_euro = || json!({"transactioncurrencyid": EURO});
    let cases = vec![
        case("a new one").source(list("L1", json!({"status": "Draft"}))).gives(json!({"bcbi_companyid": COMPANY_ROW})),
        case("an active one").source(list("L2", json!({}))).destination(in_euro()).gives(states(0, 100_001)),
        case("a draft").source(list("L3", json!({"status": "Draft"}))).destination(in_euro()).gives(states(1, 100_002)),
        case("S234: one that was in another currency")
            .source(list("L4", json!({"currencyCode": "USD"})))
            .destination(in_euro())
            .fails("L4 is in USD, and the price list of that name in Dataverse in another currency (E59)"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s241_a_new_list_that_is_not_active_is_taken_out_of_use() {
    let bench = bench().await;
    let beside = |state, status| json!({"statecode": state, "statuscode": status});
    let refused = SystemErrorKind::Refused;
    let cases = vec![
        case("an active one").source(list("L1", json!({}))).leaves(json!({}), beside(0, 100_001)),
        case("a draft").source(list("L2", json!({"status": "Draft"}))).leaves(json!({}), beside(1, 100_002)),
        case("one that refuses").source(list("L3", json!({"status": "Inactive"}))).fails_by(refused.clone()),
        case("one that was there")
            .source(list("L4", json!({"status": "Draft"})))
            .destination(json!({}))
            .leaves(json!({}), json!({})),
    ];
    bench.dataverse.refuse(destination_of(2), refused);
    assert_eq!(bench.after_writing(TO, cases).await, ["write pricelevel 2"]);
    assert_eq!(bench.dataverse.row("pricelevel", destination_of(1))["statecode"], 1);
    assert_eq!(bench.dataverse.row("pricelevel", destination_of(0))["statecode"], Json::Null);
}
