//! What codes become in Dataverse, and labels in Business Central, case by case.

use couplet_model::ids::option_id as option;
use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY, Call, case};
use crate::ports::Disposition;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const TERMS: &str = "account.paymenttermscode";

fn code(code: &str) -> Json {
    json!({"code": code})
}

fn label(label: &str) -> Json {
    json!({"paymenttermscode": label})
}

#[tokio::test]
async fn an_option_that_says_the_code_in_any_language_and_alphabet_is_adopted() {
    let bench = Bench::of("PAYMENT TERMS").await;
    let labels = [
        (1, "Net 30"),
        (2, "14 days\n14 Tage"),
        (3, "ПРЕДОПЛАТА"),
        (4, "STÜCK "),
        (5, "cod"),
        (6, "Cash\nCOD"),
        (7, "1M"),
        (8, "1m"),
    ];
    bench.dataverse.set_labels("account", "paymenttermscode", &labels);
    let number = |number| option("account", "paymenttermscode", number);
    let cases = vec![
        case("other letters").source(code("NET 30")).finds_id(number(1)),
        case("the other language").source(code("14 TAGE")).finds_id(number(2)),
        case("another alphabet").source(code("предоплата")).finds_id(number(3)),
        case("a blank at the end").source(code("STÜCK")).finds_id(number(4)),
        case("ours before a translation").source(code("COD")).finds_id(number(5)),
        case("two options").source(code("1M")).fails("paymenttermscode of account are labelled 1M: 7, 8; rename"),
        case("nobody").source(code("NET 3")).finds_nobody(),
    ];
    bench.finds(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["find account.paymenttermscode"], "one read for all");
}

#[tokio::test]
async fn r228_a_label_that_says_something_else_is_renamed_and_one_that_says_the_code_is_left_alone() {
    let bench = Bench::of("SHIPPING AGENT").await;
    let agent = |label: &str| json!({"address1_shippingmethodcode": label});
    let there = |label: &str, all: &str| json!({"address1_shippingmethodcode": label, "value": 7, "labels": all});
    let cases = vec![
        case("a new one").source(code("PIGEON")).transferred(agent("PIGEON")).gives(agent("PIGEON")),
        case("other letters")
            .source(code("FEDEX"))
            .destination(there("FedEx", "FedEx"))
            .transferred(agent("FEDEX"))
            .gives(agent("FedEx")),
        case("a translation says it")
            .source(code("POST"))
            .destination(there("Postal Mail", "Postal Mail\nPost"))
            .transferred(agent("POST"))
            .gives(agent("Postal Mail")),
        case("the code was renamed")
            .source(code("UPS2"))
            .destination(there("UPS", "UPS"))
            .transferred(agent("UPS2"))
            .gives(agent("UPS2")),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn r230_an_option_that_was_adopted_is_repeated_in_the_columns_of_documents() {
    let bench = Bench::of("PAYMENT TERMS").await;
    bench.dataverse.set_labels("account", "paymenttermscode", &[(1, "Net 30")]);
    bench.business_central.put("Payment Terms", 1, code("NET 30"));
    bench.business_central.put("Payment Terms", 2, code("COD"));
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!(report.dispositions, [Disposition::Done, Disposition::Done]);
    let calls = bench.dataverse.take_calls();
    let writes: Vec<&String> = calls.iter().filter(|call| call.starts_with("write")).collect();
    assert_eq!(writes, ["write account.paymenttermscode 1", "write account.paymenttermscode 1"], "{calls:?}");
    let option = bench.dataverse.row_of(TERMS, option("account", "paymenttermscode", 1));
    assert_eq!(option["paymenttermscode"], "Net 30");
    assert_eq!(bench.dataverse.ids(TERMS).len(), 2);
    let coupled = bench.coupling(1).await.expect("it is coupled");
    assert_eq!(coupled.key.as_deref(), Some("NET 30"));
    // A second time nothing is left to do.
    bench.dataverse.take_calls();
    bench.sync(TO, &[1, 2]).await;
    assert!(bench.dataverse.take_calls().iter().all(|call| !call.starts_with("write")));
}

#[tokio::test]
async fn r235_a_code_renamed_in_business_central_renames_its_label_and_couples_nobody_else() {
    let bench = Bench::of("PAYMENT TERMS").await;
    bench.business_central.put("Payment Terms", 1, code("COD"));
    bench.sync(TO, &[1]).await;
    bench.business_central.put("Payment Terms", 1, code("CASH"));
    bench.business_central.put("Payment Terms", 2, code("COD"));
    bench.sync(TO, &[2, 1]).await;
    let mut labels: Vec<Json> = bench
        .dataverse
        .ids(TERMS)
        .into_iter()
        .map(|id| bench.dataverse.row_of(TERMS, id)["paymenttermscode"].clone())
        .collect();
    labels.sort_by_key(Json::to_string);
    assert_eq!(labels, ["CASH", "COD"]);
    let keys = [bench.coupling(1).await, bench.coupling(2).await].map(|coupling| coupling.and_then(|it| it.key));
    assert_eq!(keys, [Some("CASH".to_owned()), Some("COD".to_owned())]);
}

#[tokio::test]
async fn an_option_that_cannot_be_repeated_fails_its_own_record() {
    let bench = Bench::of("PAYMENT TERMS").await;
    bench.dataverse.set_labels("account", "paymenttermscode", &[(1, "Net 30")]);
    bench.business_central.put("Payment Terms", 1, code("NET 30"));
    bench.dataverse.fail(Call::Write, TERMS, SystemErrorKind::Refused);
    bench.sync(TO, &[1]).await;
    let store = bench.engine.store();
    let failures = store.failures(COMPANY, &bench.mapping.name, TO).await.expect("a store");
    assert_eq!(failures.len(), 1);
    bench.dataverse.mend();
    bench.sync(TO, &[1]).await;
    assert!(store.failures(COMPANY, &bench.mapping.name, TO).await.expect("a store").is_empty());
    assert_eq!(bench.dataverse.ids(TERMS).len(), 1);
}

#[tokio::test]
async fn r227_a_label_becomes_a_code_in_capitals_as_long_as_a_code_may_be() {
    let bench = Bench::of("PAYMENT TERMS").await;
    bench.business_central.put("Payment Terms", 1, code("NET 30"));
    bench.business_central.put("Payment Terms", 2, code("14 TAGE NE"));
    let cases = vec![
        case("other letters").source(label("Net 30")).finds(1),
        case("a long label").source(label("14 Tage netto")).finds(2),
        case("nobody").source(label("Net 45")).finds_nobody(),
    ];
    bench.finds(FROM, cases).await;
    let cases = vec![
        case("a long label")
            .source(label("14 Tage netto"))
            .transferred(code("14 Tage netto"))
            .gives(code("14 TAGE NE")),
        case("no label").source(label(" ")).fails("give it one"),
    ];
    bench.adjusts(FROM, cases).await;
}
