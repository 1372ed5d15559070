//! What the service says when it refuses: code, status and text of the real one.

use std::fmt;

use serde_json::Value;
use uuid::Uuid;

/// A refusal as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The code in the body.
    pub code: &'static str,
    /// The text in the body, without the correlation id.
    pub message: String,
    /// Seconds of a `Retry-After` header.
    pub retry_after: Option<u64>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// The body, with a fresh correlation id.
    pub(crate) fn body(&self) -> String {
        let message = format!("{}  CorrelationId:  {}.", self.message, Uuid::new_v4());
        serde_json::json!({"error": {"code": self.code, "message": message}}).to_string()
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn wrong_type(property: &str, value: &Value, expected: &str) -> Self {
        Self::bad_request(format!(
            "Cannot convert the literal '{}' of property '{property}' to the expected type '{expected}'.",
            shown(value)
        ))
    }

    pub(crate) fn unknown_property(property: &str, entity: &str) -> Self {
        Self::bad_request(format!(
            "The property '{property}' does not exist on type 'Microsoft.NAV.{entity}'. Make sure to only use property names that are defined by the type."
        ))
    }

    pub(crate) fn unknown_property_in_query(property: &str, entity: &str) -> Self {
        Self::bad_request(format!("Could not find a property named '{property}' on type 'Microsoft.NAV.{entity}'."))
    }

    pub(crate) fn read_only(property: &str) -> Self {
        Self::new(400, "BadRequest_InvalidOperation", format!("Control '{property}' is read-only."))
    }

    pub(crate) fn not_an_option(text: &str, names: &[String]) -> Self {
        Self::new(400, "Unknown", format!("'{text}' is not an option. The existing options are: {}", names.join(",")))
    }

    pub(crate) fn string_too_long(text: &str, limit: usize) -> Self {
        Self::new(
            400,
            "Application_StringExceededLength",
            format!(
                "The length of the string is {}, but it must be less than or equal to {limit} characters. Value: {text}",
                text.encode_utf16().count()
            ),
        )
    }

    pub(crate) fn no_such_relation(field: &str, table: &str, value: &str, related: &str) -> Self {
        Self::new(
            400,
            "Internal_InvalidTableRelation",
            format!(
                "The field {field} of table {table} contains a value ({value}) that cannot be found in the related table ({related})."
            ),
        )
    }

    pub(crate) fn same_key(table: &str, identification: &str) -> Self {
        Self::new(
            400,
            "Internal_EntityWithSameKeyExists",
            format!("The record in table {table} already exists. Identification fields and values: {identification}"),
        )
    }

    pub(crate) fn record_not_found(table: &str, identification: &str) -> Self {
        Self::new(
            404,
            "Internal_RecordNotFound",
            format!("The {table} does not exist. Identification fields and values: {identification}"),
        )
    }

    pub(crate) fn must_have_a_value(field: &str, table: &str, identification: &str) -> Self {
        Self::new(
            400,
            "Application_FieldValidationException",
            format!("{field} must have a value in {table}: {identification}. It cannot be zero or empty."),
        )
    }

    pub(crate) fn dialog(message: impl Into<String>) -> Self {
        Self::new(400, "Application_DialogException", message)
    }

    pub(crate) fn token_missing() -> Self {
        Self::new(
            400,
            "BadRequest_InvalidToken",
            "Could not validate the client concurrency token required by the service. Please provide a valid token in the client request.",
        )
    }

    pub(crate) fn entity_changed() -> Self {
        Self::new(409, "Request_EntityChanged", "Another user has already changed the record.")
    }

    pub(crate) fn no_route(uri: &str) -> Self {
        Self::new(
            404,
            "BadRequest_NotFound",
            format!("No HTTP resource was found that matches the request URI '{uri}'."),
        )
    }

    pub(crate) fn no_segment(segment: &str) -> Self {
        Self::new(404, "BadRequest_ResourceNotFound", format!("Resource not found for the segment '{segment}'."))
    }

    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(404, "BadRequest_NotFound", message)
    }

    pub(crate) fn not_allowed(method: &str, entity_set: &str) -> Self {
        Self::new(
            405,
            "BadRequest_MethodNotAllowed",
            format!(
                "'{method}' requests for '{entity_set}' of EdmType 'Entity' are not allowed within Microsoft Dynamics NAV OData web services."
            ),
        )
    }

    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, "BadRequest_MethodNotImplemented", message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(401, "Authentication_InvalidCredentials", "The server has rejected the client credentials.")
    }

    pub(crate) fn too_many_requests(actual: u64, maximum: u64, retry_after: Option<u64>) -> Self {
        let mut error = Self::new(
            429,
            "Application_TooManyRequests",
            format!("Too many requests reached. Actual ({actual}). Maximum ({maximum})."),
        );
        error.retry_after = retry_after;
        error
    }

    pub(crate) fn failing(status: u16, retry_after: Option<u64>) -> Self {
        let (code, message) = match status {
            408 => (
                "Application_OperationCanceled",
                "The operation was canceled because it exceeded the maximum execution time.",
            ),
            429 => ("Application_TooManyRequests", "Too many requests reached. Actual (101). Maximum (100)."),
            502 => ("BadGateway", "The server could not be reached."),
            503 => ("Internal_TenantUnavailable", "The tenant is currently unavailable."),
            504 => ("GatewayTimeout", "The request timed out at the gateway."),
            _ => ("Internal_ServerError", "An unexpected error occurred."),
        };
        let mut error = Self::new(status, code, message);
        error.retry_after = retry_after;
        error
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
