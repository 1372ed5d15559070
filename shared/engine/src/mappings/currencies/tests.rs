//! What a currency becomes in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{Bench, Call, EURO, LEDGER, case, id};
use crate::error::EngineError;

const TO: Direction = Direction::ToDataverse;

/// A rate of Business Central: so much of the local currency, or of another one, for 100 of the currency.
fn put_rate(bench: &Bench, number: u128, code: &str, day: &str, amount: f64, of: Option<&str>) {
    let rate = json!({
        "currencyCode": code, "startingDate": day, "exchangeRateAmount": 100,
        "relationalExchangeRateAmount": amount, "relationalCurrencyCode": of,
    });
    bench.business_central.put("Currency Exchange Rate", number, rate);
}

/// A bench on which the company counts in dollars, and the organization in euro.
async fn bench_in_dollars() -> Bench {
    let bench = Bench::of("CURRENCY").await;
    bench.business_central.put("General Ledger Setup", LEDGER, json!({"localCurrencyCode": "USD"}));
    bench
}

#[tokio::test]
async fn r50_a_currency_of_the_same_iso_code_is_adopted() {
    let bench = Bench::of("CURRENCY").await;
    bench.dataverse.put("transactioncurrency", 1, json!({"isocurrencycode": "usd"}));
    bench.dataverse.put("transactioncurrency", 2, json!({"isocurrencycode": "GBP"}));
    bench.dataverse.take_calls();
    bench
        .finds(
            TO,
            vec![
                case("another case of the code").source(json!({"code": "USD"})).finds(1),
                case("the same code").source(json!({"code": "GBP"})).finds(2),
                case("the base currency").source(json!({"code": "EUR"})).finds(EURO),
                case("no such row").source(json!({"code": "SEK"})).finds_nobody(),
                case("a blank code").source(json!({"code": null})).finds_nobody(),
            ],
        )
        .await;
    assert_eq!(bench.dataverse.take_calls(), ["find transactioncurrency"], "one read for all");
}

#[tokio::test]
async fn r144_s273_a_currency_gets_rate_symbol_and_precision() {
    let bench = Bench::of("CURRENCY").await;
    put_rate(&bench, 1, "USD", "2026-01-01", 80.0, None);
    put_rate(&bench, 2, "USD", "2026-02-01", 50.0, None);
    put_rate(&bench, 3, "GBP", "2026-01-01", 125.0, None);
    bench.business_central.take_calls();
    bench
        .adjusts(
            TO,
            vec![
                case("the rate in force, not one of later")
                    .source(json!({"code": "USD", "symbol": "$"}))
                    .transferred(json!({"currencysymbol": "$"}))
                    .gives(json!({"currencysymbol": "$", "exchangerate": 1.25}))
                    .and_at_first(json!({"currencyprecision": 2})),
                case("a blank symbol is the code")
                    .source(json!({"code": "GBP", "symbol": null}))
                    .transferred(json!({"currencysymbol": null}))
                    .gives(json!({"currencysymbol": "GBP", "exchangerate": 0.8}))
                    .and_at_first(json!({"currencyprecision": 2})),
                case("an unknown symbol is left alone")
                    .source(json!({"code": "GBP"}))
                    .destination(json!({"currencysymbol": "£"}))
                    .gives(json!({"exchangerate": 0.8}))
                    .and_at_first(json!({"currencyprecision": 2})),
                case("the base currency refuses a rate")
                    .source(json!({"code": "EUR", "symbol": "€"}))
                    .gives(json!({}))
                    .and_at_first(json!({"currencyprecision": 2})),
                case("no rate").source(json!({"code": "SEK", "symbol": "kr"})).fails("SEK"),
            ],
        )
        .await;
    let calls = bench.business_central.take_calls();
    assert_eq!(calls, ["find General Ledger Setup", "find Currency Exchange Rate"], "one read of all rates");
}

#[tokio::test]
async fn r270_blank_and_the_local_code_both_stand_for_the_local_currency() {
    let bench = Bench::of("CURRENCY").await;
    let pairs = bench.mapping.rules.standing_pairs(bench.installation()).await.unwrap();
    assert_eq!(pairs, [(String::new(), id(EURO).0), ("EUR".to_owned(), id(EURO).0)]);
}

#[tokio::test]
async fn s279_the_row_of_the_local_currency_is_made_when_it_is_missing_and_only_once() {
    let bench = bench_in_dollars().await;
    put_rate(&bench, 1, "EUR", "2026-01-01", 125.0, None);
    let standing = bench.mapping.rules.standing_pairs(bench.installation()).await.unwrap();
    let made: Vec<_> = bench.dataverse.ids("transactioncurrency").into_iter().filter(|row| *row != id(EURO)).collect();
    assert_eq!(standing.iter().map(|(_, row)| *row).collect::<Vec<_>>(), [made[0].0, made[0].0]);
    assert_eq!(
        bench.dataverse.row_of("transactioncurrency", made[0]),
        json!({
            "isocurrencycode": "USD", "currencyname": "USD", "currencysymbol": "USD",
            "currencyprecision": 2, "exchangerate": 1.25,
        })
    );
    bench.mapping.rules.standing_pairs(bench.installation()).await.unwrap();
    assert_eq!(bench.dataverse.ids("transactioncurrency").len(), 2);
}

#[tokio::test]
async fn the_rate_of_the_local_currency_follows_business_central_and_a_missing_one_is_told() {
    let bench = bench_in_dollars().await;
    let refresh = || bench.mapping.rules.refresh(bench.installation());
    assert_eq!(refresh().await.unwrap(), None, "a row that is missing is made when something refers to it");

    bench.dataverse.put("transactioncurrency", 1, json!({"isocurrencycode": "USD", "exchangerate": 1.1}));
    let note = refresh().await.unwrap().expect("a note about the missing rate");
    assert!(note.contains("currency USD in Dataverse is not up to date"), "{note}");
    assert_eq!(bench.dataverse.row("transactioncurrency", 1)["exchangerate"], 1.1);

    put_rate(&bench, 1, "EUR", "2026-01-01", 125.0, None);
    put_rate(&bench, 2, "EUR", "2026-01-20", 160.0, None);
    bench.dataverse.refuse(1, SystemErrorKind::Refused);
    let note = refresh().await.unwrap().expect("a note about the refusal");
    assert!(note.contains("a test asked for it"), "{note}");
    bench.dataverse.mend();
    bench.dataverse.fail(Call::Write, "transactioncurrency", SystemErrorKind::Transient);
    let failed = refresh().await.expect_err("what passes comes again");
    assert!(matches!(failed, EngineError::System(_)), "{failed}");
    bench.dataverse.mend();

    assert_eq!(refresh().await.unwrap(), None);
    assert_eq!(bench.dataverse.row("transactioncurrency", 1)["exchangerate"], 1.25);
    bench.dataverse.take_calls();
    assert_eq!(refresh().await.unwrap(), None);
    assert_eq!(bench.dataverse.take_calls(), ["find transactioncurrency"], "a rate that is right is not written");
    bench.pass(SignedDuration::from_hours(10 * 24));
    assert_eq!(refresh().await.unwrap(), None);
    assert_eq!(bench.dataverse.row("transactioncurrency", 1)["exchangerate"], 1.6, "the rate of the new day");
}

#[tokio::test]
async fn a_company_that_counts_in_the_base_currency_has_no_rate_to_follow() {
    let bench = Bench::of("CURRENCY").await;
    assert_eq!(bench.mapping.rules.refresh(bench.installation()).await.unwrap(), None);
    assert!(!bench.dataverse.take_calls().iter().any(|call| call.starts_with("write")));
}
