//! The history of errors: what went wrong when, kept for a while.

use std::collections::HashMap;

use couplet_model::message::Direction;
use couplet_model::{CompanyId, MappingName, RecordId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::failures::FailureKind;
use crate::item::{self, EXPIRES, Item, check_size, expiry, with_data};
use crate::keys::{self, Key};
use crate::requests::{Overwrite, Range};

/// What kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A person must mend the record.
    Data,
    /// Both sides changed.
    Conflict,
    /// The record was synchronized, but for fields that stayed behind.
    Fields,
    /// It waits longer than it should for another record.
    Waiting,
    /// The record was synchronized, with values that arrived in another form.
    Altered,
    /// One that another version knows.
    #[serde(other)]
    Unknown,
}

impl From<FailureKind> for ErrorKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Data => Self::Data,
            FailureKind::Conflict => Self::Conflict,
            FailureKind::Fields => Self::Fields,
            FailureKind::Waiting => Self::Waiting,
        }
    }
}

/// An error of one record in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// The run it happened in.
    pub run: RunId,
    /// The job of the run.
    pub job: String,
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
    /// When.
    pub at: Timestamp,
    /// The field it is about, if one.
    #[serde(default)]
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
    /// What kind of error.
    pub kind: ErrorKind,
}

impl Store {
    /// Adds errors to the history. The same error twice is one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn record_errors(&self, company: CompanyId, errors: Vec<ErrorRecord>) -> Result<(), StoreError> {
        let mut items: HashMap<Key, Item> = HashMap::with_capacity(errors.len());
        for error in &errors {
            let key = keys::error(company, &error.mapping, error.at, error.run, error.direction, error.record);
            let name = || format!("the error of {} ({}) in {}", error.label, error.record, error.mapping);
            let mut item = with_data(&key, &name(), error)?;
            item.insert(EXPIRES.to_owned(), expiry(error.at, self.retention.errors));
            check_size(&item, name)?;
            items.insert(key, item);
        }
        self.overwrite(items.into_values().map(Overwrite::Put).collect()).await
    }

    /// The last errors of a mapping, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn errors(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        limit: usize,
    ) -> Result<Vec<ErrorRecord>, StoreError> {
        let mut range = Range::starting(keys::errors_pk(company, mapping), "");
        range.backwards = true;
        let mut errors = Vec::new();
        while errors.len() < limit {
            range.per_request = i32::try_from(limit - errors.len()).ok();
            let (items, last) = self.query_once(&range).await?;
            for found in &items {
                errors.push(item::data(found)?);
            }
            match last {
                Some(_) => range.after = last,
                None => break,
            }
        }
        Ok(errors)
    }
}
