//! Records by id and by filter.

use couplet_model::filter::{Condition, Filter};
use couplet_model::full_sync::Sighted;
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::SystemError;
use couplet_model::table::{FieldType, Table};
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
        let is_of_lookup = |condition: &Condition| {
            table.column(&condition.column).is_some_and(|column| column.field == FieldType::EntityName)
        };
        let (unasked, asked): (Vec<Condition>, Vec<Condition>) =
            filter.conditions.iter().cloned().partition(is_of_lookup);
        if !unasked.is_empty() {
            // The service filters by a lookup and not by the table that it points to: the rows are read, and looked at here.
            let columns: Vec<String> = unasked.iter().map(|condition| condition.column.clone()).collect();
            let rows = self.read_matching(table, &Filter::all(asked), &columns).await?;
            let unasked = Filter::all(unasked);
            let records = rows.iter().filter(|row| unasked.matches(row)).count();
            return Ok(Sighted { records: records.try_into().unwrap_or(u64::MAX), or_more: false });
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
