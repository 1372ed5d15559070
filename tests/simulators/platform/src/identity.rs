//! The identity platform, as far as the client credentials flow goes: tokens, their check, and where they are to be had.

mod answers;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use answers::{missing, refused, unknown_tenant};

/// How long an access token lives, unless told otherwise.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3599);

/// The one application that is known.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Directory (tenant) id.
    pub tenant: String,
    /// Client id.
    pub client: String,
    /// Client secret.
    pub secret: String,
    /// The one scope there is; `None` takes every one, and the `resource` of older endpoints.
    pub scope: Option<&'static str>,
    /// Whether a client may say who it is by an assertion. Nobody's signature is checked, only that it names the client.
    pub assertions: bool,
}

/// Why a bearer token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization: Bearer`.
    Missing,
    /// Not a token that was given out.
    Unknown,
    /// Too old, or worthless since [`Identity::expire_tokens`].
    Expired,
}

/// A token that holds: the client it was given to.
pub type CheckedToken = Result<String, Refusal>;

/// Gives out access tokens and checks them.
#[derive(Debug)]
pub struct Identity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    registration: Registration,
    lifetime: Duration,
    /// When each token ends.
    given: HashMap<String, Timestamp>,
}

impl Identity {
    /// Knows one application.
    #[must_use]
    pub fn new(registration: Registration, lifetime: Duration) -> Self {
        Self { state: Mutex::new(State { registration, lifetime, given: HashMap::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes all access tokens given out so far worthless.
    pub fn expire_tokens(&self) {
        self.state().given.values_mut().for_each(|ends| *ends = Timestamp::MIN);
    }

    /// Sets how long the tokens given out from now on live.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// Rotates the client's secret: from now on tokens are given for this one only.
    pub fn rotate_secret(&self, secret: impl Into<String>) {
        self.state().registration.secret = secret.into();
    }

    /// Answers `POST {tenant}/oauth2/v2.0/token` with a form: status and body. The client may say who it is in the form or by HTTP Basic.
    pub fn grant(
        &self,
        audience: &str,
        tenant: &str,
        form: &str,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> (u16, Value) {
        let mut state = self.state();
        match state.registration.check(tenant, form, authorization) {
            Ok(()) => state.give(audience, now),
            Err(refusal) => refusal,
        }
    }

    /// Checks an `Authorization` header: the client that a token was given to, if it still holds.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn check(&self, authorization: Option<&str>, now: Timestamp) -> CheckedToken {
        let bearer = authorization.and_then(|text| text.split_once(' '));
        let (_, token) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).ok_or(Refusal::Missing)?;
        let state = self.state();
        match state.given.get(token.trim()) {
            None => Err(Refusal::Unknown),
            Some(ends) if *ends <= now => Err(Refusal::Expired),
            Some(_) => Ok(state.registration.client.clone()),
        }
    }

    /// Answers `GET {tenant}/v2.0/.well-known/openid-configuration`: where tokens are to be had.
    #[must_use]
    pub fn discovery(&self, origin: &str, tenant: &str) -> (u16, Value) {
        if tenant == self.state().registration.tenant {
            (200, answers::endpoints(origin, tenant))
        } else {
            unknown_tenant(tenant)
        }
    }

    /// Answers `GET common/discovery/instance`: which names stand for the same identity platform.
    #[must_use]
    pub fn instances(&self, origin: &str) -> Value {
        answers::instances(origin, &self.state().registration.tenant)
    }
}

impl State {
    fn give(&mut self, audience: &str, now: Timestamp) -> (u16, Value) {
        // Tokens that ended are kept for a day, so that they are refused as too old and not as unknown.
        self.given.retain(|_, ends| *ends == Timestamp::MIN || *ends > now - SignedDuration::from_hours(24));
        let seconds = self.lifetime.as_secs();
        let ends = now + SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::from_hours(24));
        let Registration { tenant, client, .. } = &self.registration;
        let header = json!({"typ": "JWT", "alg": "RS256"});
        let claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "appid": client,
            "iat": now.as_second(),
            "nbf": now.as_second(),
            "exp": ends.as_second(),
            "tid": tenant
        });
        let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{}.{}", encoded.join("."), URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes()));
        self.given.insert(token.clone(), ends);
        (200, json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}))
    }
}

impl Registration {
    /// Checks a request for a token.
    fn check(&self, tenant: &str, form: &str, authorization: Option<&str>) -> Result<(), (u16, Value)> {
        let mut fields = form_fields(form);
        if let Some((client, secret)) = authorization.and_then(basic) {
            let twice = fields.contains_key("client_secret") || fields.contains_key("client_assertion");
            if twice || fields.get("client_id").is_some_and(|named| *named != client) {
                return Err(refused(
                    400,
                    "invalid_request",
                    90_023,
                    "The request says in its header and in its body who the client is. One of them is to be used.",
                ));
            }
            fields.insert("client_id".to_owned(), client);
            fields.insert("client_secret".to_owned(), secret);
        }
        let field = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        if tenant != self.tenant {
            return Err(unknown_tenant(tenant));
        }
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(other) => {
                let text = format!("The app requested an unsupported grant type '{other}'.");
                return Err(refused(400, "unsupported_grant_type", 70_003, &text));
            }
            None => return Err(missing("'grant_type'")),
        }
        let client = field("client_id").ok_or_else(|| missing("'client_id'"))?;
        if client != self.client {
            let text = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
            return Err(refused(400, "unauthorized_client", 700_016, &text));
        }
        self.check_proof(field("client_assertion"), field("client_secret"))?;
        self.check_scope(field("scope"), field("resource"))
    }

    /// Checks how the client proves who it is.
    fn check_proof(&self, assertion: Option<&str>, secret: Option<&str>) -> Result<(), (u16, Value)> {
        let text = match (assertion, secret) {
            (Some(assertion), _) if self.assertions && names_client(assertion, &self.client) => return Ok(()),
            (Some(_), _) => {
                "Client assertion failed signature validation: the certificate is not registered on the application."
            }
            (None, Some(secret)) if secret == self.secret => return Ok(()),
            (None, Some(_)) => {
                let text = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                    self.client
                );
                return Err(refused(401, "invalid_client", 7_000_215, &text));
            }
            (None, None) => {
                let text =
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
                return Err(refused(401, "invalid_client", 7_000_218, text));
            }
        };
        Err(refused(401, "invalid_client", 700_027, text))
    }

    fn check_scope(&self, scope: Option<&str>, resource: Option<&str>) -> Result<(), (u16, Value)> {
        match (self.scope, scope) {
            (Some(known), Some(scope)) if scope != known => {
                let text = format!(
                    "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
                );
                Err(refused(400, "invalid_scope", 70_011, &text))
            }
            (_, Some(_)) => Ok(()),
            (None, None) if resource.is_some() => Ok(()),
            (_, None) => Err(missing("'scope'")),
        }
    }
}

/// The fields of `application/x-www-form-urlencoded` text.
fn form_fields(form: &str) -> HashMap<String, String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (form_text(name), form_text(value))).collect()
}

fn form_text(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Client id and secret of an `Authorization: Basic` header: both are encoded as in a form before they are joined (RFC 6749, 2.3.1).
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((form_text(client), form_text(secret)))
}

/// Whether an assertion speaks of this client.
fn names_client(assertion: &str, client: &str) -> bool {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [_, claims, _] = parts.as_slice() else { return false };
    let decoded = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok();
    let claims = decoded.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    claims.is_some_and(|claims| ["iss", "sub"].iter().all(|name| claims.get(*name) == Some(&json!(client))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "grant_type=client_credentials&client_id=c&client_secret=s%2B1&scope=https%3A%2F%2Fx%2F.default";

    fn identity(scope: Option<&'static str>, assertions: bool) -> Identity {
        let registration =
            Registration { tenant: "t".into(), client: "c".into(), secret: "s+1".into(), scope, assertions };
        Identity::new(registration, TOKEN_LIFETIME)
    }

    fn now() -> Timestamp {
        "2024-01-01T00:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_request_is_answered_with_the_number_of_what_is_wrong() {
        let strict = identity(Some("https://x/.default"), false);
        let without =
            |field: &str| GOOD.split('&').filter(|pair| !pair.starts_with(field)).collect::<Vec<_>>().join("&");
        let basic = format!("Basic {}", STANDARD.encode("c:s%2B1"));
        let cases: &[(&str, String, Option<&str>, u64)] = &[
            ("t", GOOD.to_owned(), None, 0),
            ("t", without("client_"), Some(&basic), 0),
            ("t", GOOD.to_owned(), Some(&basic), 90_023),
            ("other", GOOD.to_owned(), None, 90_002),
            ("t", without("grant_type"), None, 900_144),
            ("t", GOOD.replace("=client_credentials", "=password"), None, 70_003),
            ("t", without("client_id"), None, 900_144),
            ("t", GOOD.replace("client_id=c", "client_id=d"), None, 700_016),
            ("t", GOOD.replace("%2B", "-"), None, 7_000_215),
            ("t", without("client_secret"), None, 7_000_218),
            ("t", format!("{GOOD}&client_assertion=a.b.c"), None, 700_027),
            ("t", without("scope"), None, 900_144),
            ("t", GOOD.replace("%2F%2Fx", "%2F%2Fy"), None, 70_011),
        ];
        for (tenant, form, authorization, expected) in cases {
            let (status, answer) = strict.grant("https://x", tenant, form, *authorization, now());
            assert_eq!(answer["error_codes"][0].as_u64().unwrap_or(0), *expected, "{form} gave {answer}");
            assert_eq!(status == 200, *expected == 0, "{form} gave {status}");
        }
        let lax = identity(None, true);
        let old = without("scope") + "&resource=https%3A%2F%2Fanything";
        assert_eq!(lax.grant("https://x", "t", &old, None, now()).0, 200);
        let assertion = |client: &str| {
            let claims = URL_SAFE_NO_PAD.encode(json!({"iss": client, "sub": client}).to_string());
            format!("{}&client_assertion=h.{claims}.s", without("client_secret"))
        };
        assert_eq!(lax.grant("https://x", "t", &assertion("c"), None, now()).0, 200);
        assert_eq!(lax.grant("https://x", "t", &assertion("d"), None, now()).0, 401);
    }

    #[test]
    fn a_token_holds_until_it_ends_or_is_made_worthless() {
        let identity = identity(None, false);
        let token = |at: Timestamp| {
            let (_, answer) = identity.grant("https://x", "t", GOOD, None, at);
            format!("Bearer {}", answer["access_token"].as_str().expect("a token"))
        };
        let first = token(now());
        let later = now() + SignedDuration::from_secs(3598);
        assert_eq!(identity.check(Some(&first), later), Ok("c".to_owned()));
        assert_eq!(identity.check(Some(&first), later + SignedDuration::from_secs(1)), Err(Refusal::Expired));
        assert_eq!(identity.check(Some("Bearer other"), now()), Err(Refusal::Unknown));
        assert_eq!(identity.check(Some("Basic x"), now()), Err(Refusal::Missing));
        assert_eq!(identity.check(None, now()), Err(Refusal::Missing));
        identity.expire_tokens();
        identity.rotate_secret("new");
        assert_eq!(identity.check(Some(&first), now()), Err(Refusal::Expired));
        assert_eq!(identity.grant("https://x", "t", GOOD, None, now()).0, 401);
        assert_eq!(identity.check(Some(&first), now()), Err(Refusal::Expired));
    }
}
