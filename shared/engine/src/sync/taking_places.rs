//! Records that take the place of earlier ones which are still there, such as revisions of a quote: they get the coupling of what
//! they replace.
//!
//! Whose place a record takes is found first; taken it is when the record is about to be written, so that nothing happens to the
//! partner for the sake of a record that cannot travel.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use couplet_model::history::Cause;
use couplet_model::{Coupling, CouplingState, Record, RecordId};

use super::batch::{Batch, Stop};
use super::moving::moved;
use super::stages::{Admitted, Decided, Pairing};
use crate::bulk::paired;
use crate::claims::held_until;
use crate::mappings::rules::Keeping;

/// Why a record comes again that is to take the place of one that is under way, and after how long.
const HELD: &str = "the record whose place it takes is being synchronized";
const HELD_PAUSE: Duration = Duration::from_secs(2);

/// Whose place a record takes.
enum Place {
    /// Nobody's.
    None,
    /// That of the record of this pair.
    Of(Box<Coupling>),
    /// That of a record which is under way.
    Held,
}

impl Batch<'_> {
    /// Finds for uncoupled sources the pair of an earlier record whose place they take, as the rules say: one whose partner is
    /// there, also where an attempt that broke off has only begun to make it.
    pub(super) async fn find_places(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let (engine, mapping, side) = (self.engine, self.mapping, self.direction.source());
        let uncoupled: Vec<&Record> =
            read.iter().filter(|record| record.coupling.is_none()).map(|record| &record.source).collect();
        if uncoupled.is_empty() {
            return Ok(read);
        }
        let ids: Vec<RecordId> = uncoupled.iter().map(|source| source.id).collect();
        let earlier = mapping.rules.takes_over_from(self.context(), &uncoupled).await?;
        let earlier: HashMap<RecordId, Vec<RecordId>> = paired("earlier records", ids, earlier)?.into_iter().collect();
        let wanted: Vec<RecordId> = earlier.values().flatten().copied().collect();
        if wanted.is_empty() {
            return Ok(read);
        }
        let mut owners = engine.store().couplings_by_id(engine.company(), &mapping.name, side, &wanted).await?;
        owners.retain(|_, coupling| !coupling.skipped);
        let partners: Vec<RecordId> = owners.values().map(|coupling| coupling.id(side.other())).collect();
        let there: HashSet<RecordId> = match partners.is_empty() {
            true => HashSet::new(),
            false => {
                let found = engine.system(side.other()).fetch(mapping.table(side.other()), &partners, &[]).await?;
                found.into_iter().map(|partner| partner.id).collect()
            }
        };
        // A coupling is not taken from a record of the same batch, which holds it.
        let with_it: HashSet<RecordId> = self.delivered.iter().map(|delivered| delivered.message.record).collect();
        let (now, asking) = (engine.now(), engine.asking());
        let (mut found, mut ended) = (Vec::with_capacity(read.len()), Vec::new());
        for mut record in read {
            let candidates = earlier.get(&record.source.id).into_iter().flatten();
            let mut place = Place::None;
            for id in candidates.filter(|_| record.coupling.is_none()) {
                let Some(old) = owners.remove(id) else { continue };
                if with_it.contains(&old.id(side)) || held_until(&old, now, asking).is_some() {
                    place = Place::Held;
                } else if there.contains(&old.id(side.other())) {
                    place = Place::Of(Box::new(old));
                } else {
                    // Its partner was deleted, by an attempt that broke off or by a person: the pair is of no use to anybody.
                    ended.push((record.index, old));
                    continue;
                }
                break;
            }
            match place {
                Place::None => found.push(record),
                Place::Held => self.postpone(record.index, HELD, HELD_PAUSE),
                Place::Of(old) => {
                    let pair = moved(&old, side, record.source.id);
                    // What is there is whole, or is written anew.
                    record.coupling =
                        Some(Coupling { state: CouplingState::Coupled, intent: None, acting: None, ..pair });
                    // The values of the former record bind nobody: the source wins, as when two records are coupled anew (R50).
                    record.pairing = Pairing::Adopted;
                    record.replaces = Some(old);
                    found.push(record);
                }
            }
        }
        self.remove_couplings(ended, Cause::PartnerDeleted).await?;
        // Those whose pairs another worker is at come again.
        found.retain(|record| self.delivered[record.index].end.is_none());
        Ok(found)
    }

    /// Takes the places that were found, of records that are about to be written: what the partner holds is kept, then the pair
    /// moves.
    pub(super) async fn take_places(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        let (taking, mut others): (Vec<Decided>, Vec<Decided>) =
            decided.into_iter().partition(|record| record.replaces.is_some());
        if taking.is_empty() {
            return Ok(others);
        }
        let (engine, mapping, side) = (self.engine, self.mapping, self.direction.source());
        let pairs: Vec<&Coupling> = taking.iter().filter_map(|record| record.replaces.as_deref()).collect();
        let kept = mapping.rules.keep_versions(self.context(), &pairs, Keeping::Replacing).await;
        let mut ready = Vec::with_capacity(taking.len());
        for (record, kept) in paired("versions to be kept", taking, kept)? {
            match kept {
                Ok(()) => ready.push(record),
                Err(error) => self.refuse(record, &error, ""),
            }
        }
        // What was kept is without lines at the destination.
        let pairs = ready.iter().filter_map(|record| Some((record.index, record.replaces.as_deref()?.clone())));
        let free: HashSet<usize> = self.end_lines(pairs.collect()).await?.into_iter().map(|(index, _)| index).collect();
        for mut record in ready.into_iter().filter(|record| free.contains(&record.index)) {
            let Some(old) = record.replaces.take() else { continue };
            let stored =
                engine.store().replace_coupling(engine.company(), &mapping.name, &old, record.coupling.clone()).await?;
            let Some(stored) = stored else {
                self.give_back(record.index, "another worker changed this pair meanwhile", None);
                continue;
            };
            self.tell_of_move(&stored, record.source.id, side, "was replaced").await?;
            record.coupling = stored;
            others.push(record);
        }
        others.sort_unstable_by_key(|record| record.index);
        Ok(others)
    }
}
