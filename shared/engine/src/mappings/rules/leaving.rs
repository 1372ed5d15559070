//! Records that leave: deleted at the source, or merged into others.

use couplet_model::table::Side;
use couplet_model::{Coupling, RecordId, SystemError};

/// What a record says that was merged into another of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// Into this one.
    Into(RecordId),
    /// Into one that it does not name.
    Unknown,
}

impl Merged {
    /// The record it was merged into, if that is known.
    pub fn master(self) -> Option<RecordId> {
        match self {
            Self::Into(master) => Some(master),
            Self::Unknown => None,
        }
    }
}

/// What becomes of the partner when a coupled record was deleted at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDeletion {
    /// The partner stays (R64), and the mapping's deletion rule of the catalogue says what becomes of it: somebody is told, it
    /// is created again, or the two are coupled no more (R85 to R87).
    #[default]
    AsTheMappingSays,
    /// Both the partner and the coupling stay, and nobody is told: the deletion says nothing about the partner.
    Stay,
    /// The partner stays, and the two are coupled no more.
    Uncouple,
    /// The partner is deleted as well.
    DeletePartner,
    /// The rules do in bulk what has to be done, in [`MappingRules::source_deleted`](super::MappingRules::source_deleted).
    AsTheRulesDo,
}

/// A coupled record that was deleted at the source, and what becomes of the pair.
pub(crate) struct SourceDeleted<'a> {
    /// The pair.
    pub coupling: &'a Coupling,
    /// What becomes of it, or why that could not be brought about.
    pub end: Result<AfterDeletion, SystemError>,
}

/// What becomes of a pair whose source was deleted, when the rules have done what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterDeletion {
    /// The two are coupled no more; the partner was changed, or was not.
    Uncoupled { is_change: bool },
    /// The coupling stays, marked with [`DELETED`], so that it is not looked at again.
    Kept,
}

/// Role, among the further rows of a pair, of its record that was deleted at the source while the coupling stays.
pub(crate) const DELETED: &str = "deleted";

/// Role, among the further rows of a pair, of its record on a side that people have done with there: it is gone, while the
/// coupling stays.
pub(crate) fn done_with(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "done with in Business Central",
        Side::Dataverse => "done with in Dataverse",
    }
}

/// What is about to happen to partners whose versions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// They become those of other records, and lose their lines.
    Replacing,
    /// They are deleted as they are.
    Deleting,
}

impl OnDeletion {
    /// Whether something happens to the pair at once, by the rules alone.
    pub fn is_followed(self) -> bool {
        matches!(self, Self::Uncouple | Self::DeletePartner | Self::AsTheRulesDo)
    }
}
