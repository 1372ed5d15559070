//! An address belongs to its country: when the country changes, what was not given anew is cleared.

use crate::cell::Cell;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Clears post code, city and county when the country changes from one to another, unless they are given along, or the
/// company requires a country in every address.
pub(crate) fn clear_what_belonged_to_another_country(
    store: &Store,
    table: TableId,
    row: &mut Row,
    before: &Row,
    given: &[(usize, Cell)],
) {
    let definition = schema().table(table);
    let Some(country) = definition.position("country") else { return };
    let old = &before.cells[country];
    if store.company.requires_country || old.is_blank() || *old == row.cells[country] {
        return;
    }
    for name in ["postalCode", "city", "state"] {
        if let Some(at) = definition.position(name)
            && !given.iter().any(|(other, _)| *other == at)
        {
            row.cells[at] = Cell::blank(&definition.properties[at].kind);
        }
    }
}
