//! A store belongs to one company and one organization: whoever starts with another pair is refused before anything is
//! read or written.

use std::sync::atomic::Ordering;

use couplet_model::table::Side;
use couplet_store::StoreOwner;

use crate::engine::Engine;
use crate::error::EngineError;

impl Engine {
    /// Makes sure, once per process, that the store belongs to the company and the organization the settings lead to. A
    /// store that belongs to nobody becomes theirs.
    ///
    /// # Errors
    /// [`EngineError::SomebodyElses`] when it belongs to others; else when the organization or the store cannot be asked.
    pub async fn confirm_owner(&self) -> Result<(), EngineError> {
        if self.memory.owner_is_confirmed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let found = self.installations().await?;
        let owner = match self.store().owner().await? {
            Some(owner) => owner,
            None => self.store().claim_store(&found).await?,
        };
        refuse_others(&owner, &found)?;
        self.memory.owner_is_confirmed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the store belongs to whom the settings lead to, or to nobody yet (`false`); changes nothing.
    ///
    /// # Errors
    /// As [`Engine::confirm_owner`].
    pub async fn look_at_owner(&self) -> Result<bool, EngineError> {
        let Some(owner) = self.store().owner().await? else { return Ok(false) };
        refuse_others(&owner, &self.installations().await?)?;
        Ok(true)
    }

    /// Accepts that the company is found in an environment of another name than before. Its id must be the same. Asks
    /// neither system; tells whose the store is now.
    ///
    /// # Errors
    /// [`EngineError::SomebodyElses`] when the company is another one, or the store is nobody's; else when the store fails.
    pub async fn accept_move(&self) -> Result<StoreOwner, EngineError> {
        let found = self.system(Side::BusinessCentral).installation().await?;
        let Some(mut owner) = self.store().owner().await? else {
            return Err(EngineError::SomebodyElses(
                "the store belongs to nobody yet; the first run makes it yours".to_owned(),
            ));
        };
        owner.business_central.place.clone_from(&found.place);
        refuse_others(&owner, &StoreOwner { business_central: found, dataverse: owner.dataverse.clone() })?;
        self.store().hand_store_to(&owner).await?;
        Ok(owner)
    }

    async fn installations(&self) -> Result<StoreOwner, EngineError> {
        Ok(StoreOwner {
            business_central: self.system(Side::BusinessCentral).installation().await?,
            dataverse: self.system(Side::Dataverse).installation().await?,
        })
    }
}

/// Compares the owner of a store with what the settings lead to. The address of an organization may change, because its id
/// does not; a copied company keeps its id, so that its environment counts, too.
fn refuse_others(owner: &StoreOwner, found: &StoreOwner) -> Result<(), EngineError> {
    const OWN_STORE: &str =
        "or give it a store of its own (data names the folder on this machine; on AWS, another stack)";
    let (company, theirs) = (&owner.business_central, &found.business_central);
    let problem = if company.id != theirs.id {
        format!(
            "the store belongs to the company {} in {}, and the settings lead to the company {} in {}: set company back, {OWN_STORE}",
            company.id, company.place, theirs.id, theirs.place
        )
    } else if company.place != theirs.place {
        format!(
            "the store belongs to the company {} in the environment {}, and the settings lead to the company of that id in {}: \
             set business_central.environment back, {OWN_STORE}; if it is the same environment under another name, run couplet resume --moved",
            company.id, company.place, theirs.place
        )
    } else if owner.dataverse.id != found.dataverse.id {
        format!(
            "the store belongs to the organization {} of Dataverse, found at {}, and the settings lead to the organization {} at {}: \
             set dataverse.url back, {OWN_STORE}",
            owner.dataverse.id, owner.dataverse.place, found.dataverse.id, found.dataverse.place
        )
    } else {
        return Ok(());
    };
    Err(EngineError::SomebodyElses(problem))
}

#[cfg(test)]
mod tests {
    use couplet_model::system::Installation;
    use uuid::Uuid;

    use super::*;

    fn owner(company: u128, environment: &str, organization: u128, address: &str) -> StoreOwner {
        StoreOwner {
            business_central: Installation { id: Uuid::from_u128(company), place: environment.to_owned() },
            dataverse: Installation { id: Uuid::from_u128(organization), place: address.to_owned() },
        }
    }

    #[test]
    fn r107_f13_only_the_same_company_environment_and_organization_are_let_in() {
        let ours = owner(1, "t/production", 2, "https://a");
        for (found, named) in [
            (owner(1, "t/production", 2, "https://a"), None),
            (owner(1, "t/production", 2, "https://renamed"), None),
            (owner(3, "t/production", 2, "https://a"), Some("set company back")),
            (owner(1, "t/sandbox", 2, "https://a"), Some("couplet resume --moved")),
            (owner(1, "t/production", 4, "https://b"), Some("set dataverse.url back")),
        ] {
            let answer = refuse_others(&ours, &found).map_err(|error| error.to_string());
            match named {
                None => assert_eq!(answer, Ok(())),
                Some(named) => {
                    let message = answer.expect_err("refused");
                    assert!(message.contains(named), "{message}");
                }
            }
        }
    }
}
