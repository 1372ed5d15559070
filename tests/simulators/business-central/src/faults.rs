//! Switches that make the service misbehave as the real one sometimes does. All can be set while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::etag::mix;
use crate::notification_faults::{Delivering, Draws, NotificationFaults};
use crate::options::{Latency, Limits};
use crate::service::Switches;

/// A value the company's own code refuses, as a validation added by an extension would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// Only in this table, or in all.
    #[serde(default)]
    pub table: Option<String>,
    /// Only in this property, or in all.
    #[serde(default)]
    pub property: Option<String>,
    /// The text that is refused wherever it occurs in the value.
    pub text: String,
}

/// When a failing answer is given: without effect, or although the write took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing was written.
    Before,
    /// The write took effect.
    After,
}

/// What is to happen to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    CutBefore,
    CutAfter,
    AnswerBefore(u16),
    AnswerAfter(u16),
}

/// What is to happen to one request before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFault {
    Throttle { retry_after: Option<Duration> },
    Fail { status: u16 },
    Outage,
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct Every {
    nth: u64,
    seen: u64,
    status: u16,
    retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct PlannedWrite {
    countdown: u64,
    fault: WriteFault,
}

/// How often requests fail at random; parts per thousand, from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomFaults {
    /// Start of the random sequence.
    pub seed: u64,
    /// Requests answered with 429.
    #[serde(default)]
    pub throttle: u16,
    /// Requests answered with 503.
    #[serde(default)]
    pub unavailable: u16,
    /// Connections cut before the request is looked at.
    #[serde(default)]
    pub cut: u16,
    /// Writes that take effect although the connection is cut.
    #[serde(default)]
    pub cut_after_write: u16,
}

struct State {
    latency: Latency,
    limits: Limits,
    switches: Switches,
    throttle_next: u64,
    throttle_after: Option<Duration>,
    fail_next: Vec<u16>,
    every: Vec<Every>,
    planned: Vec<PlannedWrite>,
    outage: bool,
    companion_installed: bool,
    poison: Vec<Poison>,
    random: Option<RandomFaults>,
    random_state: u64,
    notifications: Option<Draws>,
    tokens_valid_from: u64,
    token_lifetime: Duration,
    client_secret: Option<String>,
    webhook_delay: Duration,
}

/// The run-time switches of one simulator.
pub struct Faults {
    state: Mutex<State>,
    clock: Arc<Clock>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Faults").finish_non_exhaustive()
    }
}

/// How long an access token lives.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3599);

impl Faults {
    pub(crate) fn new(
        clock: Arc<Clock>,
        latency: Latency,
        limits: Limits,
        switches: Switches,
        webhook_delay: Duration,
    ) -> Self {
        let state = State {
            latency,
            limits,
            switches,
            throttle_next: 0,
            throttle_after: None,
            fail_next: Vec::new(),
            every: Vec::new(),
            planned: Vec::new(),
            outage: false,
            companion_installed: true,
            poison: Vec::new(),
            random: None,
            random_state: 0,
            notifications: None,
            tokens_valid_from: 0,
            token_lifetime: TOKEN_LIFETIME,
            client_secret: None,
            webhook_delay,
        };
        Self { state: Mutex::new(state), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long requests take.
    pub fn set_latency(&self, latency: Latency) {
        self.state().latency = latency;
    }

    /// Sets the limits of the service; [`Limits::off`] lifts them.
    pub fn set_limits(&self, limits: Limits) {
        self.state().limits = limits;
    }

    /// Sets behaviour that is not certain about the real service.
    pub fn set_switches(&self, switches: Switches) {
        self.state().switches = switches;
    }

    /// Answers the next requests with 429, with a `Retry-After` header if a pause is given.
    pub fn throttle_next(&self, count: u64, retry_after: Option<Duration>) {
        let mut state = self.state();
        state.throttle_next = count;
        state.throttle_after = retry_after;
    }

    /// Answers every nth request with 429; 0 ends it.
    pub fn throttle_every(&self, nth: u64, retry_after: Option<Duration>) {
        self.set_every(429, nth, retry_after);
    }

    /// Answers the next requests with this status (408, 500, 502, 503, 504, ...) without looking at them.
    pub fn fail_next(&self, count: usize, status: u16) {
        let mut state = self.state();
        state.fail_next.extend(std::iter::repeat_n(status, count));
    }

    /// Answers every nth request with this status; 0 ends it.
    pub fn fail_every(&self, nth: u64, status: u16) {
        self.set_every(status, nth, None);
    }

    fn set_every(&self, status: u16, nth: u64, retry_after: Option<Duration>) {
        let mut state = self.state();
        state.every.retain(|every| every.status != status);
        if nth > 0 {
            state.every.push(Every { nth, seen: 0, status, retry_after });
        }
    }

    /// Cuts the connection instead of carrying out the nth write from now (1 is the next). Operations of a batch count singly.
    pub fn cut_before_write(&self, nth: u64) {
        self.plan(nth, WriteFault::CutBefore);
    }

    /// Cuts the connection after the nth write from now took effect.
    pub fn cut_after_write(&self, nth: u64) {
        self.plan(nth, WriteFault::CutAfter);
    }

    /// Answers the nth write from now with this status, before or after it took effect.
    pub fn fail_write(&self, nth: u64, status: u16, moment: Moment) {
        let fault = match moment {
            Moment::Before => WriteFault::AnswerBefore(status),
            Moment::After => WriteFault::AnswerAfter(status),
        };
        self.plan(nth, fault);
    }

    fn plan(&self, nth: u64, fault: WriteFault) {
        self.state().planned.push(PlannedWrite { countdown: nth.max(1), fault });
    }

    /// Makes all access tokens given out so far worthless.
    pub fn expire_tokens(&self) {
        self.state().tokens_valid_from += 1;
    }

    /// Sets how long the tokens given out from now on live.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().token_lifetime = lifetime;
    }

    /// Rotates the client's secret: from now on tokens are given for this one only.
    pub fn rotate_client_secret(&self, secret: impl Into<String>) {
        self.state().client_secret = Some(secret.into());
    }

    /// Answers everything with 503 while on.
    pub fn set_outage(&self, on: bool) {
        self.state().outage = on;
    }

    /// Refuses writes that carry a text.
    pub fn refuse_text(&self, poison: Poison) {
        self.state().poison.push(poison);
    }

    /// Accepts again what [`Faults::refuse_text`] refused.
    pub fn accept_all_texts(&self) {
        self.state().poison.clear();
    }

    /// Whether the companion app is there; without it its route answers 404.
    pub fn set_companion_installed(&self, installed: bool) {
        self.state().companion_installed = installed;
    }

    /// Sets the clock of the service ahead (or behind).
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        self.clock.set_skew(skew);
    }

    /// Moves the clock of the service forward from where it stands, so that tests need not wait.
    pub fn advance_clock(&self, by: Duration) {
        self.clock.advance(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Lets requests fail at random from a seed; `None` ends it.
    pub fn set_random(&self, random: Option<RandomFaults>) {
        let mut state = self.state();
        state.random_state = random.map_or(0, |random| random.seed);
        state.random = random;
    }

    /// Lets notifications arrive twice or out of order from now on; `None` ends it.
    pub fn disturb_notifications(&self, faults: Option<NotificationFaults>) {
        self.state().notifications = faults.map(Draws::new);
    }

    /// How the next notification is delivered.
    pub(crate) fn next_delivery(&self) -> Delivering {
        self.state().notifications.as_mut().map_or(Delivering::Once, Draws::next)
    }

    /// Sets how long changes are collected before a notification is sent.
    pub fn set_webhook_delay(&self, delay: Duration) {
        self.state().webhook_delay = delay;
    }

    /// Ends all misbehaviour: no latency, no limits, nothing planned. Clock skew, tokens, the secret and uncertain switches
    /// stay.
    pub fn clear(&self) {
        let mut state = self.state();
        state.latency = Latency::default();
        state.limits = Limits::off();
        state.throttle_next = 0;
        state.fail_next.clear();
        state.every.clear();
        state.planned.clear();
        state.outage = false;
        state.companion_installed = true;
        state.poison.clear();
        state.random = None;
    }

    pub(crate) fn latency(&self) -> Latency {
        self.state().latency
    }

    pub(crate) fn limits(&self) -> Limits {
        self.state().limits
    }

    pub(crate) fn switches(&self) -> Switches {
        self.state().switches
    }

    pub(crate) fn companion_installed(&self) -> bool {
        self.state().companion_installed
    }

    pub(crate) fn poison(&self) -> Vec<Poison> {
        self.state().poison.clone()
    }

    pub(crate) fn tokens_valid_from(&self) -> u64 {
        self.state().tokens_valid_from
    }

    pub(crate) fn token_lifetime(&self) -> Duration {
        self.state().token_lifetime
    }

    /// The client's secret if it was rotated.
    pub(crate) fn client_secret(&self) -> Option<String> {
        self.state().client_secret.clone()
    }

    pub(crate) fn webhook_delay(&self) -> Duration {
        self.state().webhook_delay
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().outage
    }

    /// What is to happen to the request that has just come in.
    pub(crate) fn before_request(&self) -> Option<RequestFault> {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.outage {
            return Some(RequestFault::Outage);
        }
        if state.throttle_next > 0 {
            state.throttle_next -= 1;
            return Some(RequestFault::Throttle { retry_after: state.throttle_after });
        }
        if !state.fail_next.is_empty() {
            return Some(RequestFault::Fail { status: state.fail_next.remove(0) });
        }
        let mut due = None;
        for every in &mut state.every {
            every.seen += 1;
            if every.seen.is_multiple_of(every.nth) {
                due = due.or(Some(*every));
            }
        }
        if let Some(every) = due {
            let throttle = RequestFault::Throttle { retry_after: every.retry_after };
            return Some(if every.status == 429 { throttle } else { RequestFault::Fail { status: every.status } });
        }
        let random = state.random?;
        let draw = mix(&mut state.random_state) % 1000;
        let (throttle, unavailable, cut) =
            (u64::from(random.throttle), u64::from(random.unavailable), u64::from(random.cut));
        if draw < throttle {
            Some(RequestFault::Throttle { retry_after: None })
        } else if draw < throttle + unavailable {
            Some(RequestFault::Fail { status: 503 })
        } else if draw < throttle + unavailable + cut {
            Some(RequestFault::Cut)
        } else {
            None
        }
    }

    /// What is to happen to the write that is about to be carried out.
    pub(crate) fn before_write(&self) -> Option<WriteFault> {
        let mut guard = self.state();
        let state = &mut *guard;
        for planned in &mut state.planned {
            planned.countdown -= 1;
        }
        let due =
            state.planned.iter().position(|planned| planned.countdown == 0).map(|at| state.planned.remove(at).fault);
        state.planned.retain(|planned| planned.countdown > 0);
        if due.is_some() {
            return due;
        }
        let random = state.random?;
        let hit = random.cut_after_write > 0 && mix(&mut state.random_state) % 1000 < u64::from(random.cut_after_write);
        hit.then_some(WriteFault::CutAfter)
    }
}
