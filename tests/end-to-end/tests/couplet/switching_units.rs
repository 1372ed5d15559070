//! From one unit group for each unit of measure to unit groups of items and resources, and back.

use std::time::{Duration, Instant};

use couplet_end_to_end::{NOTHING, Systems, World, WorldOptions, settings};
use couplet_engine::{EngineOptions, RunMode, UnitSwitchStep};
use couplet_local::EmbeddedCloud;
use couplet_runtime::Application;
use couplet_runtime::handlers::{SwitchOutcome, SwitchUnitsAnswer, SwitchUnitsEvent, switch_units_in_function};
use dataverse_simulator::Poison;
use serde_json::json;

use crate::observing::text;
use crate::units::{ITEMS, check_all};

const RESOURCES: &str = "RESOURCE-PRODUCT";
/// Old products of items, old products of resources, couplings of units, jobs.
const STEPS: usize = 4;

async fn classic() -> World {
    let world = World::start(WorldOptions::default()).await;
    for run in world.run_all(RunMode::Full).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    world
}

/// Numbers and states of the products that are called old, and how many are not.
fn products(world: &World) -> (usize, usize) {
    let rows = world.dataverse.rows("product");
    let (old, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| text(row, "productnumber").contains("-OLD-"));
    assert!(old.iter().all(|row| row["statecode"] == json!(1)), "retired");
    (old.len(), others.len())
}

/// Runs all jobs as their timers do, until nothing is left to do.
async fn synchronize(world: &World) {
    for run in world.run_all(RunMode::Modified).await {
        assert_eq!(run.counters.failed, 0, "{}: {:?}", run.job, world.failures(&run.job).await);
    }
    for run in world.run_all(RunMode::Modified).await {
        let counters = run.counters;
        assert_eq!((counters.inserted, counters.modified, counters.failed), (0, 0, 0), "{}", run.job);
    }
}

#[tokio::test]
async fn s223_s227_switching_to_unit_groups_goes_on_wherever_it_was_stopped() {
    for stop in 0..=STEPS {
        let mut world = classic().await;
        let count = world.couplings(ITEMS).await + world.couplings(RESOURCES).await;
        world.use_unit_groups(true, EngineOptions::default());
        let versions = world.dataverse.rows("product");
        let plan = world.engine.unit_switch().await.expect("a plan");
        assert_eq!((plan.products.len() as u64, plan.couplings.len(), plan.jobs.len()), (count, 1, 5));
        assert_eq!(world.dataverse.rows("product"), versions, "a dry run changes nothing");

        // A worker that dies between the two systems has given the product its number and has not uncoupled it.
        let half_done = &plan.products[0];
        let change = json!({"productnumber": half_done.becomes, "statecode": 1, "statuscode": 2});
        let product =
            world.dataverse.rows("product").into_iter().find(|row| text(row, "productnumber") == half_done.number);
        let product = text(&product.expect("a product"), "productid").parse().expect("an id");
        world.dataverse.update_as_user("product", product, change).expect("taken");

        let mut steps = 0;
        for _ in 0..stop {
            world.engine.switch_units(&mut Vec::new()).await.expect("a step");
            steps += 1;
        }
        // Another process goes on.
        world.use_unit_groups(true, EngineOptions::default());
        while world.engine.switch_units(&mut Vec::new()).await.expect("a step") != UnitSwitchStep::Done {
            steps += 1;
        }
        assert_eq!(steps, STEPS, "stopped after {stop}");
        assert_eq!(world.couplings("UNIT OF MEASURE").await + world.couplings(ITEMS).await, 0);
        assert!(world.engine.unit_switch().await.expect("a plan").is_done());
        assert_eq!(products(&world).0 as u64, count);

        synchronize(&world).await;
        check_all(&world).await;
        assert_eq!(products(&world), (count as usize, count as usize));
        assert_eq!(world.engine.switch_units(&mut Vec::new()).await.expect("nothing is left"), UnitSwitchStep::Done);
    }
}

#[tokio::test]
async fn s227_a_product_that_dataverse_refuses_is_named_and_all_others_give_way() {
    let mut world = classic().await;
    let count = world.couplings(ITEMS).await + world.couplings(RESOURCES).await;
    world.use_unit_groups(true, EngineOptions::default());
    let plan = world.engine.unit_switch().await.expect("a plan");
    let stubborn = plan.products.iter().find(|product| product.mapping.as_str() == ITEMS).expect("an item's").clone();
    world.dataverse.faults().poison(Poison {
        table: Some("product".into()),
        column: Some("productnumber".into()),
        text: stubborn.becomes.clone(),
        only_in_bulk: false,
    });
    let (mut refused, mut products) = (Vec::new(), 0);
    let end = loop {
        match world.engine.switch_units(&mut refused).await.expect("a step") {
            UnitSwitchStep::Products(gone) => products += gone.len() as u64,
            end => break end,
        }
    };
    let UnitSwitchStep::Refused(named) = end else { panic!("{end:?}") };
    assert_eq!(
        (named.len(), named[0].number.as_str(), named[0].mapping.as_str()),
        (1, stubborn.number.as_str(), ITEMS)
    );
    assert_eq!((products, world.couplings(ITEMS).await, world.couplings(RESOURCES).await), (count - 1, 1, 0));
    assert!(world.couplings("UNIT OF MEASURE").await > 0, "the product is known by them");

    // Mended, the switch goes on from there.
    world.dataverse.faults().clear_poison();
    while world.engine.switch_units(&mut Vec::new()).await.expect("a step") != UnitSwitchStep::Done {}
    synchronize(&world).await;
    assert_eq!(self::products(&world), (count as usize, count as usize));
}

#[tokio::test]
async fn s226_whoever_switches_back_meets_the_products_of_before_again() {
    let mut world = classic().await;
    let count = world.dataverse.count("product");
    for unit_groups in [true, false, true] {
        world.use_unit_groups(unit_groups, EngineOptions::default());
        while world.engine.switch_units(&mut Vec::new()).await.expect("a step") != UnitSwitchStep::Done {}
        synchronize(&world).await;
        assert_eq!(products(&world), (count, count), "unit groups: {unit_groups}");
        let left = ["UNIT OF MEASURE", "UNIT GROUP", "ITEM UOM", "RESOURCE UOM"];
        let mut coupled = Vec::new();
        for mapping in left {
            coupled.push(world.couplings(mapping).await > 0);
        }
        assert_eq!(coupled, [!unit_groups, unit_groups, unit_groups, unit_groups]);
    }
    check_all(&world).await;
}

#[tokio::test]
async fn s227_a_function_answers_what_it_did_before_its_calls_are_refused() {
    let systems = Systems::start(NOTHING).await;
    let settings = settings(&systems);
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let call = async |time: Duration| -> SwitchUnitsAnswer {
        let deadline = Instant::now() + time;
        application.systems.set_deadline(Some(deadline));
        let event = SwitchUnitsEvent { dry_run: false };
        switch_units_in_function(&application, event, deadline).await.expect("an answer")
    };
    // Dataverse lets the first step wait for half of the time: another one might not end before the deadline.
    systems.dataverse.faults().throttle_next(1, 2);
    let first = call(Duration::from_secs(4)).await;
    assert_eq!((first.outcome, first.lines.len()), (SwitchOutcome::GoesOn, 1), "{first:?}");
    let second = call(Duration::from_mins(15)).await;
    assert_eq!((second.outcome, second.lines.len()), (SwitchOutcome::Done, 0), "{second:?}");
}
