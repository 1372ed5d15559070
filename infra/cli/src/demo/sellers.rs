//! What sellers do in Sales between the first pass and the second: they submit orders, activate quotes and win one.

use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::company::Company;
use super::people::in_sales;
use super::world::Pair;

/// Orders that are submitted, of customers one after the other.
const ORDERS: usize = 6;
/// Lines with products on each order.
const PRODUCTS_PER_ORDER: usize = 3;
/// Quotes that are activated.
const QUOTES: usize = 3;

/// What orders and quotes are made of.
pub struct Assortment<'a> {
    /// Customers.
    pub customers: &'a [Pair],
    /// Items that are sold.
    pub items: &'a [Pair],
}

/// Submits the orders, and activates the quotes, the last of which is won at once.
///
/// # Errors
/// When Sales refuses something.
pub fn work(company: &Company, assortment: &Assortment<'_>) -> anyhow::Result<()> {
    let customers = assortment.customers.iter().cycle();
    for (number, customer) in customers.clone().take(ORDERS).enumerate() {
        let order = document(company, "salesorder", assortment, *customer, number)?;
        if number == 0 {
            let note = json!({"subject": "Delivery", "notetext": "<p>Ring twice, please.</p>", "isdocument": false,
                "objectid_salesorder@odata.bind": format!("/salesorders({order})")});
            create(company, "annotation", note)?;
        }
        in_sales(company, "salesorder", order, json!({"statecode": 1}))?;
    }
    for (number, customer) in customers.take(QUOTES).enumerate() {
        let quote = document(company, "quote", assortment, *customer, ORDERS + number)?;
        in_sales(company, "quote", quote, json!({"statecode": 1}))?;
    }
    Ok(())
}

/// An order or quote that is still being written, with its lines: products, something written in, a discount and freight.
fn document(
    company: &Company,
    table: &str,
    assortment: &Assortment<'_>,
    customer: Pair,
    number: usize,
) -> anyhow::Result<Uuid> {
    let first = row(company, "product", product(assortment, number, 0)?)?;
    let list = id(&first, "_pricelevelid_value")?;
    let account = customer.dataverse;
    let values = json!({
        "name": format!("Spring campaign {}", number + 1),
        "customerid_account@odata.bind": format!("/accounts({account})"),
        "pricelevelid@odata.bind": format!("/pricelevels({list})"),
        "requestdeliveryby": "2026-12-24T12:00:00Z",
        "description": "Deliver to the back door.",
        "shipto_line1": "Harbour Road 7", "shipto_city": "Kolding",
    });
    let document = create(company, table, values)?;
    let parent = format!("{table}id@odata.bind");
    let address = format!("/{table}s({document})");
    for line in 0..PRODUCTS_PER_ORDER {
        let product = product(assortment, number, line)?;
        let unit = id(&row(company, "product", product)?, "_defaultuomid_value")?;
        let mut values = json!({
            "productid@odata.bind": format!("/products({product})"),
            "uomid@odata.bind": format!("/uoms({unit})"),
            "quantity": line + 1 + number,
            "sequencenumber": line + 1,
        });
        values[&parent] = json!(address);
        if line == 1 {
            values["manualdiscountamount"] = json!(1.5);
        }
        create(company, &format!("{table}detail"), values)?;
    }
    if number % 2 == 1 {
        let mut values = json!({"isproductoverridden": true, "productdescription": "Assembly on site", "quantity": 2,
            "priceperunit": 35.25, "sequencenumber": PRODUCTS_PER_ORDER + 1});
        values[&parent] = json!(address);
        create(company, &format!("{table}detail"), values)?;
        in_sales(company, table, document, json!({"discountamount": 4, "freightamount": 12.5}))?;
    }
    Ok(document)
}

/// The product of a line: other ones on every document.
fn product(assortment: &Assortment<'_>, document: usize, line: usize) -> anyhow::Result<Uuid> {
    let items = assortment.items;
    let at = document * PRODUCTS_PER_ORDER + line;
    let pair = items.get(at % items.len().max(1)).context("no item is coupled")?;
    Ok(pair.dataverse)
}

fn row(company: &Company, table: &str, id: Uuid) -> anyhow::Result<Map<String, Value>> {
    company.dataverse.row(table, id).with_context(|| format!("a coupled {table} is gone"))
}

fn id(row: &Map<String, Value>, column: &str) -> anyhow::Result<Uuid> {
    let value = row.get(column).and_then(Value::as_str).with_context(|| format!("a product has no {column}"))?;
    Ok(value.parse()?)
}

fn create(company: &Company, table: &str, values: Value) -> anyhow::Result<Uuid> {
    company.dataverse.create_as_user(table, values).map_err(|error| anyhow!("{table}: {error:?}"))
}
