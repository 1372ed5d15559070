//! `CreateMultiple`, `UpdateMultiple`, `UpsertMultiple`: one transaction each.

use serde_json::{Value, json};

use super::body::{self, Surroundings};
use super::keys::{self, Named};
use super::{Context, write};
use crate::store::guid;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::{KeyText, Target};
use crate::wire::request::{ApiResponse, Verb, Work};
use crate::write::Session;

/// Answers a bulk message; `None` when the request is none.
pub(crate) fn post(context: &Context<'_>, session: &mut Session<'_>) -> ApiResult<Option<ApiResponse>> {
    let [set, action] = context.target.segments.as_slice() else {
        return Ok(None);
    };
    let Some(message) = action.name.strip_prefix("Microsoft.Dynamics.CRM.") else {
        return Ok(None);
    };
    if context.request.verb != Verb::Post
        || !matches!(message, "CreateMultiple" | "UpdateMultiple" | "UpsertMultiple" | "DeleteMultiple")
    {
        return Ok(None);
    }
    let at = session.store.schema.set_position(&set.name).ok_or_else(|| ApiError::unknown_segment(&set.name))?;
    let table = session.table(at);
    if message == "DeleteMultiple" {
        return Err(ApiError::new(400, "0x80040216", "DeleteMultiple has not yet been implemented."));
    }
    if !table.bulk || context.world.faults.lacks_bulk(&table.name) {
        return Err(ApiError::no_method(message, &table.name));
    }
    let sent = context.request.json()?;
    let Some(Value::Array(targets)) = sent.get("Targets") else {
        return Err(ApiError::payload(
            &table.set,
            "Microsoft.OData.ODataException: The parameter 'Targets' is missing or not a collection.",
        ));
    };
    if targets.is_empty() {
        return Err(ApiError::new(400, "0x80040203", "The parameter 'Targets' must not be empty."));
    }
    session.bulk = true;
    let mut ids = Vec::with_capacity(targets.len());
    let mut created = 0;
    for target in targets {
        if target.get("@odata.type").is_none() {
            return Err(ApiError::payload(
                &table.set,
                "Microsoft.OData.ODataException: The '@odata.type' annotation is missing from an entity in the parameter 'Targets'.",
            ));
        }
        let mut body = body::read(
            &Surroundings { store: session.store, api: &context.api(), references: context.references },
            at,
            target,
        )?;
        match message {
            "CreateMultiple" => {
                created += 1;
                ids.push(write::insert(context, session, at, body, None, 0)?);
            }
            "UpdateMultiple" => {
                let id = match (body.id, &body.reference) {
                    (Some(id), _) => id,
                    (None, Some(reference)) => {
                        keys::reference(
                            &session.store.schema.clone(),
                            session.store,
                            reference,
                            &context.api(),
                            context.references,
                        )?
                        .1
                    }
                    (None, None) => {
                        return Err(ApiError::new(
                            400,
                            "0x80040203",
                            format!(
                                "The primary key '{}' is missing from an entity in the parameter 'Targets'.",
                                table.columns[table.id].name
                            ),
                        ));
                    }
                };
                if session.store.get(at, id).is_none() {
                    return Err(ApiError::new(
                        404,
                        "0x80040217",
                        format!("{} With Ids = {id} Do Not Exist", table.schema_name),
                    ));
                }
                session.update(at, id, body.changes)?;
            }
            _ => {
                let named = match (&body.reference, body.id) {
                    (Some(reference), _) => named(session, at, reference)?,
                    (None, Some(id)) => Named::Id(id),
                    (None, None) => Named::Id(session.new_id(&table)),
                };
                let existing = match &named {
                    Named::Id(id) => session.store.get(at, *id).map(|row| row.id),
                    Named::Alternate { id, .. } => *id,
                };
                body.id = None;
                match existing {
                    Some(id) => session.update(at, id, write::changes_for(&named, body.changes))?,
                    None => {
                        created += 1;
                        write::upsert_new(context, session, at, &named, body)?;
                    }
                }
            }
        }
    }
    session.bulk = false;
    let mut response = if message == "CreateMultiple" {
        ApiResponse::value(
            200,
            &json!({"@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse", context.api()), "Ids": ids}),
        )
    } else {
        ApiResponse::no_content()
    };
    response.rows = targets.len();
    response.work = Work { bulk_creates: created, bulk_updates: targets.len() - created, ..Work::default() };
    Ok(Some(response))
}

/// The key in `@odata.id`, whose row need not exist.
fn named(session: &Session<'_>, at: usize, reference: &str) -> ApiResult<Named> {
    let path = reference.find("/api/data/v").map_or(reference, |start| {
        reference[start + "/api/data/v".len()..].split_once('/').map_or("", |(_, rest)| rest)
    });
    let target = Target::parse(path.trim_start_matches('/'));
    let bad = || ApiError::odata(format!("The reference '{reference}' is not a valid entity reference."));
    let [segment] = target.segments.as_slice() else {
        return Err(bad());
    };
    if session.store.schema.set_position(&segment.name) != Some(at) {
        return Err(ApiError::odata(format!("The reference '{reference}' belongs to another table.")));
    }
    let key = segment.key.clone().ok_or_else(bad)?;
    match &key {
        KeyText::Unreadable(text) if guid(text).is_none() => Err(bad()),
        key => keys::resolve(session.store, at, key),
    }
}
