//! From the path of a request to what it means.

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::Operation;
use crate::cell;
use crate::documents;
use crate::errors::ApiError;
use crate::navigation::{self, Link};
use crate::query::selection::Parent;
use crate::schema::{Route, TableId, schema};
use crate::store::Store;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    ServiceDocument,
    Metadata,
    Batch,
    EntityDefinitions,
    Companies,
    CompanyCount,
    Company,
    Subscriptions(Option<String>),
    Collection { table: TableId, parent: Option<Parent> },
    Count { table: TableId, parent: Option<Parent> },
    Entity { table: TableId, id: Uuid },
    Action { table: TableId, id: Uuid, name: String },
}

struct Segment {
    name: String,
    key: Option<String>,
}

/// Finds what the path of an operation names.
pub(crate) fn resolve(store: &Store, operation: &Operation, uri: &str) -> Result<Target, ApiError> {
    let segments = segments(&operation.path).ok_or_else(|| ApiError::no_route(uri))?;
    let Some(first) = segments.first() else { return Ok(Target::ServiceDocument) };
    if segments.len() == 1 {
        match (first.name.as_str(), &first.key) {
            ("$metadata", None) => return Ok(Target::Metadata),
            ("$batch", None) => return Ok(Target::Batch),
            ("entityDefinitions", None) => return Ok(Target::EntityDefinitions),
            ("companies", None) => return Ok(Target::Companies),
            ("subscriptions", key) => {
                return Ok(Target::Subscriptions(key.as_ref().map(|key| key.trim_matches('\'').to_owned())));
            }
            _ => {}
        }
    }
    if let [companies, count] = segments.as_slice()
        && (companies.name.as_str(), &companies.key, count.name.as_str()) == ("companies", &None, "$count")
    {
        return Ok(Target::CompanyCount);
    }
    if first.name == "companies" {
        let key = first.key.as_deref().ok_or_else(|| ApiError::no_segment(&segments[1].name))?;
        let id = key_id(key, uri)?;
        if id != store.company.id {
            return Err(ApiError::new(
                404,
                "Internal_CompanyNotFound",
                format!("The company with the id '{id}' does not exist."),
            ));
        }
        return match segments.get(1..) {
            None | Some([]) => Ok(Target::Company),
            Some(rest) => below_company(store, operation.route, rest, uri),
        };
    }
    if schema().entity_set(operation.route, &first.name).is_none() {
        return Err(ApiError::no_segment(&first.name));
    }
    company_by_name(store, operation)?;
    below_company(store, operation.route, &segments, uri)
}

/// The company may be named in the query, or in a header of a request inside a batch.
fn company_by_name(store: &Store, operation: &Operation) -> Result<(), ApiError> {
    let in_query = crate::query::filter_pairs(&operation.query)
        .into_iter()
        .find(|(name, _)| name == "company")
        .map(|(_, company)| company);
    let company = in_query
        .or_else(|| operation.header("company").map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()));
    let company = company.unwrap_or_default();
    if company == store.company.name || cell::parse_guid(&company) == Some(store.company.id) {
        return Ok(());
    }
    Err(ApiError::new(404, "Internal_CompanyNotFound", format!("Cannot find company '{company}'.")))
}

fn below_company(store: &Store, route: Route, segments: &[Segment], uri: &str) -> Result<Target, ApiError> {
    let [first, rest @ ..] = segments else { return Err(ApiError::no_route(uri)) };
    let table = schema().entity_set(route, &first.name).ok_or_else(|| ApiError::no_segment(&first.name))?;
    let mut target = match &first.key {
        Some(key) => Target::Entity { table, id: documents::id_behind(store, table, route, key_id(key, uri)?)? },
        None => Target::Collection { table, parent: None },
    };
    for segment in rest {
        target = step(store, route, &target, segment, uri)?;
    }
    Ok(target)
}

fn step(store: &Store, route: Route, from: &Target, segment: &Segment, uri: &str) -> Result<Target, ApiError> {
    match *from {
        Target::Collection { table, parent } if segment.name == "$count" && segment.key.is_none() => {
            Ok(Target::Count { table, parent })
        }
        Target::Entity { table, id } => {
            if let Some(action) = segment.name.strip_prefix("Microsoft.NAV.") {
                return Ok(Target::Action { table, id, name: action.to_owned() });
            }
            let navigation =
                navigation::find(table, route, &segment.name).ok_or_else(|| ApiError::no_segment(&segment.name))?;
            let row = store.row(table, id).ok_or_else(|| crate::records::not_found(table, id))?;
            match navigation.link {
                Link::Many { foreign } => match &segment.key {
                    Some(key) => Ok(Target::Entity { table: navigation.target, id: key_id(key, uri)? }),
                    None => Ok(Target::Collection { table: navigation.target, parent: Some(Parent { id, foreign }) }),
                },
                Link::One { .. } | Link::Same => {
                    let found = navigation::follow(store, row, &navigation)
                        .ok_or_else(|| ApiError::no_segment(&segment.name))?;
                    Ok(Target::Entity { table: navigation.target, id: found.id })
                }
            }
        }
        _ => Err(ApiError::no_segment(&segment.name)),
    }
}

/// The SystemId in the brackets of a segment, bare or as `id=...`.
fn key_id(key: &str, uri: &str) -> Result<Uuid, ApiError> {
    let bare = key.trim();
    let bare = bare.strip_prefix("id=").or_else(|| bare.strip_prefix("Id=")).unwrap_or(bare);
    cell::parse_guid(bare).ok_or_else(|| ApiError::no_route(uri))
}

fn segments(path: &str) -> Option<Vec<Segment>> {
    path.split('/').filter(|part| !part.is_empty()).map(segment).collect()
}

fn segment(text: &str) -> Option<Segment> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    match text.split_once('(') {
        None => Some(Segment { name: text.into_owned(), key: None }),
        Some((name, rest)) => Some(Segment { name: name.to_owned(), key: Some(rest.strip_suffix(')')?.to_owned()) }),
    }
}
