//! Waits: records that need another record to be coupled first, found by what they need and by who they are.
//!
//! Nobody sleeps through the coupling they wait for if both sides look after they wrote: who stored a wait reads the
//! needed coupling once more, and who stored a coupling asks [`Store::waiting_for`]. All these reads are consistent.

use std::collections::{HashMap, HashSet};

use couplet_model::message::{Direction, SyncOptions};
use couplet_model::outcome::{Dependency, Need};
use couplet_model::{CompanyId, MappingName, RecordId, RecordMessage};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, EXPIRES, Item, check_size, expiry, with_data};
use crate::keys::{self, Key};
use crate::requests::{CONCURRENT, Overwrite, Range};

/// How long a mark outlives the last wait behind it. A mark too many costs one query, one too few leaves the wait to
/// the next run.
const MARK_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A record waiting for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What it needs.
    pub dependency: Dependency,
    /// The message to send when that is coupled. Without a snapshot: it would be old by then.
    pub message: RecordMessage,
    /// What people call the record; blank in waits of older versions, as all that follows.
    #[serde(default)]
    pub label: String,
    /// Caption of the field that refers to what it needs.
    #[serde(default)]
    pub field: String,
    /// What that field holds.
    #[serde(default)]
    pub value: String,
    /// Since when it has waited.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl Wait {
    /// A wait from now on. The message travels without its snapshot, and without an earlier wait.
    pub fn new(need: &Need, message: &RecordMessage, label: String, since: Timestamp) -> Self {
        let options = SyncOptions { waited_since: None, ..message.options };
        Self {
            dependency: need.dependency.clone(),
            message: RecordMessage { snapshot: None, replay: None, options, ..message.clone() },
            label,
            field: need.field.clone(),
            value: need.value.clone(),
            since: Some(since),
        }
    }

    /// What people call the record, or its id.
    pub fn name(&self) -> String {
        if self.label.is_empty() { self.message.record.to_string() } else { self.label.clone() }
    }

    /// Both keys it is stored under: by what is needed, and by who waits.
    fn keys(&self, company: CompanyId) -> [Key; 2] {
        let message = &self.message;
        [
            keys::wait(company, &message.mapping, message.direction, message.record, &self.dependency),
            keys::waiting(company, &message.mapping, message.direction, message.record, &self.dependency),
        ]
    }

    /// Both items it is stored as.
    pub(crate) fn items(&self, company: CompanyId) -> Result<[(Key, Item); 2], StoreError> {
        let name = || format!("the wait of {} in {}", self.message.record, self.message.mapping);
        let [by_need, by_record] = self.keys(company);
        let items = [with_data(&by_need, &name(), self)?, with_data(&by_record, &name(), self)?];
        check_size(&items[0], name)?;
        let [first, second] = items;
        Ok([(by_need, first), (by_record, second)])
    }
}

impl Store {
    /// Marks that something is about to wait for these, so that whoever couples them need not search in vain for the
    /// others.
    pub(crate) async fn mark_needed(
        &self,
        company: CompanyId,
        needed: impl Iterator<Item = &Dependency>,
    ) -> Result<(), StoreError> {
        let keys: HashSet<Key> = needed.map(|needed| keys::needed(company, needed)).collect();
        let marks = keys.iter().map(|key| {
            let mut item = key.attributes();
            item.insert(EXPIRES.to_owned(), expiry(self.now(), MARK_LIFE));
            Overwrite::Put(item)
        });
        self.overwrite(marks.collect()).await
    }

    /// What waits for these records.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting_for(&self, company: CompanyId, needed: &[Dependency]) -> Result<Vec<Wait>, StoreError> {
        let marks = self.read_many(needed.iter().map(|needed| keys::needed(company, needed))).await?;
        let marked: HashSet<&Dependency> =
            needed.iter().filter(|needed| marks.contains_key(&keys::needed(company, needed))).collect();
        let marked: Vec<Dependency> = marked.into_iter().cloned().collect();
        let waits: Vec<Vec<Wait>> = stream::iter(marked)
            .map(|needed| {
                let store = self.clone();
                async move { store.waits_for(company, &needed).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(waits.into_iter().flatten().collect())
    }

    async fn waits_for(&self, company: CompanyId, needed: &Dependency) -> Result<Vec<Wait>, StoreError> {
        let range = Range::starting(keys::needed_pk(company, needed), keys::wait_prefix(needed));
        let items = self.query(range).await?;
        let mut waits = items.iter().map(item::data).collect::<Result<Vec<Wait>, _>>()?;
        // The key of one dependency may be the start of another's.
        let place = keys::wait_prefix(needed);
        waits.retain(|wait| wait.dependency.mapping == needed.mapping && keys::wait_prefix(&wait.dependency) == place);
        Ok(waits)
    }

    /// Forgets waits, after their messages were sent.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_waits(&self, company: CompanyId, waits: &[Wait]) -> Result<(), StoreError> {
        let keys: HashSet<Key> = waits.iter().flat_map(|wait| wait.keys(company)).collect();
        self.overwrite(keys.into_iter().map(Overwrite::Delete).collect()).await
    }

    /// Since when these records have waited for what they wait for again, by record; those that have not are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waited_since(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
        waiting: &[(RecordId, &Dependency)],
    ) -> Result<HashMap<RecordId, Timestamp>, StoreError> {
        let keys = waiting.iter().map(|(record, needed)| keys::waiting(company, mapping, direction, *record, needed));
        let items = self.read_many(keys).await?;
        let waits = items.values().map(item::data::<Wait>).collect::<Result<Vec<_>, _>>()?;
        Ok(waits.into_iter().filter_map(|wait| Some((wait.message.record, wait.since?))).collect())
    }

    /// What one record of a mapping waits for in a direction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waits_of_record(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
        record: RecordId,
    ) -> Result<Vec<Wait>, StoreError> {
        let (pk, prefix) = keys::waits_of_record(company, mapping, direction, record);
        let items = self.query(Range::starting(pk, prefix)).await?;
        items.iter().map(item::data).collect()
    }

    /// How many of a mapping's own records wait.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_waits(&self, company: CompanyId, mapping: &MappingName) -> Result<u64, StoreError> {
        let partitions: Vec<String> = (0..keys::SHARDS).map(|shard| keys::shard_pk(company, mapping, shard)).collect();
        let counts: Vec<u64> = stream::iter(partitions)
            .map(|pk| {
                let store = self.clone();
                async move { store.count_starting(&pk, keys::WAITING).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(counts.iter().sum())
    }

    /// The waits of a mapping's own records.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waits_of_mapping(&self, company: CompanyId, mapping: &MappingName) -> Result<Vec<Wait>, StoreError> {
        let items = self.query_shards(company, mapping, keys::WAITING).await?;
        items.iter().map(item::data).collect()
    }
}
