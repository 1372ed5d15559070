//! What field rows make of a source record, case by case.

use couplet_model::catalogue::{Clearing, MappingDirection};
use couplet_model::ids::option_id;
use couplet_model::message::Direction;
use couplet_model::switches::{Ownership, SalesOrders};
use couplet_model::{ActiveMapping, Coupling, CouplingState, Switches};
use serde_json::{Value as Json, json};

use crate::bench::{Bench, EURO, case, id, pair, pair_with};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// The mapping of a bench with one of its rows changed: the one of a column of Dataverse.
fn changed(
    bench: &Bench,
    column: &str,
    change: impl FnOnce(&mut couplet_model::catalogue::FieldMapping),
) -> ActiveMapping {
    let mut mapping = ActiveMapping::clone(&bench.mapping);
    let of_column = |row: &&mut couplet_model::catalogue::FieldMapping| {
        row.dataverse.as_ref().is_some_and(|own| own.name == column)
    };
    change(mapping.fields.iter_mut().find(of_column).expect("a row of that column"));
    mapping
}

#[tokio::test]
async fn d8_plain_values_travel_blank_ones_clear_and_unknown_ones_leave_what_is_there() {
    let bench = Bench::of("CUSTOMER").await;
    let long = "x".repeat(60);
    let cases = vec![
        case("a value").source(json!({"displayName": "Adatum"})).gives(json!({"name": "Adatum"})),
        case("a blank one").source(json!({"faxNo": null})).gives(json!({"fax": null})),
        case("nothing is known").source(json!({})).gives(json!({})),
        case("a number").source(json!({"creditLimit": 1250.5})).gives(json!({"creditlimit": 1250.5})),
        case("a column without a row").source(json!({"number": "10000"})).gives(json!({})),
    ];
    bench.transfers(TO, cases).await;
    let cases = vec![
        case("a text that is too long is cut")
            .source(json!({"address1_line2": long}))
            .gives(json!({"addressLine2": "x".repeat(50)})),
        case("a code takes its form").source(json!({"address1_country": " de "})).gives(json!({"country": "DE"})),
        case("a row of the other direction").source(json!({"creditlimit": 5})).gives(json!({})),
    ];
    bench.transfers(FROM, cases).await;
}

#[tokio::test]
async fn r141_columns_that_only_a_new_record_takes_are_given_at_first_and_read_only_ones_never() {
    let bench = Bench::of("CURRENCY").await;
    let cases = vec![
        case("the ISO code")
            .source(json!({"code": "USD", "displayName": "Dollar"}))
            .gives(json!({"currencyname": "Dollar"}))
            .and_at_first(json!({"isocurrencycode": "USD"})),
    ];
    bench.transfers(TO, cases).await;
    for column in ["modifiedon", "statecode"] {
        let table = bench.mapping.dataverse.clone();
        let mapping = changed(&bench, "currencyname", |row| row.dataverse = table.column(column).cloned());
        let cases =
            vec![case("read only, or for updates only").source(json!({"displayName": "Dollar"})).gives(json!({}))];
        bench.transfers_by(&mapping, TO, cases).await;
    }
}

#[tokio::test]
async fn r137_constants_travel_whatever_the_source_holds_and_names_of_tables_are_implied() {
    let bench = Bench::of("CURRENCY").await;
    let switches = Switches::default();
    let mapping = bench.engine.catalogue().active_mapping("PLLINE-PRODPRICE", &switches).expect("a mapping");
    bench.transfers_by(&mapping, TO, vec![case("nothing is known").gives(json!({"pricingmethodcode": 1}))]).await;

    let bench = Bench::with("CUSTOMER", Switches { ownership: Ownership::Person, ..Switches::default() }).await;
    bench.transfers(TO, vec![case("the kind of an owner").gives(json!({}))]).await;
}

#[tokio::test]
async fn r147_r148_r149_a_lookup_is_the_row_coupled_to_a_code_and_a_code_that_is_not_coupled_is_waited_for() {
    let bench = Bench::of("CUSTOMER").await;
    let reserved = Coupling { state: CouplingState::Reserved, ..pair(3, 13, "NOK") };
    bench.couple("CURRENCY", [pair(1, 11, "USD"), reserved]).await;
    let currency = |row: u128| json!({"transactioncurrencyid": {"transactioncurrency": u64::try_from(row).ok()}});
    let cases = vec![
        case("coupled").source(json!({"currencyCode": "USD"})).gives(currency(11)),
        case("blank is the local currency").source(json!({"currencyCode": null})).gives(currency(EURO)),
        case("and so is its own code").source(json!({"currencyCode": "EUR"})).gives(currency(EURO)),
        case("not coupled").source(json!({"currencyCode": "SEK"})).waits_for("CURRENCY", "SEK"),
        case("about to be coupled").source(json!({"currencyCode": "NOK"})).waits_for("CURRENCY", "NOK"),
    ];
    bench.transfers(TO, cases).await;

    let row = |row: Json| json!({"transactioncurrencyid": row});
    let cases = vec![
        case("coupled").source(row(json!(11))).gives(json!({"currencyCode": "USD"})),
        case("the local currency").source(row(json!(EURO))).gives(json!({"currencyCode": "EUR"})),
        case("blank").source(row(json!(null))).gives(json!({"currencyCode": null})),
        case("not coupled").source(row(json!(99))).waits_for("CURRENCY", id(99)),
        case("about to be coupled").source(row(json!(13))).waits_for("CURRENCY", id(13)),
    ];
    bench.transfers(FROM, cases).await;
}

#[tokio::test]
async fn u11_a_row_that_the_record_can_do_without_stays_behind_until_it_is_coupled() {
    let bench = Bench::with("CUSTOMER", Switches { ownership: Ownership::Person, ..Switches::default() }).await;
    bench.couple("SALESPEOPLE", [pair(1, 11, "JO")]).await;
    let cases = vec![
        case("coupled").source(json!({"salespersonCode": "JO"})).gives(json!({"ownerid": {"systemuser": 11}})),
        case("not coupled")
            .source(json!({"salespersonCode": "LM", "displayName": "Adatum"}))
            .gives(json!({"name": "Adatum"}))
            .and_notes(&["\"LM\" is not coupled by SALESPEOPLE"])
            .and_misses("SALESPEOPLE", "LM"),
        case("blank never clears an owner").source(json!({"salespersonCode": null})).gives(json!({})),
    ];
    bench.transfers(TO, cases).await;

    let both_ways = changed(&bench, "ownerid", |row| row.direction = MappingDirection::Bidirectional);
    let cases = vec![
        case("a user").source(json!({"ownerid": {"systemuser": 11}})).gives(json!({"salespersonCode": "JO"})),
        case("a user who is not coupled")
            .source(json!({"ownerid": {"systemuser": 12}}))
            .gives(json!({}))
            .and_notes(&["is not coupled by SALESPEOPLE"])
            .and_misses("SALESPEOPLE", id(12)),
        case("a team is nobody to wait for").source(json!({"ownerid": {"team": 13}})).gives(json!({})),
    ];
    bench.transfers_by(&both_ways, FROM, cases).await;
}

#[tokio::test]
async fn r150_what_cannot_be_resolved_clears_where_the_row_says_so() {
    let bench = Bench::of("CUSTOMER").await;
    let clears = |row: &mut couplet_model::catalogue::FieldMapping| row.clearing = Clearing::OnFailure;
    let mapping = changed(&bench, "transactioncurrencyid", clears);
    let cases =
        vec![case("a lookup").source(json!({"currencyCode": "SEK"})).gives(json!({"transactioncurrencyid": null}))];
    bench.transfers_by(&mapping, TO, cases).await;
    let mapping = changed(&bench, "paymenttermscode", clears);
    let cases =
        vec![case("an option").source(json!({"paymentTermsCode": "30D"})).gives(json!({"paymenttermscode": null}))];
    bench.transfers_by(&mapping, TO, cases).await;
}

#[tokio::test]
async fn d17_r146_a_row_declines_where_no_mapping_couples_such_records() {
    let bench = Bench::of("CUSTOMER").await;
    let nowhere = changed(&bench, "transactioncurrencyid", |row| {
        row.resolution = couplet_model::catalogue::Resolution::Lookup(vec!["NO SUCH MAPPING".into()]);
    });
    let cases = vec![
        case("a value").source(json!({"currencyCode": "USD", "displayName": "A"})).gives(json!({"name": "A"})),
        case("a blank one").source(json!({"currencyCode": null})).gives(json!({})),
    ];
    bench.transfers_by(&nowhere, TO, cases).await;
}

#[tokio::test]
async fn r154_an_option_is_the_one_of_the_same_label() {
    let bench = Bench::of("CUSTOMER").await;
    bench.dataverse.set_labels("account", "paymenttermscode", &[(1, "30 days"), (2, "1M(8D) ")]);
    let (terms, option) =
        (|code: &str| json!({"paymentTermsCode": code}), |number: i64| json!({"paymenttermscode": number}));
    let cases = vec![
        case("the label").source(terms("1M(8D)")).gives(option(2)),
        case("no such label")
            .source(terms("14D"))
            .gives(json!({}))
            .and_notes(&["14D must be coupled in Dataverse (EE17): synchronize PAYMENT TERMS in full, add an option"])
            .and_misses("PAYMENT TERMS", "14D"),
        case("blank").source(json!({"paymentTermsCode": null})).gives(json!({"paymenttermscode": null})),
    ];
    let is_read = |call: &&String| *call == "find account.paymenttermscode";
    let reads_of_labels = || bench.dataverse.take_calls().iter().filter(is_read).count();
    bench.transfers(TO, cases).await;
    assert_eq!(reads_of_labels(), 1, "read once for all");

    bench.dataverse.set_labels("account", "paymenttermscode", &[(1, "30 DAYS"), (3, "14D")]);
    bench.transfers(TO, vec![case("an option that a person added").source(terms("14D")).gives(option(3))]).await;
    bench.transfers(TO, vec![case("and is known now").source(terms("14d")).gives(option(3))]).await;
    assert_eq!(reads_of_labels(), 1, "read again only when they do not do");

    let cases = vec![
        case("back").source(option(3)).gives(terms("14D")),
        case("a number without a label")
            .source(option(9))
            .gives(json!({}))
            .and_notes(&["9 must be coupled"])
            .and_misses("PAYMENT TERMS", option_id("account", "paymenttermscode", 9)),
    ];
    bench.transfers(FROM, cases).await;
}

#[tokio::test]
async fn c_136_r154_r155_a_code_is_the_option_it_is_coupled_to_whatever_its_label() {
    let bench = Bench::of("CUSTOMER").await;
    let id = |number| option_id("account", "address1_shippingmethodcode", number);
    let labels = [(4, "UPS"), (7, "Will Call"), (8, "DHL"), (9, "Pigeon")];
    bench.dataverse.set_labels("account", "address1_shippingmethodcode", &labels);
    let coupled = [pair_with(1, id(7), "WILLCALL"), pair_with(2, id(8), "DHLX"), pair_with(3, id(99), "GONE")];
    bench.couple("SHIPPING AGENT", coupled).await;
    let (agent, option) =
        (|code: &str| json!({"shippingAgentCode": code}), |number: i64| json!({"address1_shippingmethodcode": number}));
    let cases = vec![
        case("coupled").source(agent("WILLCALL")).gives(option(7)),
        case("nobody coupled either").source(agent("UPS")).gives(option(4)),
        case("its label is another code's")
            .source(agent("DHL"))
            .gives(json!({}))
            .and_notes(&["DHL must be coupled"])
            .and_misses("SHIPPING AGENT", "DHL"),
        case("its option was removed")
            .source(agent("GONE"))
            .gives(json!({}))
            .and_notes(&["GONE must be coupled"])
            .and_misses("SHIPPING AGENT", "GONE"),
    ];
    bench.transfers(TO, cases).await;
    let cases = vec![
        case("coupled").source(option(7)).gives(agent("WILLCALL")),
        case("nobody coupled either").source(option(9)).gives(agent("PIGEON")),
        case("coupled to a code of another name").source(option(8)).gives(agent("DHLX")),
        case("blank").source(json!({"address1_shippingmethodcode": null})).gives(json!({"shippingAgentCode": null})),
    ];
    bench.transfers(FROM, cases).await;
}

#[tokio::test]
async fn c_139_options_of_an_order_are_those_of_its_account() {
    let bench = Bench::of("CUSTOMER").await;
    let switches = Switches { sales_orders: SalesOrders::Bidirectional, ..Switches::default() };
    let orders = bench.engine.catalogue().active_mapping("SALESORDER-ORDER", &switches).expect("a mapping");
    for (mapping, column, number, code) in [
        ("PAYMENT TERMS", "paymenttermscode", 1, "30 DAYS"),
        ("SHIPPING AGENT", "address1_shippingmethodcode", 7, "WILLCALL"),
        ("SHIPMENT METHOD", "address1_freighttermscode", 2, "EXW"),
    ] {
        bench.couple(mapping, [pair_with(1, option_id("account", column, number), code)]).await;
    }
    let cases = vec![
        case("coupled through the account's columns")
            .source(json!({"paymenttermscode": 1, "shippingmethodcode": 7, "freighttermscode": 2}))
            .gives(json!({
                "paymentTermsCode": "30 DAYS", "shippingAgentCode": "WILLCALL", "shipmentMethodCode": "EXW",
            })),
    ];
    bench.transfers_by(&orders, FROM, cases).await;
    let calls = bench.dataverse.take_calls();
    assert!(!calls.iter().any(|call| call.contains("account.")), "no option needs to be read: {calls:?}");
}

#[tokio::test]
async fn r139_a_value_that_is_none_of_the_destinations_stays_behind_with_a_note() {
    let bench = Bench::of("CUSTOMER").await;
    let table = bench.mapping.dataverse.clone();
    let mapping = changed(&bench, "name", |row| row.dataverse = table.column("revenue").cloned());
    let cases = vec![
        case("a text in place of an amount")
            .source(json!({"displayName": "much", "faxNo": "1"}))
            .gives(json!({"fax": "1"}))
            .and_notes(&["\"much\" is not a amount of money: revenue keeps what it has"]),
        case("an amount in a text").source(json!({"displayName": "12.5"})).gives(json!({"revenue": 12.5})),
    ];
    bench.transfers_by(&mapping, TO, cases).await;
}
