//! What tells an answer of the service from one that somebody on the way gave: a gateway, a firewall, a page for signing
//! in. Only the service's own mark makes an answer a success.

use couplet_model::table::Side;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value as Json;

use crate::error_body::code_and_message;

/// The header that every answer of an OData service carries.
const VERSION: &str = "odata-version";
/// The header that names the row a write of Dataverse was about.
const ENTITY: &str = "odata-entityid";

/// What is wrong with an answer; `None` when the service gave it. `content` is its body as JSON, `Null` when it is none.
pub(crate) fn foreign(side: Side, status: u16, headers: &HeaderMap, body: &[u8], content: &Json) -> Option<String> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let marked = headers.contains_key(VERSION) || headers.contains_key(ENTITY);
    let is_own = match status {
        // Business Central answers a deletion without any mark.
        204 | 205 => marked || (side == Side::BusinessCentral && body.is_empty() && media_type.is_empty()),
        200..=299 if media_type.starts_with("multipart/") => body.starts_with(b"--") || body.starts_with(b"\r\n--"),
        200..=299 if content.is_object() => marked || is_marked(content),
        200..=299 => marked && !body.is_empty() && !is_json(&media_type) && !is_markup(&media_type, body),
        // These statuses say enough by themselves, whoever gives them.
        401 | 408 | 413 | 429 | 500.. => true,
        _ => marked || code_and_message(content).is_some() || media_type.starts_with("multipart/"),
    };
    if is_own {
        return None;
    }
    let cut_short = (200..300).contains(&status) && is_json(&media_type) && !content.is_object();
    Some(match media_type.as_str() {
        _ if cut_short => format!("the answer (status {status}, {} bytes) was cut short or is no JSON", body.len()),
        "" => format!("something on the way answered instead, without a content type (status {status})"),
        media_type => {
            format!("something on the way answered instead, such as a gateway ({media_type}, status {status})")
        }
    })
}

/// Whether a part of a batch answer bears the mark of a successful write of Dataverse.
pub(crate) fn is_marked_part(headers: &[(String, String)], body: &Json) -> bool {
    headers.iter().any(|(name, _)| name == VERSION || name == ENTITY) || is_marked(body)
}

/// Whether the content tells that OData wrote it.
fn is_marked(content: &Json) -> bool {
    let Json::Object(members) = content else { return false };
    members.get("responses").is_some_and(Json::is_array) || members.keys().any(|name| name.starts_with("@odata."))
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

fn is_markup(media_type: &str, body: &[u8]) -> bool {
    media_type == "text/html" || body.trim_ascii_start().first() == Some(&b'<') && !media_type.ends_with("xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::read_json;

    const BC: Side = Side::BusinessCentral;
    const DV: Side = Side::Dataverse;
    const JSON: &str = "application/json; odata.metadata=minimal";

    #[test]
    fn f23_only_the_services_own_mark_makes_an_answer_its_own() {
        for (side, status, media_type, mark, body, is_own) in [
            (DV, 204, "", "odata-version", "", true),
            (DV, 204, "", "odata-entityid", "", true),
            (DV, 204, "", "", "", false),
            (BC, 204, "", "", "", true),
            (BC, 204, "text/html", "", "", false),
            (DV, 200, JSON, "odata-version", "{\"Ids\":[]}", true),
            (DV, 200, JSON, "", "{\"@odata.context\":\"x\",\"value\":[]}", true),
            (DV, 200, JSON, "", "{\"value\":[]}", false),
            (DV, 200, JSON, "odata-version", "{\"value\":[{", false),
            (DV, 200, JSON, "odata-version", "", false),
            (DV, 200, "", "odata-version", "", false),
            (DV, 200, "text/html", "", "<html>Welcome</html>", false),
            (DV, 200, "text/html", "odata-version", "<html>Welcome</html>", false),
            (DV, 200, JSON, "odata-version", "<html>Welcome</html>", false),
            (BC, 200, JSON, "", "{\"status\":\"ok\"}", false),
            (BC, 200, JSON, "", "{\"responses\":[]}", true),
            (BC, 200, "text/plain", "odata-version", "17", true),
            (BC, 201, JSON, "", "{\"@odata.etag\":\"W/x\",\"id\":\"1\"}", true),
            (DV, 200, "multipart/mixed; boundary=b", "", "--b\r\n", true),
            (DV, 200, "multipart/mixed; boundary=b", "", "<html>", false),
            (DV, 400, JSON, "", "{\"error\":{\"code\":\"0x1\",\"message\":\"no\"}}", true),
            (DV, 404, "text/html", "", "<html>Not Found</html>", false),
            (DV, 403, "", "", "", false),
            (DV, 302, "text/html", "", "", false),
            (DV, 401, "", "", "", true),
            (BC, 503, "text/html", "", "<html>", true),
            (BC, 413, "text/html", "", "<html>", true),
        ] {
            let mut headers = HeaderMap::new();
            if !media_type.is_empty() {
                headers.insert(CONTENT_TYPE, media_type.parse().expect("a media type"));
            }
            if !mark.is_empty() {
                headers.insert(mark, "4.0".parse().expect("a value"));
            }
            let content = read_json(body.as_bytes()).unwrap_or(Json::Null);
            let foreign = foreign(side, status, &headers, body.as_bytes(), &content);
            assert_eq!(foreign.is_none(), is_own, "{side} {status} {media_type} {mark} {body}: {foreign:?}");
        }
    }
}
