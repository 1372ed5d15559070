//! `couplet errors`: what went wrong lately.

use std::process::ExitCode;

use couplet_model::ids::MappingName;
use serde_json::json;

use super::jobs::seconds;
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// Lists errors, newest first.
pub async fn errors(place: &Place, name: Option<&str>, limit: u32, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let mappings: Vec<MappingName> = match name {
        Some(name) => vec![installation::mapping(engine, name)?],
        None => engine.mappings().iter().map(|mapping| mapping.name.clone()).collect(),
    };
    let mut found = Vec::new();
    for mapping in &mappings {
        found.extend(engine.store().errors(engine.company(), mapping, limit as usize).await?);
    }
    found.sort_by_key(|error| std::cmp::Reverse(error.at));
    if as_json {
        output::json(&json!({ "errors": found }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        output::result("no errors are stored")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["when", "mapping", "direction", "record", "field", "error"]);
    for error in &found {
        shown.add_row(vec![
            text(seconds(error.at)),
            text(&error.mapping),
            text(error.direction),
            text(&error.label),
            text(error.field.as_deref().unwrap_or_default()),
            text(&error.message),
        ]);
    }
    output::result(&shown.to_string())?;
    Ok(ExitCode::SUCCESS)
}
