//! Each mapping end to end, and what its conformance cases expect.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::catalogue::MappingDirection;
use rust_decimal::Decimal;
use serde_json::json;

use crate::observing::{id, number, person_of, text};

async fn synchronized() -> World {
    let world = World::start(WorldOptions::default()).await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
        assert_eq!(run.counters.waiting, 0, "{}", run.job);
    }
    world
}

#[tokio::test]
async fn running_twice_changes_nothing() {
    let world = synchronized().await;
    world.run_all(RunMode::Modified).await;
    for run in world.run_all(RunMode::Modified).await {
        let counters = run.counters;
        assert_eq!((counters.inserted, counters.modified, counters.failed), (0, 0, 0), "{}", run.job);
        assert_eq!(run.enqueued, 0, "{}", run.job);
    }
    assert!(world.queue.dead_letters().is_empty());
}

#[tokio::test]
async fn a_second_full_synchronization_creates_nothing() {
    let world = synchronized().await;
    let products = world.dataverse.count("product");
    for run in world.run_all(RunMode::Full).await {
        assert_eq!((run.counters.inserted, run.counters.failed), (0, 0), "{}", run.job);
    }
    assert_eq!(world.dataverse.count("product"), products);
}

#[tokio::test]
async fn c_234_c_235_c_237_users_become_salespeople_with_codes_of_their_own() {
    let world = synchronized().await;
    let salespeople = world.business_central.rows("Salesperson/Purchaser");
    let mut codes: Vec<&str> = salespeople.iter().map(|row| text(row, "code")).collect();
    assert!(codes.iter().all(|code| !code.is_empty()));
    let made: Vec<&str> = codes.iter().copied().filter(|code| code.starts_with("SP NO. ")).collect();
    assert!(made.len() >= 2, "C-237");
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), salespeople.len(), "C-237: codes differ");

    let record = world.business_central_id("Salesperson/Purchaser", "code", made[0]);
    let user = world.coupled_row("SALESPEOPLE", record).await;
    let salesperson = world.business_central.row("Salesperson/Purchaser", record).unwrap();
    assert_eq!(text(&salesperson, "displayName"), text(&user, "fullname"), "C-234");
    assert_eq!(text(&salesperson, "email"), text(&user, "internalemailaddress"));

    world
        .business_central
        .update_as_user("Salesperson/Purchaser", record, json!({"displayName": "Somebody Else"}))
        .unwrap();
    let user_id = id(&user, "systemuserid");
    world.dataverse.update_as_user("systemuser", user_id, json!({"mobilephone": "+1 555 0199"})).unwrap();
    let run = world.run("SALESPEOPLE", RunMode::Modified).await;
    assert_eq!(run.from_dataverse.modified, 1);
    let salesperson = world.business_central.row("Salesperson/Purchaser", record).unwrap();
    assert_eq!(text(&salesperson, "displayName"), text(&user, "fullname"), "C-235: the user's name wins");
    assert_eq!(text(&salesperson, "phoneNo"), "+1 555 0199");
}

#[tokio::test]
async fn c_210_currencies_arrive_with_precision_and_rate() {
    let world = synchronized().await;
    let euro = world.business_central_id("Currency", "code", "EUR");
    let row = world.coupled_row("CURRENCY", euro).await;
    assert_eq!(text(&row, "isocurrencycode"), "EUR");
    assert_eq!(number(&row, "currencyprecision"), 2.into());
    // 100 euros are 108.5 of the local currency; Dataverse keeps how many of this currency one of its base is.
    let rate = (Decimal::from(100) / Decimal::new(1085, 1)).round_dp(10);
    assert_eq!(number(&row, "exchangerate").round_dp(10), rate);
    let coupling = world.coupling("CURRENCY", euro).await.unwrap();
    assert_eq!(coupling.to_dataverse.unwrap().failure, None, "C-210: the last result is a success");
}

#[tokio::test]
async fn c_211_a_currency_without_rates_fails_alone_and_names_itself() {
    let world = World::start(WorldOptions::default()).await;
    world.business_central.create_as_user("Currency", json!({"code": "XTS", "displayName": "Test money"})).unwrap();
    let run = world.run("CURRENCY", RunMode::Full).await;
    assert_eq!(run.counters.failed, 1);
    let others = world.business_central.rows("Currency").len() as u64 - 1;
    assert_eq!(run.counters.inserted + run.counters.modified + run.counters.unchanged, others, "{:?}", run.counters);
    assert_eq!(world.couplings("CURRENCY").await, others, "the others arrive");
    assert_eq!(run.message, None, "the run itself is a success");
    let failures = world.failures("CURRENCY").await;
    assert!(failures[0].message.contains("XTS"), "{}", failures[0].message);
    assert!(!world.dataverse.rows("transactioncurrency").iter().any(|row| text(row, "isocurrencycode") == "XTS"));
}

#[tokio::test]
async fn r51_a_currency_that_sales_already_knows_is_adopted_not_duplicated() {
    let world = World::start(WorldOptions::default()).await;
    let euro = json!({"isocurrencycode": "EUR", "currencyname": "euro", "currencysymbol": "E", "currencyprecision": 2, "exchangerate": 0.5});
    let row = world.dataverse.create_as_user("transactioncurrency", euro).unwrap();
    world.run("CURRENCY", RunMode::Full).await;
    let record = world.business_central_id("Currency", "code", "EUR");
    assert_eq!(world.coupling("CURRENCY", record).await.unwrap().dataverse_id.0, row);
    let euros = world.dataverse.rows("transactioncurrency");
    assert_eq!(euros.iter().filter(|row| text(row, "isocurrencycode") == "EUR").count(), 1);
}

#[tokio::test]
async fn c_201_units_become_unit_groups_with_one_unit() {
    let world = synchronized().await;
    let unit = world.business_central_id("Unit of Measure", "code", "PCS");
    let group = world.coupled_row("UNIT OF MEASURE", unit).await;
    assert_eq!(text(&group, "name"), "NAV PCS");
    let units = world.dataverse.rows("uom");
    let inside: Vec<_> =
        units.iter().filter(|row| text(row, "_uomscheduleid_value") == text(&group, "uomscheduleid")).collect();
    assert_eq!(inside.len(), 1);
    assert_eq!(text(inside[0], "name"), "PCS");
}

#[tokio::test]
async fn c_014_c_216_r37_a_renamed_account_renames_its_customer_and_nobody_else() {
    let world = synchronized().await;
    world.run_all(RunMode::Modified).await;
    let customers = world.business_central.rows("Customer").len();
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account = world.coupled_row("CUSTOMER", customer).await;
    world.dataverse.update_as_user("account", id(&account, "accountid"), json!({"name": "New Name"})).unwrap();
    world.dataverse.create_as_user("account", json!({"name": "Uncoupled", "customertypecode": 3})).unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.from_dataverse.modified, run.from_dataverse.inserted), (1, 0), "C-216");
    assert_eq!(text(&world.business_central.row("Customer", customer).unwrap(), "displayName"), "New Name", "C-014");
    assert_eq!(world.business_central.rows("Customer").len(), customers, "C-014: only coupled records");
}

#[tokio::test]
async fn c_219_an_inactive_account_blocks_its_customer() {
    let world = synchronized().await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let customer = world.business_central_ids("Customer", |row| {
        text(row, "blocked").trim().is_empty() || text(row, "blocked") == "_x0020_"
    })[0];
    let account = world.coupled_row("CUSTOMER", customer).await;
    world
        .dataverse
        .update_as_user("account", id(&account, "accountid"), json!({"statecode": 1, "statuscode": 2}))
        .unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.from_dataverse.modified, 1);
    assert_eq!(text(&world.business_central.row("Customer", customer).unwrap(), "blocked"), "All");
}

#[tokio::test]
async fn c_019_r82_a_name_changed_on_both_sides_is_a_conflict_that_names_both_values() {
    let world = synchronized().await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let before = world.coupling("CUSTOMER", customer).await.unwrap();
    world.business_central.update_as_user("Customer", customer, json!({"displayName": "X"})).unwrap();
    world.dataverse.update_as_user("account", account, json!({"name": "Y"})).unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.failed, run.from_dataverse.failed), (1, 1));
    let after = world.coupling("CUSTOMER", customer).await.unwrap();
    assert_eq!((after.base, after.business_central), (before.base, before.business_central), "what was agreed stays");
    let failures = world.failures("CUSTOMER").await;
    let message = &failures[0].message;
    assert!(message.contains("\"X\"") && message.contains("\"Y\""), "U7: {message}");
    assert_eq!(text(&world.business_central.row("Customer", customer).unwrap(), "displayName"), "X");
    assert_eq!(text(&world.dataverse.row("account", account).unwrap(), "name"), "Y");
    // Made equal by a person, the pair is at peace again.
    world.dataverse.update_as_user("account", account, json!({"name": "X"})).unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    assert!(world.failures("CUSTOMER").await.is_empty());
}

#[tokio::test]
async fn r62_f06_an_unmapped_code_stays_behind_until_somebody_adds_the_option() {
    let world = synchronized().await;
    world.run("CUSTOMER", RunMode::Modified).await;
    world
        .business_central
        .create_as_user("Shipping Agent", json!({"code": "PIGEON", "displayName": "Pigeon post"}))
        .unwrap();
    let customer = world.business_central_ids("Customer", |_| true)[0];
    world
        .business_central
        .update_as_user("Customer", customer, json!({"shippingAgentCode": "PIGEON", "phoneNumber": "+49 1"}))
        .unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed, run.counters.noted), (1, 0, 1));
    assert_eq!(world.coupled_row("CUSTOMER", customer).await["telephone1"], json!("+49 1"));
    let failure = &world.failures("CUSTOMER").await[0];
    assert_eq!(failure.field.as_deref(), Some("Shipping Agent Code"));
    assert!(failure.message.contains("PIGEON") && failure.message.contains("EE17"), "{}", failure.message);

    world.add_option("address1_shippingmethodcode", 42, "Pigeon").await;
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.noted), (1, 0), "the same process sees the new option");
    let account = world.coupled_row("CUSTOMER", customer).await;
    assert_eq!(account["address1_shippingmethodcode"], json!(42));
}

#[tokio::test]
async fn c_103_to_c_104_mappings_travel_their_own_way_only() {
    let world = World::start(WorldOptions::default()).await;
    let direction = |name: &str| world.engine.mappings().iter().find(|m| m.name.as_str() == name).unwrap().direction;
    assert_eq!(direction("CURRENCY"), MappingDirection::ToDataverse);
    assert_eq!(direction("SALESPEOPLE"), MappingDirection::FromDataverse);
    let run = world.run("CURRENCY", RunMode::Full).await;
    let currencies = world.business_central.rows("Currency");
    assert_eq!((run.to_dataverse.total(), run.from_dataverse.total()), (currencies.len() as u64, 0));
    let run = world.run("SALESPEOPLE", RunMode::Full).await;
    assert_eq!((run.to_dataverse.total(), run.from_dataverse.inserted), (0, 5), "the licensed, enabled people");
    // What changes at the other end travels no way.
    for row in world.dataverse.rows("transactioncurrency") {
        let change = json!({"currencyname": "Changed in Sales"});
        world.dataverse.update_as_user("transactioncurrency", id(&row, "transactioncurrencyid"), change).unwrap();
    }
    assert_eq!(world.run("CURRENCY", RunMode::Modified).await.from_dataverse.total(), 0);
    assert_eq!(world.business_central.rows("Currency"), currencies);
}

#[tokio::test]
async fn c_209_a_local_currency_that_dataverse_lacks_is_created_there() {
    let options = WorldOptions { base_currency: "EUR".to_owned(), ..WorldOptions::default() };
    let world = World::start(options).await;
    let codes = |world: &World| -> Vec<String> {
        world.dataverse.rows("transactioncurrency").iter().map(|row| text(row, "isocurrencycode").to_owned()).collect()
    };
    assert!(!codes(&world).contains(&"USD".to_owned()));
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        let run = world.run(job, RunMode::Full).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    let rows = world.dataverse.rows("transactioncurrency");
    let dollars: Vec<_> = rows.iter().filter(|row| text(row, "isocurrencycode") == "USD").collect();
    assert_eq!(dollars.len(), 1);
    assert_eq!((text(dollars[0], "currencyname"), text(dollars[0], "currencysymbol")), ("USD", "USD"));
    assert_eq!(number(dollars[0], "exchangerate").round_dp(10), Decimal::new(1085, 3), "dollars for a euro");
    let product = &world.dataverse.rows("product")[0];
    assert_eq!(text(product, "_transactioncurrencyid_value"), text(dollars[0], "transactioncurrencyid"));
}

#[tokio::test]
async fn c_221_an_uncoupled_primary_contact_is_cleared_without_an_error() {
    let world = synchronized().await;
    world.run("CUSTOMER", RunMode::Modified).await;
    let customer = world.business_central_ids("Customer", |_| true)[0];
    let contact = person_of(&world, "Customer", customer, "Berg");
    let contact = world.business_central.row("Contact", contact).expect("the contact");
    let change = json!({"primaryContactNo": text(&contact, "number"), "displayName": "With a contact"});
    world.business_central.update_as_user("Customer", customer, change).unwrap();
    let run = world.run("CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.counters.failed, run.counters.waiting), (1, 0, 0));
    let account = world.coupled_row("CUSTOMER", customer).await;
    assert_eq!(text(&account, "_primarycontactid_value"), "", "C-221");
    // The blank that comes back does not wipe the contact, which is itself uncoupled (R151).
    world.dataverse.update_as_user("account", id(&account, "accountid"), json!({"address1_city": "Bergen"})).unwrap();
    world.run("CUSTOMER", RunMode::Modified).await;
    let record = world.business_central.row("Customer", customer).unwrap();
    assert_eq!((text(&record, "primaryContactNo"), text(&record, "city")), (text(&contact, "number"), "Bergen"));
}

#[tokio::test]
async fn c_240_r261_under_team_ownership_new_accounts_belong_to_the_companys_team() {
    let options = WorldOptions { ownership: couplet_model::switches::Ownership::Team, ..WorldOptions::default() };
    let world = World::start(options).await;
    assert!(world.engine.jobs().iter().all(|job| job.name != "SALESPEOPLE"), "S262");
    world.run("CURRENCY", RunMode::Full).await;
    let customers = world.business_central_ids("Customer", |_| true);
    assert_eq!(customers.len(), 6);
    let run = world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(run.counters.failed, 0);
    let team = world.dataverse.rows("bcbi_company")[0]["_bcbi_defaultowningteam_value"].clone();
    for customer in customers {
        let account = world.coupled_row("CUSTOMER", customer).await;
        let creator = json!(world.dataverse.integration_user().to_string());
        assert_eq!((&account["_createdby_value"], &account["_ownerid_value"]), (&creator, &team), "C-240");
    }
}
