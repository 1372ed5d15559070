//! How everything stands, on one page.

use couplet_model::job::JobState;
use maud::{Markup, html};

use super::runs;
use crate::chart::records_over_time;
use crate::layout::{Page, View};
use crate::operator::{Answer, Operator, Overview};
use crate::tables::{Kind, table, text};
use crate::times::grouped;

/// Runs that are shown here; the others have a page of their own.
const RUNS: usize = 8;

pub async fn page(view: &View<'_>, operator: &dyn Operator) -> Answer<Page> {
    let overview = operator.overview().await?;
    let Overview { jobs, counts, runs, runs_since, requests } = &overview;
    let in_state =
        |state: JobState| jobs.lines.iter().filter(|line| line.state() == state && line.plan.ready.is_ok()).count();
    let (running, on_hold, in_error) =
        (in_state(JobState::InProcess), in_state(JobState::OnHold), in_state(JobState::Error));
    let ready = in_state(JobState::Ready) + in_state(JobState::OnHoldDueToInactivity);
    let found: Vec<_> =
        runs.iter().filter(|run| run.counters.total() > 0 || run.enqueued > 0 || run.finished.is_none()).collect();
    let body = html! {
        (stands_still(jobs.stands_still.as_deref().or(jobs.disabled.as_deref())))
        ul.tiles {
            (tile("/errors", counts.failed as u64, "records to be mended", "bad"))
            (tile("/conflicts", counts.conflicts as u64, "conflicts", "bad"))
            @if let Some(letters) = counts.dead_letters { (tile("/dead-letters", letters, "dead letters", "bad")) }
            (tile("/waiting", counts.waiting, "waiting records", "warn"))
            (tile("/jobs", in_error as u64, "jobs in error", "bad"))
            (tile("/jobs", on_hold as u64, "jobs on hold", "warn"))
            (tile("/jobs", running as u64, "jobs run", "busy"))
            (tile("/jobs", ready as u64, "jobs wait for their next run", ""))
        }
        section {
            h2 { "What became of records" }
            (records_over_time(runs, *runs_since, view.now))
        }
        section {
            h2 { "The last runs that found something" }
            (runs::list(view, &found, RUNS))
            p { a href="/runs" { "All runs" } }
        }
        @if !requests.is_empty() {
            section {
                h2 { "Requests since this process began" }
                (table("Requests to both systems", &[("system", Kind::Head), ("requests", Kind::Number), ("answered with a demand to pause", Kind::Number)],
                    requests.iter().map(|system| vec![text(system.side), text(grouped(system.requests)), text(grouped(system.throttled))]).collect()))
            }
        }
    };
    Ok(Page::live("Overview", body))
}

/// Why all jobs stand still, if they do.
pub fn stands_still(why: Option<&str>) -> Markup {
    html! { @if let Some(why) = why { p.notice.bad role="status" { strong { "All jobs stand still" } ": " (why) } } }
}

/// A figure that leads to its page, in the colour of what it means where there is any.
fn tile(path: &str, count: u64, what: &str, class: &str) -> Markup {
    let class = match (count, class) {
        (0, "bad" | "warn") => "good",
        (0, _) => "",
        (_, class) => class,
    };
    html! { li class=(class) { a href=(path) { strong { (grouped(count)) } " " span { (what) } } } }
}
