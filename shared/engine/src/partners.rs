//! Partners that follow from ids: the id under which Couplet creates a record is derived from the record it creates it from.
//! So what it created is known by its id, and whom it was created from is found among the records of the other side.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::memory::Makers;
use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::{Filter, RecordId};
use jiff::SignedDuration;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// How long the ids of a table are kept: long enough for the batches of one run, short enough to see what a person adds.
const KEPT: SignedDuration = SignedDuration::from_mins(1);
/// The version of ids that are derived.
const DERIVED: usize = 5;

impl Engine {
    /// The destination records that these source records were made into, or were made from; one answer per source, in
    /// order.
    ///
    /// Costs one bulk read by id; and one of all ids of the destination, kept for a minute, only if a source has an id as
    /// Couplet derives them.
    ///
    /// # Errors
    /// When the destination cannot be read.
    pub(crate) async fn partners_by_id(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        sources: &[RecordId],
    ) -> Result<Vec<Option<RecordId>>, EngineError> {
        let company = self.company();
        let word = mapping.rules.made(direction, self.installation.switches());
        let made: Vec<RecordId> =
            sources.iter().map(|source| derived_id(company, &mapping.name, word, *source)).collect();
        let side = direction.destination();
        let there = self.system(side).fetch(mapping.table(side), &made, &[]).await?;
        let there: HashSet<RecordId> = there.into_iter().map(|record| record.id).collect();
        let mut partners: Vec<Option<RecordId>> =
            made.into_iter().map(|id| there.contains(&id).then_some(id)).collect();
        let is_derived = |source: &RecordId| source.0.get_version_num() == DERIVED;
        let open = partners.iter().zip(sources).any(|(partner, source)| partner.is_none() && is_derived(source));
        if open {
            let makers = self.makers(mapping, direction).await?;
            for (partner, source) in partners.iter_mut().zip(sources) {
                *partner = partner.or_else(|| makers.get(source).copied());
            }
        }
        Ok(partners)
    }

    /// All records of the destination by the id of the source record that would have been made from them.
    async fn makers(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
    ) -> Result<Arc<HashMap<RecordId, RecordId>>, EngineError> {
        let back = match direction {
            Direction::ToDataverse => Direction::FromDataverse,
            Direction::FromDataverse => Direction::ToDataverse,
        };
        let mut known = self.memory.partners.lock().await;
        let key = (mapping.name.clone(), direction);
        let now = self.now();
        if let Some(makers) = known.get(&key).filter(|makers| now.duration_since(makers.read_at) < KEPT) {
            return Ok(Arc::clone(&makers.by_derived_id));
        }
        let side = direction.destination();
        let records = self.system(side).find(mapping.table(side), &Filter::default(), &[]).await?;
        let word = mapping.rules.made(back, self.installation.switches());
        let by_derived_id: HashMap<RecordId, RecordId> = records
            .into_iter()
            .map(|record| (derived_id(self.company(), &mapping.name, word, record.id), record.id))
            .collect();
        let by_derived_id = Arc::new(by_derived_id);
        known.insert(key, Makers { read_at: now, by_derived_id: Arc::clone(&by_derived_id) });
        Ok(by_derived_id)
    }
}
