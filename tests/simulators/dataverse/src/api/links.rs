//! `$ref`: associate and disassociate.

use serde_json::Value;
use uuid::Uuid;

use super::{Context, keys, table_of};
use crate::query::members::{Members, members};
use crate::schema::Kind;
use crate::store::{Cell, Row};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::KeyText;
use crate::wire::request::{ApiResponse, Verb, Work};
use crate::write::Session;

/// Answers a write to a `$ref`.
pub(crate) fn change(context: &Context<'_>, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
    let at = table_of(&session.store.schema, &context.target)?;
    let table = session.table(at);
    let [first, navigation, _] = context.target.segments.as_slice() else {
        return Err(ApiError::odata("A reference needs an entity and a navigation property."));
    };
    let key = first.key.as_ref().ok_or_else(|| ApiError::unknown_segment("$ref"))?;
    let id = keys::resolve(session.store, at, key)?.existing(&table)?;
    if session.store.get(at, id).is_none() {
        return Err(ApiError::missing_row(&table.name, id));
    }
    if let Some((column, target)) = table.navigation(&navigation.name) {
        let value = match context.request.verb {
            Verb::Put | Verb::Post | Verb::Patch => {
                let (found, other) = sent(context, session)?;
                let name = session.store.schema.table(found).name.clone();
                let fits = matches!(&table.columns[column].kind, Kind::Lookup(targets) if targets.contains(&name))
                    && (target == name || target == "principal");
                if !fits {
                    return Err(ApiError::odata(format!(
                        "The navigation property '{}' cannot refer to '{name}'.",
                        navigation.name
                    )));
                }
                Some(Cell::Lookup { table: found, id: other })
            }
            Verb::Delete if table.columns[column].ignored_clearings.reference => return Ok(done()),
            Verb::Delete => None,
            Verb::Get => return Err(ApiError::wrong_verb("GET")),
        };
        session.update(at, id, vec![(column, value)])?;
        return Ok(done());
    }
    let members = members(&session.store.schema, &table, &navigation.name)
        .ok_or_else(|| ApiError::unknown_segment(&navigation.name))?;
    match context.request.verb {
        Verb::Post | Verb::Put => {
            let (found, other) = sent(context, session)?;
            if found != members.table() {
                return Err(ApiError::odata(format!(
                    "The navigation property '{}' cannot refer to '{}'.",
                    navigation.name,
                    session.store.schema.table(found).name
                )));
            }
            tie(session, at, id, &members, other)?;
        }
        Verb::Delete => {
            let other = match (&navigation.key, context.target.option("$id")) {
                (Some(KeyText::Id(other)), _) => *other,
                (_, Some(url)) => {
                    keys::reference(
                        &session.store.schema.clone(),
                        session.store,
                        url,
                        &context.api(),
                        context.references,
                    )?
                    .1
                }
                _ => {
                    return Err(ApiError::odata("The row to disassociate is missing: give it as ?$id= or as a key."));
                }
            };
            untie(session, id, &members, other)?;
        }
        verb => return Err(ApiError::wrong_verb(verb.name())),
    }
    Ok(done())
}

fn done() -> ApiResponse {
    let mut response = ApiResponse::no_content();
    response.rows = 1;
    response.work = Work { single_writes: 1, ..Work::default() };
    response
}

fn sent(context: &Context<'_>, session: &Session<'_>) -> ApiResult<(usize, Uuid)> {
    let body = context.request.json()?;
    let reference = body
        .get("@odata.id")
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::odata("The '@odata.id' of the reference is missing."))?;
    keys::reference(&session.store.schema, session.store, reference, &context.api(), context.references)
}

/// Makes `other` a member of the collection of `id`.
pub(crate) fn tie(session: &mut Session<'_>, at: usize, id: Uuid, members: &Members, other: Uuid) -> ApiResult<()> {
    match members {
        Members::Referencing { table, column } => {
            session.update(*table, other, vec![(*column, Some(Cell::Lookup { table: at, id }))])
        }
        Members::Tied { intersect, own, other: theirs, .. } => {
            if members.of(session.store, id).contains(&other) {
                return Err(ApiError::new(412, "0x80040237", "Cannot insert duplicate key."));
            }
            let table = session.table(*intersect);
            let mut row = Row::new(session.new_id(&table));
            row.set(table.id, Some(Cell::Guid(row.id)));
            row.set(*own, Some(Cell::Guid(id)));
            row.set(*theirs, Some(Cell::Guid(other)));
            session.store.put(*intersect, row);
            Ok(())
        }
    }
}

fn untie(session: &mut Session<'_>, id: Uuid, members: &Members, other: Uuid) -> ApiResult<()> {
    match members {
        Members::Referencing { table, column } => {
            if members.of(session.store, id).contains(&other) {
                session.update(*table, other, vec![(*column, None)])
            } else {
                Ok(())
            }
        }
        Members::Tied { intersect, own, other: theirs, .. } => {
            let ties = session.store.rows(*intersect);
            let found = ties
                .find(*own, &Cell::Guid(id))
                .into_iter()
                .find(|tie| ties.get(*tie).and_then(|row| row.get(*theirs)).and_then(Cell::id) == Some(other));
            if let Some(tie) = found {
                session.store.remove(*intersect, tie);
            }
            Ok(())
        }
    }
}
