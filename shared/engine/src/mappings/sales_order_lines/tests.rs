//! What lines are given on their way, case by case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, case, id, pair, with};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

async fn bench() -> Bench {
    let switches = Switches { sales_orders: SalesOrders::Bidirectional, unit_groups: false, ..Switches::default() };
    let bench = Bench::with("SOLINE-ORDERDETAIL", switches).await;
    for (number, code, kind) in [(31, "1000", 1), (34, "1003", 1), (37, "MARY", 3), (38, "FEE", 2)] {
        let row =
            json!({"name": code, "productnumber": code, "statecode": 0, "producttypecode": kind, "defaultuomid": 51});
        bench.dataverse.put("product", number, row);
    }
    bench.couple("ITEM-PRODUCT", [pair(131, 31, "1000")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(137, 37, "MARY")]).await;
    bench.business_central.put("Item", 131, json!({"number": "1000", "displayName": "Bicycle", "blocked": false}));
    bench.business_central.put("Resource", 137, json!({"number": "MARY", "displayName": "Mary", "blocked": false}));
    let setup = json!({"writeInProductType": "Item", "writeInProductNumber": "9999", "freightAccountNumber": null});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
    // Order 1 is open in Dataverse, order 2 is fulfilled, and the prices of order 3 include tax.
    bench.couple("SALESORDER-ORDER", (1..=3).map(|order| pair(order, 100 + order, &format!("SO{order}")))).await;
    for (order, state, status, shipped, tax) in
        [(1, 0, 2, false, false), (2, 3, 100_001, true, false), (3, 0, 2, false, true)]
    {
        let held = json!({"statecode": state, "statuscode": status, "pricelevelid": 41});
        bench.dataverse.put("salesorder", 100 + order, held);
        bench.business_central.put("Sales Header", order, json!({"pricesIncludeTax": tax, "fullyShipped": shipped}));
    }
    bench
}

fn line() -> Json {
    json!({"documentId": 1, "type": "Item", "lineObjectNumber": "1000", "quantity": 2, "unitPrice": 50, "discountAmount": 0,
           "netAmount": 100, "netAmountIncludingTax": 125, "taxPercent": 25, "description": "Bicycle"})
}

#[tokio::test]
async fn s117_to_s120_what_a_line_is_given_in_dataverse() {
    let bench = bench().await;
    let of = |other: Json| with(&line(), other);
    let product = json!({"productid": {"product": 31}});
    let made = json!({"isproductoverridden": false, "uomid": 51});
    let cases = vec![
        case("an item").source(line()).gives(with(&product, json!({"tax": 25}))).and_at_first(made.clone()),
        case("a resource")
            .source(of(json!({"type": "Resource", "lineObjectNumber": "MARY"})))
            .gives(json!({"productid": {"product": 37}, "tax": 25}))
            .and_at_first(made.clone()),
        case("an item that is no product")
            .source(of(json!({"lineObjectNumber": "1003"})))
            .waits_for("ITEM-PRODUCT", "1003"),
        case("s119 a write-in")
            .source(of(json!({"lineObjectNumber": "9999", "description": "Repair"})))
            .gives(json!({"tax": 25}))
            .and_at_first(json!({"isproductoverridden": true, "productdescription": "Repair"})),
        case("the discount beside that of the volume")
            .source(of(json!({"discountAmount": 30, "netAmount": 70, "netAmountIncludingTax": 87.5})))
            .transferred(json!({"manualdiscountamount": 30, "priceperunit": 50}))
            .destination(json!({"volumediscountamount": 5, "manualdiscountamount": 0}))
            .gives(with(&product, json!({"tax": 17.5, "manualdiscountamount": 20, "priceperunit": 50}))),
        case("a price that includes tax")
            .source(of(json!({"documentId": 3, "netAmount": 80, "netAmountIncludingTax": 100})))
            .transferred(json!({"manualdiscountamount": 0, "priceperunit": 50}))
            .gives(with(&product, json!({"tax": 20, "manualdiscountamount": 0, "priceperunit": 40})))
            .and_at_first(made),
        case("of an order that is over").source(of(json!({"documentId": 2}))).ignores("its order is over"),
        case("there already, of an order that is over")
            .source(of(json!({"documentId": 2})))
            .destination(json!({"quantity": 1}))
            .gives(json!({})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s103_to_s107_what_a_line_is_given_in_business_central() {
    let bench = bench().await;
    let line = |product: Option<u64>| json!({"salesorderid": {"salesorder": 101}, "productid": product, "quantity": 2, "priceperunit": 50});
    let of = |other: Json| with(&line(Some(31)), other);
    let cases = vec![
        case("an item")
            .source(line(Some(31)))
            .gives(json!({"lineObjectNumber": "1000"}))
            .and_at_first(json!({"type": "Item", "priceWithoutTax": 50})),
        case("a resource")
            .source(line(Some(37)))
            .gives(json!({"lineObjectNumber": "MARY"}))
            .and_at_first(json!({"type": "Resource", "priceWithoutTax": 50})),
        case("c_145 a write-in describes itself")
            .source(with(&line(None), json!({"productdescription": "Repair"})))
            .gives(json!({}))
            .and_at_first(json!({"type": "Item", "lineObjectNumber": "9999", "description": "Repair", "priceWithoutTax": 50})),
        case("a product nobody has coupled").source(line(Some(34))).waits_for("ITEM-PRODUCT", id(34)),
        case("e12 a product that is neither").source(line(Some(38))).fails("neither Sales Inventory nor Services"),
        case("s75 all discounts together")
            .source(of(json!({"volumediscountamount": 3, "manualdiscountamount": 4})))
            .transferred(json!({"unitPrice": 50, "discountAmount": 4}))
            .gives(json!({"lineObjectNumber": "1000"}))
            .and_at_first(json!({"type": "Item", "priceWithoutTax": 50, "discountWithoutTax": 10})),
        case("another product than before")
            .source(line(Some(37)))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000"}))
            .gives(json!({"type": "Resource", "lineObjectNumber": "MARY"})),
        case("a line keeps its number")
            .source(line(Some(31)))
            .transferred(json!({"sequence": 10_000}))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000"}))
            .gives(json!({"type": "Item", "lineObjectNumber": "1000"})),
        case("a price that includes tax")
            .source(of(json!({"salesorderid": {"salesorder": 103}})))
            .transferred(json!({"unitPrice": 50}))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000", "taxPercent": 25}))
            .gives(json!({"type": "Item", "lineObjectNumber": "1000", "unitPrice": 62.5})),
        case("a discount that includes tax")
            .source(of(json!({"salesorderid": {"salesorder": 103}, "manualdiscountamount": 4})))
            .transferred(json!({"unitPrice": 50, "discountAmount": 4}))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000", "taxPercent": 25}))
            .gives(json!({"type": "Item", "lineObjectNumber": "1000", "unitPrice": 62.5, "discountAmount": 5})),
        case("s75 a discount of prices that include tax")
            .source(of(json!({"salesorderid": {"salesorder": 103}, "quantity": 1, "priceperunit": 800, "manualdiscountamount": 100})))
            .transferred(json!({"unitPrice": 800, "discountAmount": 100}))
            .agreed_at_source(json!({"quantity": 1, "priceperunit": 800, "manualdiscountamount": 0}))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000", "taxPercent": 25, "unitPrice": 1000, "discountAmount": 0}))
            .gives(json!({"type": "Item", "lineObjectNumber": "1000", "unitPrice": 1000, "discountAmount": 125})),
        case("s75 a discount of a price with a fraction of a cent")
            .source(of(json!({"quantity": 1000, "priceperunit": 0.13, "manualdiscountamount": 16.55})))
            .transferred(json!({"unitPrice": 0.13, "discountAmount": 16.55}))
            .agreed_at_source(json!({"quantity": 1000, "priceperunit": 0.13, "manualdiscountamount": 6.55}))
            .destination(json!({"type": "Item", "lineObjectNumber": "1000", "unitPrice": 0.12345, "discountAmount": 0}))
            .gives(json!({"type": "Item", "lineObjectNumber": "1000", "unitPrice": 0.12345, "discountAmount": 10})),
    ];
    bench.adjusts(FROM, cases).await;
}
