//! Where a quote of Sales stands.

use couplet_model::Record;

/// The state "Closed" of a quote.
const CLOSED: i64 = 3;
/// The status "Revised" of a closed quote.
const REVISED: i64 = 7;

/// Where a quote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A seller works on it.
    Draft,
    /// The customer has it.
    Active,
    /// The customer said yes.
    Won,
    /// Another revision takes its place.
    Revised,
    /// The customer said no, or it was canceled.
    Lost,
    /// Its state is unknown.
    Unknown,
}

impl Stage {
    /// What a revised quote holds.
    pub const REVISED: [(&'static str, i64); 2] = [("statecode", CLOSED), ("statuscode", REVISED)];

    /// Where a quote stands.
    pub fn of(quote: &Record) -> Self {
        match (quote.get("statecode").as_int(), quote.get("statuscode").as_int()) {
            (Some(0), _) => Self::Draft,
            (Some(1), _) => Self::Active,
            (Some(2), _) => Self::Won,
            (Some(CLOSED), Some(REVISED)) => Self::Revised,
            (Some(CLOSED), Some(_)) => Self::Lost,
            _ => Self::Unknown,
        }
    }
}
