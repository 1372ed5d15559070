//! Subscriptions to the changes of tables: what is wanted of a system, and how it stands.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::CompanyId;
use crate::table::{Side, Table};

/// What a system is asked to tell of, and where.
#[derive(Clone, Copy)]
pub struct WantedSubscriptions<'a> {
    /// The company for which it is; ids are derived from it.
    pub company: CompanyId,
    /// Address of the door, as the system reaches it, ending in a slash.
    pub door: &'a str,
    /// What shows that a notification is not forged. Never shown, and never logged.
    pub secret: &'a str,
    /// The tables.
    pub tables: &'a [Arc<Table>],
    /// What was told of earlier subscriptions, so that they are known after address and secret have changed.
    pub known: &'a [Subscription],
    /// What time it is here.
    pub now: Timestamp,
}

/// The subscription to the changes of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Where the table is.
    pub side: Side,
    /// The table, as the catalogue names it.
    pub table: String,
    /// How it stands.
    pub state: SubscriptionState,
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// The system tells of changes until this time, unless it is renewed.
    Until {
        /// The system's id of it.
        id: String,
        /// When it ends.
        ends: Timestamp,
    },
    /// The system tells of changes for ever.
    Standing,
    /// The system cannot tell of changes of this table: timers find them.
    Impossible {
        /// Why.
        why: String,
    },
    /// It could not be made or renewed this time.
    Failed {
        /// Why.
        why: String,
    },
}

impl std::fmt::Debug for WantedSubscriptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tables: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        f.debug_struct("WantedSubscriptions").field("door", &self.door).field("tables", &tables).finish_non_exhaustive()
    }
}
