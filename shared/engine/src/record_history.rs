//! What became of one record and why, asked from either side: how it stands now, and its history.

use std::collections::{BTreeMap, BTreeSet};

use couplet_model::history::HistoryEntry;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, RecordId};
use couplet_store::{Failure, Wait};

use crate::engine::Engine;
use crate::error::EngineError;

/// Partitions that are read at most to follow a record through the pairs it belonged to.
const MOST_PLACES: usize = 8;

/// What is known of one record.
#[derive(Clone, Debug)]
pub struct RecordStory {
    /// Its pair, if it is coupled or about to be.
    pub coupling: Option<Coupling>,
    /// What keeps it from travelling, in each direction.
    pub failures: Vec<Failure>,
    /// What it waits for.
    pub waits: Vec<Wait>,
    /// What became of it, newest first.
    pub entries: Vec<HistoryEntry>,
}

impl RecordStory {
    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.coupling.is_none() && self.failures.is_empty() && self.waits.is_empty() && self.entries.is_empty()
    }
}

impl Engine {
    /// What is known of a record of one side: neither system is asked. What happened before it was coupled belongs to it, and what
    /// happened to pairs it was part of.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn story(
        &self,
        mapping: &MappingName,
        side: Side,
        record: RecordId,
        limit: usize,
    ) -> Result<RecordStory, EngineError> {
        let (store, company) = (self.store(), self.company());
        let found = store.couplings_by_id(company, mapping, side, &[record]).await?;
        let coupling = found.into_values().next();
        let partner = coupling.as_ref().map(|coupling| coupling.id(side.other()));
        let (mut failures, mut waits) = (Vec::new(), Vec::new());
        for direction in Direction::BOTH {
            let source = if direction.source() == side { Some(record) } else { partner };
            let Some(source) = source else { continue };
            failures.extend(store.failures_of(company, mapping, direction, &[source]).await?.into_values());
            waits.extend(store.waits_of_record(company, mapping, direction, source).await?);
        }
        let entries = self.entries(mapping, side, record, partner, limit).await?;
        Ok(RecordStory { coupling, failures, waits, entries })
    }

    async fn entries(
        &self,
        mapping: &MappingName,
        side: Side,
        record: RecordId,
        partner: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, EngineError> {
        let (store, company) = (self.store(), self.company());
        let mut places: Vec<RecordId> = [Some(record), partner].into_iter().flatten().collect();
        let mut known: BTreeMap<(String, &str, u32), HistoryEntry> = BTreeMap::new();
        let (mut seen, mut ours) = (BTreeSet::new(), BTreeSet::from([record]));
        let mut next = 0;
        while let Some(place) = places.get(next).copied().filter(|_| next < MOST_PLACES) {
            next += 1;
            if !seen.insert(place) {
                continue;
            }
            for entry in store.history(company, mapping, place, limit).await? {
                // Of another record that belonged to the same partner before, only what concerns this one.
                let is_ours = entry.id(side).is_some_and(|id| ours.contains(&id));
                let is_of_partner = entry.id(side).is_none() && entry.id(side.other()) == partner && partner.is_some();
                if !is_ours && !is_of_partner {
                    continue;
                }
                places.extend(entry.id(side.other()));
                places.extend(entry.former);
                // A record that was made again in the place of a deleted one has the history of that one, too.
                ours.extend(entry.former.filter(|_| entry.direction.destination() == side));
                known.insert((entry.run.to_string(), entry.direction.as_str(), entry.change), entry);
            }
        }
        let mut entries: Vec<HistoryEntry> = known.into_values().rev().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(limit);
        Ok(entries)
    }
}
