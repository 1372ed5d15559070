//! Whom the table belongs to: one company of Business Central and one organization of Dataverse. Couplings of another pair
//! would mix with theirs, and cursors lead nowhere but to where they came from.

use couplet_model::system::Installation;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, DATA, text, with_data};
use crate::keys;
use crate::requests::{Overwrite, Updated};
use crate::terms::Terms;

const WHAT: &str = "the owner of the store";

/// The company and the organization a table belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreOwner {
    /// The company.
    pub business_central: Installation,
    /// The organization.
    pub dataverse: Installation,
}

impl Store {
    /// Whom the table belongs to; `None` while it belongs to nobody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn owner(&self) -> Result<Option<StoreOwner>, StoreError> {
        self.read(&keys::owner()).await?.as_ref().map(item::data).transpose()
    }

    /// Gives the table to an owner if it has none, and tells whose it is now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim_store(&self, owner: &StoreOwner) -> Result<StoreOwner, StoreError> {
        let key = keys::owner();
        let item = with_data(&key, WHAT, owner)?;
        let terms = Terms::update_with("SET #data = :data")
            .when("attribute_not_exists(pk)")
            .name(DATA)
            .value("data", item.get(DATA).cloned().unwrap_or_else(|| text("null")));
        match self.update(&key, &terms).await? {
            Updated::Done(_) => Ok(owner.clone()),
            Updated::Refused(Some(standing)) => item::data(&standing),
            Updated::Refused(None) => Err(StoreError::Contended(WHAT.to_owned())),
        }
    }

    /// Gives the table to an owner, whoever had it: only a person decides that.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn hand_store_to(&self, owner: &StoreOwner) -> Result<(), StoreError> {
        self.overwrite(vec![Overwrite::Put(with_data(&keys::owner(), WHAT, owner)?)]).await
    }
}
