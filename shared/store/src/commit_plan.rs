//! How one commit becomes actions, and what a refusal of them means.

use couplet_model::{CompanyId, Coupling, MappingName, RecordId};

use crate::Store;
use crate::commit::{Commit, FailureChange};
use crate::couplings::{
    DATAVERSE_ID, KEY, REVISION, coupling_item, line_key, own_pointer_or_none, pointer_item, stored_identity,
};
use crate::error::StoreError;
use crate::failures::failure_item;
use crate::item::{Item, number, text};
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Action, Group};

/// What an action of a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Coupling,
    /// Points from the Dataverse id to the coupling.
    Pointer,
    OldPointer,
    /// Points from the key to the coupling.
    KeyPointer,
    OldKeyPointer,
    /// Points from the document to the coupling of its line.
    LinePointer,
    Failure,
    Wait,
    /// Adds to the counters of the run.
    Count,
}

/// What is known of the stored coupling a commit replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Taken to have the same ids and the same key, as nearly always. The condition says so, too.
    #[default]
    Alike,
    /// Seen to differ; what points to it must change with it.
    Different {
        dataverse_id: RecordId,
        /// Its key, if that still points to this coupling.
        key: Option<String>,
    },
}

/// What to do with a refused commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Somebody else was faster.
    Stale,
    /// Try again, knowing this.
    Again(Stored),
}

/// Where commits belong.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub company: CompanyId,
    pub mapping: &'a MappingName,
}

impl Store {
    /// The actions of one commit.
    pub(crate) fn commit_group(
        &self,
        scope: Scope<'_>,
        id: usize,
        commit: &Commit,
        stored: &Stored,
    ) -> Result<Group<Role>, StoreError> {
        let Scope { company, mapping } = scope;
        let mut actions = Vec::new();
        if let Some(coupling) = &commit.coupling {
            self.coupling_actions(scope, coupling, stored, &mut actions)?;
        }
        match &commit.failure {
            FailureChange::Keep => {}
            FailureChange::Clear => {
                let key = keys::failure(company, mapping, commit.direction, commit.record);
                actions.push(self.delete(Role::Failure, key, &Terms::default())?);
            }
            FailureChange::Set(failure) => {
                let (key, item) = failure_item(company, mapping, failure)?;
                actions.push(self.put(Role::Failure, key, item, &Terms::default())?);
            }
        }
        if let Some(wait) = &commit.wait {
            for (key, item) in wait.items(company)? {
                actions.push(self.put(Role::Wait, key, item, &Terms::default())?);
            }
        }
        Ok(Group { id, actions })
    }

    fn coupling_actions(
        &self,
        scope: Scope<'_>,
        coupling: &Coupling,
        stored: &Stored,
        actions: &mut Vec<Action<Role>>,
    ) -> Result<(), StoreError> {
        let Scope { company, mapping } = scope;
        let next = Coupling { revision: coupling.revision + 1, ..coupling.clone() };
        let (key, item) = coupling_item(company, mapping, &next)?;
        actions.push(self.put(Role::Coupling, key, item, &condition(coupling, stored))?);

        let new = coupling.revision == 0;
        let (old_id, old_key) = match stored {
            Stored::Different { dataverse_id, key } => (Some(*dataverse_id), key.as_deref()),
            Stored::Alike if new => (None, None),
            Stored::Alike => return Ok(()),
        };
        let id = RecordId::from(coupling.dataverse_id);
        if old_id != Some(id) {
            let key = keys::dataverse(company, mapping, id);
            let item = pointer_item(&key, coupling);
            actions.push(self.put(Role::Pointer, key, item, &own_pointer_or_none(coupling))?);
            if let Some(old_id) = old_id {
                let key = keys::dataverse(company, mapping, old_id);
                actions.push(self.delete(Role::OldPointer, key, &Terms::default())?);
            }
        }
        if let Some(key) = line_key(company, mapping, coupling).filter(|_| new) {
            let item = pointer_item(&key, coupling);
            actions.push(self.put(Role::LinePointer, key, item, &Terms::default())?);
        }
        let key_of = |code: &str| keys::code(company, mapping, code);
        if coupling.key.as_deref().map(key_of) != old_key.map(key_of) {
            if let Some(code) = &coupling.key {
                // A renamed record takes over the key, whose former owner is renamed or gone. Of a new pair nobody knows that.
                let terms = if new { own_pointer_or_none(coupling) } else { Terms::default() };
                let key = keys::code(company, mapping, code);
                let item = pointer_item(&key, coupling);
                actions.push(self.put(Role::KeyPointer, key, item, &terms)?);
            }
            if let Some(old_key) = old_key {
                let key = keys::code(company, mapping, old_key);
                actions.push(self.delete(Role::OldKeyPointer, key, &own_pointer_or_none(coupling))?);
            }
        }
        Ok(())
    }
}

/// What must stand in the store for a coupling to be replaced.
fn condition(coupling: &Coupling, stored: &Stored) -> Terms {
    if coupling.revision == 0 {
        return Terms::absent();
    }
    let revision = Terms::only_if("#rev = :rev").name(REVISION).value("rev", number(coupling.revision));
    // A revision is stored once: whoever has seen it with another id or key need not ask for these again.
    if *stored != Stored::Alike {
        return revision;
    }
    let alike = revision.name(DATAVERSE_ID).name(KEY).value("dv", text(coupling.dataverse_id.to_string()));
    match &coupling.key {
        Some(code) => alike.when("#rev = :rev AND #dv = :dv AND #key = :key").value("key", text(code)),
        None => alike.when("#rev = :rev AND #dv = :dv AND attribute_not_exists(#key)"),
    }
}

/// What a refusal of some of its actions means for a commit.
pub(crate) fn judge(
    coupling: Option<&Coupling>,
    stored: &Stored,
    refused: &[(Role, Option<Item>)],
) -> Result<Next, StoreError> {
    let Some(coupling) = coupling else { return Ok(Next::Stale) };
    for (role, item) in refused {
        match role {
            Role::Coupling => {
                let (Some(item), Stored::Alike) = (item, stored) else { return Ok(Next::Stale) };
                let (revision, dataverse_id, key) = stored_identity(item)?;
                if revision != coupling.revision {
                    return Ok(Next::Stale);
                }
                return Ok(Next::Again(Stored::Different { dataverse_id, key }));
            }
            Role::OldKeyPointer => {}
            _ => return Ok(Next::Stale),
        }
    }
    // Only the old key was refused: another record has taken it over, its pointer stays.
    match stored {
        Stored::Different { dataverse_id, key: Some(_) } => {
            Ok(Next::Again(Stored::Different { dataverse_id: *dataverse_id, key: None }))
        }
        _ => Ok(Next::Stale),
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::{CouplingState, DataverseId, SystemId};
    use uuid::Uuid;

    use super::*;

    fn coupling() -> Coupling {
        let (bc, dv) = (SystemId(Uuid::from_u128(1)), DataverseId(Uuid::from_u128(2)));
        Coupling { revision: 3, key: Some("1000".into()), ..Coupling::new(bc, dv, CouplingState::Coupled) }
    }

    fn stands(revision: u64, key: &str) -> Option<Item> {
        Some(Item::from([
            (REVISION.to_owned(), number(revision)),
            (DATAVERSE_ID.to_owned(), text(Uuid::from_u128(2).to_string())),
            (KEY.to_owned(), text(key)),
        ]))
    }

    #[test]
    fn another_revision_is_stale_and_another_key_is_only_a_rename() {
        let refused = |item| judge(Some(&coupling()), &Stored::Alike, &[(Role::Coupling, item)]).expect("judged");
        assert_eq!(refused(None), Next::Stale);
        assert_eq!(refused(stands(4, "1000")), Next::Stale);
        let renamed = Stored::Different { dataverse_id: RecordId(Uuid::from_u128(2)), key: Some("0999".into()) };
        assert_eq!(refused(stands(3, "0999")), Next::Again(renamed));
    }

    #[test]
    fn a_row_of_another_coupling_is_stale_and_a_lost_key_is_left_to_its_new_owner() {
        let id = RecordId(Uuid::from_u128(2));
        let stored = Stored::Different { dataverse_id: id, key: Some("0999".into()) };
        let refused = |role| judge(Some(&coupling()), &stored, &[(role, None)]).expect("judged");
        assert_eq!(refused(Role::Pointer), Next::Stale);
        assert_eq!(refused(Role::OldKeyPointer), Next::Again(Stored::Different { dataverse_id: id, key: None }));
    }
}
