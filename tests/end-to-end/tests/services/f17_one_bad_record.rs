//! One record that cannot be read or stored fails alone.

use couplet_end_to_end::{Disturbance, Passing, Proxy, World, WorldOptions};
use couplet_engine::{Engine, EngineOptions, RunMode};
use serde_json::{Value as Json, json};
use uuid::Uuid;

async fn prepared() -> World {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

async fn disturbed(world: &World) -> (Proxy, Proxy, Engine) {
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    (erp, crm, engine)
}

/// Changes one record wherever an answer shows it, lists and batch answers alike.
fn change(proxy: &Proxy, id: Uuid, edit: impl Fn(&mut serde_json::Map<String, Json>) + Send + Sync + 'static) {
    let id = id.to_string();
    let rewrite = move |body: String| {
        let Ok(mut json) = serde_json::from_str::<Json>(&body) else { return body };
        visit(&mut json, &id, &edit);
        json.to_string()
    };
    proxy.disturb(usize::MAX, Disturbance::edit(rewrite), |request: &Passing| {
        !request.path.contains("EntityDefinitions")
    });
}

fn visit(json: &mut Json, id: &str, edit: &impl Fn(&mut serde_json::Map<String, Json>)) {
    match json {
        Json::Array(members) => members.iter_mut().for_each(|member| visit(member, id, edit)),
        Json::Object(members) => {
            if ["id", "accountid", "productid"].iter().any(|name| members.get(*name).and_then(Json::as_str) == Some(id))
            {
                edit(members);
            }
            members.values_mut().for_each(|member| visit(member, id, edit));
        }
        _ => {}
    }
}

fn sellable_items(world: &World) -> Vec<Uuid> {
    world.business_central_ids("Item", |row| row["blocked"] == json!(false))
}

#[tokio::test]
async fn f17_a_value_of_the_wrong_type_fails_its_record_and_names_its_column() {
    let world = prepared().await;
    let (erp, _crm, engine) = disturbed(&world).await;
    let items = sellable_items(&world);
    change(&erp, items[3], |item| {
        if item.contains_key("unitPrice") {
            item.insert("unitPrice".to_owned(), json!("secret"));
        }
    });
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (items.len() as u64 - 1, 1));
    assert!(world.queue.dead_letters().is_empty());
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!((failures.len(), failures[0].record.0), (1, items[3]));
    assert_eq!(failures[0].field.as_deref(), Some("unitPrice"));
    assert!(
        failures[0].message.contains("unitPrice") && !failures[0].message.contains("secret"),
        "{}",
        failures[0].message
    );

    // The cursor has moved on, and the record arrives when it can be read.
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(run.counters.inserted, 0);
    erp.clear();
    world.business_central.update_as_user("Item", items[3], json!({"unitPrice": 77})).expect("taken");
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1, 0));
}

#[tokio::test]
async fn f17_an_unreadable_value_in_dataverse_fails_its_record_whichever_way_it_travels() {
    let world = prepared().await;
    let (_erp, crm, engine) = disturbed(&world).await;
    // Through the proxy from the beginning: the feed goes on by a link that leads where it began.
    world.run_with(&engine, "CUSTOMER", RunMode::Full).await;
    world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    let customers = world.business_central_ids("Customer", |_| true);
    let accounts = {
        let mut accounts = Vec::new();
        for customer in &customers {
            accounts.push(world.coupling("CUSTOMER", *customer).await.expect("coupled").dataverse_id.0);
        }
        accounts
    };
    change(&crm, accounts[0], |account| {
        if account.contains_key("telephone1") {
            account.insert("telephone1".to_owned(), json!(4711));
        }
    });
    for (number, account) in accounts.iter().enumerate().take(4) {
        let edit = json!({"name": format!("Sales {number}")});
        world.dataverse.update_as_user("account", *account, edit).expect("taken");
    }
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (3, 1));
    let failures = world.failures("CUSTOMER").await;
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].field.as_deref(), Some("telephone1"));

    // As the destination: what it holds is not known, so it is not overwritten.
    for (number, customer) in customers.iter().enumerate().take(2) {
        let edit = json!({"phoneNumber": format!("0{number}")});
        world.business_central.update_as_user("Customer", *customer, edit).expect("taken");
    }
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.modified, 1);
    assert_eq!(world.dataverse.row("account", accounts[1]).expect("there")["telephone1"], json!("01"));
    assert_ne!(world.dataverse.row("account", accounts[0]).expect("there")["telephone1"], json!("00"));
}

#[tokio::test]
async fn f17_half_a_surrogate_pair_in_a_page_fails_its_record_alone() {
    let world = prepared().await;
    let (erp, _crm, engine) = disturbed(&world).await;
    let items = sellable_items(&world);
    world.business_central.update_as_user("Item", items[2], json!({"displayName": "Half a pair"})).expect("taken");
    let edit = Disturbance::edit(|body| body.replace("Half a pair", "Half \\ud83d pair"));
    erp.disturb(usize::MAX, edit, |_| true);
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (items.len() as u64 - 1, 1));
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!((failures[0].record.0, failures[0].field.as_deref()), (items[2], Some("displayName")));
}

#[tokio::test]
async fn f17_a_damaged_coupling_fails_its_record_and_is_named() {
    let world = prepared().await;
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    let items = sellable_items(&world);
    let found = world.raw("Scan", &json!({"TableName": "couplet"}));
    let item = found["Items"].as_array().expect("items").iter().find(|item| {
        let holds = |name: &str, text: &str| item[name]["S"].as_str().is_some_and(|value| value.contains(text));
        holds("pk", "ITEM-PRODUCT") && holds("sk", &items[0].to_string()) && item.get("dv").is_some()
    });
    let mut item = item.expect("the coupling").clone();
    item["data"] = json!({"S": "{\"system_id\":"});
    let _ = world.raw("PutItem", &json!({"TableName": "couplet", "Item": item}));
    for item in &items[..3] {
        world
            .business_central
            .update_as_user("Item", *item, json!({"displayName": format!("N {item}")}))
            .expect("taken");
    }
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    // It fails in either direction: what Dataverse shows of it is met as well.
    assert!(run.counters.modified == 2 && (1..=2).contains(&run.counters.failed), "{:?}", run.counters);
    assert!(world.queue.dead_letters().is_empty());
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!(failures[0].record.0, items[0]);
    assert!(failures[0].message.contains(&items[0].to_string()), "it names the item: {}", failures[0].message);
}

#[tokio::test]
async fn f17_a_record_larger_than_the_store_takes_fails_before_it_is_written() {
    let world = prepared().await;
    let (erp, _crm, engine) = disturbed(&world).await;
    let items = sellable_items(&world);
    // The catalogue calls the vendor's name a text of 20; the service does not have to agree.
    change(&erp, items[1], |item| {
        if item.contains_key("vendorName") {
            item.insert("vendorName".to_owned(), json!("v".repeat(500_000)));
        }
    });
    let run = world.run_with(&engine, "ITEM-PRODUCT", RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (items.len() as u64 - 1, 1));
    assert!(world.queue.dead_letters().is_empty());
    assert_eq!(world.dataverse.count("product"), items.len() - 1);
    let failures = world.failures("ITEM-PRODUCT").await;
    assert_eq!((failures[0].record.0, failures[0].field.as_deref()), (items[1], Some("vendorName")));
}
