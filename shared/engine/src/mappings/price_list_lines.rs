//! PLLINE-PRODPRICE: the lines of a price list become the prices of its price list in Dataverse (S242 to S244).

use rust_decimal::Decimal;

use super::price_tables::PriceTable;
use super::prices::Prices;

/// Lines with a minimum quantity are outside the mapping's filter.
pub(crate) const PRICE_LIST_LINES: Prices = Prices {
    table: PriceTable {
        lists: "PLHEADER-PRICE",
        list: "priceListCode",
        asset: "assetNo",
        asset_type: Some("assetType"),
        line: Some("lineNo"),
        qualified_by: Some("Price List Header"),
        minimum: Decimal::ZERO,
    },
    columns: &[
        "unitOfMeasureCode",
        "minimumQuantity",
        "variantCode",
        "startingDate",
        "endingDate",
        "currencyCode",
        "lineNo",
    ],
};

#[cfg(test)]
mod tests;
