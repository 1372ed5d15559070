//! `couplet match`: records find their partners by equal fields, on this machine and at a deployed stack.

use std::time::{Duration, Instant};

use crate::aws::{Aws, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Value, json};

/// Both systems with three coupled customers, and a way to call the command.
struct World {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
    workplace: Workplace,
    aws: Option<Aws>,
}

impl World {
    async fn coupled(deployed: bool) -> Self {
        let size = DemoSize { items: 0, customers: 3, ..DemoSize::default() };
        let Systems { business_central, dataverse } = Systems::start(size).await;
        let aws = if deployed { Some(Aws::start(&business_central, &dataverse).await) } else { None };
        let workplace = if deployed { Workplace::empty() } else { Workplace::at(&business_central, &dataverse) };
        let world = Self { business_central, dataverse, workplace, aws };
        for job in ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "CUSTOMER"] {
            world.couplet(&["run", job, "--full", "--json"]).object();
        }
        world
    }

    fn couplet(&self, arguments: &[&str]) -> Ended {
        let Some(aws) = &self.aws else { return self.workplace.couplet(arguments) };
        let mut all = vec!["--profile", "aws", "--stack", STACK];
        all.extend(arguments);
        self.workplace.couplet_with(&all, &aws.variables())
    }

    /// Matches customers by their telephone number; gives the exit code and what the command says.
    fn matched(&self, more: &[&str]) -> (i32, Value) {
        let mut arguments = vec!["match", "CUSTOMER", "--by", "phoneNumber", "--json"];
        arguments.extend(more);
        let ended = self.couplet(&arguments);
        (ended.code, serde_json::from_str(&ended.results).unwrap_or_else(|_| panic!("{ended:?}")))
    }

    /// A customer and an account for each telephone number, with other names; `None` makes no account.
    fn add(&self, phones: &[(&str, Option<&str>)]) {
        for (at, (customer, account)) in phones.iter().enumerate() {
            let values =
                json!({"displayName": format!("Customer {at}"), "phoneNumber": customer, "number": format!("N{at}")});
            self.business_central.create_as_user("Customer", values).expect("a customer");
            if let Some(phone) = account {
                let values = json!({"name": format!("Account {at}"), "telephone1": phone, "customertypecode": 3});
                self.dataverse.create_as_user("account", values).expect("an account");
            }
        }
    }

    /// The name of the account with which a customer is coupled.
    fn partner(&self, number: &str) -> Option<String> {
        let listed = self.couplet(&["couplings", "CUSTOMER", "--json"]).object();
        let pairs = listed["couplings"].as_array().expect("couplings").clone();
        let pair = pairs.into_iter().find(|pair| pair["key"] == json!(number))?;
        let id = pair["dataverse"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let account = self.dataverse.row("account", id).expect("an account");
        account["name"].as_str().map(str::to_owned)
    }

    fn accounts(&self) -> usize {
        self.dataverse.rows("account").len()
    }
}

async fn one_new_pair_is_coupled_and_the_old_ones_stay(deployed: bool) {
    let world = World::coupled(deployed).await;
    let before = world.partner("C00010").expect("a pair");
    world.add(&[("+1 555 0100", Some("+1 555 0100"))]);
    let (code, looked) = world.matched(&["--dry-run"]);
    assert_eq!((code, &looked["run"], &looked["matched"]["pairs"]), (0, &Value::Null, &json!(1)), "{looked}");
    let found = &looked["matched"]["records"][0];
    assert_eq!(
        (&found["label"], &found["rows"][0]["label"]),
        (&json!("N0 Customer 0"), &json!("Account 0")),
        "{looked}"
    );
    assert_eq!(world.partner("N0"), None, "a look changes nothing");
    let (code, done) = world.matched(&[]);
    assert_eq!((code, &done["run"]["counters"]["coupled"]), (0, &json!(1)), "{done}");
    assert_eq!((world.partner("N0").as_deref(), world.partner("C00010")), (Some("Account 0"), Some(before)));
    // Nothing is left to match.
    let (code, again) = world.matched(&[]);
    assert_eq!((code, again["matched"]["records"].as_array().map(Vec::len)), (0, Some(0)), "{again}");
    let (_, looked) = world.matched(&["--dry-run"]);
    assert_eq!(looked["matched"]["records"], json!([]), "{looked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_064_one_new_pair_is_coupled_and_the_old_ones_stay_on_this_machine() {
    one_new_pair_is_coupled_and_the_old_ones_stay(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_064_one_new_pair_is_coupled_and_the_old_ones_stay_at_a_stack() {
    one_new_pair_is_coupled_and_the_old_ones_stay(true).await;
}

async fn pairs_are_synchronized_only_if_that_is_wanted(deployed: bool) {
    let world = World::coupled(deployed).await;
    world.add(&[("1", Some("1")), ("2", Some("2")), ("3", Some("3")), ("4", Some("4")), ("5", Some("5"))]);
    let (code, done) = world.matched(&["--no-sync"]);
    let counters = &done["run"]["counters"];
    assert_eq!((code, &counters["coupled"], &counters["modified"]), (0, &json!(5), &json!(0)), "{done}");
    for at in 0..5 {
        assert_eq!(world.partner(&format!("N{at}")), Some(format!("Account {at}")), "each keeps its name");
    }
    let chosen = ["--bc", "N0", "--bc", "N1", "--bc", "N2", "--bc", "N3", "--bc", "N4", "--json"];
    world.couplet(&[&["uncouple", "CUSTOMER"], &chosen[..]].concat()).object();
    let (code, done) = world.matched(&["--sync"]);
    let counters = &done["run"]["counters"];
    assert_eq!((code, &counters["coupled"], &counters["modified"]), (0, &json!(5), &json!(5)), "{done}");
    for at in 0..5 {
        assert_eq!(world.partner(&format!("N{at}")), Some(format!("Customer {at}")), "Business Central wins");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c_065_c_068_pairs_are_synchronized_only_if_that_is_wanted_on_this_machine() {
    pairs_are_synchronized_only_if_that_is_wanted(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_065_c_068_pairs_are_synchronized_only_if_that_is_wanted_at_a_stack() {
    pairs_are_synchronized_only_if_that_is_wanted(true).await;
}

async fn what_finds_no_partner_or_several_fails_and_says_why(deployed: bool) {
    let world = World::coupled(deployed).await;
    world.add(&[("1", Some("1")), ("2", Some("2")), ("3", Some("")), ("4", Some("7")), ("5", Some("8"))]);
    let (code, done) = world.matched(&["--sync"]);
    let counters = &done["run"]["counters"];
    assert_eq!((code, &counters["coupled"], &counters["failed"]), (1, &json!(2), &json!(3)), "{done}");
    assert_eq!(world.partner("N1").as_deref(), Some("Customer 1"));
    assert_eq!(world.partner("N2"), None);
    let errors = world.couplet(&["errors", "CUSTOMER", "--json"]).object().to_string();
    assert!(errors.contains("no uncoupled account matches it by phoneNumber (EE36)"), "{errors}");
    // Two more accounts with the number of the third: several match, and none is chosen, nor is one created.
    for name in ["Twin A", "Twin B"] {
        let values = json!({"name": name, "telephone1": "3", "customertypecode": 3});
        world.dataverse.create_as_user("account", values).expect("an account");
    }
    let accounts = world.accounts();
    let arguments = ["match", "CUSTOMER", "--by", "phoneNumber", "--create-unmatched"];
    let ended = world.couplet(&arguments);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.results.contains("Twin A") && ended.results.contains("Twin B"),
        "the candidates are named: {ended:?}"
    );
    assert_eq!((world.accounts(), world.partner("N2")), (accounts + 2, None));
    assert_eq!(world.partner("N3").as_deref(), Some("Customer 3"), "what matches nothing is created");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_066_what_finds_no_partner_or_several_fails_and_says_why_on_this_machine() {
    what_finds_no_partner_or_several_fails_and_says_why(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_066_what_finds_no_partner_or_several_fails_and_says_why_at_a_stack() {
    what_finds_no_partner_or_several_fails_and_says_why(true).await;
}

async fn nothing_is_coupled_where_all_accounts_match_one_customer(deployed: bool) {
    let world = World::coupled(deployed).await;
    world.add(&[("1", Some("1")), ("2", Some("1")), ("3", Some("1")), ("4", Some("1")), ("5", Some("1"))]);
    let (code, done) = world.matched(&["--sync"]);
    let counters = &done["run"]["counters"];
    assert_eq!((code, &counters["failed"], &counters["coupled"]), (1, &json!(5), &Value::Null), "{done}");
    let named: Vec<usize> = done["matched"]["records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["rows"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(named.iter().sum::<usize>(), 5, "the candidates of the first: {done}");
    let names = world.dataverse.rows("account").into_iter().filter(|row| row["telephone1"] == json!("1"));
    assert!(names.into_iter().all(|row| row["name"].as_str().is_some_and(|name| name.starts_with("Account"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn c_067_nothing_is_coupled_where_all_accounts_match_one_customer_on_this_machine() {
    nothing_is_coupled_where_all_accounts_match_one_customer(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_067_nothing_is_coupled_where_all_accounts_match_one_customer_at_a_stack() {
    nothing_is_coupled_where_all_accounts_match_one_customer(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_matched_so_are_told_with_the_remedy() {
    let world = World::coupled(false).await;
    for (arguments, said) in [
        (
            &["match", "CUSTOMER"][..],
            "choose the fields for match-based coupling of CUSTOMER (EE35): name them with --by",
        ),
        (&["match", "CUSTOMER", "--by", "phone"], "CUSTOMER has no field \"phone\" on both sides"),
        (&["match", "CUSTOMERS", "--by", "name"], "did you mean CUSTOMER?"),
        (&["match", "CUSTOMER", "--by", "currencyCode", "--dry-run"], "choose fields of one kind (R189)"),
        (&["match", "SALESPEOPLE", "--by", "email", "--create-unmatched"], "nothing can be created there (R198)"),
    ] {
        let line = world.couplet(arguments).failed_with_one_line();
        assert!(line.contains(said), "{line}");
    }
    // Mappings with fields of their own need no others.
    world.couplet(&["uncouple", "PAYMENT TERMS", "--all", "--json"]).object();
    let terms = world.couplet(&["match", "PAYMENT TERMS", "--json"]).object();
    assert!(terms["run"]["counters"]["coupled"].as_u64() > Some(0), "{terms}");
    assert_eq!(terms["matched"]["by"], json!("code"), "{terms}");
}

/// What a call of the command took.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
struct Spent {
    took: Duration,
    peak_megabytes: u64,
    requests_to_business_central: u64,
    requests_to_dataverse: u64,
}

/// `cargo test -p couplet --test matching -- --ignored --nocapture a_hundred_thousand`
///
/// Half of the customers find their account by number, half by name.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
#[expect(clippy::print_stdout, reason = "what the work costs is what it is for")]
async fn a_hundred_thousand_customers_find_a_hundred_thousand_accounts() {
    const COUNT: usize = 100_000;
    let size = DemoSize { items: 0, customers: COUNT, ..DemoSize::default() };
    let Systems { business_central, dataverse } = Systems::start(size).await;
    let customers = business_central.rows("Customer");
    let account = |(at, customer): (usize, &serde_json::Map<String, Value>)| match at % 2 {
        0 => json!({"name": "An account", "accountnumber": customer["number"], "customertypecode": 3}),
        _ => json!({"name": customer["displayName"], "customertypecode": 3}),
    };
    let rows: Vec<Value> = customers.iter().enumerate().map(account).collect();
    for some in rows.chunks(10_000) {
        dataverse.create_many_as_user("account", some.to_vec()).expect("accounts");
    }
    let workplace = Workplace::at(&business_central, &dataverse);
    let spend = |arguments: &[&str]| {
        let before = (business_central.requests(), dataverse.requests());
        let begin = Instant::now();
        let (ended, peak_kilobytes) = workplace.measured(arguments);
        let spent = Spent {
            took: begin.elapsed(),
            peak_megabytes: peak_kilobytes / 1024,
            requests_to_business_central: business_central.requests() - before.0,
            requests_to_dataverse: dataverse.requests() - before.1,
        };
        println!("couplet {}: {spent:?}", arguments.join(" "));
        (ended.object(), spent)
    };
    let (looked, spent) = spend(&["match", "CUSTOMER", "--by", "number,name", "--dry-run", "--json"]);
    assert_eq!(looked["matched"]["pairs"], json!(COUNT), "{}", looked["matched"]["records"][0]);
    // Pages of 20,000 and 5,000, and what is asked of each system before: who we are, the company, its columns.
    assert!(spent.requests_to_business_central <= 10, "{spent:?}");
    assert!(spent.requests_to_dataverse <= 30, "{spent:?}");
    let (done, spent) = spend(&["match", "CUSTOMER", "--by", "number,name", "--no-sync", "--json"]);
    assert_eq!(done["run"]["counters"]["coupled"], json!(COUNT), "{}", done["run"]);
    // Each side is read once; the few others are asked when the batches begin.
    assert!(spent.requests_to_business_central <= 10, "{spent:?}");
    assert!(spent.requests_to_dataverse <= 35, "{spent:?}");
    assert!(spent.peak_megabytes <= 600, "{spent:?}");
    let (ended, _) = spend(&["uncouple", "CUSTOMER", "--all", "--json"]);
    assert_eq!(ended["run"]["counters"]["uncoupled"], json!(COUNT), "{}", ended["run"]);
}
