//! One exchange over HTTP: connections, answers taken piece by piece, and waits that end before a deadline.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use couplet_model::{RetrySchedule, Said};
use reqwest::{Client, Response};
use serde_json::Value as Json;

use crate::connections::Connections;
use crate::content::read_json;
use crate::request::Reply;
use crate::transport::causes;

/// A request that was given less and ran out of it was not too slow, it was late.
const TELLING_TIME: Duration = Duration::from_secs(20);
/// Longest answer taken, in bytes without compression: ten times a full page of wide records.
const LARGEST_BODY: usize = 200_000_000;
/// Attempts after which a fault that keeps coming is given back.
pub(crate) const MOST_ATTEMPTS: u32 = 4;
/// Pauses before a fault is tried again.
pub(crate) const RETRIES: RetrySchedule = RetrySchedule::new(Duration::from_millis(250), Duration::from_secs(8));

/// Why an answer did not arrive whole.
pub(crate) enum Broken {
    Connection(reqwest::Error),
    TooLong,
}

/// The connections to one system and its token endpoint.
pub(crate) struct Exchange {
    side: Side,
    pub client: Client,
    pub largest_body: usize,
}

impl Exchange {
    /// Opens the way over some connections; sends nothing yet.
    ///
    /// # Errors
    /// When their certificates cannot be read.
    pub(crate) fn new(side: Side, connections: &Connections) -> Result<Self, SystemError> {
        Ok(Self { side, client: connections.open(side)?, largest_body: LARGEST_BODY })
    }

    /// Takes no answer of more bytes than this.
    pub(crate) fn with_largest_body(self, bytes: usize) -> Self {
        Self { largest_body: bytes, ..self }
    }

    /// Takes an answer piece by piece, so that one without end fills no memory.
    pub(crate) async fn receive(&self, mut answer: Response) -> Result<Reply, Broken> {
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

    /// Sleeps, unless the deadline comes first: then the wait is handed to the caller.
    pub(crate) async fn rest(&self, wait: Duration, deadline: Instant) -> Result<(), SystemError> {
        if Instant::now() + wait >= deadline {
            return Err(self.error(SystemErrorKind::Throttled(wait), "the pause is longer than the time left"));
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    pub(crate) async fn retry_or(
        &self,
        error: SystemError,
        faults: u32,
        may: bool,
        deadline: Instant,
    ) -> Result<(), SystemError> {
        if !may || faults >= MOST_ATTEMPTS {
            return Err(error);
        }
        let wait = RETRIES.spread_pause(faults, fastrand::f64());
        self.rest(wait, deadline).await.map_err(|_| error)
    }

    /// An error in words of our own, which hold no value of a record.
    pub(crate) fn error(&self, kind: SystemErrorKind, message: &str) -> SystemError {
        SystemError::new(self.side, kind, "", Said::safe(message))
    }

    /// A connection that broke, or was given this long. Running out of a few seconds says nothing about the request.
    pub(crate) fn lost_within(&self, error: &reqwest::Error, time: Duration) -> SystemError {
        let lost = self.lost(error);
        match lost.kind {
            SystemErrorKind::Timeout if time < TELLING_TIME => {
                SystemError { kind: SystemErrorKind::Unreachable, ..lost }
            }
            _ => lost,
        }
    }

    pub(crate) fn lost(&self, error: &reqwest::Error) -> SystemError {
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
