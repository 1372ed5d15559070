//! The identity platform, as far as the client credentials flow goes: tokens, their check, and where they are to be had.

mod answers;
mod assertion;

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
use assertion::{Check, Registered, Trusted};

/// How a form names the kind of assertion it carries.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

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
    certificates: Vec<Registered>,
    trusted: Vec<Trusted>,
    lifetime: Duration,
    /// When each token ends.
    given: HashMap<String, Timestamp>,
}

impl Identity {
    /// Knows one application.
    #[must_use]
    pub fn new(registration: Registration, lifetime: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                registration,
                certificates: Vec::new(),
                trusted: Vec::new(),
                lifetime,
                given: HashMap::new(),
            }),
        }
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

    /// Registers a certificate, in DER, with the application: what it signs is believed besides the secret.
    ///
    /// # Panics
    /// When it is no certificate.
    pub fn register_certificate(&self, der: &[u8]) {
        self.state().certificates.push(Registered::new(der));
    }

    /// Removes all certificates from the application.
    pub fn remove_certificates(&self) {
        self.state().certificates.clear();
    }

    /// Lets the application be who another issuer says it is: by tokens for this subject, signed with the key of this
    /// certificate.
    ///
    /// # Panics
    /// When it is no certificate.
    pub fn trust(&self, issuer: &str, subject: &str, der: &[u8]) {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.state().trusted.push(Trusted { issuer, subject, signer: Registered::new(der) });
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
        match state.check(tenant, form, authorization, now) {
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
    /// Checks a request for a token.
    fn check(&self, tenant: &str, form: &str, authorization: Option<&str>, now: Timestamp) -> Result<(), (u16, Value)> {
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
        if tenant != self.registration.tenant {
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
        if client != self.registration.client {
            let text = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
            return Err(refused(400, "unauthorized_client", 700_016, &text));
        }
        match (field("client_assertion_type"), field("client_assertion")) {
            (Some(ASSERTION_TYPE), Some(assertion)) => self.held_against(now).of(assertion)?,
            (_, Some(_)) => return Err(missing("'client_assertion_type'")),
            (_, None) => self.registration.check_secret(field("client_secret"))?,
        }
        self.registration.check_scope(field("scope"), field("resource"))
    }

    fn held_against(&self, now: Timestamp) -> Check<'_> {
        let Registration { client, tenant, .. } = &self.registration;
        Check { client, tenant, certificates: &self.certificates, trusted: &self.trusted, now }
    }

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
    /// Checks the secret by which the client proves who it is.
    fn check_secret(&self, secret: Option<&str>) -> Result<(), (u16, Value)> {
        match secret {
            Some(secret) if secret == self.secret => Ok(()),
            Some(_) => {
                let text = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                    self.client
                );
                Err(refused(401, "invalid_client", 7_000_215, &text))
            }
            None => {
                let text =
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
                Err(refused(401, "invalid_client", 7_000_218, text))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "grant_type=client_credentials&client_id=c&client_secret=s%2B1&scope=https%3A%2F%2Fx%2F.default";

    fn identity(scope: Option<&'static str>) -> Identity {
        let registration = Registration { tenant: "t".into(), client: "c".into(), secret: "s+1".into(), scope };
        Identity::new(registration, TOKEN_LIFETIME)
    }

    fn now() -> Timestamp {
        "2024-01-01T00:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_request_is_answered_with_the_number_of_what_is_wrong() {
        let strict = identity(Some("https://x/.default"));
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
            ("t", format!("{GOOD}&client_assertion=a.b.c"), None, 900_144),
            ("t", without("scope"), None, 900_144),
            ("t", GOOD.replace("%2F%2Fx", "%2F%2Fy"), None, 70_011),
        ];
        for (tenant, form, authorization, expected) in cases {
            let (status, answer) = strict.grant("https://x", tenant, form, *authorization, now());
            assert_eq!(answer["error_codes"][0].as_u64().unwrap_or(0), *expected, "{form} gave {answer}");
            assert_eq!(status == 200, *expected == 0, "{form} gave {status}");
        }
        let lax = identity(None);
        let old = without("scope") + "&resource=https%3A%2F%2Fanything";
        assert_eq!(lax.grant("https://x", "t", &old, None, now()).0, 200);
    }

    #[test]
    fn a_token_holds_until_it_ends_or_is_made_worthless() {
        let identity = identity(None);
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
