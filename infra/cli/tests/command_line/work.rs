//! The command at work: process after process on one data folder, against both simulated systems.

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

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_one_process_after_the_other() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);

    let check = workplace.couplet(&["check", "--json"]).object();
    assert_eq!(check["good"], json!(true), "{check}");

    let untouched = workplace.couplet(&["jobs", "--json"]).object();
    assert_eq!(untouched["jobs"][0]["last_run"], json!(null));
    assert!(!workplace.has("data"), "looking writes nothing");

    let units = workplace.couplet(&["run", "unit of measure", "--full", "--json"]).object();
    let counters = &units["run"]["counters"];
    assert!(counters["inserted"].as_u64() > Some(0), "{units}");
    assert_eq!(counters["failed"], json!(0));
    let items = workplace.couplet(&["run", "ITEM-PRODUCT", "--full", "--json"]).object();
    assert_eq!(items["run"]["counters"]["inserted"], json!(30), "{items}");

    let again = workplace.couplet(&["run", "ITEM-PRODUCT", "--json"]).object();
    let counters = &again["run"]["counters"];
    assert_eq!((&counters["inserted"], &counters["modified"]), (&json!(0), &json!(0)), "{again}");

    let couplings = workplace.couplet(&["couplings", "item-product", "--limit", "10", "--json"]).object();
    assert_eq!(couplings["total"], json!(30));
    assert_eq!(couplings["couplings"].as_array().map(Vec::len), Some(10));
    let errors = workplace.couplet(&["errors", "--json"]).object();
    assert_eq!(errors, json!({ "errors": [] }));

    let jobs = workplace.couplet(&["jobs"]);
    assert_eq!(jobs.code, 0);
    let line = jobs.results.lines().find(|line| line.contains("ITEM-PRODUCT")).expect("a line");
    assert!(line.contains("both ways"), "{line}");
    let text = workplace.couplet(&["run", "RESOURCE-PRODUCT", "--full"]);
    assert!(text.results.contains("RESOURCE-PRODUCT: "), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_subscriptions_has_them_renewed_and_removes_them() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    let nothing = workplace.couplet(&["notifications", "status"]);
    assert!(nothing.code == 0 && nothing.results.contains("no subscription was ever asked for"), "{nothing:?}");
    let off = workplace.couplet(&["notifications", "renew"]).failed_with_one_line();
    assert!(off.contains("notifications.url and notifications.secret"), "{off}");
    let door = workplace.with_door();
    let renewed = workplace.couplet(&["notifications", "renew", "--json"]).object();
    assert_eq!(renewed["address"], json!(door));
    let of = |status: &serde_json::Value, system: &str, table: &str| {
        let tables = status["tables"].as_array().expect("tables").clone();
        tables.into_iter().find(|one| one["system"] == system && one["table"] == table).expect("the table")
    };
    let items = of(&renewed, "business_central", "Item");
    assert!(items["state"] == "subscribed" && items["until"].is_string(), "{items}");
    assert_eq!(of(&renewed, "dataverse", "product")["state"], "subscribed");
    let status = workplace.couplet(&["notifications", "status"]);
    assert!(status.results.contains(&format!("to be told at {door}")), "{status:?}");
    let removed = workplace.couplet(&["notifications", "remove", "--json"]).object();
    assert_eq!(removed["tables"], json!([]));
    assert_eq!(dataverse.count("sdkmessageprocessingstep") + dataverse.count("serviceendpoint"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c_249_c_251_r239_r278_jobs_that_a_person_stops_stand_still_until_they_are_released_and_every_state_is_shown() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    for job in ["CURRENCY", "UNIT OF MEASURE"] {
        assert_eq!(workplace.couplet(&["run", job, "--full"]).code, 0);
    }
    let states = || {
        let jobs = workplace.couplet(&["jobs", "--json"]).object();
        let jobs = jobs["jobs"].as_array().expect("jobs").clone();
        jobs.into_iter().filter(|job| job["ready"] == json!(true)).map(|job| job["state"].clone()).collect::<Vec<_>>()
    };
    let all = states().len();
    assert!(workplace.couplet(&["hold", "CURENCY"]).failed_with_one_line().contains("did you mean CURRENCY?"));
    assert_eq!(workplace.couplet(&["hold", "--all"]).code, 0);
    assert_eq!(states(), vec![json!("on_hold"); all], "C-249");
    let line = workplace.couplet(&["run", "CURRENCY"]).failed_with_one_line();
    assert!(line.contains("on hold") && line.contains("couplet release"), "{line}");
    assert_eq!(workplace.couplet(&["release", "currency"]).code, 0);
    assert_eq!(states().iter().filter(|state| **state == json!("on_hold")).count(), all - 1, "C-251");
    assert_eq!(workplace.couplet(&["run", "CURRENCY"]).code, 0);
    let released = workplace.couplet(&["release", "--all"]);
    assert!(released.errors.contains("UNIT OF MEASURE") && !released.errors.contains("CURRENCY"), "{released:?}");
    // The whole connection, with one word: every view says so, and nothing begins.
    let off = workplace.couplet(&["disable", "--reason", "an upgrade"]);
    assert!(off.code == 0 && off.errors.contains("(an upgrade)") && off.errors.contains("couplet enable"), "{off:?}");
    for arguments in [&["jobs"][..], &["errors"], &["couplings", "CURRENCY"], &["mapping", "list"]] {
        let seen = workplace.couplet(arguments);
        assert!(seen.code == 0 && seen.errors.contains("the connection is disabled since"), "{arguments:?}: {seen:?}");
    }
    let jobs = workplace.couplet(&["jobs", "--json"]).object();
    assert_eq!((&jobs["connection"]["enabled"], &jobs["connection"]["reason"]), (&json!(false), &json!("an upgrade")));
    let stopped = workplace.couplet(&["run", "CURRENCY"]);
    assert!(stopped.code == 1 && stopped.errors.contains("switch it on with couplet enable"), "{stopped:?}");
    let asked = workplace.couplet(&["sync", "CURRENCY", "--bc", "EUR"]);
    assert!(asked.code == 1 && asked.errors.contains("couplet enable"), "{asked:?}");
    let on = workplace.couplet(&["enable"]);
    assert!(on.code == 0 && on.errors.contains("is enabled: each job goes on"), "{on:?}");
    assert_eq!(workplace.couplet(&["jobs", "--json"]).object()["connection"]["enabled"], json!(true));
    assert_eq!(workplace.couplet(&["run", "CURRENCY"]).code, 0);
    // One of them fails as a whole, and is the only one that is not active.
    (0..20).for_each(|_| dataverse.faults().fail_request("systemusers", 500));
    assert_ne!(workplace.couplet(&["run", "SALESPEOPLE"]).code, 0);
    let after = states();
    assert_eq!(after.iter().filter(|state| **state == json!("error")).count(), 1, "C-251: {after:?}");
    assert!(after.iter().all(|state| *state != json!("on_hold")), "C-251: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s227_units_are_switched_after_a_look_at_what_would_change() {
    let (business_central, dataverse) = systems().await;
    let workplace = Workplace::at(&business_central, &dataverse);
    for job in ["UNIT OF MEASURE", "ITEM-PRODUCT"] {
        assert_eq!(workplace.couplet(&["run", job, "--full"]).code, 0);
    }
    let old = || {
        let is_old = |row: &serde_json::Map<_, serde_json::Value>| {
            row["productnumber"].as_str().is_some_and(|number| number.contains("-OLD-")) && row["statecode"] == json!(1)
        };
        dataverse.rows("product").iter().filter(|row| is_old(row)).count()
    };
    workplace.change_settings("unit_groups = false", "unit_groups = true");
    let plan = workplace.couplet(&["switch-units", "--dry-run"]);
    assert_eq!((plan.code, old()), (0, 0), "{plan:?}");
    for words in ["-OLD-", "so do 10 more products", "couplings of UNIT OF MEASURE are removed", "next run of ITEM UOM"]
    {
        assert!(plan.results.contains(words), "{words}: {plan:?}");
    }
    let switched = workplace.couplet(&["switch-units"]);
    assert_eq!((switched.code, old()), (0, 30), "{switched:?}");
    assert!(switched.results.contains("30 products got another number"), "{switched:?}");
    let plan = workplace.couplet(&["switch-units", "--dry-run"]);
    assert!(plan.results.contains("nothing is left to do"), "{plan:?}");
    for job in ["UNIT GROUP", "ITEM UOM", "ITEM-PRODUCT"] {
        let ran = workplace.couplet(&["run", job, "--json"]).object();
        assert_eq!(ran["run"]["counters"]["failed"], json!(0), "{ran}");
    }
    assert_eq!((dataverse.count("product"), old()), (60, 30), "new ones of the numbers that are free now");
}

#[test]
fn the_demonstration_ends_with_everything_in_step() {
    let ended = Workplace::empty().couplet(&["demo", "--exit", "--items", "60", "--customers", "12", "--json"]);
    let report = ended.object();
    assert_eq!(ended.errors, "");
    assert_eq!(report["mismatches"], json!(0));
    assert_eq!(report["couplings"]["ITEM-PRODUCT"], json!(60));
    let passes = report["passes"].as_array().expect("passes");
    assert_eq!(passes.len(), 3);
    let sum = |pass: usize, counter: &str| -> u64 {
        let jobs = passes[pass]["jobs"].as_array().expect("jobs");
        jobs.iter().filter_map(|job| job[counter].as_u64()).sum()
    };
    assert!(sum(0, "inserted") >= 60 + 12);
    assert!(sum(1, "modified") > 0);
    assert_eq!(sum(2, "inserted") + sum(2, "modified"), 0, "nothing changed, nothing is written");
    for pass in 0..3 {
        assert_eq!(sum(pass, "failed"), 0);
    }
}
