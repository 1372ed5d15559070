//! Sums of documents and of customers.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{HALF_UP, get, is, is_posted, lines, lines_of, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// What was written when a document is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Header,
    Lines,
}

/// Orders and quotes keep the invoice discount on their lines, and the header shows the sum: a line that changes loses its
/// share. Draft invoices are summed up more kindly here, with a discount of the header that stays.
pub(super) fn keeps_discount_on_lines(table: TableId) -> bool {
    is(table, "Sales Header") || is(table, "Sales Header (Quote)")
}

/// The share of a line in the invoice discount, including tax where prices do.
pub(super) fn invoice_discount_of(table: TableId, line: &Row, includes_tax: bool) -> Decimal {
    let (whole, left) = if includes_tax {
        ("amountIncludingTax", "netAmountIncludingTax")
    } else {
        ("amountExcludingTax", "netAmount")
    };
    get(table, line, whole).as_decimal() - get(table, line, left).as_decimal()
}

/// Whether the table lets a line share in an invoice discount: items and resources do, accounts and texts do not.
fn shares(table: TableId, line: &Row) -> bool {
    get(table, line, "lineType").as_enum() >= 2
}

/// Refuses an invoice discount where no line can share in it, or one that is more than they come to.
pub(super) fn check_discount(store: &Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    let discount = get(table, row, "discountAmount").as_decimal();
    let Some(lines) = lines_of(table).filter(|_| keeps_discount_on_lines(table) && !discount.is_zero()) else {
        return Ok(());
    };
    let whole = if get(table, row, "pricesIncludeTax").as_bool() { "amountIncludingTax" } else { "amountExcludingTax" };
    let of_lines = store.lines(lines, row.id).filter(|line| shares(lines, line));
    let total: Decimal = of_lines.map(|line| get(lines, line, whole).as_decimal()).sum();
    if total.is_zero() {
        return Err(ApiError::dialog(
            "Cannot apply an invoice discount because the document does not include lines where the Allow Invoice Disc. \
             field is selected. To add a discount, specify a line discount in the Line Discount % field for the relevant \
             lines, or add a line of type Item where the Allow Invoice Disc. field is selected.",
        ));
    }
    if discount > total {
        return Err(ApiError::dialog(format!(
            "The invoice discount {discount} is more than the lines come to, {total}."
        )));
    }
    Ok(())
}

/// Sums up the lines of a document; the header changes only if a sum does.
pub(super) fn refresh(store: &mut Store, table: TableId, id: Uuid, written: Written) -> Result<(), ApiError> {
    let Some(line_table) = lines_of(table) else { return Ok(()) };
    let Some(header) = store.row(table, id).cloned() else { return Ok(()) };
    // In the order of their numbers, as they are gone through there: rounding leaves its cent on the last line.
    let mut lines: Vec<Row> = store.lines(line_table, id).cloned().collect();
    lines.sort_by_key(|line| get(line_table, line, "sequence").as_int());
    // A header loaded without lines keeps the sums it came with.
    if lines.is_empty() && is_posted(table, &header) {
        return Ok(());
    }
    let mut discount = get(table, &header, "discountAmount").as_decimal();
    let includes_tax = get(table, &header, "pricesIncludeTax").as_bool();
    let on_lines: Decimal = lines.iter().map(|line| invoice_discount_of(line_table, line, includes_tax)).sum();
    if keeps_discount_on_lines(table) && (written == Written::Lines || discount == on_lines) {
        discount = on_lines;
    } else {
        let sharing: Vec<Row> = lines.iter().filter(|line| shares(line_table, line)).cloned().collect();
        let sharing = if keeps_discount_on_lines(table) { sharing } else { lines };
        allocate(store, line_table, &sharing, discount, includes_tax)?;
    }
    let lines: Vec<Row> = store.lines(line_table, id).cloned().collect();
    let sum = |name: &str| -> Decimal { lines.iter().map(|line| get(line_table, line, name).as_decimal()).sum() };
    let (net, tax) = (sum("netAmount"), sum("netTaxAmount"));
    let mut changed = header.clone();
    set(table, &mut changed, "discountAmount", Cell::Decimal(discount));
    set(table, &mut changed, "totalAmountExcludingTax", Cell::Decimal(net));
    set(table, &mut changed, "totalTaxAmount", Cell::Decimal(tax));
    set(table, &mut changed, "totalAmountIncludingTax", Cell::Decimal(net + tax));
    if is(table, "Sales Header") {
        let of = |line: &Row, name: &str| get(line_table, line, name).as_decimal();
        let is_shipped = |line: &Row| of(line, "shippedQuantity") >= of(line, "quantity");
        let is_invoiced = |line: &Row| of(line, "invoicedQuantity") >= of(line, "shippedQuantity");
        let shipped = lines.iter().any(|line| !of(line, "quantity").is_zero()) && lines.iter().all(is_shipped);
        let invoiced = lines.iter().any(|line| !of(line, "invoicedQuantity").is_zero());
        set(table, &mut changed, "fullyShipped", Cell::Bool(shipped));
        let invoiced = shipped && invoiced && lines.iter().all(is_invoiced);
        set(table, &mut changed, "fullyInvoiced", Cell::Bool(invoiced));
    }
    if let Some(prepayment) = store.company.prepayments.get(&id).filter(|_| is(table, "Sales Header")) {
        let due = prepayment_of(net + tax, prepayment.percent) > prepayment.invoiced;
        set(table, &mut changed, "prepaymentDue", Cell::Bool(due));
    }
    if changed.cells == header.cells {
        return Ok(());
    }
    records::touch(store, table, id, |row| row.cells = changed.cells)
}

/// So many percent of what an order comes to.
fn prepayment_of(total: Decimal, percent: Decimal) -> Decimal {
    (total * percent / Decimal::ONE_HUNDRED).round_dp_with_strategy(2, HALF_UP)
}

/// Sums up an order anew.
pub(crate) fn refresh_order(store: &mut Store, order: Uuid) -> Result<(), ApiError> {
    refresh(store, schema().known("Sales Header"), order, Written::Lines)
}

/// Invoices what is due of the prepayment of an order.
pub(crate) fn invoice_prepayment(store: &mut Store, order: Uuid) -> Result<(), ApiError> {
    let table = schema().known("Sales Header");
    let total = store.row(table, order).map(|row| get(table, row, "totalAmountIncludingTax").as_decimal());
    if let (Some(total), Some(prepayment)) = (total, store.company.prepayments.get_mut(&order)) {
        prepayment.invoiced = prepayment_of(total, prepayment.percent);
    }
    refresh_order(store, order)
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
    let whole = if includes_tax { "amountIncludingTax" } else { "amountExcludingTax" };
    let total: Decimal = lines.iter().map(|line| get(table, line, whole).as_decimal()).sum();
    let mut left = discount;
    for (position, line) in lines.iter().enumerate() {
        let amount = get(table, line, whole).as_decimal();
        let part = match (position + 1 == lines.len(), total.is_zero()) {
            (_, true) => Decimal::ZERO,
            (true, false) => left,
            (false, false) => (discount * amount / total).round_dp_with_strategy(2, HALF_UP),
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
