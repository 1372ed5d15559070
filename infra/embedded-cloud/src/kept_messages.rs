//! Messages that outlive the process: what is sent is written into the database before the sender has its answer, and
//! removed when it is deleted.
//!
//! The queues themselves are in memory. This stands between the SDK client and the queues, so that whoever sends,
//! receives or deletes need not know of it. When a folder is opened again, what was left is sent once more; how often it
//! had been received, and how often it had waited, is forgotten, so that a dead letter gets new attempts.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem,
};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use uuid::Uuid;

use crate::queue_ledger::queue_name;

const TABLE: &str = "couplet-messages";
const QUEUE: &str = "pk";
const ORDER: &str = "sk";
const BODY: &str = "body";
const TARGET_PREFIX: &str = "AmazonSQS.";
/// Items in one transaction; the service takes no more.
const ITEMS_PER_WRITE: usize = 100;

/// The messages could not be kept, or not be read again.
#[derive(Debug, thiserror::Error)]
#[error("the messages kept in the data folder cannot be used: {0}")]
pub struct KeptMessagesError(String);

impl KeptMessagesError {
    pub(crate) fn of<E: std::error::Error>(error: E) -> Self {
        Self(DisplayErrorContext(error).to_string())
    }
}

/// A message as it is kept: in the order of sending, under an id that stays when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Name of its queue.
    pub queue: String,
    /// Its text.
    pub body: String,
    order: String,
}

/// The messages of one data folder. Clones share them.
#[derive(Clone)]
pub struct KeptMessages {
    database: aws_sdk_dynamodb::Client,
    standing: Arc<Mutex<Standing>>,
}

/// What is known of the messages in the queues of this process.
#[derive(Default)]
struct Standing {
    /// Where a message is kept, by the id the queue gave it.
    kept: HashMap<String, Entry>,
    /// The message behind the handle it was last received with.
    received: HashMap<String, String>,
}

struct Entry {
    queue: String,
    order: String,
    handle: Option<String>,
}

impl Standing {
    fn received(&mut self, message: String, handle: String) {
        let Some(entry) = self.kept.get_mut(&message) else { return };
        if let Some(old) = entry.handle.replace(handle.clone()) {
            self.received.remove(&old);
        }
        self.received.insert(handle, message);
    }

    fn deleted(&mut self, handle: &str) -> Option<Entry> {
        let message = self.received.remove(handle)?;
        self.kept.remove(&message)
    }
}

impl KeptMessages {
    /// The messages of this database.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(database: aws_sdk_dynamodb::Client) -> Result<Self, KeptMessagesError> {
        match database.describe_table().table_name(TABLE).send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                create_table(&database).await?;
            }
            Err(error) => return Err(KeptMessagesError::of(error)),
        }
        Ok(Self { database, standing: Arc::default() })
    }

    /// Whether every message sent on this database is here. Not so when it is new, or was used by a version that kept
    /// none; what that may have lost has to be made up for first, and [`KeptMessages::are_complete_now`] said then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn are_complete(&self) -> Result<bool, KeptMessagesError> {
        let request = self.database.get_item().table_name(TABLE).consistent_read(true).set_key(Some(complete()));
        Ok(request.send().await.map_err(KeptMessagesError::of)?.item.is_some())
    }

    /// Notes that from now on every message is here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn are_complete_now(&self) -> Result<(), KeptMessagesError> {
        let request = self.database.put_item().table_name(TABLE).set_item(Some(complete()));
        request.send().await.map(|_| ()).map_err(KeptMessagesError::of)
    }

    /// What an earlier process left, in the order in which it was sent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn left(&self, queue: &str) -> Result<Vec<KeptMessage>, KeptMessagesError> {
        let mut messages = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .database
                .query()
                .table_name(TABLE)
                .consistent_read(true)
                .key_condition_expression("pk = :queue")
                .expression_attribute_values(":queue", AttributeValue::S(queue.to_owned()))
                .set_exclusive_start_key(after)
                .send()
                .await
                .map_err(KeptMessagesError::of)?;
            for item in answer.items.unwrap_or_default() {
                let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
                if let (Some(order), Some(body)) = (text(ORDER), text(BODY)) {
                    messages.push(KeptMessage { queue: queue.to_owned(), body, order });
                }
            }
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(messages);
            }
        }
    }

    /// Notes under which id the queue knows a message that was sent again.
    pub fn sent_again(&self, message: KeptMessage, id: String) {
        let entry = Entry { queue: message.queue, order: message.order, handle: None };
        self.standing().kept.insert(id, entry);
    }

    /// A client of the queues behind `inner` that keeps what it sends.
    pub fn around(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Keeping { inner, messages: self.clone() })
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Both maps are whole after every call; a panic elsewhere changes nothing about that.
        self.standing.lock()
    }

    async fn keep(&self, queue: &str, sent: Vec<(String, String)>) -> Result<(), KeptMessagesError> {
        let mut writes = Vec::with_capacity(sent.len());
        let mut entries = Vec::with_capacity(sent.len());
        for (id, body) in sent {
            let order = Uuid::now_v7().to_string();
            let put = Put::builder()
                .table_name(TABLE)
                .item(QUEUE, AttributeValue::S(queue.to_owned()))
                .item(ORDER, AttributeValue::S(order.clone()))
                .item(BODY, AttributeValue::S(body))
                .build()
                .map_err(KeptMessagesError::of)?;
            writes.push(TransactWriteItem::builder().put(put).build());
            entries.push((id, Entry { queue: queue.to_owned(), order, handle: None }));
        }
        // Known before it is written: should somebody be so quick as to delete it in between, too much is kept and not
        // too little.
        self.standing().kept.extend(entries);
        self.write(writes).await
    }

    async fn forget(&self, handles: &[String]) -> Result<(), KeptMessagesError> {
        let entries: Vec<Entry> = {
            let mut standing = self.standing();
            handles.iter().filter_map(|handle| standing.deleted(handle)).collect()
        };
        let mut writes = Vec::with_capacity(entries.len());
        for entry in entries {
            let delete = Delete::builder()
                .table_name(TABLE)
                .key(QUEUE, AttributeValue::S(entry.queue))
                .key(ORDER, AttributeValue::S(entry.order))
                .build()
                .map_err(KeptMessagesError::of)?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        self.write(writes).await
    }

    /// Writes in transactions: the embedded database would commit each item of a batch by itself, which takes several times
    /// as long.
    async fn write(&self, writes: Vec<TransactWriteItem>) -> Result<(), KeptMessagesError> {
        for chunk in writes.chunks(ITEMS_PER_WRITE) {
            let request = self.database.transact_write_items().set_transact_items(Some(chunk.to_vec()));
            request.send().await.map_err(KeptMessagesError::of)?;
        }
        Ok(())
    }

    /// Looks at a request that the queues have answered.
    async fn note(&self, operation: &str, request: &[u8], answer: &[u8]) -> Result<(), KeptMessagesError> {
        match operation {
            "SendMessage" => {
                let (request, answer): (OneMessage, Sent) = (read(request)?, read(answer)?);
                self.keep(queue_name(&request.queue_url), vec![(answer.message_id, request.message_body)]).await
            }
            "SendMessageBatch" => {
                let (request, answer): (Messages, AllSent) = (read(request)?, read(answer)?);
                let mut bodies: HashMap<String, String> =
                    request.entries.into_iter().map(|entry| (entry.id, entry.message_body)).collect();
                let sent = answer.successful.into_iter();
                let sent = sent.filter_map(|sent| Some((sent.message_id, bodies.remove(&sent.id)?))).collect();
                self.keep(queue_name(&request.queue_url), sent).await
            }
            "ReceiveMessage" => {
                let answer: Received = read(answer)?;
                let mut standing = self.standing();
                for message in answer.messages {
                    standing.received(message.message_id, message.receipt_handle);
                }
                Ok(())
            }
            "DeleteMessage" => {
                let request: Deleted = read(request)?;
                self.forget(&[request.receipt_handle]).await
            }
            "DeleteMessageBatch" => {
                let (request, answer): (AllDeleted, Successes) = (read(request)?, read(answer)?);
                let done = |id: &String| answer.successful.iter().any(|success| success.id == *id);
                let handles = request.entries.into_iter().filter(|entry| done(&entry.id));
                let handles: Vec<String> = handles.map(|entry| entry.receipt_handle).collect();
                self.forget(&handles).await
            }
            _ => Ok(()),
        }
    }
}

/// The item that says that nothing is missing.
fn complete() -> HashMap<String, AttributeValue> {
    [(QUEUE, "complete"), (ORDER, "1")]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}

async fn create_table(database: &aws_sdk_dynamodb::Client) -> Result<(), KeptMessagesError> {
    let mut request = database.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(QUEUE, KeyType::Hash), (ORDER, KeyType::Range)] {
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request
            .key_schema(key.map_err(KeptMessagesError::of)?)
            .attribute_definitions(attribute.build().map_err(KeptMessagesError::of)?);
    }
    request.send().await.map(|_| ()).map_err(KeptMessagesError::of)
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, KeptMessagesError> {
    serde_json::from_slice(json).map_err(KeptMessagesError::of)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneMessage {
    queue_url: String,
    message_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Messages {
    queue_url: String,
    entries: Vec<MessageEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageEntry {
    id: String,
    message_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AllSent {
    #[serde(default)]
    successful: Vec<SentEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentEntry {
    id: String,
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<ReceivedMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AllDeleted {
    #[serde(default)]
    entries: Vec<DeletedEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeletedEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Successes {
    #[serde(default)]
    successful: Vec<Success>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Success {
    id: String,
}

/// The way to the queues that looks at what passes.
struct Keeping {
    inner: SharedHttpClient,
    messages: KeptMessages,
}

impl std::fmt::Debug for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeping")
    }
}

impl HttpClient for Keeping {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(KeepingConnector { inner, messages: self.messages.clone() })
    }
}

struct KeepingConnector {
    inner: SharedHttpConnector,
    messages: KeptMessages,
}

impl std::fmt::Debug for KeepingConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeepingConnector")
    }
}

impl HttpConnector for KeepingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target).to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let (answered, messages) = (self.inner.call(request), self.messages.clone());
        HttpConnectorFuture::new(async move {
            let response: HttpResponse = answered.await?;
            if response.status().is_success() {
                let answer = response.body().bytes().unwrap_or_default();
                // Who sends a message that could not be kept learns that it was not sent; who deletes one deletes again.
                let noted = messages.note(&operation, &body, answer).await;
                noted.map_err(|error| ConnectorError::other(Box::new(error), None))?;
            }
            Ok(response)
        })
    }
}
