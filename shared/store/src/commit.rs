//! What is to be stored at the end of a record, and what became of it.

use couplet_model::message::Direction;
use couplet_model::{Counters, Coupling, RecordId};

use crate::failures::Failure;
use crate::waits::Wait;

/// What is to be stored of one processed record.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The source record.
    pub record: RecordId,
    /// Which way it travelled.
    pub direction: Direction,
    /// Its coupling, to be stored with the next revision on condition that the stored one has this revision; 0 means
    /// that it must not be there. `None` leaves it as it is.
    ///
    /// A changed key takes its pointer along, and takes it over from whoever had it. A changed Dataverse id takes its
    /// pointer along if no other coupling has it.
    pub coupling: Option<Coupling>,
    /// What becomes of its failure.
    pub failure: FailureChange,
    /// What it waits for, and the message to send then.
    pub wait: Option<Wait>,
    /// The count of this one record; nothing for one that no message is about, such as a line of a document.
    pub outcome: Counters,
}

/// What becomes of the failure of a record in its direction.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "short-lived, one per record of a batch")]
pub enum FailureChange {
    /// It stays, if there is one.
    Keep,
    /// It is removed.
    Clear,
    /// It is this now.
    Set(Failure),
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// All of it is stored and counted.
    Stored,
    /// Somebody else changed the coupling, or coupled the row: nothing of this commit was stored or counted.
    Stale,
}
