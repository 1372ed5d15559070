//! The full synchronization of a whole installation: a plan with a line for each mapping, what is recommended for a line, which
//! line may begin, and how one ends. Decisions over values; whoever reads the facts and does what is decided is elsewhere.

mod advancing;
mod recommending;

use serde::{Deserialize, Serialize};

use crate::ids::{MappingName, RunId};
use crate::outcome::Counters;
use jiff::Timestamp;

pub use advancing::{Begin, LineFacts, advance, must_begin_again, restart};
pub use recommending::{Facts, Recommendation, Sighted, recommend};

/// The plan of a full synchronization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Whose tasks carry it on: each start has an id of its own, so that one task at a time looks after the plan.
    pub going: RunId,
    /// When it was first started.
    pub started: Timestamp,
    /// When a person stopped it: no line begins until it is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
    /// Its lines, each after all it depends on.
    pub lines: Vec<Line>,
}

/// What the plan does with one mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The mapping, which bears the name of its job.
    pub mapping: MappingName,
    /// Mappings that come before it.
    #[serde(default)]
    pub dependencies: Vec<MappingName>,
    /// What is done with it.
    pub recommendation: Recommendation,
    /// Why.
    pub reason: String,
    /// What was seen of both sides when it was recommended.
    pub facts: Facts,
    /// The fields that a person chose to match by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub state: LineState,
    /// The run that works for it, or did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Whether a person had put its job on hold before its run began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_hold: bool,
    /// How often it has begun since a person asked for it.
    #[serde(default)]
    pub attempts: u32,
    /// When its run was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What became of its records towards Dataverse, once it has ended.
    #[serde(default)]
    pub to_dataverse: Counters,
    /// What became of its records from Dataverse, once it has ended.
    #[serde(default)]
    pub from_dataverse: Counters,
    /// Why it failed, or what its run noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Where a line stands (R168, R176).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// It has not begun.
    #[default]
    Waiting,
    /// Its run is asked for, or under way.
    InProcess,
    /// Its run has ended; records may have failed in it (R177).
    Finished,
    /// Its run failed as a whole.
    Failed,
}

impl Line {
    /// A line that has not begun.
    pub fn new(
        mapping: MappingName,
        dependencies: Vec<MappingName>,
        facts: Facts,
        (recommendation, reason): (Recommendation, String),
    ) -> Self {
        Self {
            mapping,
            dependencies,
            recommendation,
            reason,
            facts,
            by: None,
            state: LineState::Waiting,
            run: None,
            on_hold: false,
            attempts: 0,
            asked: None,
            began: None,
            ended: None,
            to_dataverse: Counters::default(),
            from_dataverse: Counters::default(),
            message: None,
        }
    }

    /// Whether there is nothing to do for it: then nobody waits for it (R176, R178).
    pub fn is_idle(&self) -> bool {
        self.state == LineState::Waiting && !self.recommendation.does_something()
    }

    /// Whether those that depend on it may begin (R176, R177).
    pub fn is_satisfied(&self) -> bool {
        self.state == LineState::Finished || self.is_idle()
    }
}

impl Plan {
    /// The lines before a line that keep it from beginning: names without a line do not (R176).
    pub fn waits_for<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(|other| line.dependencies.contains(&other.mapping) && !other.is_satisfied())
    }

    /// Whether a line may begin (R176).
    pub fn may_begin(&self, line: &Line) -> bool {
        self.stopped.is_none()
            && line.state == LineState::Waiting
            && line.recommendation.does_something()
            && self.waits_for(line).next().is_none()
    }

    /// Whether nothing is under way, and nothing can begin.
    pub fn stands(&self) -> bool {
        !self.lines.iter().any(|line| line.state == LineState::InProcess || self.may_begin(line))
    }

    /// Whether every line has ended well, or has nothing to do.
    pub fn is_finished(&self) -> bool {
        self.lines.iter().all(Line::is_satisfied)
    }

    /// The line of a mapping.
    pub fn line_mut(&mut self, mapping: &MappingName) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.mapping == *mapping)
    }
}

/// The lines of a plan that is generated again: those that have begun stay as they are, all others are those that were
/// generated now, in the order of these (R169).
pub fn merged(standing: Option<&Plan>, generated: Vec<Line>) -> Vec<Line> {
    let begun: Vec<&Line> =
        standing.into_iter().flat_map(|plan| &plan.lines).filter(|line| line.state != LineState::Waiting).collect();
    let is_generated = |line: &&&Line| generated.iter().any(|new| new.mapping == line.mapping);
    let others: Vec<Line> = begun.iter().filter(|line| !is_generated(line)).map(|line| (*line).clone()).collect();
    let lines = generated
        .into_iter()
        .map(|line| begun.iter().find(|begun| begun.mapping == line.mapping).map_or(line, |begun| (*begun).clone()));
    others.into_iter().chain(lines).collect()
}

#[cfg(test)]
mod tests;
