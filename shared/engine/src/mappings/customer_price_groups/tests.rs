//! What a customer price group becomes in Dataverse, case by case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY_ROW, EURO, case, pair, with};

const TO: Direction = Direction::ToDataverse;
/// The row of the dollar.
const DOLLAR: u128 = 61;

/// A bench on which the group USD has prices in dollars, SEK one in kronor, MIXED prices in two currencies, of which that in
/// dollars comes first, and EUR prices in the local currency.
async fn bench() -> Bench {
    let bench = Bench::with(
        "CUSTPRCGRP-PRICE",
        Switches { extended_pricing: false, unit_groups: false, ..Switches::default() },
    )
    .await;
    bench.couple("CURRENCY", [pair(60, DOLLAR, "USD")]).await;
    let prices = [
        ("USD", "1000", Some("USD"), "Customer Price Group"),
        ("SEK", "1000", Some("SEK"), "Customer Price Group"),
        ("MIXED", "1001", None, "Customer Price Group"),
        ("MIXED", "1000", Some("USD"), "Customer Price Group"),
        ("EUR", "1000", None, "Customer Price Group"),
        ("NONE", "1000", Some("USD"), "Customer"),
    ];
    for (number, (group, item, currency, kind)) in (1..).zip(prices) {
        let row = json!({"salesCode": group, "itemNo": item, "currencyCode": currency, "salesType": kind});
        bench.business_central.put("Sales Price", number, row);
    }
    bench
}

fn group(code: &str) -> Json {
    json!({"code": code, "displayName": format!("Group {code}")})
}

#[tokio::test]
async fn s232_a_group_is_coupled_with_the_list_of_its_name_in_the_currency_of_its_first_price() {
    let bench = bench().await;
    for (number, name, currency, company) in [
        (1, "USD", DOLLAR, None),
        (2, "EUR", EURO, Some(COMPANY_ROW)),
        (3, "MIXED", EURO, None),
        (4, "NONE", EURO, Some(999)),
    ] {
        let row = json!({"name": name, "transactioncurrencyid": currency, "bcbi_companyid": company});
        bench.dataverse.put("pricelevel", number, row);
    }
    let cases = vec![
        case("in dollars").source(group("USD")).finds(1),
        case("in the local currency").source(group("EUR")).finds(2),
        case("S234: in another currency")
            .source(group("MIXED"))
            .fails("MIXED is in USD, and the price list of that name in Dataverse in another currency (E59)"),
        case("of another company").source(group("NONE")).fails("NONE in Dataverse belongs to another company"),
        case("without a namesake").source(group("SEK")).finds_nobody(),
    ];
    bench.finds(TO, cases).await;
    assert_eq!(bench.business_central.take_calls().iter().filter(|call| *call == "find Sales Price").count(), 1);
}

#[tokio::test]
async fn s233_a_new_list_gets_company_description_and_the_currency_of_the_first_price() {
    let bench = bench().await;
    let new = |code: &str, currency: u128| {
        case("a new one")
            .source(group(code))
            .gives(json!({"bcbi_companyid": COMPANY_ROW}))
            .and_at_first(json!({"description": format!("Group {code}"), "transactioncurrencyid": currency}))
    };
    let standing =
        |code: &str| case("one that is there").source(group(code)).destination(json!({"transactioncurrencyid": EURO}));
    let gives = |code: &str| {
        standing(code)
            .gives(json!({"bcbi_companyid": COMPANY_ROW}))
            .and_at_first(json!({"description": format!("Group {code}")}))
    };
    let cases = vec![
        new("USD", DOLLAR),
        new("MIXED", DOLLAR),
        new("EUR", EURO),
        new("NONE", EURO),
        case("in a currency that is not coupled").source(group("SEK")).waits_for("CURRENCY", "SEK"),
        gives("EUR"),
        standing("USD").fails("USD is in USD, and the price list of that name in Dataverse in another currency (E59)"),
        case("without a description")
            .source(with(&group("NONE"), json!({"displayName": null})))
            .gives(json!({"bcbi_companyid": COMPANY_ROW}))
            .and_at_first(json!({"description": null, "transactioncurrencyid": EURO})),
    ];
    bench.adjusts(TO, cases).await;
}
