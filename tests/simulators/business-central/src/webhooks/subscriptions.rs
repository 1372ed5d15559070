//! The `subscriptions` entity set: create with handshake, renew, list, delete.

use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{MOST_SUBSCRIPTIONS, Subscription, Webhooks, can_be_subscribed};
use crate::errors::ApiError;
use crate::schema::{Route, TableId, schema};
use crate::service::{Answer, Context, Operation};
use crate::store::Company;

/// How long a subscription lives.
const LIFE: SignedDuration = SignedDuration::from_hours(72);

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

const LONGEST_CLIENT_STATE: usize = 2048;

/// Answers a request for `subscriptions` or `subscriptions('id')`.
pub(crate) async fn answer(
    webhooks: &Webhooks,
    context: &Context,
    operation: &Operation,
    company: &Company,
    now: Timestamp,
) -> Answer {
    let key = operation.path.trim_matches('/').strip_prefix("subscriptions").unwrap_or_default();
    let key = key
        .strip_prefix('(')
        .and_then(|key| key.strip_suffix(')'))
        .map(|key| percent_encoding::percent_decode_str(key).decode_utf8_lossy().trim_matches('\'').to_owned());
    webhooks.all().retain(|_, subscription| subscription.expires > now);
    let result = match (&operation.method, key) {
        (&Method::GET, None) => Ok(list(webhooks, context, operation.route)),
        (&Method::GET, Some(id)) => one(webhooks, context, operation.route, &id, 200),
        (&Method::POST, None) => create(webhooks, context, operation, company, now).await,
        (&Method::PATCH, Some(id)) => renew(webhooks, context, operation, &id, now).await,
        (&Method::DELETE, Some(id)) => delete(webhooks, operation, &id),
        (method, _) => Err(ApiError::not_allowed(method.as_str(), "subscriptions")),
    };
    result.into()
}

/// Answers `webhookSupportedResources`.
pub(crate) fn supported_resources(context: &Context, company: &Company) -> Answer {
    let mut resources = Vec::new();
    for route in [Route::Standard, Route::Companion] {
        for table in schema().ids().filter(|table| can_be_subscribed(route, *table)) {
            let set = schema().table(table).set(route).map_or("", |set| set.name.as_str());
            resources.push(json!({"resource": format!("{}/companies({})/{set}", route.path(), company.id)}));
        }
    }
    let body = json!({"@odata.context": format!("{}/api/microsoft/runtime/beta/$metadata#companies({})/webhookSupportedResources", context.base, company.id), "value": resources});
    Answer::json(200, body.to_string().into_bytes())
}

fn not_found(id: &str) -> ApiError {
    ApiError::record_not_found("API Webhook Subscription", &format!("Subscription Id='{id}'"))
}

fn etag(subscription: &Subscription) -> String {
    use base64::Engine;
    let inner = format!("'44;{:<43}=1;00;'", format!("{}{}", subscription.id, subscription.version));
    format!("W/\"{}\"", base64::engine::general_purpose::STANDARD.encode(inner))
}

fn entity(subscription: &Subscription) -> Value {
    json!({
        "@odata.etag": etag(subscription),
        "subscriptionId": subscription.id,
        "notificationUrl": subscription.url,
        "resource": subscription.resource,
        "timestamp": subscription.version,
        "userId": "00000000-0000-0000-0000-000000000001",
        "lastModifiedDateTime": subscription.modified,
        "clientState": subscription.client_state,
        "expirationDateTime": subscription.expires,
        "systemCreatedAt": subscription.created,
        "systemCreatedBy": "00000000-0000-0000-0000-000000000001",
        "systemModifiedAt": subscription.modified,
        "systemModifiedBy": "00000000-0000-0000-0000-000000000001"
    })
}

fn list(webhooks: &Webhooks, context: &Context, route: Route) -> Answer {
    let all: Vec<Value> =
        webhooks.all().values().filter(|subscription| subscription.route == route).map(entity).collect();
    let body = json!({"@odata.context": format!("{}/$metadata#subscriptions", context.root(route)), "value": all});
    Answer::json(200, body.to_string().into_bytes())
}

fn one(webhooks: &Webhooks, context: &Context, route: Route, id: &str, status: u16) -> Result<Answer, ApiError> {
    let all = webhooks.all();
    let subscription = all.get(id).filter(|subscription| subscription.route == route).ok_or_else(|| not_found(id))?;
    let mut body = json!({"@odata.context": format!("{}/$metadata#subscriptions/$entity", context.root(route))});
    if let (Some(body), Some(values)) = (body.as_object_mut(), entity(subscription).as_object()) {
        body.extend(values.clone());
    }
    Ok(Answer::json(status, body.to_string().into_bytes()))
}

fn body(operation: &Operation) -> Result<Map<String, Value>, ApiError> {
    serde_json::from_slice(&operation.body)
        .map_err(|error| ApiError::bad_request(format!("Invalid Request Body: {error}.")))
}

fn text(body: &Map<String, Value>, name: &str) -> Result<String, ApiError> {
    match body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(ApiError::new(
            400,
            "BadRequest_RequiredParamNotProvided",
            format!("Field '{name}' must not be blank or empty."),
        )),
    }
}

async fn create(
    webhooks: &Webhooks,
    context: &Context,
    operation: &Operation,
    company: &Company,
    now: Timestamp,
) -> Result<Answer, ApiError> {
    let body = body(operation)?;
    let (url, resource) = (text(&body, "notificationUrl")?, text(&body, "resource")?);
    let client_state = body.get("clientState").and_then(Value::as_str).unwrap_or_default().to_owned();
    if client_state.chars().count() > LONGEST_CLIENT_STATE {
        return Err(ApiError::string_too_long(&client_state, LONGEST_CLIENT_STATE));
    }
    let table = subscribed(&resource, operation.route, company)?;
    if webhooks.all().len() >= MOST_SUBSCRIPTIONS {
        return Err(ApiError::dialog(format!(
            "The maximum number of subscriptions ({MOST_SUBSCRIPTIONS}) has been reached."
        )));
    }
    handshake(webhooks, &url).await?;
    let id = Uuid::new_v4().simple().to_string();
    let subscription = Subscription {
        id: id.clone(),
        url,
        resource,
        route: operation.route,
        table,
        client_state,
        created: now,
        modified: now,
        expires: now + LIFE,
        version: 1,
        pending: None,
    };
    webhooks.all().insert(id.clone(), subscription);
    one(webhooks, context, operation.route, &id, 201)
}

fn subscribed(resource: &str, route: Route, company: &Company) -> Result<TableId, ApiError> {
    let refused = || ApiError::dialog(format!("The resource '{resource}' cannot be subscribed to."));
    let path = resource.trim_start_matches('/').strip_prefix(route.path()).ok_or_else(refused)?;
    let set = path.trim_start_matches('/').strip_prefix(&format!("companies({})/", company.id)).ok_or_else(refused)?;
    let table = schema().entity_set(route, set).ok_or_else(refused)?;
    if can_be_subscribed(route, table) { Ok(table) } else { Err(refused()) }
}

/// Asks the receiver to repeat a token, so that nobody is notified against their will.
async fn handshake(webhooks: &Webhooks, url: &str) -> Result<(), ApiError> {
    let refused = |why: &str| ApiError::dialog(format!("The notification URL '{url}' could not be validated: {why}."));
    let mut target = reqwest::Url::parse(url).map_err(|_| refused("it is not a URL"))?;
    if !matches!(target.host_str(), Some("127.0.0.1" | "localhost")) {
        return Err(refused("the simulator notifies receivers on this machine only"));
    }
    let token = Uuid::new_v4().to_string();
    target.query_pairs_mut().append_pair("validationToken", &token);
    let reply = webhooks
        .http
        .post(target)
        .header("content-type", "text/plain")
        .timeout(HANDSHAKE)
        .send()
        .await
        .map_err(|_| refused("it did not answer in time"))?;
    let status = reply.status().as_u16();
    let media_type = reply.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_plain = media_type.starts_with("text/plain");
    let text = reply.text().await.map_err(|_| refused("it did not answer in time"))?;
    if status == 200 && is_plain && text == token {
        Ok(())
    } else {
        Err(refused("it did not answer with the validation token"))
    }
}

async fn renew(
    webhooks: &Webhooks,
    context: &Context,
    operation: &Operation,
    id: &str,
    now: Timestamp,
) -> Result<Answer, ApiError> {
    check_etag(webhooks, operation, id, true)?;
    let body = body(operation)?;
    let url = match body.get("notificationUrl").and_then(Value::as_str) {
        Some(url) => url.to_owned(),
        None => webhooks.all().get(id).map(|subscription| subscription.url.clone()).ok_or_else(|| not_found(id))?,
    };
    handshake(webhooks, &url).await?;
    if let Some(subscription) = webhooks.all().get_mut(id) {
        subscription.url = url;
        subscription.modified = now;
        subscription.expires = now + LIFE;
        subscription.version += 1;
        if let Some(state) = body.get("clientState").and_then(Value::as_str) {
            state.clone_into(&mut subscription.client_state);
        }
    }
    one(webhooks, context, operation.route, id, 200)
}

fn delete(webhooks: &Webhooks, operation: &Operation, id: &str) -> Result<Answer, ApiError> {
    check_etag(webhooks, operation, id, true)?;
    webhooks.all().remove(id);
    Ok(Answer::empty(204))
}

fn check_etag(webhooks: &Webhooks, operation: &Operation, id: &str, required: bool) -> Result<(), ApiError> {
    let all = webhooks.all();
    let subscription = all.get(id).ok_or_else(|| not_found(id))?;
    match operation.header("if-match").map(str::trim) {
        None if required => Err(ApiError::token_missing()),
        None | Some("*") => Ok(()),
        Some(given) if given == etag(subscription) => Ok(()),
        Some(_) => Err(ApiError::entity_changed()),
    }
}
