//! What a replay has done, dead letter by dead letter.

use couplet_model::ids::{MappingName, RecordId, ReplayId, RunId};
use couplet_model::message::Direction;

use couplet_store::DeadLetter;
use jiff::Timestamp;
use serde::Serialize;

use super::dead_letter::{Content, DeadMessage, QueueName};
use super::judging::ReplayOutcome;

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
    /// Every dead letter it saw, in the order it saw them.
    #[serde(rename = "letters")]
    pub dead_letters: Vec<ReportedDeadLetter>,
}

impl ReplayReport {
    /// How many dead letters had this outcome.
    pub fn count(&self, outcome: ReplayOutcome) -> usize {
        self.dead_letters.iter().filter(|dead_letter| dead_letter.outcome == outcome).count()
    }
}

/// A dead letter and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedDeadLetter {
    /// The queue it came from.
    pub queue: QueueName,
    /// What became of it.
    #[serde(rename = "fate")]
    pub outcome: ReplayOutcome,
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
    #[serde(rename = "leg", skip_serializing_if = "Option::is_none")]
    pub invocation: Option<u32>,
    /// The replay that had brought it back before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought_back_by: Option<ReplayId>,
}

impl ReportedDeadLetter {
    pub(super) fn new(
        queue: QueueName,
        dead_letter: &DeadMessage,
        noted: Option<&DeadLetter>,
        outcome: ReplayOutcome,
    ) -> Self {
        let mut reported = Self {
            queue,
            outcome,
            message_id: dead_letter.message_id.clone(),
            sent: dead_letter.sent,
            reason: noted.map(|noted| noted.reason.clone()),
            died: noted.map(|noted| noted.at),
            unreadable: None,
            mapping: None,
            direction: None,
            record: None,
            job: None,
            run: None,
            invocation: None,
            brought_back_by: None,
        };
        match &dead_letter.content {
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
                reported.job = Some(message.task.job().to_owned());
                reported.run = Some(message.task.run());
                reported.invocation = message.task.invocation();
            }
        }
        reported
    }
}
