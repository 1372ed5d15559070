//! The columns that the rules of mappings name, held to the catalogue: a misspelt one would read as blank for ever.

use std::collections::{BTreeMap, BTreeSet};

use couplet_structure::sources::{self, Source};
use couplet_structure::tokens::{self, Kind, Token};
use serde_json::Value as Json;

/// Where the rules stand.
const ROOM: &str = "shared/engine/src/mappings/";
/// Files of that room without rules of their own.
const NO_RULES: [&str; 4] = ["mod", "rules", "registry", "installed"];
/// Words of the rules that are no columns: roles of further rows, what people call a record, and actions with what they take.
const OTHER_WORDS: [&str; 11] = [
    "unit",
    "item",
    "resource",
    "order",
    "reopen",
    "release",
    "closeAsWon",
    "closeAsLost",
    "subject",
    "actualrevenue",
    "actualend",
];

/// The columns of every table of the catalogue, by table.
fn tables() -> BTreeMap<String, BTreeSet<String>> {
    let mut tables = BTreeMap::new();
    for (file, columns) in [("business-central", "properties"), ("dataverse", "columns")] {
        let file = sources::file(&format!("shared/model/catalogue/tables/{file}.json"));
        let json: Json = serde_json::from_str(&file.text).expect(&file.path);
        for table in json["tables"].as_array().expect("tables") {
            let names = table[columns].as_array().expect("columns").iter().map(|column| text(&column["name"]));
            tables.insert(text(&table["name"]), names.collect());
        }
    }
    tables
}

fn text(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}

/// The tables of the mappings by the rules they name.
fn tables_by_rules() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources::below("shared/model/catalogue/mappings", ".json") {
        let mapping: Json = serde_json::from_str(&file.text).expect(&file.path);
        let tables = found.entry(text(&mapping["rules"])).or_default();
        tables.extend([text(&mapping["business_central_table"]), text(&mapping["dataverse_table"])]);
    }
    found
}

/// The file of the rules of each id, as the registry has them.
fn files_of_rules(registry: &Source) -> BTreeMap<String, String> {
    let tokens = tokens::of(registry);
    let mut files = BTreeMap::new();
    for at in 0..tokens.len() {
        let name = |offset: usize| tokens.get(at + offset).and_then(Token::ident);
        // RulesId::Items => &products::ITEMS
        if let (Some("RulesId"), Some(id), None, Some(file)) = (name(0), name(3), name(6), name(7)) {
            files.insert(snake_case(id), file.to_owned());
        }
    }
    files
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Whether a text has the shape of a column's name.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A file of rules.
struct Rules {
    /// Its texts, each with its line.
    texts: Vec<(usize, String)>,
    /// The tables it works with.
    tables: BTreeSet<String>,
    /// Names of everything it speaks of, among them the files that help it.
    names: BTreeSet<String>,
}

/// Columns that files of rules name and that none of their tables has. A file works with the tables of its mappings, those
/// it names itself, and those of the files it helps.
fn unknown_columns(
    files: &BTreeMap<String, Source>,
    mapped: &BTreeMap<String, BTreeSet<String>>,
    tables: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut rules: BTreeMap<&str, Rules> = BTreeMap::new();
    for (name, source) in files {
        let tokens: Vec<Token> = tokens::of(source).into_iter().filter(|token| !token.in_test).collect();
        let text = |token: &Token| match &token.kind {
            Kind::Text(text) => Some((token.line, text.clone())),
            _ => None,
        };
        let texts: Vec<(usize, String)> = tokens.iter().filter_map(text).collect();
        let named = texts.iter().map(|(_, text)| text.clone()).filter(|text| tables.contains_key(text));
        let tables = named.chain(mapped.get(name).into_iter().flatten().cloned()).collect();
        let names = tokens.iter().filter_map(|token| token.ident().map(str::to_owned)).collect();
        rules.insert(name, Rules { texts, tables, names });
    }
    // As many rounds as there are files reach the last of a chain of helpers.
    for _ in 0..rules.len() {
        let helped: Vec<(&str, BTreeSet<String>)> = rules
            .keys()
            .map(|helper| {
                let users = rules.values().filter(|user| user.names.contains(*helper));
                (*helper, users.flat_map(|user| user.tables.clone()).collect())
            })
            .collect();
        for (helper, tables) in helped {
            rules.entry(helper).and_modify(|rules| rules.tables.extend(tables));
        }
    }
    let mut unknown = Vec::new();
    for (name, file) in &rules {
        let has = |column: &str| file.tables.iter().any(|table| tables[table].contains(column));
        let is_known = |text: &str| has(text) || tables.contains_key(text) || OTHER_WORDS.contains(&text);
        let found = file.texts.iter().filter(|(_, text)| is_name(text) && !is_known(text));
        unknown.extend(found.map(|(line, text)| format!("{}:{line}: {text}", files[*name].path)));
    }
    unknown
}

fn files_of(folder: &str) -> BTreeMap<String, Source> {
    let found = sources::below(folder.trim_end_matches('/'), ".rs").into_iter().filter(|source| !source.is_test());
    let named = found.map(|source| {
        let inside = source.path[folder.len()..].trim_end_matches(".rs").to_owned();
        (inside.split('/').next().unwrap_or_default().to_owned(), source)
    });
    named.filter(|(name, _)| !NO_RULES.contains(&name.as_str())).collect()
}

/// The tables of the mappings by the file of their rules.
fn tables_by_file() -> BTreeMap<String, BTreeSet<String>> {
    let by_rules = tables_by_rules();
    let mut by_file: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (rules, file) in files_of_rules(&sources::file(&format!("{ROOM}registry.rs"))) {
        // The rules of mappings that operators add know no tables.
        let tables = by_rules.get(&rules).cloned().unwrap_or_else(|| {
            assert_eq!(rules, "plain", "no mapping names the rules {rules}");
            BTreeSet::new()
        });
        by_file.entry(file).or_default().extend(tables);
    }
    by_file
}

#[test]
fn every_column_that_rules_name_is_one_of_a_table_they_work_with() {
    let (files, mapped) = (files_of(ROOM), tables_by_file());
    assert!(mapped.len() >= 5 && mapped.keys().all(|file| files.contains_key(file)), "{:?}", mapped.keys());
    let unknown = unknown_columns(&files, &mapped, &tables());
    assert!(unknown.is_empty(), "no table of these rules has such columns:\n{}", unknown.join("\n"));
}

#[test]
fn a_misspelt_column_and_one_of_another_table_are_found() {
    let helper = "const CODE: &str = \"country\"; fn f(r: R) { r.get(CODE); r.get(\"address1_country\"); }";
    let rules = "use super::helper::f; fn g(r: R) { r.known(\"statecod\"); r.get(\"unit\"); say(\"no column at all\"); \
                 find(\"uom\"); r.get(\"isschedulebaseuom\"); r.get(\"exchangerateamount\"); }";
    let test = "#[cfg(test)] mod tests { const X: &str = \"whatever\"; }";
    let source = |name: &str, text: String| (name.to_owned(), Source::new(&format!("{ROOM}{name}.rs"), &text));
    let files = BTreeMap::from([source("helper", helper.to_owned()), source("rules_of_x", format!("{rules} {test}"))]);
    let mapped =
        BTreeMap::from([("rules_of_x".to_owned(), BTreeSet::from(["Customer".to_owned(), "account".to_owned()]))]);
    let path = format!("{ROOM}rules_of_x.rs:1: ");
    let expected = [format!("{path}statecod"), format!("{path}exchangerateamount")];
    assert_eq!(unknown_columns(&files, &mapped, &tables()), expected);
}
