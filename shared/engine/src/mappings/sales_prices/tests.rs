//! What the sales prices of a customer price group become in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::{Switches, Table};
use serde_json::{Value as Json, json};

use crate::bench::{Bench, EURO, agreed, case, pair, related, with};

const TO: Direction = Direction::ToDataverse;
/// The price list of the group RETAIL.
const LIST: u128 = 51;
/// Unit group and unit of pieces.
const PCS: (u128, u128) = (31, 32);
/// The row of the dollar.
const DOLLAR: u128 = 61;

fn table(bench: &Bench, name: &str) -> std::sync::Arc<Table> {
    bench.installation().catalogue().dataverse_table(name).expect("a table").clone()
}

/// The product of the item with a number.
fn product(item: u128) -> u128 {
    item + 100
}

/// A bench on which pieces, boxes, the dollar, a price group in euro and the items 1000 to 1029 are coupled.
async fn bench() -> Bench {
    let bench = Bench::with(
        "SALESPRC-PRODPRICE",
        Switches { extended_pricing: false, unit_groups: false, ..Switches::default() },
    )
    .await;
    let units = [("PCS", 30_u128), ("BOX", 33)];
    bench.couple("UNIT OF MEASURE", units.map(|(code, at)| related(pair(at, at + 1, code), "unit", at + 2))).await;
    bench.couple("CURRENCY", [pair(60, DOLLAR, "USD")]).await;
    let level = json!({"transactioncurrencyid": EURO});
    let list = agreed(pair(50, LIST, "RETAIL"), &table(&bench, "pricelevel"), &level);
    bench.couple("CUSTPRCGRP-PRICE", [list]).await;
    let held = json!({"defaultuomid": PCS.1, "defaultuomscheduleid": PCS.0});
    let products = table(&bench, "product");
    let items = (1000..1030).map(|item| agreed(pair(item, product(item), &item.to_string()), &products, &held));
    bench.couple("ITEM-PRODUCT", items).await;
    bench
}

fn price(item: u128, special: Json) -> Json {
    let usual = json!({
        "salesType": "Customer Price Group", "salesCode": "RETAIL", "itemNo": item.to_string(), "unitPrice": 12.5,
        "minimumQuantity": 0, "unitOfMeasureCode": "PCS",
    });
    with(&usual, special)
}

/// What a price of an item is to hold.
fn placed(item: u128) -> Json {
    json!({"productid": product(item), "uomid": PCS.1, "uomscheduleid": PCS.0})
}

/// Where a price of an item stands.
fn standing(item: u128, unit: u128) -> Json {
    json!({"pricelevelid": LIST, "productid": product(item), "uomid": unit})
}

#[tokio::test]
async fn s236_u8_a_price_goes_to_the_list_of_its_group_with_the_product_and_its_unit() {
    let bench = bench().await;
    let at_first = || json!({"quantitysellingcode": 1});
    let travels =
        |name, item, special| case(name).source(price(item, special)).gives(placed(item)).and_at_first(at_first());
    let stays = |name, item, special, words: &str| case(name).source(price(item, special)).leaves_for(words);
    bench
        .adjusts(
            TO,
            vec![
                travels("in pieces", 1000, json!({})),
                travels("without a unit", 1001, json!({"unitOfMeasureCode": null})),
                travels("from one piece on", 1002, json!({"minimumQuantity": 1})),
                travels("from today on", 1003, json!({"startingDate": "2026-01-15"})),
                travels("until today", 1004, json!({"endingDate": "2026-01-15"})),
                travels("in the local currency by its code", 1005, json!({"currencyCode": "EUR"})),
                case("one that stands where it belongs")
                    .source(price(1006, json!({})))
                    .destination(standing(1006, PCS.1))
                    .gives(placed(1006))
                    .and_at_first(at_first()),
                case("one whose unit became another one")
                    .source(price(1007, json!({})))
                    .destination(standing(1007, 99))
                    .gets_replaced_for("its price list, product or unit is another one now"),
                stays(
                    "in a second unit",
                    1008,
                    json!({"unitOfMeasureCode": "BOX"}),
                    "has another unit in Dataverse than BOX",
                ),
                stays("from ten pieces on", 1009, json!({"minimumQuantity": 10}), "from a quantity of 10 on"),
                stays("for a variant", 1010, json!({"variantCode": "RED"}), "for the variant RED"),
                stays(
                    "from tomorrow on",
                    1011,
                    json!({"startingDate": "2026-01-16"}),
                    "does not count before 2026-01-16",
                ),
                stays("until yesterday", 1012, json!({"endingDate": "2026-01-14"}), "has not counted since 2026-01-14"),
                stays("of one customer by now", 1013, json!({"salesType": "Customer"}), "outside the filter"),
                case("C-194: of a group that is not coupled")
                    .source(price(1014, json!({"salesCode": "WHOLESALE"})))
                    .waits_for("CUSTPRCGRP-PRICE", "WHOLESALE"),
                case("C-196: of an item that is not coupled")
                    .source(price(2000, json!({})))
                    .waits_for("ITEM-PRODUCT", "2000"),
                case("in a unit that is not coupled")
                    .source(price(1015, json!({"unitOfMeasureCode": "KG"})))
                    .waits_for("UNIT OF MEASURE", "KG"),
                case("in a currency that is not coupled")
                    .source(price(1016, json!({"currencyCode": "SEK"})))
                    .waits_for("CURRENCY", "SEK"),
                case("S233: in another currency than its list")
                    .source(price(1017, json!({"currencyCode": "USD"})))
                    .fails("item 1017 in PCS for RETAIL is in USD and its price list RETAIL in another currency"),
                case("below nothing")
                    .source(price(1018, json!({"unitPrice": -1})))
                    .fails("is -1, and Dataverse takes prices from 0"),
                case("more than the column takes")
                    .source(price(1019, json!({"unitPrice": 1_000_000_000_001_u64})))
                    .fails("takes prices from 0 to 1000000000000"),
            ],
        )
        .await;
    let calls = bench.dataverse.take_calls();
    let about_prices = calls.iter().filter(|call| ["product", "price"].iter().any(|what| call.contains(what)));
    assert_eq!(about_prices.collect::<Vec<_>>(), ["find productpricelevel"], "one read for all prices");
}

#[tokio::test]
async fn s237_c_195_a_new_price_adopts_the_one_that_stands_where_it_belongs() {
    let bench = bench().await;
    bench.dataverse.put("productpricelevel", 80, standing(1000, PCS.1));
    bench
        .finds(
            TO,
            vec![
                case("the same list, product and unit").source(price(1000, json!({}))).finds(80),
                case("another product").source(price(1001, json!({}))).finds_nobody(),
                case("one that waits").source(price(2000, json!({}))).finds_nobody(),
            ],
        )
        .await;
}

#[tokio::test]
async fn s236_two_prices_for_one_place_are_reported_with_both_named() {
    let bench = bench().await;
    let from = |day: &str| price(1000, json!({"startingDate": day}));
    for (number, source) in [(1, from("2026-01-01")), (2, from("2026-01-10")), (3, price(1001, json!({})))] {
        bench.business_central.put("Sales Price", number, source);
    }
    let report = bench.sync(TO, &[2, 1, 3]).await;
    let outcomes = report.groups[0].outcomes;
    assert_eq!((outcomes.inserted, outcomes.failed), (2, 1));
    assert_eq!(bench.coupling(2).await, None, "the earlier one has the place");
    let message = bench.failure(TO, 2).await;
    for words in ["for RETAIL from 2026-01-10 and", "for RETAIL from 2026-01-01 are prices", "delete or change one"] {
        assert!(message.contains(words), "{message}");
    }
    // The same when the place is held by a row of an earlier batch.
    let report = bench.sync(TO, &[2]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1);
    // When the earlier one counts no more, the later one gets the place, in whatever order they come.
    bench.business_central.put(
        "Sales Price",
        1,
        price(1000, json!({"startingDate": "2026-01-01", "endingDate": "2026-01-09"})),
    );
    let report = bench.sync(TO, &[2]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 1, "{report:?}");
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 2);
    let report = bench.sync(TO, &[1]).await;
    assert_eq!((report.groups[0].outcomes.modified, bench.coupling(1).await), (1, None));
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 2);
}

#[tokio::test]
async fn prices_that_change_places_get_new_rows_in_them() {
    let bench = bench().await;
    bench.business_central.put("Sales Price", 1, price(1000, json!({"unitPrice": 1})));
    bench.business_central.put("Sales Price", 2, price(1001, json!({"unitPrice": 2})));
    bench.sync(TO, &[1, 2]).await;
    let before = bench.dataverse.ids("productpricelevel");
    bench.business_central.put("Sales Price", 1, price(1001, json!({"unitPrice": 1})));
    bench.business_central.put("Sales Price", 2, price(1000, json!({"unitPrice": 2})));
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!(report.dispositions.len(), 2);
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 0, "both left their places");
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 2, "{report:?}");
    assert_eq!(bench.dataverse.ids("productpricelevel"), before, "their ids are derived");
    for (number, item) in [(1, 1001), (2, 1000)] {
        let row = bench
            .dataverse
            .row_of("productpricelevel", bench.coupling(number).await.expect("coupled").dataverse_id.into());
        assert_eq!((&row["productid"], &row["amount"]), (&json!(product(item)), &json!(number)));
    }
    // One that goes where another was waits until that one has left.
    bench.business_central.put("Sales Price", 1, price(1002, json!({})));
    bench.business_central.put("Sales Price", 3, price(1001, json!({})));
    assert_eq!(bench.sync(TO, &[3]).await.groups[0].outcomes.failed, 1);
    assert!(bench.failure(TO, 3).await.contains("which has not left yet"));
    bench.sync(TO, &[1]).await;
    assert_eq!(bench.sync(TO, &[1, 3]).await.groups[0].outcomes.inserted, 2);
}

#[tokio::test]
async fn prices_whose_places_others_took_leave_and_stop_nothing() {
    let bench = bench().await;
    let (old, new): (Vec<u128>, Vec<u128>) = ((1..=12).collect(), (101..=112).collect());
    for number in &old {
        bench.business_central.put("Sales Price", *number, price(1000 + number, json!({"unitPrice": 1})));
    }
    bench.sync(TO, &old).await;
    // The old ones count no more, and the new ones are in another batch.
    for number in &old {
        let ended = price(1000 + number, json!({"unitPrice": 1, "minimumQuantity": 10}));
        bench.business_central.put("Sales Price", *number, ended);
        bench.business_central.put("Sales Price", 100 + number, price(1000 + number, json!({"unitPrice": 2})));
    }
    assert_eq!(bench.sync(TO, &new).await.groups[0].outcomes.inserted, 12);
    let report = bench.sync(TO, &old).await;
    assert_eq!(report.groups[0].outcomes.modified, 12, "{report:?}");
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 12);
    for number in old {
        assert!(bench.coupling(number).await.is_none() && bench.coupling(100 + number).await.is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_price_that_counts_no_more_or_was_deleted_leaves_dataverse_with_its_coupling() {
    let bench = bench().await;
    for number in 1..=3_u128 {
        bench.business_central.put("Sales Price", number, price(1000 + number, json!({})));
    }
    bench.sync(TO, &[1, 2, 3]).await;
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 3);
    bench.business_central.put("Sales Price", 1, price(1001, json!({"endingDate": "2026-01-01"})));
    bench.business_central.delete("Sales Price", 2);
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!(report.groups[0].outcomes.modified, 2, "{report:?}");
    assert_eq!((bench.coupling(1).await, bench.coupling(2).await), (None, None));
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 1);
    // A second delivery finds nothing to do.
    let report = bench.sync(TO, &[1, 2]).await;
    assert_eq!(report.groups[0].outcomes.ignored, 2);
    // A price whose row somebody deleted in Dataverse comes again and gets another one, unless it counts no more.
    let row = bench.coupling(3).await.expect("coupled").dataverse_id;
    bench.dataverse.delete("productpricelevel", row.0.as_u128());
    bench.sync(TO, &[3]).await;
    assert_eq!(bench.sync(TO, &[3]).await.groups[0].outcomes.inserted, 1);
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 1);
    bench.dataverse.delete("productpricelevel", row.0.as_u128());
    bench.business_central.put("Sales Price", 3, price(1003, json!({"endingDate": "2026-01-01"})));
    assert_eq!(bench.sync(TO, &[3]).await.groups[0].outcomes.modified, 1);
    assert_eq!(bench.coupling(3).await, None);
}
