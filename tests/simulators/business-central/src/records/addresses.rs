//! An address belongs to its country: when the country changes, what was not given anew is cleared.

use crate::cell::Cell;
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};

/// Each country with what belongs to it.
const ADDRESSES: [[&str; 4]; 3] = [
    ["country", "postalCode", "city", "state"],
    ["billToCountry", "billToPostCode", "billToCity", "billToState"],
    ["shipToCountry", "shipToPostCode", "shipToCity", "shipToState"],
];

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
    for [country, rest @ ..] in ADDRESSES {
        let Some(country) = definition.position(country) else { continue };
        let old = &before.cells[country];
        if store.company.requires_country || old.is_blank() || *old == row.cells[country] {
            continue;
        }
        for name in rest {
            if let Some(at) = definition.position(name)
                && !given.iter().any(|(other, _)| *other == at)
            {
                row.cells[at] = Cell::blank(&definition.properties[at].kind);
            }
        }
    }
}
