//! The history of records: how each ended, when and why, kept for a while.
//!
//! What happened to a pair stands in one partition, by the id of its Business Central record, whichever way it travelled. What
//! happened to a Dataverse row before it was coupled stands in a partition of its own, by its id; so does, a second time,
//! whatever ends a pair, because nothing leads from the row to the other record afterwards.

use std::collections::HashMap;

use couplet_model::field_rule::FieldRule;
use couplet_model::history::{Cause, FieldReason, HistoryEntry, HistoryOutcome, Origin};
use couplet_model::message::Direction;
use couplet_model::{CompanyId, MappingName, RecordId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, EXPIRES, Item, expiry, size, with_data};
use crate::keys::{self, Key};
use crate::requests::{Overwrite, Range};

/// The largest item of the history, in bytes: three write units. An ordinary change takes one.
const LARGEST: usize = 3 * 1024;

/// An entry as it is stored: short names, because every byte of a change is paid for.
#[derive(Deserialize, Serialize)]
struct Stored {
    #[serde(rename = "t")]
    at: Timestamp,
    #[serde(rename = "r")]
    run: RunId,
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(rename = "d")]
    direction: Direction,
    #[serde(rename = "bc", default, skip_serializing_if = "Option::is_none")]
    business_central: Option<RecordId>,
    #[serde(rename = "dv", default, skip_serializing_if = "Option::is_none")]
    dataverse: Option<RecordId>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    former: Option<RecordId>,
    #[serde(rename = "o")]
    outcome: HistoryOutcome,
    #[serde(rename = "c")]
    cause: Cause,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<StoredField>,
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    more_fields: usize,
    #[serde(rename = "x", default)]
    change: u32,
}

/// A field of an entry. What was written is left out where it is what the source held, which is said instead.
#[derive(Deserialize, Serialize)]
struct StoredField {
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(rename = "d")]
    destination: String,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    source_value: Option<String>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    destination_value: Option<String>,
    /// The base, unless the destination held the same.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    #[serde(rename = "ob", default, skip_serializing_if = "std::ops::Not::not")]
    is_base_held: bool,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    #[serde(rename = "vw", default, skip_serializing_if = "std::ops::Not::not")]
    is_source_written: bool,
    #[serde(rename = "r", default = "of_new_record", skip_serializing_if = "is_of_new_record")]
    rule: FieldRule,
    #[serde(rename = "g", default, skip_serializing_if = "is_field")]
    origin: Origin,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_of_new_record(rule: &FieldRule) -> bool {
    *rule == FieldRule::NewRecord
}

fn of_new_record() -> FieldRule {
    FieldRule::NewRecord
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_field(origin: &Origin) -> bool {
    *origin == Origin::Field
}

impl From<&FieldReason> for StoredField {
    fn from(field: &FieldReason) -> Self {
        let is_base_held = field.base.is_some() && field.base == field.destination_value;
        let is_source_written = field.written.is_some() && field.written == field.source_value;
        Self {
            source: field.source.clone(),
            destination: field.destination.clone(),
            source_value: field.source_value.clone(),
            destination_value: field.destination_value.clone(),
            base: field.base.clone().filter(|_| !is_base_held),
            is_base_held,
            written: field.written.clone().filter(|_| !is_source_written),
            is_source_written,
            rule: field.rule,
            origin: field.origin,
        }
    }
}

impl From<StoredField> for FieldReason {
    fn from(field: StoredField) -> Self {
        Self {
            base: if field.is_base_held { field.destination_value.clone() } else { field.base },
            written: if field.is_source_written { field.source_value.clone() } else { field.written },
            source: field.source,
            destination: field.destination,
            source_value: field.source_value,
            destination_value: field.destination_value,
            rule: field.rule,
            origin: field.origin,
        }
    }
}

impl Stored {
    fn of(mapping: &MappingName, entry: &HistoryEntry) -> Self {
        Self {
            at: entry.at,
            run: entry.run,
            job: Some(entry.job.clone()).filter(|job| job != mapping.as_str()),
            direction: entry.direction,
            business_central: entry.business_central,
            dataverse: entry.dataverse,
            former: entry.former,
            outcome: entry.outcome,
            cause: entry.cause,
            message: entry.message.clone(),
            fields: entry.fields.iter().map(StoredField::from).collect(),
            more_fields: entry.more_fields,
            change: entry.change,
        }
    }

    fn into_entry(self, mapping: &MappingName) -> HistoryEntry {
        HistoryEntry {
            at: self.at,
            run: self.run,
            job: self.job.unwrap_or_else(|| mapping.to_string()),
            direction: self.direction,
            business_central: self.business_central,
            dataverse: self.dataverse,
            former: self.former,
            outcome: self.outcome,
            cause: self.cause,
            message: self.message,
            fields: self.fields.into_iter().map(FieldReason::from).collect(),
            more_fields: self.more_fields,
            change: self.change,
        }
    }
}

/// The partitions an entry belongs to.
fn places(entry: &HistoryEntry) -> Vec<RecordId> {
    match (entry.business_central, entry.dataverse) {
        (Some(record), Some(row)) if entry.cause.ends_a_pair() => vec![record, row],
        (Some(record), _) => vec![record],
        (None, row) => row.into_iter().collect(),
    }
}

impl Store {
    /// Whether the history of records is kept.
    pub fn keeps_history(&self) -> bool {
        self.retention.history.is_positive()
    }

    /// How long the history of records is kept.
    pub fn history_kept(&self) -> jiff::SignedDuration {
        self.retention.history
    }

    /// Adds to the history of records of a mapping, in bulk and without a condition. What a record became in one run, one
    /// direction and by one change of its source is one entry, however often it is added. Nothing is added where the history is
    /// not kept.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn record_history(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        entries: &[HistoryEntry],
    ) -> Result<(), StoreError> {
        if !self.keeps_history() {
            return Ok(());
        }
        let mut items: HashMap<Key, Item> = HashMap::with_capacity(entries.len());
        for entry in entries {
            for place in places(entry) {
                let key = keys::history(company, mapping, place, entry);
                items.insert(key.clone(), self.history_item(mapping, &key, entry)?);
            }
        }
        self.overwrite(items.into_values().map(Overwrite::Put).collect()).await
    }

    /// The item of an entry, with as many fields as it has room for.
    fn history_item(&self, mapping: &MappingName, key: &Key, entry: &HistoryEntry) -> Result<Item, StoreError> {
        let mut stored = Stored::of(mapping, entry);
        let fields = std::mem::take(&mut stored.fields);
        let name = "the history of a record";
        // What is said of the fields that found no room takes some itself.
        let mut room = LARGEST.saturating_sub(size(&with_data(key, name, &stored)?) + 64);
        for field in fields {
            let taken = serde_json::to_string(&field).map_err(|error| StoreError::corrupt(name, &error))?.len() + 1;
            if taken > room || stored.more_fields > entry.more_fields {
                stored.more_fields += 1;
            } else {
                room -= taken;
                stored.fields.push(field);
            }
        }
        let mut item = with_data(key, name, &stored)?;
        item.insert(EXPIRES.to_owned(), expiry(entry.at, self.retention.history));
        Ok(item)
    }

    /// The last entries in the partition of a record, by its id on either side, newest first. They are ordered by the run that
    /// brought the record; of one run in no order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn history(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        record: RecordId,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let mut range = Range::starting(keys::history_pk(company, mapping, record), "");
        range.backwards = true;
        let mut entries: Vec<HistoryEntry> = Vec::new();
        while entries.len() < limit {
            range.per_request = i32::try_from(limit - entries.len()).ok();
            let (items, last) = self.query_once(&range).await?;
            for found in &items {
                entries.push(item::data::<Stored>(found)?.into_entry(mapping));
            }
            match last {
                Some(_) => range.after = last,
                None => break,
            }
        }
        Ok(entries)
    }
}
