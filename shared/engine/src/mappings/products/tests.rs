//! What an item or a resource becomes in Dataverse and back, case by case.

use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::system::SystemErrorKind;
use couplet_model::{CouplingState, MappingName, Switches};
use serde_json::{Value as Json, json};

use crate::bench::{
    Bench, COMPANY, COMPANY_ROW, Call, EURO, Results, case, destination_of, pair, related, source_of, with, without,
};
use crate::mappings::price_lines::PRICE_LINE;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const UNITS: &str = "UNIT OF MEASURE";
/// Unit group and unit of pieces.
const PCS: (u128, u128) = (31, 32);
/// The default price list.
const PRICE_LIST: u128 = 40;

/// A bench on which pieces are coupled and the default price list is there.
async fn bench_of(mapping: &str) -> Bench {
    let bench = Bench::of(mapping).await;
    bench.couple(UNITS, [related(pair(30, PCS.0, "PCS"), "unit", PCS.1)]).await;
    let list = json!({"name": "Business Central Default Price List", "transactioncurrencyid": EURO});
    bench.dataverse.put("pricelevel", PRICE_LIST, list);
    bench
}

/// What every product holds.
fn usual() -> Json {
    json!({"defaultuomid": PCS.1, "transactioncurrencyid": EURO, "bcbi_companyid": COMPANY_ROW})
}

#[tokio::test]
async fn a_product_is_found_by_its_number_unless_it_is_of_another_kind_or_company() {
    for (mapping, what, ours, others) in
        [("ITEM-PRODUCT", "item", 1_i64, 3_i64), ("RESOURCE-PRODUCT", "resource", 3, 1)]
    {
        let bench = bench_of(mapping).await;
        for (number, text, kind, company) in [
            (1, "1000", ours, Some(COMPANY_ROW)),
            (2, "1001", ours, None),
            (3, "1002", others, None),
            (4, "1003", ours, Some(999)),
        ] {
            let company = company.and_then(|company| u64::try_from(company).ok());
            let row = json!({"productnumber": text, "producttypecode": kind, "bcbi_companyid": company});
            bench.dataverse.put("product", number, row);
        }
        bench.dataverse.take_calls();
        let another_type = "a product of another type has the number 1002";
        let cases = vec![
            case("of our company").source(json!({"number": "1000"})).finds(1),
            case("of no company").source(json!({"number": "1001"})).finds(2),
            case("of another kind").source(json!({"number": "1002"})).fails(another_type),
            case("of another company")
                .source(json!({"number": "1003"}))
                .fails("1003 in Dataverse belongs to another company"),
            case("no such number").source(json!({"number": "1004"})).finds_nobody(),
            case("a blank number").source(json!({"number": null})).finds_nobody(),
        ];
        bench.finds(TO, cases).await;
        assert_eq!(bench.dataverse.take_calls(), ["find product", "find bcbi_company"], "one read for all products");
        let cases =
            vec![case("the hint names it").source(json!({"number": "1002"})).fails(&format!("give the {what} or"))];
        bench.finds(TO, cases).await;
    }
}

#[tokio::test]
async fn an_item_is_found_by_the_number_of_its_product() {
    let bench = bench_of("ITEM-PRODUCT").await;
    bench.business_central.put("Item", 1, json!({"number": "1000"}));
    let cases = vec![
        case("the same number").source(json!({"productnumber": "1000"})).finds(1),
        case("no such number").source(json!({"productnumber": "1001"})).finds_nobody(),
        case("no number").source(json!({"productnumber": null})).finds_nobody(),
    ];
    bench.finds(FROM, cases).await;
}

#[tokio::test]
async fn s197_r268_a_product_gets_unit_currency_company_and_state() {
    let bench = bench_of("ITEM-PRODUCT").await;
    let half_made = pair(33, 34, "HALF");
    let reserved =
        couplet_model::Coupling { state: CouplingState::Reserved, ..related(pair(35, 36, "NEW"), "unit", 37) };
    bench.couple(UNITS, [half_made, reserved]).await;
    let first = || json!({"producttypecode": 1, "quantitydecimal": 2});
    let item =
        |special: Json| with(&json!({"baseUnitOfMeasureCode": "PCS", "blocked": false, "vendorName": "V"}), special);
    let on_sale =
        |state: i64, status: i64| with(&usual(), json!({"vendorname": "V", "statecode": state, "statuscode": status}));
    let cases = vec![
        case("a new one is a draft")
            .source(item(json!({})))
            .gives(with(&usual(), json!({"vendorname": "V"})))
            .and_at_first(first()),
        case("one that an earlier attempt made is a draft still")
            .source(item(json!({})))
            .destination(json!({"statecode": 2}))
            .resumed()
            .gives(with(&usual(), json!({"vendorname": "V"})))
            .and_at_first(first()),
        case("one that is there is active")
            .source(item(json!({})))
            .destination(json!({}))
            .gives(on_sale(0, 1))
            .and_at_first(first()),
        case("a blocked one is retired")
            .source(item(json!({"blocked": true})))
            .destination(json!({}))
            .gives(on_sale(1, 2))
            .and_at_first(first()),
        case("an unknown block and vendor leave what is there")
            .source(without(&item(json!({})), &["blocked", "vendorName"]))
            .destination(json!({}))
            .gives(usual())
            .and_at_first(first()),
        case("a blank vendor clears it")
            .source(item(json!({"vendorName": null})))
            .gives(with(&usual(), json!({"vendorname": null})))
            .and_at_first(first()),
        case("below zero is zero")
            .source(item(json!({})))
            .transferred(json!({"price": -1, "quantityonhand": -0.5, "standardcost": -2}))
            .gives(with(&usual(), json!({"vendorname": "V", "price": 0, "quantityonhand": 0, "standardcost": -2})))
            .and_at_first(first()),
        case("no unit")
            .source(item(json!({"baseUnitOfMeasureCode": null})))
            .fails("the item has no Base Unit of Measure (E44)"),
        case("a unit that is not coupled")
            .source(item(json!({"baseUnitOfMeasureCode": "BOX"})))
            .waits_for(UNITS, "BOX"),
        case("a unit whose group has no unit yet")
            .source(item(json!({"baseUnitOfMeasureCode": "HALF"})))
            .waits_for(UNITS, "HALF"),
        case("a unit about to be coupled")
            .source(item(json!({"baseUnitOfMeasureCode": "NEW"})))
            .waits_for(UNITS, "NEW"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn a_resource_is_a_service_and_brings_its_unit_group() {
    let bench = bench_of("RESOURCE-PRODUCT").await;
    let cases = vec![
        case("a new one")
            .source(json!({"baseUnitOfMeasureCode": "PCS"}))
            .gives(with(&usual(), json!({"defaultuomscheduleid": PCS.0})))
            .and_at_first(json!({"producttypecode": 3, "quantitydecimal": 2})),
        case("no unit").source(json!({})).fails("the resource has no Base Unit of Measure (E44)"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn without_a_row_of_the_company_products_belong_to_none() {
    let bench = bench_of("ITEM-PRODUCT").await;
    bench.dataverse.delete("bcbi_company", COMPANY_ROW);
    let cases = vec![
        case("a new one")
            .source(json!({"baseUnitOfMeasureCode": "PCS"}))
            .gives(without(&usual(), &["bcbi_companyid"]))
            .and_at_first(json!({"producttypecode": 1, "quantitydecimal": 2})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn the_state_of_a_product_blocks_what_it_belongs_to() {
    for (mapping, unit) in [("ITEM-PRODUCT", None), ("RESOURCE-PRODUCT", Some("PCS"))] {
        let bench = bench_of(mapping).await;
        let product = |state: Json| json!({"statecode": state, "defaultuomscheduleid": PCS.0});
        let new = case("a new one").source(product(json!(0))).gives(json!({"blocked": false}));
        let cases = vec![
            match unit {
                Some(unit) => new.and_at_first(json!({"baseUnitOfMeasureCode": unit})),
                None => new,
            },
            case("retired").source(product(json!(1))).destination(json!({})).gives(json!({"blocked": true})),
            case("a draft").source(product(json!(2))).destination(json!({})).gives(json!({"blocked": true})),
            case("unknown").source(json!({})).destination(json!({})).gives(json!({})),
        ];
        bench.adjusts(FROM, cases).await;
        let stranger = case("a group that is not coupled").source(json!({"defaultuomscheduleid": 99}));
        let waiting = match unit {
            Some(_) => stranger.waits_for(UNITS, crate::bench::id(99)),
            None => stranger.gives(json!({})),
        };
        bench.adjusts(FROM, vec![waiting]).await;
    }
}

/// What a product with a price holds after it was written.
fn written(price: i64) -> Json {
    with(&usual(), json!({"price": price, "defaultuomscheduleid": PCS.0, "productnumber": "1000"}))
}

/// Its line in the price list.
fn line(product: u128, amount: i64) -> Json {
    json!({
        "pricelevelid": PRICE_LIST, "productid": u64::try_from(product).ok(), "uomid": PCS.1, "uomscheduleid": PCS.0,
        "amount": amount, "pricingmethodcode": 1, "quantitysellingcode": 1,
    })
}

#[tokio::test]
async fn s210_every_product_has_its_line_in_the_default_price_list_and_new_ones_are_published() {
    let bench = bench_of("ITEM-PRODUCT").await;
    bench.dataverse.put("productpricelevel", 50, line(destination_of(1), 1));
    bench.dataverse.put("productpricelevel", 51, line(destination_of(2), 2));
    let item = json!({"baseUnitOfMeasureCode": "PCS"});
    let items = MappingName::from("ITEM-PRODUCT");
    let derived = |place| derived_id(COMPANY, &items, PRICE_LINE, source_of(place)).0.to_string();
    let active = json!({"statecode": 0, "statuscode": 1});
    let cases = vec![
        case("a new one").source(item.clone()).transferred(written(10)).leaves(json!({"price": derived(0)}), active),
        case("one whose line somebody else made")
            .source(item.clone())
            .destination(json!({}))
            .transferred(written(11))
            .leaves(json!({"price": 50}), json!({})),
        case("another price")
            .source(item.clone())
            .destination(json!({}))
            .transferred(written(12))
            .related("price", 51)
            .agreed(written(2))
            .leaves(json!({"price": 51}), json!({})),
        case("nothing of it changed")
            .source(item.clone())
            .destination(json!({}))
            .transferred(written(13))
            .related("price", 52)
            .agreed(written(13))
            .leaves(json!({}), json!({})),
        case("the price did not travel, the unit did")
            .source(item.clone())
            .destination(json!({}))
            .transferred(without(&written(0), &["price"]))
            .related("price", 53)
            .agreed(json!({"price": 14, "defaultuomid": 99}))
            .leaves(json!({"price": 53}), json!({})),
        case("no unit")
            .source(item)
            .destination(json!({}))
            .transferred(json!({"price": 15}))
            .leaves(json!({}), json!({})),
    ];
    let calls = bench.after_writing(TO, cases.clone()).await;
    assert_eq!(calls, ["find productpricelevel", "write productpricelevel 4", "write product 1"]);
    let new_line = derived_id(COMPANY, &items, PRICE_LINE, source_of(0));
    assert_eq!(bench.dataverse.row_of("productpricelevel", new_line), line(destination_of(0), 10));
    for (number, place, amount) in [(50, 1, 11), (51, 2, 12), (53, 4, 14)] {
        assert_eq!(bench.dataverse.row("productpricelevel", number), line(destination_of(place), amount));
    }
    let published = bench.dataverse.row("product", destination_of(0));
    assert_eq!((&published["statecode"], &published["pricelevelid"]), (&json!(0), &json!(PRICE_LIST)));
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 4);
    // A repeated call meets the lines of the first.
    bench.after_writing(TO, cases).await;
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 4);
}

#[tokio::test]
async fn a_line_or_a_publication_that_fails_fails_its_own_product() {
    let bench = bench_of("ITEM-PRODUCT").await;
    bench.dataverse.put("productpricelevel", 51, line(destination_of(1), 1));
    bench.dataverse.refuse(51, SystemErrorKind::Forbidden);
    bench.dataverse.refuse(destination_of(2), SystemErrorKind::Refused);
    let item = json!({"baseUnitOfMeasureCode": "PCS"});
    let new = |name| case(name).source(item.clone()).transferred(written(10));
    let line_of = |place| derived_id(COMPANY, &"ITEM-PRODUCT".into(), PRICE_LINE, source_of(place)).0.to_string();
    let cases = vec![
        new("a good one").leaves(json!({"price": line_of(0)}), json!({"statecode": 0, "statuscode": 1})),
        new("a line that refuses").related("price", 51).fails_by(SystemErrorKind::Forbidden),
        new("a product that cannot be published").fails_by(SystemErrorKind::Refused),
    ];
    let calls = bench.after_writing(TO, cases).await;
    assert_eq!(calls, ["write productpricelevel 3", "write product 2"], "what has no line is not published");

    for results in [Results::TooFew, Results::TooMany] {
        let bench = bench_of("ITEM-PRODUCT").await;
        bench.dataverse.give(results);
        let lost = |name| new(name).fails_by(SystemErrorKind::Transient);
        bench.after_writing(TO, vec![lost("the first"), lost("the second")]).await;
    }

    bench.dataverse.mend();
    bench.dataverse.fail(Call::Find, "productpricelevel", SystemErrorKind::Timeout);
    let old = |name| case(name).source(item.clone()).destination(json!({})).transferred(written(10));
    let cases = vec![
        old("lines of others cannot be read").fails_by(SystemErrorKind::Timeout),
        old("this one needs no line").related("price", 52).agreed(written(10)).leaves(json!({}), json!({})),
    ];
    bench.after_writing(TO, cases).await;
}

#[tokio::test]
async fn s68_what_stands_for_products_that_are_written_in_is_no_product() {
    for (mapping, kind, product) in [("ITEM-PRODUCT", "Item", 1), ("RESOURCE-PRODUCT", "Resource", 3)] {
        let switches = |sales_orders| Switches { sales_orders, unit_groups: false, ..Switches::default() };
        let setup = json!({"writeInProductType": kind, "writeInProductNumber": "any"});
        let bench = Bench::with(mapping, switches(SalesOrders::Legacy)).await;
        bench.business_central.put("Sales & Receivables Setup", 1, setup.clone());
        let numbered = |number: &str| json!({"number": number, "displayName": "Whatever", "blocked": false});
        bench.business_central.put(kind, 11, numbered("ANY"));
        bench.dataverse.put("product", 12, json!({"productnumber": "ANY", "producttypecode": product, "statecode": 0}));
        for direction in Direction::BOTH {
            let number = if direction == TO { 11 } else { 12 };
            let synced = bench.sync(direction, &[number]).await;
            assert_eq!(synced.groups[0].outcomes.ignored, 1, "{mapping} {direction}: {synced:?}");
        }
        let without = Bench::with(mapping, switches(SalesOrders::Off)).await;
        without.business_central.put("Sales & Receivables Setup", 1, setup);
        without.business_central.put(kind, 11, numbered("ANY"));
        let synced = without.sync(TO, &[11]).await;
        assert_eq!(synced.groups[0].outcomes.ignored, 0, "{mapping}: {synced:?}");
        assert!(!without.business_central.take_calls().contains(&"find Sales & Receivables Setup".to_owned()));
    }
}
