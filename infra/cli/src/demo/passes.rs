//! One pass: every job once, its records processed before the next begins.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use couplet_engine::JobPlan;
use couplet_local::{Drained, EventSource, scheduler};
use couplet_model::job::Trigger;
use couplet_model::outcome::Counters;
use couplet_runtime::Application;
use couplet_runtime::handlers::{RunMode, RunOutcome};

use super::company::{Company, Requests};
use crate::commands::direction_in_words;
use crate::progress::Progress;

/// Longest time for the records of one job.
const DRAIN_LIMIT: Duration = Duration::from_secs(900);
/// Time between two looks at how far a job is.
const LOOK: Duration = Duration::from_millis(100);

/// One pass.
#[derive(Clone, Debug)]
pub struct Pass {
    /// From 1.
    pub number: u32,
    /// What every job did.
    pub jobs: Vec<JobResult>,
}

impl Pass {
    /// Records that failed.
    pub fn failed(&self) -> u64 {
        self.jobs.iter().map(|job| job.counters.failed).sum()
    }

    /// The pass with what its jobs did when they ran once more.
    pub fn and(mut self, again: Self) -> Self {
        for (job, more) in self.jobs.iter_mut().zip(again.jobs) {
            job.counters += more.counters;
            job.requests = job.requests.and(more.requests);
            job.elapsed += more.elapsed;
        }
        self
    }
}

/// What one job did in one pass.
#[derive(Clone, Debug)]
pub struct JobResult {
    /// The job.
    pub job: String,
    /// Which ways its mapping travels.
    pub direction: &'static str,
    /// What became of its records.
    pub counters: Counters,
    /// Requests it took.
    pub requests: Requests,
    /// Time it took.
    pub elapsed: Duration,
}

/// Runs every job that can run, dependencies first.
pub async fn run(
    number: u32,
    mode: RunMode,
    company: &Company,
    application: &Application,
    source: &EventSource,
    progress: &Progress,
) -> anyhow::Result<Pass> {
    let mut jobs = Vec::new();
    for plan in application.engine.jobs().into_iter().filter(|plan| plan.ready.is_ok()) {
        progress.show(&format!("pass {number}: {}", plan.name));
        let (requests, begin) = (company.requests(), Instant::now());
        let counters = run_one(&plan, mode, application, source, progress).await.context(plan.name.clone())?;
        jobs.push(JobResult {
            direction: direction_in_words(plan.direction),
            counters,
            requests: company.requests().since(requests),
            elapsed: begin.elapsed(),
            job: plan.name,
        });
    }
    Ok(Pass { number, jobs })
}

async fn run_one(
    plan: &JobPlan,
    mode: RunMode,
    application: &Application,
    source: &EventSource,
    progress: &Progress,
) -> anyhow::Result<Counters> {
    let trigger = match mode {
        RunMode::Full => Trigger::Full,
        RunMode::Modified => Trigger::Manual,
    };
    let before = source.done();
    let answer = scheduler::start(application, &plan.name, mode, trigger).await?;
    if answer.outcome != RunOutcome::Done {
        bail!("it did not run: {:?} {}", answer.outcome, answer.notes.join(" "));
    }
    let drain = source.drain(DRAIN_LIMIT);
    tokio::pin!(drain);
    let mut looks = tokio::time::interval(LOOK);
    let drained = loop {
        tokio::select! {
            drained = &mut drain => break drained?,
            _ = looks.tick() => progress.advance(source.done() - before, answer.enqueued),
        }
    };
    match drained {
        Drained::Empty { dead: 0 } => {}
        Drained::Empty { dead } => bail!("{dead} records were given up after several attempts"),
        Drained::TimeUp(depth) | Drained::Stopped(depth) => {
            bail!("{} records were not processed in {} s", depth.open, DRAIN_LIMIT.as_secs())
        }
    }
    let engine = &application.engine;
    let run = engine.store().run(engine.company(), &plan.name, answer.run).await?.context("the run is not stored")?;
    Ok(run.counters)
}
