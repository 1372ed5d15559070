//! The plan: started, carried on, stopped, and looked at.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use couplet_model::full_sync::{Begin, Line, LineFacts, LineState, Plan, Recommendation, advance, merged, restart};
use couplet_model::job::{Job, Run};
use couplet_model::task::{Going, LineTask, TASK_FORMAT, Task, TaskMessage};
use couplet_model::{MappingName, RetryClass, RunId};
use couplet_store::{StoreError, StoredPlan};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::reviewing::FullSyncChoice;
use crate::engine::Engine;
use crate::error::EngineError;

/// How often a plan that others change at the same time is read again.
const MOST_READS: u32 = 20;
/// Shortest and longest time between two looks at a plan that is carried on.
const LOOKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// While all jobs stand still.
const STANDSTILL: Duration = Duration::from_secs(60);
/// What lasts long is looked at less often: after this part of the time since something last began or ended.
const PART: u64 = 20;

/// How a plan was carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// It has to be looked at again after this.
    Again(Duration),
    /// Nothing is under way and nothing can begin, or another task looks after it.
    Over,
}

/// A plan, and how far its lines are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FullSyncStatus {
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// The runs of the lines that are under way, by mapping.
    pub runs: BTreeMap<MappingName, Run>,
}

impl Engine {
    /// Starts a full synchronization, or goes on with one: lines that have begun stay as they are (R169), all others are generated
    /// anew. Nothing begins here: a task begins it.
    ///
    /// # Errors
    /// When there is nothing to begin, a line is to be coupled and nobody has chosen by which fields, or a system, the store or the
    /// queue fails; it can be repeated.
    pub async fn start_full_sync(&self, choice: &FullSyncChoice) -> Result<Plan, EngineError> {
        self.confirm_owner().await?;
        self.confirm_orders().await?;
        self.confirm_enabled().await?;
        let generated = self.full_sync_lines(choice).await?;
        let now = self.now();
        let plan = self
            .change_plan(|standing| {
                let mut plan = Plan {
                    going: RunId::fresh(),
                    started: standing.map_or(now, |plan| plan.started),
                    stopped: None,
                    lines: merged(standing, generated.clone()),
                };
                for line in plan.lines.iter_mut().filter(|line| line.run.is_none()) {
                    line.asked = None;
                }
                self.confirm_lines(&plan)?;
                Ok(plan)
            })
            .await?;
        self.send_task(Task::AdvanceFullSync(Going { going: plan.going })).await?;
        Ok(plan)
    }

    /// Lets lines begin again that have ended (R185), and goes on with the plan.
    ///
    /// # Errors
    /// When there is no such line, or it has not ended; else as of [`Engine::start_full_sync`].
    pub async fn restart_full_sync(&self, choice: &FullSyncChoice) -> Result<Plan, EngineError> {
        self.confirm_enabled().await?;
        let fresh = self.full_sync_lines(choice).await?;
        let plan = self
            .change_plan(|standing| {
                let mut plan = Plan { going: RunId::fresh(), stopped: None, ..standing.ok_or_else(no_plan)?.clone() };
                for again in &fresh {
                    let chosen = choice.full.iter().any(|name| again.mapping.as_str().eq_ignore_ascii_case(name));
                    let Some(line) = plan.line_mut(&again.mapping) else {
                        return Err(EngineError::SetUp(format!(
                            "{} is no line of the full synchronization; add it with couplet full-sync start \"{}\"",
                            again.mapping, again.mapping
                        )));
                    };
                    if !restart(line) {
                        return Err(EngineError::SetUp(format!(
                            "{} has not ended, so that it cannot begin again (R184); see couplet full-sync status",
                            again.mapping
                        )));
                    }
                    line.facts = again.facts;
                    if chosen || again.by.is_some() {
                        *line = again.clone();
                    }
                }
                self.confirm_lines(&plan)?;
                Ok(plan)
            })
            .await?;
        self.send_task(Task::AdvanceFullSync(Going { going: plan.going })).await?;
        Ok(plan)
    }

    /// Lets no line begin until the plan is started again. What is under way comes to its end.
    ///
    /// # Errors
    /// When there is no plan, or the store fails.
    pub async fn stop_full_sync(&self) -> Result<Plan, EngineError> {
        let now = self.now();
        self.change_plan(|standing| {
            let plan = standing.ok_or_else(no_plan)?;
            Ok(Plan { stopped: plan.stopped.or(Some(now)), ..plan.clone() })
        })
        .await
    }

    /// Forgets the plan, so that the next start begins with every line (R185).
    ///
    /// # Errors
    /// When lines are under way (R184), or the store fails.
    pub async fn reset_full_sync(&self) -> Result<(), EngineError> {
        let Some(stored) = self.store().full_sync(self.company()).await? else { return Ok(()) };
        let busy = stored.plan.lines.iter().filter(|line| line.state == LineState::InProcess);
        let busy: Vec<&str> = busy.map(|line| line.mapping.as_str()).collect();
        if !busy.is_empty() {
            return Err(EngineError::SetUp(format!(
                "{} are under way (R184): wait for them, or stop with couplet full-sync stop and wait until they have ended",
                busy.join(", ")
            )));
        }
        Ok(self.store().remove_full_sync(self.company()).await?)
    }

    /// The plan, and how far its lines are; `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn full_sync_status(&self) -> Result<Option<FullSyncStatus>, EngineError> {
        let Some(StoredPlan { plan, .. }) = self.store().full_sync(self.company()).await? else { return Ok(None) };
        let runs = self.runs_of(&plan).await?;
        Ok(Some(FullSyncStatus { plan, runs }))
    }

    /// Carries a plan on: notes lines whose runs have ended, and asks for the runs of lines that begin. It may be done twice, and
    /// by two at once: the plan is stored before anything is asked for, and only as it was read.
    ///
    /// # Errors
    /// When the store or the queue fails: the task comes again, and what was not asked for is asked for then.
    pub async fn advance_full_sync(&self, going: RunId) -> Result<Advanced, EngineError> {
        match self.confirm_enabled().await {
            Err(EngineError::Halted(_) | EngineError::Disabled(_)) => return Ok(Advanced::Again(STANDSTILL)),
            other => other?,
        }
        for _ in 0..MOST_READS {
            let Some(StoredPlan { mut plan, revision }) = self.store().full_sync(self.company()).await? else {
                return Ok(Advanced::Over);
            };
            if plan.going != going {
                return Ok(Advanced::Over);
            }
            let (before, now) = (plan.clone(), self.now());
            let facts = self.line_facts(&plan).await?;
            let begins = advance(&mut plan, &facts, now);
            if plan != before && !self.store().put_full_sync(self.company(), &plan, Some(revision)).await? {
                continue;
            }
            for begin in begins {
                self.begin_line(&plan, begin).await?;
            }
            return Ok(if plan.stands() { Advanced::Over } else { Advanced::Again(pause(&plan, now)) });
        }
        Err(contended())
    }

    /// Asks for the run of a line.
    async fn begin_line(&self, plan: &Plan, begin: Begin) -> Result<(), EngineError> {
        let Begin { mapping, recommendation, run } = begin;
        tracing::info!(%mapping, ?recommendation, "a line of the full synchronization begins");
        let Some(run) = run else {
            return self.send_task(Task::RunLine(LineTask { going: plan.going, mapping })).await;
        };
        let by = plan.lines.iter().find(|line| line.mapping == mapping).and_then(|line| line.by.as_ref());
        let asked = match self.current().await?.match_of_line(&mapping, by) {
            Ok((want, of)) => self.ask_as(run, &mapping, want, of).await,
            Err(error) => Err(error),
        };
        match asked {
            Err(error) if error.retry_class() == RetryClass::Configuration => self.fail_line(&mapping, &error).await,
            other => other,
        }
    }

    /// Notes that a line cannot be done until a person has acted.
    pub(super) async fn fail_line(&self, mapping: &MappingName, error: &EngineError) -> Result<(), EngineError> {
        let now = self.now();
        self.change_line(mapping, |line| {
            (line.state, line.ended, line.message) = (LineState::Failed, Some(now), Some(error.to_string()));
        })
        .await
    }

    /// Changes a line that is under way.
    pub(super) async fn change_line(
        &self,
        mapping: &MappingName,
        change: impl Fn(&mut Line),
    ) -> Result<(), EngineError> {
        self.change_plan(|standing| {
            let mut plan = standing.ok_or_else(no_plan)?.clone();
            if let Some(line) = plan.line_mut(mapping).filter(|line| line.state == LineState::InProcess) {
                change(line);
            }
            Ok(plan)
        })
        .await
        .map(drop)
    }

    /// Changes the plan as it stands; read again when somebody else has changed it meanwhile.
    async fn change_plan(
        &self,
        change: impl Fn(Option<&Plan>) -> Result<Plan, EngineError>,
    ) -> Result<Plan, EngineError> {
        for _ in 0..MOST_READS {
            let stored = self.store().full_sync(self.company()).await?;
            let plan = change(stored.as_ref().map(|stored| &stored.plan))?;
            let revision = stored.as_ref().map(|stored| stored.revision);
            let is_same = stored.is_some_and(|stored| stored.plan == plan);
            if is_same || self.store().put_full_sync(self.company(), &plan, revision).await? {
                return Ok(plan);
            }
        }
        Err(contended())
    }

    /// The mappings of a plan whose records could be coupled first, and of which it is not known by which fields they match: a
    /// person has to choose before it begins.
    pub fn undecided_lines(&self, plan: &Plan) -> Vec<MappingName> {
        let left = plan.lines.iter().filter(|line| line.state == LineState::Waiting);
        let open = left.filter(|line| line.recommendation == Recommendation::Couple);
        let undecided = open.filter(|line| self.match_of_line(&line.mapping, line.by.as_ref()).is_err());
        undecided.map(|line| line.mapping.clone()).collect()
    }

    /// Whether what a plan is to begin with can be done.
    fn confirm_lines(&self, plan: &Plan) -> Result<(), EngineError> {
        let is_left = |line: &&Line| line.state == LineState::Waiting && line.recommendation.does_something();
        let mut refused = Vec::new();
        for line in plan.lines.iter().filter(is_left).filter(|line| line.recommendation == Recommendation::Couple) {
            if let Err(why) = self.match_of_line(&line.mapping, line.by.as_ref()) {
                refused.push((line.mapping.as_str(), why));
            }
        }
        if let Some((first, why)) = refused.first() {
            let names: Vec<&str> = refused.iter().map(|(name, _)| *name).collect();
            return Err(EngineError::SetUp(format!(
                "{} have records on both sides that are not coupled, and it is not known by which fields they match. Choose for each \
                 of them: --by \"{first}=FIELDS\" couples them first, --full \"{first}\" synchronizes them as they are, or name only \
                 the other mappings. {first}: {why}",
                names.join(", ")
            )));
        }
        let is_begun = |line: &Line| line.state == LineState::InProcess;
        if plan.lines.iter().any(|line| is_left(&line) || is_begun(line)) {
            return Ok(());
        }
        Err(EngineError::SetUp(match plan.lines.iter().any(|line| line.state != LineState::Waiting) {
            true => "every line has ended: let one begin again with couplet full-sync restart MAPPING, or all of them with couplet \
                     full-sync reset and start"
                .to_owned(),
            false => "there is nothing to do: see why with couplet full-sync review".to_owned(),
        }))
    }

    async fn runs_of(&self, plan: &Plan) -> Result<BTreeMap<MappingName, Run>, EngineError> {
        let mut runs = BTreeMap::new();
        for line in plan.lines.iter().filter(|line| line.state == LineState::InProcess) {
            let Some(run) = line.run else { continue };
            if let Some(run) = self.store().run(self.company(), line.mapping.as_str(), run).await? {
                runs.insert(line.mapping.clone(), run);
            }
        }
        Ok(runs)
    }

    async fn line_facts(&self, plan: &Plan) -> Result<HashMap<MappingName, LineFacts>, EngineError> {
        let mut runs = self.runs_of(plan).await?;
        let jobs: HashMap<String, Job> =
            self.store().jobs(self.company()).await?.into_iter().map(|job| (job.name.clone(), job)).collect();
        let facts = plan.lines.iter().map(|line| {
            let name = &line.mapping;
            (name.clone(), LineFacts { run: runs.remove(name), job: jobs.get(name.as_str()).cloned() })
        });
        Ok(facts.collect())
    }

    pub(super) async fn send_task(&self, task: Task) -> Result<(), EngineError> {
        Ok(self.tasks.send(TaskMessage { v: TASK_FORMAT, company: self.company(), task }).await?)
    }
}

/// Until the plan is looked at again.
fn pause(plan: &Plan, now: Timestamp) -> Duration {
    let last = plan.lines.iter().flat_map(|line| [line.asked, line.ended]).flatten().max().unwrap_or(plan.started);
    let since: SignedDuration = now.duration_since(last);
    let [shortest, longest] = LOOKS;
    Duration::from_secs(since.as_secs().unsigned_abs() / PART).clamp(shortest, longest)
}

fn no_plan() -> EngineError {
    EngineError::SetUp("there is no full synchronization; begin one with couplet full-sync start".to_owned())
}

fn contended() -> EngineError {
    StoreError::Contended("the plan of the full synchronization".to_owned()).into()
}
