//! All jobs stand still after a system was found restored or exchanged, until a person chooses how to go on.
//!
//! Going on by itself would spread what the restored side holds, or call records unchanged that differ. Which side is
//! right, nobody but a person knows.

use couplet_model::RunId;
use couplet_model::table::Side;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::checkpoint::Checkpoint;
use crate::find::found::Found;
use crate::jobs::{Finds, Work};

/// Name of the setting that says how the installation stands.
const STANDING: &str = "standing";

/// Why all jobs stand still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The system that seems to have been restored.
    pub side: Side,
    /// What was seen, in words.
    pub reason: String,
    /// When.
    pub since: Timestamp,
    /// The job that saw it.
    pub job: String,
    /// Whether the jobs can go on as before: nothing is wrong with the change feed itself.
    pub can_go_on: bool,
}

impl Halt {
    /// What happened and what can be done, for people.
    pub fn message(&self) -> String {
        let side = self.side;
        let go_on = if self.can_go_on { "; if all is as it should be, run couplet resume" } else { "" };
        format!(
            "{side} seems to have been restored to an earlier state: {}. All jobs stand still: run couplet resume \
             --read-everything, with --wins business-central or --wins dataverse for the side that is right{go_on}",
            self.reason
        )
    }
}

/// How the installation stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// Set while all jobs stand still.
    pub halt: Option<Halt>,
    /// When a person last chose to go on: what was remembered before proves nothing any more.
    pub resumed_at: Option<Timestamp>,
}

impl Engine {
    /// Why all jobs stand still, if they do.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn halted(&self) -> Result<Option<Halt>, EngineError> {
        Ok(self.standing().await?.halt)
    }

    pub(crate) async fn standing(&self) -> Result<Standing, EngineError> {
        let stored = self.store().setting(self.company(), STANDING).await?;
        Ok(stored.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default())
    }

    /// How the installation stands, if its jobs may work.
    pub(crate) async fn standing_to_work(&self) -> Result<Standing, EngineError> {
        let standing = self.standing().await?;
        match &standing.halt {
            None => Ok(standing),
            Some(halt) => Err(EngineError::Halted(halt.message())),
        }
    }

    /// Stops all jobs, and gives the error for the run that saw the reason.
    pub(crate) async fn halt(
        &self,
        side: Side,
        job: &str,
        reason: String,
        can_go_on: bool,
    ) -> Result<EngineError, EngineError> {
        let halt = Halt { side, reason, since: self.now(), job: job.to_owned(), can_go_on };
        let message = halt.message();
        tracing::error!("{message}");
        let standing = Standing { halt: Some(halt), ..self.standing().await? };
        self.store_standing(&standing).await?;
        Ok(EngineError::Halted(message))
    }

    async fn store_standing(&self, standing: &Standing) -> Result<(), EngineError> {
        let json = serde_json::to_value(standing).map_err(|error| EngineError::SetUp(error.to_string()))?;
        Ok(self.store().put_setting(self.company(), STANDING, &json).await?)
    }

    /// Lets the jobs go on as before.
    ///
    /// # Errors
    /// When a change feed itself has gone back: then everything has to be read again. Else when the store fails.
    pub async fn resume(&self) -> Result<(), EngineError> {
        let standing = self.standing().await?;
        if let Some(halt) = standing.halt.filter(|halt| !halt.can_go_on) {
            return Err(EngineError::Halted(halt.message()));
        }
        self.store_standing(&Standing { halt: None, resumed_at: Some(self.now()) }).await
    }

    /// Lets the jobs go on, each with a full synchronization in which one side wins: its values are written wherever they
    /// differ, and its records are created again where their partner is gone. Tells which jobs that are.
    ///
    /// # Errors
    /// When the store fails; it can then be repeated.
    pub async fn resume_reading_everything(&self, wins: Side) -> Result<Vec<String>, EngineError> {
        let company = self.company();
        let mut jobs = Vec::new();
        for mapping in self.mappings() {
            self.store().clear_cursors(company, &mapping.name).await?;
        }
        for job in self.jobs.iter() {
            for cursor in &job.plan.cursors {
                self.store().clear_cursors(company, cursor).await?;
            }
            let Ok(Work { finds: Finds::Changes(ways), .. }) = job.work() else { continue };
            if let Some(checkpoint) = Checkpoint::at_beginning_with(wins, *ways, Found::default()) {
                self.store().set_checkpoint(company, &job.plan.name, &checkpoint.text()?).await?;
                jobs.push(job.plan.name.clone());
            }
        }
        // Last: whoever reads this finds the places.
        self.store_standing(&Standing { halt: None, resumed_at: Some(self.now()) }).await?;
        Ok(jobs)
    }

    /// Stops all jobs because of what a run saw in a change feed.
    pub(crate) async fn halt_for_feed(&self, side: Side, job: &str, why: String) -> Result<EngineError, EngineError> {
        self.halt(side, job, why, false).await
    }

    /// Notes on a run that its records found the reason to stop.
    pub(crate) async fn fail_halted_run(&self, job: &str, run: RunId, error: &EngineError) {
        if let Err(unnoted) = self.store().fail_run(self.company(), job, run, self.now(), error.to_string()).await {
            tracing::warn!(error = unnoted.for_log(), "the stopped run could not be noted");
        }
    }
}
