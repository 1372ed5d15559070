//! The message of the tasks queue: work that is no single record.

use serde::{Deserialize, Serialize};

use crate::ids::{CompanyId, MappingName, RunId};
use crate::request::Request;

/// Version of the task format.
pub const TASK_FORMAT: u8 = 1;

/// One task of one company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskMessage {
    /// Format, [`TASK_FORMAT`].
    pub v: u8,
    /// Business Central company.
    pub company: CompanyId,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A run that was not finished when its invocation had to end goes on where it stopped.
    #[serde(rename = "continue_run")]
    ContinueRun(Continuation),
    /// What a person asks for of records of a mapping.
    Ask(Request),
    /// A full synchronization of the installation goes on: lines whose runs have ended are noted, others begin.
    AdvanceFullSync(Going),
    /// A line of a full synchronization begins.
    RunLine(LineTask),
    /// A job runs before its timer starts it, because a notification told of a change.
    RunEarly(EarlyTask),
}

impl Task {
    /// The job whose run it works for.
    pub fn job(&self) -> &str {
        match self {
            Self::ContinueRun(next) => &next.job,
            Self::Ask(request) => request.mapping.as_str(),
            Self::AdvanceFullSync(_) => FULL_SYNCHRONIZATION,
            Self::RunLine(line) => line.mapping.as_str(),
            Self::RunEarly(early) => &early.job,
        }
    }

    /// The run it works for, or the going of the full synchronization.
    pub fn run(&self) -> RunId {
        match self {
            Self::ContinueRun(next) => next.run,
            Self::Ask(request) => request.run,
            Self::AdvanceFullSync(going) => going.going,
            Self::RunLine(line) => line.going,
            Self::RunEarly(early) => early.id,
        }
    }

    /// Which invocation of the run it is, where these are counted.
    pub fn invocation(&self) -> Option<u32> {
        match self {
            Self::ContinueRun(next) => Some(next.invocation),
            Self::Ask(_) | Self::AdvanceFullSync(_) | Self::RunLine(_) | Self::RunEarly(_) => None,
        }
    }
}

/// What the full synchronization of an installation is called where a job is named.
pub const FULL_SYNCHRONIZATION: &str = "full synchronization";

/// Which going of the full synchronization goes on: a task of an earlier one has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Going {
    /// Its id.
    pub going: RunId,
}

/// A line of the full synchronization that begins. Delivered twice, it begins once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineTask {
    /// The going of the full synchronization.
    pub going: RunId,
    /// The mapping.
    pub mapping: MappingName,
}

/// A job that runs early. The run that it starts has an id of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyTask {
    /// The job.
    pub job: String,
    /// Tells this task from others, among dead letters.
    pub id: RunId,
}

/// The next invocation of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    /// The job.
    pub job: String,
    /// The run. Its checkpoint is stored with its lease.
    pub run: RunId,
    /// Which invocation this will be, the one that began the run being number 0. One worker alone works
    /// it, however often its message is delivered.
    #[serde(rename = "leg")]
    pub invocation: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_like_a_sentence() {
        let text = r#"{"v":1,"company":"5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c","task":{"continue_run":{"job":"ITEM-PRODUCT","run":"0198c0de-0000-7000-8000-000000000001","leg":2}}}"#;
        let message: TaskMessage = serde_json::from_str(text).expect("a task");
        let Task::ContinueRun(next) = &message.task else { panic!("a run that goes on") };
        assert_eq!((next.job.as_str(), next.invocation), ("ITEM-PRODUCT", 2));
        assert_eq!(serde_json::to_string(&message).expect("JSON"), text);
        assert!(serde_json::from_str::<TaskMessage>(&text.replace("continue_run", "stop_run")).is_err());
    }
}
