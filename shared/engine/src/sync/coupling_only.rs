//! Records that a person wants to couple and not to synchronize: the pair is reserved, claimed and stored as any other, and what
//! both records hold is neither read into it nor written (R200).

use couplet_model::coupling::Base;
use couplet_model::message::Wish;
use couplet_model::outcome::DataFailure;
use couplet_model::{Coupling, CouplingState, Outcome};

use super::batch::Batch;
use super::stages::{Admitted, Decided, Done, Lines, Pairing, Verdict};
use crate::mappings::rules::WrittenBeside;

impl Batch<'_> {
    /// Whether a record is to be coupled and to stay as it is.
    pub(super) fn couples_only(&self, index: usize) -> bool {
        matches!(self.delivered[index].message.wish, Some(Wish::CoupleOnly(_)))
    }

    /// Takes out the records that are only to be coupled. Gives the others, and those as they are to be stored.
    pub(super) fn set_couplings_apart(&mut self, admitted: Vec<Admitted>) -> (Vec<Admitted>, Vec<Decided>) {
        let (mut others, mut couplings) = (Vec::with_capacity(admitted.len()), Vec::new());
        for record in admitted {
            if !self.couples_only(record.index) {
                others.push(record);
            } else if record.coupled().is_some() {
                // An earlier delivery has done it.
                self.settle(record.settle(Outcome::Unchanged));
            } else if record.destination.is_none() || record.coupling.is_none() {
                self.settle_without_chosen_partner(record);
            } else {
                couplings.extend(as_decided(record));
            }
        }
        (others, couplings)
    }

    /// Parts the records that are only coupled from those that are written.
    pub(super) fn without_couplings(&self, decided: Vec<Decided>) -> (Vec<Decided>, Vec<Done>) {
        let (couplings, written): (Vec<Decided>, Vec<Decided>) =
            decided.into_iter().partition(|record| self.couples_only(record.index));
        let done = |decided| Done { decided, beside: WrittenBeside::default() };
        (written, couplings.into_iter().map(done).collect())
    }

    /// The coupling of two records of which nothing was transferred: each counts as newer until they are synchronized (C-047).
    pub(super) fn only_coupled(&self, coupling: &Coupling, decided: &Decided) -> Coupling {
        let key = self.key_of(decided).or_else(|| coupling.key.clone());
        let (state, base, pending) = (CouplingState::Coupled, Base::default(), Vec::new());
        Coupling { state, base, pending, key, intent: None, acting: None, ..coupling.clone() }
    }

    /// Fails a record whose partner was deleted after a person had chosen it.
    pub(super) fn settle_without_chosen_partner(&mut self, record: Admitted) {
        let message = format!(
            "the {} it was to be coupled with was deleted meanwhile: choose another one, or match again",
            self.destination_table().caption()
        );
        self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
    }
}

fn as_decided(record: Admitted) -> Option<Decided> {
    let Admitted { index, source, coupling, destination, .. } = record;
    Some(Decided {
        index,
        source,
        coupling: coupling?,
        pairing: Pairing::Adopted,
        destination,
        fields: Vec::new(),
        agreement: None,
        notes: Vec::new(),
        verdict: Verdict::Unchanged { base: Base::default() },
        written: None,
        lines: Lines::None,
        replaces: None,
        reasons: Vec::new(),
        earlier: None,
        restores: None,
    })
}
