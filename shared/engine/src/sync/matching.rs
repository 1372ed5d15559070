//! Looking before creating: the destination record an uncoupled source record belongs to already, found by the ids we give
//! or by its natural key.
//!
//! Couplings can be lost, with a data folder or by restoring an older table. The records they paired are still there, and
//! would be created a second time.

use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, DataverseId, Outcome, Record, RecordId, SystemId};

use super::{Batch, Stop};

impl Batch<'_> {
    /// Couples uncoupled records with the destination record they belong to, if there is one (R50).
    pub(super) async fn match_existing(&mut self) -> Result<(), Stop> {
        let uncoupled: Vec<usize> = (0..self.entries.len())
            .filter(|index| self.entries[*index].is_open() && self.entries[*index].coupling.is_none())
            .collect();
        let sources: Vec<&Record> = uncoupled.iter().filter_map(|index| self.entries[*index].source.as_ref()).collect();
        if sources.is_empty() {
            return Ok(());
        }
        let ids: Vec<RecordId> = sources.iter().map(|source| source.id).collect();
        let by_id = self.engine.partners_by_id(self.mapping, self.direction, &ids).await?;
        let unknown: Vec<&Record> =
            sources.iter().zip(&by_id).filter(|(_, partner)| partner.is_none()).map(|(source, _)| *source).collect();
        let mut by_key = match unknown.is_empty() {
            true => Vec::new(),
            false => self.mapping.rules.match_existing(self.context(), &unknown).await?,
        }
        .into_iter();
        let mut matches = Vec::with_capacity(uncoupled.len());
        for partner in by_id {
            matches.push(match partner {
                Some(id) => Ok(Some(id)),
                None => by_key.next().unwrap_or(Ok(None)),
            });
        }
        let found: Vec<RecordId> = matches.iter().filter_map(|found| found.as_ref().ok().copied().flatten()).collect();
        let (store, company) = (self.engine.store(), self.engine.company());
        let destination = self.direction.destination();
        let taken = store.couplings_by_id(company, &self.mapping.name, destination, &found).await?;
        for (index, found) in uncoupled.into_iter().zip(matches) {
            let entry = &mut self.entries[index];
            match found {
                Err(failure) => entry.settle(Outcome::Failed(failure)),
                Ok(None) => {}
                // A destination record that belongs to somebody else is no match; the new one will say that it clashes.
                Ok(Some(id)) if taken.contains_key(&id) => {}
                Ok(Some(id)) => {
                    entry.coupling = Some(pair(self.direction.source(), entry.message.record, id));
                    entry.adopted = true;
                }
            }
        }
        Ok(())
    }
}

/// A coupling of a source record and a destination record that is not stored yet.
pub(super) fn pair(source: Side, source_id: RecordId, destination_id: RecordId) -> Coupling {
    let (system_id, dataverse_id): (SystemId, DataverseId) = match source {
        Side::BusinessCentral => (source_id.into(), destination_id.into()),
        Side::Dataverse => (destination_id.into(), source_id.into()),
    };
    Coupling::new(system_id, dataverse_id, CouplingState::Reserved)
}
