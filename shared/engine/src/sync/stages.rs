//! The stages of a record in a batch. Each step takes records of one stage and gives records of the next, or settles them; a
//! record that was never decided can therefore not be stored as unchanged.
//!
//! [`Received`] -> [`Admitted`] -> [`Decided`] -> [`Done`], and from each of them [`Settled`]. What goes back to the queue
//! leaves the stages: its messages are noted in the batch.

use couplet_model::coupling::{Base, Intent};
use couplet_model::decision::{Decision, TransferredField};
use couplet_model::history::{Cause, FieldReason};
use couplet_model::outcome::{FieldConflict, FieldNote, Need};
use couplet_model::own_writes::Agreement;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Written};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId, SystemError};
use uuid::Uuid;

use crate::mappings::rules::{BatchRules, WrittenBeside};

/// A record whose message was delivered.
pub(super) struct Received {
    /// Its place among the records of the batch.
    pub index: usize,
    /// Its coupling, if it has one.
    pub coupling: Option<Coupling>,
}

/// A record that was read and takes part so far.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Its place among the records of the batch.
    pub index: usize,
    /// The record at the source.
    pub source: Record,
    /// Its coupling, if it has one; one with revision 0 is not stored yet.
    pub coupling: Option<Coupling>,
    /// How source and destination came together.
    pub pairing: Pairing,
    /// The record at the destination, if it is there and was read.
    pub destination: Option<Record>,
    /// Its lines at the source, if it is the header of a document.
    pub lines: Lines,
    /// The pair of the earlier record whose place it is to take. Until that is done, its own pair is none of the store.
    pub replaces: Option<Box<Coupling>>,
}

/// The lines of a header.
#[derive(Debug, Default)]
pub(super) enum Lines {
    /// It is no header, or nothing of its lines was read.
    #[default]
    None,
    /// They were read at the source.
    Read(ReadLines),
    /// They are as they should be at the destination.
    Written(WrittenLines),
}

/// The lines of a header at the source.
#[derive(Debug, Default)]
pub(super) struct ReadLines {
    /// The lines.
    pub records: Vec<Record>,
    /// What all of them hold, in short.
    pub digest: Uuid,
}

/// The lines of a header after they were synchronized.
#[derive(Debug)]
pub(super) struct WrittenLines {
    /// What all of them hold at the source, in short.
    pub digest: Uuid,
    /// Whether any of them was written.
    pub any_written: bool,
}

/// How source and destination came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairing {
    /// As the store tells: coupled before, or not at all.
    Stored,
    /// Found by ids or a natural key just now, or taken in the place of a deleted record: the source wins the first time
    /// (R50).
    Adopted,
    /// The pair is only reserved, but both of its records are there: an earlier attempt made the second one.
    Made,
    /// The destination is being created; with a destination at hand, an earlier attempt has done so already.
    Creating,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Create the destination record with these values.
    Create {
        /// Values to set.
        values: Values,
        /// What both sides hold afterwards.
        base: Base,
    },
    /// Change the destination record.
    Update {
        /// Values to set.
        values: Values,
        /// What both sides hold afterwards.
        base: Base,
    },
    /// Both sides agree.
    Unchanged {
        /// What both sides hold.
        base: Base,
    },
}

impl Verdict {
    /// The verdict of a decision, or the fields both sides changed.
    pub fn of(decision: Decision) -> Result<Self, Vec<FieldConflict>> {
        match decision {
            Decision::Create { values, base } => Ok(Self::Create { values, base }),
            Decision::Update { values, base } => Ok(Self::Update { values, base }),
            Decision::Unchanged { base } => Ok(Self::Unchanged { base }),
            Decision::Conflict(conflicts) => Err(conflicts),
        }
    }

    /// What both sides hold afterwards.
    pub fn base(&self) -> &Base {
        match self {
            Self::Create { base, .. } | Self::Update { base, .. } | Self::Unchanged { base } => base,
        }
    }

    /// What both sides hold afterwards, to be completed.
    pub fn base_mut(&mut self) -> &mut Base {
        match self {
            Self::Create { base, .. } | Self::Update { base, .. } | Self::Unchanged { base } => base,
        }
    }

    /// The values to set, if any.
    pub fn values(&self) -> Option<&Values> {
        match self {
            Self::Create { values, .. } | Self::Update { values, .. } => Some(values),
            Self::Unchanged { .. } => None,
        }
    }

    /// The values to set and what both sides hold afterwards, to be corrected.
    pub fn parts_mut(&mut self) -> Option<(&mut Values, &mut Base)> {
        match self {
            Self::Create { values, base } | Self::Update { values, base } => Some((values, base)),
            Self::Unchanged { .. } => None,
        }
    }

    /// Whether the destination record is created.
    pub fn creates(&self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// What an attempt that broke off has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// It has written the destination.
    Wrote,
    /// It has created the destination.
    Created,
}

/// A record of which it is known what to write.
#[derive(Debug)]
pub(super) struct Decided {
    /// Its place among the records of the batch.
    pub index: usize,
    /// The record at the source.
    pub source: Record,
    /// The pair; with revision 0 it is not stored yet.
    pub coupling: Coupling,
    /// How source and destination came together.
    pub pairing: Pairing,
    /// The record at the destination, if it is there.
    pub destination: Option<Record>,
    /// What the destination should hold.
    pub fields: Vec<TransferredField>,
    /// What was agreed before, with our own unconfirmed writes recognized.
    pub agreement: Option<Agreement>,
    /// Fields that stayed behind or arrived as another value.
    pub notes: Vec<FieldNote>,
    /// What to write.
    pub verdict: Verdict,
    /// The trace of what was written.
    pub written: Option<Written>,
    /// Its lines, if it is the header of a document.
    pub lines: Lines,
    /// The pair of the earlier record whose place it is to take, until that is done.
    pub replaces: Option<Box<Coupling>>,
    /// Which rule decided about each field that differed.
    pub reasons: Vec<FieldReason>,
    /// What an attempt that broke off has done.
    pub earlier: Option<Earlier>,
    /// The partner that was deleted, if it is made again.
    pub restores: Option<RecordId>,
}

/// The records of a batch of which it is known what to write, with the rules that were prepared for them.
pub(super) struct DecidedBatch {
    /// The records.
    pub records: Vec<Decided>,
    /// What the rules read for them.
    pub rules: Box<dyn BatchRules>,
}

/// A record that was written, or needed no write, together with what had to follow.
#[derive(Debug)]
pub(super) struct Done {
    /// What was decided and written.
    pub decided: Decided,
    /// What following up left behind.
    pub beside: WrittenBeside,
}

/// A record that ends here, with what is known of it.
#[derive(Debug)]
pub(super) struct Settled {
    /// Its place among the records of the batch.
    pub index: usize,
    /// How it ends.
    pub outcome: Outcome,
    /// The record at the source, if it was read.
    pub source: Option<Record>,
    /// The pair, if there is one.
    pub coupling: Option<Coupling>,
    /// How source and destination came together.
    pub pairing: Pairing,
    /// Whether its destination was written.
    pub is_written: bool,
    /// What made it end so, where the step that ended it knows more than the outcome tells.
    pub cause: Option<Cause>,
    /// Which rule decided about each field that differed, if it came so far.
    pub reasons: Vec<FieldReason>,
}

impl Settled {
    /// The same with what made it end so.
    #[must_use]
    pub fn because(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }
}

/// A record that has ended: settled on its way, or done.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its place among the records of the batch.
    pub index: usize,
    /// How it ends.
    pub outcome: Outcome,
    /// What was decided and written, unless it was settled on its way.
    pub done: Option<Done>,
    settled: Option<Settled>,
}

impl From<Settled> for Ended {
    fn from(settled: Settled) -> Self {
        Self { index: settled.index, outcome: settled.outcome.clone(), done: None, settled: Some(settled) }
    }
}

impl Ended {
    /// The end of a record that was done.
    pub fn of(done: Done, destination: Side) -> Self {
        let outcome = match done.decided.outcome(destination) {
            Outcome::Unchanged if done.beside.is_change => Outcome::Modified,
            outcome => outcome,
        };
        Self { index: done.decided.index, outcome, done: Some(done), settled: None }
    }

    fn decided(&self) -> Option<&Decided> {
        self.done.as_ref().map(|done| &done.decided)
    }

    /// The record at the source, if it was read.
    pub fn source(&self) -> Option<&Record> {
        self.decided().map(|decided| &decided.source).or_else(|| self.settled.as_ref()?.source.as_ref())
    }

    /// The pair, if there is one.
    pub fn coupling(&self) -> Option<&Coupling> {
        self.decided().map(|decided| &decided.coupling).or_else(|| self.settled.as_ref()?.coupling.as_ref())
    }

    /// How source and destination came together.
    pub fn pairing(&self) -> Pairing {
        let settled = self.settled.as_ref().map(|settled| settled.pairing);
        self.decided().map(|decided| decided.pairing).or(settled).unwrap_or(Pairing::Stored)
    }

    /// The trace of what was written.
    pub fn written(&self) -> Option<&Written> {
        self.decided()?.written.as_ref()
    }

    /// Whether its destination was written, although what followed may have failed.
    pub fn is_written(&self) -> bool {
        self.written().is_some() || self.settled.as_ref().is_some_and(|settled| settled.is_written)
    }

    /// What made it end so, where the step that ended it told.
    pub fn told(&self) -> Option<Cause> {
        self.settled.as_ref().and_then(|settled| settled.cause)
    }

    /// Which rule decided about each field that differed.
    pub fn reasons(&self) -> &[FieldReason] {
        let settled = || self.settled.as_ref().map(|settled| settled.reasons.as_slice());
        self.decided().map(|decided| decided.reasons.as_slice()).or_else(settled).unwrap_or_default()
    }

    /// Fields that stayed behind or arrived as another value.
    pub fn notes(&self) -> &[FieldNote] {
        self.decided().map_or(&[], |decided| &decided.notes)
    }

    /// Whether the record was brought across, or was found to be.
    pub fn is_synchronized(&self) -> bool {
        matches!(self.outcome, Outcome::Inserted | Outcome::Modified | Outcome::Unchanged)
    }

    /// What the record waits for: as a whole, or with a field that it travelled without.
    pub fn needs(&self) -> Option<&Need> {
        match &self.outcome {
            Outcome::Waiting(need) | Outcome::WaitingInVain(need) => Some(need),
            _ if self.is_synchronized() => self.notes().iter().find_map(|note| note.need.as_ref()),
            _ => None,
        }
    }
}

impl Received {
    /// Ends the record.
    pub fn settle(self, outcome: Outcome) -> Settled {
        Settled {
            index: self.index,
            outcome,
            source: None,
            coupling: self.coupling,
            pairing: Pairing::Stored,
            is_written: false,
            cause: None,
            reasons: Vec::new(),
        }
    }

    /// The next stage, with the source as it was read.
    pub fn read(self, source: Record) -> Admitted {
        let Self { index, coupling } = self;
        Admitted {
            index,
            source,
            coupling,
            pairing: Pairing::Stored,
            destination: None,
            lines: Lines::None,
            replaces: None,
        }
    }
}

impl Admitted {
    /// Ends the record.
    pub fn settle(self, outcome: Outcome) -> Settled {
        Settled {
            index: self.index,
            outcome,
            source: Some(self.source),
            coupling: self.coupling.filter(|_| self.replaces.is_none()),
            pairing: self.pairing,
            is_written: false,
            cause: None,
            reasons: Vec::new(),
        }
    }

    /// The record as it came, without what was read of it.
    pub fn into_received(self) -> Received {
        Received { index: self.index, coupling: self.coupling.filter(|_| self.replaces.is_none()) }
    }

    /// The coupling, if both of its records exist as far as the store knows.
    pub fn coupled(&self) -> Option<&Coupling> {
        self.coupling.as_ref().filter(|coupling| coupling.state == CouplingState::Coupled)
    }

    /// Whether it has a pair of its own.
    pub fn is_paired(&self) -> bool {
        self.coupling.is_some() && self.replaces.is_none()
    }

    /// Whether its partner is gone, and nothing is to take its place.
    pub fn is_left_alone(&self) -> bool {
        self.coupled().is_some() && self.destination.is_none() && self.pairing == Pairing::Stored
    }

    /// What both sides held when they last agreed; for a record that an earlier attempt made, what it was to hold.
    pub fn base(&self) -> Option<&Base> {
        self.coupling.as_ref().map(|coupling| base_of(coupling, self.pairing))
    }

    /// What an earlier attempt was to create, if whether it did is not known.
    pub fn open_intent(&self) -> Option<&Intent> {
        let coupling = self.coupling.as_ref().filter(|coupling| coupling.state == CouplingState::Reserved)?;
        coupling.intent.as_ref().filter(|intent| !intent.made)
    }
}

impl Decided {
    /// Ends the record.
    pub fn settle(self, outcome: Outcome) -> Settled {
        let reasons = self.reasons_now();
        Settled {
            index: self.index,
            outcome,
            // What an earlier attempt created is there, even if this one wrote nothing of it.
            is_written: self.written.is_some() || self.is_resumed(),
            source: Some(self.source),
            coupling: Some(self.coupling).filter(|_| self.replaces.is_none()),
            pairing: self.pairing,
            cause: None,
            reasons,
        }
    }

    /// Which rule decided about each field that differed, with what was written of it so far.
    pub fn reasons_now(&self) -> Vec<FieldReason> {
        let of_write = |field: FieldReason| match self.written.is_some() {
            true => field.after_write(self.verdict.values()),
            false => field.unwritten(),
        };
        self.reasons.iter().cloned().map(of_write).collect()
    }

    /// Whether the destination record is new: created now, or by an earlier attempt that this one finishes.
    pub fn is_new_on(&self, side: Side) -> bool {
        self.verdict.creates() || self.was_made_on(side) || self.is_resumed()
    }

    /// Whether this attempt finishes what an earlier one created.
    pub fn is_resumed(&self) -> bool {
        self.pairing == Pairing::Creating && self.destination.is_some()
    }

    /// Whether an earlier attempt to create on this side made the record.
    fn was_made_on(&self, side: Side) -> bool {
        self.pairing == Pairing::Made && self.coupling.intent.as_ref().is_some_and(|intent| intent.side == side)
    }

    /// What both sides held when they last agreed.
    pub fn agreed(&self) -> &Base {
        self.agreement.as_ref().map_or_else(|| base_of(&self.coupling, self.pairing), |agreement| &agreement.known)
    }

    /// What the record has become.
    pub fn outcome(&self, destination: Side) -> Outcome {
        match &self.verdict {
            _ if self.is_new_on(destination) => Outcome::Inserted,
            Verdict::Create { .. } => Outcome::Inserted,
            Verdict::Update { .. } => Outcome::Modified,
            // A line that was written changed the document.
            Verdict::Unchanged { .. } if matches!(&self.lines, Lines::Written(lines) if lines.any_written) => {
                Outcome::Modified
            }
            Verdict::Unchanged { .. } => Outcome::Unchanged,
        }
    }
}

fn base_of(coupling: &Coupling, pairing: Pairing) -> &Base {
    let made = coupling.intent.as_ref().filter(|_| pairing == Pairing::Made);
    made.map_or(&coupling.base, |intent| &intent.base)
}

/// Records by their id.
pub(super) fn by_id(records: Vec<Record>) -> std::collections::HashMap<RecordId, Record> {
    records.into_iter().map(|record| (record.id, record)).collect()
}

/// Whether a failed write has certainly not taken effect. A conflict of versions and a key that is taken prove nothing:
/// the write that was sent again after a lost answer may have met its own first attempt.
pub(super) fn is_known_to_have_failed(error: &SystemError) -> bool {
    matches!(
        error.kind,
        SystemErrorKind::Refused
            | SystemErrorKind::NotFound
            | SystemErrorKind::Forbidden
            | SystemErrorKind::NoSecret { .. }
    )
}
