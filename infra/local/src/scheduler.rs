//! What EventBridge Scheduler does: starts every job in its period, dependencies first.

use std::time::Duration;

use couplet_engine::{EngineError, JobPlan};
use couplet_model::catalogue::RUN_JOB;
use couplet_model::job::Trigger;
use couplet_runtime::Application;
use couplet_runtime::handlers::{self, RunJobAnswer, RunJobEvent, RunMode};
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Time between the first starts of two jobs, so that a job's dependencies have found their changes before it.
const STEP: Duration = Duration::from_secs(10);
/// After so many steps the first starts are back at the same second of a minute. All periods are whole minutes, so two
/// timers at one second of the minute would start at the same instant every now and then.
const STEPS_PER_MINUTE: u32 = 6;
/// How far such a timer keeps aside of the one before it; enough for sixty timers.
const ASIDE: Duration = Duration::from_secs(1);

/// When one job starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The job.
    pub job: String,
    /// First start after the clock was started.
    pub first: Duration,
    /// Time between two starts.
    pub every: Duration,
}

/// The timers of these jobs: each after all it depends on, those left out that run on demand only or cannot run.
pub fn timers(plans: &[JobPlan]) -> Vec<Timer> {
    let ready = plans.iter().filter(|plan| plan.ready.is_ok());
    let timed = ready.filter_map(|plan| Some((plan, plan.every_minutes?)));
    let firsts = (0_u32..).map(|position| STEP * position + ASIDE * (position / STEPS_PER_MINUTE));
    timed
        .zip(firsts)
        .map(|((plan, every_minutes), first)| Timer {
            job: plan.name.clone(),
            first,
            every: Duration::from_secs(u64::from(every_minutes.max(1)) * 60),
        })
        .collect()
}

/// Starts one job through the handler of its function.
///
/// # Errors
/// When the run failed as a whole.
pub async fn start(
    application: &Application,
    job: &str,
    mode: RunMode,
    trigger: Trigger,
) -> Result<RunJobAnswer, EngineError> {
    let jobs = application.engine.jobs();
    match jobs.iter().find(|plan| plan.name.eq_ignore_ascii_case(job)) {
        Some(plan) if plan.function != RUN_JOB => {
            handlers::run_job_of(application, &plan.function, trigger, None).await
        }
        _ => handlers::run_job(application, &RunJobEvent { job: job.to_owned(), mode, trigger }, None).await,
    }
}

/// Starts the jobs by their timers until told to stop; runs under way are finished. `after` is told how each ended.
pub async fn run(
    application: &Application,
    timers: &[Timer],
    stop: &watch::Receiver<bool>,
    after: impl Fn(&str, Result<RunJobAnswer, EngineError>),
) {
    let after = &after;
    let clocks = timers.iter().map(|timer| async move {
        let mut stop = stop.clone();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + timer.first, timer.every);
        // A run longer than its period is not followed by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => return,
                _ = ticks.tick() => {}
            }
            after(&timer.job, start(application, &timer.job, RunMode::Modified, Trigger::Schedule).await);
        }
    });
    stream::iter(clocks).for_each_concurrent(None, |clock| clock).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, every_minutes: impl Into<Option<u32>>, ready: bool) -> JobPlan {
        JobPlan {
            name: name.to_owned(),
            description: String::new(),
            direction: None,
            function: "run-job".to_owned(),
            every_minutes: every_minutes.into(),
            inactivity_minutes: 0,
            cursors: Vec::new(),
            ready: if ready { Ok(()) } else { Err("not there yet".to_owned()) },
        }
    }

    #[test]
    fn r165_r166_jobs_start_one_after_the_other_in_the_order_of_their_dependencies() {
        let timers = timers(&[
            plan("CURRENCY", 30, true),
            plan("CONTACT", 30, false),
            plan("OPPORTUNITY", None, true),
            plan("CUSTOMER", 15, true),
        ]);
        let seconds = |timer: &Timer| (timer.job.clone(), timer.first.as_secs(), timer.every.as_secs());
        assert_eq!(
            timers.iter().map(seconds).collect::<Vec<_>>(),
            [("CURRENCY".to_owned(), 0, 1800), ("CUSTOMER".to_owned(), 10, 900)]
        );
    }

    #[test]
    fn f35_no_two_timers_start_at_the_same_instant() {
        let plans: Vec<JobPlan> = (0..40).map(|n| plan(&n.to_string(), [1, 5, 7, 30][n % 4], true)).collect();
        let timers = timers(&plans);
        assert!(timers.is_sorted_by(|one, next| next.first - one.first >= STEP));
        let mut seconds: Vec<u64> = timers.iter().map(|timer| timer.first.as_secs() % 60).collect();
        seconds.sort_unstable();
        seconds.dedup();
        assert_eq!(seconds.len(), 40, "every period is a whole number of minutes");
    }
}
