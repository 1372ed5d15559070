//! What a run has put into the queue is not lost, however the run, or its process, ends.

use std::time::Instant;

use couplet_end_to_end::{Home, Process};
use couplet_engine::{RunMode, RunStatus};
use couplet_model::job::{JobState, RunState};
use serde_json::json;

const ITEMS: &str = "ITEM-PRODUCT";
const CUSTOMERS: &str = "CUSTOMER";

/// A home whose currencies and units are coupled, and a process in it.
async fn home() -> (Home, Process) {
    let home = Home::start().await;
    let process = home.process().await;
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        process.run(job, RunMode::Full).await;
    }
    (home, process)
}

/// Begins a full run and takes it over so many pages, without applying anything.
async fn begin(process: &Process, job: &str, pages: u32) {
    let first = process.find(job, RunMode::Full, Some(Instant::now())).await.expect("a first page");
    for leg in 1..pages {
        let next = couplet_model::task::Continuation { job: job.to_owned(), run: first.run, invocation: leg };
        let report = process.application.engine.continue_run(&next, Some(Instant::now())).await.expect("a page");
        assert!(matches!(report.status, RunStatus::GoesOn { .. }), "{:?}", report.status);
    }
}

#[tokio::test]
async fn f21_a_first_load_that_failed_half_way_and_was_killed_is_complete_after_the_next_run() {
    let (home, process) = home().await;
    begin(&process, ITEMS, 3).await;
    home.business_central.faults().fail_next(1000, 503);
    let job = process.job(ITEMS).await;
    let next = couplet_model::task::Continuation {
        job: ITEMS.to_owned(),
        run: job.run.expect("a run"),
        invocation: job.invocation + 1,
    };
    process.application.engine.continue_run(&next, None).await.expect_err("Business Central is down");
    home.business_central.faults().clear();
    assert_eq!(process.couplings(ITEMS).await, 0, "nothing was applied yet");
    drop(process);

    let process = home.process().await;
    assert_eq!(process.cloud.left().records, 9, "three pages of three items");
    let next = process.find(ITEMS, RunMode::Full, None).await.expect("it works again");
    assert!(next.notes.iter().any(|note| note.contains("where an earlier run stopped")), "{:?}", next.notes);
    process.drain().await;
    assert_eq!(process.couplings(ITEMS).await, 12);
    assert_eq!(home.dataverse.count("product"), 12);
    assert_eq!(process.run_of(ITEMS, next.run).await.state(), RunState::Success);
    assert_eq!(process.job(ITEMS).await.full_since, None);
}

#[tokio::test]
async fn f21_a_process_killed_while_it_looks_for_changes_blocks_nothing_and_loses_nothing() {
    let (home, process) = home().await;
    begin(&process, ITEMS, 2).await;
    assert_eq!(process.job(ITEMS).await.state, JobState::InProcess);
    drop(process);

    let process = home.process().await;
    assert_eq!(process.interrupted.iter().map(|run| run.job.as_str()).collect::<Vec<_>>(), [ITEMS]);
    // The timer knows nothing of a full synchronization.
    let next = process.find(ITEMS, RunMode::Modified, None).await.expect("nobody holds the job");
    assert_eq!(next.status, RunStatus::Done);
    process.drain().await;
    assert_eq!((process.couplings(ITEMS).await, home.dataverse.count("product")), (12, 12));
    drop(process);
    let process = home.process().await;
    assert_eq!((process.interrupted.len(), process.cloud.left().records), (0, 0), "nothing is left to mend");
}

#[tokio::test]
async fn f21_changes_of_one_direction_arrive_although_the_other_is_refused_and_the_process_ends() {
    let (home, process) = home().await;
    process.run(CUSTOMERS, RunMode::Full).await;
    process.run(CUSTOMERS, RunMode::Modified).await;
    let customers = home.business_central.rows("Customer");
    let changed: Vec<uuid::Uuid> =
        customers.iter().take(2).map(|row| row["id"].as_str().expect("an id").parse().expect("a GUID")).collect();
    for id in &changed {
        home.business_central
            .update_as_user("Customer", *id, json!({ "phoneNumber": "+49 30 1234" }))
            .expect("changed");
    }
    home.dataverse.faults().fail_request("$deltatoken=", 403);
    process.find(CUSTOMERS, RunMode::Modified, None).await.expect_err("Dataverse refuses to be read");
    home.dataverse.faults().clear();
    drop(process);

    let process = home.process().await;
    assert_eq!(process.cloud.left().records, 2);
    process.drain().await;
    for id in changed {
        let name = couplet_model::MappingName::from(CUSTOMERS);
        let side = couplet_model::table::Side::BusinessCentral;
        let ids = [couplet_model::RecordId(id)];
        let found = process.store().couplings_by_id(process.company(), &name, side, &ids).await.expect("it answers");
        let coupling = found.into_values().next().expect("it is coupled");
        let account = home.dataverse.row("account", coupling.dataverse_id.0).expect("an account");
        assert_eq!(account["telephone1"], json!("+49 30 1234"));
    }
}

#[tokio::test]
async fn f21_records_that_were_given_up_or_wait_for_their_next_attempt_are_tried_again_by_the_next_process() {
    let (home, process) = home().await;
    process.find(ITEMS, RunMode::Full, None).await.expect("everything is found");
    home.dataverse.faults().outage(true);
    assert_eq!(process.drain().await, 12, "all were given up");
    home.dataverse.faults().outage(false);
    drop(process);

    let process = home.process().await;
    assert_eq!(process.cloud.left().records, 12);
    assert_eq!(process.drain().await, 0);
    assert_eq!((process.couplings(ITEMS).await, home.dataverse.count("product")), (12, 12));
}
