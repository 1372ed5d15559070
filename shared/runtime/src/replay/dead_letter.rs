//! A dead letter as it was found.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use couplet_model::ids::{CompanyId, ReplayId};
use couplet_model::message::{MESSAGE_FORMAT, RecordMessage};
use couplet_model::task::{TASK_FORMAT, TaskMessage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A queue whose dead letters can be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// One message per record.
    Records,
    /// Work that is no single record.
    Tasks,
}

impl QueueName {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Records, Self::Tasks];

    /// The name in sentences and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Tasks => "tasks",
        }
    }
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(super) struct DeadMessage {
    /// Id the queue gave the message; a message keeps it when it becomes a dead letter.
    pub message_id: String,
    /// What deletes it.
    pub receipt: String,
    /// When the message was first sent; becoming a dead letter does not change that.
    pub sent: Option<Timestamp>,
    pub body: String,
    pub content: Content,
}

/// What is in a dead letter.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Record(Box<RecordMessage>),
    Task(TaskMessage),
    /// Nothing that could be brought back, and why.
    Unreadable(String),
}

impl DeadMessage {
    /// Reads what the queue gave. A message without an id or a receipt could be neither told apart nor deleted.
    pub fn read(queue: QueueName, company: CompanyId, message: Message) -> Option<Self> {
        let sent = message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
        let sent = sent.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds.parse().ok()?).ok());
        let body = message.body.unwrap_or_default();
        let content = match queue {
            QueueName::Records => record(&body, company),
            QueueName::Tasks => task(&body, company),
        };
        let content = content.unwrap_or_else(Content::Unreadable);
        Some(Self { message_id: message.message_id?, receipt: message.receipt_handle?, sent, body, content })
    }

    /// The body to send. A record goes without what was read of it, so that it is read again and no old state comes
    /// back; a task as it was.
    pub fn body_to_send(&self, replay: ReplayId) -> Result<String, serde_json::Error> {
        match &self.content {
            Content::Record(record) => {
                serde_json::to_string(&RecordMessage { snapshot: None, replay: Some(replay), ..(**record).clone() })
            }
            Content::Task(_) | Content::Unreadable(_) => Ok(self.body.clone()),
        }
    }
}

fn record(body: &str, company: CompanyId) -> Result<Content, String> {
    let message: RecordMessage = serde_json::from_str(body).map_err(|error| error.to_string())?;
    same_format(message.v, MESSAGE_FORMAT)?;
    same_company(message.company, company)?;
    Ok(Content::Record(Box::new(message)))
}

fn task(body: &str, company: CompanyId) -> Result<Content, String> {
    let message: TaskMessage = serde_json::from_str(body).map_err(|error| error.to_string())?;
    same_format(message.v, TASK_FORMAT)?;
    same_company(message.company, company)?;
    Ok(Content::Task(message))
}

fn same_format(found: u8, ours: u8) -> Result<(), String> {
    if found == ours { Ok(()) } else { Err(format!("its format {found} is not {ours}")) }
}

fn same_company(found: CompanyId, ours: CompanyId) -> Result<(), String> {
    if found == ours { Ok(()) } else { Err(format!("it is of company {found}, and this is {ours}")) }
}
