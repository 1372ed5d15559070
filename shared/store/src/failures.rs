//! Failures: records that were not synchronized and still have to be retried or mended.

use std::collections::HashMap;

use couplet_model::message::{Direction, SyncOptions};
use couplet_model::outcome::FieldConflict;
use couplet_model::{CompanyId, MappingName, RecordId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, Item, check_size, with_data};
use crate::keys::{self, Key};

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
