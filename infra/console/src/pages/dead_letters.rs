//! Dead letters: why they died, and their way back.

use std::collections::BTreeMap;

use couplet_model::RecordId;
use couplet_model::table::Side;
use couplet_runtime::replay::{ReplayOutcome, ReportedDeadLetter};
use maud::{Markup, html};

use super::record;
use crate::layout::{Page, View};
use crate::operator::{Answer, Operator};
use crate::tables::{Column, Kind, more, nothing, table, text};
use crate::times::time_if_any;

/// Letters that are shown one by one.
const SHOWN: usize = 200;
/// Why a letter died when nobody could note it.
const NOT_NOTED: &str = "not noted: the function ended before it could say why; see its log";

const COLUMNS: [Column; 5] = [
    ("what it is about", Kind::Head),
    ("queue", Kind::Text),
    ("sent", Kind::Text),
    ("why it died", Kind::Text),
    ("", Kind::Acts),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator) -> Answer<Page> {
    let found = operator.dead_letters().await?;
    let letters = &found.letters;
    let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
    for letter in letters {
        *by_reason.entry(why(letter)).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let body = html! {
        @if let Some(remark) = &found.remark { p.notice role="status" { (remark) } }
        @if letters.is_empty() {
            (nothing("No dead letters."))
        } @else {
            p { "Records that were tried too often and given up. A replay reads them again before it writes anything; what was synchronized meanwhile is only counted." }
            @if reasons.len() > 1 {
                (table("Why they died", &[("why", Kind::Head), ("letters", Kind::Number)],
                    reasons.iter().map(|(why, count)| vec![text(why), text(count)]).collect()))
            }
            (table("Dead letters", &COLUMNS, letters.iter().take(SHOWN).map(|letter| row(view, letter, &found.labels)).collect()))
            (more(letters.len(), SHOWN, "couplet dead-letters list --json has them all."))
            (view.careful("replay-all", &[], "Replay all", &format!("All {} dead letters are sent back to their queues.", letters.len())))
        }
        p { a href="/dead-letters" { "Look again" } }
    };
    Ok(Page::still("Dead letters", body))
}

fn row(view: &View<'_>, letter: &ReportedDeadLetter, labels: &BTreeMap<RecordId, String>) -> Vec<Markup> {
    let label = letter.record.and_then(|id| labels.get(&id)).map_or("", String::as_str);
    let about = about(letter, label);
    vec![
        about,
        text(letter.queue.as_str()),
        time_if_any(view.now, letter.sent),
        text(why(letter)),
        html! {
            @if letter.outcome == ReplayOutcome::Unreadable {
                span.faint { "nobody can read it: delete it with couplet dead-letters delete" }
            } @else {
                (view.button("replay", &[("message", &letter.message_id)], "Replay", &if label.is_empty() { subject(letter) } else { label.to_owned() }))
            }
        },
    ]
}

fn about(letter: &ReportedDeadLetter, label: &str) -> Markup {
    let title = format!("message {}", letter.message_id);
    match (&letter.mapping, letter.direction, letter.record) {
        (Some(mapping), Some(direction), Some(id)) => {
            let side: Side = direction.source();
            html! { span title=(title) { (record(mapping.as_str(), side, id, label)) } p.faint { (mapping) ", " (direction) } }
        }
        _ => html! { span title=(title) { (subject(letter)) } },
    }
}

/// What a letter is about, in a few words.
fn subject(letter: &ReportedDeadLetter) -> String {
    match (&letter.mapping, letter.record, &letter.job) {
        (Some(mapping), Some(record), _) => format!("{record} of {mapping}"),
        (_, _, Some(job)) => format!("a task of {job}"),
        _ => format!("message {}", letter.message_id),
    }
}

fn why(letter: &ReportedDeadLetter) -> String {
    match (&letter.unreadable, &letter.reason) {
        (Some(problem), _) => format!("it cannot be read: {problem}"),
        (None, Some(reason)) => reason.clone(),
        (None, None) => NOT_NOTED.to_owned(),
    }
}
