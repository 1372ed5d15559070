//! `couplet history MAPPING --bc RECORD`: how one record stands, and what became of it, when and why.

use std::process::ExitCode;

use anyhow::bail;
use couplet_console::Story;
use couplet_engine::{Engine, Named, RecordStory};
use couplet_model::coupling::{Coupling, CouplingState, LastResult};
use couplet_model::history::HistoryEntry;
use couplet_model::ids::MappingName;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_runtime::handlers::FindEvent;
use couplet_store::{Failure, FailureKind, Wait};
use serde_json::{Value, json};

use super::asking::one_of;
use super::jobs::seconds;
use crate::arguments::HistoryOptions;
use crate::deployed::Stack;
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// Seconds of one day.
const DAY: i64 = 24 * 60 * 60;

/// Shows the history of a record.
pub async fn history(place: &Place, options: &HistoryOptions) -> anyhow::Result<ExitCode> {
    let (application, stack) = match place {
        Place::Here(config) => (installation::look(config.as_deref()).await?, None),
        Place::Deployed(name) => {
            let stack = Stack::reach(name).await?;
            (stack.application().await?, Some(stack))
        }
    };
    let (side, name) = match (&options.business_central, &options.dataverse) {
        (Some(record), _) => (Side::BusinessCentral, record),
        (None, Some(row)) => (Side::Dataverse, row),
        (None, None) => bail!("name the record with --bc or --dataverse, such as --bc 10000"),
    };
    let told =
        told_of(&application.engine, stack.as_ref(), &options.mapping, side, name, options.limit as usize).await?;
    let Story { mapping, record, story, .. } = told;
    match options.json {
        true => output::json(&object(&mapping, side, &record, &story))?,
        false => output::result(&render(&mapping, side, &record, &story))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of the record that a name means.
///
/// # Errors
/// When there is no such mapping or record, nothing is known of it, or the store or the system cannot be read.
pub(super) async fn told_of(
    engine: &Engine,
    stack: Option<&Stack>,
    mapping: &str,
    side: Side,
    name: &str,
    limit: usize,
) -> anyhow::Result<Story> {
    let mapping = installation::mapping(engine, mapping)?;
    let record = found(engine, stack, &mapping, side, name).await?;
    let story = engine.story(&mapping, side, record.id, limit).await?;
    if story.is_empty() {
        bail!("{}", unknown(engine, &mapping, side, name));
    }
    Ok(Story { mapping, side, record, story })
}

/// The record that a name means.
async fn found(
    engine: &Engine,
    stack: Option<&Stack>,
    mapping: &MappingName,
    side: Side,
    name: &str,
) -> anyhow::Result<Named> {
    one_of(mapping, side, name, called(engine, stack, mapping, side, name).await?)
}

/// The records that are called so. Where the store knows one, neither system is asked.
pub(super) async fn called(
    engine: &Engine,
    stack: Option<&Stack>,
    mapping: &MappingName,
    side: Side,
    name: &str,
) -> anyhow::Result<Vec<Named>> {
    if let Some(named) = engine.named_in_store(mapping, side, name).await? {
        return Ok(vec![named]);
    }
    match stack {
        None => Ok(engine.named(mapping, side, name).await?),
        Some(stack) => {
            let event = FindEvent { mapping: mapping.clone(), side, names: vec![name.to_owned()] };
            Ok(stack.find(event).await?.found.into_iter().next().unwrap_or_default())
        }
    }
}

/// What is said of a record of which nothing is known, and what to do.
fn unknown(engine: &Engine, mapping: &MappingName, side: Side, name: &str) -> String {
    let option = match side {
        Side::BusinessCentral => "--bc",
        Side::Dataverse => "--dataverse",
    };
    let kept = match engine.store().history_kept().as_secs() / DAY {
        0 => "and its history is not kept (retention.history_days is 0)".to_owned(),
        days => format!("and nothing became of it in the last {days} days"),
    };
    format!(
        "nothing is known of {name:?} of {mapping} in {side}: it is not coupled, {kept}; couplet sync \"{mapping}\" {option} {name:?} \
         --create synchronizes it"
    )
}

fn object(mapping: &MappingName, side: Side, record: &Named, story: &RecordStory) -> Value {
    let coupling = story.coupling.as_ref().map(|coupling| {
        json!({
            "business_central": coupling.system_id,
            "dataverse": coupling.dataverse_id,
            "key": coupling.key,
            "state": state(coupling),
            "to_dataverse": coupling.to_dataverse,
            "from_dataverse": coupling.from_dataverse,
        })
    });
    let entries: Vec<Value> = story
        .entries
        .iter()
        .map(|entry| {
            let fields: Vec<Value> = entry
                .fields
                .iter()
                .map(|field| {
                    let (business_central, dataverse) = field.columns(entry.direction);
                    json!({
                        "business_central": business_central,
                        "dataverse": dataverse,
                        "source_value": field.source_value,
                        "destination_value": field.destination_value,
                        "base": field.base,
                        "written": field.written,
                        "rule": field.rule,
                        "origin": field.origin,
                        "why": why(entry.direction, field),
                    })
                })
                .collect();
            json!({
                "at": entry.at,
                "run": entry.run,
                "job": entry.job,
                "direction": entry.direction,
                "business_central": entry.business_central,
                "dataverse": entry.dataverse,
                "outcome": entry.outcome,
                "cause": entry.cause,
                "why": entry.cause.in_words(entry.direction),
                "message": entry.message,
                "fields": fields,
                "more_fields": entry.more_fields,
            })
        })
        .collect();
    json!({
        "mapping": mapping,
        "side": side,
        "record": record.id,
        "label": record.label,
        "coupling": coupling,
        "failures": story.failures,
        "waits": story.waits.iter().map(wait).collect::<Vec<_>>(),
        "history": entries,
    })
}

fn wait(wait: &Wait) -> Value {
    json!({
        "direction": wait.message.direction,
        "since": wait.since,
        "field": wait.field,
        "value": wait.value,
        "mapping": wait.dependency.mapping,
    })
}

fn render(mapping: &MappingName, side: Side, record: &Named, story: &RecordStory) -> String {
    let mut lines = vec![format!("{mapping}: {} in {side}", record.label)];
    lines.extend(standing(story));
    for entry in &story.entries {
        lines.push(String::new());
        lines.extend(told(entry));
    }
    if story.entries.is_empty() {
        lines.push("no history is stored of it".to_owned());
    }
    lines.join("\n")
}

/// How the record stands now.
fn standing(story: &RecordStory) -> Vec<String> {
    let mut lines = Vec::new();
    match &story.coupling {
        None => lines.push("not coupled".to_owned()),
        Some(coupling) => {
            let key = coupling.key.as_ref().map(|key| format!("{key} ")).unwrap_or_default();
            lines.push(format!(
                "{}: {key}{} in Business Central with {} in Dataverse",
                state(coupling),
                coupling.system_id,
                coupling.dataverse_id
            ));
            for direction in Direction::BOTH {
                lines.extend(coupling.result(direction).map(|result| last(direction, result)));
            }
        }
    }
    lines.extend(story.failures.iter().map(failure));
    for wait in &story.waits {
        let since = wait.since.map(|since| format!(" since {}", seconds(since))).unwrap_or_default();
        let (direction, mapping) = (wait.message.direction, &wait.dependency.mapping);
        lines.push(format!("waits {direction}{since}: {} {} is not coupled by {mapping}", wait.field, wait.value));
    }
    lines
}

fn last(direction: Direction, result: &LastResult) -> String {
    let at = seconds(result.at);
    match &result.failure {
        None => format!("last synchronized {direction}: {at}"),
        Some(_) => format!("last tried {direction}: {at}, and failed"),
    }
}

fn failure(failure: &Failure) -> String {
    let kind = match failure.kind {
        FailureKind::Data => "failed",
        FailureKind::Conflict => "in conflict",
        FailureKind::Fields => "synchronized but for some fields",
        FailureKind::Waiting => "waits in vain",
    };
    let Failure { direction, first_at, message, .. } = failure;
    format!("{kind} {direction} since {}: {message}", seconds(*first_at))
}

/// One outcome: a line of its own, what was told, and the fields.
fn told(entry: &HistoryEntry) -> Vec<String> {
    let job = &entry.job;
    let mut lines = vec![format!(
        "{} {} {}: {} (run {} of {job})",
        seconds(entry.at),
        entry.outcome.in_words(),
        entry.direction,
        entry.cause.in_words(entry.direction),
        entry.run
    )];
    lines.extend(entry.message.clone());
    if !entry.fields.is_empty() {
        let (here, there) = (entry.direction.source(), entry.direction.destination());
        let head = [
            "field in Business Central",
            "in Dataverse",
            &format!("value in {here}"),
            &format!("value in {there}"),
            "last agreed",
            "written",
            "why",
        ];
        let mut shown = table(&head);
        for field in &entry.fields {
            let (business_central, dataverse) = field.columns(entry.direction);
            shown.add_row(vec![
                text(business_central.unwrap_or("–")),
                text(dataverse.unwrap_or("–")),
                text(value(field.source_value.as_deref())),
                text(value(field.destination_value.as_deref())),
                text(value(field.base.as_deref())),
                text(value(field.written.as_deref())),
                text(why(entry.direction, field)),
            ]);
        }
        lines.push(shown.to_string());
    }
    if entry.more_fields > 0 {
        lines.push(format!("{} more fields, for which the history has no room", entry.more_fields));
    }
    lines
}

/// A value, with a blank told from what is not known.
fn value(value: Option<&str>) -> String {
    match value {
        None => "–".to_owned(),
        Some("") => "(blank)".to_owned(),
        Some(value) => value.to_owned(),
    }
}

fn why(direction: Direction, field: &couplet_model::history::FieldReason) -> String {
    let rule = field.rule.in_words(direction);
    match field.origin.in_words() {
        Some(origin) if field.rule != couplet_model::field_rule::FieldRule::Beside => format!("{rule}, {origin}"),
        _ => rule,
    }
}

fn state(coupling: &Coupling) -> &'static str {
    match coupling.state {
        _ if coupling.skipped => "coupled and skipped",
        CouplingState::Reserved => "being created",
        CouplingState::Coupled => "coupled",
    }
}
