//! Orders that are gone from Business Central: posted to the end, or deleted by a person (S84, S85).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use couplet_model::comparing::folded;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Value};

use super::states::{OrderState, Step, TAKEN_OVER, bring_into};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::{AfterDeletion, Context, SourceDeleted};

/// Documents that posting leaves behind.
const POSTED: [&str; 2] = ["Sales Invoice Header", "Sales Shipment Header"];

/// What an order of Sales becomes when its order in Business Central is gone; `None`: it stays as it is.
///
/// Business Central does not let go of an order that was shipped and not invoiced. So one that left a shipment or an invoice
/// behind was posted to its end, and must not be made a second time.
fn next_state(was_posted: bool, held: Option<OrderState>) -> Option<OrderState> {
    match held? {
        OrderState::Submitted | OrderState::Active | OrderState::Pending if was_posted => Some(OrderState::Invoiced),
        OrderState::Submitted | OrderState::Pending => Some(OrderState::Pending),
        // A seller has it in hand already.
        OrderState::Active => Some(OrderState::Active),
        OrderState::Canceled | OrderState::Fulfilled | OrderState::Invoiced => None,
    }
}

/// Closes the orders that were invoiced, and gives the others back to their sellers, who may submit them again.
pub(super) async fn tell_sales(context: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
    let installation = context.installation;
    let table = &context.mapping.dataverse;
    let system = installation.system(Side::Dataverse);
    let ids: Vec<RecordId> = records.iter().map(|record| record.coupling.id(Side::Dataverse)).collect();
    let columns = ["statecode", "statuscode"].map(str::to_owned);
    let orders = system.fetch(table, &ids, &columns).await?;
    let held: HashMap<RecordId, &Record> = orders.iter().map(|order| (order.id, order)).collect();
    let posted = posted(installation, records.iter().filter_map(|record| record.coupling.key.as_deref())).await?;
    let (mut steps, mut moved) = (Vec::new(), Vec::new());
    for record in records.iter_mut() {
        let was_posted = record.coupling.key.as_deref().is_some_and(|number| posted.contains(&folded(number)));
        let order = record.coupling.id(Side::Dataverse);
        record.end = Ok(AfterDeletion::Uncoupled { is_change: false });
        let Some(held) = held.get(&order) else { continue };
        if let Some(next) = next_state(was_posted, OrderState::of(held)) {
            steps.push(Step { order, to: next, seen: held.version.clone() });
            moved.push((order, next, record));
        }
    }
    for ((_, _, record), result) in moved.iter_mut().zip(bring_into(context, table, &steps).await) {
        record.end = ended(result.map(|_| ()));
    }
    // The mark of an order that was given back goes last: an order without it that is still submitted would be taken over again.
    moved.retain(|(_, next, record)| next.is_open() && record.end.is_ok());
    let unmarked: Values = [(Arc::from(TAKEN_OVER), Value::Null)].into();
    let writes: Vec<Write> = moved.iter().map(|(order, ..)| Write::update(*order, None, unmarked.clone())).collect();
    for ((_, _, record), result) in moved.iter_mut().zip(write_all(system, table, &writes).await) {
        record.end = ended(result.map(|_| ()));
    }
    Ok(())
}

fn ended(result: Result<(), SystemError>) -> Result<AfterDeletion, SystemError> {
    result.map(|()| AfterDeletion::Uncoupled { is_change: true })
}

/// The folded numbers of those orders that left posted documents behind.
async fn posted<'n>(
    installation: &Installation,
    numbers: impl Iterator<Item = &'n str>,
) -> Result<HashSet<String>, EngineError> {
    let numbers: BTreeSet<&str> = numbers.collect();
    let mut posted = HashSet::new();
    if numbers.is_empty() {
        return Ok(posted);
    }
    let filter = Filter::all(vec![Condition::one_of("orderNumber", numbers.into_iter().map(Value::text).collect())]);
    for name in POSTED {
        let table = installation.table(Side::BusinessCentral, name)?;
        let columns = ["orderNumber".to_owned()];
        let documents = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
        posted.extend(documents.iter().filter_map(|document| document.get("orderNumber").as_text().map(folded)));
    }
    Ok(posted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s84_s85_what_was_posted_is_closed_and_what_was_deleted_is_given_back_unless_it_is_closed_already() {
        use OrderState::{Active, Canceled, Fulfilled, Invoiced, Pending, Submitted};
        for (was_posted, held, expected) in [
            (true, Some(Submitted), Some(Invoiced)),
            (true, Some(Pending), Some(Invoiced)),
            (true, Some(Active), Some(Invoiced)),
            (true, Some(Invoiced), None),
            (true, Some(Fulfilled), None),
            (true, None, None),
            (false, Some(Submitted), Some(Pending)),
            (false, Some(Pending), Some(Pending)),
            (false, Some(Active), Some(Active)),
            (false, Some(Canceled), None),
            (false, Some(Invoiced), None),
            (false, None, None),
        ] {
            assert_eq!(next_state(was_posted, held), expected, "{was_posted} {held:?}");
        }
    }
}
