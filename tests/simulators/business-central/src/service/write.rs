//! POST, PATCH, DELETE and bound actions.

use http::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::path::Target;
use super::{Answer, Context, Operation, read, render};
use crate::cell::Cell;
use crate::documents;
use crate::errors::ApiError;
use crate::etag;
use crate::faults::Poison;
use crate::navigation::{self, Link};
use crate::query::Query;
use crate::query::selection::Parent;
use crate::records::{self, Incoming, Writer, page_rules};
use crate::schema::{Route, TableId, schema};
use crate::store::Store;

/// Carries out a write, whole or not at all.
pub(crate) fn write(
    store: &mut Store,
    context: &Context,
    operation: &Operation,
    target: &Target,
    poison: &[Poison],
) -> Result<Answer, ApiError> {
    if operation.header("data-access-intent").is_some_and(|intent| intent.eq_ignore_ascii_case("readonly")) {
        return Err(ApiError::bad_request(
            "The header Data-Access-Intent with the value ReadOnly is only allowed on GET requests.",
        ));
    }
    let result = store.transaction(|store| match (operation.method.clone(), target) {
        (Method::POST, Target::Collection { table, parent }) => {
            create(store, context, operation, *table, *parent, poison)
        }
        (Method::PATCH, Target::Entity { table, id }) => modify(store, context, operation, *table, *id, poison),
        (Method::DELETE, Target::Entity { table, id }) => delete(store, context, operation, *table, *id),
        (Method::POST, Target::Action { table, id, name }) => action(store, context, operation, *table, *id, name),
        (method, target) => Err(ApiError::not_allowed(method.as_str(), &named(operation, target))),
    });
    match result {
        Err(error) if context.switches.duplicate_is_conflict && error.code == "Internal_EntityWithSameKeyExists" => {
            Err(ApiError { status: 409, ..error })
        }
        other => other,
    }
}

fn named(operation: &Operation, target: &Target) -> String {
    match target {
        Target::Collection { table, .. }
        | Target::Entity { table, .. }
        | Target::Count { table, .. }
        | Target::Action { table, .. } => set_name(*table, operation.route),
        Target::Companies | Target::Company => "companies".into(),
        _ => operation.path.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn set_name(table: TableId, route: Route) -> String {
    schema().table(table).set(route).map_or_else(String::new, |set| set.name.clone())
}

fn body(operation: &Operation) -> Result<Map<String, Value>, ApiError> {
    let json = operation.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if !json {
        return Err(ApiError::new(
            415,
            "BadRequest",
            "The content type of the request is not supported. Use application/json.",
        ));
    }
    match serde_json::from_slice(&operation.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(ApiError::bad_request("Invalid Request Body: a JSON object was expected.")),
        Err(error) => Err(ApiError::bad_request(format!("Invalid Request Body: {error}."))),
    }
}

fn refuse_poison(body: &Map<String, Value>, table: TableId, poison: &[Poison]) -> Result<(), ApiError> {
    let table = &schema().table(table).name;
    let found = poison.iter().find(|poison| {
        poison.table.as_ref().is_none_or(|wanted| wanted == table)
            && body.iter().any(|(name, value)| {
                poison.property.as_ref().is_none_or(|wanted| wanted == name)
                    && value.as_str().is_some_and(|text| text.contains(&poison.text))
            })
    });
    match found {
        Some(poison) => Err(ApiError::dialog(format!("The value '{}' is not allowed here.", poison.text))),
        None => Ok(()),
    }
}

fn create(
    store: &mut Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    parent: Option<Parent>,
    poison: &[Poison],
) -> Result<Answer, ApiError> {
    let route = operation.route;
    let definition = schema().table(table);
    if documents::is_read_only_page(table, route) || !definition.set(route).is_some_and(|set| set.insert) {
        return Err(ApiError::not_allowed("POST", &set_name(table, route)));
    }
    let body = body(operation)?;
    refuse_poison(&body, table, poison)?;
    let mut incoming = Incoming::for_create(definition, Writer::Api(route), &body)?;
    if let Some(parent) = parent {
        incoming.values.retain(|(at, _)| *at != parent.foreign);
        incoming.values.insert(0, (parent.foreign, Cell::Guid(parent.id)));
    }
    page_rules::check_create(store, table, route, &incoming, context.switches)?;
    let nested = std::mem::take(&mut incoming.nested);
    let id = records::create(store, table, &incoming, Writer::Api(route))?;
    for (name, value) in nested {
        deep_insert(store, context, route, table, id, &name, &value)?;
    }
    let location = format!("{}/companies({})/{}({id})", context.root(route), store.company.id, set_name(table, route));
    if operation.preference("return-no-content").is_some() {
        let mut answer = Answer::empty(204);
        answer.headers.push(("location", location));
        return Ok(answer);
    }
    let mut answer = entity(store, context, operation, table, id, 201)?;
    answer.headers.push(("location", location));
    Ok(answer)
}

fn deep_insert(
    store: &mut Store,
    context: &Context,
    route: Route,
    table: TableId,
    owner: Uuid,
    name: &str,
    value: &Value,
) -> Result<(), ApiError> {
    let entity = schema().table(table).set(route).map_or("", |set| set.entity.as_str());
    let navigation = navigation::find(table, route, name).ok_or_else(|| ApiError::unknown_property(name, entity))?;
    let (Link::Many { foreign }, Some(members)) = (navigation.link, value.as_array()) else {
        return Err(ApiError::bad_request(format!("Invalid Request Body: '{name}' must be an array of entities.")));
    };
    for member in members {
        let member = member.as_object().ok_or_else(|| {
            ApiError::bad_request(format!("Invalid Request Body: '{name}' must be an array of entities."))
        })?;
        let mut incoming = Incoming::for_create(schema().table(navigation.target), Writer::Api(route), member)?;
        incoming.values.retain(|(at, _)| *at != foreign);
        incoming.values.insert(0, (foreign, Cell::Guid(owner)));
        page_rules::check_create(store, navigation.target, route, &incoming, context.switches)?;
        let nested = std::mem::take(&mut incoming.nested);
        let id = records::create(store, navigation.target, &incoming, Writer::Api(route))?;
        for (name, value) in nested {
            deep_insert(store, context, route, navigation.target, id, &name, &value)?;
        }
    }
    Ok(())
}

fn modify(
    store: &mut Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    id: Uuid,
    poison: &[Poison],
) -> Result<Answer, ApiError> {
    let route = operation.route;
    let definition = schema().table(table);
    if documents::is_read_only_page(table, route) || !definition.set(route).is_some_and(|set| set.modify) {
        return Err(ApiError::not_allowed("PATCH", &set_name(table, route)));
    }
    let row = read::shown(store, operation.route, table, id)?;
    etag::check(operation.header("if-match"), true, row)?;
    let body = body(operation)?;
    refuse_poison(&body, table, poison)?;
    let incoming = Incoming::for_modify(definition, Writer::Api(route), &body, id)?;
    page_rules::check_modify(store, table, read::shown(store, route, table, id)?, &incoming)?;
    records::modify(store, table, id, &incoming, Writer::Api(route))?;
    entity(store, context, operation, table, id, 200)
}

fn delete(
    store: &mut Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    id: Uuid,
) -> Result<Answer, ApiError> {
    if documents::is_read_only_page(table, operation.route)
        || !schema().table(table).set(operation.route).is_some_and(|set| set.delete)
    {
        return Err(ApiError::not_allowed("DELETE", &set_name(table, operation.route)));
    }
    let row = read::shown(store, operation.route, table, id)?;
    etag::check(operation.header("if-match"), context.switches.delete_needs_if_match, row)?;
    records::delete(store, table, id, Writer::Api(operation.route))?;
    Ok(Answer::empty(204))
}

fn action(
    store: &mut Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    id: Uuid,
    name: &str,
) -> Result<Answer, ApiError> {
    let row = read::shown(store, operation.route, table, id)?;
    etag::check(operation.header("if-match"), false, row)?;
    let result = documents::act(store, operation.route, table, id, name)?;
    let mut answer = Answer::empty(204);
    if let Some((table, id)) = result {
        let location = format!(
            "{}/companies({})/{}({id})",
            context.root(operation.route),
            store.company.id,
            set_name(table, operation.route)
        );
        answer.headers.push(("location", location));
    }
    Ok(answer)
}

fn entity(
    store: &Store,
    context: &Context,
    operation: &Operation,
    table: TableId,
    id: Uuid,
    status: u16,
) -> Result<Answer, ApiError> {
    let query = Query::parse(&operation.query, table, operation.route, context.switches.wildcards_in_filters)?;
    let row = store.row(table, id).ok_or_else(|| records::not_found(table, id))?;
    let mut body = Vec::with_capacity(1024);
    let fragment = read::entity_context(store, context, operation, table, &query);
    render::entity(&mut body, store, operation.route, table, row, &query, Some(&fragment));
    let mut answer = Answer::json(status, body);
    answer.headers.push(("etag", etag::of(row)));
    Ok(answer)
}
