//! What the demonstration company sells: its prices, its chances, and what it has invoiced.

use anyhow::Context as _;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{Founder, decimal, names, number, number_of};
use crate::cell::Cell;
use crate::documents;
use crate::options::TradeSize;
use crate::schema::{Route, schema};
use crate::store::{Row, Store};

/// Lines of a price list.
const LINES_PER_LIST: usize = 1000;
/// One item in so many has a second price for a box of it.
const BOXES: usize = 4;
/// Currencies of price lists; blank is the local one.
const CURRENCIES: &[&str] = &["", "EUR", "DKK"];

/// An item as prices and invoices need it.
struct Sold {
    number: String,
    unit: String,
    price: Decimal,
    has_boxes: bool,
}

impl Founder {
    pub(super) fn trade(&mut self, store: &mut Store, size: &TradeSize) -> anyhow::Result<()> {
        if *size == TradeSize::NONE {
            return Ok(());
        }
        let items = sold(store);
        anyhow::ensure!(!items.is_empty(), "the demonstration company trades, so it needs an item that is not blocked");
        self.sales_prices(store, size.sales_prices, &items)?;
        self.price_lists(store, size.price_list_lines, &items)?;
        self.opportunities(store, size.opportunities)?;
        self.invoices(store, size.invoices, &items)
    }

    fn sales_prices(&mut self, store: &mut Store, count: usize, items: &[Sold]) -> anyhow::Result<()> {
        let groups = names::PRICE_GROUPS;
        for at in 0..count {
            let (group, _) = groups[at % groups.len()];
            let (item, turn) = around(items, at / groups.len());
            // Another round through the items needs another minimum quantity: without it the prices would be one.
            let price = (item.price * Decimal::new(95, 2)).round_dp(2);
            self.make(store, "Sales Price", json!({"salesType": "Customer Price Group", "salesCode": group, "itemNo": item.number,
                "unitOfMeasureCode": item.unit, "unitPrice": decimal(price)?, "minimumQuantity": number_of(turn * 10)?}))?;
        }
        Ok(())
    }

    fn price_lists(&mut self, store: &mut Store, count: usize, items: &[Sold]) -> anyhow::Result<()> {
        let mut left = count;
        for list in 0..count.div_ceil(LINES_PER_LIST) {
            let currency = CURRENCIES[list % CURRENCIES.len()];
            let code = format!("P{:04}", list + 1);
            let name = if currency.is_empty() {
                format!("Prices {}", list + 1)
            } else {
                format!("Prices in {currency} {}", list + 1)
            };
            let header = self.make(
                store,
                "Price List Header",
                json!({"code": code, "displayName": name, "currencyCode": currency,
                "priceType": "Sale", "amountType": "Price", "startingDate": "2026-01-01"}),
            )?;
            let lines = left.min(LINES_PER_LIST);
            left -= lines;
            self.price_list_lines(store, &code, currency, lines, &items[(list * LINES_PER_LIST / 2) % items.len()..])?;
            self.change(store, "Price List Header", header, |row, at| row.cells[at("status")] = Cell::Enum(1))?;
        }
        Ok(())
    }

    fn price_list_lines(
        &mut self,
        store: &mut Store,
        code: &str,
        currency: &str,
        count: usize,
        items: &[Sold],
    ) -> anyhow::Result<()> {
        let mut made = 0;
        for at in 0.. {
            let (item, turn) = around(items, at);
            let mut units = vec![(item.unit.as_str(), Decimal::ONE)];
            if item.has_boxes && at % BOXES == 0 {
                units.push(("BOX", Decimal::TEN));
            }
            for (unit, pieces) in units {
                if made == count {
                    return Ok(());
                }
                made += 1;
                let price = (item.price * pieces * Decimal::new(98, 2)).round_dp(2);
                self.make(store, "Price List Line", json!({"priceListCode": code, "assetType": "Item", "assetNo": item.number, "currencyCode": currency,
                    "unitOfMeasureCode": unit, "unitPrice": decimal(price)?, "priceType": "Sale", "amountType": "Price", "minimumQuantity": number_of(turn * 10)?}))?;
            }
        }
        Ok(())
    }

    fn opportunities(&mut self, store: &mut Store, count: usize) -> anyhow::Result<()> {
        let contacts = schema().known("Contact");
        let persons: Vec<String> = store
            .rows(contacts)
            .filter(|row| cell(contacts, row, "type").as_enum() == 1)
            .map(|row| cell(contacts, row, "number").as_text().to_owned())
            .collect();
        for at in 0..count.min(persons.len() * count) {
            let product = names::PRODUCTS[at % names::PRODUCTS.len()].to_lowercase();
            let (salesperson, ..) = names::SALESPEOPLE[at % 3];
            self.make(
                store,
                "Opportunity",
                json!({"description": format!("Delivery of {product}"), "contactNumber": persons[at % persons.len()],
                "salespersonCode": salesperson}),
            )?;
        }
        Ok(())
    }

    fn invoices(&mut self, store: &mut Store, count: usize, items: &[Sold]) -> anyhow::Result<()> {
        let (customers, invoices) = (schema().known("Customer"), schema().known("Sales Invoice Header"));
        let buyers: Vec<(String, String)> = store
            .rows(customers)
            .map(|row| {
                (
                    cell(customers, row, "number").as_text().to_owned(),
                    cell(customers, row, "currencyCode").as_text().to_owned(),
                )
            })
            .collect();
        anyhow::ensure!(count == 0 || !buyers.is_empty(), "the demonstration company invoices, so it needs a customer");
        for at in 0..count {
            let (buyer, currency) = &buyers[at % buyers.len()];
            let invoice = self.make(
                store,
                "Sales Invoice Header",
                json!({"customerNumber": buyer, "externalDocumentNumber": format!("PO-{:05}", at + 1)}),
            )?;
            for line in 0..1 + at % 5 {
                let (item, _) = around(items, at * 3 + line * 7);
                let price = if currency == "JPY" { (item.price * Decimal::ONE_HUNDRED).round() } else { item.price };
                let mut values = json!({"documentId": invoice, "lineType": "Item", "lineObjectNumber": item.number,
                    "quantity": number_of(1 + self.below(12))?, "unitPrice": decimal(price)?});
                if line == 1 {
                    values["discountPercent"] = number("7.5")?;
                }
                self.make(store, "Sales Invoice Line", values)?;
            }
            self.act(store, |store| documents::act(store, Route::Standard, invoices, invoice, "post").map(|_| ()))?;
            let total =
                store.row(invoices, invoice).map(|row| cell(invoices, row, "totalAmountIncludingTax").as_decimal());
            let paid = match at % 4 {
                1 => total,
                2 => total.map(|total| (total / Decimal::TWO).round_dp(2)),
                _ => None,
            };
            if let Some(paid) = paid {
                self.act(store, |store| documents::pay(store, invoice, paid))?;
            }
        }
        Ok(())
    }

    /// Does something to the company at the moment at which the last record was made.
    fn act(
        &mut self,
        store: &mut Store,
        work: impl FnOnce(&mut Store) -> Result<(), crate::errors::ApiError>,
    ) -> anyhow::Result<()> {
        store.transaction(work).context("the demonstration company's documents")?;
        store.take_changes();
        Ok(())
    }

    /// Changes a record without the checks of a user's change.
    fn change(
        &mut self,
        store: &mut Store,
        table: &str,
        id: Uuid,
        change: impl FnOnce(&mut Row, &dyn Fn(&str) -> usize),
    ) -> anyhow::Result<()> {
        let table = schema().known(table);
        let at = |property: &str| schema().table(table).position(property).unwrap_or_else(|| panic!("no {property}"));
        self.act(store, |store| crate::records::touch(store, table, id, |row| change(row, &at)))
    }
}

/// The items that can be sold, by number.
fn sold(store: &Store) -> Vec<Sold> {
    let (items, units) = (schema().known("Item"), schema().known("Item Unit of Measure"));
    let boxes: std::collections::HashSet<&str> = store
        .rows(units)
        .filter(|row| cell(units, row, "code").as_text() == "BOX")
        .map(|row| text(units, row, "itemNo"))
        .collect();
    let open = store.rows(items).filter(|row| *cell(items, row, "blocked") == Cell::Bool(false));
    let mut sold: Vec<Sold> = open
        .map(|row| Sold {
            number: text(items, row, "number").to_owned(),
            unit: text(items, row, "baseUnitOfMeasureCode").to_owned(),
            price: cell(items, row, "unitPrice").as_decimal(),
            has_boxes: boxes.contains(text(items, row, "number")) && text(items, row, "baseUnitOfMeasureCode") != "BOX",
        })
        .collect();
    sold.sort_by(|a, b| a.number.cmp(&b.number));
    sold
}

fn cell<'r>(table: crate::schema::TableId, row: &'r Row, property: &str) -> &'r Cell {
    let at = schema().table(table).position(property).unwrap_or_else(|| panic!("no {property}"));
    &row.cells[at]
}

fn text<'r>(table: crate::schema::TableId, row: &'r Row, property: &str) -> &'r str {
    cell(table, row, property).as_text()
}

/// The item at a place, and how often the list was gone through before.
fn around(items: &[Sold], at: usize) -> (&Sold, u64) {
    (&items[at % items.len()], (at / items.len()) as u64)
}
