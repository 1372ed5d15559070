//! How one record stands, and what became of it.

use couplet_model::coupling::CouplingState;
use couplet_model::history::{FieldReason, HistoryEntry};
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_store::{Failure, FailureKind};
use maud::{Markup, html};

use super::couplings::sides;
use super::{named, short};
use crate::act::side;
use crate::layout::{Page, View};
use crate::links;
use crate::operator::{Answer, Operator, Refusal, Story};
use crate::router::{Asked, value};
use crate::tables::{Column, Kind, nothing, table, text, value as shown_value};
use crate::times::time;

const COLUMNS: [Column; 6] = [
    ("field", Kind::Head),
    ("last agreed", Kind::Text),
    ("in Business Central", Kind::Text),
    ("in Dataverse", Kind::Text),
    ("written", Kind::Text),
    ("why", Kind::Text),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator, asked: &Asked) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let (mapping, name) = (value(asked, "mapping"), value(asked, "name"));
    let on = value(asked, "side").map_or(Ok(Side::BusinessCentral), side).map_err(|bad| Refusal(bad.to_string()))?;
    let form = html! {
        form.filter method="get" action="/history" {
            label for="mapping" { "Mapping" }
            select id="mapping" name="mapping" required {
                option value="" { "choose one" }
                @for known in &names {
                    option value=(known) selected[mapping.is_some_and(|chosen| chosen.eq_ignore_ascii_case(known))] { (known) }
                }
            }
            label for="side" { "Named as in" }
            (sides(on))
            label for="name" { "Number, name or id" }
            input id="name" type="search" name="name" value=[name] maxlength="200" required autocomplete="off";
            button type="submit" { "Show" }
        }
    };
    let (Some(mapping), Some(name)) = (mapping, name) else {
        let body = html! { (form) p { "Name a record to see how it stands, and what became of it: when, why, by which rule and with which values." } };
        return Ok(Page::still("History", body));
    };
    let story = operator.history(mapping, on, name).await?;
    let title = format!("History of {}", label(&story));
    Ok(Page::live(title, html! { (form) (told(view, &story)) }))
}

fn told(view: &View<'_>, told: &Story) -> Markup {
    let Story { mapping, side, record, story } = told;
    let mapping = mapping.as_str();
    let (id, label) = (record.id.to_string(), label(told));
    let fields = named(mapping, *side, &id, label);
    html! {
        section {
            h2 { "How it stands" }
            p { strong title=(record.id) { (label) } " of " (mapping) " in " (side) "." }
            @match &story.coupling {
                None => { p { "Not coupled." } },
                Some(pair) => {
                    p {
                        (match (pair.skipped, pair.state) {
                            (true, _) => "Coupled and skipped",
                            (false, CouplingState::Reserved) => "Being created",
                            (false, CouplingState::Coupled) => "Coupled",
                        })
                        ": "
                        @if let Some(key) = &pair.key { (key) " " }
                        a href=(links::history(mapping, Side::BusinessCentral, pair.system_id.into())) title=(pair.system_id) { (short(pair.system_id.into())) }
                        " in Business Central with "
                        a href=(links::history(mapping, Side::Dataverse, pair.dataverse_id.into())) title=(pair.dataverse_id) { (short(pair.dataverse_id.into())) }
                        " in Dataverse."
                    }
                    @for direction in Direction::BOTH {
                        @if let Some(last) = pair.result(direction) {
                            p { @if last.failure.is_none() { "Last synchronized " } @else { "Last tried, in vain, " } (direction) " " (time(view.now, last.at)) "." }
                        }
                    }
                    div.buttons {
                        @if pair.skipped {
                            (view.button("unskip", &fields, "Bring back", label))
                        } @else {
                            (view.button("sync", &fields, "Synchronize now", label))
                            (view.button("skip", &fields, "Skip", label))
                        }
                        @if !story.failures.is_empty() { (view.button("retry", &fields, "Retry", label)) }
                    }
                },
            }
            @for failure in &story.failures { p.notice.bad { (failed(failure)) ", first " (time(view.now, failure.first_at)) ": " (failure.message) } }
            @for wait in &story.waits {
                p.notice {
                    "Waits " (wait.message.direction)
                    @if let Some(since) = wait.since { ", first " (time(view.now, since)) }
                    ": " (wait.field) " " strong { (wait.value) } " is not coupled by " (wait.dependency.mapping) "."
                }
            }
        }
        section {
            h2 { "What became of it" }
            @if story.entries.is_empty() { (nothing("No history is stored of it.")) }
            ol.story { @for entry in &story.entries { li { (event(view, entry)) } } }
        }
    }
}

/// What people call the record: the number of its pair, where it was named by an id.
fn label(told: &Story) -> &str {
    let is_id = told.record.label == told.record.id.to_string();
    let key = told.story.coupling.as_ref().and_then(|pair| pair.key.as_deref());
    key.filter(|_| is_id).unwrap_or(&told.record.label)
}

fn failed(failure: &Failure) -> String {
    let kind = match failure.kind {
        FailureKind::Data => "Failed",
        FailureKind::Conflict => "In conflict",
        FailureKind::Fields => "Synchronized but for some fields",
        FailureKind::Waiting => "Waits in vain",
    };
    format!("{kind} {}", failure.direction)
}

fn event(view: &View<'_>, entry: &HistoryEntry) -> Markup {
    let rows: Vec<Vec<Markup>> = entry.fields.iter().map(|field| row(entry.direction, field)).collect();
    html! {
        p {
            (time(view.now, entry.at)) ", " strong { (entry.outcome.in_words()) } " " (entry.direction) ": "
            (entry.cause.in_words(entry.direction)) " "
            span.faint title=(format!("run {}", entry.run)) { "(run of " a href=(links::address("/runs", &[("job", &entry.job)])) { (entry.job) } ")" }
        }
        @if let Some(message) = &entry.message { p { (message) } }
        @if !rows.is_empty() { (table("Fields that differed", &COLUMNS, rows)) }
        @if entry.more_fields > 0 { p.faint { (entry.more_fields) " more fields, for which the history has no room" } }
    }
}

fn row(direction: Direction, field: &FieldReason) -> Vec<Markup> {
    let (business_central, dataverse) = field.columns(direction);
    let (here, there) = match direction {
        Direction::ToDataverse => (&field.source_value, &field.destination_value),
        Direction::FromDataverse => (&field.destination_value, &field.source_value),
    };
    let why = match field.origin.in_words() {
        Some(origin) if field.rule != couplet_model::field_rule::FieldRule::Beside => {
            format!("{}, {origin}", field.rule.in_words(direction))
        }
        _ => field.rule.in_words(direction),
    };
    let name = match (business_central, dataverse) {
        (Some(one), Some(other)) if one != other => format!("{one} = {other}"),
        (one, other) => one.or(other).unwrap_or("–").to_owned(),
    };
    vec![
        text(name),
        shown_value(field.base.as_deref()),
        shown_value(here.as_deref()),
        shown_value(there.as_deref()),
        shown_value(field.written.as_deref()),
        text(why),
    ]
}
