//! Rows of a document that belong to no line of Sales: comment lines and freight. They are kept under ids derived from what
//! they come from, so that a repeated attempt meets the rows of the first.

use std::sync::Arc;

use couplet_model::ids::derived_id;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{RecordId, SystemError, Value};
use rust_decimal::Decimal;

use super::{Document, NumberedLine};
use crate::bulk::write_all;
use crate::mappings::rules::Context;

/// A row beside the lines of a document, under its id.
#[derive(Clone, Debug)]
pub(crate) struct RowBeside {
    /// Its id.
    pub id: RecordId,
    /// What it holds when it is made.
    pub values: Values,
    /// What it is to hold if it is there already.
    pub kept: Values,
}

/// The comment lines below a line (S72). Whatever its text, a comment keeps its id by its place below the line.
pub(crate) fn comment_lines(
    context: Context<'_>,
    line: RecordId,
    document: RecordId,
    numbered: &NumberedLine,
) -> Vec<RowBeside> {
    let comments = numbered.comments.iter().enumerate();
    let rows = comments.map(|(place, (number, text))| {
        let description = (Arc::from("description"), Value::text(text.as_str()));
        RowBeside {
            id: id_of(context, &format!("comment {place}"), line),
            values: [
                (Arc::from("documentId"), Value::Guid(document.0)),
                (Arc::from("sequence"), Value::Int(*number)),
                // The blank type of a line that is only text.
                (Arc::from("type"), Value::Text(" ".to_owned())),
                (Arc::from("attachedToLineNumber"), Value::Int(numbered.number)),
                description.clone(),
            ]
            .into(),
            kept: [description].into(),
        }
    });
    rows.collect()
}

/// The line that freight is charged on (S77), with the number after the last one.
pub(crate) fn freight_line(
    context: Context<'_>,
    source: RecordId,
    document: RecordId,
    number: i64,
    account: &str,
    freight: Decimal,
) -> RowBeside {
    let price = (Arc::from("unitPrice"), Value::Decimal(freight));
    RowBeside {
        id: freight_id(context, source, Decimal::ZERO),
        values: [
            (Arc::from("documentId"), Value::Guid(document.0)),
            (Arc::from("sequence"), Value::Int(number)),
            (Arc::from("type"), Value::text("G/L Account")),
            (Arc::from("lineObjectNumber"), Value::text(account)),
            (Arc::from("quantity"), Value::Decimal(Decimal::ONE)),
            price.clone(),
        ]
        .into(),
        kept: [price].into(),
    }
}

/// The id of the line that freight is charged on, or of one that charges what is more than was shipped already.
pub(crate) fn freight_id(context: Context<'_>, source: RecordId, shipped: Decimal) -> RecordId {
    match shipped.is_zero() {
        true => id_of(context, "freight", source),
        false => id_of(context, &format!("freight beyond {}", shipped.normalize()), source),
    }
}

fn id_of(context: Context<'_>, role: &str, source: RecordId) -> RecordId {
    derived_id(context.installation.company(), &context.mapping.name, role, source)
}

/// Makes rows in bulk, one result per row; those that an earlier attempt made are brought up to date.
pub(crate) async fn keep_rows(
    context: Context<'_>,
    document: Document,
    rows: &[RowBeside],
) -> Vec<Result<(), SystemError>> {
    let installation = context.installation;
    let system = installation.system(Side::BusinessCentral);
    let Some(table) = installation.catalogue().business_central_table(document.line_table()) else {
        return rows.iter().map(|_| Ok(())).collect();
    };
    let creates: Vec<Write> = rows.iter().map(|row| Write::create(Some(row.id), row.values.clone())).collect();
    let mut results = write_all(system, table, &creates).await;
    let is_there = |result: &Result<_, SystemError>| {
        result.as_ref().is_err_and(|error: &SystemError| error.kind == SystemErrorKind::Duplicate)
    };
    let there: Vec<usize> = (0..results.len()).filter(|at| is_there(&results[*at])).collect();
    let updates: Vec<Write> =
        there.iter().map(|at| Write::update(rows[*at].id, None, rows[*at].kept.clone())).collect();
    // `write_all` gives one result per write.
    for (at, result) in there.into_iter().zip(write_all(system, table, &updates).await) {
        results[at] = result;
    }
    results.into_iter().map(|result| result.map(|_| ())).collect()
}
