//! Records that were deleted and made again under their key: their coupling moves to the new one.
//!
//! The key is what people know a record by; that its id is another one says only that it was entered anew. A coupling moves
//! only when its former record is gone and the new one belongs to nobody, or when the rules say that the new one takes its place.

use std::collections::{HashMap, HashSet};

use couplet_model::coupling::{Base, SideState};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Record, RecordId};

use super::batch::{Batch, Stop};
use super::stages::{Admitted, Pairing, by_id};
use crate::bulk::paired;

/// What happened to the record that had a coupling before.
const MADE_AGAIN: &str = "was made again";
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
        self.find_places(read).await
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
        self.tell_of_move(&stored, record.source.id, side, why).await?;
        record.coupling = Some(stored);
        // The values of the former record bind nobody: the source wins, as when two records are coupled anew (R50).
        record.pairing = Pairing::Adopted;
        Ok(Some(record))
    }

    /// Says that a coupling has moved to a record of a side.
    pub(super) async fn tell_of_move(
        &self,
        stored: &Coupling,
        record: RecordId,
        side: Side,
        why: &'static str,
    ) -> Result<(), Stop> {
        let label = stored.key.clone().unwrap_or_else(|| record.to_string());
        let caption = self.mapping.table(side).caption();
        let note = format!("{label}: its {caption} {why} in {side}, and its coupling moved to the new one.");
        tracing::info!(%record, "its partner in {side} {why}, and its coupling moved to the new one");
        let engine = self.engine;
        engine.store().add_remark(engine.company(), &self.job, self.run, &note).await?;
        Ok(())
    }
}

/// A coupling after it moved to another record of a side. What belonged to a row of Dataverse is gone with it.
pub(super) fn moved(old: &Coupling, side: Side, id: RecordId) -> Coupling {
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
