//! The simulator's own interface, `/_simulator/...`: what tests and demonstrations in other processes need. No token is asked for.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::SignedDuration;
use percent_encoding::percent_decode_str;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator_platform::{NotificationFaults, within_a_century};
use uuid::Uuid;

use crate::cell::parse_decimal;
use crate::errors::ApiError;
use crate::faults::{Faults, Moment, Poison, RandomFaults};
use crate::options::{Latency, Limits};
use crate::server::Server;
use crate::service::{Answer, Switches};
use crate::state_file;

/// Answers a request below `/_simulator`.
pub(crate) fn answer(server: &Server, method: &Method, path: &str, body: &Bytes) -> Answer {
    let segments: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match dispatch(server, method.as_str(), &segments, body) {
        Ok(Value::Null) => Answer::empty(204),
        Ok(value) => Answer::json(200, value.to_string().into_bytes()),
        Err(error) => Answer::refused(&error),
    }
}

fn dispatch(server: &Server, method: &str, segments: &[&str], body: &Bytes) -> Result<Value, ApiError> {
    match (method, segments) {
        ("GET", []) => Ok(status(server)),
        ("GET", ["requests"]) => to_value(&server.log.entries()),
        ("DELETE", ["requests"]) => {
            server.log.reset();
            Ok(Value::Null)
        }
        ("POST", ["faults"]) => {
            parse::<FaultRequest>(body)?.apply(&server.api.faults);
            Ok(Value::Null)
        }
        ("DELETE", ["faults"]) => {
            server.api.faults.clear();
            Ok(Value::Null)
        }
        ("POST", ["save"]) => {
            let path = server
                .options
                .state_file
                .as_deref()
                .ok_or_else(|| ApiError::bad_request("The simulator was started without a state file."))?;
            state_file::save(&server.api.reading(), path)
                .map_err(|error| ApiError::bad_request(format!("{error:#}")))?;
            Ok(Value::Null)
        }
        ("POST", ["ledger-entries"]) => {
            let entry: LedgerRequest = parse(body)?;
            server.post_item_ledger_entry(&entry.item_number, number(&entry.quantity)?).map(|id| json!({"id": id}))
        }
        ("GET", ["tables", table]) => to_value(&server.rows(table)?),
        ("POST", ["tables", table]) => server.create_as_user(table, parse(body)?).map(|id| json!({"id": id})),
        ("GET", ["tables", table, key]) => {
            server.row(table, id(key)?)?.map(Value::Object).ok_or_else(|| ApiError::record_not_found(table, key))
        }
        ("PATCH", ["tables", table, key]) => server.update_as_user(table, id(key)?, parse(body)?).map(|()| Value::Null),
        ("DELETE", ["tables", table, key]) => server.delete_as_user(table, id(key)?).map(|()| Value::Null),
        ("POST", ["tables", table, key, "payments"]) => {
            let payment: PaymentRequest = parse(body)?;
            let _ = table;
            server.pay_invoice(id(key)?, number(&payment.amount)?).map(|()| Value::Null)
        }
        ("POST", ["tables", table, key, "actions", action]) => {
            server.run_action_as_user(table, id(key)?, action).map(|made| json!({"id": made}))
        }
        _ => Err(ApiError::no_route(&format!("/_simulator/{}", segments.join("/")))),
    }
}

fn status(server: &Server) -> Value {
    let store = server.api.reading();
    let tables: serde_json::Map<String, Value> = crate::schema::schema()
        .ids()
        .map(|table| (crate::schema::schema().table(table).name.clone(), store.count(table).into()))
        .filter(|(_, count): &(String, Value)| count.as_u64() != Some(0))
        .collect();
    json!({
        "url": server.base(),
        "company": {"id": store.company.id, "name": store.company.name, "localCurrency": store.company.local_currency},
        "requests": server.log.count(),
        "clockSkewMilliseconds": store.clock.ahead_milliseconds(),
        "records": tables
    })
}

fn to_value(value: &impl serde::Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|error| ApiError::bad_request(error.to_string()))
}

fn parse<T: for<'a> Deserialize<'a>>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("Invalid Request Body: {error}.")))
}

fn id(text: &str) -> Result<Uuid, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request(format!("'{text}' is not an id.")))
}

fn number(number: &serde_json::Number) -> Result<Decimal, ApiError> {
    parse_decimal(number.as_str()).ok_or_else(|| ApiError::bad_request(format!("'{number}' is not a decimal number.")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LedgerRequest {
    item_number: String,
    quantity: serde_json::Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PaymentRequest {
    amount: serde_json::Number,
}

/// Sets faults from the body that `POST /_simulator/faults` takes.
pub(crate) fn set_faults(faults: &Faults, body: &str) -> serde_json::Result<()> {
    serde_json::from_str::<FaultRequest>(body)?.apply(faults);
    Ok(())
}

/// What is to change; what is left out stays.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct FaultRequest {
    latency: Option<LatencyRequest>,
    limits: Option<bool>,
    throttle_next: Option<u64>,
    throttle_every: Option<u64>,
    retry_after_seconds: Option<u64>,
    fail_next: Option<FailNext>,
    fail_every: Option<FailEvery>,
    cut_before_write: Option<u64>,
    cut_after_write: Option<u64>,
    fail_write: Option<FailWrite>,
    expire_tokens: Option<bool>,
    token_lifetime_seconds: Option<u64>,
    client_secret: Option<String>,
    outage: Option<bool>,
    refuse_text: Option<Poison>,
    accept_all_texts: Option<bool>,
    companion_installed: Option<bool>,
    #[serde(default, deserialize_with = "within_a_century")]
    clock_skew_seconds: Option<i64>,
    #[serde(default, deserialize_with = "within_a_century")]
    advance_clock_seconds: Option<u64>,
    webhook_delay_milliseconds: Option<u64>,
    random: Option<RandomFaults>,
    notifications: Option<NotificationFaults>,
    switches: Option<SwitchesRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LatencyRequest {
    read_milliseconds: u64,
    write_milliseconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailNext {
    count: usize,
    status: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailEvery {
    nth: u64,
    status: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailWrite {
    nth: u64,
    status: u16,
    moment: Moment,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SwitchesRequest {
    wildcards_in_filters: bool,
    delete_needs_if_match: bool,
    duplicate_is_conflict: bool,
    id_is_read_only: bool,
    companion_takes_ids: bool,
    validates_before_insert: bool,
    sequence_is_refused: bool,
}

impl Default for SwitchesRequest {
    fn default() -> Self {
        let Switches {
            wildcards_in_filters,
            delete_needs_if_match,
            duplicate_is_conflict,
            id_is_read_only,
            companion_takes_ids,
            validates_before_insert,
            sequence_is_refused,
        } = Switches::default();
        Self {
            wildcards_in_filters,
            delete_needs_if_match,
            duplicate_is_conflict,
            id_is_read_only,
            companion_takes_ids,
            validates_before_insert,
            sequence_is_refused,
        }
    }
}

impl From<SwitchesRequest> for Switches {
    fn from(request: SwitchesRequest) -> Self {
        Self {
            wildcards_in_filters: request.wildcards_in_filters,
            delete_needs_if_match: request.delete_needs_if_match,
            duplicate_is_conflict: request.duplicate_is_conflict,
            id_is_read_only: request.id_is_read_only,
            companion_takes_ids: request.companion_takes_ids,
            validates_before_insert: request.validates_before_insert,
            sequence_is_refused: request.sequence_is_refused,
        }
    }
}

impl FaultRequest {
    fn apply(self, faults: &Faults) {
        let retry_after = self.retry_after_seconds.map(Duration::from_secs);
        if let Some(latency) = self.latency {
            faults.set_latency(Latency {
                read: Duration::from_millis(latency.read_milliseconds),
                write: Duration::from_millis(latency.write_milliseconds),
            });
        }
        if let Some(on) = self.limits {
            faults.set_limits(if on {
                Limits { retry_after: self.retry_after_seconds, ..Limits::online() }
            } else {
                Limits::off()
            });
        }
        if let Some(count) = self.throttle_next {
            faults.throttle_next(count, retry_after);
        }
        if let Some(nth) = self.throttle_every {
            faults.throttle_every(nth, retry_after);
        }
        if let Some(fail) = self.fail_next {
            faults.fail_next(fail.count, fail.status);
        }
        if let Some(fail) = self.fail_every {
            faults.fail_every(fail.nth, fail.status);
        }
        if let Some(nth) = self.cut_before_write {
            faults.cut_before_write(nth);
        }
        if let Some(nth) = self.cut_after_write {
            faults.cut_after_write(nth);
        }
        if let Some(fail) = self.fail_write {
            faults.fail_write(fail.nth, fail.status, fail.moment);
        }
        if self.expire_tokens == Some(true) {
            faults.expire_tokens();
        }
        if let Some(seconds) = self.token_lifetime_seconds {
            faults.set_token_lifetime(Duration::from_secs(seconds));
        }
        if let Some(secret) = self.client_secret {
            faults.rotate_client_secret(secret);
        }
        if let Some(on) = self.outage {
            faults.set_outage(on);
        }
        if self.accept_all_texts == Some(true) {
            faults.accept_all_texts();
        }
        if let Some(poison) = self.refuse_text {
            faults.refuse_text(poison);
        }
        if let Some(installed) = self.companion_installed {
            faults.set_companion_installed(installed);
        }
        if let Some(seconds) = self.clock_skew_seconds {
            faults.set_clock_skew(SignedDuration::from_secs(seconds));
        }
        if let Some(seconds) = self.advance_clock_seconds {
            faults.advance_clock(Duration::from_secs(seconds));
        }
        if let Some(milliseconds) = self.webhook_delay_milliseconds {
            faults.set_webhook_delay(Duration::from_millis(milliseconds));
        }
        if self.random.is_some() {
            faults.set_random(self.random);
        }
        if self.notifications.is_some() {
            faults.disturb_notifications(self.notifications);
        }
        if let Some(switches) = self.switches {
            faults.set_switches(switches.into());
        }
    }
}
