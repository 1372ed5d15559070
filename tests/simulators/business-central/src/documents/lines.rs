//! What a line takes from its item or resource, and its amounts.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{get, given, set};
use crate::cell::{BLANK_DATE, Cell};
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

const ITEM: u8 = 2;
const RESOURCE: u8 = 3;

/// Fills a line before it is stored.
pub(super) fn derive(
    store: &Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
    header: (TableId, &Row),
) -> Result<(), ApiError> {
    let (header_table, header) = header;
    if before.is_none() && get(table, row, "sequence").is_blank() {
        set(table, row, "sequence", Cell::Int(store.last_line_of(table, &Cell::Guid(header.id)) + 10_000));
    }
    line_type(table, row, values);
    let number_given = given(table, values, "lineObjectNumber");
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
    // Both routes speak of the kind of line, in lists that run alike.
    set(table, row, "type", Cell::Enum(get(table, row, "lineType").as_enum()));
    amounts(table, row, values, get(header_table, header, "pricesIncludeTax").as_bool());
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
            return Ok(());
        }
    };
    if number.is_empty() {
        return Ok(());
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
    amount.round_dp(2)
}

/// The amounts of a line. Where prices include tax, so do its price and its discount.
fn amounts(table: TableId, row: &mut Row, values: &[(usize, Cell)], includes_tax: bool) {
    let number = |row: &Row, name: &str| get(table, row, name).as_decimal();
    let gross = number(row, "quantity").checked_mul(number(row, "unitPrice")).unwrap_or_default().round_dp(2);
    let hundred = Decimal::ONE_HUNDRED;
    if given(table, values, "discountAmount") && !given(table, values, "discountPercent") {
        let percent =
            if gross.is_zero() { Decimal::ZERO } else { (number(row, "discountAmount") / gross * hundred).round_dp(5) };
        set(table, row, "discountPercent", Cell::Decimal(percent));
    } else {
        let discount = (gross * number(row, "discountPercent") / hundred).round_dp(2);
        set(table, row, "discountAmount", Cell::Decimal(discount));
    }
    let (excluding, tax) = taxed(table, row, gross - number(row, "discountAmount"), includes_tax);
    set(table, row, "amountExcludingTax", Cell::Decimal(excluding));
    set(table, row, "totalTaxAmount", Cell::Decimal(tax));
    set(table, row, "amountIncludingTax", Cell::Decimal(excluding + tax));
    let net = excluding - number(row, "invoiceDiscountAllocation");
    let amount = if includes_tax { excluding + tax } else { net };
    set_net(table, row, amount, includes_tax);
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
        let excluding = amount.checked_div(Decimal::ONE + rate).unwrap_or_default().round_dp(2);
        (excluding, amount - excluding)
    } else {
        (amount, (amount * rate).round_dp(2))
    }
}
