//! State and status of orders in Dataverse, and opening them for changes: what is submitted takes none (S115, S134, S350,
//! decision 0051).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value, Version};

use super::rules::BeforeWrite;
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// The columns that say how an order stands.
pub(crate) const COLUMNS: [&str; 2] = ["statecode", "statuscode"];

/// How an order stands in Dataverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Active, and new: a seller works on it.
    New,
    /// Active, and pending: opened by us for a change that is under way.
    Pending,
    /// Submitted, in progress.
    Submitted,
    /// Canceled.
    Canceled,
    /// Fulfilled, complete.
    Fulfilled,
    /// Fulfilled, in part.
    PartlyFulfilled,
    /// Invoiced.
    Invoiced,
    /// Another status of a state.
    Other {
        /// The state.
        state: i64,
        /// The status.
        status: i64,
    },
}

impl Standing {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Pending,
        Self::Submitted,
        Self::Canceled,
        Self::Fulfilled,
        Self::PartlyFulfilled,
        Self::Invoiced,
    ];

    fn pair(self) -> (i64, i64) {
        match self {
            Self::New => (0, 1),
            Self::Pending => (0, 2),
            Self::Submitted => (1, 3),
            Self::Canceled => (2, 4),
            Self::Fulfilled => (3, 100_001),
            Self::PartlyFulfilled => (3, 100_002),
            Self::Invoiced => (4, 100_003),
            Self::Other { state, status } => (state, status),
        }
    }

    /// The state alone.
    pub fn state(self) -> i64 {
        self.pair().0
    }

    /// State and status by column.
    pub fn values(self) -> [(&'static str, Value); 2] {
        let (state, status) = self.pair();
        [("statecode", Value::Int(state)), ("statuscode", Value::Int(status))]
    }

    /// How an order stands; `None` where that is not known.
    pub fn of(order: &Record) -> Option<Self> {
        let (state, status) = (order.get("statecode").as_int()?, order.get("statuscode").as_int()?);
        let known = Self::ALL.into_iter().find(|standing| standing.pair() == (state, status));
        Some(known.unwrap_or(Self::Other { state, status }))
    }

    /// Whether the order takes changes.
    pub fn is_open(self) -> bool {
        self.state() == 0
    }

    /// Whether the order is over: invoiced, or fulfilled when all of it was shipped.
    pub fn is_over(self, is_shipped: bool) -> bool {
        match self {
            Self::Invoiced => true,
            Self::Fulfilled | Self::PartlyFulfilled => is_shipped,
            _ => false,
        }
    }

    /// The write that gives an order this standing.
    pub fn write(self, order: RecordId, expected: Option<Version>) -> Write {
        let values: Values = self.values().into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Write::update(order, expected, values)
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
        .filter_map(|record| Some(Standing::Pending.write(record.destination?.id, record.version.clone())));
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

/// How some orders stand now.
pub(crate) async fn standings(
    installation: &Installation,
    table: &Table,
    orders: &[RecordId],
) -> Result<HashMap<RecordId, Standing>, SystemError> {
    let found = installation.system(Side::Dataverse).fetch(table, orders, &COLUMNS.map(str::to_owned)).await?;
    Ok(found.iter().filter_map(|order| Some((order.id, Standing::of(order)?))).collect())
}

/// Opens the orders among these that are closed; one result per order, in order.
pub(crate) async fn open_orders(
    installation: &Installation,
    orders: &[RecordId],
) -> Result<Vec<Result<(), SystemError>>, EngineError> {
    let table = installation.table(Side::Dataverse, "salesorder")?;
    let system = installation.system(Side::Dataverse);
    let found = system.fetch(&table, orders, &COLUMNS.map(str::to_owned)).await?;
    let closed: Vec<&Record> =
        found.iter().filter(|order| Standing::of(order).is_some_and(|standing| !standing.is_open())).collect();
    let writes: Vec<Write> =
        closed.iter().map(|order| Standing::Pending.write(order.id, order.version.clone())).collect();
    // `write_all` gives one result per write.
    let results = closed.iter().map(|order| order.id).zip(write_all(system, &table, &writes).await);
    let refused: HashMap<RecordId, SystemError> =
        results.filter_map(|(order, result)| Some((order, result.err()?))).collect();
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
