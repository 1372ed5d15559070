//! Records that were deleted and made again under their key: their coupling moves to the new one.
//!
//! The key is what people know a record by; that its id is another one says only that it was entered anew. A coupling moves
//! only when its former record is gone and the new one belongs to nobody.

use std::collections::{HashMap, HashSet};

use couplet_model::coupling::{Base, SideState};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Record, RecordId};

use super::reading::by_id;
use super::{Batch, Stop};

impl Batch<'_> {
    /// Gives uncoupled sources the coupling of the record they were made again for: the one with their key whose record on
    /// this side is gone.
    pub(super) async fn move_to_sources(&mut self) -> Result<(), Stop> {
        let (rules, direction, mapping) = (self.mapping.rules, self.direction, self.mapping);
        let side = direction.source();
        let claimed: Vec<(usize, String)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.is_open() && entry.coupling.is_none())
            .filter_map(|(index, entry)| Some((index, rules.claimed_key(mapping, direction, entry.source.as_ref()?)?)))
            .collect();
        if claimed.is_empty() {
            return Ok(());
        }
        let engine = self.engine;
        let keys: Vec<String> = claimed.iter().map(|(_, key)| key.clone()).collect();
        let mut owners = engine.store().couplings_by_key(engine.company(), &mapping.name, &keys).await?;
        owners.retain(|_, coupling| coupling.state == CouplingState::Coupled && !coupling.skipped);
        if owners.is_empty() {
            return Ok(());
        }
        let former: Vec<RecordId> = owners.values().map(|coupling| coupling.id(side)).collect();
        let there = engine.system(side).fetch(mapping.table(side), &former, &[]).await?;
        let there: HashSet<RecordId> = there.into_iter().map(|record| record.id).collect();
        for (index, key) in claimed {
            let Some(old) = owners.remove(&key).filter(|coupling| !there.contains(&coupling.id(side))) else {
                continue;
            };
            let id = self.entries[index].record();
            self.move_coupling(index, &old, side, id).await?;
        }
        Ok(())
    }

    /// Finds, for coupled sources whose destination is gone, the record that took its place there, and reads it.
    pub(super) async fn move_to_destinations(&mut self, gone: &[usize]) -> Result<HashMap<RecordId, Record>, Stop> {
        let sources: Vec<&Record> = gone.iter().filter_map(|index| self.entries[*index].source.as_ref()).collect();
        if sources.is_empty() {
            return Ok(HashMap::new());
        }
        let matches = self.mapping.rules.match_existing(self.context(), &sources).await?;
        let found: Vec<(usize, RecordId)> =
            gone.iter().zip(matches).filter_map(|(index, found)| Some((*index, found.ok().flatten()?))).collect();
        if found.is_empty() {
            return Ok(HashMap::new());
        }
        let (engine, mapping, side) = (self.engine, self.mapping, self.direction.destination());
        let ids: Vec<RecordId> = found.iter().map(|(_, id)| *id).collect();
        let taken = engine.store().couplings_by_id(engine.company(), &mapping.name, side, &ids).await?;
        let mut moved = Vec::new();
        for (index, id) in found.into_iter().filter(|(_, id)| !taken.contains_key(id)) {
            let Some(old) = self.entries[index].coupling.clone() else { continue };
            if self.move_coupling(index, &old, side, id).await? {
                moved.push(id);
            }
        }
        let columns = mapping.destination_columns(self.direction).to_vec();
        Ok(by_id(engine.system(side).fetch(mapping.table(side), &moved, &columns).await?))
    }

    /// Moves a coupling to another record of a side and says so. `false`: somebody else was faster, and the record comes
    /// again.
    async fn move_coupling(&mut self, index: usize, old: &Coupling, side: Side, id: RecordId) -> Result<bool, Stop> {
        let (engine, mapping) = (self.engine, self.mapping);
        let new = moved(old, side, id);
        let stored = engine.store().replace_coupling(engine.company(), &mapping.name, old, new).await?;
        let entry = &mut self.entries[index];
        let Some(stored) = stored else {
            entry.give_back("another worker changed this pair meanwhile", None);
            return Ok(false);
        };
        let label = stored.key.clone().unwrap_or_else(|| entry.record().to_string());
        let note = format!(
            "{label}: its {} was made again in {side}, and its coupling moved to the new one.",
            mapping.table(side).caption()
        );
        entry.coupling = Some(stored);
        // The values of the former record bind nobody: the source wins, as when two records are coupled anew (R50).
        entry.adopted = true;
        tracing::info!(
            mapping = %mapping.name, record = %entry.record(),
            "its partner in {side} was made again, and its coupling moved to the new one"
        );
        engine.store().add_remark(engine.company(), &self.job, self.run, &note).await?;
        Ok(true)
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
