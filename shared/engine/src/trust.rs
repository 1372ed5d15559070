//! Which messages are believed: those of a run that the store knows, of a job that synchronizes their mapping. Whoever else
//! can send to the queue can ask for a record to be looked at, and for nothing more.

use std::collections::{HashMap, HashSet};

use couplet_model::message::Direction;
use couplet_model::{MappingName, RunId};
use tracing::warn;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::jobs::Job;
use crate::ports::Delivery;

/// What the messages of a batch are grouped by.
pub(crate) type GroupKey = (MappingName, Direction, String, RunId);

impl Engine {
    /// Those of some groups of messages whose snapshots and treatments are believed. Costs one bulk read of the store for
    /// all runs that this process has not met.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn trusted(
        &self,
        groups: impl Iterator<Item = &GroupKey>,
    ) -> Result<HashSet<GroupKey>, EngineError> {
        let possible: Vec<&GroupKey> = groups.filter(|group| self.is_possible(group)).collect();
        let of = |(_, _, job, run): &GroupKey| (job.clone(), *run);
        let known = self.known_runs(possible.iter().map(|group| of(group)).collect()).await?;
        Ok(possible.iter().filter(|group| known.contains_key(&of(group))).map(|group| (*group).clone()).collect())
    }

    /// Those of some runs that the store knows, with the revision of the mappings that each works by. Costs one bulk read for
    /// all that this process has not met.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn known_runs(
        &self,
        runs: HashSet<(String, RunId)>,
    ) -> Result<HashMap<(String, RunId), u64>, EngineError> {
        let mut known = self.memory.runs.seen(&runs);
        let unseen: Vec<(String, RunId)> = runs.into_iter().filter(|run| !known.contains_key(run)).collect();
        if !unseen.is_empty() {
            let existing = self.store().existing_runs(self.company(), unseen).await?;
            known.extend(existing.iter().cloned());
            self.memory.runs.saw(existing.into_iter());
        }
        Ok(known)
    }

    /// Whether a later run of a job of this mapping has begun, whose messages may have been processed before those of this run.
    /// Costs one read of the store for each job of the mapping.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn is_overtaken(&self, mapping: &MappingName, run: RunId) -> Result<bool, EngineError> {
        let is_of = |job: &&Job| job.work().is_ok_and(|work| work.mapping.name == *mapping);
        for job in self.jobs.iter().filter(is_of) {
            let stored = self.store().job(self.company(), &job.plan.name).await?;
            // Ids of runs grow with time.
            if stored.and_then(|job| job.run).is_some_and(|last| last > run) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the job is one whose runs enqueue records of the mapping.
    fn is_possible(&self, (mapping, _, job, _): &GroupKey) -> bool {
        self.jobs
            .named(job)
            .is_ok_and(|known| known.plan.name == *job && known.work().is_ok_and(|work| work.mapping.name == *mapping))
    }
}

/// Takes from messages what is not believed: they are read again and treated as any other.
pub(crate) fn distrust((mapping, _, _, run): &GroupKey, deliveries: &mut [(usize, Delivery)]) {
    let mut changed = 0_usize;
    for (_, delivery) in deliveries.iter_mut() {
        let ordinary = delivery.message.clone().as_ordinary();
        changed += usize::from(ordinary != delivery.message);
        delivery.message = ordinary;
    }
    if changed > 0 {
        warn!(%mapping, %run, records = changed, "messages of a run that the store does not know: their records are read again");
    }
}
