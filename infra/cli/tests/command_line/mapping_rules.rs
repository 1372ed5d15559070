//! The mappings as Couplet brings them along, and what of them can be changed: shown and checked by the command alone, without
//! any system.

use crate::command::Workplace;
use serde_json::{Value, json};

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
fn c_109_r6_only_ids_can_be_never_blank() {
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
fn c_110_r6_a_row_that_is_never_blank_cannot_be_cleared() {
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
fn c_112_r164_mappings_are_listed_after_all_they_depend_on() {
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

#[test]
fn c_113_a_mapping_cannot_be_left_without_rows() {
    let workplace = defaults("");
    let refused =
        workplace.couplet(&["field", "disable", "CURRENCY", "isocurrencycode", "currencyname", "currencysymbol"]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("CURRENCY") && line.contains("there are no field mapping rows"), "{line}");
    assert!(rows(&workplace, "CURRENCY").iter().all(|row| row["enabled"] == json!(true)));
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
