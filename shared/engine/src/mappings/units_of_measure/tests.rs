//! What a unit of measure becomes in Dataverse, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::json;

use crate::bench::{Bench, COMPANY, Call, Results, case, id, pair};

const TO: Direction = Direction::ToDataverse;

/// A unit group with so many units.
fn put_group(bench: &Bench, number: u128, name: &str, state: i64, units: u128) {
    bench.dataverse.put("uomschedule", number, json!({"name": name, "statecode": state}));
    for unit in 0..units {
        let row = json!({"name": name, "uomscheduleid": u64::try_from(number).ok()});
        bench.dataverse.put("uom", number * 10 + unit, row);
    }
}

#[tokio::test]
async fn s215_r53_an_active_group_of_the_right_name_with_one_unit_at_most_is_adopted() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    put_group(&bench, 1, "NAV PCS", 0, 1);
    put_group(&bench, 2, "NAV SET", 0, 0);
    put_group(&bench, 3, "NAV BOX", 1, 1);
    put_group(&bench, 4, "NAV PACK", 0, 2);
    put_group(&bench, 5, "NAV KG", 0, 1);
    put_group(&bench, 6, "nav kg", 0, 1);
    bench
        .finds(
            TO,
            vec![
                case("its only unit").source(json!({"code": "PCS"})).finds(1),
                case("no unit yet").source(json!({"code": "SET"})).finds(2),
                case("another case of the name").source(json!({"code": "pcs"})).finds(1),
                case("inactive").source(json!({"code": "BOX"})).fails("group NAV BOX in Dataverse is inactive (EE27)"),
                case("two units").source(json!({"code": "PACK"})).fails("NAV PACK in Dataverse contains more than one"),
                case("two groups").source(json!({"code": "KG"})).fails("several unit groups named NAV KG (E46)"),
                case("no group").source(json!({"code": "HOUR"})).finds_nobody(),
            ],
        )
        .await;
    assert_eq!(bench.dataverse.take_calls(), ["find uomschedule", "find uom"], "one read of each table for all");
}

#[tokio::test]
async fn s214_a_unit_becomes_a_group_of_its_name() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    bench
        .adjusts(
            TO,
            vec![
                case("a new one")
                    .source(json!({"code": "PCS"}))
                    .transferred(json!({"baseuomname": "PCS"}))
                    .gives(json!({"baseuomname": "PCS", "name": "NAV PCS"})),
                case("one that was renamed")
                    .source(json!({"code": "PIECE"}))
                    .destination(json!({"name": "NAV PCS"}))
                    .gives(json!({"name": "NAV PIECE"})),
            ],
        )
        .await;
}

#[tokio::test]
async fn s216_the_unit_of_a_group_is_found_and_bears_the_code() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    for (number, name) in [(2001_u64, "PCS"), (2002, "BOX"), (2004, "OLD")] {
        let unit = u128::from(number) + 1000;
        bench.dataverse.put("uom", unit, json!({"name": name, "uomscheduleid": number}));
    }
    let name = |name: &str| json!({"name": name});
    let cases = vec![
        case("a new group")
            .source(json!({"code": "PCS"}))
            .transferred(name("NAV PCS"))
            .leaves(json!({"unit": 3001}), json!({})),
        case("a unit of another name")
            .source(json!({"code": "CARTON"}))
            .destination(name("NAV BOX"))
            .transferred(name("NAV CARTON"))
            .related("unit", 3002)
            .agreed(name("NAV BOX"))
            .leaves(json!({"unit": 3002}), json!({})),
        case("a group without a unit")
            .source(json!({"code": "SET"}))
            .transferred(name("NAV SET"))
            .fails_by(SystemErrorKind::Refused),
        case("nothing changed")
            .source(json!({"code": "KG"}))
            .destination(name("NAV KG"))
            .transferred(name("NAV KG"))
            .related("unit", 3004)
            .agreed(name("NAV KG"))
            .leaves(json!({}), json!({})),
    ];
    assert_eq!(bench.after_writing(TO, cases.clone()).await, ["find uom", "write uom 1"]);
    assert_eq!(bench.dataverse.row("uom", 3002)["name"], "CARTON");
    assert_eq!(bench.dataverse.row("uom", 3004)["name"], "OLD", "what needs nothing is left alone");
    // A second time nothing is left to be renamed.
    assert_eq!(bench.after_writing(TO, cases).await, ["find uom"]);
}

#[tokio::test]
async fn the_unit_of_a_group_that_cannot_be_read_or_written_fails_its_own_record_only() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    for number in [2001_u64, 2002] {
        bench.dataverse.put("uom", u128::from(number) + 1000, json!({"name": "OLD", "uomscheduleid": number}));
    }
    let fresh = |name| case(name).source(json!({"code": "NEW"})).transferred(json!({"name": "NAV NEW"}));
    let refused = SystemErrorKind::Refused;
    bench.dataverse.refuse(3002, refused.clone());
    let cases = vec![
        fresh("its unit is renamed").leaves(json!({"unit": 3001}), json!({})),
        fresh("its unit refuses").fails_by(refused),
    ];
    bench.after_writing(TO, cases).await;
    bench.dataverse.mend();

    for results in [Results::TooFew, Results::TooMany] {
        let bench = Bench::of("UNIT OF MEASURE").await;
        for number in [2001_u64, 2002] {
            bench.dataverse.put("uom", u128::from(number) + 1000, json!({"name": "OLD", "uomscheduleid": number}));
        }
        bench.dataverse.give(results);
        let cases = vec![
            fresh("whose result is whose is not known").fails_by(SystemErrorKind::Transient),
            fresh("nor of the second").fails_by(SystemErrorKind::Transient),
        ];
        bench.after_writing(TO, cases).await;
    }

    bench.dataverse.fail(Call::Find, "uom", SystemErrorKind::Timeout);
    let cases = vec![
        fresh("units cannot be read").fails_by(SystemErrorKind::Timeout),
        case("but this one needs none")
            .source(json!({"code": "KG"}))
            .destination(json!({"name": "NAV KG"}))
            .transferred(json!({"name": "NAV KG"}))
            .related("unit", 3002)
            .agreed(json!({"name": "NAV KG"}))
            .leaves(json!({}), json!({})),
    ];
    assert_eq!(bench.after_writing(TO, cases).await, ["find uom"]);
}

#[tokio::test]
async fn c_202_a_unit_that_is_coupled_to_another_group_gives_its_code_to_the_unit_of_that() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    bench.business_central.put("Unit of Measure", 1, json!({"code": "PCS"}));
    put_group(&bench, 5, "BOX", 0, 1);
    put_group(&bench, 6, "KG", 0, 1);
    bench.couple("UNIT OF MEASURE", [pair(1, 5, "PCS")]).await;
    let to_box = bench.coupling(1).await.expect("a coupling");
    let store = bench.engine.store();
    store.remove_coupling(COMPANY, &"UNIT OF MEASURE".into(), &to_box).await.expect("a store");
    bench.couple("UNIT OF MEASURE", [pair(1, 6, "PCS")]).await;
    bench.sync(TO, &[1]).await;
    let coupled = bench.coupling(1).await.expect("a coupling");
    assert_eq!(coupled.dataverse_id, id(6).into());
    assert_eq!(coupled.related.values().copied().collect::<Vec<_>>(), [id(60).0], "its only unit");
    let store = bench.engine.store();
    assert_eq!(store.count_couplings(COMPANY, &"UNIT OF MEASURE".into()).await.expect("a store"), 1);
    let [group, unit] = [("uomschedule", 6), ("uom", 60)].map(|(table, number)| bench.dataverse.row(table, number));
    assert_eq!((&group["name"], &unit["name"]), (&json!("NAV PCS"), &json!("PCS")));
    for (table, number) in [("uomschedule", 5), ("uom", 50)] {
        assert_eq!(bench.dataverse.row(table, number)["name"], "BOX", "what it was coupled to stays as it was");
    }
}
