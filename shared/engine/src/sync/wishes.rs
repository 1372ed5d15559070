//! What a person asks for of records, beside their synchronization or instead of it: to end a coupling, to leave a record alone,
//! to take it up again. A record that comes twice finds done what was asked for.

use std::collections::{HashMap, HashSet};

use couplet_model::history::Cause;
use couplet_model::message::{Direction, Partner, Wish};
use couplet_model::outcome::{DataFailure, IgnoreReason};
use couplet_model::table::Side;
use couplet_model::{Coupling, Outcome, Record, RecordId};

use super::batch::{Batch, Stop};
use super::leaving_company::Kept;
use super::stages::{Admitted, Received, by_id};
use crate::failpoints::Failpoint;

impl Batch<'_> {
    /// Carries out what is asked for of records; gives those that are to be synchronized.
    pub(super) async fn grant_wishes(&mut self, received: Vec<Received>) -> Result<Vec<Received>, Stop> {
        if self.delivered.iter().all(|delivered| delivered.message.wish.is_none()) {
            return Ok(received);
        }
        let (mut synchronized, mut leaving, mut strays, mut mended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // Pairs that have ended already: an attempt may have broken off before anybody looked at what hangs on them.
        let mut ended: Vec<Received> = Vec::new();
        for mut record in received {
            let wish = self.delivered[record.index].message.wish.as_ref();
            match (wish, record.coupling.is_some()) {
                (None | Some(Wish::Couple(_) | Wish::CoupleOnly(_) | Wish::Resolve(_)), _) => synchronized.push(record),
                (Some(Wish::LeaveCompany), _) => strays.push(record),
                (Some(Wish::Uncouple), true) => leaving.push(record),
                (Some(Wish::Skip), true) => {
                    if self.mark_skipped(&mut record, true).await? {
                        self.settle(record.settle(Outcome::Skipped));
                    }
                }
                (Some(Wish::Unskip), true) => {
                    if self.mark_skipped(&mut record, false).await? {
                        synchronized.push(record);
                    }
                }
                (Some(Wish::Mend(_) | Wish::TellIfGone), true) => mended.push(record),
                (Some(Wish::Uncouple), false) => ended.push(record),
                (Some(Wish::Skip | Wish::Unskip | Wish::Mend(_) | Wish::TellIfGone), false) => {
                    self.settle(record.settle(Outcome::Ignored(IgnoreReason::NotCoupled)));
                }
            }
        }
        self.settle_ended(ended).await?;
        self.uncouple_as_asked(leaving).await?;
        self.take_off_company(strays).await?;
        synchronized.extend(self.mend(mended).await?);
        Ok(synchronized)
    }

    /// Settles records whose pairs have ended before, when what hangs on these was looked at.
    async fn settle_ended(&mut self, records: Vec<Received>) -> Result<(), Stop> {
        if self.direction == Direction::ToDataverse {
            let ids: Vec<RecordId> = records.iter().map(|record| self.delivered[record.index].message.record).collect();
            self.look_at_what_hangs_on(&ids).await?;
        }
        for record in records {
            self.settle(record.settle(Outcome::Ignored(IgnoreReason::NotCoupled)));
        }
        Ok(())
    }

    /// Takes rows that nothing couples off the company, if they still belong to it. What was coupled since it was found stays.
    async fn take_off_company(&mut self, records: Vec<Received>) -> Result<(), Stop> {
        let table = self.mapping.table(Side::Dataverse);
        let Some(column) = table.company_column.clone().filter(|_| !records.is_empty()) else { return Ok(()) };
        let row = |record: &Received| self.delivered[record.index].message.record;
        let rows: Vec<RecordId> = records.iter().map(row).collect();
        let (engine, side) = (self.engine, Side::Dataverse);
        let found = by_id(engine.system(side).fetch(table, &rows, std::slice::from_ref(&column)).await?);
        let coupled = engine.store().couplings_by_id(engine.company(), &self.mapping.name, side, &rows).await?;
        let free: HashSet<RecordId> = self.coupled_here_only(rows).await?.into_iter().collect();
        let stays =
            |row: &Record| row.get(&column).is_null() || coupled.contains_key(&row.id) || !free.contains(&row.id);
        let mut kept = self.leave_company(found.values().filter(|row| !stays(row))).await?;
        for record in records {
            let row = self.delivered[record.index].message.record;
            match (kept.remove(&row), found.get(&row)) {
                (Some(Kept::Refused), _) => {
                    let failure = DataFailure::new(format!(
                        "the {} {row} could not be taken off the company: open it in Sales if it is locked, or give the \
                         integration user the right to change it, and uncouple again",
                        table.caption()
                    ));
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                (Some(Kept::ForAWhile(class, error)), _) => self.give_back_for(record.index, class, &error),
                (None, None) => self.settle(record.settle(Outcome::Ignored(IgnoreReason::Deleted))),
                (None, Some(found)) if stays(found) => self.settle(record.settle(Outcome::Unchanged)),
                (None, Some(_)) => self.settle(record.settle(Outcome::Modified)),
            }
        }
        Ok(())
    }

    /// Marks a pair as skipped, or takes the mark away. `false`: another worker changed it, and the record comes again.
    pub(super) async fn mark_skipped(&mut self, record: &mut Received, skipped: bool) -> Result<bool, Stop> {
        let Some(coupling) = record.coupling.as_ref().filter(|coupling| coupling.skipped != skipped) else {
            return Ok(true);
        };
        let engine = self.engine;
        let marked = Coupling { skipped, ..coupling.clone() };
        let stored = engine.store().replace_coupling(engine.company(), &self.mapping.name, coupling, marked).await?;
        if stored.is_none() {
            self.give_back(record.index, "another worker changed this pair meanwhile", None);
            return Ok(false);
        }
        record.coupling = stored;
        Ok(true)
    }

    /// Ends couplings: first the rows of Dataverse are taken off the company, then the pairs are removed, so that whoever does
    /// it again finds the pairs of which that is not known to be done.
    pub(super) async fn uncouple_as_asked(&mut self, records: Vec<Received>) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        let table = self.mapping.table(Side::Dataverse);
        let (records, mut kept) = self.leave_company_of_pairs(records).await?;
        self.pass(Failpoint::Parted)?;
        let mut pairs = Vec::new();
        let mut ending: HashMap<usize, Received> = HashMap::new();
        for record in records {
            let Some(coupling) = record.coupling.clone() else { continue };
            match kept.remove(&coupling.id(Side::Dataverse)) {
                Some(Kept::Refused) => {
                    let failure = DataFailure::new(format!(
                        "the {} {} could not be taken off the company, so the two stay coupled: open it in Sales if it is \
                         locked, or give the integration user the right to change it, and uncouple again",
                        table.caption(),
                        coupling.dataverse_id
                    ));
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                Some(Kept::ForAWhile(class, error)) => self.give_back_for(record.index, class, &error),
                None => {
                    pairs.push((record.index, coupling));
                    ending.insert(record.index, record);
                }
            }
        }
        let removed = self.remove_couplings(pairs, Cause::UncoupledByPerson).await?;
        let of = |place: &usize| Some(ending.get(place)?.coupling.as_ref()?.system_id.into());
        let ended: Vec<RecordId> = removed.iter().filter_map(of).collect();
        self.look_at_what_hangs_on(&ended).await?;
        for place in removed {
            self.recorded.insert(place);
            if let Some(record) = ending.remove(&place) {
                self.settle(Received { coupling: None, ..record }.settle(Outcome::Uncoupled));
            }
        }
        Ok(())
    }

    /// The record that a person wants an uncoupled record to be coupled with.
    pub(super) fn wanted_partner(&self, index: usize) -> Option<RecordId> {
        match self.delivered[index].message.wish {
            Some(Wish::Couple(partner) | Wish::CoupleOnly(Partner { record: partner, .. })) => Some(partner),
            _ => None,
        }
    }

    /// Ends records that a person wants to couple with another record than the one they are coupled with.
    pub(super) fn settle_coupled_elsewhere(&mut self, admitted: Vec<Admitted>) -> Vec<Admitted> {
        let destination = self.direction.destination();
        let mut left = Vec::with_capacity(admitted.len());
        for record in admitted {
            let partner = record.coupling.as_ref().map(|coupling| coupling.id(destination));
            match (self.wanted_partner(record.index), partner) {
                (Some(wanted), Some(partner)) if wanted != partner => {
                    let message = format!(
                        "it is coupled with the {} {partner} already (R99): uncouple it first, then couple it again",
                        self.destination_table().caption()
                    );
                    self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
                }
                _ => left.push(record),
            }
        }
        left
    }
}

#[cfg(test)]
mod tests;
