//! What an operator does about pairs of which one record was deleted, about records without a partner, and about several records by
//! a filter: on this machine, process after process, and at a deployed stack.

use crate::aws::{Aws, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Value, json};
use uuid::Uuid;

/// Both systems with coupled customers, and a way to call the command.
struct World {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
    workplace: Workplace,
    aws: Option<Aws>,
}

impl World {
    async fn coupled(deployed: bool) -> Self {
        let size = DemoSize { items: 0, customers: 6, ..DemoSize::default() };
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

    /// Calls the command with `--json`; gives what it prints, however it ends.
    fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let ended = self.couplet(&all);
        serde_json::from_str(&ended.results).unwrap_or_else(|_| panic!("{arguments:?}: {ended:?}"))
    }

    /// The customer of a number, and the account it is coupled with.
    fn pair(&self, number: &str) -> (Uuid, Uuid) {
        let listed = self.json(&["couplings", "CUSTOMER"]);
        let pairs = listed["couplings"].as_array().expect("couplings");
        let pair = pairs.iter().find(|pair| pair["key"] == json!(number)).expect("a pair");
        let id = |side: &str| pair[side].as_str().and_then(|id| id.parse().ok()).expect("an id");
        (id("business_central"), id("dataverse"))
    }

    fn pairs(&self) -> usize {
        self.json(&["couplings", "CUSTOMER"])["couplings"].as_array().expect("couplings").len()
    }

    fn customers(&self) -> usize {
        self.business_central.rows("Customer").len()
    }
}

async fn broken_pairs_are_listed_and_mended(deployed: bool) {
    let world = World::coupled(deployed).await;
    let [first, second, third] = ["C00010", "C00020", "C00030"].map(|number| world.pair(number));
    let (customers, accounts, pairs) = (world.customers(), world.dataverse.rows("account").len(), world.pairs());
    assert!(world.couplet(&["deleted"]).results.contains("no pair is known of which one record was deleted"));
    world.business_central.delete_as_user("Customer", first.0).expect("deleted");
    world.dataverse.delete_as_user("account", second.1).expect("deleted");
    world.business_central.delete_as_user("Customer", third.0).expect("deleted");
    let looked = world.json(&["deleted", "customer", "--look"]);
    assert_eq!(looked["total"], json!(3), "{looked}");
    assert!(
        looked["run"]["message"].as_str().is_some_and(|said| said.contains("2 in Business Central; 1 in")),
        "{looked}"
    );
    let listed = world.json(&["deleted"]);
    let of = |number: &str| {
        let all = listed["deleted"].as_array().expect("pairs");
        all.iter()
            .find(|pair| pair["label"].as_str().is_some_and(|label| label.contains(number)))
            .expect(number)
            .clone()
    };
    assert_eq!((&of("C00010")["gone"], &of("C00020")["gone"]), (&json!("business_central"), &json!("dataverse")));
    assert_eq!(of("C00010")["remedies"], json!(["restore", "delete", "uncouple"]), "{listed}");
    assert_eq!(of("C00010")["dataverse"], json!(first.1));
    let shown = world.couplet(&["deleted", "CUSTOMER"]).results;
    assert!(shown.contains("C00030") && shown.contains("couplet deleted restore \"CUSTOMER\" --bc"), "{shown}");
    // A look changes nothing.
    let look = world.json(&["deleted", "delete", "CUSTOMER", "--all", "--dry-run"]);
    assert_eq!((&look["meant"], look["records"].as_array().map(Vec::len)), (&json!(3), Some(3)), "{look}");
    assert_eq!(world.json(&["deleted"])["total"], json!(3));
    let restored = world.json(&["deleted", "restore", "CUSTOMER", "--dataverse", &first.1.to_string()]);
    assert_eq!(restored["run"]["counters"]["inserted"], json!(1), "{restored}");
    assert_eq!((world.customers(), world.json(&["deleted"])["total"].clone()), (customers - 1, json!(2)));
    let deleted = world.json(&["deleted", "delete", "CUSTOMER", "--bc", "C00020"]);
    assert_eq!(deleted["run"]["counters"]["modified"], json!(1), "{deleted}");
    assert!(deleted["notes"][0].as_str().is_some_and(|note| note.contains("1 pairs were deleted")), "{deleted}");
    assert!(world.business_central.row("Customer", second.0).is_none());
    let ended = world.json(&["deleted", "uncouple", "CUSTOMER", "--all"]);
    assert_eq!(ended["run"]["counters"]["uncoupled"], json!(1), "{ended}");
    assert!(world.dataverse.row("account", third.1).is_some());
    assert_eq!((world.json(&["deleted"])["total"].clone(), world.pairs()), (json!(0), pairs - 2));
    assert_eq!(world.dataverse.rows("account").len(), accounts - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_u10_r94_broken_pairs_are_listed_and_mended_on_this_machine() {
    broken_pairs_are_listed_and_mended(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_u10_r94_broken_pairs_are_listed_and_mended_at_a_stack() {
    broken_pairs_are_listed_and_mended(true).await;
}

async fn orphans_are_found_and_repaired(deployed: bool) {
    let world = World::coupled(deployed).await;
    let ours = world.dataverse.rows("bcbi_company")[0]["bcbi_companyid"].as_str().expect("an id").to_owned();
    let stray = json!({"name": "Stray", "customertypecode": 3, "bcbi_CompanyId@odata.bind": format!("/bcbi_companies({ours})")});
    let stray = world.dataverse.create_as_user("account", stray).expect("taken");
    for name in ["New one", "New two"] {
        let customer =
            json!({"displayName": name, "phoneNumber": "555-0100", "number": name.replace(' ', "").to_uppercase()});
        world.business_central.create_as_user("Customer", customer).expect("taken");
    }
    let account = json!({"name": "Nobody's", "customertypecode": 3, "telephone1": "555-0199"});
    world.dataverse.create_as_user("account", account).expect("taken");
    let report = world.json(&["orphans", "CUSTOMER", "--by", "phoneNumber"]);
    let found = |flaw: &str, label: &str| {
        let all = report["orphans"].as_array().expect("orphans");
        let is_it = |one: &&Value| {
            one["flaw"] == json!(flaw) && one["label"].as_str().is_some_and(|shown| shown.contains(label))
        };
        all.iter().filter(is_it).count()
    };
    assert_eq!((found("uncoupled", "New one"), found("duplicate", "New two")), (1, 1), "{report}");
    assert_eq!((found("stray", "Stray"), found("uncoupled", "Nobody's")), (1, 1), "{report}");
    let shown = world.couplet(&["orphans", "customer", "--by", "phoneNumber"]).results;
    assert!(shown.contains("1 rows belong to the company although nothing couples them"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    let look = world.json(&["orphans", "repair", "CUSTOMER", "--release", "--dry-run"]);
    assert_eq!((&look["meant"], &look["records"][0]["record"]), (&json!(1), &json!(stray)), "{look}");
    let released = world.json(&["orphans", "repair", "CUSTOMER", "--release"]);
    assert_eq!(released["run"]["counters"]["modified"], json!(1), "{released}");
    let row = world.dataverse.row("account", stray).expect("it stays");
    assert!(row.get("_bcbi_companyid_value").is_none_or(Value::is_null), "{row:?}");
    // The telephone of two customers matches nobody alone, so that nothing is coupled by it; by their names rows are made.
    let before = world.pairs();
    world.json(&["orphans", "repair", "CUSTOMER", "--couple", "--by", "phoneNumber"]);
    assert_eq!(world.pairs(), before);
    let made = world.json(&["orphans", "repair", "CUSTOMER", "--couple", "--create", "--by", "name"]);
    assert_eq!(made["run"]["counters"]["inserted"], json!(2), "{made}");
    assert_eq!(world.pairs(), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_u10_orphans_are_found_and_repaired_on_this_machine() {
    orphans_are_found_and_repaired(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_u10_orphans_are_found_and_repaired_at_a_stack() {
    orphans_are_found_and_repaired(true).await;
}

async fn several_are_chosen_by_a_filter(deployed: bool) {
    let world = World::coupled(deployed).await;
    let pairs = world.pairs();
    for number in ["C00010", "C00030"] {
        let (customer, _) = world.pair(number);
        world.business_central.update_as_user("Customer", customer, json!({"city": "Oslo"})).expect("taken");
    }
    let oslo = ["--filter", "city eq Oslo"];
    let with = |begin: &[&str], more: &[&str]| {
        let all: Vec<&str> = begin.iter().chain(&oslo).chain(more).copied().collect();
        world.json(&all)
    };
    let look = with(&["skip", "CUSTOMER"], &["--dry-run"]);
    assert_eq!((&look["meant"], look["records"].as_array().map(Vec::len)), (&json!(2), Some(2)), "{look}");
    assert!(look["records"][0]["coupled_with"].is_string(), "{look}");
    assert_eq!(with(&["sync", "CUSTOMER"], &[])["run"]["counters"]["failed"], json!(0));
    assert_eq!(
        world.dataverse.row("account", world.pair("C00010").1).expect("it is there")["address1_city"],
        json!("Oslo")
    );
    assert_eq!(with(&["skip", "CUSTOMER"], &[])["run"]["counters"]["skipped"], json!(2));
    assert_eq!(with(&["unskip", "CUSTOMER"], &["--dry-run"])["meant"], json!(2));
    let unskipped = world.json(&["unskip", "CUSTOMER", "--filter", "address1_city eq Oslo", "--side", "dataverse"]);
    assert_eq!(unskipped["run"]["counters"]["failed"], json!(0), "{unskipped}");
    assert_eq!(with(&["retry", "CUSTOMER"], &["--dry-run"])["meant"], json!(0));
    assert_eq!(with(&["uncouple", "CUSTOMER"], &[])["run"]["counters"]["uncoupled"], json!(2));
    assert_eq!(world.pairs(), pairs - 2);
    let made = with(&["sync", "CUSTOMER"], &["--create", "--direction", "to-dataverse"]);
    assert_eq!((&made["run"]["counters"]["failed"], world.pairs()), (&json!(0), pairs), "{made}");
    for (arguments, said) in [
        (&["skip", "CUSTOMER", "--filter", "town eq Oslo"][..], "has no field town"),
        (&["skip", "CUSTOMER", "--filter", "city ~ Oslo"], "eq, ne or in is expected"),
        (
            &["skip", "CUSTOMER", "--filter", "city eq Oslo", "--bc", "C00010"],
            "by their names or by --filter, not by both",
        ),
    ] {
        let line = world.couplet(arguments).failed_with_one_line();
        assert!(line.contains(said), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_records_are_chosen_by_a_filter_on_this_machine() {
    several_are_chosen_by_a_filter(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_records_are_chosen_by_a_filter_at_a_stack() {
    several_are_chosen_by_a_filter(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r113_what_failed_of_several_mappings_is_tried_again_and_told_in_one_object() {
    let world = World::coupled(false).await;
    assert_eq!(world.json(&["retry", "--all"]), json!({"mappings": []}), "nothing has failed");
    world
        .dataverse
        .set_faults(&json!({"poison": {"table": "account", "text": "Unacceptable"}}).to_string())
        .expect("faults");
    let (customer, _) = world.pair("C00010");
    let name = json!({"displayName": "Unacceptable"});
    world.business_central.update_as_user("Customer", customer, name.clone()).expect("taken");
    let vendors = world.business_central.rows("Vendor");
    let vendor = vendors[0]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    world.business_central.update_as_user("Vendor", vendor, name).expect("taken");
    for arguments in [&["run", "CUSTOMER"][..], &["run", "VENDOR", "--full"]] {
        assert_eq!(world.couplet(arguments).code, 1, "{arguments:?} fails");
    }
    let look = world.json(&["retry", "--all", "--dry-run"]);
    assert_eq!(look["mappings"].as_array().map(Vec::len), Some(2), "{look}");
    world.dataverse.set_faults(&json!({"clear_poison": true}).to_string()).expect("faults");
    let again = world.json(&["retry", "--all"]);
    let runs = again["mappings"].as_array().expect("runs");
    assert_eq!(runs.len(), 2, "{again}");
    assert!(runs.iter().all(|one| one["run"]["counters"]["failed"] == json!(0)), "{again}");
}
