//! Discounts of documents from Sales as Business Central keeps them (S75, S79).

use couplet_model::Record;
use rust_decimal::Decimal;

/// The discount amount of a line: what the volume takes off each unit, and what was taken off by hand (S75).
pub(crate) fn line_discount(line: &Record) -> Decimal {
    let number = |column: &str| line.get(column).as_decimal().unwrap_or_default();
    (number("quantity") * number("volumediscountamount") + number("manualdiscountamount")).normalize()
}

/// The discount of a whole document, amount and percentage together; `None` if it has neither (S79).
pub(crate) fn order_discount(document: &Record) -> Option<Decimal> {
    let number = |column: &str| document.get(column).as_decimal().unwrap_or_default();
    if number("discountamount").is_zero() && number("discountpercentage").is_zero() {
        return None;
    }
    Some((number("totallineitemamount") - number("totalamountlessfreight")).normalize())
}

/// The freight of a document; nothing where it is not above zero (S77).
pub(crate) fn freight_of(document: &Record) -> Decimal {
    document.get("freightamount").as_decimal().unwrap_or_default().max(Decimal::ZERO)
}
