//! Records that people delete on one side, by the deletion rules of the mappings.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use serde_json::json;

use crate::observing::{id, text};

const SETTINGS: [&str; 5] = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];

#[tokio::test]
async fn r64_r85_d2_a_deleted_account_or_contact_is_told_until_its_partner_is_deleted_as_well() {
    let world = World::start(WorldOptions::default()).await;
    for job in SETTINGS.into_iter().chain(["CUSTOMER", "CONTACT"]) {
        world.run(job, RunMode::Full).await;
    }
    for job in ["CUSTOMER", "CONTACT", "CUSTOMER", "CONTACT"] {
        world.run(job, RunMode::Modified).await;
    }
    let person = world.business_central_ids("Contact", |row| row["type"] == json!("Person"))[0];
    let customer =
        world.business_central_ids("Customer", |row| row["primaryContactNo"] == json!("")).pop().expect("one");
    for (job, table, record, row, key) in [
        ("CONTACT", "Contact", person, "contact", "contactid"),
        ("CUSTOMER", "Customer", customer, "account", "accountid"),
    ] {
        let partner = id(&world.coupled_row(job, record).await, key);
        world.dataverse.delete_as_user(row, partner).expect("nothing restricts it");
        let number = world.business_central.row(table, record).expect("it stays");
        for _ in 0..2 {
            let run = world.run(job, RunMode::Modified).await;
            assert_eq!((run.counters.failed, run.from_dataverse.failed), (1, 1), "{job}");
            let failures = world.failures(job).await;
            let told = text(&number, "number");
            assert!(failures.len() == 1 && failures[0].message.contains("EE12"), "{failures:?}");
            assert!(failures[0].message.contains(told), "{told}: {failures:?}");
        }
        assert!(world.coupling(job, record).await.is_some() && world.business_central.row(table, record).is_some());
        world.business_central.delete_as_user(table, record).expect("nothing restricts it");
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
        assert!(world.coupling(job, record).await.is_none() && world.failures(job).await.is_empty(), "{job}");
    }
}

#[tokio::test]
async fn r92_s265_deleting_a_salesperson_ends_its_coupling_and_no_user_fails() {
    let world = World::start(WorldOptions::default()).await;
    world.run("SALESPEOPLE", RunMode::Full).await;
    let mut coupled = None;
    for salesperson in world.business_central_ids("Salesperson/Purchaser", |_| true) {
        if world.coupling("SALESPEOPLE", salesperson).await.is_some() {
            coupled = Some(salesperson);
        }
    }
    let salesperson = coupled.expect("a coupled salesperson");
    let user = id(&world.coupled_row("SALESPEOPLE", salesperson).await, "systemuserid");
    world.business_central.delete_as_user("Salesperson/Purchaser", salesperson).expect("nobody is his customer");
    world.dataverse.update_as_user("systemuser", user, json!({"mobilephone": "+47 1"})).expect("taken");
    let run = world.run("SALESPEOPLE", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.inserted), (0, 0), "{:?}", world.failures("SALESPEOPLE").await);
    assert!(world.coupling("SALESPEOPLE", salesperson).await.is_none());
}
