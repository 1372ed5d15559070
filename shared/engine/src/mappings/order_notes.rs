//! Sales Order Notes: notes of coupled sales orders, both ways (S141 to S149, decision 0052).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::plain_text::plain;
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, Record, RecordId, Table, Value};

use super::rules::{
    BatchRules, Context, MappingRules, Obstacle, OnDeletion, Transferring, is_usable, put_same, set_on_create,
};
use crate::error::EngineError;

/// The mapping of the orders.
pub(super) const ORDERS: &str = "SALESORDER-ORDER";
/// The table of the orders in Dataverse.
pub(super) const ORDER: &str = "salesorder";

pub(crate) struct OrderNotes;

/// The column by which a note of a side names what it is on.
fn owner_column(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "documentId",
        Side::Dataverse => "objectid",
    }
}

#[async_trait]
impl MappingRules for OrderNotes {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["documentId", "documentType"],
            Direction::FromDataverse => &["objectid"],
        }
    }

    /// Notes of anything but sales orders are not what this is about.
    fn is_outside_by(&self, direction: Direction, source: &Record) -> Option<&'static str> {
        let is_of_an_order = match direction {
            Direction::ToDataverse => source.get("documentType") == &Value::text("Order"),
            Direction::FromDataverse => {
                matches!(source.get("objectid"), Value::Reference { table, .. } if &**table == ORDER)
            }
        };
        let column = match direction {
            Direction::ToDataverse => "documentType",
            Direction::FromDataverse => "objectid",
        };
        // What could not be read is a failure of its own.
        (!is_of_an_order && source.unreadable.is_none()).then_some(column)
    }

    fn has_key(&self) -> bool {
        false
    }

    fn label(&self, _: Direction, source: &Record) -> Option<String> {
        source.get("subject").as_text().map(str::to_owned)
    }

    /// A note that is deleted in Business Central stays in Dataverse (S141); one that is deleted in Dataverse is deleted here as
    /// well (S149).
    fn on_deletion(&self, direction: Direction) -> OnDeletion {
        match direction {
            Direction::ToDataverse => OnDeletion::Stay,
            Direction::FromDataverse => OnDeletion::DeletePartner,
        }
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let side = context.direction.source();
        let owners: HashSet<RecordId> =
            sources.iter().filter_map(|record| owner_of(side, record.source)).collect::<HashSet<_>>();
        let (name, owners) = (MappingName::from(ORDERS), Vec::from_iter(owners));
        let orders = installation.store().couplings_by_id(installation.company(), &name, side, &owners).await?;
        let there = orders_there(context, &orders, sources).await?;
        let table = Arc::clone(context.mapping.table(context.direction.destination()));
        Ok(Box::new(Prepared { direction: context.direction, table, orders, there }))
    }
}

/// What a note of a side is on.
fn owner_of(side: Side, note: &Record) -> Option<RecordId> {
    note.get(owner_column(side)).as_guid().map(RecordId)
}

/// Which of the orders that are to get new notes are at the destination: orders in Business Central are deleted when they are
/// invoiced (S143).
async fn orders_there(
    context: Context<'_>,
    orders: &HashMap<RecordId, Coupling>,
    sources: &[Transferring<'_>],
) -> Result<HashSet<RecordId>, EngineError> {
    let (from, to) = (context.direction.source(), context.direction.destination());
    let new = sources.iter().filter(|record| record.destination.is_none());
    let owners: HashSet<RecordId> = new
        .filter_map(|record| orders.get(&owner_of(from, record.source)?))
        .filter(|coupling| is_usable(coupling))
        .map(|coupling| coupling.id(to))
        .collect();
    if owners.is_empty() {
        return Ok(HashSet::new());
    }
    let table = match to {
        Side::BusinessCentral => "Sales Header",
        Side::Dataverse => ORDER,
    };
    let table = context.installation.table(to, table)?;
    let found = context.installation.system(to).fetch(&table, &Vec::from_iter(owners), &[]).await?;
    Ok(found.into_iter().map(|order| order.id).collect())
}

struct Prepared {
    direction: Direction,
    table: Arc<Table>,
    /// Couplings of the orders that the notes are on, by their ids at the source.
    orders: HashMap<RecordId, Coupling>,
    /// Of the orders that are to get new notes those that are at the destination.
    there: HashSet<RecordId>,
}

impl Prepared {
    fn order_of(&self, note: &Record) -> Option<&Coupling> {
        self.orders.get(&owner_of(self.direction.source(), note)?)
    }
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let Some(order) = self.order_of(record.source) else {
            return Err(Obstacle::Ignore(format!("its order is not coupled by {ORDERS}")));
        };
        let id = order.dataverse_id;
        if !is_usable(order) {
            // It is being created just now.
            let dependency = Dependency { mapping: ORDERS.into(), side: Side::Dataverse, key: id.to_string() };
            return Err(Obstacle::Wait(Need { dependency, field: "Order".to_owned(), value: id.to_string() }));
        }
        let side = self.direction.destination();
        if record.destination.is_none() && !self.there.contains(&order.id(side)) {
            return Err(Obstacle::Ignore(format!("its order is not in {side} any more")));
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let Some(order) = self.order_of(record.source) else { return Ok(()) };
        let owner = match self.direction {
            Direction::ToDataverse => Value::Reference { table: Arc::from(ORDER), id: order.dataverse_id.0 },
            Direction::FromDataverse => {
                if let Some(text) = record.source.get("notetext").as_text() {
                    put_same(fields, "text", &Value::text(plain(text)));
                }
                Value::Guid(order.system_id.0)
            }
        };
        set_on_create(fields, &self.table, owner_column(self.direction.destination()), owner)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
