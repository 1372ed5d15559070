//! Removing couplings with what points to them.

use std::collections::HashSet;

use couplet_model::{CompanyId, Coupling, MappingName};

use crate::Store;
use crate::couplings::{line_key, own_pointer_or_none};
use crate::error::StoreError;
use crate::item::{Item, number};
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// What became of the removal of a coupling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, now or already.
    Removed,
    /// Somebody changed it since it was read; it stays.
    Stale,
}

/// The role of an action in a removal.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Coupling,
    Pointer,
    KeyPointer,
    LinePointer,
}

/// What a refused removal comes to.
enum Next {
    Is(Removal),
    /// Another record has taken over the key, whose pointer stays: once more without it.
    WithoutKey,
}

impl Store {
    /// Removes a coupling of this mapping, with what points to it. A coupling that is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when somebody changed it since `coupling` was read.
    pub async fn remove_coupling(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        coupling: &Coupling,
    ) -> Result<(), StoreError> {
        match self.remove_couplings(company, mapping, std::slice::from_ref(coupling)).await?.first() {
            Some(Removal::Stale) => Err(StoreError::Stale {
                what: format!("the coupling of {} and {} in {mapping}", coupling.system_id, coupling.dataverse_id),
            }),
            Some(Removal::Removed) | None => Ok(()),
        }
    }

    /// Removes couplings of this mapping as they were read, with what points to them, packed into as few transactions as
    /// possible. One result per coupling, in order.
    ///
    /// # Errors
    /// When the store cannot be written. Some may have been removed.
    pub async fn remove_couplings(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        couplings: &[Coupling],
    ) -> Result<Vec<Removal>, StoreError> {
        let mut results = vec![Removal::Stale; couplings.len()];
        let mut pending: Vec<usize> = (0..couplings.len()).collect();
        let mut lost_keys: HashSet<usize> = HashSet::new();
        while !pending.is_empty() {
            let mut groups = Vec::with_capacity(pending.len());
            for id in pending {
                groups.push(self.removal(company, mapping, id, &couplings[id], !lost_keys.contains(&id))?);
            }
            let (verdicts, later) = self.transact_packed(groups).await?;
            pending = later;
            for (id, verdict) in verdicts {
                match verdict {
                    Verdict::Applied => results[id] = Removal::Removed,
                    Verdict::Innocent => pending.push(id),
                    Verdict::Refused(refused) => match judge(&refused) {
                        Next::Is(removal) => results[id] = removal,
                        Next::WithoutKey => {
                            lost_keys.insert(id);
                            pending.push(id);
                        }
                    },
                }
            }
            pending.sort_unstable();
        }
        Ok(results)
    }

    fn removal(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        id: usize,
        coupling: &Coupling,
        key_is_ours: bool,
    ) -> Result<Group<Role>, StoreError> {
        let unchanged = Terms::only_if("rev = :rev").value("rev", number(coupling.revision));
        let row = keys::dataverse(company, mapping, coupling.dataverse_id.into());
        let mut actions = vec![
            self.delete(Role::Coupling, keys::coupling(company, mapping, coupling.system_id.into()), &unchanged)?,
            self.delete(Role::Pointer, row, &own_pointer_or_none(coupling))?,
        ];
        if let Some(code) = coupling.key.as_ref().filter(|_| key_is_ours) {
            let key = keys::code(company, mapping, code);
            actions.push(self.delete(Role::KeyPointer, key, &own_pointer_or_none(coupling))?);
        }
        if let Some(key) = line_key(company, mapping, coupling) {
            actions.push(self.delete(Role::LinePointer, key, &Terms::default())?);
        }
        Ok(Group { id, actions })
    }
}

fn judge(refused: &[(Role, Option<Item>)]) -> Next {
    match refused.iter().find(|(role, _)| *role != Role::KeyPointer) {
        Some((Role::Coupling, None)) => Next::Is(Removal::Removed),
        Some(_) => Next::Is(Removal::Stale),
        None => Next::WithoutKey,
    }
}
