//! Records by id and by filter: many queries in one batch, pages followed.

use std::collections::HashSet;

use couplet_model::filter::Filter;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::part_error;
use couplet_odata::query::Query;
use couplet_odata::sizes::{PageCount, all_of_them, is_too_much};
use couplet_odata::{Load, Operation, Repeat, Reply, Request, error_of};
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::Value as Json;

use crate::client::DataverseClient;
use crate::filters::{find_filters, id_filters};
use crate::rows::RowReader;

/// Longest address sent as a plain request; gateways on the way may cut longer ones.
const PLAIN_LENGTH: usize = 8000;
/// Queries packed into one batch: with 400 ids each, answers stay at a few thousand rows.
const QUERIES_PER_BATCH: usize = 10;
/// A page that takes too long is asked for smaller, down to this; one row that takes too long is no matter of size.
const SMALLEST_PAGE: usize = 1;

impl DataverseClient {
    pub(crate) async fn read_by_id(
        &self,
        table: &Table,
        ids: &[RecordId],
        columns: &[String],
    ) -> Result<Vec<Record>, SystemError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let full = (&*table.name, Load::Ids, ids.len());
        let pieces =
            self.sizes.in_pieces(full, ids, true, |ids| self.read_filters(table, id_filters(table, ids), columns));
        all_of_them(pieces.await)
    }

    pub(crate) async fn read_matching(
        &self,
        table: &Table,
        filter: &Filter,
        columns: &[String],
    ) -> Result<Vec<Record>, SystemError> {
        if filter.is_impossible() {
            return Ok(Vec::new());
        }
        self.read_filters(table, find_filters(table, filter)?, columns).await
    }

    async fn read_filters(
        &self,
        table: &Table,
        filters: Vec<String>,
        columns: &[String],
    ) -> Result<Vec<Record>, SystemError> {
        let reader = RowReader::new(table, &self.readable(table, columns))?;
        let set = self.entity_set(table).await?;
        let select = reader.select();
        let queries: Vec<String> = filters
            .into_iter()
            .map(|filter| Query::new().select(&select).option("$filter", filter).on(&format!("/{set}")))
            .collect();
        if let [query] = queries.as_slice()
            && self.api.len() + query.len() <= PLAIN_LENGTH
        {
            let mut records = Vec::new();
            self.follow(&reader, format!("{}{query}", self.api), &mut records).await?;
            return Ok(records);
        }
        let reader = &reader;
        let full = (&*table.name, Load::Queries, QUERIES_PER_BATCH);
        let batches = queries.chunks(QUERIES_PER_BATCH).map(|queries| async move {
            let pieces = self.sizes.in_pieces(full, queries, true, |queries| self.read_patiently(reader, queries));
            all_of_them(pieces.await)
        });
        let mut records: Vec<Record> = try_join_all(batches).await?.into_iter().flatten().collect();
        // A record may meet two pieces of a list that was split.
        let mut seen = HashSet::with_capacity(records.len());
        records.retain(|record| seen.insert(record.id));
        Ok(records)
    }

    /// Reads a batch of queries; when one of them fails for a passing reason, all are asked again, a few times.
    async fn read_patiently(&self, reader: &RowReader<'_>, queries: &[String]) -> Result<Vec<Record>, SystemError> {
        let mut attempt = 1;
        loop {
            match self.read_batched(reader, queries).await {
                Err(error) if queries.len() > 1 && is_too_much(&error) => return Err(error),
                Err(error) if self.identity.asks_again(&error, attempt).await => attempt += 1,
                read => return read,
            }
        }
    }

    async fn read_batched(&self, reader: &RowReader<'_>, queries: &[String]) -> Result<Vec<Record>, SystemError> {
        let operations: Vec<Operation> = queries
            .iter()
            .map(|query| {
                Operation::new(Method::GET, format!("{}{query}", self.path))
                    .header("Prefer", self.read_preference(reader, self.page_size as usize))
            })
            .collect();
        let parts = self.batch(&operations, Repeat::Read).await?;
        if parts.len() < operations.len() {
            let message = "the answer to a batch of queries was cut short";
            return Err(SystemError::new(Side::Dataverse, SystemErrorKind::Transient, "", message));
        }
        let mut records = Vec::new();
        for part in parts {
            if !part.is_success() {
                return Err(part_error(Side::Dataverse, &part));
            }
            if let Some(next) = self.rows_of(reader, &part.body, &mut records)? {
                self.follow(reader, next, &mut records).await?;
            }
        }
        Ok(records)
    }

    /// Reads a page and all that follow it.
    async fn follow(&self, reader: &RowReader<'_>, url: String, records: &mut Vec<Record>) -> Result<(), SystemError> {
        let mut count = PageCount::default();
        let full = self.page_size as usize;
        let mut next = Some(url);
        while let Some(url) = next {
            let reply = self.read_page(reader, &url, "").await?;
            if !reply.is_success() {
                return Err(error_of(Side::Dataverse, &reply));
            }
            next = self.rows_of(reader, &reply.json(), records)?;
            let size = self.sizes.allowed(reader.table_name(), Load::Page, full);
            if let Some(objection) = count.objection(&url, next.as_deref(), size, full) {
                return Err(SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", objection));
            }
        }
        Ok(())
    }

    /// Reads one page, a smaller one when it takes too long. `preference` comes before the others.
    pub(crate) async fn read_page(
        &self,
        reader: &RowReader<'_>,
        url: &str,
        preference: &str,
    ) -> Result<Reply, SystemError> {
        let table = reader.table_name();
        loop {
            let size = self.sizes.allowed(table, Load::Page, self.page_size as usize);
            let preferences = self.read_preference(reader, size);
            let request = Request::get(url)
                .header("Prefer", format!("{preference}{preferences}"))
                .divisible(size > SMALLEST_PAGE);
            let answer = self.identity.send(&request).await;
            let failure = match &answer {
                Ok(reply) if reply.is_success() => None,
                Ok(reply) => Some(error_of(Side::Dataverse, reply)),
                Err(error) => Some(error.clone()),
            };
            match failure {
                Some(error) if is_too_much(&error) && size > SMALLEST_PAGE => {
                    self.sizes.was_too_much(table, Load::Page, size);
                    continue;
                }
                Some(_) => {}
                None => self.sizes.went_through(table, Load::Page, size),
            }
            return answer;
        }
    }

    fn read_preference(&self, reader: &RowReader<'_>, size: usize) -> String {
        let size = format!("odata.maxpagesize={size}");
        match reader.annotations() {
            Some(annotations) => format!("{size},{annotations}"),
            None => size,
        }
    }

    /// Reads the rows of a page and gives the link to the next.
    fn rows_of(
        &self,
        reader: &RowReader<'_>,
        page: &Json,
        records: &mut Vec<Record>,
    ) -> Result<Option<String>, SystemError> {
        for row in rows(page)? {
            if let Json::Object(row) = row {
                records.push(reader.read(row)?.record);
            }
        }
        self.identity.link(page, "@odata.nextLink")
    }
}

/// The rows of a page.
pub(crate) fn rows(page: &Json) -> Result<&Vec<Json>, SystemError> {
    page.get("value").and_then(Json::as_array).ok_or_else(|| {
        // The service's own answers are lists; one that is none was cut, or written by somebody on the way.
        SystemError::new(Side::Dataverse, SystemErrorKind::Transient, "", "the answer is not a list of rows")
    })
}
