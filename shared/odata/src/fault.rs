//! Error bodies and statuses turned into the port's errors.

use std::time::Duration;

use crate::error_body::{code_and_message, shorten};
use crate::mark::is_marked_part;
use crate::request::{BatchPart, Reply};
use couplet_model::Said;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;

/// The pause assumed when the system is busy and does not say for how long.
const UNSTATED_PAUSE: Duration = Duration::from_secs(30);
/// Codes that say: a record with this key is there already.
const DUPLICATE_CODES: &[&str] = &[
    "0x80040237",
    "0x80060892",
    "0x80040333",
    "0x80043b06",
    "0x80043b0f",
    "0x80043b08",
    "0x80048cf3",
    "Internal_EntityWithSameKeyExists",
];
/// Codes that say: the database met a deadlock; the statement was undone.
const DEADLOCK_CODES: &[&str] = &["0x80044150"];
/// Codes that say: the database gave up a statement that took too long; it was undone.
const SLOW_CODES: &[&str] = &["0x80044151"];
/// Codes of the service protection limits.
const THROTTLE_CODES: &[&str] = &["0x80072321", "0x80072322", "0x80072326", "Application_TooManyRequests"];
/// Codes that say: this address or property does not exist, so the set-up is wrong and not the data.
const ADDRESS_CODES: &[&str] = &[
    "0x80060888",
    "BadRequest_NotFound",
    "BadRequest_ResourceNotFound",
    "BadRequest_InvalidRequestUrl",
    "BadRequest_InvalidToken",
    "BadRequest_MethodNotAllowed",
    "BadRequest_MethodNotImplemented",
    "Internal_CompanyNotFound",
];

fn one_of(code: &str, codes: &[&str]) -> bool {
    codes.iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// Whether the code says that the statement met a deadlock and was undone.
pub fn is_deadlock(error: &SystemError) -> bool {
    one_of(&error.code, DEADLOCK_CODES)
}

/// The kind of failure behind a status and a code.
pub fn kind_of(status: u16, code: &str, retry_after: Option<Duration>) -> SystemErrorKind {
    use SystemErrorKind as Kind;
    if status == 429 || one_of(code, THROTTLE_CODES) {
        return Kind::Throttled(retry_after.unwrap_or(UNSTATED_PAUSE));
    }
    if one_of(code, DEADLOCK_CODES) || code == "Internal_TenantUnavailable" {
        return Kind::Transient;
    }
    if one_of(code, SLOW_CODES) {
        return Kind::Timeout;
    }
    if one_of(code, DUPLICATE_CODES) {
        return Kind::Duplicate;
    }
    if status == 401 || code.starts_with("Authentication_") || code.eq_ignore_ascii_case("0x80041d52") {
        return Kind::Unauthorized;
    }
    if status == 403 || code.starts_with("Authorization_") {
        return Kind::Forbidden;
    }
    if matches!(status, 400 | 404 | 405 | 501) && one_of(code, ADDRESS_CODES) {
        return Kind::Protocol;
    }
    match (status, code) {
        (409, "Request_EntityChanged") | (412, _) => Kind::VersionConflict,
        // A locked record answers 409 as well, with other codes.
        (409, _) => Kind::Transient,
        (404, _) => Kind::NotFound,
        (400, code) if code.eq_ignore_ascii_case("0x80040217") => Kind::NotFound,
        (408 | 504, _) => Kind::Timeout,
        (413, _) => Kind::TooLarge,
        (503, _) if retry_after.is_some() => Kind::Throttled(retry_after.unwrap_or(UNSTATED_PAUSE)),
        (501, _) => Kind::Protocol,
        (500.., _) => Kind::Transient,
        (400..500, _) => Kind::Refused,
        _ => Kind::Protocol,
    }
}

/// The error an unsuccessful answer stands for.
pub fn error_of(side: Side, reply: &Reply) -> SystemError {
    let said = code_and_message(&reply.content).map(|(code, text)| (code, Said::from(text)));
    let (code, message) = said.unwrap_or_else(|| (String::new(), plain(reply)));
    if reply.status == 401 {
        // It was sent twice, the second time with a token given just then: it is not the secret that is wrong.
        const REMEDY: &str = "that passes when the service is out of order, and otherwise the application has to be registered there again";
        let message = Said::split(
            format!("it refuses a token that was given just now ({message}); {REMEDY}"),
            format!("it refuses a token that was given just now; {REMEDY}"),
        );
        return SystemError::new(side, SystemErrorKind::Outage, code, message);
    }
    SystemError::new(side, kind_of(reply.status, &code, reply.retry_after()), code, message)
}

/// The error an unsuccessful part of a batch stands for.
pub fn part_error(side: Side, part: &BatchPart) -> SystemError {
    let answer = code_and_message(&part.body);
    let says_enough = matches!(part.status, 401 | 408 | 413 | 429 | 500..);
    if answer.is_none() && !says_enough && !is_marked_part(&part.headers, &part.body) {
        return unmarked(side, part.status);
    }
    let said = answer.map(|(code, text)| (code, Said::from(text)));
    let (code, message) = said.unwrap_or_else(|| (String::new(), Said::safe(format!("HTTP status {}", part.status))));
    SystemError::new(side, kind_of(part.status, &code, part.retry_after()), code, message)
}

/// The error that a part of a batch stands for which bears no mark of the service, whatever its status.
pub fn unmarked(side: Side, status: u16) -> SystemError {
    let message = format!(
        "a part of a batch was answered by something on the way, such as a gateway (status {status}); whether anything \
         was written is not known"
    );
    SystemError::new(side, SystemErrorKind::Outage, "", Said::safe(message))
}

fn plain(reply: &Reply) -> Said {
    let text = String::from_utf8_lossy(&reply.body);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') {
        Said::safe(format!("HTTP status {} without an error body", reply.status))
    } else {
        Said::split(format!("HTTP status {}: {}", reply.status, shorten(text)), format!("HTTP status {}", reply.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    #[test]
    fn every_status_and_code_has_its_kind() {
        use SystemErrorKind as Kind;
        let pause = Some(Duration::from_secs(9));
        for (status, code, retry, kind) in [
            (400, "0x80040203", None, Kind::Refused),
            (400, "", None, Kind::Refused),
            (400, "0x80060888", None, Kind::Protocol),
            (400, "0x80043b08", None, Kind::Duplicate),
            (400, "0x80043B06", None, Kind::Duplicate),
            (400, "Internal_EntityWithSameKeyExists", None, Kind::Duplicate),
            (409, "Internal_EntityWithSameKeyExists", None, Kind::Duplicate),
            (409, "Request_EntityChanged", None, Kind::VersionConflict),
            (409, "", None, Kind::Transient),
            (412, "0x80060882", None, Kind::VersionConflict),
            (412, "", None, Kind::VersionConflict),
            (412, "0x80040237", None, Kind::Duplicate),
            (412, "0x80060892", None, Kind::Duplicate),
            (404, "0x80040217", None, Kind::NotFound),
            (404, "Internal_RecordNotFound", None, Kind::NotFound),
            (400, "Internal_RecordNotFound", None, Kind::Refused),
            (404, "BadRequest_ResourceNotFound", None, Kind::Protocol),
            (405, "0x80060888", None, Kind::Protocol),
            (405, "0x80040227", None, Kind::Refused),
            (401, "", None, Kind::Unauthorized),
            (401, "0x80041d52", None, Kind::Unauthorized),
            (403, "0x80040220", None, Kind::Forbidden),
            (408, "", None, Kind::Timeout),
            (413, "0x8004418a", None, Kind::TooLarge),
            (429, "0x80072322", pause, Kind::Throttled(Duration::from_secs(9))),
            (429, "", None, Kind::Throttled(UNSTATED_PAUSE)),
            (500, "0x80044150", None, Kind::Transient),
            (400, "0x80044151", None, Kind::Timeout),
            (500, "Internal_ServerError", None, Kind::Transient),
            (501, "", None, Kind::Protocol),
            (503, "", pause, Kind::Throttled(Duration::from_secs(9))),
            (503, "", None, Kind::Transient),
            (504, "", None, Kind::Timeout),
            (302, "", None, Kind::Protocol),
        ] {
            assert_eq!(kind_of(status, code, retry), kind, "{status} {code}");
        }
    }

    #[test]
    fn f20_a_service_that_refuses_good_tokens_is_out_of_order() {
        let reply = Reply { status: 401, headers: Default::default(), body: Default::default(), content: Json::Null };
        let error = error_of(Side::BusinessCentral, &reply);
        assert_eq!(error.kind, SystemErrorKind::Outage);
        assert!(!error.message.contains("companion"), "{error}");
    }

    #[test]
    fn a_page_of_html_is_not_a_message() {
        let reply = Reply { status: 502, headers: Default::default(), body: "<html>…".into(), content: Json::Null };
        assert_eq!(error_of(Side::Dataverse, &reply).message, "HTTP status 502 without an error body");
    }
}
