//! The new record of a natural key takes the place of a deleted one; swapped numbers arrive.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

async fn synchronized() -> World {
    let world = World::start(WorldOptions::default()).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    world
}

fn text(row: &Map<String, Json>, column: &str) -> String {
    row.get(column).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn id(row: &Map<String, Json>, column: &str) -> Uuid {
    text(row, column).parse().expect("a GUID")
}

/// Items that can be sold.
fn items(world: &World) -> Vec<Uuid> {
    world.business_central_ids("Item", |row| row["blocked"] == json!(false))
}

fn item(world: &World, id: Uuid) -> Map<String, Json> {
    world.business_central.row("Item", id).expect("the item is there")
}

/// The values a person would enter again.
fn entered(item: &Map<String, Json>) -> Json {
    let columns = ["number", "displayName", "type", "baseUnitOfMeasureCode", "unitPrice"];
    Json::Object(columns.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect())
}

#[tokio::test]
async fn an_item_made_again_under_its_number_goes_on_with_its_product() {
    let world = synchronized().await;
    // One that was never in stock: others cannot be deleted.
    let values = json!({"number": "NEW", "displayName": "New", "unitPrice": 5, "baseUnitOfMeasureCode": "PCS"});
    let former = world.business_central.create_as_user("Item", values).expect("taken");
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    let values = item(&world, former);
    let products = world.dataverse.count("product");
    let product = id(&world.coupled_row("ITEM-PRODUCT", former).await, "productid");
    world.business_central.delete_as_user("Item", former).expect("deleted");
    let again = world.business_central.create_as_user("Item", entered(&values)).expect("taken");
    world.business_central.update_as_user("Item", again, json!({"displayName": "Made again"})).expect("taken");

    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (0, 0), "{run:#?}");
    assert!(run.message.as_ref().is_some_and(|message| message.contains("made again")), "{:?}", run.message);
    assert!(world.coupling("ITEM-PRODUCT", former).await.is_none());
    let row = world.coupled_row("ITEM-PRODUCT", again).await;
    assert_eq!((id(&row, "productid"), text(&row, "name").as_str()), (product, "Made again"));
    assert_eq!(world.dataverse.count("product"), products);

    // And it stays in step from now on.
    world.business_central.update_as_user("Item", again, json!({"unitPrice": 77})).expect("taken");
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(world.coupled_row("ITEM-PRODUCT", again).await["price"].to_string().parse::<f64>(), Ok(77.0));
}

#[tokio::test]
async fn a_product_made_again_under_its_number_goes_on_with_its_item() {
    let world = synchronized().await;
    let item_id = items(&world)[0];
    let row = world.coupled_row("ITEM-PRODUCT", item_id).await;
    let former = id(&row, "productid");
    for line in world.dataverse.rows("productpricelevel") {
        if id(&line, "_productid_value") == former {
            world.dataverse.delete_as_user("productpricelevel", id(&line, "productpricelevelid")).expect("deleted");
        }
    }
    world.dataverse.delete_as_user("product", former).expect("deleted");
    let values = json!({
        "productnumber": row["productnumber"], "name": "Made again", "producttypecode": 1, "quantitydecimal": 2,
        "_defaultuomscheduleid_value": row["_defaultuomscheduleid_value"],
        "_defaultuomid_value": row["_defaultuomid_value"], "statecode": 0, "statuscode": 1
    });
    let again = world.dataverse.create_as_user("product", values).expect("taken");

    world.business_central.update_as_user("Item", item_id, json!({"unitPrice": 78})).expect("taken");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(
        (run.counters.inserted, run.counters.failed),
        (0, 0),
        "{run:#?}; {:#?}",
        world.failures("ITEM-PRODUCT").await
    );
    assert!(run.message.as_ref().is_some_and(|message| message.contains("made again")), "{:?}", run.message);
    let row = world.coupled_row("ITEM-PRODUCT", item_id).await;
    assert_eq!((id(&row, "productid"), row["price"].to_string().parse::<f64>()), (again, Ok(78.0)));
    let lines = world.dataverse.rows("productpricelevel");
    assert_eq!(lines.iter().filter(|line| id(line, "_productid_value") == again).count(), 1, "it has its price line");
}

/// Gives items numbers: each first one that nobody has, as a person would have to.
fn renumber(world: &World, numbers: &[(Uuid, String)]) {
    for (number, (item, _)) in numbers.iter().enumerate() {
        world.business_central.update_as_user("Item", *item, json!({"number": format!("TMP-{number}")})).expect("free");
    }
    for (item, number) in numbers {
        world.business_central.update_as_user("Item", *item, json!({"number": number})).expect("free");
    }
}

async fn numbers_agree(world: &World, items_in_question: &[Uuid]) {
    for id in items_in_question {
        let number = text(&item(world, *id), "number");
        assert_eq!(text(&world.coupled_row("ITEM-PRODUCT", *id).await, "productnumber"), number);
    }
    assert!(world.failures("ITEM-PRODUCT").await.is_empty(), "{:#?}", world.failures("ITEM-PRODUCT").await);
    assert!(world.queue.dead_letters().is_empty());
}

#[tokio::test]
async fn two_item_numbers_that_were_swapped_arrive() {
    let world = synchronized().await;
    let ids = items(&world);
    let number = |index: usize| text(&item(&world, ids[index]), "number");
    renumber(&world, &[(ids[0], number(1)), (ids[1], number(0))]);
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.failed, run.counters.inserted), (0, 0), "{run:#?}");
    numbers_agree(&world, &ids[..2]).await;
    let quiet = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));
}

#[tokio::test]
async fn three_numbers_in_a_circle_and_a_chain_arrive_even_one_record_at_a_time() {
    for batch in [1000, 1] {
        let world = synchronized().await;
        let ids = items(&world);
        let number = |index: usize| text(&item(&world, ids[index]), "number");
        renumber(
            &world,
            &[
                (ids[0], number(1)),
                (ids[1], number(2)),
                (ids[2], number(0)),
                (ids[3], number(4)),
                (ids[4], "NEW-NUMBER".to_owned()),
            ],
        );
        world.find("ITEM-PRODUCT", RunMode::Modified).await;
        for _ in 0..100 {
            let deliveries = world.queue.take(batch);
            if deliveries.is_empty() {
                break;
            }
            let dispositions = world.engine.sync_batch(deliveries.clone()).await.dispositions;
            for (delivery, disposition) in deliveries.into_iter().zip(dispositions) {
                if disposition != couplet_engine::Disposition::Done {
                    world.queue.give_back(delivery);
                }
            }
        }
        numbers_agree(&world, &ids[..5]).await;
    }
}

#[tokio::test]
async fn a_number_that_another_product_keeps_is_refused_with_its_holder_and_what_to_do() {
    let world = synchronized().await;
    let ids = items(&world);
    let other = world.coupled_row("ITEM-PRODUCT", ids[1]).await;
    let values = json!({
        "productnumber": "TAKEN", "name": "Somebody else's", "producttypecode": 1, "quantitydecimal": 2,
        "_defaultuomscheduleid_value": other["_defaultuomscheduleid_value"],
        "_defaultuomid_value": other["_defaultuomid_value"]
    });
    let stranger = world.dataverse.create_as_user("product", values).expect("taken");
    world.business_central.update_as_user("Item", ids[0], json!({"number": "TAKEN"})).expect("free");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!(run.counters.failed, 1);
    let failures = world.failures("ITEM-PRODUCT").await;
    assert!(failures[0].message.contains(&stranger.to_string()), "{}", failures[0].message);
    assert!(failures[0].message.contains("not coupled"), "{}", failures[0].message);
    assert_eq!(text(&world.dataverse.row("product", stranger).expect("there"), "productnumber"), "TAKEN");
}

#[tokio::test]
async fn no_message_names_a_way_out_that_no_command_offers() {
    let world = synchronized().await;
    let ids = items(&world);
    let product = id(&world.coupled_row("ITEM-PRODUCT", ids[0]).await, "productid");
    for line in world.dataverse.rows("productpricelevel") {
        if id(&line, "_productid_value") == product {
            world.dataverse.delete_as_user("productpricelevel", id(&line, "productpricelevelid")).expect("deleted");
        }
    }
    world.dataverse.delete_as_user("product", product).expect("deleted");
    world.business_central.update_as_user("Item", ids[0], json!({"unitPrice": 5})).expect("taken");
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let message = world.failures("ITEM-PRODUCT").await[0].message.clone();
    assert!(message.contains("(EE12)") && message.contains("the same number"), "{message}");
    assert!(message.contains(&text(&item(&world, ids[0]), "number")), "{message}");
    assert!(!message.contains("by hand"), "{message}");
    // Both commands are carried out in `coupling.rs`.
    for command in ["`couplet sync \"ITEM-PRODUCT\" --bc ", "`couplet uncouple \"ITEM-PRODUCT\" --bc "] {
        assert!(message.contains(command), "{message}");
    }
}

#[tokio::test]
async fn a_refused_create_leaves_no_reserved_coupling_and_a_cut_code_says_so() {
    let world = synchronized().await;
    let couplings = async || {
        let name = couplet_model::MappingName::from("CURRENCY");
        let page = world.store().coupling_page(world.company(), &name, None, 1000).await.expect("the store answers");
        page.couplings
    };
    let before = couplings().await.len();
    for code in ["EUROPE1", "EUROPE2"] {
        let currency = json!({"code": code, "displayName": code});
        world.business_central.create_as_user("Currency", currency).expect("taken");
        let rate = json!({
            "currencyCode": code, "startingDate": "2020-01-01", "exchangeRateAmount": 1, "relationalExchangeRateAmount": 2
        });
        world.business_central.create_as_user("Currency Exchange Rate", rate).expect("taken");
    }
    let run = world.run("CURRENCY", RunMode::Full).await;
    assert_eq!(
        (run.counters.inserted, run.counters.failed),
        (1, 1),
        "{run:#?} {:#?}",
        world.failures("CURRENCY").await
    );
    let message = world.failures("CURRENCY").await[0].message.clone();
    assert!(message.contains("was cut to EUROP"), "{message}");
    let after = couplings().await;
    assert_eq!(after.len(), before + 1);
    assert!(after.iter().all(|coupling| coupling.state == couplet_model::CouplingState::Coupled));
}
