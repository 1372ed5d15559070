//! Jobs that find nothing: they say so, go on looking, and are awake with the first change on either side.

use couplet_end_to_end::{NOTHING, World, WorldOptions, catalogue_with};
use couplet_engine::RunMode;
use couplet_model::job::JobState;
use couplet_model::switches::Ownership;
use serde_json::json;

use crate::coupled_customers::{coupled, of_customers, synchronize};
use crate::observing::{id, text};

async fn state(world: &World, job: &str) -> JobState {
    world.store().job(world.company(), job).await.expect("the store answers").expect("it ran").state
}

/// A world of one item that is coupled and at peace, whose job has this inactivity time.
async fn one_item(minutes: u32) -> (World, uuid::Uuid) {
    let catalogue =
        catalogue_with(&[("item-product", &|mapping| mapping["job"]["inactivity_minutes"] = json!(minutes))]);
    let business_central = business_central_simulator::DemoSize { items: 1, ..NOTHING };
    let catalogue = Some(catalogue.expect("a catalogue"));
    let world = World::start(WorldOptions { business_central, catalogue, ..of_customers(0) }).await;
    for job in ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.run(job, RunMode::Full).await;
    }
    world.run("ITEM-PRODUCT", RunMode::Modified).await;
    let item = world.business_central_ids("Item", |_| true)[0];
    (world, item)
}

#[tokio::test]
async fn c_093_c_094_d22_r240_r241_r242_r243_an_idle_job_says_so_if_it_has_an_inactivity_time_and_is_started_again_all_the_same()
 {
    for (minutes, expected) in [(1, JobState::OnHoldDueToInactivity), (0, JobState::Ready)] {
        let (world, _) = one_item(minutes).await;
        for attempt in 1..=2 {
            let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
            let written = run.counters.inserted + run.counters.modified + run.counters.failed;
            assert_eq!((written, run.finished.is_some()), (0, true), "{minutes}: {attempt}");
            assert_eq!(state(&world, "ITEM-PRODUCT").await, expected, "{minutes}: {attempt}");
        }
        let plan = world.engine.jobs().into_iter().find(|job| job.name == "ITEM-PRODUCT").expect("a job");
        assert_eq!(plan.every_minutes, Some(30), "its timer goes on, whatever its state");
    }
}

#[tokio::test]
async fn c_095_u5_r244_r246_a_change_on_either_side_wakes_an_idle_job() {
    let (world, item) = one_item(1440).await;
    for side in ["Business Central", "Dataverse"] {
        world.run("ITEM-PRODUCT", RunMode::Modified).await;
        world.run("ITEM-PRODUCT", RunMode::Modified).await;
        assert_eq!(state(&world, "ITEM-PRODUCT").await, JobState::OnHoldDueToInactivity, "{side}");
        if side == "Dataverse" {
            let product = id(&world.coupled_row("ITEM-PRODUCT", item).await, "productid");
            world.dataverse.update_as_user("product", product, json!({"name": side})).expect("taken");
        } else {
            world.business_central.update_as_user("Item", item, json!({"displayName": side})).expect("taken");
        }
        let run = world.run("ITEM-PRODUCT", RunMode::Modified).await;
        assert_eq!((run.counters.modified, state(&world, "ITEM-PRODUCT").await), (1, JobState::Ready), "{side}");
        let row = world.coupled_row("ITEM-PRODUCT", item).await;
        let record = world.business_central.row("Item", item).expect("there");
        assert_eq!((text(&row, "name"), text(&record, "displayName")), (side, side));
    }
}

#[tokio::test]
async fn c_096_c_097_statistics_are_idle_until_an_entry_of_a_customer_is_posted() {
    const JOB: &str = "Customer Statistics";
    let mut options = crate::invoicing::options();
    options.business_central.customers = 1;
    let world = World::start(options).await;
    for job in ["CURRENCY", "CUSTOMER", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    let first = world.run(JOB, RunMode::Modified).await;
    assert!(first.counters.inserted > 0 && first.counters.failed == 0, "{:?}", world.failures(JOB).await);
    let second = world.run(JOB, RunMode::Modified).await;
    assert_eq!((second.counters.inserted, second.counters.modified), (0, 0), "C-097");
    assert_eq!(state(&world, JOB).await, JobState::OnHoldDueToInactivity, "C-097");
    let runs = world.store().runs(world.company(), JOB, 10).await.expect("the store answers");
    assert_eq!(runs.len(), 2, "C-097");
    let customer = world.business_central.rows("Customer")[0]["number"].as_str().expect("a number").to_owned();
    let line = crate::invoicing::line(&crate::invoicing::items(&world)[0], 1, "100", 0);
    let (invoice, _) = crate::invoicing::draft(&world, &json!({"customerNumber": customer}), &[line]);
    world.business_central.run_action_as_user("Sales Invoice Header", invoice, "post").expect("posted");
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.modified, state(&world, JOB).await), (1, JobState::Ready), "C-096");
}

#[tokio::test]
async fn c_098_r236_under_team_ownership_partners_and_currencies_travel_every_30_minutes_and_are_idle_after_720() {
    let world = World::start(WorldOptions { ownership: Ownership::Team, ..of_customers(0) }).await;
    let jobs = world.engine.jobs();
    for name in ["CUSTOMER", "VENDOR", "CONTACT", "CURRENCY"] {
        let job = jobs.iter().find(|job| job.name == name).expect(name);
        assert_eq!((job.every_minutes, job.inactivity_minutes), (Some(30), 720), "{name}");
        assert!(job.ready.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn u3_a_quiet_job_reads_what_changed_and_not_all_there_is() {
    let (world, _) = coupled(of_customers(40)).await;
    synchronize(&world).await;
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let quiet = synchronize(&world).await;
    assert_eq!((quiet.counters.total(), quiet.enqueued), (0, 0));
    let (erp, crm) = (world.business_central.request_log(), world.dataverse.request_log());
    assert!(erp.len() <= 2 && crm.len() <= 2, "{erp:?} {crm:?}");
    let asks_for_changes =
        |entry: &business_central_simulator::RequestLogEntry| entry.query.contains("lastModifiedDateTime gt");
    assert!(erp.iter().any(asks_for_changes), "{erp:?}");
}
