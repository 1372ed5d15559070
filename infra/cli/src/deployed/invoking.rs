//! Starting a job of a deployed stack, and waiting until its run is finished.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_sdk_lambda::config::StalledStreamProtectionConfig;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::{Client, config};
use couplet_engine::{Engine, Meant, SubscriptionsStatus};
use couplet_model::full_sync::Plan;
use couplet_model::ids::RunId;
use couplet_model::job::Run;
use couplet_runtime::handlers::{
    AskAnswer, AskEvent, Asked, FindAnswer, FindEvent, FullSyncEvent, Keeping, RunJobEvent, SwitchUnitsAnswer,
    SwitchUnitsEvent,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::Stack;

/// Time between two looks at a run.
const LOOK: Duration = Duration::from_secs(1);
/// Longest time to find the service; an answer may take as long as a function may run.
const CONNECT: Duration = Duration::from_secs(10);

/// What the function answered. Its outcome is a word, so that one of a newer version is no error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The run; the one that holds the job if this one could not start.
    pub run: RunId,
    /// Whether it ran: `done`, `already_running`, `on_hold`; any other means that it goes on.
    pub outcome: String,
    /// What else is to be known.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How waiting ended.
#[derive(Clone, Debug)]
pub enum Waited<T> {
    /// It is there.
    Done(T),
    /// Not in time.
    TimeUp,
    /// The person did not want to wait any longer.
    Left,
}

impl Stack {
    /// Starts a job in its function, and waits until that answers.
    ///
    /// # Errors
    /// When the function cannot be called, or the run failed as a whole.
    pub async fn start(&self, function: &str, event: &RunJobEvent) -> anyhow::Result<Answer> {
        self.call(function, &event.job, event).await
    }

    /// Has the function of jobs switch the units, as far as one invocation comes, or tell what that would do.
    ///
    /// # Errors
    /// When the function cannot be called, or a system or the store fails.
    pub async fn switch_units(&self, event: SwitchUnitsEvent) -> anyhow::Result<SwitchUnitsAnswer> {
        self.call("run-job", "switch-units", &Asked::SwitchUnits(event)).await
    }

    /// Has the function of jobs take down what a person asks for.
    ///
    /// # Errors
    /// When the function cannot be called, or it cannot be carried out.
    pub async fn ask(&self, event: AskEvent) -> anyhow::Result<AskAnswer> {
        let mapping = event.mapping.to_string();
        self.call("run-job", &mapping, &Asked::Ask(event)).await
    }

    /// Has the function of jobs tell which records a filter means.
    ///
    /// # Errors
    /// When the function cannot be called, the filter does not fit, or a system cannot be read.
    pub async fn meant(&self, event: AskEvent) -> anyhow::Result<Meant> {
        let mapping = event.mapping.to_string();
        self.call("run-job", &mapping, &Asked::Meant(event)).await
    }

    /// Has the function of jobs find the records that names mean: it has the secrets of both systems.
    ///
    /// # Errors
    /// When the function cannot be called, or a system cannot be read.
    pub async fn find(&self, event: FindEvent) -> anyhow::Result<FindAnswer> {
        let mapping = event.mapping.to_string();
        self.call("run-job", &mapping, &Asked::Find(event)).await
    }

    /// Has the function of jobs look at a full synchronization, or start it; gives its plan.
    ///
    /// # Errors
    /// When the function cannot be called, or it cannot be done.
    pub async fn full_sync(&self, event: FullSyncEvent) -> anyhow::Result<Plan> {
        self.call("run-job", "full-sync", &Asked::FullSync(event)).await
    }

    /// Has the function of jobs make and renew the subscriptions by which both systems tell of changes, or remove them.
    ///
    /// # Errors
    /// When the function cannot be called, notifications are switched off, or the store fails.
    pub async fn keep_subscriptions(&self, wanted: Keeping) -> anyhow::Result<SubscriptionsStatus> {
        self.call("run-job", "notifications", &Asked::Notifications(wanted)).await
    }

    /// Calls a function about something, and waits until it answers.
    async fn call<A: DeserializeOwned>(
        &self,
        function: &str,
        about: &str,
        event: &impl Serialize,
    ) -> anyhow::Result<A> {
        let function = self.function(function);
        // A second attempt would start a second run, and a silence of minutes is a run at work.
        let settings = config::Builder::from(&self.aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let call = Client::from_conf(settings.build())
            .invoke()
            .function_name(&function)
            .payload(Blob::new(serde_json::to_vec(event)?));
        let answer = call.send().await.map_err(|error| self.refused(&format!("the function {function}"), &error))?;
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        if answer.function_error().is_some() {
            bail!("{about}: {}", failure(payload));
        }
        serde_json::from_slice(payload).with_context(|| {
            format!("the answer of {function} is not understood; use the couplet the stack was deployed with")
        })
    }
}

/// The message of a function that failed.
fn failure(payload: &[u8]) -> String {
    let error: Option<Value> = serde_json::from_slice(payload).ok();
    let message = error.as_ref().and_then(|error| error["errorMessage"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(payload).into_owned(), str::to_owned)
}

/// Waits for something, but not for ever and not against the person's will.
pub async fn within<T>(wanted: impl Future<Output = T>, deadline: Instant, stop: &watch::Receiver<bool>) -> Waited<T> {
    let mut stop = stop.clone();
    tokio::select! {
        found = wanted => Waited::Done(found),
        () = tokio::time::sleep_until(deadline.into()) => Waited::TimeUp,
        _ = stop.wait_for(|stopped| *stopped) => Waited::Left,
    }
}

/// Waits until a run is finished; `tell` is told how far it is.
///
/// # Errors
/// When the store cannot be read, or does not know the run.
pub async fn end_of_run(engine: &Engine, job: &str, run: RunId, tell: impl Fn(&Run)) -> anyhow::Result<Run> {
    loop {
        let stored = engine.store().run(engine.company(), job, run).await?;
        let stored = stored.with_context(|| format!("the run {run} of {job} is not in the store"))?;
        if stored.finished.is_some() {
            return Ok(stored);
        }
        tell(&stored);
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_an_outcome_of_a_newer_version_is_understood() {
        let text =
            r#"{"run":"0198c0de-0000-7000-8000-000000000001","outcome":"continues","enqueued":7,"judged":{},"leg":1}"#;
        let answer: Answer = serde_json::from_str(text).expect("an answer");
        assert_eq!(answer.outcome, "continues");
    }

    #[test]
    fn a_failed_function_says_why() {
        let payload = br#"{"errorType":"EngineError","errorMessage":"CONTACT cannot run: its rules are missing"}"#;
        assert_eq!(failure(payload), "CONTACT cannot run: its rules are missing");
        assert_eq!(failure(b"Runtime exited"), "Runtime exited");
    }

    #[tokio::test]
    async fn waiting_ends_with_the_time_or_the_persons_patience() {
        let (leave, stop) = watch::channel(false);
        let never = std::future::pending::<()>;
        let now = Instant::now();
        assert!(matches!(within(async { 1 }, now + CONNECT, &stop).await, Waited::Done(1)));
        assert!(matches!(within(never(), now, &stop).await, Waited::TimeUp));
        leave.send(true).expect("somebody waits");
        assert!(matches!(within(never(), now + CONNECT, &stop).await, Waited::Left));
    }
}
