//! What people do between the first pass and the second: prices, names and phones change on both sides, stock moves.

use anyhow::{Context, anyhow};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::company::Company;
use super::sellers::{self, Assortment};
use super::world::{Couplings, Pair};

/// One item in so many changes.
const ITEMS_PER_CHANGE: usize = 100;
/// Items whose stock moves, at most.
const STOCK_MOVES: usize = 5;
/// Customers and accounts that change, on either side.
const CUSTOMERS: usize = 3;

/// Makes the changes.
///
/// # Errors
/// When a system refuses one of them.
pub fn work(company: &Company, couplings: &Couplings) -> anyhow::Result<()> {
    let pairs = |table: &str| {
        let is_of_table = |pair: &Pair| company.business_central.row(table, pair.business_central).is_some();
        couplings.values().find(|pairs| pairs.first().is_some_and(is_of_table)).map_or(&[][..], Vec::as_slice)
    };
    let mut items = pairs("Item").iter();
    let changed = pairs("Item").len().div_ceil(ITEMS_PER_CHANGE);
    for (number, pair) in items.by_ref().take(changed).enumerate() {
        reprice(company, *pair, number)?;
    }
    if let Some(pair) = items.next() {
        rename_product(company, *pair)?;
    }
    if let Some(pair) = items.next() {
        in_business_central(company, "Item", *pair, json!({ "blocked": true }))?;
    }
    for (number, pair) in items.by_ref().take(STOCK_MOVES).enumerate() {
        move_stock(company, *pair, number)?;
    }
    let mut customers = pairs("Customer").iter();
    for (number, pair) in customers.by_ref().take(CUSTOMERS).enumerate() {
        let phone = format!("+1 555 010{number}");
        in_business_central(company, "Customer", *pair, json!({ "phoneNumber": phone }))?;
    }
    for (number, pair) in customers.by_ref().take(CUSTOMERS).enumerate() {
        let changes = json!({ "telephone1": format!("+1 555 020{number}"), "address1_city": "Springfield" });
        in_sales(company, "account", pair.dataverse, changes)?;
    }
    sellers::work(company, &Assortment { customers: pairs("Customer"), items: items.as_slice() })?;
    for pair in pairs("Salesperson/Purchaser").iter().take(1) {
        in_sales(company, "systemuser", pair.dataverse, json!({ "mobilephone": "+1 555 0300" }))?;
    }
    Ok(())
}

fn item_of(company: &Company, pair: Pair) -> anyhow::Result<Map<String, Value>> {
    company.business_central.row("Item", pair.business_central).context("a coupled item is gone")
}

/// A new price, and for every second item a new description.
fn reprice(company: &Company, pair: Pair, number: usize) -> anyhow::Result<()> {
    let row = item_of(company, pair)?;
    let price = row.get("unitPrice").map(ToString::to_string).and_then(|text| text.parse::<Decimal>().ok());
    let price = price.unwrap_or_default().abs() + Decimal::new(125, 2);
    let mut changes = json!({ "unitPrice": serde_json::from_str::<Value>(&price.to_string())? });
    if number.is_multiple_of(2) {
        changes["displayName"] = json!(format!("Improved item {number}"));
    }
    in_business_central(company, "Item", pair, changes)
}

fn rename_product(company: &Company, pair: Pair) -> anyhow::Result<()> {
    let row = company.dataverse.row("product", pair.dataverse).context("a coupled product is gone")?;
    let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
    let renamed: String = format!("{name} (renamed in Sales)").chars().take(100).collect();
    in_sales(company, "product", pair.dataverse, json!({ "name": renamed }))
}

fn move_stock(company: &Company, pair: Pair, number: usize) -> anyhow::Result<()> {
    let row = item_of(company, pair)?;
    let item = row.get("number").and_then(Value::as_str).context("an item has no number")?;
    let quantity = Decimal::from(number as u64 + 7);
    company
        .business_central
        .post_item_ledger_entry(item, quantity)
        .map(|_| ())
        .map_err(|error| anyhow!("stock of item {item}: {error:?}"))
}

pub fn in_business_central(company: &Company, table: &str, pair: Pair, changes: Value) -> anyhow::Result<()> {
    let answer = company.business_central.update_as_user(table, pair.business_central, changes);
    answer.map_err(|error| anyhow!("{table} {}: {error:?}", pair.business_central))
}

pub fn in_sales(company: &Company, table: &str, id: Uuid, changes: Value) -> anyhow::Result<()> {
    company.dataverse.update_as_user(table, id, changes).map_err(|error| anyhow!("{table} {id}: {error:?}"))
}
