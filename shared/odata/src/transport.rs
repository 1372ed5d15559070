//! What every HTTP exchange shares: standing headers, when to send again, causes and paths fit for logs.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::request::{Repeat, Reply};

/// Whether the answer asks everybody to wait. A gateway that names a pause asks for one too, but only 429 and 503 say
/// that the request was not processed.
pub(crate) fn asks_for_a_pause(repeat: Repeat, reply: &Reply) -> bool {
    match reply.status {
        429 => true,
        503 => reply.retry_after().is_some(),
        502 | 504 => reply.retry_after().is_some() && repeats(repeat, reply.status),
        _ => false,
    }
}

/// Whether a request that was answered with this failure of the server is sent again.
pub(crate) fn repeats(repeat: Repeat, status: u16) -> bool {
    match repeat {
        Repeat::Read => true,
        Repeat::Idempotent => status != 408,
        Repeat::OnlyIfUnprocessed => false,
    }
}

/// Headers of every request.
pub(crate) fn standing_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert("OData-Version", HeaderValue::from_static("4.0"));
    headers.insert("OData-MaxVersion", HeaderValue::from_static("4.0"));
    headers
}

/// The error and its causes without the address, which may hold values of records.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "connection failed".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The path of an address, for the log: without the values in its query.
pub(crate) fn path_of(url: &str) -> &str {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.find('/').map_or("", |start| &path[start..]);
    path.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_paths_hold_no_values() {
        assert_eq!(path_of("https://h.test/api/data/accounts?$filter=name eq 'Jo'"), "/api/data/accounts");
        assert_eq!(path_of("https://h.test"), "");
    }

    #[test]
    fn only_reads_repeat_a_timeout_of_the_server() {
        for (repeat, status, expected) in [
            (Repeat::Read, 408, true),
            (Repeat::Idempotent, 408, false),
            (Repeat::Idempotent, 503, true),
            (Repeat::OnlyIfUnprocessed, 503, false),
        ] {
            assert_eq!(repeats(repeat, status), expected, "{repeat:?} {status}");
        }
    }

    #[test]
    fn a_named_pause_is_obeyed_where_the_request_may_be_repeated() {
        for (repeat, status, named, expected) in [
            (Repeat::OnlyIfUnprocessed, 429, false, true),
            (Repeat::OnlyIfUnprocessed, 503, true, true),
            (Repeat::OnlyIfUnprocessed, 502, true, false),
            (Repeat::Read, 502, true, true),
            (Repeat::Read, 503, false, false),
            (Repeat::Read, 400, true, false),
        ] {
            let mut headers = HeaderMap::new();
            if named {
                headers.insert("retry-after", HeaderValue::from_static("3"));
            }
            let reply = Reply { status, headers, body: bytes::Bytes::new(), content: serde_json::Value::Null };
            assert_eq!(asks_for_a_pause(repeat, &reply), expected, "{repeat:?} {status} {named}");
        }
    }
}
