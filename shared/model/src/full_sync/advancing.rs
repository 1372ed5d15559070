//! How a plan goes on: which lines have ended, which begin, and which are tried again.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{Line, LineState, Plan, Recommendation};
use crate::ids::{MappingName, RunId};
use crate::job::{Job, JobState, Run};

/// How often a line begins whose run fails as a whole, until a person has to look.
const MOST_ATTEMPTS: u32 = 3;
/// Until it begins again, for each attempt that failed.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// A run that was asked for and is not in the store after this was lost on the way, and so was a run whose lease ended that long
/// ago. Asked for twice, it is one.
const LOST: SignedDuration = SignedDuration::from_mins(5);
/// Records that have not come back after this do not come by themselves (R187).
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// What is known of the work for a line.
#[derive(Clone, Debug, Default)]
pub struct LineFacts {
    /// The run that the line names, if the store has it.
    pub run: Option<Run>,
    /// The job of its mapping, if it ever ran.
    pub job: Option<Job>,
}

/// A line whose run has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The mapping.
    pub mapping: MappingName,
    /// What is done with it.
    pub recommendation: Recommendation,
    /// The run, where it has an id before it begins.
    pub run: Option<RunId>,
}

/// How a line goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing changes.
    Stay,
    /// Its run is asked for again, as the same run if it has an id.
    AskAgain,
    /// It begins again.
    Retry,
    /// Another run of the job has taken up its work.
    Follow(RunId),
    Finish,
    Fail,
    /// A person has put its job on hold.
    Stopped,
    /// Its records do not come back.
    GiveUp,
}

/// Carries a plan on: lines whose runs have ended get their results, and lines that may begin do (R178, R180). Gives what has to
/// be asked for once the plan is stored. Asked again with the same facts it changes nothing.
pub fn advance(plan: &mut Plan, facts: &HashMap<MappingName, LineFacts>, now: Timestamp) -> Vec<Begin> {
    let none = LineFacts::default();
    let mut begins = Vec::new();
    for line in plan.lines.iter_mut().filter(|line| line.state == LineState::InProcess) {
        let facts = facts.get(&line.mapping).unwrap_or(&none);
        match next(line, facts, now) {
            Next::Stay => {}
            Next::AskAgain => {
                line.asked = Some(now);
                begins.push(begin(line));
            }
            Next::Retry => {
                line.attempts += 1;
                (line.asked, line.run) = (Some(now), fresh_run(line.recommendation));
                begins.push(begin(line));
            }
            Next::Follow(run) => line.run = Some(run),
            Next::Finish => end(line, LineState::Finished, facts.run.as_ref(), now),
            Next::Fail => end(line, LineState::Failed, facts.run.as_ref(), now),
            Next::Stopped => {
                end(line, LineState::Failed, facts.run.as_ref(), now);
                line.message =
                    Some("its job was put on hold while it was synchronized; release it, and restart".to_owned());
            }
            Next::GiveUp => {
                end(line, LineState::Failed, facts.run.as_ref(), now);
                let missing = facts.run.as_ref().map_or(0, |run| run.enqueued.saturating_sub(run.processed));
                line.message = Some(format!(
                    "its run has not ended for a day, and {missing} records have not come back; look for them with couplet replay \
                     --dry-run"
                ));
            }
        }
    }
    let places: Vec<usize> = (0..plan.lines.len()).filter(|place| plan.may_begin(&plan.lines[*place])).collect();
    for place in places {
        let line = &mut plan.lines[place];
        line.state = LineState::InProcess;
        line.attempts = 1;
        (line.asked, line.began, line.ended) = (Some(now), Some(now), None);
        (line.run, line.message) = (fresh_run(line.recommendation), None);
        begins.push(begin(line));
    }
    begins
}

/// Whether the run of a full synchronization has to begin (again) for a line, given the run that the line names. Its task may
/// come twice, and after a worker died: the lease of the job decides between those who begin at once.
pub fn must_begin_again(line: &Line, facts: &LineFacts) -> bool {
    let is_wanted = line.state == LineState::InProcess && line.recommendation == Recommendation::Full;
    let is_open = facts.run.as_ref().is_none_or(|run| run.found.is_none() && run.finished.is_none());
    is_wanted && is_open && !is_stopped(line, facts)
}

/// Whether a person has put the job on hold since its line began: then it does not begin again by itself.
fn is_stopped(line: &Line, facts: &LineFacts) -> bool {
    let has_begun = line.attempts > 1 || line.run.is_some();
    has_begun && !line.on_hold && facts.job.as_ref().is_some_and(|job| job.state == JobState::OnHold)
}

/// Lets a line begin again that has ended; what is done with it stays (R184, R185). `false`: it has not ended.
pub fn restart(line: &mut Line) -> bool {
    if !matches!(line.state, LineState::Finished | LineState::Failed) {
        return false;
    }
    let said = (line.recommendation, line.reason.clone());
    let fresh = Line::new(line.mapping.clone(), line.dependencies.clone(), line.facts, said);
    *line = Line { by: line.by.take(), ..fresh };
    true
}

/// Runs of requests have their id before they begin; those of jobs get it with the lease.
fn fresh_run(recommendation: Recommendation) -> Option<RunId> {
    (recommendation == Recommendation::Couple).then(RunId::fresh)
}

fn begin(line: &Line) -> Begin {
    let run = line.run.filter(|_| line.recommendation == Recommendation::Couple);
    Begin { mapping: line.mapping.clone(), recommendation: line.recommendation, run }
}

fn end(line: &mut Line, state: LineState, run: Option<&Run>, now: Timestamp) {
    line.state = state;
    line.ended = Some(run.and_then(|run| run.finished).unwrap_or(now));
    if let Some(run) = run {
        (line.to_dataverse, line.from_dataverse) = (run.to_dataverse, run.from_dataverse);
        line.message.clone_from(&run.message);
    }
}

fn next(line: &Line, facts: &LineFacts, now: Timestamp) -> Next {
    let is_due = |since: Option<Timestamp>, pause: SignedDuration| since.is_none_or(|since| now >= since + pause);
    let is_open = facts.run.as_ref().is_none_or(|run| run.found.is_none());
    if is_open && line.recommendation == Recommendation::Full && is_stopped(line, facts) {
        return Next::Stopped;
    }
    let Some(run) = &facts.run else {
        return if is_due(line.asked, LOST) { Next::AskAgain } else { Next::Stay };
    };
    match (run.found, run.finished) {
        (Some(_), Some(_)) => Next::Finish,
        (Some(found), None) if now >= found + PATIENCE => Next::GiveUp,
        (Some(_), None) => Next::Stay,
        (None, None) => match &facts.job {
            Some(job) if is_lost(job, run, now) && is_due(line.asked, LOST) => Next::AskAgain,
            // Whoever matches holds no lease.
            _ if line.recommendation == Recommendation::Couple && is_due(line.asked, PATIENCE) => Next::GiveUp,
            _ => Next::Stay,
        },
        (None, Some(ended)) => {
            // What is owed is taken up by whatever run of the job comes next.
            let follower =
                facts.job.as_ref().filter(|job| job.state == JobState::InProcess && job.full_since.is_some());
            if let Some(other) = follower.and_then(|job| job.run).filter(|other| *other != run.id)
                && line.recommendation == Recommendation::Full
            {
                return Next::Follow(other);
            }
            let pause = PAUSE * i32::try_from(line.attempts).unwrap_or(i32::MAX);
            match line.attempts {
                attempts if attempts >= MOST_ATTEMPTS => Next::Fail,
                _ if is_due(Some(ended), pause) => Next::Retry,
                _ => Next::Stay,
            }
        }
    }
}

/// Whether nobody works on a run that has not found everything.
fn is_lost(job: &Job, run: &Run, now: Timestamp) -> bool {
    job.run == Some(run.id) && job.lease_until.is_none_or(|until| now >= until + LOST)
}
