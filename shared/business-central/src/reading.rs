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
use couplet_odata::{Load, Operation, Repeat, Reply, Request};
use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::Value as Json;

use crate::client::{BusinessCentralClient, entities};
use crate::entities::EntityReader;
use crate::filters::{doubtful, find_filters, id_filters, meets};
use crate::route::Route;

/// Longest address sent as a plain request.
const PLAIN_LENGTH: usize = 4500;
/// A page that takes too long is asked for smaller, down to this; one record that takes too long is no matter of size.
const SMALLEST_PAGE: usize = 1;

impl BusinessCentralClient {
    pub(crate) async fn read_by_id(
        &self,
        table: &Table,
        ids: &[RecordId],
        columns: &[String],
    ) -> Result<Vec<Record>, SystemError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let needed: Vec<&str> = columns.iter().map(String::as_str).collect();
        let route = Route::choose(table, &needed, self.companion)?;
        let reader = EntityReader::new(table, route, columns)?;
        self.read_ids(&reader, ids).await
    }

    /// Reads records by id; ids that take too long together are asked for in smaller lists.
    async fn read_ids(&self, reader: &EntityReader<'_>, ids: &[RecordId]) -> Result<Vec<Record>, SystemError> {
        let full = (&*reader.table.name, Load::Ids, ids.len());
        let pieces =
            self.sizes.in_pieces(full, ids, true, |ids| self.read_filters(reader, id_filters(reader.table, ids)));
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
        let doubtful = doubtful(filter);
        let extra: Vec<String> =
            doubtful.iter().map(|condition| condition.column.clone()).filter(|name| !columns.contains(name)).collect();
        let columns = [columns, extra.as_slice()].concat();
        let needed: Vec<&str> = columns.iter().map(String::as_str).chain(filter.columns()).collect();
        let route = Route::choose(table, &needed, self.companion)?;
        let reader = EntityReader::new(table, route, &columns)?;
        let mut records = self.read_filters(&reader, find_filters(table, filter)?).await?;
        records.retain(|record| doubtful.iter().all(|condition| meets(record, condition)));
        for record in &mut records {
            record.values.retain(|name, _| !extra.iter().any(|extra| **extra == **name));
        }
        Ok(records)
    }

    /// Reads records by id through a given API, whatever its columns; for their versions.
    pub(crate) async fn read_versions(
        &self,
        table: &Table,
        route: Route,
        ids: &[RecordId],
    ) -> Result<Vec<Record>, SystemError> {
        self.read_ids(&EntityReader::new(table, route, &[])?, ids).await
    }

    async fn read_filters(&self, reader: &EntityReader<'_>, filters: Vec<String>) -> Result<Vec<Record>, SystemError> {
        let set = self.relative(reader.route, reader.table, None)?;
        let select = reader.select();
        let queries: Vec<String> =
            filters.into_iter().map(|filter| Query::new().select(&select).option("$filter", filter).on(&set)).collect();
        if let [query] = queries.as_slice()
            && query.len() <= PLAIN_LENGTH
        {
            let mut records = Vec::new();
            self.follow(reader, self.absolute(reader.route, query), &mut records).await?;
            return Ok(records);
        }
        let full = (&*reader.table.name, Load::Queries, self.batch_size);
        let batches = queries.chunks(self.batch_size).map(|queries| async move {
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
    async fn read_patiently(&self, reader: &EntityReader<'_>, queries: &[String]) -> Result<Vec<Record>, SystemError> {
        let mut attempt = 1;
        loop {
            match self.read_batched(reader, queries).await {
                Err(error) if queries.len() > 1 && is_too_much(&error) => return Err(error),
                Err(error) if self.identity.asks_again(&error, attempt).await => attempt += 1,
                read => return read,
            }
        }
    }

    async fn read_batched(&self, reader: &EntityReader<'_>, queries: &[String]) -> Result<Vec<Record>, SystemError> {
        let operations: Vec<Operation> =
            queries.iter().map(|query| Operation::new(Method::GET, query.as_str())).collect();
        let mut records = Vec::new();
        for part in self.batch(reader.route, &operations, Repeat::Read).await? {
            let Some(part) = part else {
                let message = "the answer to a batch of queries was cut short";
                return Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Transient, "", message));
            };
            if !part.is_success() {
                return Err(self.explain(reader.route, part_error(Side::BusinessCentral, &part)));
            }
            if let Some(next) = self.records_of(reader, &part.body, &mut records)? {
                self.follow(reader, next, &mut records).await?;
            }
        }
        Ok(records)
    }

    /// Reads a page and all that follow it.
    async fn follow(
        &self,
        reader: &EntityReader<'_>,
        url: String,
        records: &mut Vec<Record>,
    ) -> Result<(), SystemError> {
        let mut count = PageCount::default();
        let full = self.page_size as usize;
        let mut next = Some(url);
        while let Some(url) = next {
            let reply = self.read_page(reader, url.clone()).await?;
            next = self.records_of(reader, &reply.json(), records)?;
            let size = self.sizes.allowed(&reader.table.name, Load::Page, full);
            if let Some(objection) = count.objection(&url, next.as_deref(), size, full) {
                return Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", objection));
            }
        }
        Ok(())
    }

    /// Reads one page, a smaller one when it takes too long.
    pub(crate) async fn read_page(&self, reader: &EntityReader<'_>, url: String) -> Result<Reply, SystemError> {
        let table = &*reader.table.name;
        loop {
            let size = self.sizes.allowed(table, Load::Page, self.page_size as usize);
            let request = Request::get(url.as_str())
                .header("Prefer", format!("odata.maxpagesize={size}"))
                .divisible(size > SMALLEST_PAGE);
            match self.call(reader.route, &request).await {
                Err(error) if is_too_much(&error) && size > SMALLEST_PAGE => {
                    self.sizes.was_too_much(table, Load::Page, size);
                }
                Err(error) => return Err(error),
                Ok(reply) => {
                    self.sizes.went_through(table, Load::Page, size);
                    return Ok(reply);
                }
            }
        }
    }

    /// Reads the entities of a page and gives the link to the next.
    pub(crate) fn records_of(
        &self,
        reader: &EntityReader<'_>,
        page: &Json,
        records: &mut Vec<Record>,
    ) -> Result<Option<String>, SystemError> {
        for entity in entities(page)? {
            if let Json::Object(entity) = entity {
                records.push(reader.read(entity)?);
            }
        }
        self.identity.link(page, "@odata.nextLink")
    }
}
