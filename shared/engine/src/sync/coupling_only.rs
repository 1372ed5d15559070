//! Records that a person wants to couple and not to synchronize: what both records hold is neither read into the pair nor written
//! (R200). A pair that a run has seen just now is stored at once; any other is read, reserved and stored as all pairs are.

use couplet_model::coupling::Base;
use couplet_model::message::{Partner, Seen, Wish};
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId, Value};

use super::batch::Batch;
use super::matching::new_pair;
use super::stages::{Admitted, Decided, Done, Lines, Pairing, Received, Verdict};
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::WrittenBeside;

impl Batch<'_> {
    /// Whether a record is to be coupled and to stay as it is.
    pub(super) fn couples_only(&self, index: usize) -> bool {
        matches!(self.delivered[index].message.wish, Some(Wish::CoupleOnly(_)))
    }

    /// Takes out the pairs that a run has seen just now: both records were there and uncoupled, so that storing the pair is all
    /// that is left. Whatever stands in the way refuses the commit; then the message comes again, and both records are read.
    pub(super) fn couple_as_seen(&self, received: Vec<Received>) -> (Vec<Received>, Vec<Done>) {
        let (mut others, mut coupled) = (Vec::with_capacity(received.len()), Vec::new());
        for record in received {
            match self.pair_as_seen(&record) {
                Some(decided) => coupled.push(Done { decided, beside: WrittenBeside::default() }),
                None => others.push(record),
            }
        }
        (others, coupled)
    }

    fn pair_as_seen(&self, record: &Received) -> Option<Decided> {
        let delivered = &self.delivered[record.index];
        let Some(Wish::CoupleOnly(Partner { record: partner, seen: Some(seen) })) = &delivered.message.wish else {
            return None;
        };
        let age = self.engine.now().duration_since(seen.at);
        let is_first = delivered.receive_count <= 1 && delivered.message.replay.is_none();
        if record.coupling.is_some() || !is_first || age > self.engine.options().snapshot_max_age {
            return None;
        }
        let side = self.direction.source();
        let pair = new_pair(side, delivered.message.record, *partner);
        let ours = as_seen(self.mapping, &pair, seen);
        let (source, destination) = match side {
            Side::BusinessCentral => (ours, None),
            Side::Dataverse => (unread(delivered.message.record), Some(ours)),
        };
        Some(just_coupled(record.index, source, pair, destination))
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
    Some(just_coupled(index, source, coupling?, destination))
}

/// A record of Business Central of which nothing is known but what others refer to it by.
fn as_seen(mapping: &InstalledMapping, pair: &Coupling, seen: &Seen) -> Record {
    let mut record = unread(pair.system_id.into());
    if let (Some(column), Some(key)) = (mapping.business_central.label_column.as_deref(), seen.key.as_deref()) {
        record.values.insert(column.into(), Value::text(key));
    }
    record
}

/// A record of which nothing was read.
fn unread(id: RecordId) -> Record {
    Record { id, version: None, modified: None, values: Values::default(), unreadable: None }
}

fn just_coupled(index: usize, source: Record, coupling: Coupling, destination: Option<Record>) -> Decided {
    Decided {
        index,
        source,
        coupling,
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
    }
}
