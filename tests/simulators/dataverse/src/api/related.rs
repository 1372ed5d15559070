//! GET of a property of a row, or of the rows it is related to.

use serde_json::json;

use super::Context;
use super::read::{LARGEST_PAGE, collection, matching, single};
use crate::query::members;
use crate::query::options::{Expanded, Query};
use crate::store::{Row, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// A property of a row, or rows it is related to.
pub(crate) fn related(context: &Context<'_>, store: &Store, table: usize, row: &Row) -> ApiResult<ApiResponse> {
    let segments = &context.target.segments;
    let here = store.schema.table(table);
    let name = &segments[1].name;
    let rest: Vec<&str> = segments[2..].iter().map(|segment| segment.name.as_str()).collect();
    if let Some(column) = here.property(name) {
        let value = row.get(column).map(|cell| cell.to_json(&here.columns[column].kind));
        return match (rest.as_slice(), value) {
            ([], None) => Ok(ApiResponse::no_content()),
            ([], Some(value)) => Ok(ApiResponse::value(
                200,
                &json!({"@odata.context": format!("{}/$metadata#{}({})/{name}", context.api(), here.set, row.id), "value": value}),
            )),
            (["$value"], value) => {
                let text = value
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .unwrap_or_default();
                let mut response = ApiResponse::json(200, text.into_bytes());
                response.headers = vec![("Content-Type", "text/plain".to_owned()), ("OData-Version", "4.0".to_owned())];
                Ok(response)
            }
            ([other, ..], _) => Err(ApiError::unknown_segment(other)),
        };
    }
    let expanded = if let Some((column, target)) = here.navigation(name) {
        let target = if target == "principal" { "systemuser" } else { target };
        Expanded::One { column, table: store.schema.position(target).ok_or_else(|| ApiError::unknown_segment(name))? }
    } else {
        Expanded::Many(members::members(&store.schema, here, name).ok_or_else(|| ApiError::unknown_segment(name))?)
    };
    let only_links = rest == ["$ref"];
    match expanded {
        Expanded::One { column, .. } => {
            let Some(crate::store::Cell::Lookup { table: at, id }) = row.get(column) else {
                return Ok(ApiResponse::no_content());
            };
            let target =
                store.get(*at, *id).ok_or_else(|| ApiError::missing_row(&store.schema.table(*at).name, *id))?;
            if only_links {
                let link = format!("{}/{}({id})", context.api(), store.schema.table(*at).set);
                return Ok(ApiResponse::value(
                    200,
                    &json!({"@odata.context": format!("{}/$metadata#$ref", context.api()), "@odata.id": link}),
                ));
            }
            if let [other, ..] = rest.as_slice() {
                let at_table = store.schema.table(*at);
                let column = at_table.property(other).ok_or_else(|| ApiError::unknown_segment(other))?;
                let value = target.get(column).map(|cell| cell.to_json(&at_table.columns[column].kind));
                return Ok(ApiResponse::value(
                    200,
                    &json!({"@odata.context": format!("{}/$metadata#{}({id})/{other}", context.api(), at_table.set), "value": value}),
                ));
            }
            single(context, store, *at, target, false)
        }
        Expanded::Many(members) => {
            let ids = members.of(store, row.id);
            match rest.as_slice() {
                [] => {
                    collection(context, store, members.table(), Some(ids), &format!("{}({})/{name}", here.set, row.id))
                }
                ["$ref"] => {
                    let set = &store.schema.table(members.table()).set;
                    let links: Vec<_> =
                        ids.iter().map(|id| json!({"@odata.id": format!("{}/{set}({id})", context.api())})).collect();
                    Ok(ApiResponse::value(
                        200,
                        &json!({"@odata.context": format!("{}/$metadata#Collection($ref)", context.api()), "value": links}),
                    ))
                }
                ["$count"] => {
                    let query = Query::parse(&store.schema, members.table(), &context.target.query)?;
                    let count = matching(store, members.table(), query.filter.as_ref(), Some(ids), None)
                        .take(LARGEST_PAGE)
                        .count();
                    let mut response = ApiResponse::json(200, count.to_string().into_bytes());
                    response.headers =
                        vec![("Content-Type", "text/plain".to_owned()), ("OData-Version", "4.0".to_owned())];
                    Ok(response)
                }
                [other, ..] => Err(ApiError::unknown_segment(other)),
            }
        }
    }
}
