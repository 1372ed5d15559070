//! The port to what the console shows and does.

use std::collections::BTreeMap;

use async_trait::async_trait;
use couplet_engine::{JobPlan, Named, RecordStory};
use couplet_model::job::{Job, JobState, Run};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, RecordId};
use couplet_runtime::replay::ReportedDeadLetter;
use couplet_store::{ErrorRecord, Failure, Wait};
use jiff::Timestamp;

use crate::act::Act;

/// Why something cannot be shown or done, in one sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What the port answers.
pub type Answer<T> = Result<T, Refusal>;

/// What the console shows and does. Reading changes nothing; an act is carried out to its end before it answers.
///
/// Everything named is named as on the command line, in whatever case; what is not there is refused with the nearest name.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// What is looked at, in a few words: a folder of this machine, or a stack.
    fn place(&self) -> String;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// The names of all mappings, in the order of their jobs.
    async fn mapping_names(&self) -> Answer<Vec<String>>;

    /// How everything stands.
    async fn overview(&self) -> Answer<Overview>;

    /// Every job, with its last run.
    async fn jobs(&self) -> Answer<Jobs>;

    /// The last runs of a job, or of all, newest first.
    async fn runs(&self, job: Option<&str>) -> Answer<Vec<Run>>;

    /// What failed and is still to be mended, and the latest errors.
    async fn failures(&self, mapping: Option<&str>) -> Answer<Failures>;

    /// What both sides have changed, longest first.
    async fn conflicts(&self, mapping: Option<&str>) -> Answer<Listed<Conflict>>;

    /// Records that wait for others, longest first.
    async fn waiting(&self, mapping: Option<&str>) -> Answer<Listed<Waiting>>;

    /// Pairs of a mapping: all, page by page, those that are skipped, or those that a name means.
    async fn couplings(&self, mapping: &str, search: &Search) -> Answer<Pairs>;

    /// How one record stands, and what became of it.
    async fn history(&self, mapping: &str, side: Side, name: &str) -> Answer<Story>;

    /// The mappings as they stand.
    async fn mappings(&self) -> Answer<Mappings>;

    /// One mapping with its field rows.
    async fn mapping(&self, name: &str) -> Answer<MappingDetails>;

    /// The dead letters of both queues. They are hidden from others for as long as the look takes.
    async fn dead_letters(&self) -> Answer<DeadLetters>;

    /// Carries out an act. Whoever stops waiting for the answer does not stop the act.
    async fn act(&self, act: &Act) -> Done;
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whether everything that was asked for was done.
    pub succeeded: bool,
    /// What was done, or why not and what to do.
    pub message: String,
}

impl Done {
    /// It was done.
    pub fn well(message: impl Into<String>) -> Self {
        Self { succeeded: true, message: message.into() }
    }

    /// It was not done, or not all of it.
    pub fn badly(message: impl Into<String>) -> Self {
        Self { succeeded: false, message: message.into() }
    }
}

/// A list that may be longer than what is shown.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// How many there are.
    pub total: usize,
    /// Those that are shown.
    pub shown: Vec<T>,
}

impl<T> Listed<T> {
    /// The first of these, at most so many.
    pub fn first(mut all: Vec<T>, limit: usize) -> Self {
        let total = all.len();
        all.truncate(limit);
        Self { total, shown: all }
    }
}

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The jobs.
    pub jobs: Jobs,
    /// What people have to look at.
    pub counts: Counts,
    /// Runs of all jobs, newest first.
    pub runs: Vec<Run>,
    /// From when on the list of runs has every one of them; `None` when it has all that are stored.
    pub runs_since: Option<Timestamp>,
    /// Requests to both systems, where this process makes them.
    pub requests: Vec<SystemRequests>,
}

/// What people have to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records to be mended, conflicts aside: they failed, wait in vain, or travelled but for some fields.
    pub failed: usize,
    /// Pairs that both sides have changed.
    pub conflicts: usize,
    /// Records that wait for others.
    pub waiting: u64,
    /// Dead letters of both queues; `None` where they cannot be counted.
    pub dead_letters: Option<u64>,
}

/// Requests to one system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRequests {
    /// The system.
    pub side: Side,
    /// Requests since the process began.
    pub requests: u64,
    /// How many of them it answered with a demand to pause.
    pub throttled: u64,
}

/// The jobs.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    /// Every job.
    pub lines: Vec<JobLine>,
    /// Why all of them stand still, if they do.
    pub stands_still: Option<String>,
    /// That a person has switched the connection off, if so.
    pub disabled: Option<String>,
}

/// A job.
#[derive(Clone, Debug)]
pub struct JobLine {
    /// The job as it can be scheduled.
    pub plan: JobPlan,
    /// What is stored of it; nothing before its first run.
    pub job: Option<Job>,
    /// Its last run.
    pub last: Option<Run>,
    /// Records that wait for others; of jobs that have a mapping of their own and can run.
    pub waiting: Option<u64>,
}

impl JobLine {
    /// Its state.
    pub fn state(&self) -> JobState {
        self.job.as_ref().map_or(JobState::Ready, |job| job.state)
    }
}

/// What failed.
#[derive(Clone, Debug)]
pub struct Failures {
    /// Records still to be mended, conflicts aside, newest first.
    pub open: Listed<Failure>,
    /// The latest errors, newest first, mended or not.
    pub latest: Vec<ErrorRecord>,
}

/// A pair that both sides have changed, as it was told last.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// What was told.
    pub failure: Failure,
    /// The record of Business Central.
    pub record: Option<RecordId>,
    /// The row of Dataverse.
    pub row: Option<RecordId>,
    /// What the two last agreed on, field by field as in the failure; `None` where that is not known.
    pub bases: Vec<Option<String>>,
}

/// A record that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What it waits for.
    pub wait: Wait,
    /// What would release it.
    pub released_by: String,
}

/// Which pairs are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// The number, code, name or id of a record, and the side it is on.
    pub name: Option<(Side, String)>,
    /// Only those that are skipped.
    pub skipped: bool,
    /// Where the page begins.
    pub after: Option<String>,
}

/// Pairs of a mapping.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The mapping.
    pub mapping: MappingName,
    /// How many pairs there are.
    pub total: u64,
    /// Those that are shown.
    pub shown: Vec<Coupling>,
    /// Records that were found and are not coupled.
    pub uncoupled: Vec<Named>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What is known of one record.
#[derive(Clone, Debug)]
pub struct Story {
    /// The mapping.
    pub mapping: MappingName,
    /// The side it was named on.
    pub side: Side,
    /// The record.
    pub record: Named,
    /// What is known.
    pub story: RecordStory,
}

/// The mappings as they stand.
#[derive(Clone, Debug)]
pub struct Mappings {
    /// Which revision is in force, in words.
    pub revision: String,
    /// One after the other.
    pub lines: Vec<MappingLine>,
}

/// A mapping in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingLine {
    /// Name.
    pub name: String,
    /// Table of Business Central.
    pub business_central: String,
    /// Table of Dataverse.
    pub dataverse: String,
    /// Which ways it travels.
    pub direction: String,
    /// Whether only coupled records travel.
    pub only_coupled: bool,
    /// Field rows in use.
    pub fields: usize,
    /// Whether it is as shipped, changed or added.
    pub origin: String,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingDetails {
    /// Name.
    pub name: String,
    /// What is to be known of it: what, and how.
    pub facts: Vec<(String, String)>,
    /// Field rows: row, direction, used, remark.
    pub rows: Vec<[String; 4]>,
}

/// The dead letters of both queues.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    /// All of them.
    pub letters: Vec<ReportedDeadLetter>,
    /// What people call the records among them that are coupled, by their ids.
    pub labels: BTreeMap<RecordId, String>,
    /// Why there can be none here, or why the look did not come to its end.
    pub remark: Option<String>,
}
