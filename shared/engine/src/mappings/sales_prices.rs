//! SALESPRC-PRODPRICE: the sales prices of a customer price group become the prices of its price list (S236 to S238).

use rust_decimal::Decimal;

use super::price_tables::PriceTable;
use super::prices::Prices;

/// A price that counts from one piece on is the ordinary price.
pub(crate) const SALES_PRICES: Prices = Prices {
    table: PriceTable {
        lists: "CUSTPRCGRP-PRICE",
        list: "salesCode",
        asset: "itemNo",
        asset_type: None,
        line: None,
        qualified_by: None,
        minimum: Decimal::ONE,
    },
    columns: &["unitOfMeasureCode", "minimumQuantity", "variantCode", "startingDate", "endingDate", "currencyCode"],
};

#[cfg(test)]
mod tests;
