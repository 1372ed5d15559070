//! The API itself: from a request below a route to its answer, without any transport.

mod batch;
mod batch_multipart;
pub(crate) mod execute;
mod path;
mod read;
mod render;
mod write;

pub(crate) use execute::execute;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::errors::ApiError;
use crate::schema::Route;

/// One request below the root of a route.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub route: Route,
    pub method: Method,
    /// Below the route, still percent-encoded, without a leading slash.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Operation {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }

    /// The value of a preference, empty if it has none.
    pub(crate) fn preference(&self, name: &str) -> Option<String> {
        let preferences = self.headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        preferences.flat_map(|value| value.split([',', ';'])).map(str::trim).find_map(|part| {
            match part.split_once('=') {
                Some((key, value)) if key.trim().eq_ignore_ascii_case(name) => {
                    Some(value.trim().trim_matches('"').to_owned())
                }
                None if part.eq_ignore_ascii_case(name) => Some(String::new()),
                _ => None,
            }
        })
    }
}

/// What stays the same for all requests.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// `http://127.0.0.1:port/v2.0/{tenant}/{environment}`
    pub base: String,
    pub switches: Switches,
}

impl Context {
    pub(crate) fn root(&self, route: Route) -> String {
        format!("{}/{}", self.base, route.path())
    }
}

/// Behaviour of the real service that is not certain, or differs between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// `*` in a text compared by `eq` is a wildcard.
    pub wildcards_in_filters: bool,
    /// DELETE without `If-Match` is refused, as documented; the server is reported to accept it.
    pub delete_needs_if_match: bool,
    /// A duplicate key answers 409 instead of 400; both are reported.
    pub duplicate_is_conflict: bool,
    /// A POST that carries `id` is refused by pages that show the id read-only, as all of API v2.0 do.
    pub id_is_read_only: bool,
    /// The companion app is a version whose pages create records under a given id; earlier ones showed it read-only.
    pub companion_takes_ids: bool,
    /// Companion pages run the table's validations before the insert, so that those which need the inserted record fail,
    /// unless the page defers them.
    pub validates_before_insert: bool,
    /// API v2.0 refuses `sequence` in a new line, as release 22 did; the server numbers lines.
    pub sequence_is_refused: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            wildcards_in_filters: true,
            delete_needs_if_match: false,
            duplicate_is_conflict: false,
            id_is_read_only: true,
            companion_takes_ids: true,
            validates_before_insert: true,
            sequence_is_refused: true,
        }
    }
}

/// An answer before it goes over a transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub(crate) const JSON: &str = "application/json; odata.metadata=minimal";

impl Answer {
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", JSON.into()), ("odata-version", "4.0".into())], body }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn refused(error: &ApiError) -> Self {
        let mut answer = Self::json(error.status, error.body().into_bytes());
        if let Some(seconds) = error.retry_after {
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        answer
    }
}

impl From<Result<Answer, ApiError>> for Answer {
    fn from(result: Result<Answer, ApiError>) -> Self {
        result.unwrap_or_else(|error| Answer::refused(&error))
    }
}
