//! The companion app's pages and the table catalogue say the same.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

type Pages = BTreeMap<String, BTreeSet<String>>;

const CATALOGUE: &str = include_str!("../../../../shared/model/catalogue/tables/business-central.json");

fn companion_of_the_catalogue() -> Pages {
    let catalogue: Value = serde_json::from_str(CATALOGUE).unwrap();
    let tables = catalogue["tables"].as_array().unwrap().iter();
    tables
        .filter(|table| !table["companion"].is_null())
        .map(|table| {
            let properties =
                table["properties"].as_array().unwrap().iter().filter(|property| property["companion"] == true);
            let names = properties.map(|property| property["name"].as_str().unwrap().to_owned()).collect();
            (table["companion"]["entity_set"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

/// Value of a page property such as `EntitySetName = 'items';`.
fn property<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let line = source.lines().map(str::trim).find(|line| line.starts_with(&format!("{name} = ")))?;
    Some(line[name.len() + 3..].trim_end_matches(';').trim_matches('\''))
}

fn pages_of_the_app() -> Pages {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../infra/business-central/src");
    let mut pages = Pages::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".Page.al") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for (name, value) in [
            ("PageType", "API"),
            ("APIPublisher", "couplet"),
            ("APIGroup", "sync"),
            ("APIVersion", "v1.0"),
            ("ODataKeyFields", "SystemId"),
        ] {
            assert_eq!(property(&source, name), Some(value), "{}", path.display());
        }
        let fields = source.lines().filter_map(|line| line.trim().strip_prefix("field("));
        let names = fields
            .filter(|field| field.contains(';'))
            .map(|field| field.split(';').next().unwrap().to_owned())
            .collect();
        let earlier = pages.insert(property(&source, "EntitySetName").unwrap().to_owned(), names);
        assert!(earlier.is_none(), "{} repeats an entity set", path.display());
    }
    pages
}

#[test]
fn every_companion_property_has_a_field_on_a_page_and_the_other_way_round() {
    assert_eq!(pages_of_the_app(), companion_of_the_catalogue());
}

/// One field of a page: what it is bound to, and whether it takes values.
struct Field {
    bound_to: String,
    editable: bool,
}

/// The fields of the page of an entity set, and the page's source.
fn page(entity_set: &str) -> (BTreeMap<String, Field>, String) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../infra/business-central/src");
    let sources =
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let source = sources
        .filter(|source| source.contains("PageType = API"))
        .find(|source| property(source, "EntitySetName") == Some(entity_set))
        .unwrap_or_else(|| panic!("no page for {entity_set}"));
    let mut fields = BTreeMap::new();
    for (at, _) in source.match_indices("field(") {
        let text = &source[at + 6..];
        let Some((name, rest)) = text.split_once("; ") else { continue };
        if name.contains(|letter: char| !letter.is_ascii_alphanumeric()) {
            continue;
        }
        let head = rest.lines().next().unwrap().trim_end_matches(')');
        // A field ends at the brace that closes its own block.
        let block = &rest[..rest.find("\n                }").unwrap()];
        let editable = !block.contains("Editable = false");
        fields.insert(name.to_owned(), Field { bound_to: head.to_owned(), editable });
    }
    (fields, source)
}

fn companion_tables() -> Vec<Value> {
    let catalogue: Value = serde_json::from_str(CATALOGUE).unwrap();
    catalogue["tables"].as_array().unwrap().iter().filter(|table| !table["companion"].is_null()).cloned().collect()
}

#[test]
fn f01_pages_take_the_id_of_a_new_record_and_insert_it_with_that_id() {
    for table in companion_tables() {
        let (fields, source) = page(table["companion"]["entity_set"].as_str().unwrap());
        let takes_id = table["companion"]["takes_id"] == true;
        let inserts = source.contains("trigger OnInsertRecord(BelowxRec: Boolean): Boolean")
            && source.contains("Rec.Insert(true, not IsNullGuid(Rec.SystemId));")
            && source.contains("exit(false);");
        assert_eq!(fields["id"].bound_to, "Rec.SystemId", "{}", table["name"]);
        assert_eq!((fields["id"].editable, inserts), (takes_id, takes_id), "{}", table["name"]);
        let makes_none = table["name"] == "Sales Invoice Header" || table["companion"]["insert"] == false;
        assert_eq!(takes_id, !makes_none, "{}", table["name"]);
    }
}

#[test]
fn f01_pages_take_the_values_that_the_catalogue_says_they_take() {
    for table in companion_tables() {
        let (fields, source) = page(table["companion"]["entity_set"].as_str().unwrap());
        if source.contains("ModifyAllowed = false") {
            continue;
        }
        let properties = table["properties"].as_array().unwrap().iter();
        for property in properties.filter(|property| property["companion"] == true && property["name"] != "id") {
            let name = property["name"].as_str().unwrap();
            let taken = property["editable"] == true && property["read_only_on"] != "companion";
            assert_eq!(fields[name].editable, taken, "{} of {}", name, table["name"]);
        }
    }
}

#[test]
fn f01_pages_keep_early_validations_away_from_records_that_are_not_inserted_yet() {
    let mut deferred = 0;
    for table in companion_tables() {
        let (fields, source) = page(table["companion"]["entity_set"].as_str().unwrap());
        for property in table["properties"].as_array().unwrap() {
            if property["deferred"] != true {
                continue;
            }
            deferred += 1;
            let (name, field) = (property["name"].as_str().unwrap(), property["field"].as_str().unwrap());
            // A page variable: binding the field itself would run its validation before the insert.
            assert!(!fields[name].bound_to.starts_with("Rec."), "{name} of {}", table["name"]);
            let insert = source.split_once("Rec.Insert(true").unwrap();
            let early = format!("Rec.Validate(\"{field}\"");
            assert!(!insert.0.contains(&early), "{name} of {} is validated before the insert", table["name"]);
        }
    }
    assert_eq!(deferred, 5);
}

#[test]
fn f01_new_records_get_what_the_templates_of_the_company_hold() {
    for set in ["customers", "vendors", "items", "resources"] {
        let (_, source) = page(set);
        assert!(source.contains("NewRecord.ApplyTemplate(Inserted);"), "{set}");
    }
}

#[test]
fn f36_pages_that_create_take_the_key_of_what_they_create_or_get_it_from_the_server() {
    // Number series, lines that count themselves, and what the address of the order says.
    let given_by_the_server = ["documentType", "documentNo", "lineNo"];
    for table in companion_tables().iter().filter(|table| table["companion"]["insert"] == true) {
        let set = table["companion"]["entity_set"].as_str().unwrap();
        let (fields, source) = page(set);
        if source.contains("InsertAllowed = false") {
            continue;
        }
        let key = table["primary_key"].as_array().unwrap().iter().map(|field| field.as_str().unwrap());
        for field in key {
            let (name, shown) = fields
                .iter()
                .find(|(_, shown)| shown.bound_to.trim_start_matches("Rec.").trim_matches('"') == field)
                .unwrap_or_else(|| panic!("{set} shows no {field}"));
            let from_series = name == "number" && set == "salesOrders";
            assert!(shown.editable || from_series || given_by_the_server.contains(&name.as_str()), "{name} of {set}");
        }
    }
}

#[test]
fn f36_pages_take_the_kind_of_an_object_before_its_number() {
    for (set, kind, number) in
        [("salesOrderLines", "type", "lineObjectNumber"), ("priceListLines", "assetType", "assetNo")]
    {
        let (_, source) = page(set);
        let at = |name: &str| source.find(&format!("field({name};")).unwrap();
        assert!(at(kind) < at(number), "{set} validates {number} while {kind} is blank");
    }
    assert!(page("salesOrderLines").1.contains("AutoSplitKey = true;"), "or every line would be line 0");
}

#[test]
fn f36_the_bill_to_address_of_orders_is_open_although_the_standard_api_locks_it() {
    let (fields, _) = page("salesOrders");
    let address: Vec<&String> =
        fields.keys().filter(|name| name.starts_with("billTo") && *name != "billToName").collect();
    assert_eq!(address.len(), 6);
    assert!(address.iter().all(|name| fields[*name].editable), "{address:?}");
}

#[test]
fn f36_the_permission_set_covers_what_pages_and_their_flow_fields_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../infra/business-central");
    let set = std::fs::read_to_string(folder.join("src/CoupletSync.PermissionSet.al")).unwrap();
    let mut tables: BTreeSet<String> = companion_tables()
        .iter()
        .map(|table| page(table["companion"]["entity_set"].as_str().unwrap()).1)
        .map(|source| property(&source, "SourceTable").unwrap().trim_matches('"').to_owned())
        .collect();
    // Read by flow fields, by the currency's translation, and by the archives of API v2.0.
    let beside = [
        "Opportunity Entry",
        "Item Ledger Entry",
        "Res. Capacity Entry",
        "Sales Invoice Line",
        "Sales Shipment Header",
        "General Ledger Setup",
        "Sales Header Archive",
        "Sales Line Archive",
    ];
    tables.extend(beside.map(str::to_owned));
    let granted = |table: &String| {
        [format!("tabledata {table} = R"), format!("tabledata \"{table}\" = R")].iter().any(|line| set.contains(line))
    };
    assert_eq!(tables.iter().filter(|table| !granted(table)).collect::<Vec<_>>(), Vec::<&String>::new());

    let app: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("app.json")).unwrap()).unwrap();
    let catalogue: Value = serde_json::from_str(CATALOGUE).unwrap();
    let names_archives = catalogue["tables"]
        .as_array()
        .unwrap()
        .iter()
        .any(|table| table["standard"]["entity_set"] == "salesOrderArchives");
    assert!(names_archives && app["application"] == "29.0.0.0", "archives are in API v2.0 from application 29.0 on");
}

#[test]
fn the_app_file_reserves_the_object_numbers_it_uses() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../infra/business-central");
    let app: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("app.json")).unwrap()).unwrap();
    let range = (app["idRanges"][0]["from"].as_u64().unwrap(), app["idRanges"][0]["to"].as_u64().unwrap());
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder.join("src")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in source.lines() {
            let mut words = line.split_whitespace();
            if let (Some("page" | "codeunit" | "tableextension" | "permissionset"), Some(Ok(number))) =
                (words.next(), words.next().map(str::parse::<u64>))
            {
                assert!((range.0..=range.1).contains(&number) && seen.insert(number), "{line}");
            }
        }
    }
    assert!(seen.len() > 15);
}
