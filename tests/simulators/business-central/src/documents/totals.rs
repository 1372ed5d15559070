//! Sums of documents and of customers.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{get, is, is_posted, lines, lines_of, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Sums up the lines of a document; the header changes only if a sum does.
pub(super) fn refresh(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    let Some(line_table) = lines_of(table) else { return Ok(()) };
    let Some(header) = store.row(table, id).cloned() else { return Ok(()) };
    let lines: Vec<Row> = store.lines(line_table, id).cloned().collect();
    // A header loaded without lines keeps the sums it came with.
    if lines.is_empty() && is_posted(table, &header) {
        return Ok(());
    }
    let discount = get(table, &header, "discountAmount").as_decimal();
    let includes_tax = get(table, &header, "pricesIncludeTax").as_bool();
    allocate(store, line_table, &lines, discount, includes_tax)?;
    let lines: Vec<Row> = store.lines(line_table, id).cloned().collect();
    let sum = |name: &str| -> Decimal { lines.iter().map(|line| get(line_table, line, name).as_decimal()).sum() };
    let (net, tax) = if schema().table(line_table).position("invoiceDiscountAllocation").is_some() {
        (sum("netAmount"), sum("netTaxAmount"))
    } else {
        (sum("amountExcludingTax") - discount, sum("totalTaxAmount"))
    };
    let mut changed = header.clone();
    set(table, &mut changed, "totalAmountExcludingTax", Cell::Decimal(net));
    set(table, &mut changed, "totalTaxAmount", Cell::Decimal(tax));
    set(table, &mut changed, "totalAmountIncludingTax", Cell::Decimal(net + tax));
    if is(table, "Sales Header") {
        let shipped = !lines.is_empty()
            && lines.iter().all(|line| get(line_table, line, "shippedQuantity") >= get(line_table, line, "quantity"));
        set(table, &mut changed, "fullyShipped", Cell::Bool(shipped));
    }
    if changed.cells == header.cells {
        return Ok(());
    }
    records::touch(store, table, id, |row| row.cells = changed.cells)
}

/// Spreads the invoice discount over the lines, the last line taking what rounding leaves. It includes tax where prices do;
/// what a line shows of it does not.
fn allocate(
    store: &mut Store,
    table: TableId,
    lines: &[Row],
    discount: Decimal,
    includes_tax: bool,
) -> Result<(), ApiError> {
    if schema().table(table).position("invoiceDiscountAllocation").is_none() {
        return Ok(());
    }
    let whole = if includes_tax { "amountIncludingTax" } else { "amountExcludingTax" };
    let total: Decimal = lines.iter().map(|line| get(table, line, whole).as_decimal()).sum();
    let mut left = discount;
    for (position, line) in lines.iter().enumerate() {
        let amount = get(table, line, whole).as_decimal();
        let part = match (position + 1 == lines.len(), total.is_zero()) {
            (_, true) => Decimal::ZERO,
            (true, false) => left,
            (false, false) => (discount * amount / total).round_dp(2),
        };
        left -= part;
        let mut changed = line.clone();
        lines::set_net(table, &mut changed, amount - part, includes_tax);
        let share =
            get(table, line, "amountExcludingTax").as_decimal() - get(table, &changed, "netAmount").as_decimal();
        set(table, &mut changed, "invoiceDiscountAllocation", Cell::Decimal(share));
        if changed.cells == line.cells {
            continue;
        }
        records::touch(store, table, line.id, |row| row.cells = changed.cells)?;
    }
    Ok(())
}

/// Sums up the posted invoices of a customer, in the currency they are in. The sums are calculated fields: the customer's own timestamp stays.
pub(super) fn refresh_customer(store: &mut Store, customer: Uuid) -> Result<(), ApiError> {
    let (customers, details, invoices) = (
        schema().known("Customer"),
        schema().known("Customer (financial details)"),
        schema().known("Sales Invoice Header"),
    );
    let Some(owner) = store.row(customers, customer).cloned() else { return Ok(()) };
    let today = store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let customer_id = schema().table(invoices).position("customerId").unwrap_or_default();
    let (mut balance, mut sales, mut overdue) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    for invoice in store
        .rows(invoices)
        .filter(|invoice| invoice.cells[customer_id].as_guid() == customer && is_posted(invoices, invoice))
    {
        let remaining = get(invoices, invoice, "remainingAmount").as_decimal();
        balance += remaining;
        sales += get(invoices, invoice, "totalAmountExcludingTax").as_decimal();
        if get(invoices, invoice, "dueDate").as_date() < today {
            overdue += remaining;
        }
    }
    let known = store.row(details, customer).is_some();
    let mut row = Row {
        id: customer,
        created: owner.created,
        modified: owner.modified,
        version: owner.version,
        cells: records::blank_cells(details),
    };
    set(details, &mut row, "number", get(customers, &owner, "number"));
    set(details, &mut row, "balance", Cell::Decimal(balance));
    set(details, &mut row, "totalSalesExcludingTax", Cell::Decimal(sales));
    set(details, &mut row, "overdueAmount", Cell::Decimal(overdue));
    let stored = if known { store.replace(details, row) } else { store.insert(details, row) };
    stored.map_err(|_| ApiError::same_key("Customer", ""))
}
