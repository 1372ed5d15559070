//! What the unit group of an item or a resource becomes in Dataverse, case by case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, Call, case, pair};

const TO: Direction = Direction::ToDataverse;

async fn bench() -> Bench {
    Bench::with("UNIT GROUP", Switches { unit_groups: true, ..Switches::default() }).await
}

/// A unit group of an item.
fn group(number: &str, item: u64) -> Json {
    json!({"code": format!("ITEM {number} UOM GR"), "sourceNo": number, "sourceType": "Item", "sourceId": item})
}

#[tokio::test]
async fn s221_an_active_group_of_the_computed_name_is_adopted() {
    let bench = bench().await;
    for (id, name, state) in [
        (1, "ITEM 1000 UOM GR", 0),
        (2, "item 1001 uom gr", 0),
        (3, "ITEM 1002 UOM GR", 1),
        (4, "ITEM 1003 UOM GR", 0),
        (5, "ITEM 1003 UOM GR", 0),
        (6, "1004", 0),
        (7, "RESOURCE LIFT UOM GR", 0),
    ] {
        bench.dataverse.put("uomschedule", id, json!({"name": name, "statecode": state}));
    }
    let cases = vec![
        case("its name").source(group("1000", 71)).finds(1),
        case("in other letters").source(group("1001", 72)).finds(2),
        case("inactive")
            .source(group("1002", 73))
            .fails("ITEM 1002 UOM GR in Dataverse is inactive (E51); activate it"),
        case("two of them").source(group("1003", 74)).fails("several unit groups named ITEM 1003 UOM GR (E46)"),
        case("its number is not its name").source(group("1004", 75)).finds_nobody(),
        case("a resource")
            .source(
                json!({"code": "RESOURCE LIFT UOM GR", "sourceNo": "LIFT", "sourceType": "Resource", "sourceId": 76}),
            )
            .finds(7),
    ];
    bench.finds(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["find uomschedule"], "one read for all");
}

#[tokio::test]
async fn s231_the_group_that_a_product_has_for_itself_becomes_the_group_of_its_item() {
    let bench = bench().await;
    bench.couple("ITEM-PRODUCT", [pair(71, 81, "1000"), pair(72, 82, "1001"), pair(73, 83, "1002")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(74, 84, "LIFT")]).await;
    for (product, schedule) in [(81, 11), (82, 12), (83, 12), (84, 14)] {
        bench.dataverse.put("product", product, json!({"defaultuomscheduleid": schedule}));
    }
    let cases = vec![
        case("its own").source(group("1000", 71)).finds(11),
        case("E57: shared with another product").source(group("1001", 72)).finds_nobody(),
        case("nor the other").source(group("1002", 73)).finds_nobody(),
        case("the id of another kind of record").source(group("1003", 74)).finds_nobody(),
        case("not coupled").source(group("1004", 75)).finds_nobody(),
    ];
    bench.finds(TO, cases.clone()).await;
    assert_eq!(bench.dataverse.take_calls(), ["find uomschedule", "fetch product 3", "find product"]);
}

#[tokio::test]
async fn c_203_a_group_and_its_base_unit_bear_the_computed_name() {
    let bench = bench().await;
    let named = |name: &str| json!({"name": name, "baseuomname": name});
    let cases = vec![
        case("a new one").source(group("1000", 71)).transferred(named("1000")).gives(named("ITEM 1000 UOM GR")),
        case("renamed with its item")
            .source(group("1000B", 71))
            .destination(json!({"name": "ITEM 1000 UOM GR"}))
            .transferred(named("1000B"))
            .gives(named("ITEM 1000B UOM GR")),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn the_base_unit_of_a_group_is_found_and_renamed_with_it_unless_people_named_it() {
    let bench = bench().await;
    for (at, name) in [(1, "ITEM 1000 UOM GR"), (2, "ITEM 1001 UOM GR"), (3, "Stück"), (5, "OLD")] {
        let row = json!({"name": name, "uomscheduleid": 2000 + at, "isschedulebaseuom": true});
        bench.dataverse.put("uom", 3000 + u128::from(at as u64), row);
        let row = json!({"name": "BOX", "uomscheduleid": 2000 + at, "isschedulebaseuom": false});
        bench.dataverse.put("uom", 4000 + u128::from(at as u64), row);
    }
    let name = |number: &str| json!({"name": format!("ITEM {number} UOM GR")});
    let cases = vec![
        case("a new group")
            .source(group("1000", 71))
            .transferred(name("1000"))
            .leaves(json!({"unit": 3001}), json!({})),
        case("renamed")
            .source(group("1001B", 72))
            .destination(name("1001"))
            .transferred(name("1001B"))
            .related("unit", 3002)
            .agreed(name("1001"))
            .leaves(json!({"unit": 3002}), json!({})),
        case("a base unit of another name")
            .source(group("1002B", 73))
            .destination(name("1002"))
            .transferred(name("1002B"))
            .related("unit", 3003)
            .agreed(name("1002"))
            .leaves(json!({"unit": 3003}), json!({})),
        case("no base unit").source(group("1003", 74)).transferred(name("1003")).fails_by(SystemErrorKind::Refused),
        case("nothing changed")
            .source(group("1004", 75))
            .destination(name("1004"))
            .transferred(name("1004"))
            .related("unit", 3005)
            .agreed(name("1004"))
            .leaves(json!({}), json!({})),
    ];
    assert_eq!(bench.after_writing(TO, cases.clone()).await, ["find uom", "write uom 1"]);
    assert_eq!(bench.dataverse.row("uom", 3002)["name"], "ITEM 1001B UOM GR");
    assert_eq!(bench.dataverse.row("uom", 3003)["name"], "Stück", "what people named is left alone");
    bench.dataverse.fail(Call::Find, "uom", SystemErrorKind::Timeout);
    let cases =
        vec![case("not read").source(group("1000", 71)).transferred(name("1000")).fails_by(SystemErrorKind::Timeout)];
    bench.after_writing(TO, cases).await;
}
