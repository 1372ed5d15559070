//! Released orders of Business Central take no change: they are reopened before one, and released again afterwards, unless a
//! prepayment is still to be invoiced (S98, S102).

use std::collections::HashMap;

use couplet_model::system::{Action, SystemErrorKind};
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value};

use crate::bulk::act_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::BeforeWrite;

/// Where Business Central keeps whether an order is released.
const STATUS: &str = "documentStatus";
/// The status of an order that takes changes.
const OPEN: &str = "Open";

/// What has to be asked of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Release,
    Reopen,
}

impl Move {
    fn action(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Reopen => "reopen",
        }
    }
}

/// Whether an order of Business Central takes changes.
pub(crate) fn is_open(order: &Record) -> bool {
    order.get(STATUS) == &Value::text(OPEN)
}

/// Whether a prepayment of an order is to be invoiced.
pub(crate) fn is_prepayment_due(order: &Record) -> bool {
    order.get("prepaymentDue").as_bool() == Some(true)
}

/// What an order needs after a change of ours: released, or open while a prepayment is to be invoiced (S102).
pub(crate) fn after_change(order: &Record) -> Option<Move> {
    match (is_prepayment_due(order), is_open(order)) {
        (false, true) => Some(Move::Release),
        (true, false) => Some(Move::Reopen),
        (true, true) | (false, false) => None,
    }
}

/// Asks for moves of orders; one result each, in order.
pub(crate) async fn act(
    installation: &Installation,
    table: &Table,
    moves: &[(RecordId, Move)],
) -> Vec<Result<(), SystemError>> {
    let action = |(order, asked): &(RecordId, Move)| Action {
        record: *order,
        name: asked.action().to_owned(),
        parameters: std::collections::BTreeMap::new(),
    };
    let actions: Vec<Action> = moves.iter().map(action).collect();
    act_all(installation.system(Side::BusinessCentral), table, &actions).await
}

/// Reopens those of the orders that are released and about to be written, and finds the version that each has then. What
/// somebody changed meanwhile comes again.
pub(crate) async fn reopen_for_write(installation: &Installation, table: &Table, records: &mut [BeforeWrite<'_>]) {
    let is_closed =
        |record: &BeforeWrite<'_>| record.values.is_some() && record.destination.is_some_and(|order| !is_open(order));
    let mut closed: Vec<(RecordId, &mut BeforeWrite<'_>)> = records
        .iter_mut()
        .filter(|record| is_closed(record))
        .filter_map(|record| Some((record.destination?.id, record)))
        .collect();
    let moves: Vec<(RecordId, Move)> = closed.iter().map(|(order, _)| (*order, Move::Reopen)).collect();
    if moves.is_empty() {
        return;
    }
    // One result per order.
    for ((_, record), result) in closed.iter_mut().zip(act(installation, table, &moves).await) {
        if let Err(error) = result {
            record.ready = Err(error);
        }
    }
    let Some(columns) = closed.iter().find_map(|(_, record)| record.destination).map(names) else { return };
    let ids: Vec<RecordId> = moves.iter().map(|(order, _)| *order).collect();
    let found = installation.system(Side::BusinessCentral).fetch(table, &ids, &columns).await;
    let now: HashMap<RecordId, Record> = match found {
        Ok(found) => found.into_iter().map(|order| (order.id, order)).collect(),
        Err(error) => {
            closed.into_iter().for_each(|(_, record)| record.ready = Err(error.clone()));
            return;
        }
    };
    for (order, record) in closed {
        let Some(now) = now.get(&order).filter(|now| record.destination.is_some_and(|then| is_same(then, now))) else {
            let why = "the order was changed in Business Central while it was reopened";
            let clash = SystemError::new(Side::BusinessCentral, SystemErrorKind::VersionConflict, "", why);
            record.ready = std::mem::replace(&mut record.ready, Ok(())).and(Err(clash));
            continue;
        };
        record.version.clone_from(&now.version);
    }
}

fn names(order: &Record) -> Vec<String> {
    order.values.keys().map(|name| name.to_string()).collect()
}

/// Whether an order is what it was, apart from being open.
fn is_same(then: &Record, now: &Record) -> bool {
    let own = |name: &str| name == STATUS || name == "status" || name == "lastModifiedDateTime";
    then.values.iter().all(|(name, value)| own(name) || now.known(name).is_none_or(|now| now == value))
}

/// Reopens the orders among these that are released; one result per order, in order.
pub(crate) async fn reopen_orders(
    installation: &Installation,
    orders: &[RecordId],
) -> Result<Vec<Result<(), SystemError>>, EngineError> {
    let table = installation.table(Side::BusinessCentral, "Sales Header")?;
    let found = installation.system(Side::BusinessCentral).fetch(&table, orders, &[STATUS.to_owned()]).await?;
    let closed = found.iter().filter(|order| !is_open(order)).map(|order| (order.id, Move::Reopen));
    let moves: Vec<(RecordId, Move)> = closed.collect();
    // One result per order.
    let results = moves.iter().map(|(order, _)| *order).zip(act(installation, &table, &moves).await);
    let refused: HashMap<RecordId, SystemError> =
        results.filter_map(|(order, result)| Some((order, result.err()?))).collect();
    Ok(orders.iter().map(|order| refused.get(order).map_or(Ok(()), |error| Err(error.clone()))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::Bench;

    #[tokio::test]
    async fn s102_c_163_an_order_is_released_unless_a_prepayment_is_due_and_no_call_is_made_where_it_is() {
        let bench = Bench::of("CUSTOMER").await;
        let table = bench.installation().table(Side::BusinessCentral, "Sales Header").expect("a table");
        for (status, due, expected) in [
            ("Open", false, Some(Move::Release)),
            ("Open", true, None),
            ("Released", false, None),
            ("Released", true, Some(Move::Reopen)),
        ] {
            bench.business_central.put("Sales Header", 1, json!({"documentStatus": status, "prepaymentDue": due}));
            let columns = ["documentStatus", "prepaymentDue"].map(str::to_owned);
            let system = bench.installation().system(Side::BusinessCentral);
            let order = system.fetch(&table, &[crate::bench::id(1)], &columns).await.expect("an order").remove(0);
            assert_eq!(after_change(&order), expected, "{status}, due: {due}");
        }
    }
}
