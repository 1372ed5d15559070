//! Records by id and by filter.

use couplet_model::filter::Filter;
use couplet_model::full_sync::Sighted;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::SystemError;
use couplet_model::table::{Side, Table};
use couplet_odata::{Reply, error_of, reading};

use crate::client::BusinessCentralClient;
use crate::entities::EntityReader;
use crate::filters::{doubtful, find_filters, id_filters, meets};
use crate::route::Route;

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
        let route = Route::to_read(table, columns.iter().map(String::as_str), self.companion)?;
        let reader = EntityReader::new(self, table, route, columns)?;
        reading::by_ids(&reader, ids, |ids| id_filters(table, ids)).await
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
        let needed = columns.iter().map(String::as_str).chain(filter.columns());
        let route = Route::to_read(table, needed, self.companion)?;
        let reader = EntityReader::new(self, table, route, &columns)?;
        let mut records = reading::by_filters(&reader, find_filters(table, filter)?).await?;
        records.retain(|record| doubtful.iter().all(|condition| meets(record, condition)));
        for record in &mut records {
            record.values.retain(|name, _| !extra.iter().any(|extra| **extra == **name));
        }
        Ok(records)
    }

    /// How many records meet the filter. What the service may read in its own way is read and looked at here.
    pub(crate) async fn count_matching(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        if filter.is_impossible() {
            return Ok(Sighted::default());
        }
        if !doubtful(filter).is_empty() {
            let records = self.read_matching(table, filter, &[]).await?.len();
            return Ok(Sighted { records: records.try_into().unwrap_or(u64::MAX), or_more: false });
        }
        let route = Route::to_read(table, filter.columns(), self.companion)?;
        let reader = EntityReader::new(self, table, route, &[])?;
        let records = reading::count(&reader, find_filters(table, filter)?).await?;
        Ok(Sighted { records, or_more: false })
    }

    /// Reads records by id through a given API, whatever its columns; for their versions.
    pub(crate) async fn read_versions(
        &self,
        table: &Table,
        route: Route,
        ids: &[RecordId],
    ) -> Result<Vec<Record>, SystemError> {
        let reader = EntityReader::new(self, table, route, &[])?;
        reading::by_ids(&reader, ids, |ids| id_filters(table, ids)).await
    }

    /// Reads one page.
    pub(crate) async fn good_page(&self, reader: &EntityReader<'_>, url: &str) -> Result<Reply, SystemError> {
        let reply = reading::page(reader, url, "").await?;
        if reply.is_success() {
            return Ok(reply);
        }
        Err(self.explain(reader.route, error_of(Side::BusinessCentral, &reply)))
    }
}
