//! What is sent and what comes back: one request, one reply, one operation of a batch and its part of the answer.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Method;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value as Json;
use std::time::Duration;

use crate::mark::is_marked_part;

/// Whether a request may be sent again when nobody knows if the first attempt took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads only; 408 is repeated as well.
    Read,
    /// It writes, and writing it twice is the same as once.
    Idempotent,
    /// Sending it twice could write twice: it is repeated only when it surely was not processed.
    OnlyIfUnprocessed,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// Headers beside the ones every request has.
    pub headers: Vec<(&'static str, String)>,
    /// Media type and content.
    pub body: Option<(String, Bytes)>,
    /// Whether it may be sent twice.
    pub repeat: Repeat,
    /// Whether the caller asks for less when it takes too long; then it is not repeated at the same size.
    pub divisible: bool,
}

impl Request {
    /// A read.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            repeat: Repeat::Read,
            divisible: false,
        }
    }

    /// A write without a body.
    pub fn write(method: Method, url: impl Into<String>, repeat: Repeat) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: None, repeat, divisible: false }
    }

    /// An operation as a request of its own, at this address.
    pub fn alone(operation: &Operation, url: impl Into<String>, repeat: Repeat) -> Self {
        let headers = operation.headers.clone();
        let request = Self { headers, ..Self::write(operation.method.clone(), url, repeat) };
        match &operation.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// To be given back at once when it takes too long, because the caller then asks for less.
    #[must_use]
    pub fn divisible(mut self, divisible: bool) -> Self {
        self.divisible = divisible;
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Json) -> Self {
        self.content("application/json", body.to_string().into_bytes())
    }

    /// With a body of that media type.
    #[must_use]
    pub fn content(mut self, media_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.body = Some((media_type.into(), body.into()));
        self
    }
}

/// A header's value without control characters: neither HTTP nor a part of a batch takes them, and a line break would begin
/// another header. What a service gives as an etag has none; one that had matches nothing any more.
pub(crate) fn plain_value(value: &str) -> Cow<'_, str> {
    if value.chars().any(char::is_control) {
        Cow::Owned(value.chars().filter(|letter| !letter.is_control()).collect())
    } else {
        Cow::Borrowed(value)
    }
}

/// A complete answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Content, decompressed; empty where it was JSON.
    pub body: Bytes,
    /// Content as JSON; `Null` when there is none or it is not JSON.
    pub content: Json,
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The system's own clock when it answered.
    pub fn date(&self) -> Option<Timestamp> {
        let text = self.headers.get(DATE)?.to_str().ok()?;
        Some(rfc2822::parse(text).ok()?.timestamp())
    }

    /// How long the system asks to wait: `Retry-After` in seconds, or until a date by the system's own clock.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?, self.date())
    }

    /// The content as JSON; `Null` when there is none or it is not JSON.
    pub fn json(self) -> Json {
        self.content
    }
}

/// Reads a `Retry-After` value; a date is measured against the system's clock.
pub fn retry_after(text: &str, now: Option<Timestamp>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    let until = rfc2822::parse(text).ok()?.timestamp();
    let wait = until.duration_since(now?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// One operation inside a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The verb.
    pub method: Method,
    /// Address: from the root of the host (multipart) or from the service root (JSON).
    pub url: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body, if any.
    pub body: Option<Json>,
}

impl Operation {
    /// An operation without headers or body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: None }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: Json) -> Self {
        self.body = Some(body);
        self
    }
}

/// The answer to one operation of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPart {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content; `Null` when there is none or it is not JSON.
    pub body: Json,
}

/// The answer to an operation that was sent as a request of its own.
impl From<Reply> for BatchPart {
    fn from(reply: Reply) -> Self {
        let headers = reply
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Self { status: reply.status, headers: headers.collect(), body: reply.content }
    }
}

impl BatchPart {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is a success that bears the service's own mark: a version or an id among its headers, or a body that
    /// OData wrote. Markup of a gateway bears none.
    pub fn is_own_success(&self) -> bool {
        self.is_success() && is_marked_part(&self.headers, &self.body)
    }

    /// A header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long the system asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_systems_clock() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().expect("time");
        for (text, expected) in [
            ("7", Some(Duration::from_secs(7))),
            (" 0 ", Some(Duration::ZERO)),
            ("Mon, 05 Jan 2026 10:00:30 GMT", Some(Duration::from_secs(30))),
            ("Mon, 05 Jan 2026 09:00:00 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, Some(now)), expected, "{text}");
        }
    }

    #[test]
    fn the_date_of_a_reply_is_the_systems_clock() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Mon, 05 Jan 2026 10:00:00 GMT".parse().expect("header"));
        let reply = Reply { status: 200, headers, body: Bytes::new(), content: Json::Null };
        assert_eq!(reply.date().map(|date| date.to_string()), Some("2026-01-05T10:00:00Z".into()));
    }
}
