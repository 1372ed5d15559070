//! The pages, one file each.

mod conflicts;
mod couplings;
mod dead_letters;
mod errors;
mod history;
mod jobs;
mod mappings;
mod overview;
mod runs;
mod waiting;

use couplet_model::RecordId;
use couplet_model::outcome::Counters;
use couplet_model::table::Side;
use maud::{Markup, html};

use crate::act::side_word;
use crate::layout::{Page, View};
use crate::links;
use crate::operator::{Answer, Operator};
use crate::router::{Asked, value};
use crate::times::grouped;

/// The addresses of all pages.
pub const PATHS: [&str; 11] = [
    "/",
    "/jobs",
    "/runs",
    "/conflicts",
    "/errors",
    "/waiting",
    "/skipped",
    "/dead-letters",
    "/couplings",
    "/history",
    "/mappings",
];

/// Makes the page of an address.
///
/// # Errors
/// When what it shows cannot be read.
pub async fn page(view: &View<'_>, operator: &dyn Operator, asked: &Asked) -> Answer<Page> {
    let mapping = value(asked, "mapping");
    match view.path {
        "/jobs" => jobs::page(view, operator).await,
        "/runs" => runs::page(view, operator, value(asked, "job")).await,
        "/conflicts" => conflicts::page(view, operator, mapping).await,
        "/errors" => errors::page(view, operator, mapping).await,
        "/waiting" => waiting::page(view, operator, mapping).await,
        "/skipped" => couplings::skipped(view, operator, mapping, value(asked, "after")).await,
        "/dead-letters" => dead_letters::page(view, operator).await,
        "/couplings" => couplings::page(view, operator, asked).await,
        "/history" => history::page(view, operator, asked).await,
        "/mappings" => match mapping {
            Some(name) => mappings::one(operator, name).await,
            None => mappings::all(operator).await,
        },
        _ => overview::page(view, operator).await,
    }
}

/// The fields by which a form names a record.
fn named<'a>(mapping: &'a str, side: Side, record: &'a str, label: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("mapping", mapping), ("side", side_word(side)), ("record", record), ("label", label)]
}

/// A record by what people call it, leading to its history; its id shows when pointed at.
fn record(mapping: &str, side: Side, id: RecordId, label: &str) -> Markup {
    let label = if label.is_empty() { short(id) } else { label.to_owned() };
    html! { a href=(links::history(mapping, side, id)) title=(format!("{id} in {side}")) { (label) } }
}

/// The beginning of an id: enough to tell it from its neighbours.
fn short(id: RecordId) -> String {
    let mut text = id.to_string();
    text.truncate(8);
    format!("{text}…")
}

/// What became of records, without what did not happen.
fn outcomes(counters: &Counters) -> Markup {
    let parts = [
        ("inserted", counters.inserted),
        ("modified", counters.modified),
        ("coupled", counters.coupled),
        ("uncoupled", counters.uncoupled),
        ("failed", counters.failed),
        ("waiting", counters.waiting),
        ("noted", counters.noted),
        ("skipped", counters.skipped),
        ("ignored", counters.ignored),
        ("unchanged", counters.unchanged),
    ];
    let there: Vec<(&str, u64)> = parts.into_iter().filter(|(_, count)| *count > 0).collect();
    html! {
        @if there.is_empty() {
            span.faint { "nothing" }
        } @else {
            ul.outcomes {
                @for (name, count) in there { li class=(format!("outcome {name}")) { strong { (grouped(count)) } " " (name) } }
            }
        }
    }
}
