//! Orders are shipped and invoiced, in parts or whole: what is open on the lines moves into shipments and posted invoices.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{HALF_UP, actions, archives, get, header, lines, lines_of, release, set, totals};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records::{self, numbering};
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// What is posted of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posting {
    Ship,
    Invoice,
    ShipAndInvoice,
}

/// A line, and the quantities of it that are shipped and invoiced now.
struct Part {
    line: Row,
    shipped: Decimal,
    invoiced: Decimal,
}

/// Nothing on the document says what to post.
fn nothing() -> ApiError {
    ApiError::dialog("There is nothing to post because the document does not contain a quantity or amount.")
}

/// Posts an order; gives the invoice, or else the shipment. An order with everything invoiced goes.
pub(super) fn post(
    store: &mut Store,
    orders: TableId,
    id: Uuid,
    posting: Posting,
) -> Result<(TableId, Uuid), ApiError> {
    let order = header(store, orders, id)?;
    if get(orders, &order, "prepaymentDue").as_bool() {
        return Err(ApiError::dialog(format!(
            "You cannot post the document of type Order with the number {} before all related prepayment invoices are posted.",
            get(orders, &order, "number").as_text()
        )));
    }
    let parts = parts(store, id, posting);
    if parts.iter().all(|part| part.shipped.is_zero() && part.invoiced.is_zero()) {
        return Err(nothing());
    }
    release::release(store, orders, id)?;
    let mut made = None;
    if parts.iter().any(|part| !part.shipped.is_zero()) {
        made = Some(ship(store, orders, id, &parts)?);
    }
    note_quantities(store, &parts)?;
    totals::refresh(store, orders, id, totals::Written::Lines)?;
    let invoices = parts.iter().any(|part| !part.invoiced.is_zero());
    if archives::are_kept(store) {
        archives::keep(store, orders, id, invoices)?;
    }
    if invoices {
        made = Some(invoice(store, orders, id, &parts, true)?);
    }
    let table = schema().known("Sales Line");
    let is_done = |line: &Row| get(table, line, "invoicedQuantity") == get(table, line, "quantity");
    if store.lines(table, id).all(is_done) {
        actions::remove(store, orders, id);
    }
    made.ok_or_else(nothing)
}

fn parts(store: &Store, order: Uuid, posting: Posting) -> Vec<Part> {
    let table = schema().known("Sales Line");
    let part = |line: &Row| {
        let of = |name: &str| get(table, line, name).as_decimal();
        let open = of("quantity") - of("shippedQuantity");
        let shipped = if posting == Posting::Invoice { Decimal::ZERO } else { of("shipQuantity").min(open) };
        let may_invoice = of("shippedQuantity") + shipped - of("invoicedQuantity");
        let invoiced = if posting == Posting::Ship { Decimal::ZERO } else { of("invoiceQuantity").min(may_invoice) };
        Part { line: line.clone(), shipped, invoiced }
    };
    store.lines(table, order).map(part).collect()
}

fn ship(store: &mut Store, orders: TableId, id: Uuid, parts: &[Part]) -> Result<(TableId, Uuid), ApiError> {
    let order = header(store, orders, id)?;
    let order_lines = schema().known("Sales Line");
    let (shipments, shipment_lines) = (schema().known("Sales Shipment Header"), schema().known("Sales Shipment Line"));
    let mut shipment = actions::new_row(store, shipments);
    actions::copy((orders, &order), (shipments, &mut shipment));
    set(shipments, &mut shipment, "orderNumber", get(orders, &order, "number"));
    set(shipments, &mut shipment, "customerPurchaseOrderReference", get(orders, &order, "yourReference"));
    numbering::number(store, shipments, &mut shipment)?;
    let number = get(shipments, &shipment, "number");
    let shipment = actions::add(store, shipments, shipment)?;
    for part in parts {
        let mut row = actions::new_row(store, shipment_lines);
        actions::copy((order_lines, &part.line), (shipment_lines, &mut row));
        set(shipment_lines, &mut row, "documentId", Cell::Guid(shipment));
        set(shipment_lines, &mut row, "documentNo", number.clone());
        set(shipment_lines, &mut row, "quantity", Cell::Decimal(part.shipped));
        actions::add(store, shipment_lines, row)?;
        actions::move_inventory(store, order_lines, &part.line, -part.shipped)?;
    }
    let today = store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    records::touch(store, orders, id, |row| set(orders, row, "lastShipmentDate", Cell::Date(today)))?;
    Ok((shipments, shipment))
}

/// The lines of the order say what has happened to them.
fn note_quantities(store: &mut Store, parts: &[Part]) -> Result<(), ApiError> {
    let table = schema().known("Sales Line");
    for part in parts.iter().filter(|part| !(part.shipped.is_zero() && part.invoiced.is_zero())) {
        records::touch(store, table, part.line.id, |row| {
            let of = |row: &Row, name: &str| get(table, row, name).as_decimal();
            let shipped = of(row, "shippedQuantity") + part.shipped;
            let invoiced = of(row, "invoicedQuantity") + part.invoiced;
            let quantity = of(row, "quantity");
            set(table, row, "shippedQuantity", Cell::Decimal(shipped));
            set(table, row, "invoicedQuantity", Cell::Decimal(invoiced));
            set(table, row, "shipQuantity", Cell::Decimal(quantity - shipped));
            set(table, row, "invoiceQuantity", Cell::Decimal(quantity - invoiced));
            set(table, row, "reservedQuantity", Cell::Decimal(of(row, "reservedQuantity").min(quantity - shipped)));
            lines::completeness(table, row);
        })?;
        super::activity::note_line(store, table, part.line.id)?;
    }
    Ok(())
}

/// Posts an invoice over parts of an order: the one that the order becomes, or one of its own.
fn invoice(
    store: &mut Store,
    orders: TableId,
    id: Uuid,
    parts: &[Part],
    of_the_order: bool,
) -> Result<(TableId, Uuid), ApiError> {
    let order = header(store, orders, id)?;
    let invoices = schema().known("Sales Invoice Header");
    let mut row = actions::new_row(store, invoices);
    actions::copy((orders, &order), (invoices, &mut row));
    if of_the_order {
        set(invoices, &mut row, "orderId", Cell::Guid(id));
        set(invoices, &mut row, "orderNumber", get(orders, &order, "number"));
    }
    set(invoices, &mut row, "customerPurchaseOrderReference", get(orders, &order, "yourReference"));
    set(invoices, &mut row, "invoiceDate", get(orders, &order, "postingDate"));
    set(invoices, &mut row, "shipmentDate", get(orders, &order, "lastShipmentDate"));
    set(invoices, &mut row, "status", Cell::Enum(1));
    set(invoices, &mut row, "number", Cell::text(numbering::posted_invoice(store, invoices)));
    let number = get(invoices, &row, "number");
    let (from, into) = (schema().known("Sales Line"), lines_of(invoices).unwrap_or(invoices));
    let includes_tax = get(orders, &order, "pricesIncludeTax").as_bool();
    let mut discount = Decimal::ZERO;
    let mut made = Vec::new();
    for part in parts {
        let is_text = get(from, &part.line, "lineType").is_blank();
        if part.invoiced.is_zero() && !is_text {
            continue;
        }
        let of = |name: &str| get(from, &part.line, name).as_decimal();
        // What has been invoiced before is taken from the whole, so that the parts add up to it.
        let upto = |whole: Decimal, quantity: Decimal| {
            (whole * quantity).checked_div(of("quantity")).unwrap_or_default().round_dp_with_strategy(2, HALF_UP)
        };
        let share = |whole: Decimal| {
            let before = of("invoicedQuantity");
            upto(whole, before + part.invoiced) - upto(whole, before)
        };
        let mut line = actions::new_row(store, into);
        actions::copy((from, &part.line), (into, &mut line));
        set(into, &mut line, "documentNo", number.clone());
        set(into, &mut line, "quantity", Cell::Decimal(part.invoiced));
        set(into, &mut line, "discountAmount", Cell::Decimal(share(of("discountAmount"))));
        lines::sum_up(into, &mut line, includes_tax);
        discount += share(totals::invoice_discount_of(from, &part.line, includes_tax));
        made.push(line);
    }
    set(invoices, &mut row, "discountAmount", Cell::Decimal(discount));
    let invoice = actions::add(store, invoices, row)?;
    for mut line in made {
        set(into, &mut line, "documentId", Cell::Guid(invoice));
        actions::add(store, into, line)?;
    }
    // The goods left with the shipment.
    actions::post_invoice(store, invoices, invoice, false)?;
    Ok((invoices, invoice))
}

/// An invoice of its own over what of an order was shipped and not invoiced ("get shipment lines"), or a part of that. The
/// order stays, even with everything invoiced.
pub(crate) fn invoice_shipments(store: &mut Store, order: Uuid, part: Decimal) -> Result<Uuid, ApiError> {
    let (orders, table) = (schema().known("Sales Header"), schema().known("Sales Line"));
    let of = |line: &Row, name: &str| get(table, line, name).as_decimal();
    let parts: Vec<Part> = store
        .lines(table, order)
        .map(|line| {
            let open = of(line, "shippedQuantity") - of(line, "invoicedQuantity");
            Part { line: line.clone(), shipped: Decimal::ZERO, invoiced: (open * part).normalize() }
        })
        .collect();
    if parts.iter().all(|part| part.invoiced.is_zero()) {
        return Err(nothing());
    }
    let (_, made) = invoice(store, orders, order, &parts, false)?;
    note_quantities(store, &parts)?;
    totals::refresh(store, orders, order, totals::Written::Lines)?;
    Ok(made)
}

/// What keeps an order from being deleted by hand: goods that left and are not invoiced.
pub(super) fn may_go(lines: TableId, rows: &[Row]) -> Result<(), ApiError> {
    let is_open = |line: &&Row| get(lines, line, "shippedQuantity") != get(lines, line, "invoicedQuantity");
    match rows.iter().find(is_open) {
        Some(line) => Err(ApiError::new(
            400,
            "Application_FieldValidationException",
            format!(
                "Qty. Shipped Not Invoiced must be equal to '0'  in Sales Line: Document Type=Order, Document No.={}, Line No.={}.",
                get(lines, line, "documentNo").as_text(),
                get(lines, line, "sequence").as_int()
            ),
        )),
        None => Ok(()),
    }
}
