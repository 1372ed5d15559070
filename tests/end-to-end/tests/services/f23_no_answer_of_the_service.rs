//! An answer that is no answer of the service is never counted as written.

use couplet_end_to_end::{Disturbance, Foreign, Passing, World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, RunMode, RunRequest};
use couplet_model::job::Trigger;
use serde_json::{Value as Json, json};

/// Answers that something on the way gives to a write.
fn foreign() -> [Foreign; 4] {
    let json = |body: &str| Foreign { body: body.to_owned(), ..Foreign::empty(200) };
    [
        Foreign::page(200),
        Foreign::empty(200),
        json("{\"status\":\"ok\"}").with("Content-Type", "application/json"),
        Foreign::page(404),
    ]
}

async fn coupled() -> World {
    let world = World::start(WorldOptions::default()).await;
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    world.run("CUSTOMER", RunMode::Modified).await;
    world
}

fn is_a_write(request: &Passing) -> bool {
    request.method == "PATCH"
}

async fn find(engine: &couplet_engine::Engine) {
    let request =
        RunRequest { job: "CUSTOMER".to_owned(), mode: RunMode::Modified, trigger: Trigger::Manual, until: None };
    engine.run_job(&request).await.expect("the run ends well");
}

/// Whether the account of a customer has its name.
async fn agree(world: &World, customer: uuid::Uuid) -> bool {
    let account = world.coupled_row("CUSTOMER", customer).await;
    let row = world.business_central.row("Customer", customer).expect("there");
    account["name"] == row["displayName"]
}

#[tokio::test]
async fn f23_a_page_that_answers_a_write_is_no_write_in_either_system() {
    for foreign in foreign() {
        for to_dataverse in [true, false] {
            let world = coupled().await;
            let (erp, crm) = world.proxies().await;
            // A write of unknown effect keeps its claim; here that ends at once.
            let options = EngineOptions { claim: jiff::SignedDuration::from_millis(1), ..EngineOptions::default() };
            let engine = world.engine_through(&erp, &crm, options);
            let customer = world.business_central_ids("Customer", |_| true)[0];
            let account = world.coupling("CUSTOMER", customer).await.expect("coupled").dataverse_id.0;
            if to_dataverse {
                let edit = json!({"displayName": "Renamed"});
                world.business_central.update_as_user("Customer", customer, edit).expect("taken");
            } else {
                world.dataverse.update_as_user("account", account, json!({"name": "Renamed"})).expect("taken");
            }
            let disturbed = if to_dataverse { &crm } else { &erp };
            disturbed.disturb(usize::MAX, Disturbance::Before(foreign.clone()), is_a_write);
            find(&engine).await;
            let deliveries = world.queue.take(1000);
            assert_eq!(deliveries.len(), 1);
            let dispositions = engine.sync_batch(deliveries.clone()).await.dispositions;
            assert_ne!(dispositions, [Disposition::Done], "{foreign:?} to Dataverse: {to_dataverse}");
            assert!(!agree(&world, customer).await);
            let tries = disturbed.passed().iter().filter(|request| is_a_write(request)).count();
            assert!((1..=12).contains(&tries), "{tries} tries");

            disturbed.clear();
            let dispositions = engine.sync_batch(deliveries).await.dispositions;
            assert_eq!(dispositions, [Disposition::Done], "{foreign:?} to Dataverse: {to_dataverse}");
            assert!(agree(&world, customer).await, "{foreign:?} to Dataverse: {to_dataverse}");
        }
    }
}

#[tokio::test]
async fn f23_one_page_between_good_answers_is_read_over() {
    let world = coupled().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    let customer = world.business_central_ids("Customer", |_| true)[0];
    for (name, foreign) in ["One", "Two", "Three", "Four"].into_iter().zip(foreign()) {
        world.business_central.update_as_user("Customer", customer, json!({"displayName": name})).expect("taken");
        crm.disturb(1, Disturbance::After(foreign), is_a_write);
        let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{name}");
        assert_eq!(world.coupled_row("CUSTOMER", customer).await["name"], json!(name));
        assert!(agree(&world, customer).await, "{name}");
        assert!(world.queue.dead_letters().is_empty());
    }
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (0, 0), "everything is quiet");
}

#[tokio::test]
async fn f23_markup_inside_a_batch_answer_is_no_write() {
    let world = coupled().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    let customers = world.business_central_ids("Customer", |_| true);
    for customer in &customers[..4] {
        let edit = json!({"displayName": format!("New {customer}")});
        world.business_central.update_as_user("Customer", *customer, edit).expect("taken");
    }
    // Something on the way answers for one operation of the batch, and the service never sees that one.
    crm.disturb(
        1,
        Disturbance::edit(|body| {
            let start = body.find("HTTP/1.1 204").expect("a part");
            let end = start + body[start..].find("--batchresponse").expect("its end");
            let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Sign in</html>\r\n";
            format!("{}{page}{}", &body[..start], &body[end..])
        }),
        |request| request.path.ends_with("$batch") && request.body.contains("PATCH"),
    );
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    for customer in &customers[..4] {
        assert!(agree(&world, *customer).await);
    }
    assert!(world.queue.dead_letters().is_empty());
    let quiet = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(quiet.counters.modified, 0, "everything is quiet");
}

#[tokio::test]
async fn f23_a_json_batch_part_without_its_record_is_no_write() {
    let world = coupled().await;
    let (erp, crm) = world.proxies().await;
    let engine = world.engine_through(&erp, &crm, EngineOptions::default());
    let customers = world.business_central_ids("Customer", |_| true);
    for customer in &customers[..4] {
        let account = world.coupling("CUSTOMER", *customer).await.expect("coupled").dataverse_id.0;
        let edit = json!({"name": format!("New {customer}")});
        world.dataverse.update_as_user("account", account, edit).expect("taken");
    }
    erp.disturb(
        1,
        Disturbance::edit(|body| {
            let mut body: Json = serde_json::from_str(&body).expect("a batch answer");
            body["responses"][1] = json!({"id": "1", "status": 200, "headers": {"content-type": "text/html"},
                "body": "<html>Sign in</html>"});
            body.to_string()
        }),
        |request| request.path.ends_with("$batch") && request.body.contains("PATCH"),
    );
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0);
    for customer in &customers[..4] {
        assert!(agree(&world, *customer).await);
    }
    assert!(world.queue.dead_letters().is_empty());
}
