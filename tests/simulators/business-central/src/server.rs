//! The transport: connections, authentication, limits, latency, and the log.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use simulator_platform::{Cut, Identity, RequestFault, Service, called_at};

use crate::admin;
use crate::errors::ApiError;
use crate::options::BusinessCentralOptions;
use crate::request_log::{LoggedOperation, RequestLog, RequestLogEntry};
use crate::schema::Route;
use crate::service::execute::{Api, Executed};
use crate::service::{Answer, Context, Operation, execute};
use crate::throttle::Throttle;
use crate::webhooks::{self, Webhooks};

/// Largest body of a request.
const LARGEST_BODY: usize = 350 * 1024 * 1024;

/// What access tokens are for.
const AUDIENCE: &str = "https://api.businesscentral.dynamics.com";

/// The one scope that they are given for.
pub(crate) const SCOPE: &str = "https://api.businesscentral.dynamics.com/.default";

/// Public names of the service and of the identity platform, for clients with a fixed address that a resolver sends here.
pub(crate) const PUBLIC_NAMES: [&str; 2] = ["api.businesscentral.dynamics.com", "login.microsoftonline.com"];

/// Everything the connections share.
pub(crate) struct Server {
    pub api: Api,
    pub options: BusinessCentralOptions,
    /// `http://127.0.0.1:port`
    pub origin: String,
    pub identity: Arc<Identity>,
    pub throttle: Throttle,
    pub log: RequestLog,
    pub webhooks: Webhooks,
}

impl Service for Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        self.serve(request).await
    }

    fn now(&self) -> Timestamp {
        self.api.reading().clock.now()
    }
}

impl Server {
    pub(crate) fn base(&self) -> String {
        self.base_at(&self.origin)
    }

    fn base_at(&self, origin: &str) -> String {
        format!("{origin}/v2.0/{}/{}", self.options.tenant, self.options.environment)
    }

    /// The address the caller used, for links.
    fn called_at(&self, parts: &Parts) -> String {
        called_at(&self.origin, &parts.uri, &parts.headers)
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_BODY).await;
        let path = parts.uri.path().trim_start_matches('/').to_owned();
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match segments.as_slice() {
            ["_simulator", ..] => Ok(response(admin::answer(
                self,
                &parts.method,
                path.trim_start_matches("_simulator"),
                &body.unwrap_or_default(),
            ))),
            [tenant, "oauth2", "v2.0", "token"] if *tenant != "v2.0" => {
                Ok(response(self.token(&parts, tenant, body.ok().as_ref())))
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                Ok(response(entra(self.identity.discovery(&self.called_at(&parts), tenant))))
            }
            ["common", "discovery", "instance"] => {
                Ok(response(entra((200, self.identity.instances(&self.called_at(&parts))))))
            }
            ["v2.0", rest @ ..] => self.api_request(&parts, rest, body.ok()).await,
            _ => Ok(response(Answer::refused(&ApiError::no_route(&format!("{}/{path}", self.origin))))),
        }
    }

    fn token(&self, parts: &Parts, tenant: &str, body: Option<&Bytes>) -> Answer {
        if parts.method != Method::POST {
            return Answer::refused(&ApiError::new(405, "BadRequest_MethodNotAllowed", "Use POST."));
        }
        if self.api.faults.is_down() {
            return Answer::refused(&ApiError::failing(503, None));
        }
        let form = body.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        entra(self.identity.grant(AUDIENCE, tenant, &form, header(parts, "authorization"), Timestamp::now()))
    }

    /// Counts, answers and logs one request of the API.
    async fn api_request(&self, parts: &Parts, segments: &[&str], body: Option<Bytes>) -> Result<Response<Body>, Cut> {
        let number = self.log.arrived();
        let (started, at) = (Instant::now(), self.api.reading().clock.now());
        let executed = self.execute_request(parts, segments, body).await;
        let path = self.below_environment(segments).unwrap_or(segments).join("/");
        self.log.answered(RequestLogEntry {
            number,
            at,
            method: parts.method.to_string(),
            path: percent_decode_str(&path).decode_utf8_lossy().into_owned(),
            query: percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8_lossy().into_owned(),
            status: executed.answer.as_ref().map_or(0, |answer| answer.status),
            operations: executed
                .operations
                .into_iter()
                .map(|(method, path, status)| LoggedOperation { method: method.to_string(), path, status })
                .collect(),
            answer_bytes: executed.answer.as_ref().map_or(0, |answer| answer.body.len()),
            took: started.elapsed(),
        });
        let mut answer = executed.answer.ok_or(Cut)?;
        if parts.method == Method::HEAD {
            answer.body.clear();
        }
        Ok(response(answer))
    }

    async fn execute_request(&self, parts: &Parts, segments: &[&str], body: Option<Bytes>) -> Executed {
        let refused = |error: &ApiError| Executed { answer: Some(Answer::refused(error)), ..Executed::default() };
        let uri = format!("{}{}", self.origin, parts.uri.path());
        let faults = &self.api.faults;
        match faults.before_request() {
            None => {}
            Some(RequestFault::Cut) => return Executed::default(),
            Some(RequestFault::Outage) => return refused(&ApiError::failing(503, Some(5))),
            Some(RequestFault::Fail { status }) => return refused(&ApiError::failing(status, None)),
            Some(RequestFault::Throttle { retry_after }) => {
                return refused(&ApiError::too_many_requests(101, 100, retry_after.map(|pause| pause.as_secs())));
            }
        }
        let Ok(client) = self.identity.check(header(parts, "authorization"), Timestamp::now()) else {
            let mut answer = Answer::refused(&ApiError::unauthenticated());
            answer.headers.push((
                "www-authenticate",
                format!("Bearer authorization_uri=\"{}/{}\"", self.origin, self.options.tenant),
            ));
            return Executed { answer: Some(answer), ..Executed::default() };
        };
        let context = Context { base: self.base_at(&self.called_at(parts)), switches: faults.switches() };
        if let [.., "api", "microsoft", "runtime", "beta", company, "webhookSupportedResources"] = segments {
            let known = *company == format!("companies({})", self.options.company_id);
            let company = self.api.reading().company.clone();
            let answer = if known {
                webhooks::supported_resources(&context, &company)
            } else {
                Answer::refused(&ApiError::no_route(&uri))
            };
            return Executed { answer: Some(answer), ..Executed::default() };
        }
        let (route, path) = match self.route(segments, &uri) {
            Ok(found) => found,
            Err(error) => return refused(&error),
        };
        let Some(body) = body else {
            return refused(&ApiError::new(413, "BadRequest", "The request body is too large."));
        };
        let admission = match self.throttle.admit(&client, faults.limits()).await {
            Ok(admission) => admission,
            Err(error) => return refused(&error),
        };
        let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
        let operation = Operation {
            route,
            method,
            path,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            body,
        };
        let executed = if operation.path.starts_with("subscriptions") {
            let (company, now) = {
                let store = self.api.reading();
                (store.company.clone(), store.clock.now())
            };
            let answer = webhooks::answer(&self.webhooks, &context, &operation, &company, now).await;
            Executed {
                operations: vec![(operation.method.clone(), operation.path.clone(), answer.status)],
                answer: Some(answer),
                changes: Vec::new(),
            }
        } else {
            execute(&self.api, &context, &operation)
        };
        self.webhooks.note(&executed.changes, faults.webhook_delay());
        let writes = executed.operations.iter().filter(|(method, ..)| *method != Method::GET).count();
        let reads = executed.operations.len() - writes;
        let latency = faults.latency();
        let pause = latency.read * u32::try_from(reads).unwrap_or(u32::MAX)
            + latency.write * u32::try_from(writes).unwrap_or(u32::MAX);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        drop(admission);
        executed
    }

    /// What follows the environment, whose name and tenant the service compares without regard to case.
    fn below_environment<'a>(&self, segments: &'a [&'a str]) -> Option<&'a [&'a str]> {
        let is_tenant = |text: &str| text.eq_ignore_ascii_case(&self.options.tenant);
        let is_environment = |text: &str| {
            let text = percent_decode_str(text).decode_utf8_lossy();
            text.to_lowercase() == self.options.environment.to_lowercase()
        };
        match segments {
            [tenant, environment, rest @ ..] if is_tenant(tenant) && is_environment(environment) => Some(rest),
            [environment, rest @ ..] if is_environment(environment) => Some(rest),
            _ => None,
        }
    }

    /// The route and the path below it.
    fn route(&self, segments: &[&str], uri: &str) -> Result<(Route, String), ApiError> {
        let below = self
            .below_environment(segments)
            .ok_or_else(|| ApiError::new(404, "NoEnvironment", "Environment does not exist."))?;
        match below {
            ["api", "v2.0", path @ ..] => Ok((Route::Standard, path.join("/"))),
            ["api", "couplet", "sync", "v1.0", path @ ..] if self.api.faults.companion_installed() => {
                Ok((Route::Companion, path.join("/")))
            }
            _ => Err(ApiError::no_route(uri)),
        }
    }
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// An answer of the identity platform.
fn entra((status, body): (u16, Value)) -> Answer {
    let mut answer = Answer::empty(status);
    answer.headers = vec![
        ("content-type", "application/json; charset=utf-8".into()),
        ("cache-control", "no-store, no-cache".into()),
    ];
    answer.body = body.to_string().into_bytes();
    answer
}

pub(crate) fn response(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
