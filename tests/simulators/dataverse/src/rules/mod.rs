//! Business rules of Sales: what the platform checks, computes and creates by itself.

pub mod currencies;
pub mod documents;
pub mod prices;
pub mod products;
pub mod states;
pub mod units;

use uuid::Uuid;

use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::{Changes, Session};

/// Before a new row is stored.
///
/// # Errors
/// When a rule refuses.
pub fn before_create(session: &mut Session<'_>, table: &Table, row: &mut Row, sent: &Changes) -> ApiResult<()> {
    match table.name.as_str() {
        "transactioncurrency" => currencies::before_create(session, table, row),
        "uomschedule" => units::before_create_group(table, row),
        "uom" => units::before_create_unit(session, table, row),
        "product" => products::before_create(session, table, row),
        "pricelevel" => prices::before_create_list(session, table, row),
        "productpricelevel" => prices::before_create_item(session, table, row, sent),
        "quote" | "salesorder" | "invoice" | "opportunity" => documents::before_create(session, table, row),
        "quotedetail" | "salesorderdetail" | "invoicedetail" => documents::before_create_line(session, table, row),
        "contact" => {
            full_name(table, row);
            defaults(table, row, &[("merged", Cell::Bool(false))]);
            Ok(())
        }
        "systemuser" => {
            full_name(table, row);
            Ok(())
        }
        "serviceendpoint" => {
            set(table, row, "isauthvalueset", Some(Cell::Bool(get(table, row, "authvalue").is_some())));
            require(table, row, &["name", "url", "contract", "authtype"])
        }
        "sdkmessageprocessingstep" => {
            if !matches!(get(table, row, "mode"), Some(Cell::Int(1))) {
                return Err(ApiError::not_supported("A synchronous step (mode 0) of a webhook"));
            }
            require(table, row, &["sdkmessageid", "eventhandler", "stage", "rank"])
        }
        "annotation" => {
            defaults(table, row, &[("isdocument", Cell::Bool(false)), ("objecttypecode", Cell::text("none"))]);
            note_target(session, table, row);
            if get(table, row, "filesize").is_none() {
                set(table, row, "filesize", Some(Cell::Int(0)));
            }
            Ok(())
        }
        "account" => {
            defaults(
                table,
                row,
                &[
                    ("creditonhold", Cell::Bool(false)),
                    ("donotemail", Cell::Bool(false)),
                    ("donotphone", Cell::Bool(false)),
                    ("merged", Cell::Bool(false)),
                ],
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// After a new row is stored.
///
/// # Errors
/// When a rule refuses.
pub fn after_create(session: &mut Session<'_>, at: usize, table: &Table, id: Uuid) -> ApiResult<()> {
    match table.name.as_str() {
        "uomschedule" => units::create_base_unit(session, at, id),
        "quotedetail" | "salesorderdetail" | "invoicedetail" => documents::total(session, table, at, id),
        _ => Ok(()),
    }
}

/// Before a changed row is stored.
///
/// # Errors
/// When a rule refuses.
pub fn before_update(
    session: &mut Session<'_>,
    table: &Table,
    before: &Row,
    row: &mut Row,
    sent: &Changes,
) -> ApiResult<()> {
    match table.name.as_str() {
        "transactioncurrency" => currencies::before_update(session, table, before, row),
        "uom" => units::before_update_unit(table, before, row),
        "product" => products::before_update(session, table, before, row, sent),
        "pricelevel" => prices::name_is_free(session, table, row),
        "productpricelevel" => prices::before_update_item(session, table, before, row, sent),
        "quote" | "salesorder" | "invoice" | "opportunity" => {
            documents::before_update(session, table, before, row, sent)
        }
        "quotedetail" | "salesorderdetail" | "invoicedetail" => {
            documents::before_update_line(session, table, before, row)
        }
        "contact" => {
            full_name(table, row);
            Ok(())
        }
        "annotation" => {
            note_target(session, table, row);
            Ok(())
        }
        // A user without these parts keeps the name that the directory gave.
        "systemuser" if changed(table, sent, &["firstname", "lastname"]) => {
            full_name(table, row);
            Ok(())
        }
        "serviceendpoint" => {
            set(table, row, "isauthvalueset", Some(Cell::Bool(get(table, row, "authvalue").is_some())));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// After a changed row is stored.
///
/// # Errors
/// When a rule refuses.
pub fn after_update(session: &mut Session<'_>, at: usize, table: &Table, before: &Row) -> ApiResult<()> {
    match table.name.as_str() {
        "quotedetail" | "salesorderdetail" | "invoicedetail" => documents::total(session, table, at, before.id),
        "organization" => Ok(()),
        _ => Ok(()),
    }
}

/// Before a row goes.
///
/// # Errors
/// When a rule refuses.
pub fn before_delete(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    match table.name.as_str() {
        "transactioncurrency" => currencies::before_delete(session, row),
        "systemuser" | "organization" | "businessunit" if !session.unrestricted => Err(ApiError::new(
            405,
            "0x80040800",
            format!("The 'Delete' method does not support entities of type '{}'.", table.name),
        )),
        "uom" => units::before_delete_unit(session, table, row),
        "quotedetail" | "salesorderdetail" | "invoicedetail" => documents::before_delete_line(session, table, row),
        _ => Ok(()),
    }
}

/// After a row went.
///
/// # Errors
/// When a rule refuses.
pub fn after_delete(session: &mut Session<'_>, _at: usize, table: &Table, row: &Row) -> ApiResult<()> {
    match table.name.as_str() {
        "quotedetail" | "salesorderdetail" | "invoicedetail" => documents::total_of_parent(session, table, row),
        _ => Ok(()),
    }
}

/// A value by column name.
#[must_use]
pub fn get(table: &Table, row: &Row, name: &str) -> Option<Cell> {
    table.column(name).and_then(|column| row.get(column)).cloned()
}

/// Sets a value by column name, when the table has the column.
pub fn set(table: &Table, row: &mut Row, name: &str, value: Option<Cell>) {
    if let Some(column) = table.column(name) {
        row.set(column, value);
    }
}

/// Sets values that are missing.
pub fn defaults(table: &Table, row: &mut Row, values: &[(&str, Cell)]) {
    for (name, value) in values {
        if get(table, row, name).is_none() {
            set(table, row, name, Some(value.clone()));
        }
    }
}

/// Demands values.
///
/// # Errors
/// When one is missing.
pub fn require(table: &Table, row: &Row, names: &[&str]) -> ApiResult<()> {
    for name in names {
        let empty = match get(table, row, name) {
            None => true,
            Some(Cell::Text(text)) => text.is_empty(),
            Some(_) => false,
        };
        if empty {
            return Err(ApiError::required(name, &table.name));
        }
    }
    Ok(())
}

/// The row's state code.
#[must_use]
pub fn state(table: &Table, row: &Row) -> i64 {
    match get(table, row, "statecode") {
        Some(Cell::Int(state)) => state,
        _ => 0,
    }
}

/// The type code of a note follows from what the note is about.
fn note_target(session: &Session<'_>, table: &Table, row: &mut Row) {
    if let Some(Cell::Lookup { table: target, .. }) = get(table, row, "objectid") {
        let name = session.store.schema.table(target).name.clone();
        set(table, row, "objecttypecode", Some(Cell::text(&name)));
    }
}

/// One of these columns was sent.
fn changed(table: &Table, sent: &Changes, names: &[&str]) -> bool {
    sent.iter().any(|(at, _)| names.contains(&table.columns[*at].name.as_str()))
}

fn full_name(table: &Table, row: &mut Row) {
    let part = |name: &str| match get(table, row, name) {
        Some(Cell::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    let name =
        [part("firstname"), part("lastname")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    set(table, row, "fullname", Some(Cell::text(&name)));
}
