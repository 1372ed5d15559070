//! The statistics of a customer, worked out when they are read. All amounts count as local currency, all years as calendar
//! years; nothing is prepaid.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{HALF_UP, get, is_posted};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// A figure of a customer's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Balance,
    OutstandingOrders,
    ShippedNotInvoiced,
    OutstandingInvoices,
    Total,
    OverdueAmount,
    OverdueAsOf,
    TotalSales,
}

impl Statistic {
    /// The figure that a property shows; `None` for what is stored.
    pub(crate) fn named(property: &str) -> Option<Self> {
        Some(match property {
            "balance" => Self::Balance,
            "outstandingOrders" => Self::OutstandingOrders,
            "shippedNotInvoiced" => Self::ShippedNotInvoiced,
            "outstandingInvoices" => Self::OutstandingInvoices,
            "total" => Self::Total,
            "overdueAmount" => Self::OverdueAmount,
            "overdueAsOf" => Self::OverdueAsOf,
            "totalSales" => Self::TotalSales,
            _ => return None,
        })
    }

    /// The figure of a customer now.
    pub(crate) fn of(self, store: &Store, customer: Uuid) -> Cell {
        let today = store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let invoices = schema().known("Sales Invoice Header");
        let posted = |value: &dyn Fn(&Row) -> Decimal| -> Decimal {
            documents(store, invoices, customer).filter(|invoice| is_posted(invoices, invoice)).map(value).sum()
        };
        let remaining = |invoice: &Row| get(invoices, invoice, "remainingAmount").as_decimal();
        Cell::Decimal(match self {
            Self::OverdueAsOf => return Cell::Date(today),
            Self::Balance => posted(&remaining),
            Self::OverdueAmount => posted(&|invoice| {
                if get(invoices, invoice, "dueDate").as_date() < today { remaining(invoice) } else { Decimal::ZERO }
            }),
            Self::TotalSales => posted(&|invoice| {
                let is_of_this_year = get(invoices, invoice, "postingDate").as_date().year() == today.year();
                let amount = get(invoices, invoice, "totalAmountExcludingTax").as_decimal();
                if is_of_this_year { amount } else { Decimal::ZERO }
            }),
            Self::OutstandingOrders => of_order_lines(store, customer, |ordered, shipped, _| ordered - shipped),
            Self::ShippedNotInvoiced => of_order_lines(store, customer, |_, shipped, invoiced| shipped - invoiced),
            Self::OutstandingInvoices => documents(store, invoices, customer)
                .filter(|invoice| !is_posted(invoices, invoice))
                .map(|invoice| get(invoices, invoice, "totalAmountIncludingTax").as_decimal())
                .sum(),
            Self::Total => {
                [Self::Balance, Self::OutstandingOrders, Self::ShippedNotInvoiced, Self::OutstandingInvoices]
                    .map(|part| part.of(store, customer).as_decimal())
                    .iter()
                    .sum()
            }
        })
    }
}

fn documents(store: &Store, table: TableId, customer: Uuid) -> impl Iterator<Item = &Row> {
    let at = schema().table(table).position("customerId").unwrap_or_default();
    store.rows(table).filter(move |document| document.cells[at].as_guid() == customer)
}

/// The amounts of order lines by the part of their quantity that counts.
fn of_order_lines(store: &Store, customer: Uuid, counts: impl Fn(Decimal, Decimal, Decimal) -> Decimal) -> Decimal {
    let (orders, lines) = (schema().known("Sales Header"), schema().known("Sales Line"));
    let lines_of = documents(store, orders, customer).flat_map(|order| store.lines(lines, order.id));
    lines_of
        .map(|line| {
            let of = |name: &str| get(lines, line, name).as_decimal();
            let part = counts(of("quantity"), of("shippedQuantity"), of("invoicedQuantity"));
            let share = part.checked_div(of("quantity")).unwrap_or_default();
            (of("amountIncludingTax") * share).round_dp_with_strategy(2, HALF_UP)
        })
        .sum()
}

/// Brings the row of a customer up to date; its time of change is the customer's own.
pub(super) fn refresh(store: &mut Store, customer: Uuid) -> Result<(), ApiError> {
    let (customers, table) = (schema().known("Customer"), schema().known("Customer (statistics)"));
    let Some(owner) = store.row(customers, customer).cloned() else { return Ok(()) };
    let mut row = Row {
        id: owner.id,
        created: owner.created,
        modified: owner.modified,
        version: owner.version,
        cells: records::blank_cells(table),
    };
    for name in ["number", "displayName", "creditLimit"] {
        super::set(table, &mut row, name, get(customers, &owner, name));
    }
    let is_known = store.row(table, customer).is_some();
    let stored = if is_known { store.replace(table, row) } else { store.insert(table, row) };
    stored.map_err(|_| ApiError::same_key("Customer", ""))
}
