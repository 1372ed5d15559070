//! Persons and whom they work for, both ways.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use couplet_model::MappingName;
use couplet_model::job::Run;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::observing::{company_contact, id, person_of, text};

/// Claims of dead workers end at once, so that the test need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

/// Customers and vendors are coupled, contacts are not yet.
async fn prepared() -> World {
    let world = World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await;
    let settings = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];
    for job in settings.into_iter().chain(["CUSTOMER", "VENDOR"]) {
        world.run(job, RunMode::Full).await;
    }
    world
}

async fn synchronized() -> World {
    let world = prepared().await;
    run(&world, "CONTACT", RunMode::Full).await;
    settle(&world).await;
    world
}

/// Runs a job in which nothing fails.
async fn run(world: &World, job: &str, mode: RunMode) -> Run {
    let run = world.run(job, mode).await;
    assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    run
}

/// Runs all three jobs until our own writes have been seen.
async fn settle(world: &World) {
    for _ in 0..2 {
        for job in ["CUSTOMER", "VENDOR", "CONTACT"] {
            run(world, job, RunMode::Modified).await;
        }
    }
}

async fn is_quiet(world: &World) {
    settle(world).await;
    for job in ["CUSTOMER", "VENDOR", "CONTACT"] {
        let run = run(world, job, RunMode::Modified).await;
        assert_eq!(run.message, None, "{job} has nothing to warn of");
        assert_eq!((run.counters.inserted, run.counters.modified, run.counters.waiting), (0, 0, 0), "{job}");
    }
}

fn persons(world: &World) -> Vec<Uuid> {
    world.business_central_ids("Contact", |row| row["type"] == json!("Person"))
}

/// Enters a contact of an account in Sales.
fn contact_of(world: &World, account: Uuid, lastname: &str) -> Uuid {
    let contact = json!({"firstname": "Nils", "lastname": lastname, "_parentcustomerid_value": account.to_string()});
    world.dataverse.create_as_user("contact", contact).expect("the contact is taken")
}

fn person(world: &World, surname: &str) -> serde_json::Map<String, Json> {
    world.business_central.row("Contact", world.business_central_id("Contact", "surname", surname)).expect("a person")
}

#[tokio::test]
async fn c_227_c_228_s259_persons_become_contacts_of_their_accounts_and_companies_do_not() {
    let world = prepared().await;
    let stray = json!({"type": "Person", "surname": "Stray"});
    world.business_central.create_as_user("Contact", stray).expect("taken");
    let vendor = world.business_central_ids("Vendor", |_| true)[0];
    let of_vendor = person_of(&world, "Vendor", vendor, "Vang");
    let expected: Vec<Uuid> = persons(&world)
        .into_iter()
        .filter(|id| !text(&world.business_central.row("Contact", *id).expect("a person"), "companyNumber").is_empty())
        .collect();
    let before = world.dataverse.count("contact");
    let first = run(&world, "CONTACT", RunMode::Full).await;
    assert_eq!(first.to_dataverse.inserted, expected.len() as u64);
    assert_eq!(world.dataverse.count("contact"), before + expected.len());
    for id_of_person in &expected {
        let record = world.business_central.row("Contact", *id_of_person).expect("a person");
        let row = world.coupled_row("CONTACT", *id_of_person).await;
        assert_eq!(
            (text(&row, "lastname"), text(&row, "emailaddress1")),
            (text(&record, "surname"), text(&record, "email"))
        );
        let account = world.dataverse.row("account", id(&row, "_parentcustomerid_value")).expect("the account");
        assert_eq!(text(&account, "name"), text(&record, "companyName"));
        assert_eq!(id(&account, "_primarycontactid_value"), id(&row, "contactid"), "S259: it had none");
        assert_ne!(text(&row, "_ownerid_value"), "", "C-233");
    }
    let account = id(&world.coupled_row("VENDOR", vendor).await, "accountid");
    assert_eq!(id(&world.coupled_row("CONTACT", of_vendor).await, "_parentcustomerid_value"), account);
    is_quiet(&world).await;
    let number = world.business_central.row("Vendor", vendor).expect("the vendor")["primaryContactNo"].clone();
    assert_eq!(number, world.business_central.row("Contact", of_vendor).expect("a person")["number"]);
}

#[tokio::test]
async fn c_224_c_231_c_233_persons_and_contacts_change_each_other() {
    let world = synchronized().await;
    let person = persons(&world)[0];
    let row = world.coupled_row("CONTACT", person).await;
    let (contact, account) = (id(&row, "contactid"), id(&row, "_parentcustomerid_value"));
    world.dataverse.update_as_user("contact", contact, json!({"lastname": "NewLastName"})).unwrap();
    world.business_central.update_as_user("Contact", person, json!({"state": "Texas"})).unwrap();
    world.dataverse.update_as_user("account", account, json!({"name": "Renamed in Sales"})).unwrap();
    let changed = run(&world, "CONTACT", RunMode::Modified).await;
    assert_eq!((changed.to_dataverse.modified, changed.from_dataverse.modified), (1, 1));
    let record = world.business_central.row("Contact", person).expect("the person");
    assert_eq!((text(&record, "surname"), text(&record, "state")), ("NewLastName", "Texas"), "C-224");
    let row = world.dataverse.row("contact", contact).expect("the contact");
    assert_eq!((text(&row, "lastname"), text(&row, "address1_stateorprovince")), ("NewLastName", "Texas"), "C-233");
    run(&world, "CUSTOMER", RunMode::Modified).await;
    let company = world.business_central_id("Contact", "number", text(&record, "companyNumber"));
    let company = world.business_central.row("Contact", company).expect("the company contact");
    assert_eq!(text(&company, "displayName"), "Renamed in Sales", "C-231");
    is_quiet(&world).await;
}

#[tokio::test]
async fn c_226_c_232_a_new_contact_becomes_a_person_of_the_company_and_its_primary_contact() {
    let world = synchronized().await;
    // A customer without persons.
    let customers = world.business_central_ids("Customer", |row| row["primaryContactNo"] == json!(""));
    let customer = customers[0];
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    contact_of(&world, account, "Holm");
    let report = run(&world, "CONTACT", RunMode::Modified).await;
    assert_eq!(report.from_dataverse.inserted, 0, "only what is coupled travels without being asked for");
    let report = run(&world, "CONTACT", RunMode::Full).await;
    assert_eq!(report.from_dataverse.inserted, 1);
    let made = person(&world, "Holm");
    let company = company_contact(&world, "Customer", customer);
    assert_eq!((text(&made, "companyNumber"), text(&made, "type")), (company.as_str(), "Person"));
    assert!(text(&made, "number").starts_with("CT"), "of the number series: {made:?}");
    let record = world.business_central.row("Customer", customer).expect("the customer");
    assert_eq!((&record["primaryContactNo"], text(&record, "contact")), (&made["number"], "Nils Holm"), "C-232");
    is_quiet(&world).await;
    let account = world.dataverse.row("account", account).expect("the account");
    let contact = world.coupled_row("CONTACT", id(&made, "id")).await;
    assert_eq!(account["_primarycontactid_value"], contact["contactid"]);
}

#[tokio::test]
async fn c_225_u9_s251_r46_a_contact_waits_for_its_account_and_one_of_no_customer_has_no_company_until_then() {
    let world = synchronized().await;
    let account = |name: &str, relationship: u8| {
        let account = json!({"name": name, "customertypecode": relationship});
        world.dataverse.create_as_user("account", account).expect("taken")
    };
    let (coming, rival) = (account("Litware", 3), account("Rival", 1));
    contact_of(&world, coming, "Waits");
    let of_rival = contact_of(&world, rival, "Rivalsen");
    let first = run(&world, "CONTACT", RunMode::Full).await;
    assert_eq!((first.from_dataverse.inserted, first.counters.waiting), (1, 1), "U9: no failure");
    assert_eq!(text(&person(&world, "Rivalsen"), "companyNumber"), "");
    // Nor in any later run, and the account keeps its contact.
    for mode in [RunMode::Modified, RunMode::Full] {
        let again = run(&world, "CONTACT", mode).await;
        assert_eq!((again.counters.inserted, again.counters.modified), (0, 0));
    }
    assert_eq!(id(&world.dataverse.row("contact", of_rival).expect("a row"), "_parentcustomerid_value"), rival);
    // The customer appears, and releases the contact.
    run(&world, "CUSTOMER", RunMode::Full).await;
    world.drain().await;
    let customer = world.business_central_id("Customer", "displayName", "Litware");
    assert_eq!(text(&person(&world, "Waits"), "companyNumber"), company_contact(&world, "Customer", customer));
    // The rival becomes a customer as well, and its contact, which nobody touches, gets the company.
    world.dataverse.update_as_user("account", rival, json!({"customertypecode": 3})).unwrap();
    run(&world, "CUSTOMER", RunMode::Full).await;
    assert_eq!(run(&world, "CONTACT", RunMode::Modified).await.from_dataverse.modified, 1);
    let customer = world.business_central_id("Customer", "displayName", "Rival");
    assert_eq!(text(&person(&world, "Rivalsen"), "companyNumber"), company_contact(&world, "Customer", customer));
    is_quiet(&world).await;
}

#[tokio::test]
async fn s258_u9_a_person_who_moves_to_a_new_account_follows_when_that_is_a_customer_and_no_full_run_takes_it_back() {
    let world = synchronized().await;
    let moved = persons(&world)[0];
    let contact = id(&world.coupled_row("CONTACT", moved).await, "contactid");
    let account = json!({"name": "Litware", "customertypecode": 3});
    let account = world.dataverse.create_as_user("account", account).expect("taken");
    let change = json!({"_parentcustomerid_value": account.to_string()});
    world.dataverse.update_as_user("contact", contact, change).unwrap();
    for mode in [RunMode::Modified, RunMode::Full] {
        let run = run(&world, "CONTACT", mode).await;
        assert_eq!(run.counters.noted, 1, "it is on record: {run:?}");
        assert_eq!(id(&world.dataverse.row("contact", contact).expect("a row"), "_parentcustomerid_value"), account);
    }
    run(&world, "CUSTOMER", RunMode::Full).await;
    world.drain().await;
    let customer = world.business_central_id("Customer", "displayName", "Litware");
    let person = world.business_central.row("Contact", moved).expect("the person");
    assert_eq!(text(&person, "companyNumber"), company_contact(&world, "Customer", customer));
    assert!(world.failures("CONTACT").await.is_empty(), "{:?}", world.failures("CONTACT").await);
    is_quiet(&world).await;
}

#[tokio::test]
async fn c_229_c_230_r151_what_is_not_coupled_is_left_alone_on_both_sides() {
    let world = prepared().await;
    let ignored = run(&world, "CONTACT", RunMode::Modified).await;
    assert_eq!((ignored.counters.inserted, ignored.counters.waiting), (0, 0), "C-229");
    // A primary contact that a person chose, while contacts are not synchronized.
    let customer =
        world.business_central_ids("Customer", |row| row["primaryContactNo"] == json!("")).pop().expect("one");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let chosen = contact_of(&world, account, "Chosen");
    let choice = json!({"_primarycontactid_value": chosen.to_string()});
    world.dataverse.update_as_user("account", account, choice).unwrap();
    world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(id(&world.dataverse.row("account", account).expect("a row"), "_primarycontactid_value"), chosen);

    run(&world, "CONTACT", RunMode::Full).await;
    let person = persons(&world)[0];
    let before = world.coupled_row("CONTACT", person).await;
    let record = world.business_central.row("Contact", person).expect("the person");
    let relations = world.business_central.rows("Contact Business Relation");
    let of_company = relations.iter().find(|relation| relation["contactNumber"] == record["companyNumber"]);
    let number = text(of_company.expect("a relation"), "number");
    let customer = world.business_central_id("Customer", "number", number);
    let coupling = world.coupling("CUSTOMER", customer).await.expect("coupled");
    world.store().remove_coupling(world.company(), &MappingName::from("CUSTOMER"), &coupling).await.expect("stored");
    world.business_central.update_as_user("Contact", person, json!({"surname": "Still here"})).unwrap();
    let changed = run(&world, "CONTACT", RunMode::Modified).await;
    assert_eq!(changed.to_dataverse.modified, 1, "C-230");
    let after = world.coupled_row("CONTACT", person).await;
    assert_eq!(after["_parentcustomerid_value"], before["_parentcustomerid_value"], "U9: it is not emptied");
}

#[tokio::test]
async fn contacts_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        let account =
            id(&world.coupled_row("CUSTOMER", world.business_central_ids("Customer", |_| true)[5]).await, "accountid");
        contact_of(&world, account, "Holm");
        let (rows, expected) = (world.dataverse.count("contact"), persons(&world).len());
        let report = world.find("CONTACT", RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        let run = world.run_of("CONTACT", report.run).await;
        assert_eq!(run.counters.failed, 0, "{fatal:?}");
        assert_eq!(world.couplings("CONTACT").await, expected as u64 + 1, "{fatal:?}");
        assert_eq!(
            (world.dataverse.count("contact"), persons(&world).len()),
            (rows + expected, expected + 1),
            "{fatal:?}"
        );
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
    }
    let world = prepared().await;
    let (rows, expected) = (world.dataverse.count("contact"), persons(&world).len());
    world.find("CONTACT", RunMode::Full).await;
    let mut deliveries = world.queue.take(1000);
    let again: Vec<_> = deliveries.iter().rev().cloned().collect();
    deliveries.extend(again.clone());
    for batch in [deliveries, again] {
        for disposition in world.engine.sync_batch(batch).await.dispositions {
            assert_eq!(disposition, Disposition::Done);
        }
    }
    assert_eq!(
        (world.couplings("CONTACT").await, world.dataverse.count("contact")),
        (expected as u64, rows + expected)
    );
}
