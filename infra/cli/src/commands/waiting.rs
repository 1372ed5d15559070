//! `couplet waiting`: records that wait for others, what for, and what would release them.

use std::process::ExitCode;

use couplet_engine::Engine;
use couplet_store::Wait;
use serde_json::{Value, json};

use super::jobs::seconds;
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// The records of a mapping, or of all, that wait, those that have waited longest first.
pub(super) async fn all(engine: &Engine, name: Option<&str>) -> anyhow::Result<Vec<Wait>> {
    let mut waits = Vec::new();
    for mapping in &installation::mappings(engine, name)? {
        waits.extend(engine.store().waits_of_mapping(engine.company(), mapping).await?);
    }
    waits.sort_by_key(|wait| wait.since);
    Ok(waits)
}

/// Lists the records that wait, those that have waited longest first.
pub async fn waiting(place: &Place, name: Option<&str>, limit: u32, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let mut waits = all(engine, name).await?;
    let total = waits.len();
    waits.truncate(limit as usize);
    if as_json {
        let objects: Vec<Value> = waits.iter().map(|wait| object(engine, wait)).collect();
        output::json(&json!({ "total": total, "waiting": objects }))?;
    } else if waits.is_empty() {
        output::result("no record waits for another")?;
    } else {
        output::result(&render(engine, &waits, total))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn object(engine: &Engine, wait: &Wait) -> Value {
    json!({
        "mapping": wait.message.mapping,
        "direction": wait.message.direction,
        "record": wait.message.record,
        "label": wait.name(),
        "field": wait.field,
        "value": wait.value,
        "since": wait.since,
        "waits_for": wait.dependency,
        "released_by": engine.released_by(&wait.dependency),
        "run": wait.message.run,
    })
}

fn render(engine: &Engine, waits: &[Wait], total: usize) -> String {
    let mut shown = table(&["since", "mapping", "direction", "record", "field", "value", "released by"]);
    for wait in waits {
        shown.add_row(vec![
            text(wait.since.map_or_else(|| "–".to_owned(), seconds)),
            text(&wait.message.mapping),
            text(wait.message.direction),
            text(wait.name()),
            text(&wait.field),
            // An older version did not keep what the field held; what it needs says nearly the same.
            text(if wait.value.is_empty() { &wait.dependency.key } else { &wait.value }),
            text(engine.released_by(&wait.dependency)),
        ]);
    }
    let mut lines = vec![shown.to_string()];
    if total > waits.len() {
        lines.push(format!("{} more wait; show them with --limit {total}", total - waits.len()));
    }
    lines.join("\n")
}
