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
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Table, Value};

use super::order_notes::{ORDER, ORDERS};
use super::rules::{BatchRules, Context, MappingRules, Obstacle, OnDeletion, Transferring, is_usable, set_on_create};
use crate::error::EngineError;

/// Source "Auto Post" of a post.
const AUTO_POST: i64 = 1;
/// Type "Status" of a post.
const STATUS: i64 = 7;

/// The column by which a posted document names what its order is called in Sales.
const REFERENCE: &str = "customerPurchaseOrderReference";

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
            Event::Shipped | Event::Invoiced => &["orderNumber", REFERENCE],
        }
    }

    /// Nobody wants to be told of what happened long ago.
    fn tells_news_only(&self) -> bool {
        true
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
            Event::Shipped | Event::Invoiced => {
                let coupled = orders_by_number(context, &new).await?;
                let closed = closed_orders(context, &new, &coupled).await?;
                Orders::ByNumber { coupled, closed }
            }
        };
        let prepared = Prepared {
            event: self.event,
            table: Arc::clone(&context.mapping.dataverse),
            product: context.installation.options().product_name.clone(),
            orders,
        };
        if new.iter().any(|record| matches!(prepared.orders.of(record), Some(OrderInSales::There(_)))) {
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

/// The orders of Dataverse that posted documents name as their reference, where the order in Business Central is not coupled any
/// more: it went with its last invoice, which may be sooner than somebody looks at its shipments and invoices.
async fn closed_orders(
    context: Context<'_>,
    new: &[&Record],
    coupled: &HashMap<String, Coupling>,
) -> Result<HashMap<String, RecordId>, EngineError> {
    let references: HashSet<&str> = new
        .iter()
        .filter(|record| number_of_order(record).is_some_and(|number| !coupled.contains_key(&folded(number))))
        .filter_map(|record| reference_of(record))
        .collect();
    let installation = context.installation;
    let company = installation.company_row().await?.map(|row| row.id.0);
    if references.is_empty() {
        return Ok(HashMap::new());
    }
    let filter = Filter::all(vec![
        Condition::one_of("ordernumber", references.into_iter().map(Value::text).collect()),
        Condition::equal("bcbi_companyid", company.map_or(Value::Null, Value::Guid)),
    ]);
    let found = installation.find_rows(ORDER, &filter, &["ordernumber"]).await?;
    let numbered = |order: &Record| Some((folded(order.get("ordernumber").as_text()?), order.id));
    Ok(found.iter().filter_map(numbered).collect())
}

/// The number of the order that a posted document came from.
fn number_of_order(record: &Record) -> Option<&str> {
    record.get("orderNumber").as_text().filter(|number| !number.is_empty())
}

/// The number that its order has in Sales, if it came from there.
fn reference_of(record: &Record) -> Option<&str> {
    record.get(REFERENCE).as_text().filter(|number| !number.is_empty())
}

/// The order in Sales that something is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OrderInSales {
    /// It is there.
    There(RecordId),
    /// Its pair is being made just now.
    BeingMade(RecordId),
}

impl From<&Coupling> for OrderInSales {
    fn from(coupling: &Coupling) -> Self {
        let order = RecordId::from(coupling.dataverse_id);
        if is_usable(coupling) { Self::There(order) } else { Self::BeingMade(order) }
    }
}

/// The orders that the records of a batch are about.
enum Orders {
    /// By the ids of the orders.
    ById(HashMap<RecordId, Coupling>),
    /// By the folded numbers of the orders.
    ByNumber {
        /// Those that are coupled.
        coupled: HashMap<String, Coupling>,
        /// Those that are coupled no more, by the folded numbers that they have in Sales.
        closed: HashMap<String, RecordId>,
    },
}

impl Orders {
    fn of(&self, record: &Record) -> Option<OrderInSales> {
        match self {
            Self::ById(orders) => orders.get(&record.id).map(OrderInSales::from),
            Self::ByNumber { coupled, closed } => match coupled.get(&folded(number_of_order(record)?)) {
                Some(coupling) => Some(OrderInSales::from(coupling)),
                None => closed.get(&folded(reference_of(record)?)).copied().map(OrderInSales::There),
            },
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
        match self.orders.of(record.source) {
            Some(OrderInSales::There(_)) => Ok(()),
            Some(OrderInSales::BeingMade(order)) => {
                let id = order.to_string();
                let dependency = Dependency { mapping: ORDERS.into(), side: Side::Dataverse, key: id.clone() };
                Err(Obstacle::Wait(Need { dependency, field: "Order".to_owned(), value: id }))
            }
            None => Err(Obstacle::Ignore(format!("its order is not coupled by {ORDERS}"))),
        }
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        fields.clear();
        let order = self.orders.of(record.source).filter(|_| record.creating);
        // Posts cannot be changed.
        let Some(OrderInSales::There(order)) = order else { return Ok(()) };
        let regarding = Value::Reference { table: Arc::from(ORDER), id: order.0 };
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
