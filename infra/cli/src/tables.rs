//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::output;

/// An empty table with this head.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    table
}

/// A number, aligned to the right.
pub fn number(value: impl ToString) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// A text.
#[expect(clippy::needless_pass_by_value, reason = "callers give what they have, borrowed or not")]
pub fn text(value: impl ToString) -> Cell {
    // Before the widths are counted; a cell is one line.
    Cell::new(output::plain(&value.to_string()).replace('\n', " "))
}
