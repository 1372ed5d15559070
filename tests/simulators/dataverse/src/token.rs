//! The token endpoint, with the answers of the real one, and the check of access tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::schema::NAMESPACE;
use crate::world::{CLIENT_SECRET, World};

/// Tokens that were given out.
#[derive(Debug, Default)]
pub struct Tokens {
    issued: Mutex<HashMap<String, Issued>>,
}

#[derive(Debug, Clone, Copy)]
struct Issued {
    expires: i64,
    generation: u64,
}

/// Why a bearer token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization: Bearer`.
    Missing,
    /// Not a token of ours.
    Unknown,
    /// Too old.
    Expired,
}

impl Tokens {
    /// Answers a token request: status and body. The client may say who it is in the form or by HTTP Basic.
    #[must_use]
    pub fn issue(&self, world: &World, tenant: &str, body: &str, authorization: Option<&str>) -> (u16, Value) {
        let mut form: HashMap<String, String> = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (crate::wire::path::decode(name, true), crate::wire::path::decode(value, true)))
            .collect();
        if let Some((client, secret)) = authorization.and_then(basic) {
            let twice = form.contains_key("client_secret") || form.contains_key("client_assertion");
            if twice || form.get("client_id").is_some_and(|named| *named != client) {
                return refused(
                    400,
                    "invalid_request",
                    90_023,
                    "The request says in its header and in its body who the client is. One of them is to be used.",
                );
            }
            form.insert("client_id".to_owned(), client);
            form.insert("client_secret".to_owned(), secret);
        }
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let fixed = world.fixed;
        if tenant != fixed.tenant.to_string() {
            return unknown_tenant(tenant);
        }
        if field("grant_type") != "client_credentials" {
            return refused(
                400,
                "unsupported_grant_type",
                70_003,
                &format!("The app requested an unsupported grant type '{}'.", field("grant_type")),
            );
        }
        if field("client_id") != fixed.client.to_string() {
            return refused(
                400,
                "unauthorized_client",
                700_016,
                &format!("Application with identifier '{}' was not found in the directory.", field("client_id")),
            );
        }
        let assertion = field("client_assertion");
        if assertion.is_empty() && field("client_secret") != CLIENT_SECRET {
            return refused(
                401,
                "invalid_client",
                7_000_215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
            );
        }
        if !assertion.is_empty() && !assertion_names(assertion, fixed.client) {
            return refused(401, "invalid_client", 700_027, "Client assertion failed signature validation.");
        }
        if field("scope").is_empty() && field("resource").is_empty() {
            return refused(
                400,
                "invalid_scope",
                70_011,
                "The provided request must include a 'scope' input parameter.",
            );
        }
        let lifetime = i64::try_from(world.options.token_lifetime.as_secs()).unwrap_or(3599);
        let token = self.new_token(world, lifetime);
        (
            200,
            json!({"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}),
        )
    }

    fn new_token(&self, world: &World, lifetime: i64) -> String {
        let now = world.now();
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, token| token.expires > now - 86_400);
        let header = URL_SAFE_NO_PAD.encode(json!({"typ": "JWT", "alg": "RS256"}).to_string());
        let claims = json!({"aud": world.url(), "iss": format!("https://sts.windows.net/{}/", world.fixed.tenant), "appid": world.fixed.client, "iat": now, "nbf": now, "exp": now + lifetime, "tid": world.fixed.tenant});
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let signature = URL_SAFE_NO_PAD
            .encode(Uuid::new_v5(&NAMESPACE, format!("{claims} {}", issued.len()).as_bytes()).as_bytes());
        let token = format!("{header}.{claims}.{signature}");
        issued.insert(token.clone(), Issued { expires: now + lifetime, generation: world.faults.token_generation() });
        token
    }

    /// Checks an `Authorization` header.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn check(&self, world: &World, authorization: Option<&str>) -> Result<(), Refusal> {
        let token = authorization
            .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")))
            .ok_or(Refusal::Missing)?;
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let found = issued.get(token.trim()).ok_or(Refusal::Unknown)?;
        if found.expires <= world.now() || found.generation < world.faults.token_generation() {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

/// Client id and secret of an `Authorization: Basic` header: both are encoded as in a form before they are joined (RFC 6749, 2.3.1).
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((crate::wire::path::decode(client, true), crate::wire::path::decode(secret, true)))
}

fn assertion_names(assertion: &str, client: Uuid) -> bool {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [_, claims, _] = parts.as_slice() else {
        return false;
    };
    let Some(claims) = URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    else {
        return false;
    };
    let client = client.to_string();
    claims.get("iss").and_then(Value::as_str) == Some(client.as_str())
        && claims.get("sub").and_then(Value::as_str) == Some(client.as_str())
}

fn unknown_tenant(tenant: &str) -> (u16, Value) {
    refused(
        400,
        "invalid_request",
        90_002,
        &format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        ),
    )
}

/// Answers `GET {tenant}/v2.0/.well-known/openid-configuration`: where tokens are to be had.
#[must_use]
pub fn discovery(world: &World, base: &str, tenant: &str) -> (u16, Value) {
    if tenant != world.fixed.tenant.to_string() {
        return unknown_tenant(tenant);
    }
    let at = format!("{base}/{tenant}");
    (
        200,
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
        }),
    )
}

/// Answers `GET common/discovery/instance`: which names stand for the same identity platform.
#[must_use]
pub fn instances(world: &World, base: &str) -> Value {
    json!({
        "tenant_discovery_endpoint": format!("{base}/{}/v2.0/.well-known/openid-configuration", world.fixed.tenant),
        "api-version": "1.1",
        "metadata": [{
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
        }]
    })
}

fn refused(status: u16, error: &str, code: u32, text: &str) -> (u16, Value) {
    let time = Timestamp::now();
    let trace = Uuid::new_v4();
    let correlation = Uuid::new_v4();
    (
        status,
        json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"),
            "error_codes": [code],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}")
        }),
    )
}
