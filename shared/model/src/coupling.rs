//! A coupling: the stored pair of a Business Central record and a Dataverse row of one mapping, and what both
//! looked like when they last agreed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::base::Base;
use crate::ids::{DataverseId, ProcessId, RecordId, RunId, SystemId};
use crate::message::Direction;
use crate::pending::PendingWrite;
use crate::record::Version;
use crate::table::Side;

/// How far a coupling has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CouplingState {
    /// The destination record is about to be created under the id named here. Whoever finds this after a crash
    /// creates it again under the same id, which changes nothing if it is there. Where the destination chooses the
    /// ids, the id is a stand-in, and [`Coupling::intent`] tells what to look for before creating again.
    Reserved,
    /// Both records exist.
    Coupled,
}

/// A record about to be created in a system that chooses the ids: stored before the first attempt, so that a repeated
/// one can look for what it may have made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The system it is created in.
    pub side: Side,
    /// When the first attempt began, by this machine's clock.
    pub at: Timestamp,
    /// The values of both sides as they were to be once the record is there.
    pub base: Base,
    /// Whether the record is there, under the id that the coupling names now. What is to follow its creation may still
    /// be missing.
    #[serde(default)]
    pub made: bool,
}

/// An action on a record that is about to be asked for: stored before the first attempt, because most actions must not
/// happen twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionIntent {
    /// The system it happens in.
    pub side: Side,
    /// The name of the action.
    pub action: String,
    /// When the first attempt began, by this machine's clock.
    pub at: Timestamp,
}

/// What is known of one side of a coupling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideState {
    /// Version of the record last synchronized, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Time of change of the record last synchronized from; a snapshot older than this is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// Result of the last synchronization in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastResult {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// `None` after a success, else what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A coupling of one mapping in one company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coupling {
    /// The Business Central record.
    pub system_id: SystemId,
    /// The Dataverse row.
    pub dataverse_id: DataverseId,
    /// How far it has come.
    pub state: CouplingState,
    /// Key of the Business Central record as people write it (`No.`, `Code`); how lookups by code find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The header, in Business Central, of the document whose line this pair is: what it ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<SystemId>,
    /// The mapped values at the last agreement.
    pub base: Base,
    /// The Business Central record at the last synchronization.
    #[serde(default)]
    pub business_central: SideState,
    /// The Dataverse row at the last synchronization.
    #[serde(default)]
    pub dataverse: SideState,
    /// Further rows that belong to the pair, by role: the line in the default price list, ...
    #[serde(default, rename = "companions")]
    pub related: BTreeMap<String, Uuid>,
    /// Last result towards Dataverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_dataverse: Option<LastResult>,
    /// Last result from Dataverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_dataverse: Option<LastResult>,
    /// Set by a person: do not synchronize.
    #[serde(default)]
    pub skipped: bool,
    /// What a reservation is for, where its destination chooses the ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// An action on one of the records that may be under way: it is looked for before it is asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting: Option<ActionIntent>,
    /// Until when one worker alone may write this pair; nobody else touches it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
    /// The process of that worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<ProcessId>,
    /// Writes of ours that no commit has confirmed, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingWrite>,
    /// Set when the stored coupling could not be read as a whole, with the item and what is wrong with it; then only its
    /// ids are right. Never stored.
    #[serde(skip)]
    pub damage: Option<String>,
    /// Counts the stored states; every change is conditional on it. 0 = not stored yet.
    #[serde(default)]
    pub revision: u64,
}

impl Coupling {
    /// A coupling not stored yet.
    pub fn new(system_id: SystemId, dataverse_id: DataverseId, state: CouplingState) -> Self {
        Self {
            system_id,
            dataverse_id,
            state,
            key: None,
            document: None,
            base: Base::default(),
            business_central: SideState::default(),
            dataverse: SideState::default(),
            related: BTreeMap::new(),
            to_dataverse: None,
            from_dataverse: None,
            skipped: false,
            intent: None,
            acting: None,
            claimed_until: None,
            claimed_by: None,
            pending: Vec::new(),
            damage: None,
            revision: 0,
        }
    }

    /// The id of the record on one side.
    pub fn id(&self, side: Side) -> RecordId {
        match side {
            Side::BusinessCentral => self.system_id.into(),
            Side::Dataverse => self.dataverse_id.into(),
        }
    }

    /// What is known of one side.
    pub fn side(&self, side: Side) -> &SideState {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }

    /// What is known of one side, to be changed.
    pub fn side_mut(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::BusinessCentral => &mut self.business_central,
            Side::Dataverse => &mut self.dataverse,
        }
    }

    /// The last result in a direction.
    pub fn result(&self, direction: Direction) -> Option<&LastResult> {
        match direction {
            Direction::ToDataverse => self.to_dataverse.as_ref(),
            Direction::FromDataverse => self.from_dataverse.as_ref(),
        }
    }

    /// Stores the last result in a direction.
    pub fn set_result(&mut self, direction: Direction, result: LastResult) {
        match direction {
            Direction::ToDataverse => self.to_dataverse = Some(result),
            Direction::FromDataverse => self.from_dataverse = Some(result),
        }
    }

    /// Whether the last synchronization in a direction failed.
    pub fn failed(&self, direction: Direction) -> bool {
        self.result(direction).is_some_and(|result| result.failure.is_some())
    }

    /// Whether the last synchronization failed in either direction, so that somebody has been told.
    pub fn failed_any_way(&self) -> bool {
        [Direction::ToDataverse, Direction::FromDataverse].into_iter().any(|direction| self.failed(direction))
    }
}
