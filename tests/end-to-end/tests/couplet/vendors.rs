//! Vendors as accounts of their own relationship type, and accounts that are customer and vendor.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use couplet_model::{Coupling, CouplingState, DataverseId, MappingName, SystemId};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::observing::{id, text};

/// What a company has in common as customer and as vendor.
const SAME: [&str; 14] = [
    "displayName",
    "addressLine1",
    "city",
    "state",
    "country",
    "postalCode",
    "phoneNumber",
    "email",
    "website",
    "contact",
    "currencyCode",
    "paymentTermsCode",
    "shipmentMethodCode",
    "shippingAgentCode",
];

/// Claims of dead workers end at once, so that the test need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

async fn prepared() -> World {
    let world = World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await;
    for job in ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

async fn synchronized() -> World {
    let world = prepared().await;
    for job in ["CUSTOMER", "VENDOR"] {
        for mode in [RunMode::Full, RunMode::Modified] {
            let run = world.run(job, mode).await;
            assert_eq!((run.counters.failed, run.counters.waiting), (0, 0), "{:?}", world.failures(job).await);
        }
    }
    world
}

/// Couples a vendor and an account as a person would.
async fn couple(world: &World, vendor: Uuid, account: Uuid, number: &str) {
    let ids = (SystemId(vendor), DataverseId(account));
    let coupling = Coupling { key: Some(number.to_owned()), ..Coupling::new(ids.0, ids.1, CouplingState::Coupled) };
    let mapping = MappingName::from("VENDOR");
    let results = world.store().reserve(world.company(), &mapping, vec![coupling]).await.expect("the store answers");
    assert!(matches!(results.as_slice(), [couplet_store::Reservation::Reserved(_)]), "{results:?}");
}

#[tokio::test]
async fn s247_vendors_become_accounts_of_vendors_and_these_become_vendors() {
    let world = prepared().await;
    let accounts = world.dataverse.count("account");
    let sales = json!({"name": "Litware", "customertypecode": 11, "address1_city": "Oslo"});
    let account = world.dataverse.create_as_user("account", sales).unwrap();
    let other = json!({"name": "Rival", "customertypecode": 1});
    world.dataverse.create_as_user("account", other).unwrap();
    let vendors = world.business_central_ids("Vendor", |_| true);
    let run = world.run("VENDOR", RunMode::Full).await;
    assert_eq!((run.to_dataverse.inserted, run.from_dataverse.inserted, run.counters.failed), (3, 1, 0));
    assert_eq!(world.dataverse.count("account"), accounts + 2 + vendors.len());
    let company = world.dataverse.rows("bcbi_company")[0]["bcbi_companyid"].clone();
    for vendor in vendors {
        let record = world.business_central.row("Vendor", vendor).unwrap();
        let row = world.coupled_row("VENDOR", vendor).await;
        assert_eq!((text(&row, "name"), &row["customertypecode"]), (text(&record, "displayName"), &json!(11)));
        assert_eq!(row["_bcbi_companyid_value"], company, "R257");
    }
    let made = world.business_central_id("Vendor", "displayName", "Litware");
    let vendor = world.business_central.row("Vendor", made).unwrap();
    assert_eq!(text(&vendor, "city"), "Oslo");
    assert!(!text(&vendor, "number").is_empty(), "R160: the next number of the series");
    assert_eq!(world.dataverse.row("account", account).unwrap()["_bcbi_companyid_value"], company, "R258");
    for mode in [RunMode::Modified, RunMode::Modified] {
        let run = world.run("VENDOR", mode).await;
        assert_eq!((run.counters.inserted, run.counters.modified, run.counters.failed), (0, 0, 0));
    }
}

#[tokio::test]
async fn vendors_and_accounts_change_each_other() {
    let world = synchronized().await;
    let vendor = world.business_central_ids("Vendor", |_| true)[0];
    let account = id(&world.coupled_row("VENDOR", vendor).await, "accountid");
    world.business_central.update_as_user("Vendor", vendor, json!({"displayName": "Renamed in ERP"})).unwrap();
    world.dataverse.update_as_user("account", account, json!({"address1_city": "Oslo"})).unwrap();
    let run = world.run("VENDOR", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified, run.counters.failed), (1, 1, 0));
    let (row, record) =
        (world.dataverse.row("account", account).unwrap(), world.business_central.row("Vendor", vendor).unwrap());
    assert_eq!((text(&row, "name"), text(&row, "address1_city")), ("Renamed in ERP", "Oslo"));
    assert_eq!((text(&record, "displayName"), text(&record, "city")), ("Renamed in ERP", "Oslo"));
    // An inactive account is still followed, and blocks nothing: the rule is one of customers (S249).
    let inactive = json!({"statecode": 1, "statuscode": 2, "telephone1": "+47 1"});
    world.dataverse.update_as_user("account", account, inactive).unwrap();
    world.run("VENDOR", RunMode::Modified).await;
    let record = world.business_central.row("Vendor", vendor).unwrap();
    assert_eq!((text(&record, "blocked").trim_matches('_').trim(), text(&record, "phoneNumber")), ("x0020", "+47 1"));
}

#[tokio::test]
async fn d4_d6_u2_r9_an_account_that_is_customer_and_vendor_travels_through_both_mappings() {
    let world = synchronized().await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    // The same company is a vendor, and a person couples that with its account.
    let mut same = world.business_central.row("Customer", customer).unwrap();
    same.retain(|name, _| SAME.contains(&name.as_str()));
    let vendor = world.business_central.create_as_user("Vendor", same.into()).unwrap();
    let number = text(&world.business_central.row("Vendor", vendor).unwrap(), "number").to_owned();
    couple(&world, vendor, account, &number).await;
    for job in ["VENDOR", "CUSTOMER", "VENDOR"] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.counters.inserted, run.counters.failed), (0, 0), "{:?}", world.failures(job).await);
    }
    let row = world.dataverse.row("account", account).unwrap();
    assert_eq!(row["customertypecode"], json!(3), "it stays the account of a customer");

    world.dataverse.update_as_user("account", account, json!({"telephone1": "+49 30 1"})).unwrap();
    let phone = |table: &str, record: Uuid| world.business_central.row(table, record).unwrap()["phoneNumber"].clone();
    for (job, table, record) in [("CUSTOMER", "Customer", customer), ("VENDOR", "Vendor", vendor)] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "{job}");
        assert_eq!(phone(table, record), json!("+49 30 1"), "{job}");
    }
    world.business_central.update_as_user("Vendor", vendor, json!({"phoneNumber": "+49 30 2"})).unwrap();
    world.run("VENDOR", RunMode::Modified).await;
    world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(phone("Customer", customer), json!("+49 30 2"), "by way of the account");
    for job in ["CUSTOMER", "VENDOR"] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!((run.counters.modified, run.counters.inserted, run.counters.failed), (0, 0, 0), "{job} is quiet");
    }
    let store = world.store();
    for (mapping, record) in [("CUSTOMER", customer), ("VENDOR", vendor)] {
        let coupling = world.coupling(mapping, record).await.expect("coupled");
        assert_eq!(coupling.dataverse_id.0, account, "{mapping}");
        assert_eq!(store.waits_of_mapping(world.company(), &mapping.into()).await.unwrap(), [], "{mapping}");
    }
}

#[tokio::test]
async fn vendors_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        let accounts = world.dataverse.count("account");
        world.dataverse.create_as_user("account", json!({"name": "Litware", "customertypecode": 11})).unwrap();
        let report = world.find("VENDOR", RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        let run = world.run_of("VENDOR", report.run).await;
        assert_eq!(run.counters.failed, 0, "{fatal:?}");
        assert_eq!(world.couplings("VENDOR").await, 4, "{fatal:?}");
        assert_eq!(world.business_central.rows("Vendor").len(), 4, "{fatal:?}");
        assert_eq!(world.dataverse.count("account"), accounts + 4, "{fatal:?}");
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
    }
    let world = prepared().await;
    let accounts = world.dataverse.count("account");
    world.find("VENDOR", RunMode::Full).await;
    let mut deliveries = world.queue.take(1000);
    let again: Vec<_> = deliveries.iter().rev().cloned().collect();
    deliveries.extend(again.clone());
    for batch in [deliveries, again] {
        for disposition in world.engine.sync_batch(batch).await.dispositions {
            assert_eq!(disposition, Disposition::Done);
        }
    }
    assert_eq!((world.couplings("VENDOR").await, world.dataverse.count("account")), (3, accounts + 3));
}
