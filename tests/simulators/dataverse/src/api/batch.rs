//! `$batch`: multipart requests with change sets, in order, with the service's ways of failing.

use uuid::Uuid;

use super::{Context, alone, change};
use crate::schema::NAMESPACE;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::Target;
use crate::wire::request::{ApiRequest, ApiResponse, Verb, Work};

/// Requests per batch at most.
const MOST_REQUESTS: usize = 1000;
/// Length of an inner URL at most.
const LONGEST_URL: usize = 65_536;

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What follows the headers.
    pub content: Vec<u8>,
}

impl Part {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Splits a multipart body. Lines may end with CRLF or LF; text before the first delimiter is skipped.
///
/// # Errors
/// When no delimiter or no closing delimiter is found.
pub fn parse_multipart(boundary: &str, body: &[u8]) -> Result<Vec<Part>, &'static str> {
    let delimiter = format!("--{boundary}");
    let closing = format!("--{boundary}--");
    let mut parts: Vec<Part> = Vec::new();
    let mut current: Option<Vec<&[u8]>> = None;
    let mut closed = false;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = trimmed(line);
        let ends = text == closing.as_bytes();
        if ends || text == delimiter.as_bytes() {
            if let Some(lines) = current.take() {
                parts.push(part(&lines));
            }
            if ends {
                closed = true;
                break;
            }
            current = Some(Vec::new());
        } else if let Some(lines) = &mut current {
            lines.push(line);
        }
    }
    if current.is_some() && !closed {
        return Err("Unexpected end of stream: the closing boundary delimiter is missing.");
    }
    if !closed {
        return Err("The boundary delimiter was not found in the multipart body.");
    }
    Ok(parts)
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut line = line.strip_suffix(b"\r").unwrap_or(line);
    while let Some((b' ' | b'\t', rest)) = line.split_last() {
        line = rest;
    }
    line
}

fn part(lines: &[&[u8]]) -> Part {
    let (headers, rest) = headers(lines);
    let mut content: Vec<u8> = rest.concat();
    // The line end before a delimiter belongs to the delimiter.
    if content.last() == Some(&b'\n') {
        content.pop();
        if content.last() == Some(&b'\r') {
            content.pop();
        }
    }
    Part { headers, content }
}

fn headers<'a, 'b>(lines: &'b [&'a [u8]]) -> (Vec<(String, String)>, &'b [&'a [u8]]) {
    let mut headers = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let text = String::from_utf8_lossy(trimmed(line)).into_owned();
        if text.is_empty() {
            return (headers, &lines[at + 1..]);
        }
        if let Some((name, value)) = text.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    (headers, &[])
}

fn boundary_of(content_type: &str) -> Option<String> {
    let lower = content_type.to_lowercase();
    if !lower.trim_start().starts_with("multipart/mixed") {
        return None;
    }
    let start = lower.find("boundary=")? + "boundary=".len();
    let value = content_type[start..].split(';').next().unwrap_or_default().trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// A look at the body: does any part write?
#[must_use]
pub fn writes(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n')
        .any(|line| [b"POST ".as_slice(), b"PATCH ", b"PUT ", b"DELETE "].iter().any(|verb| line.starts_with(verb)))
}

/// One unit of a batch.
enum Unit {
    Single(ApiRequest),
    ChangeSet(Vec<(Option<String>, ApiRequest)>),
    Broken(ApiError),
}

/// Answers a batch.
pub(crate) fn serve(context: &Context<'_>) -> ApiResult<ApiResponse> {
    if context.request.verb != Verb::Post {
        return Err(ApiError::wrong_verb(context.request.verb.name()));
    }
    let content_type = context.request.header("content-type").unwrap_or_default();
    let boundary = boundary_of(&content_type).ok_or_else(|| {
        ApiError::odata(format!("The content type '{content_type}' specifies a batch message; however, the number of batch boundaries specified is not exactly one, or the type is not 'multipart/mixed'."))
    })?;
    let parts = parse_multipart(&boundary, &context.request.body)
        .map_err(|text| ApiError::odata(format!("The message header or body of the batch is invalid. {text}")))?;
    let units: Vec<Unit> = parts.iter().map(|part| unit(context, part)).collect();
    let requests: usize =
        units.iter().map(|unit| if let Unit::ChangeSet(requests) = unit { requests.len() } else { 1 }).sum();
    if requests > MOST_REQUESTS {
        return Err(ApiError::new(
            400,
            "0x80060888",
            format!("The number of requests in the batch exceeds the maximum of {MOST_REQUESTS}."),
        ));
    }
    let outer = format!("batchresponse_{}", response_id(context, 0));
    let mut out = Vec::new();
    let mut status = 200;
    let mut work = Work::default();
    let mut rows = 0;
    for (at, unit) in units.into_iter().enumerate() {
        let failed = match unit {
            Unit::Broken(error) => {
                let response = ApiResponse::error(&error, context.prefer.annotated());
                push_part(&mut out, &outer, &response, None, context);
                Some(response.status)
            }
            Unit::Single(request) => {
                let inner = Context::new(context.world, &request, &[]);
                let response = alone(&inner).unwrap_or_else(|error| {
                    ApiResponse::error(&error, inner.prefer.annotated() || context.prefer.annotated())
                });
                rows += response.rows;
                charge(&mut work, &response);
                push_part(&mut out, &outer, &response, None, context);
                response.failed().then_some(response.status)
            }
            Unit::ChangeSet(requests) => match change_set(context, &requests) {
                Ok(responses) => {
                    let inner = format!("changesetresponse_{}", response_id(context, at + 1));
                    line(&mut out, &format!("--{outer}"));
                    line(&mut out, &format!("Content-Type: multipart/mixed; boundary={inner}"));
                    line(&mut out, "");
                    for (content_id, response) in &responses {
                        rows += response.rows;
                        charge(&mut work, response);
                        push_part(&mut out, &inner, response, content_id.as_deref(), context);
                    }
                    line(&mut out, &format!("--{inner}--"));
                    None
                }
                Err((content_id, error)) => {
                    let response = ApiResponse::error(&error, context.prefer.annotated());
                    push_part(&mut out, &outer, &response, content_id.as_deref(), context);
                    Some(response.status)
                }
            },
        };
        if let Some(failure) = failed
            && !context.prefer.continue_on_error
        {
            status = failure;
            break;
        }
    }
    line(&mut out, &format!("--{outer}--"));
    let mut response = ApiResponse {
        status,
        headers: vec![
            ("Content-Type", format!("multipart/mixed; boundary={outer}")),
            ("OData-Version", "4.0".to_owned()),
        ],
        body: out,
        rows,
        work,
    };
    if context.prefer.continue_on_error {
        response = response.with("Preference-Applied", "odata.continue-on-error");
    }
    Ok(response)
}

fn charge(work: &mut Work, response: &ApiResponse) {
    work.batch_rows += response.work.single_writes;
    work.bulk_creates += response.work.bulk_creates;
    work.bulk_updates += response.work.bulk_updates;
    work.reads += response.work.reads;
}

fn response_id(context: &Context<'_>, salt: usize) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{} {salt} {}", context.world.requests(), context.request.body.len()).as_bytes())
}

fn unit(context: &Context<'_>, part: &Part) -> Unit {
    let content_type = part.header("content-type").unwrap_or_default();
    if content_type.to_lowercase().starts_with("multipart/mixed") {
        let Some(boundary) = boundary_of(content_type) else {
            return Unit::Broken(ApiError::odata("The boundary of the change set is missing."));
        };
        return match parse_multipart(&boundary, &part.content) {
            Err(text) => Unit::Broken(ApiError::odata(format!(
                "The message header or body of the change set is invalid. {text}"
            ))),
            Ok(parts) => {
                let mut requests = Vec::new();
                for inner in &parts {
                    let content_id = inner.header("content-id").map(str::to_owned);
                    match inner_request(context, inner) {
                        Ok(request) => requests.push((content_id, request)),
                        Err(error) => return Unit::Broken(error),
                    }
                }
                Unit::ChangeSet(requests)
            }
        };
    }
    match inner_request(context, part) {
        Ok(request) => Unit::Single(request),
        Err(error) => Unit::Broken(error),
    }
}

fn inner_request(context: &Context<'_>, part: &Part) -> ApiResult<ApiRequest> {
    let content_type = part.header("content-type").unwrap_or_default();
    if !content_type.to_lowercase().starts_with("application/http") {
        return Err(ApiError::odata(format!(
            "The content type '{content_type}' is not valid for an operation of a batch; 'application/http' was expected."
        )));
    }
    let lines: Vec<&[u8]> = part.content.split_inclusive(|byte| *byte == b'\n').collect();
    let start = lines
        .iter()
        .position(|line| !trimmed(line).is_empty())
        .ok_or_else(|| ApiError::odata("An operation of the batch has no request line."))?;
    let request_line = String::from_utf8_lossy(trimmed(lines[start])).into_owned();
    let invalid = || {
        ApiError::odata(format!("The value '{request_line}' is not a valid HTTP request line of a batch operation."))
    };
    let (verb, rest) = request_line.split_once(' ').ok_or_else(invalid)?;
    let url = rest.trim().strip_suffix("HTTP/1.1").ok_or_else(invalid)?.trim();
    let verb = Verb::parse(verb)
        .ok_or_else(|| ApiError::odata(format!("The HTTP method '{verb}' is not valid in a batch.")))?;
    if url.len() > LONGEST_URL {
        return Err(ApiError::new(414, "0x80060888", "The URI is too long."));
    }
    let (mut headers, body) = headers(&lines[start + 1..]);
    // Preferences about annotations given on the batch hold for its parts, unless they have their own.
    if !headers.iter().any(|(name, _)| name == "prefer")
        && let Some(prefer) = context.request.header("prefer")
        && prefer.contains("include-annotations")
    {
        headers.push(("prefer".to_owned(), prefer));
    }
    let resource = resource(url);
    if resource.starts_with("$batch") {
        return Err(ApiError::odata("A batch cannot contain another batch."));
    }
    Ok(ApiRequest { verb, root: context.api(), resource, headers, body: body.concat(), caller: context.request.caller })
}

/// The resource of a full URL, a path from the root, or a relative path.
fn resource(url: &str) -> String {
    url.find("/api/data/v").map_or_else(
        || url.trim_start_matches('/').to_owned(),
        |at| url[at + "/api/data/v".len()..].split_once('/').map_or_else(String::new, |(_, rest)| rest.to_owned()),
    )
}

type ChangeSetFailure = (Option<String>, ApiError);

fn change_set(
    context: &Context<'_>,
    requests: &[(Option<String>, ApiRequest)],
) -> Result<Vec<(Option<String>, ApiResponse)>, ChangeSetFailure> {
    let mut failed: Option<String> = None;
    let result = context.world.transaction(context.request.caller, false, |session| {
        let mut references: Vec<(String, String)> = Vec::new();
        let mut responses = Vec::new();
        for (content_id, request) in requests {
            failed.clone_from(content_id);
            if request.verb == Verb::Get {
                return Err(ApiError::odata("A change set cannot contain a GET request."));
            }
            let mut request = request.clone();
            request.resource = with_references(&request.resource, &references)?;
            let mut inner = Context::new(context.world, &request, &references);
            inner.target = Target::parse(&request.resource);
            let response = change(&inner, session)?;
            let url = response.headers.iter().find(|(name, _)| *name == "OData-EntityId").map(|(_, url)| url.clone());
            if let (Some(content_id), Some(url)) = (content_id, url.or_else(|| entity_url(context, &inner, &response)))
            {
                references.push((content_id.clone(), url));
            }
            responses.push((content_id.clone(), response));
        }
        Ok(responses)
    });
    result.map_err(|error| (failed, error))
}

/// A created row answered with its representation: its URL is in the body.
fn entity_url(context: &Context<'_>, inner: &Context<'_>, response: &ApiResponse) -> Option<String> {
    let set = &inner.target.segments.first()?.name;
    let store_id = serde_json::from_slice::<serde_json::Value>(&response.body).ok()?;
    let id = store_id.as_object()?.iter().find(|(name, value)| {
        name.ends_with("id")
            && !name.starts_with('_')
            && value.as_str().is_some_and(|text| crate::store::guid(text).is_some())
    })?;
    Some(format!("{}/{set}({})", context.api(), id.1.as_str()?))
}

/// Replaces `$1` at the start of a request line.
fn with_references(resource: &str, references: &[(String, String)]) -> ApiResult<String> {
    let Some(rest) = resource.strip_prefix('$') else {
        return Ok(resource.to_owned());
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let name = &rest[..end];
    if matches!(name, "metadata" | "batch") {
        return Ok(resource.to_owned());
    }
    let url = super::keys::declared(&format!("${name}"), references)?;
    Ok(format!("{}{}", self::resource(url), &rest[end..]))
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn push_part(
    out: &mut Vec<u8>,
    boundary: &str,
    response: &ApiResponse,
    content_id: Option<&str>,
    context: &Context<'_>,
) {
    line(out, &format!("--{boundary}"));
    line(out, "Content-Type: application/http");
    line(out, "Content-Transfer-Encoding: binary");
    if let Some(content_id) = content_id {
        line(out, &format!("Content-ID: {content_id}"));
    }
    line(out, "");
    let reason = http::StatusCode::from_u16(response.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    line(out, &format!("HTTP/1.1 {} {reason}", response.status));
    if response.failed() {
        line(out, &format!("REQ_ID: {}", response_id(context, out.len())));
    }
    for (name, value) in &response.headers {
        let value = if *name == "Content-Type" && !response.failed() && value.starts_with("application/json") {
            format!("{value}; odata.streaming=true")
        } else {
            value.clone()
        };
        line(out, &format!("{name}: {value}"));
    }
    line(out, "");
    if response.body.is_empty() {
        line(out, "");
    } else {
        out.extend_from_slice(&response.body);
        line(out, "");
    }
}
