//! Couplings: page by page, or the one that a name means; and those that are skipped.

use couplet_model::coupling::{Coupling, CouplingState};
use couplet_model::table::Side;
use maud::{Markup, html};

use super::{named, record};
use crate::act::{side, side_word};
use crate::layout::{Page, View};
use crate::links;
use crate::operator::{Answer, Operator, Pairs, Refusal, Search};
use crate::router::{Asked, value};
use crate::tables::{Column, Kind, nothing, table, text};
use crate::times::{grouped, time_if_any};

const COLUMNS: [Column; 6] = [
    ("key", Kind::Head),
    ("in Dataverse", Kind::Text),
    ("state", Kind::Text),
    ("last synchronized", Kind::Text),
    ("problem", Kind::Text),
    ("", Kind::Acts),
];

pub async fn page(view: &View<'_>, operator: &dyn Operator, asked: &Asked) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let (mapping, name) = (value(asked, "mapping"), value(asked, "name"));
    let on = value(asked, "side").map_or(Ok(Side::BusinessCentral), side).map_err(|bad| Refusal(bad.to_string()))?;
    let form = html! { (search(&names, mapping, on, name)) };
    let Some(mapping) = mapping else {
        let body = html! { (form) p { "Choose a mapping to see its pairs, or name a record to find its pair." } };
        return Ok(Page::still("Couplings", body));
    };
    let search = Search {
        name: name.map(|name| (on, name.to_owned())),
        skipped: false,
        after: value(asked, "after").map(str::to_owned),
    };
    let pairs = operator.couplings(mapping, &search).await?;
    let body = html! {
        (form)
        p { (grouped(pairs.total)) " pairs of " (pairs.mapping) "." }
        (list(view, &pairs))
        (uncoupled(view, &pairs, on))
        (next("/couplings", &pairs))
    };
    Ok(Page::still("Couplings", body))
}

pub async fn skipped(
    view: &View<'_>,
    operator: &dyn Operator,
    mapping: Option<&str>,
    after: Option<&str>,
) -> Answer<Page> {
    let names = operator.mapping_names().await?;
    let Some(mapping) = mapping else {
        let body = html! {
            (view.choice(&names, None, false))
            p { "Choose a mapping to see its records that are left alone until they are brought back." }
        };
        return Ok(Page::still("Skipped", body));
    };
    let search = Search { name: None, skipped: true, after: after.map(str::to_owned) };
    let pairs = operator.couplings(mapping, &search).await?;
    let body = html! {
        (view.choice(&names, Some(mapping), false))
        @if pairs.shown.is_empty() {
            (nothing(if pairs.next.is_some() { "No record is skipped among those looked at so far." } else { "No record is skipped." }))
        } @else {
            (list(view, &pairs))
            (view.careful("unskip-all", &[("mapping", mapping)], "Bring all back",
                &format!("All records of {mapping} that are skipped are synchronized again.")))
        }
        (next("/skipped", &pairs))
    };
    Ok(Page::still("Skipped", body))
}

fn search(names: &[String], mapping: Option<&str>, on: Side, name: Option<&str>) -> Markup {
    html! {
        form.filter method="get" action="/couplings" {
            label for="mapping" { "Mapping" }
            select id="mapping" name="mapping" required {
                option value="" { "choose one" }
                @for known in names {
                    option value=(known) selected[mapping.is_some_and(|chosen| chosen.eq_ignore_ascii_case(known))] { (known) }
                }
            }
            label for="side" { "Named as in" }
            (sides(on))
            label for="name" { "Number, name or id" }
            input id="name" type="search" name="name" value=[name] maxlength="200" autocomplete="off";
            button type="submit" { "Find" }
        }
    }
}

/// The choice of a side in a form.
pub fn sides(on: Side) -> Markup {
    html! {
        select id="side" name="side" {
            @for side in [Side::BusinessCentral, Side::Dataverse] {
                option value=(side_word(side)) selected[side == on] { (side) }
            }
        }
    }
}

fn list(view: &View<'_>, pairs: &Pairs) -> Markup {
    let rows = pairs.shown.iter().map(|pair| row(view, pairs.mapping.as_str(), pair)).collect();
    html! { @if !pairs.shown.is_empty() { (table("Pairs", &COLUMNS, rows)) } }
}

fn row(view: &View<'_>, mapping: &str, pair: &Coupling) -> Vec<Markup> {
    let results = || [pair.to_dataverse.as_ref(), pair.from_dataverse.as_ref()].into_iter().flatten();
    let last = results().map(|result| result.at).max();
    let problem = pair.damage.clone().or_else(|| results().find_map(|result| result.failure.clone()));
    let (id, key) = (pair.system_id.to_string(), pair.key.clone().unwrap_or_default());
    let fields = named(mapping, Side::BusinessCentral, &id, &key);
    vec![
        record(mapping, Side::BusinessCentral, pair.system_id.into(), &key),
        record(mapping, Side::Dataverse, pair.dataverse_id.into(), ""),
        match (pair.skipped, pair.state) {
            (true, _) => html! { span.state.warn { "skipped" } },
            (false, CouplingState::Reserved) => html! { span.state.busy { "being created" } },
            (false, CouplingState::Coupled) => html! { span.state.good { "coupled" } },
        },
        time_if_any(view.now, last),
        text(problem.unwrap_or_default()),
        html! {
            @if pair.skipped {
                (view.button("unskip", &fields, "Bring back", &key))
            } @else {
                (view.button("sync", &fields, "Synchronize", &key))
                (view.button("skip", &fields, "Skip", &key))
            }
        },
    ]
}

/// Records that were found and are not coupled: they can be given a partner.
fn uncoupled(view: &View<'_>, pairs: &Pairs, on: Side) -> Markup {
    let mapping = pairs.mapping.as_str();
    html! {
        @if !pairs.uncoupled.is_empty() {
            h2 { "Found, and not coupled" }
            ul.found {
                @for found in &pairs.uncoupled {
                    @let id = found.id.to_string();
                    @let fields = [named(mapping, on, &id, &found.label), vec![("create", "yes")]].concat();
                    li { (record(mapping, on, found.id, &found.label)) " " (view.button("sync", &fields, "Give it a partner", &found.label)) }
                }
            }
        }
    }
}

fn next(path: &str, pairs: &Pairs) -> Markup {
    html! {
        @if let Some(next) = &pairs.next {
            p { a href=(links::address(path, &[("mapping", pairs.mapping.as_str()), ("after", next)])) { "Further pairs" } }
        }
    }
}
