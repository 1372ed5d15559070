//! The HTTP server on loopback: tokens, the Web API, and cut connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::api::{self, LARGEST_BODY};
use crate::faults::{CutMoment, Verdict};
use crate::options::Latency;
use crate::token::{Refusal, Tokens};
use crate::wire::error::ApiError;
use crate::wire::request::{ApiRequest, ApiResponse, Verb, Work};
use crate::world::{RequestLogEntry, World};

/// What every connection shares.
pub(crate) struct Server {
    pub world: Arc<World>,
    pub tokens: Tokens,
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut")]
pub(crate) struct Cut;

/// Accepts connections until told to stop.
pub(crate) async fn run(
    server: Arc<Server>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (server, stop) = (Arc::clone(&server), stop.clone());
                match &acceptor {
                    None => {
                        tokio::spawn(connection(server, stream, stop));
                    }
                    Some(acceptor) => {
                        let acceptor = acceptor.clone();
                        tokio::spawn(async move {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                connection(server, stream, stop).await;
                            }
                        });
                    }
                }
            }
        }
    }
}

async fn connection<S>(server: Arc<Server>, stream: S, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { handle(&server, request).await.map(|response| dated(response, server.world.now())) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(1 << 20);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = connection.as_mut() => {
            if let Err(error) = result {
                tracing::debug!(%error, "connection ended");
            }
        }
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(Duration::from_secs(2), connection).await;
        }
    }
}

async fn handle(server: &Server, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/_simulator") {
        return Ok(crate::admin::serve(server, request).await);
    }
    let base = called(&server.world, &request);
    if let Some((version, resource)) = resource(&path) {
        return web_api(server, request, &base, &version, resource).await;
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        [tenant, "oauth2", .., "token"] => {
            let tenant = (*tenant).to_owned();
            let authorization = header(&request, &http::header::AUTHORIZATION);
            let body = axum::body::to_bytes(Body::new(request.into_body()), LARGEST_BODY).await.unwrap_or_default();
            let (status, value) =
                server.tokens.issue(&server.world, &tenant, &String::from_utf8_lossy(&body), authorization.as_deref());
            Ok(plain(status, "application/json; charset=utf-8", value.to_string().into_bytes()))
        }
        ["common", "discovery", "instance"] => {
            let value = crate::token::instances(&server.world, &base);
            Ok(plain(200, "application/json; charset=utf-8", value.to_string().into_bytes()))
        }
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            let (status, value) = crate::token::discovery(&server.world, &base, tenant);
            Ok(plain(status, "application/json; charset=utf-8", value.to_string().into_bytes()))
        }
        _ => Ok(plain(
            404,
            "text/plain",
            b"Nothing here: the Web API is at /api/data/v9.2, tokens are at /{tenant}/oauth2/v2.0/token.".to_vec(),
        )),
    }
}

/// The `Date` header follows the server's clock, not the machine's.
fn dated(mut response: Response<Body>, now: i64) -> Response<Body> {
    let date = jiff::Timestamp::from_second(now)
        .ok()
        .and_then(|now| http::HeaderValue::try_from(now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok());
    if let Some(date) = date {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

/// A header as text.
fn header<B>(request: &Request<B>, name: &http::header::HeaderName) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Scheme and host as the client called them: what its links must lead back to. A host that is none is answered with the simulator's own.
fn called<B>(world: &World, request: &Request<B>) -> String {
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| header(request, &http::header::HOST));
    let valid = |host: &String| host.parse::<http::uri::Authority>().is_ok_and(|parsed| !parsed.as_str().contains('@'));
    let scheme = world.url().split_once("://").map_or("http", |(scheme, _)| scheme);
    host.filter(valid).map_or_else(|| world.url().to_owned(), |host| format!("{scheme}://{host}"))
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
    if let Err(refusal) = server.tokens.check(world, authorization) {
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
