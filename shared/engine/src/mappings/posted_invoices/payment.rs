//! State and status that payments give an invoice (S40, S41).

use couplet_model::{Record, Value};

/// How an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Active, and billed: nothing was paid.
    Billed,
    /// Paid, complete.
    Paid,
    /// Paid, in part.
    PartlyPaid,
    /// Canceled.
    Canceled,
    /// Another pair of state and status.
    Other {
        /// The state.
        state: i64,
        /// The status.
        status: i64,
    },
}

/// State "Active".
const ACTIVE: i64 = 0;

impl Standing {
    const ALL: [Self; 4] = [Self::Billed, Self::Paid, Self::PartlyPaid, Self::Canceled];

    fn pair(self) -> (i64, i64) {
        match self {
            Self::Billed => (ACTIVE, 4),
            Self::Paid => (2, 100_001),
            Self::PartlyPaid => (2, 100_002),
            Self::Canceled => (3, 100_003),
            Self::Other { state, status } => (state, status),
        }
    }

    /// State and status by column.
    pub fn values(self) -> [(&'static str, Value); 2] {
        let (state, status) = self.pair();
        [("statecode", Value::Int(state)), ("statuscode", Value::Int(status))]
    }

    /// Whether the invoice takes changes.
    pub fn is_active(self) -> bool {
        self.pair().0 == ACTIVE
    }

    /// How an invoice of Dataverse stands; `None` where that is not known.
    pub fn held(invoice: &Record) -> Option<Self> {
        let (state, status) = (invoice.get("statecode").as_int()?, invoice.get("statuscode").as_int()?);
        let known = Self::ALL.into_iter().find(|standing| standing.pair() == (state, status));
        Some(known.unwrap_or(Self::Other { state, status }))
    }

    /// How a posted invoice of Business Central is to stand; `None` where its amounts are not known.
    pub fn wanted(invoice: &Record) -> Option<Self> {
        if invoice.get("cancelled").as_bool() == Some(true) {
            return Some(Self::Canceled);
        }
        let remaining = invoice.known("remainingAmount")?.as_decimal()?;
        let original = invoice.known("totalAmountIncludingTax")?.as_decimal()?;
        Some(if remaining.is_zero() {
            Self::Paid
        } else if remaining == original {
            Self::Billed
        } else {
            Self::PartlyPaid
        })
    }
}
