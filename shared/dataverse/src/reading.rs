//! Records by id and by filter.

use couplet_model::filter::Filter;
use couplet_model::full_sync::Sighted;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::SystemError;
use couplet_model::table::Table;
use couplet_odata::reading;

use crate::client::DataverseClient;
use crate::filters::{find_filters, id_filters};
use crate::rows::RowReader;

/// The count of a query goes no further, whatever it is.
const MOST_COUNTED: u64 = 5_000;

impl DataverseClient {
    /// A reader of those of these columns that may be read.
    pub(crate) async fn reader<'a>(
        &'a self,
        table: &'a Table,
        columns: &[String],
    ) -> Result<RowReader<'a>, SystemError> {
        let columns = self.readable(table, columns);
        RowReader::new(self, table, self.entity_set(table).await?, &columns)
    }

    pub(crate) async fn read_by_id(
        &self,
        table: &Table,
        ids: &[RecordId],
        columns: &[String],
    ) -> Result<Vec<Record>, SystemError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        reading::by_ids(&self.reader(table, columns).await?, ids, |ids| id_filters(table, ids)).await
    }

    /// How many rows meet the filter, as far as the service counts.
    pub(crate) async fn count_matching(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        if filter.is_impossible() {
            return Ok(Sighted::default());
        }
        let filters = find_filters(table, filter)?;
        let records = reading::count(&self.reader(table, &[]).await?, filters).await?;
        Ok(Sighted { records, or_more: records >= MOST_COUNTED })
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
        let filters = find_filters(table, filter)?;
        reading::by_filters(&self.reader(table, columns).await?, filters).await
    }
}
