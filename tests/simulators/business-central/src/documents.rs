//! Sales documents: lines, totals, posting. Filled step by step.

use uuid::Uuid;

use crate::cell::Cell;
use crate::errors::ApiError;
use crate::schema::TableId;
use crate::store::{Row, Store};

pub(crate) fn before_write(_store: &mut Store, _table: TableId, _row: &mut Row, _values: &[(usize, Cell)], _before: Option<&Row>) -> Result<(), ApiError> {
    Ok(())
}

pub(crate) fn after_write(_store: &mut Store, _table: TableId, _id: Uuid) -> Result<(), ApiError> {
    Ok(())
}

pub(crate) fn before_delete(_store: &mut Store, _table: TableId, _row: &Row) -> Result<(), ApiError> {
    Ok(())
}

pub(crate) fn after_delete(_store: &mut Store, _table: TableId, _row: &Row) -> Result<(), ApiError> {
    Ok(())
}

/// Carries out a bound action; gives the document it made, if any.
pub(crate) fn act(_store: &mut Store, _route: crate::schema::Route, _table: TableId, _id: Uuid, name: &str) -> Result<Option<(TableId, Uuid)>, ApiError> {
    Err(ApiError::not_implemented(format!("The action '{name}' is not implemented.")))
}

/// The bound actions of an entity set.
pub(crate) fn actions(_table: TableId, _route: crate::schema::Route) -> &'static [&'static str] {
    &[]
}
