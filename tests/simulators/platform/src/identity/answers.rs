//! Bodies of the identity platform's answers.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// A refused request, with the number of its reason (`AADSTS…`).
pub(super) fn refused(status: u16, error: &str, number: u32, text: &str) -> (u16, Value) {
    let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description =
        format!("AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}");
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}")
    });
    (status, body)
}

/// A parameter is not there.
pub(super) fn missing(parameter: &str) -> (u16, Value) {
    let text = format!("The request body must contain the following parameter: {parameter}.");
    refused(400, "invalid_request", 900_144, &text)
}

/// There is no such directory.
pub(super) fn unknown_tenant(tenant: &str) -> (u16, Value) {
    let text = format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
    );
    refused(400, "invalid_request", 90_002, &text)
}

/// The OpenID configuration of a directory.
pub(super) fn endpoints(origin: &str, tenant: &str) -> Value {
    let at = format!("{origin}/{tenant}");
    json!({
        "token_endpoint": format!("{at}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{at}/discovery/v2.0/keys"),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        "authorization_endpoint": format!("{at}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{at}/oauth2/v2.0/devicecode"),
        "tenant_region_scope": "NA",
        "cloud_instance_name": "microsoftonline.com"
    })
}

/// The names of the identity platform.
pub(super) fn instances(origin: &str, tenant: &str) -> Value {
    json!({
        "tenant_discovery_endpoint": format!("{origin}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
        }]
    })
}
