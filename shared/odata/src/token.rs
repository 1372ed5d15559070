//! The access token of one application: fetched with its credential, kept until shortly before it ends.

use std::time::{Duration, Instant};

use couplet_model::Said;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::credential::Credential;
use crate::error_body::code_and_message;
use crate::request::Reply;

/// How long before its end a token is no longer used, at most.
const MARGIN: Duration = Duration::from_secs(120);
/// Life assumed when the answer does not tell.
const UNSTATED_LIFE: Duration = Duration::from_secs(3000);

/// Who asks for a token, and where.
#[derive(Clone, Debug)]
pub(crate) struct TokenSource {
    pub side: Side,
    pub endpoint: String,
    pub client_id: String,
    pub credential: Credential,
    pub scope: String,
}

/// The answer of the token endpoint.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: Option<Life>,
}

/// Seconds, which some endpoints give as text.
#[derive(Deserialize)]
#[serde(transparent)]
struct Life(Json);

impl Life {
    fn seconds(&self) -> Option<u64> {
        self.0.as_str().map_or_else(|| self.0.as_u64(), |text| text.parse().ok())
    }
}

/// A token ready to be sent.
#[derive(Clone)]
pub(crate) struct Token {
    pub header: HeaderValue,
    pub generation: u64,
    good_until: Instant,
}

impl Token {
    /// Reads the answer of the token endpoint.
    pub fn read(side: Side, reply: &Reply, now: Instant, generation: u64) -> Result<Self, SystemError> {
        let body = &reply.content;
        if reply.status != 200 {
            return Err(refusal(side, reply));
        }
        if !body.is_object() {
            return Err(foreign(side, reply.status));
        }
        let grant = Grant::deserialize(body).ok();
        let header = |grant: &Grant| HeaderValue::from_str(&format!("Bearer {}", grant.access_token)).ok();
        let Some((mut header, life)) = grant.and_then(|grant| Some((header(&grant)?, grant.expires_in))) else {
            return Err(SystemError::new(side, SystemErrorKind::Protocol, "", "the token endpoint gave no token"));
        };
        header.set_sensitive(true);
        let life = life.and_then(|life| life.seconds());
        let life = life.map_or(UNSTATED_LIFE, |seconds| Duration::from_secs(seconds.min(86_400)));
        Ok(Self { header, generation, good_until: now + life.saturating_sub(MARGIN.min(life / 10)) })
    }

    /// Whether it may still be sent.
    pub fn is_good(&self, now: Instant) -> bool {
        now < self.good_until
    }

    /// The system refused it.
    pub fn expire(&mut self) {
        self.good_until = Instant::now();
    }
}

/// Somebody on the way answered; only the token endpoint itself can refuse an application.
fn foreign(side: Side, status: u16) -> SystemError {
    let message = format!(
        "something on the way answered instead of the token endpoint (status {status}), such as a gateway; if that \
         stays, see whether the authority in the settings is right"
    );
    SystemError::new(side, SystemErrorKind::Outage, "", Said::safe(message))
}

fn refusal(side: Side, reply: &Reply) -> SystemError {
    let status = reply.status;
    let answer = code_and_message(&reply.content);
    let kind = match status {
        429 => SystemErrorKind::Throttled(reply.retry_after().unwrap_or(Duration::from_secs(30))),
        500.. => SystemErrorKind::Transient,
        _ if answer.is_none() => return foreign(side, status),
        _ => SystemErrorKind::Unauthorized,
    };
    let (code, message) = answer.unwrap_or_default();
    // The first line says what is wrong; the rest is trace ids.
    let message = message.lines().next().unwrap_or_default();
    let message = match message {
        "" => format!("the token endpoint answered with status {status}"),
        text => format!("no token for the application: {text}"),
    };
    // Nobody's record is known there.
    SystemError::new(side, kind, code, Said::safe(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Token, SystemError> {
        Token::read(Side::Dataverse, &reply(status, body), Instant::now(), 1)
    }

    fn reply(status: u16, body: &str) -> Reply {
        let content = crate::content::read_json(body.as_bytes()).unwrap_or(Json::Null);
        Reply { status, headers: Default::default(), body: body.to_owned().into(), content }
    }

    #[test]
    fn a_token_is_given_up_shortly_before_it_ends() {
        let now = Instant::now();
        let body = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"abc"}"#;
        let token = Token::read(Side::Dataverse, &reply(200, body), now, 1).expect("token");
        assert!(token.is_good(now + Duration::from_secs(3400)));
        assert!(!token.is_good(now + Duration::from_secs(3500)));
        assert_eq!(token.header.to_str().ok(), Some("Bearer abc"));
        let short = r#"{"expires_in":"10","access_token":"abc"}"#;
        let token = Token::read(Side::Dataverse, &reply(200, short), now, 1).expect("token");
        assert!(token.is_good(now + Duration::from_secs(8)));
        assert!(!token.is_good(now + Duration::from_secs(9)));
    }

    #[test]
    fn f23_a_gateway_cannot_refuse_an_application() {
        for (status, body) in [(200, "<html>"), (200, ""), (403, "<html>"), (404, ""), (302, ""), (400, "{\"a\":1}")] {
            let kind = read(status, body).err().map(|error| error.kind);
            assert_eq!(kind, Some(SystemErrorKind::Outage), "{status} {body}");
        }
    }

    #[test]
    fn a_refused_application_is_a_set_up_failure_that_says_why() {
        let refused =
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret.\r\nTrace ID: 1"}"#;
        let error = read(401, refused).err().expect("refused");
        assert_eq!(error.kind, SystemErrorKind::Unauthorized);
        assert_eq!(error.message, "no token for the application: AADSTS7000215: Invalid client secret.");
        assert_eq!(read(503, "").err().map(|error| error.kind), Some(SystemErrorKind::Transient));
        assert_eq!(read(200, "{}").err().map(|error| error.kind), Some(SystemErrorKind::Protocol));
    }
}
