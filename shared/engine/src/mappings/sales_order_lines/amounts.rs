//! What a line of Business Central comes to in Dataverse, which computes amounts by itself: from the price, the discount and the
//! tax, so that these have to be chosen such that both systems charge the same, to the cent.

use couplet_model::catalogue::usual_form;
use couplet_model::table::Side;
use couplet_model::{Record, Value};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::error::EngineError;
use crate::installation::Installation;

/// Decimal places of prices where Dataverse says nothing.
const USUAL_PLACES: u32 = 2;
/// Decimal places of amounts.
const CENTS: u32 = 2;

/// Whether a line of Business Central is one of an order in Dataverse; comments, accounts and charges are not (S117).
pub(crate) fn is_sent(line: &Record) -> bool {
    let kind = line.get("type");
    kind == &Value::text("Item") || kind == &Value::text("Resource")
}

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
        cents(amount)
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

/// How many times as much an amount of a line of Business Central is there as it is without tax.
pub(crate) fn tax_factor(line: &Record, includes_tax: bool) -> Decimal {
    match includes_tax {
        true => Decimal::ONE + line.get("taxPercent").as_decimal().unwrap_or_default() / Decimal::ONE_HUNDRED,
        false => Decimal::ONE,
    }
}

/// The discount by which a line of Business Central comes to what its line in Dataverse shows: at a price, and with a factor for
/// tax, of Business Central.
pub(crate) fn discount_from(shown: &Record, price: Decimal, factor: Decimal, form: PriceForm) -> Decimal {
    let number = |column: &str| shown.get(column).as_decimal().unwrap_or_default();
    let quantity = number("quantity");
    let by_volume = number("volumediscountamount") * quantity;
    let line = form.rounded(number("priceperunit") * quantity) - by_volume - number("manualdiscountamount");
    (form.rounded(price * quantity) - form.rounded(line * factor)).max(Decimal::ZERO).normalize()
}

/// What the lines of an order that share in its discount come to in Business Central, where their prices may include tax, and
/// without tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grossing {
    whole: Decimal,
    without_tax: Decimal,
}

impl Grossing {
    /// That of an order whose prices are without tax.
    pub const NONE: Self = Self { whole: Decimal::ONE, without_tax: Decimal::ONE };

    /// That of an order with these lines.
    pub fn of<'l>(lines: impl Iterator<Item = &'l Record>, includes_tax: bool) -> Self {
        let mut sums = Self { whole: Decimal::ZERO, without_tax: Decimal::ZERO };
        for line in lines.filter(|line| is_sent(line)) {
            let number = |column: &str| line.get(column).as_decimal().unwrap_or_default();
            let whole = number("unitPrice") * number("quantity") - number("discountAmount");
            sums.whole += whole;
            sums.without_tax += whole / tax_factor(line, includes_tax);
        }
        if sums.whole.is_zero() || sums.without_tax.is_zero() { Self::NONE } else { sums }
    }

    /// The discount in Business Central that takes off so much without tax.
    pub fn with_tax(self, discount: Decimal) -> Decimal {
        cents(discount * self.whole / self.without_tax).normalize()
    }

    /// What a discount in Business Central takes off without tax.
    pub fn without_tax(self, discount: Decimal) -> Decimal {
        cents(discount * self.without_tax / self.whole).normalize()
    }
}

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(CENTS, RoundingStrategy::MidpointAwayFromZero)
}

/// What a line of Business Central comes to in Dataverse.
pub(crate) fn line_amounts(line: &Record, includes_tax: bool, form: PriceForm) -> LineAmounts {
    let number = |column: &str| line.get(column).as_decimal().unwrap_or_default();
    let (quantity, charged) = (number("quantity"), number("netAmount"));
    let factor = tax_factor(line, includes_tax);
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

/// The discount of a whole order in Dataverse beside the percentage that it bears: what the lines of Business Central come to
/// there, less what is charged for them. `None` where the percentage alone takes off more than that.
pub(crate) fn discount_beside(
    lines: &[Record],
    includes_tax: bool,
    form: PriceForm,
    percentage: Decimal,
) -> Option<Decimal> {
    let sent = lines.iter().filter(|line| is_sent(line)).map(|line| line_amounts(line, includes_tax, form));
    let (sum, charged) = sent.fold((Decimal::ZERO, Decimal::ZERO), |(sum, charged), amounts| {
        (sum + amounts.line, charged + amounts.charged)
    });
    let by_percentage = form.rounded(sum * percentage / Decimal::ONE_HUNDRED);
    let beside = sum - charged - by_percentage;
    (percentage.is_zero() || !beside.is_sign_negative()).then_some(beside.max(Decimal::ZERO))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couplet_model::RecordId;
    use couplet_model::record::Values;

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

    /// A line of Dataverse.
    fn shown(quantity: Decimal, amounts: &LineAmounts, more: Decimal) -> Record {
        let values: Values = [
            ("quantity", quantity),
            ("priceperunit", amounts.price),
            ("manualdiscountamount", amounts.discount + more),
            ("volumediscountamount", Decimal::ZERO),
        ]
        .map(|(name, value)| (Arc::from(name), Value::Decimal(value)))
        .into();
        Record { id: RecordId(uuid::Uuid::nil()), version: None, modified: None, values, unreadable: None }
    }

    #[test]
    fn s75_what_a_seller_takes_off_more_is_taken_off_in_business_central() {
        let form = PriceForm::with_places(2);
        for (name, quantity, price, tax, includes, more, expected) in [
            ("with tax", "1", "1000", "25", true, "100", "125"),
            ("five places", "1000", "0.12345", "0", false, "10", "10"),
            ("five places with tax", "1000", "0.12345", "25", true, "10", "12.5"),
            ("plain", "4", "250", "25", false, "7.5", "7.5"),
            ("less than nothing", "4", "250", "25", false, "-1", "0"),
        ] {
            let line = line(decimal(quantity), decimal(price), Decimal::ZERO, decimal(tax), includes);
            let amounts = line_amounts(&line, includes, form);
            let shown = shown(decimal(quantity), &amounts, decimal(more));
            let discount = discount_from(&shown, decimal(price), tax_factor(&line, includes), form);
            assert_eq!(discount, decimal(expected), "{name}");
        }
    }

    #[test]
    fn s75_discounts_from_dataverse_undo_what_was_sent_there_to_the_cent() {
        let mut numbers = Numbers(11);
        for _ in 0..20_000 {
            let form = PriceForm::with_places(2 + u32::try_from(numbers.below(3)).expect("small"));
            let (quantity, price) =
                (Decimal::new(1 + numbers.below(5000), 1), Decimal::new(numbers.below(10_000_000), 5));
            let discount = form.rounded(quantity * price * Decimal::new(numbers.below(100), 2));
            let tax = Decimal::from([0, 7, 19, 25][usize::try_from(numbers.below(4)).expect("small")]);
            let includes_tax = numbers.below(2) == 1;
            let sold = line(quantity, price, discount, tax, includes_tax);
            let amounts = line_amounts(&sold, includes_tax, form);
            // A seller takes off some of what is left, and Business Central computes the line anew.
            let more = form.rounded(amounts.line * Decimal::new(numbers.below(100), 2));
            let shown = shown(quantity, &amounts, more);
            let less = discount_from(&shown, price, tax_factor(&sold, includes_tax), form);
            let back = line_amounts(&line(quantity, price, less, tax, includes_tax), includes_tax, form);
            let what = format!("{quantity} at {price} less {discount} and {more}, tax {tax}: {includes_tax}, {less}");
            assert_eq!(back.charged, amounts.line - more, "{what}");
        }
    }

    #[test]
    fn s108_a_discount_of_an_order_takes_off_the_same_on_both_sides() {
        let mut numbers = Numbers(13);
        for _ in 0..5_000 {
            let mut one = |tax: i64| {
                let (quantity, price) = (1 + numbers.below(50), numbers.below(100_000));
                let mut line = line(Decimal::from(quantity), Decimal::new(price, 2), Decimal::ZERO, tax.into(), true);
                line.values.insert(Arc::from("type"), Value::text("Item"));
                line
            };
            let lines = [one(25), one(7)];
            let grossing = Grossing::of(lines.iter(), true);
            let wanted = Decimal::new(numbers.below(1000), 2);
            let there = grossing.with_tax(wanted);
            assert!((grossing.without_tax(there) - wanted).abs() <= Decimal::new(1, 2), "{wanted} {there}");
        }
        assert_eq!(Grossing::of([].iter(), true), Grossing::NONE);
        let mut line = line(Decimal::ONE, Decimal::from(1000), Decimal::ZERO, Decimal::from(25), true);
        line.values.insert(Arc::from("type"), Value::text("Item"));
        assert_eq!(Grossing::of([&line].into_iter(), true).with_tax(Decimal::from(100)), Decimal::from(125));
    }
}
