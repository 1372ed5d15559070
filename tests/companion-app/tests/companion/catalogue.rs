//! The companion app, the table catalogue and the simulator show the same tables and fields, with the same types, and take
//! values for the same fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator};
use couplet_companion_app::{Field, Object, folder, objects};
use serde_json::Value;

const CATALOGUE: &str = include_str!("../../../../shared/model/catalogue/tables/business-central.json");

fn catalogue() -> Vec<Value> {
    let catalogue: Value = serde_json::from_str(CATALOGUE).unwrap();
    catalogue["tables"].as_array().unwrap().clone()
}

/// The tables that the companion app shows, by entity set.
fn companion_tables() -> BTreeMap<String, Value> {
    let shown = catalogue().into_iter().filter(|table| !table["companion"].is_null());
    shown.map(|table| (table["companion"]["entity_set"].as_str().unwrap().to_owned(), table)).collect()
}

/// The properties of a table that its companion page shows.
fn companion_properties(table: &Value) -> impl Iterator<Item = &Value> {
    table["properties"].as_array().unwrap().iter().filter(|property| property["companion"] == true)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The pages of the app, by entity set.
fn pages() -> BTreeMap<String, Object> {
    let pages = objects().into_iter().filter(|object| object.kind == "page");
    pages.map(|page| (page.properties["EntitySetName"].clone(), page)).collect()
}

fn field<'o>(page: &'o Object, name: &str) -> &'o Field {
    page.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{} shows no {name}", page.file))
}

fn is_allowed(page: &Object, property: &str) -> bool {
    page.properties.get(property).is_none_or(|value| value != "false")
}

#[test]
fn pages_are_those_of_one_group_and_keyed_by_the_id() {
    for page in pages().values() {
        for (name, value) in [
            ("PageType", "API"),
            ("APIPublisher", "couplet"),
            ("APIGroup", "sync"),
            ("APIVersion", "v1.0"),
            ("ODataKeyFields", "SystemId"),
        ] {
            assert_eq!(page.properties.get(name).map(String::as_str), Some(value), "{name} of {}", page.file);
        }
    }
}

#[test]
fn every_companion_property_has_a_field_on_a_page_and_the_other_way_round() {
    let of_pages: BTreeMap<String, BTreeSet<String>> = pages()
        .into_iter()
        .map(|(set, page)| (set, page.fields.into_iter().map(|field| field.name).collect()))
        .collect();
    let of_catalogue: BTreeMap<String, BTreeSet<String>> = companion_tables()
        .into_iter()
        .map(|(set, table)| (set, companion_properties(&table).map(|of| text(of, "name").to_owned()).collect()))
        .collect();
    assert_eq!(of_pages, of_catalogue);
}

#[test]
fn pages_show_the_tables_and_fields_that_the_catalogue_names() {
    let pages = pages();
    let mut different = Vec::new();
    for (set, table) in companion_tables() {
        let page = &pages[&set];
        // A remark in brackets tells views of one table apart.
        let name = text(&table, "name").split(" (").next().unwrap();
        assert_eq!(page.properties["SourceTable"], name, "{set}");
        for property in companion_properties(&table) {
            let name = text(property, "name");
            let Some(shown) = &field(page, name).of_table else { continue };
            // API v2.0 reads documents from buffers with ids of their own; our pages read the documents themselves.
            if name == "id" {
                continue;
            }
            let expected = text(property, "field");
            // A field that this app adds to a table stands for one that API v2.0 calculates. Names of fields do not
            // depend on the case of their letters.
            if !shown.starts_with("Couplet ") && !shown.eq_ignore_ascii_case(expected) {
                different.push(format!("{name} of {set} shows {shown}, the catalogue says {expected}"));
            }
        }
    }
    assert_eq!(different, <[String; 0]>::default());
}

#[tokio::test]
async fn the_simulator_shows_the_pages_with_the_types_of_the_catalogue() {
    let simulator = BusinessCentralSimulator::start(BusinessCentralOptions::default()).await.unwrap();
    let (tenant, client, secret) = simulator.credentials();
    let signing_in = format!("{}/{tenant}/oauth2/v2.0/token", simulator.authority());
    let grant = [
        ("grant_type", "client_credentials"),
        ("client_id", &client),
        ("client_secret", &secret),
        ("scope", "https://api.businesscentral.dynamics.com/.default"),
    ];
    let http = reqwest::Client::new();
    let signed_in: Value = http.post(signing_in).form(&grant).send().await.unwrap().json().await.unwrap();
    let metadata = http
        .get(format!("{}/api/couplet/sync/v1.0/$metadata", simulator.url()))
        .bearer_auth(text(&signed_in, "access_token"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let document = roxmltree::Document::parse(&metadata).unwrap();
    let tagged = |tag: &'static str| document.descendants().filter(move |node| node.tag_name().name() == tag);
    let types: BTreeMap<&str, BTreeMap<&str, &str>> = tagged("EntityType")
        .map(|kind| {
            let properties = kind.children().filter(|node| node.tag_name().name() == "Property");
            let typed = properties.map(|node| (node.attribute("Name").unwrap(), node.attribute("Type").unwrap()));
            (kind.attribute("Name").unwrap(), typed.collect())
        })
        .collect();
    let tables = companion_tables();
    let mut seen = 0;
    for set in tagged("EntitySet") {
        let Some(table) = tables.get(set.attribute("Name").unwrap()) else { continue };
        seen += 1;
        let kind = set.attribute("EntityType").unwrap().rsplit('.').next().unwrap();
        let expected: BTreeMap<&str, String> =
            companion_properties(table).map(|property| (text(property, "name"), edm(property))).collect();
        let shown: BTreeMap<&str, String> = types[kind]
            .iter()
            .map(|(name, of)| (*name, if of.starts_with("Edm.") { (*of).to_owned() } else { "enum".to_owned() }))
            .collect();
        assert_eq!(shown, expected, "{kind}");
    }
    assert_eq!(seen, tables.len());
}

/// How the wire calls the type of a property.
fn edm(property: &Value) -> String {
    match text(property, "type") {
        "string" | "code" => "Edm.String",
        "decimal" => "Edm.Decimal",
        "bool" => "Edm.Boolean",
        "int32" => "Edm.Int32",
        "guid" => "Edm.Guid",
        "date" => "Edm.Date",
        "datetime" => "Edm.DateTimeOffset",
        "enum" => "enum",
        other => panic!("a new type: {other}"),
    }
    .to_owned()
}

#[test]
fn f01_pages_take_the_id_of_a_new_record_and_insert_it_with_that_id() {
    let pages = pages();
    for (set, table) in companion_tables() {
        let page = &pages[&set];
        let takes_id = table["companion"]["takes_id"] == true;
        let inserts = page.source.contains("trigger OnInsertRecord(BelowxRec: Boolean): Boolean")
            && page.source.contains("Rec.Insert(true, not IsNullGuid(Rec.SystemId));")
            && page.source.contains("exit(false);");
        let id = field(page, "id");
        assert_eq!(id.of_table.as_deref(), Some("SystemId"), "{set}");
        assert_eq!((id.is_editable(), inserts), (takes_id, takes_id), "{set}");
        let makes_none = text(&table, "name") == "Sales Invoice Header" || table["companion"]["insert"] == false;
        assert_eq!(takes_id, !makes_none, "{set}");
    }
}

#[test]
fn pages_open_exactly_the_closed_fields_that_the_catalogue_says_they_open() {
    let pages = pages();
    let mut opened = 0;
    for (set, table) in companion_tables() {
        for property in companion_properties(&table) {
            let name = text(property, "name");
            let opens = field(&pages[&set], name).editable == Some(true);
            assert_eq!(opens, property["opened"] == true, "{name} of {set}");
            assert!(!opens || property["closed_in_table"] == true, "{name} of {set} is open in the table");
            opened += usize::from(opens);
        }
    }
    assert!(opened > 0);
}

#[test]
fn pages_set_again_what_the_table_replaces_when_it_inserts() {
    let pages = pages();
    let mut kept = 0;
    for (set, table) in companion_tables() {
        for property in companion_properties(&table).filter(|property| property["kept_after_insert"] == true) {
            let (name, page) = (text(property, "field"), &pages[&set]);
            let variable = format!("Given{}", name.replace(' ', ""));
            let steps = [
                format!("{variable} := Rec.\"{name}\";"),
                "Rec.Insert(true, not IsNullGuid(Rec.SystemId));".to_owned(),
                format!("Rec.Validate(\"{name}\", {variable});"),
                "Rec.Modify(true);".to_owned(),
            ];
            let places = steps.map(|step| page.source.find(&step).unwrap_or_else(|| panic!("{}: {step}", page.file)));
            assert!(places.is_sorted(), "{}: {places:?}", page.file);
            kept += 1;
        }
    }
    assert!(kept > 0);
}

#[test]
fn f01_pages_take_the_values_that_the_catalogue_says_they_take() {
    let pages = pages();
    for (set, table) in companion_tables() {
        let page = &pages[&set];
        if !is_allowed(page, "ModifyAllowed") {
            continue;
        }
        for property in companion_properties(&table).filter(|property| property["name"] != "id") {
            let taken = property["editable"] == true && property["read_only_on"] != "companion";
            let name = text(property, "name");
            // A control that says nothing is as its field of the table.
            let shown = field(page, name).editable.unwrap_or(property["closed_in_table"] != true);
            assert_eq!(shown, taken, "{name} of {set}");
        }
    }
}

#[test]
fn f01_pages_keep_early_validations_away_from_records_that_are_not_inserted_yet() {
    let pages = pages();
    let mut deferred = 0;
    for (set, table) in companion_tables() {
        let page = &pages[&set];
        for property in table["properties"].as_array().unwrap().iter().filter(|of| of["deferred"] == true) {
            deferred += 1;
            let name = text(property, "name");
            // A page variable: binding the field itself would run its validation before the insert.
            assert_eq!(field(page, name).of_table, None, "{name} of {set}");
            let insert = page.source.split_once("Rec.Insert(true").unwrap();
            let early = format!("Rec.Validate(\"{}\"", text(property, "field"));
            assert!(!insert.0.contains(&early), "{name} of {set} is validated before the insert");
        }
    }
    assert!(deferred >= 5);
}

#[test]
fn f01_new_records_get_what_the_templates_of_the_company_hold() {
    let pages = pages();
    for set in ["customers", "vendors", "items", "resources"] {
        assert!(pages[set].source.contains("NewRecord.ApplyTemplate(Inserted);"), "{set}");
    }
}

#[test]
fn f36_pages_that_create_take_the_key_of_what_they_create_or_get_it_from_the_server() {
    // Number series, lines that count themselves, and what the address of the order says.
    let given_by_the_server = ["documentType", "documentNo", "lineNo"];
    let pages = pages();
    for (set, table) in companion_tables().iter().filter(|(_, table)| table["companion"]["insert"] == true) {
        let page = &pages[set];
        if !is_allowed(page, "InsertAllowed") {
            continue;
        }
        for key in table["primary_key"].as_array().unwrap() {
            let shown = page.fields.iter().find(|field| field.of_table.as_deref() == key.as_str());
            let shown = shown.unwrap_or_else(|| panic!("{set} shows no {key}"));
            let from_series = shown.name == "number" && ["salesOrders", "salesQuotes"].contains(&set.as_str());
            let from_server = given_by_the_server.contains(&shown.name.as_str());
            assert!(shown.is_editable() || from_series || from_server, "{} of {set}", shown.name);
        }
    }
}

#[test]
fn f36_pages_take_the_kind_of_an_object_before_its_number() {
    let pages = pages();
    for (set, kind, number) in [
        ("salesOrderLines", "type", "lineObjectNumber"),
        ("salesQuoteLines", "type", "lineObjectNumber"),
        ("priceListLines", "assetType", "assetNo"),
    ] {
        let at = |name: &str| pages[set].fields.iter().position(|field| field.name == name).unwrap();
        assert!(at(kind) < at(number), "{set} validates {number} while {kind} is blank");
    }
    for set in ["salesOrderLines", "salesQuoteLines"] {
        assert_eq!(pages[set].properties["AutoSplitKey"], "true", "or every line would be line 0");
    }
}

#[test]
fn f36_the_bill_to_address_of_orders_is_open_although_the_standard_api_locks_it() {
    let orders = &pages()["salesOrders"];
    let is_address = |field: &&Field| field.name.starts_with("billTo") && field.name != "billToName";
    let address: Vec<&Field> = orders.fields.iter().filter(is_address).collect();
    assert_eq!(address.len(), 6);
    assert!(address.iter().all(|field| field.is_editable()), "{address:?}");
}

#[test]
fn f36_the_app_asks_for_the_application_that_has_the_archives_of_orders() {
    let app: Value = serde_json::from_str(&fs::read_to_string(folder().join("app.json")).unwrap()).unwrap();
    let names_archives = catalogue().iter().any(|table| table["standard"]["entity_set"] == "salesOrderArchives");
    assert!(names_archives && app["application"] == "29.0.0.0", "archives are in API v2.0 from application 29.0 on");
}
