//! The forms in which columns keep their values, as the entity references and the definitions of a standard organization
//! give them: decimal places, lengths of memos, and how days are kept.

use super::Kind;

/// Where the decimal places of a money column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrecisionSource {
    /// The column's own.
    Column,
    /// `pricingdecimalprecision` of the organization.
    Pricing,
    /// The currency of the row.
    Currency,
}

impl PrecisionSource {
    /// The number in the definitions.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Column => 0,
            Self::Pricing => 1,
            Self::Currency => 2,
        }
    }
}

/// Decimal places of columns that have not the ten, or the four of money, that others have.
const DECIMALS: &[(&str, &str, u32)] = &[
    ("product", "quantityonhand", 2),
    ("product", "stockvolume", 2),
    ("product", "stockweight", 2),
    ("salesorder", "discountpercentage", 2),
    ("uom", "quantity", 5),
    ("salesorderdetail", "quantity", 5),
    ("quotedetail", "quantity", 5),
    ("invoicedetail", "quantity", 5),
];

/// Money columns with the precision of prices.
const PRICES: &[(&str, &str)] =
    &[("product", "price"), ("product", "standardcost"), ("product", "currentcost"), ("productpricelevel", "amount")];

/// Days that are kept as days.
const DAYS: &[(&str, &[&str])] = &[
    ("invoice", &["duedate"]),
    ("opportunity", &["estimatedclosedate", "actualclosedate", "finaldecisiondate"]),
    ("quote", &["expireson", "closedon"]),
    ("product", &["validfromdate", "validtodate"]),
    ("contact", &["birthdate", "anniversary"]),
];

/// Decimal places of a column of numbers, where the definitions state them.
#[must_use]
pub fn decimals(table: &str, column: &str) -> Option<u32> {
    DECIMALS.iter().find(|(of, name, _)| *of == table && *name == column).map(|(.., decimals)| *decimals)
}

/// Where the precision of a money column comes from.
#[must_use]
pub fn precision_source(table: &str, column: &str) -> PrecisionSource {
    match PRICES.contains(&(table, column)) {
        true => PrecisionSource::Pricing,
        false if column == "creditlimit" => PrecisionSource::Currency,
        false => PrecisionSource::Column,
    }
}

/// A column that the data file shows as a day: kept as one, or as an instant in the time zone of each user.
#[must_use]
pub fn day_kind(table: &str, column: &str) -> Kind {
    let is_day = DAYS.iter().any(|(of, columns)| *of == table && columns.contains(&column));
    if is_day { Kind::DateOnly } else { Kind::DateTime }
}
