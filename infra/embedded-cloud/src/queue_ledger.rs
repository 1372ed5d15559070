//! What is in the queues of this process, told by what passes: the queues' own numbers leave out a message that was
//! received and is visible again, and they take a message away by any receipt it ever had.
//!
//! The service counts every message, and promises to remove one by its newest receipt only. This stands before the queues
//! and keeps both promises: it knows which messages were sent, received and removed, and lets no removal by an older
//! receipt through; that is answered as the service answers it, with success.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

const TARGET_PREFIX: &str = "AmazonSQS.";

/// The messages of all queues of this process. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct QueueLedger {
    messages: Arc<Mutex<Messages>>,
}

/// The messages that were sent and not removed.
#[derive(Default)]
pub(crate) struct Messages {
    /// By the id the queue gave.
    known: HashMap<String, Message>,
    /// The message behind its newest receipt.
    by_receipt: HashMap<String, String>,
}

struct Message {
    /// Where it was seen last: where it was sent to, then where it was received.
    queue: String,
    /// Its newest receipt.
    receipt: Option<String>,
}

impl Messages {
    fn sent(&mut self, queue: &str, id: &str) {
        self.known.insert(id.to_owned(), Message { queue: queue.to_owned(), receipt: None });
    }

    fn received(&mut self, queue: &str, id: &str, receipt: &str) {
        let Some(message) = self.known.get_mut(id) else { return };
        queue.clone_into(&mut message.queue);
        if let Some(old) = message.receipt.replace(receipt.to_owned()) {
            self.by_receipt.remove(&old);
        }
        self.by_receipt.insert(receipt.to_owned(), id.to_owned());
    }

    fn removed(&mut self, receipt: &str) {
        if let Some(id) = self.by_receipt.remove(receipt) {
            self.known.remove(&id);
        }
    }

    /// Whether this is the receipt of a message's last receive, which alone removes it.
    fn is_newest(&self, receipt: &str) -> bool {
        self.by_receipt.contains_key(receipt)
    }

    /// Messages of these queues.
    pub fn total(&self, queues: [&str; 2]) -> u64 {
        self.known.values().filter(|message| queues.contains(&message.queue.as_str())).count() as u64
    }

    /// Messages that were received from this queue at least once.
    pub fn received_from(&self, queue: &str) -> u64 {
        self.known.values().filter(|message| message.queue == queue && message.receipt.is_some()).count() as u64
    }

    /// Notes what the queues have answered.
    fn note(&mut self, operation: &str, request: &Value, answer: &Value) {
        let queue = queue_name(text(request, "QueueUrl"));
        match operation {
            "SendMessage" => self.sent(queue, text(answer, "MessageId")),
            "SendMessageBatch" => {
                for sent in list(answer, "Successful") {
                    self.sent(queue, text(sent, "MessageId"));
                }
            }
            "ReceiveMessage" => {
                for message in list(answer, "Messages") {
                    self.received(queue, text(message, "MessageId"), text(message, "ReceiptHandle"));
                }
            }
            "DeleteMessage" => self.removed(text(request, "ReceiptHandle")),
            "DeleteMessageBatch" => {
                let done: HashSet<&str> = list(answer, "Successful").map(|entry| text(entry, "Id")).collect();
                for entry in list(request, "Entries").filter(|entry| done.contains(text(entry, "Id"))) {
                    self.removed(text(entry, "ReceiptHandle"));
                }
            }
            "PurgeQueue" => {
                self.known.retain(|_, message| message.queue != queue);
                self.by_receipt.retain(|_, id| self.known.contains_key(id));
            }
            _ => {}
        }
    }

    /// Takes the removals by an older receipt out of a request; gives the ids of their entries. Nothing is left of a
    /// request that has no other.
    fn take_out_old(&self, operation: &str, request: &mut Value) -> TakenOut {
        match operation {
            "DeleteMessage" if !self.is_newest(text(request, "ReceiptHandle")) => TakenOut::Everything(Vec::new()),
            "DeleteMessageBatch" => {
                let (new, old): (Vec<Value>, Vec<Value>) =
                    list(request, "Entries").cloned().partition(|entry| self.is_newest(text(entry, "ReceiptHandle")));
                let ids = old.iter().map(|entry| text(entry, "Id").to_owned()).collect::<Vec<String>>();
                match (ids.is_empty(), new.is_empty()) {
                    (true, _) => TakenOut::Nothing,
                    (false, true) => TakenOut::Everything(ids),
                    (false, false) => {
                        request["Entries"] = Value::Array(new);
                        TakenOut::Some(ids)
                    }
                }
            }
            _ => TakenOut::Nothing,
        }
    }
}

/// Which entries of a request do not go on to the queues.
#[derive(Debug, PartialEq)]
enum TakenOut {
    Nothing,
    Some(Vec<String>),
    Everything(Vec<String>),
}

impl QueueLedger {
    /// A client of the queues behind `inner` that keeps the ledger.
    pub fn around(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Ledgered { inner, ledger: self.clone() })
    }

    /// The messages; while they are held nothing is sent, noted as received, or removed.
    pub async fn hold(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().await
    }
}

/// The way to the queues that keeps the ledger.
struct Ledgered {
    inner: SharedHttpClient,
    ledger: QueueLedger,
}

impl std::fmt::Debug for Ledgered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledgered")
    }
}

impl HttpClient for Ledgered {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(LedgeredConnector { inner, ledger: self.ledger.clone() })
    }
}

struct LedgeredConnector {
    inner: SharedHttpConnector,
    ledger: QueueLedger,
}

impl std::fmt::Debug for LedgeredConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LedgeredConnector")
    }
}

impl HttpConnector for LedgeredConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target).to_owned();
        let (inner, ledger) = (self.inner.clone(), self.ledger.clone());
        HttpConnectorFuture::new(async move {
            let mut asked = parsed(request.body().bytes());
            // A receive may wait for messages, and nobody else shall meanwhile.
            if operation == "ReceiveMessage" {
                let response = inner.call(request).await?;
                if response.status().is_success() {
                    ledger.hold().await.note(&operation, &asked, &parsed(response.body().bytes()));
                }
                return Ok(response);
            }
            let mut messages = ledger.hold().await;
            let taken_out = messages.take_out_old(&operation, &mut asked);
            match &taken_out {
                TakenOut::Everything(ids) => return answered(&removed(ids, json!({}))),
                TakenOut::Some(_) => {
                    let body = asked.to_string();
                    request.headers_mut().insert("content-length", body.len().to_string());
                    *request.body_mut() = SdkBody::from(body);
                }
                TakenOut::Nothing => {}
            }
            let response = inner.call(request).await?;
            if !response.status().is_success() {
                return Ok(response);
            }
            let answer = parsed(response.body().bytes());
            messages.note(&operation, &asked, &answer);
            match taken_out {
                TakenOut::Some(ids) => answered(&removed(&ids, answer)),
                TakenOut::Nothing | TakenOut::Everything(_) => Ok(response),
            }
        })
    }
}

/// The answer with these entries among the removed ones; without entries the answer to a single removal.
fn removed(ids: &[String], mut answer: Value) -> Value {
    if !ids.is_empty() {
        let done = list(&answer, "Successful").cloned().chain(ids.iter().map(|id| json!({ "Id": id }))).collect();
        answer["Successful"] = Value::Array(done);
        if answer.get("Failed").is_none() {
            answer["Failed"] = json!([]);
        }
    }
    answer
}

fn answered(body: &Value) -> Result<HttpResponse, ConnectorError> {
    let status = 200.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

/// The JSON of a body; what is none says nothing about messages.
fn parsed(body: Option<&[u8]>) -> Value {
    body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The queue's name: what is behind the last slash of its address.
pub(crate) fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
