//! Sales Order Notes: notes of coupled sales orders and quotes, both ways (S141 to S149, S162, decision 0052).

mod deleted;
mod owners;

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::plain_text::{formatted, plain, says_the_same};
use couplet_model::table::Side;
use couplet_model::{Coupling, Record, Table, Value};

pub(super) use self::owners::{ORDER, ORDERS};
use self::owners::{Owner, Owners, owner_column};
use super::rules::{
    BatchRules, Context, MappingRules, Obstacle, OnDeletion, SourceDeleted, Transferring, is_usable, put_same,
    set_on_create,
};
use crate::error::EngineError;

pub(crate) struct OrderNotes;

#[async_trait]
impl MappingRules for OrderNotes {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["documentId", "documentType"],
            Direction::FromDataverse => &["objectid"],
        }
    }

    /// Notes of anything but sales orders and quotes are not what this is about.
    fn is_outside_by(&self, direction: Direction, source: &Record) -> Option<&'static str> {
        let is_meant = Owner::of(direction.source(), source).is_some();
        let column = match direction {
            Direction::ToDataverse => "documentType",
            Direction::FromDataverse => "objectid",
        };
        // What could not be read is a failure of its own.
        (!is_meant && source.unreadable.is_none()).then_some(column)
    }

    fn has_key(&self) -> bool {
        false
    }

    fn label(&self, _: Direction, source: &Record) -> Option<String> {
        source.get("subject").as_text().map(str::to_owned)
    }

    /// A note that is deleted in Business Central stays in Dataverse (S141); one that is deleted in Dataverse is deleted here as
    /// well, while its document is there (S149).
    fn on_deletion(&self, direction: Direction) -> OnDeletion {
        match direction {
            Direction::ToDataverse => OnDeletion::Stay,
            Direction::FromDataverse => OnDeletion::AsTheRulesDo,
        }
    }

    async fn source_deleted(&self, context: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
        deleted::follow(context, records).await
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let owners = Owners::of(context, sources).await?;
        let table = Arc::clone(context.mapping.table(context.direction.destination()));
        Ok(Box::new(Prepared { direction: context.direction, table, owners }))
    }
}

struct Prepared {
    direction: Direction,
    table: Arc<Table>,
    owners: Owners,
}

impl Prepared {
    fn owner_of(&self, note: &Record) -> Option<(Owner, Option<&Coupling>)> {
        let owner = Owner::of(self.direction.source(), note)?;
        Some((owner, self.owners.coupling(owner)))
    }
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let Some((owner, coupling)) = self.owner_of(record.source) else {
            return Err(Obstacle::Ignore("it is on no order and no quote".to_owned()));
        };
        let (what, mapping) = (owner.kind.as_str(), owner.kind.mapping());
        let id = match coupling {
            Some(coupling) if is_usable(coupling) => {
                let side = self.direction.destination();
                if record.destination.is_none() && !self.owners.is_there(owner.kind, coupling.id(side)) {
                    return Err(Obstacle::Ignore(format!("its {what} is not in {side} any more")));
                }
                return Ok(());
            }
            // It is being created just now.
            Some(coupling) => coupling.dataverse_id.0,
            None if self.owners.is_to_come(owner) => owner.id.0,
            None => return Err(Obstacle::Ignore(format!("its {what} is not coupled by {mapping}"))),
        };
        let dependency = Dependency { mapping: mapping.into(), side: Side::Dataverse, key: id.to_string() };
        Err(Obstacle::Wait(Need { dependency, field: "Document".to_owned(), value: id.to_string() }))
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let Some((owner, Some(coupling))) = self.owner_of(record.source) else { return Ok(()) };
        let value = match self.direction {
            Direction::ToDataverse => {
                if let Some(text) = record.source.get("text").as_text() {
                    // What says the same keeps its formats.
                    let held = record.destination.map(|note| note.get("notetext"));
                    let same = held.filter(|held| held.as_text().is_some_and(|held| says_the_same(held, text)));
                    put_same(fields, "notetext", &same.cloned().unwrap_or_else(|| Value::text(formatted(text))));
                }
                Value::Reference { table: Arc::from(owner.kind.row_table()), id: coupling.dataverse_id.0 }
            }
            Direction::FromDataverse => {
                if let Some(text) = record.source.get("notetext").as_text() {
                    let held = record.destination.map(|note| note.get("text"));
                    let same = held.filter(|held| held.as_text().is_some_and(|held| says_the_same(text, held)));
                    put_same(fields, "text", &same.cloned().unwrap_or_else(|| Value::text(plain(text))));
                }
                Value::Guid(coupling.system_id.0)
            }
        };
        set_on_create(fields, &self.table, owner_column(self.direction.destination()), value)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
