//! State and status of orders in Dataverse, and opening them for changes: what is submitted takes none (S115, S134, S350,
//! decision 0051).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::coupling::Base;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Coupling, Record, RecordId, SystemError, Table, Value, Version};

use super::rules::{BeforeWrite, Lock, Locks};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// The columns that say how an order stands.
pub(crate) const COLUMNS: [&str; 2] = ["statecode", "statuscode"];

/// How an order stands in Dataverse: by its state, because organizations make status reasons of their own. Those that tell something
/// here are the pending one of an active order, and what was fulfilled of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Active: a seller works on it.
    New,
    /// Active, and pending: opened by us for a change that is under way.
    Pending,
    /// Submitted.
    Submitted,
    /// Canceled.
    Canceled,
    /// Fulfilled.
    Fulfilled,
    /// Fulfilled, in part.
    PartlyFulfilled,
    /// Invoiced.
    Invoiced,
}

impl Standing {
    /// The state, and the status reason that it has where nobody made another.
    fn pair(self) -> (i64, i64) {
        match self {
            Self::New => (0, 1),
            Self::Pending => (0, 2),
            Self::Submitted => (1, 3),
            Self::Canceled => (2, 4),
            Self::Fulfilled => (3, 100_001),
            Self::PartlyFulfilled => (3, 100_002),
            Self::Invoiced => (4, 100_003),
        }
    }

    /// The state alone.
    pub fn state(self) -> i64 {
        self.pair().0
    }

    /// State and status by column, with the status reason that the order had in that state, if it had one.
    pub fn values(self, reason: Option<Reason>) -> [(&'static str, Value); 2] {
        let (state, usual) = self.pair();
        let had = reason.filter(|reason| Self::of_pair(reason.state, reason.status) == Some(self));
        let status = had.map_or(usual, |reason| reason.status);
        [("statecode", Value::Int(state)), ("statuscode", Value::Int(status))]
    }

    /// How an order stands; `None` where that is not known.
    pub fn of(order: &Record) -> Option<Self> {
        let (state, status) = (order.get("statecode").as_int()?, order.get("statuscode").as_int()?);
        Self::of_pair(state, status)
    }

    fn of_pair(state: i64, status: i64) -> Option<Self> {
        Some(match (state, status) {
            (0, 2) => Self::Pending,
            (0, _) => Self::New,
            (1, _) => Self::Submitted,
            (2, _) => Self::Canceled,
            (3, 100_002) => Self::PartlyFulfilled,
            (3, _) => Self::Fulfilled,
            (4, _) => Self::Invoiced,
            _ => return None,
        })
    }

    /// Whether the order takes changes.
    pub fn is_open(self) -> bool {
        self.state() == 0
    }

    /// How an order stands again that stood like this and was opened for a change: one that was open for a change of ours before
    /// is submitted.
    pub fn closed_again(self) -> Self {
        if self == Self::Pending { Self::Submitted } else { self }
    }

    /// Whether the order is over: invoiced, or fulfilled when all of it was shipped.
    pub fn is_over(self, is_shipped: bool) -> bool {
        match self {
            Self::Invoiced => true,
            Self::Fulfilled | Self::PartlyFulfilled => is_shipped,
            _ => false,
        }
    }

    /// The write that gives an order this standing, with the status reason that it had in that state, if it had one.
    pub fn write(self, order: RecordId, expected: Option<Version>, reason: Option<Reason>) -> Write {
        let values: Values = self.values(reason).into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Write::update(order, expected, values)
    }
}

/// The status reason of an order and the state that it belongs to: an order that is opened for a change gets it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    state: i64,
    status: i64,
}

impl Reason {
    /// That of an order, or of one that is open for a change of ours the one that both sides agreed on last.
    pub fn of(order: &Record, agreed: Option<&Base>, table: &Table) -> Option<Self> {
        if Standing::of(order) != Some(Standing::Pending) {
            return Some(Self { state: order.get("statecode").as_int()?, status: order.get("statuscode").as_int()? });
        }
        let of = |column: &str| agreed?.get(Side::Dataverse, table.column(column)?)?.as_int();
        Some(Self { state: of("statecode")?, status: of("statuscode")? })
    }
}

/// Opens the orders that are about to be written and are closed. Opening is guarded by the version that was read, so that the
/// write which follows needs no guard of its own.
pub(crate) async fn open_for_write(installation: &Installation, table: &Table, records: &mut [BeforeWrite<'_>]) {
    let is_closed = |record: &BeforeWrite<'_>| {
        let there = record.destination.filter(|_| record.values.is_some());
        there.and_then(Standing::of).is_some_and(|standing| !standing.is_open())
    };
    let mut closed: Vec<&mut BeforeWrite<'_>> = records.iter_mut().filter(|record| is_closed(record)).collect();
    let opening = closed
        .iter()
        .filter_map(|record| Some(Standing::Pending.write(record.destination?.id, record.version.clone(), None)));
    let writes: Vec<Write> = opening.collect();
    let results = write_all(installation.system(Side::Dataverse), table, &writes).await;
    // `write_all` gives one result per write, and each closed order has a destination.
    for (record, result) in closed.iter_mut().zip(results) {
        match result {
            Ok(_) => record.version = None,
            Err(error) => record.ready = Err(error),
        }
    }
}

/// Orders are opened to be changed, and submitted again; what is canceled, fulfilled or invoiced is over (R207).
pub(crate) struct OrderLocks;

impl Locks for OrderLocks {
    fn columns(&self) -> &'static [&'static str] {
        &COLUMNS
    }

    fn lock(&self, row: &Record) -> Lock {
        match Standing::of(row) {
            Some(Standing::Submitted) => Lock::Closed,
            Some(Standing::Canceled | Standing::Fulfilled | Standing::PartlyFulfilled | Standing::Invoiced) => {
                Lock::Over
            }
            Some(Standing::New | Standing::Pending) | None => Lock::Open,
        }
    }

    fn opening(&self, row: &Record) -> Write {
        Standing::Pending.write(row.id, row.version.clone(), None)
    }

    fn closing(&self, row: &Record, pair: &Coupling, table: &Table) -> Write {
        Standing::Submitted.write(row.id, None, Reason::of(row, Some(&pair.base), table))
    }
}

/// How some orders stand now.
pub(crate) async fn standings(
    installation: &Installation,
    table: &Table,
    orders: &[RecordId],
) -> Result<HashMap<RecordId, Standing>, SystemError> {
    let found = installation.system(Side::Dataverse).fetch(table, orders, &COLUMNS.map(str::to_owned)).await?;
    Ok(found.iter().filter_map(|order| Some((order.id, Standing::of(order)?))).collect())
}

/// Opens the orders among these that are closed; one result per order, in order. What is invoiced or canceled in Dataverse stays.
pub(crate) async fn open_orders(
    installation: &Installation,
    orders: &[RecordId],
) -> Result<Vec<Result<(), SystemError>>, EngineError> {
    let table = installation.table(Side::Dataverse, "salesorder")?;
    let system = installation.system(Side::Dataverse);
    let found = system.fetch(&table, orders, &COLUMNS.map(str::to_owned)).await?;
    let (mut closed, mut refused) = (Vec::new(), HashMap::new());
    for order in &found {
        match Standing::of(order) {
            Some(Standing::Invoiced | Standing::Canceled) => {
                let why = "the order is invoiced or canceled in Dataverse, and takes no change any more";
                refused.insert(order.id, SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", why));
            }
            Some(standing) if !standing.is_open() => closed.push(order),
            _ => {}
        }
    }
    let writes: Vec<Write> =
        closed.iter().map(|order| Standing::Pending.write(order.id, order.version.clone(), None)).collect();
    // `write_all` gives one result per write.
    let results = closed.iter().map(|order| order.id).zip(write_all(system, &table, &writes).await);
    refused.extend(results.filter_map(|(order, result)| Some((order, result.err()?))));
    Ok(orders.iter().map(|order| refused.get(order).map_or(Ok(()), |error| Err(error.clone()))).collect())
}

/// What a failure to look becomes for each of so many records.
pub(crate) fn for_each(error: &EngineError, count: usize) -> Vec<Result<(), SystemError>> {
    let error = as_system_error(error, Side::Dataverse);
    (0..count).map(|_| Err(error.clone())).collect()
}

/// A failure of a use case as one of a system, which is what records are refused with.
pub(crate) fn as_system_error(error: &EngineError, side: Side) -> SystemError {
    match error {
        EngineError::System(error) => error.clone(),
        other => SystemError::new(side, SystemErrorKind::Transient, "", couplet_model::Said::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s115_orders_are_judged_by_their_state_and_get_their_own_status_reason_back() {
        for (state, status, standing, is_over) in [
            (0, 1, Standing::New, false),
            (0, 690, Standing::New, false),
            (0, 2, Standing::Pending, false),
            (1, 3, Standing::Submitted, false),
            (1, 690, Standing::Submitted, false),
            (2, 4, Standing::Canceled, false),
            (3, 100_001, Standing::Fulfilled, true),
            (3, 690, Standing::Fulfilled, true),
            (4, 690, Standing::Invoiced, true),
        ] {
            let found = Standing::of_pair(state, status);
            assert_eq!(found, Some(standing), "{state} {status}");
            assert_eq!(standing.is_over(true), is_over, "{state} {status}");
        }
        let status = |standing: Standing, reason| standing.values(reason)[1].1.clone();
        let reason = Some(Reason { state: 1, status: 690 });
        assert_eq!(status(Standing::Submitted, reason), Value::Int(690));
        assert_eq!(status(Standing::Submitted, None), Value::Int(3));
        assert_eq!(status(Standing::Invoiced, reason), Value::Int(100_003), "that of another state says nothing");
    }
}
