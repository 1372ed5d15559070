//! Checks of values against their columns, and of rows against the keys of their table.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::session::{Changes, Session};
use crate::schema::{AlternateKey, Choice, Kind, Table};
use crate::store::{Cell, Key, Row};
use crate::wire::error::{ApiError, ApiResult};

/// What SQL Server's money type holds at most, in whole units.
const LARGEST_AMOUNT: i64 = 922_337_203_685_477;

/// Lengths, option values and targets of lookups.
pub fn values(session: &Session<'_>, table: &Table, id: Uuid, changes: &Changes, creating: bool) -> ApiResult<()> {
    for (at, value) in changes {
        let column = &table.columns[*at];
        if let Some(security) = column.security.filter(|_| !session.unrestricted && session.depth == 0)
            && !(if creating { security.create } else { security.update })
        {
            return Err(ApiError::secured(&column.name, &table.name, session.caller, creating));
        }
        match (&column.kind, value) {
            (Kind::Text(longest) | Kind::Memo(longest), Some(Cell::Text(text)))
                if text.encode_utf16().count() > *longest =>
            {
                return Err(ApiError::refused(
                    "0x80044331",
                    format!(
                        "A validation error occurred.  The length of the '{}' attribute of the '{}' entity exceeded the maximum allowed length of '{longest}'.",
                        column.name, table.name
                    ),
                ));
            }
            (Kind::Choice(choice), Some(Cell::Int(value))) if outside(choice, *value) => {
                return Err(ApiError::refused(
                    "0x8004431A",
                    format!(
                        "A validation error occurred. The value {value} of '{}' on record of type '{}' with Id = '{id}' is outside the valid range. Accepted Values: {}",
                        column.name,
                        table.name,
                        choice.options.iter().map(|(option, _)| option.to_string()).collect::<Vec<_>>().join(",")
                    ),
                ));
            }
            (Kind::Lookup(_), Some(Cell::Lookup { table: target, id }))
                if session.store.get(*target, *id).is_none() =>
            {
                return Err(ApiError::missing_row(&session.store.schema.table(*target).name, *id));
            }
            (Kind::Decimal | Kind::Money, Some(Cell::Decimal(number)))
                if number.abs() > Decimal::from(LARGEST_AMOUNT) =>
            {
                return Err(ApiError::refused(
                    "0x80040203",
                    format!(
                        "A validation error occurred. The value of '{}' on record of type '{}' is outside the valid range.",
                        column.name, table.name
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A choice without options of its own takes any value: the schema data do not list them.
fn outside(choice: &Choice, value: i64) -> bool {
    !choice.options.is_empty() && !choice.options.iter().any(|(option, _)| i64::from(*option) == value)
}

/// Alternate keys are unique; rows without a value in one of the columns do not take part.
pub fn keys(session: &Session<'_>, at: usize, table: &Table, row: &Row) -> ApiResult<()> {
    for key in &table.keys {
        let Some(wanted) = key_of(key, row) else {
            continue;
        };
        let rows = session.store.rows(at);
        let Some(first) = key.columns.first() else {
            continue;
        };
        let Some(value) = row.get(*first) else {
            continue;
        };
        let taken = rows
            .find(*first, value)
            .into_iter()
            .filter(|id| *id != row.id)
            .filter_map(|id| rows.get(id))
            .any(|other| key_of(key, other).as_ref() == Some(&wanted));
        if taken {
            let columns: Vec<&str> = key.columns.iter().map(|column| table.columns[*column].name.as_str()).collect();
            return Err(ApiError::new(
                412,
                "0x80060892",
                format!(
                    "Entity Key {} violated. A record with the same value for {} already exists. A duplicate record cannot be created. Select one or more unique values and try again.",
                    key.name,
                    columns.join(",")
                ),
            ));
        }
    }
    Ok(())
}

fn key_of(key: &AlternateKey, row: &Row) -> Option<Vec<Key>> {
    key.columns.iter().map(|column| row.get(*column).and_then(Key::of)).collect()
}

/// The fault switch: rows with a forbidden text are refused like by a plug-in.
pub fn poison(session: &Session<'_>, table: &Table, row: &Row) -> ApiResult<()> {
    for poison in session.poison {
        if poison.table.as_ref().is_some_and(|name| *name != table.name) || (poison.only_in_bulk && !session.bulk) {
            continue;
        }
        let found = row.cells().any(|(at, cell)| {
            poison.column.as_ref().is_none_or(|name| *name == table.columns[at].name)
                && matches!(cell, Cell::Text(text) if text.contains(&poison.text))
        });
        if found {
            return Err(ApiError::refused(
                "0x80040265",
                format!("The plug-in refuses the row because it contains '{}'.", poison.text),
            ));
        }
    }
    Ok(())
}
