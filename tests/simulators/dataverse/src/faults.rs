//! Run-time switches for everything that goes wrong with a real service.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use simulator_platform::{
    Clock, Delivering, Dice, Draws, Identity, NotificationFaults, RequestFault, RequestFaults, WritePlan,
};
use uuid::Uuid;

use crate::options::Latency;
use crate::wire::error::ApiError;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutMoment {
    /// The write has not happened.
    BeforeEffect,
    /// The write has happened, only the answer is lost.
    AfterEffect,
}

/// A text that makes a row unacceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// Table; any when absent.
    pub table: Option<String>,
    /// Column; any when absent.
    pub column: Option<String>,
    /// The text.
    pub text: String,
    /// Single requests are let through.
    #[serde(default)]
    pub only_in_bulk: bool,
}

/// Service protection limits, per user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLimits {
    /// Requests in the window.
    pub requests: usize,
    /// Summed execution time in the window.
    pub execution: Duration,
    /// Requests at once.
    pub concurrent: usize,
    /// The window.
    pub window: Duration,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self { requests: 6000, execution: Duration::from_secs(1200), concurrent: 52, window: Duration::from_secs(300) }
    }
}

/// Chance of each fault per request, in thousandths, drawn from a seeded sequence: the same seed gives the same faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRates {
    /// 429.
    pub throttle: u32,
    /// 503.
    pub unavailable: u32,
    /// SQL deadlock on a write.
    pub deadlock: u32,
    /// Connection cut before a write took effect.
    pub cut_before: u32,
    /// Connection cut after a write took effect.
    pub cut_after: u32,
}

/// What is to happen to one HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing special.
    Serve,
    /// This answer instead.
    Refuse(ApiError),
    /// Serve, but cut the connection instead of answering (or before doing anything).
    Cut(CutMoment),
}

#[derive(Debug, Default)]
struct State {
    latency: Latency,
    requests: RequestFaults,
    fail_requests: Vec<(String, u16)>,
    deadlock_next: u32,
    cuts: WritePlan<CutMoment>,
    poison: Vec<Poison>,
    /// Kind and table of each privilege that was taken from the application.
    taken_privileges: BTreeSet<(String, String)>,
    no_bulk: HashSet<String>,
    limits: Option<ServiceLimits>,
    traffic: Vec<(Uuid, Instant)>,
    execution: Vec<(Uuid, Instant, Duration)>,
    running: usize,
    seeded: Option<(FaultRates, Dice)>,
    notifications: Option<Draws>,
    delta_expired_before: u64,
}

/// The switches. All methods may be called while requests are served.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
    clock: Arc<Clock>,
    identity: Arc<Identity>,
}

impl Faults {
    /// No faults of a service with this clock and these tokens.
    pub(crate) fn new(clock: Arc<Clock>, identity: Arc<Identity>) -> Self {
        Self { state: Mutex::default(), clock, identity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what requests cost in time.
    pub fn set_latency(&self, latency: Latency) {
        self.state().latency = latency;
    }

    /// What requests cost in time.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.state().latency
    }

    /// While on, every request is answered 503.
    pub fn outage(&self, on: bool) {
        self.state().requests.set_outage(on);
    }

    /// The next `count` requests are answered 429 with `Retry-After: retry_after`.
    pub fn throttle_next(&self, count: usize, retry_after: u64) {
        self.state().requests.plan(count as u64, throttle(retry_after));
    }

    /// Every `nth` request is answered 429; 0 switches it off.
    pub fn throttle_every(&self, nth: u64, retry_after: u64) {
        self.state().requests.plan_every(nth, throttle(retry_after));
    }

    /// The next `count` requests are answered with this status (500, 502, 503, 504, 408).
    pub fn fail_next(&self, count: usize, status: u16) {
        self.state().requests.plan(count as u64, RequestFault::Fail { status });
    }

    /// The next request whose resource (below `/api/data/v9.2/`, as it was sent) contains this text is answered with this status.
    /// It needs no knowledge of how many other requests come before it.
    pub fn fail_request(&self, resource_contains: &str, status: u16) {
        self.state().fail_requests.push((resource_contains.to_owned(), status));
    }

    /// The next `count` writes fail with a SQL deadlock and have no effect.
    pub fn deadlock_next(&self, count: u32) {
        self.state().deadlock_next += count;
    }

    /// Cuts the connection of the `nth` write request from now (1 is the next), a `$batch` with writes counting as one.
    pub fn cut_connection(&self, nth: u64, moment: CutMoment) {
        self.state().cuts.plan(nth, moment);
    }

    /// Refuses rows that contain a text.
    pub fn poison(&self, poison: Poison) {
        self.state().poison.push(poison);
    }

    /// Accepts all texts again.
    pub fn clear_poison(&self) {
        self.state().poison.clear();
    }

    /// The texts that are refused.
    #[must_use]
    pub fn poisons(&self) -> Vec<Poison> {
        self.state().poison.clone()
    }

    /// Takes the privilege to delete rows of a table from the application, or gives it back.
    pub fn keep_rows(&self, table: &str, kept: bool) {
        self.take_privilege("Delete", table, kept);
    }

    /// Takes a privilege on a table from the application, or gives it back: `Create`, `Read`, `Write`, `Delete`, `Append`,
    /// `AppendTo` or `Assign`. The first four are looked at before anything is done.
    pub fn take_privilege(&self, kind: &str, table: &str, taken: bool) {
        let privilege = (kind.to_owned(), table.to_owned());
        let privileges = &mut self.state().taken_privileges;
        if taken {
            privileges.insert(privilege)
        } else {
            privileges.remove(&privilege)
        };
    }

    /// Kind and table of each privilege that was taken from the application.
    #[must_use]
    pub fn taken_privileges(&self) -> BTreeSet<(String, String)> {
        self.state().taken_privileges.clone()
    }

    /// Takes the bulk messages of a table away, or gives them back.
    pub fn bulk_unsupported(&self, table: &str, unsupported: bool) {
        let mut state = self.state();
        if unsupported {
            state.no_bulk.insert(table.to_owned());
        } else {
            state.no_bulk.remove(table);
        }
    }

    /// The table has lost its bulk messages.
    #[must_use]
    pub fn lacks_bulk(&self, table: &str) -> bool {
        self.state().no_bulk.contains(table)
    }

    /// Enforces service protection limits, or stops doing so.
    pub fn set_limits(&self, limits: Option<ServiceLimits>) {
        let mut state = self.state();
        state.limits = limits;
        state.traffic.clear();
        state.execution.clear();
    }

    /// Random faults from now on; the same seed gives the same sequence.
    pub fn seed_faults(&self, seed: u64, rates: FaultRates) {
        self.state().seeded = Some((rates, Dice::new(seed)));
    }

    /// Lets webhook notifications arrive twice or out of order from now on; `None` ends it.
    pub fn disturb_notifications(&self, faults: Option<NotificationFaults>) {
        self.state().notifications = faults.map(Draws::new);
    }

    /// How the next notification is delivered; `None` while nothing disturbs them.
    pub(crate) fn next_delivery(&self) -> Option<Delivering> {
        self.state().notifications.as_mut().map(Draws::draw)
    }

    /// Expires all delta links given out up to this row version.
    pub(crate) fn expire_delta_links_before(&self, version: u64) {
        self.state().delta_expired_before = version;
    }

    /// Delta links below this row version have expired.
    #[must_use]
    pub fn delta_expired_before(&self) -> u64 {
        self.state().delta_expired_before
    }

    /// All access tokens given out so far are refused from now on.
    pub fn expire_tokens(&self) {
        self.identity.expire_tokens();
    }

    /// Moves the server's clock forward, so that tests need not wait.
    pub fn advance_clock(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets the server's clock ahead (or behind); replaces what was set or advanced before.
    pub fn set_clock_skew(&self, skew: jiff::SignedDuration) {
        self.clock.set_skew(skew);
    }

    /// Ends all faults; latency and the clock stay.
    pub fn clear(&self) {
        let mut state = self.state();
        *state = State {
            latency: state.latency,
            running: state.running,
            delta_expired_before: state.delta_expired_before,
            ..State::default()
        };
    }

    /// Decides about one request. Every call that is served must be followed by [`Faults::finished`].
    pub(crate) fn decide(&self, user: Uuid, resource: &str, write: bool) -> Verdict {
        let mut state = self.state();
        if let Some(at) = state.fail_requests.iter().position(|(text, _)| resource.contains(text.as_str())) {
            return Verdict::Refuse(unavailable(state.fail_requests.remove(at).1));
        }
        match state.requests.meet() {
            Some(RequestFault::Outage) => return Verdict::Refuse(unavailable(503)),
            Some(RequestFault::Fail { status }) => return Verdict::Refuse(unavailable(status)),
            Some(RequestFault::Throttle { retry_after }) => {
                return Verdict::Refuse(too_many("0x80072322", retry_after.map_or(1, |pause| pause.as_secs())));
            }
            Some(RequestFault::Cut) => return cut(&mut state, CutMoment::BeforeEffect),
            None => {}
        }
        if let Some(error) = limited(&mut state, user) {
            return Verdict::Refuse(error);
        }
        let drawn = drawn(&mut state, write);
        if write {
            if let Some(moment) = state.cuts.meet() {
                return cut(&mut state, moment);
            }
            if state.deadlock_next > 0 {
                state.deadlock_next -= 1;
                return Verdict::Refuse(deadlock());
            }
        }
        if !matches!(drawn, Verdict::Refuse(_)) {
            state.running += 1;
        }
        drawn
    }

    /// One served request is over.
    pub(crate) fn finished(&self, user: Uuid, took: Duration) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        if state.limits.is_some() {
            state.execution.push((user, Instant::now(), took));
        }
    }
}

fn limited(state: &mut State, user: Uuid) -> Option<ApiError> {
    let limits = state.limits?;
    let now = Instant::now();
    state.traffic.retain(|(_, at)| now.duration_since(*at) < limits.window);
    state.execution.retain(|(_, at, _)| now.duration_since(*at) < limits.window);
    if state.running >= limits.concurrent {
        return Some(
            too_many("0x80072326", 1)
                .with_message(format!("Number of concurrent requests exceeded the limit of {}.", limits.concurrent)),
        );
    }
    let wait = |oldest: Option<Instant>| {
        oldest.map_or(1, |at| limits.window.saturating_sub(now.duration_since(at)).as_secs().max(1))
    };
    let mine: Vec<Instant> = state.traffic.iter().filter(|(who, _)| *who == user).map(|(_, at)| *at).collect();
    if mine.len() >= limits.requests {
        let text = format!(
            "Number of requests exceeded the limit of {} over time window of {} seconds.",
            limits.requests,
            limits.window.as_secs()
        );
        return Some(too_many("0x80072322", wait(mine.first().copied())).with_message(text));
    }
    let spent: Duration = state.execution.iter().filter(|(who, ..)| *who == user).map(|(.., took)| *took).sum();
    if spent > limits.execution {
        let oldest = state.execution.iter().find(|(who, ..)| *who == user).map(|(_, at, _)| *at);
        return Some(too_many("0x80072321", wait(oldest)));
    }
    state.traffic.push((user, now));
    None
}

fn drawn(state: &mut State, write: bool) -> Verdict {
    let Some((rates, dice)) = &mut state.seeded else {
        return Verdict::Serve;
    };
    let hit = dice.hit(&[rates.throttle, rates.unavailable, rates.deadlock, rates.cut_before, rates.cut_after]);
    match (hit, write) {
        (Some(0), _) => Verdict::Refuse(too_many("0x80072322", 1)),
        (Some(1), _) => Verdict::Refuse(unavailable(503)),
        (Some(2), true) => Verdict::Refuse(deadlock()),
        (Some(3), true) => Verdict::Cut(CutMoment::BeforeEffect),
        (Some(4), true) => Verdict::Cut(CutMoment::AfterEffect),
        _ => Verdict::Serve,
    }
}

/// A request that is served, but without an answer.
fn cut(state: &mut State, moment: CutMoment) -> Verdict {
    state.running += 1;
    Verdict::Cut(moment)
}

fn throttle(seconds: u64) -> RequestFault {
    RequestFault::Throttle { retry_after: Some(Duration::from_secs(seconds)) }
}

fn too_many(code: &'static str, seconds: u64) -> ApiError {
    let text = match code {
        "0x80072321" => {
            "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later."
        }
        _ => "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
    };
    ApiError { retry_after: Some(seconds), ..ApiError::new(429, code, text) }
}

fn unavailable(status: u16) -> ApiError {
    let text = match status {
        502 => "Bad gateway.",
        503 => "The service is unavailable.",
        504 => "Gateway timeout.",
        408 => "The request timed out.",
        _ => "An unexpected error occurred.",
    };
    ApiError::new(status, "0x80040216", text)
}

fn deadlock() -> ApiError {
    ApiError::new(
        500,
        "0x80044150",
        "Sql error: Generic SQL error. CRM ErrorCode: -2147204784 Sql ErrorCode: -2146232060 Sql Number: 1205",
    )
}

impl ApiError {
    fn with_message(mut self, message: String) -> Self {
        self.message = message;
        self
    }
}
