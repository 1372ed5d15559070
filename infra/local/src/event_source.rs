//! What Lambda's event source mappings do: they gather messages of a queue, call its handler, and delete what is done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName};
use couplet_runtime::{Application, Held, HeldBack, handlers};
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

use crate::cloud::{EmbeddedCloud, EmbeddedCloudError};
use couplet_embedded_cloud::sqs::QueueDepth;

/// Messages one receive or delete request handles; the service takes no more.
const REQUEST_MESSAGES: usize = 10;
/// Receive or delete requests at once.
const REQUESTS_AT_ONCE: usize = 8;
/// Pause between two looks at an empty queue.
const IDLE_PAUSE: Duration = Duration::from_millis(25);

/// How messages are gathered.
#[derive(Clone, Copy, Debug)]
pub struct EventSourceOptions {
    /// Messages per call of the handler at most.
    pub batch_size: usize,
    /// How long a batch that is not full waits for more.
    pub window: Duration,
    /// Calls of the handler at once.
    pub concurrency: usize,
}

impl Default for EventSourceOptions {
    fn default() -> Self {
        Self { batch_size: 1000, window: Duration::from_millis(200), concurrency: 2 }
    }
}

/// How far a queue was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nothing is left; so many messages were given up on the way.
    Empty {
        /// Messages in the dead-letter queue.
        dead: u64,
    },
    /// Time was up before that.
    TimeUp(QueueDepth),
    /// It was told to stop before that; batches under way were finished.
    Stopped(QueueDepth),
}

/// A queue, and the handler its messages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Records,
    Tasks,
}

/// Brings the messages of both queues to their handlers.
#[derive(Clone)]
pub struct EventSource {
    cloud: EmbeddedCloud,
    application: Application,
    options: EventSourceOptions,
    done: Arc<AtomicU64>,
    held_back: HeldBack,
}

impl EventSource {
    /// An event source of this cloud for this application.
    pub fn new(cloud: EmbeddedCloud, mut application: Application, options: EventSourceOptions) -> Self {
        let held_back = HeldBack::default();
        application.held_back = Some(held_back.clone());
        Self { cloud, application, options, done: Arc::default(), held_back }
    }

    /// What went back into its queue and has not come again yet, by reason.
    pub fn held(&self) -> Vec<Held> {
        self.held_back.at(Instant::now())
    }

    /// Messages that were processed so far, for a progress bar.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Processes messages until told to stop. Batches under way are finished.
    pub async fn run(&self, stop: &watch::Receiver<bool>) {
        let workers = (0..self.options.concurrency.max(1)).map(|_| async {
            while !*stop.borrow() && self.cloud.trouble().is_none() {
                if self.work(self.options.window).await == 0 {
                    tokio::time::sleep(self.options.window.max(IDLE_PAUSE)).await;
                }
            }
        });
        stream::iter(workers).for_each_concurrent(None, |worker| worker).await;
    }

    /// One batch of records, if there are any: how many messages it had.
    pub async fn pass_records(&self) -> usize {
        self.pass(Door::Records, Duration::ZERO).await
    }

    /// One task, or one batch of records: how many messages it had.
    async fn work(&self, window: Duration) -> usize {
        match self.pass(Door::Tasks, Duration::ZERO).await {
            0 => self.pass(Door::Records, window).await,
            tasks => tasks,
        }
    }

    /// Processes messages until none is left, those that come back after a pause included.
    ///
    /// # Errors
    /// When the queue cannot be asked how much is in it.
    pub async fn drain(&self, limit: Duration) -> Result<Drained, EmbeddedCloudError> {
        let (_never, stop) = watch::channel(false);
        self.drain_until(limit, &stop).await
    }

    /// As [`EventSource::drain`], and no longer than until told to stop.
    ///
    /// # Errors
    /// When the queue cannot be asked how much is in it.
    pub async fn drain_until(
        &self,
        limit: Duration,
        stop: &watch::Receiver<bool>,
    ) -> Result<Drained, EmbeddedCloudError> {
        let end = Instant::now() + limit;
        let workers = (0..self.options.concurrency.max(1)).map(|_| self.drain_alone(end, stop));
        let results: Vec<_> = stream::iter(workers).buffer_unordered(usize::MAX).collect().await;
        results.into_iter().collect::<Result<Vec<()>, _>>()?;
        if let Some(trouble) = self.cloud.trouble() {
            return Err(EmbeddedCloudError::Storage(trouble.clone()));
        }
        let depth = self.cloud.depth().await?;
        Ok(match depth.open {
            0 => Drained::Empty { dead: depth.dead },
            _ if *stop.borrow() => Drained::Stopped(depth),
            _ => Drained::TimeUp(depth),
        })
    }

    async fn drain_alone(&self, end: Instant, stop: &watch::Receiver<bool>) -> Result<(), EmbeddedCloudError> {
        while Instant::now() < end && !*stop.borrow() && self.cloud.trouble().is_none() {
            if self.work(Duration::ZERO).await == 0 {
                if self.cloud.depth().await?.open == 0 {
                    return Ok(());
                }
                tokio::time::sleep(IDLE_PAUSE).await;
            }
        }
        Ok(())
    }

    /// One batch through one door: how many messages it had.
    async fn pass(&self, door: Door, window: Duration) -> usize {
        let messages = self.gather(door, window).await;
        if messages.is_empty() {
            return 0;
        }
        let count = messages.len();
        let receipts: HashMap<String, String> = messages
            .iter()
            .filter_map(|message| Some((message.message_id.clone()?, message.receipt_handle.clone()?)))
            .collect();
        let mut event = SqsEvent::default();
        event.records = messages.into_iter().map(incoming).collect();
        let response = match door {
            Door::Records => handlers::sync_record(&self.application, event).await,
            Door::Tasks => handlers::run_task(&self.application, event, None).await,
        };
        let failed: HashSet<String> =
            response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        let done: Vec<String> =
            receipts.into_iter().filter_map(|(id, receipt)| (!failed.contains(&id)).then_some(receipt)).collect();
        if door == Door::Records {
            self.done.fetch_add(done.len() as u64, Ordering::Relaxed);
        }
        self.delete(door, done).await;
        count
    }

    /// Messages per call of a handler at most; tasks are long and come one by one.
    fn batch_size(&self, door: Door) -> usize {
        match door {
            Door::Records => self.options.batch_size,
            Door::Tasks => 1,
        }
    }

    fn url(&self, door: Door) -> &str {
        let services = &self.application.cloud;
        match door {
            Door::Records => &services.queue_url,
            Door::Tasks => &services.tasks_queue_url,
        }
    }

    /// Receives until the batch is full, or the queue is empty and the window over.
    async fn gather(&self, door: Door, window: Duration) -> Vec<Message> {
        let mut gathered = Vec::new();
        let batch_size = self.batch_size(door);
        let end = Instant::now() + window;
        loop {
            let wanted = (batch_size - gathered.len()).div_ceil(REQUEST_MESSAGES).min(REQUESTS_AT_ONCE);
            let room = batch_size - gathered.len();
            let sizes = (0..wanted).map(|index| (room - index * REQUEST_MESSAGES).min(REQUEST_MESSAGES));
            let received: Vec<Vec<Message>> = stream::iter(sizes.map(|size| self.receive(door, size)))
                .buffer_unordered(REQUESTS_AT_ONCE)
                .collect()
                .await;
            let empty = received.iter().all(Vec::is_empty);
            gathered.extend(received.into_iter().flatten());
            if gathered.len() >= batch_size {
                return gathered;
            }
            if empty {
                if gathered.is_empty() || Instant::now() >= end {
                    return gathered;
                }
                tokio::time::sleep(IDLE_PAUSE).await;
            }
        }
    }

    async fn receive(&self, door: Door, count: usize) -> Vec<Message> {
        let answer = self
            .application
            .cloud
            .sqs
            .receive_message()
            .queue_url(self.url(door))
            .max_number_of_messages(i32::try_from(count).unwrap_or(1))
            // Asked without it, the embedded queue looks the queue's setting up, and counts every message on the way.
            .wait_time_seconds(0)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names("All")
            .send()
            .await;
        match answer {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                tracing::error!("messages could not be received: {}", DisplayErrorContext(&error));
                Vec::new()
            }
        }
    }

    /// Deletes what is done. A message that could not be deleted comes again, which changes nothing.
    async fn delete(&self, door: Door, receipts: Vec<String>) {
        let sqs = &self.application.cloud.sqs;
        let requests = receipts.chunks(REQUEST_MESSAGES).map(|chunk| async move {
            let entries = chunk.iter().enumerate().filter_map(|(index, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt);
                entry.build().ok()
            });
            let request = sqs.delete_message_batch().queue_url(self.url(door));
            if let Err(error) = request.set_entries(Some(entries.collect())).send().await {
                tracing::error!("messages could not be deleted: {}", DisplayErrorContext(&error));
            }
        });
        stream::iter(requests).for_each_concurrent(REQUESTS_AT_ONCE, |request| request).await;
    }
}

/// A message as Lambda hands it to a function.
fn incoming(message: Message) -> SqsMessage {
    let mut incoming = SqsMessage::default();
    incoming.message_id = message.message_id;
    incoming.receipt_handle = message.receipt_handle;
    incoming.body = message.body;
    let attributes = message.attributes.unwrap_or_default();
    incoming.attributes = attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect();
    let attributes = message.message_attributes.unwrap_or_default();
    incoming.message_attributes = attributes.into_iter().map(|(name, value)| (name, attribute(value))).collect();
    incoming
}

fn attribute(value: MessageAttributeValue) -> SqsMessageAttribute {
    let mut attribute = SqsMessageAttribute::default();
    attribute.data_type = Some(value.data_type);
    attribute.string_value = value.string_value;
    attribute
}
