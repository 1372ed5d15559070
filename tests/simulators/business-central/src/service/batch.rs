//! JSON `$batch`: many requests in one.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::execute::{Api, Cut, Done, Executed, one, uri};
use super::{Answer, Context, Operation};
use crate::errors::ApiError;
use crate::store::Store;

/// Most operations of one batch.
pub(crate) const MOST_OPERATIONS: usize = 100;

struct Inner {
    id: Value,
    operation: Result<Operation, ApiError>,
    group: Option<String>,
    depends_on: Vec<String>,
}

/// How far a batch goes when an operation fails, and what it undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    StopAtFailure,
    ContinueOnError,
    /// All or nothing.
    Snapshot,
}

pub(crate) fn mode(outer: &Operation) -> Mode {
    let snapshot = ["isolation", "odata-isolation"]
        .iter()
        .any(|name| outer.header(name).is_some_and(|value| value.eq_ignore_ascii_case("snapshot")));
    let go_on = ["odata.continue-on-error", "continue-on-error"]
        .iter()
        .any(|name| outer.preference(name).is_some_and(|value| value != "false"));
    match (snapshot, go_on) {
        (true, _) => Mode::Snapshot,
        (false, true) => Mode::ContinueOnError,
        (false, false) => Mode::StopAtFailure,
    }
}

pub(crate) fn execute(api: &Api, context: &Context, outer: &Operation) -> Executed {
    let inner = match parse(context, outer) {
        Ok(inner) => inner,
        Err(error) => return Executed { answer: Some(Answer::refused(&error)), ..Executed::default() },
    };
    let mut run = Run::default();
    let mode = mode(outer);
    let mut changes = Vec::new();
    let outcome = if mode == Mode::Snapshot {
        let mut store = api.writing();
        let outcome = run.whole(&mut store, api, context, &inner);
        changes = store.take_changes();
        outcome
    } else {
        let mut outcome = Ok(());
        for group in inner.chunk_by(|left, right| left.group.is_some() && left.group == right.group) {
            let mut store = api.writing();
            outcome = if group[0].group.is_some() {
                run.whole(&mut store, api, context, group)
            } else {
                run.each(&mut store, api, context, group)
            };
            changes.extend(store.take_changes());
            if outcome.is_err() || (run.failed && mode == Mode::StopAtFailure) {
                break;
            }
        }
        outcome
    };
    let answer =
        outcome.is_ok().then(|| Answer::json(200, json!({"responses": run.responses}).to_string().into_bytes()));
    Executed { answer, operations: run.done, changes }
}

#[derive(Default)]
struct Run {
    responses: Vec<Value>,
    done: Vec<Done>,
    statuses: HashMap<String, u16>,
    failed: bool,
}

impl Run {
    /// All operations in one transaction; the answers of undone ones stay as they were.
    fn whole(&mut self, store: &mut Store, api: &Api, context: &Context, inner: &[Inner]) -> Result<(), Cut> {
        let mut cut = Ok(());
        let transaction: Result<(), ()> = store.transaction(|store| {
            for request in inner {
                cut = self.each(store, api, context, std::slice::from_ref(request));
                if cut.is_err() || self.failed {
                    return Err(());
                }
            }
            Ok(())
        });
        debug_assert!(transaction.is_ok() || self.failed || cut.is_err());
        cut
    }

    fn each(&mut self, store: &mut Store, api: &Api, context: &Context, inner: &[Inner]) -> Result<(), Cut> {
        for request in inner {
            let missing = request.depends_on.iter().any(|id| self.statuses.get(id).is_none_or(|status| *status >= 400));
            let answer = match &request.operation {
                _ if missing => {
                    Answer::refused(&ApiError::new(424, "BadRequest", "A request this request depends on has failed."))
                }
                Err(error) => Answer::refused(error),
                Ok(operation) => {
                    let answer = one(store, api, context, operation, &uri(context, operation));
                    let status = answer.as_ref().map_or(0, |answer| answer.status);
                    self.done.push((operation.method.clone(), operation.path.clone(), status));
                    answer?
                }
            };
            self.failed |= answer.status >= 400;
            if let Some(id) = request.id.as_str() {
                self.statuses.insert(id.to_owned(), answer.status);
            }
            self.responses.push(response(&request.id, &answer));
        }
        Ok(())
    }
}

fn response(id: &Value, answer: &Answer) -> Value {
    let headers: Map<String, Value> =
        answer.headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    let mut response = json!({"id": id, "status": answer.status, "headers": headers});
    if !answer.body.is_empty()
        && let Some(object) = response.as_object_mut()
    {
        let text = || Value::from(String::from_utf8_lossy(&answer.body).into_owned());
        object.insert("body".into(), serde_json::from_slice(&answer.body).unwrap_or_else(|_| text()));
    }
    response
}

fn parse(context: &Context, outer: &Operation) -> Result<Vec<Inner>, ApiError> {
    let invalid = |what: &str| ApiError::bad_request(format!("Invalid Request Body: {what}."));
    let body: Value = serde_json::from_slice(&outer.body).map_err(|error| invalid(&error.to_string()))?;
    let requests = body
        .get("requests")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("a property 'requests' with an array was expected"))?;
    if requests.len() > MOST_OPERATIONS {
        return Err(ApiError::bad_request(format!(
            "The batch request contains {} operations. The maximum number of operations is {MOST_OPERATIONS}.",
            requests.len()
        )));
    }
    let mut ids = HashSet::new();
    requests
        .iter()
        .map(|request| {
            let request = request.as_object().ok_or_else(|| invalid("every request must be an object"))?;
            let id = request.get("id").cloned().unwrap_or(Value::Null);
            if let Some(id) = id.as_str()
                && !ids.insert(id.to_owned())
            {
                return Err(ApiError::bad_request(format!("The request ID '{id}' is not unique in the batch.")));
            }
            let texts = |value: Option<&Value>| {
                value
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            };
            Ok(Inner {
                id,
                operation: inner_operation(context, outer, request),
                group: request.get("atomicityGroup").and_then(Value::as_str).map(str::to_owned),
                depends_on: texts(request.get("dependsOn")),
            })
        })
        .collect()
}

fn inner_operation(context: &Context, outer: &Operation, request: &Map<String, Value>) -> Result<Operation, ApiError> {
    let text = |name: &str| {
        request
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| ApiError::bad_request(format!("A request of the batch has no '{name}'.")))
    };
    let method = Method::from_bytes(text("method")?.to_ascii_uppercase().as_bytes())
        .map_err(|_| ApiError::bad_request("A request of the batch has an unknown method."))?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_| ApiError::bad_request("A header name of the batch is not valid."))?;
        let value = HeaderValue::try_from(value.as_str().unwrap_or_default())
            .map_err(|_| ApiError::bad_request("A header value of the batch is not valid."))?;
        headers.append(name, value);
    }
    let body = match request.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => {
            // A JSON body inside a JSON batch is JSON even if nobody says so.
            headers.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
            Bytes::from(value.to_string())
        }
    };
    let (path, query) = relative(context, outer, text("url")?)?;
    Ok(Operation { route: outer.route, method, path, query, headers, body })
}

/// A URL of a batch, relative to the root of the route: path and query.
pub(crate) fn relative(context: &Context, outer: &Operation, url: &str) -> Result<(String, String), ApiError> {
    let root = context.root(outer.route);
    let below = url.strip_prefix(&root).or_else(|| {
        let path = root.splitn(4, '/').nth(3).unwrap_or_default();
        url.strip_prefix('/').and_then(|url| url.strip_prefix(path))
    });
    let below = match below {
        Some(below) => below,
        None if url.contains("://") => return Err(ApiError::no_route(url)),
        None => url,
    };
    let below = below.trim_start_matches('/');
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    Ok((path.to_owned(), query.to_owned()))
}
