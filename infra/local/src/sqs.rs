//! SQS in this process: an SDK client whose requests are answered by queues in memory, without a socket.

use std::time::Duration;

use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use winterbaume_core::MockAws;
use winterbaume_sqs::SqsService;

use crate::kept_messages::{KeptMessages, KeptMessagesError};

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
}

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
        let queues = cloud.http_client();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(cloud.credentials_provider())
            .http_client(door(queues.clone()))
            .build();
        let queues = config.to_builder().http_client(queues).build();
        Self { client: aws_sdk_sqs::Client::from_conf(config), queues: aws_sdk_sqs::Client::from_conf(queues) }
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
