//! Orders that are uncoupled: Dataverse locks those that are submitted or over.

use couplet_end_to_end::{Life, World, chosen};
use couplet_engine::RunMode;
use couplet_model::MappingName;
use couplet_model::request::Want;
use couplet_model::task::Task;
use serde_json::json;
use uuid::Uuid;

use crate::both_ways::{self, CREATE, JOB, details, lines_of, order_of, reactivate, state, submitted};
use crate::invoicing::{items, options};
use crate::observing::{id, text};

/// More than there are moments at which a worker can die.
const ORDERS: usize = 24;

/// Orders that are submitted in Sales and released in Business Central.
async fn coupled(world: &World, count: usize) -> Vec<Uuid> {
    let items = items(world);
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(submitted(world, &json!({}), &[(&items[0], 2, "100", "0")]).await);
    }
    for job in [CREATE, JOB, CREATE, JOB] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{:?}", world.failures(JOB).await);
    }
    orders
}

/// State and status of an order, and whether it belongs to the company.
fn standing(world: &World, order: Uuid) -> (i64, i64, bool) {
    let row = world.dataverse.row("salesorder", order).expect("there");
    (
        state(world, order),
        row["statuscode"].as_i64().expect("a status"),
        !text(&row, "_bcbi_companyid_value").is_empty(),
    )
}

#[tokio::test]
async fn r207_a_submitted_order_is_opened_to_leave_the_company_and_submitted_again_wherever_the_worker_dies() {
    let world = both_ways::prepared().await;
    let mut orders = coupled(&world, ORDERS).await;
    let mut deaths = 0;
    for fatal in 0.. {
        let order = orders.pop().expect("more orders than moments");
        let here = id(&order_of(&world, order).await, "id");
        let line = id(&lines_of(&world, here)[0], "id");
        assert_eq!(standing(&world, order), (1, 3, true), "before");
        assert!(world.coupling("SOLINE-ORDERDETAIL", line).await.is_some());
        world.engine.ask(&MappingName::from(JOB), Want::Uncouple, chosen(&[here])).await.expect("it can be done");
        while let Some(task) = world.tasks.next_task() {
            let Task::Ask(request) = task else { panic!("another task comes first: {task:?}") };
            world.engine.work_request(&request, None).await.expect("it is carried out");
        }
        let deliveries = world.queue.take(1000);
        let life = if fatal == 0 { Life::long() } else { Life::until(fatal) };
        world.work_for_life(&life, deliveries.clone(), options().engine).await;
        for _ in 0..2 {
            deliveries.iter().cloned().for_each(|delivery| world.queue.give_back(delivery));
            world.drain().await;
        }
        let death = life.is_over().then(|| life.moments().last().map(ToString::to_string)).flatten();
        assert_eq!(standing(&world, order), (1, 3, false), "{fatal}: {death:?}");
        assert_eq!(world.coupling(JOB, here).await, None, "{fatal}: {death:?}");
        assert_eq!(world.coupling("SOLINE-ORDERDETAIL", line).await, None, "{fatal}: {death:?}");
        assert_eq!((details(&world, order).len(), lines_of(&world, here).len()), (1, 1), "both orders stay");
        deaths += usize::from(death.is_some());
        if fatal > 0 && death.is_none() {
            break;
        }
    }
    assert!(deaths >= 8, "opened, taken off and submitted again, each before and after: {deaths}");
    assert!(world.queue.dead_letters().is_empty() && world.failures(JOB).await.is_empty());
    // No job makes them again, or couples them anew, although they are submitted and have just been changed.
    let headers = world.business_central.rows("Sales Header").len();
    for job in [CREATE, JOB] {
        world.run(job, RunMode::Modified).await;
    }
    assert_eq!(world.couplings(JOB).await, orders.len() as u64);
    assert_eq!(world.business_central.rows("Sales Header").len(), headers);
}

#[tokio::test]
async fn r207_an_order_that_is_over_keeps_the_company_and_one_that_a_seller_has_open_stays_open() {
    let world = both_ways::prepared().await;
    let orders = coupled(&world, 3).await;
    let crm = &world.dataverse;
    crm.update_as_user("salesorder", orders[0], json!({"statecode": 2, "statuscode": 4})).expect("canceled");
    reactivate(&world, orders[1]);
    // A seller's own pending order looks like one that we have opened.
    reactivate(&world, orders[2]);
    crm.update_as_user("salesorder", orders[2], json!({"statuscode": 2})).expect("pending");
    let mut here = Vec::new();
    for order in &orders {
        here.push(id(&order_of(&world, *order).await, "id"));
    }
    let run = world.ask(JOB, Want::Uncouple, chosen(&here)).await.expect("carried out");
    assert_eq!((run.counters.uncoupled, run.counters.failed), (3, 0), "{:?}", world.failures(JOB).await);
    let found: Vec<_> = orders.iter().map(|order| standing(&world, *order)).collect();
    assert_eq!(found, [(2, 4, true), (0, 1, false), (0, 2, false)]);
    assert_eq!(world.couplings(JOB).await, 0);
    crm.update_as_user("salesorder", orders[1], json!({"statecode": 1, "statuscode": 3})).expect("submitted");
    world.run(CREATE, RunMode::Modified).await;
    assert_eq!(world.couplings(JOB).await, 0, "it was in Business Central before");
}
