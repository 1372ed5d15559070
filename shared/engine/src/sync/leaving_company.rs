//! Rows of Dataverse that stay when their coupling ends belong to no company any more (R87, R206).

mod locked;

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, RetryClass, SystemError, Value};

use super::batch::{Batch, Stop};
use crate::bulk::{paired, write_all};
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::is_usable;

/// What is to be done with a record whose row could not be taken off its company.
pub(super) enum Kept {
    /// It is told of as if the pair had to stay (R88).
    Refused,
    /// It comes again.
    ForAWhile(RetryClass, SystemError),
}

impl Batch<'_> {
    /// Takes the company's id off rows that have it, in one bulk write; those that another mapping couples keep it. Gives, by
    /// row, what kept it from that; the couplings of all others may go. It may be repeated.
    pub(super) async fn leave_company(
        &self,
        rows: impl Iterator<Item = &Record>,
    ) -> Result<HashMap<RecordId, Kept>, Stop> {
        let table = self.mapping.table(Side::Dataverse);
        let Some(column) = table.company_column.as_deref().filter(|_| gives_company(self.mapping)) else {
            return Ok(HashMap::new());
        };
        let installation = &self.engine.installation;
        let Some(company) = installation.filter_context().await?.company else { return Ok(HashMap::new()) };
        let is_ours = |row: &&Record| row.get(column).as_guid() == Some(company.0);
        let ours: Vec<RecordId> = rows.filter(is_ours).map(|row| row.id).collect();
        let ours = self.coupled_here_only(ours).await?;
        let nobodys = |id: &RecordId| {
            let values: Values = [(Arc::from(column), Value::Null)].into();
            Write::update(*id, None, values)
        };
        let writes: Vec<Write> = ours.iter().map(nobodys).collect();
        let results = write_all(installation.system(Side::Dataverse), table, &writes).await;
        let failed = paired("rows that leave the company", ours, results)?.into_iter();
        Ok(failed.filter_map(|(row, result)| Some((row, kept_by(result.err()?)?))).collect())
    }

    /// Those of some rows that no other mapping couples: an account may be customer and vendor, and stays the company's as
    /// long as it is one of them. One read of the store for each other mapping of the table.
    pub(super) async fn coupled_here_only(&self, mut rows: Vec<RecordId>) -> Result<Vec<RecordId>, EngineError> {
        let (engine, table) = (self.engine, &self.mapping.table(Side::Dataverse).name);
        let is_other = |other: &&Arc<InstalledMapping>| {
            other.name != self.mapping.name && other.table(Side::Dataverse).name == *table && gives_company(other)
        };
        for other in engine.mappings.iter().filter_map(Result::ok).filter(is_other) {
            if rows.is_empty() {
                break;
            }
            let couplings =
                engine.store().couplings_by_id(engine.company(), &other.name, Side::Dataverse, &rows).await?;
            rows.retain(|row| !couplings.get(row).is_some_and(is_usable));
        }
        Ok(rows)
    }
}

/// Whether rows that a mapping couples belong to the company, where their table has a column for that.
pub(crate) fn gives_company(mapping: &InstalledMapping) -> bool {
    mapping.directions().any(|direction| direction == Direction::ToDataverse)
}

/// What keeps a row as it is when its write failed with this; `None`: it is gone.
fn kept_by(error: SystemError) -> Option<Kept> {
    if error.kind == SystemErrorKind::NotFound {
        return None;
    }
    Some(match error.retry_class() {
        RetryClass::Data => Kept::Refused,
        class => Kept::ForAWhile(class, error),
    })
}
