//! Switches that make the service misbehave as the real one sometimes does. All can be set while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use simulator_platform::{
    Clock, Delivering, Dice, Draws, Identity, NotificationFaults, RequestFault, RequestFaults, WritePlan,
};

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
    requests: RequestFaults,
    writes: WritePlan<WriteFault>,
    companion_installed: bool,
    poison: Vec<Poison>,
    random: Option<(RandomFaults, Dice)>,
    notifications: Option<Draws>,
    webhook_delay: Duration,
}

/// The run-time switches of one simulator.
pub struct Faults {
    state: Mutex<State>,
    clock: Arc<Clock>,
    identity: Arc<Identity>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn new(
        clock: Arc<Clock>,
        identity: Arc<Identity>,
        latency: Latency,
        limits: Limits,
        switches: Switches,
        webhook_delay: Duration,
    ) -> Self {
        let state = State {
            latency,
            limits,
            switches,
            requests: RequestFaults::default(),
            writes: WritePlan::default(),
            companion_installed: true,
            poison: Vec::new(),
            random: None,
            notifications: None,
            webhook_delay,
        };
        Self { state: Mutex::new(state), clock, identity }
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
        self.state().requests.plan(count, RequestFault::Throttle { retry_after });
    }

    /// Answers every nth request with 429; 0 ends it.
    pub fn throttle_every(&self, nth: u64, retry_after: Option<Duration>) {
        self.state().requests.plan_every(nth, RequestFault::Throttle { retry_after });
    }

    /// Answers the next requests with this status (408, 500, 502, 503, 504, ...) without looking at them.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.state().requests.plan(count as u64, RequestFault::Fail { status });
    }

    /// Answers every nth request with this status; 0 ends it.
    pub fn fail_every(&self, nth: u64, status: u16) {
        self.state().requests.plan_every(nth, RequestFault::Fail { status });
    }

    /// Cuts the connection instead of carrying out the nth write from now (1 is the next). Operations of a batch count singly.
    pub fn cut_before_write(&self, nth: u64) {
        self.state().writes.plan(nth, WriteFault::CutBefore);
    }

    /// Cuts the connection after the nth write from now took effect.
    pub fn cut_after_write(&self, nth: u64) {
        self.state().writes.plan(nth, WriteFault::CutAfter);
    }

    /// Answers the nth write from now with this status, before or after it took effect.
    pub fn fail_write(&self, nth: u64, status: u16, moment: Moment) {
        let fault = match moment {
            Moment::Before => WriteFault::AnswerBefore(status),
            Moment::After => WriteFault::AnswerAfter(status),
        };
        self.state().writes.plan(nth, fault);
    }

    /// Makes all access tokens given out so far worthless.
    pub fn expire_tokens(&self) {
        self.identity.expire_tokens();
    }

    /// Sets how long the tokens given out from now on live.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.identity.set_token_lifetime(lifetime);
    }

    /// Rotates the client's secret: from now on tokens are given for this one only.
    pub fn rotate_client_secret(&self, secret: impl Into<String>) {
        self.identity.rotate_secret(secret);
    }

    /// Answers everything with 503 while on.
    pub fn set_outage(&self, on: bool) {
        self.state().requests.set_outage(on);
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
        self.clock.advance(by);
    }

    /// Lets requests fail at random from a seed; `None` ends it.
    pub fn set_random(&self, random: Option<RandomFaults>) {
        self.state().random = random.map(|random| (random, Dice::new(random.seed)));
    }

    /// Lets notifications arrive twice or out of order from now on; `None` ends it.
    pub fn disturb_notifications(&self, faults: Option<NotificationFaults>) {
        self.state().notifications = faults.map(Draws::new);
    }

    /// How the next notification is delivered.
    pub(crate) fn next_delivery(&self) -> Delivering {
        self.state().notifications.as_mut().map_or(Delivering::Once, Draws::draw)
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
        state.requests = RequestFaults::default();
        state.writes.clear();
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

    pub(crate) fn webhook_delay(&self) -> Duration {
        self.state().webhook_delay
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().requests.is_down()
    }

    /// What is to happen to the request that has just come in, instead of its work.
    pub(crate) fn before_request(&self) -> Option<RequestFault> {
        let mut state = self.state();
        if let Some(fault) = state.requests.meet() {
            return Some(fault);
        }
        let (random, dice) = state.random.as_mut()?;
        match dice.hit(&[random.throttle.into(), random.unavailable.into(), random.cut.into()])? {
            0 => Some(RequestFault::Throttle { retry_after: None }),
            1 => Some(RequestFault::Fail { status: 503 }),
            _ => Some(RequestFault::Cut),
        }
    }

    /// What is to happen to the write that is about to be carried out.
    pub(crate) fn before_write(&self) -> Option<WriteFault> {
        let mut state = self.state();
        if let Some(fault) = state.writes.meet() {
            return Some(fault);
        }
        let (random, dice) = state.random.as_mut()?;
        dice.hit(&[random.cut_after_write.into()]).map(|_| WriteFault::CutAfter)
    }
}
