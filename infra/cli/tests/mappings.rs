//! Mappings are the operator's: what the command shows and changes of them, on this machine and at a deployed stack.

mod aws;
mod command;

use aws::{Aws, STACK};
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use command::{Ended, Workplace};
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

/// The default mappings, without any system: nothing is asked but the mappings.
fn defaults(more: &str) -> Workplace {
    Workplace::with_settings("http://127.0.0.1:1", &format!("[switches]\nownership = \"person\"\n{more}"))
}

fn object(workplace: &Workplace, arguments: &[&str]) -> Value {
    workplace.couplet(&[arguments, &["--json"]].concat()).object()
}

fn filter(shown: &Value, side: &str) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = shown[side].as_array().expect("a filter").iter();
    conditions
        .map(|one| {
            let column = one.get("column").or_else(|| one.get("property")).expect("a column");
            (text(column), text(&one["op"]), one["value"].clone())
        })
        .collect()
}

/// What a default mapping is expected to be: its table of Dataverse, its direction, and both filters.
struct Expected {
    mapping: &'static str,
    table: &'static str,
    direction: &'static str,
    business_central: Value,
    dataverse: Value,
}

fn assert_default(more: &str, expected: &Expected) {
    let workplace = defaults(more);
    let shown = object(&workplace, &["mapping", "show", expected.mapping]);
    assert_eq!(shown["dataverse_table"], json!(expected.table), "{shown}");
    assert_eq!(shown["direction"], json!(expected.direction), "{shown}");
    assert_eq!(shown["only_coupled"], json!(true), "{shown}");
    assert_eq!(json!(filter(&shown, "business_central_filter")), expected.business_central, "{shown}");
    assert_eq!(json!(filter(&shown, "dataverse_filter")), expected.dataverse, "{shown}");
    assert_eq!((&shown["revision"], &shown["origin"]), (&json!(0), &json!("default")));
}

/// The condition that a row belongs to this company or to none.
fn of_the_company() -> Value {
    json!(["bcbi_companyid", "in", ["$company_id", null]])
}

#[test]
fn c_099_the_default_mapping_of_customers() {
    let dataverse = json!([["statecode", "eq", 0], ["customertypecode", "eq", 3], of_the_company()]);
    let business_central = json!([["blocked", "eq", " "]]);
    assert_default(
        "",
        &Expected { mapping: "CUSTOMER", table: "account", direction: "bidirectional", business_central, dataverse },
    );
}

#[test]
fn c_100_the_default_mapping_of_vendors() {
    let dataverse = json!([["statecode", "eq", 0], ["customertypecode", "eq", 11], of_the_company()]);
    let business_central = json!([["blocked", "eq", " "]]);
    assert_default(
        "",
        &Expected { mapping: "VENDOR", table: "account", direction: "bidirectional", business_central, dataverse },
    );
}

#[test]
fn c_101_the_default_mapping_of_contacts() {
    let dataverse = json!([
        ["parentcustomerid", "ne", null],
        ["statecode", "eq", 0],
        ["parentcustomeridtype", "eq", "account"],
        of_the_company()
    ]);
    let business_central = json!([["type", "eq", "Person"], ["companyNumber", "ne", ""]]);
    assert_default(
        "",
        &Expected { mapping: "CONTACT", table: "contact", direction: "bidirectional", business_central, dataverse },
    );
}

#[test]
fn c_102_the_default_mapping_of_items() {
    // Sales Inventory is the first option by place, and the number 1 in Dataverse.
    let dataverse = json!([of_the_company(), ["producttypecode", "eq", 1], ["statecode", "eq", 0]]);
    let business_central = json!([["blocked", "eq", false]]);
    assert_default(
        "",
        &Expected {
            mapping: "ITEM-PRODUCT",
            table: "product",
            direction: "bidirectional",
            business_central,
            dataverse,
        },
    );
}

#[test]
fn c_103_the_default_mapping_of_currencies() {
    let (table, direction) = ("transactioncurrency", "to_dataverse");
    assert_default(
        "",
        &Expected { mapping: "CURRENCY", table, direction, business_central: json!([]), dataverse: json!([]) },
    );
}

#[test]
fn c_104_the_default_mapping_of_salespeople() {
    let dataverse =
        json!([["isdisabled", "eq", false], ["islicensed", "eq", true], ["isintegrationuser", "eq", false]]);
    let (table, direction) = ("systemuser", "from_dataverse");
    assert_default("", &Expected { mapping: "SALESPEOPLE", table, direction, business_central: json!([]), dataverse });
}

#[test]
fn c_105_the_default_mapping_of_posted_invoices() {
    let (mapping, table, direction) = ("POSTEDSALESINV-INV", "invoice", "to_dataverse");
    let dataverse = json!([of_the_company()]);
    assert_default("", &Expected { mapping, table, direction, business_central: json!([]), dataverse });
}

#[test]
fn c_106_the_default_mapping_of_price_lists() {
    let business_central =
        json!([["priceType", "eq", "Sale"], ["amountType", "eq", "Price"], ["allowUpdatingDefaults", "eq", true]]);
    let (mapping, table, direction) = ("PLHEADER-PRICE", "pricelevel", "to_dataverse");
    let dataverse = json!([of_the_company()]);
    assert_default(
        "extended_pricing = true\ndefault_price_list_code_is_set = true\n",
        &Expected { mapping, table, direction, business_central, dataverse },
    );
}

fn rows(workplace: &Workplace, mapping: &str) -> Vec<Value> {
    let listed = object(workplace, &["field", "list", mapping]);
    listed["fields"].as_array().expect("rows").clone()
}

fn row(workplace: &Workplace, mapping: &str, name: &str) -> Value {
    let mut rows = rows(workplace, mapping).into_iter();
    rows.find(|row| row["row"] == json!(name)).unwrap_or_else(|| panic!("{mapping} has a row {name}"))
}

fn jobs(workplace: &Workplace, name: &str) -> usize {
    let jobs = object(workplace, &["jobs"]);
    jobs["jobs"].as_array().expect("jobs").iter().filter(|job| job["name"] == json!(name)).count()
}

#[test]
fn c_107_the_field_rows_of_customers() {
    let workplace = defaults("");
    assert_eq!(rows(&workplace, "CUSTOMER").len(), 20);
    assert_eq!(row(&workplace, "CUSTOMER", "salespersonCode=ownerid")["not_null"], json!(true));
    assert_eq!(row(&workplace, "CUSTOMER", "state=address1_stateorprovince")["not_null"], json!(false));
    assert_eq!(jobs(&workplace, "CUSTOMER"), 1);
}

#[test]
fn c_108_the_field_rows_of_items() {
    let workplace = defaults("unit_groups = false\n");
    let found = rows(&workplace, "ITEM-PRODUCT");
    assert_eq!(found.len(), 11);
    for field in ["Vendor No.", "Vendor Item No."] {
        assert!(found.iter().any(|row| row["field"] == json!(field)), "{field}");
    }
    assert_eq!(object(&workplace, &["mapping", "show", "ITEM-PRODUCT"])["direction"], json!("bidirectional"));
    assert_eq!(jobs(&workplace, "ITEM-PRODUCT"), 1);
}

#[test]
fn c_109_only_ids_can_be_never_blank() {
    let workplace = defaults("");
    let set = |row: &str| workplace.couplet(&["field", "set", "CONTACT", row, "--not-null", "true"]);
    assert_eq!(set("salespersonCode=ownerid").code, 0);
    let line = set("surname=lastname").failed_with_one_line();
    assert!(
        line.contains("CONTACT, field surname=lastname: not_null applies to id fields of Dataverse only"),
        "{line}"
    );
    assert_eq!(row(&workplace, "CONTACT", "surname=lastname")["not_null"], json!(false));
}

#[test]
fn c_110_a_row_that_is_never_blank_cannot_be_cleared() {
    let workplace = defaults("");
    let refused = workplace.couplet(&["field", "set", "CUSTOMER", "ownerid", "--clear-on-failure", "true"]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("CUSTOMER, field salespersonCode=ownerid: ") && line.contains("not_null"), "{line}");
    assert_eq!(row(&workplace, "CUSTOMER", "salespersonCode=ownerid")["clear_on_failure"], json!(false));
}

#[test]
fn c_111_what_is_reset_loses_its_rows_and_others_keep_theirs() {
    let workplace = defaults("");
    for mapping in ["CUSTOMER", "VENDOR"] {
        object(&workplace, &["field", "add", mapping, "=creditonhold", "--constant", "true"]);
    }
    let added =
        |mapping: &str| rows(&workplace, mapping).iter().filter(|row| row["row"] == json!("=creditonhold")).count();
    assert_eq!((added("CUSTOMER"), added("VENDOR")), (1, 1));
    object(&workplace, &["mapping", "reset", "CUSTOMER"]);
    assert_eq!((added("CUSTOMER"), added("VENDOR")), (0, 1));
}

#[test]
fn c_112_mappings_are_listed_after_all_they_depend_on() {
    let workplace = defaults("unit_groups = false\n");
    let listed = object(&workplace, &["mapping", "list"]);
    let names: Vec<String> = listed["mappings"]
        .as_array()
        .expect("mappings")
        .iter()
        .map(|mapping| mapping["mapping"].as_str().expect("a name").to_owned())
        .collect();
    let place = |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("{name}"));
    let order = ["SALESPEOPLE", "CURRENCY", "CUSTOMER", "CONTACT"].map(place);
    assert!(order.is_sorted(), "{names:?}");
    assert!(place("UNIT OF MEASURE") < place("ITEM-PRODUCT"), "{names:?}");
    let mut apart = names.clone();
    apart.sort_unstable();
    apart.dedup();
    assert_eq!(apart.len(), names.len(), "each of them once");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_113_a_mapping_cannot_be_left_without_rows() {
    let workplace = defaults("");
    let refused =
        workplace.couplet(&["field", "disable", "CURRENCY", "isocurrencycode", "currencyname", "currencysymbol"]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("CURRENCY") && line.contains("there are no field mapping rows"), "{line}");
    assert!(rows(&workplace, "CURRENCY").iter().all(|row| row["enabled"] == json!(true)));
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

#[test]
fn c_115_mappings_are_reset_to_what_they_were() {
    let workplace = defaults("unit_groups = false\n");
    let counts = [
        ("CUSTOMER", 20),
        ("CONTACT", 20),
        ("CURRENCY", 3),
        ("SALESPEOPLE", 3),
        ("ITEM-PRODUCT", 11),
        ("RESOURCE-PRODUCT", 7),
        ("OPPORTUNITY", 7),
        ("POSTEDSALESINV-INV", 26),
    ];
    let before = object(&workplace, &["mapping", "list"]);
    let list = before["mappings"].as_array().expect("mappings");
    let both_ways = list.iter().filter(|mapping| mapping["direction"] == json!("bidirectional"));
    let both_ways: Vec<&str> = both_ways.map(|mapping| mapping["mapping"].as_str().expect("a name")).collect();
    assert!(both_ways.len() >= 4, "{both_ways:?}");
    for name in both_ways {
        object(&workplace, &["mapping", "set", name, "--direction", "from-dataverse"]);
    }
    object(&workplace, &["field", "disable", "CUSTOMER", "fax"]);
    object(&workplace, &["mapping", "reset", "--all"]);
    let after = object(&workplace, &["mapping", "list"]);
    assert_eq!(after["mappings"], before["mappings"]);
    for (mapping, count) in counts {
        let used = rows(&workplace, mapping).iter().filter(|row| row["enabled"] == json!(true)).count();
        assert_eq!(used, count, "{mapping}");
    }
}

#[test]
fn c_116_rows_of_both_ways_travel_only_as_far_as_their_mapping() {
    let workplace = defaults("");
    object(&workplace, &["mapping", "set", "CUSTOMER", "--direction", "to-dataverse"]);
    let jobs = object(&workplace, &["jobs"]);
    let job = jobs["jobs"].as_array().expect("jobs").iter().find(|job| job["name"] == json!("CUSTOMER"));
    assert_eq!(job.expect("a job")["direction"], json!("to_dataverse"));
    let row = row(&workplace, "CUSTOMER", "faxNo=fax");
    assert_eq!(row["direction"], json!("bidirectional"), "the row is kept as it was");
}

#[test]
fn what_is_exported_is_imported_elsewhere() {
    let (here, there) = (defaults(""), defaults(""));
    object(&here, &["mapping", "set", "CUSTOMER", "--only-coupled", "false", "--update-conflict", "to-dataverse"]);
    object(&here, &["mapping", "filter", "VENDOR", "--bc", "city in (Paris, \"New York\")"]);
    object(&here, &["field", "add", "VENDOR", "=creditonhold", "--constant", "false"]);
    assert_eq!(here.couplet(&["mapping", "export", "mappings.json"]).code, 0);
    let again = here.couplet(&["mapping", "export", "mappings.json"]).failed_with_one_line();
    assert!(again.contains("name a file that is not there yet"), "{again}");
    std::fs::copy(here.path("mappings.json"), there.path("mappings.json")).expect("a copy");
    let look = object(&there, &["mapping", "import", "mappings.json", "--dry-run"]);
    assert_eq!((&look["changed"], look["differences"].as_array().map(Vec::len)), (&json!(false), Some(4)), "{look}");
    assert!(!there.has("data"), "a look writes nothing");
    object(&there, &["mapping", "import", "mappings.json"]);
    assert_eq!(object(&there, &["mapping", "export"]), object(&here, &["mapping", "export"]));
    for mapping in ["CUSTOMER", "VENDOR"] {
        let shown = |workplace: &Workplace| {
            let mut shown = object(workplace, &["mapping", "show", mapping]);
            shown["revision"].take();
            shown
        };
        assert_eq!(shown(&here), shown(&there));
    }
    // What is wrong in a file is named, all of it, and nothing is taken over.
    let wrong = json!({"v": 1, "mappings": {
        "CUSTOMERS": {"only_coupled": true},
        "VENDOR": {"fields": [{"business_central": "faxNo", "dataverse": "fa", "enabled": false}]}
    }});
    std::fs::write(there.path("wrong.json"), wrong.to_string()).expect("a file");
    let line = there.couplet(&["mapping", "import", "wrong.json"]).failed_with_one_line();
    assert!(line.contains("did you mean CUSTOMER?") && line.contains("did you mean faxNo=fax?"), "{line}");
    assert_eq!(object(&there, &["mapping", "export"]), object(&here, &["mapping", "export"]));
}

#[test]
fn what_cannot_be_meant_is_named_with_the_remedy() {
    let workplace = defaults("");
    for (arguments, said) in [
        (&["mapping", "show", "CUSTOMR"][..], "there is no mapping CUSTOMR; did you mean CUSTOMER?"),
        (&["mapping", "show", "UNIT OF MEASURE"], "switched off by the settings"),
        (&["mapping", "set", "CURRENCY", "--direction", "both"], "CURRENCY: goes to Dataverse only"),
        (&["mapping", "filter", "CUSTOMER", "--bc", "citty eq Paris"], "did you mean city?"),
        (&["mapping", "filter", "CUSTOMER", "--bc", "city is Paris"], "eq, ne or in is expected"),
        (&["mapping", "filter", "CUSTOMER", "--bc", "blocked eq Nothing"], "none of its options"),
        (&["field", "disable", "CUSTOMER", "faxx"], "did you mean fax?"),
        (&["field", "add", "CUSTOMER", "faxNo"], "names no field row: write the field of Business Central"),
        (&["field", "add", "CUSTOMER", "faxNo=fax"], "a field row faxNo=fax already"),
        (&["field", "add", "CUSTOMER", "faxNo=faxx"], "has no field faxx; did you mean fax?"),
        (&["field", "set", "CUSTOMER", "fax", "--transform", "uppercas"], "did you mean uppercase?"),
        (&["field", "set", "CUSTOMER", "creditlimit", "--transform", "trim"], "a transformation is for texts"),
        (
            &["mapping", "template", "CUSTOMER", "--direction", "to-dataverse", "--priority", "7", "--remove"],
            "has no template to Dataverse with the priority 7",
        ),
        (
            &["mapping", "template", "CUSTOMER", "--direction", "to-dataverse", "--priority", "7", "--value", "faxx=1"],
            "did you mean fax?",
        ),
        (&["mapping", "reset", "CUSTOMR"], "did you mean CUSTOMER?"),
        (&["mapping", "import", "nowhere.json"], "nowhere.json cannot be read"),
    ] {
        let line = workplace.couplet(arguments).failed_with_one_line();
        assert!(line.contains(said), "{arguments:?}: {line}");
    }
    for arguments in [&["mapping", "set", "CUSTOMER"][..], &["mapping", "filter", "CUSTOMER"], &["mapping"], &["field"]]
    {
        assert_eq!(workplace.couplet(arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(object(&workplace, &["mapping", "list"])["revision"], json!(0), "nothing was changed");
}

#[test]
fn help_teaches_with_an_example() {
    let workplace = Workplace::empty();
    for command in ["show", "set", "filter", "template", "add", "reset", "export", "import"] {
        let help = workplace.couplet(&["mapping", command, "--help"]);
        assert!(help.results.contains(&format!("couplet mapping {command} ")), "{}", help.results);
    }
    for command in ["list", "add", "set", "reset", "enable", "disable"] {
        let help = workplace.couplet(&["field", command, "--help"]);
        assert!(help.results.contains(&format!("couplet field {command} CUSTOMER")), "{}", help.results);
    }
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
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_mapping_with_a_table_of_its_own_on_this_machine() {
    a_mapping_of_ones_own(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_mapping_with_a_table_of_its_own_at_a_stack() {
    a_mapping_of_ones_own(true).await;
}
