//! Pairs that a person ends: both records stay, and the row of Dataverse belongs to no company.

use couplet_end_to_end::{NOTHING, World, chosen};
use couplet_engine::RunMode;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::task::Task;
use couplet_model::{MappingName, RecordId};
use serde_json::json;
use uuid::Uuid;

use crate::coupled_customers::{Pair, coupled, of_customers};
use crate::observing::{id, person_of, text};

fn company_of(world: &World, pair: Pair) -> String {
    text(&pair.account(world), "_bcbi_companyid_value").to_owned()
}

/// Ids of the Business Central records that a mapping couples.
async fn coupled_records(world: &World, mapping: &str) -> Vec<Uuid> {
    let page = world.store().coupling_page(world.company(), &MappingName::from(mapping), None, 1000).await;
    page.expect("the store answers").couplings.iter().map(|coupling| coupling.system_id.0).collect()
}

#[tokio::test]
async fn c_056_r210_r203_r205_r208_ending_all_pairs_of_a_mapping_leaves_no_account_with_the_company() {
    let (world, pairs) = coupled(of_customers(3)).await;
    world.business_central.create_as_user("Customer", json!({"displayName": "Uncoupled"})).expect("taken");
    let ours = world.dataverse.rows("bcbi_company")[0]["bcbi_companyid"].as_str().expect("an id").to_owned();
    let bind = format!("/bcbi_companies({ours})");
    let stuck = json!({"name": "Stuck", "customertypecode": 3, "bcbi_CompanyId@odata.bind": bind});
    let stuck = world.dataverse.create_as_user("account", stuck).expect("taken");
    let free = crate::coupled_customers::new_account(&world, "Nobody's");
    let run = world.ask("CUSTOMER", Want::Uncouple, Chosen::Coupled).await.expect("carried out");
    let counters = run.counters;
    assert_eq!((counters.uncoupled, counters.modified, counters.failed), (3, 1, 0), "{counters:?}");
    assert_eq!((world.couplings("CUSTOMER").await, run.finished.is_some()), (0, true));
    for account in pairs.iter().map(|pair| pair.account).chain([stuck, free]) {
        let row = world.dataverse.row("account", account).expect("it stays");
        assert_eq!(text(&row, "_bcbi_companyid_value"), "", "{row:?}");
    }
    assert_eq!(world.business_central.rows("Customer").len(), 4, "the customers stay");
}

#[tokio::test]
async fn r210_an_account_that_was_coupled_since_it_was_found_stays_with_the_company() {
    let (world, _) = coupled(of_customers(0)).await;
    let ours = world.dataverse.rows("bcbi_company")[0]["bcbi_companyid"].as_str().expect("an id").to_owned();
    let stray = json!({"name": "Stray", "customertypecode": 3, "bcbi_CompanyId@odata.bind": format!("/bcbi_companies({ours})")});
    let stray = world.dataverse.create_as_user("account", stray).expect("taken");
    world.engine.ask(&MappingName::from("CUSTOMER"), Want::Uncouple, Chosen::Coupled).await.expect("asked");
    while let Some(Task::Ask(request)) = world.tasks.next_task() {
        world.engine.work_request(&request, None).await.expect("put into the queue");
    }
    let late = world.queue.take(10);
    assert_eq!(late.len(), 1, "the stray account");
    world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(world.couplings("CUSTOMER").await, 1);
    late.into_iter().for_each(|delivery| world.queue.give_back(delivery));
    world.drain().await;
    let row = world.dataverse.row("account", stray).expect("it stays");
    assert_eq!(text(&row, "_bcbi_companyid_value"), ours, "{:?}", world.failures("CUSTOMER").await);
}

#[tokio::test]
async fn c_045_c_058_r204_r205_chosen_pairs_end_once_and_the_others_stay_with_the_company() {
    let (world, pairs) = coupled(of_customers(3)).await;
    let [uncoupled, _] = ["A", "B"]
        .map(|name| world.business_central.create_as_user("Customer", json!({"displayName": name})).expect("taken"));
    let of = chosen(&[pairs[0].customer, pairs[2].customer, uncoupled]);
    let run = world.ask("CUSTOMER", Want::Uncouple, of.clone()).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.counters.failed, run.enqueued), (2, 0, 3), "{:?}", run.counters);
    let companies = [0, 1, 2].map(|at| company_of(&world, pairs[at]).is_empty());
    assert_eq!(companies, [true, false, true], "C-058");
    assert!(pairs[1].is_coupled(&world).await, "C-058");
    for again in 1..=4 {
        let run = world.ask("CUSTOMER", Want::Uncouple, of.clone()).await.expect("carried out");
        assert_eq!((run.counters.uncoupled, run.counters.failed), (0, 0), "C-045: {again}");
    }
    assert_eq!(world.couplings("CUSTOMER").await, 1, "C-045");
}

#[tokio::test]
async fn c_057_c_059_c_060_r203_salespeople_and_currencies_are_uncoupled_as_all_records_are() {
    let world = World::start(of_customers(0)).await;
    for mapping in ["SALESPEOPLE", "CURRENCY"] {
        world.run(mapping, RunMode::Full).await;
        let all = coupled_records(&world, mapping).await;
        assert!(all.len() >= 3, "{mapping}: {}", all.len());
        let run = world.ask(mapping, Want::Uncouple, chosen(&all[..2])).await.expect("carried out");
        assert_eq!((run.counters.uncoupled, run.counters.failed), (2, 0), "C-059, C-060: {mapping}");
        let left = coupled_records(&world, mapping).await;
        assert!(left.len() == all.len() - 2 && left.iter().all(|record| !all[..2].contains(record)), "{mapping}");
    }
    world.ask("SALESPEOPLE", Want::Uncouple, Chosen::Coupled).await.expect("carried out");
    assert_eq!(world.couplings("SALESPEOPLE").await, 0, "C-057");
}

#[tokio::test]
async fn c_061_skipped_pairs_and_broken_ones_end_like_any_other() {
    let mut options = of_customers(4);
    options.business_central = business_central_simulator::DemoSize { customers: 4, items: 4, ..NOTHING };
    let (world, pairs) = coupled(options).await;
    for job in ["SALESPEOPLE", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let mappings = ["CUSTOMER", "ITEM-PRODUCT", "SALESPEOPLE"];
    for mapping in mappings {
        world.ask(mapping, Want::Skip, Chosen::Coupled).await.expect("carried out");
    }
    pairs[3].delete_customer(&world);
    let customers: Vec<(Side, RecordId)> = vec![
        (Side::BusinessCentral, RecordId(pairs[0].customer)),
        (Side::BusinessCentral, RecordId(pairs[1].customer)),
        (Side::Dataverse, RecordId(pairs[3].account)),
    ];
    let items = world.business_central_ids("Item", |_| true);
    let product = id(&world.coupled_row("ITEM-PRODUCT", items[0]).await, "productid");
    for line in world.dataverse.rows("productpricelevel") {
        if id(&line, "_productid_value") == product {
            world.dataverse.delete_as_user("productpricelevel", id(&line, "productpricelevelid")).expect("deleted");
        }
    }
    world.dataverse.delete_as_user("product", product).expect("deleted");
    let salespeople = coupled_records(&world, "SALESPEOPLE").await;
    for (mapping, of, count) in [
        ("CUSTOMER", Chosen::Records(customers), 3),
        ("ITEM-PRODUCT", chosen(&items[..3]), 3),
        ("SALESPEOPLE", chosen(&salespeople[..2]), 2),
    ] {
        let before = world.couplings(mapping).await;
        let run = world.ask(mapping, Want::Uncouple, of).await.expect("carried out");
        assert_eq!((run.counters.uncoupled, run.counters.failed), (count, 0), "{mapping}: {:?}", run.counters);
        assert_eq!(world.couplings(mapping).await, before - count, "{mapping}: the rest stay");
    }
    assert!(pairs[2].is_coupled(&world).await && pairs[2].is_skipped(&world).await);
}

#[tokio::test]
async fn c_062_r211_the_contacts_of_a_customer_that_is_uncoupled_stay_coupled() {
    let (world, pairs) = coupled(of_customers(2)).await;
    let persons = [
        person_of(&world, "Customer", pairs[0].customer, "Berg"),
        person_of(&world, "Customer", pairs[1].customer, "Dahl"),
    ];
    world.run("CONTACT", RunMode::Full).await;
    world.ask("CUSTOMER", Want::Uncouple, chosen(&[pairs[0].customer])).await.expect("carried out");
    assert!(!pairs[0].is_coupled(&world).await && pairs[1].is_coupled(&world).await);
    for person in persons {
        let contact = world.coupled_row("CONTACT", person).await;
        let works_for = text(&contact, "_parentcustomerid_value").to_owned();
        assert!(pairs.iter().any(|pair| pair.account.to_string() == works_for), "{contact:?}");
    }
}

#[tokio::test]
async fn d1_ending_the_pairs_of_customers_leaves_those_of_vendors_on_the_same_table() {
    let mut options = of_customers(2);
    options.business_central = business_central_simulator::DemoSize { customers: 2, vendors: 2, ..NOTHING };
    let (world, pairs) = coupled(options).await;
    world.run("VENDOR", RunMode::Full).await;
    let vendors = coupled_records(&world, "VENDOR").await;
    assert_eq!(vendors.len(), 2);
    let run = world.ask("CUSTOMER", Want::Uncouple, Chosen::Coupled).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.counters.modified), (2, 0), "{:?}", run.counters);
    assert_eq!((world.couplings("CUSTOMER").await, coupled_records(&world, "VENDOR").await), (0, vendors.clone()));
    for vendor in vendors {
        let account = world.coupled_row("VENDOR", vendor).await;
        assert_ne!(text(&account, "_bcbi_companyid_value"), "", "{account:?}");
    }
    assert!(pairs.iter().all(|pair| company_of(&world, *pair).is_empty()));
}
