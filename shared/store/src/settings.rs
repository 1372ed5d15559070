//! Settings: small documents by name.

use couplet_model::CompanyId;
use serde_json::Value;

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, Item, check_size, with_data};
use crate::keys::{self, Key};
use crate::requests::Overwrite;

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
}
