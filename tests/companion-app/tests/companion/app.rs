//! Every file of the companion app is AL, and its objects fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use couplet_companion_app::{Object, faults, folder, objects, sources};
use serde_json::Value;

/// Fields of tables that are calculated from rows of other tables, which their readers have to be allowed to read.
const FLOW_FIELDS: &[(&str, &str, &[&str])] = &[
    ("Item", "Inventory", &["Item Ledger Entry"]),
    ("Resource", "Capacity", &["Res. Capacity Entry"]),
    ("Opportunity", "Estimated Value (LCY)", &["Opportunity Entry"]),
    ("Opportunity", "Estimated Closing Date", &["Opportunity Entry"]),
    ("Opportunity", "Current Sales Cycle Stage", &["Opportunity Entry"]),
    ("Opportunity", "Probability %", &["Opportunity Entry"]),
    ("Sales Header", "Amount", &["Sales Line"]),
    ("Sales Header", "Amount Including VAT", &["Sales Line"]),
    ("Sales Header", "Last Shipment Date", &["Sales Shipment Header"]),
    ("Sales Header", "Completely Shipped", &["Sales Line"]),
    ("Sales Line", "Reserved Quantity", &["Reservation Entry"]),
    ("Sales Line Archive", "Couplet Document Id", &["Sales Header Archive"]),
    ("Sales Invoice Header", "Amount", &["Sales Invoice Line"]),
    ("Sales Invoice Header", "Amount Including VAT", &["Sales Invoice Line"]),
    ("Sales Invoice Header", "Invoice Discount Amount", &["Sales Invoice Line"]),
    ("Sales Invoice Header", "Remaining Amount", &["Detailed Cust. Ledg. Entry"]),
    ("Sales Invoice Header", "Closed", &["Cust. Ledger Entry"]),
    ("Sales Invoice Header", "Cancelled", &["Cancelled Document"]),
    ("Sales Invoice Header", "Corrective", &["Cancelled Document"]),
    ("Sales Line", "Couplet Document Id", &["Sales Header"]),
    ("Sales Invoice Line", "Couplet Document Id", &["Sales Invoice Header"]),
    ("Customer", "Balance (LCY)", &["Detailed Cust. Ledg. Entry"]),
    ("Customer", "Balance Due (LCY)", &["Detailed Cust. Ledg. Entry"]),
    ("Customer", "Sales (LCY)", &["Cust. Ledger Entry"]),
    ("Customer", "Outstanding Orders (LCY)", &["Sales Line"]),
    ("Customer", "Outstanding Invoices (LCY)", &["Sales Line"]),
    ("Customer", "Shipped Not Invoiced (LCY)", &["Sales Line"]),
    ("Customer", "Outstanding Serv. Orders (LCY)", &["Service Line"]),
    ("Customer", "Serv Shipped Not Invoiced(LCY)", &["Service Line"]),
    ("Customer", "Outstanding Serv.Invoices(LCY)", &["Service Line"]),
];

fn is_page(object: &Object) -> bool {
    object.kind == "page"
}

#[test]
fn every_file_parses() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(file, source)| {
            faults(source).into_iter().map(move |fault| format!("{file}:{}: {}", fault.line, fault.what))
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
    assert!(sources().len() > 20);
}

#[test]
fn a_file_with_a_fault_does_not_parse() {
    let whole = &sources()["LocalCurrency.Codeunit.al"];
    assert_eq!(faults(whole), []);
    for (good, bad) in [("exit(LocalCode);", "exit(LocalCode;"), ("    begin\n", "\n"), ("codeunit 50130", "codeunit")]
    {
        let broken = whole.replacen(good, bad, 1);
        assert_ne!(&broken, whole);
        assert_ne!(faults(&broken), [], "{bad}");
    }
}

#[test]
fn numbers_and_names_are_unique_and_belong_to_the_app() {
    let app: Value =
        serde_json::from_str(&fs::read_to_string(folder().join("app.json")).expect("a file")).expect("JSON");
    let bound = |name: &str| app["idRanges"][0][name].as_u64().expect("a bound");
    let range = bound("from")..=bound("to");
    let (mut numbers, mut names, mut sets) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for object in objects() {
        let Object { file, kind, number, name, .. } = &object;
        assert!(range.contains(number), "{file}: {number} is not in the range of the app");
        assert_eq!(numbers.insert(*number, file.clone()), None, "{file} has the number {number} of another");
        assert!(names.insert((kind.clone(), name.clone())), "{file} has the name {name} of another");
        assert!(name.starts_with("Couplet ") && name.chars().count() <= 30, "{file}: {name}");
        if is_page(&object) {
            for property in ["EntityName", "EntitySetName"] {
                assert!(sets.insert(object.properties[property].clone()), "{file} repeats {property}");
            }
            let fields: BTreeSet<&str> = object.fields.iter().map(|field| field.name.as_str()).collect();
            assert_eq!(fields.len(), object.fields.len(), "{file} shows a field twice");
        }
    }
    assert!(numbers.len() > 20);
}

/// Rights on tables that pages and code of the app need, by table.
fn needed(objects: &[Object]) -> BTreeMap<String, BTreeSet<char>> {
    let mut needed: BTreeMap<String, BTreeSet<char>> = BTreeMap::new();
    for object in objects {
        for table in &object.records {
            needed.entry(table.clone()).or_default().insert('R');
        }
        let Some(table) = object.properties.get("SourceTable") else { continue };
        let allows = |property: &str| {
            [property, "Editable"].iter().all(|name| object.properties.get(*name).is_none_or(|value| value != "false"))
        };
        let rights = needed.entry(table.clone()).or_default();
        rights.insert('R');
        for (property, right) in [("InsertAllowed", 'I'), ("ModifyAllowed", 'M'), ("DeleteAllowed", 'D')] {
            if allows(property) {
                rights.insert(right);
            }
        }
        for field in object.fields.iter().filter_map(|field| field.of_table.as_deref()) {
            let read = FLOW_FIELDS.iter().find(|(of, name, _)| of == table && *name == field);
            for read in read.map(|(_, _, tables)| *tables).unwrap_or_default() {
                needed.entry((*read).to_owned()).or_default().insert('R');
            }
        }
    }
    needed
}

#[test]
fn the_permission_set_grants_all_that_the_app_uses_and_every_object_of_it() {
    let objects = objects();
    let granted: BTreeMap<(&str, &str), &str> = objects
        .iter()
        .flat_map(|object| &object.permissions)
        .map(|permission| ((permission.kind.as_str(), permission.name.as_str()), permission.rights.as_str()))
        .collect();
    let mut missing = Vec::new();
    for (table, rights) in needed(&objects) {
        // Virtual tables are open to everybody.
        let given = granted.get(&("tabledata", table.as_str())).copied().unwrap_or_default();
        let lacking: String = rights.into_iter().filter(|right| !given.contains(*right)).collect();
        if !lacking.is_empty() {
            missing.push(format!("tabledata {table} = {lacking}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());

    let own = |kind: &str| -> BTreeSet<&str> {
        objects.iter().filter(|object| object.kind == kind).map(|object| object.name.as_str()).collect()
    };
    for kind in ["page", "codeunit"] {
        let listed: BTreeSet<&str> = granted
            .iter()
            .filter(|((of, _), rights)| *of == kind && **rights == "X")
            .map(|((_, name), _)| *name)
            .collect();
        assert_eq!(listed, own(kind), "{kind}");
    }
}

#[test]
fn rights_are_counted_from_what_a_page_allows_reads_and_calculates() {
    let app = objects();
    let needed = needed(&app);
    let rights = |table: &str| needed.get(table).map(|rights| rights.iter().collect::<String>()).unwrap_or_default();
    assert_eq!(rights("Customer"), "DIMR");
    assert_eq!(rights("Country/Region"), "R", "its page takes nothing");
    assert_eq!(rights("General Ledger Setup"), "R", "a variable of a codeunit");
    assert_eq!(rights("Item Ledger Entry"), "R", "the inventory of items is calculated from it");
    assert_eq!(rights("Field"), "", "a temporary record is nobody's data");
}
