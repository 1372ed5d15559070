//! Bulk reads and writes by key: as many keys per request as DynamoDB takes, several requests at a time, what it left
//! undone asked again.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    Select, WriteRequest,
};
use couplet_model::{CompanyId, MappingName};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::Store;
use crate::backoff::{Backoff, patiently};
use crate::error::StoreError;
use crate::item::{Item, text};
use crate::keys::{Key, SHARDS, shard_pk};
use crate::terms::Terms;

/// Requests under way at the same time.
pub(crate) const CONCURRENT: usize = 8;

/// Keys of one `BatchGetItem`.
const KEYS_PER_READ: usize = 100;

/// Items of one `BatchWriteItem`.
const ITEMS_PER_WRITE: usize = 25;

/// What to put or to remove, whatever stands there.
pub(crate) enum Overwrite {
    Put(Item),
    Delete(Key),
}

/// A stretch of one partition.
#[derive(Clone)]
pub(crate) struct Range {
    pub pk: String,
    /// Start of the sort keys; empty for the whole partition.
    pub prefix: String,
    /// Last sort keys first.
    pub backwards: bool,
    /// Items per request; DynamoDB's own limit is 1 MB.
    pub per_request: Option<i32>,
    /// Sort key to start behind.
    pub after: Option<String>,
}

impl Range {
    /// Everything of a partition that starts so.
    pub fn starting(pk: String, prefix: impl Into<String>) -> Self {
        Self { pk, prefix: prefix.into(), backwards: false, per_request: None, after: None }
    }
}

impl Store {
    /// Sorts a failed SDK call.
    pub(crate) fn failed<E, R>(&self, error: &SdkError<E, R>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        StoreError::from_sdk(&self.table, error)
    }

    /// One item, read consistently.
    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let answer = patiently(|| {
            self.client.get_item().table_name(&*self.table).set_key(Some(key.attributes())).consistent_read(true).send()
        })
        .await
        .map_err(|error| self.failed(&error))?;
        Ok(answer.item)
    }

    /// Many items, read consistently; those that do not exist are left out.
    pub(crate) async fn read_many(
        &self,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<HashMap<Key, Item>, StoreError> {
        let keys: HashSet<Key> = keys.into_iter().collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let chunks: Vec<Vec<Key>> = keys.chunks(KEYS_PER_READ).map(<[Key]>::to_vec).collect();
        let pages: Vec<Vec<Item>> = stream::iter(chunks)
            .map(|chunk| {
                let store = self.clone();
                async move { store.read_chunk(&chunk).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(pages.into_iter().flatten().filter_map(|item| Some((Key::of(&item)?, item))).collect())
    }

    async fn read_chunk(&self, keys: &[Key]) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left: Vec<Item> = keys.iter().map(Key::attributes).collect();
        let mut backoff = Backoff::default();
        while !left.is_empty() {
            let asked = left.len();
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut left)))
                .consistent_read(true)
                .build()
                .map_err(|error| StoreError::Refused(error.to_string()))?;
            let answer = patiently(|| self.client.batch_get_item().request_items(&*self.table, wanted.clone()).send())
                .await
                .map_err(|error| self.failed(&error))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, found)| found));
            if let Some(unread) = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&*self.table)) {
                left = unread.keys;
            }
            if !left.is_empty() && !backoff.pause_for_rest(asked, left.len()).await {
                return Err(StoreError::Throttled(format!("{} keys stayed unread", left.len())));
            }
        }
        Ok(items)
    }

    /// Puts and removes items without a condition. Keys must not repeat.
    pub(crate) async fn overwrite(&self, writes: Vec<Overwrite>) -> Result<(), StoreError> {
        let mut requests = Vec::with_capacity(writes.len());
        for write in writes {
            let request = WriteRequest::builder();
            let built = match write {
                Overwrite::Put(item) => {
                    PutRequest::builder().set_item(Some(item)).build().map(|put| request.put_request(put).build())
                }
                Overwrite::Delete(key) => DeleteRequest::builder()
                    .set_key(Some(key.attributes()))
                    .build()
                    .map(|delete| request.delete_request(delete).build()),
            };
            requests.push(built.map_err(|error| StoreError::Refused(error.to_string()))?);
        }
        let chunks: Vec<Vec<WriteRequest>> = requests.chunks(ITEMS_PER_WRITE).map(<[WriteRequest]>::to_vec).collect();
        stream::iter(chunks)
            .map(|chunk| {
                let store = self.clone();
                async move { store.overwrite_chunk(chunk).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    async fn overwrite_chunk(&self, mut left: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut backoff = Backoff::default();
        loop {
            let asked = left.len();
            let answer = patiently(|| self.client.batch_write_item().request_items(&*self.table, left.clone()).send())
                .await
                .map_err(|error| self.failed(&error))?;
            left = answer.unprocessed_items.and_then(|mut tables| tables.remove(&*self.table)).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            if !backoff.pause_for_rest(asked, left.len()).await {
                return Err(StoreError::Throttled(format!("{} items stayed unwritten", left.len())));
            }
        }
    }

    /// One request's worth of a range, and whether there is more.
    pub(crate) async fn query_once(&self, range: &Range) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let answer = patiently(|| {
            let query = self
                .client
                .query()
                .table_name(&*self.table)
                .consistent_read(true)
                .expression_attribute_values(":pk", text(range.pk.clone()))
                .scan_index_forward(!range.backwards)
                .set_limit(range.per_request)
                .set_exclusive_start_key(range.after.clone().map(|sk| Key { pk: range.pk.clone(), sk }.attributes()));
            if range.prefix.is_empty() {
                query.key_condition_expression("pk = :pk").send()
            } else {
                query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                    .expression_attribute_values(":prefix", text(range.prefix.clone()))
                    .send()
            }
        })
        .await
        .map_err(|error| self.failed(&error))?;
        let last = answer.last_evaluated_key.as_ref().and_then(Key::of).map(|key| key.sk);
        Ok((answer.items.unwrap_or_default(), last))
    }

    /// All items of a range, read consistently.
    pub(crate) async fn query(&self, mut range: Range) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        loop {
            let (page, last) = self.query_once(&range).await?;
            items.extend(page);
            match last {
                Some(_) => range.after = last,
                None => return Ok(items),
            }
        }
    }

    /// All items of a mapping whose sort key starts so, shard by shard.
    pub(crate) async fn query_shards(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let ranges: Vec<Range> =
            (0..SHARDS).map(|shard| Range::starting(shard_pk(company, mapping, shard), prefix)).collect();
        let pages: Vec<Vec<Item>> = stream::iter(ranges)
            .map(|range| {
                let store = self.clone();
                async move { store.query(range).await }
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(pages.into_iter().flatten().collect())
    }

    /// How many items of one shard start so.
    pub(crate) async fn count_starting(&self, pk: &str, prefix: &str) -> Result<u64, StoreError> {
        let mut count = 0_u64;
        let mut after = None;
        loop {
            let answer = patiently(|| {
                self.client
                    .query()
                    .table_name(&*self.table)
                    .consistent_read(true)
                    .select(Select::Count)
                    .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                    .expression_attribute_values(":pk", text(pk))
                    .expression_attribute_values(":prefix", text(prefix))
                    .set_exclusive_start_key(after.clone())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
            count += u64::try_from(answer.count).unwrap_or_default();
            match answer.last_evaluated_key {
                Some(last) => after = Some(last),
                None => return Ok(count),
            }
        }
    }

    /// How many items of one shard start so and have an attribute of this value.
    pub(crate) async fn count_where(
        &self,
        pk: &str,
        prefix: &str,
        attribute: &str,
        value: AttributeValue,
    ) -> Result<u64, StoreError> {
        let mut count = 0_u64;
        let mut after = None;
        loop {
            let answer = patiently(|| {
                self.client
                    .query()
                    .table_name(&*self.table)
                    .consistent_read(true)
                    .select(Select::Count)
                    .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                    .filter_expression("#attribute = :value")
                    .expression_attribute_names("#attribute", attribute)
                    .expression_attribute_values(":pk", text(pk))
                    .expression_attribute_values(":prefix", text(prefix))
                    .expression_attribute_values(":value", value.clone())
                    .set_exclusive_start_key(after.clone())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
            count += u64::try_from(answer.count).unwrap_or_default();
            match answer.last_evaluated_key {
                Some(last) => after = Some(last),
                None => return Ok(count),
            }
        }
    }

    /// One conditional update. The item before it, or what stood there when the condition did not hold.
    pub(crate) async fn update(&self, key: &Key, terms: &Terms) -> Result<Updated, StoreError> {
        let result = patiently(|| {
            self.client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .set_update_expression(terms.update())
                .set_condition_expression(terms.condition())
                .set_expression_attribute_names(terms.names())
                .set_expression_attribute_values(terms.values())
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
        })
        .await;
        match result {
            Ok(answer) => Ok(Updated::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::Refused(refused.item.clone()))
                }
                _ => Err(self.failed(&error)),
            },
        }
    }
}

/// What became of a conditional update.
pub(crate) enum Updated {
    /// Done; the item as it was before (empty when it is new).
    Done(Item),
    /// The condition did not hold; the item as it stands, if there is one.
    Refused(Option<Item>),
}
