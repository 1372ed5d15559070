//! Mappings are the operator's: what the command shows and changes of them, on this machine and at a deployed stack.

use crate::aws::{Aws, STACK};
use crate::command::{Ended, Workplace};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Both systems, with coupled customers, and a way to call the command.
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
            world.object(&["run", job, "--full"]);
        }
        world.object(&["run", "CUSTOMER"]);
        world
    }

    fn couplet(&self, arguments: &[&str]) -> Ended {
        let Some(aws) = &self.aws else { return self.workplace.couplet(arguments) };
        let mut all = vec!["--profile", "aws", "--stack", STACK];
        all.extend(arguments);
        self.workplace.couplet_with(&all, &aws.variables())
    }

    fn object(&self, arguments: &[&str]) -> Value {
        self.couplet(&[arguments, &["--json"]].concat()).object()
    }

    /// Runs the job of customers and gives its counters.
    fn run(&self) -> Value {
        self.object(&["run", "CUSTOMER"])["run"]["counters"].clone()
    }

    fn customer(&self, number: &str) -> Map<String, Value> {
        let rows = self.business_central.rows("Customer");
        rows.into_iter().find(|row| row["number"] == json!(number)).expect("a customer")
    }

    /// Changes a customer as a person in Business Central.
    fn change(&self, number: &str, values: Value) {
        let id = self.customer(number)["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        self.business_central.update_as_user("Customer", id, values).expect("taken");
    }

    /// The account of a customer.
    fn partner(&self, number: &str) -> Uuid {
        let listed = self.object(&["couplings", "CUSTOMER"]);
        let mut pairs = listed["couplings"].as_array().expect("couplings").iter();
        let pair = pairs.find(|pair| pair["key"] == json!(number)).expect("a pair");
        pair["dataverse"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    }

    fn account(&self, id: Uuid) -> Map<String, Value> {
        self.dataverse.row("account", id).expect("an account")
    }

    /// Changes an account as a person in Sales.
    fn change_account(&self, id: Uuid, values: Value) {
        self.dataverse.update_as_user("account", id, values).expect("taken");
    }
}

async fn a_mapping_is_the_operators(deployed: bool) {
    let world = World::coupled(deployed).await;
    let row = world.partner("C00010");
    // A look changes nothing.
    let one_way = ["mapping", "set", "customer", "--direction", "to-dataverse"];
    let look = world.object(&[&one_way[..], &["--dry-run"]].concat());
    let direction = |before: &str, after: &str| json!({"mapping": "CUSTOMER", "what": "direction", "before": before, "after": after});
    assert_eq!((&look["changed"], &look["revision"]), (&json!(false), &json!(0)), "{look}");
    assert_eq!(look["differences"][0], direction("bidirectional", "to_dataverse"), "{look}");
    assert_eq!(world.object(&["mapping", "show", "CUSTOMER"])["direction"], json!("bidirectional"));
    // One command makes it one-way, and its rows stay.
    let rows = world.object(&["field", "list", "CUSTOMER"])["fields"].clone();
    let set = world.object(&one_way);
    assert_eq!((&set["changed"], &set["revision"]), (&json!(true), &json!(1)), "{set}");
    assert_eq!(world.object(&["field", "list", "CUSTOMER"])["fields"], rows);
    world.change_account(row, json!({"telephone1": "from Sales"}));
    world.change("C00010", json!({"displayName": "Adatum"}));
    assert_eq!(world.run()["modified"], json!(1));
    assert_eq!(world.account(row)["name"], json!("Adatum"));
    assert_ne!(world.customer("C00010")["phoneNumber"], json!("from Sales"), "nothing comes from Dataverse any more");
    // Said again, it is no change.
    assert_eq!(world.object(&one_way)["changed"], json!(false));
    assert_eq!(world.object(&["mapping", "reset", "CUSTOMER"])["revision"], json!(2));
    assert_eq!(world.object(&["mapping", "show", "CUSTOMER"])["origin"], json!("default"));

    // A field that is left alone for a while, and comes back.
    let second = world.partner("C00020");
    world.object(&["field", "disable", "CUSTOMER", "faxNo=fax", "website"]);
    world.change("C00020", json!({"faxNo": "1", "website": "https://one.example", "displayName": "Fabrikam"}));
    world.change_account(second, json!({"fax": "2"}));
    world.run();
    let account = world.account(second);
    assert_eq!((&account["name"], &account["fax"]), (&json!("Fabrikam"), &json!("2")));
    assert_ne!(account["websiteurl"], json!("https://one.example"));
    let shown = world.object(&["field", "list", "CUSTOMER"]);
    let unused = shown["fields"].as_array().expect("rows").iter().filter(|row| row["enabled"] == json!(false));
    assert_eq!(unused.count(), 2, "{shown}");
    let back = world.object(&["field", "enable", "CUSTOMER", "fax", "website"]);
    assert_eq!(back["differences"].as_array().map(Vec::len), Some(2), "{back}");
    world.change("C00020", json!({"displayName": "Fabrikam Ltd"}));
    let counters = world.run();
    assert_eq!(counters["failed"], json!(0), "it takes a side: {counters}");
    let (account, customer) = (world.account(second), world.customer("C00020"));
    assert_eq!((&account["name"], &account["fax"]), (&json!("Fabrikam Ltd"), &customer["faxNo"]));

    // A filter of the operator; rows of other companies stay out.
    let city = world.customer("C00010")["city"].as_str().expect("a city").to_owned();
    let filter = format!("blocked eq \" \" and city ne \"{city}\"");
    let filtered = world.object(&[
        "mapping",
        "filter",
        "CUSTOMER",
        "--bc",
        &filter,
        "--dataverse",
        "statecode eq 0 and customertypecode in (3)",
    ]);
    assert_eq!(filtered["differences"].as_array().map(Vec::len), Some(2), "{filtered}");
    let shown = world.object(&["mapping", "show", "CUSTOMER"]);
    assert_eq!(shown["dataverse_filter"][2]["column"], json!("bcbi_companyid"), "{shown}");
    world.change("C00010", json!({"displayName": "Outside"}));
    world.run();
    assert_ne!(world.account(row)["name"], json!("Outside"));
    world.object(&["mapping", "reset", "--all"]);
    world.change("C00010", json!({"displayName": "Inside"}));
    world.run();
    assert_eq!(world.account(row)["name"], json!("Inside"));

    // Rows of the operator: a pair, a constant, a transformation.
    world.object(&["field", "add", "CUSTOMER", "number=description", "--direction", "to-dataverse"]);
    world.object(&["field", "add", "CUSTOMER", "=creditonhold", "--constant", "true"]);
    let upper = ["--transform", "uppercase", "--transform-direction", "to-dataverse"];
    world.object(&[&["field", "set", "CUSTOMER", "displayName"][..], &upper].concat());
    world.change("C00010", json!({"displayName": "Straße", "phoneNumber": "1"}));
    world.run();
    let account = world.account(row);
    assert_eq!(
        (&account["name"], &account["description"], &account["creditonhold"]),
        (&json!("STRASSE"), &json!("C00010"), &json!(true))
    );
    assert_eq!(world.customer("C00010")["displayName"], json!("Straße"), "it does not come back");
    let rows = world.object(&["field", "reset", "CUSTOMER", "creditonhold", "displayName=name"]);
    assert_eq!(rows["differences"].as_array().map(Vec::len), Some(3), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r142_a_mapping_is_the_operators_on_this_machine() {
    a_mapping_is_the_operators(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r142_a_mapping_is_the_operators_at_a_stack() {
    a_mapping_is_the_operators(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_who_wins_who_takes_part_and_what_a_deletion_means_are_the_operators() {
    let world = World::coupled(false).await;
    let row = world.partner("C00010");
    let both_change = |ours: &str, theirs: &str| {
        world.change("C00010", json!({"faxNo": ours}));
        world.change_account(row, json!({"fax": theirs}));
    };
    both_change("1", "2");
    assert!(
        world.couplet(&["run", "CUSTOMER", "--json"]).results.contains("\"failed\": 2"),
        "a conflict in either direction"
    );
    world.object(&["mapping", "set", "CUSTOMER", "--update-conflict", "to-dataverse"]);
    both_change("3", "4");
    assert_eq!(world.run()["failed"], json!(0));
    assert_eq!((&world.account(row)["fax"], &world.customer("C00010")["faxNo"]), (&json!("3"), &json!("3")));
    // Records without a partner take part once that is wanted.
    let new = json!({"number": "C99", "displayName": "New"});
    let id = world.business_central.create_as_user("Customer", new).expect("a customer");
    world.run();
    let accounts = || world.dataverse.rows("account").iter().filter(|row| row["name"] == json!("Newer")).count();
    world.business_central.update_as_user("Customer", id, json!({"displayName": "Newer"})).expect("taken");
    assert_eq!((world.run()["inserted"].clone(), accounts()), (json!(0), 0));
    let set = ["mapping", "set", "CUSTOMER", "--only-coupled", "false", "--deletion-conflict", "remove-coupling"];
    let ended = world.couplet(&set);
    assert!(ended.code == 0 && ended.errors.contains("(R8)"), "{ended:?}");
    world
        .business_central
        .update_as_user("Customer", id, json!({"displayName": "Newer", "city": "Lyon"}))
        .expect("taken");
    assert_eq!((world.run()["inserted"].clone(), accounts()), (json!(1), 1));
    // What was deleted in Sales ends its pair.
    world.dataverse.delete_as_user("account", row).expect("deleted");
    world.run();
    let pairs = world.object(&["couplings", "CUSTOMER"]);
    let keys: Vec<&Value> = pairs["couplings"].as_array().expect("couplings").iter().map(|pair| &pair["key"]).collect();
    assert!(!keys.contains(&&json!("C00010")) && keys.contains(&&json!("C99")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_008_c_010_r157_r158_a_new_customer_holds_what_the_first_template_says() {
    let world = World::coupled(false).await;
    let template = |priority: &str, more: &[&str]| {
        let begin = ["mapping", "template", "CUSTOMER", "--direction", "from-dataverse", "--priority", priority];
        world.object(&[&begin[..], more].concat())
    };
    let create = |name: &str| {
        let account = json!({"name": name, "customertypecode": 3, "statecode": 0, "fax": "of the account"});
        world.dataverse.create_as_user("account", account).expect("an account");
        let counters = world.object(&["sync", "CUSTOMER", "--dataverse", name, "--create"])["run"]["counters"].clone();
        assert_eq!(counters["inserted"], json!(1), "{counters}");
        let customers = world.business_central.rows("Customer");
        customers.into_iter().find(|row| row["displayName"] == json!(name)).expect("a customer")
    };
    template("1", &["--value", "locationCode=SOMELOC", "--value", "faxNo=of the template"]);
    let made = create("Of one template");
    assert_eq!(made["locationCode"], json!("SOMELOC"));
    assert_eq!(made["faxNo"], json!("of the template"), "it replaces what was transferred");
    template("2", &["--value", "locationCode=OTHER"]);
    assert_eq!(create("Of two templates")["locationCode"], json!("SOMELOC"));
    template("1", &["--where", "name eq 'Somebody else'", "--value", "locationCode=SOMELOC"]);
    assert_eq!(create("Of the second template")["locationCode"], json!("OTHER"), "the first does not fit");
    template("1", &["--remove"]);
    template("2", &["--remove"]);
    assert_eq!(create("Of no template")["locationCode"], json!(""), "no template gives nothing");
    // A record that is there already gets nothing.
    template("1", &["--value", "locationCode=SOMELOC"]);
    let id = world.partner("C00010");
    world.change_account(id, json!({"fax": "changed"}));
    world.run();
    let customer = world.customer("C00010");
    assert_eq!((&customer["faxNo"], customer["locationCode"] == json!("SOMELOC")), (&json!("changed"), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn c_114_of_a_currency_only_chosen_fields_travel_and_dataverse_wants_a_name() {
    let world = World::coupled(false).await;
    let new = |code: &str| {
        let currency = json!({"code": code, "displayName": "Test money", "symbol": "T"});
        world.business_central.create_as_user("Currency", currency).expect("a currency");
        let rate = json!({"currencyCode": code, "startingDate": "2026-01-01", "exchangeRateAmount": 2, "relationalExchangeRateAmount": 1});
        world.business_central.create_as_user("Currency Exchange Rate", rate).expect("a rate");
    };
    let row = |code: &str| {
        let rows = world.dataverse.rows("transactioncurrency");
        rows.into_iter().find(|row| row["isocurrencycode"] == json!(code))
    };
    world.object(&["field", "disable", "CURRENCY", "currencysymbol"]);
    new("XTS");
    let counters = world.object(&["sync", "CURRENCY", "--bc", "XTS", "--create"])["run"]["counters"].clone();
    assert_eq!(counters["inserted"], json!(1), "{counters}");
    assert_eq!(row("XTS").expect("a row")["currencysymbol"], json!("XTS"), "what Dataverse makes of the code");
    world.object(&["field", "disable", "CURRENCY", "currencyname"]);
    new("XXX");
    let ended = world.couplet(&["sync", "CURRENCY", "--bc", "XXX", "--create"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.results.contains("'currencyname' cannot be NULL"), "{ended:?}");
    assert!(row("XXX").is_none(), "nothing is made");
}

/// A mapping of an operator: places as a table that the catalogue does not know, with a table of Dataverse that it knows.
fn places() -> Value {
    let property = |name: &str, field: &str, length: usize| json!({"name": name, "field": field, "type": "string", "length": length, "standard": true, "companion": false, "editable": true});
    let read_only = |name: &str, kind: &str| json!({"name": name, "field": null, "type": kind, "standard": true, "companion": false, "editable": false});
    json!({
        "mapping": {
            "name": "PLACES",
            "business_central_table": "Place",
            "dataverse_table": "cdm_company",
            "only_coupled": false,
            "match_fields": [{"business_central": "code", "dataverse": "cdm_companycode"}],
            "fields": [
                {"business_central": "code", "dataverse": "cdm_companycode", "direction": "to_dataverse"},
                {"business_central": "displayName", "dataverse": "cdm_name", "direction": "to_dataverse"}
            ]
        },
        "tables": {"business_central": [{
            "name": "Place",
            "primary_key": ["Code"],
            "standard": {"entity_set": "locations", "insert": true, "modify": true, "delete": true},
            "properties": [
                read_only("id", "guid"),
                property("code", "Code", 10),
                property("displayName", "Name", 100),
                read_only("lastModifiedDateTime", "datetime")
            ]
        }]}
    })
}

async fn a_mapping_of_ones_own(deployed: bool) {
    let world = World::coupled(deployed).await;
    let file = world.workplace.path("places.json");
    std::fs::write(&file, places().to_string()).expect("a file");
    let look = world.object(&["mapping", "add", "places.json", "--dry-run"]);
    assert_eq!((&look["changed"], &look["differences"][0]["what"]), (&json!(false), &json!("mapping")), "{look}");
    world.object(&["mapping", "add", "places.json"]);
    assert_eq!(world.object(&["mapping", "show", "places"])["origin"], json!("added"));
    let place = |code: &str, name: &str| {
        let values = json!({"code": code, "displayName": name});
        world.business_central.create_as_user("Location", values).expect("a location")
    };
    let id = place("NORTH", "In the north");
    let rows = || {
        let rows = world.dataverse.rows("cdm_company");
        let ours = rows.into_iter().filter(|row| row["cdm_companycode"] == json!("NORTH"));
        ours.map(|row| row["cdm_name"].clone()).collect::<Vec<Value>>()
    };
    let run = || world.object(&["run", "PLACES"])["run"]["counters"].clone();
    let counters = run();
    assert_eq!((&counters["failed"], rows()), (&json!(0), vec![json!("In the north")]), "{counters}");
    world.business_central.update_as_user("Location", id, json!({"displayName": "Far north"})).expect("taken");
    assert_eq!(run()["modified"], json!(1));
    assert_eq!(rows(), [json!("Far north")]);
    // It is a mapping like any other: it can be changed, listed and taken back.
    world.object(&["field", "disable", "PLACES", "displayName"]);
    world.business_central.update_as_user("Location", id, json!({"displayName": "South"})).expect("taken");
    run();
    assert_eq!(rows(), [json!("Far north")]);
    let twice = world.couplet(&["mapping", "add", "places.json"]).failed_with_one_line();
    assert!(twice.contains("there is a mapping PLACES already"), "{twice}");
    let pairs = world.object(&["couplings", "PLACES"]);
    assert!(pairs["total"].as_u64() >= Some(1), "{pairs}");
    world.object(&["mapping", "reset", "PLACES"]);
    let gone = world.couplet(&["run", "PLACES"]).failed_with_one_line();
    assert!(gone.contains("there is no job PLACES"), "{gone}");
    assert_eq!(world.object(&["mapping", "export"]), json!({"v": 1}), "nothing is left of it");
    // Added again, it knows its pairs.
    world.object(&["mapping", "add", "places.json"]);
    assert_eq!(world.object(&["couplings", "PLACES"])["total"], pairs["total"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_mapping_with_a_table_of_its_own_on_this_machine() {
    a_mapping_of_ones_own(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_mapping_with_a_table_of_its_own_at_a_stack() {
    a_mapping_of_ones_own(true).await;
}
