//! Who may look and act: one browser of one person on this machine, and no page of somebody else.
//!
//! A page of another site can make this browser send requests here, under a name of its own (DNS rebinding) or ours (a form
//! that posts across sites); another user of this machine can reach the port. So a request has to name this machine as its
//! host, has to bear the cookie that only the key of the printed address gives, and an act has to come from our own pages, by
//! its origin and by a token that only they show.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

/// Bytes of a form at most; the longest holds a few choices.
pub const LARGEST_BODY: usize = 64 * 1024;
/// The address that gives the cookie.
pub const ENTRANCE: &str = "/enter";

/// What every answer says of itself. `same-origin` lets forms name their origin, which `no-referrer` would take away.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The secrets of one console, new with every process.
#[derive(Clone)]
pub struct Guard {
    /// What the printed address holds.
    key: String,
    /// What the cookie holds.
    session: String,
    /// What every form holds.
    token: String,
    cookie: String,
}

impl Guard {
    /// New secrets. `port` tells the cookies of two consoles of one machine apart: cookies know no ports.
    pub fn new(port: u16) -> Self {
        Self { key: secret(), session: secret(), token: secret(), cookie: format!("couplet-console-{port}") }
    }

    /// Path and query of the address that lets a browser in.
    pub fn entrance(&self) -> String {
        format!("{ENTRANCE}?key={}", self.key)
    }

    /// The token that forms hold.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether this is the key of the printed address.
    pub fn is_key(&self, text: &str) -> bool {
        same(text, &self.key)
    }

    /// Whether this is the token that forms hold.
    pub fn is_token(&self, text: &str) -> bool {
        same(text, &self.token)
    }

    /// The header that gives the cookie.
    pub fn cookie_header(&self) -> (HeaderName, String) {
        (SET_COOKIE, format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, self.session))
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == self.cookie && same(value, &self.session))
    }

    /// Why a request is refused, if it is.
    fn refuses(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !is_this_machine(host) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "This console answers to 127.0.0.1 and localhost only."));
        }
        let acts = !matches!(*method, Method::GET | Method::HEAD);
        if acts {
            let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
            if origin != format!("http://{host}") {
                return Some((StatusCode::FORBIDDEN, "This form was not sent by a page of this console."));
            }
        }
        if path != ENTRANCE && !self.has_cookie(headers) {
            return Some((
                StatusCode::FORBIDDEN,
                "Open the address that couplet console has printed: it holds the key of this process.",
            ));
        }
        None
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// 244 random bits.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Whether a host is a name of this machine for itself, whatever the port: a tunnel may have another one.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Refuses what may not come in, and gives every answer its headers.
pub async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.refuses(request.method(), request.uri().path(), request.headers()) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in ["127.0.0.1", "127.0.0.1:7788", "localhost:1", "LOCALHOST", "[::1]:7788", "[::1]"] {
            assert!(is_this_machine(host), "{host}");
        }
        let others = [
            "",
            "evil.example",
            "evil.example:7788",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
        ];
        for host in others.into_iter().chain(["127.0.0.1:x", "::1", "0.0.0.0:7788"]) {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn secrets_are_compared_as_a_whole_and_never_twice_the_same() {
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
        let (one, other) = (Guard::new(1), Guard::new(1));
        assert_ne!(one.key, other.key);
        assert_ne!(one.key, one.session);
        assert_ne!(one.session, one.token);
        assert_eq!(one.key.len(), 64);
        assert!(!format!("{one:?}").contains(&one.key));
    }
}
