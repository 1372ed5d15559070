//! What sellers submitted in Sales and what became of it in Business Central: orders and quotes with their lines, notes, posts, and
//! the invoices of orders. Amounts agree to the cent.

use couplet_model::ActiveMapping;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::company::WRITTEN_IN;
use super::super::row::{Row, id};
use super::super::world::World;
use super::fields::number;
use super::text;

/// States of an order of Sales that somebody works on in Business Central, or has invoiced.
const TAKEN_OVER: [&str; 2] = ["1", "4"];
/// The state of an order that was invoiced.
const INVOICED: &str = "4";
/// How Business Central says that there is no day, and how long a day is written.
const BLANK_DAY: &str = "0001-01-01";

/// Compares a pair of the documents that come from Sales; `None` if the mapping is none of these.
pub fn compare(world: &World, mapping: &ActiveMapping, record: &Row, row: &Row) -> Option<Vec<String>> {
    let mut problems = Vec::new();
    match (mapping.business_central.name.as_str(), mapping.dataverse.name.as_str()) {
        (_, "post") => {
            let number = text(record.get("number"));
            if !text(row.get("text")).contains(&number) {
                problems.push(format!("the post does not name {number}"));
            }
        }
        ("Sales Header", _) => header(record, row, "ordernumber", &mut problems),
        ("Sales Header (Quote)", _) => header(record, row, "quotenumber", &mut problems),
        ("Sales Line" | "Sales Line (Quote)", _) => line(world, record, row, &mut problems),
        ("Record Link", _) => {
            same("subject", &text(record.get("subject")), &text(row.get("subject")), &mut problems);
            same("notetext", &text(record.get("text")), &without_tags(&text(row.get("notetext"))), &mut problems);
        }
        _ => return None,
    }
    Some(problems)
}

fn header(record: &Row, row: &Row, number_column: &str, problems: &mut Vec<String>) {
    same(number_column, &text(record.get("yourReference")), &text(row.get(number_column)), problems);
    same("shipto_line1", &text(record.get("shipToAddressLine1")), &text(row.get("shipto_line1")), problems);
    same("shipto_city", &text(record.get("shipToCity")), &text(row.get("shipto_city")), problems);
    same("description", &text(record.get("workDescription")), &text(row.get("description")), problems);
    let day = text(row.get("requestdeliveryby")).chars().take(BLANK_DAY.len()).collect::<String>();
    same("requestdeliveryby", &text(record.get("requestedDeliveryDate")).replace(BLANK_DAY, ""), &day, problems);
    same_number("total", number(record.get("totalAmountExcludingTax")), charged(row), problems);
}

/// What a document of Sales charges without tax; freight is a line of its own in Business Central.
fn charged(row: &Row) -> Decimal {
    number(row.get("totalamountlessfreight")) + number(row.get("freightamount"))
}

fn line(world: &World, record: &Row, row: &Row, problems: &mut Vec<String>) {
    same_number("quantity", number(record.get("quantity")), number(row.get("quantity")), problems);
    same_number("priceperunit", number(record.get("unitPrice")), number(row.get("priceperunit")), problems);
    let discount =
        number(row.get("manualdiscountamount")) + number(row.get("quantity")) * number(row.get("volumediscountamount"));
    same_number("discount", number(record.get("discountAmount")), discount, problems);
    let sold = text(record.get("lineObjectNumber"));
    let product = id(row.get("_productid_value")).and_then(|product| world.dataverse_row("product", product));
    let wanted = product.map_or_else(|| WRITTEN_IN.to_owned(), |product| text(product.get("productnumber")));
    same("productid", &sold, &wanted, problems);
}

/// Orders that were submitted and not taken over, and invoices of orders that charge something else than their order.
pub fn nothing_lost(world: &World, problems: &mut Vec<String>) {
    for (_, order) in world.dataverse_rows("salesorder") {
        let (number, state) = (text(order.get("ordernumber")), text(order.get("statecode")));
        if TAKEN_OVER.contains(&state.as_str()) && order.get("lastbackofficesubmit").is_none() {
            problems.push(format!("order {number} was not taken over"));
        }
        if state == INVOICED {
            let invoices: Vec<Decimal> = world
                .business_central_rows("Sales Invoice Header")
                .filter(|(_, invoice)| text(invoice.get("customerPurchaseOrderReference")) == number)
                .map(|(_, invoice)| super::fields::number(invoice.get("totalAmountExcludingTax")))
                .collect();
            if invoices.iter().sum::<Decimal>() != charged(order) {
                problems.push(format!("order {number} charges {} and is invoiced with {invoices:?}", charged(order)));
            }
        }
    }
}

/// Whether a record of Business Central came from Sales after everything was synchronized, or stands for what is written in:
/// nobody looks for its partner.
pub fn needs_no_partner(world: &World, mapping: &ActiveMapping, record: &Row) -> bool {
    let is_of_order = |invoice: Option<&Row>| {
        invoice.is_some_and(|invoice| invoice.get("orderNumber").is_some_and(|number| !number.is_empty()))
    };
    if mapping.dataverse.name == "post" {
        return true;
    }
    match mapping.business_central.name.as_str() {
        "Resource" => text(record.get("number")) == WRITTEN_IN,
        "Sales Invoice Header" => is_of_order(Some(record)),
        "Sales Invoice Line" => {
            let invoice = id(record.get("documentId")).unwrap_or(Uuid::nil());
            is_of_order(world.business_central_row("Sales Invoice Header", invoice))
        }
        // Orders that nobody submitted in Sales, comments and freight.
        "Sales Header" | "Sales Line" => true,
        _ => false,
    }
}

fn same(column: &str, ours: &str, theirs: &str, problems: &mut Vec<String>) {
    if ours != theirs {
        problems.push(format!("{column} is {theirs:?} but Business Central has {ours:?}"));
    }
}

fn same_number(what: &str, ours: Decimal, theirs: Decimal, problems: &mut Vec<String>) {
    if ours.round_dp(2) != theirs.round_dp(2) {
        problems.push(format!("{what} is {theirs} but Business Central has {ours}"));
    }
}

/// What the editor of Sales shows of a note.
fn without_tags(formatted: &str) -> String {
    let mut parts = formatted.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('>').map_or(part, |(_, rest)| rest))
}
