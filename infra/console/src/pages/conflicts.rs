//! Conflicts: both values, what was last agreed on, and a button for each side.

use couplet_model::table::Side;
use maud::{Markup, html};

use super::record;
use crate::act::{FIELD, side_word};
use crate::layout::{Page, View};
use crate::operator::{Answer, Conflict, Operator};
use crate::tables::{Column, Kind, more, nothing, table, value};
use crate::times::time;

const COLUMNS: [Column; 5] = [
    ("field", Kind::Head),
    ("last agreed", Kind::Text),
    ("in Business Central", Kind::Text),
    ("in Dataverse", Kind::Text),
    ("the side that wins", Kind::Acts),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator, mapping: Option<&str>) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let conflicts = operator.conflicts(mapping).await?;
    let body = html! {
        (view.choice(&names, mapping, true))
        @if conflicts.shown.is_empty() {
            (nothing("No record was changed on both sides."))
        } @else {
            p { "Both sides have changed the same fields of these records. What only one side has changed travels as ever." }
            @for conflict in &conflicts.shown { (one(view, conflict)) }
            (more(conflicts.total, conflicts.shown.len(), "choose a mapping to see fewer."))
            @if let Some(mapping) = mapping { (all(view, mapping, conflicts.total)) }
        }
    };
    Ok(Page::live("Conflicts", body))
}

fn one(view: &View<'_>, conflict: &Conflict) -> Markup {
    let failure = &conflict.failure;
    let mapping = failure.mapping.as_str();
    let found = match (conflict.record, conflict.row) {
        (Some(record), _) => Some((Side::BusinessCentral, record)),
        (None, row) => row.map(|row| (Side::Dataverse, row)),
    };
    let Some((side, id)) = found else { return html! {} };
    let id_text = id.to_string();
    let rows: Vec<Vec<Markup>> = failure
        .conflicts
        .iter()
        .enumerate()
        .map(|(place, field)| {
            let name = &field.business_central;
            vec![
                html! { span title=(format!("{} in Dataverse", field.dataverse)) { (name) } },
                value(conflict.bases.get(place).and_then(|base| base.as_deref())),
                value(Some(&field.business_central_value)),
                value(Some(&field.dataverse_value)),
                choice(name, &format!("{} of {}", name, failure.label)),
            ]
        })
        .collect();
    let fields = super::named(mapping, side, &id_text, &failure.label);
    let inside = html! {
        @if rows.is_empty() {
            // A conflict that a mapping's own rules tell of names its values in its message.
            p { (failure.message) }
        } @else {
            (table(&format!("Fields of {} that both sides have changed", failure.label), &COLUMNS, rows))
        }
        div.buttons {
            @for side in [Side::BusinessCentral, Side::Dataverse] {
                button type="submit" name="wins" value=(side_word(side)) aria-label=(format!("{side} wins for {}", failure.label)) { (side) " wins" }
            }
            @if !failure.conflicts.is_empty() {
                button.quiet type="submit" name="wins" value="fields" aria-label=(format!("As chosen, field by field, for {}", failure.label)) { "As chosen, field by field" }
            }
        }
    };
    html! {
        article.conflict {
            h2 { (record(mapping, side, id, &failure.label)) " " span.faint { (mapping) } }
            p.faint { "First told " (time(view.now, failure.first_at)) ", " (times(failure.attempts)) " since then." }
            (view.form("resolve", &fields, &inside))
        }
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The choice of a side for one field.
fn choice(name: &str, about: &str) -> Markup {
    html! {
        fieldset.sides {
            legend.hidden { "The side that wins in " (about) }
            @for side in [Side::BusinessCentral, Side::Dataverse] {
                label { input type="radio" name=(format!("{FIELD}{name}")) value=(side_word(side)); (side) }
            }
        }
    }
}

fn all(view: &View<'_>, mapping: &str, total: usize) -> Markup {
    html! {
        @for side in [Side::BusinessCentral, Side::Dataverse] {
            (view.careful("resolve-all", &[("mapping", mapping), ("wins", side_word(side))],
                &format!("Let {side} win everywhere"),
                &format!("{side} wins in all {total} conflicts of {mapping}. What the other side holds in these fields is overwritten.")))
        }
    }
}
