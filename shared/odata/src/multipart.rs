//! `$batch` as `multipart/mixed`: the writer, and a parser that forgives what gateways and older servers do.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::content::{read_json, text_with_marks};
use crate::request::{BatchPart, Operation, plain_value};

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
    /// There are more answers than operations, so nobody can tell which belongs to which.
    #[error("the batch answer has {answers} parts for {operations} operations")]
    Surplus {
        /// Parts of the answer.
        answers: usize,
        /// Operations that were sent.
        operations: usize,
    },
    /// The answer is not the JSON form of a batch.
    #[error("the batch answer has no list of responses")]
    NoResponses,
}

impl BatchError {
    /// What to do with it: it was cut or written by somebody on the way, which passes.
    pub fn retry_class(&self) -> couplet_model::system::RetryClass {
        couplet_model::system::RetryClass::RetryNow
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
            let _ = write!(text, "{name}: {}\r\n", plain_value(value));
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
/// that arrived whole.
///
/// # Errors
/// When the body is not a multipart text at all.
pub fn read_batch(media_type: &str, body: &[u8]) -> Result<Vec<BatchPart>, BatchError> {
    // A byte that is no text belongs to one value of one part.
    let text = match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(_) if !body.contains(&b'-') => return Err(BatchError::NotText),
        Cow::Owned(_) => Cow::Owned(text_with_marks(body)),
    };
    let boundary = boundary_of(media_type)
        .filter(|boundary| text.contains(boundary.as_str()))
        .or_else(|| first_delimiter(&text))
        .ok_or(BatchError::NoBoundary)?;
    let mut parts = Vec::new();
    collect(&text, &boundary, DEEPEST, &mut parts);
    Ok(parts)
}

/// One entry per operation sent, `None` for those at the end whose answers are missing. Parts have no ids: they come in the
/// order of the operations.
///
/// # Errors
/// When there are more parts than operations.
pub fn one_for_each(parts: Vec<BatchPart>, operations: usize) -> Result<Vec<Option<BatchPart>>, BatchError> {
    if parts.len() > operations {
        return Err(BatchError::Surplus { answers: parts.len(), operations });
    }
    let mut answers: Vec<Option<BatchPart>> = parts.into_iter().map(Some).collect();
    answers.resize(operations, None);
    Ok(answers)
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
    for Section { text: section, is_closed } in sections(text, boundary) {
        let (headers, content) = split_headers(section);
        let media_type = header_of(&headers, "content-type").unwrap_or_default();
        if media_type.to_ascii_lowercase().starts_with("multipart/") {
            if let (Some(inner), true) = (boundary_of(media_type), depth > 0) {
                collect(content, &inner, depth - 1, parts);
            }
        } else if let Some(part) = read_part(content, is_closed).or_else(|| read_part(section, is_closed)) {
            parts.push(part);
        }
    }
}

/// The text between two delimiter lines, or from the last one to the end.
struct Section<'a> {
    text: &'a str,
    is_closed: bool,
}

/// The texts between the delimiter lines.
fn sections<'a>(text: &'a str, boundary: &str) -> Vec<Section<'a>> {
    let mut sections = Vec::new();
    let mut start: Option<usize> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let mark = line.trim_end().strip_prefix("--").and_then(|rest| rest.strip_prefix(boundary));
        if let Some(tail) = mark.filter(|tail| tail.is_empty() || *tail == "--") {
            if let Some(start) = start {
                sections.push(Section { text: &text[start..offset], is_closed: true });
            }
            start = tail.is_empty().then_some(offset + line.len());
        }
        offset += line.len();
    }
    if let Some(start) = start {
        sections.push(Section { text: &text[start..], is_closed: false });
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

/// Status line, headers and JSON of one answer. One whose end did not arrive counts only if nothing can be missing.
fn read_part(text: &str, is_closed: bool) -> Option<BatchPart> {
    let text = text.trim_start();
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut words = line.split_whitespace();
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    let status = words.next()?.parse().ok().filter(|status| (100..600).contains(status))?;
    let (headers, content) = split_headers(rest);
    let body = read_json(content.trim().as_bytes());
    if !is_closed && body.is_none() && !(status == 204 && ends_with_a_blank_line(rest)) {
        return None;
    }
    Some(BatchPart { status, headers, body: body.unwrap_or(Json::Null) })
}

fn ends_with_a_blank_line(text: &str) -> bool {
    text.ends_with("\n\n") || text.ends_with("\r\n\r\n")
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

    #[test]
    fn f29_a_line_break_in_a_header_begins_no_other_header() {
        let operations =
            [Operation::new(Method::DELETE, "/a(1)").header("If-Match", "W/\"7\"\r\nX-Other: 1\r\n\r\nPATCH")];
        let body = body_with("b", &operations);
        assert!(body.contains("If-Match: W/\"7\"X-Other: 1PATCH\r\n\r\n"), "{body}");
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
    fn f18_a_part_that_was_cut_is_no_answer() {
        let whole = read_batch("multipart/mixed; boundary=batchresponse_G", ANSWER.as_bytes()).expect("parts");
        let first = ANSWER.find("HTTP/1.1").expect("a part");
        for end in first..ANSWER.len() {
            let parts =
                read_batch("multipart/mixed; boundary=batchresponse_G", &ANSWER.as_bytes()[..end]).expect("parts");
            // A part without its last headers may pass for one; its status and body are never half.
            for (part, expected) in parts.iter().zip(&whole) {
                assert_eq!((part.status, &part.body), (expected.status, &expected.body), "cut at {end}");
            }
        }
    }

    #[test]
    fn f18_markup_inside_a_part_bears_no_mark() {
        let answer = ANSWER.replace(
            "OData-Version: 4.0\r\nOData-EntityId: http://h/tasks(1)\r\n\r\n",
            "Content-Type: text/html\r\n\r\n<html></html>",
        );
        let parts = read_batch("multipart/mixed", answer.as_bytes()).expect("parts");
        assert_eq!((parts[0].status, parts[0].is_own_success()), (204, false));
        let parts = read_batch("multipart/mixed", ANSWER.as_bytes()).expect("parts");
        assert!(parts[0].is_own_success());
    }

    #[test]
    fn answers_are_paired_with_operations_and_a_surplus_pairs_with_none() {
        let parts = read_batch("multipart/mixed", ANSWER.as_bytes()).expect("parts");
        let statuses = |answers: Vec<Option<BatchPart>>| -> Vec<Option<u16>> {
            answers.iter().map(|part| part.as_ref().map(|part| part.status)).collect()
        };
        assert_eq!(one_for_each(parts.clone(), 3).map(statuses), Ok(vec![Some(204), Some(201), Some(400)]));
        assert_eq!(one_for_each(parts.clone(), 4).map(statuses), Ok(vec![Some(204), Some(201), Some(400), None]));
        assert_eq!(one_for_each(parts, 2), Err(BatchError::Surplus { answers: 3, operations: 2 }));
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
