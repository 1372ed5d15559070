//! Opportunities: the company follows the contact, and closing is an entry that cannot be taken back.

use uuid::Uuid;

use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Positions among the states of an opportunity.
const IN_PROGRESS: u8 = 1;
const WON: u8 = 2;
const LOST: u8 = 3;

/// The bound actions of the companion page.
pub(crate) const ACTIONS: &[&str] = &["closeAsWon", "closeAsLost"];

fn at(table: TableId, property: &str) -> usize {
    schema().table(table).position(property).unwrap_or_else(|| panic!("opportunities have no {property}"))
}

/// The company of an opportunity is that of its contact.
pub(crate) fn before_write(store: &Store, table: TableId, row: &mut Row, before: Option<&Row>) {
    let contact = at(table, "contactNumber");
    if before.is_some_and(|before| before.cells[contact] == row.cells[contact]) {
        return;
    }
    let contacts = schema().known("Contact");
    let company = store
        .by_code(contacts, row.cells[contact].as_text())
        .map(|contact| contact.cells[at_contact(contacts, "companyNumber")].clone());
    if let Some(company) = company {
        row.cells[at(table, "contactCompanyNo")] = company;
    }
}

fn at_contact(table: TableId, property: &str) -> usize {
    schema().table(table).position(property).unwrap_or_else(|| panic!("contacts have no {property}"))
}

/// Closes an opportunity as the companion page does. Winning one needs a customer.
pub(crate) fn close(store: &mut Store, table: TableId, id: Uuid, action: &str) -> Result<(), ApiError> {
    let row = store.row(table, id).cloned().ok_or_else(|| super::not_found(table, id))?;
    let number = row.cells[at(table, "number")].as_text().to_owned();
    if row.cells[at(table, "status")].as_enum() >= WON {
        return Err(ApiError::dialog(format!(
            "Closed must be equal to 'No' in Opportunity: No.={number}. Current value is 'Yes'."
        )));
    }
    let won = action == "closeAsWon";
    if won && row.cells[at(table, "contactNumber")].is_blank() {
        return Err(ApiError::dialog("The Contact does not exist. Identification fields and values: No.=''"));
    }
    let today = Cell::Date(store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date());
    super::touch(store, table, id, |row| {
        row.cells[at(table, "status")] = Cell::Enum(if won { WON } else { LOST });
        row.cells[at(table, "closed")] = Cell::Bool(true);
        row.cells[at(table, "dateClosed")] = today.clone();
        row.cells[at(table, "estimatedClosingDate")] = today;
        if won {
            row.cells[at(table, "calculatedCurrentValue")] = row.cells[at(table, "estimatedValue")].clone();
        }
    })
}

/// An opportunity in progress stays.
pub(crate) fn before_delete(table: TableId, row: &Row) -> Result<(), ApiError> {
    if row.cells[at(table, "status")].as_enum() == IN_PROGRESS {
        return Err(ApiError::dialog("You cannot delete this opportunity while it is active."));
    }
    Ok(())
}
