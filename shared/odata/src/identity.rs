//! One application and its way to one system: connections, token, shared pause, concurrency gate, retries, counters.

mod signing_in;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use couplet_model::correlation::current_run;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use couplet_model::{RetrySchedule, Said};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Certificate, Client, Response, Url};
use serde_json::Value as Json;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::address::{ApiRoot, NoAddress, link_in, place_of};
use crate::client_secret::ClientSecret;
use crate::content::read_json;
use crate::mark::foreign;
use crate::pause::Pause;
use crate::request::{Repeat, Reply, Request, plain_value};
use crate::token::{Token, TokenSource};
use crate::transport::{asks_for_a_pause, causes, path_of, repeats, standing_headers};

/// Total time one call may wait and retry when no deadline is set.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(300);
/// Longest time for one attempt: both systems end a request of their own after 8 minutes at most.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(480);
/// Both systems keep this header in their telemetry, so that it can be searched by the run a request belongs to.
const RUN_HEADER: &str = "x-ms-client-request-id";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A request that was given less and ran out of it was not too slow, it was late.
const TELLING_TIME: Duration = Duration::from_secs(20);
/// Longest answer taken, in bytes without compression: ten times a full page of wide records.
const LARGEST_BODY: usize = 200_000_000;
/// Load balancers of both systems drop idle connections after about a minute.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// Attempts after which a fault that keeps coming is given back.
const MOST_ATTEMPTS: u32 = 4;
/// Pauses before a fault is tried again.
const RETRIES: RetrySchedule = RetrySchedule::new(Duration::from_millis(250), Duration::from_secs(8));

/// Who talks to which system.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// The system, for error texts.
    pub side: Side,
    /// Base of the token endpoint, such as `https://login.microsoftonline.com`.
    pub authority: String,
    /// Tenant id or domain.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// Its secret, or where it is kept.
    pub client_secret: ClientSecret,
    /// Scope of the token.
    pub scope: String,
    /// Addresses under which the token is sent, and nowhere else.
    pub roots: Vec<String>,
    /// Requests that may be under way at once.
    pub concurrency: usize,
    /// Certificates of a private authority, in PEM, trusted beside the public ones.
    pub ca_pem: Option<Vec<u8>>,
}

/// One application and its way to one system; shared by all callers.
pub struct Identity {
    side: Side,
    client: Client,
    source: TokenSource,
    roots: Vec<ApiRoot>,
    token: AsyncMutex<Option<Token>>,
    pause: Mutex<Pause>,
    gate: Semaphore,
    deadline: Mutex<Option<Instant>>,
    largest_body: usize,
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("side", &self.side)
            .field("client_id", &self.source.client_id)
            .finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why an answer did not arrive whole.
enum Broken {
    Connection(reqwest::Error),
    TooLong,
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
        let refuse = |error: reqwest::Error| {
            SystemError::new(
                side,
                SystemErrorKind::Protocol,
                "",
                Said::safe(format!("cannot set up HTTPS: {}", causes(&error))),
            )
        };
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("couplet/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem).map_err(refuse)?;
            if certificates.is_empty() {
                let message = "the file of trusted certificates holds no certificate in PEM form";
                return Err(SystemError::new(side, SystemErrorKind::Protocol, "", message));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let authority = settings.authority.trim_end_matches('/');
        let roots: Result<Vec<ApiRoot>, NoAddress> = settings.roots.iter().map(|root| ApiRoot::parse(root)).collect();
        Ok(Self {
            roots: roots.map_err(|error| {
                SystemError::new(side, SystemErrorKind::Protocol, "", Said::safe(error.to_string()))
            })?,
            side,
            client: builder.build().map_err(refuse)?,
            source: TokenSource {
                side,
                endpoint: format!("{authority}/{}/oauth2/v2.0/token", settings.tenant),
                client_id: settings.client_id,
                client_secret: settings.client_secret,
                scope: settings.scope,
            },
            token: AsyncMutex::new(None),
            pause: Mutex::default(),
            gate: Semaphore::new(settings.concurrency.max(1)),
            deadline: Mutex::default(),
            largest_body: LARGEST_BODY,
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        })
    }

    /// Takes no answer of more bytes than this, instead of 200 MB.
    #[must_use]
    pub fn with_largest_body(self, bytes: usize) -> Self {
        Self { largest_body: bytes, ..self }
    }

    /// Sets the moment past which nothing waits any longer, for this invocation; `None` gives every call five minutes.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *locked(&self.deadline) = deadline;
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
        locked(&self.pause).refuse(Instant::now(), asked, fastrand::f64());
    }

    /// Waits before a repetition that the caller decides on.
    ///
    /// # Errors
    /// When the deadline comes before.
    pub async fn back_off(&self, attempt: u32) -> Result<(), SystemError> {
        self.rest(RETRIES.spread_pause(attempt, fastrand::f64()), self.patience()).await
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
        let patience = self.patience();
        let mut faults = 0;
        let mut renewed = false;
        loop {
            let token = self.token(patience).await?;
            let attempt = self.attempt(request, &url, &token, patience).await?;
            let reply = match attempt {
                Attempt::Answered(reply) => reply,
                Attempt::Unsent(error) => {
                    faults += 1;
                    let passing = error.kind != SystemErrorKind::Protocol;
                    self.retry_or(error, faults, passing, patience).await?;
                    continue;
                }
                Attempt::Unknown(error) => {
                    faults += 1;
                    let may = match error.kind {
                        SystemErrorKind::TooLarge => false,
                        SystemErrorKind::Timeout if request.divisible => false,
                        _ => request.repeat != Repeat::OnlyIfUnprocessed,
                    };
                    self.retry_or(error, faults, may, patience).await?;
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
            locked(&self.pause).accept(Instant::now());
            if let Some(what) = foreign(self.side, reply.status, &reply.headers, &reply.body, &reply.content) {
                faults += 1;
                let may = request.repeat != Repeat::OnlyIfUnprocessed;
                let unknown = if may { "" } else { "; whether anything was written is not known" };
                let error = self.error(SystemErrorKind::Outage, &format!("{what}{unknown}"));
                self.retry_or(error, faults, may, patience).await?;
                continue;
            }
            match reply.status {
                408 | 504 if request.divisible => return Ok(reply),
                401 if !renewed => {
                    renewed = true;
                    self.forget(token.generation).await;
                }
                408 | 502..=504 if repeats(request.repeat, reply.status) && faults + 1 < MOST_ATTEMPTS => {
                    faults += 1;
                    let wait = RETRIES.spread_pause(faults, fastrand::f64());
                    if self.rest(wait, patience).await.is_err() {
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
        self.error(SystemErrorKind::Protocol, &message)
    }

    fn patience(&self) -> Instant {
        locked(&self.deadline).unwrap_or_else(|| Instant::now() + DEFAULT_PATIENCE)
    }

    /// One attempt through the pause and the gate.
    async fn attempt(
        &self,
        request: &Request,
        url: &Url,
        token: &Token,
        patience: Instant,
    ) -> Result<Attempt, SystemError> {
        let _permit = loop {
            self.wait_out_pause(patience).await?;
            let permit = self.gate.acquire().await.map_err(|_| self.error(SystemErrorKind::Unreachable, "closed"))?;
            // A pause may have begun while this caller stood at the gate.
            if locked(&self.pause).left(Instant::now()).is_zero() {
                break permit;
            }
        };
        let left = patience.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.error(SystemErrorKind::Unreachable, "no time was left to ask"));
        }
        let time = if request.divisible { left * 2 / 3 } else { left }.min(LONGEST_ATTEMPT);
        let mut builder = self
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
                return Err(self.error(SystemErrorKind::Protocol, &format!("bad request: {}", causes(&error))));
            }
            Err(error) if error.is_connect() => return Ok(Attempt::Unsent(self.lost(&error))),
            Err(error) => {
                self.requests.fetch_add(1, Ordering::Relaxed);
                return Ok(Attempt::Unknown(self.lost_within(&error, time)));
            }
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(match self.receive(answer).await {
            Ok(reply) => Attempt::Answered(reply),
            Err(Broken::Connection(error)) => Attempt::Unknown(self.lost_within(&error, time)),
            Err(Broken::TooLong) => {
                let message = format!("the answer is longer than {} bytes", self.largest_body);
                Attempt::Unknown(self.error(SystemErrorKind::TooLarge, &message))
            }
        })
    }

    /// Takes an answer piece by piece, so that one without end fills no memory.
    async fn receive(&self, mut answer: Response) -> Result<Reply, Broken> {
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(Broken::Connection)? {
            if body.len() + chunk.len() > self.largest_body {
                return Err(Broken::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut body = body.freeze();
        let content = read_json(&body);
        if content.is_some() {
            body = Bytes::new();
        }
        Ok(Reply { status, headers, body, content: content.unwrap_or(Json::Null) })
    }

    async fn wait_out_pause(&self, patience: Instant) -> Result<(), SystemError> {
        loop {
            let left = locked(&self.pause).left(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.rest(left, patience).await?;
        }
    }

    /// Sleeps, unless the deadline comes first: then the wait is handed to the caller.
    async fn rest(&self, wait: Duration, patience: Instant) -> Result<(), SystemError> {
        if Instant::now() + wait >= patience {
            return Err(self.error(SystemErrorKind::Throttled(wait), "the pause is longer than the time left"));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn retry_or(&self, error: SystemError, faults: u32, may: bool, patience: Instant) -> Result<(), SystemError> {
        if !may || faults >= MOST_ATTEMPTS {
            return Err(error);
        }
        let wait = RETRIES.spread_pause(faults, fastrand::f64());
        self.rest(wait, patience).await.map_err(|_| error)
    }

    /// An error in words of our own, which hold no value of a record.
    fn error(&self, kind: SystemErrorKind, message: &str) -> SystemError {
        SystemError::new(self.side, kind, "", Said::safe(message))
    }

    /// A connection that broke, or was given this long. Running out of a few seconds says nothing about the request.
    fn lost_within(&self, error: &reqwest::Error, time: Duration) -> SystemError {
        let lost = self.lost(error);
        match lost.kind {
            SystemErrorKind::Timeout if time < TELLING_TIME => {
                SystemError { kind: SystemErrorKind::Unreachable, ..lost }
            }
            _ => lost,
        }
    }

    fn lost(&self, error: &reqwest::Error) -> SystemError {
        let causes = causes(error);
        // A certificate that is not trusted today will not be trusted in a second.
        let kind = match error {
            error if error.is_connect() && causes.contains("certificate") => SystemErrorKind::Protocol,
            error if error.is_timeout() => SystemErrorKind::Timeout,
            _ => SystemErrorKind::Unreachable,
        };
        self.error(kind, &causes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ca_pem: Option<Vec<u8>>) -> IdentitySettings {
        IdentitySettings {
            side: Side::Dataverse,
            authority: "http://127.0.0.1:1".into(),
            tenant: "t".into(),
            client_id: "app".into(),
            client_secret: "hunter2".into(),
            scope: "s".into(),
            roots: vec!["http://127.0.0.1:1".into()],
            concurrency: 1,
            ca_pem,
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
