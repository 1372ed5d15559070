//! Failures: records that were not synchronized and still have to be retried or mended.

use std::collections::HashMap;

use couplet_model::message::{Direction, SyncOptions};
use couplet_model::outcome::FieldConflict;
use couplet_model::{CompanyId, MappingName, RecordId, RunId, Side};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, Item, check_size, with_data};
use crate::keys::{self, Key, SHARDS};
use crate::requests::Range;

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A person must mend the record.
    Data,
    /// Both sides changed.
    Conflict,
    /// The record was synchronized, but for fields that stayed behind.
    Fields,
    /// It waits longer than it should for another record.
    Waiting,
}

/// The last failure of one record in one direction. Removed when the record is synchronized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Mapping.
    pub mapping: MappingName,
    /// Which way the record was to travel.
    pub direction: Direction,
    /// The source record.
    pub record: RecordId,
    /// Its partner, when it has one.
    #[serde(default)]
    pub other: Option<RecordId>,
    /// What people call the source record.
    pub label: String,
    /// The run it failed in last.
    pub run: RunId,
    /// When it failed first without having been synchronized since.
    pub first_at: Timestamp,
    /// When it failed last.
    pub at: Timestamp,
    /// How often it failed since then.
    pub attempts: u32,
    /// What kind of failure.
    pub kind: FailureKind,
    /// The field it is about, if one.
    #[serde(default)]
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
    /// The fields in conflict.
    #[serde(default)]
    pub conflicts: Vec<FieldConflict>,
    /// How the record was synchronized, and is to be again.
    #[serde(default, rename = "treatment")]
    pub options: SyncOptions,
    /// When to try again by itself; `None` when only a change or a person brings it back.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// The side from which one record of its pair was deleted, if that is why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Side>,
}

impl Failure {
    /// The side from which one record of its pair was deleted, if that is why it failed. Failures that an earlier version
    /// stored say so in words only.
    pub fn gone_from(&self) -> Option<Side> {
        let says =
            |side: &Side| self.message.contains("(EE12)") && self.message.contains(&format!("was deleted in {side}"));
        self.gone.or_else(|| [Side::BusinessCentral, Side::Dataverse].into_iter().find(says))
    }
}

/// One page of the failures of a mapping in one direction.
#[derive(Clone, Debug, Default)]
pub struct FailurePage {
    /// The failures.
    pub failures: Vec<Failure>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

/// The item of a failure.
pub(crate) fn failure_item(
    company: CompanyId,
    mapping: &MappingName,
    failure: &Failure,
) -> Result<(Key, Item), StoreError> {
    let key = keys::failure(company, mapping, failure.direction, failure.record);
    let name = || format!("the failure of {} ({}) in {mapping}", failure.label, failure.record);
    let item = with_data(&key, &name(), failure)?;
    check_size(&item, name)?;
    Ok((key, item))
}

impl Store {
    /// All failures of a mapping in one direction.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failures(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
    ) -> Result<Vec<Failure>, StoreError> {
        let items = self.query_shards(company, mapping, &keys::failure_prefix(direction)).await?;
        items.iter().map(item::data).collect()
    }

    /// All failures of a mapping in both directions, with half the queries of asking for each.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failures_both_ways(
        &self,
        company: CompanyId,
        mapping: &MappingName,
    ) -> Result<Vec<Failure>, StoreError> {
        let items = self.query_shards(company, mapping, keys::FAILURES).await?;
        items.iter().map(item::data).collect()
    }

    /// One page of the failures of a mapping in one direction, from a place on that an earlier page gave.
    ///
    /// # Errors
    /// When the store cannot be read, or the place is none.
    pub async fn failure_page(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
        after: Option<&str>,
        limit: usize,
    ) -> Result<FailurePage, StoreError> {
        let (limit, prefix) = (limit.max(1), keys::failure_prefix(direction));
        let (mut shard, mut last) = match after {
            None => (0, None),
            Some(place) => {
                let parsed = place
                    .split_once('#')
                    .and_then(|(shard, id)| Some((shard.parse::<u8>().ok()?, id.parse::<RecordId>().ok()?)));
                let (shard, id) = parsed
                    .ok_or_else(|| StoreError::Refused(format!("{place:?} is no place in the list of failures")))?;
                (shard, Some(format!("{prefix}{id}")))
            }
        };
        let mut page = FailurePage::default();
        while shard < SHARDS {
            let mut range = Range::starting(keys::shard_pk(company, mapping, shard), prefix.clone());
            range.after = last.take();
            range.per_request = i32::try_from(limit - page.failures.len()).ok();
            let (items, next) = self.query_once(&range).await?;
            for item in &items {
                page.failures.push(item::data(item)?);
            }
            if page.failures.len() >= limit {
                page.next = page.failures.last().map(|failure| format!("{shard}#{}", failure.record));
                return Ok(page);
            }
            match next {
                Some(_) => last = next,
                None => shard += 1,
            }
        }
        Ok(page)
    }

    /// The failures of some source records, by record.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn failures_of(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
        records: &[RecordId],
    ) -> Result<HashMap<RecordId, Failure>, StoreError> {
        let keys = records.iter().map(|record| keys::failure(company, mapping, direction, *record));
        let items = self.read_many(keys).await?;
        let failures = items.values().map(item::data::<Failure>).collect::<Result<Vec<_>, _>>()?;
        Ok(failures.into_iter().map(|failure| (failure.record, failure)).collect())
    }
}
