//! The admin API below `/_simulator/`: counters, log, switches, rows, state.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator_platform::{NotificationFaults, within_a_century};

use crate::faults::{CutMoment, FaultRates, Poison, ServiceLimits};
use crate::options::Latency;
use crate::server::{Server, plain};
use crate::store::SavedState;
use crate::world::{CLIENT_SECRET, World};

/// A change of switches: what is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    clear: Option<bool>,
    outage: Option<bool>,
    latency: Option<LatencyName>,
    throttle_next: Option<Throttle>,
    throttle_every: Option<Throttle>,
    fail_next: Option<Failure>,
    deadlock_next: Option<u32>,
    cut_connection: Option<Cutting>,
    poison: Option<Poison>,
    clear_poison: Option<bool>,
    bulk_unsupported: Option<Bulk>,
    limits: Option<LimitsName>,
    seed: Option<Seed>,
    expire_tokens: Option<bool>,
    expire_delta_links: Option<bool>,
    #[serde(default, deserialize_with = "within_a_century")]
    clock_skew_seconds: Option<i64>,
    #[serde(default, deserialize_with = "within_a_century")]
    advance_clock_seconds: Option<u64>,
    notifications: Option<NotificationFaults>,
    secure_column: Option<Securing>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LatencyName {
    None,
    Benchmark,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitsName {
    Off,
    Documented,
    Custom { requests: usize, execution_seconds: u64, concurrent: usize, window_seconds: u64 },
}

#[derive(Debug, Deserialize)]
struct Throttle {
    count: u64,
    retry_after: u64,
}

#[derive(Debug, Deserialize)]
struct Failure {
    count: usize,
    status: u16,
}

#[derive(Debug, Deserialize)]
struct Cutting {
    nth: u64,
    moment: CutMoment,
}

#[derive(Debug, Deserialize)]
struct Bulk {
    table: String,
    unsupported: bool,
}

/// `security` absent or null switches it off again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Securing {
    table: String,
    column: String,
    security: Option<crate::schema::Security>,
}

#[derive(Debug, Deserialize)]
struct Seed {
    seed: u64,
    rates: FaultRates,
}

/// Answers an admin request.
pub(crate) async fn serve(server: &Server, request: Request<Incoming>) -> Response<Body> {
    let world = &server.world;
    let path = request.uri().path().trim_start_matches("/_simulator").trim_matches('/').to_owned();
    let method = request.method().clone();
    let body = axum::body::to_bytes(Body::new(request.into_body()), usize::MAX).await.unwrap_or_default();
    let (status, value) = match (&method, path.as_str()) {
        (&Method::GET, "") => (200, about(world)),
        (&Method::GET, "counters") => (200, json!({"requests": world.requests()})),
        (&Method::GET, "log") => (200, json!(world.log())),
        (&Method::POST, "reset") => {
            world.reset_requests();
            (200, json!({"requests": 0}))
        }
        (&Method::POST, "faults") => match serde_json::from_slice::<FaultRequest>(&body) {
            Ok(request) => {
                apply(world, request);
                (200, json!({"ok": true}))
            }
            Err(error) => (400, json!({"error": error.to_string()})),
        },
        (&Method::GET, "state") => (200, json!(world.read().save())),
        (&Method::PUT, "state") => match serde_json::from_slice::<SavedState>(&body) {
            Ok(state) => match world.write().load(&state) {
                Ok(()) => (200, json!({"ok": true})),
                Err(error) => (400, json!({"error": error.to_string()})),
            },
            Err(error) => (400, json!({"error": error.to_string()})),
        },
        (&Method::GET, table) if table.starts_with("rows/") => rows(world, &table["rows/".len()..]),
        _ => (
            404,
            json!({"error": "No such admin resource.", "resources": ["GET counters", "GET log", "POST reset", "POST faults", "GET state", "PUT state", "GET rows/{table}"]}),
        ),
    };
    plain(status, "application/json", value.to_string().into_bytes())
}

fn about(world: &World) -> Value {
    let fixed = world.fixed;
    json!({
        "url": world.url(), "api": world.api(), "tenant": fixed.tenant, "client_id": fixed.client, "client_secret": CLIENT_SECRET,
        "integration_user": fixed.integration_user, "organization": fixed.organization, "company_id": world.options.company_id
    })
}

fn rows(world: &World, table: &str) -> (u16, Value) {
    let store = world.read();
    match store.schema.position(table) {
        Some(at) => (
            200,
            Value::Array(
                store
                    .rows(at)
                    .after(None)
                    .map(|row| Value::Object(crate::simulator::shown(store.schema.table(at), row)))
                    .collect(),
            ),
        ),
        None => (404, json!({"error": format!("There is no table {table}.")})),
    }
}

/// Sets faults from the body that `POST /_simulator/faults` takes.
pub(crate) fn set_faults(world: &World, body: &str) -> serde_json::Result<()> {
    apply(world, serde_json::from_str(body)?);
    Ok(())
}

fn apply(world: &World, request: FaultRequest) {
    let faults = &world.faults;
    if request.clear == Some(true) {
        faults.clear();
    }
    if let Some(on) = request.outage {
        faults.outage(on);
    }
    match request.latency {
        Some(LatencyName::None) => faults.set_latency(Latency::default()),
        Some(LatencyName::Benchmark) => faults.set_latency(Latency::benchmark()),
        None => {}
    }
    if let Some(throttle) = request.throttle_next {
        faults.throttle_next(usize::try_from(throttle.count).unwrap_or(usize::MAX), throttle.retry_after);
    }
    if let Some(throttle) = request.throttle_every {
        faults.throttle_every(throttle.count, throttle.retry_after);
    }
    if let Some(failure) = request.fail_next {
        faults.fail_next(failure.count, failure.status);
    }
    if let Some(count) = request.deadlock_next {
        faults.deadlock_next(count);
    }
    if let Some(cutting) = request.cut_connection {
        faults.cut_connection(cutting.nth, cutting.moment);
    }
    if request.clear_poison == Some(true) {
        faults.clear_poison();
    }
    if let Some(poison) = request.poison {
        faults.poison(poison);
    }
    if let Some(bulk) = request.bulk_unsupported {
        faults.bulk_unsupported(&bulk.table, bulk.unsupported);
    }
    match request.limits {
        Some(LimitsName::Off) => faults.set_limits(None),
        Some(LimitsName::Documented) => faults.set_limits(Some(ServiceLimits::default())),
        Some(LimitsName::Custom { requests, execution_seconds, concurrent, window_seconds }) => {
            faults.set_limits(Some(ServiceLimits {
                requests,
                execution: Duration::from_secs(execution_seconds),
                concurrent,
                window: Duration::from_secs(window_seconds),
            }))
        }
        None => {}
    }
    if let Some(seed) = request.seed {
        faults.seed_faults(seed.seed, seed.rates);
    }
    if request.expire_tokens == Some(true) {
        faults.expire_tokens();
    }
    if request.expire_delta_links == Some(true) {
        world.expire_delta_links();
    }
    if let Some(seconds) = request.clock_skew_seconds {
        faults.set_clock_skew(jiff::SignedDuration::from_secs(seconds));
    }
    if let Some(notifications) = request.notifications {
        faults.disturb_notifications(Some(notifications));
    }
    if let Some(Securing { table, column, security }) = request.secure_column
        && let Err(error) = crate::world::secure_column(world, &table, &column, security)
    {
        tracing::warn!(%error, "no column security was switched");
    }
    if let Some(seconds) = request.advance_clock_seconds {
        faults.advance_clock(Duration::from_secs(seconds));
    }
}
