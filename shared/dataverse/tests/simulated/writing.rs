//! Writing to a simulated Dataverse: bulk messages and their fallbacks, versions, lookups.

use crate::world::{account_creates, failures, id, values, world, world_with};
use couplet_model::Value;
use couplet_model::system::{System, SystemErrorKind, Write, WriteAction};
use dataverse_simulator::{Behaviour, CustomNavigation, DataverseOptions, Poison};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

fn poison(only_in_bulk: bool) -> Poison {
    Poison { table: None, column: None, text: "poison".into(), only_in_bulk }
}

#[tokio::test]
async fn a_thousand_creates_are_one_request_and_repeating_them_changes_nothing() {
    let world = world().await;
    let accounts = world.accounts();
    let creates = account_creates(1000);
    assert_eq!(failures(&world.write(&accounts, &creates).await), []);
    assert_eq!(world.requests(), 1);
    assert_eq!(failures(&world.write(&accounts, &creates).await), []);
    assert_eq!((world.simulator.count("account"), world.requests()), (1000, 1));
    assert_eq!(world.account(id(7))["name"], "C7");
}

#[tokio::test]
async fn one_bad_record_of_a_thousand_fails_alone_in_two_requests() {
    let world = world().await;
    let accounts = world.accounts();
    let mut creates = account_creates(1000);
    creates[321].values.insert("name".into(), Value::text("poisoned"));
    world.simulator.faults().poison(poison(false));
    let outcomes = world.write(&accounts, &creates).await;
    let failures = failures(&outcomes);
    assert_eq!((failures.len(), failures[0].0, &failures[0].1.kind), (1, 321, &SystemErrorKind::Refused));
    assert_eq!((world.simulator.count("account"), world.requests()), (999, 2));
    let updates: Vec<Write> = (0..1000)
        .filter(|number| *number != 321)
        .map(|number| {
            let name = if number == 5 { "poison again".to_owned() } else { format!("U{number}") };
            Write::update(id(number), None, values(&[("name", Value::text(name))]))
        })
        .collect();
    let outcomes = world.write(&accounts, &updates).await;
    assert_eq!(crate::world::failures(&outcomes).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [5]);
    assert_eq!((world.account(id(6))["name"].clone(), world.requests()), (json!("U6"), 2));
}

#[tokio::test]
async fn a_table_without_bulk_messages_is_written_in_batches_and_remembered() {
    let world = world().await;
    let accounts = world.accounts();
    world.simulator.faults().bulk_unsupported("account", true);
    assert_eq!(failures(&world.write(&accounts, &account_creates(300)).await), []);
    assert_eq!(world.requests(), 2);
    assert_eq!(failures(&world.write(&accounts, &account_creates(400)).await), []);
    assert_eq!((world.simulator.count("account"), world.requests()), (400, 1));
}

#[tokio::test]
async fn creates_without_an_id_are_given_one_in_order() {
    let world = world().await;
    let accounts = world.accounts();
    let creates: Vec<Write> =
        (0..50).map(|number| Write::create(None, values(&[("name", Value::text(format!("N{number}")))]))).collect();
    for _ in 0..2 {
        let outcomes = world.write(&accounts, &creates).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            assert_eq!(world.account(outcome.as_ref().unwrap().id)["name"], format!("N{number}"));
        }
        assert_eq!(world.requests(), 1);
        world.simulator.faults().bulk_unsupported("account", true);
        world.write(&accounts, &creates[..2]).await;
        world.requests();
    }
    let one = world.write(&accounts, &creates[..1]).await.pop().unwrap().unwrap();
    assert_eq!(world.account(one.id)["name"], "N0");
}

#[tokio::test]
async fn a_stale_version_is_a_conflict_and_the_others_are_written() {
    let world = world().await;
    let accounts = world.accounts();
    world.write(&accounts, &account_creates(100)).await;
    let ids: Vec<_> = (0..100).map(id).collect();
    let records = world.fetch(&accounts, &ids, &["name"]).await;
    world.simulator.update_as_user("account", id(9).0, json!({"name": "Person"})).unwrap();
    let updates: Vec<Write> = records
        .iter()
        .map(|record| Write::update(record.id, record.version.clone(), values(&[("name", Value::text("Ours"))])))
        .collect();
    world.requests();
    let outcomes = world.write(&accounts, &updates).await;
    let failures = failures(&outcomes);
    assert_eq!((failures.len(), &failures[0].1.kind), (1, &SystemErrorKind::VersionConflict));
    assert_eq!(outcomes.len(), 100);
    assert_eq!(
        (world.account(id(9))["name"].clone(), world.account(id(8))["name"].clone()),
        (json!("Person"), json!("Ours"))
    );
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn an_update_never_creates() {
    let world = world().await;
    let accounts = world.accounts();
    let update = |number| Write::update(id(number), None, values(&[("name", Value::text("nobody"))]));
    for updates in [vec![update(1)], vec![update(1), update(2)]] {
        let outcomes = world.write(&accounts, &updates).await;
        assert!(failures(&outcomes).iter().all(|(_, error)| error.kind == SystemErrorKind::NotFound));
        assert_eq!((failures(&outcomes).len(), world.simulator.count("account")), (updates.len(), 0));
    }
}

#[tokio::test]
async fn lookups_are_bound_moved_and_cleared() {
    let world = world().await;
    let (accounts, contacts) = (world.accounts(), world.table("contact"));
    let company = world.company();
    let with_company = values(&[("name", Value::text("A")), ("bcbi_companyid", Value::Guid(company))]);
    let creates = [Write::create(Some(id(1)), with_company.clone()), Write::create(Some(id(2)), with_company)];
    assert_eq!(failures(&world.write(&accounts, &creates).await), []);
    assert_eq!(world.account(id(1))["_bcbi_companyid_value"], company.to_string());
    let parent = |table: &str, number| Value::Reference { table: table.into(), id: id(number).0 };
    let person = |number, parent| {
        Write::create(Some(id(number)), values(&[("lastname", Value::text("P")), ("parentcustomerid", parent)]))
    };
    world.requests();
    let outcomes = world.write(&contacts, &[person(10, parent("account", 1)), person(11, parent("account", 2))]).await;
    assert_eq!(failures(&outcomes), []);
    assert_eq!(failures(&world.write(&contacts, &[person(12, parent("contact", 10))]).await), []);
    assert_eq!(world.requests(), 2);
    let names = ["parentcustomerid", "parentcustomeridtype"];
    let read = world.fetch(&contacts, &[id(12)], &names).await.pop().unwrap();
    assert!(
        matches!(read.get("parentcustomerid"), Value::Reference { table, id: target } if &**table == "contact" && *target == id(10).0)
    );
    let moves = Write::update(
        id(12),
        None,
        values(&[("parentcustomerid", Value::Guid(id(1).0)), ("parentcustomeridtype", Value::text("account"))]),
    );
    assert_eq!(failures(&world.write(&contacts, &[moves]).await), []);
    let read = world.fetch(&contacts, &[id(12)], &names).await.pop().unwrap();
    assert_eq!(
        (read.get("parentcustomeridtype"), read.get("parentcustomerid")),
        (&Value::text("account"), &Value::Guid(id(1).0))
    );
    let clears = Write::update(id(12), None, values(&[("parentcustomerid", Value::Null)]));
    assert_eq!(failures(&world.write(&contacts, &[clears]).await), []);
    assert_eq!(world.fetch(&contacts, &[id(12)], &names).await[0].get("parentcustomerid"), &Value::Null);
    let team: uuid::Uuid = world.simulator.rows("team")[0]["teamid"].as_str().unwrap().parse().unwrap();
    let owner = values(&[("ownerid", Value::Reference { table: "team".into(), id: team })]);
    let outcomes = world.write(&accounts, &[Write::update(id(1), None, owner)]).await;
    assert_eq!(failures(&outcomes), []);
    assert_eq!(world.account(id(1))["_ownerid_value"], team.to_string());
}

#[tokio::test]
async fn a_lookup_the_service_spells_otherwise_is_learned_once() {
    let behaviour = Behaviour { custom_navigation: CustomNavigation::LogicalName, ..Behaviour::default() };
    let world = world_with(DataverseOptions { demo: None, behaviour, ..DataverseOptions::default() }).await;
    let company = world.company();
    let create = |number| {
        Write::create(Some(id(number)), values(&[("name", Value::text("A")), ("bcbi_companyid", Value::Guid(company))]))
    };
    let accounts = world.accounts();
    let outcomes = world.write(&accounts, &(0..300).map(create).collect::<Vec<_>>()).await;
    assert_eq!(failures(&outcomes), []);
    assert_eq!(world.requests(), 4, "entity sets, the refused message, the names of the lookups, the message again");
    assert_eq!(failures(&world.write(&accounts, &(300..600).map(create).collect::<Vec<_>>()).await), []);
    assert_eq!((world.simulator.count("account"), world.requests()), (600, 1));
}

#[tokio::test]
async fn values_of_every_type_arrive_as_they_were_sent() {
    let world = world().await;
    let accounts = world.accounts();
    let sent = values(&[
        ("name", Value::text("Ünïcode \"quotes\" \\ and\nlines")),
        ("creditlimit", Value::Decimal(Decimal::new(123_456_789, 2))),
        ("numberofemployees", Value::Decimal(Decimal::from(12))),
        ("donotemail", Value::Bool(true)),
        ("paymenttermscode", Value::Int(3)),
        ("telephone1", Value::Null),
    ]);
    assert_eq!(failures(&world.write(&accounts, &[Write::create(Some(id(1)), sent.clone())]).await), []);
    let names: Vec<&str> = sent.keys().map(|name| &**name).collect();
    let read = world.fetch(&accounts, &[id(1)], &names).await.pop().unwrap();
    assert_eq!(read.values, sent);
    let cleared: Vec<(&str, Value)> =
        ["creditlimit", "paymenttermscode", "numberofemployees"].iter().map(|name| (*name, Value::Null)).collect();
    assert_eq!(failures(&world.write(&accounts, &[Write::update(id(1), None, values(&cleared))]).await), []);
    assert!(world.account(id(1)).get("creditlimit").is_none_or(Json::is_null));
}

#[tokio::test]
async fn mixed_writes_keep_their_places() {
    let world = world().await;
    let accounts = world.accounts();
    world.write(&accounts, &account_creates(3)).await;
    let version = world.fetch(&accounts, &[id(1)], &["name"]).await.pop().unwrap().version;
    let name = |text: &str| values(&[("name", Value::text(text))]);
    let delete = |number| Write { action: WriteAction::Delete { id: id(number) }, values: values(&[]) };
    let writes = [
        delete(0),
        Write::create(None, name("New")),
        Write::update(id(99), None, name("Nobody")),
        Write::update(id(1), version, name("Guarded")),
        Write::create(Some(id(50)), name("Given")),
        Write::update(id(2), None, values(&[("nosuch", Value::Null)])),
        Write::update(id(2), None, name("Plain")),
        delete(98),
    ];
    let outcomes = world.write(&accounts, &writes).await;
    let kinds: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind.clone())).collect();
    let (gone, unknown) = (Some(SystemErrorKind::NotFound), Some(SystemErrorKind::Protocol));
    assert_eq!(kinds, [None, None, gone, None, None, unknown, None, None], "what is gone already counts as deleted");
    assert_eq!(world.simulator.count("account"), 4);
    assert_eq!(world.account(id(1))["name"], "Guarded");
    assert_eq!(outcomes[4].as_ref().unwrap().id, id(50));
}

#[tokio::test]
async fn guarded_updates_can_be_cut_into_smaller_batches() {
    let world = world().await;
    let mut settings = crate::world::settings(&world.simulator);
    settings.batch_size = 25;
    let client = couplet_dataverse::DataverseClient::new(settings, world.catalogue.dataverse_entity_sets()).unwrap();
    let accounts = world.accounts();
    world.write(&accounts, &account_creates(100)).await;
    let ids: Vec<_> = (0..100).map(id).collect();
    let update = |record: &couplet_model::Record| {
        Write::update(record.id, record.version.clone(), values(&[("name", Value::text("Ours"))]))
    };
    let updates: Vec<Write> = world.fetch(&accounts, &ids, &["name"]).await.iter().map(update).collect();
    world.requests();
    assert_eq!(failures(&client.write(&accounts, &updates).await), []);
    assert_eq!(world.requests(), 4);
}

#[tokio::test]
async fn records_of_a_table_that_takes_no_upsert_are_made_once_however_often_that_is_asked_for() {
    for takes_upserts in [false, true] {
        let behaviour = Behaviour { posts_take_upserts: takes_upserts, ..Behaviour::default() };
        let world = world_with(DataverseOptions { demo: None, behaviour, ..DataverseOptions::default() }).await;
        let posts = world.table("post");
        let account = world.add_accounts(1)[0];
        let regarding = Value::Reference { table: "account".into(), id: account.0 };
        let create = |number: u128| {
            let text = Value::text(format!("Post {number}"));
            Write::create(Some(id(number)), values(&[("text", text), ("regardingobjectid", regarding.clone())]))
        };
        // One alone is a request of its own, several are a batch, of which one is there already.
        for numbers in [vec![1], vec![1], vec![1, 2, 3], vec![1, 2, 3]] {
            let creates: Vec<Write> = numbers.iter().map(|number| create(*number)).collect();
            world.requests();
            let outcomes = world.write(&posts, &creates).await;
            assert_eq!((failures(&outcomes), world.requests()), (vec![], 1), "{numbers:?}");
            for (outcome, number) in outcomes.iter().zip(&numbers) {
                assert_eq!(outcome.as_ref().unwrap().id, id(*number));
            }
        }
        assert_eq!(world.simulator.count("post"), 3);
        assert_eq!(world.simulator.row("post", id(2).0).unwrap()["text"], "Post 2");
    }
}
