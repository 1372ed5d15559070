//! Change tracking: the first full answer with a delta link, and the changes since a delta link.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::Context;
use super::cookie::Cookie;
use super::read::{LARGEST_PAGE, context_url, preferences};
use crate::query::options::Query;
use crate::store::{Cell, Row, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::{ApiResponse, Work};
use crate::wire::rows::{self, RowWriter};

/// The request starts or continues change tracking.
pub(crate) fn wanted(context: &Context<'_>) -> bool {
    let cookie = context.target.option("$skiptoken").is_some_and(|token| token.contains("istracking=\"True\""));
    context.target.option("$deltatoken").is_some() || context.prefer.track_changes || cookie
}

/// Versions that one answer is about: changes after `since` and up to `until`. `None` for the first, full answer.
#[derive(Debug, Clone, Copy)]
struct Span {
    since: Option<u64>,
    until: u64,
}

/// Answers a tracked query.
pub(crate) fn get(context: &Context<'_>, store: &Store, table: usize) -> ApiResult<ApiResponse> {
    let here = store.schema.table(table);
    if !here.change_tracking {
        return Err(ApiError::odata(format!("Change tracking is not enabled for the entity '{}'.", here.name)));
    }
    for option in ["filter", "orderby", "expand", "top"] {
        if context.target.option(&format!("${option}")).is_some() {
            return Err(ApiError::odata(format!(
                "The \"${option}\" query parameter isn't supported when Change Tracking is enabled."
            )));
        }
    }
    let query = Query::parse(&store.schema, table, &context.target.query)?;
    let size = context.prefer.page_size.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let position = context.target.option("$skiptoken").map(Position::parse).transpose()?;
    let span = match (&position, context.target.option("$deltatoken")) {
        (Some(position), _) => position.span,
        (None, Some(token)) => Span { since: Some(token_version(context, store, token)?), until: store.version() },
        (None, None) => Span { since: None, until: store.version() },
    };
    let (page, deleted, next) = match span.since {
        None => full_page(store, table, size, position.as_ref(), span),
        Some(since) => changed_page(store, table, size, position.as_ref(), since, span),
    };
    let mut out = Vec::with_capacity(page.len() * 256 + 512);
    let suffix = if span.since.is_some() { "/$delta" } else { "" };
    out.extend_from_slice(b"{\"@odata.context\":");
    rows::text(&mut out, &context_url(context, here, &query, suffix));
    if query.count {
        let count = span.since.map_or_else(
            || store.rows(table).len(),
            |since| {
                store.rows(table).changed(since, span.until).count()
                    + store.rows(table).buried(since, span.until).count()
            },
        );
        out.extend_from_slice(format!(",\"@odata.count\":{}", count.min(LARGEST_PAGE)).as_bytes());
    }
    out.extend_from_slice(b",\"value\":[");
    let writer = RowWriter::new(store, &context.prefer);
    for (at, row) in page.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        writer.row(&mut out, table, row, &query, None);
    }
    for (at, id) in deleted.iter().enumerate() {
        if at > 0 || !page.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"@odata.context\":");
        rows::text(&mut out, &format!("{}/$metadata#{}/$deletedEntity", context.api(), here.set));
        out.extend_from_slice(format!(",\"id\":\"{id}\",\"reason\":\"deleted\"}}").as_bytes());
    }
    out.push(b']');
    let select = context
        .target
        .raw_query
        .split('&')
        .find(|part| part.starts_with("$select=") || part.starts_with("%24select="))
        .map(|part| format!("{part}&"))
        .unwrap_or_default();
    match next {
        Some(next) => {
            out.extend_from_slice(b",\"@odata.nextLink\":");
            rows::text(
                &mut out,
                &format!("{}/{}?{select}$skiptoken={}", context.api(), here.set, next.text(&here.name)),
            );
        }
        None => {
            out.extend_from_slice(b",\"@odata.deltaLink\":");
            rows::text(
                &mut out,
                &format!(
                    "{}/{}?{select}$deltatoken={}",
                    context.api(),
                    here.set,
                    token(span.until, context.world.now())
                ),
            );
        }
    }
    out.push(b'}');
    let mut response = preferences(context, ApiResponse::json(200, out));
    response.rows = page.len() + deleted.len();
    response.work = Work { reads: response.rows, ..Work::default() };
    Ok(response)
}

/// `…/$count?$deltatoken=…`.
pub(crate) fn count(context: &Context<'_>, store: &Store, table: usize) -> ApiResult<ApiResponse> {
    let since = token_version(context, store, context.target.option("$deltatoken").unwrap_or_default())?;
    let rows = store.rows(table);
    let count = rows.changed(since, u64::MAX).count() + rows.buried(since, u64::MAX).count();
    let mut response = ApiResponse::json(200, count.to_string().into_bytes());
    response.headers = vec![("Content-Type", "text/plain".to_owned()), ("OData-Version", "4.0".to_owned())];
    Ok(response)
}

type Page<'a> = (Vec<&'a Row>, Vec<Uuid>, Option<Position>);

fn full_page<'a>(store: &'a Store, table: usize, size: usize, position: Option<&Position>, span: Span) -> Page<'a> {
    let after = position.map(|position| position.last);
    let mut page: Vec<&Row> = store.rows(table).after(after).take(size + 1).map(AsRef::as_ref).collect();
    let more = page.len() > size;
    page.truncate(size);
    let next = more.then(|| Position {
        page: position.map_or(1, |position| position.page) + 1,
        last: page.last().map(|row| row.id).unwrap_or_default(),
        version: 0,
        span,
    });
    (page, Vec::new(), next)
}

fn changed_page<'a>(
    store: &'a Store,
    table: usize,
    size: usize,
    position: Option<&Position>,
    since: u64,
    span: Span,
) -> Page<'a> {
    let rows = store.rows(table);
    let from = position.map_or(since, |position| position.version);
    let number = position.map_or(1, |position| position.page) + 1;
    // A position inside the deletions is marked by a version whose `last` is not nil.
    let in_deletions = position.is_some_and(|position| !position.last.is_nil());
    let mut page: Vec<&Row> = if in_deletions {
        Vec::new()
    } else {
        rows.changed(from, span.until).take(size + 1).map(AsRef::as_ref).collect()
    };
    if page.len() > size {
        page.truncate(size);
        let version = page.last().map_or(from, |row| row.version);
        return (page, Vec::new(), Some(Position { page: number, last: Uuid::nil(), version, span }));
    }
    let room = size - page.len();
    let mut deleted: Vec<(u64, Uuid)> =
        rows.buried(if in_deletions { from } else { since }, span.until).take(room + 1).collect();
    let more = deleted.len() > room;
    deleted.truncate(room);
    let next = more.then(|| Position {
        page: number,
        last: Uuid::max(),
        version: deleted.last().map_or(if in_deletions { from } else { since }, |(version, _)| *version),
        span,
    });
    (page, deleted.into_iter().map(|(_, id)| id).collect(), next)
}

/// Where a tracked answer goes on.
#[derive(Debug, Clone)]
struct Position {
    page: usize,
    last: Uuid,
    version: u64,
    span: Span,
}

impl Position {
    fn text(&self, table: &str) -> String {
        let since = self.span.since.map_or_else(String::new, |since| since.to_string());
        let cookie = Cookie { page: self.page, last: self.last, offset: 0, tracking: true };
        // The span travels in an extra attribute of the opaque cookie.
        cookie.text(table)
            + &percent_encoding::utf8_percent_encode(
                &format!("|{}|{since}|{}", self.version, self.span.until),
                percent_encoding::NON_ALPHANUMERIC,
            )
            .to_string()
    }

    fn parse(text: &str) -> ApiResult<Self> {
        let bad = || ApiError::odata("The paging cookie is not valid.");
        let mut parts = text.split('|');
        let cookie = Cookie::parse(parts.next().ok_or_else(bad)?)?;
        let mut number = || parts.next().ok_or_else(bad);
        let version = number()?.parse().map_err(|_| bad())?;
        let since = number()?;
        let since = if since.is_empty() { None } else { Some(since.parse().map_err(|_| bad())?) };
        let until = number()?.parse().map_err(|_| bad())?;
        Ok(Self { page: cookie.page, last: cookie.last, version, span: Span { since, until } })
    }
}

/// `<row version>!<MM/dd/yyyy HH:mm:ss>`, percent-encoded.
fn token(version: u64, now: i64) -> String {
    let time = Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC);
    let text = format!("{version}!{}", time.strftime("%m/%d/%Y %H:%M:%S"));
    percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn token_version(context: &Context<'_>, store: &Store, text: &str) -> ApiResult<u64> {
    let bad = || ApiError::odata("The delta token is not valid.");
    let (version, time) = text.split_once('!').ok_or_else(bad)?;
    let version: u64 = version.parse().map_err(|_| bad())?;
    let given = jiff::civil::DateTime::strptime("%m/%d/%Y %H:%M:%S", time)
        .ok()
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
        .ok_or_else(bad)?;
    let kept = i64::from(days_kept(store)) * 86_400;
    let expired = context.world.now() - given.timestamp().as_second() > kept
        || version < context.world.faults.delta_expired_before();
    if expired {
        return Err(ApiError::new(
            context.world.behaviour.expired_delta_status,
            "0x80044352",
            "Version stamp associated with the client has expired. Please perform a full sync.",
        ));
    }
    Ok(version)
}

/// `organization.expirechangetrackingindays`.
fn days_kept(store: &Store) -> i32 {
    const DEFAULT: i32 = 7;
    let Some(organizations) = store.schema.position("organization") else {
        return DEFAULT;
    };
    let Some(column) = store.schema.table(organizations).column("expirechangetrackingindays") else {
        return DEFAULT;
    };
    match store.rows(organizations).after(None).next().and_then(|row| row.get(column)) {
        Some(Cell::Int(days)) => i32::try_from(*days).unwrap_or(DEFAULT),
        _ => DEFAULT,
    }
}
