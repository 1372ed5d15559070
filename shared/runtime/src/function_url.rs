//! A request to the address of a function, as Lambda hands it over, and the answer it takes: version 2.0 of the payload.
//! Source: "Invoking Lambda function URLs" (AWS Lambda Developer Guide).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_model::notification::LARGEST_BODY;
use serde::{Deserialize, Serialize};

use crate::handlers::{ChangeAnswer, ChangeRequest};

/// The request; what nobody reads is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlRequest {
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    /// Names in lower case.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: RequestContext,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UrlAnswer {
    status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    body: String,
    is_base64_encoded: bool,
}

impl From<UrlRequest> for ChangeRequest {
    fn from(request: UrlRequest) -> Self {
        let body = request.body.unwrap_or_default();
        // Four letters stand for three bytes.
        let largest = if request.is_base64_encoded { LARGEST_BODY.div_ceil(3) * 4 } else { LARGEST_BODY };
        let body = match (body.len() > largest, request.is_base64_encoded) {
            (true, _) => None,
            (false, false) => Some(body.into_bytes()),
            // What cannot be decoded is no notification, and neither is nothing.
            (false, true) => Some(STANDARD.decode(body).unwrap_or_default()),
        };
        Self {
            method: request.request_context.http.method,
            path: request.raw_path,
            query: request.raw_query_string,
            key: request.headers.get("code").cloned(),
            body,
        }
    }
}

impl From<ChangeAnswer> for UrlAnswer {
    fn from(answer: ChangeAnswer) -> Self {
        Self {
            status_code: answer.status,
            headers: ChangeAnswer::HEADERS.into(),
            body: answer.body,
            is_base64_encoded: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documents, shortened, with these parts.
    fn request(body: &str, is_base64_encoded: bool) -> ChangeRequest {
        let text = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/business-central/items",
            "rawQueryString": "validationToken=a%20b", "headers": {"code": "key", "x-forwarded-port": "443"},
            "requestContext": {"accountId": "anonymous", "http": {"method": "POST", "path": "/x", "protocol": "HTTP/1.1"}},
            "body": body, "isBase64Encoded": is_base64_encoded
        });
        serde_json::from_str::<UrlRequest>(&text.to_string()).expect("a request").into()
    }

    #[test]
    fn a_request_is_taken_as_it_was_sent() {
        let plain = request("{}", false);
        let expected = ChangeRequest {
            method: "POST".into(),
            path: "/business-central/items".into(),
            query: "validationToken=a%20b".into(),
            key: Some("key".into()),
            body: Some(b"{}".to_vec()),
        };
        assert_eq!(plain, expected);
        assert_eq!(request("e30=", true), expected);
        assert_eq!(request("not base64", true).body, Some(Vec::new()));
        for (length, is_base64_encoded, is_read) in [
            (LARGEST_BODY, false, true),
            (LARGEST_BODY + 1, false, false),
            (LARGEST_BODY * 4 / 3, true, true),
            (LARGEST_BODY * 2, true, false),
        ] {
            assert_eq!(request(&"A".repeat(length), is_base64_encoded).body.is_some(), is_read, "{length}");
        }
    }

    #[test]
    fn an_answer_is_plain_text_that_no_browser_takes_for_anything_else() {
        let answer = UrlAnswer::from(ChangeAnswer { status: 200, body: "<b>token</b>".into() });
        assert_eq!(
            serde_json::to_string(&answer).expect("JSON"),
            r#"{"statusCode":200,"headers":{"cache-control":"no-store","content-type":"text/plain; charset=utf-8","x-content-type-options":"nosniff"},"body":"<b>token</b>","isBase64Encoded":false}"#
        );
    }
}
