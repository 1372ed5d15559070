//! `couplet errors`: what went wrong lately.

use std::process::ExitCode;

use couplet_engine::Engine;
use couplet_store::ErrorRecord;
use serde_json::json;

use super::jobs::seconds;
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// The latest errors of a mapping, or of all, newest first; so many of each mapping at most.
pub(super) async fn latest(engine: &Engine, name: Option<&str>, limit: usize) -> anyhow::Result<Vec<ErrorRecord>> {
    let mut found = Vec::new();
    for mapping in &installation::mappings(engine, name)? {
        found.extend(engine.store().errors(engine.company(), mapping, limit).await?);
    }
    found.sort_by_key(|error| std::cmp::Reverse(error.at));
    Ok(found)
}

/// Lists errors, newest first.
pub async fn errors(place: &Place, name: Option<&str>, limit: u32, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let found = latest(engine, name, limit as usize).await?;
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
