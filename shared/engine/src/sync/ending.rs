//! Pairs that end. Those of a document's lines go before its own: whoever comes after a crash finds the document's pair, and ends
//! what is left of it.

use std::collections::HashSet;

use couplet_model::history::Cause;
use couplet_model::{Coupling, SystemId};
use couplet_store::Removal;

use super::batch::{Batch, Stop};
use crate::bulk::paired;
use crate::failpoints::Failpoint;

impl Batch<'_> {
    /// Removes the couplings of records, those of their lines first. Gives the places of the records that are coupled no more;
    /// another worker has changed something of the others, which come again. The history tells the cause.
    pub(super) async fn remove_couplings(
        &mut self,
        pairs: Vec<(usize, Coupling)>,
        cause: Cause,
    ) -> Result<HashSet<usize>, Stop> {
        let pairs = self.end_lines(pairs).await?;
        let (places, couplings): (Vec<usize>, Vec<Coupling>) = pairs.into_iter().unzip();
        self.record_ends(&self.mapping.name, &couplings, cause).await;
        let engine = self.engine;
        let results = engine.store().remove_couplings(engine.company(), &self.mapping.name, &couplings).await?;
        let mut removed = HashSet::with_capacity(places.len());
        for (place, result) in paired("removals of couplings", places, results)? {
            match result {
                Removal::Removed => {
                    removed.insert(place);
                }
                Removal::Stale => self.give_back(place, "another worker changed this pair meanwhile", None),
            }
        }
        Ok(removed)
    }

    /// Removes the couplings of the lines of documents whose own pairs are about to end, or to move away from lines that
    /// are gone. Gives
    /// those that have no coupled line any more; the others come again.
    pub(super) async fn end_lines(&mut self, pairs: Vec<(usize, Coupling)>) -> Result<Vec<(usize, Coupling)>, Stop> {
        let (engine, mapping) = (self.engine, self.mapping);
        let Some(lines) = mapping.lines.as_ref().filter(|_| !pairs.is_empty()) else { return Ok(pairs) };
        let (store, company) = (engine.store(), engine.company());
        let headers: Vec<SystemId> = pairs.iter().map(|(_, coupling)| coupling.system_id).collect();
        let couplings = store.couplings_of_documents(company, &lines.mapping, &headers).await?;
        if couplings.is_empty() {
            return Ok(pairs);
        }
        let results = store.remove_couplings(company, &lines.mapping, &couplings).await?;
        let left = paired("removals of lines", couplings, results)?.into_iter();
        let left: HashSet<SystemId> = left
            .filter(|(_, removal)| *removal == Removal::Stale)
            .filter_map(|(coupling, _)| coupling.document)
            .collect();
        self.pass(Failpoint::LinesParted)?;
        let mut ended = Vec::with_capacity(pairs.len());
        for (place, coupling) in pairs {
            match left.contains(&coupling.system_id) {
                true => self.give_back(place, "another worker changed one of its lines meanwhile", None),
                false => ended.push((place, coupling)),
            }
        }
        Ok(ended)
    }
}
