//! What a line takes from its item or resource, and its amounts.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{HALF_UP, get, given, set, totals};
use crate::cell::{BLANK_DATE, Cell};
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

const ITEM: u8 = 2;
const RESOURCE: u8 = 3;
const ACCOUNT: u8 = 1;

/// Decimals that unit prices are rounded to, as in a new company.
const UNIT_AMOUNT_DECIMALS: u32 = 5;

/// Fills a line before it is stored.
pub(super) fn derive(
    store: &Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
    header: (TableId, &Row),
    in_order: bool,
) -> Result<(), ApiError> {
    let (header_table, header) = header;
    let sent = Sent { table, values, in_order };
    let values = &*sent.standing();
    let typed_late = in_order && sent.comes_before("lineObjectNumber", "type");
    if typed_late {
        // The type starts the line anew.
        set(table, row, "lineObjectNumber", Cell::text(""));
    }
    sent.check_discount()?;
    if let Some(before) = before {
        keep_what_is_shipped(table, row, before)?;
    }
    if before.is_none() && get(table, row, "sequence").is_blank() {
        set(table, row, "sequence", Cell::Int(store.last_line_of(table, &Cell::Guid(header.id)) + 10_000));
    }
    line_type(table, row, values);
    let number_given = given(table, values, "lineObjectNumber") && !typed_late;
    let item_given = given(table, values, "itemId");
    if item_given && !get(table, row, "itemId").is_blank() {
        set(table, row, "lineType", Cell::Enum(ITEM));
        let items = schema().known("Item");
        let item = store
            .row(items, get(table, row, "itemId").as_guid())
            .map_or_else(|| Cell::text(""), |item| get(items, item, "number"));
        if number_given && get(table, row, "lineObjectNumber") != item {
            return Err(ApiError::dialog("The item values do not match to a specific Item."));
        }
        set(table, row, "lineObjectNumber", item);
    }
    let type_given = given(table, values, "lineType") || given(table, values, "type");
    if item_given
        || number_given
        || (type_given && before.is_none_or(|before| get(table, before, "lineType") != get(table, row, "lineType")))
    {
        take_from_object(store, table, row, values, (header_table, header))?;
    }
    if given(table, values, "unitOfMeasureCode") || given(table, values, "unitOfMeasureId") {
        unit(store, table, row, values, (header_table, header))?;
    }
    if given(table, values, "salesPrice") {
        let price = price_without_tax(store, table, row);
        set(table, row, "unitPrice", Cell::Decimal(price));
        set(table, row, "salesPrice", Cell::Decimal(Decimal::ZERO));
    }
    let with_net = without_tax(table, row, values, (header_table, header));
    let values = with_net.as_slice();
    // Both routes speak of the kind of line, in lists that run alike.
    set(table, row, "type", Cell::Enum(get(table, row, "lineType").as_enum()));
    amounts(table, row, values, before, (header_table, header), &sent);
    completeness(table, row);
    if before.is_none() {
        reserve(store, table, row);
    }
    let quantity = get(table, row, "quantity").as_decimal();
    for (open, done) in [("shipQuantity", "shippedQuantity"), ("invoiceQuantity", "invoicedQuantity")] {
        if !given(table, values, open) {
            set(table, row, open, Cell::Decimal(quantity - get(table, row, done).as_decimal()));
        }
    }
    set(table, row, "documentNo", get(header_table, header, "number"));
    set(table, row, "pricesIncludeTax", get(header_table, header, "pricesIncludeTax"));
    if !given(table, values, "currencyCode") {
        set(table, row, "currencyCode", get(header_table, header, "currencyCode"));
    }
    for (line_date, header_date) in
        [("requestedDeliveryDate", "requestedDeliveryDate"), ("shipmentDate", "postingDate")]
    {
        if schema().table(table).position(line_date).is_some()
            && get(table, row, line_date) == Cell::Date(BLANK_DATE)
            && before.is_none()
            && schema().table(header_table).position(header_date).is_some()
        {
            set(table, row, line_date, get(header_table, header, header_date));
        }
    }
    Ok(())
}

/// Whether the item or resource of a line is blocked now.
pub(crate) fn object_is_blocked(store: &Store, table: TableId, row: &Row) -> bool {
    let objects = match get(table, row, "lineType").as_enum() {
        ITEM => schema().known("Item"),
        RESOURCE => schema().known("Resource"),
        _ => return false,
    };
    let number = get(table, row, "lineObjectNumber");
    store.by_code(objects, number.as_text()).is_some_and(|object| get(objects, object, "blocked").as_bool())
}

fn line_type(table: TableId, row: &mut Row, values: &[(usize, Cell)]) {
    if given(table, values, "type") && !given(table, values, "lineType") {
        set(table, row, "lineType", Cell::Enum(get(table, row, "type").as_enum()));
    }
}

fn take_from_object(
    store: &Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    header: (TableId, &Row),
) -> Result<(), ApiError> {
    let number = get(table, row, "lineObjectNumber").as_text().to_owned();
    let kind = get(table, row, "lineType").as_enum();
    let owner = match kind {
        ITEM => "Item",
        RESOURCE => "Resource",
        _ => {
            set(table, row, "itemId", Cell::Guid(Uuid::nil()));
            if kind == ACCOUNT && !given(table, values, "description") {
                set(table, row, "description", Cell::text(format!("Account {number}")));
            }
            if kind == ACCOUNT && !given(table, values, "taxPercent") {
                set(table, row, "taxPercent", Cell::Decimal(store.company.tax_percent));
            }
            return Ok(());
        }
    };
    if number.is_empty() {
        return Ok(());
    }
    if !given(table, values, "taxPercent") {
        let of_item = store.company.tax_of_items.get(&number).filter(|_| kind == ITEM);
        set(table, row, "taxPercent", Cell::Decimal(of_item.copied().unwrap_or(store.company.tax_percent)));
    }
    let objects = schema().known(owner);
    let object = store
        .by_code(objects, &number)
        .ok_or_else(|| ApiError::no_such_relation("No.", "Sales Line", &number, owner))?;
    if get(objects, object, "blocked").as_bool() {
        return Err(ApiError::new(
            400,
            "Application_FieldValidationException",
            format!("Blocked must be equal to 'No'  in {owner}: No.={number}. Current value is 'Yes'."),
        ));
    }
    set(table, row, "itemId", Cell::Guid(if kind == ITEM { object.id } else { Uuid::nil() }));
    if !given(table, values, "description") {
        set(table, row, "description", get(objects, object, "displayName"));
    }
    if !given(table, values, "unitOfMeasureCode") && !given(table, values, "unitOfMeasureId") {
        let unit = get(objects, object, "baseUnitOfMeasureCode");
        let units = schema().known("Unit of Measure");
        let unit_id = store.by_code(units, unit.as_text()).map(|unit| unit.id).unwrap_or_default();
        set(table, row, "unitOfMeasureCode", unit);
        set(table, row, "unitOfMeasureId", Cell::Guid(unit_id));
    }
    if !given(table, values, "unitPrice") {
        let price = get(objects, object, "unitPrice").as_decimal();
        set(
            table,
            row,
            "unitPrice",
            Cell::Decimal(in_currency(store, price, get(header.0, header.1, "currencyCode").as_text())),
        );
    }
    Ok(())
}

/// An amount of the local currency in another one, by the rate in force, and by that of the currency it names in turn.
fn in_currency(store: &Store, amount: Decimal, currency: &str) -> Decimal {
    let rates = schema().known("Currency Exchange Rate");
    let today = store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let in_force = |currency: &str| {
        store
            .rows(rates)
            .filter(|rate| get(rates, rate, "currencyCode").as_text() == currency)
            .filter(|rate| get(rates, rate, "startingDate").as_date() <= today)
            .max_by_key(|rate| get(rates, rate, "startingDate").as_date())
    };
    let (mut amount, mut currency) = (amount, currency.to_owned());
    // Business Central itself goes through one other currency and no further.
    for _ in 0..2 {
        let Some(rate) = in_force(&currency) else { break };
        let foreign = get(rates, rate, "exchangeRateAmount").as_decimal();
        let other = get(rates, rate, "relationalExchangeRateAmount").as_decimal();
        if !other.is_zero() {
            amount = amount * foreign / other;
        }
        currency = get(rates, rate, "relationalCurrencyCode").as_text().to_owned();
    }
    amount.round_dp_with_strategy(2, HALF_UP)
}

/// What a request says, in the order in which it says it: the service validates values as they come.
struct Sent<'a> {
    table: TableId,
    values: &'a [(usize, Cell)],
    in_order: bool,
}

impl Sent<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        let at = schema().table(self.table).position(name)?;
        self.values.iter().position(|(given, _)| *given == at)
    }

    /// Whether both are sent, this one first.
    fn comes_before(&self, one: &str, other: &str) -> bool {
        self.place(one).zip(self.place(other)).is_some_and(|(one, other)| one < other)
    }

    /// The values that stand in the end: the number of an item fills in anew what comes before it.
    fn standing(&self) -> std::borrow::Cow<'_, [(usize, Cell)]> {
        let number = self.place("lineObjectNumber").or_else(|| self.place("itemId"));
        let Some(number) = number.filter(|_| self.in_order) else { return self.values.into() };
        let filled_in = [
            "description",
            "unitOfMeasureCode",
            "unitPrice",
            "salesPrice",
            "priceWithoutTax",
            "discountAmount",
            "discountWithoutTax",
            "lineAmount",
        ];
        let properties = &schema().table(self.table).properties;
        let stands = |(place, (at, _)): &(usize, &(usize, Cell))| {
            *place > number || !filled_in.contains(&properties[*at].name.as_str())
        };
        let standing = self.values.iter().enumerate().filter(stands).map(|(_, value)| value.clone());
        standing.collect::<Vec<_>>().into()
    }

    /// A discount needs the quantity it is a discount of.
    fn check_discount(&self) -> Result<(), ApiError> {
        let is_early = |discount: &&str| self.comes_before(discount, "quantity");
        if self.in_order && ["discountAmount", "discountWithoutTax"].iter().any(is_early) {
            return Err(ApiError::must_have_a_value("Quantity", "Sales Line", ""));
        }
        Ok(())
    }
}

/// What has left and what has been invoiced stays on the line.
fn keep_what_is_shipped(table: TableId, row: &Row, before: &Row) -> Result<(), ApiError> {
    let shipped = get(table, before, "shippedQuantity").as_decimal();
    if shipped.is_zero() {
        return Ok(());
    }
    let is_other = |name: &str| get(table, row, name) != get(table, before, name);
    if is_other("lineObjectNumber") || is_other("unitOfMeasureCode") {
        return Err(ApiError::new(
            400,
            "Application_FieldValidationException",
            format!("Quantity Shipped must be equal to '0'  in Sales Line. Current value is '{shipped}'."),
        ));
    }
    if get(table, row, "quantity").as_decimal() < shipped {
        return Err(ApiError::dialog(format!("Quantity must not be less than {shipped} (Quantity Shipped).")));
    }
    Ok(())
}

/// A unit of the item or resource, with the price of so much of it.
fn unit(
    store: &Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    header: (TableId, &Row),
) -> Result<(), ApiError> {
    let (owners, units) = match get(table, row, "lineType").as_enum() {
        ITEM => (schema().known("Item"), schema().known("Item Unit of Measure")),
        RESOURCE => (schema().known("Resource"), schema().known("Resource Unit of Measure")),
        _ => return Ok(()),
    };
    let (number, code) = (get(table, row, "lineObjectNumber"), get(table, row, "unitOfMeasureCode"));
    if number.is_blank() || code.is_blank() {
        return Ok(());
    }
    let key_of = |at: &usize| {
        let is_code = schema().table(units).properties[*at].name == "code";
        if is_code { code.clone() } else { number.clone() }
    };
    let key = schema().table(units).key.iter().map(key_of).collect();
    let Some(found) = store.by_key(units, &key) else {
        let related = schema().table(units).caption();
        return Err(ApiError::no_such_relation("Unit of Measure Code", "Sales Line", code.as_text(), related));
    };
    if !given(table, values, "unitPrice") && !given(table, values, "salesPrice") {
        let of_one = store.by_code(owners, number.as_text()).map(|owner| get(owners, owner, "unitPrice").as_decimal());
        let price = of_one.unwrap_or_default() * get(units, found, "qtyPerUnitOfMeasure").as_decimal();
        let currency = get(header.0, header.1, "currencyCode");
        set(table, row, "unitPrice", Cell::Decimal(in_currency(store, price, currency.as_text())));
    }
    Ok(())
}

/// The price of a line for that of a product in Sales: the tax of an item that is priced including it is taken out.
fn price_without_tax(store: &Store, table: TableId, row: &Row) -> Decimal {
    let items = schema().known("Item");
    let price = get(table, row, "salesPrice").as_decimal();
    let number = get(table, row, "lineObjectNumber");
    let is_with_tax = get(table, row, "lineType").as_enum() == ITEM
        && store.by_code(items, number.as_text()).is_some_and(|item| get(items, item, "priceIncludesTax").as_bool());
    if !is_with_tax {
        return price;
    }
    let rate = get(table, row, "taxPercent").as_decimal() / Decimal::ONE_HUNDRED;
    price.checked_div(Decimal::ONE + rate).unwrap_or_default().round_dp_with_strategy(UNIT_AMOUNT_DECIMALS, HALF_UP)
}

/// Takes a price and a discount that are given without tax: with the tax of the line, where the prices of its document include
/// tax. Gives what is known of the line then.
fn without_tax(table: TableId, row: &mut Row, values: &[(usize, Cell)], header: (TableId, &Row)) -> Vec<(usize, Cell)> {
    let mut known = values.to_vec();
    let rate = match get(header.0, header.1, "pricesIncludeTax").as_bool() {
        true => get(table, row, "taxPercent").as_decimal() / Decimal::ONE_HUNDRED,
        false => Decimal::ZERO,
    };
    for (net, name, decimals) in
        [("priceWithoutTax", "unitPrice", UNIT_AMOUNT_DECIMALS), ("discountWithoutTax", "discountAmount", 2)]
    {
        if !given(table, values, net) {
            continue;
        }
        let gross = get(table, row, net).as_decimal() * (Decimal::ONE + rate);
        let gross = Cell::Decimal(gross.round_dp_with_strategy(decimals, HALF_UP));
        set(table, row, name, gross.clone());
        set(table, row, net, Cell::Decimal(Decimal::ZERO));
        if let Some(at) = schema().table(table).position(name) {
            known.push((at, gross));
        }
    }
    known
}

/// A new line of an item that is always reserved takes what there is.
fn reserve(store: &Store, table: TableId, row: &mut Row) {
    let number = get(table, row, "lineObjectNumber");
    if get(table, row, "lineType").as_enum() != ITEM || !store.company.always_reserved.contains(number.as_text()) {
        return;
    }
    let there = store.inventory_of(number.as_text()).max(Decimal::ZERO);
    set(table, row, "reservedQuantity", Cell::Decimal(get(table, row, "quantity").as_decimal().min(there)));
}

/// Whether all of a line has left.
pub(super) fn completeness(table: TableId, row: &mut Row) {
    let (quantity, shipped) =
        (get(table, row, "quantity").as_decimal(), get(table, row, "shippedQuantity").as_decimal());
    set(table, row, "completelyShipped", Cell::Bool(!quantity.is_zero() && quantity == shipped));
}

/// The amounts of a line. Where prices include tax, so do its price and its discount.
fn amounts(
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
    header: (TableId, &Row),
    sent: &Sent<'_>,
) {
    let includes_tax = get(header.0, header.1, "pricesIncludeTax").as_bool();
    let number = |row: &Row, name: &str| get(table, row, name).as_decimal();
    let gross = gross(table, row);
    let hundred = Decimal::ONE_HUNDRED;
    if given(table, values, "lineAmount") && !given(table, values, "discountAmount") {
        set(table, row, "discountAmount", Cell::Decimal(gross - number(row, "lineAmount")));
    }
    let is_early =
        sent.in_order && ["unitPrice", "salesPrice"].iter().any(|price| sent.comes_before("discountAmount", price));
    let by_amount = (given(table, values, "discountAmount") || given(table, values, "lineAmount"))
        && !given(table, values, "discountPercent");
    if by_amount && !is_early {
        let percent = if gross.is_zero() {
            Decimal::ZERO
        } else {
            (number(row, "discountAmount") / gross * hundred).round_dp_with_strategy(5, HALF_UP)
        };
        set(table, row, "discountPercent", Cell::Decimal(percent));
    } else {
        // An amount of an earlier price was a discount of that price, and the new price starts anew.
        let discount = (gross * number(row, "discountPercent") / hundred).round_dp_with_strategy(2, HALF_UP);
        set(table, row, "discountAmount", Cell::Decimal(discount));
    }
    if !totals::keeps_discount_on_lines(header.0) {
        let allocated = number(row, "invoiceDiscountAllocation");
        sum_up(table, row, includes_tax);
        let net = get(table, row, "amountExcludingTax").as_decimal() - allocated;
        let amount = if includes_tax { get(table, row, "amountIncludingTax").as_decimal() } else { net };
        set_net(table, row, amount, includes_tax);
        return;
    }
    // A line that changes loses its share of the invoice discount.
    let is_same = |name: &str| before.is_some_and(|before| get(table, before, name) == get(table, row, name));
    let kept =
        ["quantity", "unitPrice", "discountAmount", "lineObjectNumber", "taxPercent"].iter().all(|name| is_same(name));
    if !kept {
        sum_up(table, row, includes_tax);
        set(table, row, "invoiceDiscountAllocation", Cell::Decimal(Decimal::ZERO));
    }
}

fn gross(table: TableId, row: &Row) -> Decimal {
    let number = |name: &str| get(table, row, name).as_decimal();
    number("quantity").checked_mul(number("unitPrice")).unwrap_or_default().round_dp_with_strategy(2, HALF_UP)
}

/// The amounts of a line by its quantity, price and discount, without any share in an invoice discount.
pub(super) fn sum_up(table: TableId, row: &mut Row, includes_tax: bool) {
    let left = gross(table, row) - get(table, row, "discountAmount").as_decimal();
    let (excluding, tax) = taxed(table, row, left, includes_tax);
    set(table, row, "lineAmount", Cell::Decimal(left));
    set(table, row, "amountExcludingTax", Cell::Decimal(excluding));
    set(table, row, "totalTaxAmount", Cell::Decimal(tax));
    set(table, row, "amountIncludingTax", Cell::Decimal(excluding + tax));
    set_net(table, row, left, includes_tax);
}

/// What is left of a line after its share of the invoice discount, and the tax of that.
pub(super) fn set_net(table: TableId, row: &mut Row, amount: Decimal, includes_tax: bool) {
    let (net, tax) = taxed(table, row, amount, includes_tax);
    set(table, row, "netAmount", Cell::Decimal(net));
    set(table, row, "netTaxAmount", Cell::Decimal(tax));
    set(table, row, "netAmountIncludingTax", Cell::Decimal(net + tax));
}

/// An amount without its tax, and the tax.
fn taxed(table: TableId, row: &Row, amount: Decimal, includes_tax: bool) -> (Decimal, Decimal) {
    let rate = get(table, row, "taxPercent").as_decimal() / Decimal::ONE_HUNDRED;
    if includes_tax {
        let excluding = amount.checked_div(Decimal::ONE + rate).unwrap_or_default().round_dp_with_strategy(2, HALF_UP);
        (excluding, amount - excluding)
    } else {
        (amount, (amount * rate).round_dp_with_strategy(2, HALF_UP))
    }
}
