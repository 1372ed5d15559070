//! The command at a deployed stack: every command that looks, a run, a replay, the logs; and what is wrong in one line.

use crate::aws::{Aws, Calls, FORBIDDEN, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::BusinessCentralSimulator;
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Value, json};

struct World {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
    aws: Aws,
    workplace: Workplace,
}

impl World {
    async fn start() -> Self {
        let size = business_central_simulator::DemoSize { items: 8, customers: 3, ..Default::default() };
        let Systems { business_central, dataverse } = Systems::start(size).await;
        let aws = Aws::start(&business_central, &dataverse).await;
        Self { business_central, dataverse, aws, workplace: Workplace::empty() }
    }

    /// Calls the command at the stack.
    fn couplet(&self, arguments: &[&str]) -> Ended {
        self.couplet_at(STACK, arguments)
    }

    fn couplet_at(&self, stack: &str, arguments: &[&str]) -> Ended {
        let mut all = vec!["--profile", "aws", "--stack", stack];
        all.extend(arguments);
        self.workplace.couplet_with(&all, &self.aws.variables())
    }

    fn rename_items(&self, name: &str) -> usize {
        let items = self.business_central.rows("Item");
        let open: Vec<_> = items.iter().filter(|row| row["blocked"] == json!(false)).collect();
        for item in &open {
            let id = item["id"].as_str().expect("an id").parse().expect("an id");
            self.business_central.update_as_user("Item", id, json!({ "displayName": name })).expect("taken");
        }
        open.len()
    }
}

fn letters(report: &Value) -> usize {
    report["letters"].as_array().expect("letters").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn s227_units_are_switched_where_the_stack_is_deployed() {
    let world = World::start().await;
    for job in ["UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.couplet(&["run", job, "--full", "--json"]).object();
    }
    world.aws.deploy_with("COUPLET_SWITCHES_UNIT_GROUPS", "true");
    let old = || {
        let is_old = |row: &serde_json::Map<_, Value>| row["productnumber"].as_str().expect("text").contains("-OLD-");
        world.dataverse.rows("product").iter().filter(|row| is_old(row)).count()
    };
    let plan = world.couplet(&["switch-units", "--dry-run"]);
    assert_eq!((plan.code, old()), (0, 0), "{plan:?}");
    assert!(plan.results.contains("of ITEM-PRODUCT gets the number"), "{plan:?}");
    let switched = world.couplet(&["switch-units"]);
    assert_eq!((switched.code, old()), (0, 8), "{switched:?}");
    for words in ["8 products got another number", "couplings of UNIT OF MEASURE were removed", "UNIT GROUP, ITEM UOM"]
    {
        assert!(switched.results.contains(words), "{words}: {switched:?}");
    }
    let plan = world.couplet(&["switch-units", "--dry-run"]);
    assert!(plan.results.contains("nothing is left to do"), "{plan:?}");
    assert!(world.workplace.is_empty(), "nothing is written on this machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_on_the_stack_and_everything_can_be_looked_at_from_outside() {
    let world = World::start().await;
    let untouched = world.couplet(&["jobs", "--json"]).object();
    assert_eq!(untouched["jobs"][0]["last_run"], json!(null));

    for job in ["unit of measure", "ITEM-PRODUCT"] {
        let ran = world.couplet(&["run", job, "--full", "--json"]).object();
        assert!(ran["run"]["counters"]["inserted"].as_u64() > Some(0), "{ran}");
        assert_eq!((&ran["run"]["trigger"], &ran["run"]["counters"]["failed"]), (&json!("full"), &json!(0)), "{ran}");
        assert!(ran["run"]["finished"].is_string(), "{ran}");
    }
    world.rename_items("Renamed");
    let ran = world.couplet(&["run", "ITEM-PRODUCT"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.results.starts_with("ITEM-PRODUCT: ") && ran.results.contains("to Dataverse"), "{ran:?}");
    let availability = world.couplet(&["run", "item availability", "--json"]).object();
    assert_eq!(availability["run"]["job"], json!("Item Availability"));

    let couplings = world.couplet(&["couplings", "item-product", "--json"]).object();
    assert_eq!(couplings["total"], json!(8));
    assert_eq!(world.couplet(&["errors", "--json"]).object(), json!({ "errors": [] }));
    let jobs = world.couplet(&["jobs"]);
    assert!(jobs.results.lines().any(|line| line.contains("ITEM-PRODUCT") && line.contains("both ways")), "{jobs:?}");
    assert!(world.workplace.is_empty(), "nothing is written on this machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_a_run_is_said_and_a_run_that_takes_long_goes_on() {
    let world = World::start().await;
    world.business_central.faults().fail_next(1000, 500);
    let line = world.couplet(&["run", "UNIT OF MEASURE", "--full"]).failed_with_one_line();
    assert!(line.contains("UNIT OF MEASURE: ") && line.contains("Business Central"), "{line}");
    world.business_central.faults().clear();

    world.aws.let_calls(Calls::Hang);
    let ended = world.couplet(&["run", "UNIT OF MEASURE", "--wait", "1"]);
    assert_eq!((ended.code, ended.results.as_str()), (1, ""), "{ended:?}");
    assert!(ended.errors.contains("is not answered yet after 1 s and goes on"), "{ended:?}");

    world.aws.let_calls(Calls::Find);
    let ended = world.couplet(&["run", "UNIT OF MEASURE", "--full", "--wait", "2"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.errors.contains("is not finished after 2 s and goes on; see it with couplet jobs"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_shown_and_sent_back() {
    let world = World::start().await;
    assert_eq!(world.couplet(&["replay"]).results.trim(), "no dead letters");
    for job in ["UNIT OF MEASURE", "ITEM-PRODUCT"] {
        world.couplet(&["run", job, "--full", "--json"]).object();
    }
    let items = world.rename_items("Renamed");
    world.aws.let_calls(Calls::Find);
    assert_eq!(world.couplet(&["run", "ITEM-PRODUCT", "--wait", "1"]).code, 1);
    let cloud = world.aws.application().cloud;
    let poison = cloud.sqs.send_message().queue_url(&cloud.queue_url).message_body("poison");
    poison.send().await.expect("sent");
    world.aws.let_records_die().await;
    assert_eq!(world.aws.depth(&cloud.queue_url).await, 0);

    let shown = world.couplet(&["replay", "--dry-run"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let last = shown.results.lines().last().expect("a line");
    assert_eq!(
        last,
        format!("{} dead letters: {items} would be moved, 1 left: unreadable (nothing was changed)", items + 1)
    );
    assert!(shown.results.contains("not noted"), "{shown:?}");
    let none = world.couplet(&["replay", "--queue", "records", "--until", "2020-01-01", "--json"]).object();
    assert_eq!((letters(&none), &none["sums"]["outside_window"]), (items + 1, &json!(items + 1)));
    assert_eq!(letters(&world.couplet(&["replay", "--queue", "tasks", "--json"]).object()), 0);

    let moved = world.couplet(&["replay", "--since", "1h", "--mapping", "item-product", "--json"]).object();
    assert_eq!((&moved["sums"]["moved"], &moved["sums"]["unreadable"]), (&json!(items), &json!(1)), "{moved}");
    assert_eq!(world.aws.depth(&cloud.queue_url).await, items as u64);
    let again = world.couplet(&["replay", "--queue", "records", "--json"]).object();
    assert_eq!((letters(&again), &again["sums"]["moved"]), (1, &json!(0)));
    let line = world.couplet(&["replay", "--mapping", "ITEMPRODUCT"]).failed_with_one_line();
    assert!(line.contains("did you mean ITEM-PRODUCT?"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_logs_are_merged_by_time_and_chosen_from() {
    let world = World::start().await;
    let run = "0198c0de-0000-7000-8000-000000000001";
    let now = jiff::Timestamp::now().as_millisecond();
    let line = |level: &str, message: &str, run: &str| {
        json!({ "timestamp": "2026", "level": level, "message": message, "run": run, "target": "t" }).to_string()
    };
    world.aws.log("run-job", now - 7_200_000, &line("ERROR", "long ago", run));
    world.aws.log("run-job", now - 5_000, &line("INFO", "run found its changes", run));
    world.aws.log("run-job", now - 2_000, &line("INFO", "run ended", run));
    world.aws.log("run-job", now - 1_500, "REPORT RequestId: 1");
    world.aws.log("run-job", now - 1_400, r#"{"_aws":{},"records":3}"#);
    world.aws.log("sync-record", now - 3_000, &line("WARN", "the record goes back into the queue", "another"));

    let messages = |arguments: &[&str]| -> Vec<String> {
        let ended = world.couplet(arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines = ended.results.lines();
        lines.map(|line| line.split_once(' ').expect("a time").1.to_owned()).collect()
    };
    let found = format!("run-job INFO run found its changes run={run}");
    let back = "sync-record WARN the record goes back into the queue run=another";
    let ended = format!("run-job INFO run ended run={run}");
    let (found, ended, report) = (found.as_str(), ended.as_str(), "run-job REPORT RequestId: 1");
    assert_eq!(messages(&["logs"]), [found, back, ended, report]);
    assert_eq!(messages(&["logs", "--level", "warn"]), [back]);
    assert_eq!(messages(&["logs", "--run", run]), [found, ended]);
    assert_eq!(messages(&["logs", "--function", "sync-record"]), [back]);
    assert_eq!(messages(&["logs", "--level", "error", "--since", "3h"]).len(), 1);
    let objects = world.couplet(&["logs", "--json"]);
    let objects: Vec<Value> =
        objects.results.lines().map(|line| serde_json::from_str(line).expect("one object per line")).collect();
    assert_eq!(objects.len(), 5, "metrics are among them");
    assert_eq!(objects[0]["line"]["message"], json!("run found its changes"));

    let line = world.couplet(&["logs", "--function", "sync-recrod"]).failed_with_one_line();
    assert!(line.contains("couplet-test-sync-recrod has no log group: its functions are run-job, "), "{line}");
    let line = world.couplet_at("nowhere", &["logs"]).failed_with_one_line();
    assert!(line.contains("there is no stack nowhere in us-east-1"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_us_from_the_stack_is_one_line_with_the_remedy() {
    let world = World::start().await;
    let line = world.couplet_at("nowhere", &["jobs"]).failed_with_one_line();
    assert!(line.contains("there is no stack nowhere in us-east-1") && line.contains("--stack"), "{line}");
    let line = world.couplet_at(FORBIDDEN, &["jobs"]).failed_with_one_line();
    assert!(line.contains("AWS denies access") && line.contains("docs/operations.md"), "{line}");

    let call = |variables: &[(&str, &str)]| world.workplace.couplet_with(&["jobs", "--profile", "aws"], variables);
    let without = |names: &[&str]| -> Vec<(&str, &str)> {
        world.aws.variables().into_iter().filter(|(name, _)| !names.contains(name)).collect()
    };
    let line = call(&without(&["AWS_REGION"])).failed_with_one_line();
    assert!(line.contains("there is no AWS region: set AWS_REGION"), "{line}");
    let line = call(&without(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])).failed_with_one_line();
    assert!(line.contains("there are no AWS credentials") && line.contains("aws sso login"), "{line}");

    world.aws.set_variable("COUPLET_SWITCHES_TELEPATHY", "true");
    let line = world.couplet(&["jobs"]).failed_with_one_line();
    assert!(line.contains("use the one the stack was deployed with"), "{line}");
    assert!(line.contains("COUPLET_SWITCHES_TELEPATHY"), "{line}");
}

#[test]
fn commands_say_where_they_belong() {
    let workplace = Workplace::empty();
    for command in ["demo", "init", "check", "serve"] {
        let line = workplace.couplet(&["--profile", "aws", command]).failed_with_one_line();
        assert!(line.contains(&format!("couplet {command} is for this machine only")), "{line}");
    }
    let line = workplace.couplet_with(&["init"], &[("COUPLET_PROFILE", "aws")]).failed_with_one_line();
    assert!(line.contains("leave out --profile aws"), "{line}");
    let line = workplace.couplet(&["logs"]).failed_with_one_line();
    assert!(line.contains("add --profile aws"), "{line}");
    let ended = workplace.couplet(&["replay"]);
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
    assert!(ended.results.starts_with("there is nothing to replay on this machine: "), "{ended:?}");
    assert_eq!(workplace.couplet(&["replay", "--since", "yesterday"]).code, 2);
    assert!(workplace.is_empty());
}
