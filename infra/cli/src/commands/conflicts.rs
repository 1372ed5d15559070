//! `couplet conflicts`: what both sides have changed, with both values, and `couplet conflicts resolve`, which settles it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use couplet_engine::Engine;
use couplet_model::RecordId;
use couplet_model::ids::MappingName;
use couplet_model::message::{Direction, Resolution};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_store::{Failure, FailureKind};
use serde_json::{Value, json};

use super::asking::{self, Asking, Whom};
use super::jobs::seconds;
use crate::arguments::{ConflictsAction, ConflictsOptions, FieldChoice, ResolveOptions};
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// Lists conflicts, or settles them.
pub async fn conflicts(place: &Place, options: &ConflictsOptions) -> anyhow::Result<ExitCode> {
    match &options.action {
        Some(ConflictsAction::Resolve(resolve)) => settle(place, resolve).await,
        None => list(place, options).await,
    }
}

/// A pair that both sides have changed, as it was told last.
pub(super) struct Conflict {
    failure: Failure,
    record: Option<RecordId>,
    row: Option<RecordId>,
}

async fn list(place: &Place, options: &ConflictsOptions) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let mappings: Vec<MappingName> = match options.mapping.as_deref() {
        Some(name) => vec![installation::mapping(engine, name)?],
        None => engine.mappings().iter().map(|mapping| mapping.name.clone()).collect(),
    };
    let mut conflicts = Vec::new();
    for mapping in &mappings {
        conflicts.extend(of_mapping(engine, mapping).await?);
    }
    conflicts.sort_by_key(|conflict| conflict.failure.first_at);
    let total = conflicts.len();
    conflicts.truncate(options.limit as usize);
    if options.json {
        let objects: Vec<Value> = conflicts.iter().map(object).collect();
        output::json(&json!({ "total": total, "conflicts": objects }))?;
    } else if conflicts.is_empty() {
        output::result("no record was changed on both sides")?;
    } else {
        output::result(&render(&conflicts, total))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The conflicts of a mapping, each pair once: both directions may have told of it.
pub(super) async fn of_mapping(engine: &Engine, mapping: &MappingName) -> anyhow::Result<Vec<Conflict>> {
    let mut found: BTreeMap<Option<RecordId>, Conflict> = BTreeMap::new();
    for direction in Direction::BOTH {
        for failure in engine.store().failures(engine.company(), mapping, direction).await? {
            if failure.kind != FailureKind::Conflict {
                continue;
            }
            let (record, row) = match direction.source() {
                Side::BusinessCentral => (Some(failure.record), failure.other),
                Side::Dataverse => (failure.other, Some(failure.record)),
            };
            let is_newer = found.get(&record).is_none_or(|known| known.failure.at < failure.at);
            if is_newer {
                found.insert(record, Conflict { failure, record, row });
            }
        }
    }
    Ok(found.into_values().collect())
}

fn object(conflict: &Conflict) -> Value {
    let failure = &conflict.failure;
    json!({
        "mapping": failure.mapping,
        "label": failure.label,
        "business_central": conflict.record,
        "dataverse": conflict.row,
        "since": failure.first_at,
        "at": failure.at,
        "attempts": failure.attempts,
        "fields": failure.conflicts,
        "message": failure.message,
    })
}

fn render(conflicts: &[Conflict], total: usize) -> String {
    let mut shown = table(&["since", "mapping", "record", "field", "in Business Central", "in Dataverse"]);
    for Conflict { failure, .. } in conflicts {
        // A conflict that a mapping's own rules tell of names its values in its message.
        if failure.conflicts.is_empty() {
            let field = failure.field.as_deref().unwrap_or_default();
            shown.add_row(vec![
                text(seconds(failure.first_at)),
                text(&failure.mapping),
                text(&failure.label),
                text(field),
                text(&failure.message),
                text(""),
            ]);
        }
        for (place, field) in failure.conflicts.iter().enumerate() {
            let of_first = |value: String| if place == 0 { value } else { String::new() };
            shown.add_row(vec![
                text(of_first(seconds(failure.first_at))),
                text(of_first(failure.mapping.to_string())),
                text(of_first(failure.label.clone())),
                text(&field.business_central),
                text(&field.business_central_value),
                text(&field.dataverse_value),
            ]);
        }
    }
    let mut lines = vec![shown.to_string()];
    if total > conflicts.len() {
        lines.push(format!("{} more; show them with --limit {total}", total - conflicts.len()));
    }
    if let Some(Conflict { failure, record: Some(record), .. }) = conflicts.first() {
        lines.push(format!(
            "settle one with: couplet conflicts resolve \"{}\" --bc {record} --wins business-central",
            failure.mapping
        ));
    }
    lines.join("\n")
}

async fn settle(place: &Place, options: &ResolveOptions) -> anyhow::Result<ExitCode> {
    let named = &options.named;
    let whom = match options.all {
        true => Whom::All(Chosen::Conflicting),
        false => Whom::Records(&named.business_central, &named.dataverse),
    };
    let wins = options.wins.map(Side::from);
    let fields: Vec<(String, Side)> =
        options.fields.iter().map(|FieldChoice { field, wins }| (field.clone(), Side::from(*wins))).collect();
    // Which columns the names mean is filled in once the mapping is known.
    let want = Want::Resolve(Resolution { wins, fields: fields.into_iter().collect() });
    asking::one(place, &Asking { mapping: &named.mapping, want, whom, how: &named.how }).await
}
