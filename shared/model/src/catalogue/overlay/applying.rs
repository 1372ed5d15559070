//! Laying an overlay over the files of a catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{FieldChange, MappingChange, OVERLAY_FORMAT, Overlay, OverlayProblem, Since, row_name};
use crate::catalogue::files::{Files, NamedFile};
use crate::catalogue::mapping::MappingDirection;
use crate::catalogue::nearest::nearest;
use crate::catalogue::{Catalogue, CatalogueError, defaults, jobs, loading, tables};
use crate::ids::MappingName;
use crate::switches::{Switches, When};

/// A mapping's file while it is changed.
struct Changed {
    file: NamedFile,
    json: Map<String, Json>,
}

impl Changed {
    fn of(file: &NamedFile) -> Result<Self, OverlayProblem> {
        match serde_json::from_str(&file.text) {
            Ok(Json::Object(json)) => Ok(Self { file: file.clone(), json }),
            _ => Err(OverlayProblem { mapping: None, field: None, problem: format!("{} is no mapping", file.name) }),
        }
    }

    fn name(&self) -> &str {
        self.json.get("name").and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether the switches call for it.
    fn exists(&self, switches: &Switches) -> bool {
        let when = self.json.get("when").cloned().unwrap_or_default();
        serde_json::from_value::<Option<When>>(when).ok().flatten().is_none_or(|when| when.holds(switches))
    }

    fn lines(&self) -> Option<&str> {
        self.json.get("lines")?.get("mapping")?.as_str()
    }

    fn rows(&self) -> impl Iterator<Item = &Json> {
        self.json.get("fields").and_then(Json::as_array).into_iter().flatten()
    }

    fn set(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
            self.json.insert(name.to_owned(), value);
        }
    }

    fn change(&mut self, mapping: &MappingName, change: &MappingChange, problems: &mut Vec<OverlayProblem>) {
        self.set("travels", change.direction);
        self.set("only_coupled", change.only_coupled);
        self.set("update_conflict", change.update_conflict);
        self.set("deletion_conflict", change.deletion_conflict);
        self.set("synchronize_after_coupling", change.synchronize_after_coupling);
        self.set("create_when_no_match", change.create_when_no_match);
        self.set("business_central_filter", change.business_central_filter.as_ref());
        self.set("dataverse_filter", change.dataverse_filter.as_ref());
        self.set("templates", change.templates.as_ref());
        let known: Vec<String> = self.rows().map(row_name_of).collect();
        let Some(Json::Array(rows)) = self.json.get_mut("fields") else { return };
        let mut seen = BTreeSet::new();
        for field in &change.fields {
            let name = field.name();
            let wrong =
                |problem: String| OverlayProblem { mapping: Some(mapping.clone()), field: Some(name.clone()), problem };
            if !seen.insert(name.clone()) {
                problems.push(wrong("it is changed twice; put both changes into one".to_owned()));
                continue;
            }
            if field.added {
                if known.contains(&name) {
                    problems.push(wrong("there is such a row already; change that one".to_owned()));
                    continue;
                }
                let mut row = json!({"direction": field.direction.unwrap_or_else(|| usual_direction(field))});
                if let Json::Object(row) = &mut row {
                    row.extend(field.business_central.iter().map(|name| ("business_central".to_owned(), json!(name))));
                    row.extend(field.dataverse.iter().map(|name| ("dataverse".to_owned(), json!(name))));
                    write_row(row, field);
                }
                rows.push(row);
                continue;
            }
            if !known.contains(&name) {
                let near = nearest(&name, known.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                problems.push(wrong(format!("there is no such field row{near}")));
                continue;
            }
            for row in rows.iter_mut().filter(|row| row_name_of(row) == name).filter_map(Json::as_object_mut) {
                write_row(row, field);
            }
        }
    }

    fn mark(&mut self, since: &BTreeMap<String, u64>) {
        let Some(Json::Array(rows)) = self.json.get_mut("fields") else { return };
        for row in rows {
            if let Some(revision) = since.get(&row_name_of(row))
                && let Some(row) = row.as_object_mut()
            {
                row.insert("since".to_owned(), json!(revision));
            }
        }
    }
}

/// The one direction in which a constant can travel; both ways for a pair of columns.
fn usual_direction(field: &FieldChange) -> MappingDirection {
    match (&field.business_central, &field.dataverse) {
        (None, _) => MappingDirection::ToDataverse,
        (_, None) => MappingDirection::FromDataverse,
        _ => MappingDirection::Bidirectional,
    }
}

fn write_row(row: &mut Map<String, Json>, field: &FieldChange) {
    let values = [
        ("enabled", field.enabled.map(Json::from)),
        ("direction", field.direction.and_then(|direction| serde_json::to_value(direction).ok())),
        ("constant", field.constant.clone()),
        ("clear_on_failure", field.clear_on_failure.map(Json::from)),
        ("not_null", field.not_null.map(Json::from)),
        ("travels_without", field.travels_without.map(Json::from)),
        ("resolved_through", field.resolved_through.clone().map(Json::from)),
        ("option_mapping", field.option_mapping.clone().map(Json::from)),
        ("transformation", field.transformation.as_ref().and_then(|rule| serde_json::to_value(rule).ok())),
        ("transformation_direction", field.transformation_direction.and_then(|way| serde_json::to_value(way).ok())),
    ];
    row.extend(values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

fn row_name_of(row: &Json) -> String {
    let column = |name: &str| row.get(name).and_then(Json::as_str);
    row_name(column("business_central"), column("dataverse"))
}

impl Catalogue {
    /// The catalogue as an installation with these switches uses it.
    ///
    /// # Errors
    /// Everything that is wrong: names that lead nowhere, and what would be wrong in a file of the catalogue.
    pub fn changed_by(
        &self,
        overlay: &Overlay,
        since: &Since,
        switches: &Switches,
    ) -> Result<Self, Vec<OverlayProblem>> {
        if overlay.v != OVERLAY_FORMAT {
            let problem = format!("it is of format {}; this version takes format {OVERLAY_FORMAT}", overlay.v);
            return Err(vec![OverlayProblem { mapping: None, field: None, problem }]);
        }
        let mut problems = Vec::new();
        let mut files = (*self.files).clone();
        add_tables(&mut files.business_central, &overlay.tables.business_central, "properties", &mut problems);
        add_tables(&mut files.dataverse, &overlay.tables.dataverse, "columns", &mut problems);
        for added in &overlay.added {
            let name = added.get("name").and_then(Json::as_str).unwrap_or("without a name");
            let text = completed(added).to_string();
            files.mappings.push(NamedFile { name: format!("the added mapping {name}"), text });
        }
        let mut mappings = Vec::with_capacity(files.mappings.len());
        for file in &files.mappings {
            mappings.push(Changed::of(file).map_err(|problem| vec![problem])?);
        }
        for (name, change) in &overlay.mappings {
            change_one(&mut mappings, name, change, switches, &mut problems);
        }
        for (name, since) in since {
            let of_name = |mapping: &&mut Changed| mapping.name() == name.as_str() && mapping.exists(switches);
            mappings.iter_mut().filter(of_name).for_each(|mapping| mapping.mark(since));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        files.mappings = mappings
            .iter()
            .map(|mapping| NamedFile { text: Json::Object(mapping.json.clone()).to_string(), ..mapping.file.clone() })
            .collect();
        let locate = |error| located(error, &mappings);
        assemble(files).map_err(|errors| errors.into_iter().map(locate).collect())
    }
}

/// An added mapping with what it leaves out as it is in most mappings.
fn completed(added: &Json) -> Json {
    let name = added.get("name").and_then(Json::as_str).unwrap_or_default();
    let mut whole = json!({
        "layer": "added",
        "kind": "table",
        "rules": "plain",
        "direction": "to_dataverse",
        "only_coupled": true,
        "when": null,
        "dependencies": [],
        "dependencies_when": {},
        "order": {"sales": null, "dataverse": null},
        "update_conflict": "none",
        "deletion_conflict": "none",
        "synchronize_after_coupling": false,
        "create_when_no_match": false,
        "uncouple_job": true,
        "match_fields": [],
        "business_central_filter": [],
        "dataverse_filter": [],
        "job": {
            "description": format!("{name} - added"),
            "every_minutes": 30,
            "inactivity_minutes": 720,
            "max_attempts": 10,
            "retry_seconds": 30
        },
        "source": "added by the operator"
    });
    match (whole.as_object_mut(), added) {
        (Some(all), Json::Object(added)) => all.extend(added.clone()),
        _ => return added.clone(),
    }
    whole
}

fn change_one(
    mappings: &mut [Changed],
    name: &MappingName,
    change: &MappingChange,
    switches: &Switches,
    problems: &mut Vec<OverlayProblem>,
) {
    let is_named = |mapping: &Changed| mapping.name() == name.as_str();
    if !mappings.iter().any(is_named) {
        let near = nearest(name.as_str(), mappings.iter().map(Changed::name));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        problems.push(OverlayProblem::of_mapping(name, format!("there is no such mapping{near}")));
        return;
    }
    let header = mappings.iter().find(|mapping| mapping.lines() == Some(name.as_str()) && mapping.exists(switches));
    if let (Some(header), Some(_)) = (header, change.direction) {
        let problem = format!("its records travel as those of {} do; set the direction there", header.name());
        problems.push(OverlayProblem::of_mapping(name, problem));
        return;
    }
    // Changes of an entry that the switches do not call for wait until they do.
    let there = mappings.iter_mut().find(|mapping| is_named(mapping) && mapping.exists(switches));
    let Some(mapping) = there else { return };
    mapping.change(name, change, problems);
    // Lines travel as their headers do, unless they travel one way only anyway.
    let travels_apart = mapping.json.get("lines").is_some_and(|lines| lines.get("direction").is_some());
    let lines = mapping.lines().filter(|_| !travels_apart).map(str::to_owned);
    if let (Some(lines), Some(direction)) = (lines, change.direction) {
        let of_lines = |mapping: &&mut Changed| mapping.name() == lines && mapping.exists(switches);
        mappings.iter_mut().filter(of_lines).for_each(|mapping| mapping.set("travels", Some(direction)));
    }
}

/// Adds tables to a file of tables, and columns to those that are there.
fn add_tables(file: &mut NamedFile, added: &[Json], columns: &str, problems: &mut Vec<OverlayProblem>) {
    if added.is_empty() {
        return;
    }
    let Ok(mut json) = serde_json::from_str::<Json>(&file.text) else { return };
    let Some(tables) = json.get_mut("tables").and_then(Json::as_array_mut) else { return };
    for table in added {
        let name = table.get("name").and_then(Json::as_str);
        match tables.iter_mut().find(|known| known.get("name").and_then(Json::as_str) == name) {
            None => tables.push(table.clone()),
            Some(known) => {
                let more = table.get(columns).and_then(Json::as_array).cloned().unwrap_or_default();
                if more.is_empty() || table.as_object().is_some_and(|table| table.len() > 2) {
                    let problem = format!(
                        "the table {} is in the catalogue already; name only its new {columns}",
                        name.unwrap_or_default()
                    );
                    problems.push(OverlayProblem { mapping: None, field: None, problem });
                }
                known
                    .get_mut(columns)
                    .and_then(Json::as_array_mut)
                    .into_iter()
                    .for_each(|list| list.extend(more.clone()));
            }
        }
    }
    file.text = json.to_string();
}

/// A catalogue from its files, or all that is wrong with them.
fn assemble(files: Files) -> Result<Catalogue, Vec<CatalogueError>> {
    let one = |error| vec![error];
    let business_central = tables::business_central(&files.business_central).map_err(one)?;
    let dataverse = tables::dataverse(&files.dataverse).map_err(one)?;
    let (mut mappings, mut errors) = (Vec::with_capacity(files.mappings.len()), Vec::new());
    for file in &files.mappings {
        match loading::load(file, &business_central, &dataverse) {
            Ok(mapping) => mappings.push(mapping),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    loading::check_together(&mappings).map_err(one)?;
    let jobs = jobs::load(&files.jobs, &mappings, &business_central, &dataverse).map_err(one)?;
    let defaults = defaults::load(&files.defaults).map_err(one)?;
    Ok(Catalogue { mappings, jobs, defaults, business_central, dataverse, files: Arc::new(files) })
}

/// A problem in the words of the overlay: the row by its columns, not by its number.
fn located(error: CatalogueError, mappings: &[Changed]) -> OverlayProblem {
    let file = mappings.iter().find(|mapping| mapping.file.name == error.file);
    let row = error.row.and_then(|row| file?.rows().nth(row.checked_sub(1)?));
    let mapping = error.mapping.or_else(|| file.map(|mapping| MappingName::from(mapping.name())));
    let problem = if mapping.is_none() { format!("{}: {}", error.file, error.problem) } else { error.problem };
    OverlayProblem { mapping, field: row.map(row_name_of), problem }
}
