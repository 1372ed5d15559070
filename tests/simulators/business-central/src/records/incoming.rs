//! The body of a write, checked property by property before anything is touched.

use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cell::{self, Cell};
use crate::errors::ApiError;
use crate::schema::{Route, Source, Table};

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A client of the API, through one of the routes.
    Api(Route),
    /// A person in the application: sees both views, and may set what only the application sets.
    User,
}

/// A checked body.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub id: Option<Uuid>,
    pub values: Vec<(usize, Cell)>,
    /// A new total of the inventory, which becomes an adjustment.
    pub inventory: Option<Decimal>,
    /// Nested collections of a deep insert: name and body.
    pub nested: Vec<(String, Value)>,
}

impl Incoming {
    /// Checks a body for a new record.
    pub(crate) fn for_create(table: &Table, writer: Writer, body: &Map<String, Value>) -> Result<Self, ApiError> {
        let incoming = Self::checked(table, writer, body, true)?;
        if incoming.inventory.is_some() && writer != Writer::User {
            return Err(ApiError::dialog("Inventory cannot be changed during on insert."));
        }
        Ok(incoming)
    }

    /// Checks a body for a change of the record with this id.
    pub(crate) fn for_modify(
        table: &Table,
        writer: Writer,
        body: &Map<String, Value>,
        id: Uuid,
    ) -> Result<Self, ApiError> {
        let incoming = Self::checked(table, writer, body, false)?;
        match incoming.id {
            Some(other) if other != id => Err(ApiError::read_only("id")),
            _ => match incoming.nested.first() {
                Some((name, _)) => {
                    Err(ApiError::bad_request(format!("Nested entities are not allowed in a PATCH request: '{name}'.")))
                }
                None => Ok(incoming),
            },
        }
    }

    fn checked(table: &Table, writer: Writer, body: &Map<String, Value>, create: bool) -> Result<Self, ApiError> {
        let entity = match writer {
            Writer::Api(route) => table.set(route).map_or("", |set| set.entity.as_str()),
            Writer::User => table.name.as_str(),
        };
        let mut incoming = Self::default();
        for (name, value) in body {
            if name.contains('@') {
                continue;
            }
            if value.is_array() && create {
                incoming.nested.push((name.clone(), value.clone()));
                continue;
            }
            let at = match writer {
                Writer::Api(route) => table.position_on(route, name),
                Writer::User => table.position(name),
            };
            let at = at.ok_or_else(|| ApiError::unknown_property(name, entity))?;
            let property = &table.properties[at];
            if property.source == Source::Id {
                let text = value.as_str().unwrap_or_default();
                incoming.id =
                    Some(cell::parse_guid(text).ok_or_else(|| ApiError::wrong_type(name, value, "Edm.Guid"))?);
                continue;
            }
            let computed = matches!(
                property.source,
                Source::Modified | Source::Created | Source::VendorName { .. } | Source::Reference { .. }
            );
            let taken = match writer {
                Writer::Api(route) => property.takes_values_on(route),
                Writer::User => true,
            };
            if computed || !taken {
                return Err(ApiError::read_only(name));
            }
            let cell = Cell::from_json(value, property)?;
            if property.source == Source::Inventory {
                incoming.inventory = Some(cell.as_decimal());
            } else {
                incoming.values.push((at, cell));
            }
        }
        Ok(incoming)
    }
}
