//! `$batch` as `multipart/mixed`: the writer, and a parser that forgives what gateways and older servers do.

use std::fmt::Write as _;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::request::{BatchPart, Operation};

/// How deep change sets may nest; the protocol allows one level.
const DEEPEST: usize = 3;

/// A batch answer that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The media type names no boundary and the body does not start with one.
    #[error("the batch answer has no boundary")]
    NoBoundary,
    /// The answer is not text.
    #[error("the batch answer is not text")]
    NotText,
    /// The answer is not the JSON form of a batch.
    #[error("the batch answer has no list of responses")]
    NoResponses,
}

impl BatchError {
    /// What to do with it: the address is not the service's batch endpoint, so a person must look.
    pub fn retry_class(&self) -> couplet_model::system::RetryClass {
        couplet_model::system::RetryClass::Configuration
    }
}

/// Writes a batch: its media type and its body.
pub fn write_batch(operations: &[Operation]) -> (String, Vec<u8>) {
    let boundary = format!("batch_{}", Uuid::new_v4().hyphenated());
    let body = body_with(&boundary, operations);
    (format!("multipart/mixed; boundary=\"{boundary}\""), body.into_bytes())
}

fn body_with(boundary: &str, operations: &[Operation]) -> String {
    let mut text = String::with_capacity(operations.len() * 400);
    for operation in operations {
        let _ = write!(
            text,
            "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{} {} HTTP/1.1\r\n",
            operation.method, operation.url
        );
        text.push_str("Accept: application/json\r\n");
        for (name, value) in &operation.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        match &operation.body {
            Some(body) => {
                let _ = write!(text, "Content-Type: application/json\r\n\r\n{body}\r\n");
            }
            None => text.push_str("\r\n\r\n"),
        }
    }
    let _ = write!(text, "--{boundary}--\r\n");
    text
}

/// Reads a batch answer: its parts in order, those of change sets in their place. A truncated answer gives the parts
/// that arrived.
///
/// # Errors
/// When the body is not a multipart text at all.
pub fn read_batch(media_type: &str, body: &[u8]) -> Result<Vec<BatchPart>, BatchError> {
    let text = std::str::from_utf8(body).map_err(|_| BatchError::NotText)?;
    let boundary = boundary_of(media_type)
        .filter(|boundary| text.contains(boundary.as_str()))
        .or_else(|| first_delimiter(text))
        .ok_or(BatchError::NoBoundary)?;
    let mut parts = Vec::new();
    collect(text, &boundary, DEEPEST, &mut parts);
    Ok(parts)
}

fn boundary_of(media_type: &str) -> Option<String> {
    let lower = media_type.to_ascii_lowercase();
    let rest = media_type.get(lower.find("boundary=")? + "boundary=".len()..)?;
    let boundary = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([';', ' ', ',']).next()?,
    };
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

fn first_delimiter(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    line.trim().strip_prefix("--").filter(|boundary| !boundary.is_empty()).map(str::to_owned)
}

fn collect(text: &str, boundary: &str, depth: usize, parts: &mut Vec<BatchPart>) {
    for section in sections(text, boundary) {
        let (headers, content) = split_headers(section);
        let media_type = header_of(&headers, "content-type").unwrap_or_default();
        if media_type.to_ascii_lowercase().starts_with("multipart/") {
            if let (Some(inner), true) = (boundary_of(media_type), depth > 0) {
                collect(content, &inner, depth - 1, parts);
            }
        } else if let Some(part) = read_part(content).or_else(|| read_part(section)) {
            parts.push(part);
        }
    }
}

/// The texts between the delimiter lines.
fn sections<'a>(text: &'a str, boundary: &str) -> Vec<&'a str> {
    let mut sections = Vec::new();
    let mut start: Option<usize> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let mark = line.trim_end().strip_prefix("--").and_then(|rest| rest.strip_prefix(boundary));
        if let Some(tail) = mark.filter(|tail| tail.is_empty() || *tail == "--") {
            if let Some(start) = start {
                sections.push(&text[start..offset]);
            }
            start = tail.is_empty().then_some(offset + line.len());
        }
        offset += line.len();
    }
    if let Some(start) = start {
        sections.push(&text[start..]);
    }
    sections
}

/// Headers up to the first blank line, and what follows.
fn split_headers(text: &str) -> (Vec<(String, String)>, &str) {
    let mut headers = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        offset += line.len();
        let trimmed = line.trim_end();
        if trimmed.is_empty() {
            break;
        }
        if let Some((name, value)) = trimmed.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    (headers, &text[offset..])
}

fn header_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Status line, headers and JSON of one answer.
fn read_part(text: &str) -> Option<BatchPart> {
    let text = text.trim_start();
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut words = line.split_whitespace();
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    let status = words.next()?.parse().ok()?;
    let (headers, content) = split_headers(rest);
    Some(BatchPart { status, headers, body: serde_json::from_str(content.trim()).unwrap_or(Json::Null) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::Method;
    use serde_json::json;

    #[test]
    fn a_batch_is_written_with_carriage_returns_and_closed() {
        let operations = [
            Operation::new(Method::PATCH, "/api/data/v9.2/accounts(1)")
                .header("If-Match", "W/\"7\"")
                .json(json!({"name": "A"})),
            Operation::new(Method::GET, "/api/data/v9.2/accounts"),
        ];
        assert_eq!(
            body_with("b", &operations),
            "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             PATCH /api/data/v9.2/accounts(1) HTTP/1.1\r\nAccept: application/json\r\nIf-Match: W/\"7\"\r\n\
             Content-Type: application/json\r\n\r\n{\"name\":\"A\"}\r\n\
             --b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             GET /api/data/v9.2/accounts HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n--b--\r\n"
        );
    }

    const ANSWER: &str = "--batchresponse_G\r\nContent-Type: application/http\r\n\
        Content-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\
        OData-EntityId: http://h/tasks(1)\r\n\r\n\r\n--batchresponse_G\r\n\
        Content-Type: multipart/mixed; boundary=changesetresponse_H\r\n\r\n--changesetresponse_H\r\n\
        Content-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 201 Created\r\n\
        Content-Type: application/json\r\n\r\n{\"a\":1}\r\n--changesetresponse_H--\r\n--batchresponse_G\r\n\
        Content-Type: application/http\r\n\r\nHTTP/1.1 400 Bad Request\r\nREQ_ID: x\r\n\r\n\
        {\"error\":{\"code\":\"0x1\",\"message\":\"no\"}}\r\n--batchresponse_G--\r\n";

    #[test]
    fn parts_come_in_order_with_those_of_change_sets_in_their_place() {
        for body in [ANSWER.to_owned(), ANSWER.replace("\r\n", "\n"), format!("\r\n{ANSWER}")] {
            for media_type in ["multipart/mixed; boundary=batchresponse_G", "multipart/mixed"] {
                let parts = read_batch(media_type, body.as_bytes()).expect("parts");
                assert_eq!(parts.iter().map(|part| part.status).collect::<Vec<_>>(), [204, 201, 400]);
                assert_eq!(parts[0].header("odata-entityid"), Some("http://h/tasks(1)"));
                assert_eq!(parts[1].body, json!({"a": 1}));
                assert_eq!(parts[2].body["error"]["code"], json!("0x1"));
            }
        }
    }

    #[test]
    fn a_truncated_answer_gives_what_arrived() {
        let end = ANSWER.find("--changesetresponse_H--").expect("mark");
        let parts =
            read_batch("multipart/mixed; boundary=\"batchresponse_G\"", &ANSWER.as_bytes()[..end]).expect("parts");
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn an_answer_without_boundary_is_an_error() {
        assert_eq!(read_batch("application/json", b"{}"), Err(BatchError::NoBoundary));
        assert_eq!(read_batch("multipart/mixed", &[0xff, 0xfe]), Err(BatchError::NotText));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(media_type in "\\PC{0,40}", body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_batch(&media_type, &body);
        }

        #[test]
        fn any_shuffle_of_an_answer_is_read_without_panic(picks in proptest::collection::vec(0_usize..30, 0..60)) {
            let lines: Vec<&str> = ANSWER.split("\r\n").collect();
            let body: Vec<&str> = picks.iter().map(|pick| lines[pick % lines.len()]).collect();
            let _ = read_batch("multipart/mixed; boundary=batchresponse_G", body.join("\r\n").as_bytes());
        }
    }
}
