//! GET: service document, collections, single rows, properties and related rows.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::cookie::Cookie;
use super::related::related;
use super::{Context, changes, csdl, definitions, fetch_xml, functions, key_of, keys, messages, sql, table_of};
use crate::query::options::Query;
use crate::query::plan;
use crate::query::predicate::Predicate;
use crate::schema::Table;
use crate::store::{Row, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::KeyText;
use crate::wire::request::{ApiResponse, Work};
use crate::wire::rows::{self, RowWriter};

/// Rows per answer at most, and by default.
pub(crate) const LARGEST_PAGE: usize = 5000;

/// Answers a GET.
pub(crate) fn get(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let segments = &context.target.segments;
    let Some(first) = segments.first() else {
        return Ok(service_document(context));
    };
    if let Some(response) = functions::get(context)? {
        return Ok(response);
    }
    match first.name.as_str() {
        "$metadata" => return Ok(csdl::get(context)),
        "EntityDefinitions" | "GlobalOptionSetDefinitions" | "RelationshipDefinitions" => {
            return definitions::get(context);
        }
        _ => {}
    }
    let store = context.world.read();
    let table = table_of(&store.schema, &context.target)?;
    may_read(context, store.schema.table(table))?;
    match (&first.key, &segments[1..]) {
        (None, []) if context.target.option("fetchXml").is_some() => fetch_xml::get(context, &store, table),
        (None, []) if ["savedQuery", "userQuery"].iter().any(|option| context.target.option(option).is_some()) => {
            Err(ApiError::new(404, "0x80040217", "savedquery With Id Does Not Exist"))
        }
        (None, []) if context.target.option("sql").is_some() => sql::get(context, &store),
        (None, []) if changes::wanted(context) => changes::get(context, &store, table),
        (None, []) => {
            let within = messages::within(context, &store, table);
            collection(context, &store, table, within, &first.name)
        }
        (None, [count]) if count.name == "$count" => counted(context, &store, table),
        (None, [cast]) if cast.name == "Microsoft.Dynamics.CRM.GetMultiple" => {
            Err(ApiError::not_supported("GetMultiple"))
        }
        (Some(_), rest) => {
            let key = key_of(&context.target).unwrap_or(&KeyText::Empty);
            let id = keys::resolve(&store, table, key)?.existing(store.schema.table(table))?;
            let row = store.get(table, id).ok_or_else(|| ApiError::missing_row(&store.schema.table(table).name, id))?;
            if rest.is_empty() {
                single(context, &store, table, row, true)
            } else {
                related(context, &store, table, row)
            }
        }
        (None, [segment, ..]) => Err(ApiError::unknown_segment(&segment.name)),
    }
}

/// Whether the caller may read rows of a table. Rows that are shown through another table are not looked at.
fn may_read(context: &Context<'_>, table: &Table) -> ApiResult<()> {
    let caller = context.request.caller;
    let taken = context.world.faults.taken_privileges();
    let is_taken =
        caller == context.world.fixed.integration_user && taken.contains(&("Read".to_owned(), table.name.clone()));
    if is_taken { Err(ApiError::no_privilege("Read", table, caller)) } else { Ok(()) }
}

fn service_document(context: &Context<'_>) -> ApiResponse {
    let store = context.world.read();
    let sets: Vec<_> =
        store.schema.living().map(|table| json!({"name": table.set, "kind": "EntitySet", "url": table.set})).collect();
    ApiResponse::value(200, &json!({"@odata.context": format!("{}/$metadata", context.api()), "value": sets}))
}

fn counted(context: &Context<'_>, store: &Store, table: usize) -> ApiResult<ApiResponse> {
    if changes::wanted(context) {
        return changes::count(context, store, table);
    }
    let query = Query::parse(&store.schema, table, &context.target.query)?;
    let count = matching(store, table, query.filter.as_ref(), None, None).take(LARGEST_PAGE).count();
    let mut response = ApiResponse::json(200, count.to_string().into_bytes());
    response.headers = vec![("Content-Type", "text/plain".to_owned()), ("OData-Version", "4.0".to_owned())];
    Ok(response)
}

/// Rows that satisfy a filter, in the order of their ids.
pub(crate) fn matching<'a>(
    store: &'a Store,
    table: usize,
    filter: Option<&'a Predicate>,
    within: Option<Vec<Uuid>>,
    after: Option<Uuid>,
) -> Box<dyn Iterator<Item = &'a Row> + 'a> {
    let all = store.rows(table);
    let planned: Option<BTreeSet<Uuid>> = match within {
        Some(ids) => Some(ids.into_iter().collect()),
        None => filter.and_then(|filter| plan::candidates(filter, store.schema.table(table).id, all)),
    };
    let accepted = move |row: &&Row| filter.is_none_or(|filter| filter.holds(store, row));
    match planned {
        Some(ids) => Box::new(
            ids.into_iter()
                .filter(move |id| after.is_none_or(|after| *id > after))
                .filter_map(|id| all.get(id))
                .map(AsRef::as_ref)
                .filter(accepted),
        ),
        None => Box::new(all.after(after).map(AsRef::as_ref).filter(accepted)),
    }
}

/// One page of a collection; `within` limits it to these rows.
pub(crate) fn collection(
    context: &Context<'_>,
    store: &Store,
    table: usize,
    within: Option<Vec<Uuid>>,
    path: &str,
) -> ApiResult<ApiResponse> {
    let query = Query::parse(&store.schema, table, &context.target.query)?;
    // `$top` and a page size do not go together: the newer document says that `$top` is ignored then.
    let top = query.top.filter(|_| context.prefer.page_size.is_none());
    let size = context.prefer.page_size.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let size = top.map_or(size, |top| top.min(LARGEST_PAGE));
    let cookie = context.target.option("$skiptoken").map(Cookie::parse).transpose()?;
    let total = query
        .count
        .then(|| matching(store, table, query.filter.as_ref(), within.clone(), None).take(LARGEST_PAGE + 1).count());
    let after = cookie.as_ref().map(|cookie| cookie.last);
    let (page, more) = if query.order.is_empty() {
        let mut page: Vec<&Row> = matching(store, table, query.filter.as_ref(), within, after).take(size + 1).collect();
        let more = page.len() > size;
        page.truncate(size);
        (page, more)
    } else {
        let mut all: Vec<&Row> = matching(store, table, query.filter.as_ref(), within, None).collect();
        rows::sort(store, &mut all, &query);
        let start = cookie.as_ref().map_or(0, |cookie| cookie.position(&all));
        let more = all.len() > start + size;
        (all.into_iter().skip(start).take(size).collect(), more)
    };
    let next = (more && top.is_none()).then(|| {
        let number = cookie.as_ref().map_or(1, |cookie| cookie.page);
        Cookie {
            page: number + 1,
            last: page.last().map(|row| row.id).unwrap_or_default(),
            offset: number * size,
            tracking: false,
        }
    });
    let here = store.schema.table(table);
    let mut out = Vec::with_capacity(page.len() * 256 + 256);
    out.extend_from_slice(b"{\"@odata.context\":");
    rows::text(&mut out, &context_url(context, here, &query, ""));
    if let Some(total) = total {
        out.extend_from_slice(format!(",\"@odata.count\":{}", total.min(LARGEST_PAGE)).as_bytes());
    }
    if context.prefer.annotates("Microsoft.Dynamics.CRM.totalrecordcount") {
        totals(&mut out, total);
    }
    out.extend_from_slice(b",\"value\":[");
    let writer = RowWriter::new(store, &context.prefer);
    for (at, row) in page.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        writer.row(&mut out, table, row, &query, None);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"@odata.nextLink\":");
        rows::text(&mut out, &next_link(context, path, &next));
    }
    out.push(b'}');
    let mut response = preferences(context, ApiResponse::json(200, out));
    response.rows = page.len();
    response.work = Work { reads: page.len(), ..Work::default() };
    Ok(response)
}

/// The total as annotations. `None`: nobody counted, which is -1 and exceeds no limit.
pub(crate) fn totals(out: &mut Vec<u8>, total: Option<usize>) {
    let shown = total.map_or_else(|| "-1".to_owned(), |total| total.min(LARGEST_PAGE).to_string());
    let exceeded = total.is_some_and(|total| total > LARGEST_PAGE);
    out.extend_from_slice(
        format!(
            ",\"@Microsoft.Dynamics.CRM.totalrecordcount\":{shown},\"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":{exceeded}"
        )
        .as_bytes(),
    );
}

/// `Preference-Applied`.
pub(crate) fn preferences(context: &Context<'_>, response: ApiResponse) -> ApiResponse {
    let mut applied = Vec::new();
    if let Some(size) = context.prefer.page_size {
        applied.push(format!("odata.maxpagesize={size}"));
    }
    if context.prefer.annotated() {
        applied.push(format!("odata.include-annotations=\"{}\"", context.prefer.annotations.join(",")));
    }
    if context.prefer.track_changes {
        applied.push("odata.track-changes".to_owned());
    }
    if applied.is_empty() { response } else { response.with("Preference-Applied", applied.join(",")) }
}

/// `@odata.context` of a query result.
pub(crate) fn context_url(context: &Context<'_>, table: &Table, query: &Query, suffix: &str) -> String {
    let mut parts: Vec<String> =
        query.select_text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    for expand in &query.expand {
        parts.push(format!("{}({})", expand.name, expand.query.select_text));
    }
    let columns = if parts.is_empty() { String::new() } else { format!("({})", parts.join(",")) };
    format!("{}/$metadata#{}{columns}{suffix}", context.api(), table.set)
}

fn next_link(context: &Context<'_>, path: &str, cookie: &Cookie) -> String {
    let kept: Vec<&str> = context
        .target
        .raw_query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("$skiptoken=") && !part.starts_with("%24skiptoken="))
        .collect();
    let separator = if kept.is_empty() { "" } else { "&" };
    format!("{}/{path}?{}{separator}$skiptoken={}", context.api(), kept.join("&"), cookie.text(&path.replace("()", "")))
}

/// One row.
pub(crate) fn single(
    context: &Context<'_>,
    store: &Store,
    table: usize,
    row: &Row,
    conditional: bool,
) -> ApiResult<ApiResponse> {
    let query = Query::parse(&store.schema, table, &context.target.query)?;
    let here = store.schema.table(table);
    let etag = format!("W/\"{}\"", row.version);
    if conditional
        && here.optimistic_concurrency
        && query.expand.is_empty()
        && !context.prefer.annotated()
        && let Some(known) = context.request.header("if-none-match")
        && known.trim() == etag
    {
        let mut response = ApiResponse::no_content();
        response.status = 304;
        return Ok(response.with("ETag", etag));
    }
    let mut out = Vec::new();
    RowWriter::new(store, &context.prefer).row(
        &mut out,
        table,
        row,
        &query,
        Some(&context_url(context, here, &query, "/$entity")),
    );
    let mut response = preferences(context, ApiResponse::json(200, out)).with("ETag", etag);
    response.rows = 1;
    response.work = Work { reads: 1, ..Work::default() };
    Ok(response)
}
