//! Transactions shared by many records: what belongs to one record is stored together or not at all, and one refused
//! record is told apart from those that only travelled with it.

use std::collections::HashSet;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::Store;
use crate::backoff::{Backoff, patiently};
use crate::error::{StoreError, is_contention, is_throttling};
use crate::item::{Item, size};
use crate::keys::Key;
use crate::requests::CONCURRENT;
use crate::terms::Terms;

/// Actions of one `TransactWriteItems`.
pub(crate) const ACTIONS: usize = 100;

/// DynamoDB takes 4 MB per transaction; the rest is for keys and expressions.
const BYTES: usize = 3_500_000;

/// One action of a group. `R` names its role, so that a refusal can be judged.
pub(crate) struct Action<R> {
    role: R,
    key: Key,
    bytes: usize,
    write: TransactWriteItem,
}

/// The actions of one record.
pub(crate) struct Group<R> {
    /// What the caller knows the record by.
    pub id: usize,
    pub actions: Vec<Action<R>>,
}

/// What became of a group.
pub(crate) enum Verdict<R> {
    /// Stored.
    Applied,
    /// Not stored because of these actions, and what stands in their place.
    Refused(Vec<(R, Option<Item>)>),
    /// Not stored because of another group.
    Innocent,
}

/// Transactions that touch no item twice, so that they can run side by side.
pub(crate) struct Packed<R> {
    pub transactions: Vec<Vec<Group<R>>>,
    /// Groups that must wait for an earlier one, by id.
    pub later: Vec<usize>,
}

/// Packs groups into as few transactions as possible, in order.
pub(crate) fn pack<R>(groups: Vec<Group<R>>, actions_per_transaction: usize) -> Packed<R> {
    let mut packed = Packed { transactions: Vec::new(), later: Vec::new() };
    let mut touched: HashSet<Key> = HashSet::new();
    let (mut current, mut actions, mut bytes) = (Vec::new(), 0, 0);
    for group in groups {
        let free = group.actions.iter().all(|action| !touched.contains(&action.key));
        touched.extend(group.actions.iter().map(|action| action.key.clone()));
        if !free {
            packed.later.push(group.id);
            continue;
        }
        let group_bytes: usize = group.actions.iter().map(|action| action.bytes).sum();
        if actions + group.actions.len() > actions_per_transaction || bytes + group_bytes > BYTES {
            packed.transactions.push(std::mem::take(&mut current));
            (actions, bytes) = (0, 0);
        }
        actions += group.actions.len();
        bytes += group_bytes;
        current.push(group);
    }
    if !current.is_empty() {
        packed.transactions.push(current);
    }
    packed
}

impl Store {
    /// Puts an item.
    pub(crate) fn put<R>(&self, role: R, key: Key, item: Item, terms: &Terms) -> Result<Action<R>, StoreError> {
        let bytes = size(&item);
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item))
            .set_condition_expression(terms.condition())
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(Action { role, key, bytes, write: TransactWriteItem::builder().put(put).build() })
    }

    /// Removes an item.
    pub(crate) fn delete<R>(&self, role: R, key: Key, terms: &Terms) -> Result<Action<R>, StoreError> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .set_condition_expression(terms.condition())
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(Action { role, key, bytes: 0, write: TransactWriteItem::builder().delete(delete).build() })
    }

    /// Changes an item.
    pub(crate) fn change<R>(&self, role: R, key: Key, terms: &Terms) -> Result<Action<R>, StoreError> {
        let update = Update::builder()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .set_update_expression(terms.update())
            .set_condition_expression(terms.condition())
            .set_expression_attribute_names(terms.names())
            .set_expression_attribute_values(terms.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(Action { role, key, bytes: 0, write: TransactWriteItem::builder().update(update).build() })
    }

    /// Runs groups side by side, packed into as few transactions as possible. Gives their verdicts, and the ids of groups that must
    /// wait for an earlier one.
    ///
    /// # Errors
    /// When the store cannot be written. Some groups may have been applied.
    pub(crate) async fn transact_packed<R: Copy + Send + Sync>(
        &self,
        groups: Vec<Group<R>>,
    ) -> Result<(Vec<(usize, Verdict<R>)>, Vec<usize>), StoreError> {
        let packed = pack(groups, ACTIONS);
        let verdicts: Vec<Vec<_>> = stream::iter(packed.transactions)
            .map(|groups| {
                let store = self.clone();
                async move { store.transact(&groups, None).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok((verdicts.into_iter().flatten().collect(), packed.later))
    }

    /// Runs one transaction. `along` is stored with it and has no condition.
    pub(crate) async fn transact<R: Copy>(
        &self,
        groups: &[Group<R>],
        along: Option<&Action<R>>,
    ) -> Result<Vec<(usize, Verdict<R>)>, StoreError> {
        let actions = groups.iter().flat_map(|group| &group.actions).chain(along);
        let writes: Vec<TransactWriteItem> = actions.map(|action| action.write.clone()).collect();
        if writes.is_empty() {
            return Ok(groups.iter().map(|group| (group.id, Verdict::Applied)).collect());
        }
        let mut backoff = Backoff::default();
        loop {
            // One token per attempt: an answer lost on the way does not make the attempt count twice.
            let token = uuid::Uuid::new_v4().to_string();
            let result = patiently(|| {
                self.client
                    .transact_write_items()
                    .set_transact_items(Some(writes.clone()))
                    .client_request_token(&token)
                    .send()
            })
            .await;
            let error = match result {
                Ok(_) => return Ok(groups.iter().map(|group| (group.id, Verdict::Applied)).collect()),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
            else {
                return Err(self.failed(&error));
            };
            let reasons = cancelled.cancellation_reasons();
            match cause(reasons, cancelled.message().unwrap_or_default()) {
                Cause::Conditions => return Ok(verdicts(groups, reasons)),
                Cause::Passing(last) => {
                    tracing::debug!(reason = last.for_log(), "transaction cancelled, trying again");
                    if !backoff.pause().await {
                        return Err(last);
                    }
                }
                Cause::Refused(error) => return Err(error),
            }
        }
    }
}

enum Cause {
    Conditions,
    Passing(StoreError),
    Refused(StoreError),
}

fn cause(reasons: &[CancellationReason], message: &str) -> Cause {
    let mut passing = None;
    let mut conditions = false;
    for reason in reasons {
        let text = || format!("{}: {}", reason.code().unwrap_or_default(), reason.message().unwrap_or_default());
        match reason.code().unwrap_or("None") {
            "None" => {}
            "ConditionalCheckFailed" => conditions = true,
            code if is_throttling(code) => passing = Some(StoreError::Throttled(text())),
            code if is_contention(code) => passing = Some(StoreError::Contended(text())),
            _ => return Cause::Refused(StoreError::Refused(text())),
        }
    }
    if conditions {
        return Cause::Conditions;
    }
    Cause::Passing(passing.unwrap_or_else(|| StoreError::Contended(message.to_owned())))
}

fn verdicts<R: Copy>(groups: &[Group<R>], reasons: &[CancellationReason]) -> Vec<(usize, Verdict<R>)> {
    let mut reasons = reasons.iter();
    groups
        .iter()
        .map(|group| {
            let refused: Vec<(R, Option<Item>)> = group
                .actions
                .iter()
                .zip(reasons.by_ref())
                .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
                .map(|(action, reason)| (action.role, reason.item.clone()))
                .collect();
            (group.id, if refused.is_empty() { Verdict::Innocent } else { Verdict::Refused(refused) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    #[test]
    fn a_failed_condition_counts_more_than_a_conflict_and_both_less_than_a_refusal() {
        let cause = |codes: &[&str]| cause(&reasons(codes), "");
        assert!(matches!(cause(&["None", "TransactionConflict"]), Cause::Passing(StoreError::Contended(_))));
        assert!(matches!(cause(&["ThrottlingError", "None"]), Cause::Passing(StoreError::Throttled(_))));
        assert!(matches!(cause(&["TransactionConflict", "ConditionalCheckFailed"]), Cause::Conditions));
        assert!(matches!(cause(&["ConditionalCheckFailed", "ValidationError"]), Cause::Refused(_)));
        assert!(matches!(cause(&[]), Cause::Passing(_)));
    }

    fn group(id: usize, keys: &[&str], bytes: usize) -> Group<()> {
        let action = |key: &&str| Action {
            role: (),
            key: Key { pk: (*key).to_owned(), sk: String::new() },
            bytes,
            write: TransactWriteItem::builder().build(),
        };
        Group { id, actions: keys.iter().map(action).collect() }
    }

    fn packed(groups: Vec<Group<()>>) -> (Vec<Vec<usize>>, Vec<usize>) {
        let packed = pack(groups, 3);
        let ids = |groups: &Vec<Group<()>>| groups.iter().map(|group| group.id).collect();
        (packed.transactions.iter().map(ids).collect(), packed.later)
    }

    #[test]
    fn a_group_is_never_split_over_transactions() {
        let groups = vec![group(0, &["a", "b"], 1), group(1, &["c", "d"], 1), group(2, &[], 0), group(3, &["e"], 1)];
        assert_eq!(packed(groups), (vec![vec![0], vec![1, 2, 3]], vec![]));
        let large = vec![group(0, &["a"], 3_000_000), group(1, &["b"], 3_000_000)];
        assert_eq!(packed(large), (vec![vec![0], vec![1]], vec![]));
    }

    #[test]
    fn groups_that_touch_one_item_follow_each_other_in_order() {
        let groups = vec![group(0, &["a"], 1), group(1, &["a", "b"], 1), group(2, &["b"], 1), group(3, &["c"], 1)];
        assert_eq!(packed(groups), (vec![vec![0, 3]], vec![1, 2]));
    }
}
