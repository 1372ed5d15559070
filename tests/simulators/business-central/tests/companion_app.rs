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
