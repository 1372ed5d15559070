//! Records born in Sales are created in Business Central once: under an id of ours through the companion app, or with an
//! intent where the service chooses the ids.

use std::path::Path;
use std::sync::Arc;

use couplet_end_to_end::{Killing, World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use couplet_model::catalogue::Catalogue;
use couplet_model::message::Direction;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

/// How records get into Business Central.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Through the companion app, under an id of ours.
    Companion,
    /// Through the standard API alone, which chooses the ids.
    Standard,
}

const MODES: [Mode; 2] = [Mode::Companion, Mode::Standard];

/// Claims end at once, so that no test waits for a dead worker's.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

/// The embedded catalogue with other field rows of customers; the properties of customers are there to choose by.
fn catalogue_with(change: impl Fn(&mut Vec<Json>, &[Json])) -> Catalogue {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/model/catalogue");
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["mappings", "tables"] {
        std::fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    let tables = read(&original.join("tables/business-central.json"));
    let customers = tables["tables"].as_array().expect("tables").iter().find(|table| table["name"] == "Customer");
    let properties = customers.expect("customers")["properties"].as_array().expect("properties");
    for part in [".", "mappings", "tables"] {
        for entry in std::fs::read_dir(original.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().expect("a name").to_owned();
            let mut json = read(&path);
            if name == "customer.json" {
                change(json["fields"].as_array_mut().expect("rows"), properties);
            }
            std::fs::write(folder.path().join(part).join(name), json.to_string()).expect("written");
        }
    }
    Catalogue::from_directory(folder.path()).expect("the catalogue is valid")
}

/// The catalogue of an installation without the companion app: customers with what the standard API shows of them.
fn standard_catalogue() -> Catalogue {
    catalogue_with(|rows, properties| {
        let is_standard = |name: &Json| properties.iter().any(|one| one["name"] == *name && one["standard"] == true);
        rows.retain(|row| row.get("business_central").is_none_or(is_standard));
    })
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// Everything that accounts need is coupled, accounts and customers are not.
async fn prepared(mode: Mode) -> World {
    let standard = matches!(mode, Mode::Standard);
    started(WorldOptions {
        engine: options(),
        companion: !standard,
        catalogue: standard.then(|| Arc::new(standard_catalogue())),
        ..WorldOptions::default()
    })
    .await
}

async fn started(options: WorldOptions) -> World {
    let world = World::start(options).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// Each side has its own records and the other's, and all are coupled.
async fn expect_each_once(world: &World, own: (usize, usize), what: &str) {
    let all = own.0 + own.1;
    assert_eq!(world.business_central.rows("Customer").len(), all, "customers, {what}");
    assert_eq!(world.dataverse.count("account"), all, "accounts, {what}");
    assert_eq!(world.couplings("CUSTOMER").await, all as u64, "couplings, {what}");
    assert!(world.queue.dead_letters().is_empty(), "{what}");
    assert!(world.failures("CUSTOMER").await.is_empty(), "{what}: {:?}", world.failures("CUSTOMER").await);
    // What follows a creation was done for every one of them.
    let belongs = |row: &serde_json::Map<String, Json>| row.get("_bcbi_companyid_value").is_some_and(Json::is_string);
    assert!(world.dataverse.rows("account").iter().all(belongs), "{what}: an account belongs to no company");
}

async fn own(world: &World) -> (usize, usize) {
    (world.business_central.rows("Customer").len(), world.dataverse.count("account"))
}

async fn expect_quiet(world: &World, what: &str) {
    world.run("CUSTOMER", RunMode::Modified).await;
    let quiet = world.run("CUSTOMER", RunMode::Modified).await;
    let counters = quiet.counters;
    assert_eq!((counters.inserted, counters.modified, counters.failed), (0, 0, 0), "{what}");
}

#[tokio::test]
async fn a_death_at_every_failpoint_creates_no_customer_and_no_account_twice() {
    for mode in MODES {
        for fatal in Failpoint::ALL {
            let what = format!("{mode:?}, {fatal:?}");
            let world = prepared(mode).await;
            let own = own(&world).await;
            assert!(own.0 > 0 && own.1 > 0);
            world.find("CUSTOMER", RunMode::Full).await;
            world.drain_killed(fatal, options()).await;
            expect_each_once(&world, own, &what).await;
            expect_quiet(&world, &what).await;
        }
    }
}

#[tokio::test]
async fn a_death_while_customers_are_created_is_survived_whichever_direction_comes_next() {
    for mode in MODES {
        for fatal in Failpoint::ALL {
            let what = format!("{mode:?}, {fatal:?}");
            let world = prepared(mode).await;
            let own = own(&world).await;
            world.find("CUSTOMER", RunMode::Full).await;
            // Only the accounts' messages reach the worker that dies.
            let (accounts, customers): (Vec<_>, Vec<_>) =
                world.queue.take(1000).into_iter().partition(|it| it.message.direction == Direction::FromDataverse);
            let killing = Killing::at(fatal);
            let dying = world.another_engine(killing.of(options()));
            assert!(dying.sync_batch(accounts.clone()).await.dispositions.iter().all(|end| *end != Disposition::Done));
            killing.assert_happened();
            customers.into_iter().for_each(|delivery| world.queue.give_back(delivery));
            // The records it made look new to the run that comes next, and the accounts come last.
            world.run("CUSTOMER", RunMode::Full).await;
            accounts.into_iter().for_each(|delivery| world.queue.give_back(delivery));
            world.drain().await;
            expect_each_once(&world, own, &what).await;
            expect_quiet(&world, &what).await;
        }
    }
}

#[tokio::test]
async fn r277_a_connection_cut_before_or_after_a_create_creates_no_customer_twice() {
    for mode in MODES {
        for cut_after in [false, true] {
            for nth in [1, 2, 3] {
                let what = format!("{mode:?}, after the write: {cut_after}, {nth}");
                let world = prepared(mode).await;
                let own = own(&world).await;
                if cut_after {
                    world.business_central.faults().cut_after_write(nth);
                } else {
                    world.business_central.faults().cut_before_write(nth);
                }
                world.run("CUSTOMER", RunMode::Full).await;
                expect_each_once(&world, own, &what).await;
                expect_quiet(&world, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn messages_delivered_twice_and_to_two_workers_create_no_customer_twice() {
    for mode in MODES {
        let world = prepared(mode).await;
        let own = own(&world).await;
        world.find("CUSTOMER", RunMode::Full).await;
        let deliveries = world.queue.take(1000);
        let mut twice = deliveries.clone();
        twice.extend(deliveries.iter().rev().cloned());
        // Claims of a living worker hold.
        let other = world.another_engine(EngineOptions::default());
        let one = world.another_engine(EngineOptions::default());
        let (left, right) = tokio::join!(one.sync_batch(twice), other.sync_batch(deliveries.clone()));
        for (place, delivery) in deliveries.into_iter().enumerate() {
            if left.dispositions[place] != Disposition::Done || right.dispositions[place] != Disposition::Done {
                world.queue.give_back(delivery);
            }
        }
        world.drain().await;
        expect_each_once(&world, own, &format!("{mode:?}")).await;
    }
}

#[tokio::test]
async fn a_customer_edited_between_the_lost_answer_and_the_next_attempt_is_found_and_keeps_the_edit() {
    let world = prepared(Mode::Standard).await;
    let own = own(&world).await;
    let before = world.business_central_ids("Customer", |_| true);
    world.find("CUSTOMER", RunMode::Full).await;
    let deliveries = world.queue.take(1000);
    let killing = Killing::at(Failpoint::Written);
    let dying = world.another_engine(killing.of(options()));
    let accounts = deliveries.iter().filter(|it| it.message.direction == Direction::FromDataverse);
    dying.sync_batch(accounts.cloned().collect()).await;
    killing.assert_happened();
    let made =
        world.business_central_ids("Customer", |row| !before.iter().any(|id| row["id"] == json!(id.to_string())));
    world
        .business_central
        .update_as_user("Customer", made[0], json!({"displayName": "Renamed", "phoneNumber": "0731 4711"}))
        .expect("taken");
    deliveries.into_iter().for_each(|delivery| world.queue.give_back(delivery));
    world.drain().await;
    expect_each_once(&world, own, "after the edit").await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let account = world.coupled_row("CUSTOMER", made[0]).await;
    let customer = world.business_central.row("Customer", made[0]).expect("there");
    assert_eq!((&customer["displayName"], &customer["phoneNumber"]), (&json!("Renamed"), &json!("0731 4711")));
    assert_eq!((&account["name"], &account["telephone1"]), (&json!("Renamed"), &json!("0731 4711")));
}

#[tokio::test]
async fn users_become_salespeople_once_whenever_the_worker_dies() {
    // Salespeople have no page in the companion app: the service chooses their ids in every installation.
    for fatal in Failpoint::ALL {
        let world = World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await;
        let own = world.business_central.rows("Salesperson/Purchaser").len();
        world.find("SALESPEOPLE", RunMode::Full).await;
        world.drain_killed(fatal, options()).await;
        let made = world.business_central.rows("Salesperson/Purchaser").len() - own;
        assert_eq!(made, 5, "each person who is licensed and enabled");
        assert_eq!(world.couplings("SALESPEOPLE").await, made as u64, "{fatal:?}");
        let mut emails: Vec<String> =
            world.business_central.rows("Salesperson/Purchaser").iter().map(|row| row["email"].to_string()).collect();
        let all = emails.len();
        emails.sort();
        emails.dedup();
        assert_eq!(emails.len(), all, "{fatal:?}: nobody twice");
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
        let quiet = world.run("SALESPEOPLE", RunMode::Full).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.modified, quiet.counters.failed), (0, 0, 0), "{fatal:?}");
    }
}

#[tokio::test]
async fn a_create_that_is_refused_makes_no_claim_on_what_a_person_creates_later() {
    let world = prepared(Mode::Standard).await;
    let own = own(&world).await;
    world.business_central.faults().refuse_text(business_central_simulator::Poison {
        table: Some("Customer".into()),
        property: Some("displayName".into()),
        text: "Refused".into(),
    });
    let values = json!({"name": "Refused Ltd.", "customertypecode": 3});
    world.dataverse.create_as_user("account", values).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(run.from_dataverse.failed, 1);
    world.business_central.faults().accept_all_texts();
    // Nothing was created, so a customer of the same name is another one.
    world.business_central.create_as_user("Customer", json!({"displayName": "Refused Ltd."})).expect("taken");
    world.find("CUSTOMER", RunMode::Full).await;
    let (accounts, customers): (Vec<_>, Vec<_>) =
        world.queue.take(1000).into_iter().partition(|it| it.message.direction == Direction::FromDataverse);
    for deliveries in [accounts, customers] {
        deliveries.into_iter().for_each(|delivery| world.queue.give_back(delivery));
        world.drain().await;
    }
    expect_each_once(&world, (own.0 + 1, own.1 + 1), "after the refusal").await;
}

#[tokio::test]
async fn u12_products_born_in_sales_become_items_and_resources_with_their_unit_and_a_number_of_the_series() {
    let world = prepared(Mode::Companion).await;
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    world.run("RESOURCE-PRODUCT", RunMode::Full).await;
    let product = world.dataverse.rows("product")[0].clone();
    for (job, table, kind) in [("ITEM-PRODUCT", "Item", 1), ("RESOURCE-PRODUCT", "Resource", 3)] {
        for fatal in [None, Some(Failpoint::Written)] {
            let own = world.business_central.rows(table).len();
            let name = format!("Born in Sales {kind} {fatal:?}");
            let unit = |column: &str| product[&format!("_{column}_value")].as_str().expect("an id").to_owned();
            let values = json!({
                "name": name, "productnumber": format!("P-{kind}-{}", own), "producttypecode": kind, "quantitydecimal": 2,
                "defaultuomid@odata.bind": format!("/uoms({})", unit("defaultuomid")),
                "defaultuomscheduleid@odata.bind": format!("/uomschedules({})", unit("defaultuomscheduleid")),
            });
            let id = world.dataverse.create_as_user("product", values).expect("taken");
            world.dataverse.update_as_user("product", id, json!({"statecode": 0, "statuscode": 1})).expect("taken");
            world.find(job, RunMode::Full).await;
            match fatal {
                Some(fatal) => world.drain_killed(fatal, options()).await,
                None => world.drain().await,
            }
            assert!(world.failures(job).await.is_empty(), "{:?}", world.failures(job).await);
            let rows = world.business_central.rows(table);
            assert_eq!(rows.len(), own + 1, "{name}");
            let made = rows.iter().find(|row| row["displayName"] == json!(name)).expect("made");
            assert_ne!(made["baseUnitOfMeasureCode"], "", "{name}");
            assert!(!made["number"].as_str().expect("a number").starts_with("P-"), "{name}: the series numbers");
        }
    }
}

#[tokio::test]
async fn u12_a_number_from_sales_that_the_series_refuses_gives_way_to_the_given_one_and_both_sides_keep_theirs() {
    let numbered = catalogue_with(|rows, _| {
        rows.push(json!({"business_central": "number", "dataverse": "accountnumber", "direction": "bidirectional"}));
    });
    let catalogue = Some(Arc::new(numbered));
    let world = started(WorldOptions { engine: options(), catalogue, ..WorldOptions::default() }).await;
    let values = json!({"name": "Numbered Ltd.", "accountnumber": "ACME-7", "customertypecode": 3});
    let account = world.dataverse.create_as_user("account", values).expect("taken");
    world.run("CUSTOMER", RunMode::Full).await;
    assert!(world.failures("CUSTOMER").await.is_empty(), "{:?}", world.failures("CUSTOMER").await);
    let customers = world.business_central.rows("Customer");
    let made = customers.iter().find(|row| row["displayName"] == "Numbered Ltd.").expect("made");
    assert!(made["number"].as_str().expect("a number").starts_with("C0"), "the series numbers: {}", made["number"]);
    expect_quiet(&world, "after the first run").await;
    world.dataverse.update_as_user("account", account, json!({"name": "Numbered plc"})).expect("taken");
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0));
    assert_eq!(world.dataverse.row("account", account).expect("there")["accountnumber"], "ACME-7");
}

#[tokio::test]
async fn a_create_without_an_answer_keeps_its_claim_so_that_nobody_looks_before_the_service_has_finished() {
    for (mode, comes_back_to_it) in [(Mode::Standard, false), (Mode::Companion, true)] {
        let world = prepared(mode).await;
        world.find("CUSTOMER", RunMode::Full).await;
        let accounts: Vec<_> =
            world.queue.take(1000).into_iter().filter(|it| it.message.direction == Direction::FromDataverse).collect();
        // Claims last as long as in production here.
        let engine = world.another_engine(EngineOptions::default());
        world.business_central.faults().cut_after_write(1);
        let first = engine.sync_batch(accounts.clone()).await.dispositions;
        // The companion page takes the ids of new records, so the client repeats what was cut by itself.
        let came_back = first.iter().all(|end| *end != Disposition::Done);
        assert_eq!(came_back, matches!(mode, Mode::Standard), "{first:?}");
        let made = world.business_central.rows("Customer").len();
        world.business_central.reset_requests();
        let again = engine.sync_batch(accounts).await.dispositions;
        let done = again.iter().all(|end| *end == Disposition::Done);
        assert_eq!(done, comes_back_to_it, "{mode:?}: {again:?}");
        if !comes_back_to_it {
            assert_eq!(world.business_central.requests(), 0, "nothing is asked or created while the claim lasts");
            assert_eq!(world.business_central.rows("Customer").len(), made);
        }
    }
}
