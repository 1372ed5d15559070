//! POST, PATCH, PUT and DELETE of rows and single properties.

use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{self, Body, Nested, Surroundings};
use super::keys::{self, Named};
use super::{Context, read, table_of};
use crate::query::members::Members;
use crate::schema::{Kind, Table};
use crate::store::Cell;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::KeyText;
use crate::wire::request::{ApiResponse, Verb, Work};
use crate::write::{Changes, Session};

/// Nested inserts beyond this depth are refused.
const DEEPEST: usize = 10;

/// Conditions of `If-Match` and `If-None-Match`.
enum Condition {
    None,
    MustExist,
    MustNotExist,
    Version(String),
}

/// Answers a write.
pub(crate) fn change(context: &Context<'_>, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
    let at = table_of(&session.store.schema, &context.target)?;
    let segments = &context.target.segments;
    let key = segments[0].key.clone();
    let mut response = match (context.request.verb, key, &segments[1..]) {
        (Verb::Post, None, []) => create(context, session, at)?,
        (Verb::Patch, Some(key), []) => update(context, session, at, &key)?,
        (Verb::Delete, Some(key), []) => {
            let table = session.table(at);
            let id = keys::resolve(session.store, at, &key)?.existing(&table)?;
            check_version(context, session, at, id)?;
            session.delete(at, id)?;
            ApiResponse::no_content()
        }
        (Verb::Put | Verb::Delete, Some(key), [property]) => set_property(context, session, at, &key, &property.name)?,
        (Verb::Post | Verb::Patch | Verb::Put | Verb::Delete, _, [segment, ..]) => {
            return Err(ApiError::unknown_segment(&segment.name));
        }
        (verb, ..) => return Err(ApiError::wrong_verb(verb.name())),
    };
    response.rows = response.rows.max(1);
    response.work = Work { single_writes: 1, ..Work::default() };
    Ok(response)
}

fn condition(context: &Context<'_>) -> Condition {
    if let Some(value) = context.request.header("if-match") {
        return if value.trim() == "*" { Condition::MustExist } else { Condition::Version(value.trim().to_owned()) };
    }
    match context.request.header("if-none-match").as_deref().map(str::trim) {
        Some("*") => Condition::MustNotExist,
        _ => Condition::None,
    }
}

fn check_version(context: &Context<'_>, session: &Session<'_>, at: usize, id: Uuid) -> ApiResult<()> {
    let Condition::Version(wanted) = condition(context) else {
        return Ok(());
    };
    let table = session.table(at);
    let row = session.store.get(at, id).ok_or_else(|| ApiError::missing_row(&table.name, id))?;
    if !table.optimistic_concurrency {
        return Err(ApiError::refused(
            "0x80060883",
            format!("Optimistic concurrency isn't enabled for entity type {}.", table.name),
        ));
    }
    let version = wanted.trim_start_matches("W/").trim_matches('"');
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::odata(format!("The ETag '{wanted}' is not a valid ETag.")));
    }
    if version == row.version.to_string() { Ok(()) } else { Err(ApiError::stale()) }
}

fn read_body(context: &Context<'_>, session: &Session<'_>, at: usize) -> ApiResult<Body> {
    let value = context.request.json().map_err(|error| ApiError {
        message: error.message.replace(":''", &format!(":'{}'", session.table(at).set)),
        ..error
    })?;
    body::read(&Surroundings { store: session.store, api: &context.api(), references: context.references }, at, &value)
}

fn create(context: &Context<'_>, session: &mut Session<'_>, at: usize) -> ApiResult<ApiResponse> {
    let body = read_body(context, session, at)?;
    let id = insert(context, session, at, body, None, 0)?;
    written(context, session, at, id, 201, None)
}

/// Creates a row with what is nested in it.
pub(crate) fn insert(
    context: &Context<'_>,
    session: &mut Session<'_>,
    at: usize,
    mut body: Body,
    id: Option<Uuid>,
    depth: usize,
) -> ApiResult<Uuid> {
    if depth > DEEPEST {
        return Err(ApiError::odata("The deep insert has too many levels."));
    }
    let mut afterwards = Vec::new();
    for nested in std::mem::take(&mut body.nested) {
        match nested {
            Nested::One(column, target, value) => {
                let inner = body::read(
                    &Surroundings { store: session.store, api: &context.api(), references: context.references },
                    target,
                    &value,
                )?;
                let created = insert(context, session, target, inner, None, depth + 1)?;
                body.changes.push((column, Some(Cell::Lookup { table: target, id: created })));
            }
            other => afterwards.push(other),
        }
    }
    let id = session.create(at, id.or(body.id), body.changes)?;
    for nested in afterwards {
        match nested {
            Nested::Many(members, rows) => {
                for value in rows {
                    let mut inner = body::read(
                        &Surroundings { store: session.store, api: &context.api(), references: context.references },
                        members.table(),
                        &value,
                    )?;
                    if let Members::Referencing { column, .. } = &members {
                        inner.changes.push((*column, Some(Cell::Lookup { table: at, id })));
                        insert(context, session, members.table(), inner, None, depth + 1)?;
                    } else {
                        let other = insert(context, session, members.table(), inner, None, depth + 1)?;
                        super::links::tie(session, at, id, &members, other)?;
                    }
                }
            }
            Nested::Links(members, links) => {
                for (_, other) in links {
                    super::links::tie(session, at, id, &members, other)?;
                }
            }
            Nested::One(..) => {}
        }
    }
    Ok(id)
}

fn update(context: &Context<'_>, session: &mut Session<'_>, at: usize, key: &KeyText) -> ApiResult<ApiResponse> {
    let table = session.table(at);
    // Without a condition the request is an upsert, whatever is there.
    let is_upsert = !matches!(condition(context), Condition::MustExist | Condition::Version(_));
    if is_upsert && table.name == "post" && !session.behaviour.posts_take_upserts {
        return Err(ApiError::no_method("Upsert", &table.name));
    }
    let named = keys::resolve(session.store, at, key)?;
    let body = read_body(context, session, at)?;
    let existing = match &named {
        Named::Id(id) => session.store.get(at, *id).map(|row| row.id),
        Named::Alternate { id, .. } => *id,
    };
    match (existing, condition(context)) {
        (Some(_), Condition::MustNotExist) => Err(ApiError::duplicate()),
        (None, Condition::MustExist | Condition::Version(_)) => Err(match &named {
            Named::Id(id) => ApiError::missing_row(&table.name, *id),
            Named::Alternate { .. } => ApiError::missing_key(&table.name),
        }),
        (Some(id), _) => {
            check_version(context, session, at, id)?;
            no_nested(&body, &table)?;
            session.update(at, id, changes_for(&named, body.changes))?;
            written(context, session, at, id, 200, Some(key))
        }
        (None, _) => {
            let id = upsert_new(context, session, at, &named, body)?;
            written(context, session, at, id, 201, Some(key))
        }
    }
}

/// An update through an alternate key leaves the columns of the key alone.
pub(crate) fn changes_for(named: &Named, changes: Changes) -> Changes {
    match named {
        Named::Id(_) => changes,
        Named::Alternate { values, .. } => {
            changes.into_iter().filter(|(column, _)| !values.iter().any(|(key, _)| key == column)).collect()
        }
    }
}

/// The create path of an upsert: key values of the URL are used unless the body has its own.
pub(crate) fn upsert_new(
    context: &Context<'_>,
    session: &mut Session<'_>,
    at: usize,
    named: &Named,
    mut body: Body,
) -> ApiResult<Uuid> {
    match named {
        Named::Id(id) => insert(context, session, at, body, Some(*id), 0),
        Named::Alternate { values, .. } => {
            let table = session.table(at);
            for (column, cell) in values {
                if !body.changes.iter().any(|(sent, _)| sent == column) {
                    let cell = match (&table.columns[*column].kind, cell) {
                        (Kind::Lookup(targets), Cell::Guid(id)) => {
                            let target = targets
                                .iter()
                                .filter_map(|target| session.store.schema.position(target))
                                .find(|target| session.store.get(*target, *id).is_some());
                            Cell::Lookup {
                                table: target.ok_or_else(|| {
                                    ApiError::missing_row(targets.first().map_or("", String::as_str), *id)
                                })?,
                                id: *id,
                            }
                        }
                        (_, cell) => cell.clone(),
                    };
                    body.changes.push((*column, Some(cell)));
                }
            }
            insert(context, session, at, body, None, 0)
        }
    }
}

fn no_nested(body: &Body, table: &Table) -> ApiResult<()> {
    if body.nested.is_empty() {
        return Ok(());
    }
    Err(ApiError::payload(
        &table.set,
        "Microsoft.OData.ODataException: Deep update of related rows is not supported; only references can be changed in an update.",
    ))
}

fn set_property(
    context: &Context<'_>,
    session: &mut Session<'_>,
    at: usize,
    key: &KeyText,
    name: &str,
) -> ApiResult<ApiResponse> {
    let table = session.table(at);
    let id = keys::resolve(session.store, at, key)?.existing(&table)?;
    let column = table.property(name).ok_or_else(|| ApiError::unknown_segment(name))?;
    if matches!(table.columns[column].kind, Kind::Lookup(_)) {
        return Err(ApiError::odata("Navigation properties cannot be set or cleared as single values."));
    }
    let value = if context.request.verb == Verb::Put {
        match context.request.json()? {
            Value::Object(mut map) if map.contains_key("value") => map.shift_remove("value").unwrap_or(Value::Null),
            _ => {
                return Err(ApiError::payload(
                    &table.set,
                    "Microsoft.OData.ODataException: A property named 'value' was expected.",
                ));
            }
        }
    } else {
        Value::Null
    };
    check_version(context, session, at, id)?;
    let body = body::read(
        &Surroundings { store: session.store, api: &context.api(), references: context.references },
        at,
        &json!({name: value}),
    )?;
    session.update(at, id, body.changes)?;
    Ok(ApiResponse::no_content())
}

/// The answer to a create or update.
fn written(
    context: &Context<'_>,
    session: &Session<'_>,
    at: usize,
    id: Uuid,
    status: u16,
    key: Option<&KeyText>,
) -> ApiResult<ApiResponse> {
    let table = session.table(at);
    if context.prefer.representation {
        let row = session.store.get(at, id).ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        let mut response = read::single(context, session.store, at, row, false)?;
        response.status = status;
        return Ok(response.with("Preference-Applied", "return=representation"));
    }
    // The answer echoes the form of the key in the URL.
    let echoed = match key {
        Some(KeyText::Named(_)) => context.target_text(),
        _ => format!("{}({id})", table.set),
    };
    let url = format!("{}/{echoed}", context.api());
    let response = ApiResponse::no_content().with("OData-EntityId", url.clone());
    Ok(if key.is_none() { response.with("Location", url) } else { response })
}

impl Context<'_> {
    /// The resource as it was sent, without the query.
    fn target_text(&self) -> String {
        let text = self.request.resource.split_once('?').map_or(self.request.resource.as_str(), |(path, _)| path);
        text.to_owned()
    }
}
