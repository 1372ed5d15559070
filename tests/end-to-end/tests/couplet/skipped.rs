//! Pairs that fail, and pairs that a person leaves alone: nothing is given up by itself, and everything can be brought back.

use couplet_end_to_end::{World, chosen};
use couplet_engine::RunMode;
use couplet_model::request::{Chosen, Want};
use dataverse_simulator::Poison;
use serde_json::json;

use crate::coupled_customers::{Pair, coupled, of_customers, synchronize};
use crate::observing::text;

/// Has Dataverse refuse accounts whose name holds this text.
fn refuse(world: &World, text: &str) {
    let (table, column) = (Some("account".to_owned()), Some("name".to_owned()));
    world.dataverse.faults().poison(Poison { table, column, text: text.to_owned(), only_in_bulk: false });
}

/// What is known of the last synchronization of a pair to Dataverse: whether it failed, and whether it was skipped.
async fn standing(world: &World, pair: Pair) -> (bool, bool) {
    let coupling = world.coupling("CUSTOMER", pair.customer).await.expect("a coupling");
    (coupling.to_dataverse.expect("it was tried").failure.is_some(), coupling.skipped)
}

async fn skip(world: &World, pairs: &[Pair]) {
    let records: Vec<_> = pairs.iter().map(|pair| pair.customer).collect();
    let run = world.ask("CUSTOMER", Want::Skip, chosen(&records)).await.expect("carried out");
    assert_eq!(run.counters.skipped, pairs.len() as u64);
}

#[tokio::test]
async fn c_080_c_081_c_082_u1_r70_r108_r115_a_pair_that_fails_again_is_tried_until_it_arrives_whatever_the_errors() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let pair = pairs[0];
    refuse(&world, "PS");
    refuse(&world, "XX");
    pair.change_customer(&world, json!({"displayName": "PS"}));
    for attempt in ["once", "twice", "three times"] {
        let run = synchronize(&world).await;
        assert_eq!((run.to_dataverse.failed, run.counters.skipped), (1, 0), "C-082: {attempt}");
        assert_eq!(standing(&world, pair).await, (true, false), "C-082: {attempt}");
    }
    pair.change_customer(&world, json!({"displayName": "XX"}));
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.failed, run.counters.skipped), (1, 0), "C-081");
    let failures = world.failures("CUSTOMER").await;
    assert!(failures.len() == 1 && failures[0].message.contains("XX"), "C-081: {failures:?}");
    assert_eq!(standing(&world, pair).await, (true, false), "C-081");
    world.dataverse.faults().clear_poison();
    let run = world.ask("CUSTOMER", Want::Retry, Chosen::Failed).await.expect("carried out");
    assert_eq!((run.counters.failed, run.counters.modified), (0, 1), "C-080");
    assert_eq!(standing(&world, pair).await, (false, false), "C-080");
    assert_eq!(text(&pair.account(&world), "name"), "XX");
}

#[tokio::test]
async fn c_083_r82_r110_r111_of_two_pairs_the_one_in_conflict_fails_in_every_run_and_the_other_arrives() {
    let (world, pairs) = coupled(of_customers(2)).await;
    pairs[0].change_customer(&world, json!({"displayName": "X"}));
    pairs[0].change_account(&world, json!({"name": "Y"}));
    pairs[1].change_account(&world, json!({"name": "Z"}));
    let first = synchronize(&world).await;
    assert_eq!((first.counters.failed, first.counters.modified), (2, 1), "{:?}", first.counters);
    let second = synchronize(&world).await;
    assert_eq!((second.counters.failed, second.counters.modified, second.counters.skipped), (2, 0, 0));
    assert_eq!(text(&pairs[1].customer(&world), "displayName"), "Z");
    for pair in pairs {
        assert!(!pair.is_skipped(&world).await);
    }
}

#[tokio::test]
async fn c_084_c_085_r114_r112_r113_one_of_two_skipped_pairs_is_brought_back_or_synchronized_and_the_other_stays() {
    let (world, pairs) = coupled(of_customers(3)).await;
    skip(&world, &pairs).await;
    for pair in &pairs {
        pair.change_account(&world, json!({"name": "Another name"}));
    }
    let quiet = synchronize(&world).await;
    assert_eq!(quiet.counters.modified, 0, "nobody touches them");
    world.ask("CUSTOMER", Want::Unskip, chosen(&[pairs[0].customer])).await.expect("carried out");
    assert!(!pairs[0].is_skipped(&world).await && pairs[1].is_skipped(&world).await, "C-084");
    assert_eq!(text(&pairs[0].customer(&world), "displayName"), "Another name", "what was missed is made up for");
    let name = text(&pairs[1].customer(&world), "displayName").to_owned();
    let run = world.push("CUSTOMER", &[pairs[1].customer], false).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "C-085");
    assert_eq!(text(&pairs[1].account(&world), "name"), name, "C-085");
    assert!(!pairs[1].is_skipped(&world).await && pairs[2].is_skipped(&world).await, "C-085");
    assert_eq!(text(&pairs[2].account(&world), "name"), "Another name", "C-085");
}

#[tokio::test]
async fn r209_skipped_pairs_of_which_one_record_is_gone_are_ended_and_whole_ones_stay() {
    let (world, pairs) = coupled(of_customers(3)).await;
    skip(&world, &pairs).await;
    pairs[0].delete_account(&world);
    pairs[2].delete_customer(&world);
    let quiet = synchronize(&world).await;
    assert_eq!(quiet.counters.failed, 0, "what is skipped is nobody's failure: {:?}", world.failures("CUSTOMER").await);
    // Who is left over is deleted where it is, as the messages of deleted partners say; the pair is ended by its name.
    pairs[0].delete_customer(&world);
    let mut of = vec![(couplet_model::Side::BusinessCentral, couplet_model::RecordId(pairs[0].customer))];
    of.push((couplet_model::Side::Dataverse, couplet_model::RecordId(pairs[2].account)));
    let run = world.ask("CUSTOMER", Want::Uncouple, Chosen::Records(of)).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.counters.failed), (2, 0), "{:?}", run.counters);
    assert_eq!(world.couplings("CUSTOMER").await, 1);
    assert!(pairs[1].is_coupled(&world).await && pairs[1].is_skipped(&world).await);
    assert_eq!(text(&pairs[2].account(&world), "_bcbi_companyid_value"), "", "it belongs to nobody");
}

#[tokio::test]
async fn c_053_c_090_r220_r94_a_deleted_customer_is_made_again_from_its_account_where_a_person_asks_for_it() {
    let (world, mut pairs) = coupled(of_customers(3)).await;
    let last = pairs.pop().expect("the one with the highest number");
    let before = pairs.iter().map(|pair| text(&pair.customer(&world), "number").to_owned()).collect::<Vec<_>>();
    skip(&world, &pairs[1..]).await;
    for pair in &pairs {
        pair.delete_customer(&world);
        pair.change_account(&world, json!({"name": "Survivor"}));
    }
    let run = synchronize(&world).await;
    assert_eq!((run.counters.failed, run.counters.skipped), (1, 1), "{:?}", run.counters);
    let told = world.failures("CUSTOMER").await[0].message.clone();
    assert!(told.contains("--direction from-dataverse --create"), "{told}");
    let rows: Vec<_> = pairs.iter().map(|pair| pair.account).collect();
    let run = world.pull("CUSTOMER", &rows, true).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{:?}", world.failures("CUSTOMER").await);
    let mut now = crate::coupled_customers::pairs(&world).await;
    now.retain(|pair| *pair != last);
    for pair in &now {
        let customer = pair.customer(&world);
        assert_eq!(text(&customer, "displayName"), "Survivor");
        assert!(before.iter().all(|number| text(&customer, "number") != number), "C-053, C-090: {customer:?}");
    }
    let mut accounts: Vec<_> = now.iter().map(|pair| pair.account).collect();
    accounts.sort_unstable();
    let mut expected = rows.clone();
    expected.sort_unstable();
    assert_eq!((accounts, world.couplings("CUSTOMER").await), (expected, 3), "the same accounts");
    for pair in now {
        assert!(!pair.is_skipped(&world).await, "C-090");
    }
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn c_091_r47_r90_r93_a_full_synchronization_tells_of_pairs_that_are_broken_and_skips_none() {
    let catalogue = couplet_end_to_end::catalogue_with(&[("customer", &|mapping| {
        mapping["direction"] = json!("to_dataverse");
    })]);
    let options =
        couplet_end_to_end::WorldOptions { catalogue: Some(catalogue.expect("a catalogue")), ..of_customers(2) };
    let (world, pairs) = coupled(options).await;
    pairs[0].delete_customer(&world);
    assert_eq!(synchronize(&world).await.counters.failed, 0, "nothing tells of it yet");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!((run.counters.failed, run.counters.skipped), (1, 0), "{:?}", run.counters);
    let failures = world.failures("CUSTOMER").await;
    assert!(failures.len() == 1 && failures[0].message.contains("EE12"), "{failures:?}");
    assert!(!pairs[0].is_skipped(&world).await);
}

#[tokio::test]
async fn c_092_a_coupling_whose_account_was_deleted_stays_and_fails_and_the_other_one_travels() {
    let (world, pairs) = coupled(of_customers(2)).await;
    pairs[0].delete_account(&world);
    for attempt in ["once", "twice"] {
        pairs[1].change_customer(&world, json!({"displayName": attempt}));
        let run = synchronize(&world).await;
        assert!(run.counters.failed >= 1 && run.counters.skipped == 0, "{attempt}: {:?}", run.counters);
        assert_eq!(world.couplings("CUSTOMER").await, 2, "{attempt}");
        assert_eq!(text(&pairs[1].account(&world), "name"), attempt);
        assert!(!pairs[0].is_skipped(&world).await, "{attempt}");
    }
}
