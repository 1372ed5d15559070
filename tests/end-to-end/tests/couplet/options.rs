//! Payment terms, shipment methods and shipping agents as options of accounts.

use std::collections::BTreeMap;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use serde_json::json;

const AGENTS: &str = "SHIPPING AGENT";
const COLUMN: &str = "address1_shippingmethodcode";
/// The columns of documents that repeat the shipping methods of accounts.
const MIRRORS: [&str; 3] = ["salesorder", "quote", "invoice"];

fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

async fn world() -> World {
    World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await
}

fn agent(world: &World, code: &str) -> uuid::Uuid {
    let values = json!({"code": code, "displayName": "Somebody who ships"});
    world.business_central.create_as_user("Shipping Agent", values).expect("the agent is taken")
}

/// Labels by number.
fn labels(world: &World, table: &str, column: &str) -> BTreeMap<i32, String> {
    world.dataverse.options(table, column).into_iter().collect()
}

/// The number of the option with a label, which all columns that repeat the options have as well.
fn number(world: &World, label: &str) -> i32 {
    let found: Vec<i32> = labels(world, "account", COLUMN)
        .into_iter()
        .filter(|(_, own)| own == label)
        .map(|(number, _)| number)
        .collect();
    let [number] = found.as_slice() else { panic!("{label}: {found:?}") };
    for mirror in MIRRORS {
        let repeated = labels(world, mirror, "shippingmethodcode");
        assert_eq!(repeated.get(number).map(String::as_str), Some(label), "{mirror}: {repeated:?}");
    }
    *number
}

#[tokio::test]
async fn d3_s270_r224_r228_codes_adopt_their_options_or_add_one_and_renaming_a_code_renames_its_label() {
    let world = world().await;
    let pigeon = agent(&world, "PIGEON");
    // An option that documents lack, as an administrator leaves it behind.
    world.dataverse.set_option("account", COLUMN, 77, &[(1033, "Courier"), (1031, "Kurier")]).expect("it is added");
    let courier = agent(&world, "KURIER");
    let before = labels(&world, "account", COLUMN);
    let run = world.run(AGENTS, RunMode::Full).await;
    let agents = world.business_central.rows("Shipping Agent").len() as u64;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0), "{:?}", world.failures(AGENTS).await);
    assert_eq!(world.couplings(AGENTS).await, agents);
    let added = number(&world, "PIGEON");
    let mut expected = before.clone();
    expected.insert(added, "PIGEON".to_owned());
    assert_eq!(labels(&world, "account", COLUMN), expected, "labels that say the code are left as people wrote them");
    assert_eq!(number(&world, "Courier"), 77, "R230: documents have what was adopted");
    assert!(world.coupling(AGENTS, courier).await.is_some());

    world.business_central.update_as_user("Shipping Agent", pigeon, json!({"code": "OWL"})).expect("it is renamed");
    let run = world.run(AGENTS, RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (1, 0, 0));
    assert_eq!(number(&world, "OWL"), added, "the same option under its new name");
    assert_eq!(world.coupling(AGENTS, pigeon).await.expect("coupled").key.as_deref(), Some("OWL"));

    // An option without a code is nobody's business, nor is a code in the ordinary run.
    agent(&world, "STORK");
    let run = world.run(AGENTS, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.modified), (0, 0), "S271: only coupled ones");
    assert_eq!(world.business_central.rows("Shipping Agent").len() as u64, agents + 1);
}

#[tokio::test]
async fn u15_a_customer_gets_the_option_of_its_code_once_that_is_coupled() {
    let world = world().await;
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    agent(&world, "PIGEON");
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let change = json!({"shippingAgentCode": "PIGEON", "phoneNumber": "+49 1"});
    world.business_central.update_as_user("Customer", customer, change).expect("it is taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed, run.counters.noted), (1, 0, 1));
    assert_eq!(world.coupled_row("CUSTOMER", customer).await["telephone1"], json!("+49 1"));
    let failures = world.failures("CUSTOMER").await;
    assert!(failures.iter().any(|failure| failure.message.contains("PIGEON must be coupled")), "{failures:?}");

    world.run(AGENTS, RunMode::Full).await;
    let account = world.coupled_row("CUSTOMER", customer).await;
    assert_eq!(account[COLUMN], json!(number(&world, "PIGEON")), "the option released its customer");
    assert!(world.failures("CUSTOMER").await.is_empty());
    // And back: another option in Sales becomes its code.
    let ups = labels(&world, "account", COLUMN).into_iter().find(|(_, label)| label == "UPS").expect("UPS").0;
    let account = crate::observing::id(&account, "accountid");
    world.dataverse.update_as_user("account", account, json!({COLUMN: ups})).expect("it is taken");
    world.run("CUSTOMER", RunMode::Modified).await;
    let record = world.business_central.row("Customer", customer).expect("it is there");
    assert_eq!(record["shippingAgentCode"], json!("UPS"));
}

#[tokio::test]
async fn a_worker_that_dies_leaves_each_code_with_one_option() {
    for fatal in Failpoint::ALL {
        let world = world().await;
        agent(&world, "PIGEON");
        agent(&world, "OWL");
        let before = labels(&world, "account", COLUMN).len();
        world.find(AGENTS, RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        assert_eq!(labels(&world, "account", COLUMN).len(), before + 2, "{fatal:?}");
        number(&world, "PIGEON");
        number(&world, "OWL");
        let agents = world.business_central.rows("Shipping Agent").len() as u64;
        assert_eq!(world.couplings(AGENTS).await, agents, "{fatal:?}");
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
        let quiet = world.run(AGENTS, RunMode::Modified).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0), "{fatal:?}");
    }
}

#[tokio::test]
async fn messages_that_come_twice_add_one_option() {
    let world = world().await;
    agent(&world, "PIGEON");
    let before = labels(&world, "account", COLUMN).len();
    world.find(AGENTS, RunMode::Full).await;
    let deliveries = world.queue.take(1000);
    for _ in 0..2 {
        world.engine.sync_batch(deliveries.clone()).await;
    }
    world.drain().await;
    assert_eq!(labels(&world, "account", COLUMN).len(), before + 1);
    number(&world, "PIGEON");
}

#[tokio::test]
async fn r119_r225_without_the_right_to_change_a_choice_its_codes_fail_with_the_remedy_and_others_travel() {
    let world = world().await;
    agent(&world, "PIGEON");
    world.dataverse.faults().fail_request("InsertOptionValue", 403);
    let run = world.run(AGENTS, RunMode::Full).await;
    let agents = world.business_central.rows("Shipping Agent").len() as u64;
    assert_eq!((run.counters.failed, world.couplings(AGENTS).await), (1, agents - 1));
    let failures = world.failures(AGENTS).await;
    assert_eq!(failures[0].label, "PIGEON");
    assert!(failures[0].message.contains("the role System Customizer"), "{}", failures[0].message);
    world.dataverse.faults().clear();
    let run = world.run(AGENTS, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0));
    number(&world, "PIGEON");
}

#[tokio::test]
async fn options_that_did_not_change_cost_a_request_to_each_system() {
    let world = world().await;
    for job in ["PAYMENT TERMS", "SHIPMENT METHOD", AGENTS] {
        world.run(job, RunMode::Full).await;
        world.run(job, RunMode::Modified).await;
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
        world.run(job, RunMode::Modified).await;
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        assert!(bc <= 3 && dv <= 3, "{job}: {bc} requests to Business Central, {dv} to Dataverse");
    }
}
