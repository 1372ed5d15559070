//! That the bench itself tells right from wrong.

use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::{Action, SystemErrorKind, Write};
use couplet_model::{Condition, Filter, System, Value};
use serde_json::json;

use super::cases::agrees;
use super::{Bench, Call, Results, case, id};

#[test]
fn a_case_agrees_with_what_was_found_only_if_all_of_it_does() {
    let gives = json!({"gives": {"name": "A"}});
    for (expected, found, agree) in [
        (gives.clone(), gives.clone(), true),
        (gives.clone(), json!({"gives": {"name": "B"}}), false),
        (gives.clone(), json!({"gives": {"name": "A", "fax": null}}), false),
        (gives.clone(), json!({"gives": {"name": "A"}, "at first": {"fax": "1"}}), false),
        (gives.clone(), json!({"gives": {"name": "A"}, "notes": ["it stays behind"]}), false),
        (gives.clone(), json!({"fails": "no name"}), false),
        (json!({"fails": "no name"}), json!({"fails": "it has no name; enter one"}), true),
        (json!({"fails": "no number"}), json!({"fails": "it has no name; enter one"}), false),
        (json!({"fails": "no name"}), json!({"ignores": "no name"}), false),
        (case("").ignores("a draft").expected().clone(), json!({"ignores": "it is a draft still"}), true),
        (json!({"gives": {}, "notes": ["stays"]}), json!({"gives": {}, "notes": ["it stays", "and this"]}), false),
        (json!({"waits for": ["X", "1"]}), json!({"waits for": ["X", "2"]}), false),
        (case("").expected().clone(), gives, false),
    ] {
        assert_eq!(agrees(&expected, &found), agree, "{expected} {found}");
    }
}

#[tokio::test]
#[should_panic(expected = "another group:\n  expected {\"finds\":2}\n  found    {\"finds\":1}")]
async fn a_case_that_comes_out_otherwise_is_named() {
    let bench = Bench::of("UNIT OF MEASURE").await;
    bench.dataverse.put("uomschedule", 1, json!({"name": "NAV PCS", "statecode": 0}));
    let unit = || json!({"code": "PCS"});
    let cases = vec![case("its group").source(unit()).finds(1), case("another group").source(unit()).finds(2)];
    bench.finds(Direction::ToDataverse, cases).await;
}

#[tokio::test]
#[should_panic(expected = "account of Dataverse has no column nmae")]
async fn a_column_that_a_table_does_not_have_is_no_value_of_a_case() {
    Bench::of("CUSTOMER").await.dataverse.put("account", 1, json!({"nmae": "A"}));
}

#[tokio::test]
#[should_panic(expected = "account of Dataverse has no column nmae")]
async fn nor_can_it_be_read() {
    let bench = Bench::of("CUSTOMER").await;
    let _ = bench.dataverse.find(&bench.mapping.dataverse, &Filter::default(), &["nmae".to_owned()]).await;
}

fn name(text: &str) -> Values {
    [("name".into(), Value::text(text))].into()
}

#[tokio::test]
async fn the_system_in_memory_keeps_the_promises_of_the_port() {
    let bench = Bench::of("CUSTOMER").await;
    let (system, table) = (&bench.dataverse, &bench.mapping.dataverse);
    let write = |write: Write| async move { system.write(table, &[write]).await.remove(0) };
    let made = write(Write::create(Some(id(1)), name("A"))).await.expect("it is made under its id");
    assert_eq!(made.id, id(1));
    let again = write(Write::create(Some(id(1)), name("B"))).await.expect("it is updated instead");
    assert_ne!(again.version, made.version);
    assert_eq!((system.ids("account").len(), system.row("account", 1)), (1, json!({"name": "B"})));

    let stale = write(Write::update(id(1), made.version, name("C"))).await.expect_err("it was changed since");
    assert_eq!(stale.kind, SystemErrorKind::VersionConflict);
    write(Write::update(id(1), again.version, name("C"))).await.expect("it is as it was read");
    let nobody = write(Write::update(id(2), None, name("C"))).await.expect_err("it is not there");
    assert_eq!(nobody.kind, SystemErrorKind::NotFound);

    system.put("account", 3, json!({"name": "D", "fax": "1"}));
    let named = |value: Value| Filter::all(vec![Condition::equal("fax", value)]);
    let columns = ["name".to_owned(), "fax".to_owned()];
    for (value, expected) in [(Value::text("1"), 3), (Value::Null, 1)] {
        let found = system.find(table, &named(value), &columns).await.expect("an answer");
        assert_eq!(found.iter().map(|record| record.id).collect::<Vec<_>>(), [id(expected)]);
        assert!(found[0].known("fax").is_some(), "a column that was asked for is known");
    }
    let fetched = system.fetch(table, &[id(3), id(4)], &columns[..1]).await.expect("an answer");
    assert_eq!((fetched.len(), fetched[0].known("fax")), (1, None));
    assert!(fetched[0].version.is_some());
}

#[tokio::test]
async fn the_system_in_memory_fails_as_it_is_asked_to() {
    let bench = Bench::of("CUSTOMER").await;
    let (system, table) = (&bench.dataverse, &bench.mapping.dataverse);
    system.put("account", 1, json!({}));
    system.put("account", 2, json!({}));
    let write = |number| Write::update(id(number), None, name("A"));
    let act = |number| Action { record: id(number), name: "Close".to_owned(), parameters: Values::new() };
    system.refuse(1, SystemErrorKind::Refused);
    let results = system.write(table, &[write(1), write(2)]).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
    let results = system.act(table, &[act(1), act(2), act(3)]).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(system.take_actions(), [("Close".to_owned(), id(2))]);

    system.mend();
    for (results, expected) in [(Results::OneEach, 2), (Results::TooFew, 1), (Results::TooMany, 3)] {
        system.give(results);
        assert_eq!(system.write(table, &[write(1), write(2)]).await.len(), expected);
        assert_eq!(system.act(table, &[act(1), act(2)]).await.len(), expected);
    }
    for call in [Call::Write, Call::Act] {
        system.fail(call, "account", SystemErrorKind::Timeout);
    }
    system.take_calls();
    assert!(system.write(table, &[write(1)]).await[0].is_err());
    assert!(system.act(table, &[act(1)]).await[0].is_err());
    assert_eq!(system.take_calls(), ["write account 1", "act account 1"]);
    assert_eq!(system.take_actions().len(), 6, "what was done before");
}
