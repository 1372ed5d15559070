//! Reads the JSON body of a create or update into column values.

use serde_json::Value;
use uuid::Uuid;

use super::keys;
use crate::query::members::Members;
use crate::schema::{Kind, Table};
use crate::store::{Cell, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::write::Changes;

/// A body that was understood.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Primary key, when it was sent.
    pub id: Option<Uuid>,
    /// Column values.
    pub changes: Changes,
    /// Rows to create along, under their navigation property.
    pub nested: Vec<Nested>,
    /// `@odata.id`.
    pub reference: Option<String>,
}

/// One nested navigation property.
#[derive(Debug)]
pub(crate) enum Nested {
    /// A row to create first and point at.
    One(usize, usize, Value),
    /// Rows to create afterwards.
    Many(Members, Vec<Value>),
    /// Rows to link afterwards.
    Links(Members, Vec<(usize, Uuid)>),
}

/// Where references in a body lead.
pub(crate) struct Surroundings<'a> {
    pub store: &'a Store,
    pub api: &'a str,
    pub references: &'a [(String, String)],
}

/// Reads a body for a table.
pub(crate) fn read(around: &Surroundings<'_>, at: usize, value: &Value) -> ApiResult<Body> {
    let table = std::sync::Arc::clone(around.store.schema.table(at));
    let Value::Object(map) = value else {
        return Err(ApiError::payload(&table.set, "Microsoft.OData.ODataException: The body is not a JSON object."));
    };
    let mut body = Body::default();
    for (name, value) in map {
        if let Some(navigation) = name.strip_suffix("@odata.bind") {
            bind(around, &table, navigation, value, &mut body)?;
        } else if let Some(annotation) = name.strip_prefix('@') {
            control(&table, annotation, value, &mut body)?;
        } else if !name.contains('@') {
            property(around, &table, name, value, &mut body)?;
        }
    }
    Ok(body)
}

fn control(table: &Table, annotation: &str, value: &Value, body: &mut Body) -> ApiResult<()> {
    match annotation {
        "odata.type" => {
            let sent = value.as_str().unwrap_or_default().trim_start_matches('#');
            if sent != table.type_name() {
                return Err(ApiError::payload(
                    &table.set,
                    &format!(
                        "Microsoft.OData.ODataException: A type named '{sent}' could not be resolved by the model for the expected type '{}'.",
                        table.type_name()
                    ),
                ));
            }
        }
        "odata.id" => body.reference = value.as_str().map(str::to_owned),
        _ => {}
    }
    Ok(())
}

fn property(around: &Surroundings<'_>, table: &Table, name: &str, value: &Value, body: &mut Body) -> ApiResult<()> {
    if let Some(column) = table.property(name) {
        let definition = &table.columns[column];
        if matches!(definition.kind, Kind::Lookup(_)) {
            return Err(ApiError::payload(
                &table.set,
                "Microsoft.Crm.CrmException: CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
            ));
        }
        let cell = Cell::from_json(&definition.kind, value).map_err(|wrong| {
            ApiError::payload(&table.set, &format!("Microsoft.OData.ODataException: {wrong} ---> Property '{name}'."))
        })?;
        if column == table.id {
            body.id = cell.as_ref().and_then(Cell::id);
        }
        body.changes.push((column, cell));
        return Ok(());
    }
    if let Some((column, target)) = table.navigation(name) {
        return match value {
            Value::Null => {
                if !table.columns[column].ignored_clearings.navigation {
                    body.changes.push((column, None));
                }
                Ok(())
            }
            Value::Object(nested) if nested.len() == 1 && nested.contains_key("@odata.id") => {
                let reference = nested.get("@odata.id").and_then(Value::as_str).unwrap_or_default();
                point(around, table, column, target, reference, body)
            }
            Value::Object(_) => {
                let at = around
                    .store
                    .schema
                    .position(target)
                    .ok_or_else(|| ApiError::not_supported("A deep insert of an owner"))?;
                body.nested.push(Nested::One(column, at, value.clone()));
                Ok(())
            }
            _ => Err(ApiError::payload(
                &table.set,
                &format!(
                    "Microsoft.OData.ODataException: A resource was expected for the navigation property '{name}'."
                ),
            )),
        };
    }
    if let Some(members) = crate::query::members::members(&around.store.schema, table, name) {
        let Value::Array(rows) = value else {
            return Err(ApiError::payload(
                &table.set,
                &format!(
                    "Microsoft.OData.ODataException: A collection was expected for the navigation property '{name}'."
                ),
            ));
        };
        body.nested.push(Nested::Many(members, rows.clone()));
        return Ok(());
    }
    Err(ApiError::odata(format!("Invalid property '{name}' was found in entity '{}'.", table.type_name())))
}

fn bind(around: &Surroundings<'_>, table: &Table, navigation: &str, value: &Value, body: &mut Body) -> ApiResult<()> {
    if let Some((column, target)) = table.navigation(navigation) {
        return match value {
            Value::Null => {
                if !table.columns[column].ignored_clearings.bind {
                    body.changes.push((column, None));
                }
                Ok(())
            }
            Value::String(reference) => point(around, table, column, target, reference, body),
            _ => Err(ApiError::payload(
                &table.set,
                &format!("Microsoft.OData.ODataException: The value of '{navigation}@odata.bind' must be a string."),
            )),
        };
    }
    let members = crate::query::members::members(&around.store.schema, table, navigation);
    match (members, value) {
        (Some(members), Value::Array(references)) => {
            let links = references
                .iter()
                .map(|reference| {
                    keys::reference(
                        &around.store.schema,
                        around.store,
                        reference.as_str().unwrap_or_default(),
                        around.api,
                        around.references,
                    )
                })
                .collect::<ApiResult<Vec<_>>>()?;
            body.nested.push(Nested::Links(members, links));
            Ok(())
        }
        _ => Err(ApiError::payload(
            &table.set,
            &format!(
                "Microsoft.OData.ODataException: An undeclared property '{navigation}' which only has property annotations in the payload but no property value was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values."
            ),
        )),
    }
}

fn point(
    around: &Surroundings<'_>,
    table: &Table,
    column: usize,
    target: &str,
    reference: &str,
    body: &mut Body,
) -> ApiResult<()> {
    let (found, id) = keys::reference(&around.store.schema, around.store, reference, around.api, around.references)?;
    let name = &around.store.schema.table(found).name;
    let fits = match (&table.columns[column].kind, target) {
        (Kind::Lookup(targets), "principal") => targets.iter().any(|target| target == name),
        (_, target) => target == name,
    };
    if !fits {
        return Err(ApiError::payload(
            &table.set,
            &format!(
                "Microsoft.OData.ODataException: The reference '{reference}' is of type '{name}', but the navigation property of '{}' expects '{target}'.",
                table.columns[column].name
            ),
        ));
    }
    body.changes.push((column, Some(Cell::Lookup { table: found, id })));
    Ok(())
}
