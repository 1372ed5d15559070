//! Records that wait for others.

use couplet_model::table::Side;
use maud::html;

use super::record;
use crate::layout::{Page, View};
use crate::operator::{Answer, Operator};
use crate::tables::{Column, Kind, more, nothing, table, text};
use crate::times::time_if_any;

const COLUMNS: [Column; 5] = [
    ("record", Kind::Head),
    ("direction", Kind::Word),
    ("since", Kind::Text),
    ("waits for", Kind::Text),
    ("released by", Kind::Text),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator, mapping: Option<&str>) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let waiting = operator.waiting(mapping).await?;
    let rows = waiting
        .shown
        .iter()
        .map(|waiting| {
            let wait = &waiting.wait;
            let (mapping, side): (&str, Side) = (wait.message.mapping.as_str(), wait.message.direction.source());
            let value = if wait.value.is_empty() { &wait.dependency.key } else { &wait.value };
            vec![
                html! { (record(mapping, side, wait.message.record, &wait.label)) p.faint { (mapping) } },
                text(wait.message.direction),
                time_if_any(view.now, wait.since),
                html! { (wait.field) " " strong { (value) } },
                text(&waiting.released_by),
            ]
        })
        .collect();
    let body = html! {
        (view.choice(&names, mapping, true))
        @if waiting.shown.is_empty() {
            (nothing("No record waits for another."))
        } @else {
            (table("Records that wait, the longest first", &COLUMNS, rows))
            (more(waiting.total, waiting.shown.len(), "choose a mapping to see fewer."))
        }
    };
    Ok(Page::live("Waiting", body))
}
