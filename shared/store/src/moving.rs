//! Moving a coupling to another row of Dataverse, such as the master of an account that was merged.

use couplet_model::coupling::SideState;
use couplet_model::message::Direction;
use couplet_model::{CompanyId, Coupling, DataverseId, MappingName, PendingWrite, Side};

use crate::Store;
use crate::backoff::Backoff;
use crate::couplings::{REVISION, coupling_item, own_pointer_or_none, pointed_at, pointer_item};
use crate::error::StoreError;
use crate::item::number;
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// What became of a move.
#[derive(Clone, Debug, PartialEq)]
pub enum RowMove {
    /// The coupling leads to the new row; this is it.
    Moved(Coupling),
    /// The row is in this coupling of the mapping already.
    Taken(Coupling),
    /// Somebody else changed the coupling since it was read.
    Stale,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Coupling,
    OldPointer,
    NewPointer,
}

impl Store {
    /// Moves a coupling as it was read to another row of Dataverse, on condition that nobody changed it since and that
    /// the row is in no other coupling of the mapping. What both sides last agreed on stays; what was known of the old
    /// row's version does not.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn move_coupling(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        coupling: &Coupling,
        to: DataverseId,
    ) -> Result<RowMove, StoreError> {
        let moved = Coupling {
            dataverse_id: to,
            dataverse: SideState::default(),
            claimed_until: None,
            claimed_by: None,
            // What was about to be written went to the old row.
            pending: pending_from_dataverse(coupling),
            revision: coupling.revision + 1,
            ..coupling.clone()
        };
        let mut backoff = Backoff::default();
        loop {
            let (key, item) = coupling_item(company, mapping, &moved)?;
            let unchanged = Terms::only_if("#rev = :rev").name(REVISION).value("rev", number(coupling.revision));
            let old = keys::dataverse(company, mapping, coupling.dataverse_id.into());
            let new = keys::dataverse(company, mapping, to.into());
            let pointer = pointer_item(&new, &moved);
            let actions = vec![
                self.put(Role::Coupling, key, item, &unchanged)?,
                self.delete(Role::OldPointer, old, &own_pointer_or_none(coupling))?,
                self.put(Role::NewPointer, new, pointer, &Terms::absent())?,
            ];
            let verdicts = self.transact(&[Group { id: 0, actions }], None).await?;
            let refused = match verdicts.into_iter().next() {
                None | Some((_, Verdict::Applied)) => return Ok(RowMove::Moved(moved)),
                Some((_, Verdict::Innocent)) => Vec::new(),
                Some((_, Verdict::Refused(refused))) => refused,
            };
            if refused.iter().any(|(role, _)| *role != Role::NewPointer) {
                return Ok(RowMove::Stale);
            }
            if let Some((_, Some(pointer))) = refused.first() {
                let owner = [pointed_at(pointer)?];
                let found = self.couplings_by_id(company, mapping, Side::BusinessCentral, &owner).await?;
                if let Some(owner) = found.into_values().next() {
                    return Ok(RowMove::Taken(owner));
                }
            }
            if !backoff.pause().await {
                return Ok(RowMove::Stale);
            }
        }
    }
}

fn pending_from_dataverse(coupling: &Coupling) -> Vec<PendingWrite> {
    coupling.pending.iter().filter(|write| write.direction == Direction::FromDataverse).cloned().collect()
}
