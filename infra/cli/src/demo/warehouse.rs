//! What happens in Business Central to the orders that came from Sales, in the middle of the second pass: they are released,
//! some are shipped, and some of these are invoiced.

use anyhow::anyhow;
use serde_json::{Value, json};
use uuid::Uuid;

use super::company::Company;

/// The table of the orders.
const ORDERS: &str = "Sales Header";

/// Releases every order, ships the first half of them and invoices the first third; gives whether there was any.
///
/// # Errors
/// When Business Central refuses something.
pub fn work(company: &Company) -> anyhow::Result<bool> {
    let mut orders: Vec<(String, Uuid)> =
        company.business_central.rows(ORDERS).iter().filter_map(came_from_sales).collect();
    orders.sort();
    let count = orders.len();
    for (place, (number, order)) in orders.iter().enumerate() {
        let act = |action: &str| {
            let answer = company.business_central.run_action_as_user(ORDERS, *order, action);
            answer.map(|_| ()).map_err(|error| anyhow!("{action} order {number}: {error:?}"))
        };
        act("release")?;
        if place < count.div_ceil(2) {
            act("ship")?;
        }
        if place < count.div_ceil(3) {
            act("invoice")?;
        }
    }
    if let Some((_, order)) = orders.last() {
        let note = json!({"documentId": order, "documentType": "Order", "subject": "Warehouse", "text": "Packed in two boxes."});
        company.business_central.create_as_user("Record Link", note).map_err(|error| anyhow!("a note: {error:?}"))?;
    }
    Ok(count > 0)
}

/// The number and id of an order that came from Sales: it bears the number it has there.
fn came_from_sales(row: &serde_json::Map<String, Value>) -> Option<(String, Uuid)> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    text("yourReference").filter(|reference| reference.starts_with("ORD-"))?;
    Some((text("number")?.to_owned(), text("id")?.parse().ok()?))
}
