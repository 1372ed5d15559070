//! What a change of the mappings does to runs, to messages under way, and to what couplings remember.

use couplet_model::MappingName;
use couplet_model::catalogue::{MappingChange, Overlay};
use couplet_model::job::Trigger;
use couplet_model::message::Direction;
use couplet_model::{RecordId, RecordMessage};
use serde_json::{Value as Json, json};

use super::ChangeError;
use crate::bench::Bench;
use crate::find::found::RunMode;
use crate::ports::{Delivery, Disposition};
use crate::run::{RunReport, RunRequest};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

fn customer(more: Json) -> Json {
    with(
        json!({"number": "C1", "displayName": "Adatum", "blocked": " ", "faxNo": "1", "phoneNumber": "1", "city": "Paris"}),
        more,
    )
}

fn with(mut all: Json, more: Json) -> Json {
    if let (Some(all), Json::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

async fn change(bench: &Bench, mapping: &str, change: Json) -> u64 {
    let standing = bench.engine.standing_mappings().await.expect("a store");
    let change: MappingChange = serde_json::from_value(change).expect("a change");
    let overlay = Overlay { mappings: [(MappingName::from(mapping), change)].into(), ..Overlay::default() };
    bench.engine.change_mappings(&standing, overlay).await.expect("changed")
}

async fn reset(bench: &Bench) {
    let standing = bench.engine.standing_mappings().await.expect("a store");
    bench.engine.change_mappings(&standing, Overlay::default()).await.expect("changed");
}

async fn find(bench: &Bench) -> RunReport {
    let job = bench.mapping.name.to_string();
    let request = RunRequest { job, mode: RunMode::Modified, trigger: Trigger::Schedule, until: None };
    bench.engine.run_job(&request).await.expect("a run")
}

async fn deliver(bench: &Bench, messages: Vec<RecordMessage>) {
    let deliveries = messages.into_iter().map(|message| Delivery { message, receive_count: 1 }).collect();
    let report = bench.engine.sync_batch(deliveries).await;
    assert!(report.dispositions.iter().all(|end| *end == Disposition::Done), "{:?}", report.dispositions);
}

/// A bench with one coupled customer; gives its account.
async fn coupled() -> (Bench, RecordId) {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.put("Customer", 1, customer(json!({})));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 1, "{report:?}");
    let account = bench.coupling(1).await.expect("a coupling").id(couplet_model::Side::Dataverse);
    bench.dataverse.change("account", account, json!({"statecode": 0}));
    find(&bench).await;
    deliver(&bench, bench.take_messages()).await;
    (bench, account)
}

fn held(bench: &Bench, account: RecordId) -> (Json, Json) {
    let row = bench.dataverse.row_of("account", account);
    (row["fax"].clone(), row["telephone1"].clone())
}

const NO_FAX: &str = r#"{"fields": [{"business_central": "faxNo", "dataverse": "fax", "enabled": false}]}"#;

fn no_fax() -> Json {
    serde_json::from_str(NO_FAX).expect("JSON")
}

#[tokio::test]
async fn a_change_takes_effect_with_the_next_run_and_not_within_messages_under_way() {
    let (bench, account) = coupled().await;
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "2", "phoneNumber": "2"})));
    find(&bench).await;
    let under_way = bench.take_messages();
    assert!(under_way.iter().any(|message| message.direction == TO && message.snapshot.is_some()), "{under_way:?}");
    assert_eq!(change(&bench, "CUSTOMER", no_fax()).await, 1);
    deliver(&bench, under_way).await;
    assert_eq!(held(&bench, account), (json!("2"), json!("2")), "as they were found");

    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "3", "phoneNumber": "3"})));
    find(&bench).await;
    let next = bench.take_messages();
    reset(&bench).await;
    deliver(&bench, next).await;
    assert_eq!(
        held(&bench, account),
        (json!("2"), json!("3")),
        "the run after the change goes by it, whatever comes later"
    );
    // What is still to be read is read and treated by the mappings as they are now.
    let run = bench.run().await;
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "4", "phoneNumber": "4"})));
    deliver(&bench, vec![bench.message(run, TO, 1)]).await;
    assert_eq!(held(&bench, account), (json!("4"), json!("4")));
}

#[tokio::test]
async fn a_field_that_comes_back_takes_a_side_and_is_a_field_like_any_other_afterwards() {
    let (bench, account) = coupled().await;
    change(&bench, "CUSTOMER", no_fax()).await;
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "BC", "phoneNumber": "2"})));
    bench.dataverse.change("account", account, json!({"fax": "DV"}));
    find(&bench).await;
    deliver(&bench, bench.take_messages()).await;
    assert_eq!(held(&bench, account), (json!("DV"), json!("2")));
    assert_eq!(bench.business_central.row("Customer", 1)["faxNo"], json!("BC"));

    reset(&bench).await;
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "BC", "phoneNumber": "3"})));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 0, "no conflict: {report:?}");
    assert_eq!(held(&bench, account), (json!("BC"), json!("3")));
    // From now on both sides are watched again.
    bench.dataverse.change("account", account, json!({"fax": "DV 2"}));
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "BC", "phoneNumber": "4"})));
    bench.sync(TO, &[1]).await;
    assert_eq!(held(&bench, account), (json!("DV 2"), json!("4")), "what only Dataverse changed stays");
    bench.business_central.put("Customer", 1, customer(json!({"faxNo": "BC 2", "phoneNumber": "4"})));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "both changed it: {report:?}");
}

#[tokio::test]
async fn a_mapping_made_one_way_leaves_the_other_way_alone() {
    let (bench, account) = coupled().await;
    bench.dataverse.change("account", account, json!({"fax": "DV"}));
    change(&bench, "CUSTOMER", json!({"direction": "to_dataverse"})).await;
    find(&bench).await;
    assert!(bench.take_messages().iter().all(|message| message.direction == TO));
    let run = bench.run().await;
    let mut message = bench.message(run, FROM, 1);
    message.record = account;
    let report = bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
    assert_eq!(
        (report.groups[0].outcomes.ignored, report.dispositions[0].clone()),
        (1, Disposition::Done),
        "{report:?}"
    );
    assert_eq!(bench.business_central.row("Customer", 1)["faxNo"], json!("1"));
    bench.business_central.put("Customer", 1, customer(json!({"phoneNumber": "2"})));
    bench.sync(TO, &[1]).await;
    assert_eq!(held(&bench, account), (json!("1"), json!("2")), "the source wins silently (R58)");
}

#[tokio::test]
async fn filters_constants_and_transformations_are_those_of_the_installation() {
    let bench = Bench::of("CUSTOMER").await;
    change(
        &bench,
        "CUSTOMER",
        json!({
            "business_central_filter": [{"property": "city", "op": "in", "value": ["Lyon"]}],
            "fields": [
                {"dataverse": "description", "added": true, "constant": "from the ERP"},
                {"business_central": "displayName", "dataverse": "name", "transformation": "uppercase", "transformation_direction": "to_dataverse"}
            ]
        }),
    )
    .await;
    bench.business_central.put("Customer", 1, customer(json!({"city": "Lyon"})));
    bench.business_central.put("Customer", 2, customer(json!({"number": "C2"})));
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!((report.groups[0].outcomes.inserted, report.groups[0].outcomes.ignored), (1, 1), "{report:?}");
    let account = bench.coupling(1).await.expect("a coupling").id(couplet_model::Side::Dataverse);
    let row = bench.dataverse.row_of("account", account);
    assert_eq!((&row["name"], &row["description"]), (&json!("ADATUM"), &json!("from the ERP")));
    // The way back: nobody has changed the name.
    bench.dataverse.change("account", account, json!({"statecode": 0, "telephone1": "9"}));
    let run = bench.run().await;
    let mut message = bench.message(run, FROM, 1);
    message.record = account;
    bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
    let record = bench.business_central.row("Customer", 1);
    assert_eq!((&record["displayName"], &record["phoneNumber"]), (&json!("Adatum"), &json!("9")));
}

#[tokio::test]
async fn r157_r158_new_records_get_what_their_template_says_and_others_nothing() {
    let bench = Bench::of("CUSTOMER").await;
    change(
        &bench,
        "CUSTOMER",
        json!({"templates": [
            {"priority": 10, "direction": "to_dataverse", "filter": [{"property": "city", "op": "eq", "value": "Paris"}],
             "values": {"description": "Parisian", "fax": "33"}},
            {"priority": 20, "direction": "to_dataverse", "values": {"description": "elsewhere"}}
        ]}),
    )
    .await;
    bench.business_central.put("Customer", 1, customer(json!({})));
    bench.business_central.put("Customer", 2, customer(json!({"number": "C2", "city": "Rome"})));
    bench.sync(TO, &[1, 2]).await;
    let mut rows = Vec::new();
    for number in [1, 2] {
        let account = bench.coupling(number).await.expect("a coupling").id(couplet_model::Side::Dataverse);
        let row = bench.dataverse.row_of("account", account);
        rows.push((row["description"].clone(), row["fax"].clone(), row["customertypecode"].clone()));
    }
    assert_eq!(rows, [(json!("Parisian"), json!("33"), json!(3)), (json!("elsewhere"), json!("1"), json!(3))]);
    // A record that is there already gets nothing, and what the template gave stays until somebody changes it.
    bench.business_central.put("Customer", 1, customer(json!({"phoneNumber": "2", "city": "Rome"})));
    bench.sync(TO, &[1]).await;
    let account = bench.coupling(1).await.expect("a coupling").id(couplet_model::Side::Dataverse);
    let row = bench.dataverse.row_of("account", account);
    assert_eq!((&row["description"], &row["telephone1"]), (&json!("Parisian"), &json!("2")));
}

#[tokio::test]
async fn c_114_a_currency_of_which_only_the_code_is_used_is_created_with_the_code_alone() {
    let bench = Bench::of("CURRENCY").await;
    let disabled: Vec<Json> = bench
        .mapping
        .fields
        .iter()
        .filter_map(|field| Some((field.business_central.as_ref()?, field.dataverse.as_ref()?)))
        .filter(|(_, dataverse)| dataverse.name != "isocurrencycode")
        .map(|(bc, dv)| json!({"business_central": bc.name, "dataverse": dv.name, "enabled": false}))
        .collect();
    assert!(disabled.len() >= 2, "{disabled:?}");
    change(&bench, "CURRENCY", json!({"fields": disabled})).await;
    let known = json!({"code": "USD", "displayName": "US dollar", "symbol": "$"});
    bench.business_central.put("Currency", 1, known);
    bench.business_central.put("Currency Exchange Rate", 11, json!({"currencyCode": "USD", "startingDate": "2026-01-01", "exchangeRateAmount": 1.1, "relationalExchangeRateAmount": 1}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 1, "{:?}", bench.coupling(1).await);
    let row = bench.coupling(1).await.expect("a coupling").id(couplet_model::Side::Dataverse);
    let row = bench.dataverse.row_of("transactioncurrency", row);
    assert_eq!(row["isocurrencycode"], json!("USD"));
    assert!(row["currencysymbol"].is_null() && row["currencyname"].is_null(), "{row}");
}

#[tokio::test]
async fn of_two_operators_at_once_one_is_told_and_nothing_half_is_stored() {
    let bench = Bench::of("CUSTOMER").await;
    let standing = bench.engine.standing_mappings().await.expect("a store");
    assert_eq!(standing.revision, 0);
    change(&bench, "CUSTOMER", no_fax()).await;
    let overtaken = bench.engine.change_mappings(&standing, Overlay::default()).await.expect_err("overtaken");
    assert!(matches!(overtaken, ChangeError::Overtaken), "{overtaken}");
    let now = bench.engine.standing_mappings().await.expect("a store");
    assert_eq!((now.revision, now.stored.overlay.mappings.len()), (1, 1));
    let wrong: MappingChange = serde_json::from_value(json!({"direction": "bidirectional"})).expect("a change");
    let overlay = Overlay { mappings: [(MappingName::from("CURRENCY"), wrong)].into(), ..Overlay::default() };
    let invalid = bench.engine.change_mappings(&now, overlay).await.expect_err("invalid");
    assert!(invalid.to_string().starts_with("CURRENCY: goes to Dataverse only"), "{invalid}");
    let large = Overlay {
        tables: couplet_model::catalogue::TableAdditions {
            dataverse: (0..3000).map(|number| {
                let columns: Vec<Json> = (0..3).map(|column| json!({"name": format!("column{column}"), "type": "bool"})).collect();
                json!({"name": format!("new_table{number}"), "entity_set": null, "id": null, "modified_on": null, "primary_name": null,
                    "display_column": null, "company_column": null, "reset_company_on_uncouple": false, "columns": columns})
            }).collect(),
            ..Default::default()
        },
        ..Overlay::default()
    };
    let large = bench.engine.change_mappings(&now, large).await.expect_err("too large").to_string();
    assert!(
        large.contains("what the installation changes of its mappings takes") && large.contains("at most"),
        "{large}"
    );
    assert_eq!(bench.engine.standing_mappings().await.expect("a store").revision, 1);
}
