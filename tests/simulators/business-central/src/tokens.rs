//! The identity platform's token endpoint, as far as the client credentials flow goes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use crate::query::filter_pairs;
use crate::service::Answer;

const SCOPE: &str = "https://api.businesscentral.dynamics.com/.default";

struct Token {
    client: String,
    generation: u64,
    expires: Instant,
}

/// The tokens given out.
#[derive(Default)]
pub(crate) struct Tokens {
    given: Mutex<HashMap<String, Token>>,
}

/// What is known about the one client.
pub(crate) struct Registration<'a> {
    pub tenant: &'a str,
    pub client: &'a str,
    pub secret: &'a str,
}

impl Tokens {
    /// Answers `POST {tenant}/oauth2/v2.0/token`.
    pub(crate) fn grant(
        &self,
        registration: &Registration<'_>,
        tenant: &str,
        authorization: Option<&str>,
        form: &str,
        generation: u64,
        lifetime: Duration,
    ) -> Answer {
        let fields = filter_pairs(form);
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        if tenant != registration.tenant {
            return unknown_tenant(tenant);
        }
        match field("grant_type").as_deref() {
            Some("client_credentials") => {}
            Some(other) => {
                return refused(
                    400,
                    "unsupported_grant_type",
                    70003,
                    &format!("The app requested an unsupported grant type '{other}'."),
                );
            }
            None => {
                return refused(
                    400,
                    "invalid_request",
                    900_144,
                    "The request body must contain the following parameter: 'grant_type'.",
                );
            }
        }
        let basic = authorization
            .and_then(|header| header.strip_prefix("Basic "))
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let (basic_id, basic_secret) = basic
            .as_deref()
            .and_then(|pair| pair.split_once(':'))
            .map_or((None, None), |(id, secret)| (Some(id.to_owned()), Some(secret.to_owned())));
        let Some(client) = field("client_id").or(basic_id) else {
            return refused(
                400,
                "invalid_request",
                900_144,
                "The request body must contain the following parameter: 'client_id'.",
            );
        };
        if client != registration.client {
            return refused(
                400,
                "unauthorized_client",
                700_016,
                &format!("Application with identifier '{client}' was not found in the directory '{tenant}'."),
            );
        }
        if field("client_assertion").is_some() {
            return refused(
                401,
                "invalid_client",
                700_027,
                "The certificate used to sign the client assertion is not registered on application (the simulator knows secrets only).",
            );
        }
        match field("client_secret").or(basic_secret) {
            Some(secret) if secret == registration.secret => {}
            Some(_) => {
                return refused(
                    401,
                    "invalid_client",
                    7_000_215,
                    &format!(
                        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
                    ),
                );
            }
            None => {
                return refused(
                    401,
                    "invalid_client",
                    7_000_218,
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
                );
            }
        }
        match field("scope").as_deref().map(str::trim) {
            Some(SCOPE) => {}
            Some(other) => {
                return refused(
                    400,
                    "invalid_scope",
                    70011,
                    &format!(
                        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {other} is not valid."
                    ),
                );
            }
            None => {
                return refused(
                    400,
                    "invalid_request",
                    900_144,
                    "The request body must contain the following parameter: 'scope'.",
                );
            }
        }
        let token = format!("eyJ0eXAiOiJKV1QifQ.{}.{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, token| token.expires > Instant::now());
        given.insert(token.clone(), Token { client, generation, expires: Instant::now() + lifetime });
        let seconds = lifetime.as_secs();
        let body =
            json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token});
        plain_json(200, &body)
    }

    /// The client a bearer token was given to, if it still holds.
    pub(crate) fn client(&self, authorization: Option<&str>, generation: u64) -> Option<String> {
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given
            .get(token.trim())
            .filter(|token| token.generation >= generation && token.expires > Instant::now())
            .map(|token| token.client.clone())
    }
}

fn unknown_tenant(tenant: &str) -> Answer {
    refused(
        400,
        "invalid_request",
        90002,
        &format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        ),
    )
}

/// Answers `GET {tenant}/v2.0/.well-known/openid-configuration`: where tokens are to be had.
pub(crate) fn discovery(origin: &str, known: &str, tenant: &str) -> Answer {
    if tenant != known {
        return unknown_tenant(tenant);
    }
    let at = format!("{origin}/{tenant}");
    plain_json(
        200,
        &json!({
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
pub(crate) fn instances(origin: &str, tenant: &str) -> Answer {
    plain_json(
        200,
        &json!({
            "tenant_discovery_endpoint": format!("{origin}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{
                "preferred_network": "login.microsoftonline.com",
                "preferred_cache": "login.windows.net",
                "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
            }]
        }),
    )
}

fn plain_json(status: u16, body: &serde_json::Value) -> Answer {
    let mut answer = Answer::empty(status);
    answer.headers = vec![
        ("content-type", "application/json; charset=utf-8".into()),
        ("cache-control", "no-store, no-cache".into()),
    ];
    answer.body = body.to_string().into_bytes();
    answer
}

fn refused(status: u16, error: &str, number: u32, text: &str) -> Answer {
    let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
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
    plain_json(status, &body)
}
