//! What the lines of quotes become, case by case.

use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::{RecordId, Switches};
use serde_json::{Value as Json, json};

use super::SalesQuoteLines;
use crate::bench::{Bench, case, id, pair, with};
use crate::mappings::rules::MappingRules;

const FROM: Direction = Direction::FromDataverse;

#[tokio::test]
async fn s160_s161_c_168_a_line_is_numbered_sells_what_its_product_is_coupled_to_and_says_what_was_written_in() {
    let switches = Switches { sales_orders: SalesOrders::Legacy, unit_groups: false, ..Switches::default() };
    let bench = Bench::with("Sales Quote Lines", switches).await;
    bench.couple("ITEM-PRODUCT", [pair(43, 44, "1000")]).await;
    let product = |state: u64, kind: u64| json!({"name": "Bicycle", "productnumber": "1000", "statecode": state, "producttypecode": kind});
    bench.dataverse.put("product", 44, product(0, 1));
    bench.dataverse.put("product", 45, product(1, 1));
    bench.dataverse.put("product", 46, product(0, 1));
    bench.business_central.put("Item", 43, json!({"number": "1000", "displayName": "Bicycle", "blocked": false}));
    let setup = json!({"writeInProductType": "Resource", "writeInProductNumber": "DIVERSE"});
    bench.business_central.put("Sales & Receivables Setup", 47, setup);
    let line = |place: u64, more: Json| with(&json!({"quoteid": 51, "sequencenumber": place, "quantity": 3}), more);
    let cases = vec![
        case("the second line").source(line(20, json!({"productid": null, "productdescription": "Painting"}))).gives(json!({})).and_at_first(
            json!({"type": "Resource", "lineObjectNumber": "DIVERSE", "sequence": 30000, "description": "Painting"}),
        ),
        case("the first, with a comment")
            .source(line(10, json!({"productid": 44, "productdescription": "Bicycle", "manualdiscountamount": 4, "volumediscountamount": 2})))
            .gives(json!({}))
            .and_at_first(json!({"type": "Item", "lineObjectNumber": "1000", "sequence": 10000, "discountAmount": 10})),
        case("of another quote")
            .source(with(&line(5, json!({"productid": 44})), json!({"quoteid": 52})))
            .gives(json!({}))
            .and_at_first(json!({"type": "Item", "lineObjectNumber": "1000", "sequence": 10000})),
        case("one that is there").source(line(30, json!({"productid": 44}))).destination(json!({})).transferred(json!({"quantity": 3})).gives(json!({})),
        case("a product that is not active").source(line(40, json!({"productid": 45}))).fails("(E11)"),
        case("one that is not coupled").source(line(50, json!({"productid": 46}))).waits_for("ITEM-PRODUCT", id(46)),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn documents_are_opened_in_one_request() {
    let switches = Switches { sales_orders: SalesOrders::Legacy, ..Switches::default() };
    let bench = Bench::with("Sales Quote Lines", switches).await;
    let quotes: Vec<RecordId> = (1..=3).map(id).collect();
    for number in 1..=3 {
        bench.business_central.put("Sales Header (Quote)", number, json!({"documentStatus": "Released"}));
    }
    let results = SalesQuoteLines.open_documents(bench.context(FROM), &quotes).await;
    assert_eq!(results, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(bench.business_central.take_actions().len(), 3);
}
