//! How a command ends that is told to, that loses its disk, or whose other half fails: said at once, nothing lost.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::Workplace;
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::json;

/// Both systems, with customers and thirty items.
async fn systems() -> (BusinessCentralSimulator, DataverseSimulator) {
    let systems = Systems::start(DemoSize { items: 30, customers: 6, ..DemoSize::default() }).await;
    (systems.business_central, systems.dataverse)
}

/// Starts the command and lets it go on.
fn started(workplace: &Workplace, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_couplet"))
        .args(arguments)
        .current_dir(workplace.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

fn terminate(child: &Child) {
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(told.success());
}

/// Looks until something is true, as long as a test may take. What is looked at takes its time: a call of the command.
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_sigterm_ends_serve_in_order_like_ctrl_c() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    let serving = started(&workplace, &["serve"]);
    let begun = business_central.requests();
    until("it works", || {
        let jobs = workplace.couplet(&["jobs"]);
        jobs.code == 0 && business_central.requests() > begun + 3 && workplace.has("data/couplet.db")
    });
    terminate(&serving);
    let ended = serving.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    // Nothing is blocked for those who come after it.
    let run = workplace.couplet(&["run", "UNIT OF MEASURE", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_sigterm_ends_a_run_and_the_next_one_goes_on() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    assert_eq!(workplace.couplet(&["run", "UNIT OF MEASURE", "--full"]).code, 0);
    business_central
        .faults()
        .set_latency(business_central_simulator::Latency { read: Duration::from_millis(1500), write: Duration::ZERO });
    let running = started(&workplace, &["run", "ITEM-PRODUCT", "--full"]);
    until("it looks for changes", || workplace.couplet(&["jobs", "--json"]).results.contains("in_process"));
    terminate(&running);
    let ended = running.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("the next"), "{said}");
    business_central.faults().clear();
    let run = workplace.couplet(&["run", "ITEM-PRODUCT"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(dataverse.count("product"), 30, "the full synchronization was still owed: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_what_one_direction_found_arrives_before_the_failure_of_the_other_is_reported() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    for job in ["CURRENCY", "CUSTOMER"] {
        assert_eq!(workplace.couplet(&["run", job, "--full"]).code, 0);
    }
    assert_eq!(workplace.couplet(&["run", "CUSTOMER"]).code, 0);
    let customer = business_central.rows("Customer")[0]["id"].as_str().expect("an id").parse().expect("a GUID");
    business_central.update_as_user("Customer", customer, json!({ "phoneNumber": "+49 30 1234" })).expect("changed");
    // What is asked of the accounts is what changed since the last run; the other direction has found its customer by then.
    dataverse.faults().fail_request("$deltatoken=", 403);
    let run = workplace.couplet(&["run", "CUSTOMER"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.results.contains("to Dataverse"), "what moved is shown: {run:?}");
    let phones = |row: &serde_json::Map<String, serde_json::Value>| row["telephone1"] == json!("+49 30 1234");
    assert_eq!(dataverse.rows("account").iter().filter(|row| phones(row)).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_disk_that_takes_nothing_more_is_named_at_once_and_nothing_is_lost() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    assert_eq!(workplace.couplet(&["run", "UNIT OF MEASURE", "--full"]).code, 0);
    // Files may not become larger than this; a write beyond fails as on a full disk.
    let begin = Instant::now();
    let limited = Command::new("sh")
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f 100; exec '{}' run ITEM-PRODUCT --full", env!("CARGO_BIN_EXE_couplet")))
        .current_dir(workplace.path("."))
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(1), "{said}");
    assert!(said.contains("couplet.db") && said.contains("start again"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}: {said}", begin.elapsed());

    let run = workplace.couplet(&["run", "ITEM-PRODUCT"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(dataverse.count("product"), 30, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_store_that_is_damaged_or_empty_says_what_to_do() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    std::fs::create_dir(workplace.path("data")).expect("a folder");
    for (content, told) in [("", "is empty"), ("this is no database, whatever its name says", "is damaged")] {
        std::fs::write(workplace.path("data/couplet.db"), content).expect("a file");
        for arguments in [&["run", "CUSTOMER"][..], &["jobs"]] {
            let line = workplace.couplet(arguments).failed_with_one_line();
            assert!(line.contains(told) && line.contains("couplet.db"), "{line}");
            assert!(line.contains("put back a copy"), "{line}");
        }
    }
}

#[test]
fn f16_init_writes_the_file_that_config_names() {
    let workplace = Workplace::empty();
    assert_eq!(workplace.couplet(&["--config", "mine.toml", "init"]).code, 0);
    assert!(workplace.has("mine.toml") && !workplace.has("couplet.toml"));
    assert_eq!(workplace.couplet_with(&["init"], &[("COUPLET_CONFIG", "other.toml")]).code, 0);
    assert!(workplace.has("other.toml"));
    let line = workplace.couplet(&["--config", "a.toml", "init", "b.toml"]).failed_with_one_line();
    assert!(line.contains("a.toml") && line.contains("b.toml"), "{line}");
    assert_eq!(workplace.couplet(&["init", "named.toml"]).code, 0);
    assert!(workplace.has("named.toml"));
}
