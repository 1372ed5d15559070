//! Records that were deleted and made again under their key: their coupling moves to the new one.
//!
//! The key is what people know a record by; that its id is another one says only that it was entered anew. A coupling moves
//! only when its former record is gone and the new one belongs to nobody, or when the rules say that the new one takes its place.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use couplet_model::coupling::{Base, SideState};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Record, RecordId};

use super::batch::{Batch, Stop};
use super::stages::{Admitted, Pairing, by_id};
use crate::bulk::paired;
use crate::mappings::rules::Keeping;

/// What happened to the record that had a coupling before.
const MADE_AGAIN: &str = "was made again";
/// Why a record comes again that is to take the place of one that came with it, and after how long.
const HELD: &str = "the record whose place it takes is being synchronized with it";
const HELD_PAUSE: Duration = Duration::from_secs(2);

/// A record that is to get the coupling of another one.
struct Moving {
    record: Admitted,
    old: Coupling,
    /// The record of the side on which the coupling moves.
    to: RecordId,
}

impl Batch<'_> {
    /// Gives uncoupled sources the coupling of the record whose place they take.
    pub(super) async fn move_to_sources(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let read = self.move_by_key(read).await?;
        self.take_places(read).await
    }

    /// Gives uncoupled sources the coupling of an earlier record that is still there, as the rules say. What the partner holds
    /// is kept first.
    async fn take_places(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
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
        owners.retain(|_, coupling| coupling.state == CouplingState::Coupled && !coupling.skipped);
        let (mut taken, mut taking) = (Vec::with_capacity(read.len()), Vec::new());
        // A coupling is not taken from a record of the same batch, which holds it.
        let held: HashSet<RecordId> = self.delivered.iter().map(|delivered| delivered.message.record).collect();
        for record in read {
            let candidates = earlier.get(&record.source.id).into_iter().flatten();
            match candidates.filter(|_| record.coupling.is_none()).find_map(|id| owners.remove(id)) {
                Some(old) if held.contains(&old.id(side)) => self.postpone(record.index, HELD, HELD_PAUSE),
                Some(old) => taking.push((record, old)),
                None => taken.push(record),
            }
        }
        let pairs: Vec<&Coupling> = taking.iter().map(|(_, old)| old).collect();
        let kept = mapping.rules.keep_versions(self.context(), &pairs, Keeping::Replacing).await;
        let mut moving = Vec::new();
        for ((record, old), kept) in paired("versions to be kept", taking, kept)? {
            match kept {
                Ok(()) => moving.push(Moving { to: record.source.id, record, old }),
                Err(error) => self.refuse_received(record.into_received(), &error),
            }
        }
        // What was kept is without lines at the destination.
        let moving = self.without_lines(moving).await?;
        taken.extend(self.move_couplings(moving, side, "was replaced").await?);
        taken.sort_unstable_by_key(|record| record.index);
        Ok(taken)
    }

    /// Gives uncoupled sources the coupling of the record they were made again for: the one with their key whose record on
    /// this side is gone.
    async fn move_by_key(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let (direction, mapping, engine) = (self.direction, self.mapping, self.engine);
        let side = direction.source();
        let claimed = |record: &Admitted| match record.coupling {
            Some(_) => None,
            None => mapping.rules.claimed_key(mapping, direction, &record.source),
        };
        let keys: Vec<String> = read.iter().filter_map(claimed).collect();
        if keys.is_empty() {
            return Ok(read);
        }
        let mut owners = engine.store().couplings_by_key(engine.company(), &mapping.name, &keys).await?;
        owners.retain(|_, coupling| coupling.state == CouplingState::Coupled && !coupling.skipped);
        if owners.is_empty() {
            return Ok(read);
        }
        let former: Vec<RecordId> = owners.values().map(|coupling| coupling.id(side)).collect();
        let there = engine.system(side).fetch(mapping.table(side), &former, &[]).await?;
        let there: HashSet<RecordId> = there.into_iter().map(|record| record.id).collect();
        let (mut moved, mut moving) = (Vec::with_capacity(read.len()), Vec::new());
        for record in read {
            let owner = claimed(&record).and_then(|key| owners.remove(&key));
            match owner.filter(|coupling| !there.contains(&coupling.id(side))) {
                Some(old) => moving.push(Moving { to: record.source.id, record, old }),
                None => moved.push(record),
            }
        }
        // The lines of the former record are at the destination still, and leave it as lines that are gone do.
        moved.extend(self.move_couplings(moving, side, MADE_AGAIN).await?);
        moved.sort_unstable_by_key(|record| record.index);
        Ok(moved)
    }

    /// Finds, for coupled sources whose destination is gone, the record that took its place there, and reads it.
    pub(super) async fn move_to_destinations(
        &mut self,
        gone: Vec<Admitted>,
    ) -> Result<(Vec<Admitted>, HashMap<RecordId, Record>), Stop> {
        if gone.is_empty() {
            return Ok((gone, HashMap::new()));
        }
        let sources: Vec<&Record> = gone.iter().map(|record| &record.source).collect();
        let matches = self.mapping.rules.find_existing(self.context(), &sources).await?;
        let matches: Vec<Option<RecordId>> = matches.into_iter().map(|found| found.ok().flatten()).collect();
        let gone = paired("partners by key", gone, matches)?;
        let (engine, mapping, side) = (self.engine, self.mapping, self.direction.destination());
        let found: Vec<RecordId> = gone.iter().filter_map(|(_, found)| *found).collect();
        let taken = engine.store().couplings_by_id(engine.company(), &mapping.name, side, &found).await?;
        let (mut records, mut moving) = (Vec::with_capacity(gone.len()), Vec::new());
        for (record, found) in gone {
            let id = found.filter(|id| !taken.contains_key(id));
            let (Some(id), Some(old)) = (id, record.coupling.clone()) else {
                records.push(record);
                continue;
            };
            moving.push(Moving { to: id, record, old });
        }
        // The lines of the former partner are gone with it.
        let moving = self.without_lines(moving).await?;
        let moved = self.move_couplings(moving, side, MADE_AGAIN).await?;
        let ids: Vec<RecordId> = moved.iter().filter_map(|record| Some(record.coupling.as_ref()?.id(side))).collect();
        records.extend(moved);
        records.sort_unstable_by_key(|record| record.index);
        if ids.is_empty() {
            return Ok((records, HashMap::new()));
        }
        let columns = mapping.destination_columns(self.direction);
        Ok((records, by_id(engine.system(side).fetch(mapping.table(side), &ids, columns).await?)))
    }

    /// Those of some moves whose documents have no coupled lines any more: the couplings of lines end whose records on the
    /// destination's side are gone. The others come again.
    async fn without_lines(&mut self, moving: Vec<Moving>) -> Result<Vec<Moving>, Stop> {
        let pairs = moving.iter().map(|moving| (moving.record.index, moving.old.clone())).collect();
        let free: HashSet<usize> = self.end_lines(pairs).await?.into_iter().map(|(index, _)| index).collect();
        Ok(moving.into_iter().filter(|moving| free.contains(&moving.record.index)).collect())
    }

    /// Moves couplings to other records of a side; gives the records of which that was done, the others come again.
    async fn move_couplings(
        &mut self,
        moving: Vec<Moving>,
        side: Side,
        why: &'static str,
    ) -> Result<Vec<Admitted>, Stop> {
        let mut moved = Vec::with_capacity(moving.len());
        for Moving { record, old, to } in moving {
            moved.extend(self.move_coupling(record, &old, side, to, why).await?);
        }
        Ok(moved)
    }

    /// Moves a coupling to another record of a side and says so. `None`: somebody else was faster, and the record comes
    /// again.
    async fn move_coupling(
        &mut self,
        mut record: Admitted,
        old: &Coupling,
        side: Side,
        id: RecordId,
        why: &'static str,
    ) -> Result<Option<Admitted>, Stop> {
        let (engine, mapping) = (self.engine, self.mapping);
        let new = moved(old, side, id);
        let stored = engine.store().replace_coupling(engine.company(), &mapping.name, old, new).await?;
        let Some(stored) = stored else {
            self.give_back(record.index, "another worker changed this pair meanwhile", None);
            return Ok(None);
        };
        let label = stored.key.clone().unwrap_or_else(|| record.source.id.to_string());
        let note = format!(
            "{label}: its {} {why} in {side}, and its coupling moved to the new one.",
            mapping.table(side).caption()
        );
        record.coupling = Some(stored);
        // The values of the former record bind nobody: the source wins, as when two records are coupled anew (R50).
        record.pairing = Pairing::Adopted;
        tracing::info!(
            record = %record.source.id,
            "its partner in {side} {why}, and its coupling moved to the new one"
        );
        engine.store().add_remark(engine.company(), &self.job, self.run, &note).await?;
        Ok(Some(record))
    }
}

/// A coupling after it moved to another record of a side. What belonged to a row of Dataverse is gone with it.
fn moved(old: &Coupling, side: Side, id: RecordId) -> Coupling {
    let mut new = Coupling {
        base: Base::default(),
        business_central: SideState::default(),
        dataverse: SideState::default(),
        to_dataverse: None,
        from_dataverse: None,
        claimed_until: None,
        pending: Vec::new(),
        ..old.clone()
    };
    match side {
        Side::BusinessCentral => new.system_id = id.into(),
        Side::Dataverse => {
            new.dataverse_id = id.into();
            new.related.clear();
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use couplet_model::{DataverseId, SystemId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn f15_a_moved_coupling_keeps_its_key_and_forgets_what_was_agreed_with_the_former_record() {
        let id = Uuid::from_u128;
        let mut old = Coupling::new(SystemId(id(1)), DataverseId(id(2)), CouplingState::Coupled);
        old.key = Some("1000".to_owned());
        old.related.insert("price".to_owned(), id(3));
        old.base.set(Side::Dataverse, "name", &couplet_model::Value::text("A"));
        let item = moved(&old, Side::BusinessCentral, RecordId(id(9)));
        assert_eq!((item.system_id.0, item.dataverse_id.0, item.key.as_deref()), (id(9), id(2), Some("1000")));
        assert!(item.base.is_empty() && item.related.contains_key("price"));
        let product = moved(&old, Side::Dataverse, RecordId(id(9)));
        assert_eq!((product.system_id.0, product.dataverse_id.0), (id(1), id(9)));
        assert!(product.related.is_empty(), "the price line went with the row");
    }
}
