//! Pairs of which people have deleted the partner on purpose: the coupling stays with a mark, and nothing is made again.

use std::collections::HashSet;

use couplet_model::history::Cause;
use couplet_model::outcome::IgnoreReason;
use couplet_model::{Coupling, Outcome};
use couplet_store::Claim;

use super::batch::{Batch, Stop};
use super::stages::Admitted;
use crate::bulk::paired;
use crate::mappings::rules::done_with;

impl Batch<'_> {
    /// Ends records whose partners are gone for good, and marks their pairs, so that a partner known to be gone is no sign of a
    /// restored system.
    pub(super) async fn keep_without_partner(&mut self, records: Vec<Admitted>) -> Result<(), Stop> {
        let side = self.direction.destination();
        let role = done_with(side);
        let (mut known, mut new, mut marks) = (Vec::with_capacity(records.len()), Vec::new(), HashSet::new());
        for mut record in records {
            match &mut record.coupling {
                Some(coupling) if !coupling.related.contains_key(role) => {
                    coupling.related.insert(role.to_owned(), coupling.id(side).0);
                    new.push(record);
                }
                _ => known.push(record),
            }
        }
        for record in &new {
            // The other direction may not have heard of the deletion, and what it means is for the rules there.
            let Some(partner) = record.coupling.as_ref().map(|coupling| coupling.id(side)) else { continue };
            self.enqueue_other(record.index, self.direction.reverse(), partner, 1).await?;
        }
        let marked: Vec<Coupling> = new.iter().filter_map(|record| record.coupling.clone()).collect();
        let engine = self.engine;
        let results = match marked.is_empty() {
            true => Vec::new(),
            false => engine.store().claim(engine.company(), &self.mapping.name, &marked).await?,
        };
        for (mut record, result) in paired("marks of pairs that stay", new, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    record.coupling = Some(coupling);
                    marks.insert(record.index);
                    known.push(record);
                }
                Claim::Stale => self.give_back(record.index, "another worker changed this pair meanwhile", None),
            }
        }
        for record in known {
            let why = format!("its {} was deleted in {side}", self.mapping.table(side).caption());
            let is_news = marks.contains(&record.index);
            let settled = record.settle(Outcome::Ignored(IgnoreReason::Rule(why)));
            self.settle(if is_news { settled.because(Cause::PartnerDeleted) } else { settled });
        }
        Ok(())
    }
}
