//! Mappings as they are shown to people: one document per mapping, and what differs between two of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::Catalogue;
use super::conditions::in_words;
use super::files::{ConditionFile, NamedFile, TemplateFile};
use super::overlay::row_name;
use crate::ids::MappingName;
use crate::switches::{Switches, When};
use crate::table::Side;

/// What is shown of a mapping's file as it stands there.
const SHOWN: [&str; 15] = [
    "kind",
    "business_central_table",
    "dataverse_table",
    "option_column",
    "only_coupled",
    "update_conflict",
    "deletion_conflict",
    "synchronize_after_coupling",
    "create_when_no_match",
    "match_fields",
    "business_central_filter",
    "dataverse_filter",
    "dependencies",
    "job",
    "lines",
];

/// What is shown of a field row as it stands in the file.
const SHOWN_OF_ROWS: [&str; 11] = [
    "business_central",
    "field",
    "dataverse",
    "direction",
    "constant",
    "not_null",
    "clear_on_failure",
    "travels_without",
    "resolved_through",
    "option_mapping",
    "transformation",
];

/// Something in which two forms of a mapping differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The mapping.
    pub mapping: MappingName,
    /// What differs: a property of the mapping, or a field row and a property of it.
    pub what: String,
    /// How it is before; null where it is not there.
    pub before: Json,
    /// How it is after.
    pub after: Json,
}

impl Catalogue {
    /// A mapping as it stands under these switches; `None` when there is no such mapping under them.
    pub fn description(&self, name: &MappingName, switches: &Switches) -> Option<Json> {
        let file = self.file_of(name, switches)?;
        let mut shown = json!({ "mapping": name });
        let to = shown.as_object_mut()?;
        let direction = file.get("travels").filter(|part| !part.is_null()).or_else(|| file.get("direction"));
        to.insert("direction".to_owned(), direction.cloned().unwrap_or_default());
        to.insert("designed_for".to_owned(), file.get("direction").cloned().unwrap_or_default());
        to.extend(SHOWN.iter().filter_map(|key| Some(((*key).to_owned(), file.get(*key)?.clone()))));
        for filter in ["business_central_filter", "dataverse_filter"] {
            let values = to.get_mut(filter).and_then(Json::as_array_mut).into_iter().flatten();
            for value in values.filter_map(|condition| condition.get_mut("value")) {
                if *value == json!("$default_price_list_code_is_set") {
                    *value = Json::Bool(switches.default_price_list_code_is_set);
                }
            }
        }
        let templates = file.get("templates").filter(|templates| !templates.is_null());
        to.insert("templates".to_owned(), templates.cloned().unwrap_or_else(|| json!([])));
        let rows = file.get("fields").and_then(Json::as_array).into_iter().flatten();
        let rows: Vec<Json> = rows.filter(|row| holds(row.get("when"), switches)).map(row).collect();
        to.insert("fields".to_owned(), Json::Array(rows));
        Some(shown)
    }

    /// The templates of a mapping as files write them.
    pub fn templates_of(&self, name: &MappingName, switches: &Switches) -> Vec<TemplateFile> {
        let file = self.file_of(name, switches);
        let templates = file.and_then(|file| file.get("templates").cloned());
        templates.and_then(|templates| serde_json::from_value(templates).ok()).unwrap_or_default()
    }

    /// The filter of a side of a mapping as files write it.
    pub fn filter_of(&self, name: &MappingName, side: Side, switches: &Switches) -> Vec<ConditionFile> {
        let key = match side {
            Side::BusinessCentral => "business_central_filter",
            Side::Dataverse => "dataverse_filter",
        };
        let filter = self.file_of(name, switches).and_then(|file| file.get(key).cloned());
        filter.and_then(|filter| serde_json::from_value(filter).ok()).unwrap_or_default()
    }

    /// The names of the field rows of a mapping, those included that are not used.
    pub fn row_names(&self, name: &MappingName, switches: &Switches) -> Vec<String> {
        let description = self.description(name, switches).unwrap_or_default();
        let rows = description["fields"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["row"].as_str().map(str::to_owned)).collect()
    }

    fn file_of(&self, name: &MappingName, switches: &Switches) -> Option<Map<String, Json>> {
        self.files.mappings.iter().find_map(|file| {
            let file = object(file)?;
            let is_it = file.get("name").and_then(Json::as_str) == Some(name.as_str());
            (is_it && holds(file.get("when"), switches)).then_some(file)
        })
    }
}

fn object(file: &NamedFile) -> Option<Map<String, Json>> {
    match serde_json::from_str(&file.text) {
        Ok(Json::Object(object)) => Some(object),
        _ => None,
    }
}

fn holds(when: Option<&Json>, switches: &Switches) -> bool {
    let when = when.cloned().unwrap_or_default();
    serde_json::from_value::<Option<When>>(when).ok().flatten().is_none_or(|when| when.holds(switches))
}

fn row(row: &Json) -> Json {
    let column = |key: &str| row.get(key).and_then(Json::as_str);
    let mut shown = Map::new();
    shown.insert("row".to_owned(), json!(row_name(column("business_central"), column("dataverse"))));
    shown.insert("enabled".to_owned(), row.get("enabled").cloned().unwrap_or(Json::Bool(true)));
    shown.extend(SHOWN_OF_ROWS.iter().filter_map(|key| Some(((*key).to_owned(), row.get(*key)?.clone()))));
    if let Some(way) = row.get("transformation_direction") {
        shown.insert("transformation_direction".to_owned(), way.clone());
    }
    // A file that says nothing of it is one that says no.
    for key in ["not_null", "clear_on_failure"] {
        shown.entry(key).or_insert(Json::Bool(false));
    }
    Json::Object(shown)
}

/// In what two catalogues differ under these switches, mapping by mapping in the order of the later one.
pub fn differences(before: &Catalogue, after: &Catalogue, switches: &Switches) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut names: Vec<MappingName> = after.active(switches).into_iter().map(|mapping| mapping.name).collect();
    let gone = before.active(switches).into_iter().map(|mapping| mapping.name);
    let gone: Vec<MappingName> = gone.filter(|name| !names.contains(name)).collect();
    names.extend(gone);
    for name in names {
        let (was, is) = (before.description(&name, switches), after.description(&name, switches));
        let mut tell = |what: String, before: Json, after: Json| {
            if before != after {
                found.push(Difference { mapping: name.clone(), what, before, after });
            }
        };
        let (Some(Json::Object(was)), Some(Json::Object(is))) = (&was, &is) else {
            tell("mapping".to_owned(), was.unwrap_or_default(), is.unwrap_or_default());
            continue;
        };
        for (key, now) in is.iter().filter(|(key, _)| *key != "fields") {
            tell(key.replace('_', " "), was.get(key).cloned().unwrap_or_default(), now.clone());
        }
        let (was, is) = (rows_by_name(was), rows_by_name(is));
        for (row, now) in &is {
            match was.get(row) {
                None => tell(format!("field {row}"), Json::Null, Json::Object(now.clone())),
                Some(then) => {
                    let mut keys: Vec<&String> = then.keys().chain(now.keys()).collect();
                    keys.sort();
                    keys.dedup();
                    for key in keys {
                        let of = |row: &Map<String, Json>| row.get(key).cloned().unwrap_or_default();
                        tell(format!("field {row}, {}", key.replace('_', " ")), of(then), of(now));
                    }
                }
            }
        }
        for (row, then) in was.iter().filter(|(row, _)| !is.contains_key(*row)) {
            tell(format!("field {row}"), Json::Object(then.clone()), Json::Null);
        }
    }
    found
}

fn rows_by_name(mapping: &Map<String, Json>) -> BTreeMap<String, Map<String, Json>> {
    let rows = mapping.get("fields").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object);
    rows.map(|row| (row.get("row").and_then(Json::as_str).unwrap_or_default().to_owned(), row.clone())).collect()
}

/// A filter of a described mapping as people write it.
pub fn filter_in_words(filter: &Json) -> String {
    let conditions: Vec<ConditionFile> = serde_json::from_value(filter.clone()).unwrap_or_default();
    in_words(&conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{MappingChange, Overlay, Since};

    #[test]
    fn only_what_differs_is_told_with_both_forms() {
        let (catalogue, switches) = (Catalogue::embedded().expect("valid"), Switches::default());
        assert_eq!(differences(&catalogue, &catalogue, &switches), []);
        let change: MappingChange = serde_json::from_value(json!({
            "direction": "to_dataverse",
            "fields": [
                {"business_central": "faxNo", "dataverse": "fax", "enabled": false},
                {"business_central": "displayName", "dataverse": "description", "added": true, "direction": "to_dataverse"}
            ]
        }))
        .expect("a change");
        let overlay = Overlay { mappings: [(MappingName::from("CUSTOMER"), change)].into(), ..Overlay::default() };
        let after = catalogue.changed_by(&overlay, &Since::new(), &switches).expect("valid");
        let told = differences(&catalogue, &after, &switches);
        let told: Vec<(&str, &str)> =
            told.iter().map(|difference| (difference.mapping.as_str(), difference.what.as_str())).collect();
        let of = |what| ("CUSTOMER", what);
        assert_eq!(told, [of("direction"), of("field displayName=description"), of("field faxNo=fax, enabled")]);
        let back = differences(&after, &catalogue, &switches);
        assert_eq!(back.len(), 3);
        assert_eq!(back[2].after, Json::Null, "the added row goes");
    }

    #[test]
    fn a_mapping_that_was_switched_off_is_not_described() {
        let (catalogue, switches) = (Catalogue::embedded().expect("valid"), Switches::default());
        assert_eq!(catalogue.description(&MappingName::from("UNIT OF MEASURE"), &switches), None);
        assert_eq!(catalogue.description(&MappingName::from("NOBODY"), &switches), None);
        for mapping in catalogue.active(&switches) {
            let shown = catalogue.description(&mapping.name, &switches).expect("described");
            assert_eq!(shown["fields"].as_array().map(Vec::len), Some(mapping.fields.len()), "{}", mapping.name);
            assert_eq!(shown["direction"], json!(mapping.direction), "{}", mapping.name);
        }
    }
}
