//! What a document takes from its customer, and the dates it starts with.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{archives, get, given, is, set};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{Kind, TableId, schema};
use crate::store::{Row, Store};

/// Property of the document, property of the customer.
const FROM_CUSTOMER: &[(&str, &str)] = &[
    ("customerName", "displayName"),
    ("billToName", "displayName"),
    ("shipToName", "displayName"),
    ("shipToContact", "contact"),
    ("sellToAddressLine1", "addressLine1"),
    ("sellToAddressLine2", "addressLine2"),
    ("sellToCity", "city"),
    ("sellToCountry", "country"),
    ("sellToState", "state"),
    ("sellToPostCode", "postalCode"),
    ("billToAddressLine1", "addressLine1"),
    ("billToAddressLine2", "addressLine2"),
    ("billToCity", "city"),
    ("billToCountry", "country"),
    ("billToState", "state"),
    ("billToPostCode", "postalCode"),
    ("shipToAddressLine1", "addressLine1"),
    ("shipToAddressLine2", "addressLine2"),
    ("shipToCity", "city"),
    ("shipToCountry", "country"),
    ("shipToState", "state"),
    ("shipToPostCode", "postalCode"),
    ("currencyId", "currencyId"),
    ("currencyCode", "currencyCode"),
    ("paymentTermsId", "paymentTermsId"),
    ("paymentTermsCode", "paymentTermsCode"),
    ("shipmentMethodId", "shipmentMethodId"),
    ("shipmentMethodCode", "shipmentMethodCode"),
    ("shippingAgentCode", "shippingAgentCode"),
    ("salesperson", "salespersonCode"),
    ("phoneNumber", "phoneNumber"),
    ("email", "email"),
];

/// Pairs of which one given value speaks for both.
const SPEAK_FOR: &[(&str, &str)] = &[
    ("currencyId", "currencyCode"),
    ("paymentTermsId", "paymentTermsCode"),
    ("shipmentMethodId", "shipmentMethodCode"),
];

/// Fills a header before it is stored.
pub(super) fn derive(
    store: &Store,
    table: TableId,
    row: &mut Row,
    values: &[(usize, Cell)],
    before: Option<&Row>,
    in_order: bool,
) -> Result<(), ApiError> {
    let standing = standing(table, values, in_order);
    let values = &*standing;
    if let Some(at) = schema().table(table).position("documentType")
        && row.cells[at] != Cell::Enum(1)
    {
        return Err(ApiError::new(
            400,
            "Application_FieldValidationException",
            "Document Type must be equal to 'Order' in Sales Header.",
        ));
    }
    if before.is_none() {
        starting_dates(store, table, row);
        let occurrence = archives::next_occurrence(store, get(table, row, "number").as_text());
        set(table, row, "documentOccurrence", Cell::Int(occurrence));
        if is(table, "Sales Header (Quote)") {
            limit_validity(store, table, row, given(table, values, "validUntilDate"), in_order);
        }
        if is(table, "Sales Invoice Header") && get(table, row, "status").is_blank() {
            set(table, row, "status", Cell::Enum(1));
        }
        if is(table, "Sales Credit Memo Entity Buffer") && get(table, row, "status").is_blank() {
            set(table, row, "status", Cell::text("Draft"));
        }
    }
    let customer_id = get(table, row, "customerId").as_guid();
    if customer_id.is_nil() {
        // What is loaded as history may speak of customers that are gone.
        return if before.is_some() {
            Ok(())
        } else {
            Err(ApiError::dialog("A \"customerNumber\" or a \"customerId\" must be provided."))
        };
    }
    let changed = before.is_none_or(|before| get(table, before, "customerId").as_guid() != customer_id);
    if changed {
        take_from_customer(store, table, row, values)?;
    }
    paid(table, row);
    Ok(())
}

/// The values that stand in the end: the customer fills in anew what is sent before it.
fn standing(table: TableId, values: &[(usize, Cell)], in_order: bool) -> std::borrow::Cow<'_, [(usize, Cell)]> {
    let definition = schema().table(table);
    let is_customer =
        |(at, _): &(usize, Cell)| ["customerNumber", "customerId"].contains(&definition.properties[*at].name.as_str());
    let Some(customer) = values.iter().position(is_customer).filter(|_| in_order) else { return values.into() };
    let filled_in = |name: &str| FROM_CUSTOMER.iter().any(|(property, _)| *property == name);
    let stands =
        |(place, (at, _)): &(usize, &(usize, Cell))| *place > customer || !filled_in(&definition.properties[*at].name);
    values.iter().enumerate().filter(stands).map(|(_, value)| value.clone()).collect::<Vec<_>>().into()
}

fn take_from_customer(store: &Store, table: TableId, row: &mut Row, values: &[(usize, Cell)]) -> Result<(), ApiError> {
    let customers = schema().known("Customer");
    let id = get(table, row, "customerId").as_guid();
    let customer =
        store.row(customers, id).ok_or_else(|| ApiError::dialog("The \"customerId\" does not match to a Customer."))?;
    let number = get(customers, customer, "number");
    if get(customers, customer, "blocked").as_enum() == 3 {
        return Err(ApiError::dialog(format!(
            "You cannot create this type of document when Customer {} is blocked with type All",
            number.as_text()
        )));
    }
    if store.company.priced_with_tax.contains(number.as_text())
        && schema().table(table).position("pricesIncludeTax").is_some()
        && !given(table, values, "pricesIncludeTax")
    {
        set(table, row, "pricesIncludeTax", Cell::Bool(true));
    }
    for (property, of_customer) in FROM_CUSTOMER {
        let spoken_for = SPEAK_FOR.iter().any(|(id, code)| {
            (property == id || property == code) && (given(table, values, id) || given(table, values, code))
        });
        if !given(table, values, property) && !spoken_for {
            set(table, row, property, get(customers, customer, of_customer));
        }
    }
    if get(table, row, "billToCustomerId").is_blank()
        || !(given(table, values, "billToCustomerId") || given(table, values, "billToCustomerNumber"))
    {
        set(table, row, "billToCustomerId", Cell::Guid(id));
        set(table, row, "billToCustomerNumber", number.clone());
    }
    set(table, row, "customerNumber", number);
    if !given(table, values, "dueDate")
        && let Some(Cell::Date(document)) = schema().table(table).position("dueDate").map(|_| document_date(table, row))
    {
        set(table, row, "dueDate", Cell::Date(due(store, get(table, row, "paymentTermsId").as_guid(), document)));
    }
    Ok(())
}

fn document_date(table: TableId, row: &Row) -> Cell {
    let names = ["invoiceDate", "documentDate", "orderDate", "creditMemoDate", "postingDate"];
    let found = names.iter().find(|name| schema().table(table).position(name).is_some());
    found.map_or_else(|| Cell::blank(&Kind::Date), |name| get(table, row, name))
}

fn due(store: &Store, terms: uuid::Uuid, from: Date) -> Date {
    let table = schema().known("Payment Terms");
    let formula = store
        .row(table, terms)
        .map(|row| get(table, row, "dueDateCalculation").as_text().to_owned())
        .unwrap_or_default();
    date_formula(&formula, from)
}

/// Adds a simple date formula: `30D`, `2W`, `1M`, `1Y`, or sums of them.
pub(super) fn date_formula(formula: &str, from: Date) -> Date {
    let mut date = from;
    for part in formula.to_uppercase().split('+') {
        let Some((at, _)) = part.char_indices().next_back() else { continue };
        let (number, unit) = part.split_at(at);
        let Ok(number) = number.parse::<i16>() else { continue };
        let span = match unit {
            "D" => i64::from(number).days(),
            "W" => i64::from(number).weeks(),
            "M" => i64::from(number).months(),
            "Y" => i64::from(number).years(),
            _ => continue,
        };
        date = date.checked_add(span).unwrap_or(date);
    }
    date
}

fn starting_dates(store: &Store, table: TableId, row: &mut Row) {
    let today = store.clock.now().to_zoned(TimeZone::UTC).date();
    for name in ["orderDate", "postingDate", "documentDate", "invoiceDate", "creditMemoDate", "shipmentDate"] {
        if schema().table(table).position(name).is_some() && get(table, row, name).is_blank() {
            set(table, row, name, Cell::Date(today));
        }
    }
}

/// The table works out until when a new quote is valid, whatever was given; a page may set it again.
fn limit_validity(store: &Store, table: TableId, row: &mut Row, is_given: bool, by_companion: bool) {
    let keeps = |at: usize| !by_companion || schema().table(table).properties[at].kept_after_insert;
    let is_kept = is_given && schema().table(table).position("validUntilDate").is_some_and(keeps);
    if let (false, false, Cell::Date(from)) =
        (is_kept, store.company.quote_validity.is_empty(), get(table, row, "documentDate"))
    {
        set(table, row, "validUntilDate", Cell::Date(date_formula(&store.company.quote_validity, from)));
    }
}

/// A posted invoice without anything remaining is paid.
fn paid(table: TableId, row: &mut Row) {
    if !is(table, "Sales Invoice Header") {
        return;
    }
    let (status, settled) = (get(table, row, "status").as_enum(), get(table, row, "remainingAmount").is_blank());
    let total = get(table, row, "totalAmountIncludingTax");
    match (status, settled) {
        (3, true) if !total.is_blank() => set(table, row, "status", Cell::Enum(4)),
        (4, false) => set(table, row, "status", Cell::Enum(3)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_dates_follow_the_formula_of_the_terms() {
        let from = Date::constant(2026, 1, 31);
        assert_eq!(date_formula("30D", from), Date::constant(2026, 3, 2));
        assert_eq!(date_formula("1M+8D", from), Date::constant(2026, 3, 8));
        assert_eq!(date_formula("", from), from);
        assert_eq!(date_formula("é", from), from);
    }
}
