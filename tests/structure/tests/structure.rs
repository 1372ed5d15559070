//! The sources of the project, held to its rules.

use std::collections::{BTreeMap, BTreeSet};

use couplet_structure::circles;
use couplet_structure::codes;
use couplet_structure::dependencies::{self, Manifest};
use couplet_structure::sources::{self, Source};
use couplet_structure::tokens::{self, Kind, Token};

/// What each library may build on, the lowest first. Functions, command and embedded cloud stand above all of them.
const LIBRARIES: [(&str, &[&str]); 7] = [
    ("couplet-model", &[]),
    ("couplet-odata", &["couplet-model"]),
    ("couplet-business-central", &["couplet-model", "couplet-odata"]),
    ("couplet-dataverse", &["couplet-model", "couplet-odata"]),
    ("couplet-store", &["couplet-model"]),
    ("couplet-engine", &["couplet-model", "couplet-store"]),
    (
        "couplet-runtime",
        &[
            "couplet-model",
            "couplet-odata",
            "couplet-business-central",
            "couplet-dataverse",
            "couplet-store",
            "couplet-engine",
        ],
    ),
];

/// Where mappings have their names: their own rules, and the data of the catalogue.
const ROOMS_OF_NAMES: [&str; 1] = ["shared/engine/src/mappings/"];

/// Where this machine's clock may be read: by the one clock, and by what begins a process.
fn may_read_the_clock(path: &str) -> bool {
    path == "shared/model/src/clock.rs" || path.ends_with("/src/main.rs")
}

/// The code of libraries, functions and what runs them.
fn product() -> Vec<Source> {
    ["shared", "functions", "infra"].into_iter().flat_map(|folder| sources::below(folder, ".rs")).collect()
}

fn listed(found: &[String]) -> String {
    found.join("\n")
}

#[test]
fn no_files_of_a_library_import_each_other_in_a_circle() {
    let mut crates: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for source in sources::below("shared", ".rs").into_iter().filter(|source| source.path.contains("/src/")) {
        let name = source.path.split('/').nth(1).unwrap_or_default().to_owned();
        crates.entry(name).or_default().push(source);
    }
    assert!(crates.len() >= LIBRARIES.len(), "the libraries were found");
    let mut found = Vec::new();
    for (name, sources) in &crates {
        found.extend(circles::of(sources).into_iter().map(|circle| format!("{name}: {}", circle.join(" <-> "))));
    }
    assert!(found.is_empty(), "files import each other in circles:\n{}", listed(&found));
}

fn manifests() -> Vec<Manifest> {
    let folders = ["shared", "functions", "infra", "tests"];
    let found: Vec<Source> = folders.into_iter().flat_map(|folder| sources::below(folder, "Cargo.toml")).collect();
    found.iter().map(dependencies::of).collect()
}

#[test]
fn no_crate_builds_on_one_above_it() {
    let manifests = manifests();
    let folders: BTreeMap<&str, &str> =
        manifests.iter().map(|manifest| (manifest.name.as_str(), manifest.folder.as_str())).collect();
    let is_library = |name: &str| folders.get(name).is_some_and(|folder| folder.starts_with("shared/"));
    let mut wrong = Vec::new();
    for manifest in &manifests {
        let may: BTreeSet<&str> = match LIBRARIES.iter().find(|(name, _)| *name == manifest.name) {
            Some((_, may)) => may.iter().copied().collect(),
            // A leaf: it knows nothing of the project.
            None if manifest.folder == "infra/embedded-cloud" => BTreeSet::new(),
            // The simulators share nothing with the clients.
            None if manifest.folder.starts_with("tests/simulators/") => folders
                .iter()
                .filter(|(_, folder)| folder.starts_with("tests/simulators/"))
                .map(|(name, _)| *name)
                .collect(),
            None => folders.keys().copied().collect(),
        };
        let own = |name: &&String| folders.contains_key(name.as_str());
        for needed in manifest.needs.iter().filter(own).filter(|name| !may.contains(name.as_str())) {
            wrong.push(format!("{} needs {needed}", manifest.folder));
        }
        // Tests of a library may also use what only tests are made of, and the embedded services, but no library above.
        for needed in manifest.tests_need.iter().filter(own).filter(|_| manifest.folder.starts_with("shared/")) {
            let is_below = may.contains(needed.as_str());
            let is_for_tests = folders[needed.as_str()].starts_with("tests/") || needed == "couplet-embedded-cloud";
            if !is_below && (is_library(needed) || !is_for_tests) {
                wrong.push(format!("tests of {} need {needed}", manifest.folder));
            }
        }
    }
    assert_eq!(manifests.iter().filter(|manifest| is_library(&manifest.name)).count(), LIBRARIES.len());
    assert!(wrong.is_empty(), "dependencies point up:\n{}", listed(&wrong));
}

/// Names of all mappings and jobs of the catalogue.
fn names() -> BTreeSet<String> {
    let name = |json: &serde_json::Value| json["name"].as_str().expect("a name").to_owned();
    let parsed = |source: &Source| -> serde_json::Value { serde_json::from_str(&source.text).expect(&source.path) };
    let mut names: BTreeSet<String> =
        sources::below("shared/model/catalogue/mappings", ".json").iter().map(|file| name(&parsed(file))).collect();
    let jobs = parsed(&sources::file("shared/model/catalogue/jobs.json"));
    names.extend(jobs["jobs"].as_array().expect("a list of jobs").iter().map(name));
    names
}

/// Whether a text holds a name as a word of its own.
fn holds(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

#[test]
fn no_room_but_the_mappings_names_a_mapping_or_a_job() {
    let names = names();
    assert!(names.len() > 20 && names.contains("CUSTOMER") && names.contains("Item Availability"), "{names:?}");
    let mut found = Vec::new();
    for source in product().iter().filter(|source| !source.is_test()) {
        if ROOMS_OF_NAMES.iter().any(|room| source.path.starts_with(room)) {
            continue;
        }
        for token in tokens::of(source).iter().filter(|token| !token.in_test) {
            let Kind::Text(text) = &token.kind else { continue };
            found.extend(
                names
                    .iter()
                    .filter(|name| holds(text, name))
                    .map(|name| format!("{}:{}: {name}", source.path, token.line)),
            );
        }
    }
    assert!(found.is_empty(), "mappings or jobs are named outside their rooms:\n{}", listed(&found));
}

/// Calls of a function by its last two names, as in `Timestamp::now`.
fn calls<'a>(tokens: &'a [Token], of: &'a str, function: &'a str) -> impl Iterator<Item = &'a Token> {
    tokens.windows(4).filter_map(move |four| {
        let is_path = four[1].is(':') && four[2].is(':');
        (is_path && four[0].ident() == Some(of) && four[3].ident() == Some(function)).then_some(&four[0])
    })
}

#[test]
fn no_product_code_reads_this_machines_clock_past_the_one_clock() {
    let mut found = Vec::new();
    for source in product().iter().filter(|source| !source.is_test() && !may_read_the_clock(&source.path)) {
        let tokens: Vec<Token> = tokens::of(source).into_iter().filter(|token| !token.in_test).collect();
        for (of, function) in [("Timestamp", "now"), ("Zoned", "now"), ("SystemTime", "now")] {
            found.extend(calls(&tokens, of, function).map(|token| format!("{}:{}", source.path, token.line)));
        }
    }
    assert!(found.is_empty(), "the time is not taken from the injected clock:\n{}", listed(&found));
}

#[test]
fn no_test_sleeps() {
    let mut found = Vec::new();
    let everything = ["shared", "functions", "infra", "tests"];
    for source in everything.into_iter().flat_map(|folder| sources::below(folder, ".rs")) {
        // What carries the tests is as bad a place to sleep in as they are; the simulators are asked to be slow.
        let carries_tests = source.path.starts_with("tests/") && !source.path.starts_with("tests/simulators/");
        for token in tokens::of(&source).iter().filter(|token| token.in_test || carries_tests) {
            if matches!(token.ident(), Some("sleep" | "sleep_until" | "sleep_ms" | "park_timeout")) {
                found.push(format!("{}:{}", source.path, token.line));
            }
        }
    }
    assert!(found.is_empty(), "tests sleep:\n{}", listed(&found));
}

#[test]
fn every_code_of_a_rule_is_explained_in_the_list_of_rules() {
    let explained = codes::explained(&sources::file("docs/rules.md").text);
    let mut texts = product();
    texts.extend(sources::below("tests/end-to-end", ".rs"));
    texts.extend(sources::below("tests/simulators", ".rs"));
    texts.extend(sources::below("shared/model/catalogue", ".json"));
    texts.extend(sources::below("infra/business-central", ".al"));
    texts.extend(sources::below("docs", ".md"));
    let mut found = Vec::new();
    for source in texts.iter().filter(|source| source.path != "docs/rules.md") {
        let codes = codes::of(&source.text);
        found.extend(codes.difference(&explained).map(|code| format!("{}: {code}", source.path)));
    }
    assert!(found.is_empty(), "codes of rules are missing in docs/rules.md:\n{}", listed(&found));
}
