//! A lost or restored store makes no duplicates.

use std::collections::BTreeMap;

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, RunMode};
use couplet_model::message::Direction;
use couplet_model::{MappingName, RecordId, Side};
use dataverse_simulator::DemoSize;
use serde_json::json;
use uuid::Uuid;

/// Tables in which a duplicate would show.
const TABLES: [(&str, &str, &str); 6] = [
    ("SALESPEOPLE", "Salesperson/Purchaser", "systemuser"),
    ("CURRENCY", "Currency", "transactioncurrency"),
    ("UNIT OF MEASURE", "Unit of Measure", "uomschedule"),
    ("CUSTOMER", "Customer", "account"),
    ("ITEM-PRODUCT", "Item", "product"),
    ("RESOURCE-PRODUCT", "Resource", "product"),
];

async fn loaded() -> World {
    let dataverse = DemoSize { products_only_in_sales: 2, ..DemoSize::default() };
    let world = World::start(WorldOptions { dataverse, ..WorldOptions::default() }).await;
    world.run_all(RunMode::Full).await;
    world
}

/// Records per table on both sides.
fn counts(world: &World) -> Vec<(usize, usize)> {
    TABLES.iter().map(|(_, bc, dv)| (world.business_central.rows(bc).len(), world.dataverse.count(dv))).collect()
}

/// Who is coupled with whom, by mapping.
async fn pairs(world: &World) -> BTreeMap<(&'static str, Uuid), Uuid> {
    let mut pairs = BTreeMap::new();
    for (mapping, table, _) in TABLES {
        let ids: Vec<RecordId> = world.business_central_ids(table, |_| true).into_iter().map(RecordId).collect();
        let name = MappingName::from(mapping);
        let found = world.store().couplings_by_id(world.company(), &name, Side::BusinessCentral, &ids).await;
        for (id, coupling) in found.expect("the store answers") {
            pairs.insert((mapping, id.0), coupling.dataverse_id.0);
        }
    }
    pairs
}

#[tokio::test]
async fn after_the_store_was_lost_everything_finds_its_partner_again() {
    let mut world = loaded().await;
    let (records, coupled) = (counts(&world), pairs(&world).await);
    assert!(coupled.len() > 30, "{}", coupled.len());
    world.lose_store(EngineOptions::default()).await;
    assert!(pairs(&world).await.is_empty());

    let runs = world.run_all(RunMode::Full).await;
    assert!(runs.iter().all(|run| run.counters.failed == 0 && run.counters.inserted == 0), "{runs:#?}");
    assert_eq!(counts(&world), records);
    assert_eq!(pairs(&world).await, coupled);
}

#[tokio::test]
async fn whichever_direction_is_worked_first() {
    for first in Direction::BOTH {
        let mut world = loaded().await;
        let (records, coupled) = (counts(&world), pairs(&world).await);
        world.lose_store(EngineOptions::default()).await;
        for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
            world.run(job, RunMode::Full).await;
        }
        for job in ["CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT"] {
            world.find(job, RunMode::Full).await;
            let (now, later): (Vec<_>, Vec<_>) =
                world.queue.take(1000).into_iter().partition(|delivery| delivery.message.direction == first);
            assert!(!now.is_empty() && (!later.is_empty() || job != "CUSTOMER"));
            for part in [now, later] {
                for disposition in world.engine.sync_batch(part).await.dispositions {
                    assert_eq!(disposition, Disposition::Done, "{job} {first}");
                }
            }
        }
        assert_eq!(counts(&world), records, "{first}");
        assert_eq!(pairs(&world).await, coupled, "{first}");
    }
}

#[tokio::test]
async fn a_table_restored_from_a_backup_finds_what_was_coupled_since() {
    let mut world = loaded().await;
    let backup = world.back_up_store().await;
    let customer = json!({"number": "C-NEW", "displayName": "Since the backup"});
    world.business_central.create_as_user("Customer", customer).expect("taken");
    let account = json!({"name": "Born in Sales since", "customertypecode": 3});
    world.dataverse.create_as_user("account", account).expect("taken");
    let items = world.business_central_ids("Item", |row| row["blocked"] == json!(false));
    world.business_central.update_as_user("Item", items[0], json!({"unitPrice": 4321})).expect("taken");
    world.run_all(RunMode::Full).await;
    let (records, coupled) = (counts(&world), pairs(&world).await);

    world.go_on_with(backup, EngineOptions::default());
    assert_eq!(pairs(&world).await.len(), coupled.len() - 2);
    let runs = world.run_all(RunMode::Full).await;
    assert!(runs.iter().all(|run| run.counters.failed == 0 && run.counters.inserted == 0), "{runs:#?}");
    assert_eq!(counts(&world), records);
    assert_eq!(pairs(&world).await, coupled);
    assert_eq!(world.coupled_row("ITEM-PRODUCT", items[0]).await["price"].to_string().parse::<f64>(), Ok(4321.0));
}

#[tokio::test]
async fn what_a_person_entered_on_both_sides_is_paired_by_its_natural_key() {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    let customer = world.business_central.rows("Customer")[0].clone();
    let (number, name) = (customer["number"].clone(), customer["displayName"].clone());
    let values = json!({"name": name, "accountnumber": number, "customertypecode": 3});
    let namesake = world.dataverse.create_as_user("account", values).expect("taken");
    let other = world.business_central.rows("Customer")[1].clone();
    let stranger = json!({"name": "Somebody else", "accountnumber": other["number"], "customertypecode": 3});
    let stranger = world.dataverse.create_as_user("account", stranger).expect("taken");

    world.run("CUSTOMER", RunMode::Full).await;
    let id = |record: &serde_json::Map<String, serde_json::Value>| -> Uuid {
        record["id"].as_str().expect("an id").parse().expect("a GUID")
    };
    let coupling = world.coupling("CUSTOMER", id(&customer)).await.expect("coupled");
    assert_eq!(coupling.dataverse_id.0, namesake);
    let coupling = world.coupling("CUSTOMER", id(&other)).await.expect("coupled");
    assert_ne!(coupling.dataverse_id.0, stranger, "the number alone is no proof");
    assert!(world.failures("CUSTOMER").await.is_empty());
}
