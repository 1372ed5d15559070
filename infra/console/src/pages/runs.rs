//! Runs: how far they are, and how they ended.

use couplet_model::job::{Run, RunState, Trigger};
use maud::{Markup, html};

use super::outcomes;
use crate::chart::last_runs;
use crate::layout::{Page, View};
use crate::links;
use crate::operator::{Answer, Operator};
use crate::tables::{Column, Kind, more, nothing, table, text};
use crate::times::{duration, grouped, time};

/// Runs that are shown.
const SHOWN: usize = 100;
/// Bars of the small picture.
const BARS: usize = 40;

const COLUMNS: [Column; 6] = [
    ("job", Kind::Head),
    ("started", Kind::Text),
    ("because", Kind::Word),
    ("state", Kind::Text),
    ("took", Kind::Number),
    ("records", Kind::Text),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator, job: Option<&str>) -> Answer<Page> {
    let runs = operator.runs(job).await?;
    let all: Vec<&Run> = runs.iter().collect();
    let body = html! {
        @if job.is_some() {
            p { a href="/runs" { "Runs of all jobs" } }
            @if !all.is_empty() {
                figure.chart {
                    figcaption { "Records of the last runs, the newest at the right" }
                    (last_runs(&all[..all.len().min(BARS)]))
                }
            }
        }
        (list(view, &all, SHOWN))
    };
    let title = job.map_or_else(|| "Runs".to_owned(), |job| format!("Runs of {job}"));
    Ok(Page::live(title, body))
}

/// A list of runs.
pub fn list(view: &View<'_>, runs: &[&Run], limit: usize) -> Markup {
    if runs.is_empty() {
        return nothing("No run is stored yet.");
    }
    let rows = runs.iter().take(limit).map(|run| row(view, run)).collect();
    html! {
        (table("Runs, newest first", &COLUMNS, rows))
        (more(runs.len(), limit, "couplet jobs --json has the last run of each job."))
    }
}

fn row(view: &View<'_>, run: &Run) -> Vec<Markup> {
    vec![
        html! {
            a href=(links::address("/runs", &[("job", &run.job)])) title=(format!("run {}", run.id)) { (run.job) }
            @if let Some(message) = &run.message { p.faint { (message) } }
        },
        time(view.now, run.started),
        text(because(run.trigger)),
        state(run),
        run.finished.map_or_else(|| text("–"), |finished| text(duration(finished.duration_since(run.started)))),
        html! {
            (outcomes(&run.counters))
            @if run.counters.failed > 0 { a href=(links::address("/errors", &[])) { "what failed" } }
        },
    ]
}

fn because(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "its timer",
        Trigger::Manual => "a person",
        Trigger::Full => "a full synchronization",
        Trigger::Notification => "a change notification",
    }
}

fn state(run: &Run) -> Markup {
    let (class, caption) = match run.state() {
        RunState::Finding => ("state busy", "Looks for changes"),
        RunState::InProcess => ("state busy", "In Process"),
        RunState::Success => ("state good", "Success"),
        RunState::Error => ("state bad", "Error"),
    };
    html! { span class=(class) { (caption) } (progress(run)) }
}

/// How far a run is that has not ended.
pub fn progress(run: &Run) -> Markup {
    let (done, of) = (run.processed, run.enqueued);
    html! {
        @if run.finished.is_none() && of > 0 {
            div.progress {
                progress max=(of) value=(done) aria-label=(format!("{done} of {of} records are processed")) {}
                span { (grouped(done)) " of " (grouped(of)) }
            }
        }
    }
}
