//! GET.

use serde_json::json;

use super::path::Target;
use super::{Answer, Context, Operation, render};
use crate::cell::write_json_text;
use crate::documents;
use crate::errors::ApiError;
use crate::metadata;
use crate::query::selection::{self, Parent};
use crate::query::{Query, filter_pairs};
use crate::schema::{Route, TableId, schema};
use crate::store::{Row, Store};

/// Most rows of one page.
const LARGEST_PAGE: usize = 20_000;

/// Answers a read.
pub(crate) fn read(
    store: &Store,
    context: &Context,
    operation: &Operation,
    target: &Target,
) -> Result<Answer, ApiError> {
    match target {
        Target::ServiceDocument => {
            Ok(Answer::json(200, metadata::service_document(context, operation.route).to_string().into_bytes()))
        }
        Target::Metadata => {
            let mut answer = Answer::empty(200);
            answer.headers = vec![("content-type", "application/xml".into()), ("odata-version", "4.0".into())];
            answer.body = metadata::csdl(operation.route).into_bytes();
            Ok(answer)
        }
        Target::EntityDefinitions => {
            Ok(Answer::json(200, metadata::entity_definitions(context, operation.route).to_string().into_bytes()))
        }
        Target::Companies => {
            let root = context.root(operation.route);
            let mut body = json!({"@odata.context": format!("{root}/$metadata#companies"), "value": [company(store)]});
            let options = filter_pairs(&operation.query);
            if options.iter().any(|(name, value)| name == "$count" && value == "true") {
                body["@odata.count"] = 1.into();
            }
            Ok(Answer::json(200, body.to_string().into_bytes()))
        }
        Target::CompanyCount => Ok(count(1)),
        Target::Company => {
            let mut body =
                json!({"@odata.context": format!("{}/$metadata#companies/$entity", context.root(operation.route))});
            if let (Some(body), Some(company)) = (body.as_object_mut(), company(store).as_object()) {
                body.extend(company.clone());
            }
            Ok(Answer::json(200, body.to_string().into_bytes()))
        }
        Target::Collection { table, parent } => collection(store, context, operation, *table, *parent),
        Target::Count { table, parent } => {
            let query = asked(store, context, operation, *table)?;
            check_lines(operation.route, *table, &query, *parent)?;
            Ok(count(selection::count(store, *table, &query, *parent)))
        }
        Target::Entity { table, id } => {
            let query = Query::parse(&operation.query, *table, operation.route, context.switches.wildcards_in_filters)?;
            let row = shown(store, operation.route, *table, *id)?;
            let mut body = Vec::with_capacity(1024);
            let fragment = entity_context(store, context, operation, *table, &query);
            render::entity(&mut body, store, operation.route, *table, row, &query, Some(&fragment));
            let mut answer = Answer::json(200, body);
            answer.headers.push(("etag", crate::etag::of(row)));
            Ok(answer)
        }
        Target::Action { .. } | Target::Batch => {
            Err(ApiError::not_allowed("GET", operation.path.rsplit('/').next().unwrap_or_default()))
        }
        Target::Subscriptions(_) => Err(ApiError::no_segment("subscriptions")),
    }
}

/// What the query of an operation asks of a collection.
fn asked(store: &Store, context: &Context, operation: &Operation, table: TableId) -> Result<Query, ApiError> {
    let mut query = Query::parse(&operation.query, table, operation.route, context.switches.wildcards_in_filters)?;
    if let Some(filter) = &mut query.filter {
        documents::translate(store, table, operation.route, filter);
        documents::keep_first_document(store, table, operation.route, filter);
    }
    Ok(query)
}

/// A number of records as text, which the service begins with a byte-order mark.
fn count(records: usize) -> Answer {
    let mut answer = Answer::empty(200);
    answer.headers = vec![("content-type", "text/plain".into()), ("odata-version", "4.0".into())];
    answer.body = format!("\u{feff}{records}").into_bytes();
    answer
}

/// A record, if the page of the route shows it.
pub(crate) fn shown(store: &Store, route: Route, table: TableId, id: uuid::Uuid) -> Result<&Row, ApiError> {
    let view = documents::page_view(table, route);
    let row = store.row(table, id).filter(|row| view.as_ref().is_none_or(|view| view.holds(store, table, row)));
    row.ok_or_else(|| crate::records::not_found(table, id))
}

/// Lines are gathered document by document: without one there is nothing to gather.
fn check_lines(route: Route, table: TableId, query: &Query, parent: Option<Parent>) -> Result<(), ApiError> {
    if parent.is_some() || !documents::lines_need_a_document(table, route) {
        return Ok(());
    }
    let definition = schema().table(table);
    let named = ["documentId", "id"].iter().filter_map(|name| definition.position(name)).any(|at| {
        query
            .filter
            .as_ref()
            .is_some_and(|filter| filter.conjuncts().iter().any(|part| part.wanted_values(at).is_some()))
    });
    if named { Ok(()) } else { Err(ApiError::dialog("You must specify an Id or a Document Id to get the lines.")) }
}

pub(crate) fn entity_context(
    store: &Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    query: &Query,
) -> String {
    let set = schema().table(table).set(operation.route).map_or("", |set| set.name.as_str());
    let selected = render::selected(table, query);
    format!("{}/$metadata#companies({})/{set}{selected}/$entity", context.root(operation.route), store.company.id)
}

fn company(store: &Store) -> serde_json::Value {
    let name = &store.company.name;
    json!({
        "id": store.company.id,
        "systemVersion": "29.0.0.0",
        "timestamp": 1,
        "name": name,
        "displayName": name,
        "businessProfileId": "",
        "systemCreatedAt": "2024-01-02T08:00:00Z",
        "systemCreatedBy": "00000000-0000-0000-0000-000000000001",
        "systemModifiedAt": "2024-01-02T08:00:00Z",
        "systemModifiedBy": "00000000-0000-0000-0000-000000000001"
    })
}

fn collection(
    store: &Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    parent: Option<Parent>,
) -> Result<Answer, ApiError> {
    let query = asked(store, context, operation, table)?;
    check_lines(operation.route, table, &query, parent)?;
    let preferred = operation.preference("odata.maxpagesize").or_else(|| operation.preference("maxpagesize"));
    let page_size = match &preferred {
        None => LARGEST_PAGE,
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > LARGEST_PAGE => {
                return Err(ApiError::new(
                    413,
                    "BadRequest",
                    format!("The requested page size {size} exceeds the maximum page size of {LARGEST_PAGE}."),
                ));
            }
            Ok(0) | Err(_) => {
                return Err(ApiError::bad_request(format!("The preference odata.maxpagesize={text} is not valid.")));
            }
            Ok(size) => size,
        },
    };
    let page = selection::select(store, table, &query, parent, page_size)?;
    let set = schema().table(table).set(operation.route).map_or("", |set| set.name.as_str());
    let mut body = Vec::with_capacity(256 + page.rows.len() * 640);
    body.extend_from_slice(b"{\"@odata.context\":");
    let fragment = format!(
        "{}/$metadata#companies({})/{set}{}",
        context.root(operation.route),
        store.company.id,
        render::selected(table, &query)
    );
    write_json_text(&fragment, &mut body);
    if let Some(total) = page.total {
        body.extend_from_slice(format!(",\"@odata.count\":{total}").as_bytes());
    }
    body.extend_from_slice(b",\"value\":[");
    for (position, row) in page.rows.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        render::entity(&mut body, store, operation.route, table, row, &query, None);
    }
    body.push(b']');
    if let Some(token) = &page.next {
        body.extend_from_slice(b",\"@odata.nextLink\":");
        write_json_text(&next_link(context, operation, &query, page.rows.len(), token), &mut body);
    }
    body.push(b'}');
    let mut answer = Answer::json(200, body);
    if let Some(size) = preferred {
        answer.headers.push(("preference-applied", format!("odata.maxpagesize={size}")));
    }
    Ok(answer)
}

/// The same request, continued after the last row of the page.
fn next_link(context: &Context, operation: &Operation, query: &Query, answered: usize, token: &str) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut parts = vec!["aid=FIN".to_owned()];
    for (name, value) in filter_pairs(&operation.query) {
        match name.as_str() {
            "$skiptoken" | "$skip" | "aid" => {}
            "$top" => parts.push(format!("$top={}", query.top.unwrap_or(0).saturating_sub(answered))),
            _ if name.starts_with('$') => parts.push(format!("{name}={}", encode(&value))),
            _ => parts.push(format!("{}={}", encode(&name), encode(&value))),
        }
    }
    parts.push(format!("$skiptoken={token}"));
    format!("{}/{}?{}", context.root(operation.route), operation.path, parts.join("&"))
}
