//! Settings: small documents by name.

use couplet_model::CompanyId;
use serde_json::Value;

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, DATA, Item, check_size, text, with_data};
use crate::keys::{self, Key};
use crate::requests::{Overwrite, Updated};
use crate::terms::Terms;

fn setting_item(key: &Key, name: &str, value: &Value) -> Result<Item, StoreError> {
    let what = || format!("the setting {name}");
    let item = with_data(key, &what(), value)?;
    check_size(&item, what)?;
    Ok(item)
}

impl Store {
    /// A setting.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn setting(&self, company: CompanyId, name: &str) -> Result<Option<Value>, StoreError> {
        self.read(&keys::setting(company, name)).await?.as_ref().map(item::data).transpose()
    }

    /// Stores a setting, whatever stood there.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_setting(&self, company: CompanyId, name: &str, value: &Value) -> Result<(), StoreError> {
        let key = keys::setting(company, name);
        let item = setting_item(&key, name, value)?;
        self.overwrite(vec![Overwrite::Put(item)]).await
    }

    /// Stores a setting if there is none, and tells what stands there now.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn put_setting_if_absent(
        &self,
        company: CompanyId,
        name: &str,
        value: &Value,
    ) -> Result<Value, StoreError> {
        let key = keys::setting(company, name);
        let item = setting_item(&key, name, value)?;
        let terms = Terms::update_with("SET #data = :data")
            .when("attribute_not_exists(pk)")
            .name(DATA)
            .value("data", item.get(DATA).cloned().unwrap_or_else(|| text("null")));
        match self.update(&key, &terms).await? {
            Updated::Done(_) => Ok(value.clone()),
            Updated::Refused(Some(standing)) => item::data(&standing),
            Updated::Refused(None) => Err(StoreError::Contended(format!("the setting {name}"))),
        }
    }
}
