//! What became of one record, and the counters of a run.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::ids::MappingName;
use crate::table::Side;

/// Why a record was left alone on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// Outside the mapping's filter; the condition's column.
    OutsideFilter(String),
    /// Not coupled, and the mapping synchronizes only coupled records.
    NotCoupled,
    /// Gone from the source; deletions are not propagated.
    Deleted,
    /// A special rule of the mapping; what it says.
    Rule(String),
}

/// What another record is needed for before this one can travel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dependency {
    /// The mapping whose coupling is missing.
    pub mapping: MappingName,
    /// The side on which the missing record is known.
    pub side: Side,
    /// Its key there: a code or number in Business Central, an id in Dataverse.
    pub key: String,
}

/// What keeps a record from travelling: another record has to be coupled first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The record that is missing.
    pub dependency: Dependency,
    /// Caption of the field that refers to it.
    pub field: String,
    /// What the field holds, as people see it.
    pub value: String,
}

/// A failure someone must mend: in words for the operator, naming field, value and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFailure {
    /// The field it is about, if one.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
    /// The side from which one record of its pair was deleted, if that is what is wrong (EE12).
    pub gone: Option<Side>,
}

impl DataFailure {
    /// A failure of the record as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into(), gone: None }
    }

    /// A failure of one field.
    pub fn of_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into(), gone: None }
    }

    /// A failure of a record of whose pair one record was deleted from a side.
    pub fn of_deleted(gone: Side, message: impl Into<String>) -> Self {
        Self { gone: Some(gone), ..Self::new(message) }
    }
}

/// A field that stayed behind, or arrived as another value, while the rest of its record travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNote {
    /// The field, as people call it at the source.
    pub field: String,
    /// Its column at the source; `None` for a value that a rule made.
    pub source: Option<String>,
    /// Why, with the value, and what to do.
    pub message: String,
    /// Whether it stayed behind, so that it is tried again until it travels. A value that arrived in another form is only
    /// told of.
    pub is_left: bool,
    /// What brings the record back once it is coupled, although the rest of it travels now.
    pub need: Option<Need>,
}

impl FieldNote {
    /// A field that stayed behind.
    pub fn left(field: impl Into<String>, source: Option<&str>, message: impl Into<String>) -> Self {
        let (field, source, message) = (field.into(), source.map(str::to_owned), message.into());
        Self { field, source, message, is_left: true, need: None }
    }

    /// The same, with what brings the record back once it is coupled.
    #[must_use]
    pub fn until(self, need: impl Into<Option<Need>>) -> Self {
        Self { need: need.into(), ..self }
    }

    /// A field that arrived as another value.
    pub fn altered(field: impl Into<String>, source: Option<&str>, message: impl Into<String>) -> Self {
        Self { is_left: false, ..Self::left(field, source, message) }
    }

    /// The notes of one record in one text, and the fields they are about.
    pub fn joined(notes: &[Self]) -> DataFailure {
        let fields: Vec<&str> = notes.iter().map(|note| note.field.as_str()).collect();
        let messages: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
        DataFailure::of_field(fields.join(", "), messages.join("; "))
    }
}

/// One field that both sides changed since they last agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// Business Central field.
    pub business_central: String,
    /// Its value there.
    pub business_central_value: String,
    /// Dataverse column.
    pub dataverse: String,
    /// Its value there.
    pub dataverse_value: String,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Created at the destination and coupled.
    Inserted,
    /// Written at the destination.
    Modified,
    /// Nothing to write.
    Unchanged,
    /// Left alone on purpose.
    Ignored(IgnoreReason),
    /// Marked as skipped by a person.
    Skipped,
    /// Its coupling was ended by a person; both records stay.
    Uncoupled,
    /// Changed on both sides.
    Conflict(Vec<FieldConflict>),
    /// A person must mend the record.
    Failed(DataFailure),
    /// Waits until the record it refers to is coupled.
    Waiting(Need),
    /// Waits as before, although the mapping it waits for has run meanwhile: somebody has to look (R149).
    WaitingInVain(Need),
}

impl Outcome {
    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Modified => "modified",
            Self::Unchanged => "unchanged",
            Self::Ignored(_) => "ignored",
            Self::Skipped => "skipped",
            Self::Uncoupled => "uncoupled",
            Self::Conflict(_) => "conflict",
            Self::Failed(_) => "failed",
            Self::Waiting(_) => "waiting",
            Self::WaitingInVain(_) => "waiting in vain",
        }
    }
}

/// The counters of a run, one per outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Created at the destination.
    pub inserted: u64,
    /// Written at the destination.
    pub modified: u64,
    /// Looked at, nothing to write.
    pub unchanged: u64,
    /// Left alone on purpose: outside the filter, not coupled, gone.
    pub ignored: u64,
    /// Marked as skipped by a person.
    pub skipped: u64,
    /// Uncoupled by a person.
    #[serde(skip_serializing_if = "is_zero")]
    pub uncoupled: u64,
    /// Coupled because a person asked for it, or because they match. These records are counted by their outcome, too.
    #[serde(skip_serializing_if = "is_zero")]
    pub coupled: u64,
    /// Failed, in conflict, or waiting longer than it should.
    pub failed: u64,
    /// Waiting for another record.
    pub waiting: u64,
    /// Synchronized except for a field that stayed behind. These records are counted by their outcome, too.
    pub noted: u64,
}

impl Counters {
    /// Counts one outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Inserted => &mut self.inserted,
            Outcome::Modified => &mut self.modified,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Ignored(_) => &mut self.ignored,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Uncoupled => &mut self.uncoupled,
            Outcome::Conflict(_) | Outcome::Failed(_) | Outcome::WaitingInVain(_) => &mut self.failed,
            Outcome::Waiting(_) => &mut self.waiting,
        } += 1;
    }

    /// All records counted.
    pub fn total(&self) -> u64 {
        let written = self.inserted + self.modified + self.uncoupled;
        written + self.unchanged + self.ignored + self.skipped + self.failed + self.waiting
    }

    /// Whether the run did nothing that keeps a job awake (R240, with waiting records counted as work).
    pub fn is_idle(&self) -> bool {
        self.inserted + self.modified + self.failed + self.waiting == 0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.modified += other.modified;
        self.unchanged += other.unchanged;
        self.ignored += other.ignored;
        self.skipped += other.skipped;
        self.uncoupled += other.uncoupled;
        self.coupled += other.coupled;
        self.failed += other.failed;
        self.waiting += other.waiting;
        self.noted += other.noted;
    }
}
