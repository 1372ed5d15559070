//! What a replay has done, letter by letter.

use couplet_model::ids::{MappingName, RecordId, ReplayId, RunId};
use couplet_model::message::Direction;
use couplet_model::task::Task;
use couplet_store::DeadLetter;
use jiff::Timestamp;
use serde::Serialize;

use super::judging::Fate;
use super::letter::{Content, Letter, QueueName};

/// What a replay has done, or would do.
#[derive(Debug, Serialize)]
pub struct ReplayReport {
    /// The replay; it marks the records it brought back.
    pub replay: ReplayId,
    /// Whether it only looked.
    pub dry_run: bool,
    /// Why it ended before its end, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Every letter it saw, in the order it saw them.
    pub letters: Vec<ReportedLetter>,
}

impl ReplayReport {
    /// How many letters had this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.letters.iter().filter(|letter| letter.fate == fate).count()
    }
}

/// A dead letter and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedLetter {
    /// The queue it came from.
    pub queue: QueueName,
    /// What became of it.
    pub fate: Fate,
    /// Its id among the dead letters.
    pub message_id: String,
    /// When the message was first sent.
    pub sent: Option<Timestamp>,
    /// Why the queue gave up on it, if that was noted.
    pub reason: Option<String>,
    /// When the queue gave up on it, if that was noted.
    pub died: Option<Timestamp>,
    /// Why it cannot be read, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The mapping of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingName>,
    /// Which way the record was to travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// The job of its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Which invocation of the run a task is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<u32>,
    /// The replay that had brought it back before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought_back_by: Option<ReplayId>,
}

impl ReportedLetter {
    pub(super) fn new(queue: QueueName, letter: &Letter, noted: Option<&DeadLetter>, fate: Fate) -> Self {
        let mut reported = Self {
            queue,
            fate,
            message_id: letter.message_id.clone(),
            sent: letter.sent,
            reason: noted.map(|noted| noted.reason.clone()),
            died: noted.map(|noted| noted.at),
            unreadable: None,
            mapping: None,
            direction: None,
            record: None,
            job: None,
            run: None,
            leg: None,
            brought_back_by: None,
        };
        match &letter.content {
            Content::Unreadable(problem) => reported.unreadable = Some(problem.clone()),
            Content::Record(message) => {
                reported.mapping = Some(message.mapping.clone());
                reported.direction = Some(message.direction);
                reported.record = Some(message.record);
                reported.job = Some(message.job.clone());
                reported.run = Some(message.run);
                reported.brought_back_by = message.replay;
            }
            Content::Task(message) => {
                let Task::ContinueRun(next) = &message.task;
                reported.job = Some(next.job.clone());
                reported.run = Some(next.run);
                reported.leg = Some(next.invocation);
            }
        }
        reported
    }
}
