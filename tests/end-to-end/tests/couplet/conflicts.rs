//! Pairs of which both records were changed, and pairs of which one is gone: what the mapping's rules make of them.

use couplet_end_to_end::{World, WorldOptions, catalogue_with};
use couplet_model::RecordId;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use serde_json::{Value as Json, json};

use crate::coupled_customers::{Pair, coupled, of_customers, synchronize};
use crate::observing::text;

/// A world of one coupled customer, whose mapping is changed.
async fn one_customer(change: &dyn Fn(&mut Json)) -> (World, Pair) {
    let catalogue = catalogue_with(&[("customer", change)]).expect("a catalogue");
    let (world, pairs) = coupled(WorldOptions { catalogue: Some(catalogue), ..of_customers(1) }).await;
    (world, pairs[0])
}

/// Lets a row of the mapping travel another way, or no way.
fn fax(way: Option<&'static str>) -> impl Fn(&mut Json) {
    move |mapping| {
        let fields = mapping["fields"].as_array_mut().expect("rows");
        let at = fields.iter().position(|row| row["dataverse"] == json!("fax")).expect("the fax number");
        match way {
            Some(way) => fields[at]["direction"] = json!(way),
            None => drop(fields.remove(at)),
        }
    }
}

fn rule(name: &'static str, value: &'static str) -> impl Fn(&mut Json) {
    move |mapping| mapping[name] = json!(value)
}

fn unchanged(_: &mut Json) {}

/// A person in each system enters another fax number.
fn change_fax_on_both_sides(world: &World, pair: Pair) {
    pair.change_customer(world, json!({"faxNo": "111"}));
    pair.change_account(world, json!({"fax": "222"}));
}

fn faxes(world: &World, pair: Pair) -> (String, String) {
    pair.both(world, "faxNo", "fax")
}

fn both(first: &str, second: &str) -> (String, String) {
    (first.to_owned(), second.to_owned())
}

#[tokio::test]
async fn ee11_a_person_settles_what_both_sides_changed_field_by_field() {
    let (world, pair) = one_customer(&unchanged).await;
    change_fax_on_both_sides(&world, pair);
    pair.change_customer(&world, json!({"website": "https://erp.example"}));
    pair.change_account(&world, json!({"websiteurl": "https://crm.example", "telephone1": "555"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.failed, run.from_dataverse.failed), (1, 1), "{run:?}");
    assert_eq!(faxes(&world, pair), both("111", "222"), "nothing is written before somebody decides");
    let fields = [("faxNo".to_owned(), Side::BusinessCentral), ("Website".to_owned(), Side::Dataverse)];
    let resolution = world.engine.resolution(&"CUSTOMER".into(), None, &fields).expect("fields of both");
    let run = world.ask("CUSTOMER", Want::Resolve(resolution), Chosen::Conflicting).await.expect("it can be done");
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified, run.counters.failed), (1, 1, 0), "{run:?}");
    assert_eq!(faxes(&world, pair), both("111", "111"));
    assert_eq!(pair.both(&world, "website", "websiteurl"), both("https://crm.example", "https://crm.example"));
    assert_eq!(
        pair.both(&world, "phoneNumber", "telephone1"),
        both("555", "555"),
        "what one side changed travels as ever"
    );
    assert!(world.failures("CUSTOMER").await.is_empty());
    let quiet = synchronize(&world).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));
    let unknown = world.engine.resolution(&"CUSTOMER".into(), None, &[("fex".to_owned(), Side::Dataverse)]);
    assert!(unknown.expect_err("refused").to_string().contains("has no field \"fex\" on either side"));
}

#[tokio::test]
async fn ee11_a_person_lets_one_side_win_all_of_it() {
    for (wins, expected) in [(Side::BusinessCentral, "111"), (Side::Dataverse, "222")] {
        let (world, pair) = one_customer(&unchanged).await;
        change_fax_on_both_sides(&world, pair);
        synchronize(&world).await;
        let resolution = world.engine.resolution(&"CUSTOMER".into(), Some(wins), &[]).expect("a side");
        let chosen = Chosen::Records(vec![(Side::BusinessCentral, RecordId(pair.customer))]);
        let run = world.ask("CUSTOMER", Want::Resolve(resolution), chosen).await.expect("it can be done");
        assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{run:?}");
        assert_eq!(faxes(&world, pair), both(expected, expected), "{wins}");
        assert!(world.failures("CUSTOMER").await.is_empty());
    }
}

#[tokio::test]
async fn c_030_c_036_r74_columns_that_do_not_travel_make_no_conflict() {
    let (world, pair) = one_customer(&fax(None)).await;
    change_fax_on_both_sides(&world, pair);
    pair.change_customer(&world, json!({"taxRegistrationNumber": "DE 1"}));
    pair.change_account(&world, json!({"emailaddress3": "third@adatum.example"}));
    let run = synchronize(&world).await;
    let counters = run.to_dataverse;
    assert_eq!((counters.unchanged, counters.modified, counters.failed), (1, 0, 0), "{counters:?}");
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "{:?}", run.counters);
    assert_eq!(faxes(&world, pair), both("111", "222"), "C-030: both keep their own");
}

#[tokio::test]
async fn c_031_r80_a_row_towards_dataverse_overwrites_what_was_changed_there() {
    let (world, pair) = one_customer(&fax(Some("to_dataverse"))).await;
    change_fax_on_both_sides(&world, pair);
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed), (1, 0), "{:?}", world.failures("CUSTOMER").await);
    assert_eq!(faxes(&world, pair), both("111", "111"));
}

#[tokio::test]
async fn c_032_different_fields_changed_on_both_sides_are_no_conflict_and_meet() {
    let (world, pair) = one_customer(&unchanged).await;
    pair.change_customer(&world, json!({"faxNo": "111"}));
    pair.change_account(&world, json!({"websiteurl": "https://sales.example"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified, run.counters.failed), (1, 1, 0));
    assert_eq!(faxes(&world, pair), both("111", "111"));
    let home = "https://sales.example";
    assert_eq!(pair.both(&world, "website", "websiteurl"), both(home, home));
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn c_033_c_037_u7_r75_a_conflict_without_a_rule_shows_both_values_and_writes_nothing_unless_a_person_asks() {
    let (world, pair) = one_customer(&unchanged).await;
    change_fax_on_both_sides(&world, pair);
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.failed, run.to_dataverse.modified), (1, 0), "C-033");
    assert_eq!(faxes(&world, pair), both("111", "222"), "C-033, C-037: nothing is overwritten without force");
    let failures = world.failures("CUSTOMER").await;
    let shown = failures.iter().all(|failure| ["Fax", "111", "222"].iter().all(|part| failure.message.contains(part)));
    assert!(shown && failures.len() == 2, "U7: {failures:?}");
    let run = world.push("CUSTOMER", &[pair.customer], false).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "C-037: once, with force");
    assert_eq!(faxes(&world, pair), both("111", "111"), "C-037");
    let run = synchronize(&world).await;
    assert_eq!(run.counters.failed, 0, "the pair is at peace: {:?}", world.failures("CUSTOMER").await);
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn c_034_c_035_r76_r77_u7_a_rule_settles_a_conflict_for_one_side_and_tells_no_failure() {
    for (winner, fax) in [("to_dataverse", "111"), ("from_dataverse", "222")] {
        let (world, pair) = one_customer(&rule("update_conflict", winner)).await;
        change_fax_on_both_sides(&world, pair);
        let run = synchronize(&world).await;
        let (wins, yields) = match winner {
            "to_dataverse" => (run.to_dataverse, run.from_dataverse),
            _ => (run.from_dataverse, run.to_dataverse),
        };
        assert_eq!((wins.modified, yields.modified, run.counters.failed), (1, 0, 0), "{winner}: {:?}", run.counters);
        assert_eq!(faxes(&world, pair), both(fax, fax), "{winner}");
        assert!(world.failures("CUSTOMER").await.is_empty(), "{winner}");
    }
}

#[tokio::test]
async fn c_038_c_039_r86_r87_a_deleted_customer_is_uncoupled_or_restored_as_the_rule_says() {
    for restores in [false, true] {
        let name = if restores { "restore" } else { "remove_coupling" };
        let (world, pair) = one_customer(&rule("deletion_conflict", name)).await;
        pair.delete_customer(&world);
        pair.change_account(&world, json!({"name": "Survivor"}));
        let run = synchronize(&world).await;
        assert_eq!((run.counters.skipped, run.counters.failed), (0, 0), "{name}: {:?}", run.counters);
        assert_eq!(text(&pair.account(&world), "name"), "Survivor", "{name}: the account stays");
        let customers = world.business_central.rows("Customer");
        if restores {
            let names: Vec<&str> = customers.iter().map(|row| text(row, "displayName")).collect();
            assert_eq!((names, world.couplings("CUSTOMER").await), (vec!["Survivor"], 1), "C-039");
            let restored = crate::observing::id(&customers[0], "id");
            let coupling = world.coupling("CUSTOMER", restored).await.expect("a coupling");
            assert_eq!(coupling.dataverse_id.0, pair.account, "C-039: with the same account");
        } else {
            assert_eq!((customers.len(), world.couplings("CUSTOMER").await), (0, 0), "C-038");
        }
    }
}

#[tokio::test]
async fn c_040_u1_a_deleted_customer_without_a_rule_fails_its_account_again_and_again_and_is_not_skipped() {
    let (world, pair) = one_customer(&unchanged).await;
    pair.delete_customer(&world);
    pair.change_account(&world, json!({"name": "Survivor"}));
    for attempt in 1..=3 {
        let run = synchronize(&world).await;
        assert_eq!((run.from_dataverse.failed, run.counters.skipped), (1, 0), "attempt {attempt}: {:?}", run.counters);
        assert!(pair.is_coupled(&world).await && !pair.is_skipped(&world).await, "attempt {attempt}");
    }
}
