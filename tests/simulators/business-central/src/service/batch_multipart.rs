//! `multipart/mixed` `$batch`.

use std::fmt::Write;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use uuid::Uuid;

use super::batch::{self, MOST_OPERATIONS, Mode};
use super::execute::{Api, Cut, Done, Executed, one, uri};
use super::{Answer, Context, Operation};
use crate::errors::ApiError;
use crate::store::Store;

/// A part of the batch: one request, or requests that belong together.
enum Part {
    Single(Box<Numbered>),
    ChangeSet(Vec<Numbered>),
}

struct Numbered {
    content_id: Option<String>,
    operation: Operation,
}

pub(crate) fn execute(api: &Api, context: &Context, outer: &Operation) -> Executed {
    let parts = match parse(context, outer) {
        Ok(parts) => parts,
        Err(error) => return Executed { answer: Some(Answer::refused(&error)), ..Executed::default() },
    };
    let mode = batch::mode(outer);
    let boundary = format!("batchresponse_{}", Uuid::new_v4());
    let mut run = Run { body: String::new(), done: Vec::new(), failed: false };
    let mut store = api.writing();
    let cut = if mode == Mode::Snapshot {
        let mut cut = Ok(());
        let _undone: Result<(), ()> = store.transaction(|store| {
            cut = run.parts(store, api, context, &parts, mode, &boundary);
            if cut.is_err() || run.failed { Err(()) } else { Ok(()) }
        });
        cut
    } else {
        run.parts(&mut store, api, context, &parts, mode, &boundary)
    };
    let changes = store.take_changes();
    drop(store);
    push(&mut run.body, format_args!("--{boundary}--\r\n"));
    let answer = cut.is_ok().then(|| {
        let mut answer = Answer::empty(200);
        answer.headers =
            vec![("content-type", format!("multipart/mixed; boundary={boundary}")), ("odata-version", "4.0".into())];
        answer.body = run.body.into_bytes();
        answer
    });
    Executed { answer, operations: run.done, changes }
}

struct Run {
    body: String,
    done: Vec<Done>,
    failed: bool,
}

impl Run {
    fn parts(
        &mut self,
        store: &mut Store,
        api: &Api,
        context: &Context,
        parts: &[Part],
        mode: Mode,
        boundary: &str,
    ) -> Result<(), Cut> {
        for part in parts {
            push(&mut self.body, format_args!("--{boundary}\r\n"));
            match part {
                Part::Single(request) => {
                    let answer = self.one(store, api, context, request)?;
                    self.failed |= answer.status >= 400;
                    write_part(&mut self.body, request.content_id.as_deref(), &answer);
                }
                Part::ChangeSet(requests) => self.change_set(store, api, context, requests)?,
            }
            if self.failed && mode != Mode::ContinueOnError {
                break;
            }
        }
        Ok(())
    }

    fn one(&mut self, store: &mut Store, api: &Api, context: &Context, request: &Numbered) -> Result<Answer, Cut> {
        let answer = one(store, api, context, &request.operation, &uri(context, &request.operation));
        self.done.push((
            request.operation.method.clone(),
            request.operation.path.clone(),
            answer.as_ref().map_or(0, |answer| answer.status),
        ));
        answer
    }

    /// A change set succeeds whole, or answers with its one failure.
    fn change_set(
        &mut self,
        store: &mut Store,
        api: &Api,
        context: &Context,
        requests: &[Numbered],
    ) -> Result<(), Cut> {
        let mut answers = Vec::new();
        let mut cut = None;
        let failure: Result<(), Answer> = store.transaction(|store| {
            for request in requests {
                match self.one(store, api, context, request) {
                    Err(Cut) => {
                        cut = Some(Cut);
                        return Err(Answer::default());
                    }
                    Ok(answer) if answer.status >= 400 => return Err(answer),
                    Ok(answer) => answers.push(answer),
                }
            }
            Ok(())
        });
        if let Some(cut) = cut {
            return Err(cut);
        }
        match failure {
            Err(answer) => {
                self.failed = true;
                write_part(&mut self.body, None, &answer);
            }
            Ok(()) => {
                let boundary = format!("changesetresponse_{}", Uuid::new_v4());
                push(&mut self.body, format_args!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n"));
                for (request, answer) in requests.iter().zip(&answers) {
                    push(&mut self.body, format_args!("--{boundary}\r\n"));
                    write_part(&mut self.body, request.content_id.as_deref(), answer);
                }
                push(&mut self.body, format_args!("--{boundary}--\r\n"));
            }
        }
        Ok(())
    }
}

fn push(body: &mut String, text: std::fmt::Arguments<'_>) {
    let written = body.write_fmt(text);
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
}

fn write_part(body: &mut String, content_id: Option<&str>, answer: &Answer) {
    push(body, format_args!("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"));
    if let Some(id) = content_id {
        push(body, format_args!("Content-ID: {id}\r\n"));
    }
    let status = http::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    push(body, format_args!("\r\nHTTP/1.1 {} {status}\r\n", answer.status));
    for (name, value) in &answer.headers {
        push(body, format_args!("{name}: {value}\r\n"));
    }
    push(body, format_args!("\r\n{}\r\n", String::from_utf8_lossy(&answer.body)));
}

fn parse(context: &Context, outer: &Operation) -> Result<Vec<Part>, ApiError> {
    let invalid = |what: &str| ApiError::bad_request(format!("The batch request is not valid: {what}."));
    let boundary =
        boundary(outer.header("content-type").unwrap_or_default()).ok_or_else(|| invalid("the boundary is missing"))?;
    let text = std::str::from_utf8(&outer.body).map_err(|_| invalid("it is not UTF-8"))?;
    let mut out = Vec::new();
    let mut operations = 0;
    for section in sections(text, &boundary) {
        let (headers, content) = head(section);
        let kind = header(&headers, "content-type").unwrap_or_default();
        if kind.to_ascii_lowercase().starts_with("multipart/mixed") {
            let inner = self::boundary(&kind).ok_or_else(|| invalid("the boundary of a change set is missing"))?;
            let requests: Vec<Numbered> = sections(content, &inner)
                .into_iter()
                .map(|section| numbered(context, outer, section))
                .collect::<Result<_, _>>()?;
            if requests.iter().any(|request| !request.operation.is_write()) {
                return Err(invalid("a change set cannot contain a GET request"));
            }
            operations += requests.len();
            out.push(Part::ChangeSet(requests));
        } else {
            operations += 1;
            out.push(Part::Single(Box::new(numbered(context, outer, section)?)));
        }
    }
    if operations > MOST_OPERATIONS {
        return Err(ApiError::bad_request(format!(
            "The batch request contains {operations} operations. The maximum number of operations is {MOST_OPERATIONS}."
        )));
    }
    Ok(out)
}

fn boundary(content_type: &str) -> Option<String> {
    let value = content_type.split(';').map(str::trim).find_map(|part| part.strip_prefix("boundary="))?;
    Some(value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

/// The text between the delimiters of a multipart body.
fn sections<'a>(text: &'a str, boundary: &str) -> Vec<&'a str> {
    let delimiter = format!("--{boundary}");
    let mut out = Vec::new();
    let mut rest = text;
    let mut inside = false;
    while let Some(at) = rest.find(&delimiter) {
        if inside {
            out.push(rest[..at].trim_end_matches(['\r', '\n']));
        }
        rest = &rest[at + delimiter.len()..];
        if rest.starts_with("--") {
            break;
        }
        rest = rest.trim_start_matches([' ', '\t']).trim_start_matches('\r').strip_prefix('\n').unwrap_or(rest);
        inside = true;
    }
    out
}

/// Header lines and what follows the empty line.
fn head(section: &str) -> (Vec<(String, String)>, &str) {
    let (lines, content) =
        section.split_once("\r\n\r\n").or_else(|| section.split_once("\n\n")).unwrap_or((section, ""));
    let headers = lines
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    (headers, content)
}

fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
}

fn numbered(context: &Context, outer: &Operation, section: &str) -> Result<Numbered, ApiError> {
    let invalid = |what: &str| ApiError::bad_request(format!("The batch request is not valid: {what}."));
    let (part_headers, content) = head(section);
    let content = content.trim_start_matches(['\r', '\n']);
    let (line, rest) = content.split_once('\n').unwrap_or((content, ""));
    let (verb, target) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let method = Some(verb)
        .filter(|verb| !verb.is_empty())
        .and_then(|verb| Method::from_bytes(verb.as_bytes()).ok())
        .ok_or_else(|| invalid("a request line is missing"))?;
    // The URL ends at the last blank: clients leave blanks of a filter as they are.
    let url = target.rsplit_once(" HTTP/").map_or(target, |(url, _)| url).trim();
    if url.is_empty() {
        return Err(invalid("a request line has no URL"));
    }
    // Without any header the body follows at once after the empty line.
    let (inner_headers, body) = if let Some(body) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
        (Vec::new(), body)
    } else {
        head(rest)
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &inner_headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid("a header name is malformed"))?;
        headers
            .append(name, HeaderValue::try_from(value.as_str()).map_err(|_| invalid("a header value is malformed"))?);
    }
    let (path, query) = batch::relative(context, outer, url)?;
    let operation = Operation { route: outer.route, method, path, query, headers, body: Bytes::from(body.to_owned()) };
    Ok(Numbered { content_id: header(&part_headers, "content-id"), operation })
}
