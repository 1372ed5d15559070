//! Tables that stay readable on a phone: there each row becomes a block, with the head of its column beside each cell.

use maud::{Markup, Render, html};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number, aligned to the right.
    Number,
    /// A word or two that stay in one line.
    Word,
    /// A name that begins the row.
    Head,
    /// Buttons.
    Acts,
}

/// A column: its head and what it holds.
pub type Column = (&'static str, Kind);

/// A table. The rows have as many cells as there are columns; blank cells are left out on a phone.
pub fn table(caption: &str, columns: &[Column], rows: Vec<Vec<Markup>>) -> Markup {
    // The roles stay when a narrow page shows the rows as blocks, which would take them from the elements themselves.
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for (head, kind) in columns {
                        th role="columnheader" scope="col" class=[class(*kind)] {
                            @if head.is_empty() { span.hidden { "what to do" } } @else { (head) }
                        }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for ((head, kind), cell) in columns.iter().zip(row) {
                            @if *kind == Kind::Head {
                                th role="rowheader" scope="row" data-label=(head) { (cell) }
                            } @else {
                                td role="cell" data-label=(head) class=[class(*kind)] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn class(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Number => Some("number"),
        Kind::Acts => Some("acts"),
        Kind::Word => Some("word"),
        Kind::Text | Kind::Head => None,
    }
}

/// A text as a cell.
pub fn text(value: impl std::fmt::Display) -> Markup {
    value.to_string().render()
}

/// A value of a field, with a blank told from what is not known.
pub fn value(value: Option<&str>) -> Markup {
    match value {
        None => html! { span.faint title="not known" { "–" } },
        Some("") => html! { span.faint { "(blank)" } },
        Some(value) => html! { span.value { (value) } },
    }
}

/// What stands in place of a list without entries.
pub fn nothing(text: &str) -> Markup {
    html! { p.nothing { (text) } }
}

/// What is said of entries that are not shown.
pub fn more(total: usize, shown: usize, of: &str) -> Markup {
    html! {
        @if total > shown {
            p.faint { (total - shown) " more are not shown here; " (of) }
        }
    }
}
