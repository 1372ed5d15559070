//! The dead letters of one queue on SQS: finding their queue, taking them, removing them, releasing them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use couplet_model::ids::CompanyId;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::sync::watch;

use super::dead_letter::{DeadMessage, QueueName};
use super::error::{ReplayError, Stopped};
use super::pace::Pace;
use crate::aws_failure::in_one_line;
use crate::queue::{BATCH_MESSAGES, CONCURRENCY, send_request};

/// Attempts for the dead letters of one request that the service did not remove.
const ATTEMPTS: u32 = 3;

/// The part of a redrive policy that says where dead letters go.
#[derive(Deserialize)]
struct RedrivePolicy {
    #[serde(rename = "deadLetterTargetArn")]
    target: String,
}

/// Dead letters of one round.
pub(super) struct Gathered {
    pub dead_letters: Vec<DeadMessage>,
    /// Whether nothing is left behind them.
    pub is_last: bool,
}

/// The dead letters of a queue.
pub(super) struct DeadLetterQueue {
    client: Client,
    queue: QueueName,
    /// Where the dead letters come from and go back to.
    queue_url: String,
    url: String,
    pace: Pace,
    /// Dead letters that were taken before, by message id: each is judged once.
    seen: HashSet<String>,
    /// Receipts of the dead letters that are hidden from others on our behalf, by message id.
    held: HashMap<String, String>,
}

impl DeadLetterQueue {
    /// The dead letters of the queue of this URL.
    pub async fn of(client: Client, queue: QueueName, queue_url: String, pace: Pace) -> Result<Self, ReplayError> {
        let failed = |reason| ReplayError::Queue { queue, what: "cannot be found", reason };
        let answer = client
            .get_queue_attributes()
            .queue_url(&queue_url)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| failed(in_one_line(&error)))?;
        let policy = answer.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
        let policy = policy.ok_or(ReplayError::NoDeadLetterQueue { queue })?;
        let policy: RedrivePolicy = serde_json::from_str(policy).map_err(|error| failed(error.to_string()))?;
        // The last part of an ARN is the queue's name; both queues are always in one account and region.
        let name = policy.target.rsplit(':').next().unwrap_or_default();
        let answer =
            client.get_queue_url().queue_name(name).send().await.map_err(|error| failed(in_one_line(&error)))?;
        let url = answer.queue_url.ok_or_else(|| failed(format!("{name} has no URL")))?;
        Ok(Self { client, queue, queue_url, url, pace, seen: HashSet::new(), held: HashMap::new() })
    }

    /// Takes dead letters that were not seen before, until the round is full or nothing new comes.
    pub async fn gather(&mut self, company: CompanyId, stop: &watch::Receiver<bool>) -> Result<Gathered, Stopped> {
        let mut dead_letters: Vec<DeadMessage> = Vec::new();
        let mut vain = 0;
        while dead_letters.len() < self.pace.round {
            if *stop.borrow() {
                return Err(Stopped::Interrupted);
            }
            let room = self.pace.round - dead_letters.len();
            let before = dead_letters.len();
            for message in self.receive(room, (vain > 0).then_some(self.pace.wait)).await? {
                let Some(dead_letter) = DeadMessage::read(self.queue, company, message) else { continue };
                // One that was seen came back because its time hidden ended: it is hidden again.
                self.held.insert(dead_letter.message_id.clone(), dead_letter.receipt.clone());
                if self.seen.insert(dead_letter.message_id.clone()) {
                    dead_letters.push(dead_letter);
                }
            }
            vain = if dead_letters.len() > before { 0 } else { vain + 1 };
            if vain > self.pace.looks {
                return Ok(Gathered { dead_letters, is_last: true });
            }
        }
        Ok(Gathered { dead_letters, is_last: false })
    }

    /// Takes up to so many dead letters at once; with a wait it asks once and thoroughly.
    async fn receive(&self, room: usize, wait: Option<Duration>) -> Result<Vec<Message>, ReplayError> {
        let requests = if wait.is_some() { 1 } else { room.div_ceil(BATCH_MESSAGES).min(CONCURRENCY) };
        let sizes = (0..requests).map(|index| (room - index * BATCH_MESSAGES).min(BATCH_MESSAGES));
        let receives = sizes.map(|size| async move {
            let answer = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(i32::try_from(size).unwrap_or(1))
                .visibility_timeout(seconds(self.pace.hidden))
                .wait_time_seconds(seconds(wait.unwrap_or_default()))
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .send()
                .await
                .map_err(|error| self.failed("cannot be taken", in_one_line(&error)))?;
            Ok::<_, ReplayError>(answer.messages.unwrap_or_default())
        });
        let received: Vec<Vec<Message>> = stream::iter(receives).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(received.into_iter().flatten().collect())
    }

    /// How many dead letters there are, hidden ones included, as the service counts them: not always to the last one.
    pub async fn count(&self) -> Result<u64, ReplayError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| self.failed("cannot be counted", in_one_line(&error)))?;
        let attributes = answer.attributes();
        let count = |name| attributes.and_then(|all| all.get(name)).and_then(|count| count.parse::<u64>().ok());
        Ok(names.iter().filter_map(count).sum())
    }

    /// Sends bodies to where the dead letters came from. Afterwards the dead letters are to be removed.
    pub async fn send_back(&self, bodies: Vec<String>) -> Result<(), ReplayError> {
        let sent = send_request(&self.client, &self.queue_url, bodies).await;
        sent.map_err(|error| self.failed("cannot be sent back", error.0))
    }

    /// Removes dead letters from the queue, by the receipt they were last taken with: the service promises nothing for older
    /// ones.
    pub async fn remove(&self, dead_letters: &[&DeadMessage]) -> Result<(), ReplayError> {
        let failed = |reason| self.failed("cannot be removed", reason);
        let receipts: Vec<&str> = dead_letters.iter().map(|dead_letter| self.newest_receipt(dead_letter)).collect();
        for chunk in receipts.chunks(BATCH_MESSAGES) {
            let mut left = Vec::with_capacity(chunk.len());
            for (index, receipt) in chunk.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(*receipt);
                left.push(entry.build().map_err(|error| failed(error.to_string()))?);
            }
            for attempt in 1.. {
                let request = self.client.delete_message_batch().queue_url(&self.url);
                let answer = request.set_entries(Some(left.clone())).send().await;
                let answer = answer.map_err(|error| failed(in_one_line(&error)))?;
                let refused = answer.failed();
                left.retain(|entry| refused.iter().any(|failure| failure.id() == entry.id()));
                let Some(first) = refused.first() else { break };
                if first.sender_fault() || attempt == ATTEMPTS {
                    return Err(failed(first.message().unwrap_or_else(|| first.code()).to_owned()));
                }
            }
        }
        Ok(())
    }

    fn newest_receipt<'a>(&'a self, dead_letter: &'a DeadMessage) -> &'a str {
        self.held.get(&dead_letter.message_id).map_or(dead_letter.receipt.as_str(), String::as_str)
    }

    /// Forgets a dead letter that was removed.
    pub fn is_gone(&mut self, message_id: &str) {
        self.held.remove(message_id);
    }

    /// Shows the dead letters that stay to others again. If that fails they show themselves when their time hidden ends.
    pub async fn release(&mut self) {
        let receipts: Vec<String> = self.held.drain().map(|(_, receipt)| receipt).collect();
        let (client, url, hidden) = (&self.client, &self.url, self.pace.hidden);
        let requests = receipts.chunks(BATCH_MESSAGES).map(|chunk| async move {
            let entries = chunk.iter().enumerate().filter_map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            let request = client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries.collect()));
            if let Err(error) = request.send().await {
                tracing::warn!("dead letters stay hidden for {} s: {}", hidden.as_secs(), in_one_line(&error));
            }
        });
        stream::iter(requests).for_each_concurrent(CONCURRENCY, |request| request).await;
    }

    fn failed(&self, what: &'static str, reason: String) -> ReplayError {
        ReplayError::Queue { queue: self.queue, what, reason: with_remedy(reason) }
    }
}

/// What the service said; when it does not let us in, with what to do.
fn with_remedy(reason: String) -> String {
    if reason.contains("AccessDenied") {
        format!(
            "{reason}; replay with the role that the stack's parameter ReplayRoleArn names, which needs the actions listed in docs/operations.md, Looking from outside"
        )
    } else {
        reason
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f30_a_refusal_of_the_queue_names_who_may_replay() {
        let said = with_remedy("AccessDenied: with an explicit deny in a resource-based policy".to_owned());
        assert!(said.contains("resource-based policy; ") && said.contains("ReplayRoleArn"), "{said}");
        assert_eq!(with_remedy("no connection".to_owned()), "no connection");
    }
}
