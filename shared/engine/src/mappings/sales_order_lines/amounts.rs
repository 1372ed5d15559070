//! What a line of Business Central comes to in Dataverse, which computes amounts by itself: from the price, the discount and the
//! tax, so that these have to be chosen such that both systems charge the same, to the cent.

use couplet_model::Record;
use couplet_model::catalogue::usual_form;
use couplet_model::table::Side;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::error::EngineError;
use crate::installation::Installation;

/// Decimal places of prices where Dataverse says nothing.
const USUAL_PLACES: u32 = 2;
/// Decimal places of amounts.
const CENTS: u32 = 2;

/// The form in which lines of orders keep prices in Dataverse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceForm {
    places: u32,
}

impl PriceForm {
    /// The form of this installation.
    pub async fn of(installation: &Installation) -> Result<Self, EngineError> {
        let table = installation.table(Side::Dataverse, "salesorderdetail")?;
        let fact = installation.table_facts(&table).await?.column("priceperunit");
        let places = fact.or(usual_form(&table.name, "priceperunit")).decimals;
        Ok(Self { places: places.unwrap_or(USUAL_PLACES) })
    }

    /// A form with so many decimal places.
    #[cfg(test)]
    pub fn with_places(places: u32) -> Self {
        Self { places }
    }

    /// An amount as both systems round it.
    pub fn rounded(self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(CENTS, RoundingStrategy::MidpointAwayFromZero)
    }

    /// A price that is not below the one given for what is sold, so that a discount can make up for the difference; not above
    /// it for what is taken back.
    fn price(self, price: Decimal, quantity: Decimal) -> Decimal {
        let strategy = match quantity.is_sign_negative() {
            false => RoundingStrategy::ToPositiveInfinity,
            true => RoundingStrategy::ToNegativeInfinity,
        };
        price.round_dp_with_strategy(self.places, strategy).normalize()
    }
}

/// What a line comes to in Dataverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineAmounts {
    /// Price per unit, without tax.
    pub price: Decimal,
    /// All discounts of the line together.
    pub discount: Decimal,
    /// What the line comes to without tax, before the discount of the whole order.
    pub line: Decimal,
    /// The tax.
    pub tax: Decimal,
    /// What Business Central charges for it without tax, less its part of the discount of the whole order.
    pub charged: Decimal,
}

/// What a line of Business Central comes to in Dataverse.
pub(crate) fn line_amounts(line: &Record, includes_tax: bool, form: PriceForm) -> LineAmounts {
    let number = |column: &str| line.get(column).as_decimal().unwrap_or_default();
    let (quantity, charged) = (number("quantity"), number("netAmount"));
    let factor = match includes_tax {
        true => Decimal::ONE + number("taxPercent") / Decimal::ONE_HUNDRED,
        false => Decimal::ONE,
    };
    let price = form.price(number("unitPrice") / factor, quantity);
    let whole = form.rounded((number("unitPrice") * quantity - number("discountAmount")) / factor);
    // Taxes are rounded line by line, so that what is charged may be a cent above this.
    let line = if quantity.is_sign_negative() { whole } else { whole.max(charged) };
    LineAmounts {
        price,
        discount: (form.rounded(price * quantity) - line).max(Decimal::ZERO).normalize(),
        line: line.normalize(),
        tax: (number("netAmountIncludingTax") - charged).normalize(),
        charged,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couplet_model::record::Values;
    use couplet_model::{RecordId, Value};

    use super::*;

    fn line(quantity: Decimal, price: Decimal, discount: Decimal, tax_percent: Decimal, includes_tax: bool) -> Record {
        let form = PriceForm::with_places(2);
        let amount = form.rounded(quantity * price) - discount;
        let factor = Decimal::ONE + tax_percent / Decimal::ONE_HUNDRED;
        let (net, gross) = match includes_tax {
            false => (amount, form.rounded(amount * factor)),
            true => (form.rounded(amount / factor), amount),
        };
        let values: Values = [
            ("quantity", quantity),
            ("unitPrice", price),
            ("discountAmount", discount),
            ("taxPercent", tax_percent),
            ("netAmount", net),
            ("netAmountIncludingTax", gross),
        ]
        .map(|(name, value)| (Arc::from(name), Value::Decimal(value)))
        .into();
        Record { id: RecordId(uuid::Uuid::nil()), version: None, modified: None, values, unreadable: None }
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    #[test]
    fn what_dataverse_cannot_keep_of_a_price_becomes_a_discount() {
        let form = PriceForm::with_places(2);
        let cases = [
            ("plain", "4", "250.00", "0", "25", false, ("250", "0", "1000")),
            ("with a discount", "10", "40.00", "32", "25", false, ("40", "32", "368")),
            ("five places", "1000", "0.12345", "0", "0", false, ("0.13", "6.55", "123.45")),
            ("with tax", "1", "100.00", "0", "25", true, ("80", "0", "80")),
            ("with tax that does not come out even", "3", "10.00", "0", "19", true, ("8.41", "0.02", "25.21")),
            ("nothing", "0", "10.00", "0", "0", false, ("10", "0", "0")),
            ("taken back", "-1000", "0.12345", "0", "0", false, ("0.12", "3.45", "-123.45")),
        ];
        for (name, quantity, price, discount, tax, includes, expected) in cases {
            let line = line(decimal(quantity), decimal(price), decimal(discount), decimal(tax), includes);
            let amounts = line_amounts(&line, includes, form);
            let (price, discount, whole) = expected;
            let seen = (amounts.price, amounts.discount, amounts.line);
            assert_eq!(seen, (decimal(price), decimal(discount), decimal(whole)), "{name}");
        }
    }

    /// Numbers that look random and are the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: i64) -> i64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(self.0 >> 33).expect("31 bits") % end
        }
    }

    #[test]
    fn a_line_comes_to_the_same_in_dataverse_to_the_cent() {
        let mut numbers = Numbers(7);
        for _ in 0..20_000 {
            let form = PriceForm::with_places(2 + u32::try_from(numbers.below(3)).expect("small"));
            let (quantity, price) =
                (Decimal::new(1 + numbers.below(5000), 1), Decimal::new(numbers.below(10_000_000), 5));
            let discount = form.rounded(quantity * price * Decimal::new(numbers.below(100), 2));
            let tax = Decimal::from([0, 7, 19, 25][usize::try_from(numbers.below(4)).expect("small")]);
            let includes_tax = numbers.below(2) == 1;
            let line = line(quantity, price, discount, tax, includes_tax);
            let amounts = line_amounts(&line, includes_tax, form);
            let what =
                format!("{quantity} at {price} less {discount}, tax {tax}, included: {includes_tax}: {amounts:?}");
            assert!(amounts.discount >= Decimal::ZERO && amounts.line >= amounts.charged, "{what}");
            // As Dataverse computes it; what is left is the discount of the order.
            let shown = form.rounded(amounts.price * quantity) - amounts.discount + amounts.tax;
            let gross = line.get("netAmountIncludingTax").as_decimal().expect("a number");
            assert_eq!(shown - (amounts.line - amounts.charged), gross, "{what}");
        }
    }
}
