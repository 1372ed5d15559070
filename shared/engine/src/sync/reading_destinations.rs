//! The destination records of pairs in bulk, and what to do where one is gone.

use std::collections::{HashMap, HashSet};

use couplet_model::catalogue::DeletionRule;
use couplet_model::coupling::Base;
use couplet_model::history::Cause;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId};

use super::batch::{Batch, Stop};
use super::leaving_company::Kept;
use super::stages::{Admitted, Pairing, by_id};
use super::ways_out::ways_out;
use crate::evidence::Evidence;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::done_with;

impl Batch<'_> {
    /// Reads the destination records of pairs, and decides what to do where one is gone.
    pub(super) async fn read_destinations(&mut self, mut admitted: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let (side, direction) = (self.direction.destination(), self.direction);
        let mut ids: Vec<RecordId> = Vec::new();
        for record in &mut admitted {
            let Some(coupling) = &record.coupling else { continue };
            // A pair that was matched, and whose first write was not confirmed, is matched still.
            if coupling.state == CouplingState::Reserved
                && coupling.intent.is_none()
                && coupling.awaits(direction)
                && !coupling.is_being_created(direction)
            {
                record.pairing = Pairing::Adopted;
            }
            let stands = coupling.state == CouplingState::Coupled || coupling.is_being_created(direction);
            if stands || record.pairing != Pairing::Stored {
                ids.push(coupling.id(side));
            }
        }
        let mut found = HashMap::new();
        let table = self.mapping.table(side);
        let columns = self.mapping.destination_columns(direction);
        if !ids.is_empty() {
            found = by_id(self.fetch_destinations(ids).await?);
        }
        let mut pairs: Vec<(Record, Option<&Coupling>)> = Vec::with_capacity(found.len());
        for coupling in admitted.iter().filter_map(|record| record.coupling.as_ref()) {
            if let Some(record) = found.remove(&coupling.id(side)) {
                pairs.push((record, Some(coupling)));
            }
        }
        let mut borrowed: Vec<_> = pairs.iter_mut().map(|(record, coupling)| (record, *coupling)).collect();
        let notes = self.engine.installation.distrust_blanks(table, columns, &mut borrowed).await?;
        self.remark(notes);
        let mut found = by_id(pairs.into_iter().map(|(record, _)| record).collect());
        self.judge_destinations(&admitted, &found).await?;
        let (gone, there): (Vec<Admitted>, Vec<Admitted>) = admitted
            .into_iter()
            .partition(|record| record.coupled().is_some_and(|coupling| !found.contains_key(&coupling.id(side))));
        let (moved, read) = self.move_to_destinations(gone).await?;
        found.extend(read);
        let mut all: Vec<Admitted> = there.into_iter().chain(moved).collect();
        all.sort_unstable_by_key(|record| record.index);
        self.pair_with(all, found).await
    }

    /// Gives each record its destination, or says what becomes of it without one.
    async fn pair_with(
        &mut self,
        admitted: Vec<Admitted>,
        mut found: HashMap<RecordId, Record>,
    ) -> Result<Vec<Admitted>, Stop> {
        let side = self.direction.destination();
        let mut paired = Vec::with_capacity(admitted.len());
        let (mut uncoupled, mut kept) = (Vec::new(), Vec::new());
        for mut record in admitted {
            let Some(coupling) = &mut record.coupling else {
                record.pairing = Pairing::Creating;
                paired.push(record);
                continue;
            };
            record.destination = found.remove(&coupling.id(side));
            if coupling.state == CouplingState::Reserved && record.pairing == Pairing::Stored {
                // An earlier attempt to create stopped half-way. What it created is compared field by field; what is not
                // there is created under the same id.
                record.pairing = Pairing::Creating;
                paired.push(record);
                continue;
            }
            if record.destination.is_some() {
                paired.push(record);
                continue;
            }
            if record.pairing == Pairing::Adopted && self.wanted_partner(record.index).is_some() {
                self.settle_without_chosen_partner(record);
                continue;
            }
            if record.replaces.is_some() {
                self.give_back(record.index, "the partner whose place it takes was deleted meanwhile", None);
                continue;
            }
            // What people had done with before is not what a restored system lacks.
            let is_known = coupling.related.contains_key(done_with(side));
            let restores = !is_known && self.delivered[record.index].message.options.precedence.restores();
            let rule = match self.mapping.deletion_conflict {
                _ if restores => DeletionRule::Restore,
                DeletionRule::None if self.mapping.rules.forgets_deleted_partners() => DeletionRule::RemoveCoupling,
                rule => rule,
            };
            match rule {
                // The rules may find that the record has left.
                DeletionRule::None | DeletionRule::Keep if self.mapping.rules.may_leave(self.direction) => {
                    paired.push(record);
                }
                DeletionRule::Keep => kept.push(record),
                DeletionRule::None => self.settle_without_partner(record),
                DeletionRule::Restore => {
                    coupling.base = Base::default();
                    coupling.related.clear();
                    record.pairing = Pairing::Creating;
                    paired.push(record);
                }
                // That a line was deleted there is a change of its document, which the other direction carries here. Without its
                // coupling the line would pass for a new one, and be made again.
                DeletionRule::RemoveCoupling if self.lines.is_some() && self.comes_back() => {
                    self.settle(record.settle(Outcome::Unchanged));
                }
                DeletionRule::RemoveCoupling => uncoupled.push(record),
            }
        }
        self.uncouple(uncoupled).await?;
        self.keep_without_partner(kept).await?;
        Ok(paired)
    }

    /// Whether records of the mapping travel the other way as well.
    fn comes_back(&self) -> bool {
        let back = self.direction.reverse();
        self.mapping.directions().any(|direction| direction == back)
    }

    /// Fails a record whose partner was deleted.
    pub(super) fn settle_without_partner(&mut self, record: Admitted) {
        let failure = partner_is_gone(self.mapping, self.direction, (&self.label(&record.source), record.source.id));
        self.settle(record.settle(Outcome::Failed(failure)).because(Cause::PartnerDeleted));
    }

    /// Removes the couplings of records whose partners are gone.
    async fn uncouple(&mut self, records: Vec<Admitted>) -> Result<(), Stop> {
        let mut kept = HashMap::new();
        if self.direction.source() == Side::Dataverse {
            kept = self.leave_company(records.iter().map(|record| &record.source)).await?;
        }
        let mut parted = Vec::with_capacity(records.len());
        for record in records {
            match kept.remove(&record.source.id) {
                Some(Kept::Refused) => self.settle_without_partner(record),
                Some(Kept::ForAWhile(class, error)) => self.give_back_for(record.index, class, &error),
                None => parted.push(record),
            }
        }
        let take = |record: &mut Admitted| Some((record.index, record.coupling.take()?));
        let pairs: Vec<(usize, Coupling)> = parted.iter_mut().filter_map(take).collect();
        let coupled: HashSet<usize> = pairs.iter().map(|(index, _)| *index).collect();
        let removed = self.remove_couplings(pairs, Cause::PartnerDeleted).await?;
        self.recorded.extend(&removed);
        for record in parted {
            if !coupled.contains(&record.index) || removed.contains(&record.index) {
                self.settle(record.settle(Outcome::Unchanged));
            }
        }
        Ok(())
    }

    /// Stops everything when the destination seems to have been restored to an earlier state.
    async fn judge_destinations(&self, admitted: &[Admitted], found: &HashMap<RecordId, Record>) -> Result<(), Stop> {
        let side = self.direction.destination();
        // Where rules take rows away, a row that is gone is no proof: a worker may have died before it could say so.
        let deletes = self.mapping.rules.may_leave(self.direction);
        let mut evidence = Evidence::default();
        // A person who has a record made again knows that it is gone.
        let judged = |record: &&Admitted| record.pairing != Pairing::Adopted && !self.restores_as_asked(record.index);
        for record in admitted.iter().filter(judged) {
            let Some(coupling) = record.coupled() else { continue };
            if coupling.related.contains_key(done_with(side)) {
                continue;
            }
            let row = found.get(&coupling.id(side));
            if row.is_some() || !deletes {
                evidence.look_at(coupling, side, row, self.resumed_at);
            }
        }
        let Some(why) = evidence.verdict(&self.mapping.table(side).name) else { return Ok(()) };
        let error = self.engine.halt(side, &self.job, why, evidence.is_about_deletions()).await?;
        self.engine.fail_halted_run(&self.job, self.run, &error).await;
        Err(Stop::Failed(error))
    }
}

/// The failure of a record whose partner was deleted, with the ways out there are.
fn partner_is_gone(mapping: &InstalledMapping, direction: Direction, (label, id): (&str, RecordId)) -> DataFailure {
    let (here, there) = (direction.source(), direction.destination());
    let (source, partner) = (mapping.table(here).caption(), mapping.table(there).caption());
    let again = match mapping.rules.partner_key(direction) {
        Some(key) => format!("make one with {key} there, and it takes the place of the deleted one; "),
        None => String::new(),
    };
    DataFailure::of_deleted(
        there,
        format!(
            "the {source} {label} is coupled to a {partner} that was deleted in {there} (EE12); {again}{}",
            ways_out(mapping, here, label, id)
        ),
    )
}
