//! Both queues on SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use couplet_engine::{QueueError, RecordsQueue, TasksQueue};
use couplet_model::RetrySchedule;
use couplet_model::message::RecordMessage;
use couplet_model::task::TaskMessage;
use futures_util::stream::{self, TryStreamExt};

use crate::aws_failure::in_one_line;

/// Messages in one request; the service takes no more.
pub(crate) const BATCH_MESSAGES: usize = 10;
/// Bytes in one request, and in one message. The service takes a little more by now; queues created earlier do not.
const BATCH_BYTES: usize = 256 * 1024;
/// Requests at once.
pub(crate) const CONCURRENCY: usize = 8;
/// Seconds for which a message is kept back at most.
const MOST_DELAY_SECONDS: i32 = 900;
/// Attempts for the messages of one request that the service did not take.
const ATTEMPTS: u32 = 5;
/// Pauses before what a request left behind is sent again.
const PAUSES: RetrySchedule = RetrySchedule::new(Duration::from_millis(100), Duration::from_secs(2));
/// Attribute of a message that was sent anew: how often it has waited so far. It is no part of the body, which earlier
/// versions have to understand.
pub(crate) const WAITS: &str = "waits";

/// Sends records to the queue of one URL.
#[derive(Clone, Debug)]
pub struct SqsRecordsQueue {
    client: Client,
    url: String,
}

impl SqsRecordsQueue {
    /// The queue of that URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

#[async_trait]
impl RecordsQueue for SqsRecordsQueue {
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError> {
        let batches = pack(messages)?;
        stream::iter(batches.into_iter().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, |batch| send_request(&self.client, &self.url, batch))
            .await
    }
}

/// Sends tasks to the queue of one URL.
#[derive(Clone, Debug)]
pub struct SqsTasksQueue {
    client: Client,
    url: String,
}

impl SqsTasksQueue {
    /// The queue of that URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

#[async_trait]
impl TasksQueue for SqsTasksQueue {
    async fn send_later(&self, task: TaskMessage, after: Duration) -> Result<(), QueueError> {
        let body = serde_json::to_string(&task).map_err(|error| QueueError(error.to_string()))?;
        let seconds =
            i32::try_from(after.as_secs() + u64::from(after.subsec_nanos() > 0)).unwrap_or(MOST_DELAY_SECONDS);
        let message = self.client.send_message().queue_url(&self.url).message_body(body);
        let message = message.set_delay_seconds((seconds > 0).then_some(seconds.min(MOST_DELAY_SECONDS)));
        let sent = message.send().await;
        sent.map(|_| ()).map_err(|error| QueueError(in_one_line(&error)))
    }
}

/// Sends the bodies of one request; what the service leaves behind for its own reasons is sent again.
///
/// # Errors
/// When the service refuses one of them, or goes on leaving some behind; the others may have been sent.
pub(crate) async fn send_request(client: &Client, url: &str, bodies: Vec<String>) -> Result<(), QueueError> {
    send_later(client, url, bodies.into_iter().map(|body| Later { body, delay_seconds: 0, waits: 0 }).collect()).await
}

/// A message to be delivered later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    pub body: String,
    pub delay_seconds: i32,
    /// How often it has waited, this time included.
    pub waits: u32,
}

/// Sends the messages of one request, each to be delivered in its time; as [`send_request`].
///
/// # Errors
/// As [`send_request`].
pub(crate) async fn send_later(client: &Client, url: &str, messages: Vec<Later>) -> Result<(), QueueError> {
    let mut left = entries(messages)?;
    for attempt in 1..=ATTEMPTS {
        let answer = client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(left.clone()))
            .send()
            .await
            .map_err(|error| QueueError(in_one_line(&error)))?;
        let failed = answer.failed();
        if let Some(refused) = failed.iter().find(|entry| entry.sender_fault()) {
            let reason = refused.message().unwrap_or_else(|| refused.code());
            return Err(QueueError(format!("one was refused: {reason}")));
        }
        left.retain(|entry| failed.iter().any(|failure| failure.id() == entry.id()));
        if left.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PAUSES.pause(attempt)).await;
    }
    Err(QueueError(format!("{} were left behind {ATTEMPTS} times", left.len())))
}

fn entries(batch: Vec<Later>) -> Result<Vec<SendMessageBatchRequestEntry>, QueueError> {
    batch
        .into_iter()
        .enumerate()
        .map(|(index, Later { body, delay_seconds, waits })| {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .set_delay_seconds((delay_seconds > 0).then_some(delay_seconds));
            let entry = if waits > 0 { entry.message_attributes(WAITS, number(waits)?) } else { entry };
            entry.build().map_err(|error| QueueError(error.to_string()))
        })
        .collect()
}

fn number(value: u32) -> Result<MessageAttributeValue, QueueError> {
    let attribute = MessageAttributeValue::builder().data_type("Number").string_value(value.to_string());
    attribute.build().map_err(|error| QueueError(error.to_string()))
}

/// Message bodies in requests of at most ten messages and 256 KB. A message that is too large by its snapshot, or whose
/// snapshot holds a character that the service refuses, goes without it: the record is read again when it is applied.
fn pack(messages: Vec<RecordMessage>) -> Result<Vec<Vec<String>>, QueueError> {
    let bodies = messages.into_iter().map(body).collect::<Result<Vec<String>, QueueError>>()?;
    Ok(in_requests(bodies, String::len))
}

/// What is to be sent, in requests of at most ten messages and 256 KB. `bytes` tells the length of a body.
pub(crate) fn in_requests<T>(messages: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut requests: Vec<Vec<T>> = Vec::with_capacity(messages.len().div_ceil(BATCH_MESSAGES));
    let mut sum = 0;
    for message in messages {
        let length = bytes(&message);
        match requests.last_mut() {
            Some(request) if request.len() < BATCH_MESSAGES && sum + length <= BATCH_BYTES => {
                sum += length;
                request.push(message);
            }
            _ => {
                sum = length;
                requests.push(vec![message]);
            }
        }
    }
    requests
}

/// Whether the service takes a character in a message; one it does not take refuses the whole message.
fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn body(mut message: RecordMessage) -> Result<String, QueueError> {
    let write = |message: &RecordMessage| serde_json::to_string(message).map_err(|error| QueueError(error.to_string()));
    let text = write(&message)?;
    if text.len() <= BATCH_BYTES && text.chars().all(is_taken) {
        return Ok(text);
    }
    message.snapshot = None;
    write(&message)
}

#[cfg(test)]
mod tests {
    use couplet_model::ids::{CompanyId, MappingName, RecordId, RunId};
    use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
    use couplet_model::record::Snapshot;
    use jiff::Timestamp;
    use serde_json::{Map, Value};
    use uuid::Uuid;

    use super::*;

    fn message(number: u128, snapshot_bytes: usize) -> RecordMessage {
        let mut values = Map::new();
        values.insert("description".to_owned(), Value::String("x".repeat(snapshot_bytes)));
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: CompanyId(Uuid::from_u128(1)),
            mapping: MappingName::from("ITEM-PRODUCT"),
            direction: Direction::ToDataverse,
            record: RecordId(Uuid::from_u128(number)),
            job: "ITEM-PRODUCT".to_owned(),
            run: RunId(Uuid::from_u128(2)),
            options: SyncOptions::default(),
            snapshot: Some(Snapshot { read_at: Timestamp::UNIX_EPOCH, version: None, modified: None, values }),
            replay: None,
            wish: None,
        }
    }

    fn sizes(messages: Vec<RecordMessage>) -> Vec<usize> {
        pack(messages).expect("messages are JSON").iter().map(Vec::len).collect()
    }

    #[test]
    fn a_request_holds_ten_messages_at_most() {
        assert_eq!(sizes((0..23).map(|number| message(number, 10)).collect()), [10, 10, 3]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }

    #[test]
    fn a_request_stays_within_its_bytes() {
        assert_eq!(sizes((0..5).map(|number| message(number, 100 * 1024)).collect()), [2, 2, 1]);
    }

    #[test]
    fn f17_a_snapshot_with_a_character_that_the_service_refuses_is_left_out() {
        for (value, travels) in
            [("a\u{fffe}b", false), ("\u{ffff}", false), ("\u{1}\u{b}", true), ("\u{fffd}😀\u{10ffff}\t", true)]
        {
            let mut sent = message(1, 0);
            sent.snapshot.as_mut().expect("a snapshot").values.insert("name".to_owned(), value.into());
            let packed = pack(vec![sent]).expect("messages are JSON");
            assert!(packed[0][0].chars().all(is_taken));
            let read: RecordMessage = serde_json::from_str(&packed[0][0]).expect("a record message");
            assert_eq!(read.snapshot.is_some(), travels, "{value:?}");
        }
    }

    #[test]
    fn a_snapshot_that_makes_a_message_too_large_is_left_out() {
        let packed = pack(vec![message(1, 300 * 1024)]).expect("messages are JSON");
        let read: RecordMessage = serde_json::from_str(&packed[0][0]).expect("a record message");
        assert_eq!(read.snapshot, None);
        assert_eq!(read.record, RecordId(Uuid::from_u128(1)));
    }
}
