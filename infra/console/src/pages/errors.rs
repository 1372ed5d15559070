//! What failed: records still to be mended, and the latest errors.

use couplet_model::message::Direction;
use couplet_store::{ErrorKind, ErrorRecord, Failure, FailureKind};
use maud::{Markup, html};

use super::{named, record};
use crate::layout::{Page, View};
use crate::operator::{Answer, Operator};
use crate::tables::{Column, Kind, more, nothing, table, text};
use crate::times::time;

const OPEN: [Column; 5] = [
    ("record", Kind::Head),
    ("direction", Kind::Word),
    ("since", Kind::Text),
    ("what is wrong", Kind::Text),
    ("", Kind::Acts),
];
const LATEST: [Column; 4] =
    [("record", Kind::Head), ("when", Kind::Text), ("direction", Kind::Word), ("error", Kind::Text)];

pub async fn page(view: &View<'_>, operator: &dyn Operator, mapping: Option<&str>) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let failures = operator.failures(mapping).await?;
    let open = &failures.open;
    let body = html! {
        (view.choice(&names, mapping, true))
        section {
            h2 { "To be mended" }
            @if open.shown.is_empty() {
                (nothing("No record has failed."))
            } @else {
                (table("Records that failed, the newest first", &OPEN, open.shown.iter().map(|failure| still_open(view, failure)).collect()))
                (more(open.total, open.shown.len(), "choose a mapping to see fewer."))
                @if let Some(mapping) = mapping {
                    (view.careful("retry-all", &[("mapping", mapping)], "Retry all",
                        &format!("Everything that failed of {mapping} is tried again now, conflicts included.")))
                } @else {
                    p.faint { "Choose a mapping to retry all that failed of it." }
                }
            }
        }
        section {
            h2 { "The latest errors" }
            @if failures.latest.is_empty() {
                (nothing("No errors are stored."))
            } @else {
                (table("Errors, the newest first, mended or not", &LATEST, failures.latest.iter().map(|error| latest(view, error)).collect()))
            }
        }
    };
    Ok(Page::live("Errors", body))
}

fn still_open(view: &View<'_>, failure: &Failure) -> Vec<Markup> {
    let (mapping, side) = (failure.mapping.as_str(), failure.direction.source());
    let id = failure.record.to_string();
    let fields = named(mapping, side, &id, &failure.label);
    vec![
        html! { (record(mapping, side, failure.record, &failure.label)) p.faint { (mapping) } },
        text(failure.direction),
        html! { (time(view.now, failure.first_at)) p.faint { "tried " (failure.attempts) "×" } },
        html! { (kind(failure.kind)) (field(failure.field.as_deref())) (failure.message) },
        html! {
            (view.button("retry", &fields, "Retry", &failure.label))
            // Only a coupled record can be skipped.
            @if failure.other.is_some() { (view.button("skip", &fields, "Skip", &failure.label)) }
        },
    ]
}

fn latest(view: &View<'_>, error: &ErrorRecord) -> Vec<Markup> {
    let (mapping, side) = (error.mapping.as_str(), Direction::source(error.direction));
    let altered = html! { @if error.kind == ErrorKind::Altered { span.state { "arrived in another form" } " " } };
    vec![
        html! { (record(mapping, side, error.record, &error.label)) p.faint { (mapping) } },
        time(view.now, error.at),
        text(error.direction),
        html! { (altered) (field(error.field.as_deref())) (error.message) },
    ]
}

fn field(name: Option<&str>) -> Markup {
    html! { @if let Some(name) = name { strong { (name) } ": " } }
}

fn kind(kind: FailureKind) -> Markup {
    let said = match kind {
        FailureKind::Data | FailureKind::Conflict => return html! {},
        FailureKind::Fields => "synchronized but for some fields",
        FailureKind::Waiting => "waits in vain",
    };
    html! { span.state.warn { (said) } " " }
}
