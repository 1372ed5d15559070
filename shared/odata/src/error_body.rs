//! What error bodies say: code and message, of either system and of the token endpoint.

use serde_json::Value as Json;

/// Longest message kept, in characters: enough for a person, too little for a page of HTML.
const LONGEST_MESSAGE: usize = 600;

/// Code and message of an OData error body, or of the token endpoint's.
pub fn code_and_message(body: &Json) -> Option<(String, String)> {
    let error = body.get("error")?;
    if let Some(code) = error.as_str() {
        let text = body.get("error_description").and_then(Json::as_str).unwrap_or(code);
        return Some((code.to_owned(), shorten(text)));
    }
    let code = error.get("code").and_then(Json::as_str).unwrap_or_default();
    let message = match error.get("message") {
        Some(Json::String(text)) => text.as_str(),
        // OData v3 style, still seen from gateways.
        Some(Json::Object(parts)) => parts.get("value").and_then(Json::as_str).unwrap_or_default(),
        _ => "",
    };
    let message = if message.is_empty() { code } else { message };
    Some((code.to_owned(), shorten(without_correlation(message))))
}

/// The message without Business Central's trailing correlation id, so that equal failures read equal.
fn without_correlation(message: &str) -> &str {
    message.split("CorrelationId:").next().unwrap_or(message).trim_end()
}

/// The beginning of a text that is too long to be kept.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn error_bodies_of_all_three_services_are_read() {
        for (body, expected) in [
            (json!({"error": {"code": "0x1", "message": "no"}}), Some(("0x1", "no"))),
            (json!({"error": {"code": "", "message": {"lang": "en", "value": "no"}}}), Some(("", "no"))),
            (json!({"error": {"code": "0x1"}}), Some(("0x1", "0x1"))),
            (json!({"error": {"code": "a", "message": "no.  CorrelationId:  1."}}), Some(("a", "no."))),
            (
                json!({"error": "invalid_client", "error_description": "AADSTS7000215: bad"}),
                Some(("invalid_client", "AADSTS7000215: bad")),
            ),
            (json!({"message": "gateway"}), None),
            (json!(null), None),
        ] {
            let read = code_and_message(&body);
            assert_eq!(read.as_ref().map(|(code, text)| (code.as_str(), text.as_str())), expected, "{body}");
        }
    }
}
