//! Looking before creating: the destination record an uncoupled source record belongs to already, found by the ids we give
//! or by its natural key.
//!
//! Couplings can be lost, with a data folder or by restoring an older table. The records they paired are still there, and
//! would be created a second time.

use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, DataverseId, Outcome, Record, RecordId, SystemId};

use super::batch::{Batch, Stop};
use super::stages::{Admitted, Pairing};
use crate::bulk::paired;
use crate::mappings::rules::Match;

impl Batch<'_> {
    /// Couples uncoupled records with the destination record they belong to, if there is one (R50).
    pub(super) async fn match_existing(&mut self, admitted: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let admitted = self.settle_coupled_elsewhere(admitted);
        let (coupled, uncoupled): (Vec<Admitted>, Vec<Admitted>) =
            admitted.into_iter().partition(|record| record.coupling.is_some());
        if uncoupled.is_empty() {
            return Ok(coupled);
        }
        let ids: Vec<RecordId> = uncoupled.iter().map(|record| record.source.id).collect();
        let by_id = match &self.lines {
            Some(lines) => lines.partners(self.context(), &ids),
            None => self.engine.partners_by_id(self.mapping, self.direction, &ids).await?,
        };
        let mut by_id = paired("partners by id", uncoupled, by_id)?;
        for (record, partner) in &mut by_id {
            // Whom a person chose counts more than whom an id or a key tells of.
            *partner = self.wanted_partner(record.index).or(*partner);
        }
        let unknown: Vec<&Record> =
            by_id.iter().filter(|(_, partner)| partner.is_none()).map(|(record, _)| &record.source).collect();
        let matches = match unknown.is_empty() {
            true => Vec::new(),
            false => self.mapping.rules.find_existing(self.context(), &unknown).await?,
        };
        let by_key: Vec<Match> =
            paired("partners by key", unknown, matches)?.into_iter().map(|(_, found)| found).collect();
        let mut by_key = by_key.into_iter();
        let mut matches = Vec::with_capacity(by_id.len());
        for (_, partner) in &by_id {
            matches.push(match partner {
                Some(id) => Ok(Some(*id)),
                None => by_key.next().unwrap_or(Ok(None)),
            });
        }
        let found: Vec<RecordId> = matches.iter().filter_map(|found| found.as_ref().ok().copied().flatten()).collect();
        let (store, company) = (self.engine.store(), self.engine.company());
        let destination = self.direction.destination();
        let taken = store.couplings_by_id(company, &self.mapping.name, destination, &found).await?;
        let mut all = coupled;
        for ((mut record, _), found) in paired("matches", by_id, matches)? {
            match found {
                Err(failure) => {
                    self.settle(record.settle(Outcome::Failed(failure)));
                    continue;
                }
                Ok(None) => {}
                Ok(Some(id)) if taken.contains_key(&id) && self.wanted_partner(record.index).is_some() => {
                    let message = format!(
                        "the {} {id} is coupled with another record already (R101): uncouple that pair first, then couple \
                         this one",
                        self.destination_table().caption()
                    );
                    self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
                    continue;
                }
                // A destination record that belongs to somebody else is no match; the new one will say that it clashes.
                Ok(Some(id)) if taken.contains_key(&id) => {}
                Ok(Some(id)) => {
                    record.coupling = Some(new_pair(self.direction.source(), record.source.id, id));
                    record.pairing = Pairing::Adopted;
                }
            }
            all.push(record);
        }
        all.sort_unstable_by_key(|record| record.index);
        Ok(all)
    }
}

/// A coupling of a source record and a destination record that is not stored yet.
pub(super) fn new_pair(source: Side, source_id: RecordId, destination_id: RecordId) -> Coupling {
    let (system_id, dataverse_id): (SystemId, DataverseId) = match source {
        Side::BusinessCentral => (source_id.into(), destination_id.into()),
        Side::Dataverse => (destination_id.into(), source_id.into()),
    };
    Coupling::new(system_id, dataverse_id, CouplingState::Reserved)
}
