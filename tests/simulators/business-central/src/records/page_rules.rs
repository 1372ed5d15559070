//! What the pages of the service refuse although the tables would take it: ids, numbers, and validations that come too early.

use super::{Incoming, numbering};
use crate::errors::ApiError;
use crate::schema::{Route, TableId, schema};
use crate::service::Switches;
use crate::store::{Row, Store};

/// Validations that write the record itself, or another one that needs its number. Pages insert late, so both fail while
/// the record is new.
const NEEDS_THE_RECORD: &[(&str, &str)] = &[
    ("Customer", "contact"),
    ("Vendor", "contact"),
    ("Item", "baseUnitOfMeasureCode"),
    ("Resource", "baseUnitOfMeasureCode"),
    ("Sales Header", "workDescription"),
];

/// Checks a new record that comes through a page.
pub(crate) fn check_create(
    store: &Store,
    table: TableId,
    route: Route,
    incoming: &Incoming,
    switches: Switches,
) -> Result<(), ApiError> {
    let definition = schema().table(table);
    let takes_id = switches.companion_takes_ids && definition.set(route).is_some_and(|set| set.takes_id);
    if incoming.id.is_some() && !takes_id && switches.id_is_read_only {
        return Err(ApiError::read_only("id"));
    }
    if route == Route::Standard && switches.sequence_is_refused && numbers_its_line(table, incoming) {
        return Err(ApiError::dialog("You cannot change the value of the SystemId field."));
    }
    // The pages of API v2.0 defer such validations themselves.
    if route == Route::Companion && switches.validates_before_insert {
        let early = incoming.values.iter().find(|(at, value)| {
            let property = &definition.properties[*at];
            let needs_the_record = NEEDS_THE_RECORD.contains(&(definition.name.as_str(), property.name.as_str()));
            needs_the_record && !property.deferred && !value.is_blank()
        });
        if early.is_some() {
            return Err(ApiError::record_not_found(definition.caption(), "No.=''"));
        }
    }
    if definition.name == "Contact" && names_company_before_type(table, incoming) {
        return Err(ApiError::dialog("Type must be equal to 'Person'  in Contact: No.=. Current value is 'Company'."));
    }
    numbering::check_given(store, table, None, &incoming.values)
}

/// Whether a new person names the company before it says that it is a person: new contacts are companies, which have none.
/// Values are validated in the order in which they are sent.
fn names_company_before_type(table: TableId, incoming: &Incoming) -> bool {
    let definition = schema().table(table);
    let place = |name: &str| {
        let at = definition.position(name);
        incoming.values.iter().position(|(given, value)| Some(*given) == at && !value.is_blank())
    };
    place("companyNumber").is_some_and(|company| place("type").is_none_or(|kind| kind > company))
}

/// Whether a new line of a document carries its own number.
fn numbers_its_line(table: TableId, incoming: &Incoming) -> bool {
    let definition = schema().table(table);
    definition.position("documentId").is_some()
        && definition
            .position("sequence")
            .is_some_and(|at| incoming.values.iter().any(|(given, value)| *given == at && !value.is_blank()))
}

/// Checks a change that comes through a page.
pub(crate) fn check_modify(store: &Store, table: TableId, row: &Row, incoming: &Incoming) -> Result<(), ApiError> {
    numbering::check_given(store, table, Some(row), &incoming.values)
}
