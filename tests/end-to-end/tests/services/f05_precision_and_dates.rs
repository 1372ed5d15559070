//! Numbers, days and texts take the form of their column before they are compared, so that nothing is written for ever.

use couplet_dataverse::{DataverseClient, DataverseSettings};
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::RunMode;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::{Catalogue, RecordId, System, Value};
use serde_json::json;
use uuid::Uuid;

async fn with_items() -> (World, Uuid) {
    let world = World::start(WorldOptions::default()).await;
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    for job in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    (world, item)
}

#[tokio::test]
async fn a_number_with_more_digits_than_its_column_keeps_is_written_once() {
    let (world, item) = with_items().await;
    let finer = json!({"unitPrice": 12.34567, "unitCost": 3.45678});
    world.business_central.update_as_user("Item", item, finer).expect("the numbers are taken");
    let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0));
    let row = world.coupled_row("ITEM-PRODUCT", item).await;
    assert_eq!(row["price"].as_f64(), Some(12.35));

    // A full run compares every product with its item: none of them is written again, in either direction.
    for _ in 0..2 {
        let run = world.run("ITEM-PRODUCT", RunMode::Full).await;
        assert_eq!((run.counters.modified, run.counters.failed), (0, 0));
    }
    let items = world.business_central.rows("Item");
    let kept = items.iter().find(|row| row["id"] == json!(item.to_string())).expect("the item is there");
    assert_eq!(kept["unitPrice"].as_f64(), Some(12.34567), "the finer number stays where it was entered");
}

#[tokio::test]
async fn the_precision_that_the_organization_has_goes_before_the_usual_one() {
    let (world, item) = with_items().await;
    let organizations = world.dataverse.rows("organization");
    let organization: Uuid = organizations[0]["organizationid"].as_str().expect("an id").parse().expect("a GUID");
    let four = json!({"pricingdecimalprecision": 4});
    world.dataverse.update_as_user("organization", organization, four).expect("the option is set");
    let engine = world.another_engine(couplet_engine::EngineOptions::default());
    world.business_central.update_as_user("Item", item, json!({"unitPrice": 12.34567})).expect("the price is taken");
    world.find("ITEM-PRODUCT", RunMode::Modified).await;
    world.drain_with(&engine).await;
    assert_eq!(world.coupled_row("ITEM-PRODUCT", item).await["price"].as_f64(), Some(12.3457));
}

#[tokio::test]
async fn a_day_column_is_given_a_day_and_a_user_local_one_keeps_its_day_in_every_time_zone() {
    let world = World::start(WorldOptions::default()).await;
    let catalogue = Catalogue::embedded().expect("the catalogue is valid");
    let (tenant, id, secret) = world.dataverse.credentials();
    let settings = DataverseSettings::new(world.dataverse.url(), world.dataverse.authority(), tenant, id, secret);
    let client = DataverseClient::new(settings, catalogue.dataverse_entity_sets()).expect("the client is built");
    let day = Value::Date("2026-03-01".parse().expect("a day"));

    let contact = world.dataverse.create_as_user("contact", json!({"lastname": "Example"})).expect("it is created");
    let list = world.dataverse.rows("pricelevel").first().map(|row| row["pricelevelid"].clone());
    let list: Uuid = match list {
        Some(id) => id.as_str().expect("an id").parse().expect("a GUID"),
        None => {
            let currencies = world.dataverse.rows("transactioncurrency");
            let values =
                json!({"name": "List", "_transactioncurrencyid_value": currencies[0]["transactioncurrencyid"]});
            world.dataverse.create_as_user("pricelevel", values).expect("it is created")
        }
    };
    for (table, id, column, stored) in
        [("contact", contact, "birthdate", "2026-03-01"), ("pricelevel", list, "begindate", "2026-03-01T12:00:00Z")]
    {
        let definition = catalogue.dataverse_table(table).expect("the table is known");
        // Known by what is usual first, then by the definitions.
        for _ in 0..2 {
            let values: Values = [(column.into(), day.clone())].into();
            let results = client.write(definition, &[Write::update(RecordId(id), None, values)]).await;
            assert!(results[0].is_ok(), "{results:?}");
            assert_eq!(world.dataverse.row(table, id).expect("the row is there")[column], json!(stored));
            client.facts(definition).await.expect("the definitions are read");
        }
        let read = client.fetch(definition, &[RecordId(id)], &[column.to_owned()]).await.expect("it is read");
        assert_eq!(read[0].known(column), Some(&day));
    }
    // What users in Berlin and in New York enter for the day.
    let definition = catalogue.dataverse_table("pricelevel").expect("the table is known");
    for entered in ["2026-02-28T23:00:00Z", "2026-03-01T05:00:00Z"] {
        world.dataverse.update_as_user("pricelevel", list, json!({"begindate": entered})).expect("the day is taken");
        let read = client.fetch(definition, &[RecordId(list)], &["begindate".to_owned()]).await.expect("it is read");
        assert_eq!(read[0].known("begindate"), Some(&day), "{entered}");
    }
}

#[tokio::test]
async fn the_service_refuses_a_time_for_a_day() {
    let world = World::start(WorldOptions::default()).await;
    let values = json!({"lastname": "Example", "birthdate": "2026-03-01T12:00:00Z"});
    let refused = world.dataverse.create_as_user("contact", values).expect_err("a time is no day");
    assert!(refused.to_string().contains("Edm.Date"), "{refused}");
}
