//! Reserving couplings: the promise that a record gets one partner only, made before anything is created.

use couplet_model::{CompanyId, Coupling, MappingName, RecordId, Side};

use crate::Store;
use crate::backoff::Backoff;
use crate::claim::claimed_item;
use crate::couplings::{line_key, pointed_at, pointer_item};
use crate::error::StoreError;
use crate::item::{self, Item};
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq)]
pub enum Reservation {
    /// Stored; with its revision.
    Reserved(Coupling),
    /// One of its records, or its key, is in another coupling of this mapping: this one.
    Taken(Coupling),
}

#[derive(Clone, Copy)]
enum Role {
    Coupling,
    Pointer,
}

/// Who stands in the way.
enum Taken {
    By(Box<Coupling>),
    ByOwner(RecordId),
}

impl Store {
    /// Stores couplings that are not there yet, each on condition that neither of its records nor its key is in another
    /// coupling of the mapping. One result per coupling, in order; of two that exclude each other the first wins.
    ///
    /// # Errors
    /// When the store cannot be written, or a coupling is too large. Some may have been stored; asking again finds
    /// them as taken by themselves.
    pub async fn reserve(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        couplings: Vec<Coupling>,
    ) -> Result<Vec<Reservation>, StoreError> {
        let couplings: Vec<Coupling> =
            couplings.into_iter().map(|coupling| Coupling { revision: 1, ..coupling }).collect();
        let mut results: Vec<Option<Reservation>> = vec![None; couplings.len()];
        let mut pending: Vec<usize> = (0..couplings.len()).collect();
        let mut backoff = Backoff::default();
        while !pending.is_empty() {
            let mut groups = Vec::with_capacity(pending.len());
            for &id in &pending {
                groups.push(self.reservation(company, mapping, id, &couplings[id])?);
            }
            let (verdicts, mut again) = self.transact_packed(groups).await?;
            let mut owned: Vec<(usize, RecordId)> = Vec::new();
            for (id, verdict) in verdicts {
                match verdict {
                    Verdict::Applied => results[id] = Some(Reservation::Reserved(couplings[id].clone())),
                    Verdict::Innocent => again.push(id),
                    Verdict::Refused(refused) => match obstacle(&refused)? {
                        Some(Taken::By(coupling)) => results[id] = Some(Reservation::Taken(*coupling)),
                        Some(Taken::ByOwner(owner)) => owned.push((id, owner)),
                        None => again.push(id),
                    },
                }
            }
            let vanished = self.name_owners(company, mapping, &owned, &mut results).await?;
            // Only a coupling removed under our eyes brings a reservation here twice.
            if !vanished.is_empty() && !backoff.pause().await {
                return Err(StoreError::Contended(format!("reservations in {mapping}")));
            }
            again.extend(vanished);
            again.sort_unstable();
            pending = again;
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Takes reservations back whose record was not created after all. What somebody else has changed meanwhile stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_reservations(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        couplings: &[Coupling],
    ) -> Result<(), StoreError> {
        self.remove_couplings(company, mapping, couplings).await?;
        Ok(())
    }

    fn reservation(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        id: usize,
        coupling: &Coupling,
    ) -> Result<Group<Role>, StoreError> {
        let absent = Terms::absent();
        let (key, item) = claimed_item(company, mapping, coupling)?;
        let mut actions = vec![self.put(Role::Coupling, key, item, &absent)?];
        let mut pointers = vec![keys::dataverse(company, mapping, coupling.dataverse_id.into())];
        pointers.extend(coupling.key.as_ref().map(|code| keys::code(company, mapping, code)));
        for key in pointers {
            let item = pointer_item(&key, coupling);
            actions.push(self.put(Role::Pointer, key, item, &absent)?);
        }
        if let Some(key) = line_key(company, mapping, coupling) {
            let item = pointer_item(&key, coupling);
            actions.push(self.put(Role::Pointer, key, item, &Terms::default())?);
        }
        Ok(Group { id, actions })
    }

    /// Fills in the couplings that own the pointers in the way; tells which of them are gone meanwhile.
    async fn name_owners(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        owned: &[(usize, RecordId)],
        results: &mut [Option<Reservation>],
    ) -> Result<Vec<usize>, StoreError> {
        if owned.is_empty() {
            return Ok(Vec::new());
        }
        let owners: Vec<RecordId> = owned.iter().map(|(_, owner)| *owner).collect();
        let standing = self.couplings_by_id(company, mapping, Side::BusinessCentral, &owners).await?;
        let mut vanished = Vec::new();
        for (id, owner) in owned {
            match standing.get(owner) {
                Some(coupling) => results[*id] = Some(Reservation::Taken(coupling.clone())),
                None => vanished.push(*id),
            }
        }
        Ok(vanished)
    }
}

/// Who stands in the way of a refused reservation: the coupling of the Business Central record before any other.
fn obstacle(refused: &[(Role, Option<Item>)]) -> Result<Option<Taken>, StoreError> {
    let mut owner = None;
    for (role, item) in refused {
        match (role, item) {
            (Role::Coupling, Some(item)) => return Ok(Some(Taken::By(Box::new(item::data(item)?)))),
            (Role::Pointer, Some(item)) if owner.is_none() => owner = Some(Taken::ByOwner(pointed_at(item)?)),
            _ => {}
        }
    }
    Ok(owner)
}
