//! The HTTP server on loopback: tokens, the Web API, and cut connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use simulator_platform::{Cut, Refusal, Service, called_at};

use crate::api::{self, LARGEST_BODY};
use crate::faults::{CutMoment, Verdict};
use crate::options::Latency;
use crate::wire::error::ApiError;
use crate::wire::request::{ApiRequest, ApiResponse, Verb, Work};
use crate::world::{RequestLogEntry, World};

/// What every connection shares.
pub(crate) struct Server {
    pub world: Arc<World>,
}

impl Service for Server {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        handle(self, request).await
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }
}

async fn handle(server: &Server, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/_simulator") {
        return Ok(crate::admin::serve(server, request).await);
    }
    let base = called_at(server.world.url(), request.uri(), request.headers());
    if let Some((version, resource)) = resource(&path) {
        return web_api(server, request, &base, &version, resource).await;
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        [tenant, "oauth2", .., "token"] => {
            let tenant = (*tenant).to_owned();
            let authorization = header(&request, &http::header::AUTHORIZATION);
            let body = axum::body::to_bytes(Body::new(request.into_body()), LARGEST_BODY).await.unwrap_or_default();
            let world = &server.world;
            let form = String::from_utf8_lossy(&body);
            Ok(entra(world.identity.grant(world.url(), &tenant, &form, authorization.as_deref(), world.clock.now())))
        }
        ["common", "discovery", "instance"] => Ok(entra((200, server.world.identity.instances(&base)))),
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            Ok(entra(server.world.identity.discovery(&base, tenant)))
        }
        _ => Ok(plain(
            404,
            "text/plain",
            b"Nothing here: the Web API is at /api/data/v9.2, tokens are at /{tenant}/oauth2/v2.0/token.".to_vec(),
        )),
    }
}

/// An answer of the identity platform.
fn entra((status, body): (u16, serde_json::Value)) -> Response<Body> {
    plain(status, "application/json; charset=utf-8", body.to_string().into_bytes())
}

/// A header as text.
fn header<B>(request: &Request<B>, name: &http::header::HeaderName) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Version and resource: the parts of the path behind `/api/data/`.
fn resource(path: &str) -> Option<(String, String)> {
    let rest = path.strip_prefix("/api/data/")?;
    let (version, resource) = rest.split_once('/').unwrap_or((rest, ""));
    let minor = version.strip_prefix("v9.").or_else(|| version.strip_prefix("v8."))?;
    minor.bytes().all(|byte| byte.is_ascii_digit()).then(|| (version.to_owned(), resource.to_owned()))
}

async fn web_api(
    server: &Server,
    request: Request<Incoming>,
    base: &str,
    version: &str,
    path: String,
) -> Result<Response<Body>, Cut> {
    let world = &server.world;
    let (parts, incoming) = request.into_parts();
    let started = Instant::now();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let shown = format!("{}{query}", parts.uri.path());
    let method = parts.method.as_str().to_owned();
    let log = |status: u16, rows: usize| {
        world.served(RequestLogEntry { method: method.clone(), path: shown.clone(), status, rows })
    };
    let authorization = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // The body is read in any case, so that the connection stays usable.
    let body = axum::body::to_bytes(Body::new(incoming), LARGEST_BODY).await;
    if let Err(refusal) = world.identity.check(authorization, world.clock.now()) {
        log(401, 0);
        return Ok(unauthorized(world, base, refusal));
    }
    let Ok(body) = body else {
        log(413, 0);
        return Ok(answer(ApiResponse::error(
            &ApiError::new(413, "0x8004418a", "Request length is too large."),
            false,
        )));
    };
    let Some(verb) = Verb::parse(&method) else {
        log(405, 0);
        return Ok(answer(ApiResponse::error(&ApiError::wrong_verb(&method), false)));
    };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut request = ApiRequest {
        verb,
        root: format!("{base}/api/data/{version}"),
        resource: format!("{path}{query}"),
        headers,
        body: body.to_vec(),
        caller: world.fixed.integration_user,
    };
    let annotated = request.prefer().annotated();
    let application = request.caller;
    let verdict = world.faults.decide(application, &request.resource, api::writes(&request));
    let cut = match verdict {
        Verdict::Refuse(error) => {
            log(error.status, 0);
            return Ok(answer(ApiResponse::error(&error, annotated)));
        }
        Verdict::Cut(CutMoment::BeforeEffect) => {
            world.faults.finished(application, started.elapsed());
            log(0, 0);
            return Err(Cut);
        }
        Verdict::Cut(CutMoment::AfterEffect) => true,
        Verdict::Serve => false,
    };
    let response = match api::acting_user(world, &request, application) {
        Ok(user) => {
            request.caller = user;
            api::serve(world, &request)
        }
        Err(error) => ApiResponse::error(&error, annotated),
    };
    let delay = delay(world.faults.latency(), response.work);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    world.faults.finished(application, started.elapsed());
    log(if cut { 0 } else { response.status }, response.rows);
    if cut { Err(Cut) } else { Ok(answer(response)) }
}

fn delay(latency: Latency, work: Work) -> Duration {
    let rows = |each: Duration, count: usize| each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    latency.request
        + rows(latency.single_write, work.single_writes)
        + rows(latency.batch_row, work.batch_rows)
        + rows(latency.bulk_create_row, work.bulk_creates)
        + rows(latency.bulk_update_row, work.bulk_updates)
        + rows(latency.thousand_rows_read, work.reads) / 1000
}

fn unauthorized(world: &World, base: &str, refusal: Refusal) -> Response<Body> {
    let error = match refusal {
        Refusal::Missing => ApiError::new(401, "0x80044302", "The request is not authenticated."),
        Refusal::Unknown => ApiError::new(401, "0x80041d52", "The OAuth token is not valid."),
        Refusal::Expired => ApiError::new(401, "0x80041d52", "The OAuth token has expired"),
    };
    let challenge = format!(
        "Bearer authorization_uri=https://login.microsoftonline.com/{}/oauth2/authorize, resource_id={base}/",
        world.fixed.tenant
    );
    answer(ApiResponse::error(&error, false).with("WWW-Authenticate", challenge))
}

fn answer(response: ApiResponse) -> Response<Body> {
    let mut builder = Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(*name, value);
    }
    builder = builder.header("x-ms-service-request-id", uuid::Uuid::new_v4().to_string()).header("x-ms-dop-hint", "4");
    let body = if response.status == 204 || response.status == 304 { Body::empty() } else { Body::from(response.body) };
    builder.body(body).unwrap_or_else(|_| plain(500, "text/plain", b"The answer has an impossible header.".to_vec()))
}

/// An answer outside of the Web API.
pub(crate) fn plain(status: u16, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::OK);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
