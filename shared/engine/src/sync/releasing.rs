//! Releasing the records that waited for what a batch has coupled.

use std::collections::{HashMap, HashSet};

use couplet_model::outcome::Dependency;
use couplet_model::table::Side;
use couplet_model::{Counters, Outcome, RecordMessage, RunId};

use super::batch::{Batch, Stop};
use super::stages::{Ended, Pairing};
use crate::engine::Engine;
use crate::error::EngineError;

impl Batch<'_> {
    /// A record that began to wait while its dependency was being coupled would wait for ever: it looks once more.
    pub(super) async fn recheck_waits(&self, ended: &[Ended]) -> Result<(), Stop> {
        let waiting: HashSet<&Dependency> =
            ended.iter().filter_map(|record| Some(&record.needs()?.dependency)).collect();
        let mut appeared: Vec<Dependency> = Vec::new();
        for dependency in waiting {
            if self.engine.is_coupled(dependency).await? {
                appeared.push(dependency.clone());
            }
        }
        Ok(self.engine.release(&appeared).await?)
    }

    /// Enqueues the records that waited for what this batch coupled: those that refer to it, and changes on the other side
    /// of a record whose creation stopped half-way.
    pub(super) async fn release_waiting(&self, ended: &[Ended]) -> Result<(), Stop> {
        let is_lookup_target = self.mapping.is_lookup_target;
        let mut appeared = Vec::new();
        for record in ended {
            let Some(done) = &record.done else { continue };
            let decided = &done.decided;
            if !is_lookup_target && !decided.is_resumed() {
                continue;
            }
            let is_kept = matches!(record.outcome, Outcome::Modified | Outcome::Unchanged);
            let became_usable = record.outcome == Outcome::Inserted
                || is_kept && matches!(decided.pairing, Pairing::Adopted | Pairing::Made);
            let key = self.key_of(decided);
            // A record that got another key is found under that one from now on.
            let was_renamed = is_kept && key.is_some() && decided.coupling.key != key;
            if !became_usable && !was_renamed {
                continue;
            }
            let dependency = |side, key| Dependency { mapping: self.mapping.name.clone(), side, key };
            appeared.push(dependency(Side::Dataverse, decided.coupling.dataverse_id.to_string()));
            appeared.extend(key.map(|key| dependency(Side::BusinessCentral, key)));
        }
        Ok(self.engine.release(&appeared).await?)
    }
}

impl Engine {
    /// Enqueues what waits for these, then forgets that it waited: in this order nothing is lost, at worst done twice.
    async fn release(&self, appeared: &[Dependency]) -> Result<(), EngineError> {
        if appeared.is_empty() {
            return Ok(());
        }
        let waits = self.store().waiting_for(self.company(), appeared).await?;
        if waits.is_empty() {
            return Ok(());
        }
        let messages: Vec<RecordMessage> = waits.iter().map(|wait| wait.message.clone()).collect();
        let mut per_run: HashMap<(String, RunId), u64> = HashMap::new();
        for message in &messages {
            *per_run.entry((message.job.clone(), message.run)).or_default() += 1;
        }
        for ((job, run), count) in per_run {
            let none = Counters::default();
            self.store().add_to_run(self.company(), &job, run, count, none, none).await?;
        }
        self.queue.send(messages).await?;
        self.store().forget_waits(self.company(), &waits).await?;
        Ok(())
    }
}
