//! How tables of prices say what their rows are about.

use couplet_model::{Record, Value};
use jiff::civil::Date;
use rust_decimal::Decimal;

/// How a table of prices says what its rows are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceTable {
    /// The mapping of the price lists.
    pub lists: &'static str,
    /// The column that names the price list.
    pub list: &'static str,
    /// The column that names the item or resource.
    pub asset: &'static str,
    /// The column that tells items from resources; without one all are items.
    pub asset_type: Option<&'static str>,
    /// The column by which rows of one price list are numbered.
    pub line: Option<&'static str>,
    /// The table of price lists, where not all of them take part and lists have days of their own.
    pub qualified_by: Option<&'static str>,
    /// The largest minimum quantity of a price that is the ordinary one.
    pub minimum: Decimal,
}

/// What prices are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asset {
    Item,
    Resource,
}

impl Asset {
    /// The mapping to products.
    pub fn mapping(self) -> &'static str {
        match self {
            Self::Item => "ITEM-PRODUCT",
            Self::Resource => "RESOURCE-PRODUCT",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Resource => "resource",
        }
    }
}

impl PriceTable {
    /// Whether a row is about an item or a resource.
    pub fn asset_of(&self, row: &Record) -> Asset {
        let is_resource = self.asset_type.is_some_and(|column| row.get(column) == &Value::text("Resource"));
        if is_resource { Asset::Resource } else { Asset::Item }
    }

    /// What people call a row: "line 10000 of price list S00001", "the price of item 1000 in PCS for RETAIL".
    pub fn describe(&self, row: &Record) -> String {
        let list = row.get(self.list);
        let Some(line) = self.line else {
            let from = day(row.get("startingDate")).map(|day| format!(" from {day}")).unwrap_or_default();
            let (item, unit) = (row.get(self.asset), row.get("unitOfMeasureCode"));
            let unit = if unit.is_null() { String::new() } else { format!(" in {unit}") };
            return format!("the sales price of item {item}{unit} for {list}{from}");
        };
        format!("line {} of price list {list}", row.get(line))
    }

    pub fn text(&self, row: &Record, column: &str) -> Option<String> {
        row.get(column).as_text().map(str::to_owned)
    }
}

/// The day in a column, if there is one.
pub(crate) fn day(value: &Value) -> Option<Date> {
    match value {
        Value::Date(day) => Some(*day),
        _ => None,
    }
}
