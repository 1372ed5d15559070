//! Values that name another record: checked against it, and kept in step where a code stands beside an id.

use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::{Kind, Property, Source, TableId, schema};
use crate::store::{Row, Store};

/// Puts checked values into a row.
pub(crate) fn apply(store: &Store, table: TableId, row: &mut Row, values: &[(usize, Cell)]) -> Result<(), ApiError> {
    for (at, value) in values {
        let property = &schema().table(table).properties[*at];
        let mut value = value.clone();
        // The local currency is blank in the tables.
        if property.source == Source::LocalCurrency && value.as_text() == store.company.local_currency {
            value = Cell::Text(Box::default());
        }
        let twin = check(store, table, property, &value)?;
        if let (Some(twin_at), Some(twin)) = (property.twin, twin) {
            if let Some((_, given)) = values.iter().find(|(other, _)| *other == twin_at)
                && *given != twin
                && !given.is_blank()
                && !value.is_blank()
                && given.as_text() != store.company.local_currency
            {
                return Err(values_do_not_match(property));
            }
            row.cells[twin_at] = twin;
        }
        row.cells[*at] = value;
    }
    Ok(())
}

/// Checks one reference; gives the value of the property that says the same in the other spelling.
fn check(store: &Store, table: TableId, property: &Property, value: &Cell) -> Result<Option<Cell>, ApiError> {
    let Some(related) = property.related else { return Ok(None) };
    if value.is_blank() {
        return Ok(Some(if property.kind == Kind::Guid {
            Cell::Text(Box::default())
        } else {
            Cell::blank(&Kind::Guid)
        }));
    }
    let definition = schema().table(related);
    let missing = |text: &str| {
        ApiError::no_such_relation(&property.field, schema().table(table).caption(), text, definition.caption())
    };
    match value {
        Cell::Guid(id) => {
            let row = store.row(related, *id).ok_or_else(|| missing(&id.to_string()))?;
            Ok(definition.key.first().map(|at| row.cells[*at].clone()))
        }
        Cell::Text(code) => {
            let row = store.by_code(related, code).ok_or_else(|| missing(code))?;
            Ok(Some(Cell::Guid(row.id)))
        }
        _ => Ok(None),
    }
}

fn values_do_not_match(property: &Property) -> ApiError {
    let subject = property.field.trim_end_matches(" Id").trim_end_matches(" Code").trim_end_matches(" No.");
    ApiError::dialog(format!("The {} values do not match to a specific {subject}.", subject.to_lowercase()))
}
