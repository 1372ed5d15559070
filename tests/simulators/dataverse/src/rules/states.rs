//! State and status: which status belongs to which state, defaults, and the changes that are allowed.

use super::{get, set};
use crate::schema::{ChoiceRole, Kind, Table};
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::{Changes, Session};

/// States of a table with their statuses; the first status of a state is its default, the first state is the initial one.
#[must_use]
pub fn pairs(table: &str) -> &'static [(i64, &'static [i64])] {
    match table {
        "opportunity" => &[(0, &[1, 2]), (1, &[3]), (2, &[4, 5])],
        "quote" => &[(0, &[1]), (1, &[2, 3]), (2, &[4]), (3, &[5, 6, 7])],
        "salesorder" => &[(0, &[1, 2]), (1, &[3]), (2, &[4]), (3, &[100_001, 100_002]), (4, &[100_003])],
        "invoice" => &[(0, &[1, 2, 4, 5, 6]), (1, &[3, 7]), (2, &[100_001, 100_002]), (3, &[100_003])],
        "product" => &[(2, &[0]), (0, &[1]), (1, &[2]), (3, &[3])],
        "pricelevel" => &[(0, &[100_001]), (1, &[100_002])],
        _ => &[(0, &[1]), (1, &[2])],
    }
}

/// Sets the initial state of a new row.
pub fn initial(table: &Table, row: &mut Row) {
    let (Some(state), Some(status)) = (table.state_column(ChoiceRole::State), table.state_column(ChoiceRole::Status))
    else {
        return;
    };
    if let Some((first, statuses)) = pairs(&table.name).first() {
        row.set(state, Some(Cell::Int(*first)));
        row.set(status, statuses.first().map(|status| Cell::Int(*status)));
    }
}

/// Applies `statecode` and `statuscode` of an update.
pub fn change(session: &Session<'_>, table: &Table, before: &Row, row: &mut Row, sent: &Changes) -> ApiResult<()> {
    let wanted = |role: ChoiceRole| -> Option<i64> {
        sent.iter().find_map(|(at, value)| match (&table.columns[*at].kind, value) {
            (Kind::Choice(choice), Some(Cell::Int(value))) if choice.role == role => Some(*value),
            _ => None,
        })
    };
    let (wanted_state, wanted_status) = (wanted(ChoiceRole::State), wanted(ChoiceRole::Status));
    if wanted_state.is_none() && wanted_status.is_none() {
        return Ok(());
    }
    let old = super::state(table, before);
    let old_status = match get(table, before, "statuscode") {
        Some(Cell::Int(status)) => Some(status),
        _ => None,
    };
    let state = wanted_state.unwrap_or(old);
    let known = pairs(&table.name);
    let Some((_, statuses)) = known.iter().find(|(value, _)| *value == state) else {
        return Err(ApiError::refused(
            "0x80048408",
            format!("{state} is not a valid state code on {} with Id {}.", table.name, row.id),
        ));
    };
    let status = match wanted_status {
        // -1 lets the server choose.
        Some(status) if status >= 0 => status,
        _ if state == old => old_status.or_else(|| statuses.first().copied()).unwrap_or_default(),
        _ => statuses.first().copied().unwrap_or_default(),
    };
    if !statuses.contains(&status) && !custom_status(table, status) {
        return Err(ApiError::refused(
            "0x80048408",
            format!(
                "{status} is not a valid status code for state code {}State.{} on {} with Id {}.",
                table.schema_name,
                state_label(table, state),
                table.name,
                row.id
            ),
        ));
    }
    if state != old && !session.unrestricted {
        allowed(session, table, old, state)?;
    }
    set(table, row, "statecode", Some(Cell::Int(state)));
    set(table, row, "statuscode", Some(Cell::Int(status)));
    Ok(())
}

/// A status that a customizer added: it is accepted in every state, because the metadata here does not say where it belongs.
fn custom_status(table: &Table, status: i64) -> bool {
    let standard = pairs(&table.name).iter().flat_map(|(_, statuses)| statuses.iter()).any(|known| *known == status);
    !standard
}

fn allowed(session: &Session<'_>, table: &Table, from: i64, to: i64) -> ApiResult<()> {
    match (table.name.as_str(), from, to) {
        ("product", 0 | 1 | 3, 2) if from == 1 => {
            Err(ApiError::refused("0x8004F979", "You can't set a retired product to the Draft state."))
        }
        ("product", _, 2) => {
            Err(ApiError::refused("0x8004F912", "You can't set a published product back to the Draft state."))
        }
        ("product", 1, 0) if !session.behaviour.retired_products_reactivate => {
            Err(ApiError::refused("0x8004F977", "You can't activate a retired product."))
        }
        ("product", 1 | 2, 3) => Err(ApiError::refused("0x8004F883", "You can only revise an active product.")),
        ("opportunity", 0, 1) => Err(by_message("Won", "WinOpportunity")),
        ("opportunity", 0, 2) => Err(by_message("Lost", "LoseOpportunity")),
        ("opportunity", 1 | 2, 1 | 2) => {
            Err(ApiError::refused("0x80043b1f", "The opportunity is closed; open it before it is closed another way."))
        }
        ("quote", 0 | 1, 2) => Err(ApiError::refused("0x80048408", "A quote is won with the WinQuote message.")),
        ("quote", 0 | 1, 3) => Err(ApiError::refused("0x80048408", "A quote is closed with the CloseQuote message.")),
        ("quote", 2 | 3, 0 | 1) => Err(ApiError::refused("0x80048408", "A closed quote cannot be opened again.")),
        _ => Ok(()),
    }
}

fn by_message(state: &str, message: &str) -> ApiError {
    let text = format!(
        "This message can not be used to set the state of opportunity to {state}. In order to set state of opportunity to \
         {state}, use the {message} message instead."
    );
    ApiError::refused("0x80048408", text)
}

fn state_label(table: &Table, state: i64) -> String {
    table
        .state_column(ChoiceRole::State)
        .and_then(|column| match &table.columns[column].kind {
            Kind::Choice(choice) => choice
                .options
                .iter()
                .find(|(value, _)| i64::from(*value) == state)
                .map(|(_, label)| label.replace(' ', "")),
            _ => None,
        })
        .unwrap_or_else(|| state.to_string())
}
