//! What a person does with chosen records: on this machine, process after process, and at a deployed stack.

use crate::aws::{Aws, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Map, Value, json};

/// Both systems, with the customers of one of them coupled with the accounts of the other, and a way to call the command.
struct World {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
    workplace: Workplace,
    aws: Option<Aws>,
}

impl World {
    async fn coupled(deployed: bool) -> Self {
        let size = DemoSize { items: 3, customers: 4, ..DemoSize::default() };
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

    /// Calls the command and gives the counters of its run.
    fn counters(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        self.couplet(&all).object()["run"]["counters"].clone()
    }

    fn pairs(&self) -> Vec<Value> {
        let listed = self.couplet(&["couplings", "CUSTOMER", "--json"]).object();
        listed["couplings"].as_array().expect("couplings").clone()
    }

    fn pair(&self, number: &str) -> Option<Value> {
        self.pairs().into_iter().find(|pair| pair["key"] == json!(number))
    }

    fn partner(&self, number: &str) -> String {
        let pair = self.pair(number).expect("a pair");
        pair["dataverse"].as_str().expect("an id").to_owned()
    }

    fn account(&self, id: &str) -> Map<String, Value> {
        self.dataverse.row("account", id.parse().expect("an id")).expect("an account")
    }

    /// Renames a customer as a person in Business Central.
    fn rename(&self, number: &str, name: &str) {
        let rows = self.business_central.rows("Customer");
        let row = rows.iter().find(|row| row["number"] == json!(number)).expect("a customer");
        let id = row["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        self.business_central.update_as_user("Customer", id, json!({ "displayName": name })).expect("taken");
    }

    /// Renames an account as a person in Sales.
    fn rename_account(&self, id: &str, name: &str) {
        let id = id.parse().expect("an id");
        self.dataverse.update_as_user("account", id, json!({ "name": name })).expect("taken");
    }

    /// Has Dataverse refuse accounts that hold a text, or take all again.
    fn refuse(&self, text: Option<&str>) {
        let faults = match text {
            Some(text) => json!({ "poison": { "table": "account", "text": text } }),
            None => json!({ "clear_poison": true }),
        };
        self.dataverse.set_faults(&faults.to_string()).expect("faults");
    }
}

async fn a_person_has_the_say_over_chosen_records(deployed: bool) {
    let world = World::coupled(deployed).await;
    let row = world.partner("C00010");
    world.rename("C00010", "Adatum");
    // A look changes nothing.
    let look = world.couplet(&["sync", "customer", "--bc", "C00010", "--dry-run", "--json"]).object();
    assert_eq!((&look["meant"], &look["records"][0]["coupled_with"]), (&json!(1), &json!(row)), "{look}");
    assert_ne!(world.account(&row)["name"], json!("Adatum"));
    assert_eq!(world.counters(&["sync", "customer", "--bc", "C00010"])["modified"], json!(1));
    assert_eq!(world.account(&row)["name"], json!("Adatum"));
    // Skipped, it stays as it is, also in a full synchronization; brought back, it catches up.
    assert_eq!(world.counters(&["skip", "CUSTOMER", "--dataverse", "Adatum"])["skipped"], json!(1));
    world.rename("C00010", "Fabrikam");
    world.couplet(&["run", "CUSTOMER", "--full", "--json"]).object();
    assert_eq!(world.pair("C00010").expect("a pair")["skipped"], json!(true));
    assert_eq!(world.account(&row)["name"], json!("Adatum"));
    assert_eq!(world.counters(&["unskip", "CUSTOMER", "--all"])["modified"], json!(1));
    assert_eq!(world.account(&row)["name"], json!("Fabrikam"));
    // Uncoupled, both stay; coupled again, the side that was chosen wins.
    assert_eq!(world.counters(&["uncouple", "CUSTOMER", "--bc", "C00010"])["uncoupled"], json!(1));
    assert_eq!(world.pair("C00010"), None);
    world.rename_account(&row, "Fabrikam Ltd");
    let arguments = ["couple", "CUSTOMER", "--bc", "C00010", "--dataverse", "Fabrikam Ltd", "--wins", "dataverse"];
    assert_eq!(world.counters(&arguments)["modified"], json!(1));
    let customers = world.business_central.rows("Customer");
    assert!(customers.iter().any(|row| row["displayName"] == json!("Fabrikam Ltd")), "{customers:?}");
    assert_eq!(world.partner("C00010"), row);
    // Business Central wins where nothing is chosen.
    assert_eq!(world.counters(&["uncouple", "CUSTOMER", "--bc", "C00010"])["uncoupled"], json!(1));
    world.rename("C00010", "Of the ERP");
    world.counters(&["couple", "CUSTOMER", "--bc", "C00010", "--dataverse", &row]);
    assert_eq!((world.partner("C00010"), &world.account(&row)["name"]), (row.clone(), &json!("Of the ERP")));
    let other = world.partner("C00020");
    let refused = world.couplet(&["couple", "CUSTOMER", "--bc", "C00010", "--dataverse", &other]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("already (R99, R101): uncouple that pair first"), "{line}");
    // What fails is told with the command's own result, and tried again once it can travel.
    world.refuse(Some("Unacceptable"));
    world.rename("C00030", "Unacceptable");
    let failed = world.couplet(&["sync", "CUSTOMER", "--bc", "C00030"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.results.contains("C00030 failed: writing the account failed"), "{failed:?}");
    world.refuse(None);
    let again = world.couplet(&["retry", "--all", "--json"]).object()["mappings"][0]["run"]["counters"].clone();
    assert_eq!(again["failed"], json!(0), "{again}");
    assert!(again["modified"].as_u64() >= Some(1), "{again}");
    assert_eq!(world.account(&world.partner("C00030"))["name"], json!("Unacceptable"));
    let all = world.pairs().len();
    assert_eq!(world.counters(&["uncouple", "CUSTOMER", "--all"])["uncoupled"], json!(all));
    assert!(world.pairs().is_empty());
}

async fn what_both_sides_changed_is_shown_and_settled(deployed: bool) {
    let world = World::coupled(deployed).await;
    let rows = [world.partner("C00010"), world.partner("C00020")];
    for (number, row) in ["C00010", "C00020"].into_iter().zip(&rows) {
        world.rename(number, &format!("{number} of the ERP"));
        world.rename_account(row, &format!("{number} of Sales"));
    }
    assert!(world.couplet(&["conflicts"]).results.contains("no record was changed on both sides"));
    let run = world.couplet(&["run", "CUSTOMER", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let told = world.couplet(&["conflicts", "CUSTOMER", "--json"]).object();
    assert_eq!(told["total"], json!(2), "each pair once: {told}");
    let field = &told["conflicts"][0]["fields"][0];
    assert!(field["business_central_value"].as_str().is_some_and(|value| value.ends_with("of the ERP")), "{told}");
    assert!(field["dataverse_value"].as_str().is_some_and(|value| value.ends_with("of Sales")), "{told}");
    let shown = world.couplet(&["conflicts"]).results;
    assert!(
        shown.contains("C00020 of Sales") && shown.contains("couplet conflicts resolve \"CUSTOMER\" --bc"),
        "{shown}"
    );
    let resolve = ["conflicts", "resolve", "CUSTOMER"];
    let look = [&resolve[..], &["--all", "--wins", "dataverse", "--dry-run", "--json"]].concat();
    assert_eq!(world.couplet(&look).object()["meant"], json!(2));
    let one = [&resolve[..], &["--bc", "C00010", "--wins", "dataverse", "--field", "Name=business-central"]].concat();
    assert_eq!(world.counters(&one)["failed"], json!(0));
    assert_eq!(world.account(&rows[0])["name"], json!("C00010 of the ERP"));
    let rest = [&resolve[..], &["--all", "--wins", "dataverse"]].concat();
    assert_eq!(world.counters(&rest)["failed"], json!(0));
    assert_eq!(world.account(&rows[1])["name"], json!("C00020 of Sales"));
    let customers = world.business_central.rows("Customer");
    assert!(customers.iter().any(|row| row["displayName"] == json!("C00020 of Sales")), "{customers:?}");
    assert_eq!(world.couplet(&["conflicts", "--json"]).object()["total"], json!(0));
    for (arguments, said) in [
        (&["--all"][..], "--wins"),
        (&["--all", "--field", "name"], "such as phoneNumber=business-central"),
        (&["--all", "--field", "fex=dataverse"], "CUSTOMER has no field \"fex\" on either side"),
        (&["--wins", "dataverse"], "name the records with --bc and --dataverse"),
    ] {
        let ended = world.couplet(&[&resolve[..], arguments].concat());
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(format!("{ended:?}").contains(&said.replace('"', "\\\"")), "{said}: {ended:?}");
    }
}

async fn what_became_of_a_record_is_told_with_its_reasons(deployed: bool) {
    let world = World::coupled(deployed).await;
    let row = world.partner("C00010");
    world.rename("C00010", "Adatum");
    world.couplet(&["run", "CUSTOMER", "--json"]).object();
    let told = world.couplet(&["history", "customer", "--bc", "C00010", "--json"]).object();
    assert_eq!(told["coupling"]["dataverse"], json!(row), "{told}");
    let entries = told["history"].as_array().expect("entries");
    let outcomes: Vec<&str> = entries.iter().filter_map(|entry| entry["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["modified", "inserted"], "newest first: {told}");
    let name = &entries[0]["fields"][0];
    assert_eq!((&name["business_central"], &name["dataverse"]), (&json!("displayName"), &json!("name")), "{told}");
    assert_eq!((&name["rule"], &name["written"]), (&json!("source_changed"), &json!("Adatum")), "{told}");
    assert_eq!(name["why"], json!("only Business Central changed it"), "{told}");
    // From the other side, by id and by name, it is the same; --limit leaves the oldest out.
    for named in [row.as_str(), "Adatum"] {
        let from_sales = world.couplet(&["history", "CUSTOMER", "--dataverse", named, "--json"]).object();
        assert_eq!(from_sales["history"], told["history"], "{named}");
    }
    let one = world.couplet(&["history", "CUSTOMER", "--bc", "C00010", "--limit", "1", "--json"]).object();
    assert_eq!(one["history"].as_array().map(Vec::len), Some(1), "{one}");
    let shown = world.couplet(&["history", "CUSTOMER", "--bc", "C00010"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for part in
        ["coupled: C00010", &row, "last synchronized to Dataverse:", "modified to Dataverse:", "inserted", "Adatum"]
    {
        assert!(shown.results.contains(part), "{part}: {}", shown.results);
    }
    // How it stands comes first.
    world.refuse(Some("Unacceptable"));
    world.rename("C00010", "Unacceptable");
    world.couplet(&["run", "CUSTOMER"]);
    let failed = world.couplet(&["history", "CUSTOMER", "--bc", "C00010"]).results;
    let stands = failed.find("failed to Dataverse since").expect("how it stands");
    assert!(Some(stands) < failed.find("failed to Dataverse: it cannot be synchronized as it is"), "{failed}");
    world.refuse(None);
    world.counters(&["uncouple", "CUSTOMER", "--bc", "C00010"]);
    let ended = world.couplet(&["history", "CUSTOMER", "--dataverse", &row]).results;
    assert!(ended.contains("not coupled") && ended.contains("a person uncoupled it; both records stay"), "{ended}");
    let nobody = "00000000-0000-0000-0000-00000000abcd";
    for (arguments, said) in [
        (
            ["--bc", nobody],
            "nothing is known of \"00000000-0000-0000-0000-00000000abcd\" of CUSTOMER in Business Central",
        ),
        (["--bc", nobody], "couplet sync \"CUSTOMER\" --bc"),
        (["--bc", "NOBODY"], "no record of CUSTOMER in Business Central has the number, code or name \"NOBODY\""),
    ] {
        let line = world.couplet(&[&["history", "CUSTOMER"], &arguments[..]].concat()).failed_with_one_line();
        assert!(line.contains(said), "{line}");
    }
    assert_eq!(world.couplet(&["history", "CUSTOMER"]).code, 2, "a record has to be named");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_record_is_told_with_its_reasons_on_this_machine() {
    what_became_of_a_record_is_told_with_its_reasons(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_record_is_told_with_its_reasons_at_a_stack() {
    what_became_of_a_record_is_told_with_its_reasons(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ee11_what_both_sides_changed_is_shown_and_settled_on_this_machine() {
    what_both_sides_changed_is_shown_and_settled(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ee11_what_both_sides_changed_is_shown_and_settled_at_a_stack() {
    what_both_sides_changed_is_shown_and_settled(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_041_c_043_c_049_r206_r113_a_person_has_the_say_over_chosen_records_on_this_machine() {
    a_person_has_the_say_over_chosen_records(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_041_c_043_c_049_r206_r113_a_person_has_the_say_over_chosen_records_of_a_stack() {
    a_person_has_the_say_over_chosen_records(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_meant_are_named_with_the_remedy() {
    let world = World::coupled(false).await;
    for (arguments, said) in [
        (&["skip", "CUSTOMER", "--bc", "NOBODY"][..], "no record of CUSTOMER in Business Central has the number"),
        (&["uncouple", "CUSTOMER"], "name the records with --bc and --dataverse"),
        (&["sync", "CUSTOMERS", "--bc", "C00010"], "did you mean CUSTOMER?"),
        (
            &["sync", "CURRENCY", "--bc", "EUR", "--direction", "from-dataverse"],
            "CURRENCY does not travel from Dataverse",
        ),
    ] {
        let line = world.couplet(arguments).failed_with_one_line();
        assert!(line.contains(said), "{line}");
    }
    let twins = [world.partner("C00010"), world.partner("C00020")];
    for id in &twins {
        world.rename_account(id, "Twins");
    }
    let line = world.couplet(&["skip", "CUSTOMER", "--dataverse", "Twins"]).failed_with_one_line();
    assert!(line.contains("2 records of CUSTOMER in Dataverse are called \"Twins\"; name one by its id"), "{line}");
    assert!(twins.iter().all(|id| line.contains(id)), "{line}");
}
