//! `couplet full-sync`: the whole installation in the order of its dependencies, on this machine and at a deployed stack.

use crate::aws::{Aws, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Value, json};

/// Mappings that need no others, and one of the second wave.
const LINES: [&str; 3] = ["CURRENCY", "UNIT OF MEASURE", "ITEM-PRODUCT"];
const ITEMS: usize = 4;

struct World {
    _systems: (BusinessCentralSimulator, DataverseSimulator),
    workplace: Workplace,
    aws: Option<Aws>,
}

impl World {
    async fn start(deployed: bool) -> Self {
        let size = DemoSize { items: ITEMS, customers: 1, ..DemoSize::default() };
        let Systems { business_central, dataverse } = Systems::start(size).await;
        let aws = if deployed { Some(Aws::start(&business_central, &dataverse).await) } else { None };
        let workplace = if deployed { Workplace::empty() } else { Workplace::at(&business_central, &dataverse) };
        Self { _systems: (business_central, dataverse), workplace, aws }
    }

    fn full_sync(&self, arguments: &[&str]) -> Ended {
        let mut all = match &self.aws {
            Some(_) => vec!["--profile", "aws", "--stack", STACK],
            None => Vec::new(),
        };
        all.push("full-sync");
        all.extend(arguments);
        match &self.aws {
            Some(aws) => self.workplace.couplet_with(&all, &aws.variables()),
            None => self.workplace.couplet(&all),
        }
    }

    /// Starts the lines, with more behind them.
    fn start_lines(&self, command: &str, more: &[&str]) -> Ended {
        let mut all = vec![command];
        all.extend(LINES);
        all.extend(["--full", "ITEM-PRODUCT"]);
        all.extend(more);
        self.full_sync(&all)
    }
}

fn line<'a>(plan: &'a Value, mapping: &str) -> &'a Value {
    let lines = plan["lines"].as_array().expect("lines");
    lines.iter().find(|line| line["mapping"] == json!(mapping)).unwrap_or_else(|| panic!("{mapping}: {plan}"))
}

async fn everything_is_synchronized_in_order(deployed: bool) {
    let world = World::start(deployed).await;
    let seen = world.full_sync(&["review", "--json"]).object();
    assert_eq!(line(&seen, "ITEM-PRODUCT")["facts"]["business_central"]["records"], json!(ITEMS), "{seen}");
    assert_eq!(line(&seen, "ITEM-PRODUCT")["dependencies"], json!(["UNIT OF MEASURE"]));
    assert_eq!(line(&seen, "CURRENCY")["recommendation"], json!("full"), "R174: there is the base currency alone");
    let shown = world.full_sync(&["review"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.results.contains("No Records Found") && shown.results.contains("would begin"), "{shown:?}");
    let rehearsed = world.start_lines("start", &["--dry-run", "--json"]).object();
    assert_eq!(rehearsed["would_begin"], json!(["CURRENCY", "UNIT OF MEASURE"]), "{rehearsed}");
    assert_eq!(world.full_sync(&["status", "--json"]).object(), json!({ "lines": [] }), "nothing was changed");

    let done = world.start_lines("start", &["--json"]).object();
    assert_eq!((&done["finished"], &done["under_way"]), (&json!(true), &json!(false)), "{done}");
    for mapping in LINES {
        assert_eq!(line(&done, mapping)["state"], json!("finished"), "{done}");
    }
    let (units, items) = (line(&done, "UNIT OF MEASURE"), line(&done, "ITEM-PRODUCT"));
    assert_eq!(items["to_dataverse"]["inserted"], json!(ITEMS), "{items}");
    assert!(units["ended"].as_str() <= items["began"].as_str(), "{units} {items}");
    let status = world.full_sync(&["status"]);
    assert!(status.results.contains("3 of 3 mappings are synchronized"), "{status:?}");
    assert!(status.results.contains(&format!("{ITEMS} new")), "{status:?}");

    let again = world.start_lines("start", &[]).failed_with_one_line();
    assert!(again.contains("couplet full-sync restart MAPPING"), "{again}");
    let restarted = world.full_sync(&["restart", "ITEM-PRODUCT", "--json"]).object();
    let items = line(&restarted, "ITEM-PRODUCT");
    assert_eq!((&items["state"], &items["to_dataverse"]["inserted"]), (&json!("finished"), &json!(0)), "{items}");
    assert_eq!(world.full_sync(&["stop"]).code, 0);
    assert!(world.full_sync(&["status"]).results.contains("couplet full-sync start goes on"));
    assert_eq!(world.full_sync(&["reset"]).code, 0);
    assert!(world.full_sync(&["status"]).results.contains("there is no full synchronization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_synchronized_in_order_on_this_machine() {
    everything_is_synchronized_in_order(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_synchronized_in_order_at_a_deployed_stack() {
    everything_is_synchronized_in_order(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_said_in_one_line() {
    let world = World::start(false).await;
    for (arguments, words) in [
        (&["start", "CUSTOMERS"][..], "did you mean CUSTOMER"),
        (&["restart"], "name the mappings"),
        (&["stop"], "there is no full synchronization"),
    ] {
        let line = world.full_sync(arguments).failed_with_one_line();
        assert!(line.contains(words), "{line}");
    }
    let wrong = world.full_sync(&["start", "--by", "CUSTOMER"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.errors.contains("MAPPING=FIELD,FIELD"), "{wrong:?}");
}
