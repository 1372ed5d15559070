//! The jobs: state, last run, progress, and what a person does with them.

use couplet_model::job::JobState;
use maud::{Markup, html};

use super::{outcomes, overview, runs};
use crate::layout::{Page, View};
use crate::links;
use crate::operator::{Answer, JobLine, Operator};
use crate::tables::{Column, Kind, table, text};
use crate::times::{grouped, time};

const COLUMNS: [Column; 8] = [
    ("job", Kind::Head),
    ("direction", Kind::Word),
    ("every", Kind::Number),
    ("state", Kind::Text),
    ("last run", Kind::Text),
    ("records", Kind::Text),
    ("waiting", Kind::Number),
    ("", Kind::Acts),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator) -> Answer<Page> {
    let jobs = operator.jobs().await?;
    let rows = jobs.lines.iter().map(|line| row(view, line)).collect();
    let body = html! {
        (overview::stands_still(jobs.stands_still.as_deref().or(jobs.disabled.as_deref())))
        (table("Every job, after what it depends on", &COLUMNS, rows))
    };
    Ok(Page::live("Jobs", body))
}

fn row(view: &View<'_>, line: &JobLine) -> Vec<Markup> {
    let name = line.plan.name.as_str();
    let state = line.state();
    vec![
        html! { a href=(links::address("/runs", &[("job", name)])) title=(line.plan.description) { (name) } (remark(line)) },
        text(line.plan.direction.map_or("to Dataverse", |direction| direction.in_words())),
        text(line.plan.every_minutes.map_or_else(|| "on demand".to_owned(), |minutes| format!("{minutes} min"))),
        state_of(line, state),
        match &line.last {
            None => html! { span.faint { "never" } },
            Some(run) => html! { (time(view.now, run.started)) (runs::progress(run)) },
        },
        line.last.as_ref().map_or_else(|| text("–"), |run| outcomes(&run.counters)),
        line.waiting.map_or_else(|| text("–"), |waiting| text(grouped(waiting))),
        acts(view, line, name, state),
    ]
}

fn state_of(line: &JobLine, state: JobState) -> Markup {
    if line.plan.ready.is_err() {
        return html! { span.state { "Cannot run" } };
    }
    let class = match state {
        JobState::Ready => "state good",
        JobState::InProcess => "state busy",
        JobState::Error => "state bad",
        JobState::OnHold => "state warn",
        JobState::OnHoldDueToInactivity => "state",
    };
    html! { span class=(class) { (state.caption()) } }
}

/// What is to be known of a job beside its figures.
fn remark(line: &JobLine) -> Markup {
    let said = match &line.plan.ready {
        Err(missing) => Some(format!("cannot run: {missing}")),
        Ok(()) => {
            let run = line.last.as_ref().and_then(|run| run.message.clone());
            line.job.as_ref().and_then(|job| job.message.clone()).or(run)
        }
    };
    let owed = line.job.as_ref().and_then(|job| job.full_since).filter(|_| line.state() != JobState::InProcess);
    html! {
        @if let Some(said) = said { p.faint { (said) } }
        @if owed.is_some() { p.faint { "the full synchronization that was asked for is not done: the next run is a full one" } }
    }
}

fn acts(view: &View<'_>, line: &JobLine, name: &str, state: JobState) -> Markup {
    let job = [("job", name)];
    html! {
        @if line.plan.ready.is_ok() {
            @if state == JobState::OnHold {
                (view.button("release", &job, "Release", name))
            } @else {
                (view.button("run", &job, "Run", name))
                (view.button("hold", &job, "Hold", name))
            }
        }
    }
}
