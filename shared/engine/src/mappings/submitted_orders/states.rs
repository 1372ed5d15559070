//! States of an order in Dataverse (reference, section 20).

use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::{Record, RecordId, SystemError, Table, Value, Version};

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
}

/// An order of Dataverse on its way into a state.
pub(super) struct Step {
    pub order: RecordId,
    pub to: OrderState,
    /// The version it was read in: who has changed it meanwhile, as its seller may, is not overruled. `None`: it is ours already.
    pub seen: Option<Version>,
}

impl Step {
    /// The step of an order that we have opened.
    pub fn of_ours(order: RecordId, to: OrderState) -> Self {
        Self { order, to, seen: None }
    }

    fn write(&self) -> Write {
        let values: Values = self.to.values().into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        Write::update(self.order, self.seen.clone(), values)
    }
}

/// Brings orders into states in one bulk write; one result per order, in order.
pub(super) async fn bring_into(
    context: Context<'_>,
    table: &Table,
    steps: &[Step],
) -> Vec<Result<couplet_model::system::Written, SystemError>> {
    let writes: Vec<Write> = steps.iter().map(Step::write).collect();
    write_all(context.installation.system(table.side), table, &writes).await
}
