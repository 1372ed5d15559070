//! Quotes, orders, invoices and opportunities: numbers, totals, and which of them are closed to changes.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{defaults, get, prices::referenced, set, state};
use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::{Changes, Session, currency};

/// Number, revision and the two shadows of the customer.
pub fn before_create(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    let number = match table.name.as_str() {
        "quote" => Some(("quotenumber", "QUO")),
        "salesorder" => Some(("ordernumber", "ORD")),
        "invoice" => Some(("invoicenumber", "INV")),
        _ => None,
    };
    if let Some((column, prefix)) = number
        && get(table, row, column).is_none()
    {
        let serial = session.store.version() % 90_000 + 10_000;
        let suffix: String = row.id.simple().to_string().chars().take(6).collect::<String>().to_uppercase();
        set(table, row, column, Some(Cell::text(&format!("{prefix}-{serial}-{suffix}"))));
    }
    if table.name == "quote" {
        defaults(table, row, &[("revisionnumber", Cell::Int(0))]);
    }
    defaults(table, row, &[("ispricelocked", Cell::Bool(false)), ("pricingerrorcode", Cell::Int(0))]);
    if table.name != "opportunity" {
        let zero = Cell::Decimal(Decimal::ZERO);
        for name in
            ["totalamount", "totallineitemamount", "totalamountlessfreight", "totaltax", "totallineitemdiscountamount"]
        {
            set(table, row, name, Some(zero.clone()));
        }
    }
    customer(session, table, row);
    Ok(())
}

/// Closed documents take no changes, except one that changes the state.
pub fn before_update(
    session: &Session<'_>,
    table: &Table,
    before: &Row,
    row: &mut Row,
    sent: &Changes,
) -> ApiResult<()> {
    let (old, new) = (state(table, before), state(table, row));
    let closed = match (table.name.as_str(), old) {
        ("invoice", 2) => Some(("0x80044404", "The invoice is paid and cannot be changed.")),
        ("invoice", 3) => Some(("0x80044404", "The invoice is canceled and cannot be changed.")),
        ("salesorder", 2) => Some(("0x80043b1d", "The order is canceled and cannot be changed.")),
        ("salesorder", 1 | 3 | 4) if session.behaviour.submitted_orders_read_only => {
            Some(("0x80043b1d", "The order is read-only."))
        }
        ("quote", 2 | 3) => Some(("0x80043b1e", "The quote is closed and cannot be changed.")),
        ("quote", 1) if session.behaviour.active_quotes_read_only => {
            Some(("0x80043b1e", "The quote is active and cannot be changed."))
        }
        ("opportunity", 1 | 2) => Some(("0x80043b1f", "The opportunity is closed and cannot be changed.")),
        _ => None,
    };
    // What else is sent with a new state is written first, and refused.
    let only_state = sent.iter().all(|(at, _)| *at == table.id || is_state(table, *at));
    let is_order = table.name == "salesorder" && old != 2;
    if let Some((code, text)) = closed
        && (old == new || (is_order && !only_state))
        && !session.unrestricted
    {
        return Err(ApiError::refused(code, text));
    }
    if table.name == "salesorder" && old == 0 && new == 1 {
        super::defaults(table, row, &[("submitdate", Cell::Time(session.now))]);
    }
    if table.name == "quote" && matches!(new, 2 | 3) && old != new {
        super::defaults(table, row, &[("closedon", today(session))]);
    }
    if sent.iter().any(|(at, _)| table.columns[*at].name == "customerid") {
        customer(session, table, row);
    }
    if table.name != "opportunity" {
        let touches_total = sent.iter().any(|(at, _)| {
            matches!(table.columns[*at].name.as_str(), "discountamount" | "discountpercentage" | "freightamount")
        });
        if touches_total {
            sum_up(table, row);
        }
    }
    Ok(())
}

/// `statecode` and `statuscode`.
fn is_state(table: &Table, column: usize) -> bool {
    matches!(table.columns[column].name.as_str(), "statecode" | "statuscode")
}

/// The day of the server's clock.
fn today(session: &Session<'_>) -> Cell {
    crate::store::day(&Cell::Time(session.now).plain_text()).map_or(Cell::Time(session.now), Cell::Day)
}

/// The number of a new line behind the last of its document.
fn next_in_order(session: &Session<'_>, table: &Table, row: &Row) -> Option<i64> {
    let parent = table.column(parent_column(table))?;
    let at = session.store.schema.position(&table.name)?;
    let document = row.get(parent)?.id()?;
    let lines = session.store.rows(at).find(parent, &Cell::Guid(document));
    let number = |id: Uuid| match get(table, session.store.get(at, id)?, "sequencenumber") {
        Some(Cell::Int(number)) => Some(number),
        _ => None,
    };
    Some(lines.into_iter().filter_map(number).max().unwrap_or(0) + 1)
}

/// A line belongs to a document that is open, and computes its amounts.
pub fn before_create_line(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    let parent = parent_column(table);
    super::require(table, row, &[parent])?;
    let write_in = matches!(get(table, row, "isproductoverridden"), Some(Cell::Bool(true)));
    if !write_in && get(table, row, "productid").is_none() {
        if get(table, row, "productdescription").is_none() {
            return Err(ApiError::refused(
                "0x80043b15",
                "The product is missing: a line needs a product or a description of a write-in product.",
            ));
        }
        set(table, row, "isproductoverridden", Some(Cell::Bool(true)));
    }
    defaults(
        table,
        row,
        &[
            ("isproductoverridden", Cell::Bool(false)),
            ("ispriceoverridden", Cell::Bool(false)),
            ("producttypecode", Cell::Int(1)),
            ("pricingerrorcode", Cell::Int(0)),
        ],
    );
    for column in ["ownerid", "owninguser", "owningbusinessunit", "transactioncurrencyid"] {
        let value = referenced(session, table, row, parent, column);
        set(table, row, column, value);
    }
    if let Some(number) = next_in_order(session, table, row) {
        defaults(table, row, &[("sequencenumber", Cell::Int(number))]);
    }
    open_parent(session, table, row)?;
    amounts(session, table, row)
}

/// The same for a changed line, which may also not leave a document that is closed.
pub fn before_update_line(session: &Session<'_>, table: &Table, before: &Row, row: &mut Row) -> ApiResult<()> {
    open_parent(session, table, before)?;
    open_parent(session, table, row)?;
    amounts(session, table, row)
}

/// A line goes only from a document that is open.
pub fn before_delete_line(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    open_parent(session, table, row)
}

fn open_parent(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    let state = referenced(session, table, row, parent_column(table), "statecode");
    let closed = matches!(
        (table.name.as_str(), &state),
        ("invoicedetail", Some(Cell::Int(2 | 3)))
            | ("quotedetail", Some(Cell::Int(2 | 3)))
            | ("salesorderdetail", Some(Cell::Int(2)))
    ) || (table.name == "salesorderdetail"
        && session.behaviour.submitted_orders_read_only
        && matches!(state, Some(Cell::Int(1 | 3 | 4))))
        || (table.name == "quotedetail"
            && session.behaviour.active_quotes_read_only
            && matches!(state, Some(Cell::Int(1))));
    if closed && !session.unrestricted {
        return Err(ApiError::refused("0x80043b1d", "The document of this line is closed and cannot be changed."));
    }
    Ok(())
}

/// `base = quantity x (price - volume discount)`, `extended = base - manual discount + tax`.
fn amounts(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    // What is computed with is what the columns keep.
    currency::round(session, table, row);
    if matches!(get(table, row, "ispriceoverridden"), Some(Cell::Bool(false)) | None)
        && matches!(get(table, row, "isproductoverridden"), Some(Cell::Bool(false)) | None)
    {
        // A price that nobody overrides is that of the price list; a product that is not on it keeps the price given.
        let of_list = list_price(session, table, row);
        let of_product = || referenced(session, table, row, "productid", "price").and_then(|cell| cell.number());
        let given = get(table, row, "priceperunit").and_then(|cell| cell.number());
        if let Some(price) = of_list.or(given).or_else(of_product) {
            set(table, row, "priceperunit", Some(Cell::Decimal(price)));
        }
    }
    let number = |name: &str| get(table, row, name).and_then(|cell| cell.number()).unwrap_or_default();
    let base = number("quantity") * (number("priceperunit") - number("volumediscountamount"));
    let extended = base - number("manualdiscountamount") + number("tax");
    set(table, row, "baseamount", Some(Cell::Decimal(base)));
    set(table, row, "extendedamount", Some(Cell::Decimal(extended)));
    Ok(())
}

fn list_price(session: &Session<'_>, table: &Table, row: &Row) -> Option<Decimal> {
    let list = referenced(session, table, row, parent_column(table), "pricelevelid")?.id()?;
    let (product, unit) = (get(table, row, "productid")?, get(table, row, "uomid")?.id()?);
    let items = session.store.schema.position("productpricelevel")?;
    let item_table = session.table(items);
    session.store.rows(items).find(item_table.column("productid")?, &product).into_iter().find_map(|id| {
        let item = session.store.get(items, id)?;
        let same = |name: &str, wanted: Uuid| get(&item_table, item, name).and_then(|cell| cell.id()) == Some(wanted);
        (same("pricelevelid", list) && same("uomid", unit))
            .then(|| get(&item_table, item, "amount").and_then(|cell| cell.number()))
            .flatten()
    })
}

/// The column that points at the document.
#[must_use]
pub fn parent_column(line_table: &Table) -> &'static str {
    match line_table.name.as_str() {
        "quotedetail" => "quoteid",
        "salesorderdetail" => "salesorderid",
        _ => "invoiceid",
    }
}

/// Recomputes the totals of the document a line belongs to.
pub fn total(session: &mut Session<'_>, lines: &Table, at: usize, id: Uuid) -> ApiResult<()> {
    let Some(row) = session.store.get(at, id).cloned() else {
        return Ok(());
    };
    total_of_parent(session, lines, &row)
}

/// The same, for a line that may be gone.
pub fn total_of_parent(session: &mut Session<'_>, lines: &Table, line: &Row) -> ApiResult<()> {
    let Some(Cell::Lookup { table: parents, id: parent }) = get(lines, line, parent_column(lines)) else {
        return Ok(());
    };
    let parent_table = session.table(parents);
    let Some(document) = session.store.get(parents, parent).cloned() else {
        return Ok(());
    };
    if matches!(get(&parent_table, &document, "ispricelocked"), Some(Cell::Bool(true))) {
        return Ok(());
    }
    let line_at = session.position(&lines.name)?;
    let column = lines.column(parent_column(lines)).unwrap_or_default();
    let (mut amount, mut tax, mut discount) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    for id in session.store.rows(line_at).find(column, &Cell::Guid(parent)) {
        let Some(row) = session.store.get(line_at, id) else {
            continue;
        };
        let number = |name: &str| get(lines, row, name).and_then(|cell| cell.number()).unwrap_or_default();
        amount += number("extendedamount") - number("tax");
        tax += number("tax");
        discount += number("manualdiscountamount");
    }
    let mut row = (*document).clone();
    set(&parent_table, &mut row, "totallineitemamount", Some(Cell::Decimal(amount)));
    set(&parent_table, &mut row, "totaltax", Some(Cell::Decimal(tax)));
    set(&parent_table, &mut row, "totallineitemdiscountamount", Some(Cell::Decimal(discount)));
    sum_up(&parent_table, &mut row);
    let changes: Changes = [
        "totallineitemamount",
        "totaltax",
        "totallineitemdiscountamount",
        "totalamountlessfreight",
        "totalamount",
        "totaldiscountamount",
    ]
    .iter()
    .filter_map(|name| parent_table.column(name))
    .filter(|column| row.get(*column) != document.get(*column))
    .map(|column| (column, row.get(column).cloned()))
    .collect();
    if changes.is_empty() { Ok(()) } else { session.update(parents, parent, changes) }
}

/// Totals of a document from the sums of its lines and its own discounts and freight.
pub fn sum_up(table: &Table, row: &mut Row) {
    let number = |name: &str| get(table, row, name).and_then(|cell| cell.number()).unwrap_or_default();
    let lines = number("totallineitemamount");
    let percent = (lines * number("discountpercentage") / Decimal::ONE_HUNDRED)
        .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    let discount = number("discountamount") + percent;
    let less_freight = lines - discount;
    let total = less_freight + number("freightamount") + number("totaltax");
    let all_discounts = discount + number("totallineitemdiscountamount");
    set(table, row, "totalamountlessfreight", Some(Cell::Decimal(less_freight)));
    set(table, row, "totaldiscountamount", Some(Cell::Decimal(all_discounts)));
    set(table, row, "totalamount", Some(Cell::Decimal(total)));
}

fn customer(session: &Session<'_>, table: &Table, row: &mut Row) {
    let customer = get(table, row, "customerid");
    let target = match &customer {
        Some(Cell::Lookup { table, .. }) => session.store.schema.table(*table).name.clone(),
        _ => String::new(),
    };
    set(table, row, "accountid", customer.clone().filter(|_| target == "account"));
    set(table, row, "contactid", customer.filter(|_| target == "contact"));
    set(table, row, "customeridtype", (!target.is_empty()).then(|| Cell::text(&target)));
}
