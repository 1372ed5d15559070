//! Records of one table, by filters and by pages: many queries in one batch, links followed, and smaller requests where one
//! takes too long.

use std::collections::HashSet;

use async_trait::async_trait;
use couplet_model::Said;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Table;
use futures_util::future::try_join_all;
use serde_json::{Map, Value as Json};

use crate::fault::{error_of, part_error};
use crate::identity::Identity;
use crate::query::Query;
use crate::request::{BatchPart, Operation, Reply, Request};
use crate::sizes::{Load, PageCount, Sizes, all_of_them, is_too_much};

/// A page that takes too long is asked for smaller, down to this; one record that takes too long is no matter of size.
const SMALLEST_PAGE: usize = 1;
/// The link to the next page of an answer.
const NEXT_LINK: &str = "@odata.nextLink";
/// How many records a query has, whatever part of them the answer holds.
const COUNT: &str = "@odata.count";

/// How much one system gives and takes at once.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Records in a page.
    pub page: usize,
    /// Queries in one batch.
    pub queries: usize,
    /// Characters of an address that is sent as a request of its own; longer ones travel in a batch.
    pub address: usize,
}

/// One table with the columns asked for, as one system is asked for it and answers.
#[async_trait]
pub trait TableReader: Sync {
    /// The table.
    fn table(&self) -> &Table;

    /// The way to the system.
    fn identity(&self) -> &Identity;

    /// What was learned about sizes.
    fn sizes(&self) -> &Sizes;

    /// How much may be asked for at once.
    fn limits(&self) -> ReadLimits;

    /// The properties to select.
    fn select(&self) -> Vec<&str>;

    /// The address of the table.
    fn address(&self) -> String;

    /// A query of the table, which begins with a question mark or is blank, as an operation of a batch.
    fn operation(&self, query: &str) -> Operation;

    /// What is preferred of an answer whose pages have at most so many records.
    fn preference(&self, page_size: usize) -> String;

    /// Reads a row.
    ///
    /// # Errors
    /// When it belongs to no record. A record whose values cannot be understood is told as such, and is no error.
    fn record(&self, row: &Map<String, Json>) -> Result<Record, SystemError>;

    /// Sends operations as one batch of reads; one answer for each, `None` where none came.
    ///
    /// # Errors
    /// When the batch has failed as a whole.
    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Option<BatchPart>>, SystemError>;

    /// A failure in words the operator can act on.
    fn explain(&self, error: SystemError) -> SystemError {
        error
    }

    /// Notes that a request was answered as asked.
    fn was_answered(&self) {}
}

/// The records of these ids; ids that take too long together are asked for in smaller lists. `filters` makes the filters
/// that find them.
///
/// # Errors
/// When one of the requests fails.
pub async fn by_ids(
    reader: &dyn TableReader,
    ids: &[RecordId],
    filters: impl Fn(&[RecordId]) -> Vec<String> + Send + Sync,
) -> Result<Vec<Record>, SystemError> {
    let full = (&*reader.table().name, Load::Ids, ids.len());
    let pieces = reader.sizes().in_pieces(full, ids, true, |ids| by_filters(reader, filters(ids)));
    all_of_them(pieces.await)
}

/// How many records meet any of the filters, which leave no record to two of them: one request each, in whose answer the service
/// counts them.
///
/// # Errors
/// When one of the requests fails, or an answer has no count.
pub async fn count(reader: &dyn TableReader, filters: Vec<String>) -> Result<u64, SystemError> {
    let (select, address) = (reader.select(), reader.address());
    let mut sum: u64 = 0;
    for filter in filters {
        let query = Query::new().select(&select).option("$filter", filter).option("$top", "1").option("$count", "true");
        let reply = page(reader, &query.on(&address), "").await?;
        if !reply.is_success() {
            return Err(reader.explain(error_of(reader.table().side, &reply)));
        }
        let counted = reply.content.get(COUNT).and_then(Json::as_u64);
        let counted = counted
            .ok_or_else(|| failed(reader, SystemErrorKind::Protocol, "the answer does not say how many there are"))?;
        sum = sum.saturating_add(counted);
    }
    Ok(sum)
}

/// The records that meet any of the filters, each once. One short query is a request of its own, several are batches.
///
/// # Errors
/// When one of the requests fails.
pub async fn by_filters(reader: &dyn TableReader, filters: Vec<String>) -> Result<Vec<Record>, SystemError> {
    let (select, address, limits) = (reader.select(), reader.address(), reader.limits());
    let queries: Vec<String> =
        filters.into_iter().map(|filter| Query::new().select(&select).option("$filter", filter).on("")).collect();
    if let [query] = queries.as_slice()
        && address.len() + query.len() <= limits.address
    {
        let mut records = Vec::new();
        follow(reader, format!("{address}{query}"), &mut records).await?;
        return Ok(records);
    }
    let full = (&*reader.table().name, Load::Queries, limits.queries);
    let batches = queries.chunks(limits.queries).map(|queries| async move {
        let pieces = reader.sizes().in_pieces(full, queries, true, |queries| batch_with_retries(reader, queries));
        all_of_them(pieces.await)
    });
    let mut records: Vec<Record> = try_join_all(batches).await?.into_iter().flatten().collect();
    // A record may meet two pieces of a list that was split.
    let mut seen = HashSet::with_capacity(records.len());
    records.retain(|record| seen.insert(record.id));
    Ok(records)
}

/// Reads a batch of queries; when one of them fails for a passing reason, all are asked again, a few times.
async fn batch_with_retries(reader: &dyn TableReader, queries: &[String]) -> Result<Vec<Record>, SystemError> {
    let mut attempt = 1;
    loop {
        match batch(reader, queries).await {
            Err(error) if queries.len() > 1 && is_too_much(&error) => return Err(error),
            Err(error) if reader.identity().asks_again(&error, attempt).await => attempt += 1,
            read => return read,
        }
    }
}

async fn batch(reader: &dyn TableReader, queries: &[String]) -> Result<Vec<Record>, SystemError> {
    let operations: Vec<Operation> = queries.iter().map(|query| reader.operation(query)).collect();
    let mut records = Vec::new();
    for part in reader.batch(&operations).await? {
        let Some(part) = part else {
            return Err(failed(reader, SystemErrorKind::Transient, "the answer to a batch of queries was cut short"));
        };
        if !part.is_success() {
            return Err(reader.explain(part_error(reader.table().side, &part)));
        }
        if let Some(next) = records_of(reader, &part.body, &mut records)? {
            follow(reader, next, &mut records).await?;
        }
    }
    Ok(records)
}

/// Reads a page and all that follow it.
async fn follow(reader: &dyn TableReader, url: String, records: &mut Vec<Record>) -> Result<(), SystemError> {
    let mut count = PageCount::default();
    let full = reader.limits().page;
    let mut next = Some(url);
    while let Some(url) = next {
        let reply = page(reader, &url, "").await?;
        if !reply.is_success() {
            return Err(reader.explain(error_of(reader.table().side, &reply)));
        }
        next = records_of(reader, &reply.content, records)?;
        let size = reader.sizes().allowed(&reader.table().name, Load::Page, full);
        if let Some(objection) = count.objection(&url, next.as_deref(), size, full) {
            return Err(failed(reader, SystemErrorKind::Protocol, &objection));
        }
    }
    Ok(())
}

/// Reads one page, a smaller one when it takes too long, and gives the answer whatever its status. `preference` comes before
/// the others.
///
/// # Errors
/// When there is no answer.
pub async fn page(reader: &dyn TableReader, url: &str, preference: &str) -> Result<Reply, SystemError> {
    let table = reader.table();
    loop {
        let size = reader.sizes().allowed(&table.name, Load::Page, reader.limits().page);
        let request = Request::get(url)
            .header("Prefer", format!("{preference}{}", reader.preference(size)))
            .divisible(size > SMALLEST_PAGE);
        let answer = reader.identity().send(&request).await;
        let failure = match &answer {
            Ok(reply) if reply.is_success() => None,
            Ok(reply) => Some(error_of(table.side, reply)),
            Err(error) => Some(error.clone()),
        };
        match failure {
            Some(error) if is_too_much(&error) && size > SMALLEST_PAGE => {
                reader.sizes().was_too_much(&table.name, Load::Page, size);
                continue;
            }
            Some(_) => {}
            None => {
                reader.was_answered();
                reader.sizes().went_through(&table.name, Load::Page, size);
            }
        }
        return answer;
    }
}

/// Reads the rows of a page and gives the link to the next.
///
/// # Errors
/// When the page is none, one of its rows belongs to no record, or its link leads elsewhere.
pub fn records_of(
    reader: &dyn TableReader,
    page: &Json,
    records: &mut Vec<Record>,
) -> Result<Option<String>, SystemError> {
    for row in rows(reader.table(), page)? {
        records.push(reader.record(row?)?);
    }
    next_page(reader.identity(), page)
}

/// The link to the next page.
///
/// # Errors
/// When it leads to where our token is not for.
pub fn next_page(identity: &Identity, page: &Json) -> Result<Option<String>, SystemError> {
    identity.link(page, NEXT_LINK)
}

/// The rows of a page of this table. One that is no object belongs to no record.
///
/// # Errors
/// When the page is no list.
pub fn rows<'a>(
    table: &'a Table,
    page: &'a Json,
) -> Result<impl Iterator<Item = Result<&'a Map<String, Json>, SystemError>>, SystemError> {
    let refused = |what: &str| {
        let message = format!("the answer about {} {what}", table.name);
        SystemError::new(table.side, SystemErrorKind::Transient, "", Said::safe(message))
    };
    // The service's own answers are lists; one that is none was cut, or written by somebody on the way.
    let rows = page.get("value").and_then(Json::as_array).ok_or_else(|| refused("is not a list of records"))?;
    Ok(rows.iter().map(move |row| row.as_object().ok_or_else(|| refused("holds something that is no record"))))
}

fn failed(reader: &dyn TableReader, kind: SystemErrorKind, message: &str) -> SystemError {
    SystemError::new(reader.table().side, kind, "", Said::safe(message.to_owned()))
}
