//! `couplet mapping list`, `show` and `export`, and `couplet field list`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use couplet_console::{MappingDetails, MappingLine, Mappings};
use couplet_engine::{Engine, StandingMappings};
use couplet_model::ActiveMapping;
use couplet_model::catalogue::{Catalogue, filter_in_words};
use couplet_model::ids::MappingName;
use serde_json::{Value, json};

use super::changing::named;
use crate::arguments::ShowOptions;
use crate::output;
use crate::place::Place;
use crate::tables::{number, table, text};

/// The mappings as they stand.
struct Standing {
    standing: StandingMappings,
    catalogue: Catalogue,
}

impl Standing {
    async fn of(engine: &Engine) -> anyhow::Result<Self> {
        let standing = engine.standing_mappings().await?;
        let applied = standing.stored.applied_to(engine.catalogue_as_shipped(), engine.switches());
        let catalogue = applied.map_err(|problems| {
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!(
                "what this installation changes of its mappings does not fit this version or its settings: {}; take the change back \
                 with couplet mapping reset",
                said.join("; ")
            )
        })?;
        Ok(Self { standing, catalogue })
    }

    /// Whether a mapping is as the catalogue has it, changed, or added.
    fn origin(&self, mapping: &MappingName) -> &'static str {
        let overlay = &self.standing.stored.overlay;
        let is_added = overlay.added.iter().any(|added| added["name"] == json!(mapping));
        match (is_added, overlay.mappings.contains_key(mapping)) {
            (true, _) => "added",
            (false, true) => "changed",
            (false, false) => "default",
        }
    }
}

/// Lists the mappings.
pub async fn list(place: &Place, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let standing = Standing::of(engine).await?;
    if as_json {
        let list: Vec<Value> = described(&standing, engine)
            .iter()
            .map(|(mapping, shown)| {
                json!({
                    "mapping": mapping.name,
                    "business_central_table": shown["business_central_table"],
                    "dataverse_table": shown["dataverse_table"],
                    "direction": shown["direction"],
                    "only_coupled": shown["only_coupled"],
                    "fields": mapping.fields.len(),
                    "disabled_fields": mapping.disabled_fields.len(),
                    "origin": standing.origin(&mapping.name),
                })
            })
            .collect();
        output::json(&json!({ "revision": standing.standing.revision, "mappings": list }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Mappings { revision, lines } = all_of(&standing, engine);
    let mut shown =
        table(&["mapping", "Business Central", "Dataverse", "direction", "only coupled", "fields", "origin"]);
    for line in &lines {
        shown.add_row(vec![
            text(&line.name),
            text(&line.business_central),
            text(&line.dataverse),
            text(&line.direction),
            text(yes(line.only_coupled)),
            number(line.fields),
            text(&line.origin),
        ]);
    }
    output::result(&format!("{shown}\n{revision}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The mappings as they stand.
///
/// # Errors
/// When the store cannot be read, or what stands does not fit this version.
pub async fn all(engine: &Engine) -> anyhow::Result<Mappings> {
    Ok(all_of(&Standing::of(engine).await?, engine))
}

fn all_of(standing: &Standing, engine: &Engine) -> Mappings {
    let line = |(mapping, description): (ActiveMapping, Value)| MappingLine {
        name: mapping.name.to_string(),
        business_central: plain(&description["business_central_table"]),
        dataverse: plain(&description["dataverse_table"]),
        direction: mapping.direction.in_words().to_owned(),
        only_coupled: mapping.only_coupled,
        fields: mapping.fields.len(),
        origin: standing.origin(&mapping.name).to_owned(),
    };
    let lines = described(standing, engine).into_iter().map(line).collect();
    Mappings { revision: in_force(standing.standing.revision), lines }
}

fn described(standing: &Standing, engine: &Engine) -> Vec<(ActiveMapping, Value)> {
    let active = standing.catalogue.active(engine.switches()).into_iter();
    let described = |mapping: ActiveMapping| {
        let description = standing.catalogue.description(&mapping.name, engine.switches()).unwrap_or_default();
        (mapping, description)
    };
    active.map(described).collect()
}

/// Shows a mapping.
pub async fn show(place: &Place, options: &ShowOptions) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let standing = Standing::of(engine).await?;
    let name = named(&standing.catalogue, engine.switches(), &options.mapping)?;
    let mut description = standing.catalogue.description(&name, engine.switches()).unwrap_or_default();
    if options.json {
        description["revision"] = json!(standing.standing.revision);
        description["origin"] = json!(standing.origin(&name));
        output::json(&description)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["what", "how"]);
    for (what, how) in facts(&name, standing.origin(&name), &description) {
        shown.add_row(vec![text(what), text(how)]);
    }
    output::result(&shown.to_string())?;
    show_rows(&description)?;
    Ok(ExitCode::SUCCESS)
}

/// One mapping with its field rows.
///
/// # Errors
/// When there is none of that name, or what stands cannot be read or does not fit.
pub async fn one(engine: &Engine, name: &str) -> anyhow::Result<MappingDetails> {
    let standing = Standing::of(engine).await?;
    let name = named(&standing.catalogue, engine.switches(), name)?;
    let description = standing.catalogue.description(&name, engine.switches()).unwrap_or_default();
    let facts = facts(&name, standing.origin(&name), &description);
    Ok(MappingDetails { name: name.to_string(), facts, rows: rows(&description) })
}

/// What is to be known of a mapping beside its field rows: what, and how.
fn facts(name: &MappingName, origin: &str, description: &Value) -> Vec<(String, String)> {
    let filter = |key: &str| match filter_in_words(&description[key]) {
        text if text.is_empty() => "every record".to_owned(),
        text => text,
    };
    let mut facts: Vec<(String, String)> = [
        ("mapping", format!("{name} ({origin})")),
        ("Business Central", plain(&description["business_central_table"])),
        ("Dataverse", plain(&description["dataverse_table"])),
        ("direction", direction(&description["direction"])),
        ("only coupled", plain(&description["only_coupled"])),
        ("update conflict", plain(&description["update_conflict"])),
        ("deletion conflict", plain(&description["deletion_conflict"])),
        ("filter in Business Central", filter("business_central_filter")),
        ("filter in Dataverse", filter("dataverse_filter")),
        ("synchronized after matching", plain(&description["synchronize_after_coupling"])),
        ("created when nothing matches", plain(&description["create_when_no_match"])),
        ("depends on", list_of(&description["dependencies"])),
    ]
    .map(|(what, how)| (what.to_owned(), how))
    .to_vec();
    for template in description["templates"].as_array().into_iter().flatten() {
        let condition = match filter_in_words(&template["filter"]) {
            filter if filter.is_empty() => String::new(),
            filter => format!(" where {filter}"),
        };
        let values = template["values"].as_object().into_iter().flatten();
        let values: Vec<String> = values.map(|(column, value)| format!("{column}={}", plain(value))).collect();
        let what = format!("template {} {}", plain(&template["priority"]), direction(&template["direction"]));
        facts.push((what, format!("{}{condition}", values.join(", "))));
    }
    facts
}

/// Lists the field rows of a mapping.
pub async fn fields(place: &Place, options: &ShowOptions) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let standing = Standing::of(engine).await?;
    let name = named(&standing.catalogue, engine.switches(), &options.mapping)?;
    let description = standing.catalogue.description(&name, engine.switches()).unwrap_or_default();
    if options.json {
        let revision = standing.standing.revision;
        output::json(&json!({ "mapping": name, "revision": revision, "fields": description["fields"] }))?;
    } else {
        show_rows(&description)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show_rows(description: &Value) -> anyhow::Result<()> {
    let mut shown = table(&["field row", "direction", "used", "remark"]);
    for row in rows(description) {
        shown.add_row(row.map(text));
    }
    output::result(&shown.to_string())?;
    Ok(())
}

/// The field rows of a mapping: row, direction, whether it is used, and what else is to be known.
fn rows(description: &Value) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for row in description["fields"].as_array().into_iter().flatten() {
        let mut remarks = Vec::new();
        if let Some(constant) = row.get("constant").filter(|constant| !constant.is_null()) {
            remarks.push(format!("constant {constant}"));
        }
        if let Some(rule) = row.get("transformation").filter(|rule| !rule.is_null()) {
            remarks.push(match row.get("transformation_direction") {
                Some(way) => format!("{rule} {}", direction(way)),
                None => rule.to_string(),
            });
        }
        if let Some(through) = row.get("resolved_through") {
            remarks.push(format!("through {}", list_of(through)));
        }
        if let Some(options) = row.get("option_mapping") {
            remarks.push(format!("options of {}", plain(options)));
        }
        for (key, words) in [("not_null", "never blank"), ("clear_on_failure", "cleared when it cannot be resolved")] {
            if row[key] == json!(true) {
                remarks.push(words.to_owned());
            }
        }
        let used = yes(row["enabled"] == json!(true)).to_owned();
        rows.push([plain(&row["row"]), direction(&row["direction"]), used, remarks.join(", ")]);
    }
    rows
}

/// Writes what this installation changes.
pub async fn export(place: &Place, file: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let standing = application.engine.standing_mappings().await?;
    let overlay = serde_json::to_value(&standing.stored.overlay)?;
    let Some(file) = file else {
        output::json(&overlay)?;
        return Ok(ExitCode::SUCCESS);
    };
    let shown = file.display();
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .with_context(|| format!("{shown} cannot be written; name a file that is not there yet"))?;
    writeln!(opened, "{overlay:#}").with_context(|| format!("{shown} cannot be written"))?;
    if as_json {
        output::json(&json!({ "file": file, "revision": standing.revision }))?;
    } else {
        output::note(&format!("{shown} is written; {}", in_force(standing.revision)));
    }
    Ok(ExitCode::SUCCESS)
}

fn in_force(revision: u64) -> String {
    match revision {
        0 => "the mappings are as Couplet brings them along".to_owned(),
        revision => format!("revision {revision} of the mappings is in force"),
    }
}

/// A value as a cell of a table.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => yes(*value).to_owned(),
        other => other.to_string(),
    }
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn direction(value: &Value) -> String {
    match value.as_str() {
        Some("to_dataverse") => "to Dataverse".to_owned(),
        Some("from_dataverse") => "from Dataverse".to_owned(),
        Some("bidirectional") => "both ways".to_owned(),
        _ => plain(value),
    }
}

fn list_of(value: &Value) -> String {
    let names: Vec<String> = value.as_array().into_iter().flatten().map(plain).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
