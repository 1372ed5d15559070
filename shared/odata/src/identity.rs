//! One application and its way to one system: connections, token, shared pause, concurrency gate, retries, counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use couplet_model::Said;
use couplet_model::correlation::current_run;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use parking_lot::Mutex;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use crate::address::{ApiRoot, NoAddress, link_in, place_of};
use crate::exchange::{Broken, Exchange, MOST_ATTEMPTS, RETRIES};
use crate::identity_settings::IdentitySettings;
use crate::mark::foreign;
use crate::pause::Pause;
use crate::request::{Repeat, Reply, Request, plain_value};
use crate::signing_in::SignIn;
use crate::token::{Token, TokenSource};
use crate::transport::{asks_for_a_pause, causes, path_of, repeats, standing_headers};

/// Total time one call may wait and retry when no deadline is set.
const DEFAULT_TIME: Duration = Duration::from_secs(300);
/// Longest time for one attempt: both systems end a request of their own after 8 minutes at most.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(480);
/// Both systems keep this header in their telemetry, so that it can be searched by the run a request belongs to.
const RUN_HEADER: &str = "x-ms-client-request-id";

/// One application and its way to one system; shared by all callers.
pub struct Identity {
    side: Side,
    exchange: Exchange,
    sign_in: SignIn,
    roots: Vec<ApiRoot>,
    pause: Mutex<Pause>,
    gate: Semaphore,
    deadline: Mutex<Option<Instant>>,
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("side", &self.side)
            .field("client_id", &self.sign_in.source.client_id)
            .finish_non_exhaustive()
    }
}

enum Attempt {
    Answered(Reply),
    /// The request did not leave this machine.
    Unsent(SystemError),
    /// The connection broke, or time ran out, after it was sent.
    Unknown(SystemError),
}

impl Identity {
    /// Opens the way; sends nothing yet.
    ///
    /// # Errors
    /// When the certificates cannot be read, or a root is not an address.
    pub fn new(settings: IdentitySettings) -> Result<Self, SystemError> {
        let side = settings.side;
        let authority = settings.authority.trim_end_matches('/');
        let roots: Result<Vec<ApiRoot>, NoAddress> = settings.roots.iter().map(|root| ApiRoot::parse(root)).collect();
        Ok(Self {
            roots: roots.map_err(|error| {
                SystemError::new(side, SystemErrorKind::Protocol, "", Said::safe(error.to_string()))
            })?,
            side,
            exchange: Exchange::new(side, &settings.connections)?,
            sign_in: SignIn::new(TokenSource {
                side,
                endpoint: format!("{authority}/{}/oauth2/v2.0/token", settings.tenant),
                client_id: settings.client_id,
                credential: settings.credential,
                scope: settings.scope,
            }),
            pause: Mutex::default(),
            gate: Semaphore::new(settings.concurrency.max(1)),
            deadline: Mutex::default(),
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        })
    }

    /// Takes no answer of more bytes than this, instead of 200 MB.
    #[must_use]
    pub fn with_largest_body(self, bytes: usize) -> Self {
        Self { exchange: self.exchange.with_largest_body(bytes), ..self }
    }

    /// Sets the moment past which nothing waits any longer, for this invocation; `None` gives every call five minutes.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock() = deadline;
    }

    /// Requests that reached the wire so far, token requests aside.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Answers so far that asked for a pause.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// The system asked for a pause inside a batch answer.
    pub fn note_throttled(&self, asked: Option<Duration>) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
        self.pause.lock().refuse(Instant::now(), asked, fastrand::f64());
    }

    /// Waits before a repetition that the caller decides on.
    ///
    /// # Errors
    /// When the deadline comes before.
    pub async fn back_off(&self, attempt: u32) -> Result<(), SystemError> {
        self.exchange.rest(RETRIES.spread_pause(attempt, fastrand::f64()), self.time_limit()).await
    }

    /// Whether a caller should ask again after this failure of a read inside a batch, having waited for it.
    pub async fn asks_again(&self, error: &SystemError, attempt: u32) -> bool {
        let passing = match &error.kind {
            SystemErrorKind::Throttled(pause) => {
                self.note_throttled(Some(*pause));
                true
            }
            SystemErrorKind::Transient | SystemErrorKind::Timeout | SystemErrorKind::Outage => true,
            _ => false,
        };
        passing && attempt < MOST_ATTEMPTS && self.back_off(attempt).await.is_ok()
    }

    /// Sends a request and gives the answer, whatever its final status. Refusals for service protection are waited
    /// out; transient faults are repeated as far as the request allows.
    ///
    /// # Errors
    /// When the address is not under a root of ours, there is no token, no answer, or no time left.
    pub async fn send(&self, request: &Request) -> Result<Reply, SystemError> {
        let url = self.own(&request.url).ok_or_else(|| self.leads_away("an address", &request.url))?;
        let deadline = self.time_limit();
        let mut faults = 0;
        let mut renewed = false;
        loop {
            let token = self.sign_in.token(&self.exchange, deadline).await?;
            let attempt = self.attempt(request, &url, &token, deadline).await?;
            let reply = match attempt {
                Attempt::Answered(reply) => reply,
                Attempt::Unsent(error) => {
                    faults += 1;
                    let passing = error.kind != SystemErrorKind::Protocol;
                    self.exchange.retry_or(error, faults, passing, deadline).await?;
                    continue;
                }
                Attempt::Unknown(error) => {
                    faults += 1;
                    let may = match error.kind {
                        SystemErrorKind::TooLarge => false,
                        SystemErrorKind::Timeout if request.divisible => false,
                        _ => request.repeat != Repeat::OnlyIfUnprocessed,
                    };
                    self.exchange.retry_or(error, faults, may, deadline).await?;
                    continue;
                }
            };
            tracing::debug!(
                method = %request.method,
                path = path_of(&request.url),
                status = reply.status,
                attempt = faults + 1,
                "answer of {}",
                self.side
            );
            if asks_for_a_pause(request.repeat, &reply) {
                self.note_throttled(reply.retry_after());
                continue;
            }
            self.pause.lock().accept(Instant::now());
            if let Some(what) = foreign(self.side, reply.status, &reply.headers, &reply.body, &reply.content) {
                faults += 1;
                let may = request.repeat != Repeat::OnlyIfUnprocessed;
                let unknown = if may { "" } else { "; whether anything was written is not known" };
                let error = self.exchange.error(SystemErrorKind::Outage, &format!("{what}{unknown}"));
                self.exchange.retry_or(error, faults, may, deadline).await?;
                continue;
            }
            match reply.status {
                408 | 504 if request.divisible => return Ok(reply),
                401 if !renewed => {
                    renewed = true;
                    self.sign_in.forget(token.generation).await;
                }
                408 | 502..=504 if repeats(request.repeat, reply.status) && faults + 1 < MOST_ATTEMPTS => {
                    faults += 1;
                    let wait = RETRIES.spread_pause(faults, fastrand::f64());
                    if self.exchange.rest(wait, deadline).await.is_err() {
                        return Ok(reply);
                    }
                }
                _ => return Ok(reply),
            }
        }
    }

    /// The link with that name in an answer, such as the one to the next page.
    ///
    /// # Errors
    /// When it leads out of our roots: our token is for them alone.
    pub fn link(&self, page: &Json, name: &str) -> Result<Option<String>, SystemError> {
        match link_in(page, name) {
            Some(link) if self.own(link).is_none() => Err(self.leads_away(name, link)),
            link => Ok(link.map(str::to_owned)),
        }
    }

    /// Whether a link that was stored earlier still leads to where our token is for.
    pub fn is_own(&self, link: &str) -> bool {
        self.own(link).is_some()
    }

    fn own(&self, link: &str) -> Option<Url> {
        self.roots.iter().find_map(|root| root.own(link))
    }

    fn leads_away(&self, what: &str, link: &str) -> SystemError {
        let roots: Vec<String> = self.roots.iter().map(ToString::to_string).collect();
        let message = format!(
            "{what} leads to {} and not under {}, the address in the settings; nothing was sent there. If the service \
             has another address by now, set the new one",
            place_of(link),
            roots.join(" or ")
        );
        self.exchange.error(SystemErrorKind::Protocol, &message)
    }

    fn time_limit(&self) -> Instant {
        self.deadline.lock().unwrap_or_else(|| Instant::now() + DEFAULT_TIME)
    }

    /// One attempt through the pause and the gate.
    async fn attempt(
        &self,
        request: &Request,
        url: &Url,
        token: &Token,
        deadline: Instant,
    ) -> Result<Attempt, SystemError> {
        let _permit = loop {
            self.wait_out_pause(deadline).await?;
            let permit =
                self.gate.acquire().await.map_err(|_| self.exchange.error(SystemErrorKind::Unreachable, "closed"))?;
            // A pause may have begun while this caller stood at the gate.
            if self.pause.lock().left(Instant::now()).is_zero() {
                break permit;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.exchange.error(SystemErrorKind::Unreachable, "no time was left to ask"));
        }
        let time = if request.divisible { left * 2 / 3 } else { left }.min(LONGEST_ATTEMPT);
        let mut builder = self
            .exchange
            .client
            .request(request.method.clone(), url.clone())
            .headers(standing_headers())
            .header(AUTHORIZATION, token.header.clone())
            .timeout(time);
        for (name, value) in &request.headers {
            builder = builder.header(*name, plain_value(value).as_ref());
        }
        if let Some(run) = current_run() {
            builder = builder.header(RUN_HEADER, run.to_string());
        }
        if let Some((media_type, body)) = &request.body {
            builder = builder.header(CONTENT_TYPE, media_type).body(body.clone());
        }
        let answer = match builder.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_builder() => {
                return Err(self
                    .exchange
                    .error(SystemErrorKind::Protocol, &format!("bad request: {}", causes(&error))));
            }
            Err(error) if error.is_connect() => return Ok(Attempt::Unsent(self.exchange.lost(&error))),
            Err(error) => {
                self.requests.fetch_add(1, Ordering::Relaxed);
                return Ok(Attempt::Unknown(self.exchange.lost_within(&error, time)));
            }
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(match self.exchange.receive(answer).await {
            Ok(reply) => Attempt::Answered(reply),
            Err(Broken::Connection(error)) => Attempt::Unknown(self.exchange.lost_within(&error, time)),
            Err(Broken::TooLong) => {
                let message = format!("the answer is longer than {} bytes", self.exchange.largest_body);
                Attempt::Unknown(self.exchange.error(SystemErrorKind::TooLarge, &message))
            }
        })
    }

    async fn wait_out_pause(&self, deadline: Instant) -> Result<(), SystemError> {
        loop {
            let left = self.pause.lock().left(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.exchange.rest(left, deadline).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Connections;

    fn settings(ca_pem: Option<Vec<u8>>) -> IdentitySettings {
        IdentitySettings {
            side: Side::Dataverse,
            authority: "http://127.0.0.1:1".into(),
            tenant: "t".into(),
            client_id: "app".into(),
            credential: "hunter2".into(),
            scope: "s".into(),
            roots: vec!["http://127.0.0.1:1".into()],
            concurrency: 1,
            connections: Connections::trusting(ca_pem),
        }
    }

    #[test]
    fn debug_text_shows_no_secret() {
        let text = format!("{:?}", Identity::new(settings(None)).expect("identity"));
        assert!(text.contains("app") && !text.contains("hunter2"), "{text}");
        assert!(!format!("{:?}", settings(None)).contains("hunter2"));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let error = Identity::new(settings(Some(b"not a certificate".to_vec()))).expect_err("refused");
        assert!(error.message.contains("certificate"), "{error}");
    }
}
