//! Won quotes, and the orders that Sales makes of them: the order in Business Central bears the number of its quote (S163 to
//! S169).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::outcome::{DataFailure, Dependency, FieldNote, Need};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, RecordId, RetryClass, Table, Value};

use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_notes::ORDERS;
use crate::mappings::released_quotes::{STATUS, act, is_released};
use crate::mappings::rules::{AfterWrite, Context, Obstacle, WrittenBeside, is_usable};

/// The column of an order in Business Central that names its quote.
const QUOTE_NUMBER: &str = "quoteNumber";
/// Role, among the further rows of a quote's pair, of the order for which it was archived.
pub(super) const ORDERED: &str = "order";

/// What became of a won quote in Sales.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    /// An order that is not in Business Central yet.
    ToCome,
    /// An order that is being made in Business Central just now.
    BeingMade(RecordId),
    /// An order of Business Central; what quote it names, if it is still there.
    Made { order: RecordId, quote: Option<Value> },
    /// An order that is closed in Sales and has no pair any more: Business Central has posted it to its end, or never had it.
    Closed(RecordId),
}

/// The states "Canceled", "Fulfilled" and "Invoiced" of an order.
const CLOSED: [i64; 3] = [2, 3, 4];

/// The orders that came from won quotes, by the quotes.
pub(super) struct Orders(HashMap<RecordId, Order>);

impl Orders {
    /// The orders of won quotes: one read of each system, however many there are.
    pub async fn of(installation: &Installation, won: &[RecordId]) -> Result<Self, EngineError> {
        let mut orders = HashMap::new();
        if won.is_empty() {
            return Ok(Self(orders));
        }
        let ids = won.iter().map(|quote| Value::Guid(quote.0)).collect();
        let filter = Filter::all(vec![Condition::one_of("quoteid", ids)]);
        let found = installation.find_rows("salesorder", &filter, &["quoteid", "statecode"]).await?;
        let ids: Vec<RecordId> = found.iter().map(|order| order.id).collect();
        let (store, name) = (installation.store(), MappingName::from(ORDERS));
        let couplings = store.couplings_by_id(installation.company(), &name, Side::Dataverse, &ids).await?;
        let quotes = quotes_named(installation, couplings.values()).await?;
        for row in found {
            let Some(quote) = row.get("quoteid").as_guid().map(RecordId) else { continue };
            let is_closed = row.get("statecode").as_int().is_some_and(|state| CLOSED.contains(&state));
            let order = match couplings.get(&row.id) {
                None if is_closed => Order::Closed(row.id),
                None => Order::ToCome,
                Some(coupling) if !is_usable(coupling) => Order::BeingMade(row.id),
                Some(coupling) => {
                    let order: RecordId = coupling.system_id.into();
                    Order::Made { order, quote: quotes.get(&order).cloned() }
                }
            };
            // Of several orders the one that is in Business Central counts.
            if orders.get(&quote).is_none_or(|known| known.rank() < order.rank()) {
                orders.insert(quote, order);
            }
        }
        Ok(Self(orders))
    }

    /// Whether a won quote may travel: there must be an order of it in Sales (S165).
    pub fn admit(&self, quote: RecordId, name: &str) -> Result<(), Obstacle> {
        match self.0.get(&quote) {
            None => {
                let message = format!(
                    "the quote {name} was won, and no order in Sales refers to it (E27): create the order from the quote"
                );
                Err(DataFailure::new(message).into())
            }
            Some(Order::BeingMade(order)) => {
                let key = order.to_string();
                let dependency = Dependency { mapping: ORDERS.into(), side: Side::Dataverse, key: key.clone() };
                Err(Obstacle::Wait(Need { dependency, field: "Order".to_owned(), value: key }))
            }
            Some(Order::ToCome | Order::Made { .. } | Order::Closed(_)) => Ok(()),
        }
    }

    /// Ties orders in Business Central to their quotes, which are archived (S167). A quote whose order is still to come is
    /// released (S168); it travels again when the order does.
    pub async fn follow(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut won: Vec<(&Order, &mut AfterWrite<'_>)> = records
            .iter_mut()
            // A quote that was archived for its order is done with.
            .filter(|record| record.beside.is_ok() && !record.coupling.related.contains_key(ORDERED))
            .filter_map(|record| Some((self.0.get(&record.source.id)?, record)))
            .collect();
        if won.is_empty() {
            return;
        }
        let (installation, table) = (context.installation, &context.mapping.business_central);
        let ids: Vec<RecordId> = won.iter().map(|(_, record)| record.destination).collect();
        let columns = ["number", STATUS].map(str::to_owned);
        let there = match installation.system(Side::BusinessCentral).fetch(table, &ids, &columns).await {
            Ok(there) => there,
            Err(error) => {
                for (_, record) in &mut won {
                    record.beside = Err(error.clone());
                }
                return;
            }
        };
        let there: HashMap<RecordId, (Value, bool)> =
            there.into_iter().map(|quote| (quote.id, (quote.get("number").clone(), is_released(&quote)))).collect();
        let (mut released, mut tied) = (Vec::new(), Vec::new());
        for (order, record) in won {
            match (order, there.get(&record.destination)) {
                (Order::ToCome, Some((_, false))) => released.push(record),
                (Order::Made { order, quote: Some(quote) }, Some((number, _))) => {
                    let number = Some(number.clone()).filter(|number| number != quote);
                    tied.push(Tied { order: *order, number, record });
                }
                // The order is gone, as posted ones are: there is nothing left to bear the number.
                (Order::Made { order, quote: None } | Order::Closed(order), Some(_)) => {
                    tied.push(Tied { order: *order, number: None, record });
                }
                _ => {}
            }
        }
        let ids: Vec<RecordId> = released.iter().map(|record| record.destination).collect();
        release(installation, table, &mut released, &ids).await;
        tie(installation, table, tied).await;
    }
}

impl Order {
    /// Of several orders the one that is in Business Central counts, then one that is to come.
    fn rank(&self) -> u8 {
        match self {
            Self::Closed(_) => 0,
            Self::ToCome => 1,
            Self::BeingMade(_) | Self::Made { .. } => 2,
        }
    }
}

/// Releases quotes whose orders are to come. A quote that may not be released, as where an approval workflow does that, stays
/// open, with a note: what follows does not depend on it.
async fn release(installation: &Installation, table: &Table, released: &mut [&mut AfterWrite<'_>], ids: &[RecordId]) {
    // One result per quote.
    for (record, result) in released.iter_mut().zip(act(installation, table, "release", ids).await) {
        match (result, &mut record.beside) {
            (Ok(()), Ok(beside)) => beside.is_change = true,
            (Err(error), Ok(beside)) if error.retry_class() == RetryClass::Data => {
                let message =
                    format!("the quote stays open in Business Central, which refused to release it: {}", error.message);
                beside.notes.push(FieldNote::left("Status", None, message));
            }
            (Err(error), beside) => *beside = Err(error),
            (Ok(()), Err(_)) => {}
        }
    }
}

/// The quotes that orders of Business Central name, by the orders that are there.
async fn quotes_named(
    installation: &Installation,
    couplings: impl Iterator<Item = &Coupling>,
) -> Result<HashMap<RecordId, Value>, EngineError> {
    let ids: Vec<RecordId> =
        couplings.filter(|coupling| is_usable(coupling)).map(|coupling| coupling.system_id.into()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Header")?;
    let there = installation.system(Side::BusinessCentral).fetch(&table, &ids, &[QUOTE_NUMBER.to_owned()]).await?;
    Ok(there.into_iter().map(|order| (order.id, order.get(QUOTE_NUMBER).clone())).collect())
}

/// A won quote whose order is in Business Central.
struct Tied<'r, 'a> {
    order: RecordId,
    /// The number of the quote, if the order does not bear it yet.
    number: Option<Value>,
    record: &'r mut AfterWrite<'a>,
}

/// Has orders bear the numbers of their quotes, then archives the quotes: archiving is the step that cannot be repeated without a
/// trace, and so the last. With the pair is kept that it was done.
async fn tie(installation: &Installation, table: &Table, mut tied: Vec<Tied<'_, '_>>) {
    let Some(orders) = installation.catalogue().business_central_table("Sales Header") else { return };
    let (mut writes, mut numbered) = (Vec::new(), Vec::new());
    for tied in &mut tied {
        if let Some(number) = tied.number.take() {
            let values: Values = [(Arc::from(QUOTE_NUMBER), number)].into();
            writes.push(Write::update(tied.order, None, values));
            numbered.push(&mut tied.record.beside);
        }
    }
    // `write_all` gives one result per write.
    let results = write_all(installation.system(Side::BusinessCentral), orders, &writes).await;
    for (beside, result) in numbered.into_iter().zip(results) {
        if let Err(error) = result {
            *beside = Err(error);
        }
    }
    tied.retain(|tied| tied.record.beside.is_ok());
    let ids: Vec<RecordId> = tied.iter().map(|tied| tied.record.destination).collect();
    // One result per quote.
    for (tied, result) in tied.into_iter().zip(act(installation, table, "archive", &ids).await) {
        tied.record.beside =
            result.map(|()| WrittenBeside { is_change: true, ..WrittenBeside::related(ORDERED, tied.order.0) });
    }
}
