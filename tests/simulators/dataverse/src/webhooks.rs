//! Webhooks: tells registered endpoints about changes, asynchronously, as the service's event pipeline does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use simulator_platform::Delivering;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use crate::rules::get;
use crate::schema::{Kind, NAMESPACE, Table};
use crate::store::{Cell, Row, Store};
use crate::world::World;
use crate::write::{Changes, Event, Message};

/// The service waits this long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Larger payloads lose their big parts.
const LARGEST_PAYLOAD: usize = 256 * 1024;

const ENTITY: &str = "Entity:http://schemas.microsoft.com/xrm/2011/Contracts";
const REFERENCE: &str = "EntityReference:http://schemas.microsoft.com/xrm/2011/Contracts";
const OPTION: &str = "OptionSetValue:http://schemas.microsoft.com/xrm/2011/Contracts";
const MONEY: &str = "Money:http://schemas.microsoft.com/xrm/2011/Contracts";

/// One request to one endpoint.
struct Delivery {
    step: Uuid,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// How long a notification is held back when none comes that it could be swapped with.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// Delivers until the simulator ends.
pub(crate) async fn deliver(world: Arc<World>, mut events: UnboundedReceiver<Event>) {
    let Ok(client) = reqwest::Client::builder().timeout(TIMEOUT).build() else { return };
    let mut held: Option<Delivery> = None;
    loop {
        let event = match &held {
            None => events.recv().await,
            Some(_) => match tokio::time::timeout(LONGEST_HOLD, events.recv()).await {
                Ok(event) => event,
                Err(_) => {
                    if let Some(late) = held.take() {
                        send_noting(&client, &world, &late).await;
                    }
                    continue;
                }
            },
        };
        let Some(event) = event else { return };
        for delivery in deliveries(&world, &event) {
            match world.faults.next_delivery() {
                // Side by side, as the service does; their order is left to chance.
                None => {
                    let (client, world) = (client.clone(), Arc::clone(&world));
                    tokio::spawn(async move { send_noting(&client, &world, &delivery).await });
                }
                Some(Delivering::Never) => {}
                Some(Delivering::Late) if held.is_none() => held = Some(delivery),
                Some(drawn) => {
                    send_noting(&client, &world, &delivery).await;
                    if drawn == Delivering::Twice {
                        send_noting(&client, &world, &delivery).await;
                    }
                    if let Some(late) = held.take() {
                        send_noting(&client, &world, &late).await;
                    }
                }
            }
        }
    }
}

async fn send_noting(client: &reqwest::Client, world: &World, delivery: &Delivery) {
    if let Err(text) = send(client, delivery).await {
        failed(world, delivery.step, &text);
    }
}

/// 502, 503 and 504 get one more attempt; anything else but 2xx is a failure at once.
async fn send(client: &reqwest::Client, delivery: &Delivery) -> Result<(), String> {
    for attempt in 1..=2 {
        let mut request = client
            .post(&delivery.url)
            .header("Content-Type", "application/json; charset=utf-8")
            .body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) if attempt == 1 && matches!(response.status().as_u16(), 502..=504) => {}
            Ok(response) => {
                return Err(format!("The webhook call failed because the endpoint answered {}.", response.status()));
            }
            Err(error) => return Err(format!("The webhook call failed because the http request failed: {error}")),
        }
    }
    Ok(())
}

/// A failed delivery leaves a system job with status 31.
fn failed(world: &World, step: Uuid, text: &str) {
    let result = world.transaction(world.fixed.integration_user, true, |session| {
        let at = session.position("asyncoperation")?;
        let steps = session.position("sdkmessageprocessingstep")?;
        let table = session.table(at);
        let values = [
            ("name", Cell::text("Webhook delivery")),
            ("operationtype", Cell::Int(1)),
            ("message", Cell::text(text)),
            ("owningextensionid", Cell::Lookup { table: steps, id: step }),
            ("statecode", Cell::Int(3)),
            ("statuscode", Cell::Int(31)),
            ("completedon", Cell::Time(session.now)),
        ];
        let changes: Changes = values
            .into_iter()
            .filter_map(|(name, cell)| table.column(name).map(|column| (column, Some(cell))))
            .collect();
        session.create(at, None, changes)
    });
    if let Err(error) = result {
        tracing::warn!(%error, "a failed webhook delivery could not be recorded");
    }
}

fn deliveries(world: &World, event: &Event) -> Vec<Delivery> {
    let store = world.read();
    let Some(steps) = store.schema.position("sdkmessageprocessingstep") else { return Vec::new() };
    if store.rows(steps).is_empty() || event.table == steps || store.schema.table(event.table).name == "asyncoperation"
    {
        return Vec::new();
    }
    let step_table = Arc::clone(store.schema.table(steps));
    store
        .rows(steps)
        .after(None)
        .filter(|step| wanted(&store, &step_table, step, event))
        .filter_map(|step| delivery(world, &store, &step_table, step, event))
        .collect()
}

fn wanted(store: &Store, steps: &Table, step: &Row, event: &Event) -> bool {
    let referenced = |lookup: &str, column: &str| match get(steps, step, lookup) {
        Some(Cell::Lookup { table, id }) => {
            store.get(table, id).and_then(|row| get(store.schema.table(table), row, column))
        }
        _ => None,
    };
    let message = match event.message {
        Message::Create => "Create",
        Message::Update => "Update",
        Message::Delete => "Delete",
    };
    let table = store.schema.table(event.table);
    let enabled = !matches!(get(steps, step, "statecode"), Some(Cell::Int(1)));
    let named = referenced("sdkmessageid", "name") == Some(Cell::text(message));
    let for_table =
        referenced("sdkmessagefilterid", "primaryobjecttypecode").is_none_or(|name| name == Cell::text(&table.name));
    let columns = match get(steps, step, "filteringattributes") {
        Some(Cell::Text(columns)) if event.message == Message::Update && !columns.is_empty() => {
            event.values.iter().any(|(at, _)| columns.split(',').any(|name| name.trim() == table.columns[*at].name))
        }
        _ => true,
    };
    enabled && named && for_table && columns
}

fn delivery(world: &World, store: &Store, steps: &Table, step: &Row, event: &Event) -> Option<Delivery> {
    let Some(Cell::Lookup { table, id }) = get(steps, step, "eventhandler") else { return None };
    let endpoint = store.get(table, id)?;
    let endpoints = store.schema.table(table);
    let text = |name: &str| match get(endpoints, endpoint, name) {
        Some(Cell::Text(text)) => text.to_string(),
        _ => String::new(),
    };
    let (mut url, auth) = (text("url"), text("authvalue"));
    let entity = store.schema.table(event.table).name.clone();
    let message = format!("{:?}", event.message);
    let mut headers = vec![
        (
            "x-ms-dynamics-organization".to_owned(),
            world.url().trim_start_matches("https://").trim_start_matches("http://").to_owned(),
        ),
        ("x-ms-dynamics-entity-name".to_owned(), entity),
        ("x-ms-dynamics-request-name".to_owned(), message),
        ("x-ms-correlation-request-id".to_owned(), Uuid::new_v4().to_string()),
    ];
    let add_query = |url: &mut String, name: &str, value: &str| {
        let encoded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={encoded}"));
    };
    match get(endpoints, endpoint, "authtype") {
        Some(Cell::Int(4)) => add_query(&mut url, "code", &auth),
        Some(Cell::Int(5)) => headers.extend(settings(&auth)),
        Some(Cell::Int(6)) => settings(&auth).iter().for_each(|(name, value)| add_query(&mut url, name, value)),
        _ => {}
    }
    let mut body = payload(world, store, steps, step, event);
    if body.len() > LARGEST_PAYLOAD {
        headers.push(("x-ms-dynamics-msg-size-exceeded".to_owned(), "true".to_owned()));
        body = without_big_parts(&body);
    }
    Some(Delivery { step: step.id, url, headers, body })
}

/// `<settings><setting name="k" value="v" /></settings>`.
fn settings(text: &str) -> Vec<(String, String)> {
    let Ok(document) = roxmltree::Document::parse(text) else { return Vec::new() };
    document
        .descendants()
        .filter(|node| node.has_tag_name("setting"))
        .filter_map(|node| Some((node.attribute("name")?.to_owned(), node.attribute("value")?.to_owned())))
        .collect()
}

/// The `RemoteExecutionContext`, its slashes escaped.
fn payload(world: &World, store: &Store, steps: &Table, step: &Row, event: &Event) -> String {
    let table = store.schema.table(event.table);
    let row = store.get(event.table, event.id);
    let target = if event.message == Message::Delete {
        json!({"__type": REFERENCE, "Id": event.id, "KeyAttributes": [], "LogicalName": table.name, "Name": null, "RowVersion": null})
    } else {
        let mut values: Vec<(usize, Option<Cell>)> = event.values.clone();
        for name in ["modifiedon", "modifiedby"] {
            if let (Some(column), Some(row)) = (table.column(name), row) {
                values.push((column, row.get(column).cloned()));
            }
        }
        let attributes: Vec<Value> = values
            .iter()
            .filter(|(at, _)| !table.columns[*at].name.is_empty())
            .map(|(at, cell)| json!({"key": table.columns[*at].name, "value": attribute(store, &table.columns[*at].kind, cell.as_ref())}))
            .collect();
        json!({"__type": ENTITY, "Attributes": attributes, "EntityState": null, "FormattedValues": [], "Id": event.id, "KeyAttributes": [], "LogicalName": table.name, "RelatedEntities": [], "RowVersion": null})
    };
    let correlation = Uuid::new_v5(&NAMESPACE, format!("{} {}", event.id, store.version()).as_bytes());
    let mut context = Map::new();
    let mut put = |name: &str, value: Value| {
        context.insert(name.to_owned(), value);
    };
    put("BusinessUnitId", json!(world.fixed.business_unit));
    put("CorrelationId", json!(correlation));
    put("Depth", json!(event.depth));
    put("InitiatingUserId", json!(event.user));
    put("InputParameters", json!([{"key": "Target", "value": target}]));
    put("IsExecutingOffline", json!(false));
    put("IsInTransaction", json!(false));
    put("IsOfflinePlayback", json!(false));
    put("IsolationMode", json!(1));
    put("MessageName", json!(format!("{:?}", event.message)));
    put("Mode", json!(1));
    put("OperationCreatedOn", json!(date(world.now())));
    put("OperationId", json!(Uuid::new_v4()));
    put("OrganizationId", json!(world.fixed.organization));
    put("OrganizationName", json!("simulator"));
    put(
        "OutputParameters",
        if event.message == Message::Create { json!([{"key": "id", "value": event.id}]) } else { json!([]) },
    );
    put(
        "OwningExtension",
        json!({"Id": step.id, "KeyAttributes": [], "LogicalName": "sdkmessageprocessingstep", "Name": get(steps, step, "name").map(|cell| cell.plain_text()), "RowVersion": null}),
    );
    put("ParentContext", Value::Null);
    put("PostEntityImages", json!([]));
    put("PreEntityImages", json!([]));
    put("PrimaryEntityId", json!(event.id));
    put("PrimaryEntityName", json!(table.name));
    put("RequestId", json!(correlation));
    put("SecondaryEntityName", json!("none"));
    put("SharedVariables", json!([]));
    put("Stage", json!(40));
    put("UserId", json!(event.user));
    // Slashes occur in strings only, so escaping them all is safe.
    Value::Object(context).to_string().replace('/', "\\/")
}

fn without_big_parts(body: &str) -> String {
    let Ok(Value::Object(mut context)) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    for name in ["ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"] {
        context.shift_remove(name);
    }
    Value::Object(context).to_string().replace('/', "\\/")
}

fn date(seconds: i64) -> String {
    format!("/Date({})/", seconds * 1000)
}

fn attribute(store: &Store, kind: &Kind, cell: Option<&Cell>) -> Value {
    match (kind, cell) {
        (_, None) => Value::Null,
        (Kind::Lookup(_), Some(Cell::Lookup { table, id })) => {
            json!({"__type": REFERENCE, "Id": id, "KeyAttributes": [], "LogicalName": store.schema.table(*table).name, "Name": store.primary_name(*table, *id), "RowVersion": null})
        }
        (Kind::Choice(_), Some(cell)) => json!({"__type": OPTION, "Value": cell.to_json(kind)}),
        (Kind::Money, Some(cell)) => json!({"__type": MONEY, "Value": cell.to_json(kind)}),
        (_, Some(Cell::Time(seconds))) => json!(date(*seconds)),
        (_, Some(Cell::Day(day))) => json!(date(crate::store::seconds(&day.to_string()).unwrap_or_default())),
        (_, Some(cell)) => cell.to_json(kind),
    }
}
