//! The full synchronization of an installation: which mappings begin, in which order, and what is left when one has ended.

use std::time::Instant;

use couplet_end_to_end::{NOTHING, World, WorldOptions};
use couplet_engine::{Advanced, EngineOptions, FullSyncChoice, LineReport, RunMode, RunStatus};
use couplet_model::full_sync::{Facts, Line, LineState, Plan, Recommendation};
use couplet_model::job::{JobState, Run};
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::task::{Going, LineTask, Task};
use couplet_model::{MappingName, RunId};
use serde_json::json;

use crate::coupled_customers::of_customers;

/// The full synchronization of these mappings, each in full where its records could be coupled.
pub fn of(mappings: &[&str]) -> FullSyncChoice {
    let names: Vec<String> = mappings.iter().map(|name| (*name).to_owned()).collect();
    FullSyncChoice { mappings: names.clone(), full: names, ..FullSyncChoice::default() }
}

pub async fn plan(world: &World) -> Plan {
    world.engine.full_sync_status().await.expect("the store answers").expect("there is a plan").plan
}

pub async fn states(world: &World) -> Vec<(String, LineState)> {
    plan(world).await.lines.iter().map(|line| (line.mapping.to_string(), line.state)).collect()
}

pub async fn run_of(world: &World, mapping: &str) -> Run {
    let line = plan(world).await.lines.into_iter().find(|line| line.mapping.as_str() == mapping).expect("a line");
    world.run_of(mapping, line.run.expect("it began")).await
}

async fn job_state(world: &World, job: &str) -> JobState {
    world.store().job(world.company(), job).await.expect("the store answers").expect("it ran").state
}

/// Carries the plan on once, and gives the tasks that this asked for.
pub async fn advance(world: &World) -> (Advanced, Vec<Task>) {
    let going = plan(world).await.going;
    let advanced = world.engine.advance_full_sync(going).await.expect("the store answers");
    let tasks = std::iter::from_fn(|| world.tasks.next_task());
    (advanced, tasks.filter(|task| !matches!(task, Task::AdvanceFullSync(_))).collect())
}

/// Does tasks, as often as each is delivered, and works the queue until it is dry.
pub async fn carry_out(world: &World, tasks: Vec<Task>, deliveries: usize) {
    for task in tasks {
        for _ in 0..deliveries {
            match &task {
                Task::RunLine(line) => drop(world.engine.run_line(line, None).await.expect("it begins")),
                Task::Ask(request) => drop(world.engine.work_request(request, None).await.expect("it is carried out")),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }
    world.drain().await;
}

/// Carries the plan on until nothing is under way and nothing can begin.
pub async fn finish(world: &World) {
    for _ in 0..50 {
        let (advanced, tasks) = advance(world).await;
        carry_out(world, tasks, 1).await;
        if advanced == Advanced::Over {
            return;
        }
    }
    panic!("it has no end: {:?}", states(world).await);
}

#[tokio::test]
async fn c_069_c_072_lines_that_have_not_begun_are_generated_anew() {
    let world = World::start(of_customers(0)).await;
    for (state, kept) in [(LineState::Waiting, 0), (LineState::InProcess, 1)] {
        let said = (Recommendation::Full, "a test says so".to_owned());
        let stale = Line::new("SALESPEOPLE".into(), vec!["CURRENCY".into()], Facts::default(), said);
        let lines = vec![Line { state, run: Some(RunId::fresh()), ..stale }];
        let stored = Plan { going: RunId::fresh(), started: world.store().now(), stopped: None, lines };
        world.store().remove_full_sync(world.company()).await.expect("the store answers");
        assert!(world.store().put_full_sync(world.company(), &stored, None).await.expect("the store answers"));
        let seen = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
        for name in ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"] {
            let line = seen.lines.iter().find(|line| line.mapping.as_str() == name).expect(name);
            let is_stale = name == "SALESPEOPLE";
            assert_eq!(line.dependencies.len(), if is_stale { kept } else { 0 }, "{name} {state:?}");
            assert_eq!(line.state, if is_stale { state } else { LineState::Waiting }, "{name}");
        }
        assert_eq!(plan(&world).await, stored, "looking changes nothing");
    }
}

#[tokio::test]
async fn c_073_r180_the_next_line_begins_when_the_one_before_it_has_ended_and_each_begins_once() {
    let world = World::start(of_customers(2)).await;
    let currencies = world.business_central.rows("Currency").len() as u64;
    world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect("it starts");
    let (_, tasks) = advance(&world).await;
    let going = plan(&world).await.going;
    assert_eq!(tasks, [Task::RunLine(LineTask { going, mapping: "CURRENCY".into() })]);
    carry_out(&world, tasks, 2).await;
    assert_eq!(world.store().runs(world.company(), "CURRENCY", 5).await.expect("the store answers").len(), 1, "once");
    assert_eq!(states(&world).await[1].1, LineState::Waiting);
    let (_, tasks) = advance(&world).await;
    let begun = [Task::RunLine(LineTask { going, mapping: "CUSTOMER".into() })];
    assert_eq!(tasks, begun);
    let line = plan(&world).await.lines.into_iter().next().expect("a line");
    assert_eq!((line.state, line.to_dataverse.failed), (LineState::Finished, 0));
    assert!(line.to_dataverse.inserted > 0 && world.couplings("CURRENCY").await == currencies, "{line:?}");
    // Whoever carries it on a second time finds nothing to begin.
    assert_eq!(advance(&world).await.1, []);
    carry_out(&world, begun.to_vec(), 2).await;
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    assert_eq!(world.store().runs(world.company(), "CUSTOMER", 5).await.expect("the store answers").len(), 1);
    // Tasks of an earlier going, and those that come late, have nothing to do.
    carry_out(&world, begun.to_vec(), 1).await;
    assert_eq!(world.engine.advance_full_sync(RunId::fresh()).await.expect("the store answers"), Advanced::Over);
    assert_eq!(world.store().runs(world.company(), "CUSTOMER", 5).await.expect("the store answers").len(), 1);
    let refused = world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect_err("it has ended");
    assert!(refused.to_string().contains("couplet full-sync restart"), "{refused}");
}

#[tokio::test]
async fn c_074_c_075_r62_r177_customers_of_a_salesperson_who_is_not_coupled_travel_without_him_and_the_line_ends() {
    let world = World::start(of_customers(3)).await;
    let salesperson = json!({"code": "ZZ", "displayName": "Zoe"});
    world.business_central.create_as_user("Salesperson/Purchaser", salesperson).expect("taken");
    let customers = world.business_central_ids("Customer", |_| true);
    for customer in &customers[1..] {
        let change = json!({"salespersonCode": "ZZ"});
        world.business_central.update_as_user("Customer", *customer, change).expect("taken");
    }
    for job in ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
        world.run(job, RunMode::Full).await;
    }
    world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
    finish(&world).await;
    let line = plan(&world).await.lines.remove(0);
    assert_eq!((line.state, line.to_dataverse.inserted), (LineState::Finished, 3), "{line:?}");
    assert_eq!((line.to_dataverse.noted, line.to_dataverse.failed), (2, 0), "{line:?}");
    assert!(run_of(&world, "CUSTOMER").await.finished.is_some(), "no run stays active");
    assert_eq!(world.couplings("CUSTOMER").await, 3);
}

#[tokio::test]
async fn c_076_r172_r181_r183_it_creates_partners_for_records_within_the_filter_although_the_mapping_wants_coupled_ones_only()
 {
    let options = of_customers(0);
    let business_central = business_central_simulator::DemoSize { items: 5, blocked_items: 2, ..NOTHING };
    let world = World::start(WorldOptions { business_central, ..options }).await;
    let open = world.business_central_ids("Item", |row| row["blocked"] == json!(false)).len() as u64;
    world.run("CURRENCY", RunMode::Full).await;
    let seen = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    let items = seen.lines.iter().find(|line| line.mapping.as_str() == "ITEM-PRODUCT").expect("a line");
    assert_eq!((items.facts.business_central.records, items.recommendation), (open, Recommendation::Full));
    world.engine.start_full_sync(&of(&["UNIT OF MEASURE", "ITEM-PRODUCT"])).await.expect("it starts");
    finish(&world).await;
    let all = world.business_central.rows("Item").len() as u64;
    assert!(open < all, "some are outside the filter");
    assert_eq!(run_of(&world, "ITEM-PRODUCT").await.counters.inserted, open);
    assert_eq!(world.couplings("ITEM-PRODUCT").await, open);
    let mapping = world.engine.mappings().into_iter().find(|mapping| mapping.name.as_str() == "ITEM-PRODUCT");
    assert!(mapping.expect("a mapping").only_coupled, "R183: what the mapping does from now on is not changed");
    world.engine.reset_full_sync().await.expect("nothing is under way");
    let later = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    let items = later.lines.iter().find(|line| line.mapping.as_str() == "ITEM-PRODUCT").expect("a line");
    assert_eq!(items.facts.coupled, open);
}

#[tokio::test]
async fn c_077_r182_the_job_of_a_line_stands_still_meanwhile_and_is_as_it_was_afterwards() {
    for on_hold in [false, true] {
        let options = WorldOptions { page_size: Some(2), engine: EngineOptions::default(), ..of_customers(5) };
        let world = World::start(options).await;
        for job in ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
            world.run(job, RunMode::Full).await;
        }
        if on_hold {
            world.engine.hold_jobs(&["CUSTOMER".to_owned()]).await.expect("a job");
        }
        world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
        let (_, tasks) = advance(&world).await;
        let [Task::RunLine(line)] = tasks.as_slice() else { panic!("one line begins: {tasks:?}") };
        // Its time is up after a page.
        let report = world.engine.run_line(line, Some(Instant::now())).await.expect("it begins");
        assert!(
            matches!(&report, LineReport::Ran(run) if matches!(run.status, RunStatus::GoesOn { .. })),
            "{report:?}"
        );
        let timer = world.find("CUSTOMER", RunMode::Modified).await;
        assert!(matches!(timer.status, RunStatus::AlreadyRunning { .. }), "{:?}", timer.status);
        let again = world.engine.run_line(line, None).await.expect("the store answers");
        assert!(matches!(again, LineReport::HeldUntil(_)), "delivered again: {again:?}");
        while let Some(next) = world.tasks.next() {
            world.engine.continue_run(&next, Some(Instant::now())).await.expect("it goes on");
        }
        world.drain().await;
        finish(&world).await;
        assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
        assert_eq!(world.couplings("CUSTOMER").await, 5);
        let expected = if on_hold { JobState::OnHold } else { JobState::Ready };
        assert_eq!(job_state(&world, "CUSTOMER").await, expected);
        let timer = world.find("CUSTOMER", RunMode::Modified).await;
        assert_eq!(matches!(timer.status, RunStatus::OnHold), on_hold, "{:?}", timer.status);
    }
}

#[tokio::test]
async fn c_078_r164_what_depends_on_ended_lines_begins_and_what_depends_on_others_does_not() {
    let world = World::start(WorldOptions::default()).await;
    let settings = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "ITEM-PRODUCT"];
    let line = |name: &str, state| {
        let said = (Recommendation::Full, "a test says so".to_owned());
        let line = Line::new(MappingName::from(name), Vec::new(), Facts::default(), said);
        Line { state, run: Some(RunId::fresh()), asked: Some(world.store().now()), ..line }
    };
    let mut lines: Vec<Line> = settings.iter().map(|name| line(name, LineState::Finished)).collect();
    lines.push(line("UNIT OF MEASURE", LineState::InProcess));
    let stored = Plan { going: RunId::fresh(), started: world.store().now(), stopped: None, lines };
    assert!(world.store().put_full_sync(world.company(), &stored, None).await.expect("the store answers"));
    let choice = of(&["CUSTOMER", "VENDOR", "CONTACT", "RESOURCE-PRODUCT"]);
    world.engine.start_full_sync(&choice).await.expect("it goes on");
    let (_, tasks) = advance(&world).await;
    let begun: Vec<&str> = tasks.iter().map(Task::job).collect();
    assert_eq!(begun, ["CUSTOMER", "VENDOR"]);
    let waiting: Vec<String> = states(&world)
        .await
        .into_iter()
        .filter(|(_, state)| *state == LineState::Waiting)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(waiting, ["RESOURCE-PRODUCT", "CONTACT"]);
}

#[tokio::test]
async fn c_079_r44_timers_go_on_from_where_the_full_synchronization_read() {
    let world = World::start(of_customers(2)).await;
    for job in ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
        world.run(job, RunMode::Full).await;
    }
    let name = MappingName::from("CUSTOMER");
    for way in Direction::BOTH {
        let cursor = world.store().cursor(world.company(), &name, way).await.expect("the store answers");
        assert!(cursor.is_none(), "{way}");
    }
    world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
    finish(&world).await;
    for way in Direction::BOTH {
        let cursor = world.store().cursor(world.company(), &name, way).await.expect("the store answers");
        assert!(cursor.is_some(), "{way}");
    }
    let quiet = world.run("CUSTOMER", RunMode::Modified).await.counters;
    assert_eq!((quiet.inserted, quiet.modified, quiet.failed), (0, 0, 0), "{quiet:?}");
}

#[tokio::test]
async fn c_074_r175_r178_r177_what_both_sides_hold_is_coupled_by_chosen_fields_and_the_line_ends_although_records_failed()
 {
    let world = World::start(of_customers(3)).await;
    for job in ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
        world.run(job, RunMode::Full).await;
    }
    let customer = world.business_central.rows("Customer").into_iter().next().expect("a customer");
    let account = json!({"name": customer["displayName"], "customertypecode": 3});
    world.dataverse.create_as_user("account", account).expect("taken");
    let meant = FullSyncChoice { mappings: vec!["CUSTOMER".to_owned()], ..FullSyncChoice::default() };
    let refused = world.engine.start_full_sync(&meant).await.expect_err("by which fields?").to_string();
    assert!(refused.contains("--by \"CUSTOMER=FIELDS\"") && refused.contains("--full \"CUSTOMER\""), "{refused}");
    assert!(world.engine.full_sync_status().await.expect("the store answers").is_none(), "nothing began");
    let by = [("customer".to_owned(), "displayName=name".to_owned())].into();
    world.engine.start_full_sync(&FullSyncChoice { by, ..meant.clone() }).await.expect("it starts");
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", plan(&world).await);
    assert_eq!(run_of(&world, "CUSTOMER").await.counters.failed, 2, "D21: what matched nothing is told");
    assert_eq!(world.couplings("CUSTOMER").await, 1);
    // The others are a matter of a full synchronization of this mapping.
    world.engine.restart_full_sync(&of(&["CUSTOMER"])).await.expect("it has ended");
    finish(&world).await;
    assert_eq!((world.couplings("CUSTOMER").await, plan(&world).await.is_finished()), (3, true));
}

#[tokio::test]
async fn r184_a_line_that_fails_keeps_others_from_beginning_until_a_person_has_acted() {
    let world = World::start(of_customers(1)).await;
    world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect("it starts");
    let (_, tasks) = advance(&world).await;
    let stopped = world.engine.stop_full_sync().await.expect("there is a plan");
    assert!(stopped.stopped.is_some());
    let refused = world.engine.reset_full_sync().await.expect_err("it is under way").to_string();
    assert!(refused.contains("CURRENCY are under way"), "{refused}");
    carry_out(&world, tasks, 1).await;
    finish(&world).await;
    let ended = [("CURRENCY".to_owned(), LineState::Finished), ("CUSTOMER".to_owned(), LineState::Waiting)];
    assert_eq!(states(&world).await, ended);
    world.engine.start_full_sync(&of(&["CURRENCY", "CUSTOMER"])).await.expect("it goes on");
    finish(&world).await;
    assert!(plan(&world).await.is_finished());
    world.engine.reset_full_sync().await.expect("nothing is under way");
    assert!(world.engine.full_sync_status().await.expect("the store answers").is_none());
    let unknown = world.engine.start_full_sync(&of(&["CUSTOMERS"])).await.expect_err("no such mapping").to_string();
    assert!(unknown.contains("CUSTOMER"), "{unknown}");
    // A task of a plan that is no more.
    let over = world.engine.advance_full_sync(Going { going: RunId::fresh() }.going).await;
    assert_eq!(over.expect("the store answers"), Advanced::Over);
}

#[tokio::test]
async fn r167_lines_are_mappings_that_have_a_job_of_their_own_and_tell_of_more_than_news() {
    let world = World::start(WorldOptions { sales_orders: SalesOrders::Bidirectional, ..of_customers(0) }).await;
    let seen = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    let has_line = |name: &str| seen.lines.iter().any(|line| line.mapping.as_str() == name);
    for (name, is_line) in [
        ("CUSTOMER", true),
        ("SALESORDER-ORDER", true),
        ("POSTEDSALESINV-INV", true),
        ("POSTEDSALESLINE-INV", false),
        ("SOLINE-ORDERDETAIL", false),
    ] {
        assert_eq!(has_line(name), is_line, "{name}");
    }
    let world = World::start(WorldOptions { sales_orders: SalesOrders::Legacy, ..of_customers(0) }).await;
    let seen = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    assert!(!seen.lines.iter().any(|line| line.mapping.as_str() == "Sales Order Status"));
    let refused = world.engine.start_full_sync(&of(&["Sales Order Status"])).await.expect_err("it tells of news only");
    assert!(refused.to_string().contains("takes no part in a full synchronization (R167)"), "{refused}");
}

#[tokio::test]
async fn looking_asks_each_side_once_for_each_mapping() {
    let world = World::start(WorldOptions::default()).await;
    world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let seen = world.engine.review_full_sync(&FullSyncChoice::default()).await.expect("both sides answer");
    let (erp, crm) = (world.business_central.request_log().len(), world.dataverse.request_log().len());
    assert!(erp <= seen.lines.len() && crm <= seen.lines.len(), "{erp} {crm} for {} lines", seen.lines.len());
}

#[tokio::test]
async fn a_job_that_is_put_on_hold_while_its_line_is_under_way_stays_on_hold() {
    let world = World::start(WorldOptions { page_size: Some(2), ..of_customers(5) }).await;
    for job in ["CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"] {
        world.run(job, RunMode::Full).await;
    }
    world.engine.start_full_sync(&of(&["CUSTOMER"])).await.expect("it starts");
    let (_, tasks) = advance(&world).await;
    let [Task::RunLine(line)] = tasks.as_slice() else { panic!("one line begins: {tasks:?}") };
    world.engine.run_line(line, Some(Instant::now())).await.expect("it begins");
    world.engine.hold_jobs(&["CUSTOMER".to_owned()]).await.expect("a job");
    let next = world.tasks.next().expect("its next invocation");
    let report = world.engine.continue_run(&next, None).await.expect("it leaves");
    assert_eq!(report.status, RunStatus::Over);
    world.drain().await;
    assert_eq!(job_state(&world, "CUSTOMER").await, JobState::OnHold);
    let again = world.engine.run_line(line, None).await.expect("the store answers");
    assert!(matches!(again, LineReport::Over), "delivered again: {again:?}");
    assert_eq!(advance(&world).await, (Advanced::Over, Vec::new()));
    let line = plan(&world).await.lines.remove(0);
    assert_eq!(line.state, LineState::Failed, "{line:?}");
    assert!(line.message.is_some_and(|why| why.contains("put on hold")));
    // A person who restarts it wants it.
    world.engine.restart_full_sync(&of(&["CUSTOMER"])).await.expect("it has ended");
    finish(&world).await;
    assert!(plan(&world).await.is_finished(), "{:?}", states(&world).await);
    assert_eq!((world.couplings("CUSTOMER").await, job_state(&world, "CUSTOMER").await), (5, JobState::OnHold));
}
