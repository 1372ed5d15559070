//! Number series: the number of a record whose creator leaves it out.

use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

struct Series {
    table: &'static str,
    prefix: &'static str,
    first: u64,
    width: usize,
    step: u64,
}

const fn series(table: &'static str, prefix: &'static str, first: u64, width: usize, step: u64) -> Series {
    Series { table, prefix, first, width, step }
}

const SERIES: &[Series] = &[
    series("Item", "", 1000, 4, 1),
    series("Customer", "C", 10, 5, 10),
    series("Vendor", "V", 10, 5, 10),
    series("Contact", "CT", 1, 6, 1),
    series("Resource", "R", 10, 4, 10),
    series("Opportunity", "OP", 1, 6, 1),
    series("Sales Header", "S-ORD", 101_001, 6, 1),
    series("Sales Header (Quote)", "S-QUO", 1001, 4, 1),
    series("Sales Invoice Header", "S-INV", 102_001, 6, 1),
    series("Sales Credit Memo Entity Buffer", "S-CR", 104_001, 6, 1),
    series("Sales Shipment Header", "S-SHPT", 105_001, 6, 1),
    series("Price List Header", "S", 1, 5, 1),
];

/// Refuses a number given by hand where the company's number series give all numbers.
pub(crate) fn check_given(
    store: &Store,
    table: TableId,
    before: Option<&Row>,
    given: &[(usize, Cell)],
) -> Result<(), ApiError> {
    let definition = schema().table(table);
    if store.company.manual_numbers || !SERIES.iter().any(|series| series.table == definition.name) {
        return Ok(());
    }
    let Some(at) = definition.position("number").or_else(|| definition.position("code")) else { return Ok(()) };
    let by_hand = given.iter().any(|(given, value)| {
        *given == at && !value.is_blank() && before.is_none_or(|before| before.cells[at] != *value)
    });
    if by_hand {
        let series = definition.caption().to_uppercase();
        return Err(ApiError::dialog(format!(
            "You may not enter numbers manually. If you want to enter numbers manually, please activate Manual Nos. in \
             No. Series {series}."
        )));
    }
    Ok(())
}

/// Gives the row the next number of its series if it has none.
pub(crate) fn number(store: &mut Store, table: TableId, row: &mut Row) -> Result<(), ApiError> {
    let definition = schema().table(table);
    let Some(series) = SERIES.iter().find(|series| series.table == definition.name) else { return Ok(()) };
    let Some(at) = definition.position("number").or_else(|| definition.position("code")) else { return Ok(()) };
    if !row.cells[at].is_blank() {
        return Ok(());
    }
    row.cells[at] = Cell::text(next(store, table, series));
    Ok(())
}

/// The next number of a series: one step after the last it gave, or after the highest in use if it gave none yet.
fn next(store: &mut Store, table: TableId, series: &Series) -> String {
    let Series { prefix, first, width, step, .. } = *series;
    let last = store.last_of_series(table, prefix).or_else(|| highest(store, table, prefix, width));
    let mut next = last.map_or(first, |last| ((last / step + 1) * step).max(first));
    // Numbers given by hand are passed over.
    while store.by_code(table, &format!("{prefix}{next:0width$}")).is_some() {
        next += step;
    }
    store.series_gave(table, prefix, next);
    format!("{prefix}{next:0width$}")
}

/// The highest number in use. Numbers of one width sort like the numbers they hold; a series that has outgrown its width
/// goes on with more digits.
fn highest(store: &Store, table: TableId, prefix: &str, width: usize) -> Option<u64> {
    let code = (width..width + 4).rev().find_map(|width| store.last_code_with(table, prefix, width))?;
    code[prefix.len()..].parse().ok()
}

/// Prefix of the numbers of posted invoices.
pub(crate) const POSTED_INVOICE: &str = "PS-INV";

/// The next number of a posted invoice.
pub(crate) fn posted_invoice(store: &mut Store, invoices: TableId) -> String {
    next(store, invoices, &series("", POSTED_INVOICE, 103_001, 6, 1))
}
