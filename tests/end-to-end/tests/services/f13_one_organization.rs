//! A store belongs to one company and one organization.

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator};
use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineError, EngineOptions, RunMode, RunRequest};
use couplet_model::RetryClass;
use couplet_model::job::Trigger;
use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use uuid::Uuid;

fn currencies() -> RunRequest {
    RunRequest { job: "CURRENCY".to_owned(), mode: RunMode::Full, trigger: Trigger::Manual, until: None }
}

fn refusal<T>(answer: Result<T, EngineError>) -> String {
    let Err(error) = answer else { panic!("the store was not refused") };
    assert_eq!(error.retry_class(), RetryClass::Configuration, "{error}");
    error.to_string()
}

async fn another_organization(world: &World) -> DataverseSimulator {
    let options =
        DataverseOptions { seed: 7, company_id: world.business_central.company_id(), ..DataverseOptions::default() };
    DataverseSimulator::start(options).await.expect("the simulator starts")
}

#[tokio::test]
async fn another_organization_is_refused_and_reads_no_couplings() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let found = world.find("CURRENCY", RunMode::Full).await;
    assert!(found.enqueued > 0);
    let couplings = world.couplings("CURRENCY").await;
    let other = another_organization(&world).await;
    let rows = other.count("transactioncurrency");
    world.dataverse.reset_requests();

    let engine = world.engine_between(&world.business_central, &other, EngineOptions::default());
    let message = refusal(engine.run_job(&currencies()).await.map(|_| ()));
    assert!(message.contains("set dataverse.url back"), "{message}");
    assert!(message.contains(&world.dataverse.url()) && message.contains(&other.url()), "{message}");
    // What is in the queue already is not applied either, and not lost.
    let deliveries = world.queue.take(1000);
    for disposition in engine.sync_batch(deliveries).await.dispositions {
        assert!(matches!(disposition, Disposition::Return { ref reason, .. } if *reason == message), "{disposition:?}");
    }
    // The cursor holds a link of the first organization; the token of the second never goes there.
    assert_eq!(world.dataverse.requests(), 0);
    assert_eq!((world.couplings("CURRENCY").await, other.count("transactioncurrency")), (couplings, rows));
}

#[tokio::test]
async fn another_company_and_a_copy_of_the_environment_are_refused() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let company = world.business_central.company_id();
    for (options, named) in [
        (BusinessCentralOptions { company_id: Uuid::from_u128(9), ..Default::default() }, "set company back"),
        (
            BusinessCentralOptions { company_id: company, environment: "Sandbox".to_owned(), ..Default::default() },
            "couplet resume --moved",
        ),
    ] {
        let other = BusinessCentralSimulator::start(options).await.expect("the simulator starts");
        let engine = world.engine_between(&other, &world.dataverse, EngineOptions::default());
        let message = refusal(engine.run_job(&currencies()).await.map(|_| ()));
        assert!(message.contains(named) && message.contains(&company.to_string()), "{message}");
        assert_eq!(refusal(engine.look_at_owner().await), message);
        assert_eq!(other.requests(), 0);
    }
}

#[tokio::test]
async fn a_renamed_environment_is_accepted_by_a_person_and_another_company_never() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    let company_id = world.business_central.company_id();
    let renamed = BusinessCentralOptions { company_id, environment: "Live".to_owned(), ..Default::default() };
    let renamed = BusinessCentralSimulator::start(renamed).await.expect("the simulator starts");
    let engine = world.engine_between(&renamed, &world.dataverse, EngineOptions::default());
    refusal(engine.confirm_owner().await);
    engine.accept_move().await.expect("the ids are the same");
    engine.confirm_owner().await.expect("it is ours now");
    engine.run_job(&currencies()).await.expect("it runs");

    let other = BusinessCentralOptions { company_id: Uuid::from_u128(9), ..Default::default() };
    let other = BusinessCentralSimulator::start(other).await.expect("the simulator starts");
    let engine = world.engine_between(&other, &world.dataverse, EngineOptions::default());
    refusal(engine.accept_move().await);
}

#[tokio::test]
async fn an_organization_at_a_new_address_goes_on_and_its_old_link_gets_no_token() {
    let world = World::start(WorldOptions::default()).await;
    world.run_all(RunMode::Full).await;
    world.run_all(RunMode::Modified).await;
    let file = std::env::temp_dir().join(format!("couplet-moved-{}.json", Uuid::new_v4()));
    world.dataverse.save_state(&file).expect("saved");
    let company_id = world.business_central.company_id();
    let options = DataverseOptions { company_id, state_file: Some(file.clone()), ..DataverseOptions::default() };
    let moved = DataverseSimulator::start(options).await.expect("the simulator starts");
    world.dataverse.reset_requests();
    let engine = world.engine_between(&world.business_central, &moved, EngineOptions::default());
    let request = RunRequest { job: "CUSTOMER".to_owned(), mode: RunMode::Modified, ..currencies() };
    let report = engine.run_job(&request).await.expect("it is the same organization");
    assert!(report.notes.iter().any(|note| note.contains("read again from the beginning")), "{:?}", report.notes);
    assert_eq!(world.dataverse.requests(), 0, "the old address was asked");
    let _ = std::fs::remove_file(file);
}
