//! The message of the records queue: synchronize one record.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CompanyId, MappingName, RecordId, ReplayId, RunId};
use crate::record::Snapshot;
use crate::table::Side;

/// Which way one record travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From Business Central to Dataverse.
    ToDataverse,
    /// From Dataverse to Business Central.
    FromDataverse,
}

impl Direction {
    /// Both, in the order of a run.
    pub const BOTH: [Self; 2] = [Self::ToDataverse, Self::FromDataverse];

    /// The side that is read.
    pub fn source(self) -> Side {
        match self {
            Self::ToDataverse => Side::BusinessCentral,
            Self::FromDataverse => Side::Dataverse,
        }
    }

    /// The side that is written.
    pub fn destination(self) -> Side {
        self.source().other()
    }

    /// The other way.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::ToDataverse => Self::FromDataverse,
            Self::FromDataverse => Self::ToDataverse,
        }
    }

    /// The name in keys and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToDataverse => "to_dataverse",
            Self::FromDataverse => "from_dataverse",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToDataverse => "to Dataverse",
            Self::FromDataverse => "from Dataverse",
        })
    }
}

/// How the record is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Treatment {
    /// Create the destination record if the record is not coupled, even if the mapping synchronizes only coupled ones.
    #[serde(default)]
    pub create: bool,
    /// Write without asking whether the destination was changed: the source wins.
    #[serde(default)]
    pub force: bool,
    /// Since when it has waited for another record, of one that is looked at again because the mapping it waits for has
    /// run meanwhile. If it has to wait still, that is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_since: Option<Timestamp>,
    /// Create a destination record again that is gone, whatever the mapping's rule: a person chose that this side wins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restore: bool,
    /// Leave what travels both ways to the other direction: a person chose that the other side wins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields: bool,
}

impl Treatment {
    /// How a record is treated that is wanted in both ways.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            create: self.create || other.create,
            force: self.force || other.force,
            waited_since: self.waited_since.into_iter().chain(other.waited_since).min(),
            restore: self.restore || other.restore,
            yields: self.yields && other.yields,
        }
    }

    /// Whether the destination record is looked at although the source is as it was: a full synchronization compares
    /// everything.
    pub fn compares(self) -> bool {
        self.create || self.force
    }
}

/// Version of the message format.
pub const MESSAGE_FORMAT: u8 = 1;

/// Synchronize one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordMessage {
    /// Format, [`MESSAGE_FORMAT`].
    pub v: u8,
    /// Business Central company.
    pub company: CompanyId,
    /// Mapping.
    pub mapping: MappingName,
    /// Which way.
    pub direction: Direction,
    /// The source record.
    pub record: RecordId,
    /// The job whose run found it: the mapping's, or `Item Availability`.
    pub job: String,
    /// The run that found it.
    pub run: RunId,
    /// How to treat it.
    #[serde(default)]
    pub treatment: Treatment,
    /// The record as the run read it; absent on retries and when it would not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The replay that brought it back from the dead letters; absent while it travels by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayId>,
}

impl RecordMessage {
    /// The message as anybody might have sent it: to read a record again and to treat it as any other.
    #[must_use]
    pub fn as_ordinary(self) -> Self {
        Self { treatment: Treatment::default(), snapshot: None, ..self }
    }
}
