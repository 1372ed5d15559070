//! What the units of an item or a resource become in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use couplet_model::{Coupling, CouplingState, Switches};
use serde_json::{Value as Json, json};

use crate::bench::{Bench, Call, EURO, case, destination_of, pair, related};

const TO: Direction = Direction::ToDataverse;
const GROUPS: &str = "UNIT GROUP";
/// The unit group of item 1000, and its base unit.
const GROUP: (u128, u128) = (11, 12);

/// A bench on which the unit groups of an item and a resource are coupled and the default price list is there.
async fn bench_of(mapping: &str) -> Bench {
    let bench = Bench::with(mapping, Switches { unit_groups: true, ..Switches::default() }).await;
    let groups = [
        related(pair(10, GROUP.0, "ITEM 1000 UOM GR"), "unit", GROUP.1),
        related(pair(20, 21, "RESOURCE LIFT UOM GR"), "unit", 22),
        pair(30, 31, "ITEM 1001 UOM GR"),
        Coupling { state: CouplingState::Reserved, ..related(pair(40, 41, "ITEM 1002 UOM GR"), "unit", 42) },
    ];
    bench.couple(GROUPS, groups).await;
    let list = json!({"name": "Business Central Default Price List", "transactioncurrencyid": EURO});
    bench.dataverse.put("pricelevel", 40, list);
    bench
}

fn unit(code: &str, item: &str, quantity: f64) -> Json {
    json!({"code": code, "itemNo": item, "qtyPerUnitOfMeasure": quantity, "reference": format!("{code} of {item}")})
}

#[tokio::test]
async fn s221_a_unit_is_found_by_its_code_in_the_group_of_its_item_alone() {
    let bench = bench_of("ITEM UOM").await;
    for (id, name, group) in
        [(1, "PCS", GROUP.0), (2, "box", GROUP.0), (3, "KG", 99), (4, "SET", GROUP.0), (5, "set ", GROUP.0)]
    {
        let group = u64::try_from(group).expect("a number");
        bench.dataverse.put("uom", id, json!({"name": name, "uomscheduleid": group}));
    }
    let cases = vec![
        case("its code").source(unit("PCS", "1000", 1.0)).finds(1),
        case("in other letters").source(unit("BOX", "1000", 6.0)).finds(2),
        case("in another group").source(unit("KG", "1000", 1.0)).finds_nobody(),
        case("twice")
            .source(unit("SET", "1000", 1.0))
            .fails("unit group of item 1000 in Dataverse has several units named SET"),
        case("an item without a group").source(unit("PCS", "1002", 1.0)).finds_nobody(),
    ];
    bench.finds(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["find uom"], "one read for all");
}

#[tokio::test]
async fn c_204_a_unit_belongs_to_the_group_of_its_item_and_counts_in_its_base_unit() {
    let there = json!({"name": "BOX", "quantity": 6});
    let of = |group: u128, base: u128| json!({"uomscheduleid": id(group), "baseuom": id(base)});
    let cases = vec![
        case("a new one")
            .source(unit("BOX", "1000", 6.0))
            .transferred(there.clone())
            .gives(there.clone())
            .and_at_first(of(11, 12)),
        case("a group whose base unit is not known yet")
            .source(unit("BOX", "1001", 6.0))
            .waits_for(GROUPS, "ITEM 1001 UOM GR"),
        case("a group about to be coupled").source(unit("BOX", "1002", 6.0)).waits_for(GROUPS, "ITEM 1002 UOM GR"),
        case("no group").source(unit("BOX", "1003", 6.0)).waits_for(GROUPS, "ITEM 1003 UOM GR"),
    ];
    bench_of("ITEM UOM").await.adjusts(TO, cases).await;
    let cases = vec![
        case("of a resource")
            .source(json!({"code": "DAY", "resourceNo": "LIFT", "qtyPerUnitOfMeasure": 8, "reference": "DAY of LIFT"}))
            .transferred(there.clone())
            .gives(there)
            .and_at_first(of(21, 22)),
    ];
    bench_of("RESOURCE UOM").await.adjusts(TO, cases).await;
}

fn id(number: u128) -> u64 {
    u64::try_from(number).expect("a small number")
}

/// The lines of the default price list: unit and amount.
fn lines(bench: &Bench) -> Vec<(Json, Json)> {
    let rows = bench.dataverse.ids("productpricelevel").into_iter();
    let mut lines: Vec<(Json, Json)> = rows
        .map(|id| bench.dataverse.row_of("productpricelevel", id))
        .map(|row| (row["uomid"].clone(), row["amount"].clone()))
        .collect();
    lines.sort_by_key(|line| line.0.to_string());
    lines
}

#[tokio::test]
async fn s211_a_unit_that_is_new_or_counts_otherwise_is_priced_for_the_product_that_is_there() {
    let bench = bench_of("ITEM UOM").await;
    bench.dataverse.put("product", 50, json!({"defaultuomscheduleid": id(GROUP.0), "price": 3.335}));
    let holds = |quantity: f64| json!({"name": "BOX", "quantity": quantity});
    let cases = vec![
        case("a new one").source(unit("BOX", "1000", 6.0)).transferred(holds(6.0)).leaves(json!({}), json!({})),
        case("one that counts otherwise")
            .source(unit("SET", "1000", 2.5))
            .destination(holds(2.0))
            .transferred(holds(2.5))
            .agreed(holds(2.0))
            .leaves(json!({}), json!({})),
        case("one that only changed its name")
            .source(unit("KG", "1000", 1.0))
            .destination(holds(1.0))
            .transferred(holds(1.0))
            .agreed(holds(1.0))
            .leaves(json!({}), json!({})),
    ];
    let calls = bench.after_writing(TO, cases.clone()).await;
    assert_eq!(calls, ["find product", "find productpricelevel", "write productpricelevel 2"]);
    let found = lines(&bench);
    assert_eq!(found.len(), 2, "{found:?}");
    let amounts: Vec<String> = found.iter().map(|line| line.1.to_string()).collect();
    assert!(amounts.contains(&"20.01".to_owned()) && amounts.contains(&"8.34".to_owned()), "{amounts:?}");
    assert!(found.iter().any(|line| line.0 == json!(destination_of(0))), "{found:?}");
    // Written again, no line is there twice.
    bench.after_writing(TO, cases).await;
    assert_eq!(lines(&bench), found);

    // A new product brings its lines along.
    let bench = bench_of("ITEM UOM").await;
    let cases =
        vec![case("no product").source(unit("BOX", "1000", 6.0)).transferred(holds(6.0)).leaves(json!({}), json!({}))];
    assert_eq!(bench.after_writing(TO, cases.clone()).await, ["find product"]);
    bench.dataverse.fail(Call::Find, "product", SystemErrorKind::Timeout);
    let cases = vec![
        case("no answer").source(unit("BOX", "1000", 6.0)).transferred(holds(6.0)).fails_by(SystemErrorKind::Timeout),
    ];
    bench.after_writing(TO, cases).await;
}
