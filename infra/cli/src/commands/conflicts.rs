//! `couplet conflicts`: what both sides have changed, with both values, and `couplet conflicts resolve`, which settles it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use couplet_console::{Conflict, Listed};
use couplet_engine::Engine;
use couplet_model::coupling::Base;
use couplet_model::ids::MappingName;
use couplet_model::message::Resolution;
use couplet_model::outcome::FieldConflict;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::{Column, Side};
use couplet_model::{ActiveMapping, RecordId};
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

async fn list(place: &Place, options: &ConflictsOptions) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let engine = &application.engine;
    let Listed { total, shown: conflicts } = all(engine, options.mapping.as_deref(), options.limit as usize).await?;
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

/// The conflicts of a mapping, or of all, longest first, with what the pairs last agreed on; so many at most.
pub(super) async fn all(engine: &Engine, name: Option<&str>, limit: usize) -> anyhow::Result<Listed<Conflict>> {
    let mut conflicts = Vec::new();
    for mapping in &installation::mappings(engine, name)? {
        conflicts.extend(of_mapping(engine, mapping).await?);
    }
    conflicts.sort_by_key(|conflict| conflict.failure.first_at);
    let mut listed = Listed::first(conflicts, limit);
    add_bases(engine, &mut listed.shown).await?;
    Ok(listed)
}

/// Adds what the pairs last agreed on, in one read for each mapping.
async fn add_bases(engine: &Engine, conflicts: &mut [Conflict]) -> anyhow::Result<()> {
    for mapping in engine.mappings() {
        let ours = conflicts.iter_mut().filter(|conflict| conflict.failure.mapping == mapping.name);
        let mut ours: Vec<&mut Conflict> = ours.collect();
        if ours.is_empty() {
            continue;
        }
        let ids: Vec<RecordId> = ours.iter().filter_map(|conflict| conflict.record).collect();
        let side = Side::BusinessCentral;
        let couplings = engine.store().couplings_by_id(engine.company(), &mapping.name, side, &ids).await?;
        for conflict in &mut ours {
            let base = conflict.record.and_then(|record| couplings.get(&record)).map(|coupling| &coupling.base);
            let bases = conflict.failure.conflicts.iter().map(|field| base_of(mapping, base?, field)).collect();
            conflict.bases = bases;
        }
    }
    Ok(())
}

/// What both sides of a field last agreed on. A field of a line has its base elsewhere, and none here.
fn base_of(mapping: &ActiveMapping, base: &Base, field: &FieldConflict) -> Option<String> {
    let row = mapping.fields.iter().find(|row| {
        row.business_central.as_deref().is_some_and(|column| column.caption == field.business_central)
            && row.dataverse.as_deref().is_some_and(|column| column.caption == field.dataverse)
    })?;
    let of = |side, column: Option<&Column>| base.get(side, column?);
    let known = of(Side::BusinessCentral, row.business_central.as_deref());
    let known = known.or_else(|| of(Side::Dataverse, row.dataverse.as_deref()));
    known.map(|value| if value.is_null() { String::new() } else { value.to_string() })
}

/// The conflicts of a mapping, each pair once: both directions may have told of it.
pub(super) async fn of_mapping(engine: &Engine, mapping: &MappingName) -> anyhow::Result<Vec<Conflict>> {
    Ok(among(engine.store().failures_both_ways(engine.company(), mapping).await?))
}

/// The conflicts among the failures of a mapping, each pair once.
pub(super) fn among(failures: Vec<Failure>) -> Vec<Conflict> {
    let mut found: BTreeMap<Option<RecordId>, Conflict> = BTreeMap::new();
    for failure in failures.into_iter().filter(|failure| failure.kind == FailureKind::Conflict) {
        let (record, row) = match failure.direction.source() {
            Side::BusinessCentral => (Some(failure.record), failure.other),
            Side::Dataverse => (failure.other, Some(failure.record)),
        };
        let is_newer = found.get(&record).is_none_or(|known| known.failure.at < failure.at);
        if is_newer {
            found.insert(record, Conflict { failure, record, row, bases: Vec::new() });
        }
    }
    found.into_values().collect()
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
        "last_agreed": conflict.bases,
        "message": failure.message,
    })
}

fn render(conflicts: &[Conflict], total: usize) -> String {
    let mut shown =
        table(&["since", "mapping", "record", "field", "last agreed", "in Business Central", "in Dataverse"]);
    for Conflict { failure, bases, .. } in conflicts {
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
                text(bases.get(place).and_then(|base| base.as_deref()).unwrap_or("–")),
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
