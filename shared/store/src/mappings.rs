//! The mappings of the installation, revision by revision: one small item names the revision that is in force, and each
//! revision is an item of its own that never changes. An earlier one is kept as long as messages of its runs may come.

use couplet_model::CompanyId;
use jiff::SignedDuration;
use serde_json::Value;

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, EXPIRES, check_size, count_of, expiry, number, with_data};
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// Attribute with the revision in force.
const REVISION: &str = "revision";

/// How much longer than its runs a revision is kept that is in force no more.
const LONGER: SignedDuration = SignedDuration::from_hours(15 * 24);

/// What became of a change of the mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingsStored {
    /// They are in force as this revision.
    As(u64),
    /// Another revision is in force than the one that was changed; nothing was stored.
    Overtaken,
}

impl Store {
    /// The revision of the mappings that is in force; 0 as long as nobody has changed any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mappings_revision(&self, company: CompanyId) -> Result<u64, StoreError> {
        let item = self.read(&keys::mappings_in_force(company)).await?;
        item.as_ref().map_or(Ok(0), |item| count_of(item, REVISION))
    }

    /// The mappings of a revision; `None` when they are not kept any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn mappings_of(&self, company: CompanyId, revision: u64) -> Result<Option<Value>, StoreError> {
        self.read(&keys::mappings_of(company, revision)).await?.as_ref().map(item::data).transpose()
    }

    /// Stores mappings as the revision after `before`, if that is in force still. All of it is stored, or nothing.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when they are larger than an item may be; else when the store cannot be written.
    pub async fn store_mappings(
        &self,
        company: CompanyId,
        before: u64,
        mappings: &Value,
    ) -> Result<MappingsStored, StoreError> {
        let revision = before + 1;
        let place = keys::mappings_of(company, revision);
        let what = || "what the installation changes of its mappings".to_owned();
        let document = with_data(&place, &what(), mappings)?;
        check_size(&document, what)?;
        let current = keys::mappings_in_force(company);
        let mut pointer = current.attributes();
        pointer.insert(REVISION.to_owned(), number(revision));
        let as_read = match before {
            0 => Terms::absent(),
            _ => Terms::only_if("revision = :before").value("before", number(before)),
        };
        let mut actions =
            vec![self.put((), current, pointer, &as_read)?, self.put((), place, document, &Terms::absent())?];
        if before > 0 {
            let kept = expiry(self.now(), self.retention.runs.saturating_add(LONGER));
            let terms = Terms::update_with(format!("SET {EXPIRES} = :expires")).value("expires", kept);
            actions.push(self.change((), keys::mappings_of(company, before), &terms)?);
        }
        let verdicts = self.transact(&[Group { id: 0, actions }], None).await?;
        Ok(match verdicts.as_slice() {
            [(_, Verdict::Applied)] => MappingsStored::As(revision),
            _ => MappingsStored::Overtaken,
        })
    }
}
