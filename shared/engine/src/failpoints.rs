//! Failpoints: where a crash test may stop a batch as a dying process would.

use std::fmt;
use std::sync::Arc;

/// A point between two effects of a batch, where a process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failpoint {
    /// Couplings are reserved or claimed, nothing is written.
    Claimed,
    /// Records are written, what follows them is not.
    Written,
    /// What follows the writes is written as well; actions are not asked for, and the couplings are not stored.
    AfterWrite,
    /// Actions are about to be asked for, and that is stored.
    ActionIntended,
    /// Actions have happened; the couplings are not stored.
    Acted,
    /// The history tells what became of records; their couplings are not stored.
    Recorded,
    /// Couplings are stored, records that waited for them are not released.
    Stored,
    /// Partners of records that are gone or left are deleted, their couplings are not removed.
    Parted,
    /// The couplings of the lines of documents are removed, those of the documents are not, or have not moved.
    LinesParted,
    /// The header is written; which of its lines are to be deleted is noted with it.
    LinesNoted,
    /// Couplings of lines are reserved or claimed, no line is written.
    LinesClaimed,
    /// Lines are written and deleted, what follows these writes is not.
    LinesWritten,
    /// What follows the writes of lines is written as well; the couplings of lines are not stored.
    LinesFollowedUp,
    /// The history tells what became of lines; their couplings are not stored.
    LinesRecorded,
    /// Couplings of lines are stored, those of deleted lines are not removed.
    LinesStored,
    /// Everything about the lines is stored; what follows the write of the header is not written.
    LinesEnded,
}

impl Failpoint {
    /// All there are, in order.
    pub const EVERY: [Self; 16] = [
        Self::Claimed,
        Self::Written,
        Self::AfterWrite,
        Self::ActionIntended,
        Self::Acted,
        Self::Recorded,
        Self::Stored,
        Self::Parted,
        Self::LinesParted,
        Self::LinesNoted,
        Self::LinesClaimed,
        Self::LinesWritten,
        Self::LinesFollowedUp,
        Self::LinesRecorded,
        Self::LinesStored,
        Self::LinesEnded,
    ];

    /// Those that every batch passes, in order.
    pub const ALL: [Self; 5] = [Self::Claimed, Self::Written, Self::AfterWrite, Self::Recorded, Self::Stored];

    /// Those that batches pass whose partners are deleted.
    pub const OF_DELETIONS: [Self; 1] = [Self::Parted];

    /// Those that batches pass in which the pairs of documents end that have lines.
    pub const OF_ENDING_DOCUMENTS: [Self; 1] = [Self::LinesParted];

    /// Those that batches with actions pass as well, in order.
    pub const OF_ACTIONS: [Self; 2] = [Self::ActionIntended, Self::Acted];

    /// Those that batches of documents whose lines need work pass as well, in order.
    pub const OF_LINES: [Self; 7] = [
        Self::LinesNoted,
        Self::LinesClaimed,
        Self::LinesWritten,
        Self::LinesFollowedUp,
        Self::LinesRecorded,
        Self::LinesStored,
        Self::LinesEnded,
    ];

    /// The same point where the records are lines of documents.
    pub(crate) fn of_lines(self) -> Self {
        match self {
            Self::Claimed => Self::LinesClaimed,
            Self::Written => Self::LinesWritten,
            Self::AfterWrite => Self::LinesFollowedUp,
            Self::Recorded => Self::LinesRecorded,
            Self::Stored => Self::LinesStored,
            other => other,
        }
    }
}

/// Called at every failpoint; answering `true` stops the batch there as a dying process would. For crash tests.
#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<dyn Fn(Failpoint) -> bool + Send + Sync>>);

impl Failpoints {
    /// Failpoints that ask this function.
    pub fn new(dies_at: impl Fn(Failpoint) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(dies_at)))
    }

    /// Whether to stop here.
    pub fn dies_at(&self, failpoint: Failpoint) -> bool {
        self.0.as_ref().is_some_and(|asks| asks(failpoint))
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Failpoints(asked)" } else { "Failpoints(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failpoint_is_in_the_list_of_all() {
        for (at, failpoint) in Failpoint::EVERY.into_iter().enumerate() {
            // A new one does not compile here until it has its place, and then the list is too short.
            let place = match failpoint {
                Failpoint::Claimed => 0,
                Failpoint::Written => 1,
                Failpoint::AfterWrite => 2,
                Failpoint::ActionIntended => 3,
                Failpoint::Acted => 4,
                Failpoint::Recorded => 5,
                Failpoint::Stored => 6,
                Failpoint::Parted => 7,
                Failpoint::LinesParted => 8,
                Failpoint::LinesNoted => 9,
                Failpoint::LinesClaimed => 10,
                Failpoint::LinesWritten => 11,
                Failpoint::LinesFollowedUp => 12,
                Failpoint::LinesRecorded => 13,
                Failpoint::LinesStored => 14,
                Failpoint::LinesEnded => 15,
            };
            assert_eq!(at, place, "{failpoint:?}");
        }
    }
}
