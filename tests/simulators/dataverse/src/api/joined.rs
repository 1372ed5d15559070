//! Answers for FetchXML and SQL queries.

use serde_json::{Map, Value};

use super::Context;
use super::cookie::encode;
use super::read::{LARGEST_PAGE, preferences};
use crate::query::joined::{Joined, Tuple};
use crate::schema::Kind;
use crate::store::{Cell, Store};
use crate::wire::error::ApiResult;
use crate::wire::request::{ApiResponse, Work};
use crate::wire::rows::{self, RowWriter};

/// How much of the result is one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Page number from 1.
    pub number: usize,
    /// Rows per page.
    pub size: usize,
    /// The total is wanted.
    pub total: bool,
    /// Next pages are asked for by cookie (FetchXML) instead of by next link (SQL).
    pub cookies: bool,
}

/// Runs a query and writes its answer.
pub(crate) fn answer(context: &Context<'_>, store: &Store, joined: &Joined, page: Page) -> ApiResult<ApiResponse> {
    let main = store.schema.table(joined.sources.first().map_or(0, |source| source.table));
    let mut out = Vec::new();
    out.extend_from_slice(b"{\"@odata.context\":");
    rows::text(&mut out, &format!("{}/$metadata#{}", context.api(), main.set));
    let (written, total, more) = if joined.aggregated() {
        groups(store, joined, &mut out)
    } else {
        tuples(context, store, joined, page, &mut out)
    };
    if page.total || context.prefer.annotates("Microsoft.Dynamics.CRM.totalrecordcount") {
        super::read::totals(&mut out, page.total.then_some(total));
    }
    if page.cookies && context.prefer.annotates("Microsoft.Dynamics.CRM.morerecords") {
        out.extend_from_slice(format!(",\"@Microsoft.Dynamics.CRM.morerecords\":{more}").as_bytes());
    }
    if more {
        let inner = format!("%253ccookie%2520page%253d%2522{}%2522%253e%253c%252fcookie%253e", page.number);
        let cookie =
            format!("<cookie pagenumber=\"{}\" pagingcookie=\"{inner}\" istracking=\"False\" />", page.number + 1);
        if page.cookies {
            // Clients page by this annotation without asking for it.
            out.extend_from_slice(b",\"@Microsoft.Dynamics.CRM.fetchxmlpagingcookie\":");
            rows::text(&mut out, &cookie);
        } else {
            let sql = encode(context.target.option("sql").unwrap_or_default());
            out.extend_from_slice(b",\"@odata.nextLink\":");
            rows::text(&mut out, &format!("{}/{}?sql={sql}&$skiptoken={}", context.api(), main.set, encode(&cookie)));
        }
    }
    out.push(b'}');
    let mut response = preferences(context, ApiResponse::json(200, out));
    response.rows = written;
    response.work = Work { reads: written, ..Work::default() };
    Ok(response)
}

fn tuples(
    context: &Context<'_>,
    store: &Store,
    joined: &Joined,
    page: Page,
    out: &mut Vec<u8>,
) -> (usize, usize, bool) {
    let found = joined.tuples(store);
    let total = found.len().saturating_sub(joined.offset);
    let limit = joined.top.unwrap_or(usize::MAX).min(total);
    let start = joined.offset.saturating_add((page.number - 1).saturating_mul(page.size));
    let end = joined.offset.saturating_add(limit).min(start.saturating_add(page.size)).max(start);
    let writer = RowWriter::new(store, &context.prefer);
    out.extend_from_slice(b",\"value\":[");
    let mut written = 0;
    for tuple in found.iter().skip(start).take(end - start) {
        if written > 0 {
            out.push(b',');
        }
        tuple_row(store, &writer, joined, tuple, out);
        written += 1;
    }
    out.push(b']');
    (written, total, end < joined.offset + limit)
}

fn tuple_row(store: &Store, writer: &RowWriter<'_>, joined: &Joined, tuple: &Tuple<'_>, out: &mut Vec<u8>) {
    let Some(main_source) = joined.sources.first() else { return };
    let main = store.schema.table(main_source.table);
    let Some(Some(row)) = tuple.first() else { return };
    out.push(b'{');
    out.extend_from_slice(format!("\"@odata.etag\":\"W/\\\"{}\\\"\"", row.version).as_bytes());
    let mut keyed = false;
    if joined.all {
        for (at, column) in main.columns.iter().enumerate() {
            if column.exposed && row.get(at).is_some() {
                writer.value(out, &column.property, main, at, row);
                keyed |= at == main.id;
            }
        }
    }
    for output in &joined.outputs {
        let table = store.schema.table(joined.sources[output.source].table);
        // FetchXML leaves columns without a value out, as the service does.
        let Some(Some(row)) = tuple.get(output.source) else { continue };
        if row.get(output.column).is_none() && table.columns[output.column].name != "versionnumber" {
            continue;
        }
        keyed |= output.source == 0 && output.column == main.id && output.name.is_none();
        let name = output.name.clone().unwrap_or_else(|| table.columns[output.column].property.clone());
        writer.value(out, &name, table, output.column, row);
    }
    if !keyed {
        writer.value(out, &main.columns[main.id].property, main, main.id, row);
    }
    out.push(b'}');
}

fn groups(store: &Store, joined: &Joined, out: &mut Vec<u8>) -> (usize, usize, bool) {
    let groups = joined.groups(store);
    let limit = joined.top.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let shown: Vec<Value> = groups
        .iter()
        .skip(joined.offset)
        .take(limit)
        .map(|group| {
            let mut map = Map::new();
            for (output, cell) in joined.outputs.iter().zip(group) {
                let table = store.schema.table(joined.sources[output.source].table);
                let column = &table.columns[output.column];
                let kind = if matches!(cell, Some(Cell::Int(_))) { &Kind::BigInteger } else { &column.kind };
                let name = output.name.clone().unwrap_or_else(|| column.property.clone());
                map.insert(name, cell.as_ref().map_or(Value::Null, |cell| cell.to_json(kind)));
            }
            Value::Object(map)
        })
        .collect();
    out.extend_from_slice(b",\"value\":");
    out.extend_from_slice(Value::Array(shown.clone()).to_string().as_bytes());
    (shown.len(), groups.len(), false)
}
