//! The plan of the full synchronization of the installation: one item, changed only by whoever knows it as it stands.

use couplet_model::CompanyId;
use couplet_model::full_sync::Plan;

use crate::Store;
use crate::couplings::REVISION;
use crate::error::StoreError;
use crate::item::{self, check_size, count_of, number, with_data};
use crate::keys;
use crate::requests::Overwrite;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPlan {
    /// The plan.
    pub plan: Plan,
    /// Which change of it this is; whoever changes it next names it.
    pub revision: u64,
}

impl Store {
    /// The plan of the full synchronization; `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn full_sync(&self, company: CompanyId) -> Result<Option<StoredPlan>, StoreError> {
        let Some(found) = self.read(&keys::full_sync(company)).await? else { return Ok(None) };
        Ok(Some(StoredPlan { plan: item::data(&found)?, revision: count_of(&found, REVISION)? }))
    }

    /// Stores a plan in the place of the one of this revision, or of none. `false`: it has been changed meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_full_sync(
        &self,
        company: CompanyId,
        plan: &Plan,
        instead_of: Option<u64>,
    ) -> Result<bool, StoreError> {
        let key = keys::full_sync(company);
        let what = || "the plan of the full synchronization".to_owned();
        let mut new = with_data(&key, &what(), plan)?;
        new.insert(REVISION.to_owned(), number(instead_of.unwrap_or(0) + 1));
        check_size(&new, what)?;
        let terms = match instead_of {
            None => Terms::absent(),
            Some(revision) => Terms::only_if("rev = :rev").value("rev", number(revision)),
        };
        let action = self.put((), key, new, &terms)?;
        let verdicts = self.transact(&[Group { id: 0, actions: vec![action] }], None).await?;
        Ok(matches!(verdicts.as_slice(), [(_, Verdict::Applied)]))
    }

    /// Removes the plan, whatever it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn remove_full_sync(&self, company: CompanyId) -> Result<(), StoreError> {
        self.overwrite(vec![Overwrite::Delete(keys::full_sync(company))]).await
    }
}
