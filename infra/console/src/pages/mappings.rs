//! The mappings as they stand, to look at.

use maud::{Markup, html};

use crate::layout::Page;
use crate::links;
use crate::operator::{Answer, Operator};
use crate::tables::{Column, Kind, table, text};

const ALL: [Column; 7] = [
    ("mapping", Kind::Head),
    ("Business Central", Kind::Text),
    ("Dataverse", Kind::Text),
    ("direction", Kind::Word),
    ("only coupled", Kind::Text),
    ("fields", Kind::Number),
    ("origin", Kind::Text),
];
const ROWS: [Column; 4] =
    [("field row", Kind::Head), ("direction", Kind::Word), ("used", Kind::Text), ("remark", Kind::Text)];

pub async fn all(operator: &dyn Operator) -> Answer<Page> {
    let mappings = operator.mappings().await?;
    let rows = mappings
        .lines
        .iter()
        .map(|line| {
            vec![
                html! { a href=(links::address("/mappings", &[("mapping", &line.name)])) { (line.name) } },
                text(&line.business_central),
                text(&line.dataverse),
                text(&line.direction),
                text(if line.only_coupled { "yes" } else { "no" }),
                text(line.fields),
                text(&line.origin),
            ]
        })
        .collect();
    let body = html! {
        p { (mappings.revision) ". They are changed with " code { "couplet mapping" } " and " code { "couplet field" } "." }
        (table("Mappings", &ALL, rows))
    };
    Ok(Page::still("Mappings", body))
}

pub async fn one(operator: &dyn Operator, name: &str) -> Answer<Page> {
    let details = operator.mapping(name).await?;
    let rows: Vec<Vec<Markup>> = details.rows.iter().map(|row| row.iter().map(text).collect()).collect();
    let body = html! {
        p { a href="/mappings" { "All mappings" } }
        dl.facts {
            @for (what, how) in &details.facts { div { dt { (what) } dd { (how) } } }
        }
        (table(&format!("Field rows of {}", details.name), &ROWS, rows))
    };
    Ok(Page::still(format!("Mapping {}", details.name), body))
}
