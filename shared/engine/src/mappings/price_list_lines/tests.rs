//! What the lines of a price list become in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::{Switches, Table};
use serde_json::{Value as Json, json};

use crate::bench::{Bench, EURO, agreed, case, pair, related, with};

const TO: Direction = Direction::ToDataverse;
/// The price list of the list L1.
const LIST: u128 = 51;
/// Unit group and unit of pieces.
const PCS: (u128, u128) = (31, 32);

fn table(bench: &Bench, name: &str) -> std::sync::Arc<Table> {
    bench.installation().catalogue().dataverse_table(name).expect("a table").clone()
}

/// The product of the item or resource with a number.
fn product(asset: u128) -> u128 {
    asset + 100
}

fn header(special: Json) -> Json {
    let usual = json!({
        "code": "L1", "priceType": "Sale", "amountType": "Price", "allowUpdatingDefaults": false, "status": "Active",
    });
    with(&usual, special)
}

/// A bench on which pieces, boxes, the list L1 in euro, the items 1000 to 1029 and the resource 1100 are coupled.
async fn bench(unit_groups: bool) -> Bench {
    let bench = Bench::with("PLLINE-PRODPRICE", Switches { unit_groups, ..Switches::default() }).await;
    let units = [("PCS", 30_u128), ("BOX", 33)];
    bench.couple("UNIT OF MEASURE", units.map(|(code, at)| related(pair(at, at + 1, code), "unit", at + 2))).await;
    let level = json!({"transactioncurrencyid": EURO});
    bench.couple("PLHEADER-PRICE", [agreed(pair(50, LIST, "L1"), &table(&bench, "pricelevel"), &level)]).await;
    let held = json!({"defaultuomid": PCS.1, "defaultuomscheduleid": PCS.0});
    let products = table(&bench, "product");
    let asset = |number: u128| agreed(pair(number, product(number), &number.to_string()), &products, &held);
    bench.couple("ITEM-PRODUCT", (1000..1030).map(asset)).await;
    bench.couple("RESOURCE-PRODUCT", [asset(1100)]).await;
    bench.business_central.put("Price List Header", 50, header(json!({})));
    bench
}

fn line(asset: u128, special: Json) -> Json {
    let usual = json!({
        "priceListCode": "L1", "lineNo": 10000, "priceType": "Sale", "amountType": "Price", "assetType": "Item",
        "assetNo": asset.to_string(), "unitPrice": 12.5, "minimumQuantity": 0, "unitOfMeasureCode": "PCS",
    });
    with(&usual, special)
}

/// What a line of an item or resource is to hold.
fn placed(asset: u128, unit: u128) -> Json {
    json!({"productid": product(asset), "uomid": unit, "uomscheduleid": PCS.0})
}

#[tokio::test]
async fn s242_u8_a_line_goes_to_its_list_with_the_product_of_its_item_or_resource() {
    let bench = bench(false).await;
    let travels = |name, asset, special| {
        case(name)
            .source(line(asset, special))
            .gives(placed(asset, PCS.1))
            .and_at_first(json!({"quantitysellingcode": 1}))
    };
    let stays = |name, asset, special, words: &str| case(name).source(line(asset, special)).leaves_for(words);
    bench
        .adjusts(
            TO,
            vec![
                travels("of an item", 1000, json!({})),
                travels("of a resource", 1100, json!({"assetType": "Resource"})),
                travels("without a unit", 1001, json!({"unitOfMeasureCode": null})),
                case("of a resource with the number of an item")
                    .source(line(1002, json!({"assetType": "Resource"})))
                    .waits_for("RESOURCE-PRODUCT", "1002"),
                case("of a list that is gone")
                    .source(line(1003, json!({"priceListCode": "L2"})))
                    .leaves_for("its price list L2 takes no part"),
                stays("without an item", 1004, json!({"assetNo": null}), "names no item or resource yet"),
                stays(
                    "from two pieces on",
                    1005,
                    json!({"minimumQuantity": 2}),
                    "outside the filter of the mapping (minimumQuantity)",
                ),
                stays(
                    "of a discount",
                    1006,
                    json!({"amountType": "Discount"}),
                    "outside the filter of the mapping (amountType)",
                ),
                stays("of all items", 1007, json!({"assetType": " "}), "outside the filter of the mapping (assetType)"),
                stays(
                    "in a second unit",
                    1008,
                    json!({"unitOfMeasureCode": "BOX"}),
                    "has another unit in Dataverse than BOX",
                ),
                stays("until yesterday", 1009, json!({"endingDate": "2026-01-14"}), "has not counted since 2026-01-14"),
            ],
        )
        .await;
    let calls = bench.dataverse.take_calls();
    let about_prices = calls.iter().filter(|call| ["product", "price"].iter().any(|what| call.contains(what)));
    assert_eq!(about_prices.collect::<Vec<_>>(), ["find productpricelevel"], "one read for all lines");
    let calls = bench.business_central.take_calls();
    assert_eq!(calls.iter().filter(|call| call.contains("Price")).count(), 1, "and one for their lists");
}

#[tokio::test]
async fn s240_lines_of_a_list_that_takes_no_part_or_is_gone_leave() {
    let bench = bench(false).await;
    for (code, number, special) in [
        ("L2", 52, json!({"priceType": "Purchase"})),
        ("L3", 53, json!({"amountType": "Discount"})),
        ("L4", 54, json!({"allowUpdatingDefaults": true})),
        ("L5", 55, json!({"status": "Draft"})),
    ] {
        bench.business_central.put("Price List Header", number, with(&header(special), json!({"code": code})));
    }
    let of = |name, item, code: &str| case(name).source(line(item, json!({"priceListCode": code})));
    bench
        .adjusts(
            TO,
            vec![
                of("of purchases", 1000, "L2").leaves_for("L2 takes no part"),
                of("of discounts", 1001, "L3").leaves_for("L3 takes no part"),
                of("whose defaults may be updated", 1002, "L4").leaves_for("L4 takes no part"),
                of("a draft takes part, and waits for its list", 1003, "L5").waits_for("PLHEADER-PRICE", "L5"),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_line_that_is_no_shorter_than_its_list_stays_because_the_list_has_days_in_dataverse() {
    let bench = bench(false).await;
    let dates = json!({"startingDate": "2026-02-01", "endingDate": "2026-12-31"});
    bench.business_central.put("Price List Header", 50, header(dates.clone()));
    let travels = |name, item, special| {
        case(name)
            .source(line(item, special))
            .gives(placed(item, PCS.1))
            .and_at_first(json!({"quantitysellingcode": 1}))
    };
    bench
        .adjusts(
            TO,
            vec![
                travels("as long as the list", 1000, dates),
                travels("longer than the list", 1001, json!({"startingDate": "2026-01-31"})),
                case("begins later than the list")
                    .source(line(1002, json!({"startingDate": "2026-02-02"})))
                    .leaves_for("does not count before 2026-02-02"),
            ],
        )
        .await;
}

#[tokio::test]
async fn s244_u8_with_unit_groups_an_item_has_a_price_in_each_of_its_units() {
    let bench = bench(true).await;
    bench.dataverse.put("uom", 32, json!({"name": "PCS", "uomscheduleid": PCS.0}));
    bench.dataverse.put("uom", 36, json!({"name": "BOX", "uomscheduleid": PCS.0}));
    bench.dataverse.put("uom", 37, json!({"name": "KG", "uomscheduleid": 999}));
    let travels = |name, special, unit| {
        case(name).source(line(1000, special)).gives(placed(1000, unit)).and_at_first(json!({"quantitysellingcode": 1}))
    };
    bench
        .adjusts(
            TO,
            vec![
                travels("without a unit", json!({"unitOfMeasureCode": null}), PCS.1),
                travels("in boxes", json!({"unitOfMeasureCode": "box", "lineNo": 20000}), 36),
                case("in a unit of another group")
                    .source(line(1001, json!({"unitOfMeasureCode": "KG"})))
                    .fails("the unit group of item 1001 in Dataverse has no unit KG (E55)"),
                case("in the unit that a line without one has already")
                    .source(line(1000, json!({"lineNo": 30000})))
                    .fails(
                        "line 30000 of price list L1 and line 10000 of price list L1 are prices of the same product",
                    ),
            ],
        )
        .await;
}

#[tokio::test]
async fn what_the_couplings_do_not_tell_of_lists_and_products_is_read_once_for_all() {
    let bench = Bench::of("PLLINE-PRODPRICE").await;
    bench.couple("PLHEADER-PRICE", [pair(50, LIST, "L1")]).await;
    bench.couple("ITEM-PRODUCT", [1000, 1001, 1002].map(|item| pair(item, product(item), &item.to_string()))).await;
    bench.business_central.put("Price List Header", 50, header(json!({})));
    bench.dataverse.put("pricelevel", LIST, json!({"transactioncurrencyid": 61}));
    for item in [1000, 1001] {
        let held = json!({"defaultuomid": PCS.1, "defaultuomscheduleid": PCS.0});
        bench.dataverse.put("product", product(item), held);
    }
    bench.dataverse.take_calls();
    bench
        .adjusts(
            TO,
            vec![
                case("of a list in another currency")
                    .source(line(1000, json!({"unitOfMeasureCode": null})))
                    .fails("(E59)"),
                case("of a product without units")
                    .source(line(1002, json!({"unitOfMeasureCode": null})))
                    .fails("the product of item 1002 has no unit in Dataverse"),
            ],
        )
        .await;
    let calls = bench.dataverse.take_calls();
    let about_prices = calls.iter().filter(|call| ["product", "price"].iter().any(|what| call.contains(what)));
    assert_eq!(about_prices.collect::<Vec<_>>(), ["fetch product 2", "fetch pricelevel 1"], "no place is looked for");
}
