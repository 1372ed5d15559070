//! Intents: reservations of records that get their ids from the system they are created in.
//!
//! Such a reservation stands under a stand-in id. Its mark makes it findable without its id, and once the record's own id
//! is known, the coupling moves there.

use couplet_model::{CompanyId, Coupling, CouplingState, MappingName, RecordId, Side, SystemId};
use jiff::SignedDuration;

use crate::Store;
use crate::couplings::{REVISION, coupling_item, own_pointer_or_none, pointer_item};
use crate::error::StoreError;
use crate::item::{EXPIRES, expiry, number};
use crate::keys::{self, Key};
use crate::requests::{Overwrite, Range};
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// How long the mark of a reservation is kept; every attempt renews it.
const MARK_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What became of a coupling that was to move to the record's own id.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and moved nearly always")]
pub enum Moved {
    /// It stands under that id now; with its revision.
    Moved(Coupling),
    /// Somebody else changed it since it was read, or the record belongs to another coupling of the mapping.
    Refused,
}

impl Store {
    /// Marks reservations before they are made, so that [`Store::open_intents`] finds them.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn mark_intents(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        stand_ins: &[SystemId],
    ) -> Result<(), StoreError> {
        let marks = stand_ins.iter().map(|id| {
            let mut item = keys::intent(company, mapping, (*id).into()).attributes();
            item.insert(EXPIRES.to_owned(), expiry(self.now(), MARK_LIFE));
            Overwrite::Put(item)
        });
        self.overwrite(marks.collect()).await
    }

    /// Forgets the marks of reservations that are known to have made nothing.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_intents(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        stand_ins: &[SystemId],
    ) -> Result<(), StoreError> {
        let marks = stand_ins.iter().map(|id| Overwrite::Delete(keys::intent(company, mapping, (*id).into())));
        self.overwrite(marks.collect()).await
    }

    /// The reservations of a mapping that may have made a record whose id is not known yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_intents(&self, company: CompanyId, mapping: &MappingName) -> Result<Vec<Coupling>, StoreError> {
        let marks = self.query(Range::starting(keys::intents_pk(company, mapping), "")).await?;
        let ids: Vec<RecordId> = marks.iter().filter_map(Key::of).filter_map(|key| key.sk.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let couplings = self.couplings_by_id(company, mapping, Side::BusinessCentral, &ids).await?;
        let is_open = |coupling: &Coupling| {
            coupling.state == CouplingState::Reserved && coupling.intent.as_ref().is_some_and(|intent| !intent.made)
        };
        let mut open: Vec<Coupling> = couplings.into_values().filter(is_open).collect();
        open.sort_by_key(|coupling| coupling.system_id);
        Ok(open)
    }

    /// Moves reservations from their stand-in ids to the ids of the records they have made, each on condition that
    /// nobody changed it since it was read and that the record is in no other coupling of the mapping. One result per
    /// reservation, in order.
    ///
    /// # Errors
    /// When the store cannot be written. Some may have been moved.
    pub async fn move_to_made(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        made: &[(Coupling, SystemId)],
    ) -> Result<Vec<Moved>, StoreError> {
        let mut results = vec![Moved::Refused; made.len()];
        let mut pending: Vec<usize> = (0..made.len()).collect();
        while !pending.is_empty() {
            let mut groups = Vec::with_capacity(pending.len());
            for &id in &pending {
                let (read, own) = &made[id];
                groups.push(self.moving(company, mapping, id, read, &moved(read, *own))?);
            }
            let (verdicts, later) = self.transact_packed(groups).await?;
            pending = later;
            for (id, verdict) in verdicts {
                match verdict {
                    Verdict::Applied => results[id] = Moved::Moved(moved(&made[id].0, made[id].1)),
                    Verdict::Refused(_) => {}
                    Verdict::Innocent => pending.push(id),
                }
            }
            pending.sort_unstable();
        }
        Ok(results)
    }

    fn moving(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        id: usize,
        read: &Coupling,
        moved: &Coupling,
    ) -> Result<Group<()>, StoreError> {
        let unchanged = Terms::only_if("#rev = :rev").name(REVISION).value("rev", number(read.revision));
        let (key, item) = coupling_item(company, mapping, moved)?;
        let stand_in = RecordId::from(read.system_id);
        let mut actions = if moved.system_id == read.system_id {
            vec![self.put((), key, item, &unchanged)?]
        } else {
            vec![
                self.delete((), keys::coupling(company, mapping, stand_in), &unchanged)?,
                self.put((), key, item, &Terms::absent())?,
            ]
        };
        let mut pointers = vec![keys::dataverse(company, mapping, read.dataverse_id.into())];
        pointers.extend(read.key.as_ref().map(|code| keys::code(company, mapping, code)));
        for key in pointers {
            let item = pointer_item(&key, moved);
            actions.push(self.put((), key, item, &own_pointer_or_none(read))?);
        }
        actions.extend(self.move_line_pointer((), company, mapping, [read, moved])?);
        actions.push(self.delete((), keys::intent(company, mapping, stand_in), &Terms::default())?);
        Ok(Group { id, actions })
    }
}

fn moved(read: &Coupling, own: SystemId) -> Coupling {
    let intent = read.intent.clone().map(|intent| couplet_model::coupling::Intent { made: true, ..intent });
    Coupling { system_id: own, intent, revision: read.revision + 1, ..read.clone() }
}
