//! Lines that are gone at the source: their pairs are found, noted with their header, and removed after the lines were
//! deleted at the destination.

use std::collections::{HashMap, HashSet};

use couplet_model::history::Cause;
use couplet_model::outcome::DataFailure;
use couplet_model::{Coupling, CouplingState, Outcome, Record, RecordId, RetryClass, Said};
use couplet_store::{Claim, Removal};

use super::batch::{Batch, Stop};
use super::header_lines::{Document, Findings, Header, LEAVING, key_of};
use super::stages::Lines;
use crate::bulk::paired;
use crate::claims::held_until;

impl Batch<'_> {
    /// Finds the pairs of lines that are gone at the source, or are no lines of the mapping any more. Lines of the destination that
    /// belong to no pair stay.
    pub(super) async fn find_leaving(
        &mut self,
        document: Document<'_>,
        headers: &mut Vec<Header>,
        there: &HashMap<String, Vec<Record>>,
    ) -> Result<(), Stop> {
        let (here, side) = (self.direction.source(), self.direction.destination());
        let filter = self.engine.installation.filter(document.mapping, here).await?;
        // A coupled line has met the filter before: a column that cannot be read now does not put it out.
        let takes_part =
            |line: &&Record| filter.conditions.iter().all(|condition| condition.holds(line) != Some(false));
        let mut sources: HashSet<RecordId> = HashSet::new();
        let mut candidates: Vec<Vec<RecordId>> = Vec::with_capacity(headers.len());
        for header in headers.iter() {
            if let Lines::Read(lines) = &header.decided.lines {
                sources.extend(lines.records.iter().filter(takes_part).map(|line| line.id));
            }
            let noted = header.decided.coupling.related.iter().filter(|(role, _)| role.starts_with(LEAVING));
            let shown = there.get(&key_of(&header.name)).into_iter().flatten().map(|line| line.id);
            candidates.push(noted.map(|(_, id)| RecordId(*id)).chain(shown).collect());
        }
        let mut ids: Vec<RecordId> = candidates.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let (store, company) = (self.engine.store(), self.engine.company());
        let mut pairs = store.couplings_by_id(company, &document.mapping.name, side, &ids).await?;
        let is_leaving = |pair: &Coupling| {
            !pair.skipped
                && pair.damage.is_none()
                && pair.state == CouplingState::Coupled
                && !sources.contains(&pair.id(here))
        };
        let (now, asking) = (self.engine.now(), self.engine.asking());
        let mut free = Vec::with_capacity(headers.len());
        for (mut header, candidates) in headers.drain(..).zip(candidates) {
            header.leaving = candidates.iter().filter_map(|id| pairs.remove(id)).filter(is_leaving).collect();
            match header.leaving.iter().find_map(|pair| held_until(pair, now, asking)) {
                None => free.push(header),
                Some(until) => {
                    let wait = until.duration_since(now).unsigned_abs();
                    let reason = format!("another worker is writing one of its lines, until {until} at the latest");
                    self.postpone(header.decided.index, Said::safe(reason), wait);
                }
            }
        }
        *headers = free;
        Ok(())
    }

    /// Notes with each header which of its lines are about to be deleted.
    pub(super) async fn note_leaving(&mut self, headers: Vec<Header>) -> Result<Vec<Header>, Stop> {
        let here = self.direction.source();
        let side = self.direction.destination();
        let (mut noting, mut others) = (Vec::new(), Vec::with_capacity(headers.len()));
        for mut header in headers {
            let related = &mut header.decided.coupling.related;
            let before = related.len();
            for pair in &header.leaving {
                related.insert(format!("{LEAVING}{}", pair.id(here)), pair.id(side).0);
            }
            if related.len() == before { others.push(header) } else { noting.push(header) }
        }
        if noting.is_empty() {
            return Ok(others);
        }
        let couplings: Vec<Coupling> = noting.iter().map(|header| header.decided.coupling.clone()).collect();
        let (store, company) = (self.engine.store(), self.engine.company());
        let results = store.claim(company, &self.mapping.name, &couplings).await?;
        for (mut header, result) in paired("notes on lines", noting, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    self.delivered[header.decided.index].claim = Some(coupling.clone());
                    header.decided.coupling = coupling;
                    others.push(header);
                }
                Claim::Stale => {
                    self.give_back(header.decided.index, "another worker changed this pair meanwhile", None);
                }
            }
        }
        others.sort_unstable_by_key(|header| header.decided.index);
        Ok(others)
    }

    /// Removes the pairs of lines that were deleted at the destination.
    pub(super) async fn part_deleted(
        &mut self,
        lines: &mut Batch<'_>,
        findings: &mut HashMap<usize, Findings>,
    ) -> Result<(), Stop> {
        let (mapping, table) = (lines.mapping, lines.destination_table().caption());
        let deleted = lines.lines.as_mut().map(|lines| std::mem::take(&mut lines.deleted)).unwrap_or_default();
        let (store, company) = (self.engine.store(), self.engine.company());
        let (mut owners, mut pairs) = (Vec::new(), Vec::new());
        for (owner, pair, end) in deleted {
            let findings = findings.entry(owner).or_default();
            match end {
                Ok(()) => {
                    owners.push(owner);
                    pairs.push(pair);
                }
                Err(error) if error.retry_class() == RetryClass::Data => {
                    let id = pair.id(self.direction.destination());
                    let message = format!(
                        "a line is gone, and deleting the {table} {id} it was coupled to failed (EE13): {error}; delete \
                         that one by hand"
                    );
                    findings.add(Outcome::Failed(DataFailure::new(message)));
                }
                Err(error) => self.give_back_for(owner, error.retry_class(), &error),
            }
        }
        self.record_ends(&mapping.name, &pairs, Cause::DeletedOnBothSides).await;
        let results = store.remove_couplings(company, &mapping.name, &pairs).await?;
        for (owner, result) in paired("removals of lines", owners, results)? {
            match result {
                Removal::Removed => findings.entry(owner).or_default().any_written = true,
                Removal::Stale => self.give_back(owner, "another worker changed one of its lines meanwhile", None),
            }
        }
        Ok(())
    }
}
