//! SQS in this process: an SDK client whose requests are answered by queues in memory, without a socket.

use std::time::Duration;

use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use winterbaume_core::MockAws;
use winterbaume_sqs::SqsService;

use crate::kept_messages::{KeptMessages, KeptMessagesError};
use crate::queue_ledger::{QueueLedger, queue_name};

/// A queue could not be created.
#[derive(Debug, thiserror::Error)]
#[error("the queue {queue} cannot be created: {reason}")]
pub struct CreateQueueError {
    queue: String,
    reason: String,
}

impl CreateQueueError {
    fn new(queue: &str, reason: impl Into<String>) -> Self {
        Self { queue: queue.to_owned(), reason: reason.into() }
    }
}

/// How a queue treats a message that was received.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// How long a received message stays invisible before it comes back.
    pub visibility_timeout: Duration,
    /// How often a message is received before it goes to the dead-letter queue.
    pub max_receive_count: u32,
}

/// A queue and where its dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueWithDeadLetters {
    /// URL of the queue.
    pub url: String,
    /// URL of its dead-letter queue, named like the queue with `-dead-letters` behind.
    pub dead_letter_url: String,
}

/// An SQS in this process; all its clients see the same queues. Messages are gone with the process, unless they are kept.
///
/// A message whose receives are used up moves to the dead-letter queue at the next receive, as in the real service.
#[derive(Clone)]
pub struct EmbeddedSqs {
    client: aws_sdk_sqs::Client,
    /// The queues themselves: what goes this way is not kept.
    queues: aws_sdk_sqs::Client,
    /// Past the ledger, to be asked while it is held.
    unledgered: aws_sdk_sqs::Client,
    ledger: QueueLedger,
}

/// Messages of a queue and its dead-letter queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// To be processed: visible, under way, or coming back later.
    pub open: u64,
    /// Given up.
    pub dead: u64,
}

/// The queue cannot be asked how much is in it.
#[derive(Debug, thiserror::Error)]
#[error("the embedded queue cannot be asked: {0}")]
pub struct CountError(String);

impl EmbeddedSqs {
    /// An SQS without queues.
    pub fn start() -> Self {
        Self::behind(|queues| queues)
    }

    /// An SQS whose messages outlive the process.
    pub fn keeping(messages: &KeptMessages) -> Self {
        Self::behind(|queues| messages.around(queues))
    }

    fn behind(door: impl FnOnce(SharedHttpClient) -> SharedHttpClient) -> Self {
        let cloud = MockAws::builder().with_service(SqsService::new()).build();
        let ledger = QueueLedger::default();
        let queues = ledger.around(cloud.http_client());
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(cloud.credentials_provider())
            .http_client(cloud.http_client())
            .build();
        let client = |way| aws_sdk_sqs::Client::from_conf(config.to_builder().http_client(way).build());
        let (kept, queues) = (client(door(queues.clone())), client(queues));
        Self { client: kept, queues, unledgered: aws_sdk_sqs::Client::from_conf(config), ledger }
    }

    /// How many messages there are, wherever they stand: waiting, under way, delayed, or visible again after a receive.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn depth(&self, queue: &QueueWithDeadLetters) -> Result<QueueDepth, CountError> {
        let (home, dead_letters) = (queue_name(&queue.url), queue_name(&queue.dead_letter_url));
        // A message moves to the dead letters by itself, at a receive: those that nobody took there yet are known to the
        // queue alone, all others to the ledger alone.
        let messages = self.ledger.hold().await;
        let untaken = self.untaken(&queue.dead_letter_url).await?;
        let dead = untaken + messages.received_from(dead_letters);
        Ok(QueueDepth { open: messages.total([home, dead_letters]).saturating_sub(dead), dead })
    }

    /// Messages of a queue that were never received from it.
    async fn untaken(&self, url: &str) -> Result<u64, CountError> {
        let counts =
            [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesDelayed];
        let request = self.unledgered.get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
        let answer = request.send().await.map_err(|error| CountError(DisplayErrorContext(&error).to_string()))?;
        let attributes = answer.attributes();
        let count = |name| attributes.and_then(|all| all.get(name)).and_then(|text| text.parse::<u64>().ok());
        Ok(counts.iter().filter_map(count).sum())
    }

    /// Puts what an earlier process left back into its queue; tells how much it was.
    ///
    /// # Errors
    /// When the kept messages cannot be read, or the queue refuses one.
    pub async fn send_again(
        &self,
        messages: &KeptMessages,
        name: &str,
        queue: &QueueWithDeadLetters,
    ) -> Result<u64, KeptMessagesError> {
        let mut count = 0;
        for message in messages.left(name).await? {
            let sent = self.queues.send_message().queue_url(&queue.url).message_body(&message.body).send().await;
            let id = sent.map_err(KeptMessagesError::of)?.message_id.unwrap_or_default();
            messages.sent_again(message, id);
            count += 1;
        }
        Ok(count)
    }

    /// A client.
    pub fn client(&self) -> aws_sdk_sqs::Client {
        self.client.clone()
    }

    /// Creates a queue and its dead-letter queue; both stay as they are when they are there already.
    ///
    /// # Errors
    /// When the service refuses, as when a queue of this name has other settings.
    pub async fn create_queue(
        &self,
        name: &str,
        settings: QueueSettings,
    ) -> Result<QueueWithDeadLetters, CreateQueueError> {
        let dead_letters = format!("{name}-dead-letters");
        let answer = self.client.create_queue().queue_name(&dead_letters).send().await;
        let dead_letter_url = url(&dead_letters, answer.map(|created| created.queue_url))?;
        let attributes = self
            .client
            .get_queue_attributes()
            .queue_url(&dead_letter_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| CreateQueueError::new(&dead_letters, DisplayErrorContext(&error).to_string()))?;
        let arn = attributes
            .attributes()
            .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
            .ok_or_else(|| CreateQueueError::new(&dead_letters, "it has no ARN"))?;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": arn,
            "maxReceiveCount": settings.max_receive_count,
        });
        let answer = self
            .client
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::VisibilityTimeout, settings.visibility_timeout.as_secs().to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .send()
            .await;
        Ok(QueueWithDeadLetters { url: url(name, answer.map(|created| created.queue_url))?, dead_letter_url })
    }
}

fn url<E>(queue: &str, answer: Result<Option<String>, SdkError<E>>) -> Result<String, CreateQueueError>
where
    SdkError<E>: std::error::Error,
{
    match answer {
        Ok(Some(url)) => Ok(url),
        Ok(None) => Err(CreateQueueError::new(queue, "the answer names no URL")),
        Err(error) => Err(CreateQueueError::new(queue, DisplayErrorContext(&error).to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_received_too_often_moves_to_the_dead_letter_queue() {
        let sqs = EmbeddedSqs::start();
        let settings = QueueSettings { visibility_timeout: Duration::ZERO, max_receive_count: 2 };
        let queue = sqs.create_queue("records", settings).await.unwrap();
        let client = sqs.client();
        client.send_message().queue_url(&queue.url).message_body("poison").send().await.unwrap();
        for _ in 0..2 {
            let received = client.receive_message().queue_url(&queue.url).send().await.unwrap();
            assert_eq!(received.messages().len(), 1);
        }
        let received = client.receive_message().queue_url(&queue.url).send().await.unwrap();
        assert!(received.messages().is_empty());
        let dead = client.receive_message().queue_url(&queue.dead_letter_url).send().await.unwrap();
        assert_eq!(dead.messages()[0].body(), Some("poison"));
    }

    async fn received(client: &aws_sdk_sqs::Client, url: &str) -> String {
        let received = client.receive_message().queue_url(url).send().await.unwrap();
        received.messages()[0].receipt_handle().unwrap().to_owned()
    }

    #[tokio::test]
    async fn f35_every_message_is_counted_wherever_it_stands() {
        let sqs = EmbeddedSqs::start();
        let settings = QueueSettings { visibility_timeout: Duration::from_secs(900), max_receive_count: 2 };
        let queue = sqs.create_queue("records", settings).await.unwrap();
        let client = sqs.client();
        let shown = async |url: &str, receipt: &str| {
            let request = client.change_message_visibility().queue_url(url).receipt_handle(receipt);
            request.visibility_timeout(0).send().await.unwrap();
        };
        let depth = async || sqs.depth(&queue).await.unwrap();
        let open_and_dead = |open, dead| QueueDepth { open, dead };

        client.send_message().queue_url(&queue.url).message_body("delayed").delay_seconds(900).send().await.unwrap();
        client.send_message().queue_url(&queue.url).message_body("poison").send().await.unwrap();
        assert_eq!(depth().await, open_and_dead(2, 0), "delayed and visible");
        let receipt = received(&client, &queue.url).await;
        assert_eq!(depth().await, open_and_dead(2, 0), "under way");
        shown(&queue.url, &receipt).await;
        assert_eq!(depth().await, open_and_dead(2, 0), "visible again");
        let receipt = received(&client, &queue.url).await;
        shown(&queue.url, &receipt).await;
        let moves = client.receive_message().queue_url(&queue.url).send().await.unwrap();
        assert!(moves.messages().is_empty());
        assert_eq!(depth().await, open_and_dead(1, 1), "a dead letter that nobody took");
        let receipt = received(&client, &queue.dead_letter_url).await;
        assert_eq!(depth().await, open_and_dead(1, 1), "a dead letter that somebody took");
        shown(&queue.dead_letter_url, &receipt).await;
        assert_eq!(depth().await, open_and_dead(1, 1), "a dead letter that was let go");
        let receipt = received(&client, &queue.dead_letter_url).await;
        client.delete_message().queue_url(&queue.dead_letter_url).receipt_handle(receipt).send().await.unwrap();
        assert_eq!(depth().await, open_and_dead(1, 0), "a dead letter that was removed");
    }

    #[tokio::test]
    async fn f35_only_the_newest_receipt_removes_a_message() {
        let sqs = EmbeddedSqs::start();
        let settings = QueueSettings { visibility_timeout: Duration::ZERO, max_receive_count: 9 };
        let queue = sqs.create_queue("records", settings).await.unwrap();
        let client = sqs.client();
        for body in ["a", "b"] {
            client.send_message().queue_url(&queue.url).message_body(body).send().await.unwrap();
        }
        let both = async || {
            let received = client.receive_message().queue_url(&queue.url).max_number_of_messages(10).send().await;
            let messages = received.unwrap().messages.unwrap_or_default();
            messages.into_iter().map(|message| message.receipt_handle.unwrap()).collect::<Vec<_>>()
        };
        let removed = async |receipts: &[&String]| {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                let entry = aws_sdk_sqs::types::DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(*receipt).build().unwrap()
            });
            let request = client.delete_message_batch().queue_url(&queue.url).set_entries(Some(entries.collect()));
            let answer = request.send().await.unwrap();
            (answer.successful().len(), answer.failed().len())
        };
        let (old, new) = (both().await, both().await);
        client.delete_message().queue_url(&queue.url).receipt_handle(&old[0]).send().await.unwrap();
        assert_eq!(removed(&[&old[0], &old[1]]).await, (2, 0), "answered as the service does");
        assert_eq!(sqs.depth(&queue).await.unwrap().open, 2, "and nothing was removed");
        assert_eq!(removed(&[&old[0], &new[1]]).await, (2, 0));
        assert_eq!(sqs.depth(&queue).await.unwrap().open, 1);
        client.delete_message().queue_url(&queue.url).receipt_handle(&new[0]).send().await.unwrap();
        assert_eq!(sqs.depth(&queue).await.unwrap().open, 0);
        assert_eq!(both().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_deleted_message_does_not_come_back() {
        let sqs = EmbeddedSqs::start();
        let settings = QueueSettings { visibility_timeout: Duration::ZERO, max_receive_count: 5 };
        let queue = sqs.create_queue("records", settings).await.unwrap();
        let client = sqs.client();
        client.send_message().queue_url(&queue.url).message_body("done").send().await.unwrap();
        let received = client.receive_message().queue_url(&queue.url).send().await.unwrap();
        let handle = received.messages()[0].receipt_handle().unwrap();
        client.delete_message().queue_url(&queue.url).receipt_handle(handle).send().await.unwrap();
        let received = client.receive_message().queue_url(&queue.url).send().await.unwrap();
        assert!(received.messages().is_empty());
    }
}
