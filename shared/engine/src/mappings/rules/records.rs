//! The records that rules are asked about at each step, and what they say of them.

use std::collections::BTreeMap;

use couplet_model::coupling::{ActionIntent, Base};
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::record::Values;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Record, RecordId, SystemError, Value, Version};
use uuid::Uuid;

/// A destination record that belongs to an uncoupled source record, or a reason why it cannot.
pub(crate) type Match = Result<Option<RecordId>, DataFailure>;

/// A record whose fields are being transferred.
#[derive(Clone, Copy)]
pub(crate) struct Transferring<'a> {
    pub source: &'a Record,
    pub destination: Option<&'a Record>,
    pub creating: bool,
    /// What both sides held when they last agreed, if they are a pair.
    pub base: Option<&'a Base>,
    /// The lines at the source, if it is the header of a document whose lines travel this way.
    pub lines: &'a [Record],
}

/// Role, among the further rows of a pair, of its document on a side that was opened for a change of ours and is to be closed
/// again. It is stored before the document is opened, so that whoever comes after a crash knows it from one that a person works
/// on.
pub(crate) fn opened(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "opened in Business Central",
        Side::Dataverse => "opened in Dataverse",
    }
}

/// Role, among the further rows of a pair, of its document on a side that was opened for a change of ours and had to stay open: the
/// next change closes it where it can.
pub(crate) fn left_open(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "left open in Business Central",
        Side::Dataverse => "left open in Dataverse",
    }
}

/// A record that was written, or found equal, and may need more.
pub(crate) struct AfterWrite<'a> {
    pub source: &'a Record,
    /// The destination record.
    pub destination: RecordId,
    pub created: bool,
    /// Whether it was written just now.
    pub written: bool,
    /// The coupling as it was before.
    pub coupling: &'a Coupling,
    /// What the destination holds now.
    pub fields: &'a [TransferredField],
    /// What following up leaves behind, or why it failed.
    pub beside: Result<WrittenBeside, SystemError>,
}

impl AfterWrite<'_> {
    /// What the destination column holds now, if it was transferred.
    pub fn desired(&self, column: &str) -> Option<&Value> {
        self.fields.iter().rev().find(|field| field.destination.name == column).map(|field| &field.desired)
    }

    /// Whether its document was opened for a change, now or by an earlier attempt, or is new.
    pub fn is_opened(&self, direction: Direction) -> bool {
        self.created || self.coupling.related.contains_key(opened(direction.destination()))
    }

    /// The same, unless a person has it open.
    pub fn is_opened_by_us(&self, direction: Direction) -> bool {
        let mark = self.coupling.related.get(opened(direction.destination()));
        self.created || mark == Some(&self.destination.0)
    }

    /// Whether a destination column differs from what it was when both sides last agreed.
    pub fn changed(&self, direction: Direction, column: &str) -> bool {
        let field = self.fields.iter().rev().find(|field| field.destination.name == column);
        field.is_some_and(|field| {
            self.coupling.base.get(direction.destination(), &field.destination).as_ref() != Some(&field.desired)
        })
    }
}

/// A record that is about to be written.
pub(crate) struct BeforeWrite<'a> {
    pub source: &'a Record,
    /// The destination record, if it is there.
    pub destination: Option<&'a Record>,
    /// The values to be written; a record with none is not written.
    pub values: Option<&'a Values>,
    /// The version of the destination record that the write is guarded by. Who changes the record before its write says here
    /// which one it has then.
    pub version: Option<Version>,
    /// Whether it may be written, or what went wrong.
    pub ready: Result<(), SystemError>,
}

/// A record whose action was to be asked for by an attempt of which no end is known.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "closing an opportunity shows without them; posting a document will not")
)]
#[derive(Clone, Copy)]
pub(crate) struct Attempted<'a> {
    pub source: &'a Record,
    /// The destination record.
    pub destination: RecordId,
    /// What was to happen.
    pub intent: &'a ActionIntent,
}

/// What following up left behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrittenBeside {
    /// Further rows that belong to the pair now, by role.
    pub related: BTreeMap<String, Uuid>,
    /// Destination columns that hold these values now beside the transferred ones; they join the base.
    pub values: Vec<(&'static str, Value)>,
    /// Whether the destination record was changed by it, and so counts as modified.
    pub is_change: bool,
    /// What could not follow, while the rest of the record is as it has to be.
    pub notes: Vec<FieldNote>,
}

impl WrittenBeside {
    /// One further row, and nothing else.
    pub fn related(role: &str, id: Uuid) -> Self {
        Self { related: BTreeMap::from([(role.to_owned(), id)]), ..Self::default() }
    }
}

/// Whether other records may refer to a coupling: both of its records exist.
pub(crate) fn is_usable(coupling: &Coupling) -> bool {
    coupling.state == CouplingState::Coupled
}
