//! A request and a response of the Web API, free of HTTP machinery so that `$batch` parts are the same thing.

use serde_json::Value;
use uuid::Uuid;

use super::error::ApiError;
use super::prefer::Prefer;

/// The verbs the service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// Create or act.
    Post,
    /// Update or upsert.
    Patch,
    /// Set one property or reference.
    Put,
    /// Delete.
    Delete,
}

impl Verb {
    /// Reads a verb.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PATCH" | "MERGE" => Self::Patch,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// The verb as text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request to the Web API.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// Verb.
    pub verb: Verb,
    /// Root of the Web API as the client called it: scheme, host and version. Links in the answer begin with it.
    pub root: String,
    /// Resource and query below the root, percent-encoded.
    pub resource: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// The user whose rights count.
    pub caller: Uuid,
}

impl ApiRequest {
    /// A header; several of one name are joined by commas.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The preferences.
    #[must_use]
    pub fn prefer(&self) -> Prefer {
        self.header("prefer").map(|header| Prefer::parse(&header)).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ApiError::new(400, "0x80048d19", format!("Error identified in Payload provided by the user for Entity :'', For more information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : Microsoft.OData.ODataException: Invalid JSON. {error}"))
        })
    }
}

/// One answer of the Web API.
#[derive(Debug, Clone, Default)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Rows read or written, for the log and the latency model.
    pub rows: usize,
    /// What kind of work it was, for the latency model.
    pub work: Work,
}

/// What the latency model charges for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows written by single requests.
    pub single_writes: usize,
    /// Rows written inside `$batch`.
    pub batch_rows: usize,
    /// Rows created by bulk messages.
    pub bulk_creates: usize,
    /// Rows updated by bulk messages.
    pub bulk_updates: usize,
    /// Rows read.
    pub reads: usize,
}

/// Content type of JSON answers.
pub const JSON: &str = "application/json; odata.metadata=minimal";

impl ApiResponse {
    /// No content.
    #[must_use]
    pub fn no_content() -> Self {
        Self { status: 204, headers: vec![("OData-Version", "4.0".to_owned())], ..Self::default() }
    }

    /// JSON text.
    #[must_use]
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", JSON.to_owned()), ("OData-Version", "4.0".to_owned())],
            body,
            ..Self::default()
        }
    }

    /// A JSON value.
    #[must_use]
    pub fn value(status: u16, value: &Value) -> Self {
        Self::json(status, value.to_string().into_bytes())
    }

    /// An error.
    #[must_use]
    pub fn error(error: &ApiError, annotated: bool) -> Self {
        let mut response = Self::value(error.status, &error.body(annotated));
        if let Some(seconds) = error.retry_after {
            response.headers.push(("Retry-After", seconds.to_string()));
        }
        response
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The status is a failure.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status >= 400
    }
}
