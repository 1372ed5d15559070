//! `couplet deleted`: pairs of which one record was deleted, with what can be done about them; and what is done.

use std::process::ExitCode;

use couplet_engine::{Engine, LostPair};
use couplet_model::ids::MappingName;
use couplet_model::message::Remedy;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use serde_json::{Value, json};

use super::asking::{self, Asking, Ended, Whom};
use super::jobs::seconds;
use crate::arguments::{DeletedAction, DeletedOptions, HowOptions, MendOptions};
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// Lists broken pairs, looks for them, or does something about them.
pub async fn deleted(place: &Place, options: &DeletedOptions) -> anyhow::Result<ExitCode> {
    match &options.action {
        Some(DeletedAction::Restore(chosen)) => mend(place, chosen, Remedy::Restore).await,
        Some(DeletedAction::Delete(chosen)) => mend(place, chosen, Remedy::Delete).await,
        Some(DeletedAction::Uncouple(chosen)) => mend(place, chosen, Remedy::Uncouple).await,
        None => list(place, options).await,
    }
}

async fn mend(place: &Place, options: &MendOptions, remedy: Remedy) -> anyhow::Result<ExitCode> {
    let MendOptions { named, filtered, all } = options;
    let whom = Whom::of(named, Some(filtered), all.then_some(Chosen::Deleted))?;
    asking::one(place, &Asking { mapping: &named.mapping, want: Want::Mend(remedy), whom, how: &named.how }).await
}

async fn list(place: &Place, options: &DeletedOptions) -> anyhow::Result<ExitCode> {
    let mut looked = None;
    if let (true, Some(mapping)) = (options.look, &options.mapping) {
        let how = HowOptions { dry_run: false, wait: options.wait, json: options.json };
        let whom = Whom::All(Chosen::Coupled);
        match asking::carried_out(place, &Asking { mapping, want: Want::LookForDeleted, whom, how: &how }).await? {
            Ended::Run(ended) => looked = Some(ended.sound()?),
            other => return other.show(options.json),
        }
    }
    let application = place.look().await?;
    let engine = &application.engine;
    let mappings: Vec<MappingName> = match options.mapping.as_deref() {
        Some(name) => vec![installation::mapping(engine, name)?],
        None => engine.mappings().iter().map(|mapping| mapping.name.clone()).collect(),
    };
    let mut lost = Vec::new();
    for mapping in &mappings {
        lost.extend(engine.lost_pairs(mapping).await?);
    }
    lost.sort_by_key(|pair| pair.failure.first_at);
    let total = lost.len();
    lost.truncate(options.limit as usize);
    if options.json {
        let objects: Vec<Value> = lost.iter().map(object).collect();
        let mut all = json!({ "total": total, "deleted": objects });
        if let Some(run) = looked {
            all["run"] = json!(run);
        }
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(message) = looked.and_then(|run| run.message) {
        output::result(&message)?;
    }
    if lost.is_empty() {
        output::result("no pair is known of which one record was deleted")?;
    } else {
        output::result(&render(engine, &lost, total))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A broken pair in JSON.
fn object(pair: &LostPair) -> Value {
    json!({
        "mapping": pair.mapping,
        "label": pair.label,
        "gone": pair.gone,
        "business_central": pair.business_central,
        "dataverse": pair.dataverse,
        "since": pair.failure.first_at,
        "at": pair.failure.at,
        "attempts": pair.failure.attempts,
        "remedies": pair.remedies,
        "message": pair.failure.message,
    })
}

fn render(engine: &Engine, lost: &[LostPair], total: usize) -> String {
    let mut shown = table(&["since", "mapping", "record", "deleted", "what is left", "what can be done"]);
    for pair in lost {
        let mapping = engine.mappings().into_iter().find(|mapping| mapping.name == pair.mapping);
        let caption = |side: Side| mapping.as_ref().map_or_else(String::new, |mapping| mapping.table(side).caption());
        let left = pair.gone.other();
        let id = match left {
            Side::BusinessCentral => pair.business_central,
            Side::Dataverse => pair.dataverse,
        };
        shown.add_row(vec![
            text(seconds(pair.failure.first_at)),
            text(&pair.mapping),
            text(&pair.label),
            text(format!("the {} in {}", caption(pair.gone), pair.gone)),
            text(format!("the {} {id} in {left}", caption(left))),
            text(pair.remedies.iter().map(|remedy| word(*remedy)).collect::<Vec<_>>().join(", ")),
        ]);
    }
    let mut lines = vec![shown.to_string()];
    if total > lost.len() {
        lines.push(format!("{} more; show them with --limit {total}", total - lost.len()));
    }
    if let Some(pair) = lost.first() {
        let remedy = pair.remedies.first().copied().unwrap_or(Remedy::Uncouple);
        lines.push(format!(
            "do something about one with: couplet deleted {} \"{}\" --bc {}",
            word(remedy),
            pair.mapping,
            pair.business_central
        ));
    }
    lines.join("\n")
}

/// A remedy as the command calls it.
fn word(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Restore => "restore",
        Remedy::Delete => "delete",
        Remedy::Uncouple => "uncouple",
    }
}
