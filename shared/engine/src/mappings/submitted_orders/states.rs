//! States of an order in Dataverse (reference, section 20).

use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::{Record, RecordId, SystemError, Table, Value};

use crate::bulk::write_all;
use crate::mappings::rules::Context;

/// The column of Dataverse by which an order is known to have been taken over, and no other.
pub(super) const TAKEN_OVER: &str = "lastbackofficesubmit";

/// A state with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderState {
    /// A seller works on it.
    Active,
    /// It was opened to be written, or was given back to the seller.
    Pending,
    /// It is for Business Central.
    Submitted,
    /// The seller has withdrawn it.
    Canceled,
    /// Everything was delivered, by what a person said in Sales.
    Fulfilled,
    /// Everything was invoiced.
    Invoiced,
}

impl OrderState {
    /// The state that an order of Dataverse is in; `None` where that is not known.
    pub fn of(order: &Record) -> Option<Self> {
        Some(match (order.get("statecode").as_int()?, order.get("statuscode").as_int()) {
            (0, Some(2)) => Self::Pending,
            (0, _) => Self::Active,
            (1, _) => Self::Submitted,
            (2, _) => Self::Canceled,
            (3, _) => Self::Fulfilled,
            (4, _) => Self::Invoiced,
            _ => return None,
        })
    }

    /// Whether its values may be changed. Dataverse locks an order that is submitted or closed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::Pending)
    }

    /// The columns that hold it.
    pub fn values(self) -> [(&'static str, Value); 2] {
        let (state, status) = match self {
            Self::Active => (0, 1),
            Self::Pending => (0, 2),
            Self::Submitted => (1, 3),
            Self::Canceled => (2, 4),
            Self::Fulfilled => (3, 100_001),
            Self::Invoiced => (4, 100_003),
        };
        [("statecode", Value::Int(state)), ("statuscode", Value::Int(status))]
    }

    /// The write that brings an order into it.
    pub fn write(self, order: RecordId) -> Write {
        let values: Values = self.values().into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Write::update(order, None, values)
    }
}

/// The status reason of a submitted order, which an organization may have made itself: it is to be there again when the order was
/// opened for a change.
pub(super) fn reason_of(order: &Record) -> Option<i64> {
    let reason = order.get("statuscode").as_int();
    reason.filter(|_| OrderState::of(order) == Some(OrderState::Submitted))
}

/// Brings orders into states in one bulk write; one result per order, in order.
pub(super) async fn bring_into(
    context: Context<'_>,
    table: &Table,
    orders: &[(RecordId, OrderState)],
) -> Vec<Result<couplet_model::system::Written, SystemError>> {
    let orders: Vec<_> = orders.iter().map(|(order, state)| (*order, *state, None)).collect();
    bring_back(context, table, &orders).await
}

/// The same, each submitted with the status reason that it had, where that is known.
pub(super) async fn bring_back(
    context: Context<'_>,
    table: &Table,
    orders: &[(RecordId, OrderState, Option<i64>)],
) -> Vec<Result<couplet_model::system::Written, SystemError>> {
    let write = |(order, state, reason): &(RecordId, OrderState, Option<i64>)| {
        let mut write = state.write(*order);
        if let Some(reason) = reason.filter(|_| *state == OrderState::Submitted) {
            write.values.insert(Arc::from("statuscode"), Value::Int(reason));
        }
        write
    };
    let writes: Vec<Write> = orders.iter().map(write).collect();
    write_all(context.installation.system(table.side), table, &writes).await
}
