//! Bound actions: quotes become orders and invoices, invoices are posted and cancelled; orders and quotes are released elsewhere.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::posting::{self, Posting};
use super::{
    POSTED, activity, archives, get, header, headers_of, is, is_posted, lines_of, notes, release, set, totals,
};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::records::{self, numbering};
use crate::schema::{Route, TableId, schema};
use crate::store::{Row, Store};

const CANCELED: u8 = 5;

/// The bound actions of an entity set.
pub(crate) fn actions(table: TableId, route: Route) -> &'static [&'static str] {
    if route == Route::Companion {
        return match schema().table(table).name.as_str() {
            "Opportunity" => records::opportunities::ACTIONS,
            "Sales Header" | "Sales Header (Quote)" => &["release", "reopen", "archive"],
            _ => &[],
        };
    }
    match schema().table(table).name.as_str() {
        "Sales Header" => &["shipAndInvoice"],
        "Sales Header (Quote)" => &["makeInvoice", "makeOrder", "send"],
        "Sales Invoice Header" => {
            &["post", "postAndSend", "send", "cancel", "cancelAndSend", "makeCorrectiveCreditMemo"]
        }
        "Sales Credit Memo Entity Buffer" => &["post", "postAndSend", "send", "cancel", "cancelAndSend"],
        _ => &[],
    }
}

/// Carries out a bound action; gives the document it made, if any.
pub(crate) fn act(
    store: &mut Store,
    route: Route,
    table: TableId,
    id: Uuid,
    name: &str,
) -> Result<Option<(TableId, Uuid)>, ApiError> {
    if !actions(table, route).contains(&name) {
        return Err(ApiError::not_implemented(format!("The action '{name}' is not implemented for this entity.")));
    }
    match (schema().table(table).name.as_str(), name) {
        ("Opportunity", _) => records::opportunities::close(store, table, id, name).map(|()| None),
        (_, "release") => release::release(store, table, id).map(|()| None),
        (_, "reopen") => release::reopen(store, table, id).map(|()| None),
        (_, "archive") => archives::keep(store, table, id, false).map(|()| None),
        ("Sales Header", _) => posting::post(store, table, id, Posting::ShipAndInvoice).map(Some),
        ("Sales Header (Quote)", "makeOrder") => turn_into(store, table, id, "Sales Header").map(Some),
        ("Sales Header (Quote)", "makeInvoice") => turn_into(store, table, id, "Sales Invoice Header").map(Some),
        ("Sales Header (Quote)", _) => send_quote(store, table, id).map(|()| None),
        ("Sales Invoice Header", "post" | "postAndSend") => post_invoice(store, table, id, true).map(|()| None),
        ("Sales Invoice Header", "cancel" | "cancelAndSend") => cancel_invoice(store, table, id).map(|()| None),
        ("Sales Invoice Header", "makeCorrectiveCreditMemo") => credit_memo(store, table, id, "Draft").map(Some),
        ("Sales Credit Memo Entity Buffer", "post" | "postAndSend") => {
            records::touch(store, table, id, |row| set(table, row, "status", Cell::text("Open"))).map(|()| None)
        }
        ("Sales Credit Memo Entity Buffer", "cancel" | "cancelAndSend") => {
            records::touch(store, table, id, |row| set(table, row, "status", Cell::text("Canceled"))).map(|()| None)
        }
        // A mail goes out; nothing changes in the tables.
        _ => Ok(None),
    }
}

/// Carries out a bound action, or what only people can do in the application: ship, or invoice, what the lines say.
pub(crate) fn act_as_user(
    store: &mut Store,
    table: TableId,
    id: Uuid,
    name: &str,
) -> Result<Option<(TableId, Uuid)>, ApiError> {
    match name {
        "ship" if is(table, "Sales Header") => posting::post(store, table, id, Posting::Ship).map(Some),
        "invoice" if is(table, "Sales Header") => posting::post(store, table, id, Posting::Invoice).map(Some),
        _ => {
            let on_companion = actions(table, Route::Companion).contains(&name);
            let route = if on_companion { Route::Companion } else { Route::Standard };
            act(store, route, table, id, name)
        }
    }
}

/// Copies the values two tables have in common.
pub(super) fn copy((from_table, from): (TableId, &Row), (into_table, into): (TableId, &mut Row)) {
    let (source, target) = (schema().table(from_table), schema().table(into_table));
    for (at, property) in target.properties.iter().enumerate() {
        let same = source.position(&property.name).filter(|position| {
            std::mem::discriminant(&source.properties[*position].kind) == std::mem::discriminant(&property.kind)
        });
        if let Some(position) = same
            && property.name != "number"
            && property.name != "status"
            && property.name != "documentStatus"
        {
            into.cells[at] = from.cells[position].clone();
        }
    }
}

pub(super) fn new_row(store: &mut Store, table: TableId) -> Row {
    let now = store.clock.now();
    Row {
        id: store.fresh_id(),
        created: now,
        modified: now,
        version: store.next_version(),
        cells: records::blank_cells(table),
    }
}

pub(super) fn add(store: &mut Store, table: TableId, row: Row) -> Result<Uuid, ApiError> {
    let id = row.id;
    store
        .insert(table, row)
        .map_err(|_| ApiError::same_key(schema().table(table).caption(), &format!("SystemId='{id}'")))?;
    if headers_of(table).is_some() {
        activity::note_line(store, table, id)?;
    }
    Ok(id)
}

/// Copies the lines of a document under another one.
fn copy_lines(store: &mut Store, from: (TableId, Uuid), into: (TableId, Uuid), number: &Cell) -> Result<(), ApiError> {
    let lines: Vec<Row> = store.lines(from.0, from.1).cloned().collect();
    for line in lines {
        let mut row = new_row(store, into.0);
        copy((from.0, &line), (into.0, &mut row));
        set(into.0, &mut row, "documentId", Cell::Guid(into.1));
        set(into.0, &mut row, "documentNo", number.clone());
        set(into.0, &mut row, "documentType", Cell::Enum(1));
        set(into.0, &mut row, "type", get(from.0, &line, "lineType"));
        add(store, into.0, row)?;
    }
    Ok(())
}

pub(super) fn remove(store: &mut Store, table: TableId, id: Uuid) {
    if let Some(lines) = lines_of(table) {
        let ids: Vec<Uuid> = store.lines(lines, id).map(|line| line.id).collect();
        for id in ids {
            activity::forget_line(store, id);
            store.remove(lines, id);
        }
    }
    notes::remove(store, id);
    store.remove(table, id);
}

/// A quote becomes an order or a draft invoice, and goes.
fn turn_into(store: &mut Store, quotes: TableId, id: Uuid, target: &str) -> Result<(TableId, Uuid), ApiError> {
    let target = schema().known(target);
    let quote = header(store, quotes, id)?;
    let mut row = new_row(store, target);
    copy((quotes, &quote), (target, &mut row));
    set(target, &mut row, "documentType", Cell::Enum(1));
    set(target, &mut row, "orderDate", get(quotes, &quote, "documentDate"));
    set(target, &mut row, "invoiceDate", get(quotes, &quote, "documentDate"));
    if is(target, "Sales Invoice Header") {
        set(target, &mut row, "status", Cell::Enum(1));
    }
    numbering::number(store, target, &mut row)?;
    let number = get(target, &row, "number");
    set(target, &mut row, "quoteNumber", get(quotes, &quote, "number"));
    let occurrence = archives::next_occurrence(store, number.as_text());
    set(target, &mut row, "documentOccurrence", Cell::Int(occurrence));
    let made = add(store, target, row)?;
    if let (Some(from), Some(into)) = (lines_of(quotes), lines_of(target)) {
        copy_lines(store, (from, id), (into, made), &number)?;
    }
    totals::refresh(store, target, made, totals::Written::Lines)?;
    if is(target, "Sales Header") {
        notes::copy(store, id, made)?;
    }
    remove(store, quotes, id);
    Ok((target, made))
}

fn send_quote(store: &mut Store, quotes: TableId, id: Uuid) -> Result<(), ApiError> {
    let now = store.clock.now();
    records::touch(store, quotes, id, |row| {
        set(quotes, row, "status", Cell::Enum(1));
        set(quotes, row, "sentDate", Cell::DateTime(now));
    })
}

/// Posts a draft invoice; `moves_goods` unless a shipment did.
pub(super) fn post_invoice(store: &mut Store, invoices: TableId, id: Uuid, moves_goods: bool) -> Result<(), ApiError> {
    let invoice = header(store, invoices, id)?;
    if is_posted(invoices, &invoice) {
        return Err(ApiError::dialog("The invoice has already been posted."));
    }
    let lines = schema().known("Sales Invoice Line");
    if store.lines(lines, id).all(|line| get(lines, line, "quantity").is_blank()) {
        return Err(ApiError::dialog(
            "There is nothing to post because the document does not contain a quantity or amount.",
        ));
    }
    totals::refresh(store, invoices, id, totals::Written::Header)?;
    let mut number = get(invoices, &invoice, "number");
    if !number.as_text().starts_with(numbering::POSTED_INVOICE) {
        number = Cell::text(numbering::posted_invoice(store, invoices));
    }
    if moves_goods {
        post_quantities(store, lines, id, Decimal::NEGATIVE_ONE)?;
    }
    records::touch(store, invoices, id, |row| {
        set(invoices, row, "number", number);
        set(invoices, row, "status", Cell::Enum(POSTED));
        let total = get(invoices, row, "totalAmountIncludingTax");
        set(invoices, row, "remainingAmount", total);
    })?;
    activity::post_entry(store, invoices, id)?;
    // The lines of the draft are sales lines no more.
    let ids: Vec<Uuid> = store.lines(lines, id).map(|line| line.id).collect();
    for line in ids {
        activity::forget_line(store, line);
    }
    totals::refresh_customer(store, get(invoices, &invoice, "customerId").as_guid())
}

/// Moves the inventory of the items on the lines.
fn post_quantities(store: &mut Store, lines: TableId, document: Uuid, sign: Decimal) -> Result<(), ApiError> {
    let moved: Vec<Row> = store.lines(lines, document).cloned().collect();
    for line in moved {
        move_inventory(store, lines, &line, get(lines, &line, "quantity").as_decimal() * sign)?;
    }
    Ok(())
}

/// Moves the inventory of the item on a line, if there is one that has any.
pub(super) fn move_inventory(store: &mut Store, lines: TableId, line: &Row, quantity: Decimal) -> Result<(), ApiError> {
    let items = schema().known("Item");
    let number = get(lines, line, "lineObjectNumber").as_text().to_owned();
    let has_inventory = || store.by_code(items, &number).is_some_and(|item| get(items, item, "type").as_enum() == 0);
    if quantity.is_zero() || get(lines, line, "lineType").as_enum() != 2 || !has_inventory() {
        return Ok(());
    }
    records::post_ledger_entry(store, &number, quantity, "Sale").map(|_| ())
}

fn cancel_invoice(store: &mut Store, invoices: TableId, id: Uuid) -> Result<(), ApiError> {
    let invoice = header(store, invoices, id)?;
    if !matches!(get(invoices, &invoice, "status").as_enum(), 3 | 4) {
        return Err(ApiError::dialog("The sales invoice cannot be canceled because of its status."));
    }
    let (credit_memos, memo) = credit_memo(store, invoices, id, "Corrective")?;
    debug_assert!(store.row(credit_memos, memo).is_some());
    post_quantities(store, schema().known("Sales Invoice Line"), id, Decimal::ONE)?;
    records::touch(store, invoices, id, |row| {
        set(invoices, row, "status", Cell::Enum(CANCELED));
        set(invoices, row, "cancelled", Cell::Bool(true));
        set(invoices, row, "remainingAmount", Cell::Decimal(Decimal::ZERO));
    })?;
    activity::apply_entry(store, invoices, id)?;
    totals::refresh_customer(store, get(invoices, &invoice, "customerId").as_guid())
}

fn credit_memo(store: &mut Store, invoices: TableId, id: Uuid, status: &str) -> Result<(TableId, Uuid), ApiError> {
    let invoice = header(store, invoices, id)?;
    if !is_posted(invoices, &invoice) {
        return Err(ApiError::dialog("The invoice must be posted before it can be corrected."));
    }
    let memos = schema().known("Sales Credit Memo Entity Buffer");
    let mut memo = new_row(store, memos);
    copy((invoices, &invoice), (memos, &mut memo));
    set(memos, &mut memo, "creditMemoDate", get(invoices, &invoice, "invoiceDate"));
    set(memos, &mut memo, "invoiceId", Cell::Guid(id));
    set(memos, &mut memo, "invoiceNumber", get(invoices, &invoice, "number"));
    set(memos, &mut memo, "status", Cell::text(status));
    numbering::number(store, memos, &mut memo)?;
    Ok((memos, add(store, memos, memo)?))
}

/// Applies a payment to a posted invoice.
pub(crate) fn pay(store: &mut Store, id: Uuid, amount: Decimal) -> Result<(), ApiError> {
    let invoices = schema().known("Sales Invoice Header");
    let invoice = header(store, invoices, id)?;
    if !is_posted(invoices, &invoice) {
        return Err(ApiError::dialog("The invoice is not posted."));
    }
    let remaining = (get(invoices, &invoice, "remainingAmount").as_decimal() - amount).max(Decimal::ZERO);
    records::touch(store, invoices, id, |row| {
        set(invoices, row, "remainingAmount", Cell::Decimal(remaining));
        set(invoices, row, "status", Cell::Enum(if remaining.is_zero() { 4 } else { POSTED }));
    })?;
    activity::apply_entry(store, invoices, id)?;
    totals::refresh_customer(store, get(invoices, &invoice, "customerId").as_guid())
}
