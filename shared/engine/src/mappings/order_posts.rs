//! Sales Order Status, Sales Shipment Status and Sales Invoice Status: what happened to an order in Business Central, as a post
//! on the coupled order in Dataverse (S135 to S140, decision 0052).

mod post_configuration;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, Record, RecordId, Table, Value};

use super::order_notes::{ORDER, ORDERS};
use super::rules::{BatchRules, Context, MappingRules, Obstacle, OnDeletion, Transferring, is_usable, set_on_create};
use crate::error::EngineError;

/// Source "Auto Post" of a post.
const AUTO_POST: i64 = 1;
/// Type "Status" of a post.
const STATUS: i64 = 7;

/// What is told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The order was released.
    Released,
    /// A shipment of the order was posted.
    Shipped,
    /// An invoice of the order was posted.
    Invoiced,
}

impl Event {
    /// The text of the post about a record.
    fn text(self, record: &Record, product: &str) -> String {
        let number = record.get("number").as_text().unwrap_or_default();
        match self {
            Self::Released => format!("Sales order {number} was released in {product}."),
            Self::Shipped => format!("Sales shipment {number} was created in {product}."),
            Self::Invoiced => format!("Sales invoice {number} was created in {product}."),
        }
    }
}

/// Posts about one kind of event.
pub(crate) struct OrderPosts {
    event: Event,
}

pub(crate) const RELEASED: OrderPosts = OrderPosts { event: Event::Released };
pub(crate) const SHIPPED: OrderPosts = OrderPosts { event: Event::Shipped };
pub(crate) const INVOICED: OrderPosts = OrderPosts { event: Event::Invoiced };

#[async_trait]
impl MappingRules for OrderPosts {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        match self.event {
            Event::Released => &[],
            Event::Shipped | Event::Invoiced => &["orderNumber"],
        }
    }

    /// What was told stays told.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let new: Vec<&Record> = sources.iter().filter(|record| record.creating).map(|record| record.source).collect();
        let orders = match self.event {
            Event::Released => Orders::ById(orders_by_id(context, &new).await?),
            Event::Shipped | Event::Invoiced => Orders::ByNumber(orders_by_number(context, &new).await?),
        };
        let prepared = Prepared {
            event: self.event,
            table: Arc::clone(&context.mapping.dataverse),
            product: context.installation.options().product_name.clone(),
            orders,
        };
        if new.iter().any(|record| prepared.orders.of(record).is_some_and(is_usable)) {
            post_configuration::activate(context.installation).await;
        }
        Ok(Box::new(prepared))
    }
}

async fn orders_by_id(context: Context<'_>, new: &[&Record]) -> Result<HashMap<RecordId, Coupling>, EngineError> {
    let (installation, name) = (context.installation, MappingName::from(ORDERS));
    let ids: Vec<RecordId> = new.iter().map(|order| order.id).collect();
    let store = installation.store();
    Ok(store.couplings_by_id(installation.company(), &name, Side::BusinessCentral, &ids).await?)
}

async fn orders_by_number(context: Context<'_>, new: &[&Record]) -> Result<HashMap<String, Coupling>, EngineError> {
    let (installation, name) = (context.installation, MappingName::from(ORDERS));
    let numbers: HashSet<String> = new.iter().filter_map(|record| number_of_order(record)).map(str::to_owned).collect();
    let numbers = Vec::from_iter(numbers);
    let found = installation.store().couplings_by_key(installation.company(), &name, &numbers).await?;
    Ok(found.into_iter().map(|(number, coupling)| (folded(&number), coupling)).collect())
}

/// The number of the order that a posted document came from.
fn number_of_order(record: &Record) -> Option<&str> {
    record.get("orderNumber").as_text().filter(|number| !number.is_empty())
}

/// Couplings of the orders that the records of a batch are about.
enum Orders {
    /// By the ids of the orders.
    ById(HashMap<RecordId, Coupling>),
    /// By the folded numbers of the orders.
    ByNumber(HashMap<String, Coupling>),
}

impl Orders {
    fn of(&self, record: &Record) -> Option<&Coupling> {
        match self {
            Self::ById(orders) => orders.get(&record.id),
            Self::ByNumber(orders) => orders.get(&folded(number_of_order(record)?)),
        }
    }
}

struct Prepared {
    event: Event,
    table: Arc<Table>,
    product: String,
    orders: Orders,
}

#[async_trait]
impl BatchRules for Prepared {
    /// Only coupled orders are told of (S136); a post is there once it is written.
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        if !record.creating {
            return Ok(());
        }
        let Some(order) = self.orders.of(record.source) else {
            return Err(Obstacle::Ignore(format!("its order is not coupled by {ORDERS}")));
        };
        if !is_usable(order) {
            // It is being created just now.
            let id = order.dataverse_id.to_string();
            let dependency = Dependency { mapping: ORDERS.into(), side: Side::Dataverse, key: id.clone() };
            return Err(Obstacle::Wait(Need { dependency, field: "Order".to_owned(), value: id }));
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        fields.clear();
        let order = self.orders.of(record.source).filter(|_| record.creating);
        // Posts cannot be changed.
        let Some(order) = order else { return Ok(()) };
        let regarding = Value::Reference { table: Arc::from(ORDER), id: order.dataverse_id.0 };
        let text = Value::text(self.event.text(record.source, &self.product));
        for (column, value) in [
            ("text", text),
            ("regardingobjectid", regarding),
            ("source", Value::Int(AUTO_POST)),
            ("type", Value::Int(STATUS)),
        ] {
            set_on_create(fields, &self.table, column, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
